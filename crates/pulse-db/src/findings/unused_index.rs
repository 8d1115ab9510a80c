//! `unused_index`: an index that no statement of the given workload uses.

use std::collections::BTreeSet;

use pulse_model::Severity;

use super::reading::{View, is_answerable, names};
use super::redundancy::{Keeper, is_ours, is_same_term, may_go, redundant};
use super::redundant_index::dropped;
use super::shown;
use super::stale_statistics::stale;
use super::{Rule, Weighed, finding};
use crate::catalog::{Index, Table, Term};
use crate::plan::EffectKind;

pub(super) const RULE: Rule = Rule {
    code: "unused_index",
    title: "an index that the workload given does not use",
    explanation: "A database file keeps no history of its statements, so this says no more than: unused by the workload you gave. \
        A monthly report that was not running is not in it. It is said only of tables that the workload reads, when all its \
        statements on that table could be explained, and never of an index that enforces uniqueness, that begins with a \
        column of a foreign key (SQLite uses it to check the key, which no plan shows), that a trigger could use, or whose \
        condition may hold for other values than those seen; nor where the planner's numbers are so old that it does not see \
        the use. The statement to drop it is \
        offered only where all lines of the workload were understood and none asks for what the index is sorted by, as with \
        other values the planner may choose otherwise. Drop it when you know that nothing else asks for it: every write to the \
        table becomes cheaper by one index. `--drop-indexes` does so after a replay without it, but for indexes with a condition, \
        a direction or an order of texts of their own. The undo makes it again.",
    find,
};

fn find(view: &View<'_>) -> Vec<Weighed> {
    if view.input.workload.is_structural {
        return Vec::new();
    }
    let said = redundant(view);
    let routines: Vec<_> = view.input.catalog.routines.iter().map(|routine| names(&routine.sql)).collect();
    let mut found = Vec::new();
    for table in view.input.catalog.tables.iter().filter(|table| is_ours(table)) {
        let is_read = view.readings.iter().any(|reading| reading.does(EffectKind::Read, table));
        // A planner that believes in a size long past reads all rows where it should use an index.
        if !is_read || view.is_in_the_dark(table) || stale(table).is_some() {
            continue;
        }
        for index in table.indexes.iter().filter(|index| may_go(view, index)) {
            // What another index goes for is needed from then on.
            let is_said =
                said.iter().any(|it| it.index.name == index.name || it.keeper == Keeper::Index(index));
            if view.is_used(&index.name) || is_said || is_needed_unseen(view, &routines, table, index) {
                continue;
            }
            found.push(describe(view, table, index));
        }
    }
    found
}

fn describe(view: &View<'_>, table: &Table, index: &Index) -> Weighed {
    let bytes = index.size.map_or(0, |size| size.bytes);
    let on_table: Vec<_> = view.readings.iter().filter(|reading| reading.is_about(table)).collect();
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
    let competes = view.readings.iter().flat_map(|reading| reading.questions(table)).any(|question| {
        let conditions = question.conditions.iter().filter(|condition| is_answerable(condition));
        let terms =
            conditions.map(|condition| &condition.term).chain(question.order.iter().map(|it| &it.term));
        terms
            .into_iter()
            .any(|term| index.parts.first().is_some_and(|first| is_same_term(table, &first.term, term)))
    });
    let skipped: u64 = view.input.workload.skipped.iter().map(|skipped| skipped.count).sum();
    if skipped > 0 {
        finding.evidence.push(format!(
            "{} lines of the workload were not understood and may use it, so that no statement is offered to drop it",
            shown::count(skipped)
        ));
    } else if competes {
        finding.evidence.push(
            "statements ask for what it is sorted by and were answered otherwise with the values seen; with others it may be \
             used, so that no statement is offered to drop it"
                .to_owned(),
        );
    } else {
        finding.fix = Some(dropped(&table.name, index));
    }
    let flag =
        if finding.fix.is_some() { " `--drop-indexes` does so after a replay without it." } else { "" };
    finding.help = Some(format!("Drop it if you know that nothing outside this workload asks for it.{flag}"));
    Weighed { weight: bytes as f64, finding }
}

/// Whether an index may be of use where no plan shows it.
fn is_needed_unseen(view: &View<'_>, routines: &[BTreeSet<String>], table: &Table, index: &Index) -> bool {
    let Some(first) = index.parts.first() else { return true };
    let checks_key = |column: &String| {
        let mut columns = table.foreign_keys.iter().flat_map(|key| &key.columns);
        columns.any(|key| key.eq_ignore_ascii_case(column))
    };
    let by_key =
        index.parts.iter().any(|part| matches!(&part.term, Term::Column(column) if checks_key(column)));
    let by_routine = routines
        .iter()
        .filter(|names| names.contains(&table.name.name.to_ascii_lowercase()))
        .any(|names| match &first.term {
            Term::Column(column) => names.contains(&column.to_ascii_lowercase()),
            _ => true,
        });
    by_key || by_routine || index.predicate.as_deref().is_some_and(|it| may_hold(view, table, it))
}

/// Whether a statement may meet the condition of a partial index with other values: it names a column of the condition.
fn may_hold(view: &View<'_>, table: &Table, predicate: &str) -> bool {
    let mut named = names(predicate);
    named.retain(|name| table.column(name).is_some());
    let mut about = view.readings.iter().filter(|reading| reading.does(EffectKind::Read, table));
    about.any(|reading| !named.is_disjoint(&names(&reading.statement.sql)))
}
