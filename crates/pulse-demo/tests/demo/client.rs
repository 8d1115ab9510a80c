//! A client of a few lines: what the demo is tested with must not be what Pulse measures with.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use pulse_demo::{Character, DemoConfig, DemoServer};
use serde_json::Value;

/// A server on a free port with a small data set.
pub(crate) fn start(character: Character) -> DemoServer {
    DemoServer::start(config(character)).unwrap()
}

pub(crate) fn config(character: Character) -> DemoConfig {
    DemoConfig {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        trades: 200,
        character,
        ..DemoConfig::default()
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// One request on a connection of its own.
pub(crate) fn ask(server: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: demo\r\nconnection: close\r\ncontent-length: {length}\r\n"
    );
    send(server, &format!("{head}\r\n{body}"))
}

/// Any bytes, answered until the server closes.
pub(crate) fn send(server: SocketAddr, request: &str) -> Answer {
    let mut connection = TcpStream::connect(server).unwrap();
    // No wait is that long: it turns a server that hangs into a test that fails.
    connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A server that refuses a body unread may reset the connection after its answer; what came is judged.
    let _ = connection.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}
