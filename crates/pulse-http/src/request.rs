//! A request as bytes: written once, sent with one write.

use crate::parts::RequestParts;
use crate::payload::RequestBody;
use std::ops::Range;

/// One request, ready to be sent.
///
/// Over HTTP/1.1 the client never looks into `bytes`. A request that asks the peer to close (`Connection: close`) should be
/// followed by [`Client::close`](crate::Client::close), which spares the next request a dead connection.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Head and body, complete; or the head alone, with the length of a `body` that follows it.
    pub bytes: &'a [u8],
    /// The body, where it does not stand in `bytes`.
    pub body: RequestBody<'a>,
    /// Whether the method is HEAD, whose response has no body whatever its head says.
    pub is_head: bool,
    /// Whether it may be sent again where a kept connection turns out to be closed before any answer.
    pub idempotent: bool,
    /// What `bytes` say taken apart, for HTTP/2 and HTTP/3; without it the client takes them apart where it has to.
    pub parts: Option<&'a RequestParts>,
}

impl<'a> Request<'a> {
    /// A request whose two properties follow from the method.
    pub fn of(method: &str, bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            body: RequestBody::Inline,
            is_head: method == "HEAD",
            idempotent: is_idempotent(method),
            parts: None,
        }
    }

    /// Bytes of the whole request over HTTP/1.1.
    pub(crate) fn length(&self) -> u64 {
        self.bytes.len() as u64 + self.body.length()
    }
}

/// The size only: the bytes may hold credentials.
impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("bytes", &self.bytes.len())
            .field("body", &self.body.length())
            .field("is_head", &self.is_head)
            .field("idempotent", &self.idempotent)
            .finish_non_exhaustive()
    }
}

/// Whether sending the request twice does what sending it once does (RFC 9110 §9.2.2). Methods are case-sensitive.
pub fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE")
}

/// Why a request cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The method is not a token.
    #[error("`{0}` is not an HTTP method; use letters such as GET or POST")]
    Method(String),
    /// The path and query contain what a request line cannot hold.
    #[error(
        "the path `{0}` must start with `/` and have no spaces, `#`, control or non-ASCII characters; percent-encode them"
    )]
    Target(String),
    /// The value for `Host` is empty or not printable ASCII.
    #[error("`{0}` is not a host for the Host header")]
    Host(String),
    /// The header's name is not a token.
    #[error("`{0}` is not a header name; use letters, digits and hyphens")]
    HeaderName(String),
    /// The header's value has a line break, a NUL or another control character. The value is not shown: it may be a secret.
    #[error("the value of the header `{0}` contains a line break or control character; remove it")]
    HeaderValue(String),
    /// A `Content-Length` that is not the body's.
    #[error("the header Content-Length says `{given}` but the body has {actual} bytes; leave the header out")]
    ContentLength {
        /// As given.
        given: String,
        /// The body's length in bytes.
        actual: u64,
    },
    /// A `Transfer-Encoding`, which would contradict the body that is sent whole.
    #[error("the header Transfer-Encoding cannot be set: the body is sent whole, with its Content-Length")]
    TransferEncoding,
    /// Bytes that are no request that HTTP/2 or HTTP/3 can send.
    #[error("the request cannot be sent over HTTP/2 or HTTP/3: {0}")]
    Parts(String),
}

/// Writes one request into a buffer that can be used again, without allocating once the buffer has grown.
///
/// `Host` comes first, then the given header fields in their order, then what is missing: `User-Agent`, `Accept`,
/// and `Content-Length` where there is a body or the method is one that usually has one (POST, PUT, PATCH).
///
/// ```
/// # use pulse_http::RequestWriter;
/// let mut bytes = Vec::new();
/// RequestWriter::start(&mut bytes, "POST", "/orders", "localhost:8000")?
///     .header("Content-Type", "application/json")?
///     .finish(Some(b"{}"))?;
/// assert!(bytes.starts_with(b"POST /orders HTTP/1.1\r\nHost: localhost:8000\r\nContent-Type: "));
/// # Ok::<(), pulse_http::RequestError>(())
/// ```
#[derive(Debug)]
pub struct RequestWriter<'a> {
    out: &'a mut Vec<u8>,
    host: Range<usize>,
    usually_has_body: bool,
    has_user_agent: bool,
    has_accept: bool,
    content_length: Option<String>,
}

