//! The thread of a push.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pulse_model::Nanos;

use super::outbox::Outbox;
use super::receiver::{Outcome, Receiver};
use super::{Encode, Moment, PushConfig, PushStats, without_password};
use crate::dropped::Dropped;
use crate::liveness::fingerprint;
use crate::{Monitor, clock};

/// Between a push and its thread.
#[derive(Debug, Default)]
pub(super) struct Link {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stats: PushStats,
    /// By when the thread shall have ended.
    end_by: Option<Instant>,
    has_ended: bool,
}

impl Link {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stats(&self) -> PushStats {
        self.state().stats.clone()
    }

    /// Asks the thread to end, and waits for it, but no longer than `limit`: one that waits for a receiver ends by itself once
    /// that answers, or its time is up.
    pub(super) fn end(&self, limit: Duration) {
        let mut state = self.state();
        if state.end_by.is_some() {
            return;
        }
        state.end_by = Some(Instant::now() + limit);
        self.changed.notify_all();
        let waited = self.changed.wait_timeout_while(state, limit, |state| !state.has_ended);
        drop(waited);
    }

    fn end_by(&self) -> Option<Instant> {
        self.state().end_by
    }

    /// Waits until then, or until the end is asked for.
    fn wait(&self, time: Duration) {
        let state = self.state();
        drop(self.changed.wait_timeout_while(state, time, |state| state.end_by.is_none()));
    }
}

pub(super) struct Sender {
    monitor: Monitor,
    config: PushConfig,
    receiver: Receiver,
    encode: Encode,
    /// What a receiver objects to in an answer that says it has taken the request.
    objection: fn(&[u8]) -> Option<String>,
    link: Arc<Link>,
    /// Stands for the receiver: of all processes of a group, one sends to it.
    task: u64,
    outbox: Outbox,
    /// When totals are read next.
    next: Nanos,
    /// Of when the last totals were, in Unix time: receivers want each to be later.
    last: Nanos,
}

impl Sender {
    pub(super) fn new(
        monitor: Monitor,
        config: PushConfig,
        receiver: Receiver,
        encode: Encode,
        objection: fn(&[u8]) -> Option<String>,
        link: Arc<Link>,
    ) -> Self {
        let seed = RandomState::new().hash_one(std::process::id());
        let outbox = Outbox::new(config.max_waiting_bytes, config.first_retry.into(), seed);
        let next = clock::now() + config.period.into();
        let task = fingerprint([&*config.url]);
        Self { monitor, config, receiver, encode, objection, link, task, outbox, next, last: Nanos::ZERO }
    }

    pub(super) fn run(&mut self) {
        while self.link.end_by().is_none() {
            let now = clock::now();
            if now >= self.next {
                self.collect();
                self.plan(now);
            } else if let Some(request) = self.outbox.next(now) {
                let outcome = self.receiver.send(request, self.config.timeout);
                self.note(outcome);
            } else {
                let wakes_at = self.outbox.wakes_at().map_or(self.next, |at| at.min(self.next));
                self.link.wait(wakes_at.since(now).into());
            }
        }
        self.flush();
        self.monitor.leave_task(self.task);
        self.link.state().has_ended = true;
        self.link.changed.notify_all();
    }

    /// One last look, and one attempt for each request, while there is time.
    fn flush(&mut self) {
        self.collect();
        while let Some(left) = self.link.end_by().and_then(|by| by.checked_duration_since(Instant::now())) {
            // Waiting for a better moment is over.
            let Some(request) = self.outbox.next(Nanos::MAX) else { return };
            let outcome = self.receiver.send(request, left.min(self.config.timeout));
            let is_hopeless = matches!(outcome, Outcome::Failed(..));
            self.note(outcome);
            if is_hopeless {
                return;
            }
        }
    }

    /// Reads the totals, if it is for this process to do so.
    fn collect(&mut self) {
        if !self.monitor.take_task(self.task) {
            return;
        }
        let totals = self.monitor.totals();
        self.last = clock::unix_now().max(self.last + Nanos::from_millis(1));
        let moment = Moment { began: self.monitor.began(), now: self.last };
        let mut dropped = 0;
        for request in (self.encode)(&totals, moment) {
            dropped += self.outbox.put(request);
        }
        self.give_up(dropped);
        let mut state = self.link.state();
        state.stats.dropped += dropped;
        state.stats.waiting = self.outbox.len() as u64;
    }

    /// The next look is in the rhythm of the last; what was missed is counted, not made up for.
    fn plan(&mut self, now: Nanos) {
        let period = Nanos::from(self.config.period);
        let missed = now.since(self.next).0 / period.0.max(1);
        self.next += period.times(missed + 1);
        self.link.state().stats.missed += missed;
    }

    fn note(&mut self, outcome: Outcome) {
        let problem = match outcome {
            Outcome::Taken(answer) => {
                self.outbox.settled();
                self.link.state().stats.sent += 1;
                (self.objection)(&answer)
            }
            Outcome::Refused(problem) => {
                self.outbox.settled();
                self.give_up(1);
                self.link.state().stats.refused += 1;
                Some(problem)
            }
            Outcome::Failed(problem, wish) => {
                self.outbox.failed(clock::now(), wish);
                self.link.state().stats.failed += 1;
                Some(problem)
            }
        };
        let is_first = {
            let mut state = self.link.state();
            state.stats.waiting = self.outbox.len() as u64;
            let is_first = problem.is_some() && state.stats.last_problem.is_none();
            state.stats.last_problem = problem.clone().or(state.stats.last_problem.take());
            is_first
        };
        if let Some(problem) = problem.filter(|_| is_first) {
            let place = without_password(&self.config.url);
            self.monitor.warn(format!("pushing to {place}: {problem}; further problems are only counted"));
        }
    }

    fn give_up(&self, requests: u64) {
        (0..requests).for_each(|_| self.monitor.count_dropped(Dropped::Push));
    }
}
