//! Adding up what series gained in several slots.

use pulse_model::{Aggregate, Gauge, Histogram, Rate, Schema, Series, Snapshot};

use super::delta::{Delta, TrendDelta};

/// Sums by number of series.
#[derive(Debug, Default)]
pub(super) struct Sums {
    by_number: Vec<Option<Sum>>,
}

#[derive(Debug)]
enum Sum {
    Counter(u64),
    Rate(Rate),
    Gauge(Gauge),
    Trend(TrendSum),
}

/// A trend's sum. Its buckets are dense from the lowest to the highest that holds something: adding is an index, and what
/// one service records spans few octaves.
#[derive(Debug, Default)]
struct TrendSum {
    first: usize,
    counts: Vec<u64>,
    rest: TrendDelta,
}

impl Sums {
    /// Adds the gain of a series; in order of time, since of a gauge the latest reading counts.
    pub(super) fn add(&mut self, number: usize, delta: &Delta) {
        if number >= self.by_number.len() {
            self.by_number.resize_with(number + 1, || None);
        }
        let place = &mut self.by_number[number];
        match (&mut *place, delta) {
            (Some(Sum::Counter(sum)), Delta::Counter(gain)) => *sum = sum.saturating_add(*gain),
            (Some(Sum::Rate(sum)), Delta::Rate(gain)) => {
                sum.hits = sum.hits.saturating_add(gain.hits);
                sum.total = sum.total.saturating_add(gain.total);
            }
            (Some(Sum::Gauge(sum)), Delta::Gauge(level)) => {
                *sum = Gauge { min: sum.min.min(level.min), max: sum.max.max(level.max), ..*level };
            }
            (Some(Sum::Trend(sum)), Delta::Trend(gain)) => sum.add(gain),
            // The first gain. (A number never changes its kind; if it did, the latest would count.)
            (_, Delta::Counter(gain)) => *place = Some(Sum::Counter(*gain)),
            (_, Delta::Rate(gain)) => *place = Some(Sum::Rate(*gain)),
            (_, Delta::Gauge(level)) => *place = Some(Sum::Gauge(*level)),
            (_, Delta::Trend(gain)) => {
                let mut sum = TrendSum::default();
                sum.rest.min = u64::MAX;
                sum.add(gain);
                *place = Some(Sum::Trend(sum));
            }
        }
    }

    /// The sums in order of numbers.
    pub(super) fn deltas(&self) -> impl Iterator<Item = (usize, Delta)> {
        self.by_number.iter().enumerate().filter_map(|(number, sum)| {
            let delta = match sum.as_ref()? {
                Sum::Counter(sum) => Delta::Counter(*sum),
                Sum::Rate(sum) => Delta::Rate(*sum),
                Sum::Gauge(sum) => Delta::Gauge(*sum),
                Sum::Trend(sum) => Delta::Trend(sum.delta()),
            };
            Some((number, delta))
        })
    }

    /// The sums as aggregates of their series.
    pub(super) fn into_snapshot(self, series: &[Series]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (sum, series) in self.by_number.into_iter().zip(series) {
            let aggregate = match sum {
                None => continue,
                Some(Sum::Counter(sum)) => Aggregate::Counter(sum),
                Some(Sum::Rate(sum)) => Aggregate::Rate(sum),
                Some(Sum::Gauge(sum)) => Aggregate::Gauge(sum),
                Some(Sum::Trend(sum)) => Aggregate::Trend(sum.histogram()),
            };
            snapshot.add(series.clone(), aggregate);
        }
        snapshot
    }
}

impl TrendSum {
    fn add(&mut self, gain: &TrendDelta) {
        if let (Some(&(first, _)), Some(&(last, _))) = (gain.buckets.first(), gain.buckets.last()) {
            self.reach(usize::from(first), usize::from(last));
        }
        for &(index, count) in &gain.buckets {
            let sum = &mut self.counts[usize::from(index) - self.first];
            *sum = sum.saturating_add(count);
        }
        self.rest.zeros = self.rest.zeros.saturating_add(gain.zeros);
        self.rest.sum = self.rest.sum.saturating_add(gain.sum);
        self.rest.min = self.rest.min.min(gain.min);
        self.rest.max = self.rest.max.max(gain.max);
    }

    /// Makes room for buckets `first..=last`.
    fn reach(&mut self, first: usize, last: usize) {
        if self.counts.is_empty() {
            self.first = first;
        }
        if first < self.first {
            self.counts.splice(0..0, std::iter::repeat_n(0, self.first - first));
            self.first = first;
        }
        if last - self.first >= self.counts.len() {
            self.counts.resize(last - self.first + 1, 0);
        }
    }

    fn buckets(&self) -> impl Iterator<Item = (usize, u64)> {
        let counts = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        counts.map(|(offset, count)| (self.first + offset, *count))
    }

    fn delta(&self) -> TrendDelta {
        let buckets = self.buckets().map(|(index, count)| (index as u16, count)).collect();
        TrendDelta { buckets, ..self.rest.clone() }
    }

    fn histogram(&self) -> Histogram {
        let TrendDelta { zeros, sum, min, max, .. } = self.rest;
        Histogram::from_buckets(Schema::MONITOR, self.buckets(), zeros, sum, min, max)
    }
}
