//! `CONNECT` (RFC 9110, section 9.3.6): an HTTP proxy becomes a tunnel.

use super::proxy::{Destination, ProxyCredentials, ProxyError};
use crate::authorization::Authorization;

/// The most header fields in a proxy's answer.
const MAX_HEADERS: usize = 64;

/// The request that asks for a tunnel.
pub(crate) fn request(destination: &Destination, credentials: Option<&ProxyCredentials>) -> Vec<u8> {
    // Encoded in base64, credentials cannot hold a line break.
    let authorization = credentials.map_or_else(String::new, |ProxyCredentials { name, password }| {
        format!("Proxy-Authorization: {}\r\n", Authorization::basic(name, password).value())
    });
    format!("CONNECT {destination} HTTP/1.1\r\nHost: {destination}\r\n{authorization}\r\n").into_bytes()
}

/// What an HTTP proxy says to `CONNECT`.
#[derive(Debug)]
pub struct ConnectAnswer;

impl ConnectAnswer {
    /// Reads the answer's head. `Some` with its length in bytes: the tunnel is open. `None`: the head has not ended yet.
    pub fn parse(bytes: &[u8]) -> Result<Option<((), usize)>, ProxyError> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(bytes) {
            Ok(httparse::Status::Partial) => Ok(None),
            Ok(httparse::Status::Complete(length)) => match response.code {
                Some(200..=299) => Ok(Some(((), length))),
                code => Err(ProxyError::Status(code.unwrap_or_default())),
            },
            Err(_) => Err(ProxyError::NotUnderstood("HTTP answer")),
        }
    }
}

/// What to do about a status.
pub(crate) fn hint(status: u16) -> &'static str {
    match status {
        407 => " (it wants a name and a password, or other ones: http://name:password@host:port)",
        403 | 405 => " (it may allow CONNECT to port 443 only)",
        502..=504 => " (it does not reach the service)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::proxy::Host;

    #[test]
    fn requests_name_the_destination_and_carry_credentials() {
        let request = |host: &str, credentials: Option<&ProxyCredentials>| {
            let destination = Destination { host: Host::new(host), port: 443 };
            String::from_utf8(request(&destination, credentials)).unwrap()
        };
        assert_eq!(
            request("a.example", None),
            "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"
        );
        let credentials = ProxyCredentials { name: "me".into(), password: "p:w".into() };
        assert!(request("::1", Some(&credentials)).starts_with("CONNECT [::1]:443 HTTP/1.1\r\n"));
        assert!(
            request("::1", Some(&credentials)).contains("\r\nProxy-Authorization: Basic bWU6cDp3\r\n\r\n")
        );
        assert!(!format!("{credentials:?}").contains("p:w"));
    }

    #[test]
    fn answers() {
        let parse = ConnectAnswer::parse;
        assert_eq!(parse(b"HTTP/1.1 200 Fine\r\nVia: x\r\n\r\n"), Ok(Some(((), 29))));
        assert_eq!(parse(b"HTTP/1.0 200 Fine\r\n\r\nmore"), Ok(Some(((), 21))));
        assert_eq!(parse(b"HTTP/1.1 200 Fine\r\n"), Ok(None));
        assert_eq!(parse(b""), Ok(None));
        assert_eq!(parse(b"HTTP/1.1 407 No\r\n\r\n"), Err(ProxyError::Status(407)));
        assert_eq!(parse(b"HTTP/1.1 101 No\r\n\r\n"), Err(ProxyError::Status(101)));
        for garbage in [&b"SSH-2.0-x\r\n"[..], b"\x05\xff", b"\0\0\0\0"] {
            assert_eq!(parse(garbage), Err(ProxyError::NotUnderstood("HTTP answer")), "{garbage:?}");
        }
        let many = format!("HTTP/1.1 200 Fine\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1));
        assert!(parse(many.as_bytes()).is_err());
    }
}
