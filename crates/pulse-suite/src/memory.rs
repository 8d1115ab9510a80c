//! Growth of the service's memory per request.
//!
//! Two readings say nothing: garbage collectors and allocators make memory a sawtooth, and a process that has just
//! started grows without leaking. So the readings after the warm-up are put in groups of neighbours, and a robust line
//! goes through the lowest of each group ([`pulse_stats::leak_slope`]).

use pulse_model::Measured;
use pulse_stats::{CONFIDENCE, leak_slope};

use crate::progress::Progress;
use crate::watch::Reading;

/// The share of the requests after which a service's memory is taken to have found its level.
const SETTLING: f64 = 0.1;
/// Groups of neighbours at most; a sawtooth must fit into one of them.
const BUCKETS: usize = 24;
/// Readings of a group, where there are enough.
const BUCKET_READINGS: usize = 4;
/// Fewer groups than this have no line.
const MIN_BUCKETS: usize = 5;

/// Bytes per request, with the 95 % interval of the slope and the number of readings behind it; `None` where there are
/// fewer than five readings at different numbers of requests, after the first `warmup` requests.
pub(crate) fn memory_growth(readings: &[Reading], progress: &Progress, warmup: f64) -> Option<Measured> {
    let located: Vec<(f64, f64)> = readings
        .iter()
        .filter_map(|reading| Some((progress.at(reading.at)?, reading.usage.resident_bytes as f64)))
        .collect();
    slope(&located, warmup)
}

/// The slope through points (requests, bytes), from the given number of requests on.
fn slope(points: &[(f64, f64)], warmup: f64) -> Option<Measured> {
    let last = points.last()?.0;
    let from = warmup + (last - warmup).max(0.0) * SETTLING;
    let judged: Vec<(f64, f64)> = points.iter().copied().filter(|&(requests, _)| requests >= from).collect();
    let buckets = (judged.len() / BUCKET_READINGS).clamp(MIN_BUCKETS, BUCKETS);
    let samples = judged.len() as u64;
    if is_level(&judged, buckets) {
        return Some(Measured { value: 0.0, lo: 0.0, hi: 0.0, samples });
    }
    let slope = leak_slope(&judged, buckets, CONFIDENCE)?.slope;
    Some(Measured { value: slope.value, lo: slope.lo, hi: slope.hi, samples })
}

/// Whether the lowest reading is the same in every group, which has a slope of 0 and no trend to test.
fn is_level(points: &[(f64, f64)], buckets: usize) -> bool {
    let lowest = |group: &[(f64, f64)]| group.iter().map(|(_, bytes)| *bytes).fold(f64::INFINITY, f64::min);
    let size = points.len().div_ceil(buckets).max(1);
    let mut minima = points.chunks(size).map(lowest);
    let moves = points.first().zip(points.last()).is_some_and(|(first, last)| first.0 < last.0);
    let first = minima.next();
    moves && points.len() >= MIN_BUCKETS && minima.all(|minimum| Some(minimum) == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: f64 = 1e6;

    /// 200 readings over 20 000 requests.
    fn points(bytes: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..=200).map(|i| f64::from(i) * 100.0).map(|requests| (requests, bytes(requests))).collect()
    }

    #[test]
    fn leaks_are_told_from_noise_and_sawtooth() {
        // A cheap pseudo-random value in 0..1.
        let noise = |requests: f64| (requests * 0.618_033_988_75).fract();
        let sawtooth = |requests: f64| requests.rem_euclid(700.0) * 1e4;
        let cases = [
            ("level", points(|r| 50.0 * MB + noise(r) * MB), 0.0),
            ("sawtooth", points(|r| 50.0 * MB + sawtooth(r)), 0.0),
            ("leak", points(|r| 50.0 * MB + r * 10_000.0 + noise(r) * MB), 10_000.0),
            ("leak under a sawtooth", points(|r| 50.0 * MB + r * 10_000.0 + sawtooth(r)), 10_000.0),
        ];
        for (name, points, expected) in cases {
            let growth = slope(&points, 0.0).unwrap();
            assert!(growth.lo <= growth.value && growth.value <= growth.hi, "{name}: {growth:?}");
            assert!((growth.value - expected).abs() < 500.0, "{name}: {growth:?}");
            assert!((growth.hi - growth.lo) < 3000.0, "{name}: {growth:?}");
        }
    }

    #[test]
    fn growth_while_warming_up_does_not_count() {
        let points = points(|requests| requests.min(1500.0) * 20_000.0 + 50.0 * MB);
        let growth = slope(&points, 0.0).unwrap();
        assert_eq!((growth.value, growth.lo, growth.hi), (0.0, 0.0, 0.0));
    }

    #[test]
    fn few_readings_are_no_answer() {
        assert_eq!(slope(&[], 0.0), None);
        assert_eq!(slope(&points(|_| 1.0)[..4], 0.0), None);
        assert_eq!(slope(&points(|_| 1.0), 1e9), None);
        assert_eq!(slope(&[(1.0, 2.0); 50], 0.0), None);
    }
}
