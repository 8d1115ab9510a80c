//! The reader of gRPC's messages: no bytes panic, the limit holds, and it makes no difference in which pieces they arrive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pulse_http::{FrameError, MessageReader, append_message};

/// Small enough that inputs of the fuzzer's size exceed it.
const LIMIT: usize = 512;

fuzz_target!(|data: &[u8]| fuzz_grpc_frames(data));

/// One byte of settings (length of the pieces, whether messages are kept), then what the peer sends.
pub fn fuzz_grpc_frames(data: &[u8]) {
    let Some((&settings, stream)) = data.split_first() else {
        return;
    };
    let keep = settings & 1 == 1;
    let piece = usize::from(settings >> 1) + 1;
    let mut reader = MessageReader::new(keep, LIMIT);
    let whole = observe(&mut reader, keep, &[stream]);
    let pieces: Vec<&[u8]> = stream.chunks(piece).collect();
    // The same reader twice: what the first stream leaves behind must not show in the second.
    reader.begin(keep, LIMIT);
    let in_pieces = observe(&mut reader, keep, &pieces);
    assert_eq!(whole, in_pieces, "whole and in pieces of {piece} bytes");
    if let (true, (messages, Ok(()))) = (keep, &whole) {
        let mut again = Vec::new();
        for (compressed, _, bytes) in messages {
            assert!(append_message(&mut again, bytes, *compressed));
        }
        assert_eq!(again, stream, "messages that were read make the same stream");
    }
}

type Seen = (Vec<(bool, usize, Vec<u8>)>, Result<(), FrameError>);

fn observe(reader: &mut MessageReader, keep: bool, pieces: &[&[u8]]) -> Seen {
    let mut messages = Vec::new();
    for mut rest in pieces.iter().copied() {
        loop {
            match reader.next(&mut rest) {
                Ok(Some(message)) => {
                    let bytes = reader.payload().to_vec();
                    assert!(message.length <= LIMIT, "a message of {} bytes", message.length);
                    assert_eq!(bytes.len(), if keep { message.length } else { 0 });
                    messages.push((message.compressed, message.length, bytes));
                }
                Ok(None) => break,
                Err(error) => return (messages, Err(error)),
            }
        }
        assert!(rest.is_empty(), "bytes are left over");
    }
    (messages, reader.end())
}
