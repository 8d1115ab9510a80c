//! The watch itself: looks once in a while, judges as of now, tells, and sums up at its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pulse_engine::{Collector, StopHandle};
use pulse_live::{SlidingWindow, Windows};
use pulse_model::{
    Ending, EventKind, Finding, Interval, Nanos, RunEvent, RunInfo, Severity, Snapshot, Summary, Target,
    TargetResult, Verdict,
};
use pulse_stats::judge_over;

use super::coarse::{self, Bounds};
use super::memory::Memory;
use super::watcher::{Step, Watcher};
use super::{Reading, Source};

/// The first seconds of a window say little: breaches are told from here on.
const BREACH_FROM: Nanos = Nanos::from_secs(5);
/// Longest time without a look at whether to stop.
const PATIENCE: Duration = Duration::from_millis(100);
/// What a notice is called that takes a breach back; live views know it.
const TARGET_MET: &str = "target_met";

/// How to watch.
pub(crate) struct WatchPlan {
    /// What the reports say about it; targets and planned length included.
    pub(crate) info: RunInfo,
    /// Time between two looks.
    pub(crate) every: Nanos,
    /// What live judgements look at.
    pub(crate) window: Nanos,
}

/// A watch under way. What it has found so far can be asked for at any time.
pub(crate) struct Watch {
    plan: WatchPlan,
    collector: Arc<Mutex<Collector>>,
    window: SlidingWindow,
    /// What viewers choose from, where there can be viewers.
    windows: Option<Arc<Mutex<Windows>>>,
    breaches: Vec<Breach>,
    /// What buckets of the service's own allow to say.
    bounds: Bounds,
    /// What is to be known of the figures, from the first reading.
    said: Vec<Finding>,
    memory: Memory,
}

/// How a target fared in the window.
struct Breach {
    target: Target,
    /// Since when it is missed.
    since: Option<Nanos>,
    times: u64,
    length: Nanos,
}

impl Watch {
    pub(crate) fn new(plan: WatchPlan) -> Self {
        let breach =
            |target: &Target| Breach { target: target.clone(), since: None, times: 0, length: Nanos::ZERO };
        Self {
            collector: Arc::new(Mutex::new(Collector::new(plan.info.clone()))),
            window: SlidingWindow::new(plan.window),
            windows: None,
            breaches: plan.info.targets.iter().map(breach).collect(),
            bounds: Bounds::default(),
            said: Vec::new(),
            memory: Memory::new(),
            plan,
        }
    }

    /// What was found so far, for whoever asks while it goes on.
    pub(crate) fn so_far(&self) -> Arc<Mutex<Collector>> {
        Arc::clone(&self.collector)
    }

    /// Keeps windows for whoever asks while it goes on.
    pub(crate) fn windows(&mut self) -> Arc<Mutex<Windows>> {
        Arc::clone(self.windows.get_or_insert_default())
    }

    /// Watches until the planned end, until what is watched ends, or until somebody stops it. `first` was just read.
    pub(crate) fn run(
        mut self,
        source: &mut Source,
        first: Reading,
        stop: &StopHandle,
        events: &mut dyn FnMut(RunEvent),
    ) -> Summary {
        let collector = self.so_far();
        let events: &mut dyn FnMut(RunEvent) = &mut |event| {
            lock(&collector).note(event.at, &event.kind);
            events(event);
        };
        let begin = Instant::now();
        let planned = self.plan.info.duration;
        events(RunEvent { at: Nanos::ZERO, kind: EventKind::Started(Box::new(self.plan.info.clone())) });
        self.said = coarse::notices(&first);
        for finding in &self.said {
            events(RunEvent { at: Nanos::ZERO, kind: EventKind::Notice(finding.clone()) });
        }
        let mut watcher = Watcher::new(self.plan.every, first);
        let mut due = self.plan.every;
        let (ending, at) = loop {
            wait(begin + Duration::from(planned.map_or(due, |end| due.min(end))), stop);
            let result = source.read();
            let at = Nanos::from(begin.elapsed());
            let seen = watcher.take(at, result);
            let ended = seen.ended.is_some();
            self.bounds = Bounds::new(&watcher.reading().bounds);
            self.take(at, seen, events);
            let complete = planned.is_some_and(|end| at >= end);
            if ended || complete {
                break (Ending::Finished, at);
            }
            if stop.is_stopped() {
                // A watch without a planned end is ended by being stopped, and that is as planned.
                break (if planned.is_some() { Ending::Interrupted } else { Ending::Finished }, at);
            }
            // The marks stay multiples of the period, however long a look took.
            due = Nanos((at.0 / self.plan.every.0 + 1) * self.plan.every.0);
        };
        if let Some((interval, rest)) = watcher.finish(at) {
            self.interval(interval, rest, events);
        }
        self.finish(ending, at, events)
    }

