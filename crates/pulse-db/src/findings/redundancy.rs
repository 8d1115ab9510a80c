//! When one index does what another does. The most careful of all rules: what it says may cost somebody an index.
//!
//! Two facts of SQLite carry it. At the end of every index entry stands what finds its row: the row's number, or in a table
//! without one those columns of the primary key that the index does not have yet. And this tail sorts, too: `r(a, id)` is
//! `r(a)` where `id` is the row's number, and `a = ? ORDER BY rowid` needs no sorting with `r(a)`, but does with `r(a, b)`.

use super::reading::View;
use crate::catalog::{Index, IndexOrigin, IndexPart, Table, TableKind, Term};
use crate::plan::{Operator, Question};
use crate::sqlite::files::TEMP;
use crate::tokens::is_alike;

/// How one index stands in for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redundancy {
    /// Both are sorted in the same way, to the last row.
    Duplicate,
    /// The other one begins in the same way.
    Prefix,
}

/// What stands in for an index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Keeper<'a> {
    /// Another index.
    Index(&'a Index),
    /// The table, which is sorted by its row numbers.
    Table,
}

/// An index that another one does the work of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Redundant<'a> {
    /// Its table.
    pub(super) table: &'a Table,
    /// The index that can go.
    pub(super) index: &'a Index,
    /// What stays.
    pub(super) keeper: Keeper<'a>,
    /// How.
    pub(super) how: Redundancy,
}

/// All indexes that can go because of another, none of which goes itself.
pub(super) fn redundant<'a>(view: &View<'a>) -> Vec<Redundant<'a>> {
    let tables = view.input.catalog.tables.iter().filter(|table| is_ours(table));
    tables.flat_map(|table| settled(of_table(view, table))).collect()
}

fn of_table<'a>(view: &View<'a>, table: &'a Table) -> Vec<Redundant<'a>> {
    let mut found: Vec<Redundant<'a>> = Vec::new();
    let mut order: Vec<&Index> = table.indexes.iter().filter(|index| may_go(view, index)).collect();
    // The shortest goes first, and of equal ones the last by name, so that what is kept does not depend on chance.
    order.sort_by(|one, other| {
        one.parts.len().cmp(&other.parts.len()).then_with(|| other.name.cmp(&one.name))
    });
    for index in order {
        let is_used = view.is_used(&index.name);
        let others = table.indexes.iter().filter(|other| other.name != index.name);
        let staying = others.filter(|other| !found.iter().any(|it| it.index.name == other.name));
        let best = staying
            // A table is wider than an index of it: where that is read in its place, it may be for being narrow.
            .filter(|other| !(is_used && is_table_itself(table, other)))
            .filter_map(|other| Some((serves(table, other, index)?, other)))
            .min_by_key(|(how, other)| {
                (*how != Redundancy::Duplicate, other.parts.len(), other.name.clone())
            });
        let (how, keeper) = match best {
            Some((how, other)) => (how, Keeper::Index(other)),
            None if is_the_table(table, index) && !is_used => (Redundancy::Duplicate, Keeper::Table),
            None => continue,
        };
        if how == Redundancy::Duplicate || !needs_tail(view, table, index) {
            found.push(Redundant { table, index, keeper, how });
        }
    }
    found
}

/// Each of one table with what stays in the end, where what stood in for it goes as well; it goes as the beginning of that, if
/// one step on the way is one.
fn settled<'a>(found: Vec<Redundant<'a>>) -> Vec<Redundant<'a>> {
    let next = |it: &Redundant<'a>| match it.keeper {
        Keeper::Index(keeper) => found.iter().position(|other| other.index.name == keeper.name),
        Keeper::Table => None,
    };
    let settle = |it: &Redundant<'a>| {
        let mut last = next(it);
        let (mut keeper, mut how) = (it.keeper, it.how);
        // What goes later never stands on what went before, so that this ends.
        while let Some(at) = last {
            keeper = found[at].keeper;
            how = if found[at].how == Redundancy::Prefix { Redundancy::Prefix } else { how };
            last = next(&found[at]);
        }
        (keeper, how)
    };
    let ends: Vec<_> = found.iter().map(settle).collect();
    let with_ends = found.into_iter().zip(ends);
    with_ends.map(|(it, (keeper, how))| Redundant { keeper, how, ..it }).collect()
}

/// Whether a table's indexes are its owner's to change. Those of a temporary one are gone with the connection that made it.
pub(super) fn is_ours(table: &Table) -> bool {
    matches!(table.kind, TableKind::Ordinary | TableKind::Clustered)
        && !table.name.schema.eq_ignore_ascii_case(TEMP)
}

/// Whether an index could go at all: it enforces nothing, was made by a statement of its own, and nobody insists on it by name
/// (`INDEXED BY` is an error without its index).
pub(super) fn may_go(view: &View<'_>, index: &Index) -> bool {
    !index.unique
        && index.origin == IndexOrigin::Statement
        && index.sql.is_some()
        && index.parts.iter().all(is_known)
        && index.predicate.as_deref() != Some("")
        && !view.is_insisted(&index.name)
}

