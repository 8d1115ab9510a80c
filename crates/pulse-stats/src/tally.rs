//! Counts of a sequence of interval histograms, laid out for being summed again and again.

use std::borrow::Cow;

use pulse_model::{Histogram, Schema};

/// More intervals than this are added up with their neighbours first: blocks are longer than that anyway.
const MAX_INTERVALS: usize = 512;

/// The counts of each interval at or below each bucket that any interval has touched.
pub(crate) struct Tally {
    /// Lower and upper bound of each bucket, rising.
    buckets: Vec<(f64, f64)>,
    /// For each bucket the count at or below it of each interval: one row per bucket.
    at_most: Vec<f64>,
    /// Values in each interval.
    pub(crate) counts: Vec<f64>,
    /// Sum of the values of each interval.
    pub(crate) sums: Vec<f64>,
}

impl Tally {
    /// `None` when the intervals hold no values.
    pub(crate) fn new(intervals: &[Histogram]) -> Option<Self> {
        let schema = intervals.iter().map(Histogram::schema).min()?;
        let group = intervals.len().div_ceil(MAX_INTERVALS);
        let rows = intervals.len().div_ceil(group);
        let mut entries: Vec<(u64, u64, usize, u64)> = Vec::new();
        let (mut counts, mut sums) = (vec![0.0; rows], vec![0.0; rows]);
        for (i, histogram) in intervals.iter().enumerate() {
            counts[i / group] += histogram.count() as f64;
            sums[i / group] += histogram.sum() as f64;
            let histogram = downscaled(histogram, schema);
            entries.extend(
                histogram.buckets().map(|bucket| (bucket.upper, bucket.lower, i / group, bucket.count)),
            );
        }
        entries.sort_unstable();
        let (min, max) = (
            intervals.iter().filter_map(Histogram::min).min()?,
            intervals.iter().filter_map(Histogram::max).max()?,
        );
        let mut buckets = Vec::new();
        let mut at_most = Vec::new();
        let mut row = vec![0.0; rows];
        for bucket in entries.chunk_by(|a, b| a.0 == b.0) {
            let (upper, lower, ..) = bucket[0];
            buckets.push((lower.max(min) as f64, upper.min(max) as f64));
            for &(_, _, interval, count) in bucket {
                row[interval] += count as f64;
            }
            at_most.extend_from_slice(&row);
        }
        Some(Self { buckets, at_most, counts, sums })
    }

