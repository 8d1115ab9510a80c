//! Connections: read-only ones for everything that looks, writable ones for what applies.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use super::files::{self, Attached, Files};
use super::header::Header;
use crate::error::DatabaseError;

/// How long a statement waits for another program's lock.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that only looks.
pub(crate) struct Reading {
    /// The connection.
    pub(crate) connection: Connection,
    /// Whether it takes no locks and does not see what others write meanwhile, as nobody had the database open; of several
    /// databases any.
    pub(crate) immutable: bool,
    /// What SQLite opened: the file, or the URI that makes it immutable.
    location: PathBuf,
    /// What the file begins with.
    pub(crate) header: Header,
}

/// Opens a database that is only looked at. Nothing is written, and nothing is left beside it, with one exception.
///
/// A database with a write-ahead log is the subtle case: a plain read-only connection makes its `-wal` and `-shm` files and
/// leaves them behind, and fails where it cannot. So while nobody has the database open and its log is empty, it is opened as
/// immutable. The exception is a log that a crash left full and without its `-shm` file: that is made by whoever reads first, and
/// to remove it could take it from a program that has come meanwhile.
///
/// # Errors
/// When there is no such file, or it cannot be read as a database.
pub fn open_read_only(path: &Path) -> Result<Connection, DatabaseError> {
    Ok(open_reading(path, BUSY_TIMEOUT)?.connection)
}

/// As [`open_read_only`], with the time that it waits for another program's lock.
pub(crate) fn open_reading(path: &Path, wait: Duration) -> Result<Reading, DatabaseError> {
    let absolute = checked(path)?;
    let header = Header::read(path)
        .map_err(|source| DatabaseError::File { what: format!("cannot read {}", path.display()), source })?;
    if let Some(reason) = header.newer_format() {
        return Err(DatabaseError::NewerFormat { path: path.to_owned(), reason });
    }
    // An absolute path is no URI, so that a file is opened as it is named.
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let opened = |location: PathBuf, immutable| {
        let connection = open(&location, read_only, wait)?;
        Ok(Reading { connection, immutable, location, header })
    };
    if !header.is_wal() {
        return opened(absolute, false).map_err(|source| unreadable(path, header, source));
    }
    let immutable =
        || opened(immutable_uri(&absolute), true).map_err(|source| unreadable(path, header, source));
    let log_bytes = log_size(path).unwrap_or(0);
    if log_bytes == 0 && !beside(path, "-shm").exists() {
        return immutable();
    }
    match opened(absolute.clone(), false) {
        Ok(reading) => Ok(reading),
        Err(source) if !is_without_shared_memory(&source) => Err(unreadable(path, header, source)),
        Err(_) if log_bytes == 0 => immutable(),
        Err(source) => Err(DatabaseError::Unreadable {
            path: path.to_owned(),
            reason: format!(
                "its write-ahead log holds {log_bytes} bytes of changes, and the folder of its -shm file cannot be written \
                 ({source}): copy the database and its -wal file together to a folder that can be, and analyze the copy"
            ),
        }),
    }
}

/// As [`open_reading`], with the databases that are attached.
pub(crate) fn open_together(files: &Files, wait: Duration) -> Result<Reading, DatabaseError> {
    let mut reading = open_reading(&files.main, wait)?;
    for Attached { name, path } in &files.attached {
        let failed = |error: DatabaseError| DatabaseError::Attach {
            name: name.clone(),
            path: path.clone(),
            reason: error.to_string(),
        };
        let other = open_reading(path, wait).map_err(failed)?;
        files::attach(&reading.connection, name, &other.location)
            .map_err(|source| failed(refused(path, "SQLite refuses it", source)))?;
        reading.immutable |= other.immutable;
    }
    files
        .make_temporary(&mut reading.connection)
        .map_err(|source| refused(&files.main, "cannot make what is temporary", source))?;
    Ok(reading)
}

/// Opens existing databases that are to be changed.
pub(crate) fn open_to_write(files: &Files) -> Result<Connection, DatabaseError> {
    let connection = open_writable(&files.main)?;
    for Attached { name, path } in &files.attached {
        files::attach(&connection, name, &checked(path)?)
            .map_err(|source| refused(path, "cannot attach the database", source))?;
    }
    Ok(connection)
}

/// Opens an existing database that is to be changed.
///
/// # Errors
/// As [`open_read_only`], and when it cannot be written.
pub fn open_writable(path: &Path) -> Result<Connection, DatabaseError> {
    let absolute = checked(path)?;
    open(&absolute, OpenFlags::SQLITE_OPEN_READ_WRITE, BUSY_TIMEOUT)
        .map_err(|source| refused(path, "cannot open the database", source))
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

/// The file beside a database with this at its name's end: `-wal`, `-shm`, `-journal`.
pub(crate) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    PathBuf::from(name)
}

/// Bytes of the write-ahead log beside a database.
pub(crate) fn log_size(path: &Path) -> Option<u64> {
    std::fs::metadata(beside(path, "-wal")).ok().map(|found| found.len())
}

/// The absolute path of an existing file. An absolute path is never one of SQLite's special names, such as `:memory:`.
fn checked(path: &Path) -> Result<PathBuf, DatabaseError> {
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
    std::path::absolute(path)
        .map_err(|source| DatabaseError::File { what: format!("cannot find {}", path.display()), source })
}

fn open(path: &Path, mode: OpenFlags, wait: Duration) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(wait)?;
    // Opening reads nothing; this does.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// What an error means at a read-only connection, which refuses to write for reasons of its own.
fn unreadable(path: &Path, header: Header, source: rusqlite::Error) -> DatabaseError {
    match source.sqlite_error_code() {
        // The file is one of SQLite's, so it is not encrypted: its header makes no sense.
        Some(ErrorCode::NotADatabase) if header.is_database() => {
            DatabaseError::Corrupt { path: path.to_owned(), message: source.to_string() }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) if beside(path, "-journal").exists() => {
            DatabaseError::Unreadable {
                path: path.to_owned(),
                reason: format!(
                    "a write to it was interrupted, and its -journal file has yet to be played back ({source}): open it once \
                     with the program it belongs to, or `sqlite3 {} .tables`",
                    path.display()
                ),
            }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            DatabaseError::Unreadable { path: path.to_owned(), reason: source.to_string() }
        }
        _ => refused(path, "cannot open the database", source),
    }
}

/// Whether a database with a write-ahead log could not be read for want of its `-shm` file.
fn is_without_shared_memory(source: &rusqlite::Error) -> bool {
    matches!(
        source.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
    ) || source.sqlite_extended_error_code().is_some_and(|code| code & 0xff == ffi::SQLITE_IOERR)
}

/// A URI under which SQLite takes no locks and looks for no log.
fn immutable_uri(absolute: &Path) -> PathBuf {
    let mut uri = String::from("file:");
    for byte in absolute.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_') {
            uri.push(char::from(*byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push_str("?immutable=1");
    PathBuf::from(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_is_a_uri() {
        let uri = immutable_uri(Path::new("/a b/ü?x=1#%.db"));
        assert_eq!(uri, Path::new("file:/a%20b/%C3%BC%3Fx%3D1%23%25.db?immutable=1"));
    }
}
