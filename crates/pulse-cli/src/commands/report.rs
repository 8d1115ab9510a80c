//! `pulse report`: a recorded run through the same reporters.

use std::fs::File;
use std::io::BufReader;

use pulse_engine::Collector;
use pulse_live::{Recording, charts, read_recording};
use pulse_model::{Ending, EventKind, Summary};

use crate::arguments::ReportArguments;
use crate::commands::load::{show, write_human};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report_files::ReportFiles;
use crate::terminal::{Stream, note};

pub(crate) fn run(arguments: &ReportArguments) -> Result<Exit, Problem> {
    let path = arguments.recording.display();
    let reports = ReportFiles::prepare(&arguments.out)?;
    let file = File::open(&arguments.recording)
        .map_err(|error| Problem::usage(format!("{path} cannot be read: {error}")))?;
    let recording = read_recording(BufReader::new(file))
        .map_err(|error| Problem::usage(format!("{path} cannot be replayed: {error}")))?;
    let summary = summary(&recording)
        .ok_or_else(|| Problem::usage(format!("{path} holds no run: it ends before the load began")))?;
    if summary.ending == Ending::Truncated {
        note(&format!("warning: {path} ends before the run did; this is what it holds"));
    }
    if arguments.out.is_empty() {
        show(&summary, Stream::Out, true)?;
        let drawn = charts(&summary, Stream::Out.width(), Stream::Out.is_colored());
        if let Some(drawn) = drawn {
            write_human(Stream::Out, &format!("\n{drawn}"))?;
        }
    }
    reports.write(&summary)?;
    Ok(Exit::of(&summary, arguments.inconclusive))
}

/// The summary that was recorded, or the one that follows from what was recorded; `None` when nothing was.
pub(crate) fn summary(recording: &Recording) -> Option<Summary> {
    if let Some(summary) = recording.summary() {
        return Some(summary.clone());
    }
    let mut collector = Collector::new(recording.run()?.clone());
    for event in &recording.events {
        match &event.kind {
            EventKind::Snapshot(interval) => collector.replay(interval),
            other => collector.note(event.at, other),
        }
    }
    Some(collector.finish(Ending::Truncated))
}
