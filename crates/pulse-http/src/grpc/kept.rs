//! What is kept of an answer, for those who look at it.

use super::compression::{Encoding, append_gunzipped};
use super::frames::Message;
use crate::failure::{Cause, FailureClass};
use http::HeaderMap;
use std::ops::Range;

/// Header fields, trailers and messages of the last answer.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) fields: HeaderMap,
    pub(super) trailers: HeaderMap,
    bytes: Vec<u8>,
    messages: Vec<Range<usize>>,
}

impl Kept {
    pub(super) fn clear(&mut self) {
        self.fields = HeaderMap::new();
        self.trailers = HeaderMap::new();
        self.bytes.clear();
        self.messages.clear();
    }

    /// Keeps a message without its compression. `limit` is of one message, `most` of all of them, in bytes; a message
    /// without bytes counts as those that remember it.
    pub(super) fn push(
        &mut self,
        message: Message,
        payload: &[u8],
        encoding: &Encoding,
        limit: usize,
        most: usize,
    ) -> Result<(), Cause> {
        let start = self.bytes.len();
        if message.compressed && *encoding == Encoding::Gzip {
            append_gunzipped(payload, limit, &mut self.bytes)?;
        } else {
            self.bytes.extend_from_slice(payload);
        }
        self.messages.push(start..self.bytes.len());
        if self.bytes.len() + self.messages.len() * size_of::<Range<usize>>() > most {
            let reason =
                format!("the messages exceed the {most} bytes that are kept for checks and extractions");
            return Err(Cause::new(FailureClass::TooLarge, reason));
        }
        Ok(())
    }

    pub(super) fn messages(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.messages.iter().map(|range| &self.bytes[range.clone()])
    }
}
