//! Why a workload cannot be read at all.

use std::path::PathBuf;

/// Why a workload cannot be read at all. What is wrong with single lines or statements is skipped and counted instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkloadError {
    /// The file.
    #[error("cannot read the workload {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The stream, in the middle.
    #[error("cannot read the workload {name} beyond line {line}: {source}")]
    Stream {
        /// What it was called.
        name: String,
        /// The last line that was read.
        line: u64,
        /// What the system says.
        source: std::io::Error,
    },
    /// Not a text.
    #[error(
        "{name} is not a text in UTF-8: a workload is a file of SQL, a trace in JSON Lines, or a log; save UTF-16 as UTF-8, \
         and unpack what is compressed"
    )]
    NotText {
        /// What it was called.
        name: String,
    },
    /// JSON Lines that do not begin as a workload file does.
    #[error(
        "{name} begins with JSON, but not with the line of a workload file: {{\"format\":\"pulse-workload\",\"version\":1,\
         \"dialect\":\"sqlite\",…}} (see schemas/workload.json)"
    )]
    NoHeader {
        /// What it was called.
        name: String,
    },
    /// Written by a newer version.
    #[error(
        "{name}:{line} begins a workload of version {version}, and this program knows up to {known}: use a newer one"
    )]
    Newer {
        /// What it was called.
        name: String,
        /// The line.
        line: u64,
        /// Its version.
        version: u64,
        /// What is known here.
        known: u64,
    },
}
