//! What one series gained between two readings.

use pulse_model::{Gauge, Rate, Schema};

use crate::totals::{CellTotal, EPOCHS, TrendTotal};

/// The gain of a series, or for a gauge its readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Delta {
    /// Events.
    Counter(u64),
    /// Hits of a total.
    Rate(Rate),
    /// A level: the latest reading and the extremes of the readings.
    Gauge(Gauge),
    /// Values.
    Trend(TrendDelta),
}

/// Values that a trend gained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TrendDelta {
    /// Index and count of the buckets, indices rising, none empty.
    pub(super) buckets: Vec<(u16, u64)>,
    /// Values of zero.
    pub(super) zeros: u64,
    /// Sum of all values.
    pub(super) sum: u128,
    /// Smallest value.
    pub(super) min: u64,
    /// Largest value.
    pub(super) max: u64,
}

/// The epoch words at two readings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epochs {
    /// At the previous reading.
    pub(super) from: u64,
    /// At this one.
    pub(super) to: u64,
}

/// What `cell` gained since `previous` (`None`: since nothing was recorded); `None` when that is nothing.
pub(super) fn gained(previous: Option<&CellTotal>, cell: &CellTotal, epochs: Epochs) -> Option<Delta> {
    match cell {
        CellTotal::Counter(count) => {
            let before = if let Some(CellTotal::Counter(before)) = previous { *before } else { 0 };
            let gain = count.saturating_sub(before);
            (gain > 0).then_some(Delta::Counter(gain))
        }
        CellTotal::Rate(rate) => {
            let before = if let Some(CellTotal::Rate(before)) = previous { *before } else { Rate::default() };
            let total = rate.total.saturating_sub(before.total);
            let hits = rate.hits.saturating_sub(before.hits).min(total);
            (total > 0).then_some(Delta::Rate(Rate { hits, total }))
        }
        CellTotal::Gauge(gauge) => {
            gauge.map(|Gauge { at, last, .. }| Delta::Gauge(Gauge { at, last, min: last, max: last }))
        }
        CellTotal::Trend(trend) => {
            let nothing = TrendTotal::default();
            let before = if let Some(CellTotal::Trend(before)) = previous { before } else { &nothing };
            trend_gained(before, trend, epochs).map(Delta::Trend)
        }
    }
}

/// What the next reading is compared with: `cell`, with as much of its sum as `delta` holds.
///
/// A writer adds to a bucket and to the sum one after the other, and a reading may fall between. The part of the sum that no
/// bucket accounts for belongs to the next reading, so that nothing is lost and a mean never lies outside the extremes.
pub(super) fn carried(previous: Option<&CellTotal>, cell: &CellTotal, delta: Option<&Delta>) -> CellTotal {
    let CellTotal::Trend(trend) = cell else { return cell.clone() };
    let before = if let Some(CellTotal::Trend(before)) = previous { before.sum } else { 0 };
    let taken = if let Some(Delta::Trend(delta)) = delta { delta.sum } else { 0 };
    let seen = before.saturating_add(taken);
    // More than writers can have in hand: the sum has run over, or the storage is another. It counts anew from here.
    let sum = if seen.abs_diff(trend.sum) > u128::from(u64::MAX >> 1) { trend.sum } else { seen };
    CellTotal::Trend(TrendTotal { sum, ..trend.clone() })
}

fn trend_gained(before: &TrendTotal, now: &TrendTotal, epochs: Epochs) -> Option<TrendDelta> {
    let (buckets, zeros) = now.since(before);
    let bounds = Bounds::of(&buckets, zeros)?;
    let sum = now.sum.saturating_sub(before.sum).clamp(bounds.least_sum, bounds.largest_sum);
    let known = match u64::try_from(sum) {
        Ok(only) if zeros + buckets.iter().map(|(_, count)| *count).fold(0, u64::saturating_add) == 1 => {
            Known { min: only, max: only }
        }
        _ => Known::of(before, now, epochs),
    };
    let min = known.min.clamp(bounds.lowest.0, bounds.lowest.1);
    let max = known.max.clamp(bounds.highest.0, bounds.highest.1).max(min);
    Some(TrendDelta { buckets, zeros, sum, min, max })
}

/// What buckets say about the values in them.
struct Bounds {
    /// Smallest and largest value of the lowest bucket.
    lowest: (u64, u64),
    /// Smallest and largest value of the highest bucket.
    highest: (u64, u64),
    least_sum: u128,
    largest_sum: u128,
}

impl Bounds {
    /// `None` when the buckets hold nothing.
    fn of(buckets: &[(u16, u64)], zeros: u64) -> Option<Self> {
        let range = |&(index, _): &(u16, u64)| {
            let (lower, upper) = (Schema::MONITOR.lower(index.into()), Schema::MONITOR.upper(index.into()));
            // No whole number falls into some buckets of the smallest values; only damaged memory counts any there.
            (lower.min(upper), upper)
        };
        let sum = |bound: fn((u64, u64)) -> u64| {
            buckets.iter().fold(0_u128, |sum, bucket| {
                sum.saturating_add(u128::from(bound(range(bucket))) * u128::from(bucket.1))
            })
        };
        let zero = (zeros > 0).then_some((0, 0));
        Some(Self {
            lowest: zero.or_else(|| buckets.first().map(range))?,
            highest: buckets.last().map(range).or(zero)?,
            least_sum: sum(|(lower, _)| lower),
            largest_sum: sum(|(_, upper)| upper),
        })
    }
}

/// What the storage says about the extremes; 0 and `u64::MAX` where it says nothing.
struct Known {
    min: u64,
    max: u64,
}

impl Known {
    /// A new extreme of all times is one of the values gained. Else it is among those of the epochs since the previous
    /// reading, while all of them are kept. (The first of these epochs began before that reading: an extreme from just
    /// before it may be taken for one of the values, and is then brought into the bucket by the caller.)
    fn of(before: &TrendTotal, now: &TrendTotal, epochs: Epochs) -> Self {
        let tagged = || now.recent.iter().flatten().filter(|extremes| extremes.epoch >= epochs.from);
        let latest = tagged().map(|extremes| extremes.epoch).fold(epochs.to, u64::max);
        let complete = latest.saturating_sub(epochs.from) < EPOCHS as u64;
        let min = || tagged().map(|extremes| extremes.min).min().filter(|_| complete);
        let max = || tagged().map(|extremes| extremes.max).max().filter(|_| complete);
        Self {
            min: if now.min < before.min { now.min } else { min().unwrap_or(0).max(now.min) },
            max: if now.max > before.max { now.max } else { max().unwrap_or(u64::MAX).min(now.max) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Between 1 and 2 there is no whole number, but there are buckets.
    #[test]
    fn counts_in_an_impossible_bucket_are_harmless() {
        for index in 1..40 {
            let now = TrendTotal { buckets: vec![(index, u64::MAX)], ..TrendTotal::default() };
            let delta = trend_gained(&TrendTotal::default(), &now, Epochs { from: 0, to: 1 });
            let delta = delta.expect("something is counted");
            assert!(delta.min <= delta.max, "{index}: {delta:?}");
        }
    }
}
