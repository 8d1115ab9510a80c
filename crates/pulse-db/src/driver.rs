//! The seam between what knows no dialect and what does.

use crate::candidate::Candidate;
use crate::catalog::Catalog;
use crate::change::Change;
use crate::error::DatabaseError;
use crate::plan::Explained;
use crate::progress::Progress;
use crate::trial::{Trial, TrialResult};
use crate::workload::{Statement, Workload};

/// A kind of database.
pub trait Driver {
    /// Reads what is in the database. Never writes.
    ///
    /// # Errors
    /// When it cannot be read at all; parts that cannot are in [`Catalog::unread`].
    fn introspect(&self, progress: &mut dyn Progress) -> Result<Catalog, DatabaseError>;

    /// How each statement would be answered if there were these further indexes, in order; `Err` with the database's words for
    /// what cannot be prepared. Never writes.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn explain(
        &self,
        statements: &[Statement],
        given: &[Candidate],
    ) -> Result<Vec<Result<Explained, String>>, DatabaseError>;

    /// Tries changes on a private copy: runs the workload without and with them in turns.
    ///
    /// # Errors
    /// When there is no room for the copy, or it cannot be made.
    fn measure(
        &self,
        workload: &Workload,
        trial: &Trial,
        progress: &mut dyn Progress,
    ) -> Result<TrialResult, DatabaseError>;

    /// Makes the changes, in order and each whole or not at all, after what takes them back is on disk.
    ///
    /// # Errors
    /// At the first change that fails; what was done until then is in the journal.
    fn apply(&self, changes: &[Change], progress: &mut dyn Progress) -> Result<(), DatabaseError>;
}
