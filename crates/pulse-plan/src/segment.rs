//! A share of the whole: which arrivals and which users belong to a worker or to a machine.

use serde::{Deserialize, Serialize};

/// A rational share `[from, to)` of the whole. A run on one worker is `0/1 .. 1/1`.
///
/// The n-th thing belongs to the segment that contains φ(n), where φ is the base-2 van der Corput sequence (the bits of
/// `n` mirrored behind the binary point). Every partition of \[0, 1) into segments therefore partitions the numbers,
/// whatever the denominators, and each segment's numbers are spread evenly over the whole: among the first N, a segment
/// of width w owns w·N of them up to a logarithmic term (J. G. van der Corput, "Verteilungsfunktionen", 1935).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "[u64; 4]", into = "[u64; 4]")]
pub struct Segment {
    bounds: [u64; 4],
    /// ⌈from · 2^64⌉ and ⌈to · 2^64⌉, so that membership is two integer comparisons.
    low: u128,
    high: u128,
}

/// Why a pair of fractions is not a segment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{from_num}/{from_den} .. {to_num}/{to_den} is not a segment; it must lie within 0/1 .. 1/1 and not be empty",
    from_num = .0[0], from_den = .0[1], to_num = .0[2], to_den = .0[3])]
pub struct SegmentError([u64; 4]);

impl Segment {
    /// Everything.
    pub const WHOLE: Self = Self { bounds: [0, 1, 1, 1], low: 0, high: 1 << 64 };

    /// The share from `from.0 / from.1` to `to.0 / to.1`.
    pub fn new(from: (u64, u64), to: (u64, u64)) -> Result<Self, SegmentError> {
        let bounds = [from.0, from.1, to.0, to.1];
        if from.1 == 0 || to.1 == 0 || to.0 > to.1 {
            return Err(SegmentError(bounds));
        }
        let scaled = |(num, den): (u64, u64)| (u128::from(num) << 64).div_ceil(u128::from(den));
        let (low, high) = (scaled(from), scaled(to));
        if low < high { Ok(Self { bounds, low, high }) } else { Err(SegmentError(bounds)) }
    }

    /// The `index`-th of `count` equal parts of this segment (`index < count`).
    ///
    /// # Panics
    /// When `index >= count`, or when the parts' fractions do not fit into 64 bits.
    #[must_use]
    pub fn part(self, index: u32, count: u32) -> Self {
        assert!(index < count, "part {index} of {count} does not exist");
        let [a, b, c, d] = self.bounds.map(u128::from);
        let count = u128::from(count);
        // from + (to − from) · i / count, over the common denominator.
        let bound = |i: u128| {
            let (num, den) = (a * d * count + (c * b - a * d) * i, b * d * count);
            let divisor = greatest_common_divisor(num, den);
            (u64::try_from(num / divisor), u64::try_from(den / divisor))
        };
        let ((Ok(from), Ok(from_den)), (Ok(to), Ok(to_den))) =
            (bound(u128::from(index)), bound(u128::from(index) + 1))
        else {
            panic!("part {index} of {count} of {:?} needs fractions beyond 64 bits", self.bounds)
        };
        Self::new((from, from_den), (to, to_den)).expect("a part of a segment is a segment")
    }

    /// Whether the `n`-th thing belongs to this segment.
    pub fn contains(self, n: u64) -> bool {
        let point = u128::from(n.reverse_bits());
        self.low <= point && point < self.high
    }

    /// The first number at or after `n` that belongs to this segment.
    ///
    /// Takes about 1/width steps of a few instructions each.
    pub fn next(self, n: u64) -> u64 {
        (n..=u64::MAX).find(|&n| self.contains(n)).unwrap_or(u64::MAX)
    }

    /// The contiguous block of `0..n` that is this segment's, for things that only need to be shared out, such as a pool
    /// of users. Every partition into segments partitions the blocks; a segment of at least 1/n has at least one.
    pub fn block(self, n: u64) -> std::ops::Range<u64> {
        let [from, from_den, to, to_den] = self.bounds.map(u128::from);
        let cut = |num, den| (u128::from(n) * num / den) as u64;
        cut(from, from_den)..cut(to, to_den)
    }

    /// How many of the first `n` things belong to this segment, by digits of `n` in O(64) steps.
    pub fn share(self, n: u64) -> u64 {
        count_below(n, self.high) - count_below(n, self.low)
    }
}

