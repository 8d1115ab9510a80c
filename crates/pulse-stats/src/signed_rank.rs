//! Where is the centre of differences or ratios of pairs, unimpressed by outliers?

use crate::estimate::Estimate;
use crate::hodges_lehmann::{key, number};
use crate::ranks::{all_finite, sorted};
use crate::tails::normal_quantile;

/// Up to so many values the law of the signed-rank statistic is counted out; beyond, it is as good as normal.
const MAX_EXACT: usize = 50;

/// The pseudo-median of values that come from pairs: the median of the means of all pairs of them, each value with itself
/// included (Walsh averages), with the interval that inverts Wilcoxon's signed-rank test (J. L. Hodges, E. L. Lehmann,
/// "Estimates of Location Based on Rank Tests", 1963; F. Wilcoxon, "Individual Comparisons by Ranking Methods", 1945; M.
/// Hollander, D. A. Wolfe, "Nonparametric Statistical Methods", 2nd ed., 1999, §3.2 and §3.3). One pair in which something
/// else happened moves it by little, where it would move a mean by any amount.
///
/// Assumes independent pairs whose values lie symmetrically about their centre, as differences of two exchangeable runs do.
/// Takes O(n log n) time; the n(n + 1)/2 means are never laid out. `None` when the values are too few for the confidence (six
/// are needed for 95 %), not finite, or the confidence is outside (0, 1).
pub fn pseudo_median(values: &[f64], confidence: f64) -> Option<Estimate> {
    if !(confidence > 0.0 && confidence < 1.0) || values.is_empty() || !all_finite(values) {
        return None;
    }
    let values = sorted(values);
    let means = values.len() * (values.len() + 1) / 2;
    let rank = rank(values.len(), confidence)?;
    let median = f64::midpoint(smallest(&values, means.div_ceil(2)), smallest(&values, means / 2 + 1));
    Estimate::finite(median, smallest(&values, rank), smallest(&values, means + 1 - rank))
}

/// The rank from either end of the sorted means at which the interval ends: the largest k with P(T < k) ≤ α/2 for the
/// signed-rank statistic T.
fn rank(n: usize, confidence: f64) -> Option<usize> {
    let tail = (1.0 - confidence) / 2.0;
    let rank = if n <= MAX_EXACT {
        let frequencies = frequencies(n);
        let all: f64 = frequencies.iter().sum();
        let mut below = 0.0;
        frequencies
            .iter()
            .take_while(|&&frequency| {
                below += frequency;
                below <= tail * all
            })
            .count()
    } else {
        let n = n as f64;
        let spread = (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt();
        (n * (n + 1.0) / 4.0 - normal_quantile(confidence)? * spread).max(0.0) as usize
    };
    (rank >= 1).then_some(rank)
}

/// How many of the 2ⁿ ways to give signs to the ranks 1 to n have each sum of positive ranks.
fn frequencies(n: usize) -> Vec<f64> {
    let mut counts = vec![0.0; n * (n + 1) / 2 + 1];
    counts[0] = 1.0;
    for rank in 1..=n {
        for sum in (rank..counts.len()).rev() {
            counts[sum] += counts[sum - rank];
        }
    }
    counts
}

/// The `rank`-th smallest mean of two of the sorted values, counted from 1.
fn smallest(values: &[f64], rank: usize) -> f64 {
    let (mut low, mut high) = (key(f64::NEG_INFINITY), key(f64::INFINITY));
    while low < high {
        let middle = low + (high.wrapping_sub(low).cast_unsigned() / 2).cast_signed();
        if count_at_most(values, number(middle)) >= rank { high = middle } else { low = middle + 1 }
    }
    number(low)
}

/// How many means are at most `limit`. For a rising first value the bound on the second only falls.
fn count_at_most(values: &[f64], limit: f64) -> usize {
    let (mut end, mut count) = (values.len(), 0);
    for (i, &first) in values.iter().enumerate() {
        while end > i && f64::midpoint(first, values[end - 1]) > limit {
            end -= 1;
        }
        if end <= i {
            break;
        }
        count += end - i;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::same;
    use proptest::prelude::*;

    /// Hollander and Wolfe, example 3.3: the depression scale factors of nine patients before and after a tranquilliser, whose
    /// estimated effect is −0.46 with a 96 % interval of −0.786 … −0.010; also what R's
    /// `wilcox.test(y, x, paired = TRUE, conf.int = TRUE)` says about the data of its documentation.
    #[test]
    fn agrees_with_hollander_and_wolfe() {
        let before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30];
        #[expect(clippy::approx_constant, reason = "a published value that is not the constant")]
        let after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29];
        let differences: Vec<f64> = before.iter().zip(after).map(|(before, after)| after - before).collect();
        let found = pseudo_median(&differences, 0.95).unwrap();
        for (mine, published) in [(found.value, -0.46), (found.lo, -0.786), (found.hi, -0.010)] {
            assert!((mine - published).abs() < 1e-9, "{found:?}");
        }
    }

    /// Published: Hollander and Wolfe, table A.4: P(T ≥ 40) = 0.020 for n = 9, P(T ≥ 15) = 0.031 for n = 5.
    #[test]
    fn frequencies_agree_with_the_table() {
        for (n, from, share) in [(9, 40, 0.020), (5, 15, 0.031), (4, 10, 0.062)] {
            let counts = frequencies(n);
            let tail = counts[from..].iter().sum::<f64>() / counts.iter().sum::<f64>();
            assert!((tail - share).abs() < 6e-4, "{n}: {tail}");
        }
    }

    #[test]
    fn one_pair_in_which_something_else_happened_hardly_matters() {
        let steady: Vec<f64> = (0..20).map(|i| f64::from(i * 7 % 20 - 10) / 1000.0).collect();
        let disturbed: Vec<f64> = std::iter::once(3.0).chain(steady[1..].iter().copied()).collect();
        let (quiet, loud) = (pseudo_median(&steady, 0.95).unwrap(), pseudo_median(&disturbed, 0.95).unwrap());
        assert!((quiet.value - loud.value).abs() < 0.003 && loud.hi < 0.01, "{quiet:?} {loud:?}");
        assert_eq!((pseudo_median(&steady[..5], 0.95), pseudo_median(&[], 0.95)), (None, None));
        assert_eq!((pseudo_median(&[f64::NAN; 9], 0.95), pseudo_median(&steady, 1.0)), (None, None));
    }

    proptest! {
        #[test]
        fn bisection_finds_the_sorted_mean(values in prop::collection::vec(-99.0..99.0, 1..25), at: prop::sample::Index) {
            let values = sorted(&values);
            let mut means: Vec<f64> = (0..values.len())
                .flat_map(|i| (i..values.len()).map(move |j| (i, j)))
                .map(|(i, j)| f64::midpoint(values[i], values[j]))
                .collect();
            means.sort_by(f64::total_cmp);
            let at = at.index(means.len());
            prop_assert!(same(smallest(&values, at + 1), means[at]));
        }

        #[test]
        fn is_total(values in prop::collection::vec(prop::num::f64::ANY, 0..70), confidence in -0.1..1.1) {
            prop_assert!(pseudo_median(&values, confidence).is_none_or(|found| found.covers(found.value)));
        }
    }
}
