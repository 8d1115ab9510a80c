//! `SQLite` behind the seam.

use super::{ApplyOptions, Sqlite};
use crate::candidate::Candidate;
use crate::catalog::Catalog;
use crate::change::Change;
use crate::driver::Driver;
use crate::error::DatabaseError;
use crate::plan::Explained;
use crate::progress::Progress;
use crate::trial::{Trial, TrialResult};
use crate::workload::{Statement, Workload};

impl Driver for Sqlite {
    fn introspect(&self, progress: &mut dyn Progress) -> Result<Catalog, DatabaseError> {
        Self::introspect(self, progress)
    }

    fn explain(
        &self,
        statements: &[Statement],
        given: &[Candidate],
    ) -> Result<Vec<Result<Explained, String>>, DatabaseError> {
        Self::explain(self, statements, given)
    }

    fn measure(
        &self,
        workload: &Workload,
        trial: &Trial,
        progress: &mut dyn Progress,
    ) -> Result<TrialResult, DatabaseError> {
        Self::measure(self, workload, trial, progress)
    }

    fn apply(&self, changes: &[Change], progress: &mut dyn Progress) -> Result<(), DatabaseError> {
        Self::apply(self, changes, &ApplyOptions::default(), progress).map(|_| ())
    }
}
