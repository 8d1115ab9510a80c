//! What can be wrong with a history.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file or its folder may not be written.
    #[error(
        "the history {} cannot be written: {reason}; make its folder writable or name another history",
        path.display()
    )]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file may not be read.
    #[error("the history {} cannot be read: {reason}", path.display())]
    NotReadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// It was written by a newer release.
    #[error(
        "the history {} has version {found}, this release reads versions up to {known}; use a newer one",
        path.display()
    )]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The newest version that is understood.
        known: usize,
    },
    /// The file is something else.
    #[error("{} is not a history of Pulse and is left alone; name another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another process kept the file for too long.
    #[error("the history {} is in use by another process; try again once it has ended", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A row cannot be understood.
    #[error(
        "the history {} is damaged: {what} of run {run} cannot be read ({reason}); move the file away to start a new one",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The run.
        run: i64,
        /// Which part of it.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A part of the run does not fit.
    #[error("{what} exceeds the limit of the history, {limit}; split the suite")]
    TooLarge {
        /// Which part.
        what: String,
        /// The limit, in bytes or in number.
        limit: usize,
    },
    /// A part of the run cannot be turned into JSON.
    #[error("{what} cannot be saved: {source}")]
    Unwritable {
        /// Which part.
        what: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A baseline's name is no name.
    #[error("`{name}` cannot name a baseline: {reason}; write for example `main` or `v1.2`")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no such run.
    #[error("the history has no run {run}; `pulse history` lists them")]
    NoSuchRun {
        /// The number.
        run: i64,
    },
    /// A run that was interrupted cannot be what others are compared with.
    #[error("run {run} was interrupted before its end, so that it is no baseline; save a complete run")]
    CutShort {
        /// The number.
        run: i64,
    },
    /// SQLite refused for another reason.
    #[error("the history {} cannot be used: {source}", path.display())]
    Sql {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

impl HistoryError {
    /// The user's words for what SQLite says.
    pub(crate) fn sql(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::NotADatabase) => Self::Foreign { path },
            Some(
                ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::DiskFull,
            ) => Self::NotWritable { path, reason: source.to_string() },
            _ => Self::Sql { path, source },
        }
    }
}
