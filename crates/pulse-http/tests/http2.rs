//! HTTP/2 against the server of the `h2` crate: what is sent, what comes back, who shares what.

mod users;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response, StatusCode};
use pulse_http::{
    ConnectorConfig, FailureClass, Http2Connection, Http2Settings, HttpVersion, Keep, Limits, TlsOptions,
};
use pulse_testkit::{Script, ScriptedServer, Step, TestAuthority};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::spawn_local;
use users::{Users, on_this_thread, shared_by};

/// What the server has seen.
struct Seen {
    connections: Cell<usize>,
    /// Connections that have ended, in order or not.
    ended: Cell<usize>,
    requests: Cell<usize>,
    /// Requests in progress, and the most of them at a time.
    active: Cell<usize>,
    most: Cell<usize>,
    heads: RefCell<Vec<http::request::Parts>>,
    /// Error codes of streams that the client reset.
    resets: RefCell<Vec<h2::Reason>>,
    changed: Notify,
    /// Lets answers of `/held` go.
    gate: Semaphore,
}

impl Seen {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            connections: Cell::default(),
            ended: Cell::default(),
            requests: Cell::default(),
            active: Cell::default(),
            most: Cell::default(),
            heads: RefCell::default(),
            resets: RefCell::default(),
            changed: Notify::new(),
            gate: Semaphore::new(0),
        })
    }

    async fn until(&self, what: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            if what(self) {
                return;
            }
            changed.await;
        }
    }
}

#[derive(Clone)]
struct Server {
    seen: Rc<Seen>,
    settings: h2::server::Builder,
    /// Ends each connection in order after so many requests.
    requests_per_connection: usize,
    tls: Option<tokio_rustls::TlsAcceptor>,
}

impl Server {
    fn new() -> Self {
        Self {
            seen: Seen::new(),
            settings: h2::server::Builder::new(),
            requests_per_connection: usize::MAX,
            tls: None,
        }
    }

    fn with(mut self, set: impl Fn(&mut h2::server::Builder)) -> Self {
        set(&mut self.settings);
        self
    }

    fn tls(mut self, authority: &TestAuthority, protocols: &[&str]) -> Self {
        self.tls = Some(authority.server_config(protocols).into());
        self
    }

    /// Starts it on this thread; its URL.
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let server = self.clone();
        spawn_local(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let server = server.clone();
                server.seen.connections.set(server.seen.connections.get() + 1);
                spawn_local(async move {
                    match &server.tls {
                        None => server.serve(stream).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => server.serve(stream).await,
                            Err(_) => return, // the client found nothing to agree on, which a test asks for
                        },
                    }
                    server.seen.ended.set(server.seen.ended.get() + 1);
                    server.seen.changed.notify_waiters();
                });
            }
        });
        format!("{}://{address}", if self.tls.is_some() { "https" } else { "http" })
    }

    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let Ok(mut connection) = self.settings.handshake::<_, Bytes>(stream).await else { return };
        let mut served = 0;
        while let Some(Ok((request, respond))) = connection.accept().await {
            served += 1;
            if served == self.requests_per_connection {
                connection.graceful_shutdown();
            }
            let seen = Rc::clone(&self.seen);
            seen.requests.set(seen.requests.get() + 1);
            spawn_local(async move {
                seen.active.set(seen.active.get() + 1);
                seen.most.set(seen.most.get().max(seen.active.get()));
                seen.changed.notify_waiters();
                answer(request, respond, &seen).await;
                seen.active.set(seen.active.get() - 1);
                seen.changed.notify_waiters();
            });
        }
    }
}

