//! How long a case goes on: until its targets are decided, and no longer than its budget.
//!
//! Looking at a running test again and again and stopping at the first clear answer makes wrong answers likelier than the
//! confidence level says. Two things guard against it, as in clinical trials. There are few looks: each at twice as many
//! samples as the one before, so that their number is the logarithm of the budget. And an early look decides only on far
//! stronger evidence than the last one: the limit must lie outside an interval of 99.9 %, which leaves the error of the
//! last, ordinary look almost as it was (J. L. Haybittle, "Repeated Assessment of Results in Clinical Trials of Cancer
//! Treatment", 1971; R. Peto et al., "Design and Analysis of Randomized Clinical Trials Requiring Prolonged Observation
//! of Each Patient", 1976). By the union bound ten looks add at most 1 % to it.
//!
//! No look decides before there are [`MIN_INTERVALS`] blocks: slow answers come in clusters, and only time shows how large
//! they are. From then on a fact that no later sample can undo, such as a failure where none is allowed, ends a case at any
//! look; and so does any sure miss once the duration is over that the user asked for: a load that met a standstill in its
//! first second would else be judged by that second. To pass early takes more: the least number of samples, and
//! that duration. The tests in `simulation` measure what this promises.

use pulse_model::{
    Comparison, Histogram, Measured, Nanos, Snapshot, Subject, Target, TargetResult, Unit, Verdict,
};
use pulse_plan::CaseLimits;
use pulse_stats::{CONFIDENCE, MIN_INTERVALS, mean_interval};

use crate::estimate_judgement::judge_measured_at;

/// Confidence of an early look.
const EARLY_CONFIDENCE: f64 = 0.999;
/// Standard errors of an early look's interval: the normal quantile of 99.95 %.
const EARLY_Z: f64 = 3.2905;
/// Standard errors of the interval that results carry: the normal quantile of 97.5 %.
const RESULT_Z: f64 = 1.9600;
/// Samples of the first look.
const FIRST_LOOK: u64 = 20;
/// Intervals shorter than this share of the longest one say little about throughput.
const FULL_INTERVAL: f64 = 0.9;
/// Full intervals that throughput is judged by at an early look, at least.
const THROUGHPUT_INTERVALS: u64 = 3;

/// When to look, and what to make of it.
#[derive(Clone, Debug)]
pub(crate) struct Sampling {
    limits: CaseLimits,
    next_look: u64,
    /// Whether there was a look that could have passed.
    could_pass: bool,
}

/// How far a case has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    /// Judged samples.
    pub(crate) samples: u64,
    /// Time since the first batch began, that between batches included.
    pub(crate) elapsed: Nanos,
    /// Blocks of time with samples.
    pub(crate) blocks: usize,
}

impl Sampling {
    /// Nothing sampled yet.
    pub(crate) fn new(limits: CaseLimits) -> Self {
        Self { limits, next_look: FIRST_LOOK, could_pass: false }
    }

    /// Whether it is time to look. Each look doubles the number of samples at which the next one comes; one more comes as
    /// soon as the case may pass.
    pub(crate) fn looks_at(&mut self, reached: Reached) -> bool {
        let may_pass = self.may_pass(reached) && !self.could_pass;
        let is_time = may_pass || reached.samples >= self.next_look && reached.blocks >= MIN_INTERVALS;
        if self.is_whole() || !is_time {
            return false;
        }
        self.could_pass |= may_pass;
        self.next_look = reached.samples.saturating_mul(2);
        true
    }

    /// Whether the time is over that was asked for: what is seen by then is what is judged.
    fn has_lasted(&self, reached: Reached) -> bool {
        reached.elapsed >= self.limits.min_duration
    }

    /// Whether a look ends the case with a miss, whatever becomes of its other targets.
    pub(crate) fn is_missed(&self, reached: Reached, results: &[TargetResult], blocks: &[Snapshot]) -> bool {
        results.iter().any(|result| {
            let counts = self.has_lasted(reached) || is_for_good(&result.target);
            counts && result.verdict == Verdict::Fail && is_settled(result, blocks)
        })
    }

    /// Whether a look may end the case with a pass.
    pub(crate) fn may_pass(&self, reached: Reached) -> bool {
        reached.samples >= self.limits.min_samples
            && self.has_lasted(reached)
            && reached.blocks >= MIN_INTERVALS
    }

