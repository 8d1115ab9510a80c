//! Confidence intervals from interval histograms whose values depend on each other.
//!
//! Response times come in clusters: behind one slow request others wait. Order statistics take every sample for a new
//! piece of evidence and promise far too much; on a queue with Poisson arrivals at 70 % utilisation their 95 % interval
//! of the p99 holds the truth in under a third of the runs. Whether neighbouring *intervals* look alike says nothing
//! about it, since the clusters may be shorter than an interval. What shows it is that the number of slow requests per
//! interval scatters more than chance allows; blocks of intervals measure by how much.

use pulse_model::{Histogram, IntervalValues};

use crate::estimate::Estimate;
use crate::interval::{mean_interval, quantile_interval, quantile_ranks, rank_bounds};
use crate::tails::{normal_quantile, student_quantile};
use crate::tally::Tally;

/// Fewer intervals than this say too little about their scatter; order statistics are used as if samples were
/// independent.
pub const MIN_INTERVALS: usize = 8;

/// An interval with what it is founded on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockInterval {
    /// The estimate in the unit of the values, its interval widened by the histograms' bucket bounds.
    pub estimate: Estimate,
    /// How many independent samples would tell as much; at most the number of samples.
    pub effective_samples: f64,
    /// Intervals per block; 0 when there were fewer than [`MIN_INTERVALS`] and samples were taken as independent.
    pub block: usize,
}

/// Intervals per block for a sequence of `n`: n^(1/3), rounded, the order that minimises the error of the variance
/// (H. R. Künsch, "The Jackknife and the Bootstrap for General Stationary Observations", 1989, remark 3.3), and 1 for
/// fewer than 4.
///
/// The estimated constant of the optimal length (D. N. Politis, H. White, "Automatic Block-Length Selection for the
/// Dependent Bootstrap", 2004) is left out: on simulated queues with some dozens of intervals it mostly chose 1 and covered
/// the p99 no more often than that.
pub fn block_length(n: usize) -> usize {
    (n as f64).cbrt().round().max(1.0) as usize
}

