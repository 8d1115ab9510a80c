//! `pulse capacity`: the highest load that still meets the targets.

use std::fmt::Write as _;

use pulse_engine::{StopHandle, raise_descriptor_limit};
use pulse_model::Nanos;
use pulse_plan::{DEFAULT_GRACEFUL_STOP, LoadOptions, Overrides, Plan, ServiceOptions};
use pulse_report::number;
use pulse_stats::Scalability;
use pulse_suite::{
    CapacityEnd, CapacityError, CapacityEvent, CapacityMode, CapacityOptions, CapacityPoint, CapacityResult,
    StepLoad, StepOutcome, capacity_in_words, run_capacity, unjudgeable,
};

use crate::arguments::{CapacityArguments, of_environment};
use crate::commands::load::run_problem;
use crate::exit::Exit;
use crate::interrupt::stop_on_signal;
use crate::problem::Problem;
use crate::report_files::ReportFiles;
use crate::terminal::{Stream, note};

/// Columns of a full bar of the chart.
const BAR: usize = 30;
/// What people read after Ctrl-C.
const STOPPING: &str = "Stopping: what was measured until now follows. Ctrl-C again to quit.";

pub(crate) fn run(arguments: &CapacityArguments) -> Result<Exit, Problem> {
    let [start, max] = arguments.range()?;
    let (source, url) = arguments.source()?;
    let mode = arguments.mode();
    let plan_of = |step| source.plan(&overrides(arguments, url.clone(), step));
    // Mistakes are told before anything runs; later plans differ only in their numbers.
    let first = StepLoad {
        mode,
        load: start,
        duration: arguments.step_duration,
        warmup: Nanos::ZERO,
        graceful_stop: DEFAULT_GRACEFUL_STOP,
    };
    let plan = plan_of(first)?;
    if let Some(reason) = unjudgeable(&plan) {
        return Err(Problem::usage(reason));
    }
    let reports = ReportFiles::prepare(&arguments.out)?;
    let stream = reports.human_stream();
    // Users need descriptors; where they do not suffice, a step says so.
    let _ = raise_descriptor_limit();
    let stop = StopHandle::default();
    stop_on_signal(&stop, Some(STOPPING))
        .map_err(|error| Problem::internal(format!("signals cannot be handled: {error}")))?;
    write(stream, &heading(&plan, mode))?;
    let options = CapacityOptions { mode, start, max, step: arguments.step_duration };
    let mut number = 0;
    let result = run_capacity(&options, &mut |step| plan_of(step), &stop, &mut |event| {
        if !arguments.quiet {
            number += usize::from(matches!(event, CapacityEvent::StepStarted(..)));
            tell(&event, number, mode);
        }
    });
    let result = result.map_err(|error| match error {
        CapacityError::Run(error) => run_problem(error),
        CapacityError::Plan(problem) => problem,
    })?;
    write(stream, &drawn(&result, mode))?;
    reports.write(&result.summary)?;
    Ok(exit(result.end))
}

fn overrides(arguments: &CapacityArguments, url: Option<String>, step: StepLoad) -> Overrides {
    let is_users = step.mode == CapacityMode::Users;
    let load = LoadOptions {
        users: is_users.then_some(step.load as u64),
        pace: is_users.then(|| arguments.pace.unwrap_or(0.0)),
        rate: (!is_users).then_some(step.load),
        arrivals: arguments.arrivals.filter(|_| !is_users),
        duration: Some(step.duration),
        warmup: Some(step.warmup),
        graceful_stop: Some(step.graceful_stop),
        ..LoadOptions::default()
    };
    let service = ServiceOptions { url, ..of_environment() };
    Overrides { service, load, targets: arguments.targets.clone() }
}

/// What the end of a search means for the shell.
fn exit(end: Option<CapacityEnd>) -> Exit {
    match end {
        None => Exit::Interrupted,
        Some(CapacityEnd::Found { .. } | CapacityEnd::Unconfirmed { met: Some(_), .. }) => Exit::Success,
        Some(CapacityEnd::Generator { .. }) => Exit::Invalid,
        Some(
            CapacityEnd::Nothing { .. }
            | CapacityEnd::Unmeasured { .. }
            | CapacityEnd::Unconfirmed { met: None, .. },
        ) => Exit::TargetFailed,
    }
}

