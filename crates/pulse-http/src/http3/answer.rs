//! An answer as it comes in, in the form in which answers of HTTP/1.1 are looked at.

use crate::limits::Limits;
use crate::response::{Keep, ParseError};
use crate::view::ResponseView;
use http::{HeaderMap, StatusCode};

/// Header fields accepted, as in HTTP/1.1.
const MAX_HEADERS: usize = 128;
/// A larger buffer is given back before the next answer that does not need it.
const CALM_BUFFER: usize = 1 << 20;

/// One answer after the other, in the same memory.
#[derive(Debug)]
pub(crate) struct Answer {
    limits: Limits,
    keep: Keep,
    is_head: bool,
    status: u16,
    /// Status line and fields as HTTP/1.1 would have them.
    head: Vec<u8>,
    body: Vec<u8>,
    body_bytes: u64,
    /// What `Content-Length` promised of the body.
    promised: Option<u64>,
    complete: bool,
}

impl Answer {
    /// No answer yet.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            keep: Keep::Head,
            is_head: false,
            status: 0,
            head: Vec::new(),
            body: Vec::new(),
            body_bytes: 0,
            promised: None,
            complete: false,
        }
    }

    /// Forgets the last answer.
    pub(crate) fn begin(&mut self, is_head: bool, keep: Keep) {
        if self.body.capacity() > CALM_BUFFER && self.body.len() <= CALM_BUFFER {
            self.body = Vec::new();
        }
        self.head.clear();
        self.body.clear();
        let (head, body) = (std::mem::take(&mut self.head), std::mem::take(&mut self.body));
        *self = Self { keep, is_head, head, body, ..Self::new(self.limits) };
    }

    /// Takes the head of the final response.
    pub(super) fn take_head(&mut self, status: StatusCode, fields: &HeaderMap) -> Result<(), ParseError> {
        if fields.len() > MAX_HEADERS {
            return Err(ParseError::TooManyHeaders);
        }
        self.status = status.as_u16();
        self.head.extend_from_slice(b"HTTP/3 ");
        self.head.extend_from_slice(status.as_str().as_bytes());
        self.head.extend_from_slice(b"\r\n");
        for (name, value) in fields {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                self.head.extend_from_slice(part);
            }
        }
        self.head.extend_from_slice(b"\r\n");
        if self.head.len() > self.limits.head_bytes {
            return Err(ParseError::HeadTooLarge { limit: self.limits.head_bytes });
        }
        for value in fields.get_all(http::header::CONTENT_LENGTH) {
            let length = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let length: u64 = length.and_then(|text| text.parse().ok()).ok_or(ParseError::BadLength)?;
            if self.promised.is_some_and(|known| known != length) {
                return Err(ParseError::ConflictingLengths);
            }
            self.promised = Some(length);
        }
        if self.is_head || matches!(self.status, 204 | 304) {
            self.promised = None;
        } else if self.promised.is_some_and(|length| length > self.limits.body_bytes) {
            return Err(ParseError::BodyTooLarge { limit: self.limits.body_bytes });
        }
        Ok(())
    }

    /// Takes the next bytes of the body.
    pub(super) fn take_body(&mut self, bytes: &[u8]) -> Result<(), ParseError> {
        self.body_bytes += bytes.len() as u64;
        if self.body_bytes > self.limits.body_bytes {
            return Err(ParseError::BodyTooLarge { limit: self.limits.body_bytes });
        }
        if self.keep == Keep::Body {
            if self.body.len() + bytes.len() > self.limits.kept_body_bytes {
                return Err(ParseError::KeptBodyTooLarge { limit: self.limits.kept_body_bytes });
            }
            self.body.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// The answer's end has come. A promised length that is not the body's is an error (RFC 9114 §4.1.2).
    pub(super) fn end(&mut self) -> Result<(), ParseError> {
        match self.promised {
            Some(length) if length > self.body_bytes => Err(ParseError::BodyCut),
            Some(length) if length < self.body_bytes => Err(ParseError::BadLength),
            _ => {
                self.complete = true;
                Ok(())
            }
        }
    }

    /// Head and kept body of an answer that is complete.
    pub(crate) fn view(&self) -> ResponseView<'_> {
        if !self.complete {
            return ResponseView { status: 0, head: &[], body: &[] };
        }
        ResponseView { status: self.status, head: &self.head, body: &self.body }
    }

    /// Status code, 0 while there is no head.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Bytes of the body so far.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Head and body in bytes. The head counts as text, since what its compression saved is not known here.
    pub(crate) fn received(&self) -> u64 {
        self.head.len() as u64 + self.body_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, http::HeaderValue::from_static(value));
        }
        map
    }

    fn answer(limits: Limits, keep: Keep, fields: &HeaderMap, body: &[&[u8]]) -> Result<Answer, ParseError> {
        let mut answer = Answer::new(limits);
        answer.begin(false, keep);
        answer.take_head(StatusCode::OK, fields)?;
        for bytes in body {
            answer.take_body(bytes)?;
        }
        answer.end()?;
        Ok(answer)
    }

    #[test]
    fn an_answer_is_looked_at_like_one_of_http_1() {
        let fields = headers(&[("set-cookie", "a=1"), ("set-cookie", "b=2"), ("content-length", "4")]);
        let answer = answer(Limits::default(), Keep::Body, &fields, &[b"bo", b"dy"]).unwrap();
        let view = answer.view();
        assert_eq!((view.status(), view.body()), (200, &b"body"[..]));
        let cookies: Vec<_> = view.header_all("Set-Cookie").collect();
        assert_eq!(cookies, [&b"a=1"[..], b"b=2"]);
        assert_eq!(answer.received(), view.head().len() as u64 + 4);
    }

    #[test]
    fn limits_and_lengths_are_kept() {
        let limits = Limits { head_bytes: 100, body_bytes: 10, kept_body_bytes: 5 };
        let long =
            headers(&[("x", "0123456789012345678901234567890123456789012345678901234567890123456789012345")]);
        let many = headers(&[("x", "1"); 129]);
        let none = HeaderMap::new();
        let length = |text| headers(&[("content-length", text)]);
        let table: [(Keep, &HeaderMap, &[u8], ParseError); 9] = [
            (Keep::Head, &long, b"", ParseError::HeadTooLarge { limit: 100 }),
            (Keep::Head, &many, b"", ParseError::TooManyHeaders),
            (Keep::Head, &none, b"01234567890", ParseError::BodyTooLarge { limit: 10 }),
            (Keep::Head, &length("11"), b"", ParseError::BodyTooLarge { limit: 10 }),
            (Keep::Body, &none, b"012345", ParseError::KeptBodyTooLarge { limit: 5 }),
            (Keep::Head, &length("3"), b"01", ParseError::BodyCut),
            (Keep::Head, &length("1"), b"01", ParseError::BadLength),
            (Keep::Head, &length("+2"), b"01", ParseError::BadLength),
            (
                Keep::Head,
                &headers(&[("content-length", "1"), ("content-length", "2")]),
                b"",
                ParseError::ConflictingLengths,
            ),
        ];
        for (keep, fields, body, expected) in table {
            assert_eq!(answer(limits, keep, fields, &[body]).unwrap_err(), expected);
        }
        assert!(answer(limits, Keep::Head, &none, &[b"0123456789"]).is_ok());
    }

    #[test]
    fn large_memory_is_given_back() {
        let mut answer = answer(Limits::default(), Keep::Body, &HeaderMap::new(), &[&[0; 2 << 20]]).unwrap();
        answer.begin(false, Keep::Body);
        assert!(answer.body.capacity() > CALM_BUFFER);
        answer.begin(false, Keep::Body);
        assert_eq!(answer.body.capacity(), 0);
    }
}
