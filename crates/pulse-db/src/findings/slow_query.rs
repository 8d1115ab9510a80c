//! `slow_query`: statements that take long, or most of the time.

use pulse_model::{Finding, Severity};

use super::reading::{Reading, View, rows};
use super::shown;
use super::{Rule, Weighed, finding};
use crate::workload::Statement;

/// From this mean on a statement is slow by itself.
const SLOW_MEAN_NANOS: f64 = 50e6;
/// From this 95th percentile on as well.
const SLOW_P95_NANOS: f64 = 200e6;
/// From this share of all time on, if its mean is worth a look.
const LARGE_SHARE: f64 = 0.2;
/// The mean that is worth a look.
const NOTABLE_MEAN_NANOS: f64 = 5e6;

pub(super) const RULE: Rule = Rule {
    code: "slow_query",
    title: "a statement that takes long or most of the time",
    explanation: "Said of a statement with a mean of 50 ms or more, a 95th percentile of 200 ms or more, or a fifth of all time at \
        a mean of 5 ms or more. Times are measured where the statements were measured, and otherwise those that the workload \
        recorded. The evidence gives the arithmetic, and what in the plan costs the time: rows that are all read, sorting \
        beside the tables (a temporary b-tree), indexes that are built for one statement and thrown away (an automatic index). \
        What to do is in the other findings on the same tables, and in the indexes that `pulse db` recommends.",
    find,
};

/// How long the calls of a statement take.
#[derive(Clone, Copy)]
struct Times {
    mean: f64,
    p95: f64,
    /// Whether they were measured, rather than recorded in the workload.
    measured: bool,
}

fn find(view: &View<'_>) -> Vec<Weighed> {
    let statements = &view.input.workload.statements;
    let times: Vec<Option<Times>> =
        statements.iter().enumerate().map(|(at, statement)| times_of(view, at, statement)).collect();
    let total_of = |at: usize| times[at].map_or(0.0, |times| times.mean * statements[at].calls as f64);
    let all: f64 = (0..statements.len()).map(total_of).sum();
    let mut found = Vec::new();
    for (at, statement) in statements.iter().enumerate() {
        let Some(times) = times[at] else { continue };
        let share = if all > 0.0 { total_of(at) / all } else { 0.0 };
        let is_slow = times.mean >= SLOW_MEAN_NANOS || times.p95 >= SLOW_P95_NANOS;
        // A share is only telling among others.
        let is_large = statements.len() > 1 && share >= LARGE_SHARE && times.mean >= NOTABLE_MEAN_NANOS;
        if is_slow || is_large {
            let mut finding = describe(statement, times, total_of(at), share);
            finding.evidence.push(format!(
                "share: {} of {} in all statements",
                shown::share(share),
                shown::time(all)
            ));
            if let Some(reading) = view.readings.iter().find(|reading| reading.at == at) {
                finding.evidence.extend(costs(reading));
            }
            found.push(Weighed { weight: total_of(at), finding });
        }
    }
    found
}

fn times_of(view: &View<'_>, at: usize, statement: &Statement) -> Option<Times> {
    if let Some(Some(measured)) = view.input.measured.get(at) {
        return Some(Times { mean: measured.mean.0 as f64, p95: measured.p95.0 as f64, measured: true });
    }
    let mean = statement.durations.mean()?;
    let p95 = statement.durations.quantile(0.95)?.estimate as f64;
    Some(Times { mean, p95, measured: false })
}

fn describe(statement: &Statement, times: Times, total: f64, share: f64) -> Finding {
    let message = format!(
        "{} a call on average, 95 % within {}, {} in all: {} of the time of all statements",
        shown::time(times.mean),
        shown::time(times.p95),
        shown::time(total),
        shown::share(share)
    );
    let severity = if times.mean >= SLOW_MEAN_NANOS { Severity::Problem } else { Severity::Warning };
    let mut finding = finding(&RULE, severity, shown::statement(&statement.form), message);
    finding.evidence.push(format!(
        "{} calls × {} = {} ({})",
        shown::count(statement.calls),
        shown::time(times.mean),
        shown::time(total),
        if times.measured { "measured" } else { "as the workload recorded" }
    ));
    if !statement.origin.is_empty() {
        finding.evidence.push(format!("first seen at {}", statement.origin));
    }
    finding.help = Some(
        "See the other findings on its tables and the recommended indexes; `pulse db explain slow_query` tells how it was judged."
            .to_owned(),
    );
    finding
}

/// What in its plan costs time.
fn costs(reading: &Reading<'_>) -> Vec<String> {
    let scanned = reading.scans.iter().map(|scan| scan.table).map(|table| match rows(table) {
        Some(rows) => format!("reads all {} rows of {} (full scan)", shown::count(rows), table.name),
        None => format!("reads all rows of {} (full scan)", table.name),
    });
    let built = reading.indexed_for_once.iter();
    let built =
        built.map(|table| format!("builds an index on {} and throws it away (automatic index)", table.name));
    let sorts = reading.sorts();
    let sorts = sorts.map(|purpose| format!("sorts beside the tables for {purpose} (temporary b-tree)"));
    scanned.chain(built).chain(sorts).collect()
}
