//! The response to an HTTP/2 request, held so that it looks like one of HTTP/1.1.

use super::error::Http2Error;
use crate::failure::FailureClass;
use crate::limits::Limits;
use crate::response::{Keep, ParseError};
use crate::view::ResponseView;
use http::HeaderMap;
use std::cell::OnceCell;

/// As for HTTP/1.1.
const MAX_HEADERS: usize = 128;
/// Bytes of memory that stay with a user between responses; what a larger body needed is given back.
const CALM_BYTES: usize = 64 << 10;

/// Head and kept body of the last response.
#[derive(Debug)]
pub(super) struct Answer {
    limits: Limits,
    keep: Keep,
    /// 0 while there is no head.
    status: u16,
    headers: HeaderMap,
    /// The head in the form of HTTP/1.1, written when somebody looks at it.
    head: OnceCell<Vec<u8>>,
    body: Vec<u8>,
    body_bytes: u64,
    complete: bool,
}

impl Answer {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            keep: Keep::Head,
            status: 0,
            headers: HeaderMap::new(),
            head: OnceCell::new(),
            body: Vec::new(),
            body_bytes: 0,
            complete: false,
        }
    }

    /// Forgets the last response.
    pub(super) fn begin(&mut self, keep: Keep) {
        self.keep = keep;
        self.status = 0;
        self.headers = HeaderMap::new();
        self.head.take();
        self.body.clear();
        if self.body.capacity() > CALM_BYTES {
            self.body = Vec::new();
        }
        self.body_bytes = 0;
        self.complete = false;
    }

    pub(super) fn take_head(&mut self, parts: http::response::Parts) -> Result<(), Http2Error> {
        self.status = parts.status.as_u16();
        self.headers = parts.headers;
        let bytes: usize =
            self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if self.headers.len() > MAX_HEADERS {
            return Err(too_large(ParseError::TooManyHeaders));
        }
        if bytes > self.limits.head_bytes {
            return Err(too_large(ParseError::HeadTooLarge { limit: self.limits.head_bytes }));
        }
        Ok(())
    }

    pub(super) fn take_data(&mut self, data: &[u8]) -> Result<(), Http2Error> {
        self.body_bytes += data.len() as u64;
        if self.body_bytes > self.limits.body_bytes {
            return Err(too_large(ParseError::BodyTooLarge { limit: self.limits.body_bytes }));
        }
        if self.keep == Keep::Body {
            if self.body.len() + data.len() > self.limits.kept_body_bytes {
                return Err(too_large(ParseError::KeptBodyTooLarge { limit: self.limits.kept_body_bytes }));
            }
            self.body.extend_from_slice(data);
        }
        Ok(())
    }

    pub(super) fn complete(&mut self) {
        self.complete = true;
    }

    /// 0 while there is no head.
    pub(super) fn status(&self) -> u16 {
        self.status
    }

    pub(super) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Empty while the response is not complete.
    pub(super) fn view(&self) -> ResponseView<'_> {
        if !self.complete {
            return ResponseView { status: 0, head: &[], body: &[] };
        }
        let head = self.head.get_or_init(|| self.write_head());
        ResponseView { status: self.status, head, body: &self.body }
    }

    fn write_head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/2 {}\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

fn too_large(error: ParseError) -> Http2Error {
    debug_assert_eq!(error.class(), FailureClass::TooLarge);
    Http2Error::new(error.class(), error.to_string())
}
