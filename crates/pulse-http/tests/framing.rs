//! Where responses end, over a real socket: each case is a server's bytes and what the client makes of them.

mod session;

use pulse_http::{FailureClass, Keep, Limits};
use pulse_testkit::{Script, ScriptedServer, Step};
use session::{LONG, Session};

/// Method, the server's bytes, then: status, body, and whether the connection is kept.
type Good = (&'static str, &'static str, (u16, &'static str, bool));

const GOOD: &[Good] = &[
    ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", (200, "hello", true)),
    ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", (200, "", true)),
    (
        "GET",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\ncontent-length: 5\r\n\r\nhello",
        (200, "hello", true),
    ),
    ("GET", "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", (200, "x", true)),
    ("GET", "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", (200, "x", true)),
    // Chunked.
    (
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        (200, "hello", true),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\nTRANSFER-encoding: gzip, Chunked\r\n\r\n0003;a=\"b;c\";d\r\nhel\r\n2  \r\nlo\r\n0;x\r\nT: 1\r\nU: 2\r\n\r\n",
        (200, "hello", true),
    ),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (200, "", true)),
    // Both framings: chunked wins, and the connection is not trusted any more (RFC 9112 §6.3).
    (
        "GET",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        (200, "hello", false),
    ),
    ("GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", (200, "x", false)),
    // Until the peer closes.
    ("GET", "HTTP/1.1 200 OK\r\n\r\nall of it", (200, "all of it", false)),
    ("GET", "HTTP/1.0 200 OK\r\n\r\n", (200, "", false)),
    (
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nall",
        (200, "all", false),
    ),
    // Without a body, whatever the head says.
    ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", (200, "", true)),
    ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", (200, "", true)),
    ("HEAD", "HTTP/1.1 200 OK\r\n\r\n", (200, "", true)),
    ("GET", "HTTP/1.1 204 No Content\r\n\r\n", (204, "", true)),
    ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", (204, "", true)),
    ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", (304, "", true)),
    // Interim responses.
    ("GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", (200, "x", true)),
    (
        "GET",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx",
        (404, "x", true),
    ),
    // Who closes.
    ("GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", (200, "x", false)),
    ("GET", "HTTP/1.1 200 OK\r\nConnection: foo, CLOSE\r\nContent-Length: 1\r\n\r\nx", (200, "x", false)),
    ("GET", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", (200, "x", false)),
    ("GET", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx", (200, "x", true)),
];

fn once(answer: impl AsRef<[u8]>) -> ScriptedServer {
    ScriptedServer::start(Script::each(vec![Step::ReadRequest, Step::send(answer)]))
}

#[tokio::test]
async fn good_responses_are_read_to_their_end() {
    for &(method, answer, (status, body, kept)) in GOOD {
        let server = once(answer);
        for keep in [Keep::Body, Keep::Head] {
            let mut session = Session::new(&server.url());
            let exchange =
                session.ask(method, None, LONG, keep).await.unwrap_or_else(|e| panic!("{answer:?}: {e}"));
            let expected = if keep == Keep::Body { body } else { "" };
            let view = session.client.response();
            assert_eq!((exchange.status, view.status()), (status, status), "{answer:?}");
            assert_eq!(String::from_utf8_lossy(view.body()), expected, "{answer:?}");
            assert_eq!(exchange.body_bytes, body.len() as u64, "{answer:?}");
            assert_eq!(exchange.bytes_received, answer.len() as u64, "{answer:?}");
            assert_eq!(session.client.is_connected(), kept, "{answer:?}");
            assert_eq!(session.client.counts().surplus, 0, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn good_responses_survive_being_sent_byte_by_byte() {
    let scripts = GOOD
        .iter()
        .map(|(_, answer, _)| vec![Step::ReadRequest, Step::SendSplit(answer.as_bytes().to_vec(), 1)]);
    let server = ScriptedServer::start(Script::in_turn(scripts.collect()));
    for &(method, answer, (status, body, kept)) in GOOD {
        let mut session = Session::new(&server.url());
        let exchange =
            session.ask(method, None, LONG, Keep::Body).await.unwrap_or_else(|e| panic!("{answer:?}: {e}"));
        let seen = (exchange.status, session.client.response().body(), session.client.is_connected());
        assert_eq!(seen, (status, body.as_bytes(), kept), "{answer:?}");
    }
}

#[tokio::test]
async fn bad_responses_are_failures_with_their_class() {
    use FailureClass::{BadResponse, Closed, TooLarge};
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let many_fields = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(129));
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(17);
    let table: [(&str, FailureClass); 25] = [
        ("", Closed),
        ("HTTP/1.1 200", Closed),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", Closed),
        (&format!("{chunked}5\r\nhello\r\n0\r\n"), Closed),
        ("HTTP/1.1 100 Continue\r\n\r\n", Closed),
        ("SSH-2.0-OpenSSH_9.6\r\n", BadResponse),
        ("\x15\x03\x01\x00\x02", BadResponse),
        ("HTTP/2.0 200 OK\r\n\r\n", BadResponse),
        ("HTTP/1.1 2x0 OK\r\n\r\n", BadResponse),
        ("HTTP/1.1 099 OK\r\n\r\n", BadResponse),
        ("HTTP/1.1 200 OK\r\nNo colon\r\n\r\n", BadResponse),
        ("HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", BadResponse),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy", BadResponse),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nxy", BadResponse),
        ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx", BadResponse),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx", BadResponse),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", BadResponse),
        (&format!("{chunked}x\r\n"), BadResponse),
        (&format!("{chunked}5\nhello"), BadResponse),
        (&format!("{chunked}3\r\nhello\r\n"), BadResponse),
        (&format!("{chunked}fffffffffffffffff\r\n"), BadResponse),
        (&interim, BadResponse),
        (&many_fields, TooLarge),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1073741825\r\n\r\nx", TooLarge),
        (&format!("{chunked}1;{}", "x".repeat(5000)), BadResponse),
    ];
    for (answer, class) in table {
        let server = once(answer);
        let mut session = Session::new(&server.url());
        let failure = session.get().await.expect_err(answer);
        assert_eq!(failure.class, class, "{answer:?}: {failure}");
        assert!(!session.client.is_connected(), "{answer:?}");
        assert!(session.client.response().body().is_empty() && session.client.response().head().is_empty());
        assert!(failure.finished >= failure.started);
    }
}

#[tokio::test]
async fn a_hundred_and_twenty_eight_fields_are_accepted() {
    let head = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 1\r\n\r\nx", "a: b\r\n".repeat(127));
    let server = once(head);
    let mut session = Session::new(&server.url());
    session.get().await.unwrap();
    assert_eq!(session.client.response().header_all("A").count(), 127);
}

#[tokio::test]
async fn what_never_ends_meets_its_limit() {
    let limits = Limits { head_bytes: 20_000, body_bytes: 300_000, kept_body_bytes: 100_000 };
    let table = [
        ("HTTP/1.1 200 OK\r\n", "a: b\r\n", Keep::Head),
        ("HTTP/1.1 200 OK\r\nA: ", "aaaaaaaaaaaaaaaa", Keep::Head),
        ("", "\r\n", Keep::Head),
        ("HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef", Keep::Head),
        ("HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef", Keep::Body),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n", Keep::Head),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n", Keep::Body),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "trailer: x\r\n", Keep::Head),
    ];
    for (start, forever, keep) in table {
        let steps =
            vec![Step::ReadRequest, Step::send(start), Step::SendForever(forever.repeat(1000).into_bytes())];
        let server = ScriptedServer::start(Script::each(steps));
        let mut session = Session::with(&server.url(), pulse_http::ConnectorConfig::default(), limits);
        let failure = session.ask("GET", None, LONG, keep).await.expect_err(forever);
        assert_eq!(failure.class, FailureClass::TooLarge, "{start:?} {forever:?}: {failure}");
    }
}

#[tokio::test]
async fn header_fields_can_be_looked_up() {
    let server = once(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX-Empty:\r\nset-cookie:\t b=2 \r\nContent-Length: 0\r\n\r\n",
    );
    let mut session = Session::new(&server.url());
    session.get().await.unwrap();
    let view = session.client.response();
    let cookies: Vec<_> = view.header_all("SET-COOKIE").collect();
    assert_eq!(cookies, [b"a=1".as_slice(), b"b=2"]);
    assert_eq!(view.header("set-cookie"), Some(b"a=1".as_slice()));
    assert_eq!((view.header("x-empty"), view.header("x-none")), (Some(b"".as_slice()), None));
    let names: Vec<_> = view.headers().map(|(name, _)| name).collect();
    assert_eq!(names, ["Set-Cookie", "X-Empty", "set-cookie", "Content-Length"]);
}

#[tokio::test]
async fn a_long_body_is_skipped_or_kept_whole() {
    let body: Vec<u8> = (0..2_000_000u32).map(|i| (i % 251) as u8).collect();
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(&body);
    let server = ScriptedServer::start(Script::each(vec![Step::ReadRequest, Step::Send(answer), Step::Loop]));
    let mut session = Session::new(&server.url());
    for _ in 0..3 {
        session.post(b"x").await.unwrap();
        assert!(session.client.response().body() == body);
        let exchange = session.ask("GET", None, LONG, Keep::Head).await.unwrap();
        assert_eq!(exchange.body_bytes, body.len() as u64);
        assert!(exchange.first_byte <= exchange.finished && exchange.sent <= exchange.first_byte);
    }
    assert_eq!(server.connections(), 1);
}
