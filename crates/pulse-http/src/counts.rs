//! What has become of a client's connections.

use crate::version::HttpVersion;
use rustls::HandshakeKind;

/// What a client's connections have seen, for the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Connections opened.
    pub opened: u64,
    /// Those of them that speak HTTP/2; the rest speaks HTTP/1.1, where it is not HTTP/3.
    pub http2: u64,
    /// Those of them that speak HTTP/3.
    pub http3: u64,
    /// Those of them that began with a full TLS handshake. QUIC does not tell, so that HTTP/3 is not among them.
    pub full_handshakes: u64,
    /// Those of them whose TLS handshake continued an earlier session; without HTTP/3, too.
    pub resumed: u64,
    /// Requests sent on a connection that had served another one before.
    pub reused: u64,
    /// Connections that the peer ended: announced in a response, or found closed, or broken.
    pub closed_by_peer: u64,
    /// Connections dropped because bytes came that answered nothing: after a response, or on an idle connection.
    pub surplus: u64,
    /// Requests sent a second time because a kept connection ended without any byte of an answer.
    pub resent: u64,
}

impl ConnectionCounts {
    /// Counts a connection that was opened.
    pub(crate) fn open(&mut self, spoken: HttpVersion, handshake: Option<HandshakeKind>) {
        self.opened += 1;
        self.http2 += u64::from(spoken == HttpVersion::Http2);
        self.http3 += u64::from(spoken == HttpVersion::Http3);
        match handshake {
            Some(HandshakeKind::Resumed) => self.resumed += 1,
            Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest) => self.full_handshakes += 1,
            None => {}
        }
    }
}

impl std::ops::AddAssign for ConnectionCounts {
    fn add_assign(&mut self, other: Self) {
        self.opened += other.opened;
        self.http2 += other.http2;
        self.http3 += other.http3;
        self.full_handshakes += other.full_handshakes;
        self.resumed += other.resumed;
        self.reused += other.reused;
        self.closed_by_peer += other.closed_by_peer;
        self.surplus += other.surplus;
        self.resent += other.resent;
    }
}
