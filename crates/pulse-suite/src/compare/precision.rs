//! How long a case that is to be compared is sampled.
//!
//! A case ends as soon as its targets are decided. That may be long before 5 % can be told from chance, and a comparison of
//! two such runs is unclear at best. A run that is kept as a baseline, or compared with one, therefore goes on until its own
//! figures are known well enough, or its budget ends.
//!
//! What is asked for is the width of the run's own intervals, never what a comparison says so far: to end a run as soon as it
//! looks slower is to choose the moments of bad luck.

use pulse_model::{Histogram, Snapshot, Statistic, Subject, Target, metric};
use pulse_stats::{BlockInterval, CONFIDENCE, MIN_INTERVALS, mean_interval_over, quantile_interval_over};

use super::{CompareOptions, FOUND, Z_95, spans};
use crate::run_data::selector;

/// How precisely a run has to be known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Precision {
    /// Smallest relative effect that a comparison shall tell from chance: 0.05 is 5 %.
    pub min_effect: f64,
}

impl Precision {
    /// Whether response times are known well enough: median and mean, and each quantile that a target is about.
    ///
    /// Well enough is a standard error of each side, on the logarithmic scale, with which the smallest effect is found in 90 %
    /// of comparisons ([`CompareOptions::boundary`]), what differs between runs included. At 5 % that is 0.8 %.
    pub fn is_reached(&self, intervals: &[Snapshot], targets: &[Target]) -> bool {
        let all = selector(None);
        let times: Vec<Histogram> = intervals.iter().map(|interval| interval.trend(&all)).collect();
        if times.iter().all(Histogram::is_empty) {
            return true;
        }
        if intervals.len() < MIN_INTERVALS || !spans(intervals) {
            return false;
        }
        let known = |over: Option<BlockInterval>| {
            over.is_some_and(|over| {
                let (lo, hi) = (over.estimate.lo, over.estimate.hi);
                lo > 0.0 && (hi / lo).ln() / (2.0 * Z_95) <= self.error()
            })
        };
        let quantile = |q| quantile_interval_over(&times, q, CONFIDENCE);
        known(quantile(0.5))
            && known(mean_interval_over(&times, CONFIDENCE))
            && targets.iter().filter_map(judged_quantile).all(|q| known(quantile(q)))
    }

    /// The standard error of one side.
    fn error(self) -> f64 {
        let both = self.min_effect.max(0.0).ln_1p() / FOUND;
        let between = CompareOptions::default().run_spread * std::f64::consts::SQRT_2;
        // What differs between runs cannot be sampled away; where it leaves no room, half of the error is all that helps.
        (both.powi(2) - between.powi(2)).max((both / 2.0).powi(2)).sqrt() / std::f64::consts::SQRT_2
    }
}

/// The quantile of response time that a target is about.
fn judged_quantile(target: &Target) -> Option<f64> {
    match &target.subject {
        Subject::Trend { metric, statistic: Statistic::Quantile(q) } if metric == metric::RESPONSE_TIME => {
            Some(*q)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Aggregate, Interval, Nanos, Series};

    /// So many intervals of 100 ms with 50 response times each, which scatter by ±`scatter`.
    fn run(count: u64, scatter: f64) -> Vec<Snapshot> {
        let interval = |number: u64| {
            let mut times = Histogram::default();
            for at in 0..50 {
                let place = ((number * 50 + at) * 7919 % 10_007) as f64 / 10_007.0;
                times.record((10e6 * (1.0 + scatter * (2.0 * place - 1.0))) as u64);
            }
            let mut snapshot = Snapshot::default();
            snapshot.add(Series::new(metric::RESPONSE_TIME), Aggregate::Trend(times));
            let from = Nanos::from_millis(number * 100);
            snapshot.interval = Some(Interval { from, to: from + Nanos::from_millis(100) });
            snapshot
        };
        (0..count).map(interval).collect()
    }

    #[test]
    fn more_scatter_and_further_quantiles_need_more() {
        let (median, p95): (Vec<Target>, Vec<Target>) =
            (Vec::new(), vec!["p95 < 1s".parse().unwrap(), "errors = 0".parse().unwrap()]);
        for (count, scatter, targets, reached) in [
            (5, 0.01, &median, false),
            // Eight intervals, but of less than a second.
            (9, 0.01, &median, false),
            (12, 0.01, &median, true),
            (12, 0.9, &median, false),
            (300, 0.5, &median, true),
            (12, 0.01, &p95, true),
            (60, 0.5, &p95, false),
            (200, 0.5, &p95, true),
        ] {
            let found = Precision { min_effect: 0.05 }.is_reached(&run(count, scatter), targets);
            assert_eq!(found, reached, "{count} {scatter} {targets:?}");
        }
        let error = Precision { min_effect: 0.05 }.error();
        assert!((error - 0.0081).abs() < 1e-4, "{error}");
        assert!(Precision { min_effect: 0.5 }.is_reached(&run(12, 0.5), &median));
        assert!(!Precision { min_effect: 0.0 }.is_reached(&run(300, 0.5), &median));
    }

    #[test]
    fn a_case_without_response_times_has_nothing_to_wait_for() {
        assert!(Precision { min_effect: 0.05 }.is_reached(&[], &[]));
        assert!(Precision { min_effect: 0.05 }.is_reached(&[Snapshot::default()], &[]));
    }
}
