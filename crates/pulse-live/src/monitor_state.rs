//! What the live view of a watched service shows, as plain data.

use std::collections::VecDeque;

use pulse_model::{EventKind, IntervalEvent, Nanos, RunEvent, RunInfo, Severity, TargetResult};
use pulse_report::{ServiceFigures, number};

use crate::SlidingWindow;
use crate::view_state::{Message, bounded, breach};

/// Points of a sparkline that are kept.
const HISTORY: usize = 240;
/// Messages that are kept.
const MESSAGES: usize = 4;
/// What a notice is called that says that quantiles are interpolated within buckets of the service's own.
const COARSE_BUCKETS: &str = "coarse_buckets";
/// What a notice is called that takes a breach back.
pub(crate) const TARGET_MET: &str = "target_met";

/// What the live view of a watched service shows. Like [`ViewState`](crate::ViewState) it is a function of the events alone.
#[derive(Clone, Debug)]
pub(crate) struct MonitorState {
    pub(crate) run: RunInfo,
    pub(crate) at: Nanos,
    pub(crate) finished: bool,
    /// Requests since the watch began.
    pub(crate) requests: u64,
    /// Failed ones among them.
    pub(crate) failed: u64,
    window: SlidingWindow,
    /// The figures of the window, computed once per interval.
    pub(crate) figures: ServiceFigures,
    /// Requests per second of every interval.
    pub(crate) rates: VecDeque<u64>,
    /// 95th percentile of every interval in nanoseconds.
    pub(crate) p95s: VecDeque<u64>,
    /// CPU of all processes in thousandths of a core.
    pub(crate) cpu: VecDeque<u64>,
    /// Resident memory of all processes in bytes.
    pub(crate) memory: VecDeque<u64>,
    /// Targets that are missed as of now, with what was measured when they were.
    pub(crate) missed: Vec<TargetResult>,
    /// Whether quantiles are interpolated within buckets of the service's own, whose bounds the snapshots do not have.
    pub(crate) coarse: bool,
    /// The last breaches and notices, the newest last.
    pub(crate) messages: VecDeque<Message>,
}

impl MonitorState {
    /// The state at the start of a watch; figures are of the last `window`.
    pub(crate) fn new(run: RunInfo, window: Nanos) -> Self {
        Self {
            run,
            at: Nanos::ZERO,
            finished: false,
            requests: 0,
            failed: 0,
            window: SlidingWindow::new(window),
            figures: ServiceFigures::default(),
            rates: VecDeque::new(),
            p95s: VecDeque::new(),
            cpu: VecDeque::new(),
            memory: VecDeque::new(),
            missed: Vec::new(),
            coarse: false,
            messages: VecDeque::new(),
        }
    }

    pub(crate) fn apply(&mut self, event: &RunEvent) {
        self.advance(event.at);
        match &event.kind {
            EventKind::Started(run) => self.run = run.as_ref().clone(),
            EventKind::Snapshot(interval) => self.interval(interval),
            EventKind::Breach(result) => {
                self.message(Severity::Problem, breach(result));
                self.missed.retain(|missed| missed.target != result.target);
                self.missed.push(result.clone());
            }
            EventKind::Notice(finding) => {
                if finding.code == TARGET_MET {
                    self.missed.retain(|missed| missed.target.to_string() != finding.subject);
                }
                self.coarse |= finding.code == COARSE_BUCKETS;
                self.message(finding.severity, finding.message.clone());
            }
            EventKind::Finished(_) => self.finished = true,
        }
    }

    /// Lets time pass without an event; `now` counts from the start of the watch.
    pub(crate) fn advance(&mut self, now: Nanos) {
        self.at = self.at.max(now);
    }

    /// How much of the watch is done, 0 to 1; `None` when it has no planned end.
    pub(crate) fn progress(&self) -> Option<f64> {
        let whole = self.run.duration?.as_secs_f64();
        (whole > 0.0).then(|| (self.at.as_secs_f64() / whole).clamp(0.0, 1.0))
    }

