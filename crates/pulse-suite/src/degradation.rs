//! How much slower the service is for many users than for few: the ratio of the 95th percentiles.

use pulse_model::{Histogram, Measured, Series, Snapshot, Statistic, metric};
use pulse_stats::{Bootstrap, CONFIDENCE, compare_intervals, quantile_bounds_over};

/// The percentile that is compared.
const QUANTILE: f64 = 0.95;
/// Response times that a percentile needs on each side.
const MIN_SAMPLES: u64 = 200;

/// The ratio with its 95 % interval, and the number of response times at many users; `None` where there are too few.
///
/// With enough intervals the two-sample block bootstrap says how sure it is ([`compare_intervals`]); a short case has
/// the intervals of both percentiles put together instead, each with half of the error probability.
pub(crate) fn degradation(few: &[Snapshot], many: &[Snapshot]) -> Option<Measured> {
    let (few, many) = (response_times(few), response_times(many));
    let count = |trends: &[Histogram]| trends.iter().map(Histogram::count).sum::<u64>();
    let samples = count(&many);
    if count(&few) < MIN_SAMPLES || samples < MIN_SAMPLES {
        return None;
    }
    let compared = compare_intervals(&few, &many, Statistic::Quantile(QUANTILE), &Bootstrap::default());
    if let Some(ratio) = compared.and_then(|compared| compared.ratio) {
        return Some(Measured { value: ratio.value, lo: ratio.lo, hi: ratio.hi, samples });
    }
    let confidence = f64::midpoint(1.0, CONFIDENCE);
    let value = p95(&many)? / p95(&few)?;
    let (few_lo, few_hi) = quantile_bounds_over(&few, QUANTILE, confidence)?;
    let (many_lo, many_hi) = quantile_bounds_over(&many, QUANTILE, confidence)?;
    (few_lo > 0.0).then(|| Measured {
        value,
        lo: (many_lo / few_hi).min(value),
        hi: (many_hi / few_lo).max(value),
        samples,
    })
}

fn p95(trends: &[Histogram]) -> Option<f64> {
    let mut all = Histogram::default();
    trends.iter().for_each(|trend| all.merge(trend));
    all.quantile(QUANTILE).map(|found| found.estimate as f64).filter(|&found| found > 0.0)
}

/// Response times of each interval that has any.
fn response_times(intervals: &[Snapshot]) -> Vec<Histogram> {
    let selector = Series::new(metric::RESPONSE_TIME);
    intervals.iter().map(|interval| interval.trend(&selector)).filter(|trend| !trend.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::Aggregate;

    /// Intervals with 300 values each, spread over 1..2 times the base.
    fn intervals(number: u64, base: u64) -> Vec<Snapshot> {
        let interval = |n: u64| {
            let mut trend = Histogram::default();
            (0..300).for_each(|i| trend.record(base + (n * 300 + i) * 7919 % 10_007 * base / 10_007));
            let mut snapshot = Snapshot::default();
            snapshot.add(Series::new(metric::RESPONSE_TIME), Aggregate::Trend(trend));
            snapshot
        };
        (0..number).map(interval).collect()
    }

    #[test]
    fn ratios_with_intervals() {
        for (number, few, many, expected) in
            [(12, 1_000_000, 1_000_000, 1.0), (12, 1_000_000, 3_000_000, 3.0), (2, 1_000_000, 3_000_000, 3.0)]
        {
            let found = degradation(&intervals(number, few), &intervals(number, many)).unwrap();
            assert!(found.lo < expected && expected < found.hi, "{number}: {found:?}");
            assert!(found.hi / found.lo < 1.2, "{number}: {found:?}");
        }
        assert_eq!(degradation(&intervals(0, 1), &intervals(9, 1)), None);
        assert_eq!(degradation(&intervals(9, 1), &[]), None);
    }
}
