//! From a target and what was measured to a verdict.

use pulse_model::{
    Comparison, Histogram, IntervalValues, Measured, Snapshot, Statistic, Subject, Target, TargetResult,
    Verdict,
};

use crate::blocks::{
    MIN_INTERVALS, effective_samples, mean_interval_over, quantile_interval_over, quantile_lower_bound_over,
};
use crate::interval::{CONFIDENCE, mean_interval, quantile_interval, rank_bounds};
use crate::tail_bound::quantile_upper_bound_over;

/// Samples beyond a quantile that a judgement needs: n ≥ 10 / (1 − q).
const SAMPLES_BEYOND: f64 = 10.0;
/// Samples that the interval of a mean needs to be worth the name.
const SAMPLES_OF_MEAN: u64 = 20;
/// Samples from which the lower end of an interval alone is believed. One or two slow answers may be an accident, whatever
/// the ranks say; and of the few slow answers that a mean is made of, a small sample misses some rather than having too
/// many.
const SAMPLES_OF_MISS: u64 = 5;

/// Judges one target.
///
/// Quantiles and means are estimates: they pass when the whole 95 % confidence interval meets the limit, fail when none
/// of it does, and are inconclusive between. Shares, counts, throughput and extremes are facts of the run and are
/// compared as they are. Without data nothing passes.
///
/// Takes samples for independent, which response times under load are not: with the intervals at hand use
/// [`judge_over`].
pub fn judge(target: &Target, snapshot: &Snapshot) -> TargetResult {
    verdict::<Histogram>(target, snapshot, &[], CONFIDENCE)
}

/// Judges one target from the totals and the intervals they are the sum of, in order of time.
///
/// As [`judge`], but the intervals of quantiles and means know that slow responses come in clusters
/// ([`quantile_interval_over`]). Intervals that do not hold all of the values of the totals are not used.
pub fn judge_over(target: &Target, totals: &Snapshot, intervals: &[Snapshot]) -> TargetResult {
    judge_at(target, totals, intervals, CONFIDENCE)
}

/// As [`judge_over`], with another confidence than the usual one; for looks at a run that goes on.
pub fn judge_at(target: &Target, totals: &Snapshot, intervals: &[Snapshot], confidence: f64) -> TargetResult {
    let is_estimate = matches!(target.subject, Subject::Trend { .. });
    let intervals = if is_estimate { intervals } else { &[] };
    let parts: Vec<Histogram> = intervals.iter().map(|interval| target.trend(interval)).collect();
    verdict(target, totals, &parts, confidence)
}

/// As [`judge_over`], from the values of [`Target::judged_series`] in each interval.
pub fn judge_parts(target: &Target, totals: &Snapshot, parts: &[impl IntervalValues]) -> TargetResult {
    verdict(target, totals, parts, CONFIDENCE)
}

/// Judges a target for an estimate: passes when the whole interval meets the limit, fails when none of it does, and is
/// inconclusive between. An estimate without a width is a fact and compared as it is; without one, nothing passes.
/// `missing` says why there is none.
pub fn judge_estimate(target: &Target, measured: Option<&Measured>, missing: &str) -> TargetResult {
    let Some(&measured) = measured else {
        let reason = Some(missing.to_owned());
        return TargetResult { target: target.clone(), verdict: Verdict::NoData, measured: None, reason };
    };
    let (verdict, reason) = match (target.holds(measured.lo), target.holds(measured.hi)) {
        (true, true) => (Verdict::Pass, None),
        (false, false) => (Verdict::Fail, None),
        _ => {
            let reason = format!(
                "the limit lies within the 95% interval {} – {}; a longer case would decide",
                target.show(measured.lo),
                target.show(measured.hi)
            );
            (Verdict::Inconclusive, Some(reason))
        }
    };
    TargetResult { target: target.clone(), verdict, measured: Some(measured), reason }
}

