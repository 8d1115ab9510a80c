//! A body that does not stand behind its head: shared by all users of a worker, or read from its file while it is sent.

use bytes::Bytes;
use pulse_http::{FileBody, RequestBody};
use pulse_plan::{Body, BodyFile, BodyPart};
use std::sync::Arc;

/// Bodies up to this size, in bytes, are written behind their heads. A copy of a page takes about as long as what the kernel
/// needs for a second piece of a write, and what is one piece is compiled once where it is always the same; beyond that the
/// copy would cost more than it saves, for every request and every user's buffer.
const COPIED_BYTES: usize = 4 << 10;

/// A body apart from its request.
#[derive(Debug, Default)]
pub(super) enum Attachment {
    #[default]
    None,
    Shared(Bytes),
    File(FileBody),
}

impl Attachment {
    /// What is sent after the text of the request.
    pub(super) fn body(&self) -> RequestBody<'_> {
        match self {
            Self::None => RequestBody::Inline,
            Self::Shared(bytes) => RequestBody::Shared(bytes),
            Self::File(file) => RequestBody::Streamed(file),
        }
    }
}

/// A body that is always the same, possibly none.
#[derive(Debug, Default)]
pub(super) struct StaticBody {
    /// Bytes of the whole; `None` without a body.
    pub(super) length: Option<u64>,
    /// What stands behind the head.
    pub(super) copied: Bytes,
    pub(super) attachment: Attachment,
}

impl StaticBody {
    /// `None` where the body has variables. `may_attach`: whoever sends the request sends what is attached to it, too.
    pub(super) fn of(body: &Body, may_attach: bool) -> Option<Self> {
        let held = |bytes| Self::held(bytes, may_attach);
        match body {
            Body::None => Some(Self::default()),
            Body::Bytes(bytes) => Some(held(Bytes::from_owner(Arc::clone(bytes)))),
            Body::Text(text) => text.as_static().map(|text| held(text.as_bytes().to_vec().into())),
            Body::Parts(parts) => {
                let bytes = parts.iter().map(|part| match part {
                    BodyPart::Text(text) => text.as_static().map(str::as_bytes),
                    BodyPart::Bytes(bytes) => Some(&bytes[..]),
                });
                bytes.collect::<Option<Vec<_>>>().map(|parts| held(parts.concat().into()))
            }
            Body::File(file) => Some(Self::streamed(file)),
        }
    }

    fn held(bytes: Bytes, may_attach: bool) -> Self {
        let length = Some(bytes.len() as u64);
        if may_attach && bytes.len() > COPIED_BYTES {
            return Self { length, copied: Bytes::new(), attachment: Attachment::Shared(bytes) };
        }
        Self { length, copied: bytes, attachment: Attachment::None }
    }

    fn streamed(file: &BodyFile) -> Self {
        let body = FileBody::new(Arc::clone(file.file()), file.length());
        Self { length: Some(file.length()), copied: Bytes::new(), attachment: Attachment::File(body) }
    }
}
