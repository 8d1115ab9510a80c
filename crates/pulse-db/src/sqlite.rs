//! `SQLite`: the driver, in parts. SQLite itself parses every statement; there is no second parser.

mod asked;
mod bind;
mod connection;
mod header;
mod index_text;
mod indexes;
mod introspect;
mod quote;
mod rewrites;
mod row;
mod settings;
mod sizes;
mod tables;
mod time_limit;
mod explain;
mod index_sql;
mod index_statistics;
mod limit;
pub(crate) mod matrix;
mod plan_cost;
mod query_plan;
mod questions;
pub(crate) mod quote;
mod sample;
mod schema_copy;
mod studied;
mod tokens;
pub(crate) mod what_if;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use connection::{open_read_only, open_writable};
pub use index_sql::{create_index, index_name};
pub use quote::{literal, name, qualified};
pub use what_if::WhatIfOptions;

use crate::error::DatabaseError;
use connection::{BUSY_TIMEOUT, open_reading};

/// A database file. Nothing is held open between two calls.
#[derive(Clone, Debug)]
pub struct Sqlite {
    path: PathBuf,
    busy_timeout: Duration,
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
        Ok(Self { path, busy_timeout })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long a look waits for another program's lock.
    pub fn busy_timeout(&self) -> Duration {
        self.busy_timeout
    }
}
