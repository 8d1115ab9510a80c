//! Bodies without their compression, for those who want to look into them.

use crate::failure::FailureClass;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use std::io::{self, Read};

/// Decodes bodies into a buffer that is used again.
///
/// ```
/// # use pulse_http::Decoder;
/// let mut decoder = Decoder::default();
/// decoder.decode(b"identity", b"plain", 100)?;
/// assert_eq!(decoder.body(), b"plain");
/// assert!(decoder.decode(b"gzip", b"no gzip", 100).is_err());
/// # Ok::<(), pulse_http::DecodeError>(())
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    body: Vec<u8>,
}

/// Why a body cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// An encoding that was not asked for.
    #[error("the body is encoded as `{0}`, which was not asked for")]
    Encoding(String),
    /// The bytes are not what the encoding says.
    #[error("the compressed body is broken: {0}")]
    Broken(#[source] io::Error),
    /// More than is kept in memory.
    #[error("the decoded body is longer than the {limit} bytes that are kept in memory")]
    TooLarge {
        /// The most bytes that are accepted.
        limit: usize,
    },
}

impl DecodeError {
    /// What to count it as.
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Encoding(_) | Self::Broken(_) => FailureClass::BadResponse,
            Self::TooLarge { .. } => FailureClass::TooLarge,
        }
    }
}

impl Decoder {
    /// Decodes a body whose `Content-Encoding` is `encoding`: gzip, deflate (with the zlib header or without it, as servers
    /// disagree about that) or identity. No more than `limit` bytes come of it, however small the body is.
    pub fn decode(&mut self, encoding: &[u8], body: &[u8], limit: usize) -> Result<(), DecodeError> {
        let encoding = encoding.trim_ascii();
        let is = |name: &str| encoding.eq_ignore_ascii_case(name.as_bytes());
        if is("gzip") || is("x-gzip") {
            self.read(MultiGzDecoder::new(body), limit)
        } else if is("deflate") && has_zlib_header(body) {
            self.read(ZlibDecoder::new(body), limit)
        } else if is("deflate") {
            self.read(DeflateDecoder::new(body), limit)
        } else if is("identity") {
            self.read(body, limit)
        } else {
            let shown =
                String::from_utf8_lossy(encoding).chars().filter(|c| !c.is_control()).take(40).collect();
            Err(DecodeError::Encoding(shown))
        }
    }

    /// The last body that was decoded; what is there of it after an error.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    fn read(&mut self, from: impl Read, limit: usize) -> Result<(), DecodeError> {
        self.body.clear();
        // One byte more than is accepted tells a body that is too long from one that just fits.
        let read = from.take((limit as u64).saturating_add(1)).read_to_end(&mut self.body);
        if self.body.len() > limit {
            return Err(DecodeError::TooLarge { limit });
        }
        read.map(|_| ()).map_err(DecodeError::Broken)
    }
}

/// RFC 1950 §2.2: the method deflate, and a checksum over the two bytes.
fn has_zlib_header(body: &[u8]) -> bool {
    matches!(body, [cmf, flags, ..] if cmf & 0x0f == 8 && (u16::from(*cmf) << 8 | u16::from(*flags)) % 31 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::bufread::{DeflateEncoder, GzEncoder, ZlibEncoder};

    fn all(mut from: impl Read) -> Vec<u8> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn bodies_are_decoded() {
        let text = "the same again and again, ".repeat(100);
        let (best, text) = (Compression::best(), text.as_bytes());
        let mut decoder = Decoder::default();
        for (encoding, body) in [
            ("gzip", all(GzEncoder::new(text, best))),
            (" X-GZIP ", all(GzEncoder::new(text, best))),
            (
                "gzip",
                [all(GzEncoder::new(&text[..99], best)), all(GzEncoder::new(&text[99..], best))].concat(),
            ),
            ("deflate", all(ZlibEncoder::new(text, best))),
            ("deflate", all(DeflateEncoder::new(text, best))),
            ("identity", text.to_vec()),
        ] {
            decoder.decode(encoding.as_bytes(), &body, text.len()).unwrap();
            assert_eq!(decoder.body(), text, "{encoding}");
            let error = decoder.decode(encoding.as_bytes(), &body, text.len() - 1).unwrap_err();
            assert_eq!(error.class(), FailureClass::TooLarge, "{encoding}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_has_its_class() {
        let bomb = all(GzEncoder::new(&vec![0; 10 << 20][..], Compression::best()));
        let mut decoder = Decoder::default();
        let error = decoder.decode(b"gzip", &bomb, 1 << 16).unwrap_err();
        assert_eq!(error.class(), FailureClass::TooLarge);
        assert!(
            decoder.body.capacity() <= 1 << 18,
            "{} bytes for a limit of 64 KiB",
            decoder.body.capacity()
        );
        let cut = &all(GzEncoder::new(&b"hello"[..], Compression::best()))[..15];
        for (encoding, body) in
            [("gzip", cut), ("gzip", b"hello"), ("deflate", b"\x78\x9chello"), ("br", b"x")]
        {
            let error = decoder.decode(encoding.as_bytes(), body, 100).unwrap_err();
            assert_eq!(error.class(), FailureClass::BadResponse, "{encoding}: {error}");
        }
    }
}