/// Whether `keeper` does all that `index` does, and how.
pub(super) fn serves(table: &Table, keeper: &Index, index: &Index) -> Option<Redundancy> {
    let same_rows = match (&keeper.predicate, &index.predicate) {
        (None, None) => true,
        (Some(one), Some(other)) => !one.is_empty() && is_alike(one, other),
        // A full index holds the rows of a partial one, but not in as little room.
        _ => false,
    };
    // The planner does not see through a repetition: `ORDER BY a, rowid` is sorted for `r(a, a)`.
    if !same_rows || !keeper.parts.iter().all(is_known) || repeats(table, keeper) || repeats(table, index) {
        return None;
    }
    let (one, other) = (key(table, &keeper.parts)?, key(table, &index.parts)?);
    let carries_all = index.parts.iter().all(|part| {
        let is_kept = keeper.parts.iter().any(|kept| is_same_term(table, &kept.term, &part.term));
        is_kept || is_of_row(table, &part.term)
    });
    if one.len() == other.len() && alike(table, &one, &other) && carries_all {
        return Some(Redundancy::Duplicate);
    }
    let longer = keeper.parts.len() > index.parts.len();
    // An index that names what finds its row means to be sorted by it.
    let names_tail = index.parts.iter().any(|part| is_of_row(table, &part.term));
    (longer && !names_tail && alike(table, &keeper.parts[..index.parts.len()], &index.parts))
        .then_some(Redundancy::Prefix)
}

/// Whether an index is sorted by something twice.
fn repeats(table: &Table, index: &Index) -> bool {
    let parts = &index.parts;
    parts
        .iter()
        .enumerate()
        .any(|(at, part)| parts[..at].iter().any(|other| is_same_term(table, &other.term, &part.term)))
}

/// What an index is sorted by, to the last row: its parts, then what finds the row, without repetitions, and without what
/// follows a row's number, as there is only one row with it. The planner knows that of row numbers; that the primary key of a
/// table without them has only one row it forgets in its other indexes. `None` where the order is not known for certain.
fn key(table: &Table, parts: &[IndexPart]) -> Option<Vec<IndexPart>> {
    let tail = tail(table)?;
    let mut key: Vec<IndexPart> = Vec::new();
    for part in parts.iter().chain(&tail) {
        if !key.iter().any(|other| is_same_order(table, other, part)) {
            key.push(part.clone());
        }
        if is_row_number(table, &part.term) {
            break;
        }
    }
    Some(key)
}

/// What finds a row, at the end of every index entry of its table.
fn tail(table: &Table) -> Option<Vec<IndexPart>> {
    if table.kind == TableKind::Ordinary {
        let collation = "BINARY".to_owned();
        return Some(vec![IndexPart { term: Term::RowNumber, descending: false, collation }]);
    }
    let primary = table.indexes.iter().find(|index| index.origin == IndexOrigin::PrimaryKey)?;
    // How a descending primary key sorts at the end of other indexes differs between versions.
    let is_plain = primary.parts.iter().all(|part| !part.descending);
    is_plain.then(|| primary.parts.clone())
}

fn alike(table: &Table, one: &[IndexPart], other: &[IndexPart]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(table, one, other))
}

fn is_same(table: &Table, one: &IndexPart, other: &IndexPart) -> bool {
    one.descending == other.descending && is_same_order(table, one, other)
}

/// Whether both tell rows apart in the same way, be it from either end.
fn is_same_order(table: &Table, one: &IndexPart, other: &IndexPart) -> bool {
    is_same_term(table, &one.term, &other.term)
        && (is_row_number(table, &one.term) || one.collation.eq_ignore_ascii_case(&other.collation))
}

pub(super) fn is_same_term(table: &Table, one: &Term, other: &Term) -> bool {
    match (one, other) {
        (Term::Column(one), Term::Column(other)) => one.eq_ignore_ascii_case(other),
        (Term::Expression(one), Term::Expression(other)) => is_alike(one, other),
        _ => is_row_number(table, one) && is_row_number(table, other),
    }
}

fn is_row_number(table: &Table, term: &Term) -> bool {
    match term {
        Term::RowNumber => true,
        Term::Column(name) => {
            table.row_number.as_ref().is_some_and(|column| column.eq_ignore_ascii_case(name))
        }
        Term::Expression(_) => false,
    }
}

/// Whether a term is of what finds a row, and so is in every index of the table.
fn is_of_row(table: &Table, term: &Term) -> bool {
    let of_key = |name: &String| {
        table.kind == TableKind::Clustered
            && table.primary_key.iter().any(|key| key.eq_ignore_ascii_case(name))
    };
    is_row_number(table, term) || matches!(term, Term::Column(name) if of_key(name))
}

fn is_known(part: &IndexPart) -> bool {
    !matches!(&part.term, Term::Expression(text) if text.is_empty())
}

/// Whether an index is the name of a table without row numbers.
fn is_table_itself(table: &Table, index: &Index) -> bool {
    table.kind == TableKind::Clustered && index.origin == IndexOrigin::PrimaryKey
}

/// Whether an index is sorted as its table is.
fn is_the_table(table: &Table, index: &Index) -> bool {
    table.kind == TableKind::Ordinary
        && index.predicate.is_none()
        && matches!(index.parts.as_slice(), [part] if is_row_number(table, &part.term) && !part.descending)
}

/// Whether the workload wants rows of this index in the order of what finds them, or a range of it: `a = ? AND id > ? ORDER BY
/// id` is answered by `r(a)` and not by `r(a, b)`. What could not be explained might.
fn needs_tail(view: &View<'_>, table: &Table, index: &Index) -> bool {
    let Some(first) = index.parts.first() else { return true };
    let wants = |question: &Question| {
        let ordered = question.order.iter().any(|order| is_of_row(table, &order.term));
        let ranged = question
            .conditions
            .iter()
            .any(|condition| condition.operator == Operator::Range && is_of_row(table, &condition.term));
        let is_about =
            question.conditions.iter().any(|condition| is_same_term(table, &condition.term, &first.term))
                || question.order.iter().any(|order| is_same_term(table, &order.term, &first.term));
        (ordered || ranged) && is_about
    };
    view.is_in_the_dark(table) || view.readings.iter().any(|reading| reading.questions(table).any(wants))
}
