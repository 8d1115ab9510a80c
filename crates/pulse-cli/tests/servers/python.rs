//! Python: the `http.server` of its library, and uvicorn with both of its parsers.

use crate::asks::{CHUNKED, CLOSE, GET, HEAD, HTTP_1, LARGE, MISSING, NONE, POST, assert_answers};
use crate::process::{Folder, Server, installed, tools};
use std::process::Command;

const LIBRARY: &str = r"
import http.server as h

class Handler(h.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def answer(self, status, body=b'', **fields):
        self.send_response(status)
        if status != 204:
            self.send_header('Content-Length', str(len(body)))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)

    def do_GET(self):
        if self.path == '/hello':
            self.answer(200, b'hello')
        elif self.path == '/close':
            self.answer(200, b'hello', Connection='close')
        elif self.path == '/none':
            self.answer(204)
        elif self.path == '/large':
            self.answer(200, b'x' * (1 << 20))
        elif self.path == '/chunked':
            self.send_response(200)
            self.send_header('Transfer-Encoding', 'chunked')
            self.end_headers()
            for _ in range(10):
                self.wfile.write(b'1F4;part=yes\r\n' + b'x' * 500 + b'\r\n')
            self.wfile.write(b'0\r\nX-Done: yes\r\n\r\n')
        else:
            self.answer(404)

    do_HEAD = do_GET

    def do_POST(self):
        self.answer(200, self.rfile.read(int(self.headers['Content-Length'])))

    def log_message(self, *_):
        pass

server = h.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
print('port:', server.server_port, flush=True)
server.serve_forever()
";

const APPLICATION: &str = r"
async def app(scope, receive, send):
    path = scope['path']

    async def answer(status, *parts, fields=()):
        await send({'type': 'http.response.start', 'status': status, 'headers': list(fields)})
        for part in parts:
            await send({'type': 'http.response.body', 'body': part, 'more_body': True})
        await send({'type': 'http.response.body'})

    def length(number):
        return (b'content-length', str(number).encode())

    if path == '/hello':
        await answer(200, b'hello', fields=[length(5)])
    elif path == '/close':
        await answer(200, b'hello', fields=[length(5), (b'connection', b'close')])
    elif path == '/none':
        await answer(204)
    elif path == '/large':
        await answer(200, b'x' * (1 << 20), fields=[length(1 << 20)])
    elif path == '/chunked':
        await answer(200, *[b'x' * 500] * 10)
    elif path == '/echo':
        parts, more = [], True
        while more:
            message = await receive()
            parts.append(message['body'])
            more = message.get('more_body', False)
        await answer(200, *parts)
    else:
        await answer(404, fields=[length(0)])
";

#[test]
fn the_servers_of_pythons_library() {
    let Some(program) = installed(&["python3".into()], "--version") else { return };
    let folder = Folder::new();
    let file = folder.write("server.py", LIBRARY);
    let server = Server::start(Command::new(program).arg(file), "\n");
    let base = format!("http://127.0.0.1:{}", server.said_behind("port:"));
    assert_answers(&base, None, HTTP_1, &[GET, HEAD, POST, NONE, LARGE, CHUNKED, CLOSE, MISSING]);
}

#[test]
fn uvicorn() {
    let Some(program) = installed(&[tools().join("venv/bin/uvicorn"), "uvicorn".into()], "--version") else {
        return;
    };
    let folder = Folder::new();
    folder.write("service.py", APPLICATION);
    for parser in ["h11", "httptools"] {
        let mut command = Command::new(&program);
        command.args(["--port", "0", "--lifespan", "off", "--no-access-log", "--http", parser, "--app-dir"]);
        command.arg(folder.path("")).arg("service:app");
        let server = Server::start(&mut command, "(Press");
        let base = server.said_behind("running on ");
        assert_answers(&base, None, HTTP_1, &[GET, HEAD, POST, NONE, LARGE, CHUNKED, CLOSE, MISSING]);
    }
}
