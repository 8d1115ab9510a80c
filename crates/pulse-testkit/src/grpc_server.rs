//! A server of gRPC that does exactly what the test says: right answers, and every wrong one.

use crate::authority::TestAuthority;
use crate::server_thread::ServerThread;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

/// Calls that are recorded; later ones are only answered.
const MAX_RECORDED: usize = 10_000;

/// A call as the server got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedCall {
    /// Path of the request.
    pub path: String,
    /// Header fields, names in lower case.
    pub fields: Vec<(String, String)>,
    /// Everything the client sent, prefixes of messages included.
    pub body: Vec<u8>,
}

impl ReceivedCall {
    /// The value of a header field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A part of an answer. The first one has to be a head.
#[derive(Debug, Clone)]
pub enum GrpcStep {
    /// Status and header fields; `true` ends the stream.
    Head(u16, Vec<(&'static str, String)>, bool),
    /// Bytes of the body.
    Data(Vec<u8>),
    /// The same bytes without end, as fast as the client takes them.
    Endless(Vec<u8>),
    /// Trailers, which end the stream.
    Trailers(Vec<(&'static str, String)>),
    /// The end of the stream without trailers.
    End,
    /// RST_STREAM with that code.
    Reset(u32),
    /// Nothing more, and no end either.
    Hang,
}

impl GrpcStep {
    /// The usual head.
    pub fn head() -> Self {
        Self::Head(200, vec![("content-type", "application/grpc".into())], false)
    }

    /// A message with its prefix.
    pub fn message(bytes: &[u8]) -> Self {
        let mut data = vec![0];
        data.extend_from_slice(&u32::try_from(bytes.len()).expect("a message of a test").to_be_bytes());
        data.extend_from_slice(bytes);
        Self::Data(data)
    }

    /// Trailers with that status.
    pub fn status(number: u8) -> Self {
        Self::Trailers(vec![("grpc-status", number.to_string())])
    }

    /// A whole answer of one message.
    pub fn answer(message: &[u8]) -> Vec<Self> {
        vec![Self::head(), Self::message(message), Self::status(0)]
    }

    /// A whole answer without messages.
    pub fn refusal(number: u8, message: &str) -> Vec<Self> {
        let fields = vec![
            ("content-type", "application/grpc".into()),
            ("grpc-status", number.to_string()),
            ("grpc-message", message.into()),
        ];
        vec![Self::Head(200, fields, true)]
    }
}

type Handler = dyn Fn(&ReceivedCall) -> Vec<GrpcStep> + Send + Sync;

/// Answers calls as a function of the test says, after having read all that the client sends.
#[derive(Debug)]
pub struct GrpcServer {
    thread: ServerThread,
    calls: Arc<Mutex<Vec<ReceivedCall>>>,
    tls: bool,
}

impl GrpcServer {
    /// Starts a server for plain TCP, spoken to in HTTP/2 without asking.
    pub fn start(handler: impl Fn(&ReceivedCall) -> Vec<GrpcStep> + Send + Sync + 'static) -> Self {
        Self::launch(Arc::new(handler), None)
    }

    /// Starts a server for TLS that offers `h2` alone.
    pub fn start_tls(
        handler: impl Fn(&ReceivedCall) -> Vec<GrpcStep> + Send + Sync + 'static,
        authority: &TestAuthority,
    ) -> Self {
        Self::launch(Arc::new(handler), Some(TlsAcceptor::from(authority.server_config(&["h2"]))))
    }

    fn launch(handler: Arc<Handler>, acceptor: Option<TlsAcceptor>) -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (shared, tls) = (Arc::clone(&calls), acceptor.is_some());
        let thread = ServerThread::start("grpc-server", move |_, stream| {
            let (handler, calls, acceptor) = (Arc::clone(&handler), Arc::clone(&shared), acceptor.clone());
            async move {
                match acceptor {
                    None => serve(stream, handler, calls).await,
                    Some(acceptor) => {
                        // A client that refuses the certificate is what some tests are about.
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, handler, calls).await;
                        }
                    }
                }
            }
        });
        Self { thread, calls, tls }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.thread.address
    }

    /// Its URL, without a path.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.thread.address)
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<ReceivedCall> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve<S>(stream: S, handler: Arc<Handler>, calls: Arc<Mutex<Vec<ReceivedCall>>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (handler, calls) = (Arc::clone(&handler), Arc::clone(&calls));
        tokio::spawn(async move {
            let (parts, body) = request.into_parts();
            // A client that goes away is what some tests are about; the library reports it as an error.
            let Some(call) = receive(Request::from_parts(parts, body)).await else { return };
            let steps = handler(&call);
            {
                let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
                if calls.len() < MAX_RECORDED {
                    calls.push(call);
                }
            }
            play(respond, steps).await;
        });
    }
}

async fn receive(request: Request<RecvStream>) -> Option<ReceivedCall> {
    let (parts, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.ok()?;
        body.extend_from_slice(&data);
        stream.flow_control().release_capacity(data.len()).ok()?;
    }
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let fields = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    Some(ReceivedCall { path: parts.uri.path().to_owned(), fields, body })
}

/// Errors mean that the client has gone, which many tests provoke.
async fn play(mut respond: SendResponse<Bytes>, steps: Vec<GrpcStep>) {
    let mut stream: Option<SendStream<Bytes>> = None;
    for step in steps {
        let played = match (step, &mut stream) {
            (GrpcStep::Head(status, fields, end), none) => {
                let mut response = Response::new(());
                *response.status_mut() = http::StatusCode::from_u16(status).expect("a status of HTTP");
                *response.headers_mut() = map(&fields);
                *none = respond.send_response(response, end).ok();
                none.is_some()
            }
            (GrpcStep::Data(data), Some(stream)) => send(stream, &data).await,
            (GrpcStep::Endless(data), Some(stream)) => {
                while send(stream, &data).await {}
                false
            }
            (GrpcStep::Trailers(fields), Some(stream)) => stream.send_trailers(map(&fields)).is_ok(),
            (GrpcStep::End, Some(stream)) => stream.send_data(Bytes::new(), true).is_ok(),
            (GrpcStep::Reset(code), Some(stream)) => {
                stream.send_reset(Reason::from(code));
                true
            }
            (GrpcStep::Reset(code), None) => {
                respond.send_reset(Reason::from(code));
                true
            }
            (GrpcStep::Hang, _) => std::future::pending().await,
            (_, None) => panic!("an answer begins with a head"),
        };
        if !played {
            return;
        }
    }
}

/// All of the data, as the client's windows allow; `false` when the client takes no more.
async fn send(stream: &mut SendStream<Bytes>, data: &[u8]) -> bool {
    let mut rest = Bytes::copy_from_slice(data);
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        let Some(Ok(capacity)) = poll_fn(|cx| stream.poll_capacity(cx)).await else { return false };
        let piece = rest.split_to(capacity.min(rest.len()));
        if stream.send_data(piece, false).is_err() {
            return false;
        }
    }
    true
}

fn map(fields: &[(&'static str, String)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, String)| {
        let value = HeaderValue::from_str(value).expect("a field of a test");
        (HeaderName::from_static(name), value)
    };
    fields.iter().map(field).collect()
}
