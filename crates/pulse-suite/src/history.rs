//! The history of runs in an embedded SQLite file, `.pulse/history.db`.
//!
//! Several processes may write at once: each write is one transaction, and a writer waits for its turn. The file's
//! `user_version` is the version of its schema: older files are migrated when they are opened, newer ones are refused.
//! It stays bounded: see [`Retention`].

mod changes;
mod error;
mod query;

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use pulse_model::{Ending, Summary};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior, params};
use serde::Serialize;

pub use changes::{HistoryChange, PlanChange, changes_over, plan_changes};
pub use error::HistoryError;
pub use query::{BaselineRow, HistoryPoint, RunFilter, RunRow};

use crate::run_data::RunData;
use crate::run_record::{CaseRecord, RunRecord, metrics};

/// Written into the file's header (`PULS`), so that another program's database is recognised and left alone.
const APPLICATION_ID: i32 = 0x5055_4c53;
/// The steps from each version of the schema to the next.
const MIGRATIONS: [&str; 3] = [
    include_str!("history/schema_1.sql"),
    include_str!("history/schema_2.sql"),
    include_str!("history/schema_3.sql"),
];
/// How long a writer waits for another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause before a file that another process was preparing is tried again.
const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// Longest name of a baseline in bytes.
const NAME_BYTES: usize = 200;
/// Longest summary that is kept, bytes of JSON.
const SUMMARY_BYTES: usize = 16 << 20;
/// Longest sequence of intervals that is kept, bytes of JSON; beyond it neighbours are merged.
const INTERVALS_BYTES: usize = 4 << 20;
/// Most cases of one run.
const MAX_CASES: usize = 10_000;

/// How much is kept. What is older is removed with the next run; runs that are a named baseline stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Newest runs of each case that are kept.
    pub runs_per_case: u32,
    /// Newest runs of each case that keep their intervals, by far the largest part; only they can be compared in full.
    pub detailed_runs_per_case: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { runs_per_case: 1000, detailed_runs_per_case: 100 }
    }
}

/// Names a run of this history; newer runs have larger numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RunId(pub i64);

/// An open history.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    connection: Connection,
    retention: Retention,
}

impl History {
    /// Where the history of a project is kept, under the project's folder.
    pub const PATH: &'static str = ".pulse/history.db";

    /// Opens a history for reading and writing, and makes it, with the folder, when there is none. Only its owner may read
    /// a new file, since summaries name internal services.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        let not_writable = |source: std::io::Error| HistoryError::NotWritable {
            path: path.to_owned(),
            reason: source.to_string(),
        };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(not_writable)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        drop(options.open(path).map_err(not_writable)?);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = connect(path, flags)?;
        prepare(path, &mut connection)?;
        Ok(Self { path: path.to_owned(), connection, retention: Retention::default() })
    }

    /// Opens a history that exists; `None` when there is no file. Where it may not be written, it is opened for reading
    /// alone; then it must be of the current version.
    pub fn open_existing(path: &Path) -> Result<Option<Self>, HistoryError> {
        match path.try_exists() {
            Ok(false) => return Ok(None),
            Ok(true) => {}
            Err(source) => {
                return Err(HistoryError::NotReadable { path: path.to_owned(), reason: source.to_string() });
            }
        }
        match Self::open(path) {
            Err(HistoryError::NotWritable { .. }) => {}
            opened => return opened.map(Some),
        }
        let connection = connect_for_reading(path)?;
        let found = version(path, &connection)?;
        if found != MIGRATIONS.len() {
            let reason = format!("it has version {found} and has to be migrated");
            return Err(HistoryError::NotWritable { path: path.to_owned(), reason });
        }
        Ok(Some(Self { path: path.to_owned(), connection, retention: Retention::default() }))
    }

    /// The same history with other limits.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Keeps a run, and removes what is too old by now.
    pub fn record(&mut self, record: &RunRecord) -> Result<RunId, HistoryError> {
        if record.cases.len() > MAX_CASES {
            return Err(HistoryError::TooLarge { what: "the number of cases".into(), limit: MAX_CASES });
        }
        let retention = self.retention;
        self.write(|transaction, path| {
            let failed = |source| HistoryError::sql(path, source);
            let id = insert_run(transaction, path, record)?;
            for case in &record.cases {
                insert_case(transaction, path, id, case)?;
                prune(transaction, &record.suite, &case.id, retention).map_err(failed)?;
            }
            remove_empty_runs(transaction, id).map_err(failed)?;
            Ok(id)
        })
    }

    /// Gives a run a name; the name's former run loses it. A run that did not come to its end is no baseline.
    pub fn save_baseline(&mut self, name: &str, run: RunId) -> Result<(), HistoryError> {
        check_name(name)?;
        self.write(|transaction, path| {
            let ending: Option<Option<String>> = transaction
                .query_row("SELECT ending FROM runs WHERE id = ?1", [run.0], |row| row.get(0))
                .optional()
                .map_err(|source| HistoryError::sql(path, source))?;
            let ending = ending.ok_or(HistoryError::NoSuchRun { run: run.0 })?;
            if ending != query::word(&Ending::Finished) {
                return Err(HistoryError::CutShort { run: run.0 });
            }
            let sql = "INSERT INTO baselines (name, run) VALUES (?1, ?2)
                       ON CONFLICT (name) DO UPDATE SET run = excluded.run";
            transaction
                .execute(sql, params![name, run.0])
                .map_err(|source| HistoryError::sql(path, source))?;
            Ok(())
        })
    }

    /// Takes a name away; false when there was none. The run stays until it is too old.
    pub fn remove_baseline(&mut self, name: &str) -> Result<bool, HistoryError> {
        self.write(|transaction, path| {
            let removed = transaction.execute("DELETE FROM baselines WHERE name = ?1", [name]);
            removed.map(|rows| rows > 0).map_err(|source| HistoryError::sql(path, source))
        })
    }

    fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, &Path) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        let path = &self.path;
        let failed = |source| HistoryError::sql(path, source);
        // Immediate: a transaction that turns from reading to writing would be refused instead of waiting.
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let done = work(&transaction, path)?;
        transaction.commit().map_err(failed)?;
        Ok(done)
    }
}