fn write(stream: Stream, text: &str) -> Result<(), Problem> {
    stream.write(text).map_err(|error| Problem::usage(format!("the result cannot be printed: {error}")))
}

fn heading(plan: &Plan, mode: CapacityMode) -> String {
    let targets: Vec<String> = plan.targets.iter().map(ToString::to_string).collect();
    let what = match mode {
        CapacityMode::Rate => "rate",
        CapacityMode::Users => "number of users",
    };
    format!("Capacity of {}: the highest {what} that meets {}\n", plan.service.url, targets.join(", "))
}

/// Progress, on standard error.
fn tell(event: &CapacityEvent<'_>, number: usize, mode: CapacityMode) {
    match event {
        CapacityEvent::StepStarted(step, length) => {
            let why = if step.confirms { ", to confirm it" } else { "" };
            note(&format!("step {number}: {} for {length}{why} …", mode.show(step.load)));
        }
        CapacityEvent::StepFinished(point) => {
            note(&format!("step {number}: {}, {}", word(point.outcome), deciding(point)));
        }
    }
}

fn word(outcome: StepOutcome) -> &'static str {
    match outcome {
        StepOutcome::Meets => "met",
        StepOutcome::Misses => "missed",
        StepOutcome::Undecided | StepOutcome::TooFew => "open",
        StepOutcome::Invalid => "invalid",
        StepOutcome::NoData => "no data",
    }
}

/// The target that decided, with what was measured.
fn deciding(point: &CapacityPoint) -> String {
    let Some(result) = &point.deciding else { return "nothing was measured".to_owned() };
    let value = result
        .measured
        .map_or_else(|| number::NONE.to_owned(), |measured| number::measured(&result.target, measured.value));
    format!("{} measured {value}", result.target)
}

/// The result: table, chart, knee and law.
fn drawn(result: &CapacityResult, mode: CapacityMode) -> String {
    let mut points: Vec<&CapacityPoint> = result.points.iter().collect();
    points.sort_by(|a, b| a.load.total_cmp(&b.load).then(a.confirms.cmp(&b.confirms)));
    let mut text = format!("\n{}\n{}", table(&points, mode), chart(&points, mode));
    // Writing to a string does not fail.
    if let Some(knee) = knee(&points) {
        let _ = writeln!(
            text,
            "\nKnee: {}, where throughput per response time is highest; beyond it waiting grows faster than throughput",
            mode.show(knee)
        );
    }
    let _ = writeln!(text, "{}", law(result));
    let _ = writeln!(text, "\nCapacity: {}", capacity_in_words(mode, result.end));
    for reason in &result.summary.validity.reasons {
        let _ = writeln!(text, "  {}", reason.message);
    }
    if let Some(help) = result.summary.findings.first().and_then(|finding| finding.help.as_deref()) {
        let _ = writeln!(text, "  {help}");
    }
    text
}

fn table(points: &[&CapacityPoint], mode: CapacityMode) -> String {
    let mut text = format!(
        "{:>14}  {:>12}  {:>10}  {:>10}  {:>10}  {:>8}  {:>9}  targets\n",
        "load", "throughput", "p50", "p95", "p99", "errors", "in flight"
    );
    for point in points {
        let [p50, p95, p99] = point.quantiles.map(|nanos| number::millis(Some(nanos as f64)));
        let throughput = format!("{}/s", number::rate(Some(point.throughput)));
        let (errors, again) =
            (number::share(point.errors), if point.confirms { " (confirmation)" } else { "" });
        let _ = writeln!(
            text,
            "{:>14}  {throughput:>12}  {p50:>10}  {p95:>10}  {p99:>10}  {errors:>8}  {:>9.1}  {}{again}",
            mode.show(point.load),
            point.in_flight,
            word(point.outcome)
        );
    }
    text
}

