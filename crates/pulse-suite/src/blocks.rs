//! The blocks of time by which a case is judged.

use pulse_model::{Nanos, Snapshot};
use pulse_stats::MIN_INTERVALS;

/// Blocks of a long case: as many as tell how slow answers come in clusters. More would make them shorter than the
/// clusters.
const MAX_BLOCKS: u64 = 64;
/// The shortest block, where there is time enough for [`MIN_INTERVALS`] of them. The batches of a quick case are far
/// shorter, and end where the measurement wants and not the service.
const SHORTEST: Nanos = Nanos::from_millis(100);
/// Timers are late by a little: a block is full with this share of its length.
const FULL: f64 = 0.98;

/// Puts neighbours together to blocks of about the same length, in order of time; nothing is lost.
pub(crate) fn blocks(intervals: &[Snapshot]) -> Vec<Snapshot> {
    let total: Nanos = intervals.iter().map(Snapshot::length).fold(Nanos::ZERO, |sum, length| sum + length);
    let shortest = SHORTEST.min(Nanos(total.0 / MIN_INTERVALS as u64));
    let full = Nanos(total.0 / MAX_BLOCKS).max(shortest).as_secs_f64() * FULL;
    let mut blocks: Vec<Snapshot> = Vec::new();
    let mut is_open = false;
    for interval in intervals {
        match blocks.last_mut().filter(|_| is_open) {
            Some(block) => block.merge(interval),
            None => blocks.push(interval.clone()),
        }
        is_open = blocks.last().is_some_and(|block| block.length().as_secs_f64() < full);
    }
    // What is left over at the end is no block of its own.
    if is_open
        && blocks.len() > MIN_INTERVALS
        && let Some(rest) = blocks.pop()
        && let Some(last) = blocks.last_mut()
    {
        last.merge(&rest);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use pulse_model::{Aggregate, Histogram, Interval, Series, metric};

    /// Intervals of these lengths in milliseconds, one after another, with a sample for each millisecond.
    fn intervals(lengths: &[u64]) -> Vec<Snapshot> {
        let mut from = Nanos::ZERO;
        let one = |&millis: &u64| {
            let mut trend = Histogram::default();
            trend.record_n(1_000_000, millis);
            let mut snapshot = Snapshot::default();
            snapshot.add(Series::new(metric::RESPONSE_TIME), Aggregate::Trend(trend));
            let to = from + Nanos::from_millis(millis);
            snapshot.interval = Some(Interval { from: std::mem::replace(&mut from, to), to });
            snapshot
        };
        lengths.iter().map(one).collect()
    }

    fn lengths(blocks: &[Snapshot]) -> Vec<u64> {
        blocks.iter().map(|block| block.length().0 / 1_000_000).collect()
    }

    #[test]
    fn blocks_are_of_about_the_same_length() {
        for (pieces, expected) in [
            (vec![], vec![]),
            (vec![100; 10], vec![100; 10]),
            // Batches of a quick case.
            (vec![20; 50], vec![100; 10]),
            (
                vec![100, 100, 99, 100, 101, 100, 100, 100, 100, 40],
                vec![100, 100, 99, 100, 101, 100, 100, 100, 140],
            ),
            // Too short for blocks of 100 ms.
            (vec![10; 16], vec![20; 8]),
            (vec![50; 4], vec![50; 4]),
            (vec![1000], vec![1000]),
            // A minute has as many blocks as seconds.
            (vec![100; 600], vec![1000; 60]),
        ] {
            assert_eq!(lengths(&blocks(&intervals(&pieces))), expected, "{pieces:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost(pieces in prop::collection::vec(0..500_u64, 0..200)) {
            let intervals = intervals(&pieces);
            let blocks = blocks(&intervals);
            let count = |all: &[Snapshot]| all.iter().map(|one| one.trend(&Series::new(metric::RESPONSE_TIME)).count()).sum::<u64>();
            prop_assert_eq!(count(&blocks), count(&intervals));
            prop_assert_eq!(lengths(&blocks).iter().sum::<u64>(), pieces.iter().sum::<u64>());
            prop_assert!(blocks.len() <= MAX_BLOCKS as usize + MIN_INTERVALS, "{}", blocks.len());
        }
    }
}
