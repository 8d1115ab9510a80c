//! The WebSocket of one virtual user (RFC 6455): the handshake is our own request and parser, the frames are tungstenite's,
//! which knows no socket.
//!
//! Waiting has no timer and no task of its own: the deadline is one of the worker's [`Timeouts`]. Pings are answered while a
//! message is waited for. No extension is offered, so that messages are as long on the wire as they are in the script.

use crate::connect::Connector;
use crate::connection::Stream;
use crate::counts::ConnectionCounts;
use crate::exchange::Exchange;
use crate::failure::{Cause, Failure, FailureClass};
use crate::limits::Limits;
use crate::opening::{Opened, open};
use crate::response::ResponseParser;
use crate::timeout::{Deadline, Timeouts};
use crate::view::ResponseView;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};
use tungstenite::{Bytes, Error, Utf8Bytes, WebSocket};

/// Bytes read at once. Ten thousand users are 80 MB.
const READ_BUFFER: usize = 8 << 10;
/// Room in the write buffer besides one message: its frame, and answers to pings.
const WRITE_MARGIN: usize = 64 << 10;

/// A message to be sent.
#[derive(Debug, Clone, Copy)]
pub enum Outgoing<'a> {
    /// As a text message.
    Text(&'a str),
    /// As a binary one.
    Binary(&'a [u8]),
}

/// A message that came; [`WebSocketClient::message`] has its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incoming {
    /// When it was complete.
    pub at: Instant,
    /// Whether it was a text message, which is UTF-8.
    pub is_text: bool,
}

/// How the connection ended after a close of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// When the peer's answer had come.
    pub at: Instant,
    /// The code of the peer's answer; `None` where it gave none.
    pub code: Option<u16>,
}

/// Opens one WebSocket at a time.
#[derive(Debug)]
pub struct WebSocketClient {
    connector: Rc<Connector>,
    deadline: Deadline,
    parser: ResponseParser,
    counts: ConnectionCounts,
    limits: Limits,
    socket: Option<Box<WebSocket<Wire>>>,
    message: Bytes,
}

/// The stream as tungstenite wants it: what is not possible now is [`io::ErrorKind::WouldBlock`], and the task is woken when
/// it is.
#[derive(Debug)]
struct Wire {
    stream: Stream,
    waker: Waker,
    sent: u64,
    received: u64,
}

impl Read for Wire {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.stream.poll_read(&mut Context::from_waker(&self.waker), room) {
            Poll::Ready(result) => result.inspect(|&count| self.received += count as u64),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        let result = self.stream.poll_write_all(&mut Context::from_waker(&self.waker), bytes, &mut written);
        self.sent += written as u64;
        match result {
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending if written == 0 && !bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(written),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.stream.poll_write_all(&mut Context::from_waker(&self.waker), &[], &mut 0) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl WebSocketClient {
    /// A client without a connection. A message may be as long as a body that is kept ([`Limits::kept_body_bytes`]).
    pub fn new(connector: Rc<Connector>, timeouts: &Rc<Timeouts>, limits: Limits) -> Self {
        Self {
            connector,
            deadline: timeouts.register(),
            parser: ResponseParser::new(limits),
            counts: ConnectionCounts::default(),
            limits,
            socket: None,
            message: Bytes::new(),
        }
    }

    /// Connects and asks for the upgrade, within `timeout`. `request` is a GET without a body, as
    /// [`RequestWriter`](crate::RequestWriter) writes it; the fields of the upgrade are added here.
    ///
    /// Only after status 101 is the WebSocket open; any other status is an answer like those of other requests. A 101 that
    /// does not answer this upgrade is a [`FailureClass::BadResponse`].
    pub async fn open(&mut self, request: &[u8], timeout: Duration) -> Result<Exchange, Failure> {
        self.socket = None;
        self.message = Bytes::new();
        let key = generate_key();
        let head = request.strip_suffix(b"\r\n").unwrap_or(request);
        let fields = format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        );
        let request = [head, fields.as_bytes()].concat();
        self.parser.begin_upgrade();
        let Self { connector, deadline, parser, counts, .. } = self;
        let opened = Box::pin(open(connector, deadline, parser, counts, &request, timeout)).await;
        let Opened { stream, exchange } = opened?;
        if exchange.status != 101 {
            return Ok(exchange);
        }
        if let Err(reason) = UpgradeAnswer::check(self.parser.head_view(), &key) {
            let cause = Cause::new(FailureClass::BadResponse, reason);
            return Err(cause.into_failure(exchange.started, exchange.bytes_sent, exchange.bytes_received));
        }
        let most = self.limits.kept_body_bytes;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(most.saturating_add(WRITE_MARGIN))
            .max_message_size(Some(most))
            .max_frame_size(Some(most));
        let wire = Wire { stream, waker: Waker::noop().clone(), sent: 0, received: 0 };
        // A hasty peer's first frames may have come with the head.
        let early = self.parser.surplus().to_vec();
        self.socket = Some(Box::new(WebSocket::from_partially_read(wire, early, Role::Client, Some(config))));
        Ok(exchange)
    }

    /// The head of the answer to the upgrade, with the message that came last in the place of a body.
    pub fn answer(&self) -> ResponseView<'_> {
        ResponseView { body: &self.message, ..self.parser.head_view() }
    }

