//! `pulse load`: a plan, a run, a report.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use pulse_engine::{Job, RunError, StopHandle, cores, host_info, probe, raise_descriptor_limit};
use pulse_live::{Hub, ProgressLines, Recorder, TerminalView};
use pulse_model::{RunInfo, Summary};
use pulse_plan::{LoadModel, Plan, Segment};
use pulse_report::{Reporter as _, Text, header};

use crate::arguments::{LoadArguments, WhenInconclusive};
use crate::exit::Exit;
use crate::interrupt::stop_on_signal;
use crate::problem::Problem;
use crate::report_files::{ReportFiles, ReportRequest, cannot_write};
use crate::terminal::{Stream, note};

/// Descriptors that the program itself needs: standard streams, outputs, event queues, timers.
const OWN_DESCRIPTORS: u64 = 64;

/// What to do with a run besides judging it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes<'a> {
    pub(crate) workers: Option<u32>,
    pub(crate) out: &'a [ReportRequest],
    pub(crate) record: Option<&'a Path>,
    pub(crate) inconclusive: WhenInconclusive,
    pub(crate) quiet: bool,
}

pub(crate) fn run(arguments: &LoadArguments) -> Result<Exit, Problem> {
    let plan = arguments.source()?.plan(&arguments.overrides()?)?;
    let wishes = Wishes {
        workers: arguments.load.workers,
        out: &arguments.result.out,
        record: arguments.result.record.as_deref(),
        inconclusive: arguments.result.inconclusive,
        quiet: arguments.result.quiet,
    };
    run_plan(plan, wishes)
}

/// Runs a plan, with everything a person expects of it.
pub(crate) fn run_plan(plan: Plan, wishes: Wishes<'_>) -> Result<Exit, Problem> {
    let reports = ReportFiles::prepare(wishes.out)?;
    let stream = reports.human_stream();
    let job = job(plan, wishes.workers);
    check_descriptors(&job.plan)?;
    let mut hub = Hub::new();
    let added = add_outputs(&mut hub, stream, wishes)?;
    probe(&job.plan).map_err(run_problem)?;
    let stop = StopHandle::default();
    stop_on_signal(&stop)
        .map_err(|error| Problem::internal(format!("signals cannot be handled: {error}")))?;
    // Text goes first, so that the live view is drawn below it.
    write_human(stream, &header(&job.info))?;
    let result = pulse_engine::run(&job, &stop, &mut |event| hub.send(event));
    for report in hub.close() {
        describe_output(&report);
    }
    debug_assert!(added <= 3, "terminal or lines, and a recording");
    let summary = result.map_err(run_problem)?;
    show(&summary, stream, false)?;
    reports.write(&summary)?;
    Ok(Exit::of(&summary, wishes.inconclusive))
}

/// Prints the report for people.
pub(crate) fn show(summary: &Summary, stream: Stream, with_header: bool) -> Result<(), Problem> {
    let text = Text { color: stream.is_colored(), width: stream.width(), header: with_header };
    let mut bytes = Vec::new();
    text.render(summary, &mut bytes)
        .map_err(|error| Problem::internal(format!("the report cannot be rendered: {error}")))?;
    write_human(stream, &String::from_utf8_lossy(&bytes))
}

fn write_human(stream: Stream, text: &str) -> Result<(), Problem> {
    stream.write(text).map_err(|error| Problem::usage(format!("the report cannot be printed: {error}")))
}

fn job(plan: Plan, workers: Option<u32>) -> Job {
    // A worker without users would only cost: no more workers than the smallest scenario has users.
    let fewest = plan.scenarios.iter().map(|scenario| scenario.load.max_users()).min().unwrap_or(1);
    let wanted = workers.unwrap_or_else(cores);
    let workers = wanted.min(u32::try_from(fewest).unwrap_or(u32::MAX)).max(1);
    let info = RunInfo {
        kind: "load".to_owned(),
        name: plan.name.clone(),
        service: plan.service.url.clone(),
        scenarios: plan.scenario_info(),
        duration: plan.duration(),
        warmup: plan.warmup,
        targets: plan.targets.clone(),
        workers,
        seed: plan.seed,
        started: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: host_info(),
    };
    Job { plan: Arc::new(plan), workers, segment: Segment::WHOLE, info }
}

/// Every user needs a descriptor. Closed loads need them all at once, so that too few are known before the run.
fn check_descriptors(plan: &Plan) -> Result<(), Problem> {
    let Some(limit) = raise_descriptor_limit() else { return Ok(()) };
    let users = |open: bool| -> u64 {
        let loads = plan.scenarios.iter().map(|scenario| &scenario.load);
        loads.filter(|load| matches!(load, LoadModel::Open(_)) == open).map(LoadModel::max_users).sum()
    };
    let advice = "raise the hard limit (`ulimit -Hn`, or /etc/security/limits.conf), or use fewer users";
    if users(false) + OWN_DESCRIPTORS > limit {
        return Err(Problem::usage(format!(
            "{} users need as many file descriptors, and this process may have {limit}: {advice}",
            users(false)
        )));
    }
    if users(false) + users(true) + OWN_DESCRIPTORS > limit {
        note(&format!(
            "warning: up to {} users may be needed, and this process may have {limit} file descriptors: {advice}",
            users(false) + users(true)
        ));
    }
    Ok(())
}

fn add_outputs(hub: &mut Hub, stream: Stream, wishes: Wishes<'_>) -> Result<usize, Problem> {
    let refused = |error| Problem::internal(format!("the system refused a thread: {error}"));
    let mut added = 0;
    if let Some(path) = wishes.record {
        let recorder = File::create(path).map(BufWriter::new).and_then(Recorder::new);
        let recorder = recorder.map_err(|error| cannot_write(path, error))?;
        hub.add(format!("the recording {}", path.display()), recorder).map_err(refused)?;
        added += 1;
    }
    if wishes.quiet {
        return Ok(added);
    }
    if !stream.is_terminal() {
        hub.add("the progress lines", ProgressLines::new(Stream::Err.writer())).map_err(refused)?;
    } else if stream.is_colored() {
        hub.add("the live view", TerminalView::new(stream.writer())).map_err(refused)?;
    } else {
        hub.add("the live view", TerminalView::without_color(stream.writer())).map_err(refused)?;
    }
    Ok(added + 1)
}

/// An output that failed or fell behind did not disturb the run; the user should know all the same.
fn describe_output(report: &pulse_live::OutputReport) {
    if let Some(error) = &report.error {
        note(&format!("warning: {} is incomplete: {error}", report.name));
    } else if report.dropped > 0 {
        note(&format!("warning: {} missed {} events because it was too slow", report.name, report.dropped));
    }
}

fn run_problem(error: RunError) -> Problem {
    match error {
        RunError::Unreachable { .. } => Problem::unreachable(format!(
            "{error}\nIs it running, and is the URL right? `pulse demo serve` starts one to try."
        )),
        RunError::Origin(_) | RunError::Connector(_) | RunError::Steps(_) => Problem::usage(error),
        RunError::Machine(_) => Problem::internal(error),
    }
}
