//! `SQLite`: the driver, in parts. SQLite itself parses every statement; there is no second parser.

mod answer;
mod apply;
mod connection;
mod journal;
mod measure;
mod private_copy;
mod quote;
mod replay;
mod space;
mod statistics;
mod undo;
mod undo_script;
mod vacuum;
mod vacuum_forecast;
mod watch;
mod write_cost;
mod writing;

use std::path::{Path, PathBuf};

pub use apply::{Applied, ApplyOptions};
pub use connection::{open_read_only, open_writable};
pub use journal::{ChangeState, JOURNAL_VERSION, RecordedChange, Run, journal_path};
pub use private_copy::{CopyKind, CopyOptions, MAX_COPY_BYTES, PrivateCopy};
pub use quote::{literal, name, qualified};
pub use statistics::{STATISTICS, StatisticsState, analyze_change};
pub use undo::Undone;
pub use undo_script::undo_script_path;
pub use vacuum::{VacuumWay, Vacuumed, vacuum_change};
pub use vacuum_forecast::{ForecastSource, MIN_SAVED_SHARE, Room, VacuumForecast};
pub use writing::WriteOptions;

use crate::error::DatabaseError;

/// A database file. Nothing is held open between two calls.
#[derive(Clone, Debug)]
pub struct Sqlite {
    path: PathBuf,
}

impl Sqlite {
    /// The database at this path, after a look that it is one and can be read.
    ///
    /// # Errors
    /// When there is no such file (it is not created), or it cannot be read as a database.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DatabaseError> {
        let path = path.into();
        open_read_only(&path)?;
        Ok(Self { path })
    }

    /// The database at this path, for changes. What another program's crash has left unfinished is rolled back by SQLite here;
    /// a connection that only reads could not even look at such a file.
    ///
    /// # Errors
    /// As [`Sqlite::open`], and when it cannot be written.
    pub fn open_to_change(path: impl Into<PathBuf>) -> Result<Self, DatabaseError> {
        let path = path.into();
        open_writable(&path)?;
        Ok(Self { path })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