/// Throughput as bars on a linear scale, the 95th percentile on a logarithmic one: it grows by powers at the knee.
fn chart(points: &[&CapacityPoint], mode: CapacityMode) -> String {
    let most = points.iter().map(|point| point.throughput).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let decades = |point: &CapacityPoint| (1.0 + point.quantiles[1] as f64 / 1e5).log10();
    let slowest = points.iter().map(|point| decades(point)).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let bar = |share: f64, sign: &str| sign.repeat((share * BAR as f64).round() as usize);
    let mut text = format!("{:>14}  {:BAR$}  p95 (log)\n", "load", "throughput");
    let is_shown = |point: &&&CapacityPoint| !point.confirms && point.outcome != StepOutcome::Invalid;
    for point in points.iter().filter(is_shown) {
        let (throughput, p95) = (bar(point.throughput / most, "█"), bar(decades(point) / slowest, "▒"));
        let _ = writeln!(text, "{:>14}  {throughput:BAR$}  {p95}", mode.show(point.load));
    }
    text
}

/// The load of the highest power, throughput over response time (L. Kleinrock, "Power and Deterministic Rules of Thumb for
/// Probabilistic Problems in Computer Communications", 1979), if higher loads were measured, too: else there is none yet.
fn knee(points: &[&CapacityPoint]) -> Option<f64> {
    let power = |point: &CapacityPoint| point.throughput / point.quantiles[0].max(1) as f64;
    let measured = || points.iter().filter(|point| point.outcome != StepOutcome::Invalid && !point.confirms);
    let best = measured().max_by(|a, b| power(a).total_cmp(&power(b)))?;
    measured().any(|point| point.load > best.load).then_some(best.load)
}

/// The scalability law in words, or why there is none.
fn law(result: &CapacityResult) -> String {
    let law: &Scalability = match &result.fit {
        Ok(law) => law,
        Err(error) => return format!("Scalability law: none; over requests in flight, {error}"),
    };
    let (alpha, beta) = (law.alpha, law.beta);
    let parameters = format!(
        "Scalability law over requests in flight (R² {:.3}): contention α {:.4} [{:.4}, {:.4}], coherency β {:.2e} \
         [{:.2e}, {:.2e}]",
        law.r_squared, alpha.value, alpha.lo, alpha.hi, beta.value, beta.lo, beta.hi
    );
    match &law.peak {
        Ok(peak) => format!(
            "{parameters}\n  peak {:.0}/s at {:.1} [{:.1}, {:.1}] in flight{}",
            peak.throughput,
            peak.load.value,
            peak.load.lo,
            peak.load.hi,
            if peak.beyond_measured {
                ", beyond what was measured: the law says so, no measurement"
            } else {
                ""
            }
        ),
        Err(reason) => format!("{parameters}\n  no peak is told: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_knee_is_where_waiting_begins() {
        let point = |load: f64, throughput: f64, p50_ms: u64| CapacityPoint {
            load,
            confirms: false,
            outcome: StepOutcome::Meets,
            throughput,
            quantiles: [p50_ms * 1_000_000; 3],
            errors: 0.0,
            expected: None,
            in_flight: 1.0,
            deciding: None,
        };
        let curve = [point(50.0, 50.0, 5), point(100.0, 100.0, 6), point(200.0, 180.0, 40)];
        assert_eq!(knee(&curve.iter().collect::<Vec<_>>()), Some(100.0));
        assert_eq!(knee(&curve[..2].iter().collect::<Vec<_>>()), None);
        assert_eq!(knee(&[]), None);
    }

    #[test]
    fn ends_have_their_exit_codes() {
        use CapacityEnd::{Found, Generator, Nothing, Unconfirmed, Unmeasured};
        for (end, expected) in [
            (None, Exit::Interrupted),
            (Some(Found { load: 5.0, missed: None, confirmed: false }), Exit::Success),
            (Some(Nothing { load: 1.0 }), Exit::TargetFailed),
            (Some(Unmeasured { load: 1.0 }), Exit::TargetFailed),
            (Some(Generator { load: 9.0, met: Some(5.0) }), Exit::Invalid),
            (Some(Unconfirmed { met: None, missed: 5.0 }), Exit::TargetFailed),
            (Some(Unconfirmed { met: Some(4.0), missed: 5.0 }), Exit::Success),
        ] {
            assert_eq!(exit(end), expected, "{end:?}");
        }
    }
}
