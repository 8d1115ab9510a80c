//! A server for HTTP/3.

use crate::authority::TestAuthority;
use crate::server_thread::join;
use bytes::{Buf, Bytes};
use h3::error::{Code, StreamError};
use h3::server::RequestStream;
use http::{HeaderMap, Request, Response};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, ServerConfig, VarInt};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use tokio::runtime::Builder;
use tokio::sync::{Notify, Semaphore, oneshot};

/// Answers by the request's path:
///
/// | path | answer |
/// |---|---|
/// | `/echo` | 200 with the request's body, after one interim response, with the method in `x-method` |
/// | `/bytes/N` | 200 with a body of N bytes, and trailers |
/// | `/early` | 200 before the request's body is read, which it never is |
/// | `/silent` | none |
/// | `/endless` | a body that does not end until the client gives up |
/// | `/half` | a head and half of the body that it promises, then none |
/// | `/cut` | a head and half of the body that it promises, and its end |
/// | `/reset` | the stream is reset with `H3_INTERNAL_ERROR` |
/// | `/close` | the connection is closed with `H3_NO_ERROR` |
/// | `/last` | 200 `last`, after which the connection takes no more requests (GOAWAY) |
/// | others | 404 |
#[derive(Debug)]
pub struct Http3Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// One permit for each endless answer that the client has given up.
    cancelled: Semaphore,
    forget: Notify,
}

/// What is sent instead of HTTP/3.
#[derive(Debug, Clone)]
struct Raw {
    control: Vec<u8>,
    answer: Vec<u8>,
}

impl Http3Server {
    /// A server that answers by the table above.
    pub fn start(authority: &TestAuthority) -> Self {
        Self::launch(authority, None)
    }

    /// A server that sends `control` on a stream of its own, which stays open, and `answer` to each request, whose
    /// stream it ends; whatever these bytes are.
    pub fn start_raw(authority: &TestAuthority, control: &[u8], answer: &[u8]) -> Self {
        Self::launch(authority, Some(Raw { control: control.to_vec(), answer: answer.to_vec() }))
    }

    fn launch(authority: &TestAuthority, raw: Option<Raw>) -> Self {
        let tls = Arc::unwrap_or_clone(authority.server_config(&["h3"]));
        let tls = QuicServerConfig::try_from(tls).expect("TLS 1.3 is among the default versions");
        let config = ServerConfig::with_crypto(Arc::new(tls));
        let shared = Arc::new(Shared {
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            cancelled: Semaphore::new(0),
            forget: Notify::new(),
        });
        let (stop, stopped) = oneshot::channel();
        let (bound, address) = std::sync::mpsc::channel();
        let stage = Arc::clone(&shared);
        let run = move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
            runtime.block_on(async {
                let endpoint = Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into());
                let endpoint = endpoint.expect("a free port of 127.0.0.1");
                bound.send(endpoint.local_addr().expect("a bound socket has an address")).ok();
                tokio::select! {
                    _ = stopped => {}
                    () = accept(&endpoint, &stage, raw) => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("http3-server".to_owned()).spawn(run);
        let thread = Some(thread.expect("a thread can be started"));
        let address = address.recv().expect("the server has bound its socket");
        Self { address, shared, stop: Some(stop), thread }
    }

    /// Where it listens, on UDP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, without a path.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Acquire)
    }

    /// Requests read so far.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Acquire)
    }

    /// Waits until a client has given up an endless answer; for each one once.
    pub async fn cancellation(&self) {
        if let Ok(permit) = self.shared.cancelled.acquire().await {
            permit.forget();
        }
    }

    /// Closes all connections with `H3_NO_ERROR`.
    pub fn close_connections(&self) {
        self.shared.forget.notify_waiters();
    }
}

impl Drop for Http3Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok(); // fails where the thread has ended with a panic, which `join` raises
        }
        join(self.thread.take());
    }
}

async fn accept(endpoint: &Endpoint, shared: &Arc<Shared>, raw: Option<Raw>) {
    while let Some(incoming) = endpoint.accept().await {
        let (shared, raw) = (Arc::clone(shared), raw.clone());
        tokio::spawn(async move {
            // A client that refuses the certificate, or goes, is what tests ask for.
            let Ok(connection) = incoming.await else { return };
            shared.connections.fetch_add(1, Ordering::AcqRel);
            let forgotten = shared.forget.notified();
            let serving = async {
                match raw {
                    None => serve(connection.clone(), &shared).await,
                    Some(raw) => serve_raw(&connection, &raw).await.unwrap_or_default(),
                }
            };
            tokio::select! {
                () = serving => {}
                () = forgotten => close(&connection),
            }
        });
    }
}

