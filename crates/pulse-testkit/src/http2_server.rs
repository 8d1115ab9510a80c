//! A server that speaks HTTP/2 and nothing else.

use crate::authority::TestAuthority;
use crate::server_thread::ServerThread;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, server};
use http::{Request, Response};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Requests whose lines are recorded; later ones are only counted.
const MAX_RECORDED: usize = 10_000;

/// Answers every request with status 200, the header fields `x-server: http2` and `set-cookie: seen=1`, and what it was
/// sent as its body, or `hello` where that was nothing.
#[derive(Debug)]
pub struct Http2Server {
    // Stopped first: its tasks hold the record.
    thread: ServerThread,
    record: Arc<Record>,
    tls: bool,
}

#[derive(Debug, Default)]
struct Record {
    connections: AtomicUsize,
    requests: AtomicUsize,
    lines: Mutex<Vec<String>>,
}

impl Http2Server {
    /// Starts a server for plain TCP (prior knowledge) that allows so many streams per connection at a time.
    pub fn start(streams: u32) -> Self {
        Self::launch(streams, None)
    }

    /// Starts a server for TLS that chooses `h2` (ALPN).
    pub fn start_tls(streams: u32, authority: &TestAuthority) -> Self {
        Self::launch(streams, Some(TlsAcceptor::from(authority.server_config(&["h2"]))))
    }

    fn launch(streams: u32, acceptor: Option<TlsAcceptor>) -> Self {
        let record = Arc::new(Record::default());
        let tls = acceptor.is_some();
        let shared = Arc::clone(&record);
        let thread = ServerThread::start("http2-server", move |_, stream| {
            let (record, acceptor) = (Arc::clone(&shared), acceptor.clone());
            async move {
                match acceptor {
                    None => serve(stream, streams, record).await,
                    // A client that refuses the certificate, or the protocol, is gone.
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => serve(stream, streams, record).await,
                        Err(_) => {}
                    },
                }
            }
        });
        Self { thread, record, tls }
    }

    /// `http://127.0.0.1:port`, or `https://` with TLS.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.thread.address)
    }

    /// Connections on which HTTP/2 was spoken so far.
    pub fn connections(&self) -> usize {
        self.record.connections.load(Ordering::SeqCst)
    }

    /// Requests so far.
    pub fn request_count(&self) -> usize {
        self.record.requests.load(Ordering::SeqCst)
    }

    /// Method, path and `Cookie` field of the first 10 000 requests, separated by spaces.
    pub fn lines(&self) -> Vec<String> {
        self.record.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, streams: u32, record: Arc<Record>) {
    let settings = server::Builder::new().max_concurrent_streams(streams).clone();
    let Ok(mut connection) = settings.handshake::<_, Bytes>(stream).await else { return };
    record.connections.fetch_add(1, Ordering::SeqCst);
    let mut answers = JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        record.count(&request);
        // The client may give its request up.
        answers.spawn(async move { answer(request, respond).await.ok() });
    }
}

impl Record {
    fn count(&self, request: &Request<RecvStream>) {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let cookie =
            request.headers().get("cookie").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < MAX_RECORDED {
            lines.push(format!("{} {target} {cookie}", request.method()));
        }
    }
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut body = request.into_body();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        bytes.extend_from_slice(&data);
    }
    if bytes.is_empty() {
        bytes = b"hello".to_vec();
    }
    let response = Response::builder().header("x-server", "http2").header("set-cookie", "seen=1").body(());
    let mut send = respond.send_response(response.expect("valid fields"), false)?;
    send.send_data(bytes.into(), true)
}
