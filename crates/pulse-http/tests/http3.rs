//! The same exchange over QUIC, against a server that speaks HTTP/3 and against servers that do not.

mod source;

use pulse_http::{
    Client, ConnectTimes, Connector, ConnectorConfig, ConnectorError, Exchange, Failure, FailureClass,
    HttpVersion, Keep, Limits, Origin, Request, RequestBody, RequestWriter, Timeouts, TlsOptions,
};
use pulse_testkit::{Http3Server, TestAuthority};
use source::Counted;
use std::net::{Ipv4Addr, UdpSocket};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Long enough never to end in a test that passes.
const LONG: Duration = Duration::from_secs(30);

fn config(tls: TlsOptions) -> ConnectorConfig {
    ConnectorConfig { tls, http: HttpVersion::Http3, ..ConnectorConfig::default() }
}

fn trusting(authority: &TestAuthority) -> ConnectorConfig {
    let ca_certificate_pem = Some(authority.ca_pem().as_bytes().to_vec());
    config(TlsOptions { ca_certificate_pem, ..TlsOptions::default() })
}

fn insecure() -> ConnectorConfig {
    config(TlsOptions { insecure: true, ..TlsOptions::default() })
}

/// A client and somebody who sweeps its deadline.
struct User {
    client: Client,
    authority: String,
    timeouts: Rc<Timeouts>,
}

impl User {
    fn new(url: &str, config: ConnectorConfig) -> Self {
        Self::with(url, config, Limits::default())
    }

    fn with(url: &str, config: ConnectorConfig, limits: Limits) -> Self {
        let origin = Origin::parse(url).expect("a URL");
        let authority = origin.authority();
        let connector = Rc::new(Connector::new(origin, config).expect("settings that fit"));
        let timeouts = Rc::new(Timeouts::new());
        Self { client: Client::new(connector, &timeouts, limits), authority, timeouts }
    }

    async fn get(&mut self, path: &str) -> Result<Exchange, Failure> {
        self.ask("GET", path, None, LONG).await
    }

    async fn post(&mut self, path: &str, body: &[u8]) -> Result<Exchange, Failure> {
        self.ask("POST", path, Some(body), LONG).await
    }

    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&[u8]>,
        timeout: Duration,
    ) -> Result<Exchange, Failure> {
        let mut bytes = Vec::new();
        RequestWriter::start(&mut bytes, method, path, &self.authority)
            .and_then(|writer| writer.header("Connection", "keep-alive"))
            .and_then(|writer| writer.finish(body))
            .expect("a request");
        self.send(Request::of(method, &bytes), timeout).await
    }

    /// A POST whose body is read while it is sent.
    async fn stream(&mut self, path: &str, body: &Counted) -> Result<Exchange, Failure> {
        let mut head = Vec::new();
        RequestWriter::start(&mut head, "POST", path, &self.authority)
            .and_then(|writer| writer.finish_head(Some(body.length)))
            .expect("a request");
        self.send(Request { body: RequestBody::Streamed(body), ..Request::of("POST", &head) }, LONG).await
    }

    async fn send(&mut self, request: Request<'_>, timeout: Duration) -> Result<Exchange, Failure> {
        let timeouts = Rc::clone(&self.timeouts);
        let sweeping = async move {
            loop {
                tokio::time::sleep(Duration::from_millis(2)).await;
                timeouts.sweep(Instant::now());
            }
        };
        tokio::select! {
            result = self.client.exchange(request, timeout, Keep::Body) => result,
            () = sweeping => unreachable!("it sweeps for ever"),
        }
    }

    fn body(&self) -> &[u8] {
        self.client.response().body()
    }
}

fn started() -> (Http3Server, TestAuthority) {
    let authority = TestAuthority::default();
    (Http3Server::start(&authority), authority)
}

