//! A client of a few lines: what the demo is tested with must not be what Pulse measures with.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use pulse_demo::{Character, DemoConfig, DemoServer};
use serde_json::Value;

/// A server on a free port with a small data set.
pub fn start(character: Character) -> DemoServer {
    DemoServer::start(config(character)).unwrap()
}

pub fn config(character: Character) -> DemoConfig {
    DemoConfig {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        trades: 200,
        character,
        ..DemoConfig::default()
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// One request on a connection of its own.
pub fn ask(server: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: demo\r\nconnection: close\r\ncontent-length: {length}\r\n"
    );
    send(server, &format!("{head}\r\n{body}"))
}

/// Any bytes, answered until the server closes.
pub fn send(server: SocketAddr, request: &str) -> Answer {
    let mut connection = TcpStream::connect(server).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A server that refuses a body unread may reset the connection after its answer; what came is judged.
    let _ = connection.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}
