//! How much a value says about the next one.

use statrs::distribution::{ChiSquared, ContinuousCDF as _};

use crate::ranks::{all_finite, mean};

/// The sample autocorrelation rₖ = Σ(xₜ − x̄)(xₜ₊ₖ − x̄) / Σ(xₜ − x̄)² (G. E. P. Box, G. M. Jenkins, "Time Series
/// Analysis", 1970, §2.1.5). `None` when `lag` reaches the number of values, all are equal, or one is not finite.
pub fn autocorrelation(values: &[f64], lag: usize) -> Option<f64> {
    if lag >= values.len() || !all_finite(values) {
        return None;
    }
    let mean = mean(values);
    let square: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let product: f64 = values.iter().zip(&values[lag..]).map(|(a, b)| (a - mean) * (b - mean)).sum();
    (square > 0.0).then(|| product / square).filter(|r| r.is_finite())
}

/// The bound that |rₖ| of independent values stays below with 95 %: 1.96/√n (M. S. Bartlett, "On the Theoretical
/// Specification and Sampling Properties of Autocorrelated Time-Series", 1946).
pub fn autocorrelation_bound(n: usize) -> f64 {
    1.96 / (n.max(1) as f64).sqrt()
}

/// How many independent values would estimate the mean as well: n / (1 + 2Σrₖ), between 1 and n.
///
/// The sum ends where the sum of two neighbouring autocorrelations is no longer positive (C. J. Geyer, "Practical
/// Markov Chain Monte Carlo", 1992, initial positive sequence), since a fixed end adds noise. `None` as for
/// [`autocorrelation`].
pub fn effective_sample_size(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mut sum = autocorrelation(values, 0)? + autocorrelation(values, 1)?;
    for lag in (2..values.len().saturating_sub(1)).step_by(2) {
        let pair = autocorrelation(values, lag)? + autocorrelation(values, lag + 1)?;
        if pair <= 0.0 {
            break;
        }
        sum += pair;
    }
    // Σ from lag 0 on is 1 + Σrₖ, so that 1 + 2Σrₖ = 2·sum − 1.
    Some((n / (2.0 * sum - 1.0).max(1.0)).clamp(1.0, n))
}

/// A test for any autocorrelation up to some lag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LjungBox {
    /// Q = n(n + 2) Σ rₖ²/(n − k).
    pub statistic: f64,
    /// Lags looked at.
    pub lags: usize,
    /// Probability of a statistic this large among independent values.
    pub p_value: f64,
}

/// The test of G. M. Ljung and G. E. P. Box, "On a Measure of Lack of Fit in Time Series Models", 1978: Q is about χ²
/// with `lags` degrees of freedom. `None` for no lags, as many lags as values, equal values, or values that are not finite.
pub fn ljung_box(values: &[f64], lags: usize) -> Option<LjungBox> {
    let n = values.len() as f64;
    let mut sum = 0.0;
    for lag in 1..=lags {
        sum += autocorrelation(values, lag)?.powi(2) / (n - lag as f64);
    }
    let statistic = n * (n + 2.0) * sum;
    let p_value = ChiSquared::new(lags as f64).ok()?.sf(statistic).clamp(0.0, 1.0);
    Some(LjungBox { statistic, lags, p_value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VALUES: [f64; 12] = [3.0, 4.0, 6.0, 5.0, 7.0, 8.0, 6.0, 5.0, 4.0, 4.0, 3.0, 2.0];

    /// `statsmodels.tsa.stattools.acf(VALUES, nlags=3)` and `acorr_ljungbox(VALUES, lags=[3])`.
    #[test]
    fn agrees_with_statsmodels() {
        for (lag, expected) in
            [(0, 1.0), (1, 0.567_518_248_175), (2, 0.208_029_197_080), (3, 0.031_021_897_810)]
        {
            let r = autocorrelation(&VALUES, lag).unwrap();
            assert!((r - expected).abs() < 1e-9, "lag {lag}: {r}");
        }
        let test = ljung_box(&VALUES, 3).unwrap();
        assert!(
            (test.statistic - 5.663_996_887_2).abs() < 1e-8 && (test.p_value - 0.129_152_267_7).abs() < 1e-8,
            "{test:?}"
        );
    }

    /// Published: the autocorrelations of the yields of a batch chemical process, G. E. P. Box, G. M. Jenkins, G. C. Reinsel,
    /// "Time Series Analysis", 3rd ed., 1994, series F and table 2.2; and `acorr_ljungbox(SERIES_F, lags=[10])`.
    #[test]
    fn series_f_has_its_published_autocorrelations() {
        const SERIES_F: [u8; 70] = [
            47, 64, 23, 71, 38, 64, 55, 41, 59, 48, 71, 35, 57, 40, 58, 44, 80, 55, 37, 74, 51, 57, 50, 60,
            45, 57, 50, 45, 25, 59, 50, 71, 56, 74, 50, 58, 45, 54, 36, 54, 48, 55, 45, 57, 50, 62, 44, 64,
            43, 52, 38, 59, 55, 41, 53, 49, 34, 35, 54, 45, 68, 38, 50, 60, 39, 59, 40, 57, 54, 23,
        ];
        let values = SERIES_F.map(f64::from);
        let published = [
            -0.39, 0.30, -0.17, 0.07, -0.10, -0.05, 0.04, -0.04, -0.01, 0.01, 0.11, -0.07, 0.15, 0.04, -0.01,
        ];
        for (lag, expected) in (1..).zip(published) {
            let r = autocorrelation(&values, lag).unwrap();
            assert!((r - expected).abs() <= 0.006, "lag {lag}: {r}");
        }
        let test = ljung_box(&values, 10).unwrap();
        assert!(
            (test.statistic - 21.591_549).abs() < 1e-6 && (test.p_value - 0.017_326).abs() < 1e-6,
            "{test:?}"
        );
    }

    #[test]
    fn independent_values_count_in_full_and_repeated_ones_once() {
        let independent: Vec<f64> = (0..400).map(|i| f64::from(i * 7919 % 401)).collect();
        let repeated: Vec<f64> = independent.iter().flat_map(|&value| [value; 4]).collect();
        let (alone, fourfold) =
            (effective_sample_size(&independent).unwrap(), effective_sample_size(&repeated).unwrap());
        assert!(alone > 300.0 && (280.0..520.0).contains(&fourfold), "{alone} {fourfold}");
    }

    proptest! {
        #[test]
        fn is_total(values in prop::collection::vec(prop::num::f64::ANY, 0..30), lag in 0_usize..40) {
            prop_assert!(autocorrelation(&values, lag).is_none_or(|r| r.abs() <= 1.0 + 1e-9));
            prop_assert!(ljung_box(&values, lag).is_none_or(|test| (0.0..=1.0).contains(&test.p_value)));
            prop_assert!(effective_sample_size(&values).is_none_or(|n| n >= 1.0));
        }
    }
}
