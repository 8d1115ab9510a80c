//! The layer around real axum routers: which endpoint, which status, how long.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, get_service, post};
use futures_util::stream::{self, StreamExt as _};
use pulse_model::{Aggregate, Series, Snapshot, metric, tag};
use pulse_monitor::{Config, Monitor, MonitorLayer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tower::ServiceExt as _;

/// Every request that was recorded: method, endpoint, status and outcome.
fn recorded(monitor: &Monitor) -> Vec<String> {
    let snapshot: Snapshot = monitor.totals();
    let requests = Series::new(metric::RESPONSE_TIME);
    let mut recorded = Vec::new();
    for (series, aggregate) in snapshot.matching(&requests) {
        let Aggregate::Trend(times) = aggregate else { panic!("{series}: {aggregate:?}") };
        let tag = |name| series.tag(name).unwrap_or("-");
        let line = [tag::METHOD, tag::ENDPOINT, tag::STATUS, tag::OUTCOME].map(tag).join(" ");
        recorded.extend(std::iter::repeat_n(line, times.count() as usize));
    }
    recorded
}

/// The time of all requests.
fn longest(monitor: &Monitor) -> Duration {
    Duration::from_nanos(
        monitor.totals().trend(&Series::new(metric::RESPONSE_TIME)).max().unwrap_or_default(),
    )
}

fn monitor() -> Monitor {
    Monitor::new(Config::default())
}

fn request(method: &str, path: &str) -> Request {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    Request::builder().method(method).uri(path).body(Body::empty()).expect("a request")
}

/// Sends a request and reads the whole answer.
async fn send(app: &Router, method: &str, path: &str) -> StatusCode {
    let answer = app.clone().oneshot(request(method, path)).await.expect("an answer");
    let status = answer.status();
    axum::body::to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
    status
}

fn users() -> Router {
    Router::new().route("/{id}", get(async || "a user")).route("/{id}/posts/{post}", get(async || "a post"))
}

fn app(monitor: &Monitor) -> Router {
    Router::new()
        .route("/", get(async || "home"))
        .route("/orders", post(async || StatusCode::CREATED).get(async || StatusCode::NO_CONTENT))
        .route("/broken", any(async || StatusCode::INTERNAL_SERVER_ERROR))
        .nest("/users", users())
        .nest_service("/files", get_service(tower::service_fn(file)))
        .fallback(async || (StatusCode::NOT_FOUND, "nothing here"))
        .layer(MonitorLayer::new(monitor.clone()))
}

async fn file(_: Request) -> Result<Response, Infallible> {
    Ok("a file".into_response())
}

#[tokio::test]
async fn the_endpoint_is_the_template_and_the_status_the_answers() {
    for (method, path, line) in [
        ("GET", "/", "GET / 200 ok"),
        ("GET", "/?a=1", "GET / 200 ok"),
        ("HEAD", "/", "HEAD / 200 ok"),
        ("POST", "/orders", "POST /orders 201 ok"),
        ("GET", "/orders", "GET /orders 204 ok"),
        ("DELETE", "/orders", "DELETE /orders 405 failed"),
        ("PURGE", "/broken", "_OTHER /broken 500 failed"),
        ("GET", "/users/4711", "GET /users/{id} 200 ok"),
        ("GET", "/users/4711/posts/1", "GET /users/{id}/posts/{post} 200 ok"),
        ("GET", "/users/4711/unknown", "GET _unmatched 404 failed"),
        ("GET", "/wp-admin.php", "GET _unmatched 404 failed"),
    ] {
        let monitor = monitor();
        send(&app(&monitor), method, path).await;
        assert_eq!(recorded(&monitor), [line], "{method} {path}");
    }
}

#[tokio::test]
async fn what_clients_choose_never_becomes_a_series() {
    let monitor = monitor();
    let app = app(&monitor);
    for i in 0..200 {
        send(&app, "GET", &format!("/unknown/{i}")).await;
        send(&app, "GET", &format!("/users/{i}")).await;
        send(&app, "GET", &format!("/files/{i}/x")).await;
        send(&app, &format!("M{i}"), "/broken").await;
    }
    let mut lines = recorded(&monitor);
    assert_eq!(lines.len(), 800);
    lines.dedup();
    assert_eq!(lines.len(), 4, "{lines:?}");
    // Of what is nested as a service axum tells no template.
    assert!(lines.contains(&"GET _unmatched 200 ok".to_owned()), "{lines:?}");
}

#[tokio::test]
async fn routes_added_after_the_layer_are_not_measured() {
    let monitor = monitor();
    let app = app(&monitor).route("/late", get(async || "late"));
    assert_eq!(send(&app, "GET", "/late").await, StatusCode::OK);
    assert_eq!(recorded(&monitor), [""; 0]);
}

/// A body that is given out as the test says.
fn gated(gate: Arc<Notify>) -> Body {
    let pieces = stream::unfold((0, gate), async |(sent, gate)| {
        if sent == 2 {
            return None;
        }
        gate.notified().await;
        Some((Ok::<_, Infallible>(Bytes::from_static(b"piece")), (sent + 1, gate)))
    });
    Body::from_stream(pieces)
}

fn streaming(monitor: &Monitor, gate: &Arc<Notify>) -> Router {
    let (piecewise, events, known) = (gate.clone(), gate.clone(), gate.clone());
    Router::new()
        .route("/pieces", get(async move || gated(piecewise)))
        .route(
            "/events",
            get(async move || ([("content-type", "text/event-stream; charset=utf-8")], gated(events))),
        )
        .route("/known", get(async move || ([("content-length", "10")], gated(known))))
        .layer(MonitorLayer::new(monitor.clone()))
}

#[tokio::test]
async fn a_streamed_answer_is_recorded_at_its_last_byte() {
    let (monitor, gate) = (monitor(), Arc::new(Notify::new()));
    let answer = streaming(&monitor, &gate).oneshot(request("GET", "/pieces")).await.unwrap();
    assert_eq!(recorded(&monitor), [""; 0]);
    let answered = Instant::now();
    let mut pieces = answer.into_body().into_data_stream();
    gate.notify_one();
    assert_eq!(pieces.next().await.unwrap().unwrap(), "piece");
    assert_eq!(recorded(&monitor), [""; 0]);
    let waited = answered.elapsed();
    gate.notify_one();
    assert_eq!(pieces.next().await.unwrap().unwrap(), "piece");
    assert!(pieces.next().await.is_none());
    assert_eq!(recorded(&monitor), ["GET /pieces 200 ok"]);
    assert!(longest(&monitor) >= waited, "{:?} {waited:?}", longest(&monitor));
}

#[tokio::test]
async fn an_event_stream_is_recorded_when_it_begins() {
    let (monitor, gate) = (monitor(), Arc::new(Notify::new()));
    let answer = streaming(&monitor, &gate).oneshot(request("GET", "/events")).await.unwrap();
    assert_eq!(recorded(&monitor), ["GET /events 200 ok"]);
    drop(answer);
    assert_eq!(recorded(&monitor), ["GET /events 200 ok"]);
}

#[tokio::test]
async fn an_answer_that_is_given_up_or_breaks_off_is_no_success() {
    let monitor = monitor();
    let gate = Arc::new(Notify::new());
    // Dropped in the middle of the body.
    drop(streaming(&monitor, &gate).oneshot(request("GET", "/pieces")).await.unwrap());
    assert_eq!(recorded(&monitor), ["GET /pieces 499 failed"]);

    // Dropped before there was an answer, as a timeout further out does.
    let monitor = self::monitor();
    let never = Router::new()
        .route("/never", get(std::future::pending::<()>))
        .layer(MonitorLayer::new(monitor.clone()));
    let answer = never.oneshot(request("GET", "/never"));
    tokio::select! {
        biased;
        answer = answer => panic!("{answer:?}"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(recorded(&monitor), ["GET /never 499 failed"]);

    // The service fails in the middle of the body.
    let monitor = self::monitor();
    let failing = stream::iter([Ok(Bytes::from_static(b"x")), Err(std::io::Error::other("disk"))]);
    let failing = Arc::new(std::sync::Mutex::new(Some(failing)));
    let app = Router::new()
        .route("/fails", get(async move || Body::from_stream(failing.lock().unwrap().take().unwrap())))
        .layer(MonitorLayer::new(monitor.clone()));
    let answer = app.oneshot(request("GET", "/fails")).await.unwrap();
    assert!(axum::body::to_bytes(answer.into_body(), 100).await.is_err());
    assert_eq!(recorded(&monitor), ["GET /fails 500 failed"]);
}

/// An inner service whose error reaches the layer, which a handler of axum has none of.
#[tokio::test]
async fn an_error_of_the_service_is_a_failure() {
    let monitor = monitor();
    let failing = tower::service_fn(async |_: Request| Err::<Response, _>("broken"));
    let service = tower::Layer::layer(&MonitorLayer::new(monitor.clone()), failing);
    assert_eq!(service.oneshot(request("GET", "/x")).await.err(), Some("broken"));
    assert_eq!(recorded(&monitor), ["GET _unmatched 500 failed"]);
}

/// The app on a real server; returns its address.
async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn connect(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.expect("sent");
    stream
}

/// Waits until something was recorded; the test's own time limit is the only other end.
async fn until_recorded(monitor: &Monitor) -> Vec<String> {
    loop {
        let lines = recorded(monitor);
        if !lines.is_empty() {
            return lines;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn over_a_real_connection() {
    let monitor = monitor();
    let app = Router::new()
        .route("/", get(async || "home"))
        .route("/panics", get(panics))
        .route("/panics-later", get(panics_later))
        .route("/never", get(std::future::pending::<()>))
        .route(
            "/endless",
            get(async || Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>("more")))),
        )
        .layer(MonitorLayer::new(monitor.clone()));
    let address = serve(app).await;

    let mut stream = connect(address, "/").await;
    let mut head = [0; 15];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    assert_eq!(until_recorded(&monitor).await, ["GET / 200 ok"]);
    drop(stream);

    for (path, line) in [
        ("/panics", "GET /panics 500 failed"),
        ("/panics-later", "GET /panics-later 500 failed"),
        ("/never", "GET /never 499 failed"),
        ("/endless", "GET /endless 499 failed"),
    ] {
        let before = recorded(&monitor);
        let mut stream = connect(address, path).await;
        if path == "/endless" {
            stream.read_exact(&mut head).await.unwrap();
        }
        if path.starts_with("/panics") {
            // The server drops the connection, whatever it has sent.
            while stream.read(&mut head).await.is_ok_and(|length| length > 0) {}
        }
        drop(stream);
        let after = loop {
            let after = recorded(&monitor);
            if after.len() > before.len() {
                break after;
            }
            tokio::task::yield_now().await;
        };
        assert!(after.iter().any(|recorded| recorded == line), "{line}: {after:?}");
    }
}

async fn panics() -> StatusCode {
    panic!("a handler's mistake")
}

async fn panics_later() -> Body {
    Body::from_stream(stream::once(async {
        tokio::task::yield_now().await;
        assert!(std::hint::black_box(false), "a mistake in the middle of a body");
        Ok::<_, Infallible>("x")
    }))
}

/// A server stops asking for more once it has sent as many bytes as it had announced.
#[tokio::test]
async fn a_body_of_known_length_is_complete_with_its_last_byte() {
    let (monitor, gate) = (monitor(), Arc::new(Notify::new()));
    let address = serve(streaming(&monitor, &gate)).await;
    let mut stream = connect(address, "/known").await;
    gate.notify_one();
    let mut text = String::new();
    let mut piece = [0; 512];
    while !text.ends_with("piece") {
        let read = stream.read(&mut piece).await.unwrap();
        text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
    gate.notify_one();
    assert_eq!(until_recorded(&monitor).await, ["GET /known 200 ok"]);
}
