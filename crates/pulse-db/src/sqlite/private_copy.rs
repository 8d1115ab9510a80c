//! A copy of the database that nobody else sees, for trials.
//!
//! For measuring it has to be *exact*: the backup interface copies page by page, free pages and half-filled ones
//! included, so that a scan of the copy reads what a scan of the original would. `VACUUM INTO` is smaller and quicker to
//! make but laid out anew, which alone makes scans faster; it tells what a `VACUUM` would bring and nothing else.
//!
//! Others may write meanwhile. With a write-ahead log the copy is of one moment, and nobody waits. Otherwise the lock is
//! given up after every batch of pages; SQLite begins again when somebody has written in between, and after some
//! beginnings the rest is copied in one go, for which writers wait.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::connection::{BUSY_TIMEOUT, log_size, open_reading, refused};
use super::copy_folder::CopyFolder;
use super::files::MAIN;
use super::watch::{Watch, watched};
use super::{Sqlite, quote, space};
use crate::error::DatabaseError;
use crate::progress::Progress;

/// The largest database of which a private copy is made unless the caller says otherwise.
pub const MAX_COPY_BYTES: u64 = 4 << 30;
/// Pages between two looks at whether to go on: 4 MiB of ordinary pages.
const BATCH: i32 = 1024;
/// Bytes between two looks at whether to go on.
const BATCH_BYTES: u64 = 16 << 20;
/// Beginnings after which the rest is copied under one lock.
const MAX_BEGINNINGS: u32 = 3;
/// Between two attempts to get at a locked database.
const PAUSE: Duration = Duration::from_millis(20);

/// How like the original a copy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyKind {
    /// Page by page: the layout is the original's.
    #[default]
    Exact,
    /// Written anew without gaps (`VACUUM INTO`).
    Compact,
}

/// How a copy is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOptions {
    /// How like the original it is.
    pub kind: CopyKind,
    /// The largest database that is copied, in bytes.
    pub max_bytes: u64,
    /// Bytes that must be left after it in the same folder.
    pub spare_bytes: u64,
    /// Where; `None` for the system's folder for temporary files.
    pub folder: Option<PathBuf>,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self { kind: CopyKind::Exact, max_bytes: MAX_COPY_BYTES, spare_bytes: 0, folder: None }
    }
}

/// A copy in a folder that only this user can enter. Both go when this is dropped.
#[derive(Debug)]
pub struct PrivateCopy {
    folder: CopyFolder,
    path: PathBuf,
    size_bytes: u64,
}

impl PrivateCopy {
    /// The copy.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// A second copy of the same moment beside the first; it goes with it. Nothing may have the first one open.
    ///
    /// # Errors
    /// When it cannot be written, or the work is stopped.
    pub fn twin(&self, progress: &mut dyn Progress) -> Result<PathBuf, DatabaseError> {
        let failed = |source| DatabaseError::File { what: "cannot write a second copy".to_owned(), source };
        let path = self.folder.path().join("twin.db");
        let (mut from, mut to) =
            (File::open(&self.path).map_err(failed)?, File::create(&path).map_err(failed)?);
        let mut copied = 0;
        loop {
            if progress.is_stopped() {
                return Err(stopped());
            }
            progress.at("copying once more", Some(copied as f64 / self.size_bytes.max(1) as f64));
            match std::io::copy(&mut (&mut from).take(BATCH_BYTES), &mut to).map_err(failed)? {
                0 => return Ok(path),
                bytes => copied += bytes,
            }
        }
    }
}

impl Sqlite {
    /// Makes a private copy of the file, without those attached.
    ///
    /// # Errors
    /// When the database is larger than allowed, there is no room, it stays locked, cannot be read, or the work is stopped.
    pub fn private_copy(
        &self,
        options: &CopyOptions,
        progress: &mut dyn Progress,
    ) -> Result<PrivateCopy, DatabaseError> {
        private_copy(self.path(), self.busy_timeout(), options, progress)
    }
}

/// Makes a private copy of one file.
pub(crate) fn private_copy(
    path: &Path,
    busy_timeout: Duration,
    options: &CopyOptions,
    progress: &mut dyn Progress,
) -> Result<PrivateCopy, DatabaseError> {
    for _ in 0..MAX_BEGINNINGS {
        let before = stamp(path);
        let reading = open_reading(path, busy_timeout)?;
        let takes_no_locks = reading.immutable;
        let copy = copied(path, reading.connection, options, progress)?;
        if !takes_no_locks || stamp(path) == before {
            return Ok(copy);
        }
    }
    Err(DatabaseError::Locked { path: path.to_owned() })
}

/// What changes when somebody writes to a database with a write-ahead log: its log is not empty, or the file was written to.
/// Where nobody had it open it is read without locks, and only this shows that somebody came meanwhile.
fn stamp(path: &Path) -> (u64, Option<(u64, SystemTime)>) {
    let file = std::fs::metadata(path).and_then(|found| Ok((found.len(), found.modified()?)));
    (log_size(path).unwrap_or(0), file.ok())
}

