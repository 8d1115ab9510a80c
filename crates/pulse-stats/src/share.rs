//! How well is a share known?

use crate::tails::normal_quantile;

/// The score interval of a share of successes among so many independent samples (E. B. Wilson, "Probable Inference, the Law
/// of Succession, and Statistical Inference", 1927). Unlike share ± z·s it has a width where all or none succeeded.
///
/// `None` without samples, for a share outside \[0, 1\] and a confidence outside (0, 1).
pub fn share_interval(share: f64, samples: u64, confidence: f64) -> Option<(f64, f64)> {
    if !(0.0..=1.0).contains(&share) || samples == 0 {
        return None;
    }
    let (n, z) = (samples as f64, normal_quantile(confidence)?);
    let shrink = 1.0 + z * z / n;
    let centre = (share + z * z / (2.0 * n)) / shrink;
    let half = z / shrink * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    Some(((centre - half).max(0.0), (centre + half).min(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Published: R. G. Newcombe, "Two-Sided Confidence Intervals for the Single Proportion: Comparison of Seven Methods", 1998,
    /// table I, method 3.
    #[test]
    fn agrees_with_newcombe() {
        for (successes, samples, lo, hi) in [
            (81.0, 263, 0.2553, 0.3662),
            (15.0, 148, 0.0624, 0.1605),
            (0.0, 20, 0.0, 0.1611),
            (1.0, 29, 0.0061, 0.1718),
        ] {
            let found = share_interval(successes / samples as f64, samples, 0.95).unwrap();
            assert!(
                (found.0 - lo).abs() < 5e-5 && (found.1 - hi).abs() < 5e-5,
                "{successes}/{samples}: {found:?}"
            );
        }
        assert_eq!((share_interval(0.5, 0, 0.95), share_interval(f64::NAN, 9, 0.95)), (None, None));
        assert_eq!((share_interval(1.1, 9, 0.95), share_interval(0.5, 9, 1.0)), (None, None));
    }

    proptest! {
        #[test]
        fn holds_the_share_and_mirrors(share in 0.0..=1.0, samples in 1_u64..1_000_000, confidence in 0.01..0.999) {
            let (lo, hi) = share_interval(share, samples, confidence).unwrap();
            let (back_lo, back_hi) = share_interval(1.0 - share, samples, confidence).unwrap();
            prop_assert!(0.0 <= lo && lo <= share + 1e-12 && share <= hi + 1e-12 && hi <= 1.0);
            prop_assert!((lo + back_hi - 1.0).abs() < 1e-9 && (hi + back_lo - 1.0).abs() < 1e-9);
        }
    }
}
