//! Confidence intervals of quantiles and means.

use pulse_model::Histogram;
use statrs::distribution::{Binomial, DiscreteCDF as _};

use crate::tails::student_quantile;

/// The confidence level of every interval in a report.
pub const CONFIDENCE: f64 = 0.95;

/// The ranks (from 1) of the order statistics that enclose the q-quantile with at least the given confidence.
///
/// Distribution-free: the number of samples at or below the true quantile is binomial(n, q), so that
/// P(X₍ₗ₎ ≤ ξ) = P(B ≥ l) and P(ξ ≤ X₍ᵤ₎) ≥ P(B ≤ u − 1) (H. A. David, H. N. Nagaraja, "Order Statistics", 3rd ed., 2003,
/// §7.1). `None` where even the extremes do not reach the confidence, or for arguments outside (0, 1). Assumes
/// independent samples.
pub fn quantile_ranks(q: f64, n: u64, confidence: f64) -> Option<(u64, u64)> {
    let (lower, upper) = rank_bounds(q, n, confidence)?;
    Some((lower?, upper?))
}

/// The two ranks of [`quantile_ranks`], each where it exists: few samples may bound a quantile from one side only.
pub(crate) fn rank_bounds(q: f64, n: u64, confidence: f64) -> Option<(Option<u64>, Option<u64>)> {
    if !(q > 0.0 && q < 1.0 && confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    let tail = (1.0 - confidence) / 2.0;
    let binomial = Binomial::new(q, n).ok()?;
    // The largest l with P(B ≤ l − 1) ≤ tail, and the smallest u with P(B ≤ u − 1) ≥ 1 − tail.
    let lower = first_rank(n, |rank| binomial.cdf(rank - 1) > tail) - 1;
    let upper = first_rank(n, |rank| binomial.cdf(rank - 1) >= 1.0 - tail);
    Some(((lower >= 1).then_some(lower), (upper <= n).then_some(upper)))
}

/// The first rank in 1..=n for which a monotone condition holds; n + 1 when there is none.
fn first_rank(n: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (1, n + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if middle <= n && !holds(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// The confidence interval of the q-quantile, widened by the histogram's bucket bounds.
pub fn quantile_interval(trend: &Histogram, q: f64, confidence: f64) -> Option<(f64, f64)> {
    let (lower, upper) = quantile_ranks(q, trend.count(), confidence)?;
    Some((trend.at_rank(lower)?.lo as f64, trend.at_rank(upper)?.hi as f64))
}

/// The confidence interval of the mean: mean ± t · s/√n (Student, "The Probable Error of a Mean", 1908).
///
/// Assumes independent samples; by the central limit theorem their law matters little beyond some dozens of them.
pub fn mean_interval(trend: &Histogram, confidence: f64) -> Option<(f64, f64)> {
    let (mean, stddev) = (trend.mean()?, trend.stddev()?);
    let n = trend.count() as f64;
    let half = student_quantile(confidence, n - 1.0)? * stddev / n.sqrt();
    Some((mean - half, mean + half))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published: Conover, "Practical Nonparametric Statistics", 3rd ed., 1999, example 3.2.3: the 0.75 quantile of 16
    /// values lies between the 8th and the 16th with at least 95 %; and the textbook ranks for the median.
    #[test]
    fn ranks_agree_with_published_tables() {
        for (q, n, expected) in [
            (0.5, 10, Some((2, 9))),
            (0.5, 20, Some((6, 15))),
            (0.5, 100, Some((40, 61))),
            (0.75, 16, Some((8, 16))),
            (0.5, 5, None),
            (0.99, 100, None),
            (0.5, 0, None),
        ] {
            assert_eq!(quantile_ranks(q, n, 0.95), expected, "q = {q}, n = {n}");
        }
    }

    #[test]
    fn student_interval_of_a_known_sample() {
        let mut trend = Histogram::default();
        [8, 9, 10, 11, 12].into_iter().for_each(|value| trend.record(value * 1_000_000));
        // t(0.975, 4) = 2.7764, s = √2.5, so that the half width is 2.7764 · 1.5811 / √5 = 1.9632.
        let (lo, hi) = mean_interval(&trend, 0.95).unwrap();
        assert!((lo / 1e6 - 8.0368).abs() < 0.01 && (hi / 1e6 - 11.9632).abs() < 0.01, "{lo} {hi}");
    }

    #[test]
    fn nonsense_has_no_interval() {
        for q in [0.0, 1.0, -1.0, f64::NAN, 2.0] {
            assert_eq!(quantile_ranks(q, 1000, 0.95), None);
        }
        assert_eq!(mean_interval(&Histogram::default(), 0.95), None);
    }
}
