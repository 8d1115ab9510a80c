//! Writing the file anew without gaps, when that brings something.

use std::time::{Duration, Instant};

use pulse_model::Fix;
use rusqlite::Connection;

use super::Sqlite;
use super::connection::refused;
use super::files::{Files, MAIN};
use super::private_copy::database_bytes;
use super::writing::{WriteOptions, Writing, stopped};
use crate::change::{Change, ChangeKind};
use crate::error::DatabaseError;
use crate::progress::Progress;
use crate::vacuum_forecast::{VacuumForecast, Vacuumed};

/// Page sizes that SQLite knows.
const PAGE_SIZES: [u32; 8] = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];
/// Pages per step of an incremental vacuum: a lock of some milliseconds.
const STEP_PAGES: u64 = 1_000;

/// How the file is made smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VacuumWay {
    /// Written anew.
    #[default]
    Whole,
    /// Written anew with pages of another size, in bytes.
    PageSize(u32),
    /// Free pages are given back in small steps; only with `auto_vacuum = INCREMENTAL`.
    Incremental,
}

impl Sqlite {
    /// Makes the file smaller. The forecast is looked at for room; whether it is worth it ([`VacuumForecast::decline`]) is for the
    /// caller to ask.
    ///
    /// # Errors
    /// When there is no room, the file is read-only, damaged or locked, the way's condition is not met, or it is stopped. The
    /// file then holds what it held.
    pub fn vacuum(
        &self,
        way: VacuumWay,
        forecast: &VacuumForecast,
        options: &WriteOptions,
        progress: &mut dyn Progress,
    ) -> Result<Vacuumed, DatabaseError> {
        let statements = statements(way, forecast)?;
        if way != VacuumWay::Incremental {
            forecast.demand_space(self.path())?;
        }
        let mut writing = Writing::open(&Files::of(self.path()), options, progress)?;
        let failed = |source| refused(self.path(), "reading the size of the database", source);
        let before_bytes = database_bytes(&writing.connection, MAIN).map_err(failed)?;
        let started = Instant::now();
        match way {
            VacuumWay::Incremental => {
                let pages = forecast.free_bytes / forecast.page_size.max(1);
                give_back(&mut writing, pages, progress)?;
            }
            _ => rewrite(&mut writing, forecast.copy_duration.map(Duration::from), &statements, progress)?,
        }
        let duration = started.elapsed().into();
        let after_bytes = database_bytes(&writing.connection, MAIN).map_err(failed)?;
        let remarks = std::mem::take(&mut writing.remarks);
        Ok(Vacuumed { before_bytes, after_bytes, duration, remarks })
    }
}

/// The change that writes the file anew, for [`Sqlite::apply`] among others. Nothing takes it back, nor needs to.
pub fn vacuum_change() -> Change {
    let fix = Fix { sql: vec!["VACUUM main".to_owned()], undo: Vec::new() };
    Change { kind: ChangeKind::Vacuum, schema: MAIN.to_owned(), subject: "file".to_owned(), fix }
}

fn statements(way: VacuumWay, forecast: &VacuumForecast) -> Result<Vec<String>, DatabaseError> {
    let refusal = |reason: String| Err(DatabaseError::Refused { reason });
    match way {
        VacuumWay::Whole => Ok(vacuum_change().fix.sql),
        VacuumWay::PageSize(size) if !PAGE_SIZES.contains(&size) => {
            refusal(format!("a page cannot have {size} bytes: choose a power of two from 512 to 65536"))
        }
        VacuumWay::PageSize(_) if forecast.journal_mode == "wal" => refusal(
            "the page size cannot change while there is a write-ahead log: PRAGMA journal_mode = DELETE first".to_owned(),
        ),
        VacuumWay::PageSize(size) => Ok(vec![format!("PRAGMA main.page_size = {size}"), "VACUUM main".to_owned()]),
        VacuumWay::Incremental if forecast.auto_vacuum != 2 => {
            refusal("free pages can be given back in small steps only with auto_vacuum = INCREMENTAL".to_owned())
        }
        VacuumWay::Incremental => Ok(Vec::new()),
    }
}

/// Writes the file anew, waiting for others, and empties a write-ahead log afterwards.
pub(crate) fn rewrite(
    writing: &mut Writing,
    expected: Option<Duration>,
    statements: &[String],
    progress: &mut dyn Progress,
) -> Result<(), DatabaseError> {
    // Whether others let it is seen by a lock that is given up at once; the rewriting itself then seldom has to wait.
    let started = Instant::now();
    loop {
        writing.begin(progress)?;
        writing.roll_back();
        match writing.execute("writing the file anew", expected, statements, progress) {
            Err(DatabaseError::Locked { .. }) if started.elapsed() < writing.busy_timeout() => {
                progress.at("waiting for another program's lock", None);
                std::thread::sleep(Duration::from_millis(20));
            }
            ended => {
                ended?;
                break;
            }
        }
    }
    empty_log(writing);
    Ok(())
}

/// A page is given back per row that is taken, so all of them are.
fn free_pages_after(connection: &Connection, sql: &str) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    connection.query_row("PRAGMA main.freelist_count", [], |row| row.get(0))
}

/// A log that a reader still needs stays, and is told of.
fn empty_log(writing: &mut Writing) {
    let mode = writing.connection.query_row("PRAGMA main.journal_mode", [], |row| row.get::<_, String>(0));
    if mode.is_ok_and(|mode| mode == "wal") {
        let sql = "PRAGMA main.wal_checkpoint(TRUNCATE)";
        match writing.connection.query_row(sql, [], |row| row.get::<_, i64>(0)) {
            Ok(0) => {}
            _ => writing.remarks.push(
                "a reader holds an old state, so that the write-ahead log stays as large as the database until it ends".to_owned(),
            ),
        }
    }
}

/// Gives free pages back in steps, between which others can write.
fn give_back(writing: &mut Writing, pages: u64, progress: &mut dyn Progress) -> Result<(), DatabaseError> {
    let failed = |writing: &Writing, source| refused(&writing.path, "giving free pages back", source);
    let sql = format!("PRAGMA main.incremental_vacuum({STEP_PAGES})");
    let mut left = pages;
    while left > 0 {
        if progress.is_stopped() {
            return Err(stopped());
        }
        progress.at("giving free pages back", Some(1.0 - left as f64 / pages.max(1) as f64));
        writing.begin(progress)?;
        let now = match free_pages_after(&writing.connection, &sql) {
            Ok(now) => now.unsigned_abs(),
            Err(source) => {
                writing.roll_back();
                return Err(failed(writing, source));
            }
        };
        writing.commit(progress)?;
        if now >= left {
            break;
        }
        left = now;
    }
    empty_log(writing);
    Ok(())
}
