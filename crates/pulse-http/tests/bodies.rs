//! Bodies that do not stand in the bytes of their request: shared in memory, or read while they are sent.

mod session;
mod source;
mod users;

use bytes::Bytes;
use pulse_http::{ConnectorConfig, FailureClass, FileBody, Limits, RequestBody, TlsOptions};
use pulse_testkit::{Http2Server, Script, ScriptedServer, Step, TestAuthority};
use session::{LONG, Session};
use source::Counted;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use users::{Users, on_this_thread, shared_by};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const TOO_LARGE: &str = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
const MIB: u64 = 1 << 20;
/// More than all buffers between two sockets of this machine hold.
const ENDLESS: u64 = 1 << 40;
/// What those buffers may hold at most.
const BUFFERS: u64 = 128 * MIB;

fn always_ok() -> Vec<Step> {
    vec![Step::ReadRequest, Step::send(OK), Step::Loop]
}

fn body_of(request: &[u8]) -> &[u8] {
    let head = request.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    &request[head + 4..]
}

fn says(request: &[u8], field: &str) -> bool {
    let head = &request[..request.len() - body_of(request).len()];
    String::from_utf8_lossy(head).contains(field)
}

#[tokio::test]
async fn a_streamed_body_arrives_whole_and_is_never_in_memory_whole() {
    let body = Counted::new(40 * MIB);
    let server = ScriptedServer::start(Script::each(always_ok()));
    let mut session = Session::new(&server.url());
    for _ in 0..2 {
        let exchange = session.send_apart("PUT", RequestBody::Streamed(&body), LONG).await.unwrap();
        assert_eq!((exchange.status, session.client.response().body()), (200, &b"ok"[..]));
        assert!(exchange.bytes_sent > 40 * MIB && exchange.send > Duration::ZERO);
    }
    // The client has one room for what it reads, and it is that small.
    assert!(body.largest.get() <= 64 << 10, "{} bytes at once", body.largest.get());
    assert_eq!((server.connections(), session.client.counts().reused), (1, 1));
    for request in server.requests() {
        assert!(says(&request, "\r\nContent-Length: 41943040\r\n"));
        assert!(body_of(&request) == body.bytes(), "the body is another one");
    }
}

#[tokio::test]
async fn over_tls_as_well() {
    let authority = TestAuthority::default();
    let server = ScriptedServer::start_tls(Script::each(always_ok()), &authority);
    let tls = TlsOptions {
        ca_certificate_pem: Some(authority.ca_pem().as_bytes().to_vec()),
        ..TlsOptions::default()
    };
    let config = ConnectorConfig { tls, ..ConnectorConfig::default() };
    let mut session = Session::with(&server.url(), config, Limits::default());
    let streamed = Counted::new(5 * MIB + 1);
    let shared = Bytes::from(streamed.bytes());
    for body in [RequestBody::Streamed(&streamed), RequestBody::Shared(&shared)] {
        session.send_apart("POST", body, LONG).await.unwrap();
    }
    for request in server.requests() {
        assert!(body_of(&request) == shared, "the body is another one");
    }
    assert_eq!((server.request_count(), server.connections()), (2, 1));
}

#[tokio::test]
async fn an_early_answer_ends_the_sending() {
    let early = vec![Step::ReadSome, Step::send(TOO_LARGE), Step::Gate];
    let server = ScriptedServer::start(Script::in_turn(vec![early, always_ok()]));
    let body = Counted::new(ENDLESS);
    let mut session = Session::new(&server.url());
    // The server reads no more, so that nothing but the answer can end this.
    let exchange = session.send_apart("POST", RequestBody::Streamed(&body), LONG).await.unwrap();
    assert_eq!(exchange.status, 413);
    assert!(body.furthest.get() < BUFFERS, "{} bytes were read", body.furthest.get());
    assert!(exchange.bytes_sent <= body.furthest.get() + 1024);
    // What was left of the body would be taken for the next request.
    assert!(!session.client.is_connected());
    assert_eq!(session.get().await.unwrap().status, 200);
    assert_eq!(server.connections(), 2);
    server.open_gate();
}

#[tokio::test]
async fn a_peer_that_reads_nothing_costs_its_buffers_and_the_timeout() {
    let server = ScriptedServer::start(Script::each(vec![Step::Gate]));
    let body = Counted::new(ENDLESS);
    let mut session = Session::new(&server.url());
    let failure = session
        .send_apart("POST", RequestBody::Streamed(&body), Duration::from_millis(200))
        .await
        .unwrap_err();
    assert_eq!(failure.class, FailureClass::Timeout);
    assert!(failure.detail.contains("did not take the whole request"), "{failure}");
    assert!(body.furthest.get() < BUFFERS, "{} bytes were read", body.furthest.get());
    server.open_gate();
}

