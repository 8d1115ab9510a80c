//! The steps that read server-sent events.
//!
//! The request is the one that opens the stream: its answer is its head, and what comes after that has trends of its own.
//! That the stream fails, or ends before its reader had enough, is a failure of the request.

use std::time::{Duration, Instant};

use memchr::memmem;
use pulse_http::{EventParser, Exchange, Failure, FailureClass, Piece, StreamingClient};
use pulse_model::Nanos;
use pulse_plan::EventsUntil;

use super::inspection::Answer;
use super::program::CompiledStep;
use super::streams::{EVENT_BYTES, FIRST_MESSAGE_TIME, MESSAGE_GAP, MESSAGES_RECEIVED};
use super::user::{STATUS, StepsUser, judge, unsent};
use super::wire::Pen;
use crate::connections::Connections;
use crate::iteration::{Iteration, Measurement};
use crate::recorder::RequestEnd;

/// Class and message of a stream that came to no good end.
type Failed = (&'static str, String);

/// A stream while it is read.
struct Listening<'l, 'i> {
    step: &'l CompiledStep,
    until: &'l EventsUntil,
    /// What an event that ends the reading contains.
    text: Option<Vec<u8>>,
    iteration: &'l Iteration<'i>,
    parser: EventParser,
    opened: Nanos,
    last: Option<Nanos>,
    events: u64,
    done: bool,
}

impl StepsUser {
    /// Opens a stream and reads it for as long as the step says; `false` when the iteration has to end.
    pub(super) async fn listen(
        &mut self,
        place: usize,
        until: &EventsUntil,
        iteration: &mut Iteration<'_>,
    ) -> bool {
        if !iteration.take_request() {
            return false;
        }
        let Self { program, streams, feeds, jar, values, buffer, scratch, desk, .. } = self;
        let step = &program.steps[place];
        let Some(streams) = streams else { return true };
        let text = until.text.as_ref().map(|template| values.rendered(template, feeds));
        let pen = Pen { values, feeds, jar, secure: program.is_secure(), scratch };
        let bytes = match step.wire.prepare(pen, buffer) {
            Ok((bytes, _)) => bytes,
            Err(error) => {
                let now = iteration.clock().now();
                iteration.record(step.endpoint, unsent(now, &error.to_string()));
                return true;
            }
        };
        let before = streams.reader.counts();
        let opened = streams.reader.open(bytes, step.timeout).await;
        let connections = Connections::between(&before, &streams.reader.counts());
        let exchange = match opened {
            Ok(exchange) => exchange,
            Err(failure) => {
                record_unopened(step, &failure, connections, iteration);
                return true;
            }
        };
        let head = streams.reader.head();
        if program.cookies {
            head.header_all("set-cookie").for_each(|field| jar.set(field));
        }
        let waited = exchange.waiting_time().into();
        let mut answer = Answer::new(&step.inspection, head, &[], 0, waited, desk);
        judge(step, &mut answer, values, feeds, iteration);
        let outcome = if let Some(failed) = refused(step, &exchange, &streams.reader) {
            Err(failed)
        } else {
            let mut listening = Listening {
                step,
                until,
                text,
                iteration,
                parser: EventParser::new(EVENT_BYTES),
                opened: iteration.clock().at(exchange.sent),
                last: None,
                events: 0,
                done: false,
            };
            listening.read(&mut streams.reader).await
        };
        record(step, &exchange, &outcome, connections, streams.reader.received(), iteration);
        streams.reader.close();
        true
    }
}

impl Listening<'_, '_> {
    async fn read(&mut self, reader: &mut StreamingClient) -> Result<(), Failed> {
        let begun = Instant::now();
        let mut quiet_since = begun;
        loop {
            // A stream that is read for a time may be silent for as long.
            let (since, limit) = match self.until.length {
                Some(length) => (begun, Duration::from(length)),
                None => (quiet_since, self.step.timeout),
            };
            let piece = match reader.next(since, limit).await {
                Ok(piece) => piece,
                Err(failure) if failure.class == FailureClass::Timeout => return self.silent(),
                Err(failure) => return Err((failure.class.as_str(), failure.detail.into_owned())),
            };
            let (Piece::Bytes(at) | Piece::End(at)) = piece;
            let before = self.events;
            self.take(reader.piece(), at)?;
            if self.done {
                return Ok(());
            }
            if let Piece::End(_) = piece {
                let message = format!("the stream ended after {} events", self.events);
                return Err((FailureClass::Closed.as_str(), message));
            }
            if self.events > before {
                quiet_since = at;
            }
        }
    }

    fn take(&mut self, bytes: &[u8], at: Instant) -> Result<(), Failed> {
        let Self { step, until, text, iteration, parser, opened, last, events, done } = self;
        let at = iteration.clock().at(at);
        let mut sink = |event: pulse_http::Event<'_>| {
            if *done {
                return;
            }
            *events += 1;
            iteration.count(step.endpoint, MESSAGES_RECEIVED, 1);
            match last.replace(at) {
                Some(last) => iteration.trend(step.endpoint, MESSAGE_GAP, at.since(last).0),
                None => iteration.trend(step.endpoint, FIRST_MESSAGE_TIME, at.since(*opened).0),
            }
            let found = text.as_ref().is_some_and(|text| memmem::find(event.data, text).is_some());
            *done = found || until.count.is_some_and(|count| *events >= count);
        };
        parser.feed(bytes, &mut sink).map_err(|error| (error.class().as_str(), error.to_string()))
    }

    /// The time is over, or nothing has come for too long.
    fn silent(&self) -> Result<(), Failed> {
        let class = FailureClass::Timeout.as_str();
        match self.until.length {
            Some(_) if self.events > 0 => Ok(()),
            Some(length) => Err((class, format!("no event within {length}"))),
            None => Err((class, format!("no further event in time after {} of them", self.events))),
        }
    }
}