fn verdict<T: IntervalValues>(
    target: &Target,
    snapshot: &Snapshot,
    parts: &[T],
    confidence: f64,
) -> TargetResult {
    let result =
        |verdict, measured, reason| TargetResult { target: target.clone(), verdict, measured, reason };
    let trend = target.trend(snapshot);
    let Some(value) = target.measure(snapshot) else {
        return result(Verdict::NoData, None, Some("nothing was measured".to_owned()));
    };
    let samples = match &target.subject {
        Subject::Dropped => snapshot.counter(&pulse_model::Series::new(pulse_model::metric::DUE_ITERATIONS)),
        Subject::Checks => snapshot.rate(&pulse_model::Series::new(pulse_model::metric::CHECKS)).total,
        _ => trend.count(),
    };
    let fact = Measured { value, lo: value, hi: value, samples };
    let Some(estimate) = estimate(target, &trend, parts, confidence) else {
        let verdict = if target.holds(value) { Verdict::Pass } else { Verdict::Fail };
        return result(verdict, Some(fact), None);
    };
    match estimate {
        Estimate::TooFew { lower: Some(lower), .. } | Estimate::Clustered { lower: Some(lower), .. }
            if !target.holds(lower) && !target.holds(value) && lower <= value =>
        {
            // Where even the lower end of the interval misses an upper limit, the upper end does not matter.
            let hi = trend.max().map_or(value, |max| max as f64);
            result(Verdict::Fail, Some(Measured { value, lo: lower, hi, samples }), None)
        }
        Estimate::TooFew { needed, .. } => {
            let reason = format!("{samples} samples are too few to judge; at least {needed} are needed");
            result(Verdict::Inconclusive, Some(fact), Some(reason))
        }
        Estimate::Clustered { effective, .. } => {
            let reason = format!(
                "{samples} samples that come in clusters tell as much as about {effective:.0} independent ones; more of \
                 them, over a longer time, would decide"
            );
            result(Verdict::Inconclusive, Some(fact), Some(reason))
        }
        Estimate::Interval { lo, hi } => {
            // The point estimate may lie outside by the bucket's width; an interval that excludes it would be absurd.
            let measured = Measured { value, lo: lo.min(value), hi: hi.max(value), samples };
            match (target.holds(measured.lo), target.holds(measured.hi)) {
                (true, true) => result(Verdict::Pass, Some(measured), None),
                (false, false) => result(Verdict::Fail, Some(measured), None),
                _ => {
                    let reason = format!(
                        "the limit lies within the 95% interval {} – {}; more samples would decide",
                        target.show(measured.lo),
                        target.show(measured.hi)
                    );
                    result(Verdict::Inconclusive, Some(measured), Some(reason))
                }
            }
        }
    }
}

enum Estimate {
    /// `lower` is the lower end of an interval whose upper end is unknown; only for upper limits.
    TooFew {
        needed: u64,
        lower: Option<f64>,
    },
    Clustered {
        effective: f64,
        lower: Option<f64>,
    },
    Interval {
        lo: f64,
        hi: f64,
    },
}

/// The interval of a statistic that is an estimate; `None` for facts of the run.
fn estimate<T: IntervalValues>(
    target: &Target,
    trend: &Histogram,
    parts: &[T],
    confidence: f64,
) -> Option<Estimate> {
    let Subject::Trend { statistic, .. } = &target.subject else {
        return None;
    };
    let needed = match *statistic {
        // Rounded first: 10 / (1 − 0.99) is 1000, not 1000.0000000000009.
        Statistic::Quantile(q) => (SAMPLES_BEYOND / (1.0 - q).min(q)).round() as u64,
        Statistic::Mean => SAMPLES_OF_MEAN,
        Statistic::Min | Statistic::Max | Statistic::Stddev => return None,
    };
    let complete = parts.iter().map(IntervalValues::count).sum::<u64>() == trend.count();
    let parts = if complete { parts } else { &[] };
    // For a lower limit nothing is bounded from above.
    let upper_limit = matches!(target.comparison, Comparison::Less | Comparison::AtMost);
    let lower = || lower_bound(*statistic, trend, parts, confidence).filter(|_| upper_limit);
    if trend.count() < needed {
        return Some(Estimate::TooFew { needed, lower: lower() });
    }
    let interval = match *statistic {
        Statistic::Quantile(q) if complete => {
            let Some(bounds) = quantile_bounds_over(parts, q, confidence) else {
                let effective = effective_samples(parts, q).unwrap_or_default();
                return Some(Estimate::Clustered { effective, lower: lower() });
            };
            Some(bounds)
        }
        Statistic::Quantile(q) => quantile_interval(trend, q, confidence),
        _ if complete => {
            mean_interval_over(parts, confidence).map(|over| (over.estimate.lo, over.estimate.hi))
        }
        _ => mean_interval(trend, confidence),
    };
    // No mean lies below the smallest value that there can be.
    let interval = interval.map(|(lo, hi)| (lo.max(0.0), hi));
    Some(interval.map_or(Estimate::TooFew { needed, lower: None }, |(lo, hi)| Estimate::Interval { lo, hi }))
}

