//! Settings, and the database as a whole on disk.

use super::connection::log_size;
use super::introspect::Look;
use super::row::{count, text};
use crate::catalog::{Setting, Storage};
use crate::error::DatabaseError;

/// Settings that the database keeps. Of the journal's mode it keeps only whether it is the write-ahead log.
const PERSISTENT: [&str; 5] = ["journal_mode", "page_size", "auto_vacuum", "application_id", "user_version"];
/// Settings that are this connection's own, and are not changed by it: what an ordinary build begins with.
const PER_CONNECTION: [&str; 7] = [
    "synchronous",
    "cache_size",
    "mmap_size",
    "temp_store",
    "wal_autocheckpoint",
    "journal_size_limit",
    "locking_mode",
];
/// Settings in which this program's library or connection differs from what an ordinary build begins with.
const ORDINARY: [(&str, &str); 2] = [("foreign_keys", "0"), ("busy_timeout", "0")];

/// Reads the settings that matter for speed or safety.
pub(crate) fn read_settings(look: &Look<'_>) -> Result<Vec<Setting>, DatabaseError> {
    let mut settings = Vec::new();
    for name in PERSISTENT {
        // A connection that takes no locks says something else of its journal than what the file keeps.
        let value = if name == "journal_mode" && look.header.is_wal() {
            "wal".to_owned()
        } else {
            pragma(look, name)?
        };
        let persistent = name != "journal_mode" || value == "wal";
        settings.push(Setting { name: name.to_owned(), value, persistent });
    }
    for name in PER_CONNECTION {
        settings.push(Setting { name: name.to_owned(), value: pragma(look, name)?, persistent: false });
    }
    for (name, value) in ORDINARY {
        settings.push(Setting { name: name.to_owned(), value: value.to_owned(), persistent: false });
    }
    Ok(settings)
}

/// Reads how large the database is.
pub(crate) fn read_storage(look: &Look<'_>) -> Result<Storage, DatabaseError> {
    let pages = |name: &str| {
        look.connection
            .query_row(&format!("PRAGMA main.{name}"), [], |row| count(row, 0))
            .map_err(|source| look.refused("cannot read how large the database is", source))
    };
    Ok(Storage {
        path: look.path.display().to_string(),
        size_bytes: std::fs::metadata(look.path).map_or(0, |found| found.len()),
        page_size: pages("page_size")?,
        pages: pages("page_count")?,
        free_pages: pages("freelist_count")?,
        wal_bytes: log_size(look.path),
        has_sizes: false,
    })
}

fn pragma(look: &Look<'_>, name: &str) -> Result<String, DatabaseError> {
    let read = look.connection.query_row(&format!("PRAGMA main.{name}"), [], |row| text(row, 0));
    match read {
        Ok(value) => Ok(value.unwrap_or_default()),
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(String::new()),
        Err(source) => Err(look.refused("cannot read the settings", source)),
    }
}
