//! Indexes, and what the planner was told about tables when they were last analyzed.

use std::collections::{BTreeMap, BTreeSet};

use super::index_text::IndexText;
use super::introspect::Look;
use super::row::{number, text};
use crate::catalog::{Index, IndexOrigin, IndexPart, Table, TableKind, Term};

/// Rows of the planner's statistics that are read.
const MAX_STATISTICS: usize = 100_000;

/// Reads the indexes of tables, which of them name the row's number, and what the planner knows of them. What cannot be read is
/// noted.
pub(crate) fn read_indexes(look: &mut Look<'_>, tables: &mut [Table]) {
    let texts = statements(look).unwrap_or_else(|source| {
        look.miss("statements of indexes", source);
        BTreeMap::new()
    });
    for table in tables.iter_mut().filter(|table| table.kind != TableKind::Virtual) {
        match read_table(look, table, &texts) {
            Ok(indexes) => table.indexes = indexes,
            Err(source) => look.miss(format!("indexes of {}", table.name), source),
        }
        table.row_number = row_number(table);
    }
    match statistics(look) {
        Ok(rows) => {
            for table in tables {
                table.analyzed_rows = rows.get(&table.name.name.to_ascii_lowercase()).copied();
            }
        }
        Err(source) => look.miss("the planner's statistics", source),
    }
}

/// Statements of indexes by name.
fn statements(look: &Look<'_>) -> rusqlite::Result<BTreeMap<String, String>> {
    let sql = format!(
        "SELECT name, sql FROM {}.sqlite_schema WHERE type = 'index' AND sql IS NOT NULL",
        look.quoted_schema()
    );
    let mut statement = look.connection.prepare(&sql)?;
    statement
        .query_map([], |row| Ok((text(row, 0)?.unwrap_or_default(), text(row, 1)?.unwrap_or_default())))?
        .collect()
}

fn read_table(
    look: &mut Look<'_>,
    table: &Table,
    texts: &BTreeMap<String, String>,
) -> rusqlite::Result<Vec<Index>> {
    let sql = "SELECT name, \"unique\", origin FROM pragma_index_list(?1, ?2) ORDER BY name";
    let mut statement = look.connection.prepare_cached(sql)?;
    let mut rows = statement.query([&table.name.name, &table.name.schema])?;
    let mut indexes = Vec::new();
    while let Some(row) = rows.next()? {
        let origin = match text(row, 2)?.as_deref() {
            Some("u") => IndexOrigin::UniqueConstraint,
            Some("pk") => IndexOrigin::PrimaryKey,
            _ => IndexOrigin::Statement,
        };
        let (name, unique) = (text(row, 0)?.unwrap_or_default(), number(row, 1)? != 0);
        let sql = texts.get(&name).cloned();
        indexes.push(Index { name, unique, origin, sql, ..Index::default() });
    }
    drop(rows);
    for index in &mut indexes {
        let written = index.sql.as_deref().and_then(IndexText::read);
        read_parts(look, table, index, written)?;
    }
    Ok(indexes)
}

fn read_parts(
    look: &mut Look<'_>,
    table: &Table,
    index: &mut Index,
    written: Option<IndexText>,
) -> rusqlite::Result<()> {
    let sql = "SELECT cid, name, \"desc\", coll FROM pragma_index_xinfo(?1, ?2) WHERE key ORDER BY seqno";
    let mut statement = look.connection.prepare_cached(sql)?;
    let mut rows = statement.query([&index.name, &table.name.schema])?;
    let mut expressions = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let term = match (number(row, 0)?, text(row, 1)?) {
            (-1, _) => Term::RowNumber,
            (_, Some(column)) => Term::Column(column),
            (_, None) => {
                expressions.insert(index.parts.len());
                Term::Expression(String::new())
            }
        };
        let collation = text(row, 3)?.unwrap_or_else(|| "BINARY".to_owned());
        index.parts.push(IndexPart { term, descending: number(row, 2)? != 0, collation });
    }
    let Some(written) = written.filter(|written| written.parts.len() == index.parts.len()) else {
        if index.sql.is_some() {
            // Without its condition it might pass for what it is not; so it gets one that equals no other.
            index.predicate = Some(String::new());
            look.miss(format!("statement of index {}", index.name), "its parts cannot be told apart");
        }
        return Ok(());
    };
    index.predicate = written.predicate;
    for at in expressions {
        index.parts[at].term = Term::Expression(written.parts[at].clone());
    }
    Ok(())
}

/// The column that is another name of the row's number: a primary key of one column for which there is no index.
fn row_number(table: &Table) -> Option<String> {
    let has_index = table.indexes.iter().any(|index| index.origin == IndexOrigin::PrimaryKey);
    match table.primary_key.as_slice() {
        [column] if table.kind != TableKind::Clustered && table.kind != TableKind::Virtual && !has_index => {
            Some(column.clone())
        }
        _ => None,
    }
}

/// Rows of tables, by their names in small letters, as the planner believes them to be.
fn statistics(look: &mut Look<'_>) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut found = BTreeMap::new();
    let schema = look.quoted_schema();
    let exists =
        format!("SELECT 1 FROM {schema}.sqlite_schema WHERE type = 'table' AND name = 'sqlite_stat1'");
    if !look.connection.prepare(&exists)?.exists([])? {
        return Ok(found);
    }
    // A partial index tells of its own rows only, so that the largest number is the table's.
    let mut statement = look.connection.prepare(&format!("SELECT tbl, stat FROM {schema}.sqlite_stat1"))?;
    let mut rows = statement.query([])?;
    let mut read = 0;
    while let Some(row) = rows.next()? {
        read += 1;
        if read > MAX_STATISTICS {
            look.miss("the planner's statistics", format!("only the first {MAX_STATISTICS} rows were read"));
            break;
        }
        let (table, stat) = (text(row, 0)?.unwrap_or_default(), text(row, 1)?.unwrap_or_default());
        if let Some(rows) = stat.split_ascii_whitespace().next().and_then(|first| first.parse::<u64>().ok()) {
            let known = found.entry(table.to_ascii_lowercase()).or_insert(0);
            *known = rows.max(*known);
        }
    }
    Ok(found)
}
