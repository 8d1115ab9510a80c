//! The server over real connections.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

use pulse_model::{Aggregate, Histogram, RunInfo, Series, metric, tag};

use super::clients::MOST_CLIENTS;
use super::*;

fn feed() -> Feed {
    let totals = || {
        let mut totals = Snapshot::default();
        let mut times = Histogram::default();
        times.record(5_000_000);
        let series =
            Series::new(metric::RESPONSE_TIME).with(tag::ENDPOINT, "/orders").with(tag::STATUS, "200");
        totals.add(series, Aggregate::Trend(times));
        totals
    };
    let summary = move |_| Summary {
        run: RunInfo { kind: "monitor".into(), name: "shop".into(), ..RunInfo::default() },
        totals: totals(),
        ..Summary::default()
    };
    Feed { totals: Arc::new(totals), summary: Arc::new(summary), window: None }
}

fn start(token: Option<&str>) -> Server {
    let config = ServerConfig { address: ([127, 0, 0, 1], 0).into(), token: token.map(str::to_owned) };
    Server::start(&config, feed()).unwrap()
}

/// The whole answer to a request that ends the connection.
fn ask(server: &Server, method: &str, path: &str, fields: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn what_there_is_to_be_asked() {
    let server = start(None);
    for (method, path, fields, status, content) in [
        ("GET", "/", "", 200, "/api/summary"),
        ("GET", "/healthz", "", 200, "ok\n"),
        ("GET", "/metrics", "", 200, "content-type: text/plain; version=0.0.4"),
        ("GET", "/metrics", "Accept: application/openmetrics-text\r\n", 200, "# EOF\n"),
        ("GET", "/metrics", "Accept: application/json\r\n", 200, "\"format\":\"pulse-snapshot\""),
        ("GET", "/metrics", "Accept-Encoding: gzip\r\n", 200, "content-encoding: gzip"),
        ("GET", "/api/summary", "", 200, "\"name\": \"shop\""),
        ("GET", "/api/summary?window=1m", "", 400, "keeps no windows"),
        ("GET", "/api/series?metric=requests&token=x", "", 200, "\"format\": \"pulse-series\""),
        ("GET", "/api/series?metric=requests&endpoint=GET+%2Fa", "", 400, "no endpoint `GET /a` is kept"),
        ("GET", "/api/series", "", 400, "there are: requests, failed"),
        ("HEAD", "/metrics", "", 200, "vary: Accept"),
        ("GET", "/nothing", "", 404, "/healthz"),
        ("POST", "/metrics", "Content-Length: 0\r\n", 405, "GET or HEAD"),
        ("GET", "/metrics", "Host: evil.example\r\n", 421, "localhost"),
    ] {
        let answer = ask(&server, method, path, fields);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path}: {answer}");
        assert!(answer.contains(content), "{method} {path}: {content} in {answer}");
    }
    let answer = ask(&server, "GET", "/metrics", "");
    for field in
        ["cache-control: no-store", "x-content-type-options: nosniff", "content-security-policy: default"]
    {
        assert!(answer.contains(field), "{answer}");
    }
}

#[test]
fn other_names_and_strangers_are_refused() {
    let server = start(None);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream
        .write_all(b"GET /api/summary HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 421 ") && !answer.contains("shop"), "{answer}");
    let server = start(Some("s3cret-token"));
    let answer = ask(&server, "GET", "/api/summary", "");
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("www-authenticate: Bearer"), "{answer}");
    let answer = ask(&server, "GET", "/api/summary", "Authorization: Bearer s3cret-token\r\n");
    assert!(answer.contains("shop"), "{answer}");
}

#[test]
fn a_request_that_is_too_large_is_refused() {
    let server = start(None);
    let answer = ask(&server, "GET", "/metrics", &format!("X-Long: {}\r\n", "x".repeat(1 << 20)));
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{}", &answer[..answer.len().min(200)]);
}

#[test]
fn many_clients_wait_for_their_turn() {
    let server = start(None);
    // As many as there may be, and they all stay without asking anything.
    let mut silent: Vec<TcpStream> =
        (0..MOST_CLIENTS).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    let address = server.address();
    let answered = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&answered);
    let waiting = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        seen.store(1, Ordering::SeqCst);
        answer
    });
    // One that asks among the silent ones is answered while the other still waits.
    silent[0].write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut first = [0; 12];
    silent[0].read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    assert_eq!(answered.load(Ordering::SeqCst), 0);
    silent.pop();
    assert!(waiting.join().unwrap().starts_with("HTTP/1.1 200 "));
}

#[test]
fn what_cannot_be_served_says_why() {
    let server = start(None);
    let address = server.address();
    let taken = Server::start(&ServerConfig { address, token: None }, feed()).err().unwrap();
    assert!(matches!(taken, ServerError::PortInUse { .. }), "{taken}");
    let open = SocketAddr::from(([0, 0, 0, 0], 0));
    let error = Server::start(&ServerConfig { address: open, token: None }, feed()).err().unwrap();
    assert!(matches!(error, ServerError::NoToken { .. }), "{error}");
    let error = Server::start(&ServerConfig { address, token: Some("x".into()) }, feed()).err().unwrap();
    assert!(matches!(error, ServerError::BadToken), "{error}");
    drop(server);
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn stopping_does_not_wait_for_an_idle_client() {
    let server = start(None);
    let mut idle = TcpStream::connect(server.address()).unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).unwrap();
    drop(server);
    let mut rest = Vec::new();
    // Closed or reset, but over.
    let _ = idle.read_to_end(&mut rest);
}