#[tokio::test]
async fn a_source_that_ends_early_or_fails_is_said_to() {
    let server = ScriptedServer::start(Script::each(always_ok()));
    let mut session = Session::new(&server.url());
    for (error, words) in [
        (None, "the body's file ended after 3000000 of 5242880 bytes"),
        (Some(ErrorKind::PermissionDenied), "the body's file cannot be read at byte"),
    ] {
        let body = Counted::new(5 * MIB).broken_at(3_000_000, error);
        let failure = session.send_apart("PUT", RequestBody::Streamed(&body), LONG).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Other);
        assert!(failure.detail.contains(words), "{failure}");
        assert!(!session.client.is_connected(), "the peer waits for the rest");
    }
    assert_eq!(session.get().await.unwrap().status, 200);
    assert_eq!(server.request_count(), 1);
}

#[tokio::test]
async fn a_file_is_sent_as_far_as_was_promised() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("body-{}", std::process::id()));
    File::create(&path).unwrap().write_all(&Counted::new(MIB).bytes()).unwrap();
    let file = Arc::new(File::open(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
    let server = ScriptedServer::start(Script::each(always_ok()));
    let mut session = Session::new(&server.url());
    // A file that has grown.
    let body = FileBody::new(Arc::clone(&file), MIB - 1);
    session.send_apart("PUT", RequestBody::Streamed(&body), LONG).await.unwrap();
    assert!(body_of(&server.requests()[0]) == Counted::new(MIB - 1).bytes());
    // One that was shortened.
    let body = FileBody::new(file, MIB + 1);
    let failure = session.send_apart("PUT", RequestBody::Streamed(&body), LONG).await.unwrap_err();
    let words = "ended after 1048576 of 1048577 bytes: it has been shortened since the run began";
    assert!(failure.detail.contains(words), "{failure}");
}

#[tokio::test]
async fn on_a_dead_connection_both_kinds_are_sent_again_from_their_beginning() {
    let once = vec![Step::ReadRequest, Step::send(OK), Step::Gate, Step::Close];
    let streamed = Counted::new(3 * MIB);
    let shared = Bytes::from(streamed.bytes());
    for body in [RequestBody::Streamed(&streamed), RequestBody::Shared(&shared)] {
        let server = ScriptedServer::start(Script::in_turn(vec![once.clone(), always_ok()]));
        let mut session = Session::new(&server.url());
        session.get().await.unwrap();
        server.open_gate();
        server.wait_for(0, 4);
        session.send_apart("PUT", body, LONG).await.unwrap();
        assert!(body_of(&server.requests()[1]) == shared);
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn shared_bodies_follow_their_heads() {
    let server = ScriptedServer::start(Script::each(always_ok()));
    let mut session = Session::new(&server.url());
    let sizes = [0, 1, 5000, 20_000_000];
    for size in sizes {
        let body = Bytes::from(Counted::new(size).bytes());
        let exchange = session.send_apart("POST", RequestBody::Shared(&body), LONG).await.unwrap();
        assert_eq!(exchange.status, 200);
    }
    for (request, size) in server.requests().iter().zip(sizes) {
        assert!(says(request, &format!("\r\nContent-Length: {size}\r\n")));
        assert!(body_of(request) == Counted::new(size).bytes(), "{size}");
    }
    assert_eq!((server.connections(), server.request_count()), (1, sizes.len()));
}

#[test]
fn over_http2_a_body_is_streamed_as_far_as_the_windows_allow() {
    on_this_thread(async {
        let server = Http2Server::start(100);
        let mut user = Users::new(&server.url(), shared_by(1)).user();
        let streamed = Counted::new(10 * MIB + 1);
        let shared = Bytes::from(streamed.bytes());
        for body in [RequestBody::Streamed(&streamed), RequestBody::Shared(&shared)] {
            let exchange = user.post_apart(body).await.unwrap();
            assert_eq!(exchange.status, 200);
            assert!(user.client.response().body() == shared, "the server has got another body");
        }
        assert!(streamed.largest.get() <= 16 << 10);
        let broken = Counted::new(10 * MIB).broken_at(3_000_000, None);
        let failure = user.post_apart(RequestBody::Streamed(&broken)).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Other);
        assert!(failure.detail.contains("ended after 3000000 of 10485760 bytes"), "{failure}");
        // Only its stream was given up.
        user.post_apart(RequestBody::Shared(&shared)).await.unwrap();
        assert_eq!(server.connections(), 1);
    });
}
