//! The response to a request over HTTP/2 or HTTP/3, held so that it looks like one of HTTP/1.1.

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
pub(crate) struct Answer {
    limits: Limits,
    version: &'static str,
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
    /// `version` is what the status line begins with.
    pub(crate) fn new(limits: Limits, version: &'static str) -> Self {
        Self {
            limits,
            version,
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
    pub(crate) fn begin(&mut self, keep: Keep) {
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

    pub(crate) fn take_head(&mut self, parts: http::response::Parts) -> Result<(), ParseError> {
        self.status = parts.status.as_u16();
        self.headers = parts.headers;
        if self.headers.len() > MAX_HEADERS {
            return Err(ParseError::TooManyHeaders);
        }
        if text_length(&self.headers) > self.limits.head_bytes {
            return Err(ParseError::HeadTooLarge { limit: self.limits.head_bytes });
        }
        Ok(())
    }

    pub(crate) fn take_data(&mut self, data: &[u8]) -> Result<(), ParseError> {
        self.body_bytes += data.len() as u64;
        if self.body_bytes > self.limits.body_bytes {
            return Err(ParseError::BodyTooLarge { limit: self.limits.body_bytes });
        }
        if self.keep == Keep::Body {
            if self.body.len() + data.len() > self.limits.kept_body_bytes {
                return Err(ParseError::KeptBodyTooLarge { limit: self.limits.kept_body_bytes });
            }
            self.body.extend_from_slice(data);
        }
        Ok(())
    }

    /// Bytes of the fields as text.
    #[cfg(feature = "http3")]
    pub(crate) fn head_bytes(&self) -> usize {
        text_length(&self.headers)
    }

    pub(crate) fn complete(&mut self) {
        self.complete = true;
    }

    /// 0 while there is no head.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Empty while the response is not complete.
    pub(crate) fn view(&self) -> ResponseView<'_> {
        if !self.complete {
            return ResponseView { status: 0, head: &[], body: &[] };
        }
        let head = self.head.get_or_init(|| self.write_head());
        ResponseView { status: self.status, head, body: &self.body }
    }

    fn write_head(&self) -> Vec<u8> {
        let mut head = format!("{} {}\r\n", self.version, self.status).into_bytes();
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

fn text_length(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}
