//! What the stopping rule promises, measured on services whose law is known: how often a case is decided wrongly.
//!
//! `PULSE_SIMULATED_RUNS=1000 cargo test --release -p pulse-suite --lib simulation -- --nocapture` measures with more runs
//! than a test has time for.

use std::cell::RefCell;
use std::rc::Rc;

use pulse_model::{Aggregate, Interval, Series, metric, tag};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::blocks::blocks;
use crate::estimate_judgement::judge_measured;

/// Length of the pieces that a case is made of.
const PIECE: Nanos = Nanos::from_millis(100);
/// Runs of each simulation when nobody says.
const RUNS: u64 = 40;

fn runs() -> u64 {
    std::env::var("PULSE_SIMULATED_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(RUNS)
}

/// A service as it is seen: the response times of the next 100 ms, and those of the requests that are under way.
struct Seen {
    next: Box<dyn FnMut() -> Histogram>,
    under_way: Box<dyn Fn() -> Histogram>,
}

/// What a case has so far.
struct Simulated {
    target: Target,
    pieces: Vec<Snapshot>,
    totals: Snapshot,
    reached: Reached,
}

impl Simulated {
    fn add(&mut self, times: Histogram) {
        self.reached.samples += times.count();
        let mut snapshot = Snapshot::default();
        snapshot.add(Series::new(metric::RESPONSE_TIME).with(tag::OUTCOME, "ok"), Aggregate::Trend(times));
        let from = self.reached.elapsed;
        self.reached.elapsed = from + PIECE;
        snapshot.interval = Some(Interval { from, to: self.reached.elapsed });
        self.totals.merge(&snapshot);
        self.pieces.push(snapshot);
        self.reached.blocks = blocks(&self.pieces).len();
    }

    /// The verdict, and whether it is reason enough to end early.
    fn judge(&self, sampling: &Sampling) -> (Verdict, bool) {
        let blocks = blocks(&self.pieces);
        let results = [judge_measured(&self.target, &self.totals, &blocks)];
        let passes = sampling.may_pass(self.reached) && is_decided(&results, &blocks);
        (results[0].verdict, passes || sampling.is_missed(self.reached, &results, &blocks))
    }
}

/// A case run by the stopping rule to its verdict, and how many seconds it took. At each end the requests that are under
/// way are awaited; when they change the answer, and the budget allows, it goes on.
fn case(limits: CaseLimits, target: &Target, mut service: Seen) -> (Verdict, f64) {
    let mut sampling = Sampling::new(limits);
    let reached = Reached { samples: 0, elapsed: Nanos::ZERO, blocks: 0 };
    let mut case =
        Simulated { target: target.clone(), pieces: Vec::new(), totals: Snapshot::default(), reached };
    loop {
        case.add((service.next)());
        let is_over = !sampling.goes_on(case.reached);
        let ends = is_over || sampling.looks_at(case.reached) && case.judge(&sampling).1;
        if ends {
            let mut ended = Simulated {
                target: target.clone(),
                pieces: case.pieces.clone(),
                totals: case.totals.clone(),
                reached: case.reached,
            };
            ended.add((service.under_way)());
            let (verdict, is_decided) = ended.judge(&sampling);
            if is_over || is_decided {
                return (verdict, case.reached.elapsed.as_secs_f64());
            }
        }
    }
}

/// How many of the runs ended with each verdict, in percent, and how long they took on average.
#[derive(Debug, Default)]
struct Shares {
    pass: f64,
    fail: f64,
    seconds: f64,
}

fn shares(runs: u64, mut run: impl FnMut(u64) -> (Verdict, f64)) -> Shares {
    let mut shares = Shares::default();
    for number in 0..runs {
        let (verdict, seconds) = run(number);
        let each = 100.0 / runs as f64;
        shares.seconds += seconds / runs as f64;
        match verdict {
            Verdict::Pass => shares.pass += each,
            Verdict::Fail => shares.fail += each,
            _ => {}
        }
    }
    shares
}

fn generator(run: u64, seed: u64) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(run);
    generator
}

/// An M/M/1 queue that has forgotten its start.
fn queue(arrivals: f64, utilisation: f64, mut generator: ChaCha8Rng) -> Seen {
    let mut exponential = move |rate: f64| -(1.0 - generator.random::<f64>()).ln() / rate;
    let service = arrivals / utilisation;
    let (mut now, mut until, mut waiting) = (0.0, 10.0, 0.0_f64);
    let mut piece = move || {
        let mut times = Histogram::default();
        while now < until {
            // D. V. Lindley, 1952: Wₙ₊₁ = max(0, Wₙ + Sₙ − Aₙ).
            let response = waiting + exponential(service);
            times.record((response * 1e9) as u64);
            let gap = exponential(arrivals);
            waiting = (response - gap).max(0.0);
            now += gap;
        }
        until += PIECE.as_secs_f64();
        times
    };
    piece();
    Seen { next: Box::new(piece), under_way: Box::new(Histogram::default) }
}

