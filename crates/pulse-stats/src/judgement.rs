//! From a target and what was measured to a verdict.

use pulse_model::{Histogram, Measured, Snapshot, Statistic, Subject, Target, TargetResult, Verdict};

use crate::interval::{CONFIDENCE, mean_interval, quantile_interval};

/// Samples beyond a quantile that a judgement needs: n ≥ 10 / (1 − q).
const SAMPLES_BEYOND: f64 = 10.0;
/// Samples that the interval of a mean needs to be worth the name.
const SAMPLES_OF_MEAN: u64 = 20;

/// Judges one target.
///
/// Quantiles and means are estimates: they pass when the whole 95 % confidence interval meets the limit, fail when none
/// of it does, and are inconclusive between. Shares, counts, throughput and extremes are facts of the run and are
/// compared as they are. Without data nothing passes.
pub fn judge(target: &Target, snapshot: &Snapshot) -> TargetResult {
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
    let Some(estimate) = estimate(target, &trend) else {
        let verdict = if target.holds(value) { Verdict::Pass } else { Verdict::Fail };
        return result(verdict, Some(fact), None);
    };
    match estimate {
        Estimate::TooFew { needed } => {
            let reason = format!("{samples} samples are too few to judge; at least {needed} are needed");
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
    TooFew { needed: u64 },
    Interval { lo: f64, hi: f64 },
}

/// The interval of a statistic that is an estimate; `None` for facts of the run.
fn estimate(target: &Target, trend: &Histogram) -> Option<Estimate> {
    let Subject::Trend { statistic, .. } = &target.subject else {
        return None;
    };
    let (needed, interval) = match *statistic {
        Statistic::Quantile(q) => {
            // Rounded first: 10 / (1 − 0.99) is 1000, not 1000.0000000000009.
            let needed = (SAMPLES_BEYOND / (1.0 - q).min(q)).round() as u64;
            (needed, quantile_interval(trend, q, CONFIDENCE))
        }
        Statistic::Mean => (SAMPLES_OF_MEAN, mean_interval(trend, CONFIDENCE)),
        Statistic::Min | Statistic::Max | Statistic::Stddev => return None,
    };
    match interval {
        Some((lo, hi)) if trend.count() >= needed => Some(Estimate::Interval { lo, hi }),
        _ => Some(Estimate::TooFew { needed }),
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
}
