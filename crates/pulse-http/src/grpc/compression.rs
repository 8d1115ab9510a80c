//! Compressed messages: gzip, the one compression besides none that every implementation of gRPC knows.

use crate::failure::{Cause, FailureClass};
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use http::HeaderMap;
use std::io::{Read as _, Write as _};

/// What `grpc-encoding` says about messages that are marked as compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encoding {
    /// There are none, or should be none.
    Identity,
    /// gzip.
    Gzip,
    /// One that the client has not offered.
    Unknown(String),
}

impl Encoding {
    /// That of an answer with these header fields.
    pub(super) fn of(fields: &HeaderMap) -> Self {
        match fields.get("grpc-encoding").map(http::HeaderValue::as_bytes) {
            None | Some(b"identity") => Self::Identity,
            Some(b"gzip") => Self::Gzip,
            Some(other) => Self::Unknown(String::from_utf8_lossy(&other[..other.len().min(40)]).into_owned()),
        }
    }
}

/// A message compressed with gzip.
pub fn gzip(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(message.len() / 2), flate2::Compression::default());
    // Writing into memory does not fail.
    let written = encoder.write_all(message).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

/// Appends what a message was before it was compressed; an error when it is no gzip, or becomes longer than `limit`.
pub(super) fn append_gunzipped(message: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), Cause> {
    let before = out.len();
    let mut plain = MultiGzDecoder::new(message).take(limit as u64 + 1);
    plain
        .read_to_end(out)
        .map_err(|error| Cause::new(FailureClass::BadResponse, format!("a message is no gzip: {error}")))?;
    if out.len() - before > limit {
        out.truncate(before);
        let reason = format!("a compressed message becomes longer than the limit of {limit} bytes");
        return Err(Cause::new(FailureClass::TooLarge, reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_and_bombs_do_not() {
        let mut out = b"before".to_vec();
        append_gunzipped(&gzip(b"hello"), 5, &mut out).unwrap();
        assert_eq!(out, b"beforehello");
        let error = append_gunzipped(&gzip(&vec![0; 10 << 20]), 1 << 10, &mut out).unwrap_err();
        assert_eq!(error.class, FailureClass::TooLarge);
        assert_eq!(out, b"beforehello");
        assert!(out.capacity() < 10 << 10);
        assert!(append_gunzipped(b"no gzip", 100, &mut out).is_err());
        assert!(append_gunzipped(&gzip(b"cut")[..15], 100, &mut out).is_err());
    }
}
