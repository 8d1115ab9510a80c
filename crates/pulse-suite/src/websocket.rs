//! A case that sends messages over `WebSocket`s and times their answers.
//!
//! A user of the engine is a connection, an iteration is a message: it is due at its moment whatever happened to the one
//! before, so that a slow answer shows in the response times of those that had to wait. Everything due before the end of
//! the warm-up is for connecting, and is in no judged figure.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use pulse_engine::{
    Behavior, Connections, EndpointId, Endpoints, Iteration, Measurement, Outcome, RequestEnd, RunError,
    VirtualUser,
};
use pulse_http::{
    Connector, ConnectorConfig, ConnectorError, Failure, FailureClass, Limits, Origin, OriginError, Outgoing,
    RequestError, RequestWriter, Timeouts, TlsOptions, WebSocketClient,
};
use pulse_model::{IntervalEvent, Nanos, Series, Snapshot, Tags, metric, tag};
use pulse_plan::MESSAGE_ID;

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
/// Class of a peer that answered the upgrade with something else.
const UPGRADE: &str = "upgrade";
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
    /// What the service's certificate is compared with.
    #[error(transparent)]
    Tls(#[from] ConnectorError),
    /// The request for the upgrade.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// What is sent, and where.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    origin: Arc<Origin>,
    tls: Arc<TlsOptions>,
    /// The request that asks for the upgrade.
    request: Arc<[u8]>,
    payload: Arc<str>,
    timeout: Nanos,
    /// Numbers given to messages so far, over all connections of the case.
    numbers: Arc<AtomicU64>,
}

impl Messages {
    /// Messages with this payload; each is waited for up to `timeout`, and so is a connection.
    pub(crate) fn new(
        url: &str,
        tls: TlsOptions,
        payload: &str,
        timeout: Nanos,
    ) -> Result<Self, WebSocketError> {
        let fail = |reason: String| WebSocketError::Url { url: url.to_owned(), reason };
        let parsed = url::Url::parse(url).map_err(|error| fail(error.to_string()))?;
        let origin = match Origin::of_websocket(&parsed) {
            Err(OriginError::Scheme(other)) => {
                return Err(fail(format!("the scheme is {other}, not ws or wss")));
            }
            other => other.map_err(|error| fail(error.to_string()))?,
        };
        let target = match parsed.query() {
            None => parsed.path().to_owned(),
            Some(query) => format!("{}?{query}", parsed.path()),
        };
        let mut request = Vec::new();
        RequestWriter::start(&mut request, "GET", &target, &origin.authority())?.finish(None)?;
        let messages = Self {
            origin: Arc::new(origin),
            tls: Arc::new(tls),
            request: request.into(),
            payload: payload.into(),
            timeout,
            numbers: Arc::default(),
        };
        // Found now, not by the worker.
        messages.connector()?;
        Ok(messages)
    }

    fn connector(&self) -> Result<Connector, ConnectorError> {
        let config = ConnectorConfig {
            tls: TlsOptions::clone(&self.tls),
            connect_timeout: self.timeout.into(),
            ..ConnectorConfig::default()
        };
        Connector::new(Origin::clone(&self.origin), config)
    }

