//! An upper bound of a quantile from the tail beyond it, where the interval about the quantile has no upper end.

use pulse_model::IntervalValues;
use statrs::function::beta::beta_reg;

use crate::blocks::{MIN_INTERVALS, block_length, design_effect_of, fewness};
use crate::tally::Tally;

/// Values beyond a threshold by which their clustering is measured, at least.
const VALUES_BEYOND: f64 = 10.0;
/// The least that a bound is of the quantile that was measured. Ten values say how clusters are by and large; nearer to the
/// quantile the bound would hold too seldom (on queues at 70 % utilisation it was exceeded in one run of fifteen).
const DISTANCE: f64 = 2.0;

/// A value that the q-quantile of all values in a sequence of intervals does not exceed, with the confidence that is left
/// to one end of an interval.
///
/// [`quantile_interval_over`](crate::quantile_interval_over) asks how values about the quantile come in clusters. A service
/// that answers in 0.2 ms in one second and in 0.3 ms in the next has whole seconds beyond its p95, so that a minute tells
/// as much about it as some dozens of values: too few for an upper end, although nothing took even 5 ms. This asks the
/// other way round, at thresholds further out: is the share of values beyond it surely less than 1 − q, given how *those*
/// come in clusters? The lowest threshold for which it is, and for all above it, is the bound (C. A. Francisco, W. A.
/// Fuller, "Quantile Estimation with a Complex Survey Design", 1991, invert such a test for both ends; the share's bound is
/// that of C. J. Clopper, E. S. Pearson, 1934, with effective counts as E. L. Korn, B. I. Graubard, 1998, have them).
///
/// It is for limits that are far away, and at least twice the measured quantile.
///
/// A single standstill within the run is a cluster at every threshold that it exceeds, and leaves no bound below it.
/// `None` for fewer than [`MIN_INTERVALS`] intervals, and where no threshold will do.
pub(crate) fn quantile_upper_bound_over(
    intervals: &[impl IntervalValues],
    q: f64,
    confidence: f64,
) -> Option<f64> {
    if intervals.len() < MIN_INTERVALS || !(q > 0.0 && q < 1.0 && confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    let tally = Tally::new(intervals)?;
    let block = block_length(tally.len());
    let few = fewness(tally.len(), block, confidence)?;
    let tail = (1.0 - confidence) / 2.0;
    let mut bound = None;
    // From the largest values down; few values beyond a threshold measure their clustering badly, so that it is taken from
    // twice as many, too.
    let mut effects: Vec<(f64, f64)> = Vec::new();
    for bucket in (0..tally.buckets()).rev() {
        let beyond = tally.beyond_bucket(bucket);
        let count: f64 = beyond.iter().sum();
        if count < VALUES_BEYOND {
            continue;
        }
        if count >= tally.total() * (1.0 - q) {
            break;
        }
        effects.push((count, design_effect_of(&tally, &beyond, block).max(1.0)));
        let twice = effects.iter().rev().map(|&(_, effect)| effect).fold(1.0, f64::max);
        let effective = tally.total() * few / twice;
        let x = count * few / twice;
        // P(B ≤ x) for B binomial of the effective number and 1 − q.
        if beta_reg(effective - x, x + 1.0, q) > tail {
            break;
        }
        bound = Some(tally.upper_of(bucket));
    }
    let least = tally.quantile(q, &vec![1.0; tally.len()])? * DISTANCE;
    bound.map(|bound| bound.max(least))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use pulse_model::Histogram;

    fn histogram(values: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        values.into_iter().for_each(|value| histogram.record(value));
        histogram
    }

    /// Ten intervals of 1000 values at a level of their own (in thousands), with `slow` values of 50 000 spread over them.
    fn levels(slow: u64) -> Vec<Histogram> {
        let level = |i: u64| 100 + i * 7 % 10 * 20;
        let value = |i: u64, k: u64| if k < slow { 50_000 } else { level(i) * 1_000 / 100 + k % 50 };
        (0..10).map(|i| histogram((0..1000).map(|k| value(i, k)))).collect()
    }

    #[test]
    fn levels_that_drift_have_a_bound_beyond_them() {
        let intervals = levels(2);
        // About the quantile whole intervals are slow.
        assert_eq!(crate::quantile_interval_over(&intervals, 0.95, 0.95), None);
        let bound = quantile_upper_bound_over(&intervals, 0.95, 0.95).unwrap();
        assert!((2_000.0..50_500.0).contains(&bound), "{bound}");
    }

    #[test]
    fn a_standstill_has_none_below_it() {
        // One interval of ten in which a fifth of the values are slow, all at once.
        let mut intervals = levels(0);
        intervals[4] = histogram((0..1000).map(|k| if k < 200 { 1_000_000 } else { 1_000 }));
        assert_eq!(quantile_upper_bound_over(&intervals, 0.95, 0.95), None);
    }

    #[test]
    fn too_little_has_none() {
        assert_eq!(quantile_upper_bound_over(&levels(2)[..7], 0.95, 0.95), None);
        assert_eq!(quantile_upper_bound_over(&vec![histogram([1, 2, 3]); 10], 0.95, 0.95), None);
        assert_eq!(quantile_upper_bound_over(&levels(2)[..0], 0.95, 0.95), None);
        assert_eq!(quantile_upper_bound_over(&levels(2), 1.0, 0.95), None);
    }

    proptest! {
        #[test]
        fn is_total(
            intervals in prop::collection::vec(prop::collection::vec(any::<u64>(), 0..30), 0..40),
            q in -0.1..1.1,
            confidence in -0.1..1.1,
        ) {
            let intervals: Vec<Histogram> = intervals.into_iter().map(histogram).collect();
            if let Some(bound) = quantile_upper_bound_over(&intervals, q, confidence) {
                let beyond: u64 = intervals.iter().flat_map(|one| one.buckets().collect::<Vec<_>>())
                    .filter(|bucket| bucket.lower as f64 >= bound).map(|bucket| bucket.count).sum();
                let total: u64 = intervals.iter().map(Histogram::count).sum();
                prop_assert!((beyond as f64) < total as f64 * (1.0 - q));
            }
        }
    }
}