pub(crate) const USER_AGENT: &str = concat!("pulse/", env!("CARGO_PKG_VERSION"));

impl<'a> RequestWriter<'a> {
    /// Clears `out` and writes the request line and `Host`. `target` is path and query; `authority` is usually
    /// [`Origin::authority`](crate::Origin::authority).
    pub fn start(
        out: &'a mut Vec<u8>,
        method: &str,
        target: &str,
        authority: &str,
    ) -> Result<Self, RequestError> {
        if !is_token(method) {
            return Err(RequestError::Method(method.to_owned()));
        }
        let is_target = |b: u8| b.is_ascii_graphic() && b != b'#';
        if !(target.starts_with('/') || target == "*") || !target.bytes().all(is_target) {
            return Err(RequestError::Target(target.to_owned()));
        }
        check_host(authority)?;
        out.clear();
        write_all(out, &[method, " ", target, " HTTP/1.1\r\nHost: "]);
        let host = out.len()..out.len() + authority.len();
        write_all(out, &[authority, "\r\n"]);
        Ok(Self {
            out,
            host,
            usually_has_body: matches!(method, "POST" | "PUT" | "PATCH"),
            has_user_agent: false,
            has_accept: false,
            content_length: None,
        })
    }

    /// Adds a header field. `Host`, `User-Agent` and `Accept` replace what would be sent by default; a
    /// `Content-Length` is compared with the body in [`finish`](Self::finish).
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, RequestError> {
        if !is_token(name) {
            return Err(RequestError::HeaderName(name.to_owned()));
        }
        if value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
            return Err(RequestError::HeaderValue(name.to_owned()));
        }
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("host") {
            check_host(value)?;
            self.out.splice(self.host.clone(), value.bytes());
            self.host.end = self.host.start + value.len();
            return Ok(self);
        }
        if is("transfer-encoding") {
            return Err(RequestError::TransferEncoding);
        }
        if is("content-length") {
            self.content_length = Some(value.trim().to_owned());
            return Ok(self);
        }
        self.has_user_agent |= is("user-agent");
        self.has_accept |= is("accept");
        write_all(self.out, &[name, ": ", value, "\r\n"]);
        Ok(self)
    }

    /// Adds what is missing, ends the head and appends the body.
    pub fn finish(mut self, body: Option<&[u8]>) -> Result<(), RequestError> {
        self.end_head(body.map(|body| body.len() as u64))?;
        self.out.extend_from_slice(body.unwrap_or_default());
        Ok(())
    }

    /// Adds what is missing and ends the head, for a body of that length that follows apart from it, as a
    /// [`RequestBody`].
    pub fn finish_head(mut self, body_length: Option<u64>) -> Result<(), RequestError> {
        self.end_head(body_length)
    }

    fn end_head(&mut self, body_length: Option<u64>) -> Result<(), RequestError> {
        if !self.has_user_agent {
            write_all(self.out, &["User-Agent: ", USER_AGENT, "\r\n"]);
        }
        if !self.has_accept {
            write_all(self.out, &["Accept: */*\r\n"]);
        }
        let actual = body_length.unwrap_or(0);
        if let Some(given) = &self.content_length
            && given.parse() != Ok(actual)
        {
            return Err(RequestError::ContentLength { given: given.clone(), actual });
        }
        if body_length.is_some() || self.usually_has_body || self.content_length.is_some() {
            write_all(self.out, &["Content-Length: "]);
            write_number(self.out, actual);
            write_all(self.out, &["\r\n"]);
        }
        write_all(self.out, &["\r\n"]);
        Ok(())
    }
}

fn check_host(host: &str) -> Result<(), RequestError> {
    if host.is_empty() || !host.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(RequestError::Host(host.to_owned()));
    }
    Ok(())
}

