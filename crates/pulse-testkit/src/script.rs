//! What a scripted server does on a connection.

use std::time::Duration;

/// One thing to do. After the last step the connection is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Read one request: a head and as many bytes as its Content-Length says. Ends the script where the client
    /// closes instead.
    ReadRequest,
    /// Read at least one byte, and no more than one read brings.
    ReadSome,
    /// Send these bytes with one write.
    Send(Vec<u8>),
    /// Send these bytes in pieces of the given length, each with a write of its own.
    SendSplit(Vec<u8>, usize),
    /// Send these bytes again and again until the client closes.
    SendForever(Vec<u8>),
    /// Wait. For the cases in which time itself is the matter; to order events between test and server, use `Gate`.
    Pause(Duration),
    /// Wait until the test calls [`ScriptedServer::open_gate`](crate::ScriptedServer::open_gate), once for each gate.
    Gate,
    /// Read one request and answer it with the 101 that opens a WebSocket.
    AcceptWebSocket,
    /// Send so many WebSocket messages back as they came, control frames not counted; a close frame is answered and ends
    /// the script.
    Echo(usize),
    /// Close the sending side only.
    HalfClose,
    /// Close the connection, in order.
    Close,
    /// Close the connection with a reset.
    Reset,
    /// Keep the connection open and ignore what comes, until the client closes.
    Hold,
    /// Go on with the first step.
    Loop,
}

impl Step {
    /// [`Step::Send`] for text or bytes.
    pub fn send(bytes: impl AsRef<[u8]>) -> Self {
        Self::Send(bytes.as_ref().to_vec())
    }
}

/// The steps for each connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    connections: Vec<Vec<Step>>,
}

impl Script {
    /// The same steps for every connection.
    pub fn each(steps: Vec<Step>) -> Self {
        Self { connections: vec![steps] }
    }

    /// The n-th steps for the n-th connection; the last ones also for all further connections.
    pub fn in_turn(connections: Vec<Vec<Step>>) -> Self {
        Self { connections }
    }

    pub(crate) fn steps(&self, connection: usize) -> Vec<Step> {
        let last = self.connections.len().saturating_sub(1);
        self.connections.get(connection.min(last)).cloned().unwrap_or_default()
    }
}
