//! The frames of HTTP/3 streams: no bytes panic, nothing is added or held back but a header, and it makes no difference in
//! which pieces they arrive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pulse_http::{Http3FrameTooLong, Http3Frames};

/// Small enough that inputs of the fuzzer's size exceed it.
const LONGEST: u64 = 256;
/// Two numbers of eight bytes.
const HEADER: usize = 16;

fuzz_target!(|data: &[u8]| fuzz_http3_frames(data));

/// One byte of settings (length of the pieces), then the stream.
pub fn fuzz_http3_frames(data: &[u8]) {
    let Some((&settings, stream)) = data.split_first() else {
        return;
    };
    let whole = passed([stream]);
    assert_eq!(whole, passed(stream.chunks(usize::from(settings) + 1)), "whole and in pieces");
    let (seen, result) = whole;
    assert!(seen.len() <= stream.len(), "{} bytes out of {}", seen.len(), stream.len());
    if result.is_ok() {
        assert_eq!(passed([&seen[..]]), (seen.clone(), Ok(())), "what was left out is not there again");
    }
}

fn passed<'d>(pieces: impl IntoIterator<Item = &'d [u8]>) -> (Vec<u8>, Result<(), Http3FrameTooLong>) {
    let (mut frames, mut seen) = (Http3Frames::new(LONGEST), Vec::new());
    let result = pieces.into_iter().try_for_each(|piece| frames.pass(piece, &mut seen));
    let held = frames.end();
    assert!(held.len() < HEADER || result.is_err(), "{} bytes are held", held.len());
    seen.extend_from_slice(held);
    (seen, result)
}
