//! Do the intervals hold what they promise? Queues whose law is known are simulated, and the share of runs is counted whose
//! interval holds the truth.
//!
//! An M/M/1 queue has exponential response times with rate μ − λ, so that p99 = ln(100)/(μ − λ) and the mean is 1/(μ − λ),
//! while successive response times depend on each other strongly (W. Feller, vol. II, 1971, ch. VI.9; L. Schruben, 1983, uses
//! it as the yardstick for intervals).

use pulse_model::{Histogram, Statistic};
use pulse_stats::{
    Bootstrap, compare_intervals, mean_interval_over, quantile_interval, quantile_interval_over,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Arrivals per second.
const ARRIVALS: f64 = 500.0;
/// Seconds, each an interval.
const SECONDS: usize = 60;
/// Seconds until the queue has forgotten that it started empty.
const WARM_UP: f64 = 10.0;

/// One simulated run of a queue at a utilisation: response times in nanoseconds by second of arrival, and the rate of their
/// exponential law per nanosecond.
fn queue(utilisation: f64, run: u64, seed: u64) -> (Vec<Histogram>, f64) {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(run);
    let mut exponential = |rate: f64| -(1.0 - generator.random::<f64>()).ln() / rate;
    let service = ARRIVALS / utilisation;
    let mut intervals = vec![Histogram::default(); SECONDS];
    let (mut now, mut waiting) = (0.0, 0.0_f64);
    loop {
        // D. V. Lindley, 1952: Wₙ₊₁ = max(0, Wₙ + Sₙ − Aₙ).
        let response = waiting + exponential(service);
        if now >= WARM_UP {
            match intervals.get_mut((now - WARM_UP) as usize) {
                Some(interval) => interval.record((response * 1e9) as u64),
                None => return (intervals, (service - ARRIVALS) / 1e9),
            }
        }
        let gap = exponential(ARRIVALS);
        waiting = (response - gap).max(0.0);
        now += gap;
    }
}

/// Percent of the runs for which `holds` is true.
fn share(utilisations: &[f64], runs: u64, seed: u64, holds: impl Fn(&[Histogram], f64) -> bool) -> f64 {
    let all = utilisations.iter().flat_map(|&utilisation| (0..runs).map(move |run| (utilisation, run)));
    let held = all.filter(|&(utilisation, run)| {
        let (intervals, rate) = queue(utilisation, run, seed);
        holds(&intervals, rate)
    });
    100.0 * held.count() as f64 / (utilisations.len() as u64 * runs) as f64
}

#[test]
fn the_p99_of_a_queue_is_covered_by_95_percent_of_the_intervals() {
    for seed in [1, 2, 3] {
        let covered = share(&[0.3, 0.5, 0.7], 100, seed, |intervals, rate| {
            // A refusal (too few independent samples) promises nothing, and is counted as a miss all the same.
            let over = quantile_interval_over(intervals, 0.99, 0.95);
            over.is_some_and(|over| over.estimate.covers(100_f64.ln() / rate))
        });
        println!("p99, seed {seed}: {covered:.1} %");
        assert!((93.0..=97.0).contains(&covered), "seed {seed}: {covered:.1} %");
    }
}

#[test]
fn the_mean_of_a_queue_is_covered_by_95_percent_of_the_intervals() {
    let covered = share(&[0.3, 0.5, 0.7], 100, 3, |intervals, rate| {
        mean_interval_over(intervals, 0.95).is_some_and(|over| over.estimate.covers(1.0 / rate))
    });
    println!("mean: {covered:.1} %");
    assert!((93.0..=97.0).contains(&covered), "{covered:.1} %");
}

/// Why all this: the same samples taken as independent.
#[test]
fn order_statistics_promise_too_much() {
    let covered = share(&[0.7], 60, 4, |intervals, rate| {
        let mut all = Histogram::default();
        intervals.iter().for_each(|interval| all.merge(interval));
        quantile_interval(&all, 0.99, 0.95).is_some_and(|(lo, hi)| {
            let truth = 100_f64.ln() / rate;
            lo <= truth && truth <= hi
        })
    });
    println!("order statistics: {covered:.1} %");
    assert!(covered < 60.0, "{covered:.1} %");
}

#[test]
fn two_runs_of_one_queue_rarely_differ() {
    for statistic in [Statistic::Quantile(0.95), Statistic::Mean] {
        let alarms = share(&[0.3, 0.5, 0.7], 40, 5, |intervals, _| {
            let (before, after) = intervals.split_at(SECONDS / 2);
            let bootstrap = Bootstrap { resamples: 400, ..Bootstrap::default() };
            compare_intervals(before, after, statistic, &bootstrap).is_none_or(|found| found.p_value < 0.05)
        });
        println!("{statistic:?}: {alarms:.1} % false alarms at 5 %");
        assert!(alarms <= 10.0, "{statistic:?}: {alarms:.1} % false alarms at 5 %");
    }
}
