//! What storage hands to windows and exporters: everything recorded since the start, by all workers.

use std::sync::Arc;

use pulse_model::{Aggregate, Gauge, Histogram, Rate, Schema, Series, Snapshot};

/// Extremes that are kept of a trend, each of the values recorded in one epoch.
pub(crate) const EPOCHS: usize = 4;

/// A reading of all cells. A number of a series never changes its meaning and never vanishes, so that a later reading of
/// the same storage has at least as many, and none of its counts is lower.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    /// Series by number.
    pub(crate) series: Arc<[Series]>,
    /// `cells[i]` belongs to `series[i]`.
    pub(crate) cells: Vec<CellTotal>,
    /// The epoch word of the storage, read *before* the cells.
    pub(crate) epoch: u64,
}

/// The sum of a series' cells over all writers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CellTotal {
    /// A number of events that only grows.
    Counter(u64),
    /// Hits of a total; both only grow.
    Rate(Rate),
    /// A level; `None` when nobody who lives has set it.
    Gauge(Option<Gauge>),
    /// The distribution of a value.
    Trend(TrendTotal),
}

/// The sum of a trend's cells: buckets of [`Schema::MONITOR`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrendTotal {
    /// Index and count of the buckets that hold something, indices rising.
    pub(crate) buckets: Vec<(u16, u64)>,
    /// Values of zero.
    pub(crate) zeros: u64,
    /// Sum of all values.
    pub(crate) sum: u128,
    /// Smallest value; `u64::MAX` of none.
    pub(crate) min: u64,
    /// Largest value; 0 of none.
    pub(crate) max: u64,
    /// Extremes of the latest epochs; epoch `e` is at `e % EPOCHS`.
    pub(crate) recent: [Option<Extremes>; EPOCHS],
}

/// The smallest and the largest value recorded in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extremes {
    /// The value of the epoch word when they were recorded.
    pub(crate) epoch: u64,
    /// Smallest value.
    pub(crate) min: u64,
    /// Largest value.
    pub(crate) max: u64,
}

impl Totals {
    /// The totals as a snapshot without an interval, for exporters. Series without a value have one all the same (zero, an
    /// empty trend), so that they are there from one scrape to the next; gauges that nobody sets are left out.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (series, cell) in self.series.iter().zip(&self.cells) {
            let aggregate = match cell {
                CellTotal::Counter(count) => Aggregate::Counter(*count),
                CellTotal::Rate(rate) => Aggregate::Rate(*rate),
                CellTotal::Gauge(Some(gauge)) => Aggregate::Gauge(*gauge),
                CellTotal::Gauge(None) => continue,
                CellTotal::Trend(trend) => Aggregate::Trend(trend.histogram()),
            };
            snapshot.add(series.clone(), aggregate);
        }
        snapshot
    }
}

impl Default for TrendTotal {
    fn default() -> Self {
        Self { buckets: Vec::new(), zeros: 0, sum: 0, min: u64::MAX, max: 0, recent: [None; EPOCHS] }
    }
}

