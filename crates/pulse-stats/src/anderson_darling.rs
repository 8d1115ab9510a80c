//! Are gaps between arrivals those of a Poisson process?

use crate::ranks::{all_finite, mean, sorted};

/// Upper tail of A²(1 + 0.6/n) with the rate estimated. From 0.25 down: R. B. D'Agostino, M. A. Stephens, "Goodness-of-Fit
/// Techniques", 1986, table 4.14. Above, where no verdict hangs on it: 400 000 simulated samples of 100 gaps.
const ESTIMATED: [(f64, f64); 14] = [
    (0.1593, 0.99),
    (0.2149, 0.95),
    (0.2543, 0.90),
    (0.3442, 0.75),
    (0.4968, 0.50),
    (0.736, 0.25),
    (0.816, 0.20),
    (0.916, 0.15),
    (1.062, 0.10),
    (1.321, 0.05),
    (1.591, 0.025),
    (1.959, 0.01),
    (2.244, 0.005),
    (2.534, 0.0025),
];

/// The test of a sample of gaps against the exponential law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AndersonDarling {
    /// A², not modified for the size of the sample.
    pub statistic: f64,
    /// Probability of a statistic this large for exponential gaps.
    pub p_value: f64,
}

/// Tests whether gaps are exponential, as those of Poisson arrivals are (T. W. Anderson, D. A. Darling, "A Test of
/// Goodness of Fit", 1954; M. A. Stephens, "EDF Statistics for Goodness of Fit and Some Comparisons", 1974).
///
/// With `mean_gap` given (in the unit of the gaps) the law is fully known and the p-value is that of G. Marsaglia, J.
/// Marsaglia, "Evaluating the Anderson-Darling Distribution", 2004 (error < 2·10⁻⁴). With `None` the rate is estimated and
/// the p-value interpolated in the published table. `None` for fewer than 5 gaps, gaps that are negative or not finite, or
/// a mean that is not positive.
pub fn exponential_gaps(gaps: &[f64], mean_gap: Option<f64>) -> Option<AndersonDarling> {
    if gaps.len() < 5 || !all_finite(gaps) || gaps.iter().any(|&gap| gap < 0.0) {
        return None;
    }
    let scale = mean_gap.unwrap_or_else(|| mean(gaps));
    if !(scale.is_normal() && scale > 0.0) {
        return None;
    }
    let n = gaps.len() as f64;
    let sorted = sorted(gaps);
    let sum: f64 = sorted
        .iter()
        .zip(sorted.iter().rev())
        .enumerate()
        .map(|(i, (low, high))| {
            // ln F(x) = ln(1 − e^(−x)); a gap of 0 (clock resolution) counts as the smallest that can be told apart.
            let log_below = (-(-low / scale).exp_m1()).max(f64::MIN_POSITIVE).ln();
            (2 * i + 1) as f64 * (log_below - high / scale)
        })
        .sum();
    let statistic = -n - sum / n;
    let p_value = match mean_gap {
        Some(_) => 1.0 - known(n, statistic),
        None => estimated(statistic * (1.0 + 0.6 / n)),
    };
    statistic.is_finite().then(|| AndersonDarling { statistic, p_value: p_value.clamp(0.0, 1.0) })
}

/// P(A² ≤ z) for a sample of n from a known law: the limiting distribution and the correction for finite n (Marsaglia
/// and Marsaglia, 2004, `ADinf` and `errfix`).
fn known(n: f64, z: f64) -> f64 {
    if z <= 0.0 {
        return 0.0;
    }
    let x = if z < 2.0 {
        let series = [2.000_12, 0.247_105, -0.064_982_1, 0.034_796_2, -0.011_672_0, 0.001_686_91];
        (-1.233_714_1 / z).exp() / z.sqrt() * polynomial(&series, z)
    } else {
        let series = [1.0776, -2.306_95, 0.434_24, -0.082_433, 0.008_056, -0.000_314_6];
        // Beyond 32 the polynomial is far outside its range; the distribution is 1 to the last digit.
        if z > 32.0 { 1.0 } else { (-polynomial(&series, z).exp()).exp() }
    };
    x + finite_size(n, x)
}

