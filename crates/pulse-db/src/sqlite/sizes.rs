//! How large tables and indexes are, and how many rows they hold, within a bounded time.

use std::time::Duration;

use rusqlite::Connection;

use super::introspect::Look;
use super::row::count;
use super::tables::count_sql;
use super::time_limit::is_interrupted;
use crate::catalog::{Catalog, IndexOrigin, Size, Table, TableKind};
use crate::error::DatabaseError;
use crate::progress::Progress;

/// Time for walking through the pages of all tables and indexes: about three gigabytes from memory.
const SIZES_LIMIT: Duration = Duration::from_secs(6);
/// Time for counting the rows of tables whose pages were not walked through.
const ROWS_LIMIT: Duration = Duration::from_secs(2);

/// What a walk through the pages of one table or index tells.
struct Walk {
    size: Size,
    /// Entries of its leaves: the rows of a table.
    leaves: u64,
    /// Entries of all pages: the rows of a table without row numbers, and those of an index.
    entries: u64,
}

/// Reads the sizes of tables and indexes, and the rows of tables, which the same walk tells. Page by page rather than a table at
/// a time, as only so it can be interrupted.
pub(crate) fn read_sizes(
    look: &mut Look<'_>,
    catalog: &mut Catalog,
    progress: &mut dyn Progress,
) -> Result<(), DatabaseError> {
    let all: usize = catalog.tables.iter().map(|table| 1 + table.indexes.len()).sum();
    let mut done = 0_usize;
    let mut late = Vec::new();
    let mut failed = 0_usize;
    look.limit.set(SIZES_LIMIT);
    for table in &mut catalog.tables {
        go_on(progress, "reading sizes", done as f64 / all.max(1) as f64)?;
        done += 1 + table.indexes.len();
        if table.kind == TableKind::Virtual {
            continue;
        }
        if look.limit.is_over() {
            late.push(table.name.to_string());
            continue;
        }
        match read_table(look.connection, table) {
            Ok(()) => {}
            Err(source) if is_interrupted(&source) => late.push(table.name.to_string()),
            Err(source) => {
                failed += 1;
                look.miss(format!("size of {}", table.name), source);
            }
        }
    }
    look.limit.lift();
    if !late.is_empty() {
        let reason = format!("not read within {} s", SIZES_LIMIT.as_secs());
        look.miss(format!("sizes of {}", shortened(&late)), reason);
    }
    catalog.storage.has_sizes = late.is_empty() && failed == 0;
    Ok(())
}

/// Counts the rows of tables of which they are not known yet.
pub(crate) fn read_rows(
    look: &mut Look<'_>,
    tables: &mut [Table],
    progress: &mut dyn Progress,
) -> Result<(), DatabaseError> {
    let all = tables.len();
    let mut late = Vec::new();
    look.limit.set(ROWS_LIMIT);
    for (at, table) in tables.iter_mut().enumerate() {
        // Asking an extension for its rows may take any time; asking for an unreadable table's is an error that is known.
        if table.rows.is_some() || table.kind == TableKind::Virtual || table.columns.is_empty() {
            continue;
        }
        go_on(progress, "counting rows", at as f64 / all as f64)?;
        match rows_of(look, table) {
            Ok(rows) => table.rows = Some(rows),
            Err(source) if is_interrupted(&source) => late.push(table.name.to_string()),
            Err(source) => look.miss(format!("rows of {}", table.name), source),
        }
    }
    look.limit.lift();
    if !late.is_empty() {
        let reason = format!("not counted within {} s", ROWS_LIMIT.as_secs());
        look.miss(format!("rows of {}", shortened(&late)), reason);
    }
    Ok(())
}

fn read_table(connection: &Connection, table: &mut Table) -> rusqlite::Result<()> {
    let own = walk(connection, &table.name.schema, &table.name.name)?;
    let mut is_clustered = table.kind == TableKind::Clustered;
    for index in &mut table.indexes {
        let found = walk(connection, &table.name.schema, &index.name)?;
        // The primary key of a table without row numbers is the table itself: it has no pages of its own. This also tells such
        // a table among those of an extension.
        index.size = (found.size.pages > 0).then_some(found.size);
        is_clustered |= index.origin == IndexOrigin::PrimaryKey && found.size.pages == 0;
    }
    table.size = Some(own.size);
    table.rows = Some(if is_clustered { own.entries } else { own.leaves });
    Ok(())
}

fn walk(connection: &Connection, schema: &str, name: &str) -> rusqlite::Result<Walk> {
    let sql = "SELECT count(*), total(pgsize), total(payload), total(unused), \
               total(CASE pagetype WHEN 'leaf' THEN ncell END), total(ncell) \
               FROM dbstat WHERE schema = ?1 AND name = ?2";
    connection.prepare_cached(sql)?.query_row([schema, name], |row| {
        // Sums of a real type cannot overflow, and are exact up to 2⁵³.
        let sum = |column| row.get::<_, f64>(column).map(|sum| sum as u64);
        let size =
            Size { pages: count(row, 0)?, bytes: sum(1)?, payload_bytes: sum(2)?, unused_bytes: sum(3)? };
        Ok(Walk { size, leaves: sum(4)?, entries: sum(5)? })
    })
}

fn rows_of(look: &Look<'_>, table: &Table) -> rusqlite::Result<u64> {
    let ask = |hint: &str| look.connection.query_row(&count_sql(&table.name, hint), [], |row| count(row, 0));
    match ask("") {
        // An index whose collation is missing cannot be read; the table can.
        Err(source) if !is_interrupted(&source) => ask(" NOT INDEXED"),
        answer => answer,
    }
}

fn go_on(progress: &mut dyn Progress, step: &str, share: f64) -> Result<(), DatabaseError> {
    if progress.is_stopped() {
        return Err(DatabaseError::Stopped { done: "nothing was changed".to_owned() });
    }
    progress.at(step, Some(share));
    Ok(())
}

/// At most a few names, and how many more there are.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let text = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}
