//! The capacity of a server whose knee is known.

use std::time::Duration;

use pulse_engine::StopHandle;
use pulse_model::Nanos;
use pulse_model::{ValidityState, Verdict};
use pulse_plan::{LoadOptions, Overrides, Plan, PlanError, ServiceOptions, UrlRequest};
use pulse_suite::{
    CapacityEnd, CapacityMode, CapacityOptions, CapacityResult, MAX_CAPACITY_STEPS, StepLoad, run_capacity,
};
use pulse_testkit::{Discipline, Law, QueueServer, ServiceLaw};

/// Attempts on a machine that is busy with other tests.
const ATTEMPTS: usize = 3;
const SERVICE_TIME: Duration = Duration::from_millis(5);
const STEP: Nanos = Nanos::from_secs(1);

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

fn search(discipline: Discipline, mode: CapacityMode, start: f64, max: f64, target: &str) -> CapacityResult {
    let server = QueueServer::start(Law::new(discipline, ServiceLaw::Fixed(SERVICE_TIME)));
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

/// The highest even rate at which the 95th percentile of a step of this length stays below the limit: above the service
/// rate μ the n-th answer waits n·(1/μ − 1/r), so that response times grow evenly over the step.
fn knee(seconds: f64, limit_ms: f64) -> f64 {
    let meets = |rate: f64| {
        let count = (rate * seconds) as usize;
        let (mut free_at, mut responses) = (0.0_f64, Vec::new());
        for number in 0..count {
            let due = number as f64 / rate;
            free_at = free_at.max(due) + SERVICE_TIME.as_secs_f64();
            if due >= seconds / 5.0 {
                responses.push(free_at - due);
            }
        }
        responses.sort_by(f64::total_cmp);
        responses[(responses.len() * 95).div_ceil(100) - 1] < limit_ms / 1e3
    };
    (100..400).map(f64::from).take_while(|&rate| meets(rate)).last().expect("100/s meets the limit")
}

#[test]
fn the_knee_of_a_queue_is_found() {
    let knee = knee(3.0, 50.0);
    assert!((195.0..206.0).contains(&knee), "{knee}");
    for attempt in 1..=ATTEMPTS {
        let result = search(Discipline::Fifo, CapacityMode::Rate, 100.0, 10_000.0, "p95 < 50ms");
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
                "{end:?}, knee {knee}: {:#?}",
                result.points
            ),
        }
    }
}

#[test]
fn nothing_meets_an_impossible_target() {
    let result = search(Discipline::Parallel, CapacityMode::Users, 2.0, 100.0, "p50 < 1ms");
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
