//! `foreign_key_without_index`: deleting one parent reads all children.

use pulse_model::{Fix, Severity};

use super::reading::{View, rows};
use super::redundancy::is_ours;
use super::shown;
use super::{MIN_ROWS, Rule, Weighed, finding};
use crate::catalog::{ForeignKey, Index, Table, TableName, Term};
use crate::plan::{Effect, EffectKind};
use crate::quote::{name, qualified};
use crate::tokens::{TokenKind, tokens};

pub(super) const RULE: Rule = Rule {
    code: "foreign_key_without_index",
    title: "a foreign key whose children are not indexed",
    explanation: "Whenever a parent is deleted, or its key changes, the database looks for its children; without an index that \
        begins with the key's columns it reads the whole child table, once per parent. Joins from parent to children pay the \
        same. Any index counts that begins with the columns in any order, in the order of texts that the parent compares in: the \
        primary key, a unique constraint, a column that is the row's number, and a partial index of the rows where the column \
        is not null. Not said of child tables of less than 1 000 rows, nor of a parent that is missing. It matters only where \
        foreign keys are enforced (PRAGMA foreign_keys, set per connection) or joined; it is a warning when the workload deletes \
        parents or changes their keys, and a note otherwise, as each index costs every write to the children.",
    find,
};

fn find(view: &View<'_>) -> Vec<Weighed> {
    let mut found = Vec::new();
    for table in view.input.catalog.tables.iter().filter(|table| is_ours(table)) {
        if rows(table).is_some_and(|rows| rows < MIN_ROWS) {
            continue;
        }
        let mut said: Vec<&[String]> = Vec::new();
        for key in &table.foreign_keys {
            let Some(parent) = view.input.catalog.table(&key.parent) else { continue };
            let is_known =
                !key.columns.is_empty() && key.columns.iter().all(|column| table.column(column).is_some());
            if !is_known || said.contains(&key.columns.as_slice()) || is_indexed(table, parent, key) {
                continue;
            }
            said.push(&key.columns);
            found.push(describe(view, table, parent, key));
        }
    }
    found
}

fn describe(view: &View<'_>, table: &Table, parent: &Table, key: &ForeignKey) -> Weighed {
    let columns = key.columns.join(", ");
    let size = rows(table);
    let all = size.map_or("all rows".to_owned(), |rows| format!("all {} rows", shown::count(rows)));
    let calls: u64 = view
        .readings
        .iter()
        .filter(|it| it.effects_on(parent).any(|effect| looks_for_children(effect, key)))
        .map(|it| it.statement.calls)
        .sum();
    let message = format!(
        "Deleting one row of {} reads {all} of {}: its key ({columns}) has no index",
        parent.name, table.name
    );
    let severity = if calls > 0 { Severity::Warning } else { Severity::Note };
    let mut finding = finding(&RULE, severity, format!("{}({columns})", table.name), message);
    let to = key.parent_columns.join(", ");
    finding.evidence.push(format!("{}({columns}) refers to {}({to})", table.name, parent.name));
    finding.evidence.push(match (calls, size) {
        (0, _) => "the workload deletes no parents and changes no key of theirs".to_owned(),
        (calls, Some(rows)) => format!(
            "{} calls that delete parents or change their keys × {} rows = {} rows read",
            shown::count(calls),
            shown::count(rows),
            shown::count(rows.saturating_mul(calls))
        ),
        (calls, None) => format!("{} calls delete parents or change their keys", shown::count(calls)),
    });
    finding.help = Some(
        "Index the key's columns, where parents are deleted or children are looked up by parent.".to_owned(),
    );
    let schema = table.name.schema.clone();
    let index = view
        .input
        .catalog
        .free_index_name(&schema, &format!("{}_{}", table.name.name, key.columns.join("_")));
    let full_name = qualified(&TableName { schema, name: index });
    let parts = key.columns.iter().zip(parent_collations(table, parent, key));
    let parts: Vec<String> = parts
        .map(|(column, collation)| match (collation, table.column(column)) {
            (Some(wanted), Some(own)) if !wanted.eq_ignore_ascii_case(&own.collation) => {
                format!("{} COLLATE {}", name(column), name(&wanted))
            }
            _ => name(column),
        })
        .collect();
    finding.fix = Some(Fix {
        sql: vec![format!("CREATE INDEX {full_name} ON {} ({})", name(&table.name.name), parts.join(", "))],
        undo: vec![format!("DROP INDEX {full_name}")],
    });
    Weighed { weight: size.unwrap_or(0).saturating_mul(calls.max(1)) as f64, finding }
}

/// Whether what is done to a parent has the database look for its children.
fn looks_for_children(effect: &Effect, key: &ForeignKey) -> bool {
    let is_key = |column: &String| key.parent_columns.iter().any(|other| other.eq_ignore_ascii_case(column));
    match effect.kind {
        EffectKind::Delete => true,
        EffectKind::Update => effect.columns.is_empty() || effect.columns.iter().any(is_key),
        EffectKind::Read | EffectKind::Insert => false,
    }
}

/// Whether the children of a parent are found without reading all.
fn is_indexed(table: &Table, parent: &Table, key: &ForeignKey) -> bool {
    let is_row_number =
        |column: &String| table.row_number.as_ref().is_some_and(|number| number.eq_ignore_ascii_case(column));
    let wanted = parent_collations(table, parent, key);
    let begins = |index: &Index| {
        let Some(parts) = index.parts.get(..key.columns.len()) else { return false };
        key.columns.iter().zip(&wanted).all(|(column, wanted)| {
            parts.iter().any(|part| {
                matches!(&part.term, Term::Column(name) if name.eq_ignore_ascii_case(column))
                    && wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(&part.collation))
            })
        })
    };
    key.columns.iter().any(is_row_number)
        || table.indexes.iter().any(|index| holds_children(index, key) && begins(index))
}

/// The order of texts in which the parent's columns compare: that is the one in which children are looked for.
fn parent_collations(table: &Table, parent: &Table, key: &ForeignKey) -> Vec<Option<String>> {
    let of = |(at, column): (usize, &String)| {
        let named = key.parent_columns.get(at).and_then(|column| parent.column(column));
        named.or_else(|| table.column(column)).map(|column| column.collation.clone())
    };
    key.columns.iter().enumerate().map(of).collect()
}

/// Whether an index holds all rows that have a parent: all rows, or those where a column of the key is not null.
fn holds_children(index: &Index, key: &ForeignKey) -> bool {
    let Some(predicate) = &index.predicate else { return true };
    let words = tokens(predicate);
    let Some((first, rest)) = words.split_first() else { return false };
    let is_not_null = match rest {
        [is, not, null] => is.is("IS") && not.is("NOT") && null.is("NULL"),
        [not, null] => not.is("NOT") && null.is("NULL"),
        [not_null] => not_null.is("NOTNULL"),
        _ => false,
    };
    let column = matches!(first.kind, TokenKind::Word | TokenKind::Quoted).then(|| first.name()).flatten();
    is_not_null
        && column.is_some_and(|name| key.columns.iter().any(|column| column.eq_ignore_ascii_case(&name)))
}
