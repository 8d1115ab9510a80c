//! An answer as it comes in, held to the length that it promised.

use crate::answer::Answer;
use crate::limits::Limits;
use crate::response::{Keep, ParseError};
use crate::view::ResponseView;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;

/// One answer after the other. Unlike HTTP/2's, this library does not compare a body with its `Content-Length`.
#[derive(Debug)]
pub(super) struct MeasuredAnswer {
    answer: Answer,
    is_head: bool,
    promised: Option<u64>,
}

impl MeasuredAnswer {
    /// No answer yet.
    pub(super) fn new(limits: Limits) -> Self {
        Self { answer: Answer::new(limits, "HTTP/3"), is_head: false, promised: None }
    }

    /// Forgets the last answer.
    pub(super) fn begin(&mut self, is_head: bool, keep: Keep) {
        self.answer.begin(keep);
        self.is_head = is_head;
        self.promised = None;
    }

    /// Takes the head of the final response.
    pub(super) fn take_head(&mut self, parts: http::response::Parts) -> Result<(), ParseError> {
        let has_body = !self.is_head && !matches!(parts.status.as_u16(), 204 | 304);
        self.promised = promised(&parts.headers)?.filter(|_| has_body);
        self.answer.take_head(parts)
    }

    /// Takes the next bytes of the body.
    pub(super) fn take_data(&mut self, data: &[u8]) -> Result<(), ParseError> {
        self.answer.take_data(data)
    }

    /// The answer's end has come. A body that is not as long as promised is an error (RFC 9114 §4.1.2).
    pub(super) fn end(&mut self) -> Result<(), ParseError> {
        match self.promised {
            Some(length) if length > self.answer.body_bytes() => return Err(ParseError::BodyCut),
            Some(length) if length < self.answer.body_bytes() => return Err(ParseError::BadLength),
            _ => self.answer.complete(),
        }
        Ok(())
    }

    /// Head and kept body of an answer that is complete.
    pub(super) fn view(&self) -> ResponseView<'_> {
        self.answer.view()
    }

    /// Status code, 0 while there is no head.
    pub(super) fn status(&self) -> u16 {
        self.answer.status()
    }

    /// Bytes of the body so far.
    pub(super) fn body_bytes(&self) -> u64 {
        self.answer.body_bytes()
    }

    /// Fields and body in bytes. The fields count as text, since what their compression saved is not known here.
    pub(super) fn received(&self) -> u64 {
        self.answer.head_bytes() as u64 + self.answer.body_bytes()
    }
}

fn promised(fields: &HeaderMap) -> Result<Option<u64>, ParseError> {
    let mut promised = None;
    for value in fields.get_all(CONTENT_LENGTH) {
        let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let length: u64 = digits.and_then(|text| text.parse().ok()).ok_or(ParseError::BadLength)?;
        if promised.is_some_and(|known| known != length) {
            return Err(ParseError::ConflictingLengths);
        }
        promised = Some(length);
    }
    Ok(promised)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fields = &'static [(&'static str, &'static str)];

    fn answer(is_head: bool, status: u16, fields: Fields, body: &[u8]) -> Result<MeasuredAnswer, ParseError> {
        let limits = Limits { head_bytes: 100, body_bytes: 10, kept_body_bytes: 5 };
        let mut answer = MeasuredAnswer::new(limits);
        answer.begin(is_head, Keep::Body);
        let mut response = http::Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        answer.take_head(response.body(()).unwrap().into_parts().0)?;
        answer.take_data(body)?;
        answer.end()?;
        Ok(answer)
    }

    #[test]
    fn an_answer_is_looked_at_like_one_of_http_1() {
        let fields = &[("set-cookie", "a=1"), ("set-cookie", "b=2"), ("content-length", "4")];
        let answer = answer(false, 200, fields, b"body").unwrap();
        let view = answer.view();
        assert_eq!((view.status(), view.body()), (200, &b"body"[..]));
        assert!(view.head().starts_with(b"HTTP/3 200\r\nset-cookie: a=1\r\n"));
        let cookies: Vec<_> = view.header_all("Set-Cookie").collect();
        assert_eq!(cookies, [&b"a=1"[..], b"b=2"]);
        assert_eq!(
            answer.received(),
            2 * "set-cookie: a=1\r\n".len() as u64 + "content-length: 4\r\n".len() as u64 + 4
        );
    }

    #[test]
    fn lengths_are_held_to() {
        let table: [(Fields, &[u8], ParseError); 6] = [
            (&[("content-length", "3")], b"01", ParseError::BodyCut),
            (&[("content-length", "1")], b"01", ParseError::BadLength),
            (&[("content-length", "+2")], b"01", ParseError::BadLength),
            (&[("content-length", "")], b"01", ParseError::BadLength),
            (&[("content-length", "2"), ("content-length", "3")], b"01", ParseError::ConflictingLengths),
            (&[], b"012345", ParseError::KeptBodyTooLarge { limit: 5 }),
        ];
        for (fields, body, expected) in table {
            assert_eq!(answer(false, 200, fields, body).unwrap_err(), expected);
        }
        for (is_head, status) in [(true, 200), (false, 304), (false, 204)] {
            assert!(answer(is_head, status, &[("content-length", "9")], b"").is_ok());
        }
    }
}
