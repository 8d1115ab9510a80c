//! Running statements of a workload on a copy, one call at a time.
//!
//! A statement that writes runs in a transaction that is rolled back. Statements that would end or begin transactions, reach
//! another file or change settings are refused while they are prepared; SQLite itself says what they would do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, Statement as Prepared};

use super::answer::Answer;
use super::bind::bind;
use super::connection::{open_together, refused};
use super::files::Files;
use super::watch::Watch;
use crate::error::DatabaseError;
use crate::workload::{Call, Statement, Values};

/// Settings that only tell something, even with an argument.
const READING_PRAGMAS: [&str; 8] = [
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "foreign_key_check",
];
/// Lines of a plan that are kept.
const MAX_PLAN_LINES: usize = 200;

/// A connection to a copy.
pub(crate) struct Stage {
    connection: Connection,
    watch: Arc<Watch>,
    limit: Duration,
    /// Whether what is prepared now is this module's own.
    is_own: Arc<AtomicBool>,
}

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoResult {
    /// It did not end in time.
    Late,
    /// Nobody waits for it any more.
    Stopped,
    /// The database's words.
    Failed(String),
}

impl Stage {
    /// A new connection: nothing is in its cache but the schema.
    pub(crate) fn open(
        files: &Files,
        foreign_keys: bool,
        limit: Duration,
        watch: &Arc<Watch>,
    ) -> rusqlite::Result<Self> {
        let mode = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = files.connect(mode)?;
        // Another file would not be protected as this one is.
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        let setting = format!("PRAGMA foreign_keys = {}", if foreign_keys { "ON" } else { "OFF" });
        connection.execute_batch(&setting)?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        let is_own = guard(&mut connection)?;
        watch.attach(&mut connection)?;
        Ok(Self { connection, watch: Arc::clone(watch), limit, is_own })
    }

    /// A new connection to the database itself, which is only read.
    pub(crate) fn reading(
        files: &Files,
        wait: Duration,
        limit: Duration,
        watch: &Arc<Watch>,
    ) -> Result<Self, DatabaseError> {
        let mut connection = open_together(files, wait)?.connection;
        let ready = |connection: &mut Connection| {
            connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
            connection.execute_batch("PRAGMA query_only = ON")?;
            let is_own = guard(connection)?;
            watch.attach(connection)?;
            Ok(is_own)
        };
        let is_own = ready(&mut connection)
            .map_err(|source| refused(&files.main, "cannot time statements", source))?;
        Ok(Self { connection, watch: Arc::clone(watch), limit, is_own })
    }

    /// Whether a call changes nothing.
    pub(crate) fn is_reading(&self, statement: &Statement, call: &Call) -> Result<bool, NoResult> {
        let sql = call.sql.as_ref().unwrap_or(&statement.sql);
        self.connection
            .prepare(sql)
            .map(|prepared| prepared.readonly())
            .map_err(|error| self.no_result(&error))
    }

    /// Runs a call to its last row; its time in nanoseconds from its first step, preparation left out.
    pub(crate) fn time(&self, statement: &Statement, call: &Call) -> Result<u64, NoResult> {
        self.run(statement, call, |prepared| {
            let started = Instant::now();
            let mut rows = prepared.raw_query();
            while rows.next()?.is_some() {}
            Ok(nanos(started))
        })
    }

    /// As [`Stage::time`], but with the time of its preparation: a program's first call.
    pub(crate) fn time_first(&self, statement: &Statement, call: &Call) -> Result<u64, NoResult> {
        let started = Instant::now();
        self.run(statement, call, |prepared| {
            let mut rows = prepared.raw_query();
            while rows.next()?.is_some() {}
            Ok(nanos(started))
        })
    }

    /// The rows of a call, and its time with their reading; nothing for one that writes.
    pub(crate) fn answer(
        &self,
        statement: &Statement,
        call: &Call,
    ) -> Result<(Option<Answer>, u64), NoResult> {
        self.run(statement, call, |prepared| {
            let is_reading = prepared.readonly();
            let started = Instant::now();
            let answer = Answer::of(&mut prepared.raw_query())?;
            Ok((is_reading.then_some(answer), nanos(started)))
        })
    }

    /// The plan of a call, a step per line.
    pub(crate) fn plan(&self, statement: &Statement, call: &Call) -> Result<Vec<String>, NoResult> {
        let sql = call.sql.as_ref().unwrap_or(&statement.sql);
        plan(&self.connection, sql, &call.values).map_err(|error| self.no_result(&error))
    }

