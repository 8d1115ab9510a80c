//! `pulse compare`: two runs that were kept.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use pulse_live::read_recording;
use pulse_model::{Effect, EventKind, Snapshot};
use pulse_suite::{
    BaselineError, CaseRecord, History, Origin, RunData, RunId, RunRecord, load_baseline, read_baseline,
};

use crate::arguments::CompareArguments;
use crate::commands::report::summary;
use crate::commands::test::print;
use crate::comparison::{Compared, Pairing, options, spreads_of};
use crate::comparison_report::{ComparisonFormat, ComparisonReport};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report_files::{Place, cannot_write, check_standard_output};
use crate::terminal::Stream;

pub(crate) fn run(arguments: &CompareArguments) -> Result<Exit, Problem> {
    let mut places = Vec::new();
    for request in &arguments.out {
        if let (ComparisonFormat::Picture(format), None) = (request.format, &request.path) {
            check_standard_output(format)?;
        }
        let place =
            request.path.as_deref().map(|path| Place::of(path).map_err(|error| cannot_write(path, error)));
        places.push(place.transpose()?);
    }
    let history = History::open_existing(&arguments.history).map_err(Problem::usage)?;
    let (before, is_recording) = load(&arguments.before, history.as_ref())?;
    let (after, is_other_recording) = load(&arguments.after, history.as_ref())?;
    let pairing = if is_recording && is_other_recording { Pairing::Recordings } else { Pairing::Ids };
    let spreads = spreads_of(history.as_ref(), &after).map_err(Problem::usage)?;
    let compared = Compared::new(&before, &after, pairing, &spreads, &options(arguments.min_effect));
    if compared.pairs.is_empty() {
        return Err(Problem::usage(format!(
            "{} and {} have no case in common: {} against {}",
            arguments.before,
            arguments.after,
            ids(&before),
            ids(&after)
        )));
    }
    let report = ComparisonReport {
        before: (&arguments.before, &before),
        after: (&arguments.after, &after),
        compared: &compared,
        min_effect: arguments.min_effect,
    };
    let occupied = arguments.out.iter().any(|request| request.path.is_none());
    print(if occupied { Stream::Err } else { Stream::Out }, &report.text())?;
    for (request, place) in arguments.out.iter().zip(places) {
        let bytes = report.render(request.format).map_err(Problem::internal)?;
        match (&request.path, place) {
            (Some(path), Some(place)) => {
                place.fill(path, &bytes).map_err(|error| cannot_write(path, error))?;
            }
            _ => Stream::Out
                .write_bytes(&bytes)
                .map_err(|error| Problem::usage(format!("the output cannot be written: {error}")))?,
        }
    }
    Ok(if compared.effect() == Effect::Regression { Exit::Regression } else { Exit::Success })
}

fn ids(run: &RunRecord) -> String {
    match &run.cases[..] {
        [] => "no cases".to_owned(),
        [one] => one.id.clone(),
        [first, rest @ ..] => format!("{} and {} more", first.id, rest.len()),
    }
}

/// A run by its number in the history, by the name of a baseline, or from a file: a baseline or a recording; and whether it
/// is a recording.
fn load(name: &str, history: Option<&History>) -> Result<(RunRecord, bool), Problem> {
    let of_suite = |run| (run, false);
    let path = Path::new(name);
    if path.is_file() {
        return match read_baseline(path) {
            Err(BaselineError::NotABaseline { .. } | BaselineError::TooLarge { .. })
                if !path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json")) =>
            {
                Ok((recording(path)?, true))
            }
            read => read.map(of_suite).map_err(Problem::usage),
        };
    }
    if path.extension().is_some_and(|end| end == "pulse") {
        return Err(Problem::usage(format!("there is no recording {name}")));
    }
    if let (Ok(number), Some(history)) = (name.parse(), history)
        && history.baseline(name).map_err(Problem::usage)?.is_none()
    {
        return history.load(RunId(number)).map(of_suite).map_err(Problem::usage);
    }
    load_baseline(history, name).map(of_suite).map_err(Problem::usage)
}

/// A recording of `pulse load` as a run of one case.
fn recording(path: &Path) -> Result<RunRecord, Problem> {
    let name = path.display();
    let file = File::open(path).map_err(|error| Problem::usage(format!("{name} cannot be read: {error}")))?;
    let recording = read_recording(BufReader::new(file))
        .map_err(|error| Problem::usage(format!("{name} cannot be compared: {error}")))?;
    let summary = summary(&recording)
        .ok_or_else(|| Problem::usage(format!("{name} holds no run: it ends before the load began")))?;
    let judged: Vec<&Snapshot> = recording
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Snapshot(interval) if !interval.point.warmup => Some(&interval.snapshot),
            _ => None,
        })
        .collect();
    let suite = summary.run.name.clone();
    let data = RunData::new(summary.clone(), judged);
    let case = CaseRecord { id: suite.clone(), data };
    Ok(RunRecord::new(&suite, Origin::default(), summary, vec![case]))
}
