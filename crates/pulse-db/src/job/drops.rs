//! Dropping indexes: what findings propose is tried on private copies, and goes when no statement gets slower without it.

use pulse_model::{IndexAction, IndexFigures, Measured, ReplayedStatement, Severity};

use super::Job;
use crate::change::Change;
use crate::drops::{Evidence, ProposedDrop, proposed_drops};
use crate::error::DatabaseError;
use crate::keep::{Judged, keep, still_open};
use crate::progress::Progress;
use crate::trial::{ChangeTrial, Gain, TrialResult};
use crate::workload::Workload;

/// Trials of drops. Together they may do what none does alone, so that what is left after a refusal is tried again; where that
/// finds no end, nothing goes.
const MAX_TRIALS: usize = 5;

impl Job<'_> {
    /// Tries the drops that findings propose, and makes those that the clock does not mind.
    pub(super) fn drops(&mut self, progress: &mut dyn Progress) -> Result<(), DatabaseError> {
        if !self.wishes.actions.drop_indexes {
            return Ok(());
        }
        let is_replayed = self.wishes.verify && !self.workload.is_structural;
        let evidence = if is_replayed { Evidence::Replay } else { Evidence::Structure };
        let proposed = proposed_drops(&self.catalog, &self.findings, evidence);
        if proposed.is_empty() {
            let message = if self.workload.is_structural {
                "no index is to be dropped: none is redundant, and without a workload nothing is known to be unused"
            } else {
                "no index is to be dropped: none is redundant, and none of those unused can be said to be needless"
            };
            self.note("nothing_dropped", Severity::Note, message.to_owned(), None);
        }
        let (refused, open): (Vec<_>, Vec<_>) = proposed.into_iter().partition(|it| it.refusal.is_some());
        let mut stay: Vec<IndexFigures> = refused
            .iter()
            .map(|drop| IndexFigures { reason: drop.refusal.clone().unwrap_or_default(), ..figures(drop) })
            .collect();
        let (kept, predicted) = if open.is_empty() {
            (Vec::new(), Vec::new())
        } else if self.wishes.verify {
            self.replayed(open, evidence, &mut stay, progress)?
        } else {
            self.unmeasured(&open)
        };
        for figures in stay {
            self.figures.index(figures);
        }
        self.make(&kept, &predicted, progress)
    }

    /// By their structure alone.
    fn unmeasured(&mut self, open: &[ProposedDrop]) -> (Vec<Change>, Vec<ChangeTrial>) {
        for drop in open {
            self.figures.index(IndexFigures { recommended: true, reason: by_structure(), ..figures(drop) });
        }
        (open.iter().map(|drop| drop.change.clone()).collect(), Vec::new())
    }

    /// Tries all at once; what does not stand the trial stays, and the others are tried anew: also those that may have been slower
    /// only for another one.
    fn replayed(
        &mut self,
        mut open: Vec<ProposedDrop>,
        evidence: Evidence,
        stay: &mut Vec<IndexFigures>,
        progress: &mut dyn Progress,
    ) -> Result<(Vec<Change>, Vec<ChangeTrial>), DatabaseError> {
        // Statements that were made up from the structure are never run; what a written row costs is measured without any.
        let replay = if evidence == Evidence::Replay { self.workload.clone() } else { Workload::default() };
        let mut had_chance = vec![false; open.len()];
        for _ in 0..MAX_TRIALS {
            let changes: Vec<Change> = open.iter().map(|drop| drop.change.clone()).collect();
            let result = self.tried(&replay, &changes, &[], true, progress)?;
            let judged = keep(&replay, &changes, &result, self.wishes.selection.min_gain);
            let rows: Vec<IndexFigures> = open
                .iter()
                .zip(&judged)
                .map(|(drop, judged)| self.tried_drop(drop, judged, &result, evidence))
                .collect();
            if judged.iter().all(|judged| judged.is_kept) {
                rows.into_iter().for_each(|row| self.figures.index(row));
                for remark in result.remarks {
                    self.note("trial_remark", Severity::Note, remark, None);
                }
                return Ok((changes, result.changes));
            }
            let left = still_open(&judged, &had_chance);
            had_chance = left.iter().map(|&number| had_chance[number] || !judged[number].is_kept).collect();
            let is_out = |number: &usize| !left.contains(number);
            stay.extend(
                rows.into_iter().enumerate().filter(|(number, _)| is_out(number)).map(|(_, row)| row),
            );
            open = left.iter().map(|&number| open[number].clone()).collect();
            if open.is_empty() {
                return Ok((Vec::new(), Vec::new()));
            }
        }
        let reason = format!("not proven: in {MAX_TRIALS} trials one after the other was needed after all");
        stay.extend(open.iter().map(|drop| IndexFigures { reason: reason.clone(), ..figures(drop) }));
        Ok((Vec::new(), Vec::new()))
    }

    fn tried_drop(
        &self,
        drop: &ProposedDrop,
        judged: &Judged,
        result: &TrialResult,
        evidence: Evidence,
    ) -> IndexFigures {
        let is_by_structure = evidence == Evidence::Structure && judged.is_kept;
        IndexFigures {
            recommended: judged.is_kept,
            reason: if is_by_structure { by_structure() } else { judged.reason.clone() },
            build: result.changes.get(judged.change).map(|tried| tried.duration.0),
            write_cost: result.growth_of(judged.change),
            replayed: judged.users.iter().filter_map(|&user| self.replayed_statement(user, result)).collect(),
            ..figures(drop)
        }
    }

    fn replayed_statement(&self, user: usize, result: &TrialResult) -> Option<ReplayedStatement> {
        let trial = result.statements.get(user)?;
        let samples = trial.before.count() + trial.after.count();
        Some(ReplayedStatement {
            statement: self.figures.placed(&[user]).first().copied()?,
            before: trial.before.mean()?,
            after: trial.after.mean()?,
            gain: trial.gain.map(|Gain { value, lo, hi }| Measured { value, lo, hi, samples }),
        })
    }
}

fn figures(drop: &ProposedDrop) -> IndexFigures {
    IndexFigures {
        name: drop.change.subject.clone(),
        table: drop.table.clone(),
        action: IndexAction::Drop,
        fix: drop.change.fix.clone(),
        size_bytes: drop.size_bytes,
        ..IndexFigures::default()
    }
}

fn by_structure() -> String {
    "another index is sorted like it down to the row; nothing was replayed without it".to_owned()
}
