//! Which version of HTTP is spoken.

/// The version of HTTP that a [`Connector`](crate::Connector)'s clients speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum HttpVersion {
    /// HTTP/1.1, one request at a time per connection.
    #[default]
    Http11,
    /// HTTP/2: offered alone in the TLS handshake (ALPN `h2`), and spoken without asking over plain TCP (prior
    /// knowledge).
    Http2,
    /// HTTP/3 over QUIC, which is always encrypted. Experimental, and only with the feature `http3`.
    Http3,
    /// Over TLS, what the server chooses of HTTP/2 and HTTP/1.1; over plain TCP, HTTP/1.1.
    Auto,
}

impl HttpVersion {
    /// The protocols to offer in a TLS handshake, the preferred one first, as registered.
    pub(crate) fn alpn(self) -> Vec<Vec<u8>> {
        match self {
            Self::Http11 => vec![b"http/1.1".to_vec()],
            Self::Http2 => vec![b"h2".to_vec()],
            Self::Http3 => vec![b"h3".to_vec()],
            Self::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        }
    }
}
