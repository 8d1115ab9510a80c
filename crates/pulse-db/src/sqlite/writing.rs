//! A connection that may change the user's database: opened with care, locked for as short as possible.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, ErrorCode};

use super::connection::{open_to_write, refused};
use super::files::Files;
use super::quote;
use super::watch::{Watch, watched};
use crate::change::Change;
use crate::error::DatabaseError;
use crate::progress::Progress;

/// Between two attempts to get a lock.
const PAUSE: Duration = Duration::from_millis(20);
/// Messages of the check that are read.
const MAX_MESSAGES: u32 = 50;
/// What the check says of rows that break a rule of their table; the file itself is sound.
const BROKEN_RULES: [&str; 5] = [
    "NULL value in",
    "CHECK constraint failed in",
    "NUMERIC value in",
    "TEXT value in",
    "non-unique entry in index",
];

/// How a database is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// How long to wait for another program's lock, per change.
    pub busy_timeout: Duration,
    /// How long the file is checked before the first change; what is not checked by then is told of.
    pub check_limit: Duration,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { busy_timeout: Duration::from_secs(10), check_limit: Duration::from_secs(20) }
    }
}

/// The connection, and what ends its statements.
pub(crate) struct Writing {
    pub(crate) connection: Connection,
    pub(crate) watch: Arc<Watch>,
    /// The main file.
    pub(crate) path: PathBuf,
    options: WriteOptions,
    /// What could not be as it was meant to be.
    pub(crate) remarks: Vec<String>,
}

