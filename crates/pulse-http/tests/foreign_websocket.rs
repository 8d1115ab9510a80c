//! A WebSocket server that is not ours: Python's `websockets`, over plain TCP.

use pulse_http::{
    Connector, ConnectorConfig, Limits, Origin, Outgoing, RequestWriter, Timeouts, WebSocketClient,
};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(30);

/// Sends messages back and pings before each; prints its port first.
const SERVER: &str = "
import asyncio, websockets
async def echo(socket):
    async for message in socket:
        await (await socket.ping())
        await socket.send(message)
async def main():
    async with websockets.serve(echo, '127.0.0.1', 0, max_size=2**24) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()
asyncio.run(main())
";

/// Python with the package, or `None` after saying that the test is skipped.
fn python() -> Option<PathBuf> {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv/bin/python");
    for place in [venv, "python3".into()] {
        let run = Command::new(&place).args(["-c", "import websockets"]).output();
        if run.is_ok_and(|output| output.status.success()) {
            return Some(place);
        }
    }
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!in_ci, "Python's websockets is missing; python-tools.txt names it");
    eprintln!("skipped: Python's websockets is missing; python-tools.txt names it");
    None
}

/// Ended with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn messages_pings_and_the_close_are_understood() {
    let Some(python) = python() else { return };
    let child =
        Command::new(python).args(["-c", SERVER]).stdout(Stdio::piped()).spawn().expect("python runs");
    let mut server = Server(child);
    let mut port = String::new();
    BufReader::new(server.0.stdout.take().expect("it is piped")).read_line(&mut port).expect("a port");
    let origin = Origin::parse(&format!("http://127.0.0.1:{}", port.trim())).expect("a URL");

    let mut request = Vec::new();
    RequestWriter::start(&mut request, "GET", "/", &origin.authority())
        .and_then(|writer| writer.finish(None))
        .expect("a valid request");
    let connector = Rc::new(Connector::new(origin, ConnectorConfig::default()).expect("a connector"));
    let timeouts = Rc::new(Timeouts::new());
    let mut client = WebSocketClient::new(connector, &timeouts, Limits::default());
    let exchange = client.open(&request, LONG).await.expect("an upgrade");
    assert_eq!(exchange.status, 101);
    let large = "ë".repeat(1 << 20);
    for text in ["hello", "", &large] {
        client.send(Outgoing::Text(text), Instant::now(), LONG).await.expect("it is sent");
        let incoming = client.receive(Instant::now(), LONG).await.expect("it comes back");
        assert!(incoming.is_text && client.message() == text.as_bytes(), "{} bytes", text.len());
    }
    client.send(Outgoing::Binary(&[0, 255]), Instant::now(), LONG).await.expect("it is sent");
    assert!(!client.receive(Instant::now(), LONG).await.expect("it comes back").is_text);
    let closed = client.close(Some(3001), Instant::now(), LONG).await.expect("the close is answered");
    assert_eq!(closed.code, Some(3001));
}
