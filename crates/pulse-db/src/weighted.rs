//! The times of a whole workload, as one distribution: each statement counts as often as it is called, however often it was
//! timed.

use pulse_model::{Histogram, Measured};

/// The normal distribution's quantile of 97.5 %.
const Z: f64 = 1.959_964;

/// The mean time of a call, with its 95 % interval: each statement is a stratum with the weight of its calls, so that the
/// variance is Σ wᵢ² sᵢ² / nᵢ (W. G. Cochran, "Sampling Techniques", 1977, §5.3). `None` without times.
pub(crate) fn weighted_mean(statements: &[(u64, &Histogram)]) -> Option<Measured> {
    let timed: Vec<_> = statements.iter().filter(|(calls, times)| *calls > 0 && !times.is_empty()).collect();
    let calls: f64 = timed.iter().map(|(calls, _)| *calls as f64).sum();
    let (mut value, mut variance, mut samples) = (0.0, 0.0, 0);
    for (own, times) in &timed {
        let share = *own as f64 / calls;
        value += share * times.mean()?;
        // One time alone says nothing about its scatter; its own size is a cautious guess.
        let scatter = times.stddev().filter(|_| times.count() > 1).or(times.mean())?;
        variance += share.powi(2) * scatter.powi(2) / times.count() as f64;
        samples += times.count();
    }
    let half = Z * variance.sqrt();
    (!timed.is_empty()).then_some(Measured { value, lo: (value - half).max(0.0), hi: value + half, samples })
}

/// Quantiles that [`middle_mean`] takes the mean of.
const MIDDLE: u32 = 10;

/// The mean of the quantiles 5 %, 15 % … 95 %: what a call takes, whatever kinds of calls there are among them, without the
/// few that something else on the machine held up. `None` without times.
pub(crate) fn middle_mean(times: &Histogram) -> Option<f64> {
    let at = |number: u32| f64::from(2 * number + 1) / f64::from(2 * MIDDLE);
    let sum: Option<f64> =
        (0..MIDDLE).map(|number| times.quantile(at(number)).map(|found| found.estimate as f64)).sum();
    sum.map(|sum| sum / f64::from(MIDDLE))
}

/// Joins the times of statements, each with its calls. The result has as many values as independent ones would tell as much
/// about the mean: Kish's effective sample size 1 / Σ(wᵢ² / nᵢ), where wᵢ is a statement's share of the calls and nᵢ the
/// number of its times (L. Kish, "Survey Sampling", 1965, §11.7). Statements without times are left out.
pub(crate) fn weighted(statements: &[(u64, &Histogram)]) -> Histogram {
    let timed: Vec<_> = statements.iter().filter(|(calls, times)| *calls > 0 && !times.is_empty()).collect();
    let calls: f64 = timed.iter().map(|(calls, _)| *calls as f64).sum();
    let share = |own: u64| own as f64 / calls;
    let spread: f64 = timed.iter().map(|(own, times)| share(*own).powi(2) / times.count() as f64).sum();
    let mut joined = Histogram::default();
    if spread <= 0.0 {
        return joined;
    }
    let effective = 1.0 / spread;
    for (own, times) in timed {
        // What a bucket's rounding leaves over goes on to the next one, so that no tail is lost to it.
        let scale = share(*own) * effective / times.count() as f64;
        let mut rest = 0.0;
        for bucket in times.buckets() {
            let wanted = bucket.count as f64 * scale + rest;
            let whole = wanted.round().max(0.0);
            rest = wanted - whole;
            let middle = bucket
                .lower
                .midpoint(bucket.upper)
                .clamp(times.min().unwrap_or(bucket.lower), times.max().unwrap_or(bucket.upper));
            joined.record_n(middle, whole as u64);
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times(values: &[u64]) -> Histogram {
        let mut times = Histogram::default();
        values.iter().for_each(|&value| times.record(value));
        times
    }

    #[test]
    fn what_holds_up_a_call_is_left_out_of_the_middle() {
        assert_eq!(middle_mean(&times(&[])), None);
        // Two kinds of calls in equal parts, and one of thirty that waited.
        let kinds: Vec<u64> = (0..29).map(|number| if number % 2 == 0 { 1_000 } else { 3_000 }).collect();
        let middle = middle_mean(&times(&[&kinds[..], &[5_000_000]].concat())).unwrap();
        assert!((1_900.0..2_100.0).contains(&middle), "{middle}");
    }

    #[test]
    fn a_statement_counts_as_often_as_it_is_called() {
        let (fast, slow) = (times(&[1_000_000; 50]), times(&[101_000_000; 50]));
        let joined = weighted(&[(99, &fast), (1, &slow)]);
        // The mean of the calls is 2 ms, although half of the times are 101 ms.
        assert!((weighted_mean(&[(99, &fast), (1, &slow)]).unwrap().value / 2e6 - 1.0).abs() < 1e-9);
        assert!(joined.quantile(0.5).unwrap().estimate < 1_100_000);
        assert!(joined.count() < 60, "{}", joined.count());
    }

    #[test]
    fn equal_statements_lose_nothing() {
        let one = times(&(1..=100).map(|value| value * 1_000_000).collect::<Vec<_>>());
        assert_eq!(weighted(&[(7, &one), (7, &one)]).count(), 200);
        assert_eq!(weighted(&[]).count(), 0);
        assert_eq!(weighted(&[(0, &one), (3, &Histogram::default())]).count(), 0);
    }

    proptest! {
        #[test]
        fn the_mean_is_that_of_the_calls(
            statements in prop::collection::vec((1_u64..1000, prop::collection::vec(1_000_u64..1_000_000, 200..400)), 1..6)
        ) {
            let made: Vec<(u64, Histogram)> =
                statements.iter().map(|(calls, values)| (*calls, times(values))).collect();
            let given: Vec<(u64, &Histogram)> = made.iter().map(|(calls, times)| (*calls, times)).collect();
            let joined = weighted(&given);
            let mean = weighted_mean(&given).unwrap();
            // Buckets are rounded to their middles, counts to whole numbers.
            prop_assert!((joined.mean().unwrap() / mean.value - 1.0).abs() < 0.05, "{:?} {mean:?}", joined.mean());
            prop_assert!(mean.lo <= mean.value && mean.value <= mean.hi);
        }
    }
}
