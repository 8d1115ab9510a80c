//! `SQLite`: the driver, in parts. SQLite itself parses every statement; there is no second parser.

mod answer;
mod apply;
mod asked;
mod bind;
mod connection;
mod copy_folder;
mod driver;
pub(crate) mod files;
mod header;
mod index_sql;
mod index_statistics;
mod index_text;
mod indexes;
mod introspect;
mod journal;
mod limit;
mod measure;
mod plan_cost;
mod planning;
mod private_copy;
mod query_plan;
mod questions;
mod replay;
mod rewrites;
mod row;
mod sample;
mod schema_copy;
mod settings;
mod sizes;
mod space;
mod statistics;
mod studied;
mod tables;
mod time_limit;
mod timing;
mod tokens;
mod tried;
mod undo;
mod undo_script;
mod vacuum;
mod vacuum_forecast;
mod watch;
mod what_if;
mod write_cost;
mod writing;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use apply::ApplyOptions;
pub use connection::{open_read_only, open_writable};
pub use files::{Attached, MAX_ATTACHED};
pub use index_sql::{create_index, index_name};
pub use journal::{ChangeState, JOURNAL_VERSION, RecordedChange, Run, journal_path};
pub use private_copy::{CopyKind, CopyOptions, MAX_COPY_BYTES, PrivateCopy};
pub use statistics::{STATISTICS, StatisticsState, analyze_change};
pub use undo::Undone;
pub use undo_script::undo_script_path;
pub use vacuum::{VacuumWay, vacuum_change};
pub use what_if::WhatIfOptions;
pub use writing::WriteOptions;

pub use crate::applied::Applied;
use crate::error::DatabaseError;
use crate::quote;
pub use crate::quote::{literal, name, qualified};
pub use crate::vacuum_forecast::{ForecastSource, MIN_SAVED_SHARE, Room, VacuumForecast, Vacuumed};
use connection::{BUSY_TIMEOUT, open_reading, open_together};
use files::Files;

/// A database file, with others attached to it or alone. Nothing is held open between two calls.
#[derive(Clone, Debug)]
pub struct Sqlite {
    files: Files,
    busy_timeout: Duration,
    what_if: WhatIfOptions,
    write: WriteOptions,
}

impl Sqlite {
    /// The database at this path, after a look that it is one and can be read.
    ///
    /// # Errors
    /// When there is no such file (it is not created), or it cannot be read as a database.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DatabaseError> {
        Self::open_waiting(path, BUSY_TIMEOUT)
    }

    /// As [`Sqlite::open`], with the time that a look waits for another program's lock.
    ///
    /// # Errors
    /// As [`Sqlite::open`].
    pub fn open_waiting(path: impl Into<PathBuf>, busy_timeout: Duration) -> Result<Self, DatabaseError> {
        let path = path.into();
        open_reading(&path, busy_timeout)?;
        Ok(Self::with_defaults(path, busy_timeout))
    }

    /// The database at this path, for changes. What another program's crash has left unfinished is rolled back by SQLite here;
    /// a connection that only reads could not even look at such a file.
    ///
    /// # Errors
    /// As [`Sqlite::open`], and when it cannot be written.
    pub fn open_to_change(path: impl Into<PathBuf>) -> Result<Self, DatabaseError> {
        let path = path.into();
        open_writable(&path)?;
        Ok(Self::with_defaults(path, BUSY_TIMEOUT))
    }

    fn with_defaults(path: PathBuf, busy_timeout: Duration) -> Self {
        let (what_if, write) = (WhatIfOptions::default(), WriteOptions::default());
        Self { files: Files::of(path), busy_timeout, what_if, write }
    }

    /// The same, with its planner asked in this way.
    #[must_use]
    pub fn planning(self, what_if: WhatIfOptions) -> Self {
        Self { what_if, ..self }
    }

    /// The same, changed in this way where a [`Driver`](crate::Driver) is asked to.
    #[must_use]
    pub fn writing(self, write: WriteOptions) -> Self {
        Self { write, ..self }
    }

    /// The same with another database attached, as the application attaches it: its tables are read, planned, tried and changed
    /// like those of the first.
    ///
    /// # Errors
    /// When the name is taken, the file is attached already or cannot be read as a database, or there are
    /// [`MAX_ATTACHED`] of them.
    pub fn attach(mut self, other: Attached) -> Result<Self, DatabaseError> {
        self.files.check(&other)?;
        self.files.attached.push(other);
        open_together(&self.files, self.busy_timeout)?;
        Ok(self)
    }

    /// The same with these statements run on every connection that reads, plans or tries: they make temporary tables, views and
    /// triggers, which are a connection's own. The first that makes something of a name counts.
    #[must_use]
    pub fn with_temporary(mut self, statements: Vec<String>) -> Self {
        self.files.temporary = statements;
        self
    }

    /// The databases that are attached.
    pub fn attached(&self) -> &[Attached] {
        &self.files.attached
    }

    /// The same files, of the attached ones only these.
    pub(crate) fn with(&self, attached: Vec<Attached>) -> Files {
        Files { attached, ..Files::of(&self.files.main) }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.files.main
    }

    /// How long a look waits for another program's lock.
    pub fn busy_timeout(&self) -> Duration {
        self.busy_timeout
    }
}
