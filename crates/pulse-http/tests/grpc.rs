//! Calls of gRPC, against servers that answer rightly and in every wrong way.

use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pulse_http::{
    Connector, ConnectorConfig, Failure, FailureClass, GrpcAnswer, GrpcClient, GrpcCode, GrpcHead,
    GrpcRequest, HttpVersion, Limits, Origin, Timeouts, TlsOptions, append_message, gzip,
};
use pulse_testkit::{GrpcServer, GrpcStep, ReceivedCall, TestAuthority, refused_address};
use tokio::task::LocalSet;

/// Long enough never to end in a test that passes.
const LONG: Duration = Duration::from_secs(60);
const PATH: &str = "/trading.v1.Quotes/Get";
const LIMIT: usize = 1 << 10;

/// A client with what a worker provides.
struct Session {
    client: GrpcClient,
    origin: Origin,
    timeouts: Rc<Timeouts>,
}

/// What is asked for, besides the defaults.
#[derive(Clone, Copy)]
struct Ask<'a> {
    messages: &'a [&'a [u8]],
    stream: bool,
    keep: bool,
    gzip: bool,
    timeout: Duration,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self { messages: &[b"ask"], stream: false, keep: true, gzip: false, timeout: LONG }
    }
}

impl Session {
    fn new(url: &str) -> Self {
        Self::with(url, TlsOptions::default())
    }

    fn with(url: &str, tls: TlsOptions) -> Self {
        let origin = Origin::parse(url).unwrap();
        let config = ConnectorConfig { http: HttpVersion::Http2, tls, ..ConnectorConfig::default() };
        let connector = Rc::new(Connector::new(origin.clone(), config).unwrap());
        let timeouts = Rc::new(Timeouts::new());
        let limits = Limits { body_bytes: 1 << 20, kept_body_bytes: 8 << 10, ..Limits::default() };
        Self { client: GrpcClient::new(connector, &timeouts, limits), origin, timeouts }
    }

    /// Makes a call; the number of messages that were heard is part of the result.
    async fn call(&mut self, ask: Ask<'_>) -> (Result<GrpcAnswer, Failure>, usize) {
        let head = GrpcHead::new(&self.origin, PATH, ask.timeout, ask.gzip).unwrap();
        let frame = |message: &&[u8]| {
            let mut bytes = Vec::new();
            let message = if ask.gzip { gzip(message) } else { message.to_vec() };
            assert!(append_message(&mut bytes, &message, ask.gzip));
            Bytes::from(bytes)
        };
        let messages: Vec<Bytes> = ask.messages.iter().map(frame).collect();
        let request = GrpcRequest {
            head: &head,
            messages: &messages,
            gives_stream: ask.stream,
            max_message_bytes: LIMIT,
            timeout: ask.timeout,
            keep: ask.keep,
        };
        let timeouts = Rc::clone(&self.timeouts);
        let sweeping = async move {
            loop {
                tokio::time::sleep(Duration::from_millis(2)).await;
                timeouts.sweep(Instant::now());
            }
        };
        let mut heard = 0;
        let mut hear = |_| heard += 1;
        let result = tokio::select! {
            result = self.client.call(&request, &mut hear) => result,
            () = sweeping => unreachable!("it sweeps for ever"),
        };
        (result, heard)
    }

    fn messages(&self) -> Vec<Vec<u8>> {
        self.client.messages().map(<[u8]>::to_vec).collect()
    }
}

/// One call to a server that answers so.
async fn once(steps: Vec<GrpcStep>, ask: Ask<'_>) -> (Result<GrpcAnswer, Failure>, Session) {
    let server = GrpcServer::start(move |_| steps.clone());
    let mut session = Session::new(&server.url());
    let (result, _) = LocalSet::new().run_until(session.call(ask)).await;
    (result, session)
}

fn fields(server: &GrpcServer) -> ReceivedCall {
    server.calls().pop().expect("a call came")
}

