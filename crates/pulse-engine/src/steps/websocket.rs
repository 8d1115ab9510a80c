//! The steps that talk over a WebSocket.
//!
//! Its requests are its upgrades, with status 101, and the messages that its script waits for: such a request begins when
//! the one before it has ended and ends with the message. What the script sends is not waited for by itself.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use pulse_http::{Exchange, Failure, FailureClass, Outgoing, WebSocketClient};
use pulse_model::Nanos;
use pulse_plan::{Action, Receive, Template, WebSocketScript};

use super::data::Feeds;
use super::inspection::{Answer, Desk, Inspection};
use super::program::CompiledStep;
use super::streams::{ECHO_TIME, FIRST_MESSAGE_TIME, MESSAGE_GAP, MESSAGES_RECEIVED, MESSAGES_SENT};
use super::user::{STATUS, StepsUser, unsent};
use super::values::Values;
use super::wire::Pen;
use crate::connections::Connections;
use crate::iteration::{Iteration, Measurement};
use crate::recorder::RequestEnd;

/// Class of a message that was waited for in vain.
const LOST: &str = "lost";
/// Status of an upgrade.
const SWITCHING_PROTOCOLS: u16 = 101;
/// The code of a usual end.
const NORMAL: u16 = 1000;
/// Messages whose answers have not been waited for that are remembered; beyond them the oldest are forgotten.
const MAX_UNANSWERED: usize = 1_000;

/// A user's WebSocket of one step.
#[derive(Debug)]
pub(super) struct Link {
    client: WebSocketClient,
    /// When the request for the upgrade was sent.
    opened: Nanos,
    /// When the last message came.
    last: Option<Nanos>,
    /// Messages that were sent and not answered yet, the oldest first.
    unanswered: VecDeque<Sent>,
    /// Bytes sent and received that are in the figures already.
    counted: (u64, u64),
}

/// A message on its way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    due: Nanos,
    at: Nanos,
}

impl Link {
    pub(super) fn new(client: WebSocketClient) -> Self {
        Self { client, opened: Nanos::ZERO, last: None, unanswered: VecDeque::new(), counted: (0, 0) }
    }

    /// Bytes sent and received since the last time.
    fn traffic(&mut self) -> (u64, u64) {
        let (sent, received) = self.client.traffic();
        let before = std::mem::replace(&mut self.counted, (sent, received));
        (sent.saturating_sub(before.0), received.saturating_sub(before.1))
    }
}

/// How an action ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Done,
    /// The connection is no more, and the script with it.
    Broken,
    /// The budget of requests is used up.
    Cut,
}

/// A script while it runs.
struct Talk<'t, 'i> {
    step: &'t CompiledStep,
    link: &'t mut Link,
    values: &'t mut Values,
    desk: &'t mut Desk,
    feeds: &'t Feeds,
    iteration: &'t mut Iteration<'i>,
}

impl StepsUser {
    /// One run of the script, with the upgrade where the user has no connection; `false` when the iteration has to end.
    pub(super) async fn talk(
        &mut self,
        place: usize,
        script: &WebSocketScript,
        iteration: &mut Iteration<'_>,
    ) -> bool {
        let Self { program, streams, feeds, jar, values, buffer, scratch, desk, .. } = self;
        let step = &program.steps[place];
        let Some(link) = streams.as_mut().and_then(|streams| streams.links[place].as_mut()) else {
            return true;
        };
        if script.receives() == 0 && !iteration.take_request() {
            return false;
        }
        if !script.keep || !link.client.is_open() {
            let pen = Pen { values, feeds, jar, secure: program.is_secure(), scratch };
            let bytes = match step.wire.prepare(pen, buffer) {
                Ok((bytes, _)) => bytes,
                Err(error) => {
                    let now = iteration.clock().now();
                    iteration.record(step.endpoint, unsent(now, &error.to_string()));
                    return true;
                }
            };
            let before = link.client.counts();
            let result = link.client.open(bytes, step.timeout).await;
            let connections = Connections::between(&before, &link.client.counts());
            let mut talk = Talk { step, link, values, desk, feeds, iteration };
            if !talk.opened(result, connections) {
                return true;
            }
            if program.cookies {
                link.client.answer().header_all("set-cookie").for_each(|field| jar.set(field));
            }
        }
        let mut talk = Talk { step, link, values, desk, feeds, iteration };
        let act = talk.run(&script.actions).await;
        if !script.keep && talk.link.client.is_open() {
            talk.close(NORMAL).await;
        }
        act != Act::Cut
    }
}