#[tokio::test]
async fn requests_of_each_kind_share_a_connection() {
    let (server, authority) = started();
    let mut user = User::new(&server.url(), trusting(&authority));
    let first = user.post("/echo", b"hello").await.unwrap();
    assert_eq!((first.status, user.body()), (200, &b"hello"[..]));
    assert_eq!(user.client.response().header("X-Method"), Some(&b"POST"[..]));
    let connect = first.connect.expect("it had to connect");
    assert!(connect.tls > Duration::ZERO && connect.tcp == Duration::ZERO, "{connect:?}");
    assert!(
        first.started <= first.sent && first.sent <= first.first_byte && first.first_byte <= first.finished
    );

    for (method, path, body, expected) in [
        ("GET", "/echo", None, (200, 0)),
        ("HEAD", "/echo", None, (200, 0)),
        ("DELETE", "/missing", None, (404, 0)),
        ("PUT", "/echo", Some(&b"x"[..]), (200, 1)),
        ("GET", "/bytes/0", None, (200, 0)),
        ("GET", "/bytes/3000000", None, (200, 3_000_000)),
    ] {
        let exchange =
            user.ask(method, path, body, LONG).await.unwrap_or_else(|f| panic!("{method} {path}: {f}"));
        assert_eq!((exchange.status, exchange.body_bytes), expected, "{method} {path}");
        assert_eq!(user.body().len() as u64, expected.1, "{method} {path}");
        assert!(
            exchange.connect.is_none() && exchange.bytes_received >= expected.1 && exchange.bytes_sent > 0
        );
    }
    let counts = user.client.counts();
    assert_eq!((counts.opened, counts.reused, counts.closed_by_peer), (1, 6, 0));
    assert_eq!((server.connections(), server.requests()), (1, 7));
}

#[tokio::test]
async fn long_bodies_go_both_ways() {
    let (server, authority) = started();
    let mut user = User::new(&server.url(), trusting(&authority));
    let body: Vec<u8> = (0..5_000_000u32).map(|i| (i % 251) as u8).collect();
    for _ in 0..2 {
        let exchange = user.post("/echo", &body).await.unwrap();
        assert!(
            exchange.send > Duration::ZERO && exchange.sent + exchange.send <= exchange.first_byte,
            "{exchange:?}"
        );
        assert_eq!(exchange.body_bytes, body.len() as u64);
        assert!(exchange.bytes_sent > body.len() as u64 && exchange.bytes_received > body.len() as u64);
        assert!(user.body() == body);
    }
}

#[tokio::test]
async fn an_early_answer_counts_although_the_request_is_not_taken() {
    let (server, authority) = started();
    let mut user = User::new(&server.url(), trusting(&authority));
    for _ in 0..3 {
        assert_eq!(user.post("/early", &vec![b'x'; 20 << 20]).await.unwrap().status, 200);
        assert_eq!(user.body(), b"early");
    }
    assert_eq!(user.client.counts().opened, 1);
}

#[tokio::test]
async fn the_name_is_checked_and_the_authority() {
    let authority = TestAuthority::default();
    let elsewhere = TestAuthority::for_names(&["elsewhere.example"]);
    let table = [
        (&authority, trusting(&authority), Ok(())),
        (&authority, trusting(&elsewhere), Err("--cacert")),
        (&elsewhere, trusting(&elsewhere), Err("not valid for")),
        (&elsewhere, insecure(), Ok(())),
    ];
    for (shown, config, expected) in table {
        let server = Http3Server::start(shown);
        let url = format!("https://localhost:{}", server.address().port());
        let result = User::new(&url, config).get("/echo").await;
        match (result, expected) {
            (Ok(exchange), Ok(())) => assert_eq!(exchange.status, 200),
            (Err(failure), Err(words)) => {
                assert_eq!(failure.class, FailureClass::Tls, "{failure}");
                assert!(failure.to_string().contains(words), "{failure}");
            }
            (result, _) => panic!("{expected:?} expected: {result:?}"),
        }
    }
}

