//! How large tables and indexes are, and how many rows they hold, within a bounded time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::introspect::Look;
use super::quote::qualified;
use super::row::{count, text};
use super::time_limit::is_interrupted;
use crate::catalog::{IndexOrigin, Size, Table, TableKind};
use crate::error::DatabaseError;
use crate::progress::Progress;

/// Pages between two words on how far it has come.
const PAGES_PER_STEP: u64 = 4_096;

/// How long reading may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Time for walking through the pages of all tables and indexes.
    pub(crate) sizes: Duration,
    /// Time for counting the rows of tables whose pages were not walked through.
    pub(crate) rows: Duration,
}

impl Default for Limits {
    /// About three gigabytes from memory, and what is bearable after that.
    fn default() -> Self {
        Self { sizes: Duration::from_secs(6), rows: Duration::from_secs(2) }
    }
}

impl Limits {
    /// The share that each of so many schemas has.
    pub(crate) fn shared_by(self, schemas: usize) -> Self {
        let share = |time: Duration| time.div_f64(schemas.max(1) as f64);
        Self { sizes: share(self.sizes), rows: share(self.rows) }
    }
}

/// What a walk through the pages of one table or index tells.
#[derive(Clone, Copy, Debug, Default)]
struct Walk {
    size: Size,
    /// Entries of its leaves: the rows of a table.
    leaves: u64,
    /// Entries of all pages: the rows of a table without row numbers, and those of an index.
    entries: u64,
    is_damaged: bool,
}

/// Reads the sizes of tables and indexes, and the rows of tables, which the same walk tells. It goes page by page, as a walk that
/// adds up by itself cannot be interrupted, and through all tables in one go, as asking for each by name searches the schema each
/// time. Whether all of them could be read.
pub(crate) fn read_sizes(
    look: &mut Look<'_>,
    tables: &mut [Table],
    progress: &mut dyn Progress,
) -> Result<bool, DatabaseError> {
    look.limit.set(look.limits.sizes);
    let mut walks = BTreeMap::new();
    let result = walk(look, &mut walks, progress);
    look.limit.lift();
    let reason = match result {
        Ok(()) => None,
        Err(source) if is_interrupted(&source) => {
            Some(format!("not read within {} s", look.limits.sizes.as_secs()))
        }
        Err(source) => Some(source.to_string()),
    };
    if progress.is_stopped() {
        return Err(stopped());
    }
    let mut missing = Vec::new();
    for table in tables.iter_mut().filter(|table| table.kind != TableKind::Virtual) {
        take(table, &walks);
        if table.size.is_none() || table.rows.is_none() {
            missing.push(table.name.to_string());
        }
    }
    let has_all = missing.is_empty();
    if !missing.is_empty() {
        let reason = reason.unwrap_or_else(|| "their pages are damaged".to_owned());
        look.miss(format!("sizes of {}", shortened(&missing)), reason);
    }
    Ok(has_all)
}

/// Counts the rows of tables of which they are not known yet.
pub(crate) fn read_rows(
    look: &mut Look<'_>,
    tables: &mut [Table],
    progress: &mut dyn Progress,
) -> Result<(), DatabaseError> {
    let all = tables.len();
    let mut late = Vec::new();
    look.limit.set(look.limits.rows);
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
        let reason = format!("not counted within {} s", look.limits.rows.as_secs());
        look.miss(format!("rows of {}", shortened(&late)), reason);
    }
    Ok(())
}

/// Gives a table what its walk and those of its indexes told.
fn take(table: &mut Table, walks: &BTreeMap<String, Walk>) {
    let Some(own) = walks.get(&table.name.name) else { return };
    table.size = Some(own.size);
    let mut is_clustered = table.kind == TableKind::Clustered;
    for index in &mut table.indexes {
        // The primary key of a table without row numbers is the table itself: it has no pages of its own. This also tells such
        // a table among those of an extension.
        let found = walks.get(&index.name);
        is_clustered |= index.origin == IndexOrigin::PrimaryKey && found.is_none();
        index.size = found.map(|walk| walk.size);
    }
    table.rows = Some(if is_clustered { own.entries } else { own.leaves });
}

