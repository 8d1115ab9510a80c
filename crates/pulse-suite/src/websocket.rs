//! A case that sends messages over `WebSocket`s and times their answers.
//!
//! A user of the engine is a connection, an iteration is a message: it is due at its moment whatever happened to the one
//! before, so that a slow answer shows in the response times of those that had to wait. Everything due before the end of
//! the warm-up is for connecting, and is in no judged figure.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use pulse_engine::{
    Behavior, EndpointId, Endpoints, Iteration, Measurement, Outcome, RequestEnd, VirtualUser,
};
use pulse_model::{IntervalEvent, Nanos, Series, Snapshot, Tags, metric, tag};
use pulse_plan::MESSAGE_ID;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// The endpoint of connections that failed.
const CONNECT: EndpointId = EndpointId(0);
/// The endpoint of messages.
const MESSAGE: EndpointId = EndpointId(1);
/// Name of the endpoint of messages.
const MESSAGE_NAME: &str = "message";
/// Name of the endpoint of connections that failed.
const CONNECT_NAME: &str = "connect";
/// Class of a message that was not answered in time.
const LOST: &str = "lost";
/// Class of a message whose connection ended.
const CLOSED: &str = "closed";
/// Class of a connection that took too long.
const TIMEOUT: &str = "timeout";
/// Class of a connection that the network refused.
const REFUSED: &str = "refused";
/// Class of a connection that broke.
const NETWORK: &str = "network";
/// Class of a peer that answered the upgrade with something else.
const UPGRADE: &str = "upgrade";
/// Class of a peer that does not keep to the protocol.
const PROTOCOL: &str = "protocol";
/// The largest message that is read.
const MAX_MESSAGE_BYTES: usize = 16 << 20;
/// Numbers of messages begin here: sixteen digits, so that none of them is mistaken for a price or a time stamp, and
/// still exact in a JavaScript number.
const FIRST_ID: u64 = 4_000_000_000_000_000;

/// Why a WebSocket cannot be tested.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebSocketError {
    /// The address.
    #[error("`{url}` is not the address of a WebSocket: {reason}; write for example ws://127.0.0.1:8000/ws")]
    Url {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What is sent, and where.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    url: Arc<str>,
    payload: Arc<str>,
    timeout: Nanos,
    /// Numbers given to messages so far, over all connections of the case.
    numbers: Arc<AtomicU64>,
}

impl Messages {
    /// Messages with this payload; each is waited for up to `timeout`, and so is a connection.
    pub(crate) fn new(url: &str, payload: &str, timeout: Nanos) -> Result<Self, WebSocketError> {
        let fail = |reason: &str| WebSocketError::Url { url: url.to_owned(), reason: reason.to_owned() };
        let parsed = url::Url::parse(url).map_err(|error| fail(&error.to_string()))?;
        match parsed.scheme() {
            "ws" => {}
            "wss" => return Err(fail("WebSockets over TLS are not supported")),
            other => return Err(fail(&format!("the scheme is {other}, not ws"))),
        }
        Ok(Self { url: url.into(), payload: payload.into(), timeout, numbers: Arc::default() })
    }

    /// The table: connections that fail, and messages.
    pub(crate) fn endpoints() -> Arc<Endpoints> {
        let scenario: Arc<str> = "websocket".into();
        let mut endpoints = Endpoints { scenarios: vec![Arc::clone(&scenario)], ..Endpoints::default() };
        endpoints.add(&scenario, &CONNECT_NAME.into(), Tags::new(), Vec::new());
        endpoints.add(&scenario, &MESSAGE_NAME.into(), Tags::new(), Vec::new());
        Arc::new(endpoints)
    }
}

/// Messages that were sent and whose answer never came.
pub(crate) fn lost_messages(totals: &Snapshot) -> (u64, u64) {
    let message = Series::new(metric::FAILURES).with(tag::ENDPOINT, MESSAGE_NAME);
    let sent = totals.trend(&Series::new(metric::RESPONSE_TIME).with(tag::ENDPOINT, MESSAGE_NAME)).count();
    (totals.counter(&message), sent)
}

/// Moves failed connections from the warm-up to the judged part: they are failures of the service, whenever they happen.
pub(crate) fn count_failed_connections(event: &mut IntervalEvent) {
    let Some(warmup) = &mut event.warmup else { return };
    let is_connect = |series: &Series| series.tag(tag::ENDPOINT) == Some(CONNECT_NAME);
    for (series, aggregate) in warmup.series.extract_if(.., |series, _| is_connect(series)) {
        event.snapshot.add(series, aggregate);
    }
    for sighting in warmup.sightings.extract_if(.., |sighting| sighting.kind.endpoint == CONNECT_NAME) {
        event.snapshot.sight(&sighting);
    }
}

impl Behavior for Messages {
    type User = Connected;

    fn user(&self, _scenario: usize, _number: u64) -> Connected {
        Connected { messages: self.clone(), socket: None, overdue: 0, connect: None }
    }

    fn sweep(&self, _now: Instant) {}