    fn take(&mut self, at: Nanos, step: Step, events: &mut dyn FnMut(RunEvent)) {
        for finding in step.notices {
            events(RunEvent { at, kind: EventKind::Notice(finding) });
        }
        if let Some((interval, added)) = step.interval {
            self.window.push(&added);
            if let Some(windows) = &self.windows {
                lock(windows).push(&added);
            }
            if let Some(finding) = self.memory.take(at, &added) {
                events(RunEvent { at, kind: EventKind::Notice(finding) });
            }
            self.interval(interval, added, events);
            self.judge(at, events);
        }
        if let Some(why) = step.ended {
            let finding = finding("ended", Severity::Warning, why);
            events(RunEvent { at, kind: EventKind::Notice(finding) });
        }
    }

    fn interval(&self, interval: Interval, added: Snapshot, events: &mut dyn FnMut(RunEvent)) {
        let event = lock(&self.collector).interval(interval, added, None, None);
        events(RunEvent { at: interval.to, kind: EventKind::Snapshot(Box::new(event)) });
    }

    /// Judges the window, and tells of targets that are missed, or met again.
    fn judge(&mut self, at: Nanos, events: &mut dyn FnMut(RunEvent)) {
        if at < BREACH_FROM || self.breaches.is_empty() {
            return;
        }
        let snapshot = self.window.snapshot();
        let parts = self.window.parts();
        for breach in &mut self.breaches {
            let result = self.bounds.judged(judge_over(&breach.target, &snapshot, parts));
            if let Some(kind) = breach.take(at, result) {
                events(RunEvent { at, kind });
            }
        }
    }

    fn finish(mut self, ending: Ending, at: Nanos, events: &mut dyn FnMut(RunEvent)) -> Summary {
        let mut summary = lock(&self.collector).clone().finish(ending);
        summary.elapsed = summary.elapsed.max(at);
        summary.targets = summary.targets.into_iter().map(|result| self.bounds.judged(result)).collect();
        summary.verdict =
            summary.verdict.map(|_| Verdict::worst(summary.targets.iter().map(|result| result.verdict)));
        let window = self.plan.window;
        let findings = self.breaches.iter_mut().filter_map(|breach| breach.finding(at, window));
        summary.findings.extend(findings.chain(self.memory.finding()).chain(std::mem::take(&mut self.said)));
        summary.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        events(RunEvent { at: summary.elapsed, kind: EventKind::Finished(Box::new(summary.clone())) });
        summary
    }
}

impl Breach {
    /// What is to be told of a judgement, if anything has changed.
    fn take(&mut self, at: Nanos, result: TargetResult) -> Option<EventKind> {
        match (result.verdict, self.since) {
            (Verdict::Fail, None) => {
                self.since = Some(at);
                self.times += 1;
                Some(EventKind::Breach(result))
            }
            (Verdict::Pass, Some(since)) => {
                self.since = None;
                self.length += at.since(since);
                let message =
                    format!("target met again after {:.0}s: {}", at.since(since).as_secs_f64(), self.target);
                let subject = self.target.to_string();
                Some(EventKind::Notice(Finding { subject, ..finding(TARGET_MET, Severity::Note, message) }))
            }
            // Still the same, or not known: what was said last holds.
            _ => None,
        }
    }

    /// What the report says of it.
    fn finding(&mut self, at: Nanos, window: Nanos) -> Option<Finding> {
        if let Some(since) = self.since.take() {
            self.length += at.since(since);
        }
        let times = match self.times {
            0 => return None,
            1 => "once".to_owned(),
            n => format!("{n} times"),
        };
        let message = format!(
            "`{}` was missed {times} within a window of {window}, for {:.0}s in all",
            self.target,
            self.length.as_secs_f64()
        );
        Some(finding("breach", Severity::Warning, message))
    }
}

fn finding(code: &str, severity: Severity, message: String) -> Finding {
    Finding {
        code: code.to_owned(),
        severity,
        subject: String::new(),
        message,
        help: None,
        ..Finding::default()
    }
}

/// What is shared; left by a panic it still holds what was collected.
pub(crate) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until a moment, or until somebody wants it to stop.
fn wait(until: Instant, stop: &StopHandle) {
    while !stop.is_stopped() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::park_timeout(left.min(PATIENCE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breach_is_told_when_it_begins_and_when_it_ends() {
        use Verdict::{Fail, Inconclusive, NoData, Pass};
        let target: Target = "p95 < 200ms".parse().unwrap();
        let result = |verdict| TargetResult { target: target.clone(), verdict, measured: None, reason: None };
        let mut breach = Breach { target: target.clone(), since: None, times: 0, length: Nanos::ZERO };
        let mut told = Vec::new();
        for (second, verdict) in
            [Pass, Fail, Fail, Inconclusive, Pass, Pass, NoData, Fail, NoData].into_iter().enumerate()
        {
            match breach.take(Nanos::from_secs(second as u64), result(verdict)) {
                Some(EventKind::Breach(_)) => told.push((second, "breach")),
                Some(EventKind::Notice(notice)) => {
                    assert_eq!((notice.code.as_str(), notice.subject), (TARGET_MET, target.to_string()));
                    told.push((second, "met"));
                }
                _ => {}
            }
        }
        assert_eq!(told, [(1, "breach"), (4, "met"), (7, "breach")]);
        let finding = breach.finding(Nanos::from_secs(10), Nanos::from_secs(60)).unwrap();
        assert_eq!(finding.message, "`p95 < 200ms` was missed 2 times within a window of 1m, for 6s in all");
    }
}
