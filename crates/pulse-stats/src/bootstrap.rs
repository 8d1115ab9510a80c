//! Resampling whole blocks of intervals.

use pulse_model::{Histogram, Statistic};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::blocks::{block_length, freedom};
use crate::estimate::Estimate;
use crate::interval::CONFIDENCE;
use crate::ranks::sorted;
use crate::tails::student_quantile;
use crate::tally::Tally;

/// More resamples than this change no digit that is shown.
const MAX_RESAMPLES: usize = 10_000;
/// Fewer intervals than this have too few different blocks.
const MIN_INTERVALS: usize = 4;

/// How to resample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// Resamples, from 100 to 10 000; beyond that the nearest of them.
    pub resamples: usize,
    /// Neighbouring intervals that stay together; `None` for [`block_length`].
    pub block: Option<usize>,
    /// Confidence level in (0, 1).
    pub confidence: f64,
    /// Seed: the same seed and data give the same answer on every machine.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 1000, block: None, confidence: CONFIDENCE, seed: 0 }
    }
}

/// A statistic of a sequence of intervals and of its resamples.
pub(crate) struct Resampled {
    pub(crate) value: f64,
    pub(crate) replicates: Vec<f64>,
    /// Degrees of freedom: blocks less one.
    pub(crate) freedom: f64,
}

impl Bootstrap {
    /// The block-bootstrap interval of a quantile or mean over intervals in order of time; `None` for other statistics,
    /// fewer than four intervals, no values, and a confidence outside (0, 1).
    ///
    /// Circular blocks (D. N. Politis, J. P. Romano, 1992, after H. R. Künsch, 1989). The percentile interval is expanded
    /// for few blocks: at Φ(−√(k/(k−1))·t) of k blocks instead of at α/2 (T. C. Hesterberg, "What Teachers Should Know About
    /// the Bootstrap", 2015, §4.2). For judging a single quantile [`quantile_interval_over`](crate::quantile_interval_over)
    /// is better: percentiles of resamples lie symmetrically about the wrong side of a skewed estimate.
    pub fn interval(&self, intervals: &[Histogram], statistic: Statistic) -> Option<Estimate> {
        let resampled = self.resample(intervals, statistic, 0)?;
        let freedom = resampled.freedom;
        let t = student_quantile(self.confidence, freedom)? * ((freedom + 1.0) / freedom).sqrt();
        let tail = crate::tails::normal_tails(t) / 2.0;
        let sorted = sorted(&resampled.replicates);
        let at = |share: f64| sorted[((share * sorted.len() as f64) as usize).min(sorted.len() - 1)];
        Estimate::finite(resampled.value, at(tail), at(1.0 - tail))
    }

