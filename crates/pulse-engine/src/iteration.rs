//! One iteration, as the behavior sees it: its number, its intended start, and where to write down what happened.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use pulse_model::Nanos;

use crate::clock::Clock;
use crate::connections::Connections;
use crate::endpoints::EndpointId;
use crate::kick::Kick;
use crate::pauses::Pauses;
use crate::phases::Phases;
use crate::recorder::{Recorder, RequestEnd, Sample};

/// What all users of a worker share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) recorder: RefCell<Recorder>,
    pub(crate) pauses: Rc<Pauses>,
    pub(crate) kick: Kick,
    /// A user has been awake since this was last taken; of interest to a main loop that spins.
    pub(crate) worked: Cell<bool>,
}

/// What was measured of one request, without the intended start, which the iteration knows.
#[derive(Clone, Copy, Debug)]
pub struct Measurement<'a> {
    /// When it was begun, connecting included.
    pub started: Nanos,
    /// When its last byte had come, or it had failed.
    pub finished: Nanos,
    /// How it ended.
    pub end: RequestEnd<'a>,
    /// HTTP status; 0 when none came.
    pub status: u16,
    /// Bytes written.
    pub bytes_sent: u64,
    /// Bytes read.
    pub bytes_received: u64,
    /// Connections opened for it; more than one where it had to be sent again.
    pub connections: Connections,
    /// How long the last of them took, name resolution and TLS included.
    pub connect: Option<Nanos>,
    /// Where its service time went; `None` for what was not answered or has no phases.
    pub phases: Option<Phases>,
    /// Kept connections that turned out to be closed and were opened again.
    pub reconnects: u64,
    /// Redirects that were followed.
    pub redirects: u64,
}

impl<'a> Measurement<'a> {
    /// Something that ended as `end` says, without a connection or an answer.
    pub fn bare(started: Nanos, finished: Nanos, end: RequestEnd<'a>) -> Self {
        Self {
            started,
            finished,
            end,
            status: 0,
            bytes_sent: 0,
            bytes_received: 0,
            connections: Connections::default(),
            connect: None,
            phases: None,
            reconnects: 0,
            redirects: 0,
        }
    }

    /// A failure of a class, without a connection or an answer.
    pub fn failed(started: Nanos, finished: Nanos, class: &'static str, message: &'a str) -> Self {
        Self::bare(started, finished, RequestEnd::Failed { class, message })
    }
}

/// One iteration of a user.
#[derive(Debug)]
pub struct Iteration<'a> {
    shared: &'a Shared,
    requests_left: &'a Cell<Option<u64>>,
    number: u64,
    due: Nanos,
    /// Intended start of the next request: that of the iteration, then the end of the request before plus the pause.
    intended: Nanos,
    /// When it ended, where the behavior has said so.
    ended: Option<Nanos>,
}

impl<'a> Iteration<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        requests_left: &'a Cell<Option<u64>>,
        number: u64,
        due: Nanos,
    ) -> Self {
        Self { shared, requests_left, number, due, intended: due, ended: None }
    }

    /// Closed: the user's n-th iteration; open: the n-th arrival over all workers. From 0.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The intended start.
    pub fn due(&self) -> Nanos {
        self.due
    }

    /// The clock of the run.
    pub fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// Takes one request from the budget; `false` when it is used up and the iteration has to end.
    pub fn take_request(&self) -> bool {
        match self.requests_left.get() {
            None => true,
            Some(0) => false,
            Some(left) => {
                self.requests_left.set(Some(left - 1));
                true
            }
        }
    }

    /// Writes down a request. Its response time counts from when it was due: for the first request of an iteration the
    /// iteration's intended start, for a later one the end of the one before and the pause after it.
    pub fn record(&mut self, endpoint: EndpointId, measured: Measurement<'_>) {
        let sample = Sample {
            intended: self.intended,
            started: measured.started,
            finished: measured.finished,
            end: measured.end,
            status: measured.status,
            bytes_sent: measured.bytes_sent,
            bytes_received: measured.bytes_received,
            connections: measured.connections,
            connect: measured.connect,
            phases: measured.phases,
            reconnects: measured.reconnects,
            redirects: measured.redirects,
        };
        self.shared.recorder.borrow_mut().request(endpoint, self.due, &sample);
        self.intended = measured.finished;
    }

    /// The intended start of what comes next.
    pub fn intended(&self) -> Nanos {
        self.intended
    }

    /// Lets what comes next be due at `moment`, after something that took its time without being a request.
    pub fn continue_from(&mut self, moment: Nanos) {
        self.intended = moment;
    }

    /// Says that the iteration ends with the request that was written down last, and that nothing was done since: the
    /// clock need not be asked again.
    pub fn end_with_request(&mut self) {
        self.ended = Some(self.intended);
    }

    /// When the iteration ended. Must be asked at once.
    pub(crate) fn end(&self) -> Nanos {
        self.ended.unwrap_or_else(|| self.shared.clock.now())
    }

    /// Writes down the outcome of a check, numbered as in the endpoint's table.
    pub fn check(&self, endpoint: EndpointId, check: usize, passed: bool) {
        self.shared.recorder.borrow_mut().check(endpoint, self.due, check, passed);
    }

    /// Records a value of a further trend, numbered as in the endpoint's [`Extras`](crate::Extras).
    pub fn trend(&self, endpoint: EndpointId, place: usize, value: u64) {
        self.shared.recorder.borrow_mut().extra_trend(endpoint, self.due, place, value);
    }

    /// Adds to a further counter, numbered as in the endpoint's [`Extras`](crate::Extras).
    pub fn count(&self, endpoint: EndpointId, place: usize, n: u64) {
        self.shared.recorder.borrow_mut().extra_count(endpoint, self.due, place, n);
    }

    /// Waits as a person would between two requests.
    pub async fn pause(&mut self, length: Nanos) {
        self.intended += length;
        self.shared.kick.by(self.intended);
        self.shared.pauses.until(self.intended).await;
    }
}
