//! `full_scan`: every row is read to find some.

use pulse_model::Severity;

use super::reading::{Reading, Scan, View, is_answerable, rows, shown_term};
use super::redundancy::is_ours;
use super::shown;
use super::{MIN_ROWS, Rule, Weighed, finding};
use crate::catalog::Table;

/// From this many rows a call on, or ten times as many in all calls, it is a problem.
const MANY_ROWS: u64 = 100_000;
/// Statements that are named.
const SHOWN: usize = 5;

pub(super) const RULE: Rule = Rule {
    code: "full_scan",
    title: "all rows of a table are read to find some",
    explanation: "The planner asked for some rows of the table (by equality, a range or IS NULL) and no index answered, so that \
        every call reads the whole table: its time grows with the table, and its pages push others out of the cache. Not said of \
        tables of less than 1 000 rows, which are read faster than they are searched, nor of statements that want every row, \
        nor of an extension's tables. There is no index here on purpose: the best one depends on all statements together, on \
        its size and on what it costs writers, so it comes from the selection over the whole workload, which is measured. A \
        condition that most rows meet is answered best by reading them all; then the selection recommends nothing.",
    find,
};

fn find(view: &View<'_>) -> Vec<Weighed> {
    let mut found = Vec::new();
    for table in view.input.catalog.tables.iter().filter(|table| is_ours(table)) {
        let size = rows(table);
        if size.is_some_and(|rows| rows < MIN_ROWS) {
            continue;
        }
        let scans = view.readings.iter().filter_map(|reading| {
            let scan = reading.scans.iter().find(|scan| std::ptr::eq(scan.table, table))?;
            // That it is to be written differently says all of this, and more.
            let is_said =
                view.input.rewrites.iter().any(|it| it.statement == reading.at && it.table.is(&table.name));
            (!is_said).then(|| (reading, conditions(reading, *scan)))
        });
        let by: Vec<(&Reading<'_>, Vec<String>)> =
            scans.filter(|(_, conditions)| !conditions.is_empty()).collect();
        if !by.is_empty() {
            found.push(describe(table, size, &by));
        }
    }
    found
}

/// The conditions that an index could answer.
fn conditions(reading: &Reading<'_>, scan: Scan<'_>) -> Vec<String> {
    let answerable = reading
        .questions(scan.table)
        .flat_map(|question| &question.conditions)
        .filter(|condition| is_answerable(condition) && !(scan.outermost && condition.joins));
    let mut terms: Vec<String> = answerable.map(|condition| shown_term(&condition.term)).collect();
    terms.sort();
    terms.dedup();
    terms
}

fn describe(table: &Table, rows: Option<u64>, by: &[(&Reading<'_>, Vec<String>)]) -> Weighed {
    let calls: u64 = by.iter().map(|(reading, _)| reading.statement.calls).sum();
    let read = rows.unwrap_or(0).saturating_mul(calls);
    let (of, sum) = match rows {
        Some(rows) => (
            format!("all {} rows of {}", shown::count(rows), table.name),
            format!(
                "{} calls × {} rows = {} rows read",
                shown::count(calls),
                shown::count(rows),
                shown::count(read)
            ),
        ),
        None => (format!("all rows of {}", table.name), format!("{} calls", shown::count(calls))),
    };
    let who =
        if by.len() == 1 { "1 statement reads".to_owned() } else { format!("{} statements read", by.len()) };
    let is_much = rows.is_some_and(|rows| rows >= MANY_ROWS) || read >= 10 * MANY_ROWS;
    let severity = if is_much { Severity::Problem } else { Severity::Warning };
    let mut finding = finding(
        &RULE,
        severity,
        table.name.to_string(),
        format!("{who} {of} at every call to find some of them"),
    );
    finding.evidence.push(sum);
    for (reading, conditions) in by.iter().take(SHOWN) {
        finding.evidence.push(format!(
            "{} calls, by {}: {}",
            shown::count(reading.statement.calls),
            conditions.join(", "),
            shown::statement(&reading.statement.form)
        ));
    }
    if by.len() > SHOWN {
        finding.evidence.push(format!("and {} more statements", by.len() - SHOWN));
    }
    finding.help = Some(
        "See the recommended indexes: they are chosen over the whole workload, and measured.".to_owned(),
    );
    Weighed { weight: read as f64, finding }
}
