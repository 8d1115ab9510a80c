//! Measuring the steps of a capacity search, to a curve, a fit and a tree of summaries.

use std::sync::Arc;
use std::time::Instant;

use pulse_engine::{Job, RunError, StopHandle, connection_notices, cores, host_info, probe, run};
use pulse_model::{
    CaseInfo, Comparison, Ending, EventKind, Finding, Nanos, RunInfo, Severity, Snapshot, Statistic, Subject,
    Summary, Target, TargetResult, Validity, ValidityReason, ValidityState, Verdict, metric_group, tag,
};
use pulse_plan::{CaseLimits, Plan, Segment};
use pulse_stats::{CONFIDENCE, Scalability, ScalabilityError};

use crate::blocks::blocks;
use crate::capacity::{CapacityEnd, CapacityMode, CapacitySearch, CapacityStep, StepOutcome};
use crate::estimate_judgement::judge_measured;
use crate::sampling::{Reached, Sampling, is_decided};
use crate::work::INTERVAL;

/// A confirmation takes so many times as long as a step.
const CONFIRMATION: u64 = 3;
/// A step that needs more samples than its length gives may take so many times as long.
const MAX_STRETCH: u64 = 10;
/// More samples than a target needs at least, so that the interval has a chance.
const SAMPLE_MARGIN: f64 = 1.5;
/// Share of a step that is kept out of its figures, as one part in so many.
const WARMUP_PART: u64 = 5;
/// Requests that an overloaded service still holds may take this long to end, so that the next step starts afresh.
const DRAIN: Nanos = Nanos::from_secs(30);
/// Share of the offered rate that is completed where no queue grows.
const STEADY: f64 = 0.95;
/// The sign of a run that the service itself causes by answering too slowly.
const DROPPED: &str = "offered_rate";

/// What a step asks of whoever makes plans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepLoad {
    /// Whether `load` is a rate or a number of users.
    pub mode: CapacityMode,
    /// Arrivals per second, or users.
    pub load: f64,
    /// Length of the step, warm-up included.
    pub duration: Nanos,
    /// First part of it that is not judged.
    pub warmup: Nanos,
    /// Time for requests that are still open at its end.
    pub graceful_stop: Nanos,
}

/// How a search is done.
#[derive(Clone, Debug)]
pub struct CapacityOptions {
    /// Whether a rate or a number of users is searched.
    pub mode: CapacityMode,
    /// The load of the first step.
    pub start: f64,
    /// The highest load that is tried.
    pub max: f64,
    /// Length of a step; longer where a target needs more samples, three times as long for the confirmation.
    pub step: Nanos,
}

/// A step as it was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct CapacityPoint {
    /// Arrivals per second, or users.
    pub load: f64,
    /// Whether it was a confirmation.
    pub confirms: bool,
    /// What came of it.
    pub outcome: StepOutcome,
    /// Completed requests per second, until the last answer.
    pub throughput: f64,
    /// Median and 95th and 99th percentile of the response time in nanoseconds.
    pub quantiles: [u64; 3],
    /// Share of failed requests.
    pub errors: f64,
    /// Where the highest load is to be expected by what was measured; `None` where nothing says so.
    pub expected: Option<f64>,
    /// Requests that were under way on average (throughput × mean service time: J. D. C. Little, 1961).
    pub in_flight: f64,
    /// The target that decided; `None` when nothing was measured.
    pub deciding: Option<TargetResult>,
}

/// What happens during a search.
#[derive(Debug)]
pub enum CapacityEvent<'a> {
    /// A step begins and will take so long.
    StepStarted(CapacityStep, Nanos),
    /// A step has ended.
    StepFinished(&'a CapacityPoint),
}

/// What a search found out.
#[derive(Clone, Debug)]
pub struct CapacityResult {
    /// How it ended; `None` when it was interrupted.
    pub end: Option<CapacityEnd>,
    /// The steps in order.
    pub points: Vec<CapacityPoint>,
    /// The scalability law over requests in flight, or why there is none.
    pub fit: Result<Scalability, ScalabilityError>,
    /// The tree: one child per step. Its verdict is about the search: a capacity was found, or not.
    pub summary: Summary,
}

