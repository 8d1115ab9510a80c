//! A few of many calls, each with the same chance, without knowing how many will come.
//!
//! Kim-Hung Li, "Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n)))", 1994, algorithm L: after a
//! replacement it is drawn how many calls are passed over until the next, so that a thousand equal calls cost as little as one.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::MAX_SAMPLES;

/// Decides which calls are kept.
#[derive(Debug)]
pub(super) struct Reservoir {
    random: ChaCha8Rng,
    /// Calls that were offered.
    seen: u64,
    /// The number of the next call that is kept, from 0, once there are enough.
    next: u64,
    weight: f64,
}

impl Reservoir {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream);
        Self { random, seen: 0, next: 0, weight: 1.0 }
    }

    /// The places that so many equal calls are to be put into, in order; a place may come several times.
    pub(super) fn offer(&mut self, calls: u64) -> Vec<usize> {
        let end = self.seen.saturating_add(calls);
        let mut places = Vec::new();
        while self.seen < (MAX_SAMPLES as u64).min(end) {
            places.push(self.seen as usize);
            self.seen += 1;
            if self.seen == MAX_SAMPLES as u64 {
                self.next = self.seen.saturating_sub(1);
                self.skip();
            }
        }
        while self.seen >= MAX_SAMPLES as u64 && self.next < end {
            places.push(self.random.random_range(0..MAX_SAMPLES));
            self.skip();
        }
        self.seen = end;
        places
    }

    fn skip(&mut self) {
        // Above 0, since neither logarithm may be infinite.
        let mut draw = || 1.0 - self.random.random_range(0.0..1.0_f64);
        self.weight *= (draw().ln() / MAX_SAMPLES as f64).exp();
        let passed = (draw().ln() / (-self.weight).ln_1p()).floor();
        // A cast of what is too large, or of no number, ends at the largest or at 0.
        self.next = self.next.saturating_add(passed as u64).saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of so many calls are kept, offered in pieces.
    fn kept(seed: u64, pieces: &[u64]) -> Vec<u64> {
        let mut reservoir = Reservoir::new(seed, 0);
        let mut kept = vec![u64::MAX; MAX_SAMPLES];
        for (number, &calls) in (0..).zip(pieces) {
            for place in reservoir.offer(calls) {
                kept[place] = number;
            }
        }
        kept.retain(|number| *number != u64::MAX);
        kept
    }

    #[test]
    fn the_first_are_all_kept() {
        assert_eq!(kept(1, &[1; 20]), (0..20).collect::<Vec<_>>());
        assert_eq!(kept(1, &[5, 0, 2]), [0, 0, 0, 0, 0, 2, 2]);
    }

    #[test]
    fn every_call_has_the_same_chance() {
        let mut tenths = [0_u32; 10];
        for seed in 0..400 {
            let kept = kept(seed, &[1; 1000]);
            assert_eq!(kept.len(), MAX_SAMPLES);
            kept.iter().for_each(|number| tenths[*number as usize / 100] += 1);
        }
        // 1280 are expected of each; five standard deviations are 170.
        assert!(tenths.iter().all(|count| count.abs_diff(1280) < 170), "{tenths:?}");
    }

    #[test]
    fn calls_that_come_together_count_as_many() {
        let shares: usize =
            (0..200).map(|seed| kept(seed, &[100, 900]).iter().filter(|number| **number == 0).count()).sum();
        // A tenth of 6400.
        assert!(shares.abs_diff(640) < 125, "{shares}");
    }

    #[test]
    fn a_seed_decides() {
        assert_eq!(kept(7, &[1; 1500]), kept(7, &[1; 1500]));
        assert_ne!(kept(7, &[1; 1500]), kept(8, &[1; 1500]));
    }

    #[test]
    fn the_largest_number_of_calls_ends() {
        assert!(kept(3, &[u64::MAX, u64::MAX, 1]).len() <= MAX_SAMPLES);
    }
}
