//! [`Store`]: the SQLite file behind the demo, used off the async threads.
//!
//! One connection writes and a few read (WAL lets them do so at the same time); a request waits for its turn without
//! holding a thread, so that the number of blocking threads stays at [`READERS`] + 1 however many requests come.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pulse_db::hook::{Recorder, RecorderConfig};
use pulse_monitor::Monitor;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tempfile::TempDir;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::task::spawn_blocking;

use crate::config::{DemoConfig, MOST_TRADES};
use crate::data_set;
use crate::error::DemoError;
use crate::statements;
use crate::turns::Turns;

/// How many requests read at the same time.
const READERS: usize = 4;

/// Written into the file's header (`PDMO`), so that another program's database is recognised and left alone.
const APPLICATION_ID: i32 = 0x5044_4d4f;

/// The file may grow to 4 GiB of 4 KiB pages; then writes answer 507.
const MOST_PAGES: i64 = 1 << 20;

/// What a running server's database holds from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSet {
    /// Rows in the table `trades` when the server started.
    pub trades: u64,
    /// Whether they were generated at this start; `false` means that an existing file was continued as it was.
    pub fresh: bool,
}

/// A statement failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the database refused: {0}")]
    Sql(#[from] rusqlite::Error),
    #[error("the server is shutting down")]
    Interrupted,
}

pub(crate) struct Store {
    path: PathBuf,
    data_set: DataSet,
    reader_turns: Arc<Semaphore>,
    reading: Arc<Turns>,
    writing: Arc<Turns>,
    monitor: Monitor,
    // Fields are dropped in order. The writer must be the last connection, because a reader cannot fold the journal
    // into the file and would leave it behind; and the folder must outlive all of them.
    idle_readers: Mutex<Vec<Connection>>,
    writer: Arc<AsyncMutex<Connection>>,
    recorder: Option<Recorder>,
    _temporary: Option<TempDir>,
}

impl Store {
    /// Opens the configured file, creating and filling it in one transaction when it is new.
    /// From then on its statements are recorded.
    pub(crate) fn open(config: &DemoConfig, monitor: &Monitor) -> Result<Self, DemoError> {
        if config.trades > MOST_TRADES {
            return Err(DemoError::TooManyTrades(config.trades));
        }
        let (path, temporary) = locate(config.database.as_deref())?;
        let refused = |source| DemoError::Database { path: path.clone(), source };
        let mut writer = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
            .map_err(refused)?;
        let data_set = match origin(&writer).map_err(refused)? {
            Origin::Foreign => return Err(DemoError::ForeignDatabase { path }),
            Origin::Empty => {
                prepare_file(&writer).map_err(refused)?;
                fill(&mut writer, config).map_err(refused)?;
                DataSet { trades: config.trades, fresh: true }
            }
            Origin::Demo => {
                prepare_file(&writer).map_err(refused)?;
                let trades: i64 =
                    writer.query_row("SELECT count(*) FROM trades", [], |row| row.get(0)).map_err(refused)?;
                DataSet { trades: trades.unsigned_abs(), fresh: false }
            }
        };
        // After the database, so that a mistake about it leaves no file behind.
        let recorder = match &config.workload {
            Some(path) => Some(Recorder::create(path, &RecorderConfig::default())?),
            None => None,
        };
        statements::record(&mut writer, monitor, recorder.as_ref()).map_err(refused)?;
        Ok(Self {
            reading: Turns::new(monitor, "sqlite_readers", READERS as u64),
            writing: Turns::new(monitor, "sqlite_writer", 1),
            monitor: monitor.clone(),
            path: path.clone(),
            writer: Arc::new(AsyncMutex::new(writer)),
            idle_readers: Mutex::new(Vec::with_capacity(READERS)),
            reader_turns: Arc::new(Semaphore::new(READERS)),
            data_set,
            recorder,
            _temporary: temporary,
        })
    }

    pub(crate) fn data_set(&self) -> DataSet {
        self.data_set
    }

    #[cfg(test)]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` on the writing connection, in the order of the callers.
    pub(crate) async fn write<T, E>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let waiting = self.writing.wait();
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        let in_use = waiting.got_it();
        let job = move || {
            let _in_use = in_use;
            work(&mut writer)
        };
        spawn_blocking(job).await.unwrap_or_else(|_| Err(StoreError::Interrupted.into()))
    }

    /// Runs `work` on one of the reading connections.
    pub(crate) async fn read<T, E>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let waiting = self.reading.wait();
        let turn =
            Arc::clone(&self.reader_turns).acquire_owned().await.map_err(|_| StoreError::Interrupted)?;
        let in_use = waiting.got_it();
        let store = Arc::clone(self);
        let job = spawn_blocking(move || {
            // Moved in, so that a caller who went away does not free the turn while the statement still runs.
            let _turn = (turn, in_use);
            let reader = store.idle_readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let reader = match reader {
                Some(reader) => reader,
                None => store.reader().map_err(StoreError::Sql)?,
            };
            let answer = work(&reader);
            store.idle_readers.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
            answer
        });
        job.await.unwrap_or_else(|_| Err(StoreError::Interrupted.into()))
    }

    fn reader(&self) -> rusqlite::Result<Connection> {
        let mut reader = connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        statements::record(&mut reader, &self.monitor, self.recorder.as_ref())?;
        Ok(reader)
    }
}

