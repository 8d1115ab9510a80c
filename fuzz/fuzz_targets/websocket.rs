//! The answer to the upgrade to a WebSocket: no bytes panic, it makes no difference in which pieces they arrive, and no byte
//! of the frames behind the head is lost.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pulse_http::{Limits, ResponseParser, UpgradeAnswer};

/// Small enough that inputs of the fuzzer's size exceed each of them.
const LIMITS: Limits = Limits { head_bytes: 1024, body_bytes: 1536, kept_body_bytes: 512 };
/// The example of RFC 6455, and what answers it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fuzz_target!(|data: &[u8]| fuzz_websocket(data));

/// One byte of settings (length of the pieces), then what the peer sends.
pub fn fuzz_websocket(data: &[u8]) {
    let Some((&settings, answer)) = data.split_first() else {
        return;
    };
    let mut parser = ResponseParser::new(LIMITS);
    let whole = upgraded(&mut parser, answer, answer.len().max(1));
    let in_pieces = upgraded(&mut parser, answer, usize::from(settings) + 1);
    assert_eq!(whole, in_pieces, "whole and in pieces");
}

/// Whether the answer is the one that was asked for, and the bytes behind its head; `None` for every other answer.
fn upgraded(parser: &mut ResponseParser, answer: &[u8], piece: usize) -> Option<(bool, Vec<u8>)> {
    parser.begin_upgrade();
    let mut rest = answer;
    while parser.status() == 0 && !rest.is_empty() {
        let (piece, after) = rest.split_at(piece.min(rest.len()));
        rest = after;
        parser.feed(piece).ok()?;
    }
    if parser.status() != 101 {
        return None;
    }
    let head = parser.head_view();
    assert!(head.head().len() <= LIMITS.head_bytes, "a head of {} bytes", head.head().len());
    let fits = UpgradeAnswer::check(head, KEY).is_ok();
    assert!(!fits || head.header("sec-websocket-accept") == Some(ACCEPT));
    let frames = [parser.surplus(), rest].concat();
    assert!(answer.ends_with(&frames), "the frames begin where the head ends");
    Some((fits, frames))
}