/// Checks a baseline's name: it must be told apart from a file, and be printable.
pub(crate) fn check_name(name: &str) -> Result<(), HistoryError> {
    let reason = if name.trim().is_empty() {
        "it is empty"
    } else if name.len() > NAME_BYTES {
        "it is longer than 200 bytes"
    } else if name.chars().any(char::is_control) {
        "it has control characters"
    } else if crate::baseline::looks_like_a_file(name) {
        "it looks like a file"
    } else {
        return Ok(());
    };
    Err(HistoryError::BadName { name: name.escape_debug().take(NAME_BYTES).collect(), reason })
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, HistoryError> {
    let connect = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        Ok(connection)
    };
    connect().map_err(|source| HistoryError::sql(path, source))
}

/// Opens a file that cannot be written. SQLite keeps a table of its readers beside the file; where even that cannot be
/// made, the file is taken for one that nobody changes, which is true of what nobody may write.
fn connect_for_reading(path: &Path) -> Result<Connection, HistoryError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = connect(path, flags)?;
    match version(path, &connection) {
        Err(HistoryError::NotWritable { .. }) => {
            let escaped: String = path.to_string_lossy().chars().fold(String::new(), |mut uri, c| {
                match c {
                    '%' => uri.push_str("%25"),
                    '?' => uri.push_str("%3f"),
                    '#' => uri.push_str("%23"),
                    c => uri.push(c),
                }
                uri
            });
            let uri = PathBuf::from(format!("file:{escaped}?immutable=1"));
            connect(&uri, flags | OpenFlags::SQLITE_OPEN_URI)
        }
        _ => Ok(connection),
    }
}

/// The version of an existing file; 0 for an empty one.
fn version(path: &Path, connection: &Connection) -> Result<usize, HistoryError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let failed = |source| HistoryError::sql(path, source);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    let (application, version) =
        (pragma("application_id").map_err(failed)?, pragma("user_version").map_err(failed)?);
    match usize::try_from(version) {
        Ok(0) if tables == 0 && application == 0 => Ok(0),
        Ok(found) if application == APPLICATION_ID && (1..=MIGRATIONS.len()).contains(&found) => Ok(found),
        Ok(found) if application == APPLICATION_ID && found > MIGRATIONS.len() => {
            Err(HistoryError::NewerVersion { path: path.to_owned(), found, known: MIGRATIONS.len() })
        }
        _ => Err(HistoryError::Foreign { path: path.to_owned() }),
    }
}

/// Brings a file to the current version and to its journal mode, as soon as nobody else is about to do the same:
/// changing the journal mode needs the whole file, and SQLite refuses that at once instead of waiting.
fn prepare(path: &Path, connection: &mut Connection) -> Result<(), HistoryError> {
    let started = Instant::now();
    loop {
        match migrate(path, connection) {
            Err(HistoryError::Busy { .. }) if started.elapsed() < BUSY_TIMEOUT => thread::sleep(BUSY_PAUSE),
            done => return done,
        }
    }
}

