//! Messages on the stream of a call: a byte that says whether the message is compressed, four of its length, the message.

/// Length of what precedes each message.
const PREFIX: usize = 5;

/// Appends a message with its prefix. `compressed` says what the bytes already are.
///
/// Messages longer than four bytes can tell (4 GiB) are not sent: `false`, and nothing is appended.
pub fn append_message(out: &mut Vec<u8>, message: &[u8], compressed: bool) -> bool {
    let Ok(length) = u32::try_from(message.len()) else { return false };
    out.reserve(PREFIX + message.len());
    out.push(u8::from(compressed));
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(message);
    true
}

/// A message that has been read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Whether its bytes are compressed in the way that `grpc-encoding` says.
    pub compressed: bool,
    /// Length in bytes, as sent.
    pub length: usize,
}

/// Bytes that are no messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The first byte of a prefix is neither 0 nor 1.
    #[error("a message begins with the byte {0}, which is neither 0 (plain) nor 1 (compressed)")]
    Flag(u8),
    /// The prefix announces more than is taken.
    #[error("a message of {length} bytes exceeds the limit of {limit} bytes")]
    TooLarge {
        /// As announced.
        length: usize,
        /// As set.
        limit: usize,
    },
    /// The stream ended inside a prefix or a message.
    #[error("the stream ended inside a message")]
    Truncated,
}

/// Reads messages from bytes that arrive in any pieces. Knows no socket and never panics; holds at most one message of
/// the limit's size, and none when messages need not be kept.
///
/// ```
/// # use pulse_http::MessageReader;
/// let mut reader = MessageReader::new(true, 1024);
/// let mut bytes: &[u8] = b"\0\0\0\0\x02hi\0\0";
/// let message = reader.next(&mut bytes)?.expect("there is one");
/// assert_eq!((message.length, reader.payload()), (2, &b"hi"[..]));
/// assert_eq!(reader.next(&mut bytes)?, None);
/// assert!(reader.end().is_err());
/// # Ok::<(), pulse_http::FrameError>(())
/// ```
#[derive(Debug)]
pub struct MessageReader {
    limit: usize,
    keep: bool,
    prefix: [u8; PREFIX],
    /// Bytes of the prefix that are there.
    prefix_length: usize,
    /// Bytes of the message that have yet to come, once the prefix is complete.
    left: usize,
    payload: Vec<u8>,
}

impl MessageReader {
    /// A reader of a stream of messages of at most `limit` bytes. Without `keep`, messages are counted and their bytes
    /// skipped.
    pub fn new(keep: bool, limit: usize) -> Self {
        Self { limit, keep, prefix: [0; PREFIX], prefix_length: 0, left: 0, payload: Vec::new() }
    }

    /// Starts a new stream.
    pub fn begin(&mut self, keep: bool, limit: usize) {
        self.keep = keep;
        self.limit = limit;
        self.prefix_length = 0;
        self.left = 0;
        self.payload.clear();
    }