#[tokio::test]
async fn a_service_that_is_not_there() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("https://{}", socket.local_addr().unwrap());
    // Somebody has the port and says nothing.
    let silent = ConnectorConfig { connect_timeout: Duration::from_millis(50), ..insecure() };
    let failure = User::new(&url, silent).get("/").await.unwrap_err();
    assert_eq!(failure.class, FailureClass::ConnectTimeout, "{failure}");
    assert!(failure.to_string().contains("UDP port"), "{failure}");
    // The request's own timeout may be the shorter one.
    let failure =
        User::new(&url, insecure()).ask("GET", "/", None, Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::ConnectTimeout, "{failure}");

    drop(socket);
    let mut user = User::new(&url, insecure());
    let failure = user.get("/").await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Refused, "{failure}");
    assert_eq!((failure.bytes_sent, user.client.counts().opened), (0, 0));
    let connector = Connector::new(Origin::parse(&url).unwrap(), insecure()).unwrap();
    assert_eq!(connector.probe().await.unwrap_err().class, FailureClass::Refused);
}

#[tokio::test]
async fn probing_makes_a_connection_and_no_request() {
    let (server, authority) = started();
    let origin = Origin::parse(&format!("https://localhost:{}", server.address().port())).unwrap();
    let connector = Connector::new(origin, trusting(&authority)).unwrap();
    let times: ConnectTimes = connector.probe().await.unwrap();
    assert!(times.tls > Duration::ZERO);
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn timeouts_end_the_request_and_not_the_connection() {
    let (server, authority) = started();
    let mut user = User::new(&server.url(), trusting(&authority));
    user.get("/echo").await.unwrap();
    let table = [
        ("/silent", 60, "no answer in time"),
        ("/half", 300, "not complete"),
        ("/endless", 60, "not complete"),
    ];
    for (path, millis, words) in table {
        let timeout = Duration::from_millis(millis);
        let failure = user.ask("GET", path, None, timeout).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Timeout, "{path}: {failure}");
        assert!(failure.to_string().contains(words), "{path}: {failure}");
        assert!(failure.finished - failure.started >= timeout);
        assert!(user.client.response().head().is_empty());
    }
    server.cancellation().await;
    user.get("/echo").await.unwrap();
    assert_eq!((user.client.counts().opened, user.client.counts().closed_by_peer), (1, 0));
}

#[tokio::test]
async fn an_exchange_that_is_dropped_is_cancelled() {
    let (server, authority) = started();
    let mut user = User::new(&server.url(), trusting(&authority));
    user.get("/echo").await.unwrap();
    tokio::select! {
        result = user.get("/endless") => panic!("{result:?}"),
        () = async {
            while server.requests() < 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        } => {}
    }
    // Its connection went with it, as over HTTP/1.1.
    server.cancellation().await;
    user.get("/echo").await.unwrap();
    assert_eq!(user.client.counts().opened, 2);
}

#[tokio::test]
async fn limits_hold() {
    let (server, authority) = started();
    let limits = Limits { head_bytes: 100, body_bytes: 30_000, kept_body_bytes: 20_000 };
    let mut user = User::with(&server.url(), trusting(&authority), limits);
    for path in ["/bytes/20001", "/bytes/40000", "/endless"] {
        let failure = user.get(path).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::TooLarge, "{path}: {failure}");
    }
    server.cancellation().await;
    assert_eq!(user.get("/bytes/20000").await.unwrap().body_bytes, 20_000);
    assert_eq!(user.client.counts().opened, 1);
}

#[tokio::test]
async fn what_a_server_does_to_a_request_has_its_class() {
    let (server, authority) = started();
    let mut user = User::new(&server.url(), trusting(&authority));
    let table = [
        ("/reset", FailureClass::StreamReset, "H3_INTERNAL_ERROR", true),
        ("/cut", FailureClass::Closed, "before the end of the body", true),
        ("/close", FailureClass::Closed, "H3_NO_ERROR", false),
    ];
    for (path, class, words, kept) in table {
        let failure = user.post(path, b"x").await.unwrap_err();
        assert_eq!(failure.class, class, "{path}: {failure}");
        assert!(failure.to_string().contains(words), "{path}: {failure}");
        assert_eq!(user.client.is_connected(), kept, "{path}");
        assert_eq!(user.get("/echo").await.unwrap().status, 200, "{path}");
    }
    assert_eq!((user.client.counts().opened, user.client.counts().closed_by_peer), (2, 1));
}