fn close(connection: &Connection) {
    connection.close(VarInt::from_u32(Code::H3_NO_ERROR.value() as u32), b"");
}

async fn serve_raw(connection: &Connection, raw: &Raw) -> Result<(), quinn::ConnectionError> {
    let mut control = connection.open_uni().await?;
    control.write_all(&raw.control).await.ok();
    loop {
        let (mut send, mut receive) = connection.accept_bi().await?;
        let answer = raw.answer.clone();
        tokio::spawn(async move {
            receive.read_to_end(usize::MAX).await.ok();
            send.write_all(&answer).await.ok();
            send.finish().ok();
            send.stopped().await.ok();
        });
    }
}

async fn serve(connection: Connection, shared: &Arc<Shared>) {
    let quic = h3_quinn::Connection::new(connection.clone());
    let Ok(mut requests) = h3::server::builder().build::<_, Bytes>(quic).await else { return };
    while let Ok(Some(resolver)) = requests.accept().await {
        let Ok((request, stream)) = resolver.resolve_request().await else { continue };
        shared.requests.fetch_add(1, Ordering::AcqRel);
        match request.uri().path() {
            "/close" => close(&connection),
            "/last" => {
                requests.shutdown(0).await.ok();
                tokio::spawn(answer_with(stream, Response::new(()), b"last"));
            }
            _ => {
                let shared = Arc::clone(shared);
                tokio::spawn(async move {
                    let endless = request.uri().path() == "/endless";
                    // Only a client that has gone makes it fail.
                    if answer(request, stream).await.is_err() && endless {
                        shared.cancelled.add_permits(1);
                    }
                });
            }
        }
    }
}

type Stream = RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

async fn answer(request: Request<()>, mut stream: Stream) -> Result<(), StreamError> {
    let path = request.uri().path();
    if let Some(count) = path.strip_prefix("/bytes/") {
        return send_bytes(&mut stream, count.parse().unwrap_or_default()).await;
    }
    match path {
        "/echo" => echo(&request, &mut stream).await,
        "/early" => answer_with(stream, Response::new(()), b"early").await,
        "/silent" => std::future::pending().await,
        "/endless" => {
            stream.send_response(Response::new(())).await?;
            loop {
                stream.send_data(Bytes::from_static(&[b'x'; 1000])).await?;
            }
        }
        "/half" | "/cut" => {
            let head = Response::builder().header("content-length", "10").body(());
            stream.send_response(head.expect("a valid head")).await?;
            stream.send_data(Bytes::from_static(b"12345")).await?;
            if path == "/cut" {
                return stream.finish().await;
            }
            std::future::pending().await
        }
        "/reset" => {
            stream.stop_stream(Code::H3_INTERNAL_ERROR);
            Ok(())
        }
        _ => {
            let head = Response::builder().status(404).body(()).expect("a valid head");
            answer_with(stream, head, b"").await
        }
    }
}

async fn answer_with(mut stream: Stream, head: Response<()>, body: &'static [u8]) -> Result<(), StreamError> {
    stream.send_response(head).await?;
    if !body.is_empty() {
        stream.send_data(Bytes::from_static(body)).await?;
    }
    stream.finish().await
}

async fn echo(request: &Request<()>, stream: &mut Stream) -> Result<(), StreamError> {
    let interim = Response::builder().status(103).body(()).expect("a valid head");
    stream.send_response(interim).await?;
    let mut body = Vec::new();
    while let Some(mut data) = stream.recv_data().await? {
        let bytes = data.copy_to_bytes(data.remaining());
        body.extend_from_slice(&bytes);
    }
    let head = Response::builder().header("x-method", request.method().as_str()).body(());
    stream.send_response(head.expect("a valid head")).await?;
    if !body.is_empty() && request.method() != "HEAD" {
        stream.send_data(Bytes::from(body)).await?;
    }
    stream.finish().await
}

async fn send_bytes(stream: &mut Stream, count: usize) -> Result<(), StreamError> {
    const PIECE: usize = 10_000;
    stream.send_response(Response::new(())).await?;
    let piece = Bytes::from(vec![b'x'; PIECE.min(count)]);
    let mut left = count;
    while left > 0 {
        let length = left.min(PIECE);
        stream.send_data(piece.slice(..length)).await?;
        left -= length;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-count", http::HeaderValue::from(count));
    stream.send_trailers(trailers).await?;
    stream.finish().await
}
