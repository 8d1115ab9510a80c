//! A case that times SQL statements on SQLite: every statement is a request of the engine, with figures of its own.
//!
//! The user's database file is never changed. Without `setup` it is opened read-only; with it everything happens in a
//! copy that is thrown away (or in a new database in memory for `sqlite::memory:`). Each pass runs in a transaction that
//! is rolled back, so that every pass finds the same rows. PRAGMAs stay as the file and SQLite's defaults have them.
//!
//! A *cold* pass has a new connection: SQLite's own cache and its parsed schema are empty. The operating system's cache
//! of the file stays warm, as it does for a service that has run for a while.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pulse_engine::{Behavior, EndpointId, Endpoints, Iteration, Outcome, RequestEnd, VirtualUser};
use pulse_model::{Nanos, Tags};
use rusqlite::limits::Limit;
use rusqlite::{Connection, InterruptHandle, OpenFlags};
use tempfile::TempDir;

use crate::command::unconnected;

/// Class of a statement that failed.
const SQL: &str = "sql";
/// Class of a statement that took longer than it may.
const TIMEOUT: &str = "timeout";
/// Limit for one statement.
const STATEMENT_TIMEOUT: Nanos = Nanos::from_secs(60);
/// The largest file that is copied for a setup.
const MAX_COPY_BYTES: u64 = 4 << 30;
/// How a database is named.
const SCHEME: &str = "sqlite:";
const MEMORY: &str = ":memory:";
/// Characters of a statement in its endpoint's name.
const NAME_CHARS: usize = 80;

