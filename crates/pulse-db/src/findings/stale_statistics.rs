//! `stale_statistics`: the planner decides on numbers that are no longer true.

use pulse_model::{Fix, Severity};

use super::reading::View;
use super::redundancy::is_ours;
use super::shown;
use super::{MIN_ROWS, Rule, Weighed, finding};
use crate::catalog::Table;
use crate::quote::qualified;

/// SQLite's own `PRAGMA optimize` analyzes again at this change.
const FACTOR: f64 = 10.0;

pub(super) const RULE: Rule = Rule {
    code: "stale_statistics",
    title: "the planner believes in a size that is long past",
    explanation: "The planner chooses between indexes, and the order of joins, by the numbers that ANALYZE left in sqlite_stat1. Here \
        they differ from the rows there are by ten times or more, which is where SQLite's own PRAGMA optimize analyzes again. \
        Plans may be as wrong as the numbers. `pulse db --analyze-stats` analyzes, shows which plans change, and keeps the \
        old numbers; that is also the undo, as no statement brings them back. In the application, run PRAGMA optimize before \
        closing long-lived connections.",
    find,
};

fn find(view: &View<'_>) -> Vec<Weighed> {
    let mut found = Vec::new();
    for table in view.input.catalog.tables.iter().filter(|table| is_ours(table)) {
        let (Some((rows, believed)), false) = (stale(table), table.indexes.is_empty()) else { continue };
        let factor = rows.max(believed) as f64 / rows.min(believed).max(1) as f64;
        let message = format!(
            "The planner believes that {} has {} rows; it has {}, so that it may choose the wrong index or order of joins",
            table.name,
            shown::count(believed),
            shown::count(rows)
        );
        let mut finding = finding(&RULE, Severity::Warning, table.name.to_string(), message);
        finding.evidence.push(format!(
            "{} : {} = {factor:.0} times {}",
            shown::count(rows.max(believed)),
            shown::count(rows.min(believed)),
            if rows > believed { "more" } else { "fewer" }
        ));
        finding.help = Some(
            "Run `pulse db --analyze-stats`: it shows which plans change and keeps the old numbers."
                .to_owned(),
        );
        finding.fix =
            Some(Fix { sql: vec![format!("ANALYZE {}", qualified(&table.name))], undo: Vec::new() });
        found.push(Weighed { weight: factor, finding });
    }
    found
}

/// The rows of a table and those that the planner believes in, where they are far apart. Only what was counted counts.
pub(super) fn stale(table: &Table) -> Option<(u64, u64)> {
    let (rows, believed) = (table.rows?, table.analyzed_rows?);
    let (most, fewest) = (rows.max(believed), rows.min(believed));
    (most >= MIN_ROWS && most as f64 / fewest.max(1) as f64 >= FACTOR).then_some((rows, believed))
}