/// The file to open, and the folder that is removed with it when it is temporary.
fn locate(database: Option<&Path>) -> Result<(PathBuf, Option<TempDir>), DemoError> {
    let Some(path) = database else {
        let folder = TempDir::with_prefix("pulse-demo-").map_err(DemoError::TemporaryFile)?;
        return Ok((folder.path().join("demo.db"), Some(folder)));
    };
    // An absolute path also robs `:memory:` of its special meaning, which would give every reader its own.
    let absolute = std::path::absolute(path)
        .map_err(|source| DemoError::DatabasePath { path: path.to_owned(), source })?;
    Ok((absolute, None))
}

fn connect(path: &Path, mode: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // Another process, an optimizer for instance, may hold the file for a moment.
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

enum Origin {
    Empty,
    Demo,
    Foreign,
}

/// Whose file this is; read before anything is changed in it.
fn origin(connection: &Connection) -> rusqlite::Result<Origin> {
    let id: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (id, objects) {
        (APPLICATION_ID, 1..) => Origin::Demo,
        (0 | APPLICATION_ID, 0) => Origin::Empty,
        _ => Origin::Foreign,
    })
}

fn prepare_file(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // With WAL this cannot corrupt the file; it may lose the last trades at a power cut, which a demo can bear.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update_and_check(None, "max_page_count", MOST_PAGES, |_| Ok(()))
}

fn fill(connection: &mut Connection, config: &DemoConfig) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(include_str!("schema.sql"))?;
    data_set::insert(&transaction, config.trades, config.seed)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(database: Option<PathBuf>, trades: u64) -> Result<Store, DemoError> {
        let config = DemoConfig { database, trades, ..DemoConfig::default() };
        Store::open(&config, &Monitor::new(pulse_monitor::Config::default()))
    }

    #[test]
    fn a_temporary_database_goes_away_with_its_store() {
        let store = open(None, 10).unwrap();
        let path = store.path().to_owned();
        assert!(path.exists());
        assert_eq!(store.data_set(), DataSet { trades: 10, fresh: true });
        drop(store);
        assert!(!path.parent().unwrap().exists());
    }

    #[test]
    fn an_existing_database_is_continued_as_it_is() {
        let folder = TempDir::new().unwrap();
        for name in ["demo.db", ":memory:", "file:x?mode=memory"] {
            let path = folder.path().join(name);
            assert!(open(Some(path.clone()), 10).unwrap().data_set().fresh);
            let again = open(Some(path.clone()), 99).unwrap();
            assert_eq!(again.data_set(), DataSet { trades: 10, fresh: false }, "{name}");
            assert!(path.exists());
        }
    }

    #[test]
    fn files_that_cannot_be_used_are_named_and_left_alone() {
        let folder = TempDir::new().unwrap();
        let foreign = folder.path().join("foreign.db");
        Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE theirs (id INTEGER)").unwrap();
        let text = folder.path().join("text.db");
        std::fs::write(&text, "this is not a database, it is a sentence of some length").unwrap();
        let before = (std::fs::read(&foreign).unwrap(), std::fs::read(&text).unwrap());
        for (path, message) in [
            (foreign.clone(), "is a database of another program and was left alone"),
            (text.clone(), "file is not a database"),
            (folder.path().to_owned(), "cannot use the database"),
            (folder.path().join("no/such/folder.db"), "unable to open database file"),
            (PathBuf::new(), "cannot be the path of a database"),
        ] {
            let error = open(Some(path.clone()), 1).err().unwrap().to_string();
            assert!(error.contains(message), "{}: {error}", path.display());
        }
        assert_eq!(before, (std::fs::read(&foreign).unwrap(), std::fs::read(&text).unwrap()));
        let error = open(None, MOST_TRADES + 1).err().unwrap();
        assert!(error.to_string().contains("ask for at most 10000000"), "{error}");
    }

    #[test]
    fn there_are_four_tables_and_no_index_beyond_the_keys() {
        let store = open(None, 0).unwrap();
        let reader = connect(store.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut statement =
            reader.prepare("SELECT type || ' ' || name FROM sqlite_schema ORDER BY 1").unwrap();
        let names: Vec<String> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let expected = [
            "index sqlite_autoindex_account_state_1",
            "table account_state",
            "table positions",
            "table tool_performance",
            "table trades",
        ];
        assert_eq!(names, expected);
    }
}
