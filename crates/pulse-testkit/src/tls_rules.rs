//! What a TLS server asks of its clients.

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

/// What a server insists on; by default on nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TlsRules {
    /// Only clients with a certificate of the server's authority.
    pub wants_client_certificate: bool,
    /// Only this version: 12 or 13; 0 is both.
    pub only_version: u8,
    /// No session can be resumed.
    pub forgets_sessions: bool,
}

impl TlsRules {
    pub(crate) fn versions(self) -> Vec<&'static SupportedProtocolVersion> {
        match self.only_version {
            12 => vec![&TLS12],
            13 => vec![&TLS13],
            _ => vec![&TLS12, &TLS13],
        }
    }
}

/// What a server has seen of a handshake that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The name that the client asked for (SNI).
    pub server_name: Option<String>,
    /// 12 or 13.
    pub version: u8,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// Whether the client showed a certificate.
    pub client_certificate: bool,
}