    /// What a worker does.
    pub(crate) fn behavior(&self) -> Result<MessagesBehavior, RunError> {
        let connector = Rc::new(self.connector()?);
        Ok(MessagesBehavior { messages: self.clone(), connector, timeouts: Rc::new(Timeouts::new()) })
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

/// The connections of one worker.
#[derive(Debug)]
pub(crate) struct MessagesBehavior {
    messages: Messages,
    connector: Rc<Connector>,
    timeouts: Rc<Timeouts>,
}

impl Behavior for MessagesBehavior {
    type User = Connected;

    fn user(&self, _scenario: usize, _number: u64) -> Connected {
        let client = WebSocketClient::new(Rc::clone(&self.connector), &self.timeouts, Limits::default());
        Connected { messages: self.messages.clone(), client, overdue: 0, connect: None }
    }

    fn sweep(&self, now: Instant) {
        self.timeouts.sweep(now);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.timeouts.next_deadline()
    }
}

/// Class and message.
type Failed = (&'static str, String);

/// A connection with its messages.
#[derive(Debug)]
pub(crate) struct Connected {
    messages: Messages,
    client: WebSocketClient,
    /// Answers that came too late or never: without numbers, the next ones that come belong to those.
    overdue: u64,
    /// How long the connection took, until a message carries it into the figures.
    connect: Option<(Nanos, Connections)>,
}

impl VirtualUser for Connected {
    async fn iterate(&mut self, iteration: &mut Iteration<'_>) -> Outcome {
        let clock = iteration.clock();
        if !self.client.is_open() {
            let started = clock.now();
            let before = self.client.counts();
            let opened = self.open().await;
            let connections = Connections::between(&before, &self.client.counts());
            match opened {
                Ok(()) => {
                    self.connect = Some((clock.now().since(started), connections));
                    // The first message is the next one: this one has waited for the connection.
                    return Outcome::Completed;
                }
                Err((class, message)) => {
                    let end = RequestEnd::Failed { class, message: &message };
                    let measurement =
                        Measurement { connections, ..Measurement::bare(started, clock.now(), end) };
                    iteration.record(CONNECT, measurement);
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
        let answered = self.exchange(&text, number, expects_number).await;
        let finished = clock.now();
        let (failure, bytes_received) = match answered {
            Ok(bytes_received) => (None, bytes_received),
            Err(failure) if failure.class == FailureClass::Timeout => {
                self.overdue += u64::from(!expects_number);
                (Some((LOST, format!("no answer within {}", self.messages.timeout))), 0)
            }
            Err(failure) => (Some((failure.class.as_str(), failure.detail.into_owned())), 0),
        };
        let end = match &failure {
            None => RequestEnd::Ok,
            Some((class, message)) => RequestEnd::Failed { class, message },
        };
        let (connect, connections) = self.connect.take().unzip();
        let measurement = Measurement {
            connections: connections.unwrap_or_default(),
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
    async fn open(&mut self) -> Result<(), Failed> {
        self.overdue = 0;
        match self.client.open(&self.messages.request, self.messages.timeout.into()).await {
            Ok(_) if self.client.is_open() => Ok(()),
            Ok(exchange) => Err((UPGRADE, format!("HTTP status {} instead of 101", exchange.status))),
            Err(failure) if failure.class == FailureClass::BadResponse => {
                Err((UPGRADE, failure.detail.into_owned()))
            }
            Err(failure) => Err((failure.class.as_str(), failure.detail.into_owned())),
        }
    }

    /// Sends a message and waits for its answer; returns the answer's size.
    async fn exchange(&mut self, text: &str, number: u64, expects_number: bool) -> Result<u64, Failure> {
        let (since, timeout) = (Instant::now(), self.messages.timeout.into());
        self.client.send(Outgoing::Text(text), since, timeout).await?;
        let wanted = number.to_string();
        loop {
            self.client.receive(since, timeout).await?;
            let message = self.client.message();
            let answers = if expects_number {
                contains_number(&String::from_utf8_lossy(message), &wanted)
            } else {
                let was_overdue = self.overdue > 0;
                self.overdue = self.overdue.saturating_sub(1);
                !was_overdue
            };
            if answers {
                return Ok(self.client.message().len() as u64);
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
        for (url, reason) in [("http://127.0.0.1/ws", "the scheme is http"), ("/ws", "relative URL")] {
            let messages = Messages::new(url, TlsOptions::default(), "", Nanos::from_secs(1));
            let error = messages.unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let insecure = TlsOptions { insecure: true, ..TlsOptions::default() };
        for url in ["ws://127.0.0.1:8000/ws?a=b", "wss://127.0.0.1/ws"] {
            let messages = Messages::new(url, insecure.clone(), "ping", Nanos::from_secs(1)).unwrap();
            assert_eq!(messages.origin.scheme.as_str() == "https", url.starts_with("wss"));
        }
    }
}
