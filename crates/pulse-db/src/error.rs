//! Why a database cannot be used.

use std::path::PathBuf;

/// Why a database cannot be used. Every text says what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// There is no such file. It is never created.
    #[error("there is no database file {}: check the path, or name it as pulse db PATH", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// A folder or something else that is no file.
    #[error("{} is not a file: name the database file itself", path.display())]
    NotAFile {
        /// What was given.
        path: PathBuf,
    },
    /// Not a database, or an encrypted one: that cannot be told apart.
    #[error(
        "{} is not an SQLite database, or it is encrypted (the two cannot be told apart): open an encrypted one with the \
         program that has its key and export it", path.display()
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// Written by a newer version of the database.
    #[error("{} has a newer format than this program knows ({reason}): update pulse", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Which, and which is known.
        reason: String,
    },
    /// It can be read only by writing beside it, or by repairing it first.
    #[error("{} cannot be read without writing: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// It cannot be attached to another one.
    #[error("cannot attach {} as {name}: {reason}", path.display())]
    Attach {
        /// The name of its schema.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// Damaged.
    #[error(
        "{} is damaged ({message}); nothing was written. Save a copy of the file, then try `sqlite3 {} .recover`",
        path.display(), path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        message: String,
    },
    /// Another connection holds the lock.
    #[error("{} is locked by another program; nothing was changed. Try again when it has finished, or with a longer --busy-timeout", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It may not be written.
    #[error("{} cannot be written ({reason}); analysis works, changes do not", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is not enough room.
    #[error("{what} needs {needed_bytes} bytes in {}, and {free_bytes} are free: free some, or choose another folder (TMPDIR)", path.display())]
    NoSpace {
        /// What needs it.
        what: String,
        /// Where.
        path: PathBuf,
        /// How much.
        needed_bytes: u64,
        /// How much there is.
        free_bytes: u64,
    },
    /// Too large for a private copy.
    #[error(
        "{} has {size_bytes} bytes; a private copy is made up to {limit_bytes}: go on without measuring (--no-verify), or \
         allow larger copies", path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size_bytes: u64,
        /// The largest that is copied.
        limit_bytes: u64,
    },
    /// The record of earlier changes cannot be used, so that nothing may be changed.
    #[error("the journal {} cannot be used ({reason}); nothing was changed", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The database is not as the change expects it.
    #[error("{reason}")]
    Refused {
        /// What is not as expected.
        reason: String,
    },
    /// Some changes were made before one failed.
    #[error("{done}; then: {source}")]
    Partly {
        /// What is done, and how to go on or take it back.
        done: String,
        /// Why it ended.
        source: Box<DatabaseError>,
    },
    /// The user stopped it.
    #[error("stopped: {done}")]
    Stopped {
        /// What is done and what is not.
        done: String,
    },
    /// Files beside the database.
    #[error("{what}: {source}")]
    File {
        /// What was done.
        what: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// Anything else that SQLite says.
    #[error("{what}: {source}")]
    Sql {
        /// What was done.
        what: String,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}