/// The confidence interval of the q-quantile of all values in a sequence of intervals, in order of time.
///
/// The count of values beyond the quantile is a sum over intervals; its variance under the circular block bootstrap (D.
/// N. Politis, J. P. Romano, "A Circular Block-Resampling Procedure for Stationary Data", 1992) has a closed form, which
/// needs no random numbers. Divided by the binomial variance it is the design effect (L. Kish, "Survey Sampling", 1965,
/// §8.2), and n over it the effective number of samples, reduced by (z/t)² for the few blocks behind it (E. L. Korn, B. I.
/// Graubard, "Confidence Intervals for Proportions with Small Expected Number of Positive Counts", 1998). Order
/// statistics of that many samples enclose the quantile (R. S. Woodruff, "Confidence Intervals for Medians and Other
/// Position Measures", 1952). The effect is never taken below 1, so that the interval is at least as wide as that of
/// independent samples; and it is the larger of those at the quantile and at twice the tail, since few values beyond the
/// quantile measure their own clustering badly.
///
/// `None` without values, for arguments outside (0, 1), and where the effective samples do not reach beyond the quantile:
/// at 95 % about 3.7 / (1 − q) of them are needed.
pub fn quantile_interval_over(
    intervals: &[impl IntervalValues],
    q: f64,
    confidence: f64,
) -> Option<BlockInterval> {
    if !(q > 0.0 && q < 1.0 && confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    if intervals.len() < MIN_INTERVALS {
        let all = merged(intervals);
        let (lo, hi) = quantile_interval(&all, q, confidence)?;
        let estimate = Estimate::finite(all.quantile(q)?.estimate as f64, lo, hi)?;
        return Some(BlockInterval { estimate, effective_samples: all.count() as f64, block: 0 });
    }
    let tally = Tally::new(intervals)?;
    let block = block_length(tally.len());
    let effect = effect_at(&tally, q, block);
    let total = tally.total();
    let effective = judged_samples(&tally, effect, block, confidence)?;
    let (lower, upper) = quantile_ranks(q, effective as u64, confidence)?;
    let lo = lower_bound(&tally, lower, effective);
    // Outward by less than one effective rank, so that equality with independent samples is kept at an effect of 1.
    let hi = tally.bounds_at((upper as f64 / effective * total).ceil().min(total)).1;
    let value = tally.quantile(q, &vec![1.0; tally.len()])?;
    let estimate = Estimate::finite(value, lo, hi)?;
    Some(BlockInterval { estimate, effective_samples: total / effect, block })
}

/// The lower end of the interval of [`quantile_interval_over`], which exists for far fewer effective samples than the upper
/// one: about 3.7 / q of them. It tells an obvious miss where an interval would still be out of reach.
pub fn quantile_lower_bound_over(intervals: &[impl IntervalValues], q: f64, confidence: f64) -> Option<f64> {
    if intervals.len() < MIN_INTERVALS {
        return None;
    }
    let tally = Tally::new(intervals)?;
    let block = block_length(tally.len());
    let effective = judged_samples(&tally, effect_at(&tally, q, block), block, confidence)?;
    let (lower, _) = rank_bounds(q, effective as u64, confidence)?;
    Some(lower_bound(&tally, lower?, effective))
}

/// Effective samples, reduced by (z/t)² for the few blocks behind the design effect.
fn judged_samples(tally: &Tally, effect: f64, block: usize, confidence: f64) -> Option<f64> {
    Some((tally.total() * fewness(tally.len(), block, confidence)? / effect).floor())
}

/// By how much the few blocks behind a design effect reduce what it leaves: (z/t)².
pub(crate) fn fewness(intervals: usize, block: usize, confidence: f64) -> Option<f64> {
    let t = student_quantile(confidence, freedom(intervals, block))?;
    Some((normal_quantile(confidence)? / t).powi(2))
}

/// The value at a rank among the effective samples, outward by less than one of them.
fn lower_bound(tally: &Tally, rank: u64, effective: f64) -> f64 {
    tally.bounds_at((rank as f64 / effective * tally.total()).floor().max(1.0)).0
}

/// The confidence interval of the mean of all values in a sequence of intervals, in order of time.
///
/// The mean is a ratio of sums over intervals; the block bootstrap's variance of its linearisation (W. G. Cochran,
/// "Sampling Techniques", 1977, §2.11) with Student's t for the number of blocks gives the interval; at least as wide as
/// that of independent samples. `None` for fewer than two values.
pub fn mean_interval_over(intervals: &[impl IntervalValues], confidence: f64) -> Option<BlockInterval> {
    let all = merged(intervals);
    let (mean, n) = (all.mean()?, all.count() as f64);
    let (lo, hi) = mean_interval(&all, confidence)?;
    let independent = Estimate::finite(mean, lo, hi)?;
    if intervals.len() < MIN_INTERVALS {
        return Some(BlockInterval { estimate: independent, effective_samples: n, block: 0 });
    }
    let tally = Tally::new(intervals)?;
    let block = block_length(tally.len());
    let deviations: Vec<f64> =
        tally.sums.iter().zip(&tally.counts).map(|(sum, count)| sum - mean * count).collect();
    let variance = block_variance(&deviations, block) / (n * n);
    let half = student_quantile(confidence, freedom(tally.len(), block))? * variance.sqrt();
    let independent_variance = all.stddev()?.powi(2) / n;
    let effect = if independent_variance > 0.0 { (variance / independent_variance).max(1.0) } else { 1.0 };
    let estimate = Estimate::finite(mean, lo.min(mean - half), hi.max(mean + half))?;
    Some(BlockInterval { estimate, effective_samples: n / effect, block })
}

/// How many independent samples would tell as much about the q-quantile; the number of samples for fewer than
/// [`MIN_INTERVALS`] intervals, `None` without values.
pub fn effective_samples(intervals: &[impl IntervalValues], q: f64) -> Option<f64> {
    let tally = Tally::new(intervals)?;
    let judged = intervals.len() >= MIN_INTERVALS && q > 0.0 && q < 1.0;
    let effect = if judged { effect_at(&tally, q, block_length(tally.len())) } else { 1.0 };
    Some(tally.total() / effect)
}

/// The design effect at the quantile or at twice its tail, the larger, at least 1.
fn effect_at(tally: &Tally, q: f64, block: usize) -> f64 {
    let wider = (2.0 * q.min(1.0 - q)).min(0.5);
    let wider = if q > 0.5 { 1.0 - wider } else { wider };
    design_effect(tally, q, block).max(design_effect(tally, wider, block)).max(1.0)
}

/// Degrees of freedom of a variance from blocks: their number less one.
pub(crate) fn freedom(intervals: usize, block: usize) -> f64 {
    (intervals as f64 / block as f64 - 1.0).max(1.0)
}

fn merged(intervals: &[impl IntervalValues]) -> Histogram {
    let mut all = intervals.first().map_or_else(Histogram::default, |first| first.histogram().into_owned());
    intervals.iter().skip(1).for_each(|interval| all.merge(&interval.histogram()));
    all
}

/// By how much the variance of the share of values beyond the q-quantile exceeds that of independent values; 1 when
/// nothing lies beyond.
fn design_effect(tally: &Tally, q: f64, block: usize) -> f64 {
    design_effect_of(tally, &tally.beyond(q), block)
}

/// The same for values beyond any threshold, counted in each interval.
pub(crate) fn design_effect_of(tally: &Tally, beyond: &[f64], block: usize) -> f64 {
    let share = beyond.iter().sum::<f64>() / tally.total();
    let deviations: Vec<f64> =
        beyond.iter().zip(&tally.counts).map(|(beyond, count)| beyond - share * count).collect();
    let independent = tally.total() * share * (1.0 - share);
    if independent > 0.0 { block_variance(&deviations, block) / independent } else { 1.0 }
}

/// The variance of the sum of a sequence under the circular block bootstrap: every block of neighbours is equally likely,
/// so that it is n/L times the mean square of the block sums (about their mean); times n / (n − L), since blocks vary
/// about the mean of their own sequence.
fn block_variance(values: &[f64], block: usize) -> f64 {
    let n = values.len();
    if block == 0 || block >= n {
        return f64::INFINITY;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let mut sum: f64 = values[..block].iter().map(|value| value - mean).sum();
    let mut squares = 0.0;
    for i in 0..n {
        squares += sum * sum;
        sum += values[(i + block) % n] - values[i];
    }
    squares / block as f64 * n as f64 / (n - block) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn histogram(values: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        values.into_iter().for_each(|value| histogram.record(value));
        histogram
    }

    /// By hand: the circular pairs of 1, 2, 3, 6 about their mean 3 sum to −3, −1, 3, 1, so that n/L · 20/4 · n/(n−L) = 20;
    /// and with blocks of one it is the sample variance times n, 14/3 · 4.
    #[test]
    fn variance_of_a_known_sequence() {
        for (block, expected) in [(1, 56.0 / 3.0), (2, 20.0)] {
            let variance = block_variance(&[1.0, 2.0, 3.0, 6.0], block);
            assert!((variance - expected).abs() < 1e-12, "{block}: {variance}");
        }
        assert_eq!([1, 2, 8, 27, 60, 300].map(block_length), [1, 1, 2, 3, 4, 7]);
    }

    /// Politis and Romano, 1992: the circular block bootstrap's variance is that of the Bartlett window over circular
    /// autocovariances, n(c₀ + 2 Σ (1 − k/L) cₖ). Both sides for the flow of the Nile, with `NumPy`; ours has n/(n − L) besides.
    #[test]
    fn variance_of_the_nile() {
        let n = 100.0;
        for (block, expected) in [(1_usize, 2_835_156.75), (2, 4_212_235.5), (5, 7_138_570.95)] {
            let variance = block_variance(&crate::nile::FLOW, block) * (n - block as f64) / n;
            assert!((variance / expected - 1.0).abs() < 1e-9, "{block}: {variance}");
        }
    }

    #[test]
    fn evenly_spread_samples_have_the_interval_of_order_statistics_but_for_the_few_blocks() {
        let intervals: Vec<Histogram> = (0..400)
            .map(|i| histogram((0..100).map(|k| 1_000_000 + (k * 400 + i * 7919 % 400) * 10)))
            .collect();
        let over = quantile_interval_over(&intervals, 0.9, 0.95).unwrap();
        let (lo, hi) = quantile_interval(&merged(&intervals), 0.9, 0.95).unwrap();
        assert!(over.effective_samples >= 40_000.0, "{over:?}");
        assert!(over.estimate.lo <= lo && over.estimate.hi >= hi);
        assert!(over.estimate.hi - over.estimate.lo < 1.5 * (hi - lo), "{over:?} {lo} {hi}");
    }

    #[test]
    fn clusters_count_as_few_samples() {
        // Every tenth interval is slow as a whole: 40 independent pieces of evidence, not 40 000.
        let intervals: Vec<Histogram> = (0..400)
            .map(|i| histogram((0..100).map(|k| if i * 7919 % 400 < 40 { 9000 + k } else { 1000 + k })))
            .collect();
        let over = quantile_interval_over(&intervals, 0.8, 0.95).unwrap();
        assert!((300.0..1500.0).contains(&over.effective_samples), "{over:?}");
        assert!(mean_interval_over(&intervals, 0.95).unwrap().effective_samples < 1500.0);
    }

    #[test]
    fn nonsense_has_no_interval() {
        let few = vec![histogram([1, 2, 3]); 30];
        assert_eq!(quantile_interval_over(&few, 0.99, 0.95), None);
        for (q, confidence) in [(0.0, 0.95), (1.0, 0.95), (f64::NAN, 0.95), (0.5, 1.0), (0.5, f64::NAN)] {
            assert_eq!(quantile_interval_over(&few, q, confidence), None);
        }
        assert_eq!(quantile_interval_over(&few[..0], 0.5, 0.95), None);
        assert_eq!(mean_interval_over(&few[..0], 0.95), None);
        assert_eq!(mean_interval_over(&few, f64::NAN), None);
        let equal = vec![histogram([5; 20]); 30];
        let over = quantile_interval_over(&equal, 0.5, 0.95).unwrap();
        assert_eq!(over.estimate, Estimate { value: 5.0, lo: 5.0, hi: 5.0 });
    }

    proptest! {
        #[test]
        fn is_total(
            intervals in prop::collection::vec(prop::collection::vec(any::<u64>(), 0..9), 0..40),
            q in -0.1..1.1,
            confidence in -0.1..1.1,
        ) {
            let intervals: Vec<Histogram> = intervals.into_iter().map(histogram).collect();
            let over = [quantile_interval_over(&intervals, q, confidence), mean_interval_over(&intervals, confidence)];
            for over in over.into_iter().flatten() {
                    prop_assert!(over.estimate.lo <= over.estimate.value && over.estimate.value <= over.estimate.hi);
                    prop_assert!(over.effective_samples > 0.0);
            }
        }
    }
}