#[tokio::test]
async fn a_unary_call_sends_what_it_should_and_keeps_what_comes() {
    let server = GrpcServer::start(|_| {
        let head = vec![("content-type", "application/grpc+proto".into()), ("x-kind", "demo".into())];
        let trailers = vec![("grpc-status", "0".into()), ("x-cost", "3".into())];
        vec![GrpcStep::Head(200, head, false), GrpcStep::message(b"quote"), GrpcStep::Trailers(trailers)]
    });
    let local = LocalSet::new();
    let mut session = Session::new(&server.url());
    let (answer, heard) =
        local.run_until(session.call(Ask { timeout: Duration::from_secs(50), ..Ask::default() })).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status.code, answer.messages_received, heard), (GrpcCode::Ok, 1, 1));
    assert_eq!((answer.exchange.status, answer.exchange.body_bytes), (200, 5));
    assert!(answer.exchange.connect.is_some() && answer.exchange.bytes_sent > 0);
    assert!(
        answer.exchange.first_byte <= answer.exchange.finished
            && answer.exchange.sent <= answer.exchange.first_byte
    );
    assert_eq!((session.messages(), session.client.messages_sent()), (vec![b"quote".to_vec()], 1));
    let mut head = Vec::new();
    session.client.append_head(200, &mut head);
    let head = String::from_utf8(head).unwrap();
    assert!(
        head.starts_with("HTTP/2 200\r\n")
            && head.contains("x-kind: demo\r\n")
            && head.contains("x-cost: 3\r\n")
    );
    let call = fields(&server);
    assert_eq!((call.path.as_str(), call.body.as_slice()), (PATH, &b"\0\0\0\0\x03ask"[..]));
    for (name, value) in [
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("grpc-timeout", "50000000u"),
        ("grpc-accept-encoding", "identity,gzip"),
    ] {
        assert_eq!(call.field(name), Some(value), "{name}");
    }
    assert_eq!(call.field("grpc-encoding"), None);
    // The connection is kept.
    let (answer, _) = local.run_until(session.call(Ask { keep: false, ..Ask::default() })).await;
    assert!(answer.unwrap().exchange.connect.is_none());
    assert!(session.messages().is_empty(), "nothing is kept where nobody looks");
    let counts = session.client.counts();
    assert_eq!((counts.opened, counts.reused, counts.resent), (1, 1, 0));
}

#[tokio::test]
async fn streams_in_both_directions() {
    let server = GrpcServer::start(|call| {
        let mut steps = vec![GrpcStep::head()];
        // The frames of the client, sent back one by one, each cut in the middle.
        for frame in call.body.chunks(6) {
            steps.push(GrpcStep::Data(frame[..3].to_vec()));
            steps.push(GrpcStep::Data(frame[3..].to_vec()));
        }
        steps.push(GrpcStep::status(0));
        steps
    });
    let mut session = Session::new(&server.url());
    let ask = Ask { messages: &[b"a", b"b", b"c"], stream: true, ..Ask::default() };
    let (answer, heard) = LocalSet::new().run_until(session.call(ask)).await;
    assert_eq!((answer.unwrap().messages_received, heard), (3, 3));
    assert_eq!(session.client.messages_sent(), 3);
    assert_eq!(session.messages(), [b"a", b"b", b"c"]);
}

#[tokio::test]
async fn messages_are_compressed_both_ways() {
    let server = GrpcServer::start(|call| {
        let head = vec![("content-type", "application/grpc".into()), ("grpc-encoding", "gzip".into())];
        vec![GrpcStep::Head(200, head, false), GrpcStep::Data(call.body.clone()), GrpcStep::status(0)]
    });
    let mut session = Session::new(&server.url());
    let ask = Ask { messages: &[&[b'x'; 1000]], gzip: true, ..Ask::default() };
    let (answer, _) = LocalSet::new().run_until(session.call(ask)).await;
    assert_eq!(answer.unwrap().status.code, GrpcCode::Ok);
    assert_eq!(session.messages(), [vec![b'x'; 1000]]);
    let call = fields(&server);
    assert_eq!(call.field("grpc-encoding"), Some("gzip"));
    assert!(call.body[0] == 1 && call.body.len() < 100);
}

