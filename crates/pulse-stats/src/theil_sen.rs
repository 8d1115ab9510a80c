//! The slope of a trend, unimpressed by outliers.

use crate::estimate::Estimate;
use crate::mann_kendall::{MannKendall, mann_kendall, pair_variance, variance_inflation};
use crate::ranks::{all_finite, median, median_of_sorted, sorted, ties};
use crate::tails::normal_quantile;

/// More points than this are first thinned, since every pair has a slope.
const MAX_POINTS: usize = 1000;

/// A robust line through points (x, y).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TheilSen {
    /// Units of y per unit of x.
    pub slope: Estimate,
    /// Value of the line at x = 0: the median of y less slope times the median of x.
    pub intercept: f64,
    /// The test for a trend in the order of x.
    pub trend: MannKendall,
    /// Points the line goes through, after thinning.
    pub points: usize,
}

/// The median of the slopes between all pairs of points, with the interval of P. K. Sen, "Estimates of the Regression
/// Coefficient Based on Kendall's Tau", 1968: the slopes at ranks (N ± z·√Var S)/2.
///
/// Takes the deviations from the line for independent. More than 1000 points are thinned to medians of neighbours. `None`
/// for fewer than 5 points, points that are not finite, or when all x or all y are equal (without a trend there is no
/// test; the slope is 0).
pub fn theil_sen(points: &[(f64, f64)], confidence: f64) -> Option<TheilSen> {
    line(&by_x(points)?, confidence, |_| 1.0)
}

/// The slope at which a resource leaks: Theil–Sen through the lowest value of each of `buckets` groups of neighbours.
///
/// Garbage collectors and allocators make memory a sawtooth; what a process cannot give back shows in the minima alone.
/// Deviations of memory depend on each other (a page stays for a while), so that the interval is widened as
/// [`variance_inflation`](crate::variance_inflation) of the detrended minima demands. `None` as for [`theil_sen`], and for
/// fewer than 5 buckets.
pub fn leak_slope(points: &[(f64, f64)], buckets: usize, confidence: f64) -> Option<TheilSen> {
    let points = by_x(points)?;
    let size = points.len().div_ceil(buckets.clamp(1, MAX_POINTS)).max(1);
    let lowest = |group: &[(f64, f64)]| group.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1));
    let minima: Vec<(f64, f64)> = points.chunks(size).filter_map(lowest).collect();
    line(&minima, confidence, variance_inflation)
}

/// A copy in the order of x; `None` when a coordinate is not finite.
fn by_x(points: &[(f64, f64)]) -> Option<Vec<(f64, f64)>> {
    let mut points = points.to_vec();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points.iter().all(|(x, y)| x.is_finite() && y.is_finite()).then_some(points)
}

fn line(points: &[(f64, f64)], confidence: f64, inflation: impl Fn(&[f64]) -> f64) -> Option<TheilSen> {
    let points = thinned(points);
    if points.len() < 5 {
        return None;
    }
    let (x, y): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
    let slopes = slopes(&points);
    if slopes.is_empty() || !all_finite(&slopes) {
        return None;
    }
    let slope = median_of_sorted(&slopes);
    let residuals: Vec<f64> = points.iter().map(|(x, y)| y - slope * x).collect();
    let inflation = inflation(&residuals);
    let variance = pair_variance(points.len() as f64, &ties(&y), &ties(&x)) * inflation;
    let reach = normal_quantile(confidence)? * variance.max(0.0).sqrt();
    let n = slopes.len() as f64;
    // Indices from 0; the lower rank is M₁ = (N − z√Var)/2, the upper M₂ + 1 = (N + z√Var)/2 + 1.
    let lower = (((n - reach) / 2.0).round() - 1.0).max(0.0) as usize;
    let upper = (f64::midpoint(n, reach).round() as usize).min(slopes.len() - 1);
    let mut trend = mann_kendall(&y)?;
    trend.variance *= inflation;
    trend.p_value = crate::tails::normal_tails((trend.s.abs() - 1.0).max(0.0) / trend.variance.sqrt());
    Some(TheilSen {
        slope: Estimate::finite(slope, slopes[lower.min(slopes.len() - 1)], slopes[upper])?,
        intercept: median(&y) - slope * median(&x),
        trend,
        points: points.len(),
    })
}

