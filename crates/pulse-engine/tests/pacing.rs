//! What a behavior is told: numbers and intended starts, the same for every number of workers.

use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use pulse_engine::{
    Behavior, Endpoints, INTERVAL, Iteration, Outcome, ScenarioLoad, Setup, StopHandle, VirtualUser,
    run_behavior,
};
use pulse_model::{Nanos, RunInfo, Series, metric};
use pulse_plan::{
    ArrivalLaw, Arrivals, Budget, Closed, IdleStrategy, LoadModel, Missed, Open, Profile, Segment, UserPool,
};

/// User, number and intended start of an iteration, in the order of their starts.
type Started = Vec<(u64, u64, Nanos)>;

/// Writes down what it is told; one list for each worker.
struct Scribe {
    started: Rc<std::cell::RefCell<Started>>,
    all: Arc<Mutex<Vec<Started>>>,
}

struct ScribeUser {
    number: u64,
    started: Rc<std::cell::RefCell<Started>>,
}

impl Behavior for Scribe {
    type User = ScribeUser;

    fn user(&self, scenario: usize, number: u64) -> ScribeUser {
        assert_eq!(scenario, 0);
        ScribeUser { number, started: Rc::clone(&self.started) }
    }

    fn sweep(&self, _: Instant) {}

    fn next_deadline(&self) -> Option<Instant> {
        None
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.all.lock().expect("no test panics with it").push(self.started.take());
    }
}

impl VirtualUser for ScribeUser {
    async fn iterate(&mut self, iteration: &mut Iteration<'_>) -> Outcome {
        assert!(iteration.due() <= iteration.clock().now(), "started before it was due");
        self.started.borrow_mut().push((self.number, iteration.number(), iteration.due()));
        Outcome::Completed
    }
}

/// The starts of each worker; checks that every one of them has its lag.
fn starts(load: &LoadModel, workers: u32) -> Vec<Started> {
    let loads = [ScenarioLoad {
        load,
        start: Nanos::ZERO,
        graceful_stop: Nanos::from_secs(5),
        requests_per_iteration: 1,
    }];
    let endpoints = Endpoints { scenarios: vec!["it".into()], ..Endpoints::default() };
    let setup = Setup {
        loads: &loads,
        endpoints: Arc::new(endpoints),
        workers,
        segment: Segment::WHOLE,
        warmup: Nanos::ZERO,
        interval: INTERVAL,
        idle: IdleStrategy::Sleep,
        seed: 3,
    };
    let all = Arc::new(Mutex::new(Vec::new()));
    let behavior = |_| Ok(Scribe { started: Rc::default(), all: Arc::clone(&all) });
    let summary = run_behavior(&setup, &behavior, RunInfo::default(), &StopHandle::default(), &mut |_| {})
        .expect("there is nothing to fail");
    let started = std::mem::take(&mut *all.lock().expect("no test panics with it"));
    let count = started.iter().map(Vec::len).sum::<usize>() as u64;
    assert_eq!(started.len(), workers as usize);
    for name in [metric::START_LAG, metric::DISPATCH_LAG, metric::ITERATION_TIME] {
        assert_eq!(summary.totals.trend(&Series::new(name)).count(), count, "{name}");
    }
    for name in [metric::ITERATIONS, metric::DUE_ITERATIONS] {
        assert_eq!(summary.counter(name), count, "{name}");
    }
    started
}

fn merged(workers: &[Started]) -> Started {
    let mut all = workers.concat();
    all.sort_unstable_by_key(|&(user, number, due)| (due, user, number));
    all
}

fn assert_in_order(workers: &[Started], user: u64) {
    let own = workers.iter().flatten().filter(|(other, ..)| *other == user);
    assert!(own.map(|&(_, number, due)| (due, number)).is_sorted(), "user {user}: {workers:?}");
}

#[test]
fn arrivals_are_started_in_order_at_their_number() {
    for law in [ArrivalLaw::Even, ArrivalLaw::Poisson] {
        let rate = Profile::constant(800.0, Some(Nanos::from_millis(500)));
        let mut arrivals = Arrivals::new(rate.clone(), law, 3);
        let expected: Vec<(u64, Nanos)> = (0..).map_while(|n| Some((n, arrivals.at(n)?))).collect();
        let users = UserPool { initial: 100, max: 10_000 };
        let load = LoadModel::Open(Open { rate, arrivals: law, users, budget: Budget::default() });
        for workers in [1, 2, 3] {
            let started = starts(&load, workers);
            // Several may be late and then start in any order; a user's own are always in order.
            for user in started.iter().flatten().map(|&(user, ..)| user) {
                assert_in_order(&started, user);
            }
            let numbered: Vec<(u64, Nanos)> =
                merged(&started).into_iter().map(|(_, number, due)| (number, due)).collect();
            assert_eq!(numbered, expected, "{law:?}, {workers} workers");
        }
    }
}

#[test]
fn paced_users_are_told_their_own_schedule() {
    let (users, pace) = (5, Nanos::from_millis(50));
    let load = LoadModel::Closed(Closed {
        users: Profile::constant(users as f64, Some(Nanos::from_millis(500))),
        pacing: Some(pace),
        missed: Missed::CatchUp,
        budget: Budget::default(),
    });
    let mut expected: Started = (0..users)
        .flat_map(|user| (0..10).map(move |n| (user, n, Nanos(pace.0 * user / users) + pace.times(n))))
        .collect();
    expected.sort_unstable_by_key(|&(user, number, due)| (due, user, number));
    for workers in [1, 2, 4] {
        let started = starts(&load, workers);
        // Several may be late and then start in any order; a user's own are always in order.
        for user in 0..users {
            assert_in_order(&started, user);
        }
        assert_eq!(merged(&started), expected, "{workers} workers");
    }
}

/// Panics in its first iteration.
struct Faulty;

impl Behavior for Faulty {
    type User = Self;

    fn user(&self, _: usize, _: u64) -> Self {
        Self
    }

    fn sweep(&self, _: Instant) {}

    fn next_deadline(&self) -> Option<Instant> {
        None
    }
}

impl VirtualUser for Faulty {
    async fn iterate(&mut self, _: &mut Iteration<'_>) -> Outcome {
        panic!("on purpose");
    }
}

#[test]
fn a_bug_in_an_iteration_ends_the_run() {
    let users = Profile::constant(1.0, Some(Nanos::from_secs(3600)));
    let load =
        LoadModel::Closed(Closed { users, pacing: None, missed: Missed::CatchUp, budget: Budget::default() });
    let loads = [ScenarioLoad {
        load: &load,
        start: Nanos::ZERO,
        graceful_stop: Nanos::ZERO,
        requests_per_iteration: 1,
    }];
    let setup = Setup {
        loads: &loads,
        endpoints: Arc::new(Endpoints { scenarios: vec!["it".into()], ..Endpoints::default() }),
        workers: 1,
        segment: Segment::WHOLE,
        warmup: Nanos::ZERO,
        interval: INTERVAL,
        idle: IdleStrategy::Sleep,
        seed: 3,
    };
    let run =
        || run_behavior(&setup, &|_| Ok(Faulty), RunInfo::default(), &StopHandle::default(), &mut |_| {});
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
}