fn copied(
    path: &Path,
    original: Connection,
    options: &CopyOptions,
    progress: &mut dyn Progress,
) -> Result<PrivateCopy, DatabaseError> {
    let size_bytes = database_bytes(&original, MAIN)
        .map_err(|source| refused(path, "cannot read the size of the database", source))?;
    if size_bytes > options.max_bytes {
        let (path, limit_bytes) = (path.to_owned(), options.max_bytes);
        return Err(DatabaseError::TooLarge { path, size_bytes, limit_bytes });
    }
    let parent = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    space::demand("a private copy", &parent, size_bytes.saturating_add(options.spare_bytes))?;
    let folder = CopyFolder::new_in(&parent).map_err(|source| DatabaseError::File {
        what: format!("cannot make a folder for a private copy in {}", parent.display()),
        source,
    })?;
    let target = folder.path().join("copy.db");
    match options.kind {
        CopyKind::Exact => copy_exactly(path, &original, &target, progress)?,
        CopyKind::Compact => copy_compactly(path, original, &target, progress)?,
    }
    let size_bytes = std::fs::metadata(&target)
        .map_err(|source| DatabaseError::File { what: "cannot look at the private copy".to_owned(), source })?
        .len();
    Ok(PrivateCopy { folder, path: target, size_bytes })
}

/// Bytes of all pages of a schema, those in the write-ahead log included.
pub(crate) fn database_bytes(connection: &Connection, schema: &str) -> rusqlite::Result<u64> {
    let number = |pragma: &str| {
        let sql = format!("PRAGMA {}.{pragma}", quote::name(schema));
        connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
    };
    Ok(number("page_count")?.saturating_mul(number("page_size")?))
}

fn stopped() -> DatabaseError {
    DatabaseError::Stopped { done: "the private copy is gone, the database untouched".to_owned() }
}

fn copy_exactly(
    path: &Path,
    original: &Connection,
    target: &Path,
    progress: &mut dyn Progress,
) -> Result<(), DatabaseError> {
    let failed = |source| refused(path, "cannot copy the database", source);
    let mode =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy = Connection::open_with_flags(target, mode).map_err(failed)?;
    // A copy that a power cut damages is thrown away with everything else in its folder.
    copy.execute_batch("PRAGMA synchronous = OFF").map_err(failed)?;
    let journal: String = original.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(failed)?;
    if journal == "wal" {
        // A reader's snapshot: what others write goes to the log behind it.
        original.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema").map_err(failed)?;
    } else {
        // The wait is this function's, so that it can be told of and stopped.
        original.busy_timeout(Duration::ZERO).map_err(failed)?;
    }
    let backup = Backup::new(original, &mut copy).map_err(failed)?;
    let (mut beginnings, mut left, mut waiting) = (1, i32::MAX, None::<Instant>);
    loop {
        if progress.is_stopped() {
            return Err(stopped());
        }
        let pages = if beginnings > MAX_BEGINNINGS { -1 } else { BATCH };
        match backup.step(pages).map_err(failed)? {
            StepResult::Done => return Ok(()),
            StepResult::Busy | StepResult::Locked => {
                if waiting.get_or_insert_with(Instant::now).elapsed() > BUSY_TIMEOUT {
                    return Err(DatabaseError::Locked { path: path.to_owned() });
                }
                progress.at("waiting for another program's lock", None);
                std::thread::sleep(PAUSE);
            }
            _ => {
                waiting = None;
                let now = backup.progress();
                beginnings += u32::from(now.remaining > left);
                left = now.remaining;
                let share = 1.0 - f64::from(now.remaining) / f64::from(now.pagecount.max(1));
                progress.at("copying", Some(share));
            }
        }
    }
}

fn copy_compactly(
    path: &Path,
    mut original: Connection,
    target: &Path,
    progress: &mut dyn Progress,
) -> Result<(), DatabaseError> {
    let failed = |source| refused(path, "cannot write the database anew", source);
    let watch = Watch::new();
    watch.attach(&mut original).map_err(failed)?;
    let Some(name) = target.to_str().map(str::to_owned) else {
        let source =
            std::io::Error::new(std::io::ErrorKind::InvalidInput, "SQLite takes names in UTF-8 only");
        return Err(DatabaseError::File { what: format!("cannot write to {}", target.display()), source });
    };
    let made = watched("writing a compact copy", None, &watch, progress, move || {
        original.execute("VACUUM main INTO ?1", [name])
    });
    match made {
        Ok(_) => Ok(()),
        Err(_) if watch.is_stopped() => Err(stopped()),
        Err(source) => Err(failed(source)),
    }
}