#[tokio::test]
async fn calls_go_over_tls() {
    let authority = TestAuthority::default();
    let server = GrpcServer::start_tls(|_| GrpcStep::answer(b"quote"), &authority);
    let tls = TlsOptions {
        ca_certificate_pem: Some(authority.ca_pem().as_bytes().to_vec()),
        ..TlsOptions::default()
    };
    let mut session = Session::with(&server.url(), tls);
    let (answer, _) = LocalSet::new().run_until(session.call(Ask::default())).await;
    assert!(answer.unwrap().exchange.connect.is_some_and(|times| times.tls > Duration::ZERO));
}

#[tokio::test]
async fn every_end_has_its_status() {
    let html = || vec![("content-type", "text/html".to_owned())];
    let data = || vec![GrpcStep::head(), GrpcStep::message(b"x")];
    let and = |mut steps: Vec<GrpcStep>, last: GrpcStep| {
        steps.push(last);
        steps
    };
    let trailers = |status: &str, message: &str| {
        GrpcStep::Trailers(vec![("grpc-status", status.into()), ("grpc-message", message.into())])
    };
    for (steps, code, words) in [
        (GrpcStep::refusal(5, "no such symbol"), GrpcCode::NotFound, "no such symbol"),
        (and(data(), trailers("8", "too%20much")), GrpcCode::ResourceExhausted, "too much"),
        (vec![GrpcStep::head(), trailers("16", "")], GrpcCode::Unauthenticated, ""),
        (and(data(), trailers("99", "")), GrpcCode::Unknown, "grpc-status `99` is not defined"),
        (and(data(), trailers("OK", "")), GrpcCode::Unknown, "grpc-status `OK` is not defined"),
        // Whatever ends a stream without a status.
        (and(data(), GrpcStep::End), GrpcCode::Unknown, "ended without a grpc-status"),
        (
            and(data(), GrpcStep::Trailers(vec![("x", "y".into())])),
            GrpcCode::Unknown,
            "ended without a grpc-status",
        ),
        // Those who speak something else.
        (vec![GrpcStep::Head(503, html(), false), GrpcStep::Hang], GrpcCode::Unavailable, "HTTP status 503"),
        (vec![GrpcStep::Head(404, html(), true)], GrpcCode::Unimplemented, "HTTP status 404"),
        (
            vec![GrpcStep::Head(200, html(), false), GrpcStep::Hang],
            GrpcCode::Unknown,
            "content type is text/html",
        ),
        (vec![GrpcStep::Head(200, vec![], false), GrpcStep::Hang], GrpcCode::Unknown, "content type is none"),
        // Streams that are reset.
        (and(data(), GrpcStep::Reset(8)), GrpcCode::Cancelled, "CANCEL"),
        (and(data(), GrpcStep::Reset(11)), GrpcCode::ResourceExhausted, "ENHANCE_YOUR_CALM"),
        (vec![GrpcStep::Reset(2)], GrpcCode::Internal, "INTERNAL_ERROR"),
    ] {
        let shown = format!("{steps:?}");
        let (result, session) = once(steps, Ask::default()).await;
        let answer = result.unwrap_or_else(|failure| panic!("{shown}: {failure}"));
        assert_eq!(answer.status.code, code, "{shown}");
        assert!(answer.status.message.contains(words), "{shown}: {}", answer.status.message);
        assert_eq!(session.client.counts().opened, 1, "{shown}");
    }
}

