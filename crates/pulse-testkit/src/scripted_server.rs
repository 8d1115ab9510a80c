//! A server that does exactly what its script says.

use crate::authority::TestAuthority;
use crate::request_reader::{MAX_REQUEST_BYTES, request_length};
use crate::script::{Script, Step};
use crate::server_thread::ServerThread;
use crate::tls_rules::{Handshake, TlsRules};
use crate::websocket::{self, server_frame};
use rustls::{HandshakeKind, ProtocolVersion};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Requests that are recorded; later ones are only counted.
const MAX_RECORDED: usize = 10_000;
/// How long [`ScriptedServer::wait_for`] waits before it declares the test broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// Plays a [`Script`] on every connection.
#[derive(Debug)]
pub struct ScriptedServer {
    // Stopped first: its tasks hold the stage.
    thread: ServerThread,
    stage: Arc<Stage>,
    tls: bool,
}

/// What the server's tasks and the test share.
#[derive(Debug)]
struct Stage {
    record: Mutex<Record>,
    changed: Condvar,
    gate: Semaphore,
}

#[derive(Debug, Default)]
struct Record {
    requests: Vec<Vec<u8>>,
    request_count: usize,
    handshakes: Vec<Handshake>,
    /// Steps done, by connection.
    done: Vec<usize>,
}

impl ScriptedServer {
    /// Starts a server for plain TCP.
    pub fn start(script: Script) -> Self {
        Self::launch(script, None)
    }

    /// Starts a server for TLS. A handshake that fails ends its connection before the first step.
    pub fn start_tls(script: Script, authority: &TestAuthority) -> Self {
        Self::start_tls_with(script, authority, TlsRules::default())
    }

    /// The same with rules for its clients.
    pub fn start_tls_with(script: Script, authority: &TestAuthority, rules: TlsRules) -> Self {
        Self::launch(script, Some(TlsAcceptor::from(authority.strict_server_config(&["http/1.1"], rules))))
    }

    fn launch(script: Script, acceptor: Option<TlsAcceptor>) -> Self {
        let stage =
            Arc::new(Stage { record: Mutex::default(), changed: Condvar::new(), gate: Semaphore::new(0) });
        let tls = acceptor.is_some();
        let shared = Arc::clone(&stage);
        let thread = ServerThread::start("scripted-server", move |connection, stream| {
            let (stage, acceptor, steps) = (Arc::clone(&shared), acceptor.clone(), script.steps(connection));
            stage.update(|record| record.done.push(0));
            async move {
                let peer = match acceptor {
                    None => Peer::Plain(stream),
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => {
                            stage.update(|record| record.handshakes.push(handshake(&stream)));
                            Peer::Tls(Box::new(stream))
                        }
                        Err(_) => return, // the client refused the certificate, which tests ask for
                    },
                };
                // An I/O error means that the client has gone, which many scripts provoke.
                play(&stage, connection, peer, &steps).await.ok();
            }
        });
        Self { thread, stage, tls }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.thread.address
    }

    /// `http://127.0.0.1:port`, or `https://` with TLS.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address())
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.stage.record().done.len()
    }

    /// Requests read so far.
    pub fn request_count(&self) -> usize {
        self.stage.record().request_count
    }

    /// The first 10 000 requests, as received.
    pub fn requests(&self) -> Vec<Vec<u8>> {
        self.stage.record().requests.clone()
    }

    /// The TLS handshakes that succeeded so far.
    pub fn handshakes(&self) -> Vec<Handshake> {
        self.stage.record().handshakes.clone()
    }

    /// Lets one [`Step::Gate`] pass.
    pub fn open_gate(&self) {
        self.stage.gate.add_permits(1);
    }

    /// Blocks until the n-th connection (from 0) has done so many steps.
    ///
    /// # Panics
    /// Where that has not happened within 20 s.
    pub fn wait_for(&self, connection: usize, steps: usize) {
        let is_short = |record: &mut Record| record.done.get(connection).is_none_or(|done| *done < steps);
        let record = self.stage.record();
        let (record, waited) = self
            .stage
            .changed
            .wait_timeout_while(record, PATIENCE, is_short)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "connection {connection} has not done {steps} steps: {:?}", record.done);
    }
}

