//! The parser alone: any split gives the same result, and no input makes it panic or grow without bound.

use proptest::prelude::*;
use pulse_http::{Keep, Limits, ParseError, Progress, ResponseParser};

/// What can be observed of a parsed response.
#[derive(Debug, PartialEq)]
struct Seen {
    outcome: Result<Progress, ParseError>,
    status: u16,
    head: Vec<u8>,
    body: Vec<u8>,
    body_bytes: u64,
    reusable: bool,
    surplus: bool,
}

fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, is_head: bool, keep: Keep, limits: Limits) -> Seen {
    parse_with(&mut ResponseParser::new(limits), pieces, is_head, keep)
}

fn parse_with<'a>(
    parser: &mut ResponseParser,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    is_head: bool,
    keep: Keep,
) -> Seen {
    parser.begin(is_head, keep);
    let mut outcome = Ok(Progress::Head);
    for piece in pieces {
        outcome = parser.feed(piece);
        if outcome.is_err() {
            break;
        }
    }
    if outcome.is_ok() && outcome != Ok(Progress::Complete) {
        outcome = parser.end().map(|()| Progress::Complete);
    }
    let view = parser.view();
    Seen {
        outcome,
        status: parser.status(),
        head: view.head().to_vec(),
        body: view.body().to_vec(),
        body_bytes: parser.body_bytes(),
        reusable: parser.is_reusable(),
        surplus: parser.has_surplus(),
    }
}

fn split<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// A well-formed response, its body and whether something follows it.
fn response() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let framing = prop_oneof![Just(0u8), Just(1), Just(2)];
    let body = proptest::collection::vec(any::<u8>(), 0..3000);
    let chunks = proptest::collection::vec(1usize..900, 1..6);
    (framing, body, chunks, 0usize..3, any::<bool>()).prop_map(|(framing, body, chunks, interim, extras)| {
        let mut bytes = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(interim);
        bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\nServer: test\r\n");
        match framing {
            0 => bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes()),
            1 => bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n"),
            _ => bytes.extend_from_slice(b"\r\n"),
        }
        if framing != 1 {
            bytes.extend_from_slice(&body);
            return (bytes, body);
        }
        let mut rest = body.as_slice();
        for length in chunks.iter().cycle() {
            let (chunk, after) = rest.split_at((*length).min(rest.len()));
            if chunk.is_empty() {
                break;
            }
            let extension = if extras { ";name=\"value\"" } else { "" };
            bytes.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
            rest = after;
        }
        bytes.extend_from_slice(if extras { b"0\r\nTrailer: x\r\n\r\n" } else { b"0\r\n\r\n" });
        (bytes, body)
    })
}

fn keeps() -> impl Strategy<Value = Keep> {
    prop_oneof![Just(Keep::Head), Just(Keep::Body)]
}

proptest! {
    #[test]
    fn any_split_gives_the_same_response(
        (bytes, body) in response(),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
        keep in keeps(),
    ) {
        let limits = Limits::default();
        let whole = parse([bytes.as_slice()], false, keep, limits);
        prop_assert_eq!(whole.outcome, Ok(Progress::Complete));
        prop_assert_eq!(whole.body_bytes, body.len() as u64);
        prop_assert!(keep == Keep::Head || whole.body == body);
        prop_assert!(!whole.surplus);
        prop_assert_eq!(&parse(split(&bytes, &cuts), false, keep, limits), &whole);
        prop_assert_eq!(&parse(bytes.chunks(1), false, keep, limits), &whole);
    }

    #[test]
    fn no_bytes_make_it_panic(
        start in prop_oneof![
            Just(""),
            Just("HTTP/1.1 200 OK\r\n"),
            Just("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Just("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"),
            Just("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n"),
        ],
        noise in proptest::collection::vec(
            prop_oneof![any::<u8>(), proptest::sample::select(b"\r\n:;0123aAfF ,HTP/.".to_vec())], 0..2000),
        cuts in proptest::collection::vec(any::<usize>(), 0..20),
        is_head in any::<bool>(),
        keep in keeps(),
    ) {
        let limits = Limits { head_bytes: 500, body_bytes: 1000, kept_body_bytes: 700 };
        let mut bytes = start.as_bytes().to_vec();
        bytes.extend_from_slice(&noise);
        let seen = parse(split(&bytes, &cuts), is_head, keep, limits);
        prop_assert!(seen.body.len() <= limits.kept_body_bytes && seen.head.len() <= limits.head_bytes);
        let _ = parse(bytes.chunks(1), is_head, keep, limits);
    }
}

#[test]
fn every_pair_of_cuts_of_a_chunked_response() {
    let bytes: &[u8] = b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n1\r\nd\r\n0\r\nT: 1\r\n\r\n";
    for keep in [Keep::Head, Keep::Body] {
        let whole = parse([bytes], false, keep, Limits::default());
        assert_eq!((whole.outcome, whole.body_bytes), (Ok(Progress::Complete), 4));
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                assert_eq!(parse(split(bytes, &[first, second]), false, keep, Limits::default()), whole);
            }
        }
    }
}

