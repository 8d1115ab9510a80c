//! From intervals to a summary: pure, so that a replay of a recording comes to the same result as the run itself.

use std::collections::BTreeMap;

use pulse_model::{
    Ending, EventKind, Interval, IntervalEvent, Moment, MomentKind, Nanos, PackedHistogram, Percentile,
    RunInfo, Series, Snapshot, Summary, TargetResult, TimePoint, Verdict, metric,
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

/// The percentiles that have an interval even where no target judges them.
const PERCENTILES: [f64; 3] = [0.5, 0.95, 0.99];
const CONFIDENCE: f64 = 0.95;

/// Collects the intervals of a run.
#[derive(Clone, Debug)]
pub struct Collector {
    run: RunInfo,
    totals: Snapshot,
    warmup: Snapshot,
    timeline: Thinned<TimePoint>,
    courses: Courses,
    moments: Vec<Moment>,
    /// By judged series, and of all response times: the trend, part by part in order of time.
    parts: BTreeMap<Series, Vec<PackedHistogram>>,
    users: u64,
    until: Nanos,
}

impl Collector {
    /// Nothing collected yet.
    pub fn new(run: RunInfo) -> Self {
        let judged = run.targets.iter().filter_map(pulse_model::Target::judged_series);
        Self {
            parts: judged.chain([all_response_times()]).map(|series| (series, Vec::new())).collect(),
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
                parts.push(PackedHistogram::from(&trend));
            }
            if parts.len() > MAX_PARTS {
                *parts = merged_in_pairs(parts, PackedHistogram::merge);
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
            pulse_stats::judge_parts(target, &self.totals, parts.map_or(&[], Vec::as_slice))
        });
        judged.collect()
    }

    /// The intervals of percentiles of all response times.
    fn percentiles(&self) -> Vec<Percentile> {
        let series = all_response_times();
        let parts = self.parts.get(&series).map_or(&[][..], Vec::as_slice);
        let interval = |q| {
            let (lo, hi) = pulse_stats::quantile_bounds_over(parts, q, CONFIDENCE)?;
            Some(Percentile { q, lo, hi })
        };
        PERCENTILES.into_iter().filter_map(interval).collect()
    }

    /// The end: everything that follows from what was collected.
    pub fn finish(self, ending: Ending) -> Summary {
        let targets = self.judge();
        let percentiles = self.percentiles();
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
            percentiles,
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

fn all_response_times() -> Series {
    Series::new(metric::RESPONSE_TIME)
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

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Aggregate, Histogram};

    #[test]
    fn a_percentile_is_as_well_known_as_a_target_on_it() {
        let targets = ["p50 < 1s", "p95 < 1s"].map(|target| target.parse().unwrap()).to_vec();
        let mut collector = Collector::new(RunInfo { targets, ..RunInfo::default() });
        for second in 0..30 {
            let mut trend = Histogram::default();
            (0..20).for_each(|n| trend.record(1_000_000 * (1 + (7 * n + second) % 50)));
            let interval = Interval { from: Nanos::from_secs(second), to: Nanos::from_secs(second + 1) };
            let mut judged = Snapshot { interval: Some(interval), ..Snapshot::default() };
            judged.add(all_response_times(), Aggregate::Trend(trend));
            collector.interval(interval, judged, None, None);
        }
        let summary = collector.finish(Ending::Finished);
        let of_targets: Vec<_> = summary.targets.iter().filter_map(|result| result.measured).collect();
        assert_eq!(of_targets.len(), 2);
        for (known, judged) in summary.percentiles.iter().zip(of_targets) {
            assert_eq!((known.lo, known.hi), (judged.lo, judged.hi), "{known:?}");
            assert!(known.lo < judged.value && judged.value < known.hi, "{known:?} {judged:?}");
        }
        let nothing = Collector::new(RunInfo::default()).finish(Ending::Finished);
        assert_eq!(nothing.percentiles, []);
    }

    #[test]
    fn a_day_keeps_a_peak_of_one_second() {
        let (usual, peak) = (2_000_000, 3_000_000_000);
        let mut collector = Collector::new(RunInfo::default());
        for second in 0..86_400 {
            let mut trend = Histogram::default();
            trend.record_n(usual, 50);
            if second == 53_579 {
                trend.record(peak);
            }
            let interval = Interval { from: Nanos::from_secs(second), to: Nanos::from_secs(second + 1) };
            let mut judged = Snapshot { interval: Some(interval), ..Snapshot::default() };
            judged.add(all_response_times(), Aggregate::Trend(trend));
            collector.interval(interval, judged, None, None);
        }
        let summary = collector.finish(Ending::Finished);
        let at = |from: Nanos, to: Nanos| (from..to).contains(&Nanos::from_secs(53_579));
        let highest: Vec<_> = summary.timeline.iter().filter(|point| point.max == peak).collect();
        assert!(matches!(highest[..], [point] if at(point.from, point.to)), "{highest:?}");
        assert!(summary.timeline.len() <= MAX_POINTS);
        let columns = &summary.courses[0].columns;
        let slow: Vec<_> = columns.iter().filter(|column| column.times.max() == Some(peak)).collect();
        assert!(
            matches!(slow[..], [column] if at(column.from, column.to) && column.times.buckets().count() == 2)
        );
        assert_eq!(columns.iter().map(|column| column.times.count()).sum::<u64>(), 50 * 86_400 + 1);
    }
}