/// Answers by path.
async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, seen: &Seen) {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    seen.heads.borrow_mut().push(head);
    let with = |status: u16| Response::builder().status(status).header("x-path", path.as_str());
    let end = |response: http::response::Builder| response.body(()).expect("a response");
    match path.as_str() {
        "/echo" => {
            let body = collect(body).await;
            let mut send = respond.send_response(end(with(200)), false).expect("an open stream");
            send_all(&mut send, body).await;
        }
        "/held" => {
            tokio::select! {
                permit = seen.gate.acquire() => permit.expect("an open gate").forget(),
                reason = poll_fn(|cx| respond.poll_reset(cx)) => {
                    seen.resets.borrow_mut().push(reason.expect("a reset"));
                    return;
                }
            }
            respond.send_response(end(with(200)), true).expect("an open stream");
        }
        "/trailers" => {
            let mut send = respond.send_response(end(with(200)), false).expect("an open stream");
            send.send_data(Bytes::from_static(b"body"), false).expect("room");
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
            send.send_trailers(trailers).expect("an open stream");
        }
        "/interim" => {
            for _ in 0..3 {
                let early = Response::builder().status(StatusCode::EARLY_HINTS).header("link", "x");
                respond.send_informational(end(early)).expect("an open stream");
            }
            respond.send_response(end(with(200)), true).expect("an open stream");
        }
        "/many-fields" => {
            let response = with(200).header("big", "x".repeat(70_000)).header("big", "y".repeat(70_000));
            respond.send_response(end(response), true).expect("an open stream");
        }
        "/cookies" => {
            let response = with(200).header("set-cookie", "a=1").header("set-cookie", "b=2");
            let mut send = respond.send_response(end(response), false).expect("an open stream");
            send.send_data(Bytes::from_static(b"hello"), true).expect("room");
        }
        "/head" => {
            respond.send_response(end(with(200).header("content-length", "10")), true).expect("open");
        }
        status => {
            let status = status[1..].parse().expect("a status as path");
            respond.send_response(end(with(status)), true).expect("an open stream");
        }
    }
}

async fn collect(mut body: RecvStream) -> Bytes {
    let mut all = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        body.flow_control().release_capacity(data.len()).expect("what came");
        all.extend_from_slice(&data);
    }
    all.into()
}

async fn send_all(send: &mut h2::SendStream<Bytes>, mut body: Bytes) {
    while !body.is_empty() {
        send.reserve_capacity(body.len());
        // A client that has seen enough resets the stream.
        let Some(Ok(room)) = poll_fn(|cx| send.poll_capacity(cx)).await else { return };
        let piece = body.split_to(room.min(body.len()));
        if send.send_data(piece, false).is_err() {
            return;
        }
    }
    send.send_data(Bytes::new(), true).ok();
}

#[test]
fn a_request_arrives_as_it_was_meant() {
    on_this_thread(async {
        let server = Server::new();
        let url = server.start().await;
        let mut user = Users::new(&url, shared_by(1)).user();
        let exchange = user.ask("POST", "/echo?a=b", Some(b"hello")).await.unwrap();
        assert_eq!((exchange.status, exchange.body_bytes), (200, 5));
        assert_eq!(user.client.response().body(), b"hello");
        assert!(exchange.connect.is_some() && exchange.bytes_sent > 5 && exchange.bytes_received > 5);
        assert!(exchange.started <= exchange.sent && exchange.sent <= exchange.first_byte);
        let heads = server.seen.heads.take();
        let (uri, fields) = (&heads[0].uri, &heads[0].headers);
        assert_eq!((heads[0].method.as_str(), uri.to_string()), ("POST", format!("{url}/echo?a=b")));
        let names: Vec<_> = fields.keys().map(http::HeaderName::as_str).collect();
        assert_eq!(names, ["x-test", "user-agent", "accept", "content-length"]);
        // The second one finds the connection, and the same headers compressed.
        let second = user.ask("POST", "/echo?a=b", Some(b"hello")).await.unwrap();
        assert!(second.connect.is_none() && second.blocked == Duration::ZERO);
        assert!(second.bytes_sent < exchange.bytes_sent, "{} bytes", second.bytes_sent);
        assert_eq!((user.client.counts().opened, user.client.counts().reused), (1, 1));
    });
}

