//! Zstandard (RFC 8878) as a reader: the frames of a body one after another, those without content left out.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, Read};

/// The largest window that the content coding `zstd` may need (RFC 9659): what is held in memory to decode it.
const WINDOW: u64 = 8 << 20;

/// Decodes a body.
pub(super) struct ZstdReader<'a> {
    rest: &'a [u8],
    frames: FrameDecoder,
    /// Whether a frame has been begun whose end was not reached.
    within: bool,
}

impl<'a> ZstdReader<'a> {
    /// Of `body`, of which no more than `limit` bytes are wanted.
    pub(super) fn new(body: &'a [u8], limit: usize) -> Self {
        let mut frames = FrameDecoder::new();
        // A frame may be its own window; one that is no longer than the limit is accepted, however long that is.
        frames.set_max_window_size(WINDOW.max(limit as u64));
        Self { rest: body, frames, within: false }
    }

    /// Begins the next frame; `false` at the end of the body.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.rest.is_empty() {
            match self.frames.init(&mut self.rest) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    self.rest = self.rest.get(length..).ok_or(io::ErrorKind::UnexpectedEof)?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }

    /// Compares the frame's checksum, where it has one.
    fn check(&self) -> io::Result<()> {
        match self.frames.get_checksum_from_data() {
            Some(told) if Some(told) != self.frames.get_calculated_checksum() => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum is wrong"))
            }
            _ => Ok(()),
        }
    }
}

impl Read for ZstdReader<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if room.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.within && !self.begin()? {
                return Ok(0);
            }
            self.within = true;
            // One block is 128 KiB at most, so that whoever reads can stop in time.
            while self.frames.can_collect() == 0 && !self.frames.is_finished() {
                self.frames
                    .decode_blocks(&mut self.rest, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(io::Error::other)?;
            }
            let count = self.frames.read(room)?;
            if count > 0 {
                return Ok(count);
            }
            self.check()?;
            self.within = false;
        }
    }
}

/// Whether decoding failed because it would have taken more memory than it may.
pub(super) fn needs_too_much(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(FrameDecoderError::WindowSizeTooBig { .. }))
}
