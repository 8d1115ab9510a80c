//! What can be done to a database: indexes (those to drop are beside this), then the file, then the planner's statistics, which
//! are best taken of what is there in the end.

use pulse_model::{Action, Finding, Fix, IndexAction, IndexFigures, Severity};

use super::Job;
use crate::change::Change;
use crate::error::DatabaseError;
use crate::keep::{Judged, keep, settle};
use crate::plan_change::plan_changes;
use crate::progress::Progress;
use crate::recommend::{Recommendation, Recommended, recommend};
use crate::trial::{ChangeTrial, Trial, TrialResult};
use crate::workload::Workload;

/// What becomes of what was not made when it was stopped.
const INTERRUPTED: &str = "not done: interrupted";
/// How the writing anew is called in the report.
const VACUUM: &str = "VACUUM";

/// How a change is called in the report.
fn what(change: &Change) -> String {
    change.fix.sql.join("; ")
}

impl Job<'_> {
    /// Chooses indexes; tries them when they are to be made or to be said for sure; makes those that are proven.
    pub(super) fn indexes(&mut self, progress: &mut dyn Progress) -> Result<(), DatabaseError> {
        progress.at("choosing indexes", None);
        let mut recommendation =
            recommend(self.database, &self.catalog, &self.workload, &self.wishes.selection)?;
        for (statement, outlook) in recommendation.statements.iter().enumerate() {
            if outlook.plan_after != outlook.plan_before {
                self.figures.expect(statement, &outlook.plan_after);
            }
        }
        for remark in &recommendation.remarks {
            self.note("selection_remark", Severity::Note, remark.clone(), None);
        }
        let (temporary, lasting) = std::mem::take(&mut recommendation.chosen)
            .into_iter()
            .partition(|chosen: &Recommended| chosen.candidate.table.is_temporary());
        recommendation.chosen = lasting;
        self.temporary(&temporary);
        let wants_trial =
            self.wishes.actions.add_indexes && self.wishes.verify && !self.workload.is_structural;
        if wants_trial && !recommendation.chosen.is_empty() {
            return self.proven_indexes(&recommendation, progress);
        }
        for chosen in &recommendation.chosen {
            let mut figures = self.index_figures(chosen);
            figures.recommended = true;
            figures.reason = self.expected_reason();
            self.figures.index(figures);
        }
        self.rejected(&recommendation);
        if self.wishes.actions.add_indexes && !self.workload.is_structural {
            let changes: Vec<Change> =
                recommendation.chosen.iter().map(|chosen| chosen.change.clone()).collect();
            return self.make(&changes, &[], progress);
        }
        if self.wishes.actions.add_indexes && !recommendation.chosen.is_empty() {
            self.note(
                "nothing_made",
                Severity::Warning,
                "no index was made: without a workload nothing says that it would help".to_owned(),
                Some("Give the statements with --workload, or make the index yourself.".to_owned()),
            );
        }
        Ok(())
    }

    /// Indexes of temporary tables are the application's to make: they are gone with the connection that makes them.
    fn temporary(&mut self, chosen: &[Recommended]) {
        for chosen in chosen {
            let table = &chosen.candidate.table.name;
            let served = chosen.statements.len();
            self.findings.push(Finding {
                code: "temporary_index".to_owned(),
                severity: Severity::Warning,
                subject: chosen.candidate.table.to_string(),
                message: format!("the temporary table {table} wants an index for {served} statements, by the planner's word"),
                help: Some(format!("Run this in the application, after its CREATE TEMP TABLE {table} and what fills it.")),
                fix: Some(Fix { sql: chosen.change.fix.sql.iter().take(1).cloned().collect(), undo: Vec::new() }),
                ..Finding::default()
            });
        }
    }

    fn expected_reason(&self) -> String {
        match (self.workload.is_structural, self.wishes.actions.add_indexes) {
            (true, _) => "from the structure of the database alone: low confidence",
            (false, true) => "by the planner's word alone (--no-verify): not measured",
            (false, false) => "by the planner's word; --add-indexes --dry-run measures it on a private copy",
        }
        .to_owned()
    }

    /// Tries the chosen indexes on a copy, and makes those that the clock likes.
    fn proven_indexes(
        &mut self,
        recommendation: &Recommendation,
        progress: &mut dyn Progress,
    ) -> Result<(), DatabaseError> {
        let changes: Vec<Change> = recommendation.chosen.iter().map(|chosen| chosen.change.clone()).collect();
        let tried = self.tried(&self.workload, &changes, &[], true, progress).and_then(|result| {
            let min_gain = self.wishes.selection.min_gain;
            let mut judged = keep(&self.workload, &changes, &result, min_gain);
            let retry = |change: &Change, given: &[Change]| {
                self.tried(&self.workload, std::slice::from_ref(change), given, false, progress)
            };
            settle(&self.workload, &changes, &mut judged, &result, min_gain, retry)?;
            Ok((result, judged))
        });
        if matches!(tried, Err(DatabaseError::Stopped { .. })) {
            self.untried(recommendation);
        }
        let (result, judged) = tried?;
        let (mut kept, mut predicted) = (Vec::new(), Vec::new());
        for (chosen, judged) in recommendation.chosen.iter().zip(&judged) {
            let figures = self.proven(chosen, judged, &result);
            self.figures.index(figures);
            if judged.is_kept {
                kept.push(chosen.change.clone());
                predicted.extend(result.changes.get(judged.change).cloned());
            }
        }
        if kept.len() < changes.len() && !kept.is_empty() {
            // What is left may work otherwise than all of them together; the figures are to be those of what is made.
            let result = self.tried(&self.workload, &kept, &[], true, progress);
            if matches!(result, Err(DatabaseError::Stopped { .. })) {
                self.partly_made(&kept, &predicted)?;
            }
            self.take(&result?);
        } else {
            self.take(&result);
        }
        self.rejected(recommendation);
        self.make(&kept, &predicted, progress)
    }

    pub(super) fn tried(
        &self,
        workload: &Workload,
        changes: &[Change],
        given: &[Change],
        write_costs: bool,
        progress: &mut dyn Progress,
    ) -> Result<TrialResult, DatabaseError> {
        let trial = Trial {
            changes: changes.to_vec(),
            given: given.to_vec(),
            budget: self.wishes.trial_time,
            write_costs,
            ..Trial::default()
        };
        self.database.measure(workload, &trial, progress)
    }

    /// Takes a trial's times into the report.
    fn take(&mut self, result: &TrialResult) {
        for (statement, trial) in result.statements.iter().enumerate() {
            self.figures.tried(statement, trial);
        }
        for remark in &result.remarks {
            self.note("trial_remark", Severity::Note, remark.clone(), None);
        }
    }

    fn index_figures(&self, chosen: &Recommended) -> IndexFigures {
        IndexFigures {
            name: chosen.name.clone(),
            table: chosen.candidate.table.to_string(),
            fix: chosen.change.fix.clone(),
            size_bytes: Some(chosen.size_bytes),
            helps: self.figures.placed(&chosen.statements),
            ..IndexFigures::default()
        }
    }

    fn proven(&self, chosen: &Recommended, judged: &Judged, result: &TrialResult) -> IndexFigures {
        let tried = result.changes.get(judged.change);
        IndexFigures {
            recommended: judged.is_kept,
            reason: judged.reason.clone(),
            size_bytes: tried.map(|tried| tried.grown_bytes.max(0).unsigned_abs()),
            build: tried.map(|tried| tried.duration.0),
            write_cost: result.growth_of(judged.change),
            helps: self.figures.placed(&judged.helped),
            ..self.index_figures(chosen)
        }
    }

    fn rejected(&mut self, recommendation: &Recommendation) {
        for rejected in &recommendation.rejected {
            self.figures.index(IndexFigures {
                table: rejected.candidate.table.to_string(),
                fix: Fix { sql: vec![rejected.sql.clone()], undo: Vec::new() },
                reason: rejected.reason.clone(),
                size_bytes: Some(rejected.size_bytes).filter(|bytes| *bytes > 0),
                ..IndexFigures::default()
            });
        }
    }

    /// Makes changes, or says that it would.
    pub(super) fn make(
        &mut self,
        changes: &[Change],
        predicted: &[ChangeTrial],
        progress: &mut dyn Progress,
    ) -> Result<(), DatabaseError> {
        if changes.is_empty() {
            return Ok(());
        }
        let expected = |number: usize| predicted.get(number).map(|tried| tried.duration.0);
        if self.wishes.dry_run {
            for (number, change) in changes.iter().enumerate() {
                let outcome = "not done, as was asked for (--dry-run)".to_owned();
                self.action(Action { what: what(change), outcome, expected: expected(number), took: None });
            }
            return Ok(());
        }
        let applied = self.database.apply(changes, predicted, progress);
        if matches!(applied, Err(DatabaseError::Stopped { .. })) {
            self.partly_made(changes, predicted)?;
        }
        let applied = applied?;
        self.figures.has_changed();
        for (number, change) in changes.iter().enumerate() {
            let took = applied.durations.get(number).copied().flatten().map(|took| took.0);
            let outcome = "done".to_owned();
            self.action(Action { what: what(change), outcome, expected: expected(number), took });
        }
        for remark in applied.remarks {
            self.note("apply_remark", Severity::Note, remark, None);
        }
        let place = self.database.place();
        self.say_how_to_undo(format!("Run `pulse db undo {place}`."));
        Ok(())
    }

    /// Tells of changes of which some were made before it was stopped: the journal knows which.
    fn partly_made(&mut self, changes: &[Change], predicted: &[ChangeTrial]) -> Result<(), DatabaseError> {
        // A run of which nothing was made is not pending.
        let made = self.database.pending()?;
        for (number, change) in changes.iter().enumerate() {
            let took = made.as_ref().and_then(|made| made.get(number).copied().flatten());
            let outcome = if took.is_some() { "done" } else { INTERRUPTED };
            let expected = predicted.get(number).map(|tried| tried.duration.0);
            let (what, outcome, took) = (what(change), outcome.to_owned(), took.map(|took| took.0));
            self.action(Action { what, outcome, expected, took });
        }
        if made.is_some() {
            self.figures.has_changed();
            let place = self.database.place();
            self.say_how_to_undo(format!(
                "Run `pulse db undo {place}`, or go on with `pulse db resume {place}`."
            ));
        }
        Ok(())
    }

    fn say_how_to_undo(&mut self, help: String) {
        if !self.findings.iter().any(|finding| finding.code == "undo") {
            let message = format!("what takes the changes back is in {}", self.database.undo_script());
            self.note("undo", Severity::Note, message, Some(help));
        }
    }

    /// Indexes that were chosen, and not tried before it was stopped.
    fn untried(&mut self, recommendation: &Recommendation) {
        for chosen in &recommendation.chosen {
            let reason = "not proven: it was interrupted before the clock had its say".to_owned();
            let figures = IndexFigures { reason, ..self.index_figures(chosen) };
            self.figures.index(figures);
        }
        self.rejected(recommendation);
    }

    /// Tells of what was wished for and not begun when it was stopped.
    pub(super) fn leave_undone(&mut self) {
        let wished = self.wishes.actions;
        let statistics = self.database.statistics_change().map(|(change, _)| what(&change));
        let is_dropping = self.figures.report.indexes.iter().any(|index| index.action == IndexAction::Drop)
            || self.findings.iter().any(|finding| finding.code == "nothing_dropped");
        for (is_wished, what) in [
            (wished.drop_indexes && !is_dropping, "DROP INDEX".to_owned()),
            (wished.vacuum, VACUUM.to_owned()),
            (wished.analyze_stats, statistics.unwrap_or_else(|_| "ANALYZE".to_owned())),
        ] {
            let is_told = self.figures.report.actions.iter().any(|action| action.what == what);
            if is_wished && !is_told {
                let outcome = INTERRUPTED.to_owned();
                self.action(Action { what, outcome, expected: None, took: None });
            }
        }
    }

    fn action(&mut self, action: Action) {
        self.figures.report.actions.push(action);
    }

    /// Writes the file anew where that saves something, and says what it saves.
    pub(super) fn vacuum(&mut self, progress: &mut dyn Progress) -> Result<(), DatabaseError> {
        if !self.wishes.actions.vacuum {
            return Ok(());
        }
        let forecast = self.database.forecast_vacuum(progress)?;
        for warning in &forecast.warnings {
            self.note("vacuum_warning", Severity::Warning, warning.clone(), None);
        }
        for alternative in &forecast.alternatives {
            self.note("vacuum_alternative", Severity::Note, alternative.clone(), None);
        }
        let what = VACUUM.to_owned();
        let expected = forecast.copy_duration.map(|duration| duration.0);
        if let Some(reason) = forecast.decline() {
            self.action(Action { what, outcome: format!("not done: {reason}"), expected, took: None });
            return Ok(());
        }
        let saving = format!(
            "from {} to about {} bytes ({:.0} % less)",
            forecast.size_bytes,
            forecast.predicted_bytes,
            forecast.saved_share() * 100.0
        );
        if self.wishes.dry_run {
            let outcome = format!("not done, as was asked for (--dry-run); {saving}");
            self.action(Action { what, outcome, expected, took: None });
            return Ok(());
        }
        let done = self.database.vacuum(&forecast, progress)?;
        self.figures.has_changed();
        let outcome =
            format!("done: from {} to {} bytes; expected was {saving}", done.before_bytes, done.after_bytes);
        self.action(Action { what, outcome, expected, took: Some(done.duration.0) });
        for remark in done.remarks {
            self.note("vacuum_remark", Severity::Note, remark, None);
        }
        Ok(())
    }

    /// Takes the statistics anew; before, it is tried on a copy which plans change and whether that is good.
    pub(super) fn statistics(&mut self, progress: &mut dyn Progress) -> Result<(), DatabaseError> {
        if !self.wishes.actions.analyze_stats {
            return Ok(());
        }
        let (change, remarks) = self.database.statistics_change()?;
        let changes = [change];
        let mut predicted = Vec::new();
        if self.wishes.verify && !self.workload.is_structural {
            let result = self.tried(&self.workload, &changes, &[], false, progress)?;
            for changed in plan_changes(&result) {
                let (severity, word) = if changed.is_slower() {
                    (Severity::Warning, "slower")
                } else {
                    (Severity::Note, "different")
                };
                let form = &self.workload.statements[changed.statement].form;
                self.note(
                    "plan_change",
                    severity,
                    format!("new statistics make the plan of `{form}` {word}:\n{changed}"),
                    changed.is_slower().then(|| "pulse db undo puts the old statistics back.".to_owned()),
                );
            }
            predicted = result.changes;
        }
        for remark in remarks {
            self.note("new_samples", Severity::Note, remark, None);
        }
        self.make(&changes, &predicted, progress)
    }
}
