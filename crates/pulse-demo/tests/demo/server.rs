//! Starting, stopping, faults and the WebSocket.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use pulse_demo::{Character, DemoConfig, DemoError, DemoServer, serve};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{ask, config, start};

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(work)
}

#[test]
fn a_port_in_use_is_named_with_the_next_step() {
    let server = start(Character::default());
    let error = DemoServer::start(DemoConfig { listen: server.addr(), ..config(Character::default()) })
        .err()
        .unwrap();
    assert!(matches!(error, DemoError::PortInUse { address } if address == server.addr()));
    let message = error.to_string();
    assert!(
        message.contains("choose another port") && message.contains(&server.addr().to_string()),
        "{message}"
    );
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    let far = DemoConfig { listen: ([192, 0, 2, 1], 0).into(), ..config(Character::default()) };
    let wild = config(Character { error_rate: 7.0, ..Character::default() });
    let lost = DemoConfig { database: Some("/dev/null/x.db".into()), ..config(Character::default()) };
    let large = DemoConfig { trades: u64::MAX, ..config(Character::default()) };
    for (config, message) in [
        (far, "check that this address belongs to this machine"),
        (wild, "`7` is not an error rate: it is not between 0 and 1"),
        (lost, "cannot use the database /dev/null/x.db"),
        (large, "ask for at most 10000000"),
    ] {
        let error = DemoServer::start(config).err().unwrap().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_stopped_server_frees_its_port_and_a_named_database_stays() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("kept.db");
    let named = DemoConfig { database: Some(path.clone()), ..config(Character::default()) };
    let server = DemoServer::start(named.clone()).unwrap();
    assert!(server.data_set().fresh);
    assert_eq!(server.url(), format!("http://{}", server.addr()));
    let order = r#"{"side":"buy","quantity":1}"#;
    assert_eq!(ask(server.addr(), "POST", "/api/v1/paper/ann/positions", order).status, 201);
    let listen = server.addr();
    server.stop().unwrap();
    let again = DemoServer::start(DemoConfig { listen, ..named }).unwrap();
    assert!(!again.data_set().fresh);
    assert_eq!(again.data_set().trades, 201);
    let account = ask(again.addr(), "GET", "/api/v1/paper/ann/account", "").json();
    assert_eq!(account["open_positions"], 1);
    drop(again);
    assert!(std::fs::read_dir(folder.path()).unwrap().count() == 1, "the journal is folded in at the end");
}

#[test]
fn its_statements_are_written_to_a_new_file() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("demo.jsonl");
    let recorded = DemoConfig { workload: Some(path.clone()), ..config(Character::default()) };
    let server = DemoServer::start(recorded.clone()).unwrap();
    let order = r#"{"side":"buy","quantity":1}"#;
    assert_eq!(ask(server.addr(), "POST", "/api/v1/paper/ann/positions", order).status, 201);
    assert_eq!(ask(server.addr(), "GET", "/api/v1/trades?symbol=AAPL&limit=7", "").status, 200);
    server.stop().unwrap();
    let written = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["format"], "pulse-workload");
    let has = |text: &str| {
        lines.iter().any(|line| line["statement"].as_str().is_some_and(|sql| sql.contains(text)))
    };
    assert!(
        has("INSERT INTO trades") && has("WHERE symbol = 'AAPL' ORDER BY executed_at DESC, id DESC LIMIT 7"),
        "{written}"
    );
    // Filling the database is not the service's work.
    assert!(!has("CREATE TABLE") && lines.len() < 20, "{written}");

    let error = DemoServer::start(recorded).err().unwrap().to_string();
    assert!(error.contains("demo.jsonl exists already and was left as it is"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
}

#[test]
fn serve_runs_on_the_callers_runtime_until_told_to_stop() {
    block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let running = tokio::spawn(serve(listener, config(Character::default()), shutdown));
        let asked = tokio::task::spawn_blocking(move || ask(address, "GET", "/health", ""));
        assert_eq!(asked.await.unwrap().status, 200);
        stop.send(()).unwrap();
        running.await.unwrap().unwrap();
    });
}

