//! The whole work on one database: look, judge, choose, try, change, look again. What comes out is a [`Summary`].

mod drops;
mod figures;
mod steps;

use std::path::Path;

use pulse_model::{Ending, Finding, Nanos, RunInfo, Severity, Summary, Target, TargetResult, Verdict};

use crate::catalog::Catalog;
use crate::driver::Upkeep;
use crate::error::DatabaseError;
use crate::findings::{FindingsInput, findings};
use crate::plan::Explained;
use crate::progress::Progress;
use crate::recommend::SelectionOptions;
use crate::timing::Timing;
use crate::workload::Workload;

pub(crate) use figures::Figures;

/// What is to be done to a database; without any of these it is only looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wish of its own, and any of them go together")]
pub struct Actions {
    /// Make the indexes that are proven to help.
    pub add_indexes: bool,
    /// Drop the indexes that findings say can go and that a replay without them does not miss.
    pub drop_indexes: bool,
    /// Write the file anew.
    pub vacuum: bool,
    /// Take the planner's statistics anew.
    pub analyze_stats: bool,
}

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// What is to be done.
    pub actions: Actions,
    /// Only say what would be done.
    pub dry_run: bool,
    /// What must hold over the workload.
    pub targets: Vec<Target>,
    /// How indexes are chosen.
    pub selection: SelectionOptions,
    /// Whether indexes are tried on a private copy before they are recommended.
    pub verify: bool,
    /// Time for timing and trials each; zero leaves it to the parts.
    pub trial_time: Nanos,
    /// Where the workload came from.
    pub sources: Vec<String>,
    /// Wall-clock start, RFC 3339.
    pub started: String,
}

/// Time for the timing of statements on the database itself, unless trials are to take less.
const TIMING: Nanos = Nanos::from_secs(4);

/// A database under work.
pub(crate) struct Job<'a> {
    pub(crate) database: &'a dyn Upkeep,
    pub(crate) wishes: &'a Wishes,
    pub(crate) workload: Workload,
    pub(crate) catalog: Catalog,
    pub(crate) explained: Vec<Result<Explained, String>>,
    pub(crate) timings: Vec<Timing>,
    pub(crate) figures: Figures,
    pub(crate) findings: Vec<Finding>,
}

/// Does what is wished. Without a wish for a change nothing is written anywhere but private copies.
///
/// A workload without statements is replaced by one made from the structure of the database. What is stopped once the statements
/// are timed still has a summary, with [`Ending::Interrupted`]: what was found and done until then, and what was not done.
///
/// # Errors
/// When the database cannot be read, when it is stopped before there is anything to tell, or a change of it fails; then the error
/// says what was done.
pub fn run(
    database: &dyn Upkeep,
    workload: Workload,
    wishes: &Wishes,
    progress: &mut dyn Progress,
) -> Result<Summary, DatabaseError> {
    progress.at("reading the database", None);
    let database = &*database.with_temporary(&workload.temporary);
    let catalog = database.introspect(progress)?;
    let workload = if workload.statements.is_empty() {
        Workload { skipped: workload.skipped, ..crate::workload::structural(&catalog) }
    } else {
        workload
    };
    progress.at("asking the planner", None);
    let explained = database.explain(&workload.statements, &[])?;
    let timings = if workload.is_structural {
        Vec::new()
    } else {
        let budget = if wishes.trial_time == Nanos::ZERO { TIMING } else { wishes.trial_time.min(TIMING) };
        database.time(&workload, budget, progress)?
    };
    let figures = Figures::new(&catalog, &workload, &explained, &timings, &wishes.sources);
    let mut job =
        Job { database, wishes, workload, catalog, explained, timings, figures, findings: Vec::new() };
    let ending = match job.work(progress) {
        Ok(()) => Ending::Finished,
        Err(DatabaseError::Stopped { .. }) => {
            job.leave_undone();
            Ending::Interrupted
        }
        Err(error) => return Err(error),
    };
    Ok(job.finish(ending))
}

impl Job<'_> {
    /// Everything that is wished, in order; after changes the database is looked at and timed again.
    fn work(&mut self, progress: &mut dyn Progress) -> Result<(), DatabaseError> {
        self.look(progress)?;
        self.indexes(progress)?;
        self.drops(progress)?;
        self.vacuum(progress)?;
        self.statistics(progress)?;
        if !self.figures.has_done_something() {
            return Ok(());
        }
        progress.at("reading the database again", None);
        let catalog = self.database.introspect(progress)?;
        self.figures.after(&catalog);
        if !self.workload.is_structural {
            let timings = self.database.time(&self.workload, TIMING, progress)?;
            let plans = self.database.plans(&self.workload)?;
            self.figures.timed_after(&timings, &plans);
            self.timings = timings;
        }
        Ok(())
    }

    /// What is wrong, as far as it can be seen without a trial.
    fn look(&mut self, progress: &mut dyn Progress) -> Result<(), DatabaseError> {
        progress.at("looking for what is wrong", None);
        let measured: Vec<_> = self.timings.iter().map(figures::measured).collect();
        let rewrites = self.database.rewrites(&self.catalog, &self.workload, progress)?;
        self.findings = findings(&FindingsInput {
            catalog: &self.catalog,
            workload: &self.workload,
            explained: &self.explained,
            measured: &measured,
            rewrites: &rewrites,
        });
        Ok(())
    }

    /// The summary.
    fn finish(mut self, ending: Ending) -> Summary {
        if ending == Ending::Interrupted && self.figures.has_done_something() {
            // The targets are about the database as it is now, and the times are of before.
            self.timings.clear();
        }
        let targets = self.judged();
        let verdict = targets.iter().map(|result| result.verdict).max();
        let mut totals = pulse_model::Snapshot::default();
        figures::record(&mut totals, &self.workload, &self.timings);
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Summary {
            run: RunInfo {
                kind: "db".to_owned(),
                name: file_name(&self.database.place()),
                service: self.database.place(),
                targets: targets.iter().map(|result| result.target.clone()).collect(),
                started: self.wishes.started.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..RunInfo::default()
            },
            totals,
            targets,
            verdict,
            ending,
            findings: self.findings,
            database: Some(Box::new(self.figures.report)),
            ..Summary::default()
        }
    }

    /// The targets over the workload as the database is now. Statements made up from the structure are never run, so that
    /// nothing can be judged by them.
    fn judged(&self) -> Vec<TargetResult> {
        if self.workload.is_structural {
            return Vec::new();
        }
        let judge = |target: &Target| figures::judge(target, &self.workload, &self.timings);
        let mut results: Vec<TargetResult> = self.wishes.targets.iter().map(judge).collect();
        let untimed = self.timings.iter().filter(|timing| timing.failure.is_some()).count();
        for result in results.iter_mut().filter(|result| result.verdict == Verdict::Pass && untimed > 0) {
            result.reason = Some(format!("{untimed} statements were not timed and are not in it"));
        }
        results
    }

    /// A finding of the job's own.
    pub(crate) fn note(&mut self, code: &str, severity: Severity, message: String, help: Option<String>) {
        self.findings.push(Finding { code: code.to_owned(), severity, message, help, ..Finding::default() });
    }
}

fn file_name(place: &str) -> String {
    Path::new(place).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
