//! Servers that mean harm, or are broken in ways that look like it: each has its class of failure, none makes the client
//! panic, wait past its timeout, grow past its limits, or take one answer for another.

mod session;

use pulse_http::{ConnectorConfig, FailureClass, Keep, Limits, Progress, ResponseParser};
use pulse_testkit::{Script, ScriptedServer, Step};
use session::Session;
use std::time::Duration;

/// What the client makes of a server's bytes: status, length of the body and whether the connection can be used again,
/// or a class of failure.
type Expected = Result<(u16, u64, bool), FailureClass>;

const BAD: Expected = Err(FailureClass::BadResponse);
const CUT: Expected = Err(FailureClass::Closed);
const LARGE: Expected = Err(FailureClass::TooLarge);

/// The heads that the cases of a group start with.
const OK: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Small, so that what goes beyond them is short.
const LIMITS: Limits = Limits { head_bytes: 2000, body_bytes: 3000, kept_body_bytes: 2500 };

/// Everything that the parser may hold under these limits: head and kept body, and room for the next read, doubled.
const MOST_MEMORY: usize = 2 * (2000 + 2500 + (8 << 10));

fn status_lines() -> Vec<(String, Expected)> {
    let cases: [(&str, Expected); 16] = [
        ("\r\n\r\nHTTP/1.1 204 No\r\n\r\n", Ok((204, 0, true))),
        ("\n\nHTTP/1.1 204 No\r\n\r\n", Ok((204, 0, true))),
        ("HTTP/1.1 204 \r\n\r\n", Ok((204, 0, true))),
        ("HTTP/1.1 999 Whatever\r\nContent-Length: 0\r\n\r\n", Ok((999, 0, true))),
        (" HTTP/1.1 204 No\r\n\r\n", BAD),
        ("http/1.1 204 No\r\n\r\n", BAD),
        ("HTTP/1.2 204 No\r\n\r\n", BAD),
        ("HTTP/11 204 No\r\n\r\n", BAD),
        ("HTTP/1.1 20 No\r\n\r\n", BAD),
        ("HTTP/1.1 2040 No\r\n\r\n", BAD),
        ("HTTP/1.1 -04 No\r\n\r\n", BAD),
        ("HTTP/1.1 000 No\r\n\r\n", BAD),
        ("HTTP/1.1\r\n\r\n", BAD),
        ("HTTP/1.1 204 N\0o\r\n\r\n", BAD),
        ("ICY 200 OK\r\n\r\n", BAD),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ];
    cases.map(|(bytes, expected)| (bytes.to_owned(), expected)).into()
}

/// Line ends and white space where they should not be, after a status line.
fn line_ends() -> Vec<(String, Expected)> {
    let cases: [(&str, Expected); 14] = [
        ("Content-Length: 2\n\nok", Ok((200, 2, true))),
        ("Content-Length: 2\r\n\nok", Ok((200, 2, true))),
        ("Content-Length:\t 2 \t\r\n\r\nok", Ok((200, 2, true))),
        ("Content-Length: 2\r\r\nok", BAD),
        ("Content-Length: 2\rX: y\r\n\r\nok", BAD),
        ("X: a\rContent-Length: 2\r\n\r\nok", BAD),
        ("X: a\r\n b\r\nContent-Length: 2\r\n\r\nok", BAD),
        ("X: a\r\n\tb\r\nContent-Length: 2\r\n\r\nok", BAD),
        (" X: a\r\nContent-Length: 2\r\n\r\nok", BAD),
        ("Content-Length : 2\r\n\r\nok", BAD),
        ("Content Length: 2\r\n\r\nok", BAD),
        (": 2\r\nContent-Length: 2\r\n\r\nok", BAD),
        ("X: a\0b\r\nContent-Length: 2\r\n\r\nok", BAD),
        ("X\u{7f}: a\r\nContent-Length: 2\r\n\r\nok", BAD),
    ];
    cases.map(|(bytes, expected)| (format!("{OK}{bytes}"), expected)).into()
}

