//! How long a frame may be that has to be held in memory until it is complete.
//!
//! The library collects every frame but DATA as a whole and believes whatever length it announces. This follows the
//! frames of a stream as they arrive, without holding any of them, and refuses the one that is too long.

/// The type of the frames whose payload is passed on piece by piece (RFC 9114 §7.2.1).
const DATA: u64 = 0;

/// Follows the frames of one stream.
#[derive(Debug)]
pub(super) struct FrameLimit {
    longest: u64,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Type(VarInt),
    Length { kind: u64, length: VarInt },
    Payload(u64),
}

impl FrameLimit {
    /// Frames other than DATA may have `longest` bytes.
    pub(super) fn new(longest: u64) -> Self {
        Self { longest, state: State::Type(VarInt::default()) }
    }

    /// Takes the stream's next bytes; false where a frame in them is too long.
    pub(super) fn admits(&mut self, mut bytes: &[u8]) -> bool {
        while let Some((&byte, rest)) = bytes.split_first() {
            self.state = match self.state {
                State::Payload(left) => {
                    let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    bytes = &bytes[count..];
                    Self::payload(left - count as u64)
                }
                State::Type(mut kind) => {
                    bytes = rest;
                    match kind.take(byte) {
                        Some(kind) => State::Length { kind, length: VarInt::default() },
                        None => State::Type(kind),
                    }
                }
                State::Length { kind, mut length } => {
                    bytes = rest;
                    match length.take(byte) {
                        Some(length) if kind != DATA && length > self.longest => return false,
                        Some(length) => Self::payload(length),
                        None => State::Length { kind, length },
                    }
                }
            };
        }
        true
    }

    fn payload(left: u64) -> State {
        if left == 0 { State::Type(VarInt::default()) } else { State::Payload(left) }
    }
}

/// A number of one, two, four or eight bytes, whose first two bits say how many (RFC 9000 §16).
#[derive(Debug, Clone, Copy, Default)]
struct VarInt {
    value: u64,
    left: Option<u8>,
}

impl VarInt {
    fn take(&mut self, byte: u8) -> Option<u64> {
        let left = match self.left {
            None => {
                self.value = u64::from(byte & 0x3f);
                (1 << (byte >> 6)) - 1
            }
            Some(left) => {
                self.value = self.value << 8 | u64::from(byte);
                left - 1
            }
        };
        self.left = Some(left);
        (left == 0).then_some(self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HEADERS of 5, an empty DATA, DATA of 300 with its length in two bytes, an unknown type of eight bytes with 4.
    fn stream() -> Vec<u8> {
        let mut bytes = vec![1, 5, 1, 2, 3, 4, 5, 0, 0, 0, 0x41, 0x2c];
        bytes.extend([0xff; 300]);
        bytes.extend([0xc0, 0, 0, 0, 0, 0, 0, 0x21, 4, 9, 9, 9, 9]);
        bytes
    }

    #[test]
    fn frames_are_followed_wherever_the_bytes_are_cut() {
        let bytes = stream();
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            let mut fits = FrameLimit::new(5);
            assert!(fits.admits(first) && fits.admits(second), "cut at {at}");
            // All of them were understood: what follows is a frame's type again.
            assert!(!fits.admits(&[1, 6]), "cut at {at}");
            let mut tight = FrameLimit::new(4);
            assert!(!(tight.admits(first) && tight.admits(second)), "cut at {at}");
        }
    }

    #[test]
    fn the_longest_length_is_refused_before_its_bytes_come() {
        let mut limit = FrameLimit::new(1 << 20);
        assert!(limit.admits(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
        let mut limit = FrameLimit::new(1 << 20);
        assert!(!limit.admits(&[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
    }
}
