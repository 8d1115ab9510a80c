//! Which version of HTTP the requests of a plan use.

use std::fmt;
use std::str::FromStr;

/// The version of HTTP that is spoken with the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2: chosen in the TLS handshake, or spoken without asking over plain TCP.
    Http2,
    /// HTTP/3, over QUIC. Experimental.
    Http3,
    /// Over TLS, what the service prefers; over plain TCP, HTTP/1.1.
    Auto,
}

impl HttpVersion {
    /// Every version, with its name in files and flags.
    const NAMES: [(Self, &'static str); 4] =
        [(Self::Http11, "1.1"), (Self::Http2, "2"), (Self::Http3, "3"), (Self::Auto, "auto")];

    /// Whether users may share a connection at the same time.
    pub fn multiplexes(self) -> bool {
        matches!(self, Self::Http2 | Self::Auto)
    }

    /// Whether a request may leave as frames, and not as the text of HTTP/1.1.
    pub fn has_frames(self) -> bool {
        self != Self::Http11
    }
}

impl fmt::Display for HttpVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(version, _)| version == self);
        f.write_str(name.map_or("", |(_, name)| name))
    }
}

/// A text that names no version of HTTP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version of HTTP that can be spoken; write 1.1, 2, 3 or auto")]
pub struct HttpVersionError(String);

impl FromStr for HttpVersion {
    type Err = HttpVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::NAMES.iter().find(|(_, name)| *name == text);
        known.map(|(version, _)| *version).ok_or_else(|| HttpVersionError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (version, name) in HttpVersion::NAMES {
            assert_eq!(name.parse(), Ok(version));
            assert_eq!(version.to_string(), name);
        }
        for text in ["", "1", "2.0", "h2", "h3", "AUTO"] {
            assert!(text.parse::<HttpVersion>().is_err(), "{text}");
        }
    }
}
