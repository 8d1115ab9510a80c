//! WebSockets: with a peer that behaves, and with those that do not.

use pulse_http::{
    Connector, ConnectorConfig, Failure, FailureClass, Limits, Origin, Outgoing, RequestWriter, Timeouts,
    TlsOptions, WebSocketClient,
};
use pulse_testkit::{Script, ScriptedServer, Step, TestAuthority, server_frame};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Long enough never to end in a test that passes.
const LONG: Duration = Duration::from_secs(30);
/// Soon over, where that is what is tested.
const SHORT: Duration = Duration::from_millis(50);
/// The longest message of the tests' clients, in bytes.
const MOST: usize = 1 << 20;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

struct Session {
    client: WebSocketClient,
    timeouts: Rc<Timeouts>,
    request: Vec<u8>,
}

impl Session {
    fn new(url: &str, tls: TlsOptions) -> Self {
        let origin = Origin::parse(url).expect("the server's URL");
        let mut request = Vec::new();
        RequestWriter::start(&mut request, "GET", "/ws", &origin.authority())
            .and_then(|writer| writer.header("X-Test", "1")?.finish(None))
            .expect("a valid request");
        let config = ConnectorConfig { tls, ..ConnectorConfig::default() };
        let connector = Rc::new(Connector::new(origin, config).expect("a connector"));
        let timeouts = Rc::new(Timeouts::new());
        let limits = Limits { kept_body_bytes: MOST, ..Limits::default() };
        Self { client: WebSocketClient::new(connector, &timeouts, limits), timeouts, request }
    }

    fn plain(server: &ScriptedServer) -> Self {
        Self::new(&server.url(), TlsOptions::default())
    }

    /// Runs what a worker's user would do while somebody sweeps.
    async fn swept<T>(&mut self, task: impl AsyncFnOnce(&mut WebSocketClient, &[u8]) -> T) -> T {
        let Self { client, timeouts, request } = self;
        let sweeping = async {
            loop {
                tokio::time::sleep(Duration::from_millis(2)).await;
                timeouts.sweep(Instant::now());
            }
        };
        tokio::select! {
            result = task(client, request) => result,
            () = sweeping => unreachable!("it sweeps for ever"),
        }
    }
}

/// Opens, then waits for one message.
async fn first_message(server: &ScriptedServer, timeout: Duration) -> Result<Vec<u8>, Failure> {
    Session::plain(server)
        .swept(async |client, request| {
            client.open(request, LONG).await?;
            client.receive(Instant::now(), timeout).await?;
            Ok(client.message().to_vec())
        })
        .await
}

fn after_upgrade(steps: Vec<Step>) -> ScriptedServer {
    let mut all = vec![Step::AcceptWebSocket];
    all.extend(steps);
    all.push(Step::Hold);
    ScriptedServer::start(Script::each(all))
}

#[tokio::test]
async fn messages_come_back_over_plain_and_tls() {
    let authority = TestAuthority::default();
    let script = || Script::each(vec![Step::AcceptWebSocket, Step::Echo(usize::MAX)]);
    let ca_certificate_pem = Some(authority.ca_pem().as_bytes().to_vec());
    let trusting = TlsOptions { ca_certificate_pem, ..TlsOptions::default() };
    for (server, tls) in [
        (ScriptedServer::start(script()), TlsOptions::default()),
        (ScriptedServer::start_tls(script(), &authority), trusting),
    ] {
        let mut session = Session::new(&server.url(), tls);
        session
            .swept(async |client, request| {
                let exchange = client.open(request, LONG).await.unwrap();
                assert_eq!(exchange.status, 101);
                assert!(exchange.connect.is_some() && client.is_open());
                let large = vec![7; MOST];
                let messages =
                    [Outgoing::Text("hëllo"), Outgoing::Binary(&[0, 255]), Outgoing::Binary(&large)];
                for message in messages {
                    client.send(message, Instant::now(), LONG).await.unwrap();
                    let incoming = client.receive(Instant::now(), LONG).await.unwrap();
                    let (is_text, bytes) = match message {
                        Outgoing::Text(text) => (true, text.as_bytes()),
                        Outgoing::Binary(bytes) => (false, bytes),
                    };
                    assert_eq!((incoming.is_text, client.message()), (is_text, bytes));
                }
                let (sent, received) = client.traffic();
                assert!(sent > MOST as u64 && received > MOST as u64);
                let closed = client.close(Some(1000), Instant::now(), LONG).await.unwrap();
                assert_eq!((closed.code, client.is_open()), (Some(1000), false));
            })
            .await;
        let request = String::from_utf8(server.requests().remove(0)).unwrap();
        for field in ["X-Test: 1\r\n", "Upgrade: websocket\r\n", "Sec-WebSocket-Version: 13\r\n"] {
            assert_eq!(request.matches(field).count(), 1, "{request}");
        }
        assert!(!request.contains("Extensions"), "nothing is offered");
    }
}

