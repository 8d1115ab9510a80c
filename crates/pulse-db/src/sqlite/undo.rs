//! Taking back the last run: last changes first, each whole or not at all, and only what is still as it was made.

use super::Sqlite;
use super::journal::{ChangeState, Entry, Journal, RecordedChange, Run};
use super::undo_script;
use super::writing::{WriteOptions, Writing};
use crate::change::ChangeKind;
use crate::error::DatabaseError;
use crate::progress::Progress;

/// What was taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// The number of the run in the journal.
    pub run: u64,
    /// Subjects of the changes that were taken back, in that order.
    pub taken_back: Vec<String>,
    /// What was left as it is, and why.
    pub left: Vec<String>,
}

impl Sqlite {
    /// All runs of changes that the journal knows, oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn runs(&self) -> Result<Vec<Run>, DatabaseError> {
        super::journal::recorded_runs(self.path())
    }

    /// Takes back the last run that was not taken back yet, ended or not; `None` when there is none.
    ///
    /// # Errors
    /// As [`Sqlite::apply`]. It can be run again after any failure or crash.
    pub fn undo(
        &self,
        options: &WriteOptions,
        progress: &mut dyn Progress,
    ) -> Result<Option<Undone>, DatabaseError> {
        let is_open = |run: &Run| run.has_effect() || run.is_pending();
        let Some(run) = self.runs()?.into_iter().rev().find(is_open) else { return Ok(None) };
        let mut writing = Writing::open(&self.with(run.attached), options, progress)?;
        let mut journal = Journal::open(self.path())?;
        let Some(run) = journal.runs().into_iter().rev().find(is_open) else { return Ok(None) };
        let mut undone = Undone { run: run.number, ..Undone::default() };
        for (number, change) in run.changes.iter().enumerate().rev() {
            if !matches!(change.state, ChangeState::Started | ChangeState::Done) {
                continue;
            }
            let subject = change.change.title();
            match take_back(&mut writing, change, progress)? {
                None => undone.taken_back.push(subject),
                Some(reason) => undone.left.push(format!("{subject}: {reason}")),
            }
            journal.add(Entry::Undone { run: run.number, change: number })?;
            progress.at("taken back", None);
        }
        journal.add(Entry::TakenBack { run: run.number })?;
        undo_script::write(self.path(), &journal.runs())?;
        Ok(Some(undone))
    }
}

/// Takes one change back; a reason where it is left as it is.
fn take_back(
    writing: &mut Writing,
    recorded: &RecordedChange,
    progress: &mut dyn Progress,
) -> Result<Option<String>, DatabaseError> {
    let (kind, subject) = (recorded.change.kind, recorded.change.title());
    if kind == ChangeKind::Vacuum {
        return Ok(Some(
            "a file that was written anew holds the same rows; there is nothing to take back".to_owned(),
        ));
    }
    writing.begin(progress)?;
    let result = take_back_locked(writing, recorded, progress);
    writing.roll_back();
    // Other connections read old statistics when they are opened anew. `ANALYZE sqlite_schema`, which would make one read them at
    // once, makes the tables of statistics again where there were none.
    result.inspect(|_| progress.at(&format!("took back {subject}"), None))
}

fn take_back_locked(
    writing: &mut Writing,
    recorded: &RecordedChange,
    progress: &mut dyn Progress,
) -> Result<Option<String>, DatabaseError> {
    let (kind, subject) = (recorded.change.kind, recorded.change.title());
    match (kind, writing.index_sql(&recorded.change)?) {
        (ChangeKind::CreateIndex, None) => return Ok(Some("it is no longer there".to_owned())),
        (ChangeKind::CreateIndex, Some(now)) if recorded.sql.as_ref().is_some_and(|made| *made != now) => {
            return Ok(Some("it is another index of the same name now".to_owned()));
        }
        (ChangeKind::DropIndex, Some(_)) => return Ok(Some("it is there again".to_owned())),
        _ => {}
    }
    let step = format!("taking back {subject}");
    writing.execute_within(&step, None, &recorded.undo, progress)?;
    writing.commit(progress)?;
    Ok(None)
}