/// A service that answers in a millisecond and stands still at times, under a steady rate: whoever comes meanwhile waits
/// for the end of it, and is recorded then.
fn stalling(rate: f64, length: f64, every: f64, mut generator: ChaCha8Rng) -> Seen {
    let phase = generator.random::<f64>() * every;
    let (mut number, mut piece) = (0.0, 0.0);
    let waiting = Rc::new(RefCell::new(Vec::<(f64, u64)>::new()));
    let asked = Rc::clone(&waiting);
    let next = move || {
        piece += 1.0;
        let until = piece * PIECE.as_secs_f64();
        let mut waiting = asked.borrow_mut();
        while number / rate < until {
            let at: f64 = number / rate;
            let into = (at + phase) % every;
            let wait = if into < length { length - into } else { 0.0 };
            waiting.push((at + wait, ((wait + 0.001) * 1e9) as u64));
            number += 1.0;
        }
        let mut times = Histogram::default();
        waiting.extract_if(.., |(answered, _)| *answered < until).for_each(|(_, time)| times.record(time));
        times
    };
    let under_way = move || {
        let mut times = Histogram::default();
        waiting.borrow().iter().for_each(|&(_, time)| times.record(time));
        times
    };
    Seen { next: Box::new(next), under_way: Box::new(under_way) }
}

fn p99(limit_s: f64) -> Target {
    Target { limit: limit_s * 1e9, ..parsed("p99 < 1s") }
}

fn parsed(text: &str) -> Target {
    text.parse().expect("a target")
}

/// A sequential case as it is by default, and a load of five seconds.
fn kinds(min_samples: u64) -> [(&'static str, CaseLimits); 2] {
    let seconds = Nanos::from_secs;
    let counted = CaseLimits {
        min_samples,
        max_samples: min_samples * 10,
        max_samples_compared: u64::MAX,
        min_duration: seconds(1),
        max_duration: seconds(30),
    };
    let timed = CaseLimits {
        min_samples,
        max_samples: u64::MAX,
        max_samples_compared: u64::MAX,
        min_duration: seconds(5),
        max_duration: seconds(15),
    };
    [("counted", counted), ("load", timed)]
}

/// With the limit at the very value, a pass is wrong and a fail is wrong. The intervals promise 95 % for one look; all
/// looks together may add one per cent.
#[test]
fn at_the_limit_of_a_queue_few_cases_are_decided() {
    for (kind, limits) in kinds(1_000) {
        for utilisation in [0.3, 0.5, 0.7] {
            let arrivals = 500.0;
            let truth = 100_f64.ln() / (arrivals / utilisation - arrivals);
            let found = shares(runs(), |run| {
                case(limits, &p99(truth), queue(arrivals, utilisation, generator(run, 1)))
            });
            println!("{kind}, utilisation {utilisation}: {found:?}");
            assert!(found.pass <= 5.0 && found.pass + found.fail <= 9.0, "{kind}, {utilisation}: {found:?}");
        }
    }
}

/// A quarter of the time the service stands still, in some runs from the start: its median is not slow, and must not be
/// called so for what the first second was like.
#[test]
fn a_standstill_at_the_start_of_a_load_does_not_fail_the_median() {
    let seconds = Nanos::from_secs;
    let limits = CaseLimits {
        min_samples: 200,
        max_samples: u64::MAX,
        max_samples_compared: u64::MAX,
        min_duration: seconds(5),
        max_duration: seconds(15),
    };
    let found = shares(runs(), |run| {
        case(limits, &parsed("p50 < 50ms"), stalling(200.0, 1.0, 4.0, generator(run, 4)))
    });
    println!("p50 < 50ms with 1 s of every 4 s: {found:?}");
    assert!(found.fail <= 0.0, "{found:?}");
}

/// Away from the limit cases are decided, and long before their budget is used up.
#[test]
fn away_from_the_limit_of_a_queue_cases_are_decided_rightly() {
    for (kind, limits) in kinds(200) {
        for (factor, passes) in [(0.5, false), (3.0, true)] {
            let target = Target { limit: 20_f64.ln() / 500.0 * factor * 1e9, ..parsed("p95 < 1s") };
            let found = shares(runs(), |run| case(limits, &target, queue(500.0, 0.5, generator(run, 2))));
            println!("{kind}, limit {factor} of the p95: {found:?}");
            let (right, wrong) = if passes { (found.pass, found.fail) } else { (found.fail, found.pass) };
            assert!(right >= 95.0 && wrong <= 0.0, "{kind}, {factor}: {found:?}");
            assert!(found.seconds < limits.max_duration.as_secs_f64() / 2.0, "{kind}, {factor}: {found:?}");
        }
    }
}

/// A fifth of the time the service stands still: no luck with the phase may make that green.
#[test]
fn a_service_that_stands_still_does_not_pass() {
    for (target, rate, length, every, fails) in [
        ("p95 < 200ms", 200.0, 1.0, 5.0, 50.0),
        ("p95 < 200ms", 50.0, 1.0, 2.0, 95.0),
        ("p99 < 150ms", 200.0, 0.5, 2.5, 95.0),
        // Three standstills say little about how long they are on average.
        ("avg < 50ms", 200.0, 1.0, 5.0, 0.0),
    ] {
        let [_, (_, limits)] = kinds(200);
        let found = shares(runs(), |run| {
            case(limits, &parsed(target), stalling(rate, length, every, generator(run, 3)))
        });
        println!("{target} with {length} s of every {every} s: {found:?}");
        assert!(found.pass <= 0.0 && found.fail >= fails, "{target}: {found:?}");
    }
}
