//! What of a stream's frames the library gets to see.
//!
//! It collects every frame but DATA as a whole and believes whatever length it announces, and it takes an empty DATA
//! frame for the end of the body. Here the frames are followed as they arrive, without holding more of them than a
//! header: one that is too long is refused before its payload comes, and an empty one is left out.

/// The type of the frames whose payload is passed on piece by piece (RFC 9114 §7.2.1).
const DATA: u64 = 0;
/// Two numbers of eight bytes: type and length.
const LONGEST_HEADER: usize = 16;

/// A frame that would have to be held as a whole is longer than is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameTooLong;

/// Follows the frames of one stream.
#[derive(Debug)]
pub struct Frames {
    longest: u64,
    state: State,
    header: [u8; LONGEST_HEADER],
    header_length: usize,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Type(VarInt),
    Length { kind: u64, length: VarInt },
    Payload(u64),
}

impl Frames {
    /// Frames other than DATA may have `longest` bytes.
    pub fn new(longest: u64) -> Self {
        let state = State::Type(VarInt::default());
        Self { longest, state, header: [0; LONGEST_HEADER], header_length: 0 }
    }

    /// Takes the stream's next bytes and adds those to `out` that are to be seen.
    pub fn pass(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), FrameTooLong> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let State::Payload(left) = self.state {
                let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let (payload, rest) = bytes.split_at(count);
                out.extend_from_slice(payload);
                bytes = rest;
                self.state = Self::payload(left - count as u64);
                continue;
            }
            bytes = rest;
            self.header[self.header_length] = byte;
            self.header_length += 1;
            self.state = match self.state {
                State::Type(mut kind) => match kind.take(byte) {
                    Some(kind) => State::Length { kind, length: VarInt::default() },
                    None => State::Type(kind),
                },
                State::Length { kind, mut length } => match length.take(byte) {
                    Some(length) if kind != DATA && length > self.longest => return Err(FrameTooLong),
                    Some(length) => {
                        if kind != DATA || length > 0 {
                            out.extend_from_slice(&self.header[..self.header_length]);
                        }
                        self.header_length = 0;
                        Self::payload(length)
                    }
                    None => State::Length { kind, length },
                },
                payload @ State::Payload(_) => payload,
            };
        }
        Ok(())
    }

    /// The stream has ended: what is held of a header that is not complete.
    pub fn end(&mut self) -> &[u8] {
        let length = std::mem::take(&mut self.header_length);
        &self.header[..length]
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
    use proptest::prelude::*;

    fn pass(longest: u64, pieces: &[&[u8]]) -> Result<Vec<u8>, FrameTooLong> {
        let (mut frames, mut out) = (Frames::new(longest), Vec::new());
        for piece in pieces {
            frames.pass(piece, &mut out)?;
        }
        out.extend_from_slice(frames.end());
        Ok(out)
    }

    #[test]
    fn frames_are_followed_wherever_the_bytes_are_cut() {
        let headers = [1, 5, 1, 2, 3, 4, 5];
        let empty = [0, 0];
        let empty_at_length = [0, 0x80, 0, 0, 0];
        let data = [&[0, 0x41, 0x2c][..], &[0xff; 300]].concat();
        let unknown = [0xc0, 0, 0, 0, 0, 0, 0, 0x21, 4, 9, 9, 9, 9];
        let cut = [1, 0x80, 0];
        let bytes = [&headers[..], &empty, &data, &empty_at_length, &unknown, &cut].concat();
        let seen = [&headers[..], &data, &unknown, &cut].concat();
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(pass(5, &[first, second]).as_ref(), Ok(&seen), "cut at {at}");
            assert_eq!(pass(4, &[first, second]), Err(FrameTooLong), "cut at {at}");
        }
    }

    #[test]
    fn the_longest_length_is_refused_before_its_bytes_come() {
        let longest = [0xff; 8];
        assert!(pass(1 << 20, &[&[0], &longest]).is_ok());
        assert_eq!(pass(1 << 20, &[&[1], &longest]), Err(FrameTooLong));
        assert_eq!(pass(1 << 20, &[&longest, &longest]), Err(FrameTooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_alike_wherever_they_are_cut(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            cut in any::<prop::sample::Index>(),
        ) {
            let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
            let whole = pass(1000, &[&bytes]);
            prop_assert_eq!(&pass(1000, &[first, second]), &whole);
            prop_assert!(whole.map_or(0, |seen| seen.len()) <= bytes.len());
        }
    }
}
