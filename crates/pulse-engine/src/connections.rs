//! The connections that were opened for a request, by what is spoken on them.

use pulse_http::ConnectionCounts;
use pulse_model::{Series, Snapshot, metric, tag};

/// Connections by version of HTTP, and their TLS handshakes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Those that speak HTTP/1.1, and what begins with it.
    pub http11: u64,
    /// Those that speak HTTP/2.
    pub http2: u64,
    /// Those that speak HTTP/3.
    pub http3: u64,
    /// Full TLS handshakes; none of HTTP/3, whose library does not tell.
    pub full_handshakes: u64,
    /// TLS handshakes that continued an earlier session; none of HTTP/3.
    pub resumed_handshakes: u64,
}

impl Connections {
    /// Those that a client opened from one look at its counts to the next.
    pub fn between(before: &ConnectionCounts, after: &ConnectionCounts) -> Self {
        if after.opened == before.opened {
            return Self::default();
        }
        let (http2, http3) = (after.http2 - before.http2, after.http3 - before.http3);
        Self {
            http11: after.opened - before.opened - http2 - http3,
            http2,
            http3,
            full_handshakes: after.full_handshakes - before.full_handshakes,
            resumed_handshakes: after.resumed - before.resumed,
        }
    }

    /// How many there are.
    pub(crate) fn total(&self) -> u64 {
        self.http11 + self.http2 + self.http3
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.http11 += other.http11;
        self.http2 += other.http2;
        self.http3 += other.http3;
        self.full_handshakes += other.full_handshakes;
        self.resumed_handshakes += other.resumed_handshakes;
    }

    /// Moves them into a snapshot, in the words of ALPN.
    pub(crate) fn seal(&mut self, snapshot: &mut Snapshot, series: impl Fn(&str) -> Series) {
        let sealed = std::mem::take(self);
        for (metric, tag, value, count) in [
            (metric::CONNECTIONS_OPENED, tag::PROTOCOL, "http/1.1", sealed.http11),
            (metric::CONNECTIONS_OPENED, tag::PROTOCOL, "h2", sealed.http2),
            (metric::CONNECTIONS_OPENED, tag::PROTOCOL, "h3", sealed.http3),
            (metric::TLS_HANDSHAKES, tag::KIND, "full", sealed.full_handshakes),
            (metric::TLS_HANDSHAKES, tag::KIND, "resumed", sealed.resumed_handshakes),
        ] {
            if count > 0 {
                snapshot.count(series(metric).with(tag, value), count);
            }
        }
    }
}