    fn next_deadline(&self) -> Option<Instant> {
        None
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
/// Class and message.
type Failure = (&'static str, String);

/// A connection with its messages.
#[derive(Debug)]
pub(crate) struct Connected {
    messages: Messages,
    /// `None` before the first connection and after a broken one.
    socket: Option<Socket>,
    /// Answers that came too late or never: without numbers, the next ones that come belong to those.
    overdue: u64,
    /// How long the connection took, until a message carries it into the figures.
    connect: Option<Nanos>,
}

impl VirtualUser for Connected {
    async fn iterate(&mut self, iteration: &mut Iteration<'_>) -> Outcome {
        let clock = iteration.clock();
        if self.socket.is_none() {
            let started = clock.now();
            match self.open().await {
                Ok(socket) => {
                    self.socket = Some(socket);
                    self.connect = Some(clock.now().since(started));
                    // The first message is the next one: this one has waited for the connection.
                    return Outcome::Completed;
                }
                Err((class, message)) => {
                    let end = RequestEnd::Failed { class, message: &message };
                    iteration.record(CONNECT, measured(started, clock.now(), end, 0, 0));
                    return Outcome::Completed;
                }
            }
        }
        if !iteration.take_request() {
            return Outcome::Cut;
        }
        let number = FIRST_ID + self.messages.numbers.fetch_add(1, Ordering::Relaxed);
        let text = self.messages.payload.replace(MESSAGE_ID, &number.to_string());
        let expects_number = self.messages.payload.contains(MESSAGE_ID);
        let bytes_sent = text.len() as u64;
        let started = clock.now();
        let answered =
            tokio::time::timeout(self.messages.timeout.into(), self.exchange(text, number, expects_number))
                .await;
        let finished = clock.now();
        let (failure, bytes_received) = match answered {
            Ok(Ok(bytes_received)) => (None, bytes_received),
            Ok(Err(failure)) => {
                self.socket = None;
                (Some(failure), 0)
            }
            Err(_) => {
                self.overdue += u64::from(!expects_number);
                (Some((LOST, format!("no answer within {}", self.messages.timeout))), 0)
            }
        };
        let end = match &failure {
            None => RequestEnd::Ok,
            Some((class, message)) => RequestEnd::Failed { class, message },
        };
        let connect = self.connect.take();
        let measurement = Measurement {
            connections: u64::from(connect.is_some()),
            connect,
            ..measured(started, finished, end, bytes_sent, bytes_received)
        };
        iteration.record(MESSAGE, measurement);
        Outcome::Completed
    }
}

fn measured(
    started: Nanos,
    finished: Nanos,
    end: RequestEnd<'_>,
    bytes_sent: u64,
    bytes_received: u64,
) -> Measurement<'_> {
    Measurement { bytes_sent, bytes_received, ..Measurement::bare(started, finished, end) }
}

impl Connected {
    async fn open(&mut self) -> Result<Socket, Failure> {
        self.overdue = 0;
        let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE_BYTES));
        let connecting = connect_async_with_config(&*self.messages.url, Some(config), true);
        let limit = Duration::from(self.messages.timeout);
        match tokio::time::timeout(limit, connecting).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(error)) => Err((class_of(&error), error.to_string())),
            Err(_) => Err((TIMEOUT, format!("not connected within {}", self.messages.timeout))),
        }
    }

    /// Sends a message and waits for its answer; returns the answer's size.
    async fn exchange(&mut self, text: String, number: u64, expects_number: bool) -> Result<u64, Failure> {
        let socket = self.socket.as_mut().expect("iterate connects before it sends");
        let broken = |error: Error| (class_of(&error), error.to_string());
        socket.send(Message::text(text)).await.map_err(broken)?;
        let wanted = number.to_string();
        loop {
            let message = match socket.next().await {
                Some(message) => message.map_err(broken)?,
                None => return Err((CLOSED, "the connection ended before the answer".to_owned())),
            };
            let answers = match &message {
                Message::Text(text) if expects_number => contains_number(text, &wanted),
                Message::Binary(bytes) if expects_number => {
                    contains_number(&String::from_utf8_lossy(bytes), &wanted)
                }
                Message::Text(_) | Message::Binary(_) if self.overdue > 0 => {
                    self.overdue -= 1;
                    false
                }
                Message::Text(_) | Message::Binary(_) => true,
                Message::Close(frame) => {
                    let why = frame.as_ref().map(|frame| format!(": {} {}", frame.code, frame.reason));
                    return Err((
                        CLOSED,
                        format!("the peer closed the connection{}", why.unwrap_or_default()),
                    ));
                }
                // The library answers pings itself.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => false,
            };
            if answers {
                return Ok(message.len() as u64);
            }
        }
    }
}

/// Whether a text holds a number that is not part of a longer one.
fn contains_number(text: &str, number: &str) -> bool {
    text.match_indices(number).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + number.len()..]);
        let is_digit = |c: char| c.is_ascii_digit();
        !before.ends_with(is_digit) && !after.starts_with(is_digit)
    })
}

fn class_of(error: &Error) -> &'static str {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => CLOSED,
        Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => REFUSED,
        Error::Io(_) => NETWORK,
        Error::Http(_) | Error::HttpFormat(_) => UPGRADE,
        _ => PROTOCOL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole() {
        for (text, found) in [
            (r#"{"id":42}"#, true),
            (r#"{"id":"42"}"#, true),
            ("142", false),
            ("421", false),
            ("142 42", true),
            ("", false),
        ] {
            assert_eq!(contains_number(text, "42"), found, "{text}");
        }
    }

    #[test]
    fn addresses() {
        for (url, reason) in [
            ("http://127.0.0.1/ws", "the scheme is http"),
            ("wss://127.0.0.1/ws", "over TLS"),
            ("/ws", "relative URL"),
        ] {
            let error = Messages::new(url, "", Nanos::from_secs(1)).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert!(Messages::new("ws://127.0.0.1:8000/ws", "ping", Nanos::from_secs(1)).is_ok());
    }
}
