//! What one answered request measured.

use std::time::{Duration, Instant};

/// One request and its complete response. Whether the status is a success is not decided here.
#[derive(Debug, Clone, Copy)]
pub struct Exchange {
    /// Status code of the final response, 100 to 999.
    pub status: u16,
    /// When the exchange was asked for: before connecting, where a connection was needed.
    pub started: Instant,
    /// Just before the request was written (the second time, where it had to be sent again).
    pub sent: Instant,
    /// Time between `started` and `sent` that was spent neither on connecting nor on sending: waiting for a free stream of
    /// an HTTP/2 connection or for the user who opens a shared one, and what a first attempt took on a kept connection
    /// that turned out to be dead. Zero otherwise.
    pub blocked: Duration,
    /// From `sent` until the whole request was handed to the kernel, and never beyond `first_byte`. Zero where the first
    /// write took all of it, which spares a clock reading.
    pub send: Duration,
    /// When the first bytes of the response had been read. Equal to `finished` where one read brought everything.
    pub first_byte: Instant,
    /// When the last byte of the response had been read.
    pub finished: Instant,
    /// The cost of the connection, where one had to be opened for this exchange.
    pub connect: Option<ConnectTimes>,
    /// Bytes of HTTP written (without TLS overhead), a request that was sent again included.
    pub bytes_sent: u64,
    /// Bytes of HTTP read (without TLS overhead): interim responses, head, body with its framing.
    pub bytes_received: u64,
    /// Bytes of the body without framing.
    pub body_bytes: u64,
}

impl Exchange {
    /// Time from sending to the complete response.
    pub fn service_time(&self) -> Duration {
        self.finished.saturating_duration_since(self.sent)
    }

    /// Time to first byte: from the end of sending to the first byte of the response.
    pub fn waiting_time(&self) -> Duration {
        self.first_byte.saturating_duration_since(self.sent).saturating_sub(self.send)
    }

    /// From the first byte of the response to its last; zero where one read brought everything.
    pub fn receiving_time(&self) -> Duration {
        self.finished.saturating_duration_since(self.first_byte)
    }
}

/// What opening a connection took, phase by phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectTimes {
    /// Name resolution; zero for an IP address and where the worker had resolved the name already.
    pub resolve: Duration,
    /// TCP connection (or that of a Unix socket): attempts at addresses that did not answer and the talk with a proxy
    /// included.
    pub tcp: Duration,
    /// TLS handshake; zero for plain HTTP.
    pub tls: Duration,
}

impl ConnectTimes {
    /// All phases together.
    pub fn total(&self) -> Duration {
        self.resolve + self.tcp + self.tls
    }
}