    /// Without a minimum the whole batch is the test: there is one of it, and it is not cut short.
    fn is_whole(&self) -> bool {
        self.limits.min_samples == u64::MAX
    }

    /// Whether another batch may begin.
    pub(crate) fn goes_on(&self, reached: Reached) -> bool {
        !self.is_whole() && !self.is_over(reached)
    }

    /// Whether the budget is used up, also within a batch.
    pub(crate) fn is_over(&self, Reached { samples, elapsed, .. }: Reached) -> bool {
        !self.is_whole()
            && (elapsed >= self.limits.max_duration
                || samples >= self.limits.max_samples && elapsed >= self.limits.min_duration)
    }

    /// Samples of the budget that were not needed; 0 where only time limits the case.
    pub(crate) fn saved(&self, Reached { samples, elapsed, .. }: Reached) -> u64 {
        let by_time =
            samples as f64 / elapsed.as_secs_f64().max(1e-3) * self.limits.max_duration.as_secs_f64();
        self.limits.max_samples.min(by_time as u64).saturating_sub(samples)
    }
}

/// Whether an early look decides all of these. Facts of the run (a share of errors, a count) count as decided when more
/// samples would hardly change them.
pub fn is_decided(results: &[TargetResult], intervals: &[Snapshot]) -> bool {
    results.iter().all(|result| is_settled(result, intervals))
}

/// Whether no later sample can undo a miss that is settled: a count only grows, and one failure is enough for what must be
/// without any.
fn is_for_good(target: &Target) -> bool {
    let counts =
        matches!(target.subject, Subject::Errors | Subject::Success | Subject::Dropped | Subject::Checks);
    counts && (target.unit != Unit::Share || target.comparison == Comparison::Equal)
}

fn is_settled(result: &TargetResult, intervals: &[Snapshot]) -> bool {
    let (target, Some(measured)) = (&result.target, &result.measured) else { return false };
    if !matches!(result.verdict, Verdict::Pass | Verdict::Fail) {
        return false;
    }
    let passes = result.verdict == Verdict::Pass;
    match &target.subject {
        Subject::Throughput => throughput(intervals).is_some_and(|(lo, hi)| one_side(target, lo, hi, passes)),
        Subject::Errors | Subject::Success | Subject::Dropped | Subject::Checks => {
            if target.unit == Unit::Share && target.comparison != Comparison::Equal {
                let (lo, hi) = wilson(measured.value, measured.samples);
                one_side(target, lo, hi, passes)
            } else {
                // A count only grows: what is above its limit stays there, what is below its minimum need not.
                let may_recover = matches!(target.comparison, Comparison::Greater | Comparison::AtLeast);
                passes || !may_recover
            }
        }
        Subject::Trend { .. } | Subject::Ratio { .. } if intervals.len() >= MIN_INTERVALS => {
            let totals = intervals.iter().fold(Snapshot::default(), |mut totals, interval| {
                totals.merge(interval);
                totals
            });
            judge_measured_at(target, &totals, intervals, EARLY_CONFIDENCE).verdict == result.verdict
        }
        Subject::Trend { .. } | Subject::Ratio { .. } | Subject::Estimate(_) => {
            let (lo, hi) = widened(measured);
            one_side(target, lo, hi, passes)
        }
    }
}

fn one_side(target: &Target, lo: f64, hi: f64, passes: bool) -> bool {
    target.holds(lo) == passes && target.holds(hi) == passes
}

/// The interval of an early look: that of the result, stretched from 95 % to 99.9 % as if the estimate were normal.
fn widened(measured: &Measured) -> (f64, f64) {
    let factor = EARLY_Z / RESULT_Z;
    let Measured { value, lo, hi, .. } = *measured;
    (value - (value - lo) * factor, value + (hi - value) * factor)
}

/// The 99.9 % interval of a share (E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference",
/// 1927).
fn wilson(share: f64, samples: u64) -> (f64, f64) {
    let (n, z2) = (samples.max(1) as f64, EARLY_Z * EARLY_Z);
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = EARLY_Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).max(0.0).sqrt();
    (centre - half, centre + half)
}