    /// Takes bytes from the front of `input` up to the end of the next message; `None` when they ended before it, and
    /// then all have been taken. After an error the stream is lost.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Message>, FrameError> {
        while self.prefix_length < PREFIX {
            let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
            self.prefix[self.prefix_length] = byte;
            self.prefix_length += 1;
            *input = rest;
            if self.prefix_length == PREFIX {
                self.announce()?;
            } else if self.prefix_length == 1 && byte > 1 {
                return Err(FrameError::Flag(byte));
            }
        }
        let (part, rest) = input.split_at(self.left.min(input.len()));
        if self.keep {
            self.payload.extend_from_slice(part);
        }
        self.left -= part.len();
        *input = rest;
        if self.left > 0 {
            return Ok(None);
        }
        self.prefix_length = 0;
        Ok(Some(Message { compressed: self.prefix[0] == 1, length: self.length() }))
    }

    /// The bytes of the message that [`next`](Self::next) returned last; empty where they are not kept.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The stream has ended; an error where that cuts a message in two.
    pub fn end(&self) -> Result<(), FrameError> {
        if self.prefix_length == 0 { Ok(()) } else { Err(FrameError::Truncated) }
    }

    fn length(&self) -> usize {
        let [_, a, b, c, d] = self.prefix;
        u32::from_be_bytes([a, b, c, d]) as usize
    }

    /// The prefix is complete. The buffer grows with what arrives, not with what is announced.
    fn announce(&mut self) -> Result<(), FrameError> {
        let length = self.length();
        if length > self.limit {
            return Err(FrameError::TooLarge { length, limit: self.limit });
        }
        self.left = length;
        self.payload.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 64;

    type Seen = (Vec<(bool, usize, Vec<u8>)>, Result<(), FrameError>);

    /// Everything that a stream in pieces says, and how it ends.
    fn read(pieces: &[&[u8]], keep: bool) -> Seen {
        let mut reader = MessageReader::new(keep, LIMIT);
        let mut seen = Vec::new();
        for mut piece in pieces.iter().copied() {
            loop {
                match reader.next(&mut piece) {
                    Ok(Some(message)) => {
                        seen.push((message.compressed, message.length, reader.payload().to_vec()));
                    }
                    Ok(None) => break,
                    Err(error) => return (seen, Err(error)),
                }
            }
            assert!(piece.is_empty(), "what is not taken is lost");
        }
        (seen, reader.end())
    }

    #[test]
    fn streams_as_peers_send_them() {
        let message = |compressed, text: &[u8]| (compressed, text.len(), text.to_vec());
        let too_large = FrameError::TooLarge { length: 65, limit: LIMIT };
        let huge = FrameError::TooLarge { length: u32::MAX as usize, limit: LIMIT };
        for (bytes, messages, end) in [
            (&b""[..], vec![], Ok(())),
            (b"\0\0\0\0\0", vec![message(false, b"")], Ok(())),
            (b"\x01\0\0\0\x02hi\0\0\0\0\x01!", vec![message(true, b"hi"), message(false, b"!")], Ok(())),
            (b"\0\0\0\0\x02h", vec![], Err(FrameError::Truncated)),
            (b"\0\0\0", vec![], Err(FrameError::Truncated)),
            (b"\0\0\0\0\x01!\x02", vec![message(false, b"!")], Err(FrameError::Flag(2))),
            (b"HTTP/1.1 200 OK", vec![], Err(FrameError::Flag(b'H'))),
            (b"\0\0\0\0\x41", vec![], Err(too_large)),
            (b"\0\xff\xff\xff\xff", vec![], Err(huge)),
        ] {
            assert_eq!(read(&[bytes], true), (messages, end), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_kept_is_counted() {
        let bytes: &[u8] = b"\0\0\0\0\x02hi\x01\0\0\0\x01!";
        assert_eq!(read(&[bytes], false), (vec![(false, 2, vec![]), (true, 1, vec![])], Ok(())));
    }

    #[test]
    fn an_abandoned_stream_leaves_nothing_behind() {
        let mut reader = MessageReader::new(true, LIMIT);
        assert_eq!(reader.next(&mut &b"\x01\0\0\0\x03a"[..]), Ok(None));
        reader.begin(true, LIMIT);
        let message = reader.next(&mut &b"\0\0\0\0\x01b"[..]);
        assert_eq!(message, Ok(Some(Message { compressed: false, length: 1 })));
        assert_eq!(reader.payload(), b"b");
    }

    proptest! {
        #[test]
        fn messages_come_back_however_the_bytes_are_split(
            messages in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..=LIMIT)), 0..5),
            at in any::<prop::sample::Index>(),
        ) {
            let mut bytes = Vec::new();
            for (compressed, message) in &messages {
                prop_assert!(append_message(&mut bytes, message, *compressed));
            }
            let expected: Vec<_> =
                messages.into_iter().map(|(compressed, message)| (compressed, message.len(), message)).collect();
            let (left, right) = bytes.split_at(at.index(bytes.len() + 1));
            prop_assert_eq!(read(&[left, right], true), (expected.clone(), Ok(())));
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(read(&single, true), (expected, Ok(())));
        }

        #[test]
        fn pieces_make_no_difference_whatever_the_bytes(bytes in proptest::collection::vec(0_u8..6, 0..200), size in 1_usize..8) {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(read(&[&bytes], true), read(&pieces, true));
        }
    }
}
