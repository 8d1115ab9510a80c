//! Reading what is in a database, at one moment and without writing.

use std::path::Path;
use std::time::SystemTime;

use rusqlite::Connection;

use super::Sqlite;
use super::connection::{Reading, log_size, open_together, refused};
use super::files::{Files, MAIN};
use super::header::Header;
use super::indexes::read_indexes;
use super::quote;
use super::row::text;
use super::settings::{read_settings, read_storage};
use super::sizes::{Limits, read_rows, read_sizes};
use super::tables::read_tables;
use super::time_limit::TimeLimit;
use crate::catalog::{Catalog, Engine, TableName, Unread};
use crate::error::DatabaseError;
use crate::progress::Progress;

/// What is being read, by all parts of the reading.
pub(crate) struct Look<'a> {
    /// The schema that is being read.
    pub(crate) schema: String,
    /// Its file.
    pub(crate) path: &'a Path,
    /// A connection in a read transaction.
    pub(crate) connection: &'a Connection,
    /// The limit in time on this connection.
    pub(crate) limit: &'a TimeLimit,
    /// How long reading may take.
    pub(crate) limits: Limits,
    /// What the main file begins with.
    pub(crate) header: Header,
    /// What could not be read so far.
    pub(crate) unread: Vec<Unread>,
}

impl Look<'_> {
    /// Notes what could not be read.
    pub(crate) fn miss(&mut self, subject: impl Into<String>, reason: impl std::fmt::Display) {
        self.unread.push(Unread { subject: subject.into(), reason: reason.to_string() });
    }

    /// A table of the schema.
    pub(crate) fn table(&self, name: impl Into<String>) -> TableName {
        TableName { schema: self.schema.clone(), name: name.into() }
    }

    /// The schema, in quotes.
    pub(crate) fn quoted_schema(&self) -> String {
        quote::name(&self.schema)
    }

    /// What an error means for the user.
    pub(crate) fn refused(&self, what: &str, source: rusqlite::Error) -> DatabaseError {
        refused(self.path, what, source)
    }
}

impl Sqlite {
    /// Reads what is in the database. Never writes, and leaves nothing beside it.
    ///
    /// # Errors
    /// When it cannot be read at all; parts that cannot are in [`Catalog::unread`].
    pub fn introspect(&self, progress: &mut dyn Progress) -> Result<Catalog, DatabaseError> {
        let stamps = || self.files.all().map(|(_, path)| Stamp::of(path)).collect::<Vec<_>>();
        let before = stamps();
        let reading = open_together(&self.files, self.busy_timeout())?;
        let is_unguarded = reading.immutable;
        let catalog = read(&self.files, reading, progress);
        if !is_unguarded || stamps() == before {
            return catalog;
        }
        // Somebody began to write while no lock was taken, so what was read may be half of this and half of that. Whoever it is
        // has made the log's files by now, so that a second look takes part in their locks.
        read(&self.files, open_together(&self.files, self.busy_timeout())?, progress)
    }
}

fn read(files: &Files, reading: Reading, progress: &mut dyn Progress) -> Result<Catalog, DatabaseError> {
    let Reading { mut connection, header, .. } = reading;
    let failed = |source| refused(&files.main, "cannot read the database", source);
    let limit = TimeLimit::on(&mut connection).map_err(failed)?;
    // One transaction, so that everything is of one moment.
    let moment = connection.unchecked_transaction().map_err(failed)?;
    let mut look = Look {
        schema: MAIN.to_owned(),
        path: &files.main,
        connection: &moment,
        limit: &limit,
        limits: Limits::default().shared_by(files.schemas().len()),
        header,
        unread: Vec::new(),
    };
    progress.at("reading the schema", None);
    let mut catalog = Catalog { engine: engine(&look)?, storage: read_storage(&look)?, ..Catalog::default() };
    catalog.settings = read_settings(&look)?;
    catalog.storage.has_sizes = true;
    for schema in files.schemas() {
        look.path = files.file(&schema).unwrap_or(&files.main);
        look.schema = schema;
        let (mut tables, routines) = read_tables(&mut look)?;
        read_indexes(&mut look, &mut tables);
        catalog.storage.has_sizes &= read_sizes(&mut look, &mut tables, progress)?;
        read_rows(&mut look, &mut tables, progress)?;
        catalog.tables.extend(tables);
        catalog.routines.extend(routines);
    }
    catalog.unread = look.unread;
    Ok(catalog)
}

fn engine(look: &Look<'_>) -> Result<Engine, DatabaseError> {
    let encoding = look
        .connection
        .query_row("PRAGMA main.encoding", [], |row| text(row, 0))
        .map_err(|source| look.refused("cannot read the encoding", source))?;
    Ok(Engine {
        name: "SQLite".to_owned(),
        version: rusqlite::version().to_owned(),
        writer_version: look.header.writer_version(),
        encoding: encoding.unwrap_or_default(),
    })
}

/// What changes when somebody writes to a database.
#[derive(PartialEq, Eq)]
struct Stamp {
    size_bytes: Option<u64>,
    modified: Option<SystemTime>,
    /// It holds the counter of changes.
    header: Option<Header>,
    log_bytes: Option<u64>,
}

impl Stamp {
    fn of(path: &Path) -> Self {
        let found = std::fs::metadata(path).ok();
        Self {
            size_bytes: found.as_ref().map(std::fs::Metadata::len),
            modified: found.and_then(|found| found.modified().ok()),
            header: Header::read(path).ok(),
            log_bytes: log_size(path),
        }
    }
}