    /// Replicates of a statistic; `stream` keeps the draws of two samples apart.
    pub(crate) fn resample(
        &self,
        intervals: &[Histogram],
        statistic: Statistic,
        stream: u64,
    ) -> Option<Resampled> {
        let tally = Tally::new(intervals)?;
        let n = tally.len();
        if n < MIN_INTERVALS {
            return None;
        }
        let of = |weights: &[f64]| match statistic {
            Statistic::Quantile(q) if q > 0.0 && q < 1.0 => tally.quantile(q, weights),
            Statistic::Mean => tally.mean(weights),
            _ => None,
        };
        let value = of(&vec![1.0; n])?;
        let block = self.block.unwrap_or_else(|| block_length(n)).clamp(1, n / 2);
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(stream);
        let mut weights = vec![0.0; n];
        let replicates = (0..self.resamples.clamp(100, MAX_RESAMPLES))
            .filter_map(|_| {
                weights.fill(0.0);
                let mut left = n;
                while left > 0 {
                    let start = generator.random_range(0..n as u64) as usize;
                    // The last block is cut so that every resample has n intervals.
                    for i in start..start + block.min(left) {
                        weights[i % n] += 1.0;
                    }
                    left -= block.min(left);
                }
                // A resample of empty intervals only says nothing.
                of(&weights)
            })
            .collect::<Vec<f64>>();
        (replicates.len() >= 50).then(|| Resampled { value, replicates, freedom: freedom(n, block) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn intervals(values: &[&[u64]]) -> Vec<Histogram> {
        let record = |values: &&[u64]| {
            let mut histogram = Histogram::default();
            values.iter().for_each(|&value| histogram.record(value));
            histogram
        };
        values.iter().map(record).collect()
    }

    /// Published: B. Efron, R. J. Tibshirani, 1993, table 2.2: the bootstrap standard errors of the treated mice's survival for
    /// infinitely many resamples are 23.36 for the mean and 37.83 for the median. With 10 000 resamples they are known to 2 %.
    #[test]
    fn the_mouse_data_have_their_published_standard_errors() {
        let values = [94, 197, 16, 38, 99, 141, 23].map(|days| [days]);
        let rows: Vec<&[u64]> = values.iter().map(<[u64; 1]>::as_slice).collect();
        let bootstrap = Bootstrap { resamples: 10_000, block: Some(1), ..Bootstrap::default() };
        for (statistic, published) in [(Statistic::Mean, 23.36), (Statistic::Quantile(0.5), 37.83)] {
            let resampled = bootstrap.resample(&intervals(&rows), statistic, 0).unwrap();
            let error = crate::ranks::variance(&resampled.replicates).sqrt();
            assert!((error / published - 1.0).abs() < 0.02, "{statistic:?}: {error}");
        }
    }

    /// The mean of 16 intervals with one value each, in blocks of one, is the ordinary bootstrap, whose standard error is
    /// s·√((n−1)/n)/√n: `numpy.std([60, 10, …]) / 4` = 7.9057.
    #[test]
    fn standard_error_of_a_mean() {
        let values: Vec<[u64; 1]> = (0..16).map(|i| [1000 + i * 7 % 16 * 10]).collect();
        let rows: Vec<&[u64]> = values.iter().map(<[u64; 1]>::as_slice).collect();
        let bootstrap = Bootstrap { resamples: 10_000, block: Some(1), ..Bootstrap::default() };
        let resampled = bootstrap.resample(&intervals(&rows), Statistic::Mean, 0).unwrap();
        let error = crate::ranks::variance(&resampled.replicates).sqrt();
        let expected = (21.25_f64 * 100.0 / 16.0).sqrt();
        assert!((error / expected - 1.0).abs() < 0.03, "{error} {expected}");
        let interval = bootstrap.interval(&intervals(&rows), Statistic::Mean).unwrap();
        assert!(interval.covers(1075.0) && interval.hi - interval.lo > 2.0 * 1.96 * expected, "{interval:?}");
    }

    #[test]
    fn longer_blocks_widen_the_interval_of_a_wave() {
        let values: Vec<Vec<u64>> =
            (0..120_u64).map(|i| (0..50).map(|k| 1000 + k + i / 10 % 2 * 500).collect()).collect();
        let rows: Vec<&[u64]> = values.iter().map(Vec::as_slice).collect();
        let of = |block| {
            let interval = Bootstrap { block: Some(block), ..Bootstrap::default() };
            interval
                .interval(&intervals(&rows), Statistic::Mean)
                .map(|interval| interval.hi - interval.lo)
                .unwrap()
        };
        assert!(of(5) > 1.7 * of(1), "{} {}", of(5), of(1));
    }

    #[test]
    fn is_deterministic_and_refuses_nonsense() {
        let data = intervals(&[&[1, 2], &[3, 9], &[4], &[5, 6, 7], &[2], &[], &[8], &[1, 1]]);
        let bootstrap = Bootstrap { seed: 7, ..Bootstrap::default() };
        assert_eq!(bootstrap.interval(&data, Statistic::Mean), bootstrap.interval(&data, Statistic::Mean));
        for statistic in [Statistic::Max, Statistic::Quantile(f64::NAN), Statistic::Quantile(1.0)] {
            assert_eq!(bootstrap.interval(&data, statistic), None);
        }
        assert_eq!(bootstrap.interval(&data[..3], Statistic::Mean), None);
        assert_eq!(bootstrap.interval(&vec![Histogram::default(); 9], Statistic::Mean), None);
        assert_eq!(Bootstrap { confidence: f64::NAN, ..bootstrap }.interval(&data, Statistic::Mean), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn is_total(
            values in prop::collection::vec(prop::collection::vec(any::<u64>(), 0..6), 0..12),
            block in prop::option::of(0_usize..100),
            resamples in 0_usize..200,
            q in -0.1..1.1,
            confidence in -0.1..1.1,
            seed: u64,
        ) {
            let rows: Vec<&[u64]> = values.iter().map(Vec::as_slice).collect();
            let bootstrap = Bootstrap { resamples, block, confidence, seed };
            for statistic in [Statistic::Mean, Statistic::Quantile(q)] {
                let interval = bootstrap.interval(&intervals(&rows), statistic);
                prop_assert!(interval.is_none_or(|interval| interval.covers(interval.value)));
            }
        }
    }
}