/// Why the steps of a search cannot be judged by the targets of this plan; `None` when they can.
///
/// A step knows what its requests measured: times, errors, throughput, drops and checks. What a suite works out beside that
/// (memory, CPU time) it does not.
pub fn unjudgeable(plan: &Plan) -> Option<String> {
    let steps = || plan.scenarios.iter().flat_map(|scenario| scenario.steps.iter());
    let endpoints: Vec<&str> = steps().map(|step| &*step.name).collect();
    plan.targets.iter().find_map(|target| {
        let endpoint = target.tags.get(tag::ENDPOINT);
        let why = match &target.subject {
            Subject::Estimate(estimate) => format!(
                "a search has no `{}`, it has response times, errors, throughput, dropped arrivals and checks; `pulse test` \
                 judges the others",
                estimate.name()
            ),
            Subject::Trend { metric, .. } | Subject::Ratio { metric, .. }
                if !metric_group::OF_REQUESTS.contains(&metric.as_str()) =>
            {
                format!("there are no times called `{metric}`; there are {}", metric_group::OF_REQUESTS.join(", "))
            }
            Subject::Checks if steps().all(|step| step.checks.is_empty()) => {
                "no step has checks; write them in a scenario file".to_owned()
            }
            _ if endpoint.is_some_and(|endpoint| !endpoints.contains(&&**endpoint)) => {
                format!("no step has this name; there are {}", endpoints.join(", "))
            }
            _ => return None,
        };
        Some(format!("`{target}` cannot be judged: {why}"))
    })
}