#[test]
fn faults_reach_every_route() {
    let failing = start(Character { error_rate: 1.0, ..Character::default() });
    for path in ["/health", "/nothing", "/api/v1/trades", "/ws/quotes"] {
        let answer = ask(failing.addr(), "GET", path, "");
        assert_eq!((answer.status, answer.json()), (500, json!({"detail": "injected error"})), "{path}");
    }
}

#[test]
fn a_seed_decides_which_requests_fail() {
    let statuses = |seed| -> Vec<u16> {
        let character = Character { error_rate: 0.5, ..Character::default() };
        let server = DemoServer::start(DemoConfig { seed, ..config(character) }).unwrap();
        (0..40).map(|_| ask(server.addr(), "GET", "/health", "").status).collect()
    };
    let first = statuses(3);
    assert!(first.contains(&200) && first.contains(&500));
    assert_eq!(first, statuses(3));
    assert_ne!(first, statuses(4));
}

#[test]
fn latency_and_stall_still_answer_and_a_leak_is_counted() {
    let character = Character {
        latency: Some("uniform:0ms..2ms".parse().unwrap()),
        stall: Some("5ms/10ms".parse().unwrap()),
        leak_bytes_per_request: 10_000,
        ..Character::default()
    };
    let server = start(character);
    for request in 1..=5 {
        assert_eq!(ask(server.addr(), "GET", "/health", "").status, 200);
        assert_eq!(server.leaked_bytes(), request * 10_000);
    }
}

#[test]
fn quotes_are_events_too_and_end_with_the_server() {
    let server = start(Character::default());
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /api/v1/stream?symbol=QQQ HTTP/1.1\r\nHost: demo\r\n\r\n").unwrap();
    let mut text = String::new();
    let mut piece = [0; 4096];
    while text.matches("event: quote\n").count() < 3 {
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "the stream ended: {text}");
        text.push_str(str::from_utf8(&piece[..count]).unwrap());
    }
    assert!(text.contains("content-type: text/event-stream\r\n"), "{text}");
    assert!(text.contains("id: 2\n") && text.contains("\"symbol\":\"QQQ\""), "{text}");
    server.stop().unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "the body has an end");
}

#[test]
fn quotes_flow_pings_are_answered_and_the_end_is_announced() {
    let server = start(Character::default());
    let url = format!("ws://{}/ws/quotes?symbol=QQQ", server.addr());
    block_on(async {
        let (mut socket, _) = connect_async(url).await.unwrap();
        for (sent, expected) in [
            (Message::text(r#"{"type":"ping","id":7}"#), json!({"type": "pong", "id": 7})),
            (Message::text("{}"), json!({"type": "error", "detail": "the type must be ping"})),
            (Message::binary(vec![1]), json!({"type": "error", "detail": "a message must be text"})),
        ] {
            socket.send(sent).await.unwrap();
            let mut quotes = 0;
            let reply = loop {
                let message: Value =
                    serde_json::from_str(socket.next().await.unwrap().unwrap().to_text().unwrap()).unwrap();
                if message["type"] != "quote" {
                    break message;
                }
                quotes += 1;
                assert_eq!(message["symbol"], "QQQ");
                assert!(message["bid"].as_f64() < message["ask"].as_f64());
                assert!(quotes < 1_000, "no reply among {quotes} quotes");
            };
            assert_eq!(reply, expected);
        }
        let quote = socket.next().await.unwrap().unwrap();
        assert!(quote.to_text().unwrap().contains(r#""type":"quote""#));
        let stopping = tokio::task::spawn_blocking(move || server.stop());
        let close = loop {
            if let Message::Close(frame) = socket.next().await.unwrap().unwrap() {
                break frame.unwrap();
            }
        };
        assert_eq!(u16::from(close.code), 1001);
        stopping.await.unwrap().unwrap();
    });
}

#[test]
fn a_message_beyond_the_limit_ends_the_stream_and_nothing_else() {
    let server = start(Character::default());
    let url = format!("ws://{}/ws/quotes", server.addr());
    block_on(async {
        let (mut socket, _) = connect_async(url).await.unwrap();
        // The server may close while the message is still being written.
        let _ = socket.send(Message::text("x".repeat(1 << 20))).await;
        while let Some(Ok(_)) = socket.next().await {}
    });
    assert_eq!(ask(server.addr(), "GET", "/health", "").status, 200);
}