    /// What the connections have seen so far: how many were opened, and how.
    pub fn counts(&self) -> ConnectionCounts {
        self.counts
    }

    /// Whether messages can be sent. The peer may have closed meanwhile.
    pub fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    /// Sends a message, until `timeout` after `since`; ready when the kernel has all of it. Any failure ends the connection.
    pub async fn send(
        &mut self,
        message: Outgoing<'_>,
        since: Instant,
        timeout: Duration,
    ) -> Result<(), Failure> {
        let mut message = Some(match message {
            Outgoing::Text(text) => Message::Text(text.into()),
            Outgoing::Binary(bytes) => Message::Binary(Bytes::copy_from_slice(bytes)),
        });
        let sending = |socket: &mut WebSocket<Wire>| match message.take() {
            // With a write buffer of no size, writing flushes.
            Some(message) => socket.write(message).and_then(|()| socket.flush()),
            None => socket.flush(),
        };
        self.wait(since, timeout, "the peer did not take the message in time", sending).await.inspect_err(
            |_| {
                self.socket = None;
            },
        )
    }

    /// Waits for the next message, until `timeout` after `since`. After [`FailureClass::Timeout`] the connection is still
    /// open; any other failure ends it. That the peer closes is a [`FailureClass::Closed`] with its code in the detail.
    pub async fn receive(&mut self, since: Instant, timeout: Duration) -> Result<Incoming, Failure> {
        let received = self.wait(since, timeout, "no message in time", next_message).await;
        match received {
            Ok(Next::Message { bytes, is_text }) => {
                self.message = bytes;
                Ok(Incoming { at: Instant::now(), is_text })
            }
            Ok(Next::Closed(frame)) => {
                let cause = Cause::new(FailureClass::Closed, closed_by_peer(frame.as_ref()));
                // The answer to the close is in the buffer; a peer that does not take it is not waited for.
                self.socket = None;
                Err(cause.into_failure(since, 0, 0))
            }
            Err(failure) => {
                if failure.class != FailureClass::Timeout {
                    self.socket = None;
                }
                Err(failure)
            }
        }
    }

    /// The bytes of the message that came last.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Says that the connection is to end and waits for the peer's answer, until `timeout` after `since`; messages that
    /// come meanwhile are passed over. Without a code the close frame is empty.
    pub async fn close(
        &mut self,
        code: Option<u16>,
        since: Instant,
        timeout: Duration,
    ) -> Result<Closed, Failure> {
        let mut frame =
            Some(code.map(|code| CloseFrame { code: code.into(), reason: Utf8Bytes::from_static("") }));
        let closing = |socket: &mut WebSocket<Wire>| {
            if let Some(frame) = frame.take() {
                match socket.close(frame) {
                    Err(error) if !would_block(&error) => return Err(error),
                    _ => {}
                }
            }
            loop {
                if let Next::Closed(frame) = next_message(socket)? {
                    return Ok(frame.map(|frame| u16::from(frame.code)));
                }
            }
        };
        let closed = self.wait(since, timeout, "the peer did not answer the close in time", closing).await;
        self.socket = None;
        Ok(Closed { code: closed?, at: Instant::now() })
    }

    /// Drops the connection without a word.
    pub fn abort(&mut self) {
        self.socket = None;
    }

    /// Bytes sent and received on the open connection after its handshake, frames included; zeros where none is open.
    pub fn traffic(&self) -> (u64, u64) {
        self.socket.as_ref().map_or((0, 0), |socket| (socket.get_ref().sent, socket.get_ref().received))
    }

