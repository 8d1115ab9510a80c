//! `missing_statistics`: the planner guesses.

use pulse_model::{Fix, Severity};

use super::reading::{View, rows};
use super::redundancy::is_ours;
use super::shown;
use super::{MIN_ROWS, Rule, Weighed, finding};
use crate::catalog::Table;
use crate::quote::{literal, name, qualified};

pub(super) const RULE: Rule = Rule {
    code: "missing_statistics",
    title: "tables that were never analyzed",
    explanation: "Without the numbers that ANALYZE takes, the planner guesses how many rows a value of an index has (about ten), and \
        which table of a join is the smaller one. Said of tables of 1 000 rows or more between whose indexes there is \
        something to choose, and in one finding for all of them. `pulse db --analyze-stats` analyzes and shows which plans \
        change. ANALYZE adds the table sqlite_stat1 to the database, and sqlite_stat4 where the library that runs it was built \
        so, as this one is; the undo empties both of these tables' rows. Run it again when the data has changed much, or \
        PRAGMA optimize from the application.",
    find,
};

fn find(view: &View<'_>) -> Vec<Weighed> {
    let tables: Vec<&Table> = view
        .input
        .catalog
        .tables
        .iter()
        .filter(|table| is_ours(table) && table.analyzed_rows.is_none() && has_choice(table))
        .filter(|table| rows(table).is_some_and(|rows| rows >= MIN_ROWS))
        .collect();
    if tables.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> = tables.iter().map(|table| table.name.to_string()).collect();
    let message = format!(
        "The planner guesses how many rows the values of {} indexes have: {} was never analyzed",
        tables.iter().map(|table| table.indexes.len()).sum::<usize>(),
        names.join(", ")
    );
    let mut finding = finding(&RULE, Severity::Note, names.join(", "), message);
    for table in &tables {
        let size = shown::count(rows(table).unwrap_or(0));
        finding.evidence.push(format!(
            "{}: {size} rows, {} indexes, no statistics",
            table.name,
            table.indexes.len()
        ));
    }
    finding.help = Some("Run `pulse db --analyze-stats`: it shows which plans change.".to_owned());
    let sql = tables.iter().map(|table| format!("ANALYZE {}", qualified(&table.name))).collect();
    let forget = |table: &&Table| {
        let (schema, table) = (name(&table.name.schema), literal(&table.name.name));
        ["sqlite_stat1", "sqlite_stat4"]
            .map(|from| format!("DELETE FROM {schema}.{from} WHERE tbl = {table}"))
    };
    let mut undo: Vec<String> = tables.iter().flat_map(forget).collect();
    // The planner reads the numbers when the database is opened, or now.
    undo.push("ANALYZE sqlite_schema".to_owned());
    finding.fix = Some(Fix { sql, undo });
    vec![Weighed { weight: tables.len() as f64, finding }]
}

/// Whether numbers could change a plan: an index that is not unique has values with many rows or with few.
fn has_choice(table: &Table) -> bool {
    table.indexes.iter().any(|index| !index.unique || index.parts.len() > 1)
}
