//! What came of changes that were made.

use std::path::PathBuf;

use pulse_model::Nanos;

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The number of the run in the journal.
    pub run: u64,
    /// How long each change took, in order; `None` for one that was made before a crash.
    pub durations: Vec<Option<Nanos>>,
    /// The record of what was done.
    pub journal: PathBuf,
    /// What takes it back with the database's own shell.
    pub undo_script: PathBuf,
    /// What could not be as it was meant to be, for people.
    pub remarks: Vec<String>,
}
