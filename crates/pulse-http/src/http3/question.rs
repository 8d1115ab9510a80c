//! A request written for HTTP/1.1, taken apart for HTTP/3.

use crate::failure::{Cause, FailureClass};
use crate::view::Headers;
use http::{HeaderName, HeaderValue, Method, Request, Uri};

/// Fields that speak of a connection of HTTP/1.1 (RFC 9114 §4.2), in small letters. `Host` becomes `:authority`.
const OF_THE_CONNECTION: [&str; 7] =
    ["connection", "host", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];

/// The head for the library, and the body.
pub(super) fn take_apart(bytes: &[u8]) -> Result<(Request<()>, &[u8]), Cause> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n").ok_or_else(|| unsuitable("it has no head"))? + 4;
    let (head, body) = bytes.split_at(end);
    let line_end = memchr::memchr(b'\n', head).map_or(head.len(), |at| at + 1);
    let (line, fields) = head.split_at(line_end);
    let mut words = line.trim_ascii_end().split(|&byte| byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let headers = || Headers::of_fields(fields);
    let host = headers().find(|(name, _)| name.eq_ignore_ascii_case("host")).map(|(_, value)| value);
    let uri = Uri::builder()
        .scheme("https")
        .authority(host.ok_or_else(|| unsuitable("it has no Host"))?)
        .path_and_query(target)
        .build()
        .map_err(unsuitable)?;
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method).map_err(unsuitable)?;
    *request.uri_mut() = uri;
    for (name, value) in headers() {
        if OF_THE_CONNECTION.iter().any(|other| name.eq_ignore_ascii_case(other)) {
            continue;
        }
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(unsuitable)?;
        let value = HeaderValue::from_bytes(value).map_err(unsuitable)?;
        request.headers_mut().try_append(name, value).map_err(unsuitable)?;
    }
    Ok((request, body))
}

fn unsuitable(reason: impl std::fmt::Display) -> Cause {
    Cause::new(FailureClass::Other, format!("the request cannot be sent over HTTP/3: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::RequestWriter;

    #[test]
    fn what_belongs_to_the_connection_stays_behind() {
        let mut bytes = Vec::new();
        RequestWriter::start(&mut bytes, "POST", "/a?b=c", "localhost:8443")
            .and_then(|writer| writer.header("Connection", "close"))
            .and_then(|writer| writer.header("X-Twice", "1"))
            .and_then(|writer| writer.header("x-twice", "2"))
            .and_then(|writer| writer.finish(Some(b"body")))
            .unwrap();
        let (request, body) = take_apart(&bytes).unwrap();
        assert_eq!(request.method(), "POST");
        assert_eq!(request.uri(), "https://localhost:8443/a?b=c");
        assert_eq!(body, b"body");
        let mut fields: Vec<_> =
            request.headers().iter().map(|(name, value)| (name.as_str(), value)).collect();
        fields.retain(|(name, _)| *name != "user-agent");
        let expected = [("x-twice", "1"), ("x-twice", "2"), ("accept", "*/*"), ("content-length", "4")];
        assert_eq!(fields, expected);
    }

    #[test]
    fn what_cannot_be_sent_says_so() {
        for bytes in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"] {
            let cause = take_apart(bytes).unwrap_err();
            assert!(cause.detail.contains("over HTTP/3"), "{}", cause.detail);
        }
    }
}