    /// The connection, for statements of this crate.
    pub(crate) fn own<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.is_own.store(true, Ordering::Relaxed);
        let result = work(&self.connection);
        self.is_own.store(false, Ordering::Relaxed);
        result
    }

    /// What an error means: the time limit, the user's wish, or a failure.
    pub(crate) fn no_result(&self, error: &rusqlite::Error) -> NoResult {
        match error.sqlite_error_code() {
            _ if self.watch.is_stopped() => NoResult::Stopped,
            Some(rusqlite::ErrorCode::OperationInterrupted) if self.watch.is_late() => NoResult::Late,
            Some(rusqlite::ErrorCode::AuthorizationForStatementDenied) => NoResult::Failed(
                "it controls transactions, settings or other files, which is not measured".to_owned(),
            ),
            _ => NoResult::Failed(error.to_string()),
        }
    }

    fn run<T>(
        &self,
        statement: &Statement,
        call: &Call,
        work: impl FnOnce(&mut Prepared<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, NoResult> {
        let sql = call.sql.as_ref().unwrap_or(&statement.sql);
        self.watch.limit(self.limit);
        let result = self.run_prepared(sql, &call.values, work).map_err(|error| self.no_result(&error));
        self.watch.unlimit();
        if !self.connection.is_autocommit() {
            // Fails only where an error has rolled everything back already.
            let _ = self.own(|connection| connection.execute_batch("ROLLBACK"));
        }
        result
    }

    fn run_prepared<T>(
        &self,
        sql: &str,
        values: &Values,
        work: impl FnOnce(&mut Prepared<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut prepared = self.connection.prepare(sql)?;
        bind(&mut prepared, values)?;
        if !prepared.readonly() {
            self.own(|connection| connection.execute_batch("BEGIN IMMEDIATE"))?;
        }
        work(&mut prepared)
    }
}

/// Refuses to prepare what would leave the copy. What this crate prepares itself is let through while the flag is set.
pub(crate) fn guard(connection: &mut Connection) -> rusqlite::Result<Arc<AtomicBool>> {
    let is_own = Arc::new(AtomicBool::new(false));
    let own = Arc::clone(&is_own);
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        if own.load(Ordering::Relaxed) { Authorization::Allow } else { allowed(&context.action) }
    }))?;
    Ok(is_own)
}

/// The plan of a statement with its values, a step per line. Nothing is run.
pub(crate) fn plan(connection: &Connection, sql: &str, values: &Values) -> rusqlite::Result<Vec<String>> {
    let mut prepared = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    bind(&mut prepared, values)?;
    plan_lines(&mut prepared)
}

fn nanos(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn allowed(action: &AuthAction<'_>) -> Authorization {
    match action {
        AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. }
        | AuthAction::Attach { .. }
        | AuthAction::Detach { .. } => Authorization::Deny,
        AuthAction::Pragma { pragma_name, pragma_value: Some(_) }
            if !READING_PRAGMAS.iter().any(|name| name.eq_ignore_ascii_case(pragma_name)) =>
        {
            Authorization::Deny
        }
        _ => Authorization::Allow,
    }
}

