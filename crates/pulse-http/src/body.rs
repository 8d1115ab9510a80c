//! Where a body ends: by length, by chunks, or with the connection.
//!
//! The decoders consume all they are given, in place: nothing is left over for the next read but the bytes after
//! the end of the message. Kept bytes of a chunked body are moved down over the framing; everything else stays
//! where the socket put it.

use crate::response::ParseError;
use std::ops::Range;

/// How the end of the body is found, and how far we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// So many bytes are still to come.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked(Chunks),
    /// Everything until the peer closes.
    UntilClose,
}

/// What one call has consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Where in the buffer the first byte is that does not belong to this message; the end of the input else.
    pub(crate) next: usize,
    /// Bytes of the body without framing.
    pub(crate) body: usize,
    /// Whether the body is complete.
    pub(crate) complete: bool,
}

impl Body {
    /// Whether no byte is needed any more.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self, Self::Length(0))
    }

    /// Consumes `buffer[input]`. With `keep_at`, the bytes of the body are found from there on afterwards; it
    /// must not lie behind the start of the input.
    pub(crate) fn decode(
        &mut self,
        buffer: &mut [u8],
        input: Range<usize>,
        keep_at: Option<usize>,
    ) -> Result<Decoded, ParseError> {
        match self {
            Self::Length(remaining) => {
                let body = input.len().min(usize::try_from(*remaining).unwrap_or(usize::MAX));
                *remaining -= body as u64;
                keep(buffer, input.start..input.start + body, keep_at);
                Ok(Decoded { next: input.start + body, body, complete: *remaining == 0 })
            }
            Self::Chunked(chunks) => chunks.decode(buffer, input, keep_at),
            Self::UntilClose => {
                keep(buffer, input.clone(), keep_at);
                Ok(Decoded { next: input.end, body: input.len(), complete: false })
            }
        }
    }
}

fn keep(buffer: &mut [u8], bytes: Range<usize>, keep_at: Option<usize>) {
    if let Some(at) = keep_at
        && at != bytes.start
    {
        buffer.copy_within(bytes, at);
    }
}

/// Longest line with a chunk's size and extensions. Extensions are hardly ever used; this bounds those that never end.
const CHUNK_LINE_BYTES: usize = 4096;

/// The state of a chunked body (RFC 9112 §7.1). Line ends must be CR LF: a lone LF is where two parsers begin
/// to disagree about where a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunks {
    state: State,
    /// The size being read, then the bytes of the chunk still to come.
    size: u64,
    /// Bytes of the current size line, or of the trailer section, for the limits.
    line: usize,
    trailer_limit: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    SizeStart,
    Size,
    /// White space before an extension, which some servers pad sizes with.
    SizePadding,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
}

impl Chunks {
    /// The start of a body whose trailer section may have `trailer_limit` bytes.
    pub(crate) fn new(trailer_limit: usize) -> Self {
        Self { state: State::SizeStart, size: 0, line: 0, trailer_limit }
    }

    fn decode(
        &mut self,
        buffer: &mut [u8],
        input: Range<usize>,
        keep_at: Option<usize>,
    ) -> Result<Decoded, ParseError> {
        let mut next = input.start;
        let mut body = 0;
        while next < input.end {
            if self.state == State::Data {
                let length = (input.end - next).min(usize::try_from(self.size).unwrap_or(usize::MAX));
                keep(buffer, next..next + length, keep_at.map(|at| at + body));
                self.size -= length as u64;
                next += length;
                body += length;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            let complete = self.framing(buffer[next])?;
            next += 1;
            if complete {
                return Ok(Decoded { next, body, complete });
            }
        }
        Ok(Decoded { next, body, complete: false })
    }

    /// Takes one byte outside of the data; true at the end of the message.
    fn framing(&mut self, byte: u8) -> Result<bool, ParseError> {
        self.state = match (self.state, byte) {
            (State::SizeStart | State::Size, _) if byte.is_ascii_hexdigit() => {
                self.digit(byte)?;
                State::Size
            }
            (State::Size | State::SizePadding | State::Extension, b'\r') => State::SizeLf,
            (State::Size | State::SizePadding, b';') => State::Extension,
            (State::Size | State::SizePadding, b' ' | b'\t') => State::SizePadding,
            (State::Extension, other) if other != b'\n' => State::Extension,
            (State::SizeLf, b'\n') => {
                self.line = 0;
                if self.size == 0 { State::TrailerStart } else { State::Data }
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::SizeStart,
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerStart | State::Trailer, other) if other != b'\n' => State::Trailer,
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::EndLf, b'\n') => return Ok(true),
            (State::SizeStart | State::Size | State::SizePadding, _) => {
                return Err(ParseError::Chunk("its size is not a hexadecimal number"));
            }
            (State::DataCr | State::DataLf, _) => {
                return Err(ParseError::Chunk("its data are longer than its size"));
            }
            _ => return Err(ParseError::Chunk("a line does not end with CR LF")),
        };
        self.count_line()
    }

    fn digit(&mut self, byte: u8) -> Result<(), ParseError> {
        let digit = (byte as char).to_digit(16).map_or(0, u64::from);
        let grown = self.size.checked_mul(16).ok_or(ParseError::Chunk("its size is out of range"))?;
        self.size = grown + digit;
        Ok(())
    }

    fn count_line(&mut self) -> Result<bool, ParseError> {
        self.line += 1;
        match self.state {
            State::Data | State::DataCr | State::DataLf | State::SizeStart => self.line = 0,
            State::Trailer | State::TrailerLf | State::TrailerStart if self.line > self.trailer_limit => {
                return Err(ParseError::HeadTooLarge { limit: self.trailer_limit });
            }
            State::Size | State::SizePadding | State::Extension if self.line > CHUNK_LINE_BYTES => {
                return Err(ParseError::Chunk("its size line is too long"));
            }
            _ => {}
        }
        Ok(false)
    }
}