fn migrate(path: &Path, connection: &mut Connection) -> Result<(), HistoryError> {
    let failed = |source| HistoryError::sql(path, source);
    if version(path, connection)? < MIGRATIONS.len() {
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        // Asked again under the lock: another process may have been faster.
        let found = version(path, &transaction)?;
        for migration in &MIGRATIONS[found..] {
            transaction.execute_batch(migration).map_err(failed)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        transaction.pragma_update(None, "user_version", MIGRATIONS.len() as u32).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    // Readers and a writer at the same time. On file systems without shared memory SQLite keeps its old journal.
    let _: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(failed)?;
    connection.pragma_update(None, "synchronous", "normal").map_err(failed)
}

fn insert_run(transaction: &Transaction<'_>, path: &Path, record: &RunRecord) -> Result<RunId, HistoryError> {
    let (origin, summary) = (&record.origin, &record.summary);
    let json = limited(&summary, "the summary of the run")?;
    transaction
        .execute(
            "INSERT INTO runs
                 (suite, started, revision, branch, dirty, machine, version, verdict, validity, summary, ending)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                record.suite,
                summary.run.started,
                origin.commit,
                origin.branch,
                origin.dirty,
                origin.machine,
                summary.run.version,
                query::word(&summary.verdict),
                query::word(&summary.validity.state),
                json,
                query::word(&summary.ending),
            ],
        )
        .map_err(|source| HistoryError::sql(path, source))?;
    Ok(RunId(transaction.last_insert_rowid()))
}

fn insert_case(
    transaction: &Transaction<'_>,
    path: &Path,
    run: RunId,
    case: &CaseRecord,
) -> Result<(), HistoryError> {
    let failed = |source| HistoryError::sql(path, source);
    let summary = &case.data.summary;
    let json = limited(summary, "the summary of a case")?;
    let sql = "INSERT INTO cases (run, name, verdict, validity, summary, intervals, plan)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let values = params![
        run.0,
        case.id,
        query::word(&summary.verdict),
        query::word(&summary.validity.state),
        json,
        intervals_json(&case.data),
        plan(summary),
    ];
    transaction.execute(sql, values).map_err(failed)?;
    let row = transaction.last_insert_rowid();
    let mut insert = transaction
        .prepare_cached("INSERT INTO metrics (case_id, metric, value) VALUES (?1, ?2, ?3)")
        .map_err(failed)?;
    for (metric, value) in metrics(summary) {
        insert.execute(params![row, metric, value]).map_err(failed)?;
    }
    Ok(())
}

/// What a case does in words, `name: load` of each scenario; `None` where it has no scenario. Two runs whose plans differ
/// are no evidence of a change of the service.
fn plan(summary: &Summary) -> Option<String> {
    let scenarios = summary.run.scenarios.iter();
    let plans: Vec<String> = scenarios.map(|it| format!("{}: {}", it.name, it.load)).collect();
    (!plans.is_empty()).then(|| plans.join("; "))
}

fn limited(value: &impl Serialize, what: &str) -> Result<String, HistoryError> {
    let damaged = |source: serde_json::Error| HistoryError::Unwritable { what: what.to_owned(), source };
    let json = serde_json::to_string(value).map_err(damaged)?;
    if json.len() > SUMMARY_BYTES {
        return Err(HistoryError::TooLarge { what: what.to_owned(), limit: SUMMARY_BYTES });
    }
    Ok(json)
}

/// The intervals as JSON, merged until they fit; `None` when even one does not, or there are none.
fn intervals_json(data: &RunData) -> Option<String> {
    let mut data = (!data.intervals.is_empty()).then(|| data.clone())?;
    loop {
        let json = serde_json::to_string(&data.intervals).ok()?;
        if json.len() <= INTERVALS_BYTES {
            return Some(json);
        }
        data = data.coarser()?;
    }
}

/// Removes a case's runs beyond those that are kept, and the intervals of older ones.
fn prune(
    transaction: &Transaction<'_>,
    suite: &str,
    case: &str,
    retention: Retention,
) -> Result<(), rusqlite::Error> {
    let old = "SELECT cases.id FROM cases JOIN runs ON runs.id = cases.run
               WHERE runs.suite = ?1 AND cases.name = ?2 ORDER BY cases.id DESC LIMIT -1 OFFSET ?3";
    let named = "SELECT run FROM baselines";
    transaction
        .prepare_cached(&format!("DELETE FROM cases WHERE run NOT IN ({named}) AND id IN ({old})"))?
        .execute(params![suite, case, retention.runs_per_case])?;
    transaction
        .prepare_cached(&format!(
            "UPDATE cases SET intervals = NULL
             WHERE intervals IS NOT NULL AND run NOT IN ({named}) AND id IN ({old})"
        ))?
        .execute(params![suite, case, retention.detailed_runs_per_case])?;
    Ok(())
}

/// Removes runs whose cases are all gone, but not the newest one: a suite without cases was a run, too.
fn remove_empty_runs(transaction: &Transaction<'_>, newest: RunId) -> Result<(), rusqlite::Error> {
    let sql = "DELETE FROM runs WHERE id != ?1 AND id NOT IN (SELECT run FROM baselines)
               AND NOT EXISTS (SELECT 1 FROM cases WHERE cases.run = runs.id)";
    transaction.execute(sql, [newest.0]).map(drop)
}