/// The interval by which a quantile is judged: that of [`quantile_interval_over`], or where it has no upper end, from its
/// lower end to a bound that the tail further out gives. `None` where there is neither.
pub fn quantile_bounds_over(
    intervals: &[impl IntervalValues],
    q: f64,
    confidence: f64,
) -> Option<(f64, f64)> {
    if let Some(over) = quantile_interval_over(intervals, q, confidence) {
        return Some((over.estimate.lo, over.estimate.hi));
    }
    let hi = quantile_upper_bound_over(intervals, q, confidence)?;
    let smallest =
        || intervals.iter().filter_map(|interval| interval.histogram().min()).min().map(|min| min as f64);
    let lo = quantile_lower_bound_over(intervals, q, confidence).or_else(smallest)?;
    Some((lo, hi))
}

/// The lower end of an interval, which exists for far fewer samples than the upper one: five slow answers out of five say
/// that a p99 is not small. Too few intervals say nothing about clusters, and samples are taken as independent.
fn lower_bound(
    statistic: Statistic,
    trend: &Histogram,
    parts: &[impl IntervalValues],
    confidence: f64,
) -> Option<f64> {
    match statistic {
        _ if trend.count() < SAMPLES_OF_MISS => None,
        Statistic::Quantile(q) if parts.len() >= MIN_INTERVALS => {
            quantile_lower_bound_over(parts, q, confidence)
        }
        Statistic::Quantile(q) => {
            let (lower, _) = rank_bounds(q, trend.count(), confidence)?;
            Some(trend.at_rank(lower?)?.lo as f64)
        }
        Statistic::Mean => mean_interval_over(parts, confidence)
            .map(|over| over.estimate.lo)
            .or_else(|| Some(mean_interval(trend, confidence)?.0)),
        Statistic::Min | Statistic::Max | Statistic::Stddev => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Aggregate, Series, metric, tag};

    /// `count` response times evenly up to `max_ms`, the last `failed` of them failures.
    fn measured(count: u64, max_ms: u64, failed: u64) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (outcome, range) in [("ok", 0..count - failed), ("failed", count - failed..count)] {
            let mut trend = Histogram::default();
            range.for_each(|i| trend.record((i + 1) * max_ms * 1_000_000 / count));
            let series = Series::new(metric::RESPONSE_TIME).with(tag::OUTCOME, outcome);
            snapshot.add(series, Aggregate::Trend(trend));
        }
        let to = pulse_model::Nanos::from_secs(10);
        snapshot.interval = Some(pulse_model::Interval { from: pulse_model::Nanos::ZERO, to });
        snapshot
    }

    #[test]
    fn verdicts() {
        let run = measured(10_000, 100, 100);
        let short = measured(100, 100, 0);
        for (target, snapshot, expected) in [
            ("p95 < 200ms", &run, Verdict::Pass),
            ("p95 < 90ms", &run, Verdict::Fail),
            ("p95 < 95ms", &run, Verdict::Inconclusive),
            ("p95 > 90ms", &run, Verdict::Pass),
            ("p99 < 200ms", &short, Verdict::Inconclusive),
            ("p90 < 200ms", &short, Verdict::Pass),
            ("p99 < 200ms", &Snapshot::default(), Verdict::NoData),
            ("avg < 50ms", &run, Verdict::Inconclusive),
            ("avg < 100ms", &run, Verdict::Pass),
            ("max <= 100ms", &run, Verdict::Pass),
            ("max < 100ms", &run, Verdict::Fail),
            ("errors < 2%", &run, Verdict::Pass),
            ("errors <= 1%", &run, Verdict::Pass),
            ("errors = 0", &run, Verdict::Fail),
            ("errors = 0", &short, Verdict::Pass),
            ("errors = 0", &Snapshot::default(), Verdict::NoData),
            ("success > 99%", &run, Verdict::Fail),
            ("success >= 99%", &run, Verdict::Pass),
            ("throughput > 999/s", &run, Verdict::Pass),
            ("throughput > 1000/s", &run, Verdict::Fail),
            ("dropped = 0", &run, Verdict::NoData),
            ("checks > 99%", &run, Verdict::NoData),
            ("service_time.p95 < 1s", &run, Verdict::NoData),
        ] {
            let result = judge(&target.parse().unwrap(), snapshot);
            assert_eq!(result.verdict, expected, "{target}: {result:?}");
        }
    }

    #[test]
    fn too_few_samples_say_how_many_are_needed() {
        let result = judge(&"p99 < 1s".parse().unwrap(), &measured(999, 100, 0));
        assert_eq!(
            result.reason.as_deref(),
            Some("999 samples are too few to judge; at least 1000 are needed")
        );
        assert_eq!(judge(&"p99 < 1s".parse().unwrap(), &measured(1000, 100, 0)).verdict, Verdict::Pass);
    }

    #[test]
    fn few_samples_suffice_for_an_obvious_miss() {
        for (target, count, expected) in [
            // 5 of 5 above the limit: the p99 is not below it.
            ("p99 < 1ms", 4, Verdict::Inconclusive),
            ("p99 < 1ms", 5, Verdict::Fail),
            ("p95 < 1ms", 5, Verdict::Fail),
            ("p50 < 1ms", 5, Verdict::Inconclusive),
            ("p50 < 1ms", 6, Verdict::Fail),
            // Some of them meet it.
            ("p90 < 70ms", 5, Verdict::Inconclusive),
            ("p95 < 20ms", 20, Verdict::Fail),
            ("avg < 1ms", 4, Verdict::Inconclusive),
            ("avg < 1ms", 5, Verdict::Fail),
            ("avg < 40ms", 5, Verdict::Inconclusive),
            // A pass needs as many as ever, and so does a lower limit.
            ("p99 < 1s", 20, Verdict::Inconclusive),
            ("p99 > 1s", 20, Verdict::Inconclusive),
            ("p99 > 1ms", 20, Verdict::Inconclusive),
        ] {
            let run = measured(count, 100, 0);
            for result in [
                judge(&target.parse().unwrap(), &run),
                judge_over(&target.parse().unwrap(), &run, std::slice::from_ref(&run)),
            ] {
                assert_eq!(result.verdict, expected, "{count}: {result:?}");
            }
        }
    }

    #[test]
    fn more_confidence_decides_less() {
        let run = measured(1_000, 100, 0);
        for (target, usual, strict) in [
            ("p95 < 97ms", Verdict::Pass, Verdict::Inconclusive),
            ("p95 < 99ms", Verdict::Pass, Verdict::Pass),
            ("avg < 53ms", Verdict::Pass, Verdict::Inconclusive),
            ("avg < 40ms", Verdict::Fail, Verdict::Fail),
        ] {
            let target = target.parse().unwrap();
            assert_eq!(judge_over(&target, &run, &[]).verdict, usual, "{target}");
            assert_eq!(judge_at(&target, &run, &[], 0.999).verdict, strict, "{target}");
        }
    }

    /// `count` intervals of 100 response times around 10 ms; every `slow`-th interval takes 100 ms as a whole.
    fn intervals(count: u64, slow: u64) -> Vec<Snapshot> {
        let interval = |i: u64| {
            let mut trend = Histogram::default();
            (0..100).for_each(|k| {
                trend.record(
                    (if (i * 37 % count).is_multiple_of(slow) { 100_000_000 } else { 10_000_000 }) + k * 1000,
                );
            });
            let mut snapshot = Snapshot::default();
            let series = Series::new(metric::RESPONSE_TIME).with(tag::OUTCOME, "ok");
            snapshot.add(series, Aggregate::Trend(trend));
            snapshot
        };
        (0..count).map(interval).collect()
    }

    fn sum(intervals: &[Snapshot]) -> Snapshot {
        intervals.iter().fold(Snapshot::default(), |mut sum, interval| {
            sum.merge(interval);
            sum
        })
    }

    #[test]
    fn clusters_widen_the_interval() {
        // 12 of 100 intervals are slow: as independent samples the p90 is surely slow, as twelve events it is not.
        let clustered = intervals(100, 9);
        let totals = sum(&clustered);
        for (target, alone, over) in [
            ("p90 < 50ms", Verdict::Fail, Verdict::Inconclusive),
            ("p50 < 50ms", Verdict::Pass, Verdict::Pass),
            ("avg < 22ms", Verdict::Pass, Verdict::Inconclusive),
            ("avg < 50ms", Verdict::Pass, Verdict::Pass),
            ("p90 < 1ms", Verdict::Fail, Verdict::Fail),
            ("p99 < 50ms", Verdict::Fail, Verdict::Fail),
            ("max < 1s", Verdict::Pass, Verdict::Pass),
        ] {
            let target = target.parse().unwrap();
            assert_eq!(judge(&target, &totals).verdict, alone, "{target}");
            let result = judge_over(&target, &totals, &clustered);
            assert_eq!(result.verdict, over, "{result:?}");
        }
        // One interval of a hundred holds all that is slow: a single event says nothing about how often it happens.
        let rare = intervals(100, 100);
        let result = judge_over(&"p98 < 1s".parse().unwrap(), &sum(&rare), &rare);
        assert_eq!(result.verdict, Verdict::Inconclusive, "{result:?}");
        assert!(result.reason.is_some_and(|reason| reason.contains("come in clusters")));
    }

    #[test]
    fn few_or_incomplete_intervals_are_not_used() {
        let steady = intervals(100, 1000);
        let totals = sum(&steady);
        let target = "p90 < 50ms".parse().unwrap();
        assert_eq!(judge_over(&target, &totals, &steady).verdict, Verdict::Pass);
        assert_eq!(judge_over(&target, &totals, &steady[..50]), judge(&target, &totals));
        assert_eq!(judge_over(&target, &totals, &[]), judge(&target, &totals));
        assert_eq!(judge_over(&target, &Snapshot::default(), &[]).verdict, Verdict::NoData);
    }

    /// Sixteen seconds of a service that falls ever further behind: each second is slower than the one before, so that
    /// thousands of samples tell as much as a few. The miss is obvious all the same, and a limit near it is not decided.
    #[test]
    fn an_obvious_miss_needs_no_upper_bound() {
        let part = |second: u64| {
            let mut trend = Histogram::default();
            (0..200).for_each(|n| trend.record((1 + second * 200 + n) * 1_000_000));
            let mut part = Snapshot::default();
            part.add(Series::new(metric::RESPONSE_TIME).with(tag::OUTCOME, "ok"), Aggregate::Trend(trend));
            part
        };
        let parts: Vec<Snapshot> = (0..16).map(part).collect();
        let mut totals = Snapshot::default();
        parts.iter().for_each(|part| totals.merge(part));
        for (target, verdict) in [
            ("p95 < 20ms", Verdict::Fail),
            ("p95 < 3s", Verdict::Inconclusive),
            ("p95 > 20ms", Verdict::Pass),
        ] {
            let result = judge_over(&target.parse().unwrap(), &totals, &parts);
            assert_eq!(result.verdict, verdict, "{target}: {result:?}");
        }
    }
}
