//! `duplicate_index`, `redundant_index`: what is paid at every write and answers nothing that another index does not.

use pulse_model::{Finding, Fix, Severity};

use super::reading::View;
use super::redundancy::{Keeper, Redundancy, Redundant, redundant};
use super::shown;
use super::{Rule, Weighed, finding};
use crate::catalog::{Index, TableName};
use crate::quote::{name, qualified};

pub(super) const DUPLICATE: Rule = Rule {
    code: "duplicate_index",
    title: "two indexes that are sorted in the same way",
    explanation: "Every insert, delete and update of the columns maintains both, both take room in the file and in the \
        cache, and no statement is answered by one of them that is not answered by the other. Two indexes count as the same \
        only when columns, expressions, order, collation and condition are the same down to the row: `r(a, id)` is `r(a)` when \
        `id` is the row's number, which every index ends with. An index that enforces uniqueness is never said to be \
        superfluous, nor one that a statement insists on with INDEXED BY. `--drop-indexes` drops the one named, after the \
        workload was replayed without it; the undo makes it again.",
    find: |view| find(view, &DUPLICATE, Redundancy::Duplicate),
};

pub(super) const REDUNDANT: Rule = Rule {
    code: "redundant_index",
    title: "an index that is the beginning of another",
    explanation: "`r(a)` answers nothing that `r(a, b)` does not answer almost as fast, and costs a write more at every insert. \
        That holds only when the columns of the first are the first columns of the second, with the same order, collation and \
        condition, and when no statement wants the rows of one `a` in the order of their row numbers, which `r(a)` gives and \
        `r(a, b)` does not: the workload is searched for such statements, and where a statement could not be understood \
        nothing is said. An index that enforces uniqueness is never said to be superfluous. The longer index takes more pages \
        to read; where a wide second column matters the clock shows it: `--drop-indexes` replays the workload on a private copy \
        without the index, and drops it only when no statement gets slower.",
    find: |view| find(view, &REDUNDANT, Redundancy::Prefix),
};

fn find(view: &View<'_>, rule: &Rule, how: Redundancy) -> Vec<Weighed> {
    let found = redundant(view).into_iter().filter(|it| it.how == how);
    found
        .map(|it| Weighed {
            weight: it.index.size.map_or(0.0, |size| size.bytes as f64),
            finding: describe(
                rule,
                it,
                view.input.workload.is_structural || view.input.workload.statements.is_empty(),
            ),
        })
        .collect()
}

fn describe(rule: &Rule, it: Redundant<'_>, is_without_workload: bool) -> Finding {
    let Redundant { table, index, keeper, how } = it;
    let room = index.size.map(|size| format!(" and {}", shown::bytes(size.bytes))).unwrap_or_default();
    let stays = match keeper {
        Keeper::Index(keeper) => format!("index {}", keeper.name),
        Keeper::Table => "the table itself, which is sorted by its row number".to_owned(),
    };
    let message = match how {
        Redundancy::Duplicate => format!(
            "Every write to {} maintains index {}, which is sorted like {stays}: one write{room} for nothing",
            table.name, index.name
        ),
        Redundancy::Prefix => format!(
            "Every write to {} maintains index {}, which is the beginning of {stays}: one write{room} for nothing",
            table.name, index.name
        ),
    };
    // Where there are two of the same, the price of both is known; the beginning of a wider index is a bargain to be measured.
    let severity = if how == Redundancy::Duplicate { Severity::Warning } else { Severity::Note };
    let mut finding = finding(rule, severity, index.name.clone(), message);
    finding.evidence.push(format!("goes: {}", sql_of(index)));
    if let Keeper::Index(keeper) = keeper {
        finding.evidence.push(format!("stays: {}", sql_of(keeper)));
    }
    if how == Redundancy::Prefix {
        finding.evidence.push(if is_without_workload {
            "there is no workload: whether a statement wants its rows in the order of their row numbers is not known".to_owned()
        } else {
            "no statement of the workload wants its rows in the order of their row numbers".to_owned()
        });
    }
    finding.help = Some(format!(
        "Drop {}; {stays} answers what it answers. `--drop-indexes` does so{}.",
        index.name,
        if how == Redundancy::Duplicate {
            ""
        } else {
            " when the workload, replayed without it, is no slower"
        }
    ));
    finding.fix = Some(dropped(&table.name, index));
    finding
}

/// How an index goes, and comes back.
pub(super) fn dropped(table: &TableName, index: &Index) -> Fix {
    let full_name = qualified(&TableName { schema: table.schema.clone(), name: index.name.clone() });
    Fix { sql: vec![format!("DROP INDEX {full_name}")], undo: index.sql.iter().cloned().collect() }
}

fn sql_of(index: &Index) -> String {
    index.sql.clone().unwrap_or_else(|| format!("{}, made by the table's own statement", name(&index.name)))
}
