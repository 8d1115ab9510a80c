//! The values of a classic bucket, given places within it.
//!
//! A classic bucket says how many values lie between two bounds and nothing more. To be merged, subtracted and asked for
//! quantiles like any other distribution, its values are put on 64 places at even distances, as if they were spread evenly:
//! what `histogram_quantile` of Prometheus assumes too. The n-th value always gets the same place, in the order of van der
//! Corput's sequence, which fills a range evenly from the first value on. So no place ever loses a value when the bucket
//! grows, and the difference of two readings is again a distribution.
//!
//! Exponential buckets that reach over a bound are avoided where there is room, so that an estimate does not leave the classic
//! bucket its value was counted in.

use pulse_model::Schema;

/// Places in a bucket, as a power of two.
const PLACES_LOG2: u32 = 6;
const PLACES: u64 = 1 << PLACES_LOG2;

/// Index and count of the exponential buckets of `schema` that take `count` values above `lower` and at most `upper`.
pub(crate) fn spread(
    schema: Schema,
    lower: u64,
    upper: u64,
    count: u64,
) -> impl Iterator<Item = (usize, u64)> {
    let (whole, rest) = (count / PLACES, count % PLACES);
    let (first, last) = within(schema, lower, upper);
    (0..PLACES).filter_map(move |place| {
        // The place's number in the sequence: its bits in reverse, but the middle comes first and the edge last.
        let turn = (place.reverse_bits() >> (u64::BITS - PLACES_LOG2)).wrapping_sub(1) % PLACES;
        let count = whole + u64::from(turn < rest);
        let middle =
            u128::from(upper.saturating_sub(lower)) * u128::from(2 * place + 1) / u128::from(2 * PLACES);
        let value = lower.saturating_add(middle as u64).max(1);
        (count > 0).then(|| (schema.index(value).clamp(first, last), count))
    })
}

/// The first exponential bucket that takes nothing at or below `value`. Buckets of small values that hold no whole number are
/// passed over.
pub(crate) fn above(schema: Schema, value: u64) -> usize {
    if value == 0 {
        return schema.index(1);
    }
    schema.index(schema.upper(schema.index(value)).saturating_add(1))
}

/// The first and the last exponential bucket that lie wholly within the bounds; of a classic bucket that is too narrow, the
/// one that holds its upper bound.
fn within(schema: Schema, lower: u64, upper: u64) -> (usize, usize) {
    let first = above(schema, lower);
    let holding = schema.index(upper.max(1));
    let reaches_over = schema.upper(holding) > upper;
    let last = if reaches_over { schema.index((schema.lower(holding) - 1).max(1)) } else { holding };
    let fits = first <= last && (!reaches_over || last < holding);
    if fits { (first, last) } else { (holding, holding) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn buckets(lower: u64, upper: u64, count: u64) -> BTreeMap<usize, u64> {
        let mut buckets = BTreeMap::new();
        spread(Schema::MONITOR, lower, upper, count)
            .for_each(|(index, n)| *buckets.entry(index).or_default() += n);
        buckets
    }

    #[test]
    fn the_first_values_are_far_apart() {
        let index = |value| Schema::MONITOR.index(value);
        let place = |place: u64| index((1 << 20) * (2 * place + 1) / 128);
        for (count, places) in [(1, &[32][..]), (2, &[32, 16]), (3, &[32, 16, 48]), (5, &[32, 16, 48, 8, 40])]
        {
            let expected = places.iter().map(|&at| (place(at), 1)).collect();
            assert_eq!(buckets(0, 1 << 20, count), expected, "{count}");
        }
    }

    proptest! {
        #[test]
        fn all_values_are_within_and_none_moves(
            lower in 0..1_u64 << 62, width in 1..1_u64 << 62, shift in 0..62_u32, count in 0..10_000_u64
        ) {
            let lower = lower >> shift;
            let upper = lower + (width >> shift).max(1);
            let some = buckets(lower, upper, count);
            prop_assert_eq!(some.values().sum::<u64>(), count);
            for &index in some.keys() {
                let (first, last) = (Schema::MONITOR.lower(index), Schema::MONITOR.upper(index));
                prop_assert!(last > lower && first <= upper);
                // Wherever a bucket is wider than two exponential ones, nothing reaches over its bounds.
                prop_assert!(upper < lower + lower / 20 + 1_000 || (first > lower && last <= upper));
            }
            let more = buckets(lower, upper, count + 1);
            prop_assert!(some.iter().all(|(index, n)| more.get(index) >= Some(n)));
        }

        #[test]
        fn any_bounds_do(lower: u64, upper: u64, count: u64) {
            prop_assert_eq!(spread(Schema::MONITOR, lower, upper, count).map(|(_, n)| u128::from(n)).sum::<u128>(), u128::from(count));
        }
    }
}
