//! What the live view shows, as plain data.

use std::collections::VecDeque;

use pulse_model::{
    EventKind, Histogram, IntervalEvent, Nanos, RunEvent, RunInfo, Series, Severity, Snapshot, TargetResult,
    TimePoint, metric, tag,
};
use pulse_report::number;

use crate::window::{Window, WindowFigures};

/// Points of a sparkline that are kept.
const HISTORY: usize = 240;
/// Messages that are kept.
const MESSAGES: usize = 3;
/// Failure classes that are told apart.
const CLASSES: usize = 20;

/// What the live view shows. It is a function of the events alone, so that a recording shows the same as the run did.
#[derive(Clone, Debug, Default)]
pub struct ViewState {
    pub(crate) run: Option<RunInfo>,
    pub(crate) at: Nanos,
    pub(crate) warmup: bool,
    pub(crate) finished: bool,
    pub(crate) users: u64,
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) dropped: u64,
    /// Failures by class, in the order in which the classes were first seen.
    pub(crate) errors: Vec<(String, u64)>,
    pub(crate) window: Window,
    /// Requests per second of every interval.
    pub(crate) rates: VecDeque<u64>,
    /// 95th percentile of every interval in nanoseconds.
    pub(crate) p95s: VecDeque<u64>,
    /// The last intervals, warm-up included.
    pub(crate) points: VecDeque<TimePoint>,
    /// Response times of all intervals, warm-up included.
    pub(crate) response_time: Histogram,
    /// The last breaches and notices, the newest last.
    pub(crate) messages: VecDeque<Message>,
}

/// A breach or a notice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) severity: Severity,
    pub(crate) text: String,
}

impl ViewState {
    /// Takes an event into account.
    pub fn apply(&mut self, event: &RunEvent) {
        self.advance(event.at);
        match &event.kind {
            EventKind::Started(run) => self.run = Some(run.as_ref().clone()),
            EventKind::Snapshot(interval) => self.interval(interval),
            EventKind::Breach(result) => self.message(Severity::Problem, breach(result)),
            EventKind::Notice(finding) => self.message(finding.severity, finding.message.clone()),
            EventKind::Finished(_) => self.finished = true,
        }
    }

    /// Lets time pass without an event; `now` counts from the start of the load.
    pub fn advance(&mut self, now: Nanos) {
        self.at = self.at.max(now);
    }

    pub(crate) fn figures(&self) -> WindowFigures {
        self.window.figures()
    }

    /// How much of the job is done, 0 to 1; `None` when the plan does not say how long it is.
    pub(crate) fn progress(&self) -> Option<f64> {
        let run = self.run.as_ref()?;
        let (done, whole) = match run.duration {
            Some(duration) => (self.at.as_secs_f64(), duration.as_secs_f64()),
            None => (self.requests as f64, planned_requests(run)? as f64),
        };
        (whole > 0.0).then(|| (done / whole).clamp(0.0, 1.0))
    }

    fn interval(&mut self, interval: &IntervalEvent) {
        let point = &interval.point;
        self.warmup = point.warmup;
        self.users = point.users;
        self.requests = self.requests.saturating_add(point.requests);
        self.failed = self.failed.saturating_add(point.failed);
        self.dropped = self.dropped.saturating_add(point.dropped);
        let seconds = point.to.since(point.from).as_secs_f64();
        if seconds > 0.0 {
            bounded(&mut self.rates, HISTORY, (point.requests as f64 / seconds) as u64);
            bounded(&mut self.p95s, HISTORY, point.p95);
            bounded(&mut self.points, HISTORY, point.clone());
        }
        for snapshot in std::iter::once(&interval.snapshot).chain(&interval.warmup) {
            self.count_errors(snapshot);
            self.response_time.merge(&snapshot.trend(&Series::new(metric::RESPONSE_TIME)));
        }
        self.window.push(interval);
    }