#[tokio::test]
async fn pings_are_answered_while_a_message_is_waited_for() {
    // The second message only comes when the answer to the ping has.
    let server = after_upgrade(vec![
        Step::Send(server_frame(PING, b"are you there")),
        Step::ReadSome,
        Step::Send(server_frame(TEXT, b"yes")),
    ]);
    assert_eq!(first_message(&server, LONG).await.unwrap(), b"yes");
}

#[tokio::test]
async fn frames_may_be_cut_anywhere_and_messages_into_frames() {
    let fragments: Vec<u8> = [
        server_frame(0x01, "h".as_bytes()),
        server_frame(PING, b"between"),
        // A character cut in two.
        server_frame(0x00, &"ë".as_bytes()[..1]),
        server_frame(0x80, &"ë".as_bytes()[1..]),
    ]
    .concat();
    let whole = server_frame(BINARY, &[9; 70_000]);
    for (bytes, expected) in [(fragments, "hë".as_bytes().to_vec()), (whole, vec![9; 70_000])] {
        for length in [1, 2, 7, usize::MAX] {
            if length == 1 && bytes.len() > 1_000 {
                continue;
            }
            let server = after_upgrade(vec![Step::SendSplit(bytes.clone(), length)]);
            assert_eq!(first_message(&server, LONG).await.unwrap(), expected, "pieces of {length}");
        }
    }
}

#[tokio::test]
async fn peers_that_break_the_rules_are_told_apart() {
    let frame = server_frame;
    let lengths = |length: u64| [&[BINARY, 127][..], &length.to_be_bytes()].concat();
    let table: Vec<(&str, Vec<u8>, FailureClass)> = vec![
        ("masked", vec![TEXT, 0x81, 1, 2, 3, 4, b'a' ^ 1], FailureClass::Protocol),
        ("bad data opcode", frame(0x83, b"x"), FailureClass::Protocol),
        ("bad control opcode", frame(0x8b, b"x"), FailureClass::Protocol),
        ("reserved bit", frame(0xc1, b"x"), FailureClass::Protocol),
        ("fragmented ping", frame(0x09, b"x"), FailureClass::Protocol),
        ("long ping", frame(PING, &[0; 126]), FailureClass::Protocol),
        ("continuation of nothing", frame(0x80, b"x"), FailureClass::Protocol),
        ("two beginnings", [frame(0x01, b"a"), frame(TEXT, b"b")].concat(), FailureClass::Protocol),
        ("invalid UTF-8", frame(TEXT, &[0xff]), FailureClass::Protocol),
        ("close of one byte", frame(CLOSE, &[3]), FailureClass::Protocol),
        ("close with a bad reason", frame(CLOSE, &[3, 0xe8, 0xff]), FailureClass::Protocol),
        ("length beyond everything", lengths(u64::MAX), FailureClass::TooLarge),
        ("length beyond the limit", lengths(MOST as u64 + 1), FailureClass::TooLarge),
        ("close", frame(CLOSE, &[3, 0xe9]), FailureClass::Closed),
        ("close without a code", frame(CLOSE, &[]), FailureClass::Closed),
        ("storm of closes", frame(CLOSE, &[3, 0xe8]).repeat(10_000), FailureClass::Closed),
    ];
    for (what, bytes, class) in table {
        let server = after_upgrade(vec![Step::Send(bytes)]);
        let failure = first_message(&server, LONG).await.expect_err(what);
        assert_eq!(failure.class, class, "{what}: {failure}");
    }
}