/// How many k < n have φ(k) · 2^64 < bound.
///
/// The numbers below n fall into aligned blocks, one per set bit of n; within a block of 2^b numbers the mirrored bits
/// run through an arithmetic progression with step 2^(64−b), which can be counted directly.
fn count_below(n: u64, bound: u128) -> u64 {
    let mut total = 0;
    let mut block_start = 0_u64;
    for bit in (0..64).rev() {
        if n & (1 << bit) == 0 {
            continue;
        }
        let first = u128::from(block_start.reverse_bits());
        let step = 1_u128 << (64 - bit);
        // Points of the block: first, first + step, … (2^bit of them).
        let below = if bound > first { (bound - first).div_ceil(step) } else { 0 };
        total += below.min(1 << bit) as u64;
        block_start |= 1 << bit;
    }
    total
}

fn greatest_common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl TryFrom<[u64; 4]> for Segment {
    type Error = SegmentError;
    fn try_from([a, b, c, d]: [u64; 4]) -> Result<Self, SegmentError> {
        Self::new((a, b), (c, d))
    }
}

impl From<Segment> for [u64; 4] {
    fn from(segment: Segment) -> Self {
        segment.bounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Cuts [0, 1) at the given fractions.
    fn partition(cuts: &[(u64, u64)]) -> Vec<Segment> {
        let mut cuts: Vec<(u64, u64)> = cuts.iter().copied().filter(|&(num, den)| num < den).collect();
        cuts.extend([(0, 1), (1, 1)]);
        cuts.sort_by_key(|&(num, den)| (u128::from(num) << 64) / u128::from(den));
        cuts.windows(2).filter_map(|pair| Segment::new(pair[0], pair[1]).ok()).collect()
    }

    proptest! {
        #[test]
        fn any_partition_owns_each_number_once(
            cuts in prop::collection::vec((0..50_u64, 1..50_u64), 0..8), n in any::<u64>()
        ) {
            prop_assert_eq!(partition(&cuts).iter().filter(|segment| segment.contains(n)).count(), 1);
        }

        #[test]
        fn share_counts_what_contains_says(num in 0..20_u64, den in 1..20_u64, n in 0..3000_u64) {
            let Ok(segment) = Segment::new((0, 1), (num, den)) else { return Ok(()) };
            prop_assert_eq!(segment.share(n), (0..n).filter(|&k| segment.contains(k)).count() as u64);
        }

        #[test]
        fn parts_of_a_segment_partition_it(count in 1..60_u32, n in 0..100_000_u64) {
            let whole = Segment::new((1, 3), (6, 7)).unwrap();
            let owners = (0..count).filter(|&i| whole.part(i, count).contains(n)).count();
            prop_assert_eq!(owners, usize::from(whole.contains(n)));
        }

        #[test]
        fn blocks_partition(count in 1..60_u32, n in 0..10_000_u64) {
            let blocks: Vec<_> = (0..count).map(|i| Segment::WHOLE.part(i, count).block(n)).collect();
            prop_assert_eq!((blocks[0].start, blocks[count as usize - 1].end), (0, n));
            prop_assert!(blocks.windows(2).all(|pair| pair[0].end == pair[1].start));
            prop_assert!(n < u64::from(count) || blocks.iter().all(|block| !block.is_empty()));
        }

        #[test]
        fn shares_are_even(count in 1..60_u32, n in 0..1_000_000_u64) {
            for i in 0..count {
                let share = Segment::WHOLE.part(i, count).share(n) as f64;
                prop_assert!((share - n as f64 / f64::from(count)).abs() <= 21.0, "{share} of {n}");
            }
        }
    }

    #[test]
    fn halves_take_turns() {
        let halves = [Segment::WHOLE.part(0, 2), Segment::WHOLE.part(1, 2)];
        assert_eq!(
            (0..6).map(|n| usize::from(!halves[0].contains(n))).collect::<Vec<_>>(),
            [0, 1, 0, 1, 0, 1]
        );
        assert_eq!(halves[1].next(0), 1);
        assert_eq!(halves[1].next(1), 1);
    }

    #[test]
    fn impossible_segments_are_refused() {
        for (from, to) in [((0, 0), (1, 1)), ((0, 1), (2, 1)), ((1, 2), (1, 2)), ((2, 3), (1, 3))] {
            assert!(Segment::new(from, to).is_err(), "{from:?} {to:?}");
        }
    }
}
