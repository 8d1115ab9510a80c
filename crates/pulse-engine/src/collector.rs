//! From intervals to a summary: pure, so that a replay of a recording comes to the same result as the run itself.

use std::collections::BTreeMap;

use pulse_model::{
    Aggregate, Ending, EventKind, Interval, IntervalEvent, Moment, MomentKind, Nanos, RunInfo, Series,
    Snapshot, Summary, TargetResult, TimePoint, Verdict, metric,
};

use crate::courses::Courses;
use crate::findings::findings;
use crate::thinned::Thinned;
use crate::validity::validity;
use crate::watch;

/// The most points of a timeline; beyond it, neighbours are merged.
const MAX_POINTS: usize = 4000;
/// The most parts into which a judged trend is kept; beyond it, neighbours are merged. Confidence intervals need to know
/// how slow responses cluster, and some dozens of parts tell it.
const MAX_PARTS: usize = 128;
/// The most moments that are kept: nobody reads more.
const MAX_MOMENTS: usize = 200;

/// Collects the intervals of a run.
#[derive(Clone, Debug)]
pub struct Collector {
    run: RunInfo,
    totals: Snapshot,
    warmup: Snapshot,
    timeline: Thinned<TimePoint>,
    courses: Courses,
    moments: Vec<Moment>,
    /// By judged series: its trend, part by part in order of time.
    parts: BTreeMap<Series, Vec<Snapshot>>,
    users: u64,
    until: Nanos,
}

impl Collector {
    /// Nothing collected yet.
    pub fn new(run: RunInfo) -> Self {
        let judged = run.targets.iter().filter_map(pulse_model::Target::judged_series);
        Self {
            parts: judged.map(|series| (series, Vec::new())).collect(),
            run,
            totals: Snapshot::default(),
            warmup: Snapshot::default(),
            timeline: Thinned::new(MAX_POINTS),
            courses: Courses::default(),
            moments: Vec::new(),
            users: 0,
            until: Nanos::ZERO,
        }
    }

    /// Adds what all workers recorded in an interval; returns the event that tells of it. `planned` is the number of
    /// iterations that the plan asks for in it, where that does not depend on the answers.
    pub fn interval(
        &mut self,
        interval: Interval,
        judged: Snapshot,
        warmup: Option<Snapshot>,
        planned: Option<u64>,
    ) -> IntervalEvent {
        let mut all = judged.clone();
        all.merge(&warmup.clone().unwrap_or_default());
        all.interval = Some(interval);
        let count = |name| all.counter(&Series::new(name));
        self.users = (self.users + count(metric::USERS_STARTED)).saturating_sub(count(metric::USERS_STOPPED));
        let mut point = TimePoint::of(&all, self.users, interval.to <= self.run.warmup);
        point.due = planned.unwrap_or(point.due);
        let event = IntervalEvent { point, snapshot: judged, warmup };
        self.replay(&event);
        event
    }

    /// Adds an interval that was told of before.
    pub fn replay(&mut self, event: &IntervalEvent) {
        self.totals.merge(&event.snapshot);
        if let Some(warmup) = &event.warmup {
            self.warmup.merge(warmup);
        }
        for (series, parts) in &mut self.parts {
            let trend = event.snapshot.trend(series);
            if !trend.is_empty() {
                let mut part = Snapshot { interval: event.snapshot.interval, ..Snapshot::default() };
                part.add(series.clone(), Aggregate::Trend(trend));
                parts.push(part);
            }
            if parts.len() > MAX_PARTS {
                *parts = merged_in_pairs(parts, Snapshot::merge);
            }
        }
        self.users = event.point.users;
        self.until = self.until.max(event.point.to);
        self.timeline.push(event.point.clone());
        self.courses.take(event);
    }

    /// Keeps the moment of a breach or a notice; other events have none.
    pub fn note(&mut self, at: Nanos, event: &EventKind) {
        let (kind, message) = match event {
            EventKind::Breach(result) => (MomentKind::Breach, format!("{} is missed", result.target)),
            EventKind::Notice(finding) => (MomentKind::Notice, finding.message.clone()),
            _ => return,
        };
        if self.moments.len() < MAX_MOMENTS {
            self.moments.push(Moment { at, kind, message });
        }
    }

    /// Everything recorded after the warm-up so far, merged.
    pub fn totals(&self) -> &Snapshot {
        &self.totals
    }

    /// Verdicts on all targets as of now.
    pub fn judge(&self) -> Vec<TargetResult> {
        let judged = self.run.targets.iter().map(|target| {
            let parts = target.judged_series().and_then(|series| self.parts.get(&series));
            pulse_stats::judge_over(target, &self.totals, parts.map_or(&[], Vec::as_slice))
        });
        judged.collect()
    }

    /// The end: everything that follows from what was collected.
    pub fn finish(self, ending: Ending) -> Summary {
        let targets = self.judge();
        let verdict = Verdict::worst(targets.iter().map(|result| result.verdict));
        let mut summary = Summary {
            elapsed: self.until,
            warmup_requests: self.warmup.trend(&Series::new(metric::RESPONSE_TIME)).count(),
            verdict: (!targets.is_empty()).then_some(verdict),
            run: self.run,
            ending,
            totals: self.totals,
            targets,
            timeline: self.timeline.into_all(),
            courses: self.courses.finish(),
            moments: self.moments,
            ..Summary::default()
        };
        if watch::is_watch(&summary.run.kind) {
            summary.validity = watch::validity(&summary);
            summary.findings = watch::findings(&summary);
        } else {
            summary.validity = validity(&summary);
            summary.findings = findings(&summary);
        }
        summary
    }
}

/// Half as many elements, each made of two neighbours.
fn merged_in_pairs<T: Clone>(all: &[T], merge: impl Fn(&mut T, &T)) -> Vec<T> {
    let pairs = all.chunks(2).map(|pair| {
        let mut merged = pair[0].clone();
        pair.iter().skip(1).for_each(|next| merge(&mut merged, next));
        merged
    });
    pairs.collect()
}
