//! Changes of the user's database: each whole or not at all, and none before what takes it back is on disk.
//!
//! The order of things is what makes it safe. (1) The file is checked and its journal opened; where that fails, nothing has
//! happened. (2) Under the write lock it is seen what takes the change back, and this goes to the journal and the undo
//! script, flushed. (3) The change and its commit. (4) The journal says that it is done. A crash between (2) and (4) leaves a
//! change of which the journal does not know whether it was made; the database does.

use std::time::{Duration, Instant};

use pulse_model::Nanos;

use super::files::Attached;
use super::journal::{ChangeState, Entry, Journal, RecordedChange, Run, journal_path, recorded_runs};
use super::quote;
use super::schema_copy::placed;
use super::undo_script::{self, undo_script_path};
use super::writing::{WriteOptions, Writing};
use super::{ForecastSource, Sqlite, space, statistics};
use crate::applied::Applied;
use crate::change::{Change, ChangeKind};
use crate::error::DatabaseError;
use crate::progress::Progress;
use crate::trial::ChangeTrial;

/// How changes are made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApplyOptions {
    /// Locks and checks.
    pub write: WriteOptions,
    /// What each change did on the private copy, in order: for the share of progress, and to see that there is room. May be
    /// empty.
    pub predicted: Vec<ChangeTrial>,
}

impl Sqlite {
    /// Makes the changes in order. [`Change::subject`] of an index is its bare name in the schema. What is done to attached databases
    /// is in the same journal, beside the main file, with where they are.
    ///
    /// # Errors
    /// Before anything is done: read-only, damaged, locked, no room, a journal that cannot be written or tells of a run that
    /// has not ended. At the first change that fails: [`DatabaseError::Partly`] when others were made before it.
    pub fn apply(
        &self,
        changes: &[Change],
        options: &ApplyOptions,
        progress: &mut dyn Progress,
    ) -> Result<Applied, DatabaseError> {
        let attached = self.changed(changes)?;
        demand_space(self, changes, &options.predicted)?;
        if changes.iter().any(|change| change.kind == ChangeKind::Vacuum) {
            self.forecast_vacuum(ForecastSource::FreePages, progress)?.demand_space(self.path())?;
        }
        let writing = Writing::open(&self.with(attached.clone()), &options.write, progress)?;
        let mut journal = Journal::open(self.path())?;
        if let Some(run) = journal.runs().iter().find(|run| run.is_pending()) {
            let reason = format!(
                "run {} was begun and has not ended: go on with `pulse db resume`, or take it back with `pulse db undo`",
                run.number
            );
            return Err(DatabaseError::Journal { path: journal_path(self.path()), reason });
        }
        let run = journal.begin(changes, &attached)?;
        undo_script::write(self.path(), &journal.runs())?;
        Applying { writing, journal, run, options }.go_on(progress)
    }

    /// The attached databases that changes are made in, by their real paths: whoever takes the changes back may be in another
    /// folder.
    fn changed(&self, changes: &[Change]) -> Result<Vec<Attached>, DatabaseError> {
        if let Some(change) = changes.iter().find(|change| self.files.file(&change.schema).is_none()) {
            return Err(refusal(format!(
                "{} is in the schema {}, which is not attached",
                change.title(),
                change.schema
            )));
        }
        let schemas: Vec<&str> = changes.iter().map(|change| change.schema.as_str()).collect();
        let mut attached = self.files.attached_among(&schemas);
        for other in &mut attached {
            let failed = |source| DatabaseError::File {
                what: format!("cannot find {}", other.path.display()),
                source,
            };
            other.path = std::fs::canonicalize(&other.path).map_err(failed)?;
        }
        Ok(attached)
    }

    /// The run that was begun and neither ended nor was taken back: the program died, or a change failed.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn pending(&self) -> Result<Option<Run>, DatabaseError> {
        Ok(recorded_runs(self.path())?.into_iter().rev().find(Run::is_pending))
    }

    /// Goes on with the pending run; `None` when there is none.
    ///
    /// # Errors
    /// As [`Sqlite::apply`].
    pub fn resume(
        &self,
        options: &ApplyOptions,
        progress: &mut dyn Progress,
    ) -> Result<Option<Applied>, DatabaseError> {
        let Some(run) = self.pending()? else { return Ok(None) };
        let writing = Writing::open(&self.with(run.attached), &options.write, progress)?;
        let journal = Journal::open(self.path())?;
        let Some(run) = journal.runs().iter().rev().find(|run| run.is_pending()).map(|run| run.number) else {
            return Ok(None);
        };
        Applying { writing, journal, run, options }.go_on(progress).map(Some)
    }
}

