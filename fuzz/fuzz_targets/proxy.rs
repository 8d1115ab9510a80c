//! What proxies answer: no bytes panic, and an answer is complete exactly at its end, however many bytes follow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pulse_http::{ConnectAnswer, ProxyError, Socks5Reply};

fuzz_target!(|data: &[u8]| fuzz_proxy(data));

/// One byte that chooses the proxy's language, then its answer.
pub fn fuzz_proxy(data: &[u8]) {
    let Some((&language, answer)) = data.split_first() else {
        return;
    };
    let parse: fn(&[u8]) -> Result<Option<((), usize)>, ProxyError> =
        if language & 1 == 0 { ConnectAnswer::parse } else { Socks5Reply::parse };
    let Ok(Some(((), length))) = parse(answer) else {
        return;
    };
    assert!(length <= answer.len(), "an answer of {length} bytes in {}", answer.len());
    assert_eq!(parse(&answer[..length]), Ok(Some(((), length))), "the same without what follows");
    assert_eq!(parse(&answer[..length - 1]), Ok(None), "incomplete without its last byte");
}
