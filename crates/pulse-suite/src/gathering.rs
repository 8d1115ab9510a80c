//! Putting the batches of a case together: one timeline, one total, as if they had been one run.

use std::time::Instant;

use pulse_engine::Collector;
use pulse_model::{Ending, Interval, IntervalEvent, Nanos, RunInfo, Series, Snapshot, Summary, metric};

use crate::blocks::blocks;
use crate::progress::Progress;

/// The most intervals that are kept; beyond it neighbours are merged.
const MAX_INTERVALS: usize = 2000;

/// What the batches have measured.
#[derive(Debug)]
pub(crate) struct Gathering {
    collector: Collector,
    /// Everything judged so far.
    pub(crate) totals: Snapshot,
    /// What `totals` is the sum of, in order of time, as it came in.
    intervals: Vec<Snapshot>,
    /// Requests by time, warm-ups included.
    pub(crate) progress: Progress,
    /// Lengths of the batches that ended by themselves.
    pub(crate) durations: Vec<Nanos>,
    /// Judged samples.
    pub(crate) samples: u64,
    /// Requests of warm-ups that were part of a batch.
    pub(crate) warmup_requests: u64,
    /// Length of the batches before the current one.
    before: Nanos,
    /// Warm-up of every batch. That of a later batch overlaps the batch before, so that the judged times of all batches
    /// follow one another without a gap, which would count as time without requests.
    warmup: Nanos,
    /// Where the current batch begins in the time of the case.
    offset: Nanos,
    /// When the current batch began.
    origin: Instant,
}

impl Gathering {
    pub(crate) fn new(info: RunInfo) -> Self {
        Self {
            warmup: info.warmup,
            offset: Nanos::ZERO,
            collector: Collector::new(info),
            totals: Snapshot::default(),
            intervals: Vec::new(),
            progress: Progress::default(),
            durations: Vec::new(),
            samples: 0,
            warmup_requests: 0,
            before: Nanos::ZERO,
            origin: Instant::now(),
        }
    }

    /// A batch begins.
    pub(crate) fn begin(&mut self) {
        self.origin = Instant::now();
        self.progress.push(self.origin, self.requests() as f64);
    }

    /// A batch has ended after this time; `is_whole` unless it was stopped.
    pub(crate) fn end(&mut self, length: Nanos, is_whole: bool) {
        self.before += length;
        self.offset = self.offset + length - self.warmup;
        if is_whole {
            self.durations.push(length);
        }
    }

    /// Adds an interval of the current batch; returns it as one of the case.
    pub(crate) fn add(&mut self, mut event: IntervalEvent) -> IntervalEvent {
        let requests = |snapshot: &Snapshot| snapshot.trend(&Series::new(metric::RESPONSE_TIME)).count();
        let at = self.origin + std::time::Duration::from(event.point.to);
        self.samples += requests(&event.snapshot);
        self.warmup_requests += event.warmup.as_ref().map_or(0, requests);
        self.progress.push(at, self.requests() as f64);
        self.shift(&mut event);
        self.totals.merge(&event.snapshot);
        if !event.snapshot.series.is_empty() {
            self.intervals.push(event.snapshot.clone());
        }
        if self.intervals.len() > MAX_INTERVALS {
            self.intervals = self
                .intervals
                .chunks(2)
                .map(|pair| {
                    let mut merged = pair[0].clone();
                    pair.iter().skip(1).for_each(|next| merged.merge(next));
                    merged
                })
                .collect();
        }
        self.collector.replay(&event);
        event
    }

    /// What `totals` is the sum of, in order of time: as blocks by which it is judged.
    pub(crate) fn blocks(&self) -> Vec<Snapshot> {
        blocks(&self.intervals)
    }

    /// Completed requests, warm-ups included.
    fn requests(&self) -> u64 {
        self.samples + self.warmup_requests
    }

    /// Length of all batches up to a moment of the current one.
    pub(crate) fn elapsed(&self, in_batch: Nanos) -> Nanos {
        self.before + in_batch
    }

    /// Moves an interval from the time of its batch to that of the case.
    fn shift(&self, event: &mut IntervalEvent) {
        let moved = |interval: Interval| Interval {
            from: self.offset + interval.from,
            to: self.offset + interval.to,
        };
        event.point.from += self.offset;
        event.point.to += self.offset;
        event.snapshot.interval = event.snapshot.interval.map(moved);
        for sighting in &mut event.snapshot.sightings {
            sighting.first += self.offset;
            sighting.last += self.offset;
        }
        if let Some(warmup) = &mut event.warmup {
            warmup.interval = warmup.interval.map(moved);
        }
    }

    /// The summary of all batches.
    pub(crate) fn finish(self, ending: Ending) -> Summary {
        self.collector.finish(ending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Aggregate, Histogram, TimePoint};

    fn second(number: u64, requests: u64) -> IntervalEvent {
        let mut trend = Histogram::default();
        trend.record_n(1_000_000, requests);
        let mut snapshot = Snapshot::default();
        snapshot.add(Series::new(metric::RESPONSE_TIME), Aggregate::Trend(trend));
        let from = Nanos::from_secs(number);
        snapshot.interval = Some(Interval { from, to: from + Nanos::from_secs(1) });
        let point = TimePoint::of(&snapshot, 1, false);
        IntervalEvent { point, snapshot, warmup: None }
    }

    #[test]
    fn batches_follow_each_other() {
        let mut gathering = Gathering::new(RunInfo::default());
        for _ in 0..3 {
            gathering.begin();
            (0..2).for_each(|number| {
                gathering.add(second(number, 10));
            });
            gathering.end(Nanos::from_millis(1500), true);
        }
        assert_eq!((gathering.samples, gathering.intervals.len()), (60, 6));
        assert_eq!(gathering.elapsed(Nanos::ZERO), Nanos::from_millis(4500));
        assert_eq!(gathering.durations, [Nanos::from_millis(1500); 3]);
        let starts: Vec<u64> = gathering
            .intervals
            .iter()
            .filter_map(|snapshot| Some(snapshot.interval?.from.0 / 500_000_000))
            .collect();
        assert_eq!(starts, [0, 2, 3, 5, 6, 8]);
        let summary = gathering.finish(Ending::Finished);
        assert_eq!((summary.requests(), summary.timeline.len()), (60, 6));
    }

    #[test]
    fn many_intervals_are_merged_without_loss() {
        let mut gathering = Gathering::new(RunInfo::default());
        gathering.begin();
        (0..2 * MAX_INTERVALS as u64 + 5).for_each(|number| {
            gathering.add(second(number, 1));
        });
        assert!(gathering.intervals.len() <= MAX_INTERVALS);
        let selector = Series::new(metric::RESPONSE_TIME);
        let sum: u64 = gathering.intervals.iter().map(|interval| interval.trend(&selector).count()).sum();
        assert_eq!((sum, gathering.samples), (2 * MAX_INTERVALS as u64 + 5, sum));
    }
}