impl Stage {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut Record)) {
        change(&mut self.record());
        self.changed.notify_all();
    }
}

fn handshake(stream: &TlsStream<TcpStream>) -> Handshake {
    let connection = stream.get_ref().1;
    Handshake {
        server_name: connection.server_name().map(str::to_owned),
        version: if connection.protocol_version() == Some(ProtocolVersion::TLSv1_3) { 13 } else { 12 },
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        client_certificate: connection.peer_certificates().is_some(),
    }
}

enum Peer {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Peer {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer).await,
            Self::Tls(stream) => stream.read(buffer).await,
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    async fn half_close(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.shutdown().await,
            Self::Tls(stream) => stream.shutdown().await,
        }
    }

    fn reset(self) -> io::Result<()> {
        match &self {
            Self::Plain(stream) => stream.set_zero_linger(),
            Self::Tls(stream) => stream.get_ref().0.set_zero_linger(),
        }
    }
}

async fn play(stage: &Stage, connection: usize, mut peer: Peer, steps: &[Step]) -> io::Result<()> {
    let mut input = Vec::new();
    let mut next = 0;
    while let Some(step) = steps.get(next) {
        next += 1;
        match step {
            Step::ReadRequest | Step::AcceptWebSocket => {
                let Some(request) = read_request(&mut peer, &mut input).await? else { break };
                if *step == Step::AcceptWebSocket {
                    peer.send(&websocket::accept(&request)).await?;
                }
                stage.update(|record| {
                    record.request_count += 1;
                    if record.requests.len() < MAX_RECORDED {
                        record.requests.push(request);
                    }
                });
            }
            Step::Echo(messages) => {
                if !echo(&mut peer, &mut input, *messages).await? {
                    break;
                }
            }
            Step::ReadSome => {
                peer.read(&mut [0; 4096]).await?;
            }
            Step::Send(bytes) => peer.send(bytes).await?,
            Step::SendSplit(bytes, length) => {
                for piece in bytes.chunks((*length).max(1)) {
                    peer.send(piece).await?;
                    tokio::task::yield_now().await;
                }
            }
            Step::SendForever(bytes) => loop {
                peer.send(bytes).await?;
            },
            Step::Pause(duration) => tokio::time::sleep(*duration).await,
            Step::Gate => stage.gate.acquire().await.expect("the gate is never closed").forget(),
            Step::HalfClose => peer.half_close().await?,
            Step::Close => break,
            Step::Reset => {
                peer.reset()?;
                stage.update(|record| record.done[connection] += 1);
                return Ok(());
            }
            Step::Hold => while peer.read(&mut [0; 4096]).await? > 0 {},
            Step::Loop => next = 0,
        }
        stage.update(|record| record.done[connection] += 1);
    }
    // Close before it is said to be done, so that a test that waits for it finds the connection closed.
    if let Peer::Tls(stream) = &mut peer {
        stream.shutdown().await?;
    }
    drop(peer);
    stage.update(|record| record.done[connection] += 1);
    Ok(())
}

/// False when the client has closed.
async fn echo(peer: &mut Peer, input: &mut Vec<u8>, messages: usize) -> io::Result<bool> {
    let mut piece = vec![0; 64 << 10];
    let mut left = messages;
    while left > 0 {
        let Some((first, payload)) = websocket::take_frame(input) else {
            match peer.read(&mut piece).await? {
                0 => return Ok(false),
                count => input.extend_from_slice(&piece[..count]),
            }
            continue;
        };
        match first & 0xf {
            8 => {
                peer.send(&server_frame(first, &payload)).await?;
                return Ok(false);
            }
            9 | 10 => {}
            _ => {
                left -= 1;
                peer.send(&server_frame(first, &payload)).await?;
            }
        }
    }
    Ok(true)
}

async fn read_request(peer: &mut Peer, input: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let mut piece = vec![0; 64 << 10];
    loop {
        if let Some(length) = request_length(input) {
            return Ok(Some(input.drain(..length).collect()));
        }
        assert!(input.len() <= MAX_REQUEST_BYTES, "a request of more than {MAX_REQUEST_BYTES} bytes");
        match peer.read(&mut piece).await? {
            0 => return Ok(None),
            count => input.extend_from_slice(&piece[..count]),
        }
    }
}