#[test]
fn large_bodies_pass_both_ways_through_small_windows() {
    on_this_thread(async {
        let server = Server::new().with(|settings| {
            settings.initial_window_size(1000).initial_connection_window_size(70_000);
        });
        let url = server.start().await;
        let users = Users::new(&url, shared_by(4));
        let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let mut tasks = Vec::new();
        for _ in 0..4 {
            let (mut user, body) = (users.user(), body.clone());
            tasks.push(spawn_local(async move {
                let exchange = user.ask("POST", "/echo", Some(&body)).await.unwrap();
                assert_eq!(exchange.body_bytes, body.len() as u64);
                assert!(user.client.response().body() == body, "the body came back changed");
                user.keep = Keep::Head;
                let exchange = user.ask("PUT", "/echo", Some(&body)).await.unwrap();
                assert_eq!(exchange.body_bytes, body.len() as u64);
                assert!(user.client.response().body().is_empty());
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(server.seen.connections.get(), 1);
    });
}

#[test]
fn responses_look_like_those_of_http_1() {
    on_this_thread(async {
        let server = Server::new();
        let url = server.start().await;
        let mut user = Users::new(&url, shared_by(1)).user();
        // Method, path, status, body.
        for (method, path, status, body) in [
            ("GET", "/cookies", 200, &b"hello"[..]),
            ("HEAD", "/head", 200, b""),
            ("GET", "/204", 204, b""),
            ("GET", "/304", 304, b""),
            ("GET", "/503", 503, b""),
            ("DELETE", "/trailers", 200, b"body"),
            ("GET", "/interim", 200, b""),
        ] {
            let exchange =
                user.ask(method, path, None).await.unwrap_or_else(|failure| panic!("{path}: {failure}"));
            let response = user.client.response();
            assert_eq!(
                (exchange.status, response.status(), response.body()),
                (status, status, body),
                "{path}"
            );
            assert_eq!(response.header("X-Path"), Some(path.as_bytes()));
            assert!(response.header("grpc-status").is_none(), "trailers are no header fields");
            assert!(response.head().starts_with(format!("HTTP/2 {status}\r\n").as_bytes()));
            assert!(response.head().ends_with(b"\r\n\r\n"));
        }
        user.get("/cookies").await.unwrap();
        let cookies: Vec<_> = user.client.response().header_all("Set-Cookie").collect();
        assert_eq!(cookies, [b"a=1", b"b=2"]);
        assert_eq!(user.client.counts().opened, 1);
    });
}

#[test]
fn what_exceeds_the_limits_ends_its_stream_only() {
    on_this_thread(async {
        let server = Server::new();
        let url = server.start().await;
        let limits = Limits { body_bytes: 20_000, kept_body_bytes: 10_000, ..Limits::default() };
        let mut user = Users::with(&url, shared_by(1), limits).user();
        for (method, path, size, keep) in [
            ("GET", "/many-fields", 0, Keep::Head),
            ("POST", "/echo", 10_001, Keep::Body),
            ("POST", "/echo", 20_001, Keep::Head),
            ("POST", "/echo", 2_000_000, Keep::Head),
        ] {
            user.keep = keep;
            let failure = user.ask(method, path, Some(&vec![0; size])).await.unwrap_err();
            assert_eq!(failure.class, FailureClass::TooLarge, "{path} {size}: {failure}");
            assert_eq!(user.client.response().status(), 0);
            let exchange = user.ask("POST", "/echo", Some(&[0; 10_000])).await.unwrap();
            assert_eq!(exchange.body_bytes, 10_000);
        }
        assert_eq!(server.seen.connections.get(), 1, "the connection lives on");
    });
}

#[test]
fn users_share_connections_up_to_the_number_of_streams() {
    on_this_thread(async {
        for (streams, connections) in [(1, 6), (4, 2), (6, 1), (100, 1)] {
            let server = Server::new();
            let url = server.start().await;
            let users = Users::new(&url, shared_by(streams));
            let tasks: Vec<_> = (0..6)
                .map(|_| {
                    let mut user = users.user();
                    spawn_local(async move {
                        user.get("/held").await.unwrap();
                        user.client.counts()
                    })
                })
                .collect();
            server.seen.until(|seen| seen.active.get() == 6).await;
            server.seen.gate.add_permits(6);
            let mut opened = 0;
            for task in tasks {
                opened += task.await.unwrap().opened;
            }
            assert_eq!(
                (server.seen.connections.get(), opened),
                (connections, connections as u64),
                "{streams}"
            );
        }
    });
}

#[test]
fn a_free_stream_is_waited_for_and_the_wait_is_told() {
    on_this_thread(async {
        let server = Server::new().with(|settings| {
            settings.max_concurrent_streams(1);
        });
        let url = server.start().await;
        let users = Users::new(&url, shared_by(8));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let mut user = users.user();
                spawn_local(async move { user.get("/held").await.unwrap().blocked })
            })
            .collect();
        for held in 0..8 {
            server.seen.until(|seen| seen.requests.get() == held + 1).await;
            assert_eq!(server.seen.active.get(), 1);
            server.seen.gate.add_permits(1);
        }
        let mut blocked = 0;
        for task in tasks {
            blocked += usize::from(task.await.unwrap() > Duration::ZERO);
        }
        assert!(blocked >= 7, "{blocked} of 8");
        assert_eq!((server.seen.connections.get(), server.seen.most.get()), (1, 1));
    });
}

#[test]
fn a_request_that_is_late_or_dropped_is_reset_and_the_connection_lives_on() {
    on_this_thread(async {
        let server = Server::new();
        let url = server.start().await;
        let users = Users::new(&url, shared_by(2));
        let (mut one, mut other) = (users.user(), users.user());
        one.timeout = Duration::from_millis(50);
        let failure = one.get("/held").await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Timeout, "{failure}");
        assert!(failure.detail.contains("no answer in time") && failure.bytes_sent > 0);
        let dropped = spawn_local(async move { other.get("/held").await.map(|exchange| exchange.status) });
        server.seen.until(|seen| seen.requests.get() == 2).await;
        dropped.abort();
        server.seen.until(|seen| seen.resets.borrow().len() == 2).await;
        assert_eq!(*server.seen.resets.borrow(), [h2::Reason::CANCEL; 2]);
        one.timeout = users::LONG;
        assert_eq!(one.get("/200").await.unwrap().status, 200);
        assert_eq!(server.seen.connections.get(), 1);
    });
}

#[test]
fn a_connection_that_is_ended_in_order_costs_no_request() {
    on_this_thread(async {
        let server = Server { requests_per_connection: 3, ..Server::new() };
        let url = server.start().await;
        let users = Users::new(&url, shared_by(4));
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let mut user = users.user();
                spawn_local(async move {
                    for _ in 0..10 {
                        // Not idempotent: only what the server has not processed may be sent again.
                        assert_eq!(user.ask("POST", "/echo", Some(b"x")).await.unwrap().status, 200);
                    }
                    user.client.counts()
                })
            })
            .collect();
        let (mut opened, mut closed) = (0, 0);
        for task in tasks {
            let counts = task.await.unwrap();
            opened += counts.opened;
            closed += counts.closed_by_peer;
        }
        let answered: usize = server.seen.heads.borrow().len();
        assert_eq!(answered, 40, "no request was processed twice");
        assert!(opened >= 4, "{opened} connections for 40 requests, a few each");
        assert_eq!(opened, server.seen.connections.get() as u64);
        assert!(closed == opened || closed == opened - 1, "{closed} of {opened} were ended by the peer");
    });
}

