//! The response parser: no bytes panic, the limits hold, and it makes no difference in which pieces they arrive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pulse_http::{Keep, Limits, ParseError, Progress, ResponseParser};

/// Small enough that inputs of the fuzzer's size exceed each of them.
const LIMITS: Limits = Limits { head_bytes: 1024, body_bytes: 1536, kept_body_bytes: 512 };

fuzz_target!(|data: &[u8]| fuzz_response(data));

/// One byte of settings (length of the pieces, method, what is kept), then what the peer sends.
pub fn fuzz_response(data: &[u8]) {
    let Some((&settings, answer)) = data.split_first() else {
        return;
    };
    let is_head = settings & 1 == 1;
    let keep = if settings & 2 == 2 { Keep::Body } else { Keep::Head };
    let piece = usize::from(settings >> 2) + 1;

    // The same parser twice: what the first response leaves behind must not show in the second.
    let mut parser = ResponseParser::new(LIMITS);
    let whole = observe(&mut parser, is_head, keep, &[answer]);
    let pieces: Vec<&[u8]> = answer.chunks(piece).collect();
    let in_pieces = observe(&mut parser, is_head, keep, &pieces);
    // Which of several mistakes is met first, and how early one in an unfinished head is, may depend on the pieces;
    // whether there is a response may not.
    assert_eq!(beyond_head(whole), beyond_head(in_pieces), "whole and in pieces of {piece} bytes");
}

fn beyond_head(result: Result<Seen, ParseError>) -> Option<Seen> {
    result.ok().filter(|seen| seen.progress != Progress::Head)
}

/// All that can be seen of a response.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    progress: Progress,
    ends_well: bool,
    is_reusable: bool,
    has_surplus: bool,
    status: u16,
    received: u64,
    body_bytes: u64,
    head: Vec<u8>,
    headers: usize,
    body: Vec<u8>,
}

fn observe(
    parser: &mut ResponseParser,
    is_head: bool,
    keep: Keep,
    pieces: &[&[u8]],
) -> Result<Seen, ParseError> {
    parser.begin(is_head, keep);
    let mut progress = Progress::Head;
    for piece in pieces {
        progress = parser.feed(piece)?;
    }
    let (is_reusable, has_surplus) = (parser.is_reusable(), parser.has_surplus());
    let ends_well = parser.end().is_ok();
    let view = parser.view();
    assert!(view.head().len() <= LIMITS.head_bytes, "a head of {} bytes", view.head().len());
    assert!(view.body().len() <= LIMITS.kept_body_bytes, "a body of {} bytes is kept", view.body().len());
    assert!(parser.body_bytes() <= LIMITS.body_bytes, "a body of {} bytes", parser.body_bytes());
    Ok(Seen {
        progress,
        ends_well,
        is_reusable,
        has_surplus,
        status: parser.status(),
        received: parser.received(),
        body_bytes: parser.body_bytes(),
        head: view.head().to_vec(),
        headers: view.headers().count(),
        body: view.body().to_vec(),
    })
}
