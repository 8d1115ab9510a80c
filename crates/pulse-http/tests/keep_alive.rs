//! When a connection is used again, and when it must not be.

mod session;

use pulse_http::{ConnectionCounts, ConnectorConfig, FailureClass, Keep, Limits};
use pulse_testkit::{Script, ScriptedServer, Step};
use session::{LONG, Session};
use std::time::Duration;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn always_ok() -> Vec<Step> {
    vec![Step::ReadRequest, Step::send(OK), Step::Loop]
}

/// Asks the kernel before every reuse, as after a second of idleness.
fn cautious(url: &str) -> Session {
    let config = ConnectorConfig { idle_check_after: Duration::ZERO, ..ConnectorConfig::default() };
    Session::with(url, config, Limits::default())
}

#[tokio::test]
async fn one_connection_serves_all_requests() {
    let server = ScriptedServer::start(Script::each(always_ok()));
    let mut session = Session::new(&server.url());
    let first = session.get().await.unwrap();
    assert!(first.connect.is_some() && first.started <= first.sent);
    for _ in 0..99 {
        let exchange = session.post(b"body").await.unwrap();
        assert!(exchange.connect.is_none());
        assert_eq!(exchange.started, exchange.sent);
        assert_eq!(exchange.first_byte, exchange.finished);
    }
    assert_eq!((server.connections(), server.request_count()), (1, 100));
    let counts = ConnectionCounts { opened: 1, reused: 99, ..ConnectionCounts::default() };
    assert_eq!(session.client.counts(), counts);
    let requests = server.requests();
    assert!(requests[1].starts_with(b"POST / HTTP/1.1\r\nHost: 127.0.0.1:"));
    assert!(requests[1].ends_with(b"Content-Length: 4\r\n\r\nbody"));
}

#[tokio::test]
async fn a_closed_client_opens_a_new_connection() {
    let server = ScriptedServer::start(Script::each(always_ok()));
    let mut session = Session::new(&server.url());
    for _ in 0..3 {
        session.get().await.unwrap();
        session.client.close();
    }
    assert_eq!(server.connections(), 3);
    assert_eq!(session.client.counts().closed_by_peer, 0);
}

#[tokio::test]
async fn an_announced_close_is_heeded() {
    let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let server = ScriptedServer::start(Script::each(vec![Step::ReadRequest, Step::send(answer), Step::Hold]));
    let mut session = Session::new(&server.url());
    for _ in 0..3 {
        session.post(b"x").await.unwrap();
    }
    let counts = ConnectionCounts { opened: 3, closed_by_peer: 3, ..ConnectionCounts::default() };
    assert_eq!(session.client.counts(), counts);
}

