//! A request in the form in which HTTP/2 and HTTP/3 send it: pseudo-header fields, fields and body apart.

use crate::connect::Scheme;
use crate::request::RequestError;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, Uri, Version};
use std::fmt;

/// More header fields than a request can sensibly have.
const MAX_FIELDS: usize = 256;

/// What a request's bytes say, taken apart once so that sending it again costs little.
///
/// Fields that concern an HTTP/1.1 connection are left out (RFC 9113 §8.2.2) and `Host` becomes `:authority`.
#[derive(Clone)]
pub struct RequestParts {
    head: http::Request<()>,
    body: Bytes,
}

impl RequestParts {
    /// Takes apart what a [`RequestWriter`](crate::RequestWriter) wrote, to be sent over `scheme`.
    pub fn parse(bytes: &[u8], scheme: Scheme) -> Result<Self, RequestError> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        let malformed = |error: &dyn fmt::Display| RequestError::Parts(error.to_string());
        let length = match request.parse(bytes).map_err(|error| malformed(&error))? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => return Err(malformed(&"its head is not complete")),
        };
        let mut headers = HeaderMap::with_capacity(request.headers.len());
        let mut authority = None;
        for field in request.headers.iter() {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|error| malformed(&error))?;
            if name == http::header::HOST {
                authority = Some(Authority::try_from(field.value).map_err(|error| malformed(&error))?);
            } else if !is_of_the_connection(&name, field.value) {
                let value = HeaderValue::from_bytes(field.value).map_err(|error| malformed(&error))?;
                headers.append(name, value);
            }
        }
        let target =
            PathAndQuery::try_from(request.path.unwrap_or("/")).map_err(|error| malformed(&error))?;
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(match scheme {
            Scheme::Http => http::uri::Scheme::HTTP,
            Scheme::Https => http::uri::Scheme::HTTPS,
        });
        uri.authority = Some(authority.ok_or_else(|| malformed(&"it has no Host"))?);
        uri.path_and_query = Some(target);
        let mut head = http::Request::new(());
        *head.method_mut() = Method::from_bytes(request.method.unwrap_or_default().as_bytes())
            .map_err(|error| malformed(&error))?;
        *head.uri_mut() = Uri::from_parts(uri).map_err(|error| malformed(&error))?;
        *head.version_mut() = Version::HTTP_2;
        *head.headers_mut() = headers;
        Ok(Self { head, body: Bytes::copy_from_slice(&bytes[length..]) })
    }

    /// Method, URI (`:scheme`, `:authority`, `:path`) and fields.
    pub fn head(&self) -> &http::Request<()> {
        &self.head
    }

    /// The body; cloning it copies nothing.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

/// Sizes only: the fields may hold credentials.
impl fmt::Debug for RequestParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestParts")
            .field("fields", &self.head.headers().len())
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Whether the field speaks of the HTTP/1.1 connection and not of the request.
fn is_of_the_connection(name: &HeaderName, value: &[u8]) -> bool {
    match name.as_str() {
        "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade"
        | "http2-settings" => true,
        "te" => !value.eq_ignore_ascii_case(b"trailers"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_apart() {
        let bytes = b"POST /a?b=c HTTP/1.1\r\nHost: h.example:8\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\nKeep-Alive: 5\r\n\
            Upgrade: h2c\r\nTE: gzip\r\nProxy-Connection: x\r\nHTTP2-Settings: x\r\nContent-Length: 2\r\n\r\nhi";
        let parts = RequestParts::parse(bytes, Scheme::Https).unwrap();
        assert_eq!(parts.head().method(), "POST");
        assert_eq!(parts.head().uri(), "https://h.example:8/a?b=c");
        let fields: Vec<_> = parts.head().headers().iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        assert_eq!(fields, [("x-a", &b"1"[..]), ("x-a", b"2"), ("content-length", b"2")]);
        assert_eq!(parts.body(), "hi");
        let trailers =
            RequestParts::parse(b"GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n", Scheme::Http);
        assert_eq!(trailers.unwrap().head().headers().len(), 1);
        let options = RequestParts::parse(b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", Scheme::Http).unwrap();
        assert_eq!(options.head().uri().path(), "*");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for bytes in [
            &b""[..],
            b"GET / HTTP/1.1\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\0\0\0",
            b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        ] {
            let error = RequestParts::parse(bytes, Scheme::Http).unwrap_err();
            assert!(error.to_string().contains("over HTTP/2"), "{error}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let parts = RequestParts::parse(
            b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: s3cret\r\n\r\ns3cret",
            Scheme::Http,
        );
        assert!(!format!("{parts:?}").contains("s3cret"));
    }
}
