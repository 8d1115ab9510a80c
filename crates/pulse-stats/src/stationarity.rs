//! Did a run reach a steady state, when, and did it stay there?

use crate::mann_kendall::{MannKendall, mann_kendall_autocorrelated, variance_inflation};
use crate::ranks::{all_finite, mean, median};
use crate::shift::{Shift, shift};
use crate::theil_sen::theil_sen;

/// Values per batch of the truncation rule.
const BATCH: usize = 5;
/// Fewer batches than this are too few to choose among.
const MIN_BATCHES: usize = 4;
/// Both tests together raise a false alarm as often as one at the level asked for.
const TESTS: f64 = 2.0;

/// Where the warm-up ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WarmUp {
    /// Leading values to leave out, a multiple of 5.
    pub discard: usize,
    /// False when the best end lies in the second half: the run did not settle, or is too short to tell.
    pub settled: bool,
}

/// The end of the initial transient by MSER-5 (K. P. White, "An Effective Truncation Heuristic for Bias Reduction in
/// Simulation Output", 1997, in the batched form of W. W. Franklin and K. P. White, 2008): of the means of batches of 5,
/// drop the first d for which Σ(Yᵢ − Ȳ)²/(n − d)² of the rest is smallest, with d in the first half.
///
/// `None` for fewer than 20 values or values that are not finite.
pub fn warm_up(values: &[f64]) -> Option<WarmUp> {
    if !all_finite(values) {
        return None;
    }
    let batches: Vec<f64> = values.chunks_exact(BATCH).map(mean).collect();
    if batches.len() < MIN_BATCHES {
        return None;
    }
    // From the back, so that sums of the rest grow by one batch each; the last few are too few for a variance.
    let (mut sum, mut squares, mut n) = (0.0, 0.0, 0.0);
    let centre = median(&batches);
    let mut best = (f64::INFINITY, 0);
    for (d, batch) in batches.iter().enumerate().rev() {
        let value = batch - centre;
        (sum, squares, n) = (sum + value, squares + value * value, n + 1.0);
        if n >= MIN_BATCHES as f64 {
            let error = (squares - sum * sum / n).max(0.0) / (n * n);
            // Not `<`: of equals the earlier end keeps more values.
            if error <= best.0 {
                best = (error, d);
            }
        }
    }
    Some(WarmUp { discard: best.1 * BATCH, settled: best.1 <= batches.len() / 2 })
}

/// How a series departs from a steady state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Drift {
    /// It does not.
    None,
    /// It rises or falls throughout.
    Trend,
    /// It changes its level at `Stationarity::shift.at`.
    Shift,
}

/// A series of per-interval medians, tested for a trend and for a shift of level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stationarity {
    /// The verdict at the level asked for.
    pub drift: Drift,
    /// The test for a trend.
    pub trend: MannKendall,
    /// Change from the first to the last value along the robust line, relative to the median; 0 when the median is 0.
    pub relative_change: f64,
    /// The most likely shift, its p-value corrected for autocorrelation; `None` with fewer than 8 values.
    pub shift: Option<Shift>,
}

