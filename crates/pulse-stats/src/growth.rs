//! Growth of a resource that is given back in leaps, such as memory, against time or work done.
//!
//! Two readings say nothing: garbage collectors and allocators make memory a sawtooth, and a process that has just
//! started grows without leaking. So the readings after the warm-up are put in groups of neighbours, and a robust line
//! goes through the lowest of each group ([`leak_slope`](crate::leak_slope)).

use pulse_model::Measured;

use crate::interval::CONFIDENCE;
use crate::theil_sen::leak_slope;

/// The share of what comes after the warm-up in which a resource is taken to find its level.
const SETTLING: f64 = 0.1;
/// Groups of neighbours at most; a sawtooth must fit into one of them.
const BUCKETS: usize = 24;
/// Readings of a group, where there are enough.
const BUCKET_READINGS: usize = 4;
/// Fewer groups than this have no line.
const MIN_BUCKETS: usize = 5;

/// The slope through points (work or time, level) in the order of the first, from `warmup` on: with its 95 % interval and the
/// number of readings behind it. `None` for fewer than five readings at different places.
pub fn growth(points: &[(f64, f64)], warmup: f64) -> Option<Measured> {
    let last = points.last()?.0;
    let from = warmup + (last - warmup).max(0.0) * SETTLING;
    let judged: Vec<(f64, f64)> = points.iter().copied().filter(|&(place, _)| place >= from).collect();
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
    let lowest = |group: &[(f64, f64)]| group.iter().map(|(_, level)| *level).fold(f64::INFINITY, f64::min);
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
            let found = growth(&points, 0.0).unwrap();
            assert!(found.lo <= found.value && found.value <= found.hi, "{name}: {found:?}");
            assert!((found.value - expected).abs() < 500.0, "{name}: {found:?}");
            assert!((found.hi - found.lo) < 3000.0, "{name}: {found:?}");
        }
    }

    #[test]
    fn growth_while_warming_up_does_not_count() {
        let points = points(|requests| requests.min(1500.0) * 20_000.0 + 50.0 * MB);
        let found = growth(&points, 0.0).unwrap();
        assert_eq!((found.value, found.lo, found.hi), (0.0, 0.0, 0.0));
    }

    #[test]
    fn few_readings_are_no_answer() {
        assert_eq!(growth(&[], 0.0), None);
        assert_eq!(growth(&points(|_| 1.0)[..4], 0.0), None);
        assert_eq!(growth(&points(|_| 1.0), 1e9), None);
        assert_eq!(growth(&[(1.0, 2.0); 50], 0.0), None);
    }
}