    fn count_errors(&mut self, snapshot: &Snapshot) {
        for class in snapshot.tag_values(metric::FAILURES, tag::CLASS) {
            let count = snapshot.counter(&Series::new(metric::FAILURES).with(tag::CLASS, class));
            match self.errors.iter().position(|(known, _)| known == class) {
                Some(at) => self.errors[at].1 = self.errors[at].1.saturating_add(count),
                None if self.errors.len() < CLASSES => self.errors.push((class.to_owned(), count)),
                None => {}
            }
        }
    }

    fn message(&mut self, severity: Severity, text: String) {
        bounded(&mut self.messages, MESSAGES, Message { severity, text });
    }
}

/// `target missed: p95 < 200ms, measured 250.00ms`.
pub(crate) fn breach(result: &TargetResult) -> String {
    let measured = result
        .measured
        .map_or_else(|| number::NONE.to_owned(), |measured| number::measured(&result.target, measured.value));
    format!("target missed: {}, measured {measured}", result.target)
}

/// A length of time as a clock shows it: `0:05`, `12:00`, `1:02:03`.
pub(crate) fn clock(length: Nanos) -> String {
    let secs = length.0 / 1_000_000_000;
    let (hours, minutes, secs) = (secs / 3600, secs / 60 % 60, secs % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{secs:02}") } else { format!("{minutes}:{secs:02}") }
}

fn planned_requests(run: &RunInfo) -> Option<u64> {
    let planned = run.scenarios.iter().map(|scenario| scenario.planned_requests);
    planned.sum()
}

pub(crate) fn bounded<T>(queue: &mut VecDeque<T>, limit: usize, item: T) {
    if queue.len() == limit {
        queue.pop_front();
    }
    queue.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned;

    fn after(events: &[RunEvent]) -> ViewState {
        let mut state = ViewState::default();
        for event in events {
            state.apply(event);
        }
        state
    }

    #[test]
    fn the_state_sums_up_the_events() {
        let state = after(&canned::run());
        assert_eq!((state.requests, state.failed, state.dropped), (1_200, 4, 12));
        assert_eq!(state.errors, [("timeout".to_owned(), 2), ("status".to_owned(), 2)]);
        assert_eq!((state.users, state.warmup, state.finished), (10, false, true));
        assert_eq!(state.messages[0].text, "target missed: p95 < 20ms, measured 33.30ms");
        assert_eq!(state.progress(), Some(0.2));
    }

    #[test]
    fn nothing_grows_without_limit() {
        let mut state = ViewState::default();
        for second in 0..1_000 {
            state.apply(&canned::snapshot(second));
            state.apply(&canned::breach());
            let mut odd = canned::interval(second);
            let class = format!("class {second}");
            odd.snapshot.count(Series::new(metric::FAILURES).with(tag::CLASS, &class), 1);
            state.interval(&odd);
        }
        assert_eq!((state.rates.len(), state.p95s.len(), state.points.len()), (HISTORY, HISTORY, HISTORY));
        assert_eq!((state.messages.len(), state.errors.len()), (MESSAGES, CLASSES));
    }

    #[test]
    fn time_never_runs_backwards() {
        let mut state = after(&[canned::snapshot(9)]);
        state.advance(Nanos::from_secs(3));
        assert_eq!(state.at, Nanos::from_secs(10));
    }

    #[test]
    fn progress_is_of_the_duration_or_of_the_budget() {
        let mut state = after(&[canned::started(), canned::snapshot(0)]);
        let run = state.run.as_mut().unwrap();
        run.duration = None;
        assert_eq!(state.progress(), Some(100.0 / 6_000.0));
        state.run.as_mut().unwrap().scenarios[0].planned_requests = None;
        assert_eq!(state.progress(), None);
        assert_eq!(ViewState::default().progress(), None);
    }

    #[test]
    fn clocks() {
        for (secs, text) in [(5, "0:05"), (720, "12:00"), (3_723, "1:02:03"), (0, "0:00")] {
            assert_eq!(clock(Nanos::from_secs(secs)), text);
        }
    }
}
