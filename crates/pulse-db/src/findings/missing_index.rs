//! `missing_index`: the database builds an index for one statement, every time.

use pulse_model::Severity;

use super::reading::{Reading, View, rows};
use super::redundancy::is_ours;
use super::shown;
use super::{MIN_ROWS, Rule, Weighed, finding};

/// Statements that are named.
const SHOWN: usize = 5;

pub(super) const RULE: Rule = Rule {
    code: "missing_index",
    title: "an index is built for one statement and thrown away",
    explanation: "The planner found that building an index on the table, using it once and throwing it away is still cheaper than \
        going without (an AUTOMATIC INDEX in its plan): the strongest sign there is that one is missing. Every call reads \
        and sorts the whole table for it. Not said of tables of less than 1 000 rows. There is no index here on purpose: the \
        best one depends on all statements together and on what it costs writers, so it comes from the selection over the whole \
        workload, which is measured.",
    find,
};

fn find(view: &View<'_>) -> Vec<Weighed> {
    let mut found = Vec::new();
    for table in view.input.catalog.tables.iter().filter(|table| is_ours(table)) {
        let size = rows(table);
        let by: Vec<&Reading<'_>> = view
            .readings
            .iter()
            .filter(|reading| reading.indexed_for_once.iter().any(|other| std::ptr::eq(*other, table)))
            .collect();
        if by.is_empty() || size.is_some_and(|rows| rows < MIN_ROWS) {
            continue;
        }
        let calls: u64 = by.iter().map(|reading| reading.statement.calls).sum();
        let message = format!("{} is indexed anew at every one of {} calls", table.name, shown::count(calls));
        let mut finding = finding(&RULE, Severity::Problem, table.name.to_string(), message);
        let built = size.unwrap_or(0).saturating_mul(calls);
        if let Some(rows) = size {
            finding.evidence.push(format!(
                "{} calls × {} rows = {} rows read and sorted into an index that is thrown away",
                shown::count(calls),
                shown::count(rows),
                shown::count(built)
            ));
        }
        let shown = by.iter().take(SHOWN).map(|reading| shown::statement(&reading.statement.form));
        finding.evidence.extend(shown);
        finding.help = Some(
            "See the recommended indexes: they are chosen over the whole workload, and measured.".to_owned(),
        );
        found.push(Weighed { weight: built as f64, finding });
    }
    found
}