    /// Number of intervals (after adding up neighbours).
    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Number of values.
    pub(crate) fn total(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// The count of each interval at or below a bucket.
    fn row(&self, bucket: usize) -> &[f64] {
        &self.at_most[bucket * self.len()..][..self.len()]
    }

    fn weighted(values: &[f64], weights: &[f64]) -> f64 {
        values.iter().zip(weights).map(|(value, weight)| value * weight).sum()
    }

    /// The first bucket at or below which `rank` of the weighted values lie.
    fn bucket(&self, rank: f64, weights: &[f64]) -> usize {
        let (mut low, mut high) = (0, self.buckets.len() - 1);
        while low < high {
            let middle = usize::midpoint(low, high);
            if Self::weighted(self.row(middle), weights) < rank { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The q-quantile with each interval counted `weights[i]` times; `None` when no value is left.
    ///
    /// Interpolated within its bucket: resamples that differ must not look alike only because they share a bucket.
    pub(crate) fn quantile(&self, q: f64, weights: &[f64]) -> Option<f64> {
        let total = Self::weighted(&self.counts, weights);
        if total <= 0.0 {
            return None;
        }
        let rank = (q * total).max(1.0);
        let bucket = self.bucket(rank, weights);
        let below = if bucket == 0 { 0.0 } else { Self::weighted(self.row(bucket - 1), weights) };
        let inside = Self::weighted(self.row(bucket), weights) - below;
        let (lower, upper) = self.buckets[bucket];
        Some(lower + (upper - lower) * ((rank - below) / inside).clamp(0.0, 1.0))
    }

    /// The mean with each interval counted `weights[i]` times; `None` when no value is left.
    pub(crate) fn mean(&self, weights: &[f64]) -> Option<f64> {
        let total = Self::weighted(&self.counts, weights);
        (total > 0.0).then(|| Self::weighted(&self.sums, weights) / total)
    }

    /// How many values of each interval lie above the bucket of the q-quantile.
    pub(crate) fn beyond(&self, q: f64) -> Vec<f64> {
        let once = vec![1.0; self.len()];
        self.beyond_bucket(self.bucket((q * self.total()).max(1.0), &once))
    }

    /// Number of buckets that any interval has touched.
    pub(crate) fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// The largest value of a bucket.
    pub(crate) fn upper_of(&self, bucket: usize) -> f64 {
        self.buckets[bucket].1
    }

    /// How many values of each interval lie above a bucket.
    pub(crate) fn beyond_bucket(&self, bucket: usize) -> Vec<f64> {
        self.counts.iter().zip(self.row(bucket)).map(|(count, at_most)| count - at_most).collect()
    }

    /// Bounds of the bucket that holds the value of a rank (from 1).
    pub(crate) fn bounds_at(&self, rank: f64) -> (f64, f64) {
        self.buckets[self.bucket(rank, &vec![1.0; self.len()])]
    }
}

/// The histogram with the buckets of a schema at most as fine as its own.
fn downscaled(histogram: &Histogram, schema: Schema) -> Cow<'_, Histogram> {
    if histogram.schema() == schema {
        return Cow::Borrowed(histogram);
    }
    let mut coarse = histogram.clone();
    coarse.downscale(schema);
    Cow::Owned(coarse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn histogram(values: &[u64], schema: Schema) -> Histogram {
        let mut histogram = Histogram::new(schema);
        values.iter().for_each(|&value| histogram.record(value));
        histogram
    }

    proptest! {
        #[test]
        fn weights_are_repetitions(
            intervals in prop::collection::vec((prop::collection::vec(0_u64..100_000, 0..20), 0_u32..4), 1..9),
            q in 0.01..0.99,
        ) {
            let histograms: Vec<Histogram> = intervals
                .iter()
                .enumerate()
                .map(|(i, (values, _))| histogram(values, if i == 1 { Schema::MONITOR } else { Schema::LOAD }))
                .collect();
            let Some(tally) = Tally::new(&histograms) else { return Ok(()) };
            let weights: Vec<f64> = intervals.iter().map(|&(_, weight)| f64::from(weight)).collect();
            let mut merged = Histogram::default();
            for (histogram, &(_, weight)) in histograms.iter().zip(&intervals) {
                (0..weight).for_each(|_| merged.merge(histogram));
            }
            match tally.quantile(q, &weights) {
                None => prop_assert!(merged.is_empty()),
                Some(value) => {
                    // Interpolation may take the rank below ⌈q·n⌉ to the end of the bucket before.
                    let n = merged.count();
                    let rank = |rank: f64| merged.at_rank((rank as u64).clamp(1, n)).unwrap();
                    let (lo, hi) = (rank((q * n as f64).floor()).lo as f64, rank((q * n as f64).ceil()).hi as f64);
                    prop_assert!(lo * 0.97 - 1.0 <= value && value <= hi * 1.03 + 1.0, "{lo} {value} {hi}");
                    prop_assert!((tally.mean(&weights).unwrap() - merged.mean().unwrap()).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn many_intervals_are_added_up() {
        let intervals: Vec<Histogram> = (0..2000).map(|i| histogram(&[i, i], Schema::LOAD)).collect();
        let tally = Tally::new(&intervals).unwrap();
        assert_eq!((tally.len(), tally.total()), (500, 4000.0));
        // A bucket at 1000 holds about three different values.
        assert!((1990.0..=2000.0).contains(&tally.beyond(0.5).iter().sum::<f64>()));
    }
}