/// Room for what the changes add: once in their file, once in its rollback journal or write-ahead log, and once where SQLite
/// sorts.
fn demand_space(
    database: &Sqlite,
    changes: &[Change],
    predicted: &[ChangeTrial],
) -> Result<(), DatabaseError> {
    for (schema, path) in database.files.all() {
        let pairs = changes.iter().zip(predicted);
        let of_schema = pairs.filter(|(change, _)| change.schema.eq_ignore_ascii_case(schema));
        let grown = of_schema.map(|(_, tried)| tried.grown_bytes.max(0).unsigned_abs());
        let (sum, largest) = grown.fold((0_u64, 0), |(sum, largest): (u64, u64), bytes| {
            (sum.saturating_add(bytes), largest.max(bytes))
        });
        let (folder, temp) = (space::folder_of(path), space::sqlite_temp_folder());
        if sum > 0 {
            let beside = if space::is_shared(&folder, &temp) { largest } else { 0 };
            space::demand("changing the database", &folder, sum.saturating_mul(2).saturating_add(beside))?;
            space::demand("sorting for an index", &temp, largest)?;
        }
    }
    Ok(())
}

/// A run of changes in progress.
struct Applying<'a> {
    writing: Writing,
    journal: Journal,
    run: u64,
    options: &'a ApplyOptions,
}

/// A change that is committed.
struct Made {
    /// How long it took; `None` where it was made before.
    duration: Option<Nanos>,
    /// The statement of a new index as the database keeps it.
    sql: Option<String>,
}

