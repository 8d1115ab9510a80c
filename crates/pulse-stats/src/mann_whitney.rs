//! Are the values of one sample larger than those of another?

use crate::tails::{normal_quantile, normal_tails};
use crate::weighted::Weighted;

/// Samples up to this size without ties have the exact distribution of U.
const EXACT: u64 = 20;

/// The rank test of two independent samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// U of the second sample: pairs in which its value is the larger, equal pairs counted half.
    pub u: f64,
    /// P(b > a) + P(a = b)/2, in \[0, 1\]: 0.5 when neither is larger.
    pub superiority: f64,
    /// Probability (two-sided) of a U this far from its mean when both samples have one distribution.
    pub p_value: f64,
    /// Whether the p-value is exact rather than the normal approximation.
    pub exact: bool,
}

/// H. B. Mann, D. R. Whitney, "On a Test of Whether One of Two Random Variables Is Stochastically Larger than the Other",
/// 1947. Exact for at most 20 values on each side without ties; else normal with continuity and tie correction (M.
/// Hollander, D. A. Wolfe, "Nonparametric Statistical Methods", 3rd ed., 2014, §4.1). Takes the values for independent:
/// among autocorrelated response times the p-value is too small. `None` when all values are equal.
pub fn mann_whitney(first: &Weighted, second: &Weighted) -> Option<MannWhitney> {
    let pairs = first.total as f64 * second.total as f64;
    let order = Order::of(first, second);
    if order.variance <= 0.0 || order.variance.is_nan() {
        return None;
    }
    let exact = first.total <= EXACT && second.total <= EXACT && !order.tied;
    let p_value = if exact {
        exact_p_value(first.total as usize, second.total as usize, order.u)
    } else {
        normal_tails(((order.u - pairs / 2.0).abs() - 0.5).max(0.0) / order.variance.sqrt())
    };
    Some(MannWhitney { u: order.u, superiority: order.u / pairs, p_value, exact })
}

/// How the values of two samples interleave.
struct Order {
    /// U of the second sample.
    u: f64,
    /// Whether any two values, of one sample or of both, are equal.
    tied: bool,
    /// Variance of U when both samples have one distribution: mn/12 · (N + 1 − Σ(t³ − t)/(N(N − 1))).
    variance: f64,
}

impl Order {
    fn of(first: &Weighted, second: &Weighted) -> Self {
        let (mut ahead, mut behind) = (first.values.as_slice(), second.values.as_slice());
        let (mut below, mut u, mut ties) = (0.0, 0.0, 0.0);
        while let Some(value) =
            [ahead.first(), behind.first()].into_iter().flatten().map(|head| head.0).reduce(f64::min)
        {
            let (of_first, of_second) = (take(&mut ahead, value), take(&mut behind, value));
            u += of_second * (below + of_first / 2.0);
            below += of_first;
            let group = of_first + of_second;
            ties += group.powi(3) - group;
        }
        let (pairs, all) =
            (first.total as f64 * second.total as f64, first.total as f64 + second.total as f64);
        Self { u, tied: ties > 0.0, variance: pairs / 12.0 * (all + 1.0 - ties / (all * (all - 1.0))) }
    }
}

/// Removes the head if it is at most `value`; returns its count, 0 otherwise.
fn take(values: &mut &[(f64, u64)], value: f64) -> f64 {
    match values.split_first() {
        Some((&(head, count), rest)) if head <= value => {
            *values = rest;
            count as f64
        }
        _ => 0.0,
    }
}

/// How many of the orders of m and n values have each U: the coefficients of the Gaussian binomial
/// Π (1 − xⁿ⁺ⁱ) / (1 − xⁱ), i = 1..m. Whole numbers below 2⁵³ for m, n ≤ 20, hence exact.
fn frequencies(m: usize, n: usize) -> Vec<f64> {
    let len = m * n + 1;
    let mut counts = vec![0.0; len];
    counts[0] = 1.0;
    for i in 1..=m {
        for u in (n + i..len).rev() {
            counts[u] -= counts[u - n - i];
        }
        for u in i..len {
            counts[u] += counts[u - i];
        }
    }
    counts
}

fn exact_p_value(m: usize, n: usize, u: f64) -> f64 {
    let counts = frequencies(m, n);
    let smaller = u.min((m * n) as f64 - u).max(0.0) as usize;
    let tail: f64 = counts.iter().take(smaller + 1).sum();
    (2.0 * tail / counts.iter().sum::<f64>()).min(1.0)
}

