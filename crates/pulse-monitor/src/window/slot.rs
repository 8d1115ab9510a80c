//! A span of time with what all series gained in it, in a few bytes per series.

use pulse_model::{Gauge, Nanos, Rate};

use super::delta::{Delta, TrendDelta};
use super::varint::{read, read_u64, write};

/// What a slot costs beside its bytes: its fields and the allocation.
const OVERHEAD_BYTES: usize = size_of::<Slot>() + 16;

/// Kinds of gains as they are written.
mod kind {
    pub(super) const COUNTER: u128 = 0;
    pub(super) const RATE: u128 = 1;
    pub(super) const GAUGE: u128 = 2;
    pub(super) const TREND: u128 = 3;
}

/// A sealed slot.
#[derive(Debug)]
pub(super) struct Slot {
    /// Start, included.
    pub(super) from: Nanos,
    /// End, excluded.
    pub(super) to: Nanos,
    gains: Box<[u8]>,
}

impl Slot {
    /// Seals gains, which come in order of numbers.
    pub(super) fn seal(from: Nanos, to: Nanos, gains: impl Iterator<Item = (usize, Delta)>) -> Self {
        let mut bytes = Vec::new();
        let mut next = 0;
        for (number, delta) in gains {
            // The kind shares a number with the step from the last series, which mostly is small.
            let step = (number.saturating_sub(next) as u128) << 2;
            next = number + 1;
            match delta {
                Delta::Counter(gain) => {
                    write(step | kind::COUNTER, &mut bytes);
                    write(gain.into(), &mut bytes);
                }
                Delta::Rate(gain) => {
                    write(step | kind::RATE, &mut bytes);
                    write(gain.hits.into(), &mut bytes);
                    write((gain.total - gain.hits).into(), &mut bytes);
                }
                Delta::Gauge(level) => {
                    write(step | kind::GAUGE, &mut bytes);
                    for number in [level.at.0, level.last, level.min, level.max] {
                        write(number.into(), &mut bytes);
                    }
                }
                Delta::Trend(gain) => {
                    write(step | kind::TREND, &mut bytes);
                    write_trend(&gain, &mut bytes);
                }
            }
        }
        Self { from, to, gains: bytes.into() }
    }

    /// How long it is.
    pub(super) fn length(&self) -> Nanos {
        self.to.since(self.from)
    }

    /// The memory it takes, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        OVERHEAD_BYTES + self.gains.len()
    }

    /// What the series gained, in order of numbers.
    pub(super) fn gains(&self) -> impl Iterator<Item = (usize, Delta)> {
        let mut bytes = &self.gains[..];
        let mut next = 0;
        std::iter::from_fn(move || {
            let (number, delta) = read_gain(&mut bytes, next)?;
            next = number + 1;
            Some((number, delta))
        })
    }
}

fn write_trend(gain: &TrendDelta, bytes: &mut Vec<u8>) {
    write(gain.zeros.into(), bytes);
    write(gain.sum, bytes);
    write(gain.min.into(), bytes);
    write(gain.max.saturating_sub(gain.min).into(), bytes);
    write(gain.buckets.len() as u128, bytes);
    let mut next = 0;
    for &(index, count) in &gain.buckets {
        write((index - next).into(), bytes);
        write(count.into(), bytes);
        next = index + 1;
    }
}

fn read_gain(bytes: &mut &[u8], next: usize) -> Option<(usize, Delta)> {
    let head = read(bytes)?;
    let number = next + usize::try_from(head >> 2).ok()?;
    let delta = match head & 3 {
        kind::COUNTER => Delta::Counter(read_u64(bytes)?),
        kind::RATE => {
            let (hits, misses) = (read_u64(bytes)?, read_u64(bytes)?);
            Delta::Rate(Rate { hits, total: hits + misses })
        }
        kind::GAUGE => Delta::Gauge(Gauge {
            at: Nanos(read_u64(bytes)?),
            last: read_u64(bytes)?,
            min: read_u64(bytes)?,
            max: read_u64(bytes)?,
        }),
        _ => Delta::Trend(read_trend(bytes)?),
    };
    Some((number, delta))
}

fn read_trend(bytes: &mut &[u8]) -> Option<TrendDelta> {
    let (zeros, sum, min) = (read_u64(bytes)?, read(bytes)?, read_u64(bytes)?);
    let max = min + read_u64(bytes)?;
    let length = read_u64(bytes)?;
    let mut buckets = Vec::with_capacity(length as usize);
    let mut next = 0;
    for _ in 0..length {
        let index = next + u16::try_from(read_u64(bytes)?).ok()?;
        buckets.push((index, read_u64(bytes)?));
        next = index + 1;
    }
    Some(TrendDelta { buckets, zeros, sum, min, max })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    fn numbers() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0..64_u32).prop_map(|(number, shift)| number >> shift)
    }

    fn deltas() -> impl Strategy<Value = Delta> {
        let trend =
            (btree_map(0..2080_u16, numbers(), 0..20), numbers(), any::<u128>(), numbers(), numbers());
        prop_oneof![
            numbers().prop_map(Delta::Counter),
            (numbers(), numbers()).prop_map(|(a, b)| Delta::Rate(Rate { hits: a.min(b), total: a.max(b) })),
            vec(numbers(), 4)
                .prop_map(|n| { Delta::Gauge(Gauge { at: Nanos(n[0]), last: n[1], min: n[2], max: n[3] }) }),
            trend.prop_map(|(buckets, zeros, sum, a, b)| Delta::Trend(TrendDelta {
                buckets: buckets.into_iter().collect(),
                zeros,
                sum,
                min: a.min(b),
                max: a.max(b)
            })),
        ]
    }

    #[test]
    fn a_busy_trend_takes_two_or_three_bytes_for_a_bucket() {
        let buckets: Vec<(u16, u64)> = (600..640).map(|index| (index, 25)).collect();
        let gain = TrendDelta { buckets, zeros: 0, sum: 40 * 25 * 500_000, min: 450_000, max: 900_000 };
        let slot = Slot::seal(Nanos(0), Nanos(1), [(7, Delta::Trend(gain))].into_iter());
        assert!(slot.gains.len() < 100, "{}", slot.gains.len());
        assert!(slot.size_bytes() < 200);
    }

    proptest! {
        #[test]
        fn gains_come_back_as_they_were(gains in btree_map(0..5000_usize, deltas(), 0..12)) {
            let slot = Slot::seal(Nanos(5), Nanos(9), gains.clone().into_iter());
            prop_assert_eq!(slot.gains().collect::<std::collections::BTreeMap<_, _>>(), gains);
        }
    }
}