#[test]
fn the_buffer_grows_for_a_large_body_and_shrinks_again() {
    let mut parser = ResponseParser::new(Limits::default());
    let mut exchange = |length: usize| {
        parser.begin(false, Keep::Body);
        parser.feed(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(parser.feed(&vec![b'x'; length]), Ok(Progress::Complete));
        parser.room().len()
    };
    let small = exchange(10);
    let large = exchange(1_000_000);
    assert!(small < 16_384 && exchange(10) > 1_000_000 - 100, "{small} {large}");
    let after: Vec<usize> = (0..16).map(|_| exchange(10)).collect();
    assert_eq!(after.last(), Some(&small), "{after:?}");
}

#[test]
fn an_endless_answer_does_not_take_endless_memory() {
    for (start, piece) in
        [("", "\r\n"), ("HTTP/1.1 200 OK\r\n\r\n", "data"), ("HTTP/1.1 200 OK\r\n", "a: b\r\n")]
    {
        let mut parser = ResponseParser::new(Limits { body_bytes: 1 << 20, ..Limits::default() });
        parser.begin(false, Keep::Head);
        parser.feed(start.as_bytes()).unwrap();
        let noise = piece.repeat(1000);
        while parser.feed(noise.as_bytes()).is_ok() {
            assert!(parser.room().len() < 200_000);
        }
        // What has failed stays failed.
        assert!(parser.feed(b"HTTP/1.1 200 OK\r\n\r\n").is_err() && parser.end().is_err());
    }
}

/// Heads of all kinds of framing, faulty ones included; some are the start of another.
const HEADS: [&str; 12] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "HTTP/1.0 200 OK\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "HTTP/1.1 200 OK\nContent-Length: 4\n\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\n",
];

proptest! {
    /// A parser compares a head with those that it knows before it parses one. What comes out is what a parser says that
    /// knows none, in whatever order they come and however they are cut.
    #[test]
    fn a_parser_that_has_seen_heads_says_what_a_new_one_says(
        answers in proptest::collection::vec(
            (
                proptest::collection::vec(0..HEADS.len(), 1..3),
                prop_oneof![Just("data"), Just("4\r\ndata\r\n0\r\n\r\n"), Just(""), Just("too much of it")],
                proptest::collection::vec(any::<usize>(), 0..3),
                any::<bool>(),
                any::<bool>(),
            ),
            1..60,
        ),
    ) {
        let mut experienced = ResponseParser::new(Limits::default());
        for (heads, body, cuts, is_head, keeps) in answers {
            let mut bytes: Vec<u8> = heads.into_iter().flat_map(|head| HEADS[head].bytes()).collect();
            bytes.extend_from_slice(body.as_bytes());
            let keep = if keeps { Keep::Body } else { Keep::Head };
            let seen = parse_with(&mut experienced, split(&bytes, &cuts), is_head, keep);
            prop_assert_eq!(seen, parse(split(&bytes, &cuts), is_head, keep, Limits::default()));
        }
    }
}
