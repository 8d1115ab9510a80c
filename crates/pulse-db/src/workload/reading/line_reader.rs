//! Lines of a stream, one at a time and none longer than a limit.

use std::io::{self, BufRead};

/// The longest line that is read; the rest of a longer one is passed over.
pub const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Reads lines.
#[derive(Debug)]
pub(super) struct LineReader<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
}

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawText<'a> {
    pub(super) bytes: &'a [u8],
    /// From 1.
    pub(super) number: u64,
    /// Whether there was more of it than the limit lets through.
    pub(super) is_cut: bool,
    /// Whether the stream ended within it.
    pub(super) is_open: bool,
}

impl<R: BufRead> LineReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, line: Vec::new(), number: 0 }
    }

    /// The line that was read last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<RawText<'_>>> {
        self.line.clear();
        let (mut is_cut, mut is_open, mut is_empty) = (false, false, true);
        loop {
            let piece = match self.input.fill_buf() {
                Ok(piece) => piece,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if piece.is_empty() {
                if is_empty {
                    return Ok(None);
                }
                is_open = true;
                break;
            }
            is_empty = false;
            let end = memchr::memchr(b'\n', piece);
            let text = &piece[..end.unwrap_or(piece.len())];
            let room = MAX_LINE_BYTES - self.line.len();
            is_cut |= text.len() > room;
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            let used = text.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        self.number += 1;
        let bytes = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        Ok(Some(RawText { bytes, number: self.number, is_cut, is_open }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn lines(text: &[u8], buffer: usize) -> Vec<(usize, bool, bool)> {
        let mut reader = LineReader::new(BufReader::with_capacity(buffer, text));
        let mut lines = Vec::new();
        while let Some(line) = reader.next().unwrap() {
            lines.push((line.bytes.len(), line.is_cut, line.is_open));
        }
        assert_eq!(reader.number(), lines.len() as u64);
        lines
    }

    #[test]
    fn lines_end_where_they_end() {
        for buffer in [1, 2, 3, 100] {
            assert_eq!(lines(b"", buffer), []);
            assert_eq!(lines(b"\n", buffer), [(0, false, false)]);
            assert_eq!(lines(b"ab\r\n\nc", buffer), [(2, false, false), (0, false, false), (1, false, true)]);
        }
    }

    #[test]
    fn a_long_line_costs_no_memory() {
        let mut text = vec![b'x'; 3 * MAX_LINE_BYTES];
        text.extend_from_slice(b"\nend\n");
        assert_eq!(lines(&text, 4096), [(MAX_LINE_BYTES, true, false), (3, false, false)]);
    }
}