#[tokio::test]
async fn bytes_after_a_response_are_never_the_next_answer() {
    let twice = format!("{OK}HTTP/1.1 500 Wrong\r\nContent-Length: 0\r\n\r\n");
    let answers = [
        twice.clone(),
        twice.replace("Content-Length: 2\r\n\r\nok", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        "HTTP/1.1 204 No Content\r\n\r\nx".to_owned(),
    ];
    for answer in answers {
        let server = ScriptedServer::start(Script::in_turn(vec![
            vec![Step::ReadRequest, Step::send(&answer), Step::Hold],
            always_ok(),
        ]));
        let mut session = Session::new(&server.url());
        assert!(session.post(b"x").await.unwrap().status < 300, "{answer:?}");
        assert_eq!(session.post(b"x").await.unwrap().status, 200, "{answer:?}");
        let counts = ConnectionCounts { opened: 2, surplus: 1, ..ConnectionCounts::default() };
        assert_eq!(session.client.counts(), counts, "{answer:?}");
    }
}

#[tokio::test]
async fn bytes_on_an_idle_connection_end_it() {
    let server = ScriptedServer::start(Script::in_turn(vec![
        vec![
            Step::ReadRequest,
            Step::send(OK),
            Step::Gate,
            Step::send("HTTP/1.1 408 Slow\r\n\r\n"),
            Step::Hold,
        ],
        always_ok(),
    ]));
    let mut session = cautious(&server.url());
    session.post(b"x").await.unwrap();
    server.open_gate();
    server.wait_for(0, 4);
    assert_eq!(session.post(b"x").await.unwrap().status, 200);
    let counts = ConnectionCounts { opened: 2, surplus: 1, ..ConnectionCounts::default() };
    assert_eq!(session.client.counts(), counts);
}

#[tokio::test]
async fn a_peer_that_closed_or_reset_meanwhile_does_not_fail_a_post() {
    for end in [Step::Close, Step::Reset, Step::HalfClose] {
        let server = ScriptedServer::start(Script::in_turn(vec![
            vec![Step::ReadRequest, Step::send(OK), Step::Gate, end.clone(), Step::Hold],
            always_ok(),
        ]));
        // The kernel is asked, so this does not depend on the reactor having had its turn.
        let mut session = cautious(&server.url());
        session.post(b"x").await.unwrap();
        server.open_gate();
        server.wait_for(0, 4);
        session.post(b"x").await.unwrap_or_else(|failure| panic!("{end:?}: {failure}"));
        let counts = ConnectionCounts { opened: 2, closed_by_peer: 1, ..ConnectionCounts::default() };
        assert_eq!(session.client.counts(), counts, "{end:?}");
    }
}

#[tokio::test]
async fn a_dying_connection_is_tried_again_for_idempotent_requests_only() {
    for (end, class) in [(Step::Close, FailureClass::Closed), (Step::Reset, FailureClass::Reset)] {
        for (method, resent) in [("GET", 1), ("PUT", 1), ("POST", 0)] {
            // The second request is read, then nothing but the end comes.
            let server = ScriptedServer::start(Script::in_turn(vec![
                vec![Step::ReadRequest, Step::send(OK), Step::ReadRequest, end.clone()],
                always_ok(),
            ]));
            let mut session = Session::new(&server.url());
            session.get().await.unwrap();
            let result = session.ask(method, Some(b"x"), LONG, Keep::Head).await;
            match &result {
                Ok(exchange) => {
                    assert_eq!((resent, exchange.status), (1, 200), "{method} {end:?}");
                    assert!(exchange.started < exchange.sent && exchange.connect.is_some());
                }
                Err(failure) => assert_eq!((resent, failure.class), (0, class), "{method} {end:?}"),
            }
            let counts = session.client.counts();
            assert_eq!((counts.resent, counts.closed_by_peer), (resent, 1), "{method} {end:?}");
            assert_eq!(server.request_count() as u64, 2 + resent);
        }
    }
}

#[tokio::test]
async fn a_request_is_sent_again_only_once_and_only_on_a_kept_connection() {
    let server = ScriptedServer::start(Script::in_turn(vec![
        vec![Step::ReadRequest, Step::send(OK), Step::ReadRequest, Step::Close],
        vec![Step::ReadRequest, Step::Close],
    ]));
    let mut session = Session::new(&server.url());
    session.get().await.unwrap();
    assert_eq!(session.get().await.unwrap_err().class, FailureClass::Closed);
    assert_eq!((server.connections(), session.client.counts().resent), (2, 1));
    assert_eq!(session.get().await.unwrap_err().class, FailureClass::Closed);
    assert_eq!((server.connections(), session.client.counts().resent), (3, 1));
}

#[tokio::test]
async fn a_part_of_an_answer_is_never_asked_for_again() {
    let server = ScriptedServer::start(Script::each(vec![
        Step::ReadRequest,
        Step::send(OK),
        Step::ReadRequest,
        Step::send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no"),
    ]));
    let mut session = Session::new(&server.url());
    session.get().await.unwrap();
    let failure = session.get().await.unwrap_err();
    assert_eq!((failure.class, session.client.counts().resent), (FailureClass::Closed, 0));
}

#[tokio::test]
async fn a_half_closed_peer_still_answers() {
    let server = ScriptedServer::start(Script::each(vec![
        Step::ReadRequest,
        Step::send(OK),
        Step::HalfClose,
        Step::Hold,
    ]));
    let mut session = cautious(&server.url());
    for connection in 0..3 {
        session.post(b"x").await.unwrap();
        server.wait_for(connection, 3);
    }
    assert_eq!(session.client.counts().opened, 3);
}

#[tokio::test]
async fn an_early_answer_is_read_while_the_request_is_written() {
    let refusal = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
    let body = vec![b'x'; 32 << 20];
    for end in [Step::Gate, Step::HalfClose] {
        // The server never reads the body. The client would wait for ever to write it.
        let server = ScriptedServer::start(Script::in_turn(vec![
            vec![Step::ReadSome, Step::send(refusal), end, Step::Gate],
            always_ok(),
        ]));
        let mut session = Session::new(&server.url());
        let exchange = session.post(&body).await.unwrap();
        assert_eq!(exchange.status, 413);
        assert!(exchange.bytes_sent < body.len() as u64);
        assert!(!session.client.is_connected());
        assert_eq!(session.get().await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_large_request_arrives_whole() {
    let server = ScriptedServer::start(Script::each(always_ok()));
    let mut session = Session::new(&server.url());
    let body: Vec<u8> = (0..5_000_000u32).map(|i| (i % 253) as u8).collect();
    let exchange = session.post(&body).await.unwrap();
    let request = server.requests().pop().unwrap();
    assert_eq!(exchange.bytes_sent, request.len() as u64);
    assert!(request.ends_with(&body));
    assert!(session.client.is_connected());
}

#[tokio::test]
async fn an_abandoned_exchange_leaves_a_usable_client() {
    let server = ScriptedServer::start(Script::in_turn(vec![
        vec![Step::ReadRequest, Step::send(OK), Step::ReadRequest, Step::Hold],
        always_ok(),
    ]));
    let mut session = Session::new(&server.url());
    session.get().await.unwrap();
    let abandoned = tokio::time::timeout(Duration::from_millis(20), session.post(b"x")).await;
    assert!(abandoned.is_err());
    assert_eq!(session.get().await.unwrap().status, 200);
    assert_eq!(server.connections(), 2);
}