#[test]
fn a_connection_ends_with_its_last_user_and_answers_pings_before() {
    on_this_thread(async {
        let ended = Rc::new(Notify::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (served, ended_too) = (Rc::new(Notify::new()), Rc::clone(&ended));
        let pinged = Rc::clone(&served);
        spawn_local(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let mut pings = connection.ping_pong().unwrap();
            let (request, mut respond) = connection.accept().await.unwrap().unwrap();
            drop(request);
            respond.send_response(Response::new(()), true).unwrap();
            let idle = spawn_local(async move { while connection.accept().await.is_some() {} });
            // The client has nothing to ask now.
            pings.ping(h2::Ping::opaque()).await.unwrap();
            pinged.notify_one();
            idle.await.unwrap();
            ended_too.notify_one();
        });
        let users = Users::new(&url, shared_by(2));
        let (mut one, other) = (users.user(), users.user());
        one.get("/").await.unwrap();
        served.notified().await;
        drop(one);
        assert!(other.client.is_connected(), "the other user still has it");
        drop(other);
        ended.notified().await;
    });
}

#[test]
fn a_connection_that_the_peer_has_left_is_replaced() {
    on_this_thread(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let left = Rc::new(Notify::new());
        let told = Rc::clone(&left);
        spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let mut connection = h2::server::handshake(stream).await.unwrap();
                let (request, mut respond) = connection.accept().await.unwrap().unwrap();
                drop(request);
                respond.send_response(Response::new(()), true).unwrap();
                // Frames leave while the connection is polled; then it is dropped without a word.
                tokio::select! {
                    _ = connection.accept() => {}
                    () = told.notified() => {}
                }
            }
        });
        let mut user = Users::new(&url, shared_by(1)).user();
        for round in 1..=3 {
            assert_eq!(user.get("/").await.unwrap().status, 200, "round {round}");
            left.notify_one();
            while user.client.is_connected() {
                tokio::task::yield_now().await;
            }
        }
        let counts = user.client.counts();
        assert_eq!((counts.opened, counts.closed_by_peer), (3, 2));
    });
}