impl Talk<'_, '_> {
    /// Writes down the upgrade; whether the WebSocket is open.
    fn opened(&mut self, result: Result<Exchange, Failure>, connections: Connections) -> bool {
        let clock = self.iteration.clock();
        match result {
            Ok(exchange) => {
                let open = exchange.status == SWITCHING_PROTOCOLS;
                let message = format!("HTTP status {} instead of 101", exchange.status);
                let end = if open {
                    RequestEnd::Ok
                } else {
                    RequestEnd::Failed { class: STATUS, message: &message }
                };
                let measurement = Measurement {
                    started: clock.at(exchange.started),
                    finished: clock.at(exchange.finished),
                    end,
                    status: exchange.status,
                    bytes_sent: exchange.bytes_sent,
                    bytes_received: exchange.bytes_received,
                    connections,
                    connect: exchange.connect.map(|times| times.total().into()),
                    phases: Some((&exchange).into()),
                    reconnects: 0,
                    redirects: 0,
                };
                self.iteration.record(self.step.endpoint, measurement);
                self.link.opened = clock.at(exchange.sent);
                (self.link.last, self.link.counted) = (None, (0, 0));
                self.link.unanswered.clear();
                open
            }
            Err(failure) => {
                self.failed(failure.class.as_str(), &failure, connections);
                false
            }
        }
    }

    async fn run(&mut self, actions: &[Action]) -> Act {
        let mut first = 0;
        for action in actions {
            let (times, inner) = match action {
                Action::Repeat { times, actions } => (*times, actions.as_slice()),
                other => (1, std::slice::from_ref(other)),
            };
            let mut number = first;
            for _ in 0..times {
                number = first;
                for action in inner {
                    let act = self.act(action, number).await;
                    if act != Act::Done {
                        return act;
                    }
                    number += usize::from(matches!(action, Action::Receive(_)));
                }
            }
            first = number;
        }
        Act::Done
    }

    /// `number` is that of the message to wait for, counted over the script.
    async fn act(&mut self, action: &Action, number: usize) -> Act {
        match action {
            Action::Send(template) => {
                let bytes = self.values.rendered(template, self.feeds);
                self.send(Outgoing::Text(&String::from_utf8_lossy(&bytes))).await
            }
            Action::SendBinary(bytes) => self.send(Outgoing::Binary(bytes)).await,
            Action::Receive(receive) => {
                let step = self.step;
                self.receive(receive, &step.messages[number]).await
            }
            Action::Pause(length) => {
                self.iteration.pause(*length).await;
                Act::Done
            }
            // The grammar has no repetition within a repetition, and `run` takes those around.
            Action::Repeat { .. } => Act::Done,
            Action::Close(code) => self.close(*code).await,
        }
    }

    async fn send(&mut self, message: Outgoing<'_>) -> Act {
        let since = Instant::now();
        let sent = Sent { due: self.iteration.intended(), at: self.iteration.clock().at(since) };
        match self.link.client.send(message, since, self.step.timeout).await {
            Ok(()) => {
                self.iteration.count(self.step.endpoint, MESSAGES_SENT, 1);
                if self.link.unanswered.len() == MAX_UNANSWERED {
                    self.link.unanswered.pop_front();
                }
                self.link.unanswered.push_back(sent);
                Act::Done
            }
            Err(failure) => {
                self.failed(failure.class.as_str(), &failure, Connections::default());
                Act::Broken
            }
        }
    }