/// Why a database cannot be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// Not SQLite.
    #[error(
        "`{url}` is not an SQLite database: write for example sqlite:data/app.db (other databases are not measured)"
    )]
    Scheme {
        /// The URL without anything that could be a password.
        url: String,
    },
    /// There is no such file.
    #[error("there is no database file {}; a database in memory is written sqlite::memory:", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// Too large to copy.
    #[error("{} has {size_bytes} bytes; a file is copied for its setup only up to {MAX_COPY_BYTES}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size_bytes: u64,
    },
    /// There is no room for the copy.
    #[error("the copy for the setup cannot be written: {0}")]
    Copy(#[from] std::io::Error),
    /// A statement of the setup, or opening.
    #[error("{what}: {source}")]
    Sql {
        /// What was done.
        what: String,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

/// What is measured, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DatabaseCase<'a> {
    /// `sqlite:PATH`, or `sqlite::memory:`.
    pub(crate) url: &'a str,
    /// Statements that prepare a copy, untimed; each text may hold several.
    pub(crate) setup: &'a [String],
    /// Statements that are timed one by one, in order.
    pub(crate) statements: &'a [String],
    /// Whether every pass has a new connection.
    pub(crate) cold: bool,
}

/// A prepared database. The copy, if there is one, lives as long as this.
#[derive(Debug)]
pub(crate) struct TimedDatabase {
    source: Source,
    statements: Arc<[String]>,
    cold: bool,
    /// The warm connection between two passes.
    warm: Arc<Mutex<Option<Connection>>>,
    _copy: Option<TempDir>,
}

/// Where connections come from.
#[derive(Clone, Debug)]
enum Source {
    /// The user's file, read-only.
    ReadOnly(PathBuf),
    /// A copy, which may be written.
    Copy(PathBuf),
    /// In memory: every connection has its own, and is set up anew.
    Memory(Arc<[String]>),
}

impl TimedDatabase {
    /// Finds the database, makes the copy and runs the setup, and checks that all statements can be prepared.
    pub(crate) fn open(case: DatabaseCase<'_>) -> Result<Self, DatabaseError> {
        let (source, copy) = Source::of(case)?;
        let connection = source.connect()?;
        if case.setup.is_empty() {
            // With a setup a statement may depend on one before it.
            for statement in case.statements {
                let what = || format!("`{}` is not a statement for this database", shortened(statement));
                connection
                    .prepare(statement)
                    .map_err(|source| DatabaseError::Sql { what: what(), source })?;
            }
        }
        Ok(Self {
            source,
            statements: case.statements.into(),
            cold: case.cold,
            warm: Arc::default(),
            _copy: copy,
        })
    }

    /// The table with an endpoint per statement.
    pub(crate) fn endpoints(&self) -> Arc<Endpoints> {
        let scenario: Arc<str> = "database".into();
        let mut endpoints = Endpoints { scenarios: vec![Arc::clone(&scenario)], ..Endpoints::default() };
        for (number, statement) in self.statements.iter().enumerate() {
            let mut name = shortened(statement);
            if self.statements.iter().take(number).any(|other| shortened(other) == name) {
                name = format!("{name} (#{})", number + 1);
            }
            endpoints.add(&scenario, &name.into(), Tags::new(), Vec::new());
        }
        Arc::new(endpoints)
    }

    /// What a worker of the engine runs: one user, one pass over the statements per iteration.
    pub(crate) fn behavior(&self) -> DatabaseBehavior {
        DatabaseBehavior {
            source: self.source.clone(),
            statements: Arc::clone(&self.statements),
            warm: (!self.cold).then(|| Arc::clone(&self.warm)),
        }
    }

    /// Whether passes share a connection, which the first of them has to warm up.
    pub(crate) fn is_warm(&self) -> bool {
        !self.cold
    }
}

/// A statement in one line.
fn shortened(statement: &str) -> String {
    let line = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= NAME_CHARS {
        return line;
    }
    line.chars().take(NAME_CHARS - 1).chain(['…']).collect()
}

impl Source {
    fn of(case: DatabaseCase<'_>) -> Result<(Self, Option<TempDir>), DatabaseError> {
        let scheme =
            || DatabaseError::Scheme { url: case.url.split("://").next().unwrap_or_default().to_owned() };
        let path = match case.url.strip_prefix(SCHEME) {
            Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
            None if case.url.contains("://") => return Err(scheme()),
            None => case.url,
        };
        if path == MEMORY {
            return Ok((Self::Memory(case.setup.into()), None));
        }
        let path = Path::new(path);
        if !path.is_file() {
            return Err(DatabaseError::NoFile { path: path.to_owned() });
        }
        if case.setup.is_empty() {
            return Ok((Self::ReadOnly(path.to_owned()), None));
        }
        let size_bytes = std::fs::metadata(path)?.len();
        if size_bytes > MAX_COPY_BYTES {
            return Err(DatabaseError::TooLarge { path: path.to_owned(), size_bytes });
        }
        let folder = TempDir::new()?;
        let copy = folder.path().join("copy.db");
        let what = || format!("{} cannot be copied", path.display());
        copy_database(path, &copy).map_err(|source| DatabaseError::Sql { what: what(), source })?;
        let source = Self::Copy(copy);
        set_up(&source.connect()?, case.setup)?;
        Ok((source, Some(folder)))
    }

    fn connect(&self) -> Result<Connection, DatabaseError> {
        let opened = match self {
            Self::ReadOnly(path) => open(path, OpenFlags::SQLITE_OPEN_READ_ONLY),
            Self::Copy(path) => open(path, OpenFlags::SQLITE_OPEN_READ_WRITE),
            Self::Memory(_) => Connection::open_in_memory(),
        };
        // Nothing may be attached: another file would not be protected as this one is.
        let limited = opened.and_then(|connection| {
            connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
            Ok(connection)
        });
        let what = || "the database cannot be opened".to_owned();
        let connection = limited.map_err(|source| DatabaseError::Sql { what: what(), source })?;
        if let Self::Memory(setup) = self {
            set_up(&connection, setup)?;
        }
        Ok(connection)
    }
}

fn open(path: &Path, mode: OpenFlags) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// Page by page, so that the copy is laid out like the original; what is still in the write-ahead log included.
fn copy_database(from: &Path, to: &Path) -> rusqlite::Result<()> {
    let original = open(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut copy = open(to, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    let backup = rusqlite::backup::Backup::new(&original, &mut copy)?;
    backup.run_to_completion(1024, std::time::Duration::ZERO, None)
}

fn set_up(connection: &Connection, setup: &[String]) -> Result<(), DatabaseError> {
    for text in setup {
        let what = || format!("the setup `{}` failed", shortened(text));
        connection.execute_batch(text).map_err(|source| DatabaseError::Sql { what: what(), source })?;
    }
    Ok(())
}

/// Makes the one user who runs the statements.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseBehavior {
    source: Source,
    statements: Arc<[String]>,
    /// The connection that stays open from pass to pass; `None` when every pass has a new one.
    warm: Option<Arc<Mutex<Option<Connection>>>>,
}

impl Behavior for DatabaseBehavior {
    type User = DatabaseUser;

    fn user(&self, _scenario: usize, _number: u64) -> DatabaseUser {
        DatabaseUser { behavior: self.clone() }
    }

    fn sweep(&self, _now: Instant) {}

    fn next_deadline(&self) -> Option<Instant> {
        None
    }
}

/// Runs all statements once per iteration.
#[derive(Debug)]
pub(crate) struct DatabaseUser {
    behavior: DatabaseBehavior,
}

impl DatabaseBehavior {
    fn take_connection(&self) -> Result<Connection, DatabaseError> {
        let kept =
            self.warm.as_ref().and_then(|warm| warm.lock().unwrap_or_else(PoisonError::into_inner).take());
        kept.map_or_else(|| self.source.connect(), Ok)
    }

    fn keep_connection(&self, connection: Connection) {
        if let Some(warm) = &self.warm {
            *warm.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        }
    }

    /// All statements once, on a thread of their own, so that the worker can seal its intervals and stop in time.
    /// The second value says whether they had to be interrupted.
    async fn pass(&self, connection: Connection) -> (Vec<Timed>, bool) {
        let interrupt = Interrupt(connection.get_interrupt_handle());
        let statements = Arc::clone(&self.statements);
        let pass = tokio::task::spawn_blocking(move || {
            let results = run_all(&connection, &statements);
            (connection, results)
        });
        let limit = STATEMENT_TIMEOUT.times(self.statements.len() as u64);
        let mut pass = std::pin::pin!(pass);
        let in_time = tokio::time::timeout(limit.into(), &mut pass).await.ok();
        let is_late = in_time.is_none();
        let ended = if let Some(ended) = in_time {
            ended
        } else {
            interrupt.0.interrupt();
            pass.await
        };
        match ended {
            Ok((connection, results)) => {
                self.keep_connection(connection);
                (results, is_late)
            }
            Err(lost) if lost.is_panic() => std::panic::resume_unwind(lost.into_panic()),
            // Only a runtime that is shutting down gives a task up.
            Err(_) => (Vec::new(), is_late),
        }
    }
}

impl VirtualUser for DatabaseUser {
    async fn iterate(&mut self, iteration: &mut Iteration<'_>) -> Outcome {
        let clock = iteration.clock();
        let connection = match self.behavior.take_connection() {
            Ok(connection) => connection,
            Err(error) => {
                let (now, message) = (clock.now(), error.to_string());
                let end = RequestEnd::Failed { class: SQL, message: &message };
                iteration.record(EndpointId(0), unconnected(now, now, end));
                return Outcome::Completed;
            }
        };
        let (results, is_late) = self.behavior.pass(connection).await;
        for (number, timed) in results.into_iter().enumerate() {
            let message = timed.result.err();
            let class = if is_late { TIMEOUT } else { SQL };
            let end = match &message {
                None => RequestEnd::Ok,
                Some(message) => RequestEnd::Failed { class, message },
            };
            let measured = unconnected(clock.at(timed.started), clock.at(timed.finished), end);
            iteration.record(EndpointId(number as u32), measured);
        }
        Outcome::Completed
    }
}

/// Ends a statement that nobody waits for any more.
struct Interrupt(InterruptHandle);

impl Drop for Interrupt {
    fn drop(&mut self) {
        // Without a running statement it does nothing.
        self.0.interrupt();
    }
}

/// A statement that was run.
struct Timed {
    started: Instant,
    finished: Instant,
    result: Result<(), String>,
}

/// All statements once, in a transaction that is rolled back.
fn run_all(connection: &Connection, statements: &[String]) -> Vec<Timed> {
    let begun = connection.execute_batch("BEGIN").map_err(|error| error.to_string());
    let time = |statement: &String| {
        let started = Instant::now();
        let result =
            begun.clone().and_then(|()| run_one(connection, statement).map_err(|error| error.to_string()));
        Timed { started, finished: Instant::now(), result }
    };
    let results = statements.iter().map(time).collect();
    // Fails only where a statement has ended the transaction itself; then there is nothing to roll back, and what it
    // changed is in the copy.
    let _ = connection.execute_batch("ROLLBACK");
    results
}

/// Prepares a statement and takes all its rows.
fn run_one(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    let mut prepared = connection.prepare(statement)?;
    let mut rows = prepared.raw_query();
    while rows.next()?.is_some() {}
    Ok(())
}