fn over_tls(http: HttpVersion, authority: &TestAuthority) -> ConnectorConfig {
    let ca_certificate_pem = Some(authority.ca_pem().as_bytes().to_vec());
    let tls = TlsOptions { ca_certificate_pem, ..TlsOptions::default() };
    ConnectorConfig { tls, http, streams: 4, ..ConnectorConfig::default() }
}

#[test]
fn the_server_chooses_what_is_spoken_over_tls() {
    on_this_thread(async {
        let authority = TestAuthority::default();
        // What the server speaks, what the client may speak, and what becomes of it.
        for (protocols, http, head) in [
            (&["h2", "http/1.1"][..], HttpVersion::Http2, Ok("HTTP/2 ")),
            (&["h2", "http/1.1"], HttpVersion::Auto, Ok("HTTP/2 ")),
            (&["http/1.1"], HttpVersion::Http2, Err(FailureClass::Tls)),
            (&[], HttpVersion::Http2, Err(FailureClass::Protocol)),
        ] {
            let server = Server::new().tls(&authority, protocols);
            let url = server.start().await;
            let mut user = Users::new(&url, over_tls(http, &authority)).user();
            for _ in 0..3 {
                let result = user.get("/200").await.map_err(|failure| failure.class);
                assert_eq!(
                    result.map(|exchange| exchange.status),
                    head.map(|_| 200),
                    "{protocols:?} {http:?}"
                );
                let spoken = user.client.response().head();
                assert!(spoken.starts_with(head.unwrap_or_default().as_bytes()), "{protocols:?} {http:?}");
            }
        }
    });
}

#[test]
fn auto_falls_back_to_http_1() {
    on_this_thread(async {
        let authority = TestAuthority::default();
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let script = Script::each(vec![Step::ReadRequest, Step::send(ok), Step::ReadRequest, Step::send(ok)]);
        let server = ScriptedServer::start_tls(script, &authority);
        let users = Users::new(&server.url(), over_tls(HttpVersion::Auto, &authority));
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let mut user = users.user();
                spawn_local(async move {
                    for _ in 0..5 {
                        let exchange = user.get("/x").await.unwrap();
                        assert_eq!((exchange.status, user.client.response().body()), (200, &b"ok"[..]));
                        assert!(user.client.response().head().starts_with(b"HTTP/1.1 "));
                    }
                    user.client.counts().opened
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), 3, "two requests on each connection");
        }
        // Without TLS nobody is asked.
        let server = ScriptedServer::start(Script::each(vec![Step::ReadRequest, Step::send(ok)]));
        let mut user = Users::new(&server.url(), over_tls(HttpVersion::Auto, &authority)).user();
        assert_eq!(user.get("/").await.unwrap().status, 200);
    });
}

#[test]
fn frames_can_be_spoken_directly() {
    on_this_thread(async {
        let server = Server::new();
        let url = server.start().await;
        let origin = pulse_http::Origin::parse(&url).unwrap();
        let connector = pulse_http::Connector::new(origin, shared_by(1)).unwrap();
        let (connection, _) =
            Http2Connection::connect(&connector, &Http2Settings::default(), users::LONG).await.unwrap();
        let place = connection.place().await.unwrap();
        let head = Request::post(format!("{url}/trailers")).body(()).unwrap();
        let mut stream = connection.open(place, head, false).unwrap();
        let mut body = Bytes::from_static(b"ping");
        poll_fn(|cx| stream.poll_send(cx, &mut body, false)).await.unwrap();
        let head = poll_fn(|cx| stream.poll_head(cx)).await.unwrap();
        assert_eq!(head.status, 200);
        let mut received = Vec::new();
        while let Some(data) = poll_fn(|cx| stream.poll_data(cx)).await {
            received.extend_from_slice(&data.unwrap());
        }
        let trailers = poll_fn(|cx| stream.poll_trailers(cx)).await.unwrap().unwrap();
        assert_eq!((received.as_slice(), trailers["grpc-status"].as_bytes()), (&b"body"[..], &b"0"[..]));
        assert!(connection.is_open() && connection.opened() == 1);
        drop((stream, connection));
        server.seen.until(|seen| seen.ended.get() == 1).await;
    });
}
