//! Bodies without their compression, for those who want to look into them.

mod zstd;

use crate::failure::FailureClass;
use brotli_decompressor::{BrotliDecoderParameter, Decompressor};
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use std::io::{self, Read};
use zstd::{ZstdReader, needs_too_much};

/// How much of a Brotli body is looked at in one go.
const BROTLI_PIECE: usize = 4096;

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
    /// More than is kept in memory; or, of Zstandard, more than decoding may take.
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
    /// disagree about that), br, zstd or identity. No more than `limit` bytes come of it, however small the body is; what
    /// decoding takes besides is bounded by the window of the encoding, at most 16 MiB.
    pub fn decode(&mut self, encoding: &[u8], body: &[u8], limit: usize) -> Result<(), DecodeError> {
        let encoding = encoding.trim_ascii();
        let is = |name: &str| encoding.eq_ignore_ascii_case(name.as_bytes());
        if is("gzip") || is("x-gzip") {
            self.read(MultiGzDecoder::new(body), limit)
        } else if is("deflate") && has_zlib_header(body) {
            self.read(ZlibDecoder::new(body), limit)
        } else if is("deflate") {
            self.read(DeflateDecoder::new(body), limit)
        } else if is("br") {
            self.read_brotli(body, limit)
        } else if is("zstd") {
            self.read(ZstdReader::new(body, limit), limit)
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
        match read {
            Ok(_) => Ok(()),
            Err(error) if needs_too_much(&error) => Err(DecodeError::TooLarge { limit }),
            Err(error) => Err(DecodeError::Broken(error)),
        }
    }

    fn read_brotli(&mut self, body: &[u8], limit: usize) -> Result<(), DecodeError> {
        let mut from = Decompressor::new(body, BROTLI_PIECE);
        // The windows of up to 1 GiB are an extension that no content coding has.
        from.set_parameter(BrotliDecoderParameter::BROTLI_DECODER_PARAM_LARGE_WINDOW, 0);
        self.read(&mut from, limit)?;
        // What follows the end is an error only for whoever asks again, and only as far as it was looked at.
        from.read(&mut [0]).map_err(DecodeError::Broken)?;
        if from.get_ref().is_empty() {
            return Ok(());
        }
        Err(DecodeError::Broken(io::Error::new(io::ErrorKind::InvalidData, "more follows its end")))
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
    use proptest::prelude::*;

    /// [`text`] as the reference implementation compresses it: Python's `brotli.compress(text, quality=11, lgwin=16)`.
    const BROTLI: &[u8] =
        b"\xe2\x44\x01\xbf\x14\x08\x4b\x0e\x72\xc8\x65\xad\x40\x0a\xc8\x20\xa4\x8c\xfb\x61\xe4\x00\x80\x04";
    /// The same by `zstd -19`, with a checksum at its end.
    const ZSTD: &[u8] =
        b"\x28\xb5\x2f\xfd\x04\x68\xf5\x00\x00\xa0\x74\x68\x65\x20\x73\x61\x6d\x65\x20\x61\x67\x61\x69\x6e\
        \x20\x61\x6e\x64\x2c\x20\x02\x00\x0b\xea\xe9\xb1\x62\x25\x0c\x9f\x7e\x31\x16";
    /// Its first 99 bytes by `zstd -19`.
    const ZSTD_BEGIN: &[u8] =
        b"\x28\xb5\x2f\xfd\x04\x68\xed\x00\x00\xa0\x74\x68\x65\x20\x73\x61\x6d\x65\x20\x61\x67\x61\x69\
        \x6e\x20\x61\x6e\x64\x2c\x20\x02\x00\xd6\x13\x61\xc5\x4a\x18\xdc\x3a\xe4\xae";
    /// The rest.
    const ZSTD_REST: &[u8] =
        b"\x28\xb5\x2f\xfd\x04\x68\x15\x01\x00\xd0\x61\x69\x6e\x2c\x20\x74\x68\x65\x20\x73\x61\x6d\x65\
        \x20\x61\x67\x61\x69\x6e\x20\x61\x6e\x64\x20\x61\x67\x01\x00\xa2\xa6\xfd\x39\x06\x47\xff\xdb\xda";
    /// A frame of Zstandard that says nothing (RFC 8878 §3.1.2).
    const ZSTD_SKIPPED: &[u8] = b"\x5a\x2a\x4d\x18\x03\x00\x00\x00abc";
    /// 10 MiB of zeros by `brotli.compress`.
    const BROTLI_BOMB: &[u8] =
        b"\xcb\xff\xff\x3f\xf8\x27\x00\xe2\xb1\x40\x20\xf7\xfe\x2f\xff\xff\x3f\xf0\x4f\x00\xc4\x61\
        \x11\x80\xee\xfd\x07";
    /// How `zstd --ultra -22 --long=28` begins for 200 MiB of zeros: one segment, which is its own window.
    const ZSTD_SEGMENT: &[u8] =
        b"\x28\xb5\x2f\xfd\xa4\x00\x00\x80\x0c\x4c\x00\x00\x08\x00\x01\x00\xfc\xff\x39\x10\x02\x02";

    fn text() -> Vec<u8> {
        "the same again and again, ".repeat(100).into_bytes()
    }

    fn all(mut from: impl Read) -> Vec<u8> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// [`text`] in each encoding.
    fn encoded() -> Vec<(&'static str, Vec<u8>)> {
        let (best, text) = (Compression::best(), &text()[..]);
        vec![
            ("gzip", all(GzEncoder::new(text, best))),
            ("deflate", all(ZlibEncoder::new(text, best))),
            ("deflate", all(DeflateEncoder::new(text, best))),
            ("br", BROTLI.to_vec()),
            ("zstd", ZSTD.to_vec()),
        ]
    }

    /// Zeros in Zstandard, made by hand: blocks of 128 KiB, each of which is one byte and how often it comes.
    fn zstd_bomb(blocks: usize) -> Vec<u8> {
        let (head, block, last) =
            (b"\x28\xb5\x2f\xfd\x00\x58", b"\x02\x00\x10\x00".repeat(blocks - 1), b"\x03\x00\x10\x00");
        [&head[..], &block, last].concat()
    }

    #[test]
    fn bodies_are_decoded() {
        let (best, text) = (Compression::best(), &text()[..]);
        let mut decoder = Decoder::default();
        let others = [
            (" X-GZIP ", all(GzEncoder::new(text, best))),
            (
                "gzip",
                [all(GzEncoder::new(&text[..99], best)), all(GzEncoder::new(&text[99..], best))].concat(),
            ),
            ("Zstd", [ZSTD_SKIPPED, ZSTD_BEGIN, ZSTD_SKIPPED, ZSTD_REST].concat()),
            ("identity", text.to_vec()),
        ];
        for (encoding, body) in encoded().into_iter().chain(others) {
            decoder.decode(encoding.as_bytes(), &body, text.len()).unwrap();
            assert_eq!(decoder.body(), text, "{encoding}");
            let error = decoder.decode(encoding.as_bytes(), &body, text.len() - 1).unwrap_err();
            assert_eq!(error.class(), FailureClass::TooLarge, "{encoding}");
        }
    }

    #[test]
    fn bodies_that_are_cut_anywhere_are_broken() {
        let mut decoder = Decoder::default();
        for (encoding, body) in encoded() {
            for end in 1..body.len() {
                let error = decoder.decode(encoding.as_bytes(), &body[..end], 10_000).unwrap_err();
                assert_eq!(error.class(), FailureClass::BadResponse, "{encoding} cut at {end}: {error}");
            }
        }
    }

    #[test]
    fn bombs_do_no_harm() {
        let zeros = vec![0; 10 << 20];
        let mut decoder = Decoder::default();
        for (encoding, bomb) in [
            ("gzip", all(GzEncoder::new(&zeros[..], Compression::best()))),
            ("br", BROTLI_BOMB.to_vec()),
            ("zstd", zstd_bomb(80)),
            ("zstd", ZSTD_SEGMENT.to_vec()),
        ] {
            let error = decoder.decode(encoding.as_bytes(), &bomb, 1 << 16).unwrap_err();
            assert_eq!(error.class(), FailureClass::TooLarge, "{encoding}");
            let kept = decoder.body.capacity();
            assert!(kept <= 1 << 18, "{encoding}: {kept} bytes for a limit of 64 KiB");
        }
        for (encoding, body) in [("br", BROTLI_BOMB), ("zstd", &zstd_bomb(80)[..])] {
            decoder.decode(encoding.as_bytes(), body, zeros.len()).unwrap();
            assert_eq!(decoder.body(), zeros, "{encoding}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_has_its_class() {
        let mut decoder = Decoder::default();
        let mut wrong_sum = ZSTD.to_vec();
        *wrong_sum.last_mut().unwrap() ^= 1;
        for (encoding, body) in [
            ("gzip", &b"hello"[..]),
            ("deflate", b"\x78\x9chello"),
            ("br", b"x"),
            ("br", &[BROTLI, b"x"].concat()),
            ("br", &[BROTLI, &[b'x'; 2 * BROTLI_PIECE][..]].concat()),
            // A window of 2^30 bytes, which is an extension.
            ("br", b"\x11\x1e\x03"),
            ("zstd", b"hello"),
            ("zstd", &wrong_sum),
            ("zstd", &[ZSTD, b"x"].concat()),
            ("zstd", &ZSTD_SKIPPED[..9]),
            ("compress", b"x"),
        ] {
            let error = decoder.decode(encoding.as_bytes(), body, 10_000).unwrap_err();
            assert_eq!(error.class(), FailureClass::BadResponse, "{encoding}: {error}");
        }
    }

    proptest! {
        #[test]
        fn spoiled_bodies_never_panic(
            choice in 0_usize..5,
            spoiled in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let (encoding, mut body) = encoded().swap_remove(choice);
            for (place, byte) in spoiled {
                let place = place.index(body.len());
                body[place] = byte;
            }
            let mut decoder = Decoder::default();
            let decoded = decoder.decode(encoding.as_bytes(), &body, 5_000);
            prop_assert!(decoded.is_err() || decoder.body().len() <= 5_000);
        }
    }
}