#[test]
fn windows_that_are_kept_can_be_asked_for() {
    let run = |name: String| RunInfo { name, ..RunInfo::default() };
    let window = move |span: Nanos| {
        let summary = Summary { run: run(format!("the last {span}")), ..Summary::default() };
        crate::Windows::SPANS.contains(&span).then_some(summary)
    };
    let feed = Feed { window: Some(Arc::new(window)), ..feed() };
    let config = ServerConfig { address: ([127, 0, 0, 1], 0).into(), token: None };
    let server = Server::start(&config, feed).unwrap();
    for (query, status, words) in [
        ("?window=5m", 200, "the last 5m"),
        ("?token=a&window=60", 200, "the last 1m"),
        ("", 200, "shop"),
        ("?window=2m", 400, "2m is not kept; there are: 1m, 5m, 15m, 1h"),
        ("?window=soon", 400, "is not a duration"),
    ] {
        let answer = ask(&server, "GET", &format!("/api/summary{query}"), "");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{query}: {answer}");
        assert!(answer.contains(words), "{query}: {answer}");
    }
}

/// A job of so many seconds, whose end can be moved.
fn growing() -> (Arc<AtomicU64>, Feed) {
    let seconds = Arc::new(AtomicU64::new(3));
    let length = Arc::clone(&seconds);
    let summary = move |_| {
        let point = |second| pulse_model::TimePoint {
            from: pulse_model::Nanos::from_secs(second),
            to: pulse_model::Nanos::from_secs(second + 1),
            requests: second,
            ..pulse_model::TimePoint::default()
        };
        let timeline = (0..length.load(Ordering::SeqCst)).map(point).collect();
        Summary { run: RunInfo { name: "shop".into(), ..RunInfo::default() }, timeline, ..Summary::default() }
    };
    (seconds, Feed { summary: Arc::new(summary), ..feed() })
}

/// A connection to the stream of events that reads one event after another.
struct Events {
    stream: TcpStream,
    heard: String,
}

impl Events {
    fn open(server: &Server, path: &str, fields: &str) -> Self {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        Self { stream, heard: String::new() }
    }

    /// Id and data of the next event; `None` when the stream ends.
    fn next(&mut self) -> Option<(u64, serde_json::Value)> {
        loop {
            if let Some(begin) = self.heard.find("id: ")
                && let Some(length) = self.heard[begin..].find("\n\n")
            {
                let event = self.heard[begin..begin + length].to_owned();
                self.heard.drain(..begin + length + 2);
                let (id, data) = event.split_once("\nevent: page\ndata: ").unwrap();
                let id = id.trim_start_matches("id: ").parse().unwrap();
                return Some((id, serde_json::from_str(data).unwrap()));
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.heard.push_str(&String::from_utf8_lossy(&bytes[..read])),
            }
        }
    }
}

fn seconds(page: &serde_json::Value) -> Vec<u64> {
    page["timeline"]["from_ms"].as_array().unwrap().iter().map(|at| at.as_u64().unwrap() / 1000).collect()
}

#[test]
fn events_tell_everything_then_what_is_new_then_the_end() {
    let (length, feed) = growing();
    let config = ServerConfig { address: ([127, 0, 0, 1], 0).into(), token: None };
    let server = Server::start(&config, feed).unwrap();
    let mut events = Events::open(&server, "/events", "");
    let (id, page) = events.next().unwrap();
    assert_eq!((id, seconds(&page), &page["since_ms"]), (3000, vec![0, 1, 2], &serde_json::Value::Null));
    assert_eq!(page["running"], true);
    length.store(5, Ordering::SeqCst);
    let (id, page) = events.next().unwrap();
    assert_eq!(id, 5000);
    assert!(seconds(&page).ends_with(&[3, 4]), "{page}");
    // Another one that knew the first four seconds.
    for (path, fields) in [("/events", "Last-Event-ID: 4000\r\n"), ("/events?since=4000", "")] {
        let (id, page) = Events::open(&server, path, fields).next().unwrap();
        assert_eq!((id, seconds(&page), page["since_ms"].as_f64()), (5000, vec![4], Some(4000.0)));
    }
    // The end is told without anything new, and then the stream is over.
    drop(server);
    let (_, page) = events.next().unwrap();
    assert_eq!((page["running"].as_bool(), seconds(&page)), (Some(false), vec![]));
    assert_eq!(events.next(), None);
}

#[test]
fn the_page_and_its_data_can_be_asked_for() {
    let (_, feed) = growing();
    let config = ServerConfig { address: ([127, 0, 0, 1], 0).into(), token: None };
    let server = Server::start(&config, feed).unwrap();
    for (query, expected) in
        [("", vec![0, 1, 2]), ("?since=2000", vec![2]), ("?since=99999999999999999999", vec![0, 1, 2])]
    {
        let answer = ask(&server, "GET", &format!("/api/page{query}"), "");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(seconds(&serde_json::from_str(body).unwrap()), expected, "{query}");
    }
    let answer = ask(&server, "GET", "/events", "Origin: http://evil.example\r\n");
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    if pulse_report::Html::is_there() {
        let answer = ask(&server, "GET", "/", "");
        assert!(
            answer.contains("content-security-policy: default-src 'none'; script-src 'sha256-"),
            "{answer}"
        );
        assert!(answer.contains("frame-ancestors 'none'"), "{answer}");
        assert!(answer.contains("<div id=\"page\">"), "{answer}");
        let answer = ask(&server, "GET", "/", "Accept-Encoding: br, gzip\r\n");
        assert!(answer.contains("content-encoding: gzip"), "{answer}");
    }
}