impl TrendTotal {
    /// Number of values: what the buckets hold, so that it always agrees with them.
    #[cfg(any(test, feature = "trend"))]
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().fold(self.zeros, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Adds another writer's cells.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.buckets = merged(&self.buckets, &other.buckets);
        self.zeros = self.zeros.saturating_add(other.zeros);
        self.sum = self.sum.saturating_add(other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        for (mine, theirs) in self.recent.iter_mut().zip(other.recent) {
            *mine = match (*mine, theirs) {
                (Some(a), Some(b)) if a.epoch == b.epoch => {
                    Some(Extremes { epoch: a.epoch, min: a.min.min(b.min), max: a.max.max(b.max) })
                }
                (Some(a), Some(b)) => Some(if a.epoch > b.epoch { a } else { b }),
                (a, b) => a.or(b),
            };
        }
    }

    /// Buckets and zeros that were added since `earlier`, a previous reading of the same storage. One that has become
    /// smaller (which only a damaged or replaced storage does) counts as nothing added.
    pub(crate) fn since(&self, earlier: &Self) -> (Vec<(u16, u64)>, u64) {
        let mut before = earlier.buckets.iter().peekable();
        let mut added = Vec::new();
        for &(index, count) in &self.buckets {
            while before.next_if(|(earlier, _)| *earlier < index).is_some() {}
            let previous = before.next_if(|(earlier, _)| *earlier == index).map_or(0, |(_, count)| *count);
            if count > previous {
                added.push((index, count - previous));
            }
        }
        (added, self.zeros.saturating_sub(earlier.zeros))
    }

    /// The same as a histogram.
    pub(crate) fn histogram(&self) -> Histogram {
        let buckets = self.buckets.iter().map(|&(index, count)| (usize::from(index), count));
        Histogram::from_buckets(Schema::MONITOR, buckets, self.zeros, self.sum, self.min, self.max)
    }
}

/// The sum of two lists of buckets with rising indices.
pub(crate) fn merged(a: &[(u16, u64)], b: &[(u16, u64)]) -> Vec<(u16, u64)> {
    let mut sum: Vec<(u16, u64)> = Vec::with_capacity(a.len().max(b.len()));
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    loop {
        let next = match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x.0 == y.0 => {
                let both = (x.0, x.1.saturating_add(y.1));
                a.next();
                b.next();
                Some(both)
            }
            (Some(x), Some(y)) if y.0 < x.0 => b.next(),
            (Some(_), _) => a.next(),
            (None, _) => b.next(),
        };
        match next {
            Some(bucket) => sum.push(bucket),
            None => return sum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// What storage makes of values, each with the epoch in which it was recorded.
    fn total(values: &[(u64, u64)]) -> TrendTotal {
        let mut total = TrendTotal::default();
        for &(epoch, value) in values {
            let mut one = TrendTotal { sum: value.into(), min: value, max: value, ..TrendTotal::default() };
            if value == 0 {
                one.zeros = 1;
            } else {
                one.buckets.push((Schema::MONITOR.index(value) as u16, 1));
            }
            one.recent[epoch as usize % EPOCHS] = Some(Extremes { epoch, min: value, max: value });
            total.merge(&one);
        }
        total
    }

    fn values() -> impl Strategy<Value = Vec<(u64, u64)>> {
        vec((0..9_u64, (any::<u64>(), 0..64_u32).prop_map(|(value, shift)| value >> shift)), 0..60)
    }

    #[test]
    fn the_newest_epoch_of_a_place_stays() {
        let trend = total(&[(1, 50), (5, 10), (5, 30), (1, 90), (2, 7)]);
        assert_eq!(trend.recent[1], Some(Extremes { epoch: 5, min: 10, max: 30 }));
        assert_eq!(trend.recent[2], Some(Extremes { epoch: 2, min: 7, max: 7 }));
        assert_eq!(trend.recent[0], None);
    }

    #[test]
    fn a_reading_that_shrank_adds_nothing() {
        let (large, small) = (total(&[(0, 5), (0, 5), (0, 9), (0, 0)]), total(&[(0, 5), (0, 7)]));
        assert_eq!(small.since(&large), (vec![(Schema::MONITOR.index(7) as u16, 1)], 0));
    }

    #[test]
    fn snapshots_keep_what_is_empty_but_not_what_nobody_sets() {
        let gauge = Gauge { at: pulse_model::Nanos(3), last: 4, min: 4, max: 4 };
        let totals = Totals {
            series: ["c", "r", "g", "h", "t"].map(Series::new).into(),
            cells: vec![
                CellTotal::Counter(0),
                CellTotal::Rate(Rate::default()),
                CellTotal::Gauge(Some(gauge)),
                CellTotal::Gauge(None),
                CellTotal::Trend(TrendTotal::default()),
            ],
            epoch: 0,
        };
        let snapshot = totals.snapshot();
        let names: Vec<String> = snapshot.series.keys().map(ToString::to_string).collect();
        assert_eq!(names, ["c", "g", "r", "t"]);
        assert_eq!(snapshot.series[&Series::new("g")], Aggregate::Gauge(gauge));
    }

    proptest! {
        #[test]
        fn merging_is_recording_all_and_since_takes_it_back(a in values(), b in values()) {
            let (before, other) = (total(&a), total(&b));
            let mut after = before.clone();
            after.merge(&other);
            let all: Vec<(u64, u64)> = a.iter().chain(&b).copied().collect();
            prop_assert_eq!(&after, &total(&all));
            prop_assert_eq!(after.since(&before), (other.buckets.clone(), other.zeros));
            prop_assert_eq!(after.count(), all.len() as u64);
            let mut expected = Histogram::new(Schema::MONITOR);
            all.iter().for_each(|(_, value)| expected.record(*value));
            prop_assert_eq!(after.histogram(), expected);
        }
    }
}