impl Writing {
    /// Opens the database with those attached, and refuses what is read-only or damaged. Nothing is written yet.
    pub(crate) fn open(
        files: &Files,
        options: &WriteOptions,
        progress: &mut dyn Progress,
    ) -> Result<Self, DatabaseError> {
        let read_only = |path: &Path, reason: &str| DatabaseError::ReadOnly {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        // The superuser could write it all the same, against the owner's wish.
        for (_, path) in files.all() {
            if std::fs::metadata(path).is_ok_and(|found| found.permissions().readonly()) {
                return Err(read_only(path, "its permissions forbid it"));
            }
        }
        let mut connection = open_to_write(files)?;
        for (schema, path) in files.all() {
            let failed = |source| refused(path, "cannot prepare to write", source);
            if connection.is_readonly(schema).map_err(failed)? {
                return Err(read_only(path, "the file or its folder is read-only"));
            }
            // What the journal calls done is done, even after a power cut: with FULL, the removal of the rollback journal, which
            // is the commit, need not be on the disk yet.
            let flushed = format!("PRAGMA {}.synchronous = EXTRA", quote::name(schema));
            connection.execute_batch(&flushed).map_err(failed)?;
        }
        let failed = |source| refused(&files.main, "cannot prepare to write", source);
        // Waiting is this module's, so that it can be told of.
        connection.execute_batch("PRAGMA foreign_keys = OFF").map_err(failed)?;
        connection.busy_timeout(Duration::ZERO).map_err(failed)?;
        let watch = Watch::new();
        watch.attach(&mut connection).map_err(failed)?;
        let mut writing =
            Self { connection, watch, path: files.main.clone(), options: *options, remarks: Vec::new() };
        for (schema, path) in files.all() {
            writing.check(schema, path, progress)?;
        }
        Ok(writing)
    }

    /// Whether a schema's file is sound, as far as the time goes.
    fn check(&mut self, schema: &str, path: &Path, progress: &mut dyn Progress) -> Result<(), DatabaseError> {
        let (connection, watch, limit) = (&mut self.connection, &self.watch, self.options.check_limit);
        let sql = format!("PRAGMA {}.quick_check({MAX_MESSAGES})", quote::name(schema));
        let checked = watched("checking the file", None, watch, progress, move || {
            watch.limit(limit);
            let messages = messages(connection, &sql);
            let late = watch.is_late();
            watch.unlimit();
            (messages, late)
        });
        match checked {
            _ if self.watch.is_stopped() => Err(stopped()),
            (Ok(messages), _) => {
                let is_harmless = |message: &&String| {
                    *message == "ok" || BROKEN_RULES.iter().any(|start| message.starts_with(start))
                };
                match messages.iter().find(|message| !is_harmless(message)) {
                    Some(message) => {
                        Err(DatabaseError::Corrupt { path: path.to_owned(), message: message.clone() })
                    }
                    None => Ok(()),
                }
            }
            (Err(_), true) => {
                self.remarks.push(format!("the file was checked for {} s only", limit.as_secs()));
                Ok(())
            }
            (Err(source), false) => match refused(path, "checking the file", source) {
                // A function or collation that only the application has; the file is as sound as can be told.
                DatabaseError::Sql { source, .. } => {
                    self.remarks.push(format!("the file could not be checked: {source}"));
                    Ok(())
                }
                error => Err(error),
            },
        }
    }

    /// How long to wait for another program's lock.
    pub(crate) fn busy_timeout(&self) -> Duration {
        self.options.busy_timeout
    }

    /// Begins a transaction that keeps other writers out.
    pub(crate) fn begin(&self, progress: &mut dyn Progress) -> Result<(), DatabaseError> {
        self.patiently("BEGIN IMMEDIATE", progress)
    }

    /// Ends it. When others read for too long it is given up.
    pub(crate) fn commit(&self, progress: &mut dyn Progress) -> Result<(), DatabaseError> {
        self.patiently("COMMIT", progress).inspect_err(|_| self.roll_back())
    }

    /// Gives it up.
    pub(crate) fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            // Fails only where SQLite has done so itself.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    /// Runs a statement as soon as others let it.
    pub(crate) fn patiently(&self, sql: &str, progress: &mut dyn Progress) -> Result<(), DatabaseError> {
        let started = Instant::now();
        loop {
            if progress.is_stopped() {
                return Err(stopped());
            }
            match self.connection.execute_batch(sql) {
                Ok(()) => return Ok(()),
                Err(error) if is_busy(&error) && started.elapsed() < self.options.busy_timeout => {
                    progress.at("waiting for another program's lock", None);
                    std::thread::sleep(PAUSE);
                }
                Err(error) => return Err(refused(&self.path, sql, error)),
            }
        }
    }

    /// Runs statements while `progress` is told, in the transaction there is; they can neither end it nor reach another file.
    pub(crate) fn execute_within(
        &mut self,
        step: &str,
        expected: Option<Duration>,
        statements: &[String],
        progress: &mut dyn Progress,
    ) -> Result<(), DatabaseError> {
        let failed = |writing: &Self, source| refused(&writing.path, step, source);
        self.connection.authorizer(Some(keeps_within)).map_err(|source| failed(self, source))?;
        let done = self.execute(step, expected, statements, progress);
        let none = None::<fn(AuthContext<'_>) -> Authorization>;
        self.connection.authorizer(none).map_err(|source| failed(self, source))?;
        done
    }

    /// Runs statements while `progress` is told.
    pub(crate) fn execute(
        &mut self,
        step: &str,
        expected: Option<Duration>,
        statements: &[String],
        progress: &mut dyn Progress,
    ) -> Result<(), DatabaseError> {
        let connection = &mut self.connection;
        let done = watched(step, expected, &self.watch, progress, move || {
            statements.iter().try_for_each(|sql| connection.execute_batch(sql))
        });
        match done {
            Ok(()) => Ok(()),
            Err(_) if self.watch.is_stopped() => Err(stopped()),
            Err(source) => Err(refused(&self.path, step, source)),
        }
    }

    /// The statement of the index that a change is about, where there is one.
    pub(crate) fn index_sql(&self, change: &Change) -> Result<Option<String>, DatabaseError> {
        let sql = format!(
            "SELECT coalesce(sql, '') FROM {}.sqlite_schema WHERE type = 'index' AND name = ?1 COLLATE NOCASE",
            quote::name(&change.schema)
        );
        match self.connection.query_row(&sql, [&change.subject], |row| row.get(0)) {
            Ok(sql) => Ok(Some(sql)),
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
            Err(source) => Err(refused(&self.path, "reading the schema", source)),
        }
    }
}

fn keeps_within(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. }
        | AuthAction::Attach { .. }
        | AuthAction::Detach { .. } => Authorization::Deny,
        _ => Authorization::Allow,
    }
}

fn messages(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

pub(crate) fn stopped() -> DatabaseError {
    DatabaseError::Stopped { done: "nothing was changed by the step that was stopped".to_owned() }
}
