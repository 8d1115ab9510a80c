//! From a target to a verdict where a snapshot alone does not hold the value: ratios.

use pulse_model::{
    Comparison, Histogram, Measured, Snapshot, Statistic, Subject, Target, TargetResult, Verdict,
};
use pulse_stats::{
    CONFIDENCE, judge_estimate, mean_interval_over, quantile_bounds_over, quantile_lower_bound_over,
};

/// Judges any target that the snapshots hold; ratios such as `p99 / p50` get an interval here.
///
/// The interval of a ratio goes from the lowest numerator over the highest denominator to the opposite, each with half of
/// the error probability, so that both hold together with 95 % (C. E. Bonferroni, 1936). It is wider than need be, and
/// needs no assumption about how the two depend on each other.
pub fn judge_measured(target: &Target, totals: &Snapshot, intervals: &[Snapshot]) -> TargetResult {
    judge_measured_at(target, totals, intervals, CONFIDENCE)
}

/// As [`judge_measured`], with another confidence than the usual one.
pub(crate) fn judge_measured_at(
    target: &Target,
    totals: &Snapshot,
    intervals: &[Snapshot],
    confidence: f64,
) -> TargetResult {
    let Subject::Ratio { statistic, by, .. } = &target.subject else {
        return pulse_stats::judge_at(target, totals, intervals, confidence);
    };
    let Some(value) = target.measure(totals) else {
        return judge_estimate(target, None, "nothing was measured");
    };
    let trends: Vec<Histogram> = intervals.iter().map(|interval| target.trend(interval)).collect();
    let samples = target.trend(totals).count();
    let each = f64::midpoint(1.0, confidence);
    match bounds(&trends, *statistic, each).zip(bounds(&trends, *by, each)) {
        Some(((above_lo, above_hi), (below_lo, below_hi))) if below_lo > 0.0 => {
            let (lo, hi) = ((above_lo / below_hi).min(value), (above_hi / below_lo).max(value));
            judge_estimate(target, Some(&Measured { value, lo, hi, samples }), "")
        }
        _ if is_surely_above(target, &trends, [*statistic, *by], each) && !target.holds(value) => {
            let lo = least_ratio(&trends, *statistic, *by, each).map_or(value, |lo| lo.min(value));
            let largest = target.trend(totals).max().map_or(value, |max| max as f64);
            let hi = by.of(&target.trend(totals)).map_or(value, |below| (largest / below).max(value));
            judge_estimate(target, Some(&Measured { value, lo, hi, samples }), "")
        }
        _ => {
            let fact = Measured { value, lo: value, hi: value, samples };
            let needed = needed(*statistic).max(needed(*by));
            let reason = if samples < needed {
                format!("{samples} samples are too few to judge this ratio; at least {needed} are needed")
            } else {
                format!(
                    "{samples} samples that come in clusters tell too little about the tail; more of them, over a longer \
                     time, would decide"
                )
            };
            let reason = Some(reason);
            let verdict = Verdict::Inconclusive;
            TargetResult { target: target.clone(), verdict, measured: Some(fact), reason }
        }
    }
}

/// Whether even the least that a ratio can be misses an upper limit: then it does not matter that the largest is unknown.
fn is_surely_above(
    target: &Target,
    trends: &[Histogram],
    [above, below]: [Statistic; 2],
    confidence: f64,
) -> bool {
    let upper_limit = matches!(target.comparison, Comparison::Less | Comparison::AtMost);
    upper_limit && least_ratio(trends, above, below, confidence).is_some_and(|least| !target.holds(least))
}

/// The lower end of the interval of a ratio whose numerator has no upper end.
fn least_ratio(trends: &[Histogram], above: Statistic, below: Statistic, confidence: f64) -> Option<f64> {
    let Statistic::Quantile(q) = above else { return None };
    let least = quantile_lower_bound_over(trends, q, confidence)?;
    let (_, most) = bounds(trends, below, confidence)?;
    (most > 0.0).then(|| least / most)
}

/// Samples that one side of a ratio needs: ten beyond a quantile.
fn needed(statistic: Statistic) -> u64 {
    match statistic {
        Statistic::Quantile(q) => (10.0 / (1.0 - q).min(q)).round() as u64,
        Statistic::Mean => 20,
        Statistic::Min | Statistic::Max | Statistic::Stddev => 1,
    }
}

