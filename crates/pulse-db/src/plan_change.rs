//! Plans that change with a change, and whether the clock agrees.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::trial::{Gain, TrialResult};

/// A statement whose plan is another with the changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanChange {
    /// Its place in the workload.
    pub statement: usize,
    /// The plan without them, a step per line.
    pub before: Vec<String>,
    /// The plan with them.
    pub after: Vec<String>,
    /// How many times faster it is.
    pub gain: Option<Gain>,
}

impl PlanChange {
    /// Whether it is measurably slower: a regression.
    pub fn is_slower(&self) -> bool {
        self.gain.is_some_and(|gain| gain.hi < 1.0)
    }
}

/// Statements of a trial whose plans changed, those that became slower first.
pub fn plan_changes(result: &TrialResult) -> Vec<PlanChange> {
    let replanned =
        result.statements.iter().enumerate().filter(|(_, trial)| trial.plan_before != trial.plan_after);
    let mut changes: Vec<PlanChange> = replanned
        .map(|(statement, trial)| PlanChange {
            statement,
            before: trial.plan_before.clone(),
            after: trial.plan_after.clone(),
            gain: trial.gain,
        })
        .collect();
    changes.sort_by_key(|change| !change.is_slower());
    changes
}

impl fmt::Display for PlanChange {
    /// As a text difference: lines that stay, that go (`-`) and that come (`+`).
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let same_start = self.before.iter().zip(&self.after).take_while(|(a, b)| a == b).count();
        let (before, after) = (&self.before[same_start..], &self.after[same_start..]);
        let same_end = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
        let mut line = |sign: char, text: &String| writeln!(out, "{sign} {text}");
        self.before[..same_start].iter().try_for_each(|text| line(' ', text))?;
        before[..before.len() - same_end].iter().try_for_each(|text| line('-', text))?;
        after[..after.len() - same_end].iter().try_for_each(|text| line('+', text))?;
        after[after.len() - same_end..].iter().try_for_each(|text| line(' ', text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::StatementTrial;

    fn trial(before: &[&str], after: &[&str], gain: f64) -> StatementTrial {
        let lines = |plan: &[&str]| plan.iter().map(|&line| line.to_owned()).collect();
        StatementTrial {
            plan_before: lines(before),
            plan_after: lines(after),
            gain: Some(Gain { value: gain, lo: gain * 0.9, hi: gain * 1.1 }),
            ..StatementTrial::default()
        }
    }

    #[test]
    fn regressions_come_first_and_lines_that_stay_are_shown_once() {
        let (same, quick) = (trial(&["SCAN a"], &["SCAN a"], 0.1), trial(&["SCAN a"], &["SEARCH a"], 3.0));
        let slow = trial(&["QUERY", "  SCAN a", "  SCAN b"], &["QUERY", "  SEARCH a", "  SCAN b"], 0.5);
        let result = TrialResult { statements: vec![same, quick, slow], ..TrialResult::default() };
        let changes = plan_changes(&result);
        assert_eq!(
            changes.iter().map(|change| (change.statement, change.is_slower())).collect::<Vec<_>>(),
            [(2, true), (1, false)]
        );
        assert_eq!(changes[0].to_string(), "  QUERY\n-   SCAN a\n+   SEARCH a\n    SCAN b\n");
        let growing = PlanChange {
            before: vec!["A".to_owned()],
            after: vec!["A".to_owned(); 2],
            ..PlanChange::default()
        };
        assert_eq!(growing.to_string(), "  A\n+ A\n");
    }
}
