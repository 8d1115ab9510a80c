//! `pulse demo`: a first minute with Pulse, and a service to point it at.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use pulse_demo::{Character, DemoConfig, DemoServer, LatencyLaw};
use pulse_engine::StopHandle;
use pulse_plan::{LoadOptions, Overrides, ServiceOptions};
use pulse_report::Format;

use crate::arguments::{DemoAction, DemoArguments, ServeArguments, WhenInconclusive};
use crate::commands::load::{Wishes, run_plan};
use crate::exit::Exit;
use crate::interrupt::stop_on_signal;
use crate::problem::Problem;
use crate::report_files::ReportRequest;
use crate::source::scenario_plan;
use crate::terminal::Stream;

/// The mixed scenario that the demo runs.
const SCENARIO: &str = include_str!("demo.toml");
/// Where the demo's report goes.
const REPORT: &str = "pulse-report.json";
/// How long the demo's answers take unless a flag says otherwise: a service of the usual kind rather than one that
/// answers at once, whose measurement the smallest disturbance of the machine would make worthless.
const LATENCY: LatencyLaw =
    LatencyLaw::LogNormal { p50: Duration::from_millis(12), p99: Duration::from_millis(90) };

pub(crate) fn run(arguments: &DemoArguments) -> Result<Exit, Problem> {
    if let Some(DemoAction::Serve(serve)) = &arguments.action {
        return self::serve(serve);
    }
    let given = arguments.character.character();
    let config = DemoConfig {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        character: Character { latency: given.latency.or(Some(LATENCY)), ..given },
        ..DemoConfig::default()
    };
    let server = DemoServer::start(config).map_err(Problem::usage)?;
    let overrides = Overrides {
        service: ServiceOptions { url: Some(server.url()), ..ServiceOptions::default() },
        load: LoadOptions {
            users: Some(arguments.users),
            duration: Some(arguments.duration),
            ..LoadOptions::default()
        },
        targets: Vec::new(),
    };
    let plan = scenario_plan("demo.toml", SCENARIO, Path::new(""), &overrides)?;
    let mut out = vec![ReportRequest::new(Format::Json, REPORT)];
    out.extend_from_slice(&arguments.out);
    let wishes = Wishes {
        workers: None,
        out: &out,
        record: arguments.record.as_deref(),
        inconclusive: WhenInconclusive::Warn,
        quiet: arguments.quiet,
    };
    let exit = run_plan(plan, wishes)?;
    if exit != Exit::Usage {
        let stream =
            if out.iter().any(ReportRequest::is_standard_output) { Stream::Err } else { Stream::Out };
        say(stream, &format!("\nReport written to {REPORT}. Next: pulse load --help\n"))?;
    }
    server.stop().map_err(Problem::internal)?;
    Ok(exit)
}

/// Runs the demo API until a signal comes.
fn serve(arguments: &ServeArguments) -> Result<Exit, Problem> {
    let config = DemoConfig {
        listen: (Ipv4Addr::LOCALHOST, arguments.port).into(),
        database: arguments.db.clone(),
        trades: arguments.trades,
        character: arguments.character.character(),
        group: arguments.group.clone().or_else(group_of_environment),
        workload: arguments.workload.clone(),
        ..DemoConfig::default()
    };
    let server = DemoServer::start(config).map_err(Problem::usage)?;
    let stop = StopHandle::default();
    stop_on_signal(&stop, Some("Stopping."))
        .map_err(|error| Problem::internal(format!("signals cannot be handled: {error}")))?;
    let data = server.data_set();
    let kind = if data.fresh { "new" } else { "existing" };
    let url = server.url();
    let greeting = format!(
        "Demo trading API on {url} ({kind} database with {} trades); try {url}/docs. Ctrl-C stops it.\n",
        data.trades
    );
    say(Stream::Out, &greeting)?;
    while !stop.is_stopped() {
        std::thread::park_timeout(std::time::Duration::from_millis(100));
    }
    server.stop().map_err(Problem::internal)?;
    Ok(Exit::Success)
}

/// The name with which services are told to share their figures.
fn group_of_environment() -> Option<String> {
    std::env::var("PULSE_GROUP").ok().filter(|group| !group.trim().is_empty())
}

fn say(stream: Stream, text: &str) -> Result<(), Problem> {
    stream.write(text).map_err(|error| Problem::usage(format!("the output cannot be written: {error}")))
}
