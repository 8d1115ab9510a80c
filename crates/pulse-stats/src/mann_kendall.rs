//! Does a series rise or fall?

use crate::autocorrelation::autocorrelation;
use crate::ranks::{all_finite, mid_ranks, ties};
use crate::tails::normal_tails;

/// The rank test for a monotone trend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannKendall {
    /// S: pairs in which the later value is the larger, less those in which it is the smaller.
    pub s: f64,
    /// S over the number of pairs, in \[−1, 1\].
    pub tau: f64,
    /// Variance of S without a trend.
    pub variance: f64,
    /// Probability (two-sided) of an S this far from 0 without a trend.
    pub p_value: f64,
}

/// H. B. Mann, "Nonparametric Tests against Trend", 1945, with the variance of M. G. Kendall, "Rank Correlation Methods",
/// 4th ed., 1970, §4, corrected for ties, and for continuity. Takes values for independent.
///
/// `None` for fewer than 4 values, values that are not finite, or when all are equal. Takes O(n log n) time.
pub fn mann_kendall(values: &[f64]) -> Option<MannKendall> {
    inflated(values, 1.0)
}

/// The same for autocorrelated values: the variance of S times `inflation`, as [`variance_inflation`] estimates it.
pub fn mann_kendall_autocorrelated(values: &[f64]) -> Option<MannKendall> {
    inflated(values, variance_inflation(values))
}

fn inflated(values: &[f64], inflation: f64) -> Option<MannKendall> {
    if values.len() < 4 || !all_finite(values) {
        return None;
    }
    let n = values.len() as f64;
    let variance = pair_variance(n, &ties(values), &[]) * inflation;
    if variance <= 0.0 {
        return None;
    }
    let s = score(values);
    let p_value = normal_tails((s.abs() - 1.0).max(0.0) / variance.sqrt());
    Some(MannKendall { s, tau: s / (n * (n - 1.0) / 2.0), variance, p_value })
}

/// Var S = (n(n − 1)(2n + 5) − Σ t(t − 1)(2t + 5)) / 18 over groups of equal values, and of equal times.
pub(crate) fn pair_variance(n: f64, ties: &[f64], time_ties: &[f64]) -> f64 {
    let term = |t: f64| t * (t - 1.0) * (2.0 * t + 5.0);
    (term(n) - ties.iter().chain(time_ties).map(|&t| term(t)).sum::<f64>()) / 18.0
}

/// S, by counting the earlier values below and above each in a Fenwick tree over their ranks.
fn score(values: &[f64]) -> f64 {
    // Mid-ranks are multiples of one half.
    let ranks: Vec<usize> = mid_ranks(values).iter().map(|rank| (rank * 2.0) as usize).collect();
    let mut tree = vec![0_u32; 2 * values.len() + 2];
    let mut s = 0.0;
    for (seen, &rank) in ranks.iter().enumerate() {
        let upto = |mut at: usize, tree: &[u32]| {
            let mut sum = 0;
            while at > 0 {
                sum += tree[at];
                at &= at - 1;
            }
            f64::from(sum)
        };
        let (below, not_above) = (upto(rank - 1, &tree), upto(rank, &tree));
        s += below - (seen as f64 - not_above);
        let mut at = rank;
        while at < tree.len() {
            tree[at] += 1;
            at += at & at.wrapping_neg();
        }
    }
    s
}

/// By how much autocorrelation inflates the variance of rank statistics of a series: 1 + 2/(n(n−1)(n−2)) · Σ (n−k)(n−k−1)
/// (n−k−2) rₖ over the significant autocorrelations of the ranks (K. H. Hamed, A. R. Rao, "A Modified Mann-Kendall Trend Test
/// for Autocorrelated Data", 1998). Only the leading ones count, up to the first that is not significant, since among many
/// lags some seem to be; never below 1. `ranks` of the detrended series are the caller's where there is a trend.
pub fn variance_inflation(values: &[f64]) -> f64 {
    if values.len() < 4 || !all_finite(values) {
        return 1.0;
    }
    let ranks = mid_ranks(values);
    let n = values.len() as f64;
    let bound = crate::autocorrelation::autocorrelation_bound(values.len());
    let mut sum = 0.0;
    for lag in 1..values.len() / 2 {
        match autocorrelation(&ranks, lag) {
            Some(r) if r > bound => {
                let k = n - lag as f64;
                sum += k * (k - 1.0) * (k - 2.0) * r;
            }
            _ => break,
        }
    }
    1.0 + 2.0 / (n * (n - 1.0) * (n - 2.0)) * sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::same;
    use proptest::prelude::*;

    fn definition(values: &[f64]) -> f64 {
        let pairs = (0..values.len()).flat_map(|i| (i + 1..values.len()).map(move |j| (i, j)));
        pairs.map(|(i, j)| f64::from(values[j] > values[i]) - f64::from(values[j] < values[i])).sum()
    }

    /// `pymannkendall.original_test(values)`: `s`, `var_s` and `p`. The first series is the example of R. O. Gilbert, "Statistical
    /// Methods for Environmental Pollution Monitoring", 1987, §16.4.
    #[test]
    fn agrees_with_pymannkendall() {
        let rows: [(&[f64], f64, f64, f64); 3] = [
            (&[10.0, 15.0, 14.0, 20.0], 4.0, 26.0 / 3.0, 0.308_179_547_467),
            (&[1.0, 3.0, 2.0, 2.0, 5.0, 4.0, 6.0, 6.0, 7.0, 5.0], 30.0, 122.0, 0.008_651_249_853),
            (&[9.0, 8.0, 8.0, 7.0, 3.0, 3.0, 3.0, 2.0, 5.0, 1.0, 1.0, 0.0], -53.0, 207.0, 0.000_301_218_489),
        ];
        for (values, s, variance, p) in rows {
            let found = mann_kendall(values).unwrap();
            assert!(
                same(found.s, s)
                    && (found.variance - variance).abs() < 1e-9
                    && (found.p_value - p).abs() < 1e-9,
                "{found:?}"
            );
        }
        assert_eq!(mann_kendall(&[1.0; 9]), None);
        assert_eq!(mann_kendall(&[1.0, 2.0, 3.0]), None);
    }

    /// `pymannkendall.hamed_rao_modification_test(values, lag=1)`, whose ranks are of the detrended series; this one has no
    /// trend (its Sen slope is 0) and one significant autocorrelation.
    #[test]
    fn inflation_agrees_with_pymannkendall() {
        let values = [0.0, 1.0, 6.0, 6.0, 9.0, 8.0, 6.0, 4.0, 0.0, -8.0, -6.0, -8.0, 6.0, 10.0, 10.0, 4.0];
        let inflation = variance_inflation(&values);
        assert!((inflation - 1.989_395_645_646).abs() < 1e-9, "{inflation}");
    }

    proptest! {
        #[test]
        fn the_tree_counts_as_the_definition(values in prop::collection::vec((0..9_i32).prop_map(f64::from), 4..40)) {
            prop_assert!(same(score(&values), definition(&values)));
        }

        #[test]
        fn is_total(values in prop::collection::vec(prop::num::f64::ANY, 0..40)) {
            for found in [mann_kendall(&values), mann_kendall_autocorrelated(&values)] {
                prop_assert!(found.is_none_or(|found| (0.0..=1.0).contains(&found.p_value)));
            }
        }
    }
}
