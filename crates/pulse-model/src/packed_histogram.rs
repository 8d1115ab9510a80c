//! A histogram at rest: a few bytes for each bucket that holds something, instead of a page for each octave.

use std::borrow::Cow;

use crate::histogram::{Histogram, Schema};

/// A histogram that is only kept: some 3 bytes for each bucket that is not empty, where a [`Histogram`] takes 2 KiB for
/// each octave. Nothing is lost by packing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedHistogram {
    schema: Schema,
    zeros: u64,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
    /// For each bucket that is not empty how far it lies beyond the one before, and its count: numbers of seven bits per
    /// byte, the lowest first, with the eighth bit set where more follow (LEB128).
    buckets: Box<[u8]>,
}

impl From<&Histogram> for PackedHistogram {
    fn from(histogram: &Histogram) -> Self {
        let (mut bytes, mut before) = (Vec::new(), 0);
        for (index, count) in histogram.indexed() {
            write(&mut bytes, (index - before) as u64);
            write(&mut bytes, count);
            before = index;
        }
        Self {
            schema: histogram.schema(),
            zeros: histogram.zeros(),
            count: histogram.count(),
            sum: histogram.sum(),
            min: histogram.min().unwrap_or(0),
            max: histogram.max().unwrap_or(0),
            buckets: bytes.into(),
        }
    }
}

impl PackedHistogram {
    /// What was packed.
    pub fn unpack(&self) -> Histogram {
        let mut bytes = self.buckets.iter().copied();
        let mut index = 0;
        let buckets = std::iter::from_fn(|| {
            index += read(&mut bytes)? as usize;
            Some((index, read(&mut bytes)?))
        });
        Histogram::from_buckets(self.schema, buckets, self.zeros, self.sum, self.min, self.max)
    }

    /// Adds everything that another one holds.
    pub fn merge(&mut self, other: &Self) {
        let mut merged = self.unpack();
        merged.merge(&other.unpack());
        *self = Self::from(&merged);
    }
}

fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = bytes.next()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
        shift += 7;
    }
}

/// What was recorded in an interval, in whatever form it is kept.
pub trait IntervalValues {
    /// The histogram of its values.
    fn histogram(&self) -> Cow<'_, Histogram>;

    /// How fine it is.
    fn schema(&self) -> Schema;

    /// Number of its values.
    fn count(&self) -> u64;
}

impl IntervalValues for Histogram {
    fn histogram(&self) -> Cow<'_, Histogram> {
        Cow::Borrowed(self)
    }

    fn schema(&self) -> Schema {
        Self::schema(self)
    }

    fn count(&self) -> u64 {
        Self::count(self)
    }
}

impl IntervalValues for PackedHistogram {
    fn histogram(&self) -> Cow<'_, Histogram> {
        Cow::Owned(self.unpack())
    }

    fn schema(&self) -> Schema {
        self.schema
    }

    fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn histogram(schema: Schema, values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new(schema);
        values.iter().for_each(|&value| histogram.record(value));
        histogram
    }

    #[test]
    fn a_second_of_many_requests_takes_little() {
        let mut second = Histogram::default();
        (0..20_000_u64).for_each(|n| second.record(50_000 + n * n % 9_973 * (1 + n % 97 * (n % 7))));
        let packed = PackedHistogram::from(&second);
        let buckets = second.indexed().count();
        assert!(buckets > 500 && packed.buckets.len() <= 3 * buckets, "{buckets}: {}", packed.buckets.len());
    }

    proptest! {
        #[test]
        fn nothing_is_lost(
            one in prop::collection::vec(any::<u64>(), 0..200),
            other in prop::collection::vec(0_u64..1_000_000, 0..200),
            schema in 0_u8..=8,
        ) {
            let schema = Schema::new(schema).unwrap();
            let (one, other) = (histogram(schema, &one), histogram(Schema::LOAD, &other));
            let mut packed = PackedHistogram::from(&one);
            prop_assert_eq!(packed.unpack(), one.clone());
            prop_assert_eq!(packed.count(), one.count());
            packed.merge(&PackedHistogram::from(&other));
            let mut merged = one;
            merged.merge(&other);
            prop_assert_eq!(packed.unpack(), merged);
        }
    }
}