    async fn receive(&mut self, receive: &Receive, inspection: &Inspection) -> Act {
        if !self.iteration.take_request() {
            return Act::Cut;
        }
        let since = Instant::now();
        let timeout = receive.timeout.map_or(self.step.timeout, Duration::from);
        loop {
            match self.link.client.receive(since, timeout).await {
                Ok(incoming) => {
                    let at = self.iteration.clock().at(incoming.at);
                    self.came(at);
                    if self.fits(inspection) {
                        self.answered(receive, inspection, self.iteration.clock().at(since), at);
                        return Act::Done;
                    }
                }
                Err(failure) if failure.class == FailureClass::Timeout => {
                    self.link.unanswered.pop_front();
                    self.failed(LOST, &failure, Connections::default());
                    if receive.conditions.is_empty() {
                        // Whatever comes later could not be told from the answer to the next message.
                        self.link.client.abort();
                        return Act::Broken;
                    }
                    return Act::Done;
                }
                Err(failure) => {
                    self.failed(failure.class.as_str(), &failure, Connections::default());
                    return Act::Broken;
                }
            }
        }
    }

    /// A message came, whether or not it is the one that is waited for.
    fn came(&mut self, at: Nanos) {
        let endpoint = self.step.endpoint;
        self.iteration.count(endpoint, MESSAGES_RECEIVED, 1);
        match self.link.last.replace(at) {
            Some(last) => self.iteration.trend(endpoint, MESSAGE_GAP, at.since(last).0),
            None => self.iteration.trend(endpoint, FIRST_MESSAGE_TIME, at.since(self.link.opened).0),
        }
    }

    fn fits(&mut self, inspection: &Inspection) -> bool {
        let Self { link, values, desk, feeds, .. } = self;
        let view = link.client.answer();
        let mut answer = Answer::new(inspection, view, view.body(), 0, Nanos::ZERO, desk);
        let render = |template: &Template, out: &mut Vec<u8>| values.render(template, feeds, out);
        inspection.tests.iter().all(|test| answer.passes(test, &render))
    }

    /// Writes down the message that was waited for, and takes from it what the script wants.
    fn answered(&mut self, receive: &Receive, inspection: &Inspection, waiting_since: Nanos, at: Nanos) {
        let endpoint = self.step.endpoint;
        let sent = self.link.unanswered.pop_front();
        if let Some(sent) = sent {
            self.iteration.trend(endpoint, ECHO_TIME, at.since(sent.due).0);
        }
        let (bytes_sent, bytes_received) = self.link.traffic();
        let started = sent.map_or(waiting_since, |sent| sent.at);
        let measurement =
            Measurement { bytes_sent, bytes_received, ..Measurement::bare(started, at, RequestEnd::Ok) };
        self.iteration.record(endpoint, measurement);
        let Self { link, values, desk, .. } = self;
        let view = link.client.answer();
        let answer = Answer::new(inspection, view, view.body(), 0, Nanos::ZERO, desk);
        for (number, (slot, source)) in receive.extractions.clone().zip(&inspection.extractions) {
            let found = answer.extract(source, &mut values.slots[usize::from(*slot)]);
            self.iteration.check(endpoint, number, found);
        }
    }

    async fn close(&mut self, code: u16) -> Act {
        match self.link.client.close(Some(code), Instant::now(), self.step.timeout).await {
            Ok(closed) => {
                self.iteration.continue_from(self.iteration.clock().at(closed.at));
                Act::Done
            }
            Err(failure) => {
                self.failed(failure.class.as_str(), &failure, Connections::default());
                Act::Broken
            }
        }
    }

    /// Writes down a request that failed.
    fn failed(&mut self, class: &'static str, failure: &Failure, connections: Connections) {
        let clock = self.iteration.clock();
        let message = failure.to_string();
        let end = RequestEnd::Failed { class, message: &message };
        let measurement = Measurement {
            bytes_sent: failure.bytes_sent,
            bytes_received: failure.bytes_received,
            connections,
            ..Measurement::bare(clock.at(failure.started), clock.at(failure.finished), end)
        };
        self.iteration.record(self.step.endpoint, measurement);
    }
}
