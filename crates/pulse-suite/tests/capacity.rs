//! The capacity of servers whose knee is known.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pulse_engine::StopHandle;
use pulse_model::Nanos;
use pulse_model::{ValidityState, Verdict};
use pulse_plan::{LoadOptions, Overrides, Plan, PlanError, ServiceOptions, UrlRequest};
use pulse_suite::{
    CapacityEnd, CapacityMode, CapacityOptions, CapacityResult, MAX_CAPACITY_STEPS, StepLoad, run_capacity,
};
use pulse_testkit::{Discipline, Law, QueueServer, Schedule, ServiceLaw};

/// Attempts on a machine that is busy with other tests.
const ATTEMPTS: usize = 10;
/// The searches of this file do not take the machine from each other.
static ALONE: Mutex<()> = Mutex::new(());
const STEP: Nanos = Nanos::from_secs(1);
/// A confirmation takes three times as long as a step, a fifth of it warm-up.
const CONFIRMATION_SECONDS: f64 = 3.0;

/// So many servers with one queue, and what each request takes.
#[derive(Clone, Copy, Debug)]
struct Queue {
    servers: u32,
    service: Duration,
}

impl Queue {
    fn start(self) -> QueueServer {
        QueueServer::start(Law::new(Discipline::Servers(self.servers), ServiceLaw::Fixed(self.service)))
    }

    /// Requests per second that it completes at most.
    fn most(self) -> f64 {
        f64::from(self.servers) / self.service.as_secs_f64()
    }

    /// The highest even rate at which the 90th percentile of a step of this length stays below the limit: above the
    /// service rate μ the n-th answer waits n·(1/μ − 1/r), so that response times grow evenly over the step.
    fn knee_of_rate(self, seconds: f64, limit_ms: f64) -> f64 {
        let meets = |rate: f64| {
            let mut schedule =
                Schedule::new(&Law::new(Discipline::Servers(self.servers), ServiceLaw::Fixed(self.service)));
            let mut responses: Vec<Duration> = Vec::new();
            for number in 0..(rate * seconds) as usize {
                let due = Duration::from_secs_f64(number as f64 / rate);
                let answered = schedule.due(due);
                if due.as_secs_f64() >= seconds / 5.0 {
                    responses.push(answered.saturating_sub(due));
                }
            }
            responses.sort();
            responses[(responses.len() * 90).div_ceil(100) - 1].as_secs_f64() < limit_ms / 1e3
        };
        let most = self.most();
        let rates = (0..800).map(|step| most * (0.5 + f64::from(step) / 400.0));
        rates.take_while(|&rate| meets(rate)).last().expect("half of what it can do meets the limit")
    }

    /// The most users without pauses whose response times stay below the limit: with N of them each waits for N − 1 others,
    /// in turns of as many as there are servers.
    fn knee_of_users(self, limit_ms: f64) -> f64 {
        let turns = (limit_ms / 1e3 / self.service.as_secs_f64()).ceil() - 1.0;
        turns * f64::from(self.servers)
    }
}

fn plan_of(url: &str, target: &str, step: StepLoad) -> Result<Plan, PlanError> {
    let load = LoadOptions {
        rate: (step.mode == CapacityMode::Rate).then_some(step.load),
        users: (step.mode == CapacityMode::Users).then_some(step.load as u64),
        pace: (step.mode == CapacityMode::Users).then_some(0.0),
        duration: Some(step.duration),
        warmup: Some(step.warmup),
        graceful_stop: Some(step.graceful_stop),
        ..LoadOptions::default()
    };
    let service = ServiceOptions { url: Some(url.to_owned()), ..ServiceOptions::default() };
    Plan::for_url(
        &UrlRequest::default(),
        &Overrides { service, load, targets: vec![target.parse().expect("a target")] },
    )
}

fn search(server: &QueueServer, mode: CapacityMode, [start, max]: [f64; 2], target: &str) -> CapacityResult {
    let url = server.url();
    let options = CapacityOptions { mode, start, max, step: STEP };
    run_capacity(&options, &mut |step| plan_of(&url, target, step), &StopHandle::default(), &mut |_| {})
        .expect("a local server can be loaded")
}

/// Whether any step says that the machine was busy: then it is the machine that was measured.
fn is_disturbed(result: &CapacityResult) -> bool {
    result.summary.children.iter().any(|step| {
        let codes = ["dispatch_lag", "host_cpu", "cpu_steal", "worker_cpu"];
        step.validity.state != ValidityState::Valid
            && step.validity.reasons.iter().any(|reason| codes.contains(&reason.code.as_str()))
    })
}

