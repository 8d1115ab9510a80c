//! `pulse history`: the runs that were kept.

use pulse_model::Verdict;
use pulse_report::number;
use pulse_stats::EDivisive;
use pulse_suite::{
    ChartCharacters, History, HistoryChange, HistoryPoint, Origin, RunFilter, RunRow, TrendChart,
    changes_over, metric_unit,
};
use std::fmt::Write as _;

use crate::arguments::HistoryArguments;
use crate::commands::test::print;
use crate::comparison::{difference, figure};
use crate::comparison_report::aligned;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::terminal::Stream;

/// Runs in the list unless a flag says otherwise.
const LISTED: u32 = 20;
/// Runs of a trend unless a flag says otherwise.
const FOLLOWED: u32 = 1000;
/// Most cases whose trends are drawn at once.
const MAX_CASES: usize = 50;
/// Columns of a chart where there is no terminal.
const COLUMNS: usize = 60;
/// Columns beside a chart: the figure's name, the values.
const BESIDE: usize = 44;
/// Figures that are followed, in the order in which they are shown.
const FIGURES: [&str; 10] = [
    "p50",
    "p95",
    "p99",
    "avg",
    "throughput",
    "errors",
    "memory_growth",
    "cpu",
    "cpu_per_request",
    "degradation",
];

pub(crate) fn run(arguments: &HistoryArguments) -> Result<Exit, Problem> {
    let path = arguments.history.display();
    let history = History::open_existing(&arguments.history).map_err(Problem::usage)?;
    let Some(history) = history else {
        return Err(Problem::usage(format!(
            "there is no history {path}; `pulse test` makes one, and --history names another"
        )));
    };
    let text = match &arguments.case {
        None if !arguments.changes => list(&history, arguments.limit.unwrap_or(LISTED))?,
        case => follow(&history, case.as_deref(), arguments)?,
    };
    print(Stream::Out, &text)?;
    Ok(Exit::Success)
}

fn list(history: &History, limit: u32) -> Result<String, Problem> {
    let filter = RunFilter { limit: Some(limit), ..RunFilter::default() };
    let runs = history.runs(&filter).map_err(Problem::usage)?;
    if runs.is_empty() {
        return Ok("The history is empty: `pulse test` adds a run to it.\n".to_owned());
    }
    let head =
        ["run", "started (UTC)", "result", "cases", "commit", "branch", "machine", "baseline", "suite"];
    let rows: Vec<[String; 9]> =
        std::iter::once(head.map(str::to_owned)).chain(runs.iter().map(row)).collect();
    Ok(aligned(&rows, rows[0].len()))
}

fn row(run: &RunRow) -> [String; 9] {
    let or_none =
        |text: &str| if text.is_empty() { "-".to_owned() } else { number::printable(text).into_owned() };
    [
        run.id.0.to_string(),
        time(&run.started),
        run.verdict.map_or("-", Verdict::as_str).to_owned(),
        run.cases.to_string(),
        commit(&run.origin),
        or_none(run.origin.branch.as_deref().unwrap_or_default()),
        or_none(&run.origin.machine),
        or_none(&run.baselines.join(", ")),
        or_none(&run.suite),
    ]
}

/// `2026-01-31 12:00:00`.
fn time(started: &str) -> String {
    let text = started.get(..19).unwrap_or(started).replace('T', " ");
    number::printable(&text).into_owned()
}

/// The first digits, with `+` where there were changes that were not committed.
fn commit(origin: &Origin) -> String {
    let commit = origin.commit.as_deref().map(|commit| commit.get(..8).unwrap_or(commit));
    let dirty = if origin.dirty { "+" } else { "" };
    commit.map_or_else(|| "-".to_owned(), |commit| format!("{}{dirty}", number::printable(commit)))
}

