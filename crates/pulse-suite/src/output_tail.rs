//! The end of what a program has written: enough to see why it failed, never more than a few kilobytes.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

/// How much is kept, in bytes.
const KEPT_BYTES: usize = 8 << 10;
/// How many lines are shown.
const SHOWN_LINES: usize = 20;

/// The last bytes that were written to it. Clones are the same tail.
#[derive(Clone, Debug, Default)]
pub(crate) struct OutputTail {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl OutputTail {
    /// Adds what was written.
    pub(crate) fn push(&self, piece: &[u8]) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend_from_slice(piece);
        let excess = bytes.len().saturating_sub(KEPT_BYTES);
        bytes.drain(..excess);
    }

    /// Reads until the end, on a thread of its own: a pipe that nobody reads would stop the program. The thread ends when
    /// the last process that holds the pipe does.
    pub(crate) fn follow(&self, mut source: impl Read + Send + 'static) -> std::io::Result<()> {
        let tail = self.clone();
        std::thread::Builder::new().name("pulse-output".to_owned()).spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = source.read(&mut piece) {
                tail.push(&piece[..count]);
            }
        })?;
        Ok(())
    }

    /// The last lines as text, without control characters.
    pub(crate) fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let shown = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
        shown.chars().filter(|&c| c == '\n' || c == '\t' || !c.is_control()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_lines() {
        let tail = OutputTail::default();
        assert_eq!(tail.text(), "");
        (0..10_000).for_each(|line| tail.push(format!("line {line}\x1b\n").as_bytes()));
        let text = tail.text();
        assert_eq!(text.lines().count(), SHOWN_LINES);
        assert!(text.ends_with("line 9999"), "{text}");
        tail.push(&vec![0xff; KEPT_BYTES * 3]);
        assert!(tail.bytes.lock().unwrap().len() <= KEPT_BYTES);
    }
}