    /// Repeats `step` whenever the socket can go on, until it is done or the time is over.
    async fn wait<T>(
        &mut self,
        since: Instant,
        timeout: Duration,
        late: &'static str,
        mut step: impl FnMut(&mut WebSocket<Wire>) -> Result<T, Error>,
    ) -> Result<T, Failure> {
        let Self { socket, deadline, .. } = self;
        let Some(socket) = socket else {
            return Err(
                Cause::new(FailureClass::Closed, "the WebSocket is not open").into_failure(since, 0, 0)
            );
        };
        deadline.arm(since, timeout);
        let outcome = poll_fn(|cx| {
            socket.get_mut().waker.clone_from(cx.waker());
            // Before the step, so that a peer that always has more to send does not outrun the deadline.
            if deadline.has_fired(cx.waker()) {
                return Poll::Ready(Err(Cause::new(FailureClass::Timeout, late)));
            }
            match step(socket) {
                Ok(done) => Poll::Ready(Ok(done)),
                Err(error) if would_block(&error) => Poll::Pending,
                Err(error) => Poll::Ready(Err(cause_of(&error))),
            }
        })
        .await;
        deadline.disarm();
        outcome.map_err(|cause| cause.into_failure(since, 0, 0))
    }
}

/// What a WebSocket brings.
enum Next {
    Message { bytes: Bytes, is_text: bool },
    Closed(Option<CloseFrame>),
}

/// The next message or close; pings are answered by the library on the way.
fn next_message(socket: &mut WebSocket<Wire>) -> Result<Next, Error> {
    loop {
        return Ok(match socket.read()? {
            Message::Text(text) => Next::Message { bytes: text.into(), is_text: true },
            Message::Binary(bytes) => Next::Message { bytes, is_text: false },
            Message::Close(frame) => {
                // The library has the answer ready; this puts it on the wire.
                let _unless_the_peer_is_gone = socket.flush();
                Next::Closed(frame)
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        });
    }
}

/// What a service says to the request for a WebSocket.
#[derive(Debug)]
pub struct UpgradeAnswer;

impl UpgradeAnswer {
    /// Whether the head of a 101 answers the upgrade that was asked for with `key` (RFC 6455 §4.1); says why not.
    pub fn check(head: ResponseView<'_>, key: &str) -> Result<(), &'static str> {
        let names = |field: &str, option: &str| {
            head.header_all(field).any(|value| {
                let mut options = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
                options.any(|given| given.eq_ignore_ascii_case(option.as_bytes()))
            })
        };
        if !names("upgrade", "websocket") || !names("connection", "upgrade") {
            return Err("the answer switches to another protocol than WebSocket");
        }
        if head.header("sec-websocket-accept") != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err("the Sec-WebSocket-Accept of the answer does not fit the key of the request");
        }
        if head.header("sec-websocket-extensions").is_some_and(|extensions| !extensions.is_empty()) {
            return Err("the answer uses an extension although none was offered");
        }
        Ok(())
    }
}

fn would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// What a close frame of the peer says, as a sentence.
fn closed_by_peer(frame: Option<&CloseFrame>) -> String {
    match frame {
        None => "the peer closed the WebSocket without a code".to_owned(),
        Some(CloseFrame { code, reason }) if reason.is_empty() => {
            format!("the peer closed the WebSocket with code {}", u16::from(*code))
        }
        Some(CloseFrame { code, reason }) => {
            format!("the peer closed the WebSocket with code {}: {reason}", u16::from(*code))
        }
    }
}

fn cause_of(error: &Error) -> Cause {
    use tungstenite::error::ProtocolError;
    match error {
        Error::Io(error) => Cause::of(error),
        Error::ConnectionClosed | Error::AlreadyClosed => {
            Cause::new(FailureClass::Closed, "the WebSocket is closed")
        }
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Cause::new(
            FailureClass::Closed,
            format!(
                "the peer ended the connection without a close frame (code {})",
                u16::from(CloseCode::Abnormal)
            ),
        ),
        Error::Capacity(_) | Error::WriteBufferFull(_) => {
            Cause::new(FailureClass::TooLarge, error.to_string())
        }
        other => Cause::new(FailureClass::Protocol, other.to_string()),
    }
}
