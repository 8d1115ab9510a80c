//! Connections: read-only ones for everything that looks, writable ones for what applies.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::DatabaseError;

/// How long a statement waits for another program's lock.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens a database that is only looked at.
///
/// # Errors
/// When there is no such file, or it cannot be read as a database.
pub fn open_read_only(path: &Path) -> Result<Connection, DatabaseError> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// Opens an existing database that is to be changed.
///
/// # Errors
/// As [`open_read_only`], and when it cannot be written.
pub fn open_writable(path: &Path) -> Result<Connection, DatabaseError> {
    open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

fn open(path: &Path, mode: OpenFlags) -> Result<Connection, DatabaseError> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => return Err(DatabaseError::NotAFile { path: path.to_owned() }),
        Ok(_) => {}
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(DatabaseError::NoFile { path: path.to_owned() });
        }
        Err(source) => {
            return Err(DatabaseError::File { what: format!("cannot look at {}", path.display()), source });
        }
    }
    // An absolute path is never one of SQLite's special names, such as `:memory:`.
    let absolute = std::path::absolute(path)
        .map_err(|source| DatabaseError::File { what: format!("cannot find {}", path.display()), source })?;
    let connection = Connection::open_with_flags(absolute, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .and_then(|connection| connection.busy_timeout(BUSY_TIMEOUT).map(|()| connection))
        .and_then(|connection| {
            // Opening reads nothing; this does.
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok(connection)
        });
    connection.map_err(|source| refused(path, "cannot open the database", source))
}

/// What an error of SQLite means for the user.
pub(crate) fn refused(path: &Path, what: &str, source: rusqlite::Error) -> DatabaseError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => DatabaseError::NotADatabase { path },
        Some(ErrorCode::DatabaseCorrupt) => DatabaseError::Corrupt { path, message: source.to_string() },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => DatabaseError::Locked { path },
        Some(ErrorCode::ReadOnly) => DatabaseError::ReadOnly { path, reason: source.to_string() },
        _ => DatabaseError::Sql { what: what.to_owned(), source },
    }
}
