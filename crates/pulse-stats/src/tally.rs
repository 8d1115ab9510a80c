//! Counts of a sequence of interval histograms, laid out for being summed again and again.

use std::borrow::Cow;

use pulse_model::{Histogram, IntervalValues, Schema};

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
    pub(crate) fn new(intervals: &[impl IntervalValues]) -> Option<Self> {
        let schema = intervals.iter().map(IntervalValues::schema).min()?;
        let group = intervals.len().div_ceil(MAX_INTERVALS);
        let rows = intervals.len().div_ceil(group);
        let (mut counts, mut sums) = (vec![0.0; rows], vec![0.0; rows]);
        let (mut min, mut max) = (u64::MAX, 0);
        // Zeros come first, then the buckets.
        let mut touched = vec![false; schema.buckets() + 1];
        for (row, histogram) in
            intervals.iter().enumerate().map(|(i, values)| (i / group, values.histogram()))
        {
            counts[row] += histogram.count() as f64;
            sums[row] += histogram.sum() as f64;
            min = min.min(histogram.min().unwrap_or(u64::MAX));
            max = max.max(histogram.max().unwrap_or(0));
            counted(&downscaled(&histogram, schema)).for_each(|(place, _)| touched[place] = true);
        }
        let places: Vec<usize> = (0..touched.len()).filter(|&place| touched[place]).collect();
        let bounds = |place: usize| match place.checked_sub(1) {
            None => (0, 0),
            Some(index) => (schema.lower(index), schema.upper(index)),
        };
        let buckets: Vec<(f64, f64)> = places
            .iter()
            .map(|&place| bounds(place))
            .map(|(lower, upper)| (lower.max(min) as f64, upper.min(max) as f64))
            .collect();
        let mut at_most = vec![0.0; buckets.len() * rows];
        for (row, histogram) in
            intervals.iter().enumerate().map(|(i, values)| (i / group, values.histogram()))
        {
            let mut bucket = 0;
            for (place, count) in counted(&downscaled(&histogram, schema)) {
                while places[bucket] < place {
                    bucket += 1;
                }
                at_most[bucket * rows + row] += count as f64;
            }
        }
        (rows..at_most.len()).for_each(|at| at_most[at] += at_most[at - rows]);
        (!buckets.is_empty()).then_some(Self { buckets, at_most, counts, sums })
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

/// The place of each bucket that holds something, and its count: 0 for zeros, 1 for the first bucket.
fn counted(histogram: &Histogram) -> impl Iterator<Item = (usize, u64)> {
    let zeros = (histogram.zeros() > 0).then_some((0, histogram.zeros()));
    zeros.into_iter().chain(histogram.indexed().map(|(index, count)| (index + 1, count)))
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
