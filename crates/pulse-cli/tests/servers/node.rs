//! Node's modules `http`, `https` and `http2`.

use crate::asks::{CHUNKED, CLOSE, GET, HEAD, HTTP_1, HTTP_2, LARGE, MISSING, NONE, POST, assert_answers};
use crate::process::{Folder, Server, installed};
use std::process::Command;

const PROGRAM: &str = r"
const [kind, certificate, key] = process.argv.slice(2);
const { readFileSync } = require('fs');
const tls = () => ({ cert: readFileSync(certificate), key: readFileSync(key) });
const large = Buffer.alloc(1 << 20, 'x');
function answer(request, response) {
    const path = request.url;
    if (path === '/echo') {
        const parts = [];
        request.on('data', part => parts.push(part));
        request.on('end', () => response.end(Buffer.concat(parts)));
        return;
    }
    request.resume();
    if (path === '/hello') return response.end('hello');
    if (path === '/close') return response.writeHead(200, { Connection: 'close' }).end('hello');
    if (path === '/none') return response.writeHead(204).end();
    if (path === '/large') return response.end(large);
    if (path === '/chunked') {
        for (let i = 0; i < 10; i++) response.write('x'.repeat(500));
        return response.end();
    }
    response.writeHead(404).end();
}
const server = {
    http: () => require('http').createServer(answer),
    https: () => require('https').createServer(tls(), answer),
    http2: () => require('http2').createSecureServer(tls(), answer),
    h2c: () => require('http2').createServer(answer),
}[kind]();
server.listen(0, '127.0.0.1', () => console.log('port: ' + server.address().port));
";

#[test]
fn node() {
    let Some(program) = installed(&["node".into()], "--version") else { return };
    let folder = Folder::new();
    let file = folder.write("server.js", PROGRAM);
    let authority = folder.authority();
    for (kind, scheme, version) in [
        ("http", "http", HTTP_1),
        ("https", "https", HTTP_1),
        ("http2", "https", HTTP_2),
        ("h2c", "http", HTTP_2),
    ] {
        let mut command = Command::new(&program);
        command.arg(&file).arg(kind).args([folder.path("certificate.pem"), folder.path("key.pem")]);
        let server = Server::start(&mut command, "\n");
        let base = format!("{scheme}://localhost:{}", server.said_behind("port: "));
        let authority = (scheme == "https").then_some(authority.as_path());
        assert_answers(&base, authority, version, &[GET, HEAD, POST, NONE, LARGE, CHUNKED, MISSING]);
        if version == HTTP_1 {
            assert_answers(&base, authority, version, &[CLOSE]);
        }
    }
}