/// Walks through all pages. What is in `walks` afterwards was walked through to its end, be it that an error ended the whole.
fn walk(
    look: &Look<'_>,
    walks: &mut BTreeMap<String, Walk>,
    progress: &mut dyn Progress,
) -> rusqlite::Result<()> {
    let count_pages = format!("PRAGMA {}.page_count", look.quoted_schema());
    let pages = look.connection.query_row(&count_pages, [], |row| count(row, 0))?;
    let sql = "SELECT name, pagetype = 'leaf', ncell, pgsize, payload, unused, pagetype = 'corrupted' \
               FROM dbstat WHERE schema = ?1";
    let mut statement = look.connection.prepare(sql)?;
    let mut rows = statement.query([&look.schema])?;
    let mut current = (String::new(), Walk::default());
    let mut done = 0_u64;
    while let Some(row) = rows.next()? {
        // Pages of one table or index come one after another.
        if row.get_ref(0)?.as_bytes_or_null()? != Some(current.0.as_bytes()) {
            let next = (text(row, 0)?.unwrap_or_default(), Walk::default());
            keep(walks, std::mem::replace(&mut current, next));
        }
        let walk = &mut current.1;
        let entries = count(row, 2)?;
        walk.entries += entries;
        walk.leaves += if count(row, 1)? == 1 { entries } else { 0 };
        walk.is_damaged |= count(row, 6)? == 1;
        walk.size.pages += 1;
        walk.size.bytes += count(row, 3)?;
        walk.size.payload_bytes += count(row, 4)?;
        walk.size.unused_bytes += count(row, 5)?;
        done += 1;
        if done.is_multiple_of(PAGES_PER_STEP) {
            if progress.is_stopped() {
                break;
            }
            progress.at("reading sizes", Some((done as f64 / pages.max(1) as f64).min(1.0)));
        }
    }
    keep(walks, current);
    Ok(())
}

/// Notes a walk that came to its end over pages that make sense.
fn keep(walks: &mut BTreeMap<String, Walk>, (name, walk): (String, Walk)) {
    if walk.size.pages > 0 && !walk.is_damaged {
        walks.insert(name, walk);
    }
}

fn rows_of(look: &Look<'_>, table: &Table) -> rusqlite::Result<u64> {
    // A plain `count(*)` is one step of SQLite's machine, which no limit interrupts.
    let ask = |hint: &str| {
        let sql = format!("SELECT total(1) FROM {}{hint}", qualified(&table.name));
        look.connection.query_row(&sql, [], |row| row.get::<_, f64>(0).map(|rows| rows as u64))
    };
    match ask("") {
        // An index whose collation is missing cannot be read; the table can.
        Err(source) if !is_interrupted(&source) => ask(" NOT INDEXED"),
        answer => answer,
    }
}

fn go_on(progress: &mut dyn Progress, step: &str, share: f64) -> Result<(), DatabaseError> {
    if progress.is_stopped() {
        return Err(stopped());
    }
    progress.at(step, Some(share));
    Ok(())
}

fn stopped() -> DatabaseError {
    DatabaseError::Stopped { done: "nothing was changed".to_owned() }
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

#[cfg(test)]
mod tests {
    use super::super::header::Header;
    use super::super::time_limit::TimeLimit;
    use super::*;
    use rusqlite::Connection;

    use crate::catalog::TableName;
    use crate::progress::Unwatched;

    /// Sizes and rows of a table within limits, and what is said to be missing.
    fn read(limits: Limits) -> (Vec<Table>, bool, Vec<String>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.db");
        let mut connection = Connection::open(&path).expect("a database");
        let sql = "PRAGMA page_size = 512; CREATE TABLE t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
                   INSERT INTO t SELECT i FROM n; CREATE TABLE u(a)";
        connection.execute_batch(sql).expect("tables");
        let limit = TimeLimit::on(&mut connection).expect("a limit");
        let header = Header::read(&path).expect("a header");
        let mut look = Look {
            schema: "main".to_owned(),
            path: &path,
            connection: &connection,
            limit: &limit,
            limits,
            header,
            unread: Vec::new(),
        };
        let table = |name: &str| Table {
            name: TableName::main(name),
            columns: vec![crate::catalog::Column::default()],
            ..Table::default()
        };
        let mut tables = vec![table("t"), table("u")];
        let has_sizes = read_sizes(&mut look, &mut tables, &mut Unwatched).expect("sizes");
        read_rows(&mut look, &mut tables, &mut Unwatched).expect("rows");
        (
            tables,
            has_sizes,
            look.unread.into_iter().map(|it| format!("{}: {}", it.subject, it.reason)).collect(),
        )
    }

    #[test]
    fn what_there_was_no_time_for_is_named() {
        let (none, some) = (Duration::ZERO, Duration::from_mins(1));
        let (tables, has_sizes, unread) = read(Limits { sizes: none, rows: none });
        assert_eq!(unread, ["sizes of t, u: not read within 0 s", "rows of t: not counted within 0 s"]);
        assert!(!has_sizes && tables[0].rows.is_none());
        // Counting is tried where the walk was not possible.
        let (tables, _, unread) = read(Limits { sizes: none, rows: some });
        assert_eq!((unread.len(), tables[0].rows, tables[0].size), (1, Some(20_000), None));
        let (tables, has_sizes, unread) = read(Limits { sizes: some, rows: none });
        assert!(unread.is_empty() && has_sizes);
        assert_eq!(tables[0].rows, Some(20_000));
    }

    #[test]
    fn many_names_are_shortened() {
        let names: Vec<String> = (0..7).map(|number| number.to_string()).collect();
        assert_eq!(shortened(&names), "0, 1, 2, 3, 4 and 2 more");
        assert_eq!(shortened(&names[..2]), "0, 1");
    }
}