#[tokio::test]
async fn hostile_answers_have_their_class() {
    let body = |bytes: &[u8]| vec![GrpcStep::head(), GrpcStep::Data(bytes.to_vec()), GrpcStep::status(0)];
    let encoded = |encoding: &str, message: &[u8]| {
        let head = vec![("content-type", "application/grpc".into()), ("grpc-encoding", encoding.into())];
        let mut bytes = Vec::new();
        assert!(append_message(&mut bytes, message, true));
        vec![GrpcStep::Head(200, head, false), GrpcStep::Data(bytes), GrpcStep::status(0)]
    };
    let two = vec![GrpcStep::head(), GrpcStep::message(b"a"), GrpcStep::message(b"b"), GrpcStep::status(0)];
    let large = vec![GrpcStep::head(), GrpcStep::message(&[0; LIMIT + 1]), GrpcStep::status(0)];
    for (steps, class, words) in [
        (body(b"\0\0\0\0\x05abc"), FailureClass::BadResponse, "ended inside a message"),
        (body(b"\0\0"), FailureClass::BadResponse, "ended inside a message"),
        (body(b"\x07\0\0\0\0"), FailureClass::BadResponse, "begins with the byte 7"),
        (body(b"\0\xff\xff\xff\xff"), FailureClass::TooLarge, "exceeds the limit of 1024 bytes"),
        (large, FailureClass::TooLarge, "1025 bytes exceeds the limit"),
        (body(b"\x01\0\0\0\x01x"), FailureClass::BadResponse, "names no compression"),
        (encoded("snappy", b"x"), FailureClass::BadResponse, "unknown way: snappy"),
        (encoded("gzip", b"no gzip"), FailureClass::BadResponse, "no gzip"),
        (
            encoded("gzip", &gzip(&vec![0; 900 << 10])),
            FailureClass::TooLarge,
            "longer than the limit of 1024",
        ),
        (vec![GrpcStep::head(), GrpcStep::status(0)], FailureClass::BadResponse, "with 0 messages"),
        (two, FailureClass::BadResponse, "with 2 messages"),
    ] {
        let shown = format!("{steps:.200?}");
        let (result, _) = once(steps, Ask::default()).await;
        let failure = result.expect_err(&shown);
        assert_eq!(failure.class, class, "{shown}: {failure}");
        assert!(failure.to_string().contains(words), "{shown}: {failure}");
    }
}

#[tokio::test]
async fn endless_streams_are_ended_by_a_limit() {
    let endless = |data: &[u8]| vec![GrpcStep::head(), GrpcStep::Endless(data.to_vec())];
    let message = [&b"\0\0\0\x01\0"[..], &[7; 256]].concat();
    for (data, keep, words) in [
        (message.clone(), false, "exceed the limit of 1048576 bytes"),
        (message, true, "that are kept for checks"),
        (vec![0; 5 << 10], true, "that are kept for checks"),
    ] {
        let (result, _) = once(endless(&data), Ask { stream: true, keep, ..Ask::default() }).await;
        let failure = result.unwrap_err();
        assert_eq!(failure.class, FailureClass::TooLarge, "{failure}");
        assert!(failure.to_string().contains(words), "{failure}");
    }
    // Messages without bytes that nobody keeps take no memory; the deadline ends them.
    let ask = Ask { stream: true, keep: false, timeout: Duration::from_millis(200), ..Ask::default() };
    let (result, _) = once(endless(&[0; 5 << 10]), ask).await;
    assert_eq!(result.unwrap_err().class, FailureClass::Timeout);
}

#[tokio::test]
async fn deadlines_end_calls_and_leave_the_connection() {
    let server = GrpcServer::start(|call| match call.field("grpc-timeout") {
        Some("100000u") => vec![GrpcStep::head(), GrpcStep::message(b"x"), GrpcStep::Hang],
        _ => GrpcStep::answer(b"quote"),
    });
    let local = LocalSet::new();
    let mut session = Session::new(&server.url());
    let ask = Ask { timeout: Duration::from_millis(100), ..Ask::default() };
    let (result, heard) = local.run_until(session.call(ask)).await;
    let failure = result.unwrap_err();
    assert_eq!((failure.class, heard), (FailureClass::Timeout, 1), "{failure}");
    assert!(failure.to_string().contains("not complete in time"), "{failure}");
    let (result, _) = local.run_until(session.call(Ask::default())).await;
    assert!(result.unwrap().exchange.connect.is_none());
}

#[tokio::test]
async fn a_call_that_the_server_never_looked_at_is_made_again() {
    // REFUSED_STREAM: the client may repeat the call, and gives up when the server refuses every time.
    let (result, session) = once(vec![GrpcStep::Reset(7)], Ask::default()).await;
    assert_eq!(result.unwrap_err().class, FailureClass::StreamReset);
    assert_eq!(session.client.counts().resent, 3);
}

#[tokio::test]
async fn nobody_there() {
    let mut session = Session::new(&format!("http://{}", refused_address()));
    let (result, _) = LocalSet::new().run_until(session.call(Ask::default())).await;
    assert_eq!(result.unwrap_err().class, FailureClass::Refused);
}