/// Lengths and codings that contradict themselves or each other.
fn framings() -> Vec<(String, Expected)> {
    let cases: [(&str, Expected); 20] = [
        ("Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", Ok((200, 2, true))),
        ("Content-Length: 2\r\nContent-Length: 02\r\n\r\nok", Ok((200, 2, true))),
        ("Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad", Ok((200, 2, false))),
        ("Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!", BAD),
        ("Content-Length: 2,3\r\n\r\nok!", BAD),
        ("Content-Length: 2,\r\n\r\nok", BAD),
        ("Content-Length: \r\n\r\nok", BAD),
        ("Content-Length: -2\r\n\r\nok", BAD),
        ("Content-Length: 0x2\r\n\r\nok", BAD),
        ("Content-Length: 2e0\r\n\r\nok", BAD),
        ("Content-Length: 2 2\r\n\r\nok", BAD),
        ("Content-Length: 18446744073709551616\r\n\r\nok", BAD),
        ("Content-Length: 18446744073709551615\r\n\r\nok", LARGE),
        ("Content-Length: 3\r\n\r\nok", CUT),
        // Not `chunked` at the end: until the peer closes, and never taken for chunks.
        ("Transfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Ok((200, 12, false))),
        ("Transfer-Encoding: chunked, gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n", Ok((200, 12, false))),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", Ok((200, 5, false))),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Ok((200, 0, true))),
        ("Transfer-Encoding: chunked\r\nContent-Length: 999\r\n\r\n0\r\n\r\n", Ok((200, 0, false))),
        ("Content-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD),
    ];
    cases.map(|(bytes, expected)| (format!("{OK}{bytes}"), expected)).into()
}

fn chunks() -> Vec<(String, Expected)> {
    let cases: [(&str, Expected); 27] = [
        ("0000000000000000002\r\nok\r\n0\r\n\r\n", Ok((200, 2, true))),
        ("2;a\r\nok\r\n0;b=\"\t\"\r\n\r\n", Ok((200, 2, true))),
        ("2\t;a\r\nok\r\n0\r\nA: 1\r\nContent-Length: 7\r\n\r\n", Ok((200, 2, true))),
        ("0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Ok((200, 0, false))),
        ("\r\n", BAD),
        (" 2\r\nok\r\n0\r\n\r\n", BAD),
        ("-2\r\nok\r\n0\r\n\r\n", BAD),
        ("+2\r\nok\r\n0\r\n\r\n", BAD),
        ("0x2\r\nok\r\n0\r\n\r\n", BAD),
        ("2 2\r\nok\r\n0\r\n\r\n", BAD),
        ("2_\r\nok\r\n0\r\n\r\n", BAD),
        ("g\r\nok\r\n0\r\n\r\n", BAD),
        (";a\r\nok\r\n0\r\n\r\n", BAD),
        ("10000000000000000\r\nok\r\n0\r\n\r\n", BAD),
        ("ffffffffffffffff\r\nok\r\n0\r\n\r\n", CUT),
        ("2\nok\r\n0\r\n\r\n", BAD),
        ("2\rok\r\n0\r\n\r\n", BAD),
        ("2;a\nb\r\nok\r\n0\r\n\r\n", BAD),
        ("2\r\nok0\r\n\r\n", BAD),
        ("2\r\nok\n0\r\n\r\n", BAD),
        ("2\r\nok\r0\r\n\r\n", BAD),
        ("2\r\noks\r\n0\r\n\r\n", BAD),
        ("2\r\nok\r\n0\r\nA: 1\n\r\n", BAD),
        ("2\r\nok\r\n0\r\n\rx", BAD),
        ("2\r\nok\r\n", CUT),
        ("2\r\nok\r\n0\r\n", CUT),
        ("2\r\nok\r\n0\r\nA: 1\r\n", CUT),
    ];
    cases.map(|(bytes, expected)| (format!("{CHUNKED}{bytes}"), expected)).into()
}

/// More than the limits allow, and as much as they do.
fn bombs() -> Vec<(String, Expected)> {
    let field = |length: usize| format!("{OK}Content-Length: 0\r\nX: {}\r\n\r\n", "a".repeat(length));
    let fields = |count: usize| format!("{OK}{}Content-Length: 0\r\n\r\n", "a: b\r\n".repeat(count));
    let overhead = field(0).len();
    let interim =
        |count: usize| format!("{}{OK}Content-Length: 0\r\n\r\n", "HTTP/1.1 103 E\r\n\r\n".repeat(count));
    let body = |length: usize| format!("{OK}Content-Length: {length}\r\n\r\n{}", "a".repeat(length));
    let tiny_chunks = |count: usize| format!("{CHUNKED}{}0\r\n\r\n", "1\r\na\r\n".repeat(count));
    let trailer = |length: usize| format!("{CHUNKED}0\r\nX: {}\r\n\r\n", "a".repeat(length));
    let extension = |length: usize| format!("{CHUNKED}0;{}\r\n\r\n", "a".repeat(length));
    let empty = Ok((200, 0, true));
    vec![
        (field(LIMITS.head_bytes - overhead), empty),
        (field(LIMITS.head_bytes - overhead + 1), LARGE),
        (fields(127), empty),
        (fields(128), LARGE),
        (format!("{OK}{}: b\r\n\r\n", "a".repeat(LIMITS.head_bytes)), LARGE),
        (format!("{}{OK}\r\n", "\r\n".repeat(LIMITS.head_bytes)), LARGE),
        (format!("HTTP/1.1 200 {}\r\n\r\n", "a".repeat(LIMITS.head_bytes)), LARGE),
        (interim(16), empty),
        (interim(17), BAD),
        (body(LIMITS.kept_body_bytes), Ok((200, 2500, true))),
        (body(LIMITS.kept_body_bytes + 1), LARGE),
        (tiny_chunks(LIMITS.kept_body_bytes), Ok((200, 2500, true))),
        (tiny_chunks(LIMITS.kept_body_bytes + 1), LARGE),
        (format!("{OK}\r\n{}", "a".repeat(LIMITS.kept_body_bytes + 1)), LARGE),
        (trailer(LIMITS.head_bytes - 20), empty),
        (trailer(LIMITS.head_bytes), LARGE),
        (extension(4000), empty),
        (extension(5000), BAD),
    ]
}

fn corpus() -> Vec<(String, Expected)> {
    [status_lines(), line_ends(), framings(), chunks(), bombs()].concat()
}

/// The parser's verdict on pieces that a closing peer sent.
fn verdict<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Expected {
    let mut parser = ResponseParser::new(LIMITS);
    parser.begin(false, Keep::Body);
    let mut progress = Progress::Head;
    for piece in pieces {
        progress = parser.feed(piece).map_err(|error| error.class())?;
        assert!(parser.room().len() <= MOST_MEMORY, "{} bytes are held", parser.room().len());
    }
    if progress != Progress::Complete {
        parser.end().map_err(|error| error.class())?;
    }
    Ok((parser.status(), parser.body_bytes(), parser.is_reusable()))
}

#[test]
fn every_case_is_judged_alike_wherever_it_is_cut() {
    for (bytes, expected) in corpus() {
        let (bytes, start) = (bytes.as_bytes(), &bytes[..bytes.len().min(120)]);
        assert_eq!(verdict([bytes]), expected, "{start:?}");
        assert_eq!(verdict(bytes.chunks(1)), expected, "byte by byte: {start:?}");
        for at in 0..bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(verdict([first, second]), expected, "cut at {at}: {start:?}");
        }
    }
}

#[tokio::test]
async fn every_case_ends_as_it_should_over_a_socket() {
    for one_write in [true, false] {
        let scripts = corpus().into_iter().map(|(bytes, _)| {
            let send = if one_write { Step::send(bytes) } else { Step::SendSplit(bytes.into_bytes(), 1) };
            vec![Step::ReadRequest, send]
        });
        let server = ScriptedServer::start(Script::in_turn(scripts.collect()));
        for (bytes, expected) in corpus() {
            let start = &bytes[..bytes.len().min(120)];
            let mut session = Session::with(&server.url(), ConnectorConfig::default(), LIMITS);
            let result = session.get().await;
            let seen =
                result.as_ref().map(|exchange| (exchange.status, exchange.body_bytes)).map_err(|f| f.class);
            assert_eq!(seen, expected.map(|(status, body, _)| (status, body)), "{start:?}");
            // What comes late (a second answer in a read of its own) is found when the connection is wanted again.
            let reusable = expected.is_ok_and(|(_, _, reusable)| reusable);
            assert!(!reusable || session.client.is_connected(), "{start:?}");
            if let Err(failure) = result {
                assert!(!failure.detail.is_empty() && !session.client.is_connected(), "{start:?}");
                assert!(session.client.response().head().is_empty(), "{start:?}");
            }
        }
    }
}

fn scripted(steps: Vec<Step>) -> ScriptedServer {
    ScriptedServer::start(Script::each(steps))
}

fn answer(body: &str) -> Step {
    Step::send(format!("{OK}Content-Length: {}\r\n\r\n{body}", body.len()))
}

#[tokio::test]
async fn interim_responses_without_end_are_not_waited_for() {
    let forever = Step::SendForever(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100));
    let server = scripted(vec![Step::ReadRequest, forever]);
    assert_eq!(Session::new(&server.url()).get().await.unwrap_err().class, FailureClass::BadResponse);
}

#[tokio::test]
async fn an_early_answer_counts_although_the_request_is_not_taken() {
    let body = vec![b'x'; 32 << 20];
    for end in [Step::Hold, Step::Gate] {
        let server = scripted(vec![Step::ReadSome, answer("no"), end]);
        let mut session = Session::new(&server.url());
        let exchange = session.post(&body).await.unwrap();
        assert_eq!((exchange.status, session.client.response().body()), (200, &b"no"[..]));
        // Unless all of it was sent after all, its rest would be taken for the next request.
        let sent_all = exchange.bytes_sent > body.len() as u64;
        assert!(sent_all || !session.client.is_connected());
    }
}

#[tokio::test]
async fn an_early_end_without_an_answer_is_no_answer() {
    let body = vec![b'x'; 32 << 20];
    for end in [Step::Close, Step::Reset] {
        let server = scripted(vec![Step::ReadSome, end]);
        let failure = Session::new(&server.url()).post(&body).await.unwrap_err();
        // A close with unread bytes is a reset for the other side.
        assert!(matches!(failure.class, FailureClass::Reset | FailureClass::Closed), "{failure}");
    }
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one() {
    // A server that gives up an idle connection with a word (as many do: 408), and one that says more than was asked.
    for unsolicited in ["HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", "x", "\r\n"] {
        let server = ScriptedServer::start(Script::in_turn(vec![
            vec![Step::ReadRequest, answer("first"), Step::Gate, Step::send(unsolicited), Step::Hold],
            vec![Step::ReadRequest, answer("second"), Step::Hold],
        ]));
        let config = ConnectorConfig { idle_check_after: Duration::ZERO, ..ConnectorConfig::default() };
        let mut session = Session::with(&server.url(), config, Limits::default());
        session.get().await.unwrap();
        server.open_gate();
        server.wait_for(0, 4);
        // A POST, which could not be asked again.
        session.post(b"x").await.unwrap();
        assert_eq!(session.client.response().body(), b"second", "{unsolicited:?}");
        assert_eq!((session.client.counts().surplus, session.client.counts().opened), (1, 2));
    }
}

#[tokio::test]
async fn a_reset_in_each_phase_of_an_answer() {
    let phases: [(&str, &str); 9] = [
        ("before anything", ""),
        ("in the status line", "HTTP/1.1 2"),
        ("in a field", "HTTP/1.1 200 OK\r\nContent-Le"),
        ("after an interim response", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("after the head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("in a body with a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"),
        ("in a chunk's size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1"),
        ("in the trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: "),
        ("in a body until the end", "HTTP/1.1 200 OK\r\n\r\nhe"),
    ];
    for (phase, start) in phases {
        for (end, class) in [(Step::Reset, FailureClass::Reset), (Step::HalfClose, FailureClass::Closed)] {
            let until_close = start.ends_with("\r\n\r\nhe") && !start.contains("Length");
            let server = scripted(vec![Step::ReadRequest, Step::send(start), end.clone(), Step::Hold]);
            let mut session = Session::new(&server.url());
            match (session.post(b"x").await, until_close && end == Step::HalfClose) {
                (Ok(exchange), true) => assert_eq!(exchange.body_bytes, 2),
                (Err(failure), false) => assert_eq!(failure.class, class, "{phase}: {failure}"),
                (result, _) => panic!("{phase}, {end:?}: {result:?}"),
            }
            assert!(!session.client.is_connected(), "{phase}");
            drop(server);
            // The server is gone, and so is its port.
            assert_eq!(session.get().await.unwrap_err().class, FailureClass::Refused, "{phase}");
        }
    }
}

#[tokio::test]
async fn a_reset_before_the_first_byte_of_the_request() {
    let server = scripted(vec![Step::Reset]);
    for _ in 0..20 {
        let failure = Session::new(&server.url()).post(&vec![b'x'; 1 << 20]).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Reset, "{failure}");
    }
}

#[tokio::test]
async fn half_a_connection_is_enough_for_an_answer_and_for_no_more() {
    // The sending side is closed behind a complete answer that did not announce it.
    let server = ScriptedServer::start(Script::each(vec![
        Step::ReadRequest,
        answer("ok"),
        Step::HalfClose,
        Step::Hold,
    ]));
    let config = ConnectorConfig { idle_check_after: Duration::ZERO, ..ConnectorConfig::default() };
    let mut session = Session::with(&server.url(), config, Limits::default());
    for connection in 0..3 {
        session.post(b"x").await.unwrap();
        server.wait_for(connection, 3);
    }
    let counts = session.client.counts();
    assert_eq!((counts.opened, counts.closed_by_peer, counts.resent), (3, 2, 0));
}

#[tokio::test]
async fn a_trickle_ends_with_the_timeout() {
    // One byte per write, for ever: each is progress, and none of it moves the deadline.
    let starts = [
        "HTTP/1.1 200 OK\r\nX: ",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3fffffff\r\n",
    ];
    let limits = Limits { head_bytes: 1 << 30, ..Limits::default() };
    for start in starts {
        let server = scripted(vec![Step::ReadRequest, Step::send(start), Step::SendForever(vec![b'a'])]);
        let mut session = Session::with(&server.url(), ConnectorConfig::default(), limits);
        let failure = session.ask("GET", None, Duration::from_millis(50), Keep::Head).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Timeout, "{start:?}: {failure}");
    }
}
