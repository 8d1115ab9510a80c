//! `pulse test --ab`: two commands in turns.

use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use pulse_engine::StopHandle;
use pulse_model::{Effect, Measured};
use pulse_report::{Format, number};
use pulse_suite::{AbError, AbPlan, AbResult, AbRun, AbStop, Variant, run_ab};
use serde::Serialize;

use crate::arguments::TestArguments;
use crate::commands::test::print;
use crate::comparison::{difference, effect_word, interval};
use crate::exit::Exit;
use crate::interrupt::stop_on_signal;
use crate::problem::Problem;
use crate::report_files::{Place, ReportRequest, cannot_write};
use crate::terminal::Stream;

/// Version of the JSON document.
const VERSION: u32 = 1;
/// How often the stop of this process is passed on.
const STOP_CHECK: Duration = Duration::from_millis(50);

pub(crate) fn run(a: &str, b: &str, arguments: &TestArguments) -> Result<Exit, Problem> {
    let places = places(&arguments.out)?;
    let stop = StopHandle::default();
    let stop_ab = AbStop::default();
    stop_on_signal(&stop, Some("Stopping."))
        .map_err(|error| Problem::internal(format!("signals cannot be handled: {error}")))?;
    let (watched, passed_on) = (stop.clone(), stop_ab.clone());
    thread::spawn(move || {
        while !watched.is_stopped() {
            thread::park_timeout(STOP_CHECK);
        }
        passed_on.stop();
    });
    let plan = AbPlan { pairs: arguments.rounds, ..AbPlan::new(a, b) };
    let total = plan.pairs * 2;
    let is_occupied = arguments.out.iter().any(|request| request.path().is_none());
    let stream = if is_occupied { Stream::Err } else { Stream::Out };
    let is_live = stream.is_terminal() && !arguments.quiet;
    let mut done = 0;
    let result = run_ab(&plan, arguments.min_effect, &stop_ab, |run| {
        done += 1;
        if is_live {
            let took = number::millis(Some(run.wall.0 as f64));
            // A status line that cannot be written is none that anybody misses.
            let _ = stream.write(&format!("\r\u{1b}[K[{done}/{total}] {:?} {took}", run.variant));
        }
    });
    if is_live {
        print(stream, "\r\u{1b}[K")?;
    }
    let result = result.map_err(|error| match error {
        AbError::Watch { .. } => Problem::internal(error),
        error => Problem::usage(error),
    })?;
    print(stream, &text(&result, a, b, arguments.min_effect))?;
    for (request, place) in arguments.out.iter().zip(places) {
        let report = match request.format() {
            Format::Json => json(&result, a, b, arguments.min_effect)?,
            _ => markdown(&result, a, b, arguments.min_effect),
        };
        match (request.path(), place) {
            (Some(path), Some(place)) => {
                place.fill(path, report.as_bytes()).map_err(|error| cannot_write(path, error))?;
            }
            _ => print(Stream::Out, &report)?,
        }
    }
    Ok(match result.effect {
        _ if result.stopped => Exit::Interrupted,
        Effect::Regression => Exit::Regression,
        Effect::Improvement | Effect::Unchanged | Effect::Unclear => Exit::Success,
    })
}

/// The reports, each with the place that it will fill; known before anything is run.
fn places(requests: &[ReportRequest]) -> Result<Vec<Option<Place>>, Problem> {
    let place = |request: &ReportRequest| match request.format() {
        Format::Json | Format::Markdown => {
            let place = |path| Place::of(path).map_err(|error| cannot_write(path, error));
            request.path().map(place).transpose()
        }
        other => Err(Problem::usage(format!(
            "a comparison of two commands is written as json or md, not as {}",
            other.name()
        ))),
    };
    requests.iter().map(place).collect()
}

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    version: u32,
    a: &'a str,
    b: &'a str,
    min_effect: f64,
    #[serde(flatten)]
    result: &'a AbResult,
}

/// For programs: the ratios with their intervals, and every run in order, times in nanoseconds.
fn json(result: &AbResult, a: &str, b: &str, min_effect: f64) -> Result<String, Problem> {
    let document = Document { format: "pulse-ab", version: VERSION, a, b, min_effect, result };
    Ok(serde_json::to_string_pretty(&document).map_err(Problem::internal)? + "\n")
}

/// For a pull request.
fn markdown(result: &AbResult, a: &str, b: &str, min_effect: f64) -> String {
    let cell = |text: &str| number::printable(text).replace('|', "\\|");
    let mut text = format!("### {}\n\n", effect_word(result.effect));
    text.push_str("| | command | median | CPU | runs |\n|---|---|---:|---:|---:|\n");
    for (variant, command) in [(Variant::A, a), (Variant::B, b)] {
        let [wall, cpu] = medians(result, variant);
        let _ = writeln!(
            text,
            "| {variant:?} | `{}` | {wall} | {cpu} | {} |",
            cell(command),
            runs(result, variant)
        );
    }
    let _ = writeln!(
        text,
        "\nB against A: {}, CPU time {}; smallest change that matters: {}",
        ratio(result.wall.as_ref()),
        ratio(result.cpu.as_ref()),
        number::share(min_effect)
    );
    text
}

fn runs(result: &AbResult, variant: Variant) -> usize {
    result.runs.iter().filter(|run| run.variant == variant).count()
}

/// Median wall-clock and CPU time of a command.
fn medians(result: &AbResult, variant: Variant) -> [String; 2] {
    let median = |figure: fn(&AbRun) -> u64| {
        let mut times: Vec<u64> =
            result.runs.iter().filter(|run| run.variant == variant).map(figure).collect();
        times.sort_unstable();
        number::millis(times.get(times.len().saturating_sub(1) / 2).map(|&nanos| nanos as f64))
    };
    [median(|run| run.wall.0), median(|run| run.cpu.0)]
}

fn ratio(measured: Option<&Measured>) -> String {
    measured.map_or_else(
        || "not measured".to_owned(),
        |ratio| format!("{} (95% interval {})", difference(ratio.value), interval(ratio)),
    )
}

fn text(result: &AbResult, a: &str, b: &str, min_effect: f64) -> String {
    let mut text = String::new();
    for (variant, command) in [(Variant::A, a), (Variant::B, b)] {
        let [wall, cpu] = medians(result, variant);
        let (command, runs) = (number::printable(command), runs(result, variant));
        let _ = writeln!(text, "{variant:?}  {command}\n   median {wall}, CPU {cpu} ({runs} runs)");
    }
    let _ = writeln!(text, "\nB against A: {}", ratio(result.wall.as_ref()));
    let _ = writeln!(text, "CPU time:    {}", ratio(result.cpu.as_ref()));
    let stopped = if result.stopped { "; stopped before its end" } else { "" };
    let _ = writeln!(
        text,
        "{} (smallest change that matters: {}){stopped}",
        effect_word(result.effect),
        number::share(min_effect)
    );
    text
}