/// The 99.9 % interval of requests per second, from the scatter of the full intervals; `None` for fewer than three.
fn throughput(intervals: &[Snapshot]) -> Option<(f64, f64)> {
    let requests = Target {
        subject: Subject::Throughput,
        tags: pulse_model::Tags::new(),
        comparison: Comparison::AtLeast,
        limit: 0.0,
        unit: Unit::PerSecond,
        per: 1,
    };
    let mut rates = Histogram::default();
    let longest = intervals.iter().map(Snapshot::length).max()?.as_secs_f64();
    let full = intervals.iter().filter(|interval| interval.length().as_secs_f64() >= longest * FULL_INTERVAL);
    // In thousandths, since a histogram holds whole numbers.
    full.filter_map(|interval| requests.measure(interval)).for_each(|rate| rates.record((rate * 1e3) as u64));
    let (lo, hi) =
        (rates.count() >= THROUGHPUT_INTERVALS).then(|| mean_interval(&rates, CONFIDENCE)).flatten()?;
    let value = rates.mean()?;
    let (lo, hi) = widened(&Measured { value, lo, hi, samples: rates.count() });
    Some((lo / 1e3, hi / 1e3))
}

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: CaseLimits = CaseLimits {
        min_samples: 100,
        max_samples: 1000,
        max_samples_compared: 1000,
        min_duration: Nanos::from_secs(1),
        max_duration: Nanos::from_secs(10),
    };

    fn reached(samples: u64, millis: u64) -> Reached {
        // A block every 100 ms.
        Reached { samples, elapsed: Nanos::from_millis(millis), blocks: millis as usize / 100 }
    }

    fn result(target: &str, [lo, value, hi]: [f64; 3], samples: u64) -> TargetResult {
        let target: Target = target.parse().unwrap();
        let verdict = match (target.holds(lo), target.holds(hi)) {
            (true, true) => Verdict::Pass,
            (false, false) => Verdict::Fail,
            _ => Verdict::Inconclusive,
        };
        let measured = Some(Measured { value, lo, hi, samples });
        TargetResult { target, verdict, measured, reason: None }
    }

    #[test]
    fn looks_are_few() {
        for (name, per_millis, expected) in [
            // One look once it may pass, then one at twice the samples.
            ("fast", 10_u64, vec![8_000, 16_000, 32_000, 64_000]),
            ("one a millisecond", 1, vec![800, 1_600, 3_200, 6_400]),
        ] {
            let mut sampling = Sampling::new(LIMITS);
            let looks: Vec<u64> = (0..10_000)
                .filter(|&millis| sampling.looks_at(reached(millis * per_millis, millis)))
                .map(|millis| millis * per_millis)
                .collect();
            let passes = 1_000 * per_millis;
            let mut expected = expected;
            expected.insert(1, passes);
            expected[2..].iter_mut().enumerate().for_each(|(i, look)| *look = passes << (i + 1));
            assert_eq!(looks, expected, "{name}");
        }
        // A slow service is looked at from 20 samples on, long before it may pass.
        let mut sampling = Sampling::new(LIMITS);
        let looks: Vec<u64> =
            (0..200).filter(|&samples| sampling.looks_at(reached(samples, samples * 50))).collect();
        assert_eq!(looks, [20, 40, 80, 100]);
        let mut whole = Sampling::new(CaseLimits { min_samples: u64::MAX, max_samples: u64::MAX, ..LIMITS });
        assert!(!(0..2000).any(|samples| whole.looks_at(reached(samples, samples * 50))));
        assert!(!whole.goes_on(reached(5, 0)));
        assert!(!whole.is_over(Reached { samples: u64::MAX, elapsed: Nanos::MAX, blocks: 9 }));
    }

    #[test]
    fn what_may_pass_and_what_is_over() {
        let sampling = Sampling::new(LIMITS);
        for (samples, millis, may_pass, is_over, saved) in [
            (0, 0, false, false, 0),
            (999, 9_000, true, false, 1),
            (1000, 5_000, true, true, 0),
            // The cap holds, however few samples there are.
            (0, 10_000, false, true, 0),
            (50, 10_000, false, true, 0),
            (50, 9_999, false, false, 0),
            // What was asked for is the least: neither samples alone nor time alone suffice.
            (99, 5_000, false, false, 99),
            (100, 1_000, true, false, 900),
            (5_000, 999, false, false, 0),
            (5_000, 1_000, true, true, 0),
            (200, 2_000, true, false, 800),
        ] {
            let reached = reached(samples, millis);
            assert_eq!(sampling.may_pass(reached), may_pass, "{reached:?}");
            assert_eq!(sampling.is_over(reached), is_over, "{reached:?}");
            assert_eq!(sampling.goes_on(reached), !is_over, "{reached:?}");
            assert_eq!(sampling.saved(reached), saved, "{reached:?}");
        }
        // Without enough blocks nothing is known about clusters.
        assert!(!sampling.may_pass(Reached { blocks: MIN_INTERVALS - 1, ..reached(200, 2_000) }));
        let capped = Sampling::new(CaseLimits { min_duration: Nanos::ZERO, ..LIMITS });
        assert!(capped.is_over(reached(1_000, 10)) && !capped.is_over(reached(999, 10)));
    }

    #[test]
    fn before_its_time_only_what_is_for_good_ends_a_case() {
        let sampling = Sampling::new(LIMITS);
        for (result, early, later) in [
            (result("p95 < 10ms", [13e6, 15e6, 17e6], 500), false, true),
            (result("p95 < 10ms", [4e6, 5e6, 6e6], 500), false, false),
            (result("errors < 1%", [0.2; 3], 500), false, true),
            (result("degradation < 2", [3.0, 3.1, 3.3], 500), false, true),
            (result("errors = 0", [1.0; 3], 500), true, true),
            (result("success = 100%", [0.9; 3], 500), true, true),
            (result("checks = 100%", [1.0; 3], 500), false, false),
        ] {
            for (millis, expected) in [(900, early), (1_000, later)] {
                let found = sampling.is_missed(reached(500, millis), std::slice::from_ref(&result), &[]);
                assert_eq!(found, expected, "{millis} {result:?}");
            }
        }
    }

    #[test]
    fn an_early_look_wants_more_than_a_verdict() {
        for (result, settled) in [
            (result("p95 < 10ms", [4e6, 5e6, 6e6], 500), true),
            (result("p95 < 10ms", [13e6, 15e6, 17e6], 500), true),
            // The 95 % interval is inside, that of 99.9 % is not.
            (result("p95 < 10ms", [8e6, 8.8e6, 9.6e6], 500), false),
            (result("p95 < 10ms", [8e6, 9e6, 11e6], 500), false),
            (result("errors = 0", [0.0; 3], 500), true),
            (result("errors = 0", [1.0; 3], 500), true),
            (result("errors < 1%", [0.0; 3], 500), false),
            (result("errors < 1%", [0.0; 3], 2000), true),
            (result("errors < 1%", [0.2; 3], 100), true),
            (result("errors < 1%", [0.02; 3], 200), false),
            (result("success > 99%", [1.0; 3], 2000), true),
            (result("degradation < 2", [1.0, 1.1, 1.3], 500), true),
            (result("throughput > 100/s", [5000.0; 3], 500), false),
        ] {
            assert_eq!(is_settled(&result, &[]), settled, "{result:?}");
        }
    }

    #[test]
    fn throughput_is_decided_by_its_scatter() {
        use pulse_model::{Aggregate, Interval, Series, metric};
        let second = |number: u64, requests: u64| {
            let mut trend = Histogram::default();
            trend.record_n(1_000_000, requests);
            let mut snapshot = Snapshot::default();
            snapshot.add(Series::new(metric::RESPONSE_TIME), Aggregate::Trend(trend));
            let from = Nanos::from_secs(number);
            snapshot.interval = Some(Interval { from, to: from + Nanos::from_secs(1) });
            snapshot
        };
        let steady: Vec<Snapshot> = (0..5).map(|number| second(number, 500 + number)).collect();
        let wild: Vec<Snapshot> = (0..5).map(|number| second(number, 10 + 500 * (number % 2))).collect();
        let result = result("throughput > 100/s", [400.0; 3], 500);
        assert!(is_settled(&result, &steady));
        assert!(!is_settled(&result, &wild));
        assert!(!is_settled(&result, &steady[..2]));
    }
}
