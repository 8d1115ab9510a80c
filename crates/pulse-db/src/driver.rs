//! The seam between what knows no dialect and what does.
//!
//! Findings, candidates, selection, judgement and the job are the same for every kind of database; they work on plain data
//! ([`Catalog`], [`Workload`], [`Explained`], [`TrialResult`]) and reach a database only through here. There are four verbs in
//! [`Driver`]: introspect, explain, measure, apply. Beside them stand two things, each for a reason:
//!
//! - [`Driver::planner`] is *explain* for those who ask often. Selection gives the planner hundreds of sets of indexes; a copy of
//!   the schema and samples for each would take hours. `explain` is made of it, so that there is one way to be asked.
//! - [`Upkeep`] is what only the job asks: looks at the file itself, and the two actions (writing the file anew, statistics)
//!   that every kind of database has in a form of its own. Selection and judgement never see it.
//!
//! What a dialect alone knows (which samples of keys its planner has, how locks are waited for) is set on the driver when it is
//! opened, and is nobody else's to pass on.

use crate::applied::Applied;
use crate::candidate::Candidate;
use crate::catalog::Catalog;
use crate::change::Change;
use crate::error::DatabaseError;
use crate::plan::Explained;
use crate::planner::{Planner, explained};
use crate::progress::Progress;
use crate::rewrite::Rewrite;
use crate::timing::Timing;
use crate::trial::{ChangeTrial, Trial, TrialResult};
use crate::vacuum_forecast::{VacuumForecast, Vacuumed};
use crate::workload::{Statement, Workload};
use pulse_model::Nanos;

/// A kind of database.
pub trait Driver {
    /// Reads what is in the database. Never writes.
    ///
    /// # Errors
    /// When it cannot be read at all; parts that cannot are in [`Catalog::unread`].
    fn introspect(&self, progress: &mut dyn Progress) -> Result<Catalog, DatabaseError>;

    /// Begins a sitting with the planner over these statements, to ask it many questions. Never writes.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn planner(&self, statements: &[Statement]) -> Result<Box<dyn Planner>, DatabaseError>;

    /// How each statement would be answered if there were these further indexes, in order; `Err` with the database's words for
    /// what cannot be prepared. Never writes.
    ///
    /// # Errors
    /// When the database cannot be read, or a candidate cannot be an index of it.
    fn explain(
        &self,
        statements: &[Statement],
        given: &[Candidate],
    ) -> Result<Vec<Result<Explained, String>>, DatabaseError> {
        explained(&mut *self.planner(statements)?, statements.len(), given)
    }

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

    /// Makes the changes, in order and each whole or not at all, after what takes them back is on disk. `predicted` is what each
    /// did on the private copy, in order, for progress and room; it may be empty.
    ///
    /// # Errors
    /// At the first change that fails; what was done until then is in the journal.
    fn apply(
        &self,
        changes: &[Change],
        predicted: &[ChangeTrial],
        progress: &mut dyn Progress,
    ) -> Result<Applied, DatabaseError>;
}

/// What the job asks of a database beside the four verbs.
pub trait Upkeep: Driver {
    /// Where the database is, as a user names it: the path of a file.
    fn place(&self) -> String;

    /// The same database, with these statements run on every connection that reads, plans or tries: what they make is temporary.
    fn with_temporary(&self, statements: &[String]) -> Box<dyn Upkeep>;

    /// Where what takes changes back is written.
    fn undo_script(&self) -> String;

    /// Of changes that were begun and not ended: how long each of them took, in order, and `None` for those that were not made.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn pending(&self) -> Result<Option<Vec<Option<Nanos>>>, DatabaseError>;

    /// Times the statements of a workload on the database itself until `budget` is over. Never writes: statements that would are
    /// left to [`Driver::measure`].
    ///
    /// # Errors
    /// When the database cannot be read, or the work is stopped.
    fn time(
        &self,
        workload: &Workload,
        budget: Nanos,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Timing>, DatabaseError>;

    /// Plans of the statements as the database is now, a step per line; `Err` for what cannot be prepared. Never writes.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn plans(&self, workload: &Workload) -> Result<Vec<Result<Vec<String>, String>>, DatabaseError>;

    /// Places in statements that keep an index from being used, as the planner confirms. Never writes.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn rewrites(
        &self,
        catalog: &Catalog,
        workload: &Workload,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Rewrite>, DatabaseError>;

    /// What writing the file anew would bring. Never writes.
    ///
    /// # Errors
    /// When the database cannot be read, or the work is stopped.
    fn forecast_vacuum(&self, progress: &mut dyn Progress) -> Result<VacuumForecast, DatabaseError>;

    /// Writes the file anew.
    ///
    /// # Errors
    /// When there is no room, it is locked, cannot be written, or the work is stopped. The file then holds what it held.
    fn vacuum(
        &self,
        forecast: &VacuumForecast,
        progress: &mut dyn Progress,
    ) -> Result<Vacuumed, DatabaseError>;

    /// The change that takes the planner's statistics anew, with what is to be known of it before, for people.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn statistics_change(&self) -> Result<(Change, Vec<String>), DatabaseError>;
}
