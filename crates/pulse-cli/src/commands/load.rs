//! `pulse load`: a plan, a run, a report.

use std::fs::File;
use std::io::{BufWriter, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use pulse_engine::{
    INTERVAL, Job, RunError, StopHandle, connection_notices, cores, host_info, probe, raise_descriptor_limit,
};
use pulse_live::{Hub, OutputReport, ProgressLines, Recorder, Server, TerminalView};
use pulse_model::{EventKind, Finding, Nanos, RunEvent, RunInfo, Severity, Summary};
use pulse_plan::{LoadModel, Plan, Segment};
use pulse_report::{Reporter as _, Text, header};

use crate::arguments::{DashboardFlags, LoadArguments, WhenInconclusive};
use crate::dashboard::{Follower, serve};
use crate::exit::Exit;
use crate::interrupt::stop_on_signal;
use crate::problem::Problem;
use crate::report_files::{ReportFiles, ReportRequest, cannot_write};
use crate::terminal::{Stream, note};

/// Descriptors that the program itself needs: standard streams, outputs, event queues, timers.
const OWN_DESCRIPTORS: u64 = 64;
/// What the output of `--record` is called.
const RECORDING: &str = "the recording";
/// What people read after Ctrl-C.
const STOPPING: &str = "Stopping: running requests may end, the report follows. Ctrl-C again to quit.";

/// What to do with a run besides judging it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes<'a> {
    pub(crate) workers: Option<u32>,
    pub(crate) out: &'a [ReportRequest],
    pub(crate) record: Option<&'a Path>,
    pub(crate) inconclusive: WhenInconclusive,
    pub(crate) quiet: bool,
    pub(crate) dashboard: Option<&'a DashboardFlags>,
}