/// Trends or changes of the cases that are meant.
fn follow(history: &History, case: Option<&str>, arguments: &HistoryArguments) -> Result<String, Problem> {
    let all = history.case_ids(&RunFilter::default()).map_err(Problem::usage)?;
    let begins = |id: &&String| case.is_none_or(|case| id.starts_with(case));
    let mut cases: Vec<&String> = match case.and_then(|case| all.iter().find(|id| *id == case)) {
        Some(exact) => vec![exact],
        None => all.iter().filter(begins).collect(),
    };
    if cases.is_empty() {
        return Err(match case {
            Some(case) if !all.is_empty() => Problem::usage(format!(
                "the history has no case whose id begins with `{}`; it has {}",
                case.escape_debug(),
                some(&all)
            )),
            _ => Problem::usage("the history is empty: `pulse test` adds a run to it"),
        });
    }
    let mut text = String::new();
    if !arguments.changes && cases.len() > MAX_CASES {
        text = format!("{} of {} cases; name one to see it alone\n\n", MAX_CASES, cases.len());
        cases.truncate(MAX_CASES);
    }
    let filter = RunFilter { limit: Some(arguments.limit.unwrap_or(FOLLOWED)), ..RunFilter::default() };
    let mut found = 0;
    for id in cases {
        let mut of_case = String::new();
        for metric in FIGURES {
            let points = history.series(id, metric, &filter).map_err(Problem::usage)?;
            let changes = changes_over(&points, &EDivisive::default());
            found += changes.len();
            if arguments.changes {
                changes.iter().for_each(|change| of_case.push_str(&told(metric, change)));
            } else {
                of_case.push_str(&drawn(metric, &points, &changes));
            }
        }
        if !of_case.is_empty() {
            let id = number::printable(id);
            let _ = write!(text, "{id}\n{of_case}");
        }
    }
    if arguments.changes && found == 0 {
        text.push_str("No run changed a figure by more than chance.\n");
    }
    Ok(text)
}

fn some(ids: &[String]) -> String {
    const SHOWN: usize = 10;
    let names = ids.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if ids.len() > SHOWN { format!("{names} and {} more", ids.len() - SHOWN) } else { names }
}

/// One figure as a chart.
fn drawn(metric: &str, points: &[HistoryPoint], changes: &[HistoryChange]) -> String {
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    // A figure that was never anything but zero has no trend.
    if values.iter().all(|value| *value == 0.0) {
        return String::new();
    }
    let width = match usize::from(Stream::Out.width()) {
        0 => COLUMNS,
        width => width.saturating_sub(BESIDE).max(10),
    };
    let at: Vec<usize> = changes.iter().map(|change| change.at).collect();
    let chart = TrendChart { width, characters: characters() }.draw(&values, &at);
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| figure_of(metric, value));
    let last = shown(values.last().copied());
    let range = format!("{} … {}", shown(chart.lowest), shown(chart.highest));
    let mut text = format!("  {metric:<15}  {}  {last} ({range})\n", chart.line);
    if !chart.marks.is_empty() {
        let _ = writeln!(text, "  {:<15}  {}", "", chart.marks);
    }
    text
}

fn figure_of(metric: &str, value: f64) -> String {
    let shown = figure(metric_unit(metric), value);
    if metric == "memory_growth" { format!("{shown}/request") } else { shown }
}

/// Blocks where the terminal is said to write Unicode.
fn characters() -> ChartCharacters {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let is_plain = locale.is_some_and(|locale| !locale.to_lowercase().replace('-', "").contains("utf8"));
    if is_plain { ChartCharacters::Ascii } else { ChartCharacters::Blocks }
}

/// A change of level as a line.
fn told(metric: &str, change: &HistoryChange) -> String {
    let by = change.ratio.map_or_else(String::new, |ratio| format!(", {}", difference(ratio)));
    let machine = if change.other_machine { "; on another machine" } else { "" };
    format!(
        "  {metric:<15}  {} → {}{by} with run {} ({}, commit {}; the one before was {}){machine}\n",
        figure_of(metric, change.before),
        figure_of(metric, change.after),
        change.first.run.0,
        time(&change.first.started),
        commit(&change.first.origin),
        commit(&change.last.origin),
    )
}
