//! HTTP/2 against peers that break the rules or abuse them: each is classified, none makes the client panic, hang beyond
//! its timeout, or hold more than its limits.

mod source;
mod users;

use pulse_http::{
    Connector, Failure, FailureClass, Http2Connection, Http2Settings, Keep, Limits, Origin, RequestBody,
};
use source::Counted;
use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use users::{LONG, Users, on_this_thread, shared_by};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` in HPACK's static table.
const STATUS_200: &[u8] = &[0x88];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

fn goaway(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// A header field that is not remembered, in HPACK without Huffman coding. Lengths below 127.
fn literal(name: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, name.len() as u8];
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(value.len() as u8);
    bytes.extend_from_slice(value);
    bytes
}

/// What a peer does.
#[derive(Clone)]
enum Act {
    /// Waits for the head of a request.
    Await,
    Send(Vec<u8>),
    /// Sends this until the client has gone.
    Flood(Vec<u8>),
    /// Resets every stream that is opened, with this error code, until the client closes.
    ResetEach(u32),
    /// Reads and drops everything until the client closes.
    Hold,
}

/// Plays the acts on every connection and then closes it; counts connections.
async fn peer(acts: Vec<Act>) -> (String, Rc<Cell<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let connections = Rc::new(Cell::new(0));
    let counted = Rc::clone(&connections);
    spawn_local(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            counted.set(counted.get() + 1);
            let acts = acts.clone();
            // The client may leave in the middle of anything.
            spawn_local(async move { drop(play(stream, &acts).await) });
        }
    });
    (url, connections)
}

async fn play(mut stream: TcpStream, acts: &[Act]) -> std::io::Result<()> {
    let mut greeted = false;
    for act in acts {
        match act {
            Act::Await => {
                if !std::mem::replace(&mut greeted, true) {
                    let mut preface = [0; 24];
                    stream.read_exact(&mut preface).await?;
                    assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
                }
                while read_frame(&mut stream).await?.0 != HEADERS {}
            }
            Act::Send(bytes) => stream.write_all(bytes).await?,
            Act::Flood(bytes) => loop {
                stream.write_all(bytes).await?;
            },
            Act::ResetEach(code) => loop {
                let (kind, id) = read_frame(&mut stream).await?;
                if kind == HEADERS {
                    stream.write_all(&reset(id, *code)).await?;
                }
            },
            Act::Hold => {
                let mut bytes = [0; 4096];
                while stream.read(&mut bytes).await? > 0 {}
            }
        }
    }
    Ok(())
}

/// Type and stream of the next frame.
async fn read_frame(stream: &mut TcpStream) -> std::io::Result<(u8, u32)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    stream.read_exact(&mut payload).await?;
    Ok((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]])))
}

fn settings() -> Act {
    Act::Send(frame(SETTINGS, 0, 0, &[]))
}

fn setting(name: u16, value: u32) -> Act {
    Act::Send(frame(SETTINGS, 0, 0, &[&name.to_be_bytes()[..], &value.to_be_bytes()].concat()))
}

/// Sends these frames after the head of a request, and keeps the connection open.
fn answer(frames: &[Vec<u8>]) -> Vec<Act> {
    vec![settings(), Act::Await, Act::Send(frames.concat()), Act::Hold]
}

fn flood(frames: &[Vec<u8>], then: &[u8]) -> Vec<Act> {
    vec![settings(), Act::Await, Act::Send(frames.concat()), Act::Flood(then.repeat(500))]
}

/// A response's head on the first stream.
fn head(flags: u8, block: &[Vec<u8>]) -> Vec<u8> {
    frame(HEADERS, flags, 1, &block.concat())
}

fn ok() -> Vec<u8> {
    head(END_HEADERS, &[STATUS_200.to_vec()])
}

/// One request to that peer, which fails; the failure and the number of connections it took.
async fn failure(acts: Vec<Act>, timeout: Duration, body: Option<&[u8]>) -> (Failure, usize) {
    let (url, connections) = peer(acts).await;
    let limits = Limits { body_bytes: 10 << 20, ..Limits::default() };
    let mut user = Users::with(&url, shared_by(2), limits).user();
    user.timeout = timeout;
    user.keep = Keep::Head;
    let failure =
        user.ask("POST", "/", body).await.map(|exchange| exchange.status).expect_err("a hostile peer");
    assert_eq!(user.client.response().status(), 0);
    (failure, connections.get())
}

/// Name, what the peer does, the classes that describe it, connections made.
type Case = (&'static str, Vec<Act>, &'static [FailureClass], usize);

fn table(timeout: Duration, cases: Vec<Case>) {
    on_this_thread(async move {
        for (name, acts, classes, connections) in cases {
            let (failure, made) = failure(acts, timeout, None).await;
            assert!(classes.contains(&failure.class), "{name}: {failure}");
            assert_eq!(made, connections, "{name}: {failure}");
        }
    });
    assert!(peak_memory() < 500 << 20, "{} bytes", peak_memory());
}

/// The most memory that this process ever had, in bytes: with all its tests.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim_end_matches("kB").trim().parse::<u64>().expect("a number") << 10
}

const PROTOCOL: &[FailureClass] = &[FailureClass::Protocol];
/// Unread bytes turn a close into a reset.
const ENDED: &[FailureClass] = &[FailureClass::Closed, FailureClass::Reset];

#[test]
fn peers_that_break_the_rules() {
    let whole = END_HEADERS | END_STREAM;
    let field = |name, value: &[u8]| vec![STATUS_200.to_vec(), literal(name, value)];
    let promise = [&2_u32.to_be_bytes()[..], &[0x82, 0x84, 0x86, 0x41, 1, b'h']].concat();
    let cases: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("data before the head", vec![frame(DATA, 0, 1, b"x")]),
        ("data on a stream that nobody opened", vec![frame(DATA, 0, 5, b"x")]),
        ("a head on a stream that nobody opened", vec![frame(HEADERS, whole, 5, STATUS_200)]),
        ("a stream of the peer's own", vec![frame(HEADERS, whole, 2, STATUS_200)]),
        ("no status", vec![head(whole, &[literal("x", b"y")])]),
        ("a status that is none", vec![head(whole, &[literal(":status", b"20x")])]),
        ("a field in capitals", vec![head(whole, &field("X", b"y"))]),
        ("a field of the connection", vec![head(whole, &field("connection", b"close"))]),
        ("a pseudo-header after the fields", vec![head(whole, &[literal("x", b"y"), STATUS_200.to_vec()])]),
        ("a broken header block", vec![head(whole, &[vec![0xff; 40]])]),
        ("a frame beyond the size", vec![ok(), frame(DATA, 0, 1, &[0; 20_000])]),
        ("a push although refused", vec![frame(PUSH_PROMISE, END_HEADERS, 1, &promise)]),
        ("a continuation of nothing", vec![frame(CONTINUATION, END_HEADERS, 1, STATUS_200)]),
        ("another frame within a head", vec![head(0, &[STATUS_200.to_vec()]), frame(PING, 0, 0, &[0; 8])]),
        ("settings of a wrong length", vec![frame(SETTINGS, 0, 0, &[0; 5])]),
        ("a ping of a wrong length", vec![frame(PING, 0, 0, &[0; 7])]),
        ("a window update of nothing", vec![frame(WINDOW_UPDATE, 0, 0, &[0; 4])]),
        ("a window that overflows", vec![frame(WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255])]),
        ("trailers without an end", vec![ok(), head(END_HEADERS, &[literal("x", b"y")])]),
        (
            "more body than announced",
            vec![head(END_HEADERS, &field("content-length", b"1")), frame(DATA, END_STREAM, 1, b"xy")],
        ),
        (
            "less body than announced",
            vec![head(END_HEADERS, &field("content-length", b"3")), frame(DATA, END_STREAM, 1, b"xy")],
        ),
        ("an interim response that ends the stream", vec![head(whole, &[literal(":status", b"103")])]),
    ];
    let mut cases: Vec<Case> =
        cases.into_iter().map(|(name, frames)| (name, answer(&frames), PROTOCOL, 1)).collect();
    let garbage = |bytes: &[u8]| vec![Act::Send(bytes.to_vec()), Act::Hold];
    cases.push(("garbage instead of frames", garbage(&b"SSH-2.0-OpenSSH_9.6\r\n".repeat(9)), PROTOCOL, 1));
    cases.push(("zeros instead of frames", garbage(&[0; 9 * 100]), PROTOCOL, 1));
    cases.push(("HTTP/1.1", garbage(b"HTTP/1.1 400 Bad Request\r\n\r\n"), PROTOCOL, 1));
    table(LONG, cases);
}

#[test]
fn a_server_of_http_1_is_recognised() {
    on_this_thread(async {
        let acts = vec![Act::Send(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())];
        let (failure, _) = failure(acts, LONG, None).await;
        assert_eq!(failure.class, FailureClass::Protocol);
        assert!(failure.detail.contains("HTTP/1.1"), "{failure}");
    });
}

#[test]
fn peers_that_end_early() {
    let cut = |mut bytes: Vec<u8>| {
        bytes.pop();
        bytes
    };
    table(
        LONG,
        vec![
            ("at once", vec![], ENDED, 1),
            ("after the settings", vec![settings()], ENDED, 1),
            ("within the settings", vec![Act::Send(vec![0, 0])], ENDED, 1),
            ("after the request", vec![settings(), Act::Await], ENDED, 1),
            ("within the head", vec![settings(), Act::Await, Act::Send(cut(ok()))], ENDED, 1),
            ("after the head", vec![settings(), Act::Await, Act::Send(ok())], ENDED, 1),
            (
                "within the body",
                vec![settings(), Act::Await, Act::Send([ok(), cut(frame(DATA, 0, 1, b"xy"))].concat())],
                ENDED,
                1,
            ),
            (
                "in order, with the request accepted",
                vec![settings(), Act::Await, Act::Send(goaway(1, 0))],
                ENDED,
                1,
            ),
            ("by a storm of GOAWAY", answer(&[goaway(0, 0)]), &[FailureClass::GoAway], 4),
            ("by a storm of errors", answer(&[goaway(0, 11)]), &[FailureClass::GoAway], 4),
            (
                "by a storm before the request",
                vec![Act::Send([frame(SETTINGS, 0, 0, &[]), goaway(0, 0)].concat()), Act::Hold],
                &[FailureClass::GoAway],
                4,
            ),
        ],
    );
}

#[test]
fn peers_that_say_nothing() {
    let silent: &[FailureClass] = &[FailureClass::Timeout];
    table(
        Duration::from_millis(100),
        vec![
            ("not even settings", vec![Act::Hold], silent, 1),
            ("no answer", answer(&[]), silent, 1),
            ("no body", answer(&[ok()]), silent, 1),
            ("half a frame", answer(&[ok()[..4].to_vec()]), silent, 1),
            ("an ending without an end", answer(&[goaway(1, 0)]), silent, 1),
        ],
    );
    on_this_thread(async {
        // SETTINGS_INITIAL_WINDOW_SIZE
        let acts = vec![setting(4, 0), Act::Hold];
        let (failure, _) = failure(acts, Duration::from_millis(100), Some(&vec![0; 70_000])).await;
        assert_eq!(failure.class, FailureClass::Timeout);
        assert!(failure.detail.contains("did not take the whole request"), "{failure}");
    });
}

#[test]
fn interim_responses_are_limited_as_over_http_1() {
    on_this_thread(async {
        let interim = head(END_HEADERS, &[literal(":status", b"103")]);
        for (count, expected) in [(16, Ok(200)), (17, Err(FailureClass::BadResponse))] {
            let last = head(END_HEADERS | END_STREAM, &[STATUS_200.to_vec()]);
            let (url, _) = peer(answer(&[interim.repeat(count), last])).await;
            let mut user = Users::with(&url, shared_by(2), Limits::default()).user();
            user.timeout = LONG;
            let asked = user.ask("GET", "/", None).await;
            assert_eq!(
                asked.map(|answer| answer.status).map_err(|failure| failure.class),
                expected,
                "{count}"
            );
        }
    });
}

#[test]
fn floods() {
    let interim = head(END_HEADERS, &[literal(":status", b"103")]);
    let long_name = literal("x", &[b'y'; 120]);
    let timeout: &[FailureClass] = &[FailureClass::Timeout];
    // Too many for the frames' library, or endless.
    let either: &[FailureClass] = &[FailureClass::Protocol, FailureClass::Timeout];
    table(
        Duration::from_millis(300),
        vec![
            ("PING", flood(&[], &frame(PING, 0, 0, &[0; 8])), timeout, 1),
            ("SETTINGS", flood(&[], &frame(SETTINGS, 0, 0, &[])), timeout, 1),
            ("acknowledged SETTINGS", flood(&[], &frame(SETTINGS, 1, 0, &[])), either, 1),
            ("PRIORITY", flood(&[], &frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1])), timeout, 1),
            ("unknown frames", flood(&[], &frame(99, 0, 1, b"?")), timeout, 1),
            ("interim responses", flood(&[], &interim), &[FailureClass::BadResponse], 1),
            ("empty DATA", flood(&[ok()], &frame(DATA, 0, 1, &[])), either, 1),
            ("DATA whatever the window", flood(&[ok()], &frame(DATA, 0, 1, &[0; 16_000])), PROTOCOL, 1),
            ("DATA of one byte", flood(&[ok()], &frame(DATA, 0, 1, b"x")), either, 1),
            (
                "RST_STREAM of streams that have ended",
                flood(&[reset(1, 8)], &reset(1, 8)),
                &[FailureClass::StreamReset],
                1,
            ),
            (
                "CONTINUATION",
                flood(&[head(0, &[STATUS_200.to_vec()])], &frame(CONTINUATION, 0, 1, &long_name)),
                PROTOCOL,
                1,
            ),
            (
                "empty CONTINUATION",
                flood(&[head(0, &[STATUS_200.to_vec()])], &frame(CONTINUATION, 0, 1, &[])),
                PROTOCOL,
                1,
            ),
        ],
    );
}

#[test]
fn a_bomb_in_the_header_table_does_not_explode() {
    // A field of 4000 bytes goes into the table; each further byte means all of it again.
    let mut bomb = vec![0x88, 0x40, 1, b'x', 0x7f, 0xa1, 0x1e];
    bomb.extend([b'y'; 4000]);
    for (repeats, class) in [(40, &[FailureClass::TooLarge]), (10_000, &[FailureClass::Protocol])] {
        let block = [bomb.clone(), vec![0xbe; repeats]].concat();
        table(LONG, vec![("bomb", answer(&[head(END_HEADERS | END_STREAM, &[block])]), class, 1)]);
    }
}

#[test]
fn a_peer_that_resets_everything_keeps_its_connection() {
    on_this_thread(async {
        for (code, word, resent) in
            [(2, "INTERNAL_ERROR", 0), (8, "CANCEL", 0), (7, "REFUSED_STREAM", 3), (77, "code 77", 0)]
        {
            let (url, connections) =
                peer(vec![settings(), Act::Await, Act::Send(reset(1, code)), Act::ResetEach(code)]).await;
            let mut user = Users::new(&url, shared_by(1)).user();
            for _ in 0..300 {
                let failure =
                    user.get("/").await.map(|exchange| exchange.status).expect_err("a hostile peer");
                assert_eq!(failure.class, FailureClass::StreamReset);
                assert!(failure.detail.contains(word), "{failure}");
            }
            let counts = user.client.counts();
            assert_eq!((connections.get(), counts.opened, counts.resent), (1, 1, 300 * resent), "{word}");
        }
    });
}

#[test]
fn a_peer_that_allows_no_stream_is_waited_for_until_the_timeout() {
    on_this_thread(async {
        // SETTINGS_MAX_CONCURRENT_STREAMS
        let acts = vec![
            setting(3, 0),
            Act::Await,
            Act::Send(head(END_HEADERS | END_STREAM, &[STATUS_200.to_vec()])),
            Act::Hold,
        ];
        let (url, connections) = peer(acts).await;
        let mut user = Users::new(&url, shared_by(1)).user();
        assert_eq!(user.get("/").await.unwrap().status, 200, "the first one needs no permission");
        user.timeout = Duration::from_millis(50);
        for _ in 0..3 {
            let failure = user.get("/").await.map(|exchange| exchange.status).expect_err("a hostile peer");
            assert_eq!(failure.class, FailureClass::Timeout);
            assert!(failure.detail.contains("allowed no stream"), "{failure}");
        }
        assert_eq!(connections.get(), 1);
    });
}

#[test]
fn data_beyond_the_window_end_the_connection() {
    on_this_thread(async {
        let data = frame(DATA, 0, 1, &[0; 10_000]);
        let (url, _) = peer(answer(&[ok(), data.repeat(8)])).await;
        let connector = Connector::new(Origin::parse(&url).unwrap(), shared_by(1)).unwrap();
        let settings = Http2Settings { connection_window: 65_535, ..Http2Settings::default() };
        let (connection, _) = Http2Connection::connect(&connector, &settings, LONG).await.unwrap();
        let request = http::Request::get(url).body(()).unwrap();
        let mut stream = connection.open(connection.place().await.unwrap(), request, true).unwrap();
        // Nobody takes the body.
        while connection.is_open() {
            tokio::task::yield_now().await;
        }
        assert_eq!(poll_fn(|cx| stream.poll_head(cx)).await.unwrap().status, 200);
        let mut taken = 0;
        let error = loop {
            match poll_fn(|cx| stream.poll_data(cx)).await.expect("no end of the body") {
                Ok(data) => taken += data.len(),
                Err(error) => break error,
            }
        };
        assert_eq!((taken, error.class), (60_000, FailureClass::Protocol), "{error}");
        assert!(error.detail.contains("FLOW_CONTROL_ERROR"), "{error}");
    });
}

#[test]
fn an_early_answer_ends_a_streamed_body() {
    on_this_thread(async {
        let early = frame(HEADERS, END_STREAM | END_HEADERS, 1, STATUS_200);
        let (url, connections) = peer(answer(&[early])).await;
        let mut user = Users::new(&url, shared_by(1)).user();
        let body = Counted::new(1 << 40);
        // The peer lets no window grow, so that nothing but the answer can end this.
        let exchange = user.post_apart(RequestBody::Streamed(&body)).await.unwrap();
        assert_eq!((exchange.status, connections.get()), (200, 1));
        // The first window, and the piece that waits for the next one.
        assert!(body.furthest.get() <= 65_535 + 2 * (16 << 10), "{} bytes were read", body.furthest.get());
    });
}
