//! The parser of event streams: no bytes panic, the limit holds, and it makes no difference in which pieces they arrive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pulse_http::{EventError, EventParser};

/// Small enough that inputs of the fuzzer's size exceed it.
const LIMIT: usize = 256;

fuzz_target!(|data: &[u8]| fuzz_events(data));

/// One byte of settings (length of the pieces), then the stream.
pub fn fuzz_events(data: &[u8]) {
    let Some((&settings, stream)) = data.split_first() else {
        return;
    };
    let pieces = stream.chunks(usize::from(settings) + 1);
    assert_eq!(observe([stream]), observe(pieces), "whole and in pieces");
}

/// Type, data and id of an event.
type Seen = (Vec<u8>, Vec<u8>, Vec<u8>);

fn observe<'d>(
    pieces: impl IntoIterator<Item = &'d [u8]>,
) -> (Vec<Seen>, Option<u64>, Result<(), EventError>) {
    let mut parser = EventParser::new(LIMIT);
    let mut seen = Vec::new();
    let result = pieces.into_iter().try_for_each(|piece| {
        parser.feed(piece, &mut |event| {
            for text in [event.kind, event.data, event.id] {
                assert!(text.len() <= LIMIT, "{} bytes", text.len());
            }
            assert!(!event.id.contains(&0) && !event.kind.is_empty());
            seen.push((event.kind.to_vec(), event.data.to_vec(), event.id.to_vec()));
        })
    });
    (seen, parser.retry_ms(), result)
}
