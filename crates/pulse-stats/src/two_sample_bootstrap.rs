//! By how much do two measurements differ?

use pulse_model::{Histogram, Statistic};

use crate::bootstrap::{Bootstrap, Resampled};
use crate::estimate::Estimate;
use crate::ranks::{mean, variance};
use crate::tails::{student_quantile, student_tails};

/// A statistic of a second measurement against that of a first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TwoSamples {
    /// The statistic before, in the unit of the values.
    pub before: f64,
    /// The statistic after.
    pub after: f64,
    /// after / before; `None` when either is 0.
    pub ratio: Option<Estimate>,
    /// after − before, in the unit of the values.
    pub difference: Estimate,
    /// Probability of a difference this large between two measurements of the same thing (two-sided).
    pub p_value: f64,
}

/// Compares a quantile or mean of two sequences of intervals, each in order of time.
///
/// The standard error of each side comes from its block bootstrap; ratios are compared on the logarithmic scale, where
/// the estimates' laws are closer to normal. The interval is θ ± t·s with Welch's degrees of freedom (B. Efron, R. J.
/// Tibshirani, "An Introduction to the Bootstrap", 1993, §12.2 and §13.6; B. L. Welch, 1947), each side having as many as
/// it has blocks, less one. It knows how values scatter *within* the two runs; that two runs of one program differ by more
/// than that (other memory layout, other machine) only repetition shows.
///
/// `None` for other statistics, fewer than four intervals or no values on a side, and a confidence outside (0, 1).
pub fn compare_intervals(
    before: &[Histogram],
    after: &[Histogram],
    statistic: Statistic,
    bootstrap: &Bootstrap,
) -> Option<TwoSamples> {
    let sides = [bootstrap.resample(before, statistic, 0)?, bootstrap.resample(after, statistic, 1)?];
    let plain = Welch::of(&sides, |value| value);
    let (difference, plain_p) = plain.interval(bootstrap.confidence)?;
    let positive =
        sides.iter().all(|side| side.value > 0.0 && side.replicates.iter().all(|&value| value > 0.0));
    let logarithmic = positive.then(|| Welch::of(&sides, f64::ln).interval(bootstrap.confidence)).flatten();
    let ratio =
        logarithmic.and_then(|(log, _)| Estimate::finite(log.value.exp(), log.lo.exp(), log.hi.exp()));
    let p_value = logarithmic.map_or(plain_p, |(_, p_value)| p_value);
    Some(TwoSamples { before: sides[0].value, after: sides[1].value, ratio, difference, p_value })
}

/// A difference of two estimates with known standard errors.
struct Welch {
    difference: f64,
    error: f64,
    freedom: f64,
}

impl Welch {
    fn of([before, after]: &[Resampled; 2], scale: impl Fn(f64) -> f64) -> Self {
        let spread = |side: &Resampled| {
            let scaled: Vec<f64> = side.replicates.iter().map(|&value| scale(value)).collect();
            // Blocks vary about the mean of their own sample: k/(k − 1), as for a sample variance.
            let variance = variance(&scaled) * (side.freedom + 1.0) / side.freedom;
            // Equal values differ by rounding alone, which must not pass for a tiny scatter.
            let rounding = (mean(&scaled) * 1e-12).powi(2);
            if variance > rounding { variance } else { 0.0 }
        };
        let (a, b) = (spread(before), spread(after));
        let freedom = (a + b).powi(2) / (a * a / before.freedom + b * b / after.freedom);
        let fallback = before.freedom.min(after.freedom);
        Self {
            difference: scale(after.value) - scale(before.value),
            error: (a + b).sqrt(),
            freedom: if freedom.is_finite() && freedom > 0.0 { freedom } else { fallback },
        }
    }

    /// The interval and the two-sided p-value of no difference.
    fn interval(&self, confidence: f64) -> Option<(Estimate, f64)> {
        let half = student_quantile(confidence, self.freedom)? * self.error;
        let estimate = Estimate::finite(self.difference, self.difference - half, self.difference + half)?;
        // Without any scatter 0/0 is no difference and x/0 a certain one.
        let p_value = student_tails(self.difference / self.error, self.freedom);
        Some((estimate, p_value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `intervals` of 200 values spread over `base`..2·`base`, shuffled by a multiplier.
    fn run(base: u64, offset: u64) -> Vec<Histogram> {
        let interval = |i: u64| {
            let mut histogram = Histogram::default();
            (0..200).for_each(|k| {
                histogram.record(base + (i * 200 + k + offset) * 7_919 % 10_007 * base / 10_007);
            });
            histogram
        };
        (0..40).map(interval).collect()
    }

    #[test]
    fn slower_by_a_tenth_is_found_and_the_same_is_not() {
        for statistic in [Statistic::Mean, Statistic::Quantile(0.5), Statistic::Quantile(0.95)] {
            let same = compare_intervals(
                &run(1_000_000, 0),
                &run(1_000_000, 8_000),
                statistic,
                &Bootstrap::default(),
            )
            .unwrap();
            let slower = compare_intervals(
                &run(1_000_000, 0),
                &run(1_100_000, 8_000),
                statistic,
                &Bootstrap::default(),
            )
            .unwrap();
            assert!(same.p_value > 0.01 && same.ratio.unwrap().covers(1.0), "{same:?}");
            assert!(slower.p_value < 1e-6 && slower.ratio.unwrap().covers(1.1), "{slower:?}");
            assert!(slower.difference.lo > 0.0, "{slower:?}");
        }
    }

    #[test]
    fn without_scatter_equal_is_equal_and_different_is_different() {
        let constant = |value: u64| {
            let mut histogram = Histogram::default();
            histogram.record_n(value, 50);
            vec![histogram; 10]
        };
        let compare = |a, b| {
            compare_intervals(&constant(a), &constant(b), Statistic::Mean, &Bootstrap::default()).unwrap()
        };
        let (same, more, from_zero) = (compare(5, 5), compare(5, 6), compare(0, 6));
        assert!((same.p_value - 1.0).abs() < 1e-12 && more.p_value <= 0.0, "{same:?} {more:?}");
        assert!(more.ratio.is_some_and(|ratio| (ratio.lo - 1.2).abs() < 1e-9), "{more:?}");
        assert!(from_zero.ratio.is_none() && (from_zero.difference.value - 6.0).abs() < 1e-9);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn is_total(
            values in prop::collection::vec(prop::collection::vec(prop_oneof![any::<u64>(), 0_u64..3], 0..5), 0..16),
            cut in 0_usize..16,
            confidence in -0.1..1.1,
        ) {
            let histograms: Vec<Histogram> = values.iter().map(|values| {
                let mut histogram = Histogram::default();
                values.iter().for_each(|&value| histogram.record(value));
                histogram
            }).collect();
            let (a, b) = histograms.split_at(cut.min(histograms.len()));
            let bootstrap = Bootstrap { resamples: 100, confidence, ..Bootstrap::default() };
            for statistic in [Statistic::Mean, Statistic::Quantile(0.5)] {
                if let Some(found) = compare_intervals(a, b, statistic, &bootstrap) {
                    prop_assert!((0.0..=1.0).contains(&found.p_value));
                    prop_assert!(found.difference.covers(found.after - found.before));
                }
            }
        }
    }
}