fn write_all(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let start = out.len();
    loop {
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out[start..].reverse();
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<String, RequestError> {
        let mut out = b"left over from the request before".to_vec();
        let mut writer = RequestWriter::start(&mut out, method, target, "h:1")?;
        for (name, value) in headers {
            writer = writer.header(name, value)?;
        }
        writer.finish(body)?;
        Ok(String::from_utf8(out).expect("the test's requests are text"))
    }

    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a [u8]>, String);

    #[test]
    fn requests_are_written_with_what_is_missing() {
        let agent = format!("User-Agent: {USER_AGENT}\r\n");
        let table: [Case<'_>; 7] = [
            ("GET", &[], None, format!("GET /a?b=c HTTP/1.1\r\nHost: h:1\r\n{agent}Accept: */*\r\n\r\n")),
            (
                "POST",
                &[],
                None,
                format!(
                    "POST /a?b=c HTTP/1.1\r\nHost: h:1\r\n{agent}Accept: */*\r\nContent-Length: 0\r\n\r\n"
                ),
            ),
            (
                "DELETE",
                &[("x-a", "1"), ("X-A", "2\t3")],
                Some(b"0123456789"),
                format!(
                    "DELETE /a?b=c HTTP/1.1\r\nHost: h:1\r\nx-a: 1\r\nX-A: 2\t3\r\n{agent}Accept: */*\r\nContent-Length: 10\r\n\r\n0123456789"
                ),
            ),
            (
                "GET",
                &[("user-agent", "me"), ("ACCEPT", "text/html"), ("host", "other.example")],
                None,
                "GET /a?b=c HTTP/1.1\r\nHost: other.example\r\nuser-agent: me\r\nACCEPT: text/html\r\n\r\n"
                    .into(),
            ),
            (
                "PATCH",
                &[("Content-Length", " 2 ")],
                Some(b"hi"),
                format!(
                    "PATCH /a?b=c HTTP/1.1\r\nHost: h:1\r\n{agent}Accept: */*\r\nContent-Length: 2\r\n\r\nhi"
                ),
            ),
            (
                "GET",
                &[("Content-Length", "0")],
                None,
                format!(
                    "GET /a?b=c HTTP/1.1\r\nHost: h:1\r\n{agent}Accept: */*\r\nContent-Length: 0\r\n\r\n"
                ),
            ),
            (
                "GET",
                &[("Host", "a"), ("Host", "longer.example"), ("X", "ü")],
                None,
                format!("GET /a?b=c HTTP/1.1\r\nHost: longer.example\r\nX: ü\r\n{agent}Accept: */*\r\n\r\n"),
            ),
        ];
        for (method, headers, body, expected) in table {
            assert_eq!(write(method, "/a?b=c", headers, body).unwrap(), expected);
        }
        assert!(write("OPTIONS", "*", &[], None).unwrap().starts_with("OPTIONS * HTTP/1.1\r\n"));
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_a_reason() {
        let table = [
            (write("", "/", &[], None), "not an HTTP method"),
            (write("GE T", "/", &[], None), "not an HTTP method"),
            (write("GET\r\nX: y", "/", &[], None), "not an HTTP method"),
            (write("GET", "", &[], None), "must start with `/`"),
            (write("GET", "x", &[], None), "must start with `/`"),
            (write("GET", "/a b", &[], None), "percent-encode"),
            (write("GET", "/a\r\nX: y", &[], None), "percent-encode"),
            (write("GET", "/ü", &[], None), "percent-encode"),
            (write("GET", "/a#b", &[], None), "percent-encode"),
            (write("GET", "/", &[("", "v")], None), "not a header name"),
            (write("GET", "/", &[("a b", "v")], None), "not a header name"),
            (write("GET", "/", &[("a:", "v")], None), "not a header name"),
            (write("GET", "/", &[("a", "v\r\nEvil: 1")], None), "line break"),
            (write("GET", "/", &[("a", "v\0")], None), "control character"),
            (write("GET", "/", &[("host", "")], None), "Host header"),
            (write("POST", "/", &[("content-length", "3")], Some(b"hi")), "2 bytes"),
            (write("POST", "/", &[("content-length", "x")], None), "0 bytes"),
            (write("POST", "/", &[("transfer-encoding", "chunked")], Some(b"hi")), "sent whole"),
        ];
        for (result, words) in table {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
        let secret = write("GET", "/", &[("authorization", "s3cret\n")], None).unwrap_err();
        assert!(!format!("{secret} {secret:?}").contains("s3cret"));
    }

    #[test]
    fn properties_follow_from_the_method() {
        let table =
            [("GET", false, true), ("HEAD", true, true), ("POST", false, false), ("get", false, false)];
        for (method, is_head, idempotent) in table {
            let request = Request::of(method, b"secret");
            assert_eq!((request.is_head, request.idempotent), (is_head, idempotent), "{method}");
            assert!(!format!("{request:?}").contains("secret"));
        }
    }
}
