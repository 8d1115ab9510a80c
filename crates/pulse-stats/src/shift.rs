//! Is there a moment from which on everything was different?

use crate::ranks::{median, mid_ranks};

/// A moment at which a series of values shifts its level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// Index of the first value of the new level.
    pub at: usize,
    /// Median before.
    pub before: f64,
    /// Median from there on.
    pub after: f64,
    /// Probability of a shift this clear among values in random order.
    pub p_value: f64,
}

/// The most likely single shift of level, by Pettitt's rank test: K = max |Σᵢ≤ₜ Σⱼ>ₜ sgn(xᵢ − xⱼ)|, with
/// p ≈ 2·exp(−6K² / (n³ + n²)) (A. N. Pettitt, "A Non-Parametric Approach to the Change-Point Problem", 1979).
///
/// A steady trend shows as a shift in its middle. `None` for fewer than 8 values, where the approximation is too coarse,
/// or when all values are equal. Uses O(n log n) time: U(t) follows from the rank sum of the first t values.
pub fn shift(values: &[f64]) -> Option<Shift> {
    let n = values.len();
    if n < 8 || values.iter().any(|value| value.is_nan()) {
        return None;
    }
    let ranks = mid_ranks(values);
    let mut rank_sum = 0.0;
    let mut best = (0.0_f64, 0);
    for t in 1..n {
        rank_sum += ranks[t - 1];
        let u = (2.0 * rank_sum - t as f64 * (n + 1) as f64).abs();
        // Of equals the last: a shift is where the old level is over.
        if u >= best.0 {
            best = (u, t);
        }
    }
    let (k, at) = best;
    let cube = (n as f64).powi(3) + (n as f64).powi(2);
    let p_value = (2.0 * (-6.0 * k * k / cube).exp()).min(1.0);
    (k > 0.0).then(|| Shift { at, before: median(&values[..at]), after: median(&values[at..]), p_value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::same;
    use proptest::prelude::*;

    /// The definition, in O(n²).
    fn statistic(values: &[f64], t: usize) -> f64 {
        values[..t]
            .iter()
            .flat_map(|x| values[t..].iter().map(move |y| (x - y).signum() * f64::from(!same(*x, *y))))
            .sum()
    }

    #[test]
    fn a_step_is_found_where_it_is() {
        let values: Vec<f64> = (0..30).map(|i| if i < 18 { 10.0 } else { 20.0 } + f64::from(i % 3)).collect();
        let shift = shift(&values).unwrap();
        assert_eq!((shift.at, shift.before, shift.after), (18, 11.0, 21.0));
        assert!(shift.p_value < 0.001);
    }

    /// Published: Pettitt, 1979, table 1 and §4 (data of E. S. Page, 1955): K = 232 at t = 17, p = 0.014.
    #[test]
    fn pettitts_example() {
        let values = [
            -1.05, 0.96, 1.22, 0.58, -0.98, -0.03, -1.54, -0.71, -0.35, 0.66, 0.44, 0.91, -0.02, -1.42, 1.26,
            -1.02, -0.81, 1.66, 1.05, 0.97, 2.14, 1.22, -0.24, 1.60, 0.72, -0.12, 0.44, 0.03, 0.66, 0.56,
            1.37, 1.66, 0.10, 0.80, 1.29, 0.49, -0.07, 1.18, 3.29, 1.84,
        ];
        let found = shift(&values).unwrap();
        assert!(found.at == 17 && (found.p_value - 0.0146).abs() < 5e-5, "{found:?}");
        assert!(same(statistic(&values, 17).abs(), 232.0));
    }

    /// The annual flow of the Nile at Aswan changed after 1898 (G. W. Cobb, "The Problem of the Nile: Conditional Solution to a
    /// Changepoint Problem", 1978); `pyhomogeneity.pettitt_test`: `cp` 28, `U` 1617.
    #[test]
    fn the_nile_changed_after_1898() {
        let found = shift(&crate::nile::FLOW).unwrap();
        assert!(found.at == 28 && found.p_value < 1e-6, "{found:?}");
        assert!(same(statistic(&crate::nile::FLOW, 28).abs(), 1617.0));
    }

    #[test]
    fn level_series_have_no_significant_shift() {
        let values: Vec<f64> = (0..60).map(|i| f64::from(i * 7919 % 61)).collect();
        assert!(shift(&values).unwrap().p_value > 0.05);
        assert_eq!(shift(&[1.0; 20]), None);
        assert_eq!(shift(&[1.0, 2.0]), None);
        assert_eq!(shift(&[f64::NAN; 20]), None);
    }

    proptest! {
        #[test]
        fn the_rank_form_is_the_definition(values in prop::collection::vec((0..9_i32).prop_map(f64::from), 8..40)) {
            let largest = (1..values.len()).map(|t| statistic(&values, t).abs()).fold(0.0, f64::max);
            let found = shift(&values).map_or(0.0, |shift| statistic(&values, shift.at).abs());
            prop_assert!(same(found, largest));
        }
    }
}