/// Medians of neighbours, so that at most [`MAX_POINTS`] remain.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(MAX_POINTS).max(1);
    let middle = |group: &[(f64, f64)]| {
        let (x, y): (Vec<f64>, Vec<f64>) = group.iter().copied().unzip();
        (median(&x), median(&y))
    };
    points.chunks(size).map(middle).collect()
}

/// Slopes of all pairs with different x, sorted.
fn slopes(points: &[(f64, f64)]) -> Vec<f64> {
    let slope = |a: &(f64, f64), b: &(f64, f64)| (b.0 > a.0).then(|| (b.1 - a.1) / (b.0 - a.0));
    let slopes: Vec<f64> = points
        .iter()
        .enumerate()
        .flat_map(|(i, a)| points[i + 1..].iter().filter_map(move |b| slope(a, b)))
        .collect();
    sorted(&slopes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sen's own example (1968, §6) with a slope of 4, and `scipy.stats.theilslopes(y, x, 0.93, method="separate")`.
    #[test]
    fn sens_example() {
        let x = [1.0, 2.0, 3.0, 4.0, 10.0, 12.0, 18.0];
        let y = [9.0, 15.0, 19.0, 20.0, 45.0, 55.0, 78.0];
        let points: Vec<(f64, f64)> = x.into_iter().zip(y).collect();
        let found = theil_sen(&points, 0.93).unwrap();
        let expected = [4.0, 4.0, 26.0 / 7.0, 4.375];
        for (mine, scipy) in [
            (found.slope.value, expected[0]),
            (found.intercept, expected[1]),
            (found.slope.lo, expected[2]),
            (found.slope.hi, expected[3]),
        ] {
            assert!((mine - scipy).abs() < 1e-9, "{found:?}");
        }
    }

    #[test]
    fn a_sawtooth_does_not_leak_and_its_floor_may() {
        let sawtooth = |leak: f64| -> Vec<(f64, f64)> {
            (0..600_u32)
                .map(|i| {
                    (
                        f64::from(i),
                        5e7 + leak * f64::from(i)
                            + 1e6 * f64::from(i * 37 % 50)
                            + 100.0 * f64::from(i.wrapping_mul(2_654_435_761) >> 22),
                    )
                })
                .collect()
        };
        let (steady, leaking) =
            (leak_slope(&sawtooth(0.0), 12, 0.95).unwrap(), leak_slope(&sawtooth(1e4), 12, 0.95).unwrap());
        assert!(steady.slope.covers(0.0) && steady.slope.value.abs() < 500.0, "{steady:?}");
        assert!(leaking.slope.lo > 0.0 && (leaking.slope.value - 1e4).abs() < 500.0, "{leaking:?}");
    }

    #[test]
    fn many_points_are_thinned_and_outliers_ignored() {
        let points: Vec<(f64, f64)> = (0..5000)
            .map(|i| {
                (f64::from(i), if i % 10 == 0 { 1e9 } else { 2.0 * f64::from(i) + f64::from(i * 7 % 11) })
            })
            .collect();
        let found = theil_sen(&points, 0.95).unwrap();
        assert!((found.slope.value - 2.0).abs() < 0.01 && found.points == 1000, "{found:?}");
        assert_eq!(theil_sen(&[(1.0, 2.0); 9], 0.95), None);
        assert_eq!(theil_sen(&points, 1.0), None);
    }

    proptest! {
        #[test]
        fn is_total(
            points in prop::collection::vec((prop::num::f64::ANY, prop::num::f64::ANY), 0..20),
            small in prop::collection::vec(((0..9_i32).prop_map(f64::from), (0..9_i32).prop_map(f64::from)), 0..40),
            buckets in 0_usize..50,
        ) {
            for found in [theil_sen(&points, 0.95), theil_sen(&small, 0.95), leak_slope(&points, buckets, 0.95), leak_slope(&small, buckets, 0.95)] {
                prop_assert!(found.is_none_or(|found| found.slope.covers(found.slope.value)));
            }
        }
    }
}