/// The rank k, counted from 1, of the pairwise differences such that the k-th smallest and k-th largest enclose the shift
/// with at least `confidence`; real-valued in the normal approximation, below 1 when there are too few values.
pub(crate) fn difference_rank(first: &Weighted, second: &Weighted, confidence: f64) -> Option<f64> {
    if first.total <= EXACT && second.total <= EXACT && first.distinct() && second.distinct() {
        let counts = frequencies(first.total as usize, second.total as usize);
        let allowed = (1.0 - confidence) / 2.0 * counts.iter().sum::<f64>();
        let mut tail = 0.0;
        let below = counts.iter().take_while(|&&count| {
            tail += count;
            tail <= allowed
        });
        return Some(below.count() as f64);
    }
    let middle = first.total as f64 * second.total as f64 / 2.0;
    let variance = Order::of(first, second).variance.max(0.0);
    Some((middle - normal_quantile(confidence)? * variance.sqrt()).floor())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::same;
    use proptest::prelude::*;

    /// First and second sample, U, p-value, exact.
    type Row<'a> = (&'a [f64], &'a [f64], f64, f64, bool);

    fn test(a: &[f64], b: &[f64]) -> Option<MannWhitney> {
        mann_whitney(&Weighted::from_values(a)?, &Weighted::from_values(b)?)
    }

    /// `scipy.stats.mannwhitneyu(b, a, method="exact" | "asymptotic")`; the first pair are the ages of scipy's own example
    /// (after a study of diabetes: U = 17, exact p = 0.1111).
    #[test]
    fn agrees_with_scipy() {
        let even: Vec<f64> = (0..25).map(f64::from).collect();
        let wider: Vec<f64> = even.iter().map(|value| value * 1.1 + 3.05).collect();
        let rows: [Row<'_>; 4] = [
            (&[19.0, 22.0, 16.0, 29.0, 24.0], &[20.0, 11.0, 17.0, 12.0], 3.0, 0.111_111_111_1, true),
            (&[1.1, 2.2, 3.3], &[0.5, 4.4, 5.5, 6.6, 7.7], 12.0, 0.25, true),
            (
                &[1.0, 2.0, 2.0, 3.0, 5.0, 5.0],
                &[2.0, 4.0, 5.0, 5.0, 6.0, 8.0, 9.0],
                34.0,
                0.068_594_940_515,
                false,
            ),
            (&even, &wider, 405.0, 0.074_251_228_343, false),
        ];
        for (a, b, u, p, exact) in rows {
            let found = test(a, b).unwrap();
            assert!(
                same(found.u, u) && (found.p_value - p).abs() < 1e-9 && found.exact == exact,
                "{found:?}"
            );
        }
        assert_eq!(test(&[1.0, 1.0], &[1.0]), None);
        assert_eq!(test(&[], &[1.0]), None);
        assert_eq!(test(&[f64::NAN], &[1.0]), None);
    }

    /// Hollander and Wolfe, table A.6: for m = 4, n = 5 the probability of U ≤ 2 is 0.0317, of U ≤ 3 0.0556.
    #[test]
    fn frequencies_agree_with_the_table() {
        let counts = frequencies(4, 5);
        assert!(same(counts.iter().sum(), 126.0));
        assert_eq!(counts[..4], [1.0, 1.0, 2.0, 3.0]);
        assert!(same(frequencies(20, 20).iter().sum(), 137_846_528_820.0));
    }

    proptest! {
        #[test]
        fn swapping_the_samples_mirrors(
            a in prop::collection::vec((0..20_i32).prop_map(f64::from), 1..30),
            b in prop::collection::vec((0..20_i32).prop_map(f64::from), 1..30),
        ) {
            let pairs = a.iter().flat_map(|x| b.iter().map(move |y| if y > x { 1.0 } else if y < x { 0.0 } else { 0.5 }));
            let u: f64 = pairs.sum();
            if let (Some(there), Some(back)) = (test(&a, &b), test(&b, &a)) {
                prop_assert!(same(there.u, u));
                prop_assert!((there.u + back.u - (a.len() * b.len()) as f64).abs() < 1e-9);
                prop_assert!((there.p_value - back.p_value).abs() < 1e-12);
            }
        }

        #[test]
        fn is_total(a in prop::collection::vec(prop::num::f64::ANY, 0..30), b in prop::collection::vec(prop::num::f64::ANY, 0..30)) {
            prop_assert!(test(&a, &b).is_none_or(|found| (0.0..=1.0).contains(&found.p_value)));
        }
    }
}
