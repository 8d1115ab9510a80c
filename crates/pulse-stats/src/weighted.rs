//! Sorted values with how often each occurs: what samples and histograms have in common.

use pulse_model::Histogram;

use crate::ranks::{all_finite, same, sorted};

/// Distinct values in rising order with their counts; never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighted {
    pub(crate) values: Vec<(f64, u64)>,
    pub(crate) total: u64,
}

impl Weighted {
    /// From single values; `None` when there are none or one is not finite.
    pub fn from_values(values: &[f64]) -> Option<Self> {
        if values.is_empty() || !all_finite(values) {
            return None;
        }
        let values = sorted(values);
        let values: Vec<(f64, u64)> =
            values.chunk_by(|&a, &b| same(a, b)).map(|group| (group[0], group.len() as u64)).collect();
        Self::new(values)
    }

    /// From two histograms, brought to one schema so that equal values tie; each bucket stands for its middle. `None` when
    /// one is empty.
    pub fn from_histograms(a: &Histogram, b: &Histogram) -> Option<[Self; 2]> {
        let schema = a.schema().min(b.schema());
        let of = |histogram: &Histogram| {
            let mut histogram = histogram.clone();
            histogram.downscale(schema);
            let middle = |lower: u64, upper: u64| f64::midpoint(lower as f64, upper as f64);
            Self::new(
                histogram
                    .buckets()
                    .map(|bucket| (middle(bucket.lower, bucket.upper), bucket.count))
                    .collect(),
            )
        };
        Some([of(a)?, of(b)?])
    }

    fn new(values: Vec<(f64, u64)>) -> Option<Self> {
        let total = values.iter().fold(0_u64, |sum, &(_, count)| sum.saturating_add(count));
        (total > 0).then_some(Self { values, total })
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// True when every value occurs once.
    pub(crate) fn distinct(&self) -> bool {
        self.values.len() as u64 == self.total
    }
}
