//! Quartiles and outliers, as pytest-benchmark counts them.

use crate::ranks::{all_finite, mean, median_of_sorted, sorted, variance};

/// The row of a benchmark table, in the unit of the values. Definitions are those of pytest-benchmark's `stats.py`, so
/// that its readers see the numbers they expect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FiveNumbers {
    /// Number of values.
    pub rounds: usize,
    /// Smallest value.
    pub min: f64,
    /// First quartile.
    pub q1: f64,
    /// Median.
    pub median: f64,
    /// Third quartile.
    pub q3: f64,
    /// Largest value.
    pub max: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation; 0 for a single value.
    pub stddev: f64,
    /// Sum of all values.
    pub total: f64,
    /// Lowest value not below q1 − 1.5 IQR (J. W. Tukey, "Exploratory Data Analysis", 1977, §2C).
    pub ld15iqr: f64,
    /// Highest value not above q3 + 1.5 IQR.
    pub hd15iqr: f64,
    /// Values outside q1 − 1.5 IQR … q3 + 1.5 IQR.
    pub iqr_outliers: usize,
    /// Values further from the mean than one standard deviation.
    pub stddev_outliers: usize,
}

impl FiveNumbers {
    /// Of a set of values; `None` without values or when one is not finite.
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() || !all_finite(values) {
            return None;
        }
        let sorted = sorted(values);
        let n = sorted.len();
        let (q1, q3) = quartiles(&sorted);
        let (mean, stddev) = (mean(values), variance(values).sqrt());
        let reach = 1.5 * (q3 - q1);
        let outside = |lo: f64, hi: f64| sorted.iter().filter(|&&value| value < lo || value > hi).count();
        let below = sorted.partition_point(|&value| value < q1 - reach).min(n - 1);
        let upto = sorted.partition_point(|&value| value <= q3 + reach).max(1);
        Some(Self {
            rounds: n,
            min: sorted[0],
            q1,
            median: median_of_sorted(&sorted),
            q3,
            max: sorted[n - 1],
            mean,
            stddev,
            total: values.iter().sum(),
            ld15iqr: sorted[below],
            hd15iqr: sorted[upto - 1],
            iqr_outliers: outside(q1 - reach, q3 + reach),
            stddev_outliers: outside(mean - stddev, mean + stddev),
        })
    }

    /// Interquartile range, q3 − q1.
    pub fn iqr(&self) -> f64 {
        self.q3 - self.q1
    }

    /// Rounds per unit of the values; 0 when they sum to 0.
    pub fn ops(&self) -> f64 {
        if self.total == 0.0 { 0.0 } else { self.rounds as f64 / self.total }
    }

    /// Both counts of outliers as the column prints them: standard deviation first, `"2;5"`.
    pub fn outliers(&self) -> String {
        format!("{};{}", self.stddev_outliers, self.iqr_outliers)
    }
}

/// Quartiles of a non-empty sorted slice: the medians of the halves for an even number of values, else the third of the
/// methods that Wikipedia's article "Quartile" lists.
fn quartiles(sorted: &[f64]) -> (f64, f64) {
    let len = sorted.len();
    let n = len / 4;
    if len == 1 {
        (sorted[0], sorted[0])
    } else if len.is_multiple_of(2) {
        (median_of_sorted(&sorted[..len / 2]), median_of_sorted(&sorted[len / 2..]))
    } else if len % 4 == 1 {
        (0.25 * sorted[n - 1] + 0.75 * sorted[n], 0.75 * sorted[3 * n] + 0.25 * sorted[3 * n + 1])
    } else {
        (0.75 * sorted[n] + 0.25 * sorted[n + 1], 0.25 * sorted[3 * n + 1] + 0.75 * sorted[3 * n + 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Row = (&'static [f64], [f64; 8], &'static str);

    /// `from pytest_benchmark.stats import Stats`: q1, median, q3, mean, stddev, ld15iqr, hd15iqr, ops and `outliers`.
    #[test]
    fn agrees_with_pytest_benchmark() {
        let rows: [Row; 5] = [
            (&[5.0], [5.0, 5.0, 5.0, 5.0, 0.0, 5.0, 5.0, 0.2], "0;0"),
            (&[1.0, 2.0, 4.0, 8.0], [1.5, 3.0, 6.0, 3.75, 3.095_695_936_8, 1.0, 8.0, 0.266_666_666_7], "1;0"),
            (
                &[0.011, 0.012, 0.0105, 0.013, 0.0115, 0.05, 0.0118],
                [
                    0.011_125,
                    0.0118,
                    0.012_75,
                    0.017_114_285_7,
                    0.014_522_675_2,
                    0.0105,
                    0.013,
                    58.430_717_863_1,
                ],
                "1;1",
            ),
            (
                &[3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0],
                [1.75, 4.0, 5.25, 4.0, 2.598_076_211_4, 1.0, 9.0, 0.25],
                "3;0",
            ),
            (
                &[1.0, 50.0, 51.0, 52.0, 53.0, 54.0, 55.0, 56.0, 57.0, 120.0],
                [51.0, 53.5, 56.0, 54.9, 28.286_038_959_2, 50.0, 57.0, 0.018_214_936_2],
                "2;2",
            ),
        ];
        for (values, [q1, median, q3, mean, stddev, ld, hd, ops], outliers) in rows {
            let row = FiveNumbers::of(values).unwrap();
            let mine =
                [row.q1, row.median, row.q3, row.mean, row.stddev, row.ld15iqr, row.hd15iqr, row.ops()];
            for (a, b) in mine.into_iter().zip([q1, median, q3, mean, stddev, ld, hd, ops]) {
                assert!((a - b).abs() < 1e-9, "{values:?}: {row:?}");
            }
            assert_eq!(row.outliers(), outliers, "{values:?}");
        }
        assert_eq!(FiveNumbers::of(&[]), None);
        assert_eq!(FiveNumbers::of(&[1.0, f64::NAN]), None);
    }

    proptest! {
        #[test]
        fn is_total_and_ordered(values in prop::collection::vec(prop_oneof![prop::num::f64::ANY, -9.0..9.0], 0..40)) {
            if let Some(row) = FiveNumbers::of(&values) {
                prop_assert!(row.min <= row.ld15iqr && row.hd15iqr <= row.max);
                prop_assert!(row.iqr_outliers <= row.rounds && row.stddev_outliers <= row.rounds);
            }
        }

        #[test]
        fn quartiles_enclose_the_median(values in prop::collection::vec(-9.0..9.0, 2..40)) {
            let row = FiveNumbers::of(&values).unwrap();
            prop_assert!(row.q1 <= row.median && row.median <= row.q3);
        }
    }
}