/// The interval of one side of a ratio; extremes and deviations are facts.
fn bounds(trends: &[Histogram], statistic: Statistic, confidence: f64) -> Option<(f64, f64)> {
    let over = match statistic {
        Statistic::Quantile(q) => return quantile_bounds_over(trends, q, confidence),
        Statistic::Mean => mean_interval_over(trends, confidence)?,
        Statistic::Min | Statistic::Max | Statistic::Stddev => {
            let mut all = Histogram::default();
            trends.iter().for_each(|trend| all.merge(trend));
            return statistic.of(&all).map(|value| (value, value));
        }
    };
    Some((over.estimate.lo, over.estimate.hi))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Aggregate, Series, metric};

    #[test]
    fn estimates() {
        let measured = |lo, value, hi| Some(Measured { value, lo, hi, samples: 9 });
        for (target, found, expected) in [
            ("memory_growth < 50MB per 1000 requests", measured(-10.0, 5.0, 20.0), Verdict::Pass),
            ("memory_growth < 50MB per 1000 requests", measured(60e3, 70e3, 80e3), Verdict::Fail),
            ("memory_growth < 50MB per 1000 requests", measured(40e3, 45e3, 60e3), Verdict::Inconclusive),
            ("cpu < 80%", measured(0.5, 0.5, 0.5), Verdict::Pass),
            ("lost_messages = 0", measured(1.0, 1.0, 1.0), Verdict::Fail),
            ("degradation < 2", None, Verdict::NoData),
        ] {
            let target: Target = target.parse().unwrap();
            let result = judge_estimate(&target, found.as_ref(), "the process is unknown");
            assert_eq!(result.verdict, expected, "{target}");
            assert_eq!(result.reason.is_some(), matches!(expected, Verdict::Inconclusive | Verdict::NoData));
        }
    }

    /// `count` values evenly in 1..=`max_ms`.
    fn snapshot(count: u64, max_ms: u64) -> Snapshot {
        let mut trend = Histogram::default();
        (1..=count).for_each(|i| trend.record(i * max_ms * 1_000_000 / count));
        let mut snapshot = Snapshot::default();
        snapshot.add(Series::new(metric::RESPONSE_TIME), Aggregate::Trend(trend));
        snapshot
    }

    /// Forty intervals of 100 values of 5 ms; three times two of them hold slow ones, each pair slower than the one before,
    /// so that nothing bounds the largest values.
    #[test]
    fn a_ratio_that_is_surely_missed_needs_no_upper_end() {
        let interval = |i: u64| {
            let mut trend = Histogram::default();
            let slow = if i % 13 < 2 { 60 } else { 0 };
            let value =
                |k: u64| if k < slow { 300_000_000 + i * 20_000_000 + k * 100_000 } else { 5_000_000 + k };
            (0..100).for_each(|k| trend.record(value(k)));
            let mut snapshot = Snapshot::default();
            snapshot.add(Series::new(metric::RESPONSE_TIME), Aggregate::Trend(trend));
            snapshot
        };
        let intervals: Vec<Snapshot> = (0..40).map(interval).collect();
        let totals = intervals.iter().fold(Snapshot::default(), |mut totals, next| {
            totals.merge(next);
            totals
        });
        let trends: Vec<Histogram> =
            intervals.iter().map(|part| part.trend(&Series::new(metric::RESPONSE_TIME))).collect();
        assert_eq!(quantile_bounds_over(&trends, 0.99, f64::midpoint(1.0, CONFIDENCE)), None);
        for (target, expected) in [
            ("p99 / p50 < 5", Verdict::Fail),
            ("p99 / p50 < 500", Verdict::Inconclusive),
            ("p99 / p50 > 5", Verdict::Inconclusive),
        ] {
            let result = judge_measured(&target.parse().unwrap(), &totals, &intervals);
            assert_eq!(result.verdict, expected, "{result:?}");
        }
    }

    #[test]
    fn ratios_have_an_interval() {
        for (target, count, expected) in [
            ("p99 / p50 < 5", 10_000, Verdict::Pass),
            ("p99 / p50 < 1.5", 10_000, Verdict::Fail),
            ("p99 / p50 < 1.98", 10_000, Verdict::Inconclusive),
            ("p99 / avg < 5", 10_000, Verdict::Pass),
            ("max / p50 < 5", 10_000, Verdict::Pass),
            ("p99 / p50 < 5", 20, Verdict::Inconclusive),
            ("p99 / p50 < 5", 0, Verdict::NoData),
        ] {
            let totals = snapshot(count, 100);
            let target: Target = target.parse().unwrap();
            let result = judge_measured(&target, &totals, std::slice::from_ref(&totals));
            assert_eq!(result.verdict, expected, "{target}: {result:?}");
        }
    }
}
