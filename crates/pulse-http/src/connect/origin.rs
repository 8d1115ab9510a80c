//! Whom to ask: scheme, host and port.

use std::fmt;
use url::{Host, Url};

/// How to speak to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS over TCP.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that an authority need not name.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// One server to connect to. Two URLs with equal origins can share a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// Name or IP address; an IPv6 address without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Why a URL names no server that can be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Not a URL.
    #[error("`{0}` is not a URL ({1}); write it as http://host:port/path")]
    Url(String, url::ParseError),
    /// A scheme other than http and https.
    #[error("the scheme `{0}` is not supported; use http:// or https://")]
    Scheme(String),
    /// A URL without a host.
    #[error("`{0}` names no host; write it as http://host:port/path")]
    Host(String),
}

impl Origin {
    /// The origin of a URL; path, query and user information are not looked at.
    pub fn of(url: &Url) -> Result<Self, OriginError> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => return Err(OriginError::Scheme(other.to_owned())),
        };
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(OriginError::Host(url.to_string())),
        };
        Ok(Self { scheme, host, port: url.port().unwrap_or(scheme.default_port()) })
    }

    /// The origin of a `ws://` or `wss://` URL, whose default ports are those of http and https.
    pub fn of_websocket(url: &Url) -> Result<Self, OriginError> {
        let http = match url.scheme() {
            "ws" => "http",
            "wss" => "https",
            other => return Err(OriginError::Scheme(other.to_owned())),
        };
        let rest = &url.as_str()[url.scheme().len()..];
        Self::parse(&format!("{http}{rest}"))
    }

    /// The origin of a URL in text.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let url = Url::parse(text).map_err(|error| OriginError::Url(text.to_owned(), error))?;
        Self::of(&url)
    }

    /// The value of the `Host` header field: IPv6 addresses in brackets, the scheme's own port left out.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }
}

/// `scheme://authority`, without a trailing slash.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_of_urls() {
        let table = [
            ("http://localhost", "localhost", 80, "http://localhost"),
            ("http://localhost:80/x?y", "localhost", 80, "http://localhost"),
            ("http://localhost:8000/x", "localhost", 8000, "http://localhost:8000"),
            ("https://a.example:80/", "a.example", 80, "https://a.example:80"),
            ("https://user:secret@a.example/", "a.example", 443, "https://a.example"),
            ("http://[::1]:8000/", "::1", 8000, "http://[::1]:8000"),
            ("https://[::1]/", "::1", 443, "https://[::1]"),
            ("http://127.0.0.1:9/", "127.0.0.1", 9, "http://127.0.0.1:9"),
            ("http://BÜCHER.example/", "xn--bcher-kva.example", 80, "http://xn--bcher-kva.example"),
        ];
        for (url, host, port, shown) in table {
            let origin = Origin::parse(url).unwrap();
            assert_eq!((origin.host.as_str(), origin.port), (host, port), "{url}");
            assert_eq!(origin.to_string(), shown, "{url}");
        }
    }

    #[test]
    fn origins_of_websockets() {
        for (url, shown) in [
            ("ws://a.example/ws", "http://a.example"),
            ("wss://[::1]/ws?x", "https://[::1]"),
            ("wss://a.example:8443/", "https://a.example:8443"),
        ] {
            assert_eq!(Origin::of_websocket(&Url::parse(url).unwrap()).unwrap().to_string(), shown, "{url}");
        }
        let other = Url::parse("http://a.example/").unwrap();
        assert_eq!(Origin::of_websocket(&other), Err(OriginError::Scheme("http".into())));
    }

    #[test]
    fn what_names_no_server() {
        let table = [
            ("localhost", "is not a URL"),
            ("ftp://a.example/", "scheme `ftp`"),
            ("localhost:8000", "scheme `localhost`"),
            ("http://", "is not a URL"),
        ];
        for (url, words) in table {
            let message = Origin::parse(url).unwrap_err().to_string();
            assert!(message.contains(words), "{url}: {message}");
        }
    }
}
