//! Cumulative buckets with fixed bounds, as the text formats know them.
//!
//! The bounds are powers of two in the unit of recording: 2^17 ns = 0.000131072 s up to 2^35 ns = 34.36 s for times, 2^8 to
//! 2^30 for bytes. Powers of two are bounds of the exponential layout at *every* schema from 0 on, so each count is exact:
//! the number of values at or below the bound, not a value more. Round bounds (5 ms, 10 ms, 25 ms) would cut through a
//! bucket, and the values of that bucket could only be guessed. In decimal seconds the bounds are not pretty, but they are
//! exact too, and a factor of two between bounds is what readers interpolate over. Who wants finer quantiles takes the native
//! histograms; who wants the share of requests below a limit asks for the next bound.
//!
//! The list is fixed, so that the buckets of a series never change from scrape to scrape.

use pulse_model::Histogram;

use crate::families::Unit;
use crate::number;

/// The bounds of one unit.
#[derive(Debug)]
pub(crate) struct Bounds {
    /// The value of the label `le` of each bound, without `+Inf`.
    pub(crate) labels: Vec<String>,
    exponents: Vec<u32>,
}

impl Bounds {
    pub(crate) fn of(unit: Unit) -> Self {
        let exponents: Vec<u32> = match unit {
            Unit::Seconds => (17..=35).collect(),
            Unit::Bytes | Unit::Count(_) => (8..=30).step_by(2).collect(),
        };
        let labels =
            exponents.iter().map(|&exponent| number::bound(number::in_unit(1 << exponent, unit))).collect();
        Self { labels, exponents }
    }

    /// How many values lie at or below each bound. `counts` is cleared first.
    pub(crate) fn count(&self, histogram: &Histogram, counts: &mut Vec<u64>) {
        counts.clear();
        let schema = histogram.schema().get();
        let mut below = histogram.zeros();
        histogram.indexed().for_each(|(index, count)| {
            // The bucket that ends at 2^e has the index e · 2^schema.
            while self
                .exponents
                .get(counts.len())
                .is_some_and(|&exponent| index > (exponent as usize) << schema)
            {
                counts.push(below);
            }
            below += count;
        });
        counts.resize(self.exponents.len(), below);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use pulse_model::Schema;

    #[test]
    fn bounds_are_exact_decimals() {
        let bounds = Bounds::of(Unit::Seconds);
        assert_eq!((&*bounds.labels[0], &*bounds.labels[18]), ("0.000131072", "34.359738368"));
        assert_eq!(bounds.labels.len(), 19);
        for (label, exponent) in bounds.labels.iter().zip(&bounds.exponents) {
            let nanos: String = format!("{label:0<1}").replace('.', "");
            let decimals = label.split_once('.').unwrap().1.len() as u32;
            assert_eq!(nanos.parse::<u64>().unwrap() * 10_u64.pow(9 - decimals), 1 << exponent, "{label}");
        }
        let bytes = Bounds::of(Unit::Bytes).labels;
        assert_eq!((&*bytes[0], &*bytes[11]), ("256.0", "1.073741824e+09"));
    }

    proptest! {
        #[test]
        fn counts_are_exact_at_every_schema(
            schema in 0..=8_u8, values in prop::collection::vec((any::<u64>(), 0..64_u32), 0..200), seconds: bool
        ) {
            // As many values as possible sit on the bounds and beside them.
            let values: Vec<u64> = values.into_iter().map(|(value, by)| match value % 4 {
                0 => 1 << by,
                1 => (1 << by) + 1,
                2 => (1 << by) - 1,
                _ => value >> by,
            }).collect();
            let mut histogram = Histogram::new(Schema::new(schema).unwrap());
            values.iter().for_each(|&value| histogram.record(value));
            let bounds = Bounds::of(if seconds { Unit::Seconds } else { Unit::Bytes });
            let mut counts = vec![7];
            bounds.count(&histogram, &mut counts);
            let expected: Vec<u64> = bounds.exponents.iter()
                .map(|exponent| values.iter().filter(|&&value| value <= 1 << exponent).count() as u64)
                .collect();
            prop_assert_eq!(counts, expected);
        }
    }
}