pub(crate) fn run(arguments: &LoadArguments) -> Result<Exit, Problem> {
    let plan = arguments.source()?.plan(&arguments.overrides()?)?;
    let wishes = Wishes {
        workers: arguments.load.workers,
        out: &arguments.result.out,
        record: arguments.result.record.as_deref(),
        inconclusive: arguments.result.inconclusive,
        quiet: arguments.result.quiet,
        dashboard: Some(&arguments.dashboard),
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
    add_outputs(&mut hub, stream, wishes, None)?;
    let dashboard = add_dashboard(&mut hub, wishes, &job.info)?;
    for notice in &job.info.notices {
        note(&format!("note: {}", notice.message));
    }
    probe(&job.plan).map_err(run_problem)?;
    let stop = StopHandle::default();
    // What somebody else writes would tear a live view apart; it shows the announcement itself.
    let live = stream.is_terminal() && !wishes.quiet;
    stop_on_signal(&stop, (!live).then_some(STOPPING))
        .map_err(|error| Problem::internal(format!("signals cannot be handled: {error}")))?;
    // Text goes first, so that the live view is drawn below it.
    write_human(stream, &header(&job.info))?;
    if let Some((_, greeting)) = &dashboard {
        write_human(stream, greeting)?;
    }
    let mut announced = !live;
    let result = pulse_engine::run(&job, &stop, &mut |event| {
        if stop.is_stopped() && !std::mem::replace(&mut announced, true) {
            hub.send(stopping(event.at));
        }
        hub.send(event);
    });
    let outputs: Vec<_> = hub.close().iter().map(|output| check_output(output, wishes.record)).collect();
    // The end has reached the follower: its viewers are told before the server ends.
    drop(dashboard);
    let summary = result.map_err(run_problem)?;
    // Whatever cannot be written, the others are: a report is not lost with its neighbour.
    let mut exit = Exit::of(&summary, wishes.inconclusive);
    let shown = show(&summary, stream, false);
    let written = reports.write(&summary);
    for problem in outputs.into_iter().chain([shown, written]).filter_map(Result::err) {
        problem.print();
        exit = problem.exit;
    }
    Ok(exit)
}

/// Shows the run in a browser, where that is wanted.
fn add_dashboard(
    hub: &mut Hub,
    wishes: Wishes<'_>,
    info: &RunInfo,
) -> Result<Option<(Server, String)>, Problem> {
    let Some((flags, address)) = wishes.dashboard.and_then(|flags| Some((flags, flags.address()?))) else {
        return Ok(None);
    };
    let follower = Follower::new(info.clone());
    let server = serve("--dashboard", address, flags.token(), follower.feed())?;
    let refused = |error| Problem::internal(format!("the system refused a thread: {error}"));
    hub.add("the dashboard", follower).map_err(refused)?;
    Ok(Some(server))
}

/// The announcement as an event.
fn stopping(at: Nanos) -> RunEvent {
    let finding = Finding {
        code: "stopping".to_owned(),
        severity: Severity::Note,
        subject: String::new(),
        message: STOPPING.to_owned(),
        help: None,
        ..Finding::default()
    };
    RunEvent { at, kind: EventKind::Notice(finding) }
}

/// Prints the report for people.
pub(crate) fn show(summary: &Summary, stream: Stream, with_header: bool) -> Result<(), Problem> {
    let text = Text { color: stream.is_colored(), width: stream.width(), header: with_header };
    let mut bytes = Vec::new();
    text.render(summary, &mut bytes)
        .map_err(|error| Problem::internal(format!("the report cannot be rendered: {error}")))?;
    write_human(stream, &String::from_utf8_lossy(&bytes))
}

pub(crate) fn write_human(stream: Stream, text: &str) -> Result<(), Problem> {
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
        notices: connection_notices(&plan.service),
    };
    Job { plan: Arc::new(plan), workers, segment: Segment::WHOLE, interval: INTERVAL, info }
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

/// Adds the recording, and what shows progress to people; `window` is what the live view of a watch is about.
pub(crate) fn add_outputs(
    hub: &mut Hub,
    stream: Stream,
    wishes: Wishes<'_>,
    window: Option<Nanos>,
) -> Result<(), Problem> {
    let refused = |error| Problem::internal(format!("the system refused a thread: {error}"));
    if let Some(path) = wishes.record {
        let recorder = File::create(path).map(BufWriter::new).and_then(Recorder::new);
        let recorder = recorder.map_err(|error| cannot_write(path, error))?;
        hub.add(RECORDING, recorder).map_err(refused)?;
    }
    if wishes.quiet {
        return Ok(());
    }
    if !stream.is_terminal() {
        return hub.add("the progress lines", ProgressLines::new(Stream::Err.writer())).map_err(refused);
    }
    let view = if stream.is_colored() { TerminalView::new } else { TerminalView::without_color };
    let view = match window {
        Some(window) => view(stream.writer()).with_window(window),
        None => view(stream.writer()),
    };
    hub.add("the live view", view).map_err(refused)
}

/// An output that failed or fell behind did not disturb the run; the user should know all the same. A recording that
/// was asked for and is incomplete is a failure, a live view that nobody could see is none.
pub(crate) fn check_output(report: &OutputReport, record: Option<&Path>) -> Result<(), Problem> {
    let path = record.filter(|_| report.name == RECORDING).map(Path::display);
    match (&report.error, path) {
        (Some(error), Some(path)) => {
            return Err(Problem::usage(format!(
                "the recording {path} is incomplete: {error}; the report covers the whole run all the same"
            )));
        }
        // Whoever read it has gone, as with `| head`.
        (Some(error), None) if error.kind() == ErrorKind::BrokenPipe => {}
        (Some(error), None) => note(&format!("warning: {} ended early: {error}", report.name)),
        (None, _) if report.dropped > 0 => {
            note(&format!(
                "warning: {} missed {} events because it was too slow",
                report.name, report.dropped
            ));
        }
        (None, _) => {}
    }
    Ok(())
}

pub(crate) fn run_problem(error: RunError) -> Problem {
    match error {
        RunError::Unreachable { .. } => Problem::unreachable(format!(
            "{error}\nIs it running, and is the URL right? `pulse demo serve` starts one to try."
        )),
        RunError::Origin(_)
        | RunError::Connection(_)
        | RunError::Connector(_)
        | RunError::Steps(_)
        | RunError::Types { .. } => Problem::usage(error),
        RunError::Machine(_) => Problem::internal(error),
    }
}