#[tokio::test]
async fn what_never_ends_is_ended() {
    let piece = [server_frame(0x02, &[1; 60_000]), server_frame(0x00, &[1; 60_000]).repeat(20)].concat();
    let endless_message = after_upgrade(vec![Step::SendForever(piece)]);
    // The second piece begins a message within a message, if the first has not been too long already: it is.
    let failure = first_message(&endless_message, LONG).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::TooLarge, "{failure}");

    for (what, steps) in [
        ("pings", vec![Step::SendForever(server_frame(PING, b"again").repeat(100))]),
        (
            "empty fragments",
            vec![Step::Send(server_frame(0x01, b"")), Step::SendForever(server_frame(0x00, b"").repeat(100))],
        ),
        ("silence", vec![]),
        ("half a frame", vec![Step::send([TEXT])]),
    ] {
        let failure = first_message(&after_upgrade(steps), SHORT).await.expect_err(what);
        assert_eq!(failure.class, FailureClass::Timeout, "{what}: {failure}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_says_how() {
    for (step, class, words) in [
        (Step::Close, FailureClass::Closed, "code 1006"),
        (Step::Reset, FailureClass::Reset, "reset"),
        (Step::Send(server_frame(CLOSE, b"\x03\xe9bye")), FailureClass::Closed, "code 1001: bye"),
    ] {
        let server = ScriptedServer::start(Script::each(vec![Step::AcceptWebSocket, Step::Echo(1), step]));
        let failure = Session::plain(&server)
            .swept(async |client, request| {
                client.open(request, LONG).await.unwrap();
                client.send(Outgoing::Text("x"), Instant::now(), LONG).await.unwrap();
                client.receive(Instant::now(), LONG).await.unwrap();
                client.receive(Instant::now(), LONG).await.unwrap_err()
            })
            .await;
        assert_eq!(failure.class, class, "{failure}");
        assert!(failure.to_string().contains(words), "{failure}");
    }
}

#[tokio::test]
async fn a_close_that_is_not_answered_is_late() {
    let server = after_upgrade(vec![Step::SendForever(server_frame(TEXT, b"not listening"))]);
    let failure = Session::plain(&server)
        .swept(async |client, request| {
            client.open(request, LONG).await.unwrap();
            let failure = client.close(Some(1000), Instant::now(), SHORT).await.unwrap_err();
            assert!(!client.is_open());
            failure
        })
        .await;
    assert_eq!(failure.class, FailureClass::Timeout, "{failure}");
}

#[tokio::test]
async fn a_late_message_leaves_the_connection_open() {
    let server = after_upgrade(vec![Step::Gate, Step::Send(server_frame(TEXT, b"late"))]);
    Session::plain(&server)
        .swept(async |client, request| {
            client.open(request, LONG).await.unwrap();
            let failure = client.receive(Instant::now(), SHORT).await.unwrap_err();
            assert_eq!((failure.class, client.is_open()), (FailureClass::Timeout, true));
            server.open_gate();
            client.receive(Instant::now(), LONG).await.unwrap();
            assert_eq!(client.message(), b"late");
        })
        .await;
}

#[tokio::test]
async fn answers_that_open_no_websocket() {
    const RIGHT: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    let switching = |fields: &str| Step::send(format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n"));
    let wrong_key = format!("{RIGHT}Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
    let table = [
        (switching(RIGHT), FailureClass::BadResponse),
        (switching(&wrong_key), FailureClass::BadResponse),
        (switching("Upgrade: h2c\r\nConnection: Upgrade\r\n"), FailureClass::BadResponse),
        (switching("Upgrade: websocket\r\n"), FailureClass::BadResponse),
        (Step::send("HTTP/1.1 101 Switching"), FailureClass::Closed),
        (Step::send("nonsense\r\n\r\n"), FailureClass::BadResponse),
        (Step::Close, FailureClass::Closed),
        (Step::Hold, FailureClass::Timeout),
        (Step::SendForever(b"x: y\r\n".to_vec()), FailureClass::BadResponse),
    ];
    for (step, class) in table {
        let what = format!("{step:?}");
        let timeout = if class == FailureClass::Timeout { SHORT } else { LONG };
        let server = ScriptedServer::start(Script::each(vec![Step::ReadRequest, step]));
        let failure = Session::plain(&server)
            .swept(async |client, request| client.open(request, timeout).await)
            .await
            .expect_err(&what);
        assert_eq!(failure.class, class, "{what}: {failure}");
    }
    for status in ["200 OK", "404 Not Found"] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 1000\r\n\r\n");
        let server =
            ScriptedServer::start(Script::each(vec![Step::ReadRequest, Step::send(answer), Step::Hold]));
        let mut session = Session::plain(&server);
        let exchange = session.swept(async |client, request| client.open(request, LONG).await).await.unwrap();
        assert_eq!((exchange.status.to_string(), session.client.is_open()), (status[..3].to_owned(), false));
    }
}