#[tokio::test]
async fn a_connection_that_ended_while_idle_is_made_again() {
    let (server, authority) = started();
    let mut user = User::new(&server.url(), trusting(&authority));
    for round in 1..=3 {
        // A POST: nobody may send it twice.
        assert_eq!(user.post("/echo", b"x").await.unwrap().status, 200, "{round}");
        server.close_connections();
        // The close is a datagram; a request that overtakes it is lost with its connection.
        let refused = user.post("/echo", b"x").await;
        match refused {
            Ok(exchange) => assert_eq!(exchange.status, 200),
            Err(failure) => assert_eq!(failure.class, FailureClass::Closed, "{failure}"),
        }
    }
    let counts = user.client.counts();
    assert!(counts.closed_by_peer >= 3 && counts.opened >= 3, "{counts:?}");
    // GOAWAY: the connection takes no more requests, and none is lost.
    user.get("/last").await.unwrap();
    assert_eq!(user.body(), b"last");
    for _ in 0..3 {
        assert_eq!(user.post("/echo", b"x").await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_server_that_is_gone() {
    let (server, authority) = started();
    let mut user = User::new(&server.url(), trusting(&authority));
    user.get("/echo").await.unwrap();
    drop(server);
    // Its port is closed: the first request may still go out on the old connection.
    let classes = [FailureClass::Reset, FailureClass::Refused, FailureClass::Closed];
    let failure = user.post("/echo", b"x").await.unwrap_err();
    assert!(classes.contains(&failure.class), "{failure}");
    assert_eq!(user.get("/echo").await.unwrap_err().class, FailureClass::Refused);
}

/// The server's control stream as it should be: its type, and SETTINGS without any.
const CONTROL: &[u8] = &[0, 4, 0];

/// HEADERS with `:status: 200`, the static table's 25th entry.
const OK: &[u8] = &[1, 3, 0, 0, 0xd9];
/// `:status: 103`.
const HINTS: &[u8] = &[1, 3, 0, 0, 0xd8];

fn with(start: &[u8], rest: &[u8]) -> Vec<u8> {
    [start, rest].concat()
}

#[tokio::test]
async fn what_is_no_http_3_is_a_failure_with_its_class() {
    use FailureClass::{BadResponse, Protocol, TooLarge};
    /// Name, control stream, answer, class and a part of the message.
    type Case<'a> = (&'a str, &'a [u8], &'a [u8], FailureClass, &'a str);
    let huge_headers = with(&[1, 0xc0, 0, 0, 0, 0x40, 0, 0, 0], &[0; 5000]);
    // `a: b` as a literal, again and again.
    let many_fields = with(&[1, 0x42, 0x07, 0, 0, 0xd9], &[0x21, b'a', 1, b'b'].repeat(129));
    let table: [Case<'_>; 15] = [
        ("nothing", CONTROL, b"", Protocol, "without receiving response headers"),
        ("text", CONTROL, b"HTTP/1.1 200 OK\r\n\r\n", Protocol, "H3_FRAME_ERROR"),
        ("a frame that is cut", CONTROL, &[1, 3, 0], Protocol, "H3_FRAME_ERROR"),
        ("data first", CONTROL, &[0, 1, b'x'], Protocol, "H3_FRAME_UNEXPECTED"),
        ("settings on a request", CONTROL, &[4, 0], Protocol, "H3_FRAME_UNEXPECTED"),
        ("a status that is missing", CONTROL, &[1, 2, 0, 0], Protocol, "H3_MESSAGE_ERROR"),
        ("a table that does not exist", CONTROL, &[1, 3, 1, 0, 0x80], Protocol, "QPACK_DECOMPRESSION_FAILED"),
        ("a field that does not exist", CONTROL, &[1, 3, 0, 0, 0xff], Protocol, "QPACK_DECOMPRESSION_FAILED"),
        ("a head of a gigabyte", CONTROL, &huge_headers, TooLarge, "65536 bytes"),
        ("many fields", CONTROL, &many_fields, TooLarge, "128 header fields"),
        ("hints without end", CONTROL, &HINTS.repeat(17), BadResponse, "interim"),
        ("data that are cut", CONTROL, &with(OK, &[0, 5, b'x']), Protocol, "H3_FRAME_ERROR"),
        ("a frame of HTTP/2", CONTROL, &with(OK, &[2, 1, 0]), Protocol, "H3_FRAME_UNEXPECTED"),
        ("settings that come twice", &[0, 4, 0, 4, 0], b"", Protocol, "second settings"),
        ("a notice before the settings", &[0, 7, 1, 0], b"", Protocol, "H3_MISSING_SETTINGS"),
    ];
    for (what, control, answer, class, words) in table {
        let authority = TestAuthority::default();
        let server = Http3Server::start_raw(&authority, control, answer);
        let mut user = User::new(&server.url(), trusting(&authority));
        let failure = user.post("/", b"x").await.unwrap_err();
        assert_eq!(failure.class, class, "{what}: {failure}");
        assert!(failure.to_string().contains(words), "{what}: {failure}");
    }
}

#[tokio::test]
async fn odd_answers_that_are_http_3() {
    let nothing = [0, 0];
    // A frame of a type that nobody knows.
    let unknown = vec![0x21, 3, 1, 2, 3];
    let byte = vec![0, 1, b'x'];
    let table: [(&str, Vec<u8>, u64); 4] = [
        ("a byte per frame", with(OK, &byte.repeat(300_000)), 300_000),
        ("frames of nothing", [OK, &nothing.repeat(50_000), &byte].concat(), 1),
        ("unknown frames", [OK, &unknown.repeat(50_000), &byte, &unknown].concat(), 1),
        ("hints", [&HINTS.repeat(16), OK, &byte].concat(), 1),
    ];
    for (what, answer, length) in table {
        let authority = TestAuthority::default();
        let server = Http3Server::start_raw(&authority, CONTROL, &answer);
        let mut user = User::new(&server.url(), trusting(&authority));
        for _ in 0..2 {
            let exchange = user.post("/", b"x").await.unwrap_or_else(|failure| panic!("{what}: {failure}"));
            assert_eq!((exchange.status, exchange.body_bytes), (200, length), "{what}");
        }
        assert_eq!(user.client.counts().opened, 1, "{what}");
    }
}

#[test]
fn what_cannot_be_spoken_is_said_before_the_start() {
    let plain = Connector::new(Origin::parse("http://localhost").unwrap(), insecure()).unwrap_err();
    assert!(matches!(plain, ConnectorError::NotEncrypted), "{plain}");
    assert!(plain.to_string().contains("https://"));
}

#[tokio::test]
async fn a_body_is_streamed() {
    let (server, authority) = started();
    let mut user = User::new(&server.url(), trusting(&authority));
    let body = Counted::new(3_000_001);
    user.stream("/echo", &body).await.unwrap();
    assert!(user.body() == body.bytes(), "the server has got another body");
    assert!(body.largest.get() <= 16 << 10);
    let broken = Counted::new(3_000_000).broken_at(1_000_000, None);
    let failure = user.stream("/echo", &broken).await.unwrap_err();
    assert!(failure.detail.contains("ended after 1000000 of 3000000 bytes"), "{failure}");
    let endless = Counted::new(1 << 40);
    let exchange = user.stream("/early", &endless).await.unwrap();
    assert_eq!(exchange.status, 200);
    assert!(endless.furthest.get() < 128 << 20, "{} bytes were read", endless.furthest.get());
}
