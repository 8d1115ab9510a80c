//! Do requests that are to come like those of independent callers come like that? The test of Anderson and Darling against the
//! exponential law of the gaps, whose rate is known, says so of most seeds, and of even arrivals never.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

use pulse_model::Nanos;
use pulse_plan::{ArrivalLaw, Arrivals, Profile};
use pulse_stats::exponential_gaps;

/// Arrivals per second, and how many of them are looked at.
const RATE: f64 = 250.0;
const COUNT: usize = 1000;

/// The p-value of the gaps of a run.
fn chance(law: ArrivalLaw, seed: u64) -> f64 {
    let mut arrivals = Arrivals::new(Profile::constant(RATE, Some(Nanos::from_secs(60))), law, seed);
    let times: Vec<Nanos> = (0..).map_while(|n| arrivals.at(n)).take(COUNT).collect();
    let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1].since(pair[0]).0 as f64).collect();
    assert_eq!(gaps.len(), COUNT - 1, "the run is long enough");
    exponential_gaps(&gaps, Some(1e9 / RATE)).unwrap().p_value
}

#[test]
fn gaps_are_exponential_for_95_percent_of_the_seeds() {
    let seeds = 400;
    let rejected = (0..seeds).filter(|&seed| chance(ArrivalLaw::Poisson, seed) < 0.05).count();
    // Binomial(400, 0.05): 20 expected; below 8 or above 34 with a chance of 0.2 %.
    assert!((8..=34).contains(&rejected), "{rejected} of {seeds} seeds");
}

#[test]
fn even_arrivals_are_not_taken_for_poisson() {
    assert!(chance(ArrivalLaw::Even, 1) < 1e-6);
}