/// Why an answer is no stream to be read, if it is none.
fn refused(step: &CompiledStep, exchange: &Exchange, reader: &StreamingClient) -> Option<Failed> {
    if !step.expect.contains(exchange.status) {
        return Some((STATUS, format!("HTTP status {}", exchange.status)));
    }
    let kind = reader.head().header("content-type").unwrap_or_default();
    let kind = String::from_utf8_lossy(kind.split(|&byte| byte == b';').next().unwrap_or_default());
    let is_stream = kind.trim().eq_ignore_ascii_case("text/event-stream");
    let message = || format!("the answer is `{}`, not text/event-stream", kind.trim());
    (!is_stream).then(|| (FailureClass::BadResponse.as_str(), message()))
}

fn record(
    step: &CompiledStep,
    exchange: &Exchange,
    outcome: &Result<(), Failed>,
    connections: Connections,
    bytes_received: u64,
    iteration: &mut Iteration<'_>,
) {
    let clock = iteration.clock();
    let now = clock.now();
    let (end, finished) = match outcome {
        Ok(()) => (RequestEnd::Ok, clock.at(exchange.finished)),
        Err((class, message)) => (RequestEnd::Failed { class, message }, now),
    };
    let measurement = Measurement {
        started: clock.at(exchange.started),
        finished,
        end,
        status: exchange.status,
        bytes_sent: exchange.bytes_sent,
        bytes_received,
        connections,
        connect: exchange.connect.map(|times| times.total().into()),
        phases: Some(exchange.into()),
        reconnects: 0,
        redirects: 0,
    };
    iteration.record(step.endpoint, measurement);
    iteration.continue_from(now);
}

fn record_unopened(
    step: &CompiledStep,
    failure: &Failure,
    connections: Connections,
    iteration: &mut Iteration<'_>,
) {
    let clock = iteration.clock();
    let measurement = Measurement {
        started: clock.at(failure.started),
        finished: clock.at(failure.finished),
        end: RequestEnd::Failed { class: failure.class.as_str(), message: &failure.to_string() },
        status: 0,
        bytes_sent: failure.bytes_sent,
        bytes_received: failure.bytes_received,
        connections,
        connect: None,
        phases: None,
        reconnects: 0,
        redirects: 0,
    };
    iteration.record(step.endpoint, measurement);
}
