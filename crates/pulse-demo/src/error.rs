//! [`DemoError`]: why a demo server does not run.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use pulse_db::hook::RecorderError;

use crate::character::CharacterError;
use crate::config::MOST_TRADES;

/// Why a demo server cannot start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The port is taken.
    #[error(
        "{address} is in use by another program; stop that program or choose another port (0 takes a free one)"
    )]
    PortInUse {
        /// Where the server should have listened.
        address: SocketAddr,
    },
    /// Any other reason not to listen.
    #[error("cannot listen on {address}: {source}; check that this address belongs to this machine")]
    Listen {
        /// Where the server should have listened.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The database cannot be opened or filled.
    #[error(
        "cannot use the database {}: {source}; check the path and its permissions, or leave it out for a temporary \
         database", path.display()
    )]
    Database {
        /// The file.
        path: PathBuf,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// The path of the database is not usable as a path.
    #[error("`{}` cannot be the path of a database: {source}; give a file name", path.display())]
    DatabasePath {
        /// What was given.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is a database, but another program's.
    #[error("{} is a database of another program and was left alone; give a new file name", path.display())]
    ForeignDatabase {
        /// The file.
        path: PathBuf,
    },
    /// No temporary file can be made.
    #[error(
        "cannot create a temporary database: {0}; set TMPDIR to a writable folder or name a database file"
    )]
    TemporaryFile(#[source] io::Error),
    /// Statements cannot be recorded.
    #[error("{0}")]
    Workload(#[from] RecorderError),
    /// The data set is larger than [`MOST_TRADES`].
    #[error("a data set of {0} trades is too large; ask for at most {MOST_TRADES}")]
    TooManyTrades(
        /// What was asked for.
        u64,
    ),
    /// The character is out of range.
    #[error(transparent)]
    Character(#[from] CharacterError),
    /// The runtime or its thread cannot be started.
    #[error(
        "cannot start the server's threads: {0}; check the limits on processes and open files (ulimit -a)"
    )]
    Threads(#[source] io::Error),
    /// Serving ended with an error, or its thread did.
    #[error("the demo server ended early: {0}; start it again")]
    Serve(#[source] io::Error),
}
