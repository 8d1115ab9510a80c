//! `pulse monitor`: watches something that runs.

use std::sync::Arc;

use pulse_engine::{Collector, StopHandle, host_info};
use pulse_live::{Feed, Hub};
use pulse_model::{Ending, RunInfo, Summary};
use pulse_plan::ServiceOptions;
use pulse_report::header;

use crate::arguments::{MonitorArguments, MonitorSource};
use crate::attach::{HttpSource, ProcessSource, SharedSource, Source, Watch, WatchPlan, lock};
use crate::commands::load::{Wishes, add_outputs, check_output, show, write_human};
use crate::dashboard::serve;
use crate::exit::Exit;
use crate::interrupt::stop_on_signal;
use crate::problem::Problem;
use crate::report_files::ReportFiles;
use crate::terminal::Stream;

/// What people read after Ctrl-C.
const STOPPING: &str = "Stopping: the summary follows. Ctrl-C again to quit.";

pub(crate) fn run(arguments: &MonitorArguments) -> Result<Exit, Problem> {
    arguments.check()?;
    let mut source = open(arguments)?;
    if !source.has_requests()
        && let Some(target) = arguments.targets.first()
    {
        return Err(Problem::usage(format!(
            "`{target}` cannot be judged: a process says nothing about its requests; watch its URL or its group instead"
        )));
    }
    let first = source.read().map_err(|error| error.problem())?;
    let reports = ReportFiles::prepare(&arguments.out)?;
    let stream = reports.human_stream();
    let mut hub = Hub::new();
    let wishes = Wishes {
        workers: None,
        out: &arguments.out,
        record: arguments.record.as_deref(),
        inconclusive: arguments.inconclusive,
        quiet: arguments.quiet,
        dashboard: None,
    };
    add_outputs(&mut hub, stream, wishes, Some(arguments.window))?;
    let info = info(arguments, &source);
    let plan = WatchPlan { info: info.clone(), every: arguments.every, window: arguments.window };
    let mut watch = Watch::new(plan);
    let token = arguments.token.as_deref();
    let server = arguments.serve.map(|address| serve("--serve", address, token, feed(&mut watch, &info)));
    let server = server.transpose()?;
    let stop = StopHandle::default();
    let live = stream.is_terminal() && !arguments.quiet;
    stop_on_signal(&stop, (!live).then_some(STOPPING))
        .map_err(|error| Problem::internal(format!("signals cannot be handled: {error}")))?;
    write_human(stream, &header(&info))?;
    if let Some((_, greeting)) = &server {
        write_human(stream, greeting)?;
    }
    let summary = watch.run(&mut source, first, &stop, &mut |event| {
        hub.send(event);
    });
    drop(server);
    Ok(finish(&summary, hub, reports, stream, wishes))
}

fn finish(summary: &Summary, hub: Hub, reports: ReportFiles, stream: Stream, wishes: Wishes<'_>) -> Exit {
    let outputs: Vec<_> = hub.close().iter().map(|output| check_output(output, wishes.record)).collect();
    let mut exit = Exit::of(summary, wishes.inconclusive);
    let shown = show(summary, stream, false);
    let written = reports.write(summary);
    for problem in outputs.into_iter().chain([shown, written]).filter_map(Result::err) {
        problem.print();
        exit = problem.exit;
    }
    exit
}

fn open(arguments: &MonitorArguments) -> Result<Source, Problem> {
    match arguments.what()? {
        MonitorSource::Url(url) => {
            let options = ServiceOptions { url: Some(url), ..arguments.access.options()? };
            Ok(Source::Http(Box::new(HttpSource::new(&options, arguments.timeout)?)))
        }
        MonitorSource::Process(pid) => Ok(Source::Process(Box::new(ProcessSource::open(pid)?))),
        MonitorSource::Group(group) => Ok(Source::Shared(Box::new(SharedSource::open(&group)?))),
    }
}

fn info(arguments: &MonitorArguments, source: &Source) -> RunInfo {
    RunInfo {
        kind: "monitor".to_owned(),
        name: source.name(),
        service: source.name(),
        duration: arguments.length,
        targets: arguments.targets.clone(),
        started: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: host_info(),
        ..RunInfo::default()
    }
}

/// What a server serves of a watch.
fn feed(watch: &mut Watch, info: &RunInfo) -> Feed {
    let (windows, info) = (watch.windows(), info.clone());
    let (totals, summary) = (watch.so_far(), watch.so_far());
    Feed {
        totals: Arc::new(move || lock(&totals).totals().clone()),
        summary: Arc::new(move |_| {
            // As if it were stopped now.
            let collector = lock(&summary).clone();
            collector.finish(Ending::Interrupted)
        }),
        window: Some(Arc::new(move |span| {
            let parts = lock(&windows).parts(span)?;
            // As if nothing had been watched but the window; its end is not the watch's.
            let mut collector = Collector::new(RunInfo { duration: None, ..info.clone() });
            for part in parts {
                if let Some(interval) = part.interval {
                    collector.interval(interval, part, None, None);
                }
            }
            Some(collector.finish(Ending::Interrupted))
        })),
    }
}