/// Tests a series (such as medians of intervals after warm-up) for a trend (Mann–Kendall) and a shift (Pettitt) at level
/// `alpha` for both together.
///
/// Medians of a loaded service depend on the last ones, which both tests would take for a drift: the variance of S and K²
/// are corrected by Hamed and Rao's factor on the detrended series, and on the series less its level before and after the
/// shift, whichever is smaller, since neither drift must hide itself. Of two significant drifts it is the one that leaves
/// less absolute deviation behind. `None` for fewer than 5 values, values that are not finite or all equal.
pub fn stationarity(values: &[f64], alpha: f64) -> Option<Stationarity> {
    let points: Vec<(f64, f64)> = values.iter().enumerate().map(|(i, &value)| (i as f64, value)).collect();
    let line = theil_sen(&points, 1.0 - alpha)?;
    let slope = line.slope.value;
    let detrended: Vec<f64> = points.iter().map(|(x, y)| y - slope * x).collect();
    let mut shift = shift(values);
    let levelled: Vec<f64> = match shift {
        Some(found) => points
            .iter()
            .map(|&(x, y)| y - if (x as usize) < found.at { found.before } else { found.after })
            .collect(),
        None => detrended.clone(),
    };
    let inflation = variance_inflation(&detrended).min(variance_inflation(&levelled));
    let plain = mann_kendall_autocorrelated(values)?;
    let mut trend = plain;
    trend.variance = plain.variance / variance_inflation(values) * inflation;
    trend.p_value = crate::tails::normal_tails((trend.s.abs() - 1.0).max(0.0) / trend.variance.sqrt());
    if let Some(found) = &mut shift {
        // p = 2·exp(−c·K²), and K² over its inflated variance is c·K²/inflation.
        found.p_value = (2.0 * (found.p_value / 2.0).powf(1.0 / inflation)).min(1.0);
    }
    let trending = trend.p_value < alpha / TESTS;
    let shifting = shift.is_some_and(|found| found.p_value < alpha / TESTS);
    let left = |residuals: &[f64]| {
        let centre = median(residuals);
        residuals.iter().map(|value| (value - centre).abs()).sum::<f64>()
    };
    let drift = match (trending, shifting) {
        (false, false) => Drift::None,
        (true, false) => Drift::Trend,
        (false, true) => Drift::Shift,
        (true, true) => {
            if left(&levelled) < left(&detrended) {
                Drift::Shift
            } else {
                Drift::Trend
            }
        }
    };
    let relative_change = slope * (values.len() - 1) as f64 / median(values);
    let relative_change = if relative_change.is_finite() { relative_change } else { 0.0 };
    Some(Stationarity { drift, trend, relative_change, shift })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng as _};

    fn series(f: impl Fn(u32) -> f64) -> Vec<f64> {
        (0..60).map(|i| 100.0 + f64::from(i * 7919 % 61) / 10.0 + f(i)).collect()
    }

    #[test]
    fn drifts_are_named() {
        for (values, expected) in [
            (series(|_| 0.0), Drift::None),
            (series(|i| f64::from(i) / 4.0), Drift::Trend),
            (series(|i| -f64::from(i) / 4.0), Drift::Trend),
            (series(|i| if i < 20 { 0.0 } else { 10.0 }), Drift::Shift),
        ] {
            let found = stationarity(&values, 0.05).unwrap();
            assert_eq!(found.drift, expected, "{found:?}");
        }
        assert_eq!(stationarity(&[1.0; 30], 0.05), None);
        assert_eq!(stationarity(&[1.0, 2.0, 3.0], 0.05), None);
    }

    /// Autoregressive series without any drift: at 5 % at most about 5 % of them may be called drifting; without the
    /// correction it is most of them at r = 0.7.
    #[test]
    fn autocorrelation_is_no_drift() {
        for (r, allowed) in [(0.0, 10), (0.4, 20), (0.7, 24)] {
            let mut generator = rand_chacha::ChaCha8Rng::seed_from_u64(11);
            let alarms = (0..200).filter(|_| {
                let mut level = 0.0;
                let values: Vec<f64> = (0..120)
                    .map(|_| {
                        let noise: f64 = (0..12).map(|_| generator.random::<f64>() - 0.5).sum();
                        level = r * level + noise;
                        100.0 + level
                    })
                    .skip(20)
                    .collect();
                stationarity(&values, 0.05).unwrap().drift != Drift::None
            });
            let alarms = alarms.count();
            assert!(alarms <= allowed, "r = {r}: {alarms} of 200");
        }
    }

    /// `kim_convergence.mser_m(nile, batch_size=5)` of the published series: 45 values are cut, those of the high flow before
    /// 1899 among them.
    #[test]
    fn the_nile_settles_where_a_library_says() {
        assert_eq!(warm_up(&crate::nile::FLOW), Some(WarmUp { discard: 45, settled: true }));
    }

    /// By hand: after a start of ten high values MSER-5 cuts two batches. A steady series loses none or little.
    #[test]
    fn warm_up_ends_where_the_level_is_reached() {
        let cold = series(|i| if i < 10 { 300.0 - 20.0 * f64::from(i) } else { 0.0 });
        let found = warm_up(&cold).unwrap();
        assert!((10..=15).contains(&found.discard) && found.settled, "{found:?}");
        assert!(warm_up(&series(|_| 0.0)).unwrap().discard <= 30);
        let late = series(|i| if i < 45 { 200.0 - 4.0 * f64::from(i) } else { 0.0 });
        assert!(!warm_up(&late).unwrap().settled);
        assert_eq!(warm_up(&[1.0; 40]), Some(WarmUp { discard: 0, settled: true }));
        assert_eq!(warm_up(&[1.0; 19]), None);
        assert_eq!(warm_up(&[f64::NAN; 40]), None);
    }

    proptest! {
        #[test]
        fn is_total(values in prop::collection::vec(prop_oneof![prop::num::f64::ANY, 0.0..9.0], 0..50), alpha in -0.1..1.1) {
            if let Some(found) = stationarity(&values, alpha) {
                prop_assert!((0.0..=1.0).contains(&found.trend.p_value) && found.relative_change.is_finite());
            }
            prop_assert!(warm_up(&values).is_none_or(|found| found.discard < values.len()));
        }
    }
}
