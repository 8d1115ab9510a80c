//! Properties of profiles and arrivals: tables and laws, no clock.

use proptest::prelude::*;
use pulse_model::Nanos;
use pulse_plan::{ArrivalLaw, Arrivals, Profile, Segment, Span, Stage};

fn secs(secs: f64) -> Nanos {
    Nanos::from_secs_f64(secs)
}

fn ramp(stages: &[(f64, f64)]) -> Profile {
    let stages: Vec<Stage> =
        stages.iter().map(|&(length, value)| Stage { length: secs(length), value }).collect();
    Profile::stages(&stages).expect("stages with a length")
}

fn all(arrivals: &mut Arrivals) -> Vec<Nanos> {
    (0..).map_while(|n| arrivals.at(n)).collect()
}

#[test]
fn even_arrivals_of_a_constant_rate() {
    let mut arrivals = Arrivals::new(Profile::constant(4.0, Some(secs(1.0))), ArrivalLaw::Even, 0);
    assert_eq!(all(&mut arrivals), [secs(0.0), secs(0.25), secs(0.5), secs(0.75)]);
}

#[test]
fn even_arrivals_of_a_ramp_follow_the_square_root() {
    // The rate grows by 2/s per second, so that the integral is t².
    let mut arrivals = Arrivals::new(ramp(&[(3.0, 6.0)]), ArrivalLaw::Even, 0);
    let expected: Vec<Nanos> = (0..9).map(|n| secs(f64::from(n).sqrt())).collect();
    assert_eq!(all(&mut arrivals), expected);
}

#[test]
fn a_pause_in_the_profile_has_no_arrivals() {
    let profile = ramp(&[(0.0, 10.0), (1.0, 10.0), (0.0, 0.0), (5.0, 0.0), (0.0, 10.0), (1.0, 10.0)]);
    let times = all(&mut Arrivals::new(profile, ArrivalLaw::Even, 0));
    assert_eq!(times.len(), 20);
    assert!(times.iter().all(|&at| at < secs(1.0) || at >= secs(6.0)), "{times:?}");
}

#[test]
fn users_are_active_while_the_profile_is_above_their_number() {
    let profile = ramp(&[(10.0, 10.0), (10.0, 10.0), (10.0, 0.0)]);
    for user in [0_u32, 3, 9] {
        let at = f64::from(user);
        assert_eq!(profile.spans_above(at), [Span { from: secs(at), to: secs(30.0 - at) }], "user {user}");
    }
    assert_eq!(profile.spans_above(10.0), []);
    let endless = Profile::constant(2.0, None);
    assert_eq!(endless.spans_above(1.0), [Span { from: Nanos::ZERO, to: Nanos::MAX }]);
}

#[test]
fn a_user_comes_back_when_the_load_does() {
    let profile = ramp(&[(1.0, 4.0), (1.0, 0.0), (1.0, 4.0), (1.0, 0.0)]);
    let half = |from: f64, to: f64| Span { from: secs(from), to: secs(to) };
    assert_eq!(profile.spans_above(2.0), [half(0.5, 1.5), half(2.5, 3.5)]);
}

fn profiles() -> impl Strategy<Value = Profile> {
    prop::collection::vec((1..4000_u64, 0..400_u32), 1..5).prop_map(|stages| {
        let stages: Vec<Stage> = stages
            .into_iter()
            .map(|(millis, value)| Stage { length: Nanos::from_millis(millis), value: f64::from(value) })
            .collect();
        Profile::stages(&stages).expect("stages with a length")
    })
}

fn laws() -> impl Strategy<Value = ArrivalLaw> {
    prop_oneof![Just(ArrivalLaw::Even), Just(ArrivalLaw::Poisson)]
}

proptest! {
    #[test]
    fn the_inverse_integral_inverts(profile in profiles(), share in 0.0..1.0_f64) {
        let length = profile.length().expect("finite");
        let area = profile.integral(length) * share;
        if let Some(at) = profile.inverse_integral(area) {
            // One nanosecond of rounding, at the largest rate, is the error allowed.
            prop_assert!((profile.integral(at) - area).abs() <= 1e-6 * (1.0 + profile.peak()));
        } else {
            prop_assert!(area >= profile.integral(length) * (1.0 - 1e-9) - 1e-6);
        }
    }

    #[test]
    fn arrivals_never_go_back_and_stay_within_the_profile(
        profile in profiles(), law in laws(), seed in any::<u64>()
    ) {
        let times = all(&mut Arrivals::new(profile.clone(), law, seed));
        prop_assert!(times.windows(2).all(|pair| pair[0] <= pair[1]));
        prop_assert!(times.iter().all(|&at| Some(at) < profile.length()));
    }

    #[test]
    fn even_arrivals_are_as_many_as_the_integral_says(profile in profiles()) {
        let length = profile.length().expect("finite");
        let count = all(&mut Arrivals::new(profile.clone(), ArrivalLaw::Even, 0)).len() as f64;
        prop_assert!((count - profile.integral(length)).abs() <= 1.0);
    }

    #[test]
    fn any_partition_of_segments_yields_the_same_arrivals(
        profile in profiles(), law in laws(), seed in any::<u64>(), workers in 1..12_u32
    ) {
        let whole = all(&mut Arrivals::new(profile.clone(), law, seed));
        let mut parts = Vec::new();
        for worker in 0..workers {
            let segment = Segment::WHOLE.part(worker, workers);
            let mut arrivals = Arrivals::new(profile.clone(), law, seed);
            let mut n = segment.next(0);
            while let Some(at) = arrivals.at(n) {
                parts.push((n, at));
                n = segment.next(n + 1);
            }
        }
        parts.sort_unstable();
        prop_assert_eq!(parts.into_iter().map(|(_, at)| at).collect::<Vec<_>>(), whole);
    }

    #[test]
    fn a_block_depends_on_the_seed_and_its_number_alone(seed in any::<u64>(), order in prop::collection::vec(0..9000_u64, 1..20)) {
        let profile = Profile::constant(1000.0, None);
        let mut forward = Arrivals::new(profile.clone(), ArrivalLaw::Poisson, seed);
        let mut jumping = Arrivals::new(profile, ArrivalLaw::Poisson, seed);
        let expected: Vec<_> = (0..9000).map(|n| forward.at(n)).collect();
        for n in order {
            prop_assert_eq!(jumping.at(n), expected[n as usize]);
        }
    }
}

/// Anderson–Darling distance of the gaps from the exponential law, with the known mean. The 0.1 % critical value for a
/// fully specified distribution is 6.0 (Stephens, "EDF Statistics for Goodness of Fit", JASA 69, 1974, table 1).
#[test]
fn poisson_gaps_are_exponential() {
    for seed in 0..5 {
        let mut arrivals = Arrivals::new(Profile::constant(1000.0, None), ArrivalLaw::Poisson, seed);
        let times: Vec<f64> =
            (0..5000).map(|n| arrivals.at(n).expect("endless").as_secs_f64() * 1000.0).collect();
        let mut uniform: Vec<f64> = times.windows(2).map(|pair| 1.0 - (pair[0] - pair[1]).exp()).collect();
        uniform.sort_unstable_by(f64::total_cmp);
        let n = uniform.len();
        let sum: f64 = (0..n)
            .map(|i| {
                let (low, high) = (uniform[i].max(1e-12), (1.0 - uniform[n - 1 - i]).max(1e-12));
                (2 * i + 1) as f64 * (low.ln() + high.ln())
            })
            .sum();
        let distance = -(n as f64) - sum / n as f64;
        assert!(distance < 6.0, "seed {seed}: A² = {distance}");
    }
}