    /// Whether the service says anything about requests.
    pub(crate) fn has_requests(&self) -> bool {
        self.requests > 0
    }

    fn interval(&mut self, interval: &IntervalEvent) {
        let point = &interval.point;
        self.requests = self.requests.saturating_add(point.requests);
        self.failed = self.failed.saturating_add(point.failed);
        let seconds = point.to.since(point.from).as_secs_f64();
        if seconds > 0.0 {
            bounded(&mut self.rates, HISTORY, (point.requests as f64 / seconds) as u64);
            bounded(&mut self.p95s, HISTORY, point.p95);
        }
        if let Some(process) = ServiceFigures::of(&interval.snapshot).process() {
            bounded(&mut self.cpu, HISTORY, (process.cpu.unwrap_or(0.0) * 1000.0) as u64);
            bounded(&mut self.memory, HISTORY, process.resident.unwrap_or(0));
        }
        self.window.push(&interval.snapshot);
        self.figures = ServiceFigures::of(&self.window.snapshot());
    }

    fn message(&mut self, severity: Severity, text: String) {
        bounded(&mut self.messages, MESSAGES, Message { severity, text });
    }

    /// A progress line: what the last seconds were like.
    pub(crate) fn line(&self) -> String {
        let mut parts = Vec::new();
        let requests = &self.figures.requests;
        if self.has_requests() {
            let times = &requests.times;
            let quantile = |quantile: Option<pulse_model::Quantile>| {
                number::millis(quantile.map(|quantile| quantile.estimate as f64))
            };
            parts.push(format!(
                "{} req/s, p50 {}, p95 {}, p99 {} of {}, {} failed ({} in all)",
                number::rate(times.per_second),
                quantile(times.p50),
                quantile(times.p95),
                quantile(times.p99),
                times.count,
                requests.failed,
                self.failed
            ));
        }
        if let Some(process) = self.figures.process() {
            let cpu = process.cpu.map_or_else(|| number::NONE.to_owned(), number::share);
            let memory =
                process.resident.map_or_else(|| number::NONE.to_owned(), |size| number::bytes(size as f64));
            parts.push(format!("cpu {cpu}, rss {memory}"));
        }
        if parts.is_empty() { "no requests".to_owned() } else { parts.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned;

    pub(super) fn after(events: &[RunEvent]) -> MonitorState {
        let mut state = MonitorState::new(RunInfo::default(), Nanos::from_secs(60));
        for event in events {
            state.apply(event);
        }
        state
    }

    #[test]
    fn the_state_sums_up_the_events() {
        let state = after(&canned::watch());
        assert_eq!((state.requests, state.failed), (1_200, 4));
        assert_eq!(state.figures.length, Nanos::from_secs(12));
        assert_eq!(state.figures.requests.times.count, 1_200);
        assert_eq!(state.missed.len(), 1);
        assert_eq!(state.progress(), Some(0.2));
        assert!(state.line().starts_with("100.00 req/s, p50 "), "{}", state.line());
    }

    #[test]
    fn a_target_that_is_met_again_is_not_missed_any_more() {
        let mut events = canned::watch();
        events.push(canned::met_again());
        let state = after(&events);
        assert!(state.missed.is_empty());
        assert_eq!(state.messages.len(), 3);
    }

    #[test]
    fn nothing_grows_without_limit() {
        let mut state = after(&[canned::watch_started()]);
        for second in 0..1_000 {
            state.apply(&canned::watch_snapshot(second));
            state.apply(&canned::breach());
        }
        assert_eq!((state.rates.len(), state.cpu.len(), state.messages.len()), (HISTORY, HISTORY, MESSAGES));
        assert_eq!(state.missed.len(), 1);
        assert!(state.figures.length <= Nanos::from_secs(60));
    }

    #[test]
    fn a_silent_service_says_so() {
        assert_eq!(after(&[]).line(), "no requests");
    }
}
