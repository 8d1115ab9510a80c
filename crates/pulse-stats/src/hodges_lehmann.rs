//! By how much are the values of one sample larger than those of another?

use crate::estimate::Estimate;
use crate::mann_whitney::difference_rank;
use crate::weighted::Weighted;

/// The median of all pairwise differences b − a with the interval that inverts the Mann–Whitney test (J. L. Hodges, E. L.
/// Lehmann, "Estimates of Location Based on Rank Tests", 1963; M. Hollander, D. A. Wolfe, "Nonparametric Statistical
/// Methods", 3rd ed., 2014, §4.3): exact ranks for small samples without ties, else the normal approximation.
///
/// Takes O(m + n) time for each of at most 64 steps of a bisection over the representable numbers; the m·n differences are
/// never laid out. `None` when the samples are too small for the confidence, and for a confidence outside (0, 1).
pub fn hodges_lehmann(a: &Weighted, b: &Weighted, confidence: f64) -> Option<Estimate> {
    if !(confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    let pairs = u128::from(a.total) * u128::from(b.total);
    let rank = difference_rank(a, b, confidence)?;
    if rank < 1.0 {
        return None;
    }
    let rank = (rank as u128).min(pairs);
    let median = f64::midpoint(smallest(a, b, pairs.div_ceil(2)), smallest(a, b, pairs / 2 + 1));
    Estimate::finite(median, smallest(a, b, rank), smallest(a, b, pairs + 1 - rank))
}

/// The `rank`-th smallest difference b − a, counted from 1.
fn smallest(a: &Weighted, b: &Weighted, rank: u128) -> f64 {
    let (mut low, mut high) = (key(f64::NEG_INFINITY), key(f64::INFINITY));
    while low < high {
        // Not (low + high) / 2, which overflows; and rounded down for negative sums too.
        let middle = low + (high.wrapping_sub(low).cast_unsigned() / 2).cast_signed();
        if count_at_most(a, b, number(middle)) >= rank { high = middle } else { low = middle + 1 }
    }
    number(low)
}

/// How many differences b − a are at most `limit`. Rounded subtraction is monotone, so that for a rising a the bound on b
/// only rises.
fn count_at_most(a: &Weighted, b: &Weighted, limit: f64) -> u128 {
    let (mut j, mut below, mut sum) = (0, 0_u128, 0_u128);
    for &(x, count) in &a.values {
        while let Some(&(y, of_b)) = b.values.get(j).filter(|&&(y, _)| y - x <= limit) {
            debug_assert!(y.is_finite(), "checked when the sample was built");
            below += u128::from(of_b);
            j += 1;
        }
        sum += u128::from(count) * below;
    }
    sum
}

/// An integer that orders as the number does: negative floats count backwards in their bits.
pub(crate) fn key(number: f64) -> i64 {
    let bits = number.to_bits().cast_signed();
    if bits < 0 { i64::MIN.wrapping_sub(bits) } else { bits }
}

/// The number of a [`key`].
pub(crate) fn number(key: i64) -> f64 {
    f64::from_bits(if key < 0 { i64::MIN.wrapping_sub(key) } else { key }.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::same;
    use proptest::prelude::*;

    fn shift(a: &[f64], b: &[f64]) -> Option<Estimate> {
        hodges_lehmann(&Weighted::from_values(a)?, &Weighted::from_values(b)?, 0.95)
    }

    /// Hollander and Wolfe, example 4.4 (permeability of membranes at term and at 12 to 26 weeks), the data and the result
    /// of R's `wilcox.test(x, y, conf.int = TRUE)` documentation: the difference of location is 0.305, and the 95 % interval
    /// of the exact distribution is −0.15 … 0.76.
    #[test]
    fn agrees_with_hollander_and_wolfe() {
        let at_term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
        let early = [1.15, 0.88, 0.90, 0.74, 1.21];
        let found = shift(&early, &at_term).unwrap();
        for (mine, published) in [(found.value, 0.305), (found.lo, -0.15), (found.hi, 0.76)] {
            assert!((mine - published).abs() < 1e-9, "{found:?}");
        }
    }

    #[test]
    fn too_small_samples_have_no_interval() {
        assert_eq!(shift(&[1.0, 2.0], &[3.0, 4.0]), None);
        assert_eq!(shift(&[], &[3.0]), None);
    }

    proptest! {
        #[test]
        fn keys_order_as_numbers(a in prop::num::f64::NORMAL | prop::num::f64::ZERO, b in prop::num::f64::NORMAL) {
            prop_assert_eq!(number(key(b)).to_bits(), b.to_bits());
            prop_assert_eq!(a < b, key(a) < key(b));
        }

        #[test]
        fn bisection_finds_the_sorted_difference(
            a in prop::collection::vec(-99.0..99.0, 1..20),
            b in prop::collection::vec(-99.0..99.0, 1..20),
            at: prop::sample::Index,
        ) {
            let mut differences: Vec<f64> = a.iter().flat_map(|x| b.iter().map(move |y| y - x)).collect();
            differences.sort_by(f64::total_cmp);
            let at = at.index(differences.len());
            let (a, b) = (Weighted::from_values(&a).unwrap(), Weighted::from_values(&b).unwrap());
            prop_assert!(same(smallest(&a, &b, at as u128 + 1), differences[at]));
        }

        #[test]
        fn is_total(a in prop::collection::vec(prop::num::f64::ANY, 0..30), b in prop::collection::vec(prop::num::f64::ANY, 0..30)) {
            prop_assert!(shift(&a, &b).is_none_or(|found| found.covers(found.value)));
        }
    }
}
