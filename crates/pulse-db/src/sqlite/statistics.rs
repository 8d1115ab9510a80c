//! The planner's statistics: taken anew, with the old ones kept so that they can be put back.
//!
//! This build of SQLite also writes `sqlite_stat4`, samples of the indexes' keys. The file stays readable for every SQLite, but
//! one that knows these samples may plan differently with them; what is added is said before.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::connection::{BUSY_TIMEOUT, open_together, refused};
use super::files::MAIN;
use super::quote;
use super::replay::{guard, plan};
use super::{Sqlite, open_read_only};
use crate::change::{Change, ChangeKind};
use crate::error::DatabaseError;
use crate::workload::{Call, Workload};
use pulse_model::Fix;

/// Tables that `ANALYZE` writes or empties.
const TABLES: [&str; 3] = ["sqlite_stat1", "sqlite_stat4", "sqlite_stat3"];
/// Old rows that are kept; a database with more has no use for their undo, but would fill the journal.
const MAX_ROWS: usize = 100_000;
/// What statistics are called as a change's subject.
pub const STATISTICS: &str = "statistics";

/// What statistics there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatisticsState {
    /// Rows of `sqlite_stat1`: tables and indexes with statistics; `None` when there were never any.
    pub rows: Option<u64>,
    /// Rows of `sqlite_stat4`; `None` when there is no such table, and the first `ANALYZE` of this build adds it.
    pub samples: Option<u64>,
}

impl Sqlite {
    /// What statistics there are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn statistics(&self) -> Result<StatisticsState, DatabaseError> {
        let connection = open_read_only(self.path())?;
        let count = |table: &str| -> rusqlite::Result<Option<u64>> {
            if !exists(&connection, MAIN, table)? {
                return Ok(None);
            }
            connection
                .query_row(&format!("SELECT count(*) FROM main.{table}"), [], |row| row.get::<_, i64>(0))
                .map(|rows| Some(rows.unsigned_abs()))
        };
        let state = || Ok(StatisticsState { rows: count(TABLES[0])?, samples: count(TABLES[1])? });
        state().map_err(|source| refused(self.path(), "reading the statistics", source))
    }

    /// Plans of a workload's statements as the file is now, with the values of their first calls, in the database's own words; `Err`
    /// for what cannot be prepared. Never writes.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn plans(&self, workload: &Workload) -> Result<Vec<Result<Vec<String>, String>>, DatabaseError> {
        let mut connection = open_together(&self.files, BUSY_TIMEOUT)?.connection;
        guard(&mut connection).map_err(|source| refused(self.path(), "preparing to plan", source))?;
        let none = Call::default();
        let plans = workload.statements.iter().map(|statement| {
            let call = statement.samples.first().unwrap_or(&none);
            plan(&connection, call.sql.as_ref().unwrap_or(&statement.sql), &call.values)
                .map_err(|error| error.to_string())
        });
        Ok(plans.collect())
    }
}

/// The change that takes statistics anew: of all rows, or of about `limit` rows per index (`PRAGMA analysis_limit`), which is
/// quicker on large files, coarser, and takes no samples of keys. What takes it back is read from the file when it is made.
pub fn analyze_change(limit: Option<u32>) -> Change {
    let bound = limit.map(|limit| format!("PRAGMA analysis_limit = {limit}"));
    let sql = bound.into_iter().chain(["ANALYZE main".to_owned()]).collect();
    Change {
        kind: ChangeKind::Analyze,
        schema: MAIN.to_owned(),
        subject: STATISTICS.to_owned(),
        fix: Fix { sql, undo: Vec::new() },
    }
}

/// Statements that put back the statistics as they are now.
pub(crate) fn restoring(connection: &Connection) -> Result<Vec<String>, DatabaseError> {
    let failed = |source| DatabaseError::Sql { what: "reading the old statistics".to_owned(), source };
    let mut statements = Vec::new();
    for table in TABLES {
        if exists(connection, MAIN, table).map_err(failed)? {
            statements.push(format!("DELETE FROM main.{table}"));
            rows(connection, MAIN, table, "true", &mut statements).map_err(failed)?;
        } else {
            statements.push(format!("DROP TABLE IF EXISTS main.{table}"));
        }
    }
    if statements.len() > MAX_ROWS {
        let reason = format!("there are more than {MAX_ROWS} old statistics, too many to keep for an undo");
        return Err(DatabaseError::Refused { reason });
    }
    Ok(statements)
}

/// Statements that forget what a change learns of tables that never were analyzed: those of its own undo that can be run whether
/// or not it was made. Where there are no statistics at all yet, their table goes.
pub(crate) fn forgetting(connection: &Connection, change: &Change) -> Result<Vec<String>, DatabaseError> {
    let failed = |source| DatabaseError::Sql { what: "looking for statistics".to_owned(), source };
    let mut schemas = connection.prepare("SELECT name FROM pragma_database_list").map_err(failed)?;
    let schemas = schemas.query_map([], |row| row.get::<_, String>(0)).map_err(failed)?;
    let mut statements = Vec::new();
    for schema in schemas {
        let schema = schema.map_err(failed)?;
        for table in TABLES {
            let full_name = format!("{}.{table}", quote::name(&schema));
            let start = format!("DELETE FROM {full_name} ");
            let mut own = change.fix.undo.iter().filter(|sql| sql.starts_with(&start)).peekable();
            if own.peek().is_some() && !exists(connection, &schema, table).map_err(failed)? {
                statements.push(format!("DROP TABLE IF EXISTS {full_name}"));
            } else {
                statements.extend(own.cloned());
            }
        }
    }
    Ok(statements)
}

/// Statements that put back the statistics of one index, which go with it.
pub(crate) fn restoring_of(
    connection: &Connection,
    schema: &str,
    index: &str,
) -> Result<Vec<String>, DatabaseError> {
    let failed = |source| DatabaseError::Sql { what: "reading the index's statistics".to_owned(), source };
    let is_of_index = format!("idx = {} COLLATE NOCASE", quote::literal(index));
    let mut statements = Vec::new();
    for table in TABLES {
        if exists(connection, schema, table).map_err(failed)? {
            rows(connection, schema, table, &is_of_index, &mut statements).map_err(failed)?;
        }
    }
    Ok(statements)
}

/// A statement per row that meets the condition. `quote` writes every value so that it is read back as it is.
fn rows(
    connection: &Connection,
    schema: &str,
    table: &str,
    condition: &str,
    statements: &mut Vec<String>,
) -> rusqlite::Result<()> {
    let columns = connection
        .prepare("SELECT name FROM pragma_table_info(?1, ?2) ORDER BY cid")?
        .query_map([table, schema], |row| row.get::<_, String>(0))?
        .map(|name| name.map(|name| quote::name(&name)))
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let list = columns.join(", ");
    let quoted =
        columns.iter().map(|column| format!("quote({column})")).collect::<Vec<_>>().join(" || ', ' || ");
    let schema = quote::name(schema);
    let sql = format!("SELECT {quoted} FROM {schema}.{table} WHERE {condition} LIMIT {}", MAX_ROWS + 1);
    let mut select = connection.prepare(&sql)?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        let values: String = row.get(0)?;
        statements.push(format!("INSERT INTO {schema}.{table} ({list}) VALUES ({values})"));
    }
    Ok(())
}

fn exists(connection: &Connection, schema: &str, table: &str) -> rusqlite::Result<bool> {
    let schema = quote::name(schema);
    let sql =
        format!("SELECT EXISTS (SELECT 1 FROM {schema}.sqlite_schema WHERE type = 'table' AND name = ?1)");
    connection.query_row(&sql, [table], |row| row.get(0))
}