/// The steps in a few words each.
fn told(result: &CapacityResult) -> String {
    let steps = result.points.iter().zip(&result.summary.children).map(|(point, step)| {
        let deciding = point.deciding.as_ref();
        let measured =
            deciding.and_then(|result| result.measured).map(|it| [it.lo, it.value, it.hi].map(|ns| ns / 1e6));
        let signs: Vec<&str> = step.validity.reasons.iter().map(|reason| reason.code.as_str()).collect();
        format!(
            "{:?} at {}{}, {:.1}/s, expected {:?}, {measured:?} ms, {signs:?}\n",
            point.outcome,
            point.load,
            if point.confirms { " (confirmation)" } else { "" },
            point.throughput,
            point.expected
        )
    });
    steps.collect()
}

/// Searches until the answer is within 5 % of the knee and confirmed; only a disturbed machine is a reason to try again.
#[track_caller]
fn finds(queue: Queue, mode: CapacityMode, range: [f64; 2], target: &str, knee: f64) {
    // A search that failed before has left nothing behind that could be wrong.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for attempt in 1..=ATTEMPTS {
        let result = search(&queue.start(), mode, range, target);
        assert!(result.points.len() <= MAX_CAPACITY_STEPS);
        assert_eq!(result.summary.children.len(), result.points.len());
        match result.end {
            Some(CapacityEnd::Found { load, missed: Some(_), confirmed: true })
                if (load / knee - 1.0).abs() <= 0.05 =>
            {
                assert_eq!(result.summary.verdict, Some(Verdict::Pass));
                return;
            }
            end => assert!(
                attempt < ATTEMPTS && is_disturbed(&result),
                "{end:?}, knee {knee} of {queue:?}:\n{}",
                told(&result)
            ),
        }
    }
}

#[test]
fn the_rate_of_one_server_is_found() {
    let queue = Queue { servers: 1, service: Duration::from_millis(5) };
    let knee = queue.knee_of_rate(CONFIRMATION_SECONDS, 50.0);
    assert!((195.0..206.0).contains(&knee), "{knee}");
    finds(queue, CapacityMode::Rate, [50.0, 10_000.0], "p90 < 50ms", knee);
}

#[test]
fn the_rate_of_several_servers_is_found() {
    let queue = Queue { servers: 8, service: Duration::from_millis(16) };
    let knee = queue.knee_of_rate(CONFIRMATION_SECONDS, 50.0);
    assert!((490.0..515.0).contains(&knee), "{knee}");
    finds(queue, CapacityMode::Rate, [50.0, 100_000.0], "p90 < 50ms", knee);
}

#[test]
fn the_users_of_one_and_of_several_servers_are_found() {
    for (servers, service_ms, limit_ms, expected) in [(1, 4, 122.0, 30.0), (4, 16, 120.0, 28.0)] {
        let queue = Queue { servers, service: Duration::from_millis(service_ms) };
        let knee = queue.knee_of_users(limit_ms);
        assert!((knee - expected).abs() < 0.5, "{knee}");
        finds(queue, CapacityMode::Users, [1.0, 10_000.0], &format!("p95 < {limit_ms}ms"), knee);
    }
}

#[test]
fn nothing_meets_an_impossible_target() {
    let law = Law::new(Discipline::Parallel, ServiceLaw::Fixed(Duration::from_millis(5)));
    let result = search(&QueueServer::start(law), CapacityMode::Users, [2.0, 100.0], "p50 < 1ms");
    if !matches!(result.end, Some(CapacityEnd::Generator { .. })) {
        assert_eq!(result.end, Some(CapacityEnd::Nothing { load: 2.0 }));
        assert_eq!(result.summary.verdict, Some(Verdict::Fail));
    }
}

#[test]
fn an_interrupted_search_has_no_result() {
    let stop = StopHandle::default();
    stop.stop();
    let options = CapacityOptions { mode: CapacityMode::Users, start: 1.0, max: 2.0, step: STEP };
    let result = run_capacity(
        &options,
        &mut |step| plan_of("http://127.0.0.1:1", "p50 < 1s", step),
        &stop,
        &mut |_| {},
    );
    let result = result.unwrap();
    assert_eq!((result.end, result.points.len(), result.summary.verdict), (None, 0, Some(Verdict::NoData)));
}