/// Why a search did not come to its end. `E` is what is said of a load that makes no plan.
#[derive(Debug, thiserror::Error)]
pub enum CapacityError<E> {
    /// The load of a step makes no plan.
    #[error("{0}")]
    Plan(E),
    /// The engine refused.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Searches the capacity. `plan` makes the plan of a step; its targets are those of the search.
pub fn run_capacity<E>(
    options: &CapacityOptions,
    plan: &mut dyn FnMut(StepLoad) -> Result<Plan, E>,
    stop: &StopHandle,
    events: &mut dyn FnMut(CapacityEvent<'_>),
) -> Result<CapacityResult, CapacityError<E>> {
    let begin = Instant::now();
    let started = now_text();
    let mut search = CapacitySearch::new(options.mode, options.start, options.max);
    let (mut points, mut children): (Vec<CapacityPoint>, Vec<Summary>) = (Vec::new(), Vec::new());
    while !stop.is_stopped()
        && let Some(step) = search.next_step()
    {
        let trial = plan(step_load(options.mode, step, options.step)).map_err(CapacityError::Plan)?;
        let length = step_length(options, step, &trial);
        let step_plan = plan(step_load(options.mode, step, length)).map_err(CapacityError::Plan)?;
        if children.is_empty() {
            probe(&step_plan)?;
        }
        events(CapacityEvent::StepStarted(step, step_plan.duration().unwrap_or_default()));
        let summary = run_step(step_plan, stop)?;
        if stop.is_stopped() {
            break;
        }
        let point = point(options.mode, step, &summary);
        search.report(point.outcome, point.expected);
        events(CapacityEvent::StepFinished(&point));
        children.push(as_case(summary, options.mode, &point, children.len() + 1));
        points.push(point);
    }
    let end = search.next_step().is_none().then(|| search.end()).flatten();
    let summary = root(options, end, children, started, begin.elapsed().into());
    Ok(CapacityResult { end, fit: fit(options.mode, &points), points, summary })
}

fn now_text() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn step_load(mode: CapacityMode, step: CapacityStep, duration: Nanos) -> StepLoad {
    let warmup = Nanos(duration.0 / WARMUP_PART);
    StepLoad { mode, load: step.load, duration, warmup, graceful_stop: DRAIN }
}

/// As long as the user wants, longer for a confirmation, and long enough for the samples that the targets need.
fn step_length(options: &CapacityOptions, step: CapacityStep, plan: &Plan) -> Nanos {
    let wanted = if step.confirms { options.step.times(CONFIRMATION * step.stretch) } else { options.step };
    let Some(rate) = plan.planned_rate().filter(|rate| *rate > 0.0) else { return wanted };
    let needed = plan.targets.iter().map(needed_samples).fold(0.0, f64::max) * SAMPLE_MARGIN;
    let judged_share = 1.0 - 1.0 / WARMUP_PART as f64;
    let enough = Nanos::from_secs_f64(needed / rate / judged_share);
    enough.min(options.step.times(MAX_STRETCH)).max(wanted)
}

fn needed_samples(target: &Target) -> f64 {
    match &target.subject {
        Subject::Trend { statistic: Statistic::Quantile(q), .. } => 10.0 / (1.0 - q).min(*q),
        Subject::Trend { statistic: Statistic::Mean, .. } => 20.0,
        _ => 0.0,
    }
}

/// Runs a step. It ends early when a target is surely missed: overload does not get better. That it is met is known only
/// at its end, because a queue that grows looks harmless at first.
fn run_step(plan: Plan, stop: &StopHandle) -> Result<Summary, RunError> {
    let targets = plan.targets.clone();
    let workers = plan
        .scenarios
        .iter()
        .map(|scenario| scenario.load.max_users())
        .min()
        .unwrap_or(1)
        .min(u64::from(cores()));
    let info = RunInfo {
        kind: "capacity".to_owned(),
        name: plan.name.clone(),
        service: plan.service.url.clone(),
        scenarios: plan.scenario_info(),
        duration: plan.duration(),
        warmup: plan.warmup,
        targets: targets.clone(),
        workers: (workers as u32).max(1),
        seed: plan.seed,
        started: now_text(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: host_info(),
        notices: connection_notices(&plan.service),
    };
    let limits = CaseLimits {
        min_samples: 0,
        max_samples: u64::MAX,
        max_samples_compared: u64::MAX,
        min_duration: Nanos::ZERO,
        max_duration: Nanos::MAX,
    };
    let (mut sampling, mut totals, mut intervals) = (Sampling::new(limits), Snapshot::default(), Vec::new());
    let mut samples = 0;
    let job = Job {
        plan: Arc::new(plan),
        workers: info.workers,
        segment: Segment::WHOLE,
        interval: INTERVAL,
        info,
    };
    let step_stop = StopHandle::default();
    let mut summary = run(&job, &step_stop, &mut |event| {
        if let EventKind::Snapshot(interval) = event.kind {
            samples += interval.point.requests;
            totals.merge(&interval.snapshot);
            if interval.snapshot.interval.is_some() {
                intervals.push(interval.snapshot);
            }
            let missed = |target: &Target| {
                let blocks = blocks(&intervals);
                let result = judge_measured(target, &totals, &blocks);
                result.verdict == Verdict::Fail && is_decided(&[result], &blocks)
            };
            let reached = Reached { samples, elapsed: event.at, blocks: intervals.len() };
            if stop.is_stopped() || sampling.looks_at(reached) && targets.iter().any(missed) {
                step_stop.stop();
            }
        }
    })?;
    if !stop.is_stopped() {
        summary.ending = Ending::Finished;
    }
    Ok(summary)
}

fn point(mode: CapacityMode, step: CapacityStep, summary: &Summary) -> CapacityPoint {
    let response = summary.response_time();
    let at = |q| response.quantile(q).map_or(0, |quantile| quantile.estimate);
    let service = summary.totals.trend(&pulse_model::Series::new(pulse_model::metric::SERVICE_TIME));
    let requests = summary.requests().max(1) as f64;
    let worst = Verdict::worst(summary.targets.iter().map(|result| result.verdict));
    CapacityPoint {
        load: step.load,
        confirms: step.confirms,
        outcome: outcome(step.confirms, summary),
        throughput: summary.throughput(),
        quantiles: [at(0.5), at(0.95), at(0.99)],
        errors: summary.failed() as f64 / requests,
        expected: expected(mode, step.load, summary),
        in_flight: summary.throughput() * service.mean().unwrap_or(0.0) / 1e9,
        deciding: summary.targets.iter().find(|result| result.verdict == worst).cloned(),
    }
}

/// What a step says about the highest load: a service that was offered too much completes as much as it can, and where
/// users wait for a service that does all it can, response times grow with their number (J. D. C. Little, 1961).
fn expected(mode: CapacityMode, load: f64, summary: &Summary) -> Option<f64> {
    let throughput = summary.throughput();
    match mode {
        CapacityMode::Rate => (throughput > 0.0 && throughput < load * STEADY).then_some(throughput),
        CapacityMode::Users => {
            let share = |result: &TargetResult| {
                let is_upper = matches!(result.target.comparison, Comparison::Less | Comparison::AtMost);
                let is_time = matches!(result.target.subject, Subject::Trend { .. });
                let value = result.measured.map(|measured| measured.value).filter(|value| *value > 0.0)?;
                (is_upper && is_time && value > result.target.limit).then_some(result.target.limit / value)
            };
            summary.targets.iter().filter_map(share).reduce(f64::min).map(|share| load * share)
        }
    }
}

/// A step of the search goes by the best estimate where the verdict is open; a confirmation does not.
fn outcome(confirms: bool, summary: &Summary) -> StepOutcome {
    let invalid = summary
        .validity
        .reasons
        .iter()
        .filter(|reason| reason.state == ValidityState::Invalid)
        .collect::<Vec<_>>();
    if invalid.iter().any(|reason| reason.code != DROPPED) {
        return StepOutcome::Invalid;
    }
    let has = |verdict| summary.targets.iter().any(|result| result.verdict == verdict);
    if has(Verdict::NoData) && !has(Verdict::Fail) {
        return StepOutcome::NoData;
    }
    let leans_to_meet = summary.targets.iter().all(|result| {
        result.verdict == Verdict::Pass
            || result.verdict == Verdict::Inconclusive
                && result.measured.is_some_and(|measured| result.target.holds(measured.value))
    });
    let is_sure = summary.targets.iter().all(|result| result.verdict == Verdict::Pass);
    if !invalid.is_empty() || !leans_to_meet {
        StepOutcome::Misses
    } else if is_sure || !confirms {
        StepOutcome::Meets
    } else if summary.targets.iter().any(has_interval) {
        StepOutcome::Undecided
    } else {
        StepOutcome::TooFew
    }
}

/// Whether a verdict is open because the limit lies within an interval, and not because there is none.
fn has_interval(result: &TargetResult) -> bool {
    let has_width = result.measured.is_some_and(|measured| measured.lo < measured.hi);
    result.verdict == Verdict::Inconclusive && has_width
}

/// The step as a child of the tree.
fn as_case(mut summary: Summary, mode: CapacityMode, point: &CapacityPoint, number: usize) -> Summary {
    let suffix = if point.confirms { " (confirmation)" } else { "" };
    let name = format!("{}{suffix}", mode.show(point.load));
    summary.case = Some(CaseInfo {
        id: format!("step-{number}: {name}"),
        name,
        kind: "capacity_step".to_owned(),
        attempts: 1,
        ..CaseInfo::default()
    });
    summary
}

fn root(
    options: &CapacityOptions,
    end: Option<CapacityEnd>,
    children: Vec<Summary>,
    started: String,
    elapsed: Nanos,
) -> Summary {
    let of_last = children.last().map(|child| child.run.clone()).unwrap_or_default();
    let last_validity = children.last().map(|child| child.validity.clone()).unwrap_or_default();
    let (verdict, validity) = match end {
        Some(CapacityEnd::Generator { load, .. }) => {
            let of_step =
                last_validity.reasons.iter().filter(|reason| reason.state == ValidityState::Invalid);
            let at = options.mode.show(load);
            let reasons = of_step.map(|reason| ValidityReason {
                message: format!("at {at}: {}", reason.message),
                at: None,
                ..reason.clone()
            });
            (Verdict::Inconclusive, Validity::from_reasons(reasons.collect()))
        }
        Some(CapacityEnd::Found { confirmed: true, .. }) => (Verdict::Pass, last_validity),
        Some(CapacityEnd::Nothing { .. }) => (Verdict::Fail, last_validity),
        Some(CapacityEnd::Found { .. } | CapacityEnd::Unconfirmed { .. }) => {
            (Verdict::Inconclusive, last_validity)
        }
        Some(CapacityEnd::Unmeasured { .. }) | None => (Verdict::NoData, last_validity),
    };
    let validity =
        if matches!(end, Some(CapacityEnd::Generator { .. })) || validity.state != ValidityState::Invalid {
            validity
        } else {
            // Arrivals that an overloaded service caused to be dropped are a result of the search.
            Validity::default()
        };
    Summary {
        // The load of a step is in the step.
        run: RunInfo { started, scenarios: Vec::new(), duration: None, warmup: Nanos::ZERO, ..of_last },
        ending: if end.is_some() { Ending::Finished } else { Ending::Interrupted },
        elapsed,
        findings: vec![finding(options.mode, end)],
        verdict: Some(verdict),
        validity,
        children,
        ..Summary::default()
    }
}

/// The result in a sentence.
pub fn capacity_in_words(mode: CapacityMode, end: Option<CapacityEnd>) -> String {
    let show = |load| mode.show(load);
    match end {
        Some(CapacityEnd::Found { load, missed, confirmed }) => {
            let above = missed.map_or_else(
                || "higher loads were not tried".to_owned(),
                |missed| format!("at {} they are missed", show(missed)),
            );
            let sure = if confirmed {
                "confirmed by a longer step"
            } else {
                "not confirmed: the intervals leave it open"
            };
            format!("the targets are met at {} ({sure}); {above}", show(load))
        }
        Some(CapacityEnd::Nothing { load }) => format!("the targets are not even met at {}", show(load)),
        Some(CapacityEnd::Generator { load, met }) => {
            let met = met
                .map_or_else(|| "nothing was met before".to_owned(), |met| format!("{} was met", show(met)));
            format!("the generator is the limit at {}, not the service; {met}", show(load))
        }
        Some(CapacityEnd::Unmeasured { load }) => {
            format!("nothing was measured at {} of what a target is about, so there is no answer", show(load))
        }
        Some(CapacityEnd::Unconfirmed { met, missed }) => {
            let met = met.map_or_else(|| "no load".to_owned(), show);
            format!(
                "the answers contradict each other: {met} met the targets in a short step, {} missed them, and no longer \
                 step confirmed a load",
                show(missed)
            )
        }
        None => "interrupted before there was a result".to_owned(),
    }
}

fn finding(mode: CapacityMode, end: Option<CapacityEnd>) -> Finding {
    let help = match end {
        Some(CapacityEnd::Nothing { .. }) => {
            Some("Start lower (--start), or look at the targets with `pulse load` first.".to_owned())
        }
        Some(CapacityEnd::Unmeasured { .. }) => Some(
            "Look at the step's targets: each must be about something that every step measures.".to_owned(),
        ),
        Some(CapacityEnd::Found { confirmed: false, .. } | CapacityEnd::Unconfirmed { .. }) => Some(
            "Use longer steps (--step-duration), or a quieter machine, for an answer that is confirmed."
                .to_owned(),
        ),
        Some(CapacityEnd::Generator { .. }) => {
            Some("Run `pulse validate`; use a machine of its own for the load, or more cores.".to_owned())
        }
        _ => None,
    };
    Finding {
        code: "capacity".to_owned(),
        severity: Severity::Note,
        subject: String::new(),
        message: capacity_in_words(mode, end),
        help,
        ..Finding::default()
    }
}

/// The law over requests in flight: throughput over concurrency, whatever drives the load. Points below one request in
/// flight say nothing about contention, and a queue that grows has no concurrency that a law could be about.
fn fit(mode: CapacityMode, points: &[CapacityPoint]) -> Result<Scalability, ScalabilityError> {
    let is_steady = |point: &CapacityPoint| match mode {
        CapacityMode::Users => true,
        CapacityMode::Rate => point.throughput >= point.load * STEADY,
    };
    let is_usable = |point: &&CapacityPoint| {
        point.outcome != StepOutcome::Invalid && point.in_flight >= 1.0 && is_steady(point)
    };
    let usable: Vec<(f64, f64)> =
        points.iter().filter(is_usable).map(|point| (point.in_flight, point.throughput)).collect();
    Scalability::fit(&usable, CONFIDENCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::Measured;
    use pulse_plan::{Overrides, UrlRequest};

    fn judged(target: &str, verdict: Verdict, value: f64) -> TargetResult {
        let measured = Some(Measured { value, lo: value, hi: value, samples: 9 });
        TargetResult { target: target.parse().unwrap(), verdict, measured, reason: None }
    }

    #[test]
    fn steps_lean_and_confirmations_do_not() {
        use StepOutcome::{Invalid, Meets, Misses, NoData, TooFew, Undecided};
        let target = "p95 < 10ms";
        let open = |value| judged(target, Verdict::Inconclusive, value);
        let within = |value: f64| {
            let mut result = open(value);
            result.measured = result.measured.map(|it| Measured { lo: value / 2.0, hi: value * 2.0, ..it });
            result
        };
        for (result, invalid, confirms, expected) in [
            (judged(target, Verdict::NoData, 0.0), None, false, NoData),
            (judged(target, Verdict::NoData, 0.0), None, true, NoData),
            (judged(target, Verdict::NoData, 0.0), Some("dispatch_lag"), false, Invalid),
            (judged(target, Verdict::Pass, 5e6), None, false, Meets),
            (judged(target, Verdict::Pass, 5e6), None, true, Meets),
            (judged(target, Verdict::Fail, 15e6), None, true, Misses),
            (open(9e6), None, false, Meets),
            (open(9e6), None, true, TooFew),
            (within(9e6), None, true, Undecided),
            (open(11e6), None, true, Misses),
            (judged(target, Verdict::Pass, 5e6), Some("worker_cpu"), false, Invalid),
            // Arrivals find no free user because the service is too slow.
            (judged(target, Verdict::Pass, 5e6), Some("offered_rate"), false, Misses),
        ] {
            let reason = |code: &str| ValidityReason {
                code: code.to_owned(),
                state: ValidityState::Invalid,
                message: String::new(),
                at: None,
            };
            let validity = Validity::from_reasons(invalid.map(reason).into_iter().collect());
            let summary = Summary { targets: vec![result], validity, ..Summary::default() };
            assert_eq!(outcome(confirms, &summary), expected, "{summary:?}");
        }
    }

    #[test]
    fn targets_of_a_search_must_be_about_what_a_step_measures() {
        let plan = |target: &str| {
            let overrides = Overrides { targets: vec![target.parse().unwrap()], ..Overrides::default() };
            Plan::for_url(&UrlRequest::default(), &overrides).unwrap()
        };
        for (target, said) in [
            ("p95 < 50ms", None),
            ("service_time.p99 < 1s", None),
            ("p99 / p50 < 5", None),
            ("errors < 1%", None),
            ("throughput > 5/s", None),
            ("dropped = 0", None),
            ("p95{endpoint=\"GET /health\"} < 50ms", None),
            ("memory_growth < 5MB", Some("no `memory_growth`")),
            ("cpu < 80%", Some("`pulse test` judges")),
            ("checks = 100%", Some("no step has checks")),
            ("respone_time.p95 < 1s", Some("no times called `respone_time`")),
            ("p95{endpoint=\"GET /nope\"} < 50ms", Some("there are GET /health")),
        ] {
            let found = unjudgeable(&plan(target));
            assert_eq!(found.is_some(), said.is_some(), "{target}: {found:?}");
            assert!(found.as_deref().unwrap_or("").contains(said.unwrap_or("")), "{target}: {found:?}");
        }
    }

    #[test]
    fn an_overloaded_step_says_what_to_expect() {
        let expect = |mode, load, requests: u64, value| {
            let mut trend = pulse_model::Histogram::default();
            (0..requests).for_each(|_| trend.record(value));
            let interval = pulse_model::Interval { from: Nanos::ZERO, to: Nanos::from_secs(1) };
            let mut totals = Snapshot { interval: Some(interval), ..Snapshot::default() };
            totals.add(
                pulse_model::Series::new(pulse_model::metric::RESPONSE_TIME),
                pulse_model::Aggregate::Trend(trend),
            );
            let verdict = if value > 10_000_000 { Verdict::Fail } else { Verdict::Pass };
            let targets = vec![judged("p95 < 10ms", verdict, value as f64)];
            let mut summary = Summary { totals, targets, ..Summary::default() };
            summary.elapsed = Nanos::from_secs(1);
            expected(mode, load, &summary)
        };
        assert_eq!(expect(CapacityMode::Rate, 400.0, 100, 20_000_000), Some(100.0));
        assert_eq!(expect(CapacityMode::Rate, 100.0, 99, 20_000_000), None, "it keeps up");
        assert_eq!(expect(CapacityMode::Users, 40.0, 100, 20_000_000), Some(20.0));
        assert_eq!(expect(CapacityMode::Users, 40.0, 100, 5_000_000), None, "the target is met");
    }

    #[test]
    fn growing_queues_are_no_points_of_the_law() {
        let point = |load: f64, throughput: f64, in_flight: f64| CapacityPoint {
            load,
            confirms: false,
            outcome: StepOutcome::Meets,
            throughput,
            quantiles: [0; 3],
            errors: 0.0,
            expected: None,
            in_flight,
            deciding: None,
        };
        let mut points: Vec<CapacityPoint> =
            (1..6).map(|n| point(f64::from(n) * 100.0, f64::from(n) * 100.0, f64::from(n))).collect();
        points.push(point(900.0, 300.0, 400.0));
        let of_rate = fit(CapacityMode::Rate, &points).unwrap();
        assert!((of_rate.gamma.value - 100.0).abs() < 1.0 && of_rate.r_squared > 0.99, "{of_rate:?}");
        assert!(fit(CapacityMode::Rate, &points[..3]).is_err());
    }
}