fn finite_size(n: f64, x: f64) -> f64 {
    if x > 0.8 {
        return polynomial(&[-130.2137, 745.2337, -1705.091, 1950.646, -1116.360, 255.7844], x) / n;
    }
    let edge = 0.012_65 + 0.1757 / n;
    if x < edge {
        let t = x / edge;
        let t = t.sqrt() * (1.0 - t) * (49.0 * t - 102.0);
        return t * (0.0037 / (n * n) + 0.000_78 / n + 0.000_06) / n;
    }
    let t = (x - edge) / (0.8 - edge);
    polynomial(&[-0.000_226_33, 6.540_34, -14.6538, 14.458, -8.259, 1.918_64], t) * (0.042_13 + 0.013_65 / n)
        / n
}

fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

/// The upper tail by linear interpolation of ln p between the table's points, extrapolated with the last slope.
fn estimated(statistic: f64) -> f64 {
    let [first, ..] = ESTIMATED;
    if statistic <= first.0 {
        // Between 1 at 0 and the first point.
        return 1.0 - (1.0 - first.1) * (statistic / first.0).max(0.0);
    }
    let at = ESTIMATED.partition_point(|&(point, _)| point < statistic).clamp(1, ESTIMATED.len() - 1);
    let ((a, p), (b, q)) = (ESTIMATED[at - 1], ESTIMATED[at]);
    (p.ln() + (q.ln() - p.ln()) * (statistic - a) / (b - a)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Known rate: the 5 %, 2.5 % and 1 % points for n ≥ 5 are 2.492, 3.070 and 3.857 (Stephens, 1974, table 1). Estimated:
    /// D'Agostino and Stephens, table 4.14.
    #[test]
    fn critical_values_are_the_published() {
        for (point, p) in [(1.248, 0.25), (1.933, 0.10), (2.492, 0.05), (3.070, 0.025), (3.857, 0.01)] {
            let found = 1.0 - known(1e9, point);
            assert!((found - p).abs() < 3e-4, "{point}: {found}");
        }
        for (point, p) in [(0.736, 0.25), (1.321, 0.05), (1.959, 0.01)] {
            assert!((estimated(point) - p).abs() < 1e-9);
        }
        // By simulation of 400 000 samples of 20: 5 % at 2.495, 90 % at 0.344.
        for (point, p) in [(2.495, 0.05), (0.3443, 0.9)] {
            assert!((1.0 - known(20.0, point) - p).abs() < 2e-3, "{}", 1.0 - known(20.0, point));
        }
    }

    /// `scipy.stats.anderson(gaps, "expon").statistic`; for the known mean of 1 the sum is the same with w = gaps.
    #[test]
    fn statistic_agrees_with_scipy() {
        let gaps = [0.31, 1.72, 0.05, 0.66, 2.41, 0.12, 0.93, 0.44, 1.18, 0.27, 3.05, 0.08];
        let found = exponential_gaps(&gaps, None).unwrap();
        assert!((found.statistic - 0.281_038_900_128).abs() < 1e-9 && found.p_value > 0.5, "{found:?}");
        let found = exponential_gaps(&gaps, Some(1.0)).unwrap();
        assert!((found.statistic - 0.322_663_170_402).abs() < 1e-9 && found.p_value > 0.5, "{found:?}");
    }

    #[test]
    fn even_gaps_and_a_wrong_rate_are_told() {
        let exponential: Vec<f64> = (0..200).map(|i| -(1.0 - (f64::from(i) + 0.5) / 200.0).ln()).collect();
        for (gaps, mean, poisson) in [
            (exponential.clone(), None, true),
            (exponential.clone(), Some(1.0), true),
            (exponential, Some(2.0), false),
            (vec![1.0; 50], None, false),
            (vec![1.0; 50], Some(1.0), false),
        ] {
            assert_eq!(exponential_gaps(&gaps, mean).unwrap().p_value > 0.05, poisson, "{mean:?}");
        }
        for gaps in [vec![1.0; 4], vec![-1.0; 9], vec![f64::NAN; 9], vec![0.0; 9]] {
            assert_eq!(exponential_gaps(&gaps, None), None);
        }
    }

    proptest! {
        #[test]
        fn is_total(gaps in prop::collection::vec(prop_oneof![prop::num::f64::ANY, 0.0..9.0], 0..30), mean in prop::option::of(prop::num::f64::ANY)) {
            prop_assert!(exponential_gaps(&gaps, mean).is_none_or(|found| (0.0..=1.0).contains(&found.p_value)));
        }
    }
}