/// The rows of `EXPLAIN QUERY PLAN`, indented by their depth.
fn plan_lines(prepared: &mut Prepared<'_>) -> rusqlite::Result<Vec<String>> {
    let (mut depths, mut lines) = (vec![(0_i64, 0_usize)], Vec::new());
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next()? {
        let (id, parent): (i64, i64) = (row.get(0)?, row.get(1)?);
        let detail: String = row.get(3)?;
        let depth = depths.iter().rev().find(|(known, _)| *known == parent).map_or(0, |(_, depth)| *depth);
        depths.push((id, depth + 1));
        if lines.len() < MAX_PLAN_LINES {
            lines.push(format!("{}{detail}", "  ".repeat(depth)));
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use crate::workload::Value;

    fn stage(folder: &Path, limit: Duration) -> Stage {
        let path = folder.join("copy.db");
        let setup = "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, NULL);
                     CREATE INDEX t_b ON t(b)";
        Connection::open(&path).unwrap().execute_batch(setup).unwrap();
        Stage::open(&Files::of(path), false, limit, &Watch::new()).unwrap()
    }

    fn statement(sql: &str) -> Statement {
        Statement { sql: sql.to_owned(), ..Statement::default() }
    }

    fn rows(stage: &Stage, sql: &str, values: Values) -> Result<u64, NoResult> {
        let (answer, _) = stage.answer(&statement(sql), &Call { sql: None, values })?;
        Ok(answer.map_or(0, |answer| answer.rows))
    }

    #[test]
    fn values_are_bound_by_place_and_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let stage = stage(folder.path(), Duration::from_secs(5));
        let named =
            |name: &str, text: &str| Values::Named(vec![(name.to_owned(), Value::Text(text.to_owned()))]);
        let cases = [
            ("SELECT * FROM t WHERE a = ?", Values::Positional(vec![Value::Integer(2)]), 1),
            (
                "SELECT * FROM t WHERE a = ?1 OR a = ?3",
                Values::Positional(vec![1, 2, 3].into_iter().map(Value::Integer).collect()),
                2,
            ),
            ("SELECT * FROM t WHERE b = :b", named("b", "two"), 1),
            ("SELECT * FROM t WHERE b = @b", named("@b", "two"), 1),
            ("SELECT * FROM t WHERE b = $b", named(":b", "two"), 0),
            ("SELECT * FROM t WHERE a = ?", Values::default(), 0),
            ("SELECT * FROM t", Values::Positional(vec![Value::Null; 9]), 3),
            ("SELECT * FROM pragma_table_info('t')", Values::default(), 2),
        ];
        for (sql, values, expected) in cases {
            assert_eq!(rows(&stage, sql, values), Ok(expected), "{sql}");
        }
    }

    #[test]
    fn what_writes_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let stage = stage(folder.path(), Duration::from_secs(5));
        for sql in [
            "DELETE FROM t",
            "INSERT INTO t(b) VALUES ('x') RETURNING a",
            "DROP TABLE t",
            "UPDATE t SET b = 'y'",
        ] {
            stage.time(&statement(sql), &Call::default()).unwrap();
            assert_eq!(rows(&stage, "SELECT * FROM t WHERE b IS NOT 'y'", Values::default()), Ok(3), "{sql}");
        }
        // The same after an error in the middle.
        let failed = stage.time(&statement("INSERT INTO t VALUES (9, 'x'), (1, 'y')"), &Call::default());
        assert!(matches!(failed, Err(NoResult::Failed(_))), "{failed:?}");
        assert_eq!(rows(&stage, "SELECT * FROM t", Values::default()), Ok(3));
    }

    #[test]
    fn what_would_leave_the_copy_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let stage = stage(folder.path(), Duration::from_secs(5));
        let other = format!("ATTACH '{}' AS other", folder.path().join("other.db").display());
        let refused =
            [&other, "BEGIN", "COMMIT", "SAVEPOINT a", "PRAGMA journal_mode = WAL", "PRAGMA foreign_keys(1)"];
        for sql in refused {
            let result = stage.time(&statement(sql), &Call::default());
            assert!(
                matches!(&result, Err(NoResult::Failed(why)) if why.contains("not measured")),
                "{sql}: {result:?}"
            );
        }
        let broken = ["", "-- nothing", "SELEC 1", "SELECT nothing FROM t", "VACUUM", "SELECT 1; SELECT 2"];
        for sql in broken {
            let result = stage.time(&statement(sql), &Call::default());
            assert!(matches!(&result, Err(NoResult::Failed(_))), "{sql}: {result:?}");
        }
        assert!(!folder.path().join("other.db").exists());
        assert_eq!(rows(&stage, "SELECT * FROM t", Values::default()), Ok(3));
    }

    #[test]
    fn an_endless_statement_is_late_and_the_next_one_runs() {
        let folder = tempfile::tempdir().unwrap();
        let stage = stage(folder.path(), Duration::from_millis(30));
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
        assert_eq!(stage.time(&statement(endless), &Call::default()), Err(NoResult::Late));
        assert_eq!(rows(&stage, "SELECT * FROM t", Values::default()), Ok(3));
        stage.watch.stop();
        assert_eq!(stage.time(&statement(endless), &Call::default()), Err(NoResult::Stopped));
    }

    #[test]
    fn plans_are_indented() {
        let folder = tempfile::tempdir().unwrap();
        let stage = stage(folder.path(), Duration::from_secs(5));
        let sql = "SELECT * FROM t WHERE b = 'x' UNION SELECT * FROM t";
        let plan = stage.plan(&statement(sql), &Call::default()).unwrap();
        assert!(
            plan.iter().any(|line| line.starts_with("    SEARCH t USING COVERING INDEX t_b")),
            "{plan:?}"
        );
    }
}
