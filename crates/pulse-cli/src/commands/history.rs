//! `pulse history`: the runs that were kept.

use pulse_model::{Ending, Verdict};
use pulse_report::number;
use pulse_stats::EDivisive;
use pulse_suite::{
    ChartCharacters, History, HistoryChange, HistoryPoint, Origin, PlanChange, RunFilter, RunRow, TrendChart,
    changes_over, metric_unit, plan_changes,
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
/// Most changes of a case's plan that are named, the newest.
const MAX_PLANS: usize = 5;
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
    let nothing = |what: &str| {
        Problem::usage(format!("{what}; `pulse test` adds runs to a history, and --history names another"))
    };
    let history = history.ok_or_else(|| nothing(&format!("there is no history {path}")))?;
    // Nothing to show is the same whether the file is missing or empty, and whatever is asked for.
    if history.latest(&RunFilter::default()).map_err(Problem::usage)?.is_none() {
        return Err(nothing(&format!("the history {path} is empty")));
    }
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
        result(run),
        run.cases.to_string(),
        commit(&run.origin),
        or_none(run.origin.branch.as_deref().unwrap_or_default()),
        or_none(&run.origin.machine),
        or_none(&run.baselines.join(", ")),
        or_none(&run.suite),
    ]
}

/// The verdict, and how the run ended unless it came to its end.
fn result(run: &RunRow) -> String {
    let verdict = run.verdict.map_or("-", Verdict::as_str);
    match run.ending {
        Ending::Finished => verdict.to_owned(),
        Ending::Interrupted => format!("{verdict}, interrupted"),
        Ending::Truncated => format!("{verdict}, cut short"),
    }
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
            _ => {
                Problem::usage("the history has only runs that were interrupted, which are no part of trends")
            }
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
        if arguments.changes {
            let points = history.series(id, "requests", &filter).map_err(Problem::usage)?;
            let plans = plan_changes(&points);
            found += plans.len();
            of_case = planned(&plans);
        }
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
    let before = change.last.origin.commit.as_ref().map(|_| commit(&change.last.origin));
    let before = before.map_or_else(String::new, |before| format!("; the one before was {before}"));
    format!(
        "  {metric:<15}  {} → {}{by} with run {} ({}{before}){machine}\n",
        figure_of(metric, change.before),
        figure_of(metric, change.after),
        change.first.run.0,
        moment(&change.first),
    )
}

/// When a run was made, and of which commit where that is known.
fn moment(point: &HistoryPoint) -> String {
    let time = time(&point.started);
    match point.origin.commit {
        Some(_) => format!("{time}, commit {}", commit(&point.origin)),
        None => time,
    }
}

/// The newest changes of what a case does, which are no changes of the service.
fn planned(changes: &[PlanChange]) -> String {
    let unknown = |plan: &str| if plan.is_empty() { "unknown".to_owned() } else { plan.to_owned() };
    let mut text = String::new();
    let skipped = changes.len().saturating_sub(MAX_PLANS);
    if skipped > 0 {
        let _ = writeln!(text, "  {:<15}  {skipped} earlier changes", "plan");
    }
    for change in &changes[skipped..] {
        let (before, after) = (unknown(&change.before), unknown(&change.first.plan));
        let _ = writeln!(
            text,
            "  {:<15}  {} → {} with run {} ({}); figures before and after are not compared",
            "plan",
            number::printable(&before),
            number::printable(&after),
            change.first.run.0,
            moment(&change.first),
        );
    }
    text
}