impl Applying<'_> {
    /// Makes what the journal does not call made.
    fn go_on(mut self, progress: &mut dyn Progress) -> Result<Applied, DatabaseError> {
        let changes = self.recorded();
        let mut durations = Vec::with_capacity(changes.len());
        for (number, recorded) in changes.iter().enumerate() {
            let made = match recorded.state {
                ChangeState::Done => Ok(None),
                _ => self.make(number, recorded, progress),
            };
            match made {
                Ok(duration) => durations.push(duration),
                Err(error) => return Err(self.end_early(number, changes.len(), error)),
            }
        }
        self.journal.add(Entry::Ended { run: self.run })?;
        Ok(Applied {
            run: self.run,
            durations,
            journal: journal_path(&self.writing.path),
            undo_script: undo_script_path(&self.writing.path),
            remarks: std::mem::take(&mut self.writing.remarks),
        })
    }

    fn recorded(&self) -> Vec<RecordedChange> {
        let run = self.journal.runs().into_iter().rev().find(|run| run.number == self.run);
        run.map(|run| run.changes).unwrap_or_default()
    }

    /// Makes one change; its time, or `None` where it turns out to be made already.
    fn make(
        &mut self,
        number: usize,
        recorded: &RecordedChange,
        progress: &mut dyn Progress,
    ) -> Result<Option<Nanos>, DatabaseError> {
        let change = &recorded.change;
        let result = if change.kind == ChangeKind::Vacuum {
            self.rewrite(number, change, progress)
        } else {
            self.writing.begin(progress)?;
            let made = self.make_locked(number, recorded, progress);
            self.writing.roll_back();
            made
        };
        match result {
            // From here on it is made, and must not be called failed even if the journal cannot say so.
            Ok(made) => {
                progress.at(&format!("committed {}", change.title()), None);
                let duration = made.duration.unwrap_or_default();
                self.journal.add(Entry::Done { run: self.run, change: number, duration, sql: made.sql })?;
                Ok(made.duration)
            }
            Err(error) => {
                let message = error.to_string();
                // The error itself matters more than a journal that cannot tell of it.
                let _ = self.journal.add(Entry::Failed { run: self.run, change: number, message });
                let _ = undo_script::write(&self.writing.path, &self.journal.runs());
                Err(error)
            }
        }
    }

    /// Within the transaction: what takes it back, the change, and the commit.
    fn make_locked(
        &mut self,
        number: usize,
        recorded: &RecordedChange,
        progress: &mut dyn Progress,
    ) -> Result<Made, DatabaseError> {
        let change = &recorded.change;
        let existing = match change.kind {
            ChangeKind::CreateIndex | ChangeKind::DropIndex => self.writing.index_sql(change)?,
            ChangeKind::Vacuum | ChangeKind::Analyze => None,
        };
        let was_started = recorded.state == ChangeState::Started;
        let is_made = match change.kind {
            ChangeKind::CreateIndex => existing.is_some(),
            ChangeKind::DropIndex => existing.is_none(),
            ChangeKind::Vacuum | ChangeKind::Analyze => false,
        };
        if is_made && was_started {
            return Ok(Made { duration: None, sql: existing });
        }
        if is_made {
            let what =
                if change.kind == ChangeKind::CreateIndex { "there is already an" } else { "there is no" };
            return Err(refusal(format!("{what} index {}; analyze again", change.title())));
        }
        // Statistics of before a crash are in the journal; those in the file may be the new ones.
        let undo = if was_started && !recorded.undo.is_empty() {
            recorded.undo.clone()
        } else {
            self.undo_of(change, existing)?
        };
        self.started(number, undo, progress)?;
        let (started, step) = (Instant::now(), step(change));
        self.writing.execute_within(&step, self.expected(number), &change.fix.sql, progress)?;
        let sql = match change.kind {
            ChangeKind::CreateIndex => {
                let created = self.writing.index_sql(change)?;
                Some(
                    created
                        .ok_or_else(|| refusal(format!("the statements made no index {}", change.title())))?,
                )
            }
            _ => None,
        };
        progress.at(&format!("committing {}", change.title()), None);
        self.writing.commit(progress)?;
        Ok(Made { duration: Some(Nanos::from(started.elapsed())), sql })
    }

    /// `VACUUM`, which is a transaction of its own and has nothing to take back.
    fn rewrite(
        &mut self,
        number: usize,
        change: &Change,
        progress: &mut dyn Progress,
    ) -> Result<Made, DatabaseError> {
        self.started(number, Vec::new(), progress)?;
        let started = Instant::now();
        let expected = self.expected(number);
        super::vacuum::rewrite(&mut self.writing, expected, &change.fix.sql, progress)?;
        Ok(Made { duration: Some(Nanos::from(started.elapsed())), sql: None })
    }

    fn started(
        &mut self,
        number: usize,
        undo: Vec<String>,
        progress: &mut dyn Progress,
    ) -> Result<(), DatabaseError> {
        progress.at("writing the journal", None);
        self.journal.add(Entry::Started { run: self.run, change: number, undo })?;
        progress.at("writing the undo script", None);
        undo_script::write(&self.writing.path, &self.journal.runs())
    }

    /// What takes a change back, from what the database holds now.
    fn undo_of(&self, change: &Change, existing: Option<String>) -> Result<Vec<String>, DatabaseError> {
        match change.kind {
            ChangeKind::CreateIndex => {
                let (schema, name) = (quote::name(&change.schema), quote::name(&change.subject));
                let mut undo = vec![format!("DROP INDEX IF EXISTS {schema}.{name}")];
                undo.extend(statistics::forgetting(&self.writing.connection, change)?);
                Ok(undo)
            }
            ChangeKind::DropIndex => match existing {
                Some(sql) if !sql.is_empty() => {
                    let mut undo = vec![placed(&change.schema, &sql)];
                    undo.extend(statistics::restoring_of(
                        &self.writing.connection,
                        &change.schema,
                        &change.subject,
                    )?);
                    Ok(undo)
                }
                _ => Err(refusal(format!(
                    "the index {} belongs to its table and cannot be dropped",
                    change.title()
                ))),
            },
            ChangeKind::Analyze => statistics::restoring(&self.writing.connection),
            ChangeKind::Vacuum => Ok(Vec::new()),
        }
    }

    fn expected(&self, number: usize) -> Option<Duration> {
        let tried = self.options.predicted.get(number)?;
        (tried.duration > Nanos::ZERO).then(|| tried.duration.into())
    }

    /// After a failure: a run of which nothing was made is over, another waits for `resume` or `undo`.
    fn end_early(&mut self, number: usize, all: usize, error: DatabaseError) -> DatabaseError {
        let changes = self.recorded();
        let made = changes.iter().filter(|change| change.state == ChangeState::Done).count();
        if made == 0 && !changes.iter().any(|change| change.state == ChangeState::Started) {
            // A journal that cannot say so leaves a pending run without effect, which undo takes away.
            let _ = self.journal.add(Entry::TakenBack { run: self.run });
            return error;
        }
        let next = "go on with `pulse db resume`, or take them back with `pulse db undo`";
        match error {
            DatabaseError::Stopped { .. } => {
                DatabaseError::Stopped { done: format!("made {made} of {all} changes: {next}") }
            }
            error => DatabaseError::Partly {
                done: format!("made {made} of {all} changes; number {} failed: {next}", number + 1),
                source: Box::new(error),
            },
        }
    }
}

fn step(change: &Change) -> String {
    match change.kind {
        ChangeKind::CreateIndex => format!("creating the index {}", change.title()),
        ChangeKind::DropIndex => format!("dropping the index {}", change.title()),
        ChangeKind::Vacuum => "writing the file anew".to_owned(),
        ChangeKind::Analyze => "taking statistics".to_owned(),
    }
}

/// A change that cannot be made as things are.
fn refusal(reason: String) -> DatabaseError {
    DatabaseError::Refused { reason }
}
