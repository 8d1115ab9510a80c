//! `unused_index`: an index that no statement of the given workload uses.

use pulse_model::Severity;

use super::reading::{Reading, is_in_the_dark, mentions, readings};
use super::redundancy::{Keeper, insisting, is_ours, may_go, redundant};
use super::redundant_index::dropped;
use super::shown;
use super::{FindingsInput, Rule, Weighed, finding};
use crate::catalog::{Index, Table, Term};
use crate::plan::EffectKind;
use crate::tokens::{Token, tokens};

pub(super) const RULE: Rule = Rule {
    code: "unused_index",
    title: "an index that the workload given does not use",
    explanation: "A database file keeps no history of its statements, so this says no more than: unused by the workload you gave. \
        A monthly report that was not running is not in it. It is said only of tables that the workload reads, when all its \
        statements on that table could be explained, and never of an index that enforces uniqueness, that begins with a \
        column of a foreign key (SQLite uses it to check the key, which no plan shows), that a trigger could use, or whose \
        condition may hold for other values than those seen. Drop it when you know that nothing else asks for it: every write \
        to the table becomes cheaper by one index. The undo makes it again.",
    find,
};

fn find(input: &FindingsInput<'_>) -> Vec<Weighed> {
    if input.workload.is_structural {
        return Vec::new();
    }
    let readings: Vec<Reading<'_>> = readings(input).collect();
    let (said, insisting) = (redundant(input), insisting(input));
    let mut found = Vec::new();
    for table in input.catalog.tables.iter().filter(|table| is_ours(table)) {
        let is_read = readings.iter().any(|reading| reading.does(EffectKind::Read, &table.name));
        if !is_read || is_in_the_dark(input, table) {
            continue;
        }
        for index in table.indexes.iter().filter(|index| may_go(index, &insisting)) {
            let used = readings.iter().any(|reading| reading.uses(&index.name));
            // What another index goes for is needed from then on.
            let is_said =
                said.iter().any(|it| it.index.name == index.name || it.keeper == Keeper::Index(index));
            if used || is_said || is_needed_unseen(input, table, index) {
                continue;
            }
            found.push(describe(input, &readings, table, index));
        }
    }
    found
}

fn describe(input: &FindingsInput<'_>, readings: &[Reading<'_>], table: &Table, index: &Index) -> Weighed {
    let bytes = index.size.map_or(0, |size| size.bytes);
    let on_table: Vec<_> = readings
        .iter()
        .filter(|reading| reading.explained.effects.iter().any(|effect| effect.table.is(&table.name)))
        .collect();
    let calls: u64 = on_table.iter().map(|reading| reading.statement.calls).sum();
    let message = format!(
        "Index {} on {} ({}) is unused by the workload you gave, and every write to the table maintains it",
        index.name,
        table.name,
        shown::bytes(bytes)
    );
    let mut finding = finding(&RULE, Severity::Note, index.name.clone(), message);
    finding.evidence.push(format!(
        "{} statements with {} calls are about {}, and no plan of theirs names the index",
        shown::count(on_table.len() as u64),
        shown::count(calls),
        table.name
    ));
    let skipped: u64 = input.workload.skipped.iter().map(|skipped| skipped.count).sum();
    if skipped > 0 {
        finding.evidence.push(format!(
            "{} lines of the workload were not understood and may use it, so that no statement is offered to drop it",
            shown::count(skipped)
        ));
    } else {
        finding.fix = Some(dropped(&table.name, index));
    }
    finding.help = Some("Drop it if you know that nothing outside this workload asks for it.".to_owned());
    Weighed { weight: bytes as f64, finding }
}

/// Whether an index may be of use where no plan shows it.
fn is_needed_unseen(input: &FindingsInput<'_>, table: &Table, index: &Index) -> bool {
    let Some(first) = index.parts.first() else { return true };
    let checks_key = |column: &String| {
        let mut columns = table.foreign_keys.iter().flat_map(|key| &key.columns);
        columns.any(|key| key.eq_ignore_ascii_case(column))
    };
    let by_key =
        index.parts.iter().any(|part| matches!(&part.term, Term::Column(column) if checks_key(column)));
    let by_routine = input.catalog.routines.iter().any(|routine| match &first.term {
        Term::Column(column) => mentions(&routine.sql, &table.name.name) && mentions(&routine.sql, column),
        _ => mentions(&routine.sql, &table.name.name),
    });
    by_key || by_routine || index.predicate.as_deref().is_some_and(|it| may_hold(input, table, it))
}

/// Whether a statement may meet the condition of a partial index with other values: it names a column of the condition.
fn may_hold(input: &FindingsInput<'_>, table: &Table, predicate: &str) -> bool {
    let named: Vec<String> = tokens(predicate)
        .iter()
        .filter_map(Token::name)
        .filter(|name| table.column(name).is_some())
        .collect();
    let mut about = readings(input).filter(|reading| reading.does(EffectKind::Read, &table.name));
    about.any(|reading| named.iter().any(|column| mentions(&reading.statement.sql, column)))
}
