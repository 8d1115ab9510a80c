//! Compressed bodies: no bytes panic, the limit holds, and a decoder remembers nothing of the body before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pulse_http::Decoder;

/// Small enough that inputs of the fuzzer's size exceed it when they are decoded.
const LIMIT: usize = 4096;

fuzz_target!(|data: &[u8]| fuzz_decoding(data));

/// The first byte chooses the encoding, the rest is the body.
pub fn fuzz_decoding(data: &[u8]) {
    let Some((&choice, body)) = data.split_first() else {
        return;
    };
    let encodings: [&[u8]; 6] = [b"gzip", b"deflate", b"identity", body, b"br", b"zstd"];
    let encoding = encodings[usize::from(choice) % encodings.len()];
    let mut decoder = Decoder::default();
    let first = decoder.decode(encoding, body, LIMIT).map_err(|error| error.class());
    let decoded = decoder.body().to_vec();
    assert!(first.is_err() || decoded.len() <= LIMIT, "{} bytes", decoded.len());
    let again = decoder.decode(encoding, body, LIMIT).map_err(|error| error.class());
    assert_eq!(first, again);
    assert!(first.is_err() || decoder.body() == decoded);
}
