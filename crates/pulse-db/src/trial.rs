//! A trial of changes on a private copy, and what it found.

use pulse_model::{Histogram, Measured, Nanos};
use serde::{Deserialize, Serialize};

use crate::catalog::TableName;
use crate::change::Change;

/// What is tried.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trial {
    /// Changes that both sides have, made first: the workload runs with these alone, and with the others beside them.
    pub given: Vec<Change>,
    /// Changes, in order; the workload runs without and with them.
    pub changes: Vec<Change>,
    /// Time for all of it. When copies and changes use up more than half of it, half of it is added.
    pub budget: Nanos,
    /// Time after which a statement is stopped and counted as taking at least this long.
    pub statement_limit: Nanos,
    /// Whether the application turns foreign keys on. `SQLite`'s own default is off.
    pub foreign_keys: bool,
    /// Whether to measure what a written row costs in the tables of the changes, although the workload may not write there.
    pub write_costs: bool,
}

/// What a trial found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrialResult {
    /// Statements of the workload, in order.
    pub statements: Vec<StatementTrial>,
    /// Changes, in order.
    pub changes: Vec<ChangeTrial>,
    /// What a written row costs, per table that has changes, where it was asked for.
    pub write_costs: Vec<WriteCost>,
    /// Rounds: each ran every statement once without and once with the changes, but for those whose gain was clear already, that
    /// would have taken longer than was left, or that the changes cannot matter to.
    pub rounds: u64,
    /// What could not be as it was meant to be, for people.
    pub remarks: Vec<String>,
}

impl TrialResult {
    /// How many times longer a row of a change's table takes to be written with all changes of the table; `None` where it was not
    /// measured.
    pub fn growth_of(&self, change: usize) -> Option<Measured> {
        let table = self.changes.get(change)?.table.as_ref()?;
        let cost = self.write_costs.iter().find(|cost| cost.table == *table)?;
        let Gain { value, lo, hi } = cost.growth?;
        Some(Measured { value, lo, hi, samples: cost.before.count() + cost.after.count() })
    }
}

/// A statement without and with the changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatementTrial {
    /// Times in nanoseconds without them.
    pub before: Histogram,
    /// Times in nanoseconds with them.
    pub after: Histogram,
    /// The first call on a new connection without them, in nanoseconds: nothing is in the database's own cache.
    pub cold_before: Histogram,
    /// The same with them.
    pub cold_after: Histogram,
    /// How many times faster it is: median before by median after, with its interval. `None` without enough rounds.
    pub gain: Option<Gain>,
    /// Why it was not run.
    pub failure: Option<String>,
    /// The plan without the changes, in the database's own words, a step per line, indented by depth.
    pub plan_before: Vec<String>,
    /// The plan with them.
    pub plan_after: Vec<String>,
    /// Where a side did not end in time: its times are the limit, and the gain no more than a bound.
    pub cut_off: bool,
    /// Calls with different values whose answers were compared.
    pub compared: u64,
    /// What of the rows differs with the changes, where it should not. Then the changes it uses must not be made.
    pub difference: Option<String>,
}

/// A ratio of times with its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// The estimate; 2 is twice as fast.
    pub value: f64,
    /// Lower end.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
}

/// What a change costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChangeTrial {
    /// How long it took on the copy.
    pub duration: Nanos,
    /// Bytes by which its file grew; negative when it shrank.
    pub grown_bytes: i64,
    /// The table it belongs to, where it is an index.
    pub table: Option<TableName>,
    /// Why it could not be made on the copy.
    pub failure: Option<String>,
}

/// What it costs to take a row out of a table and to put it back, without and with all changes of the table together.
///
/// Without the time of a commit, which depends on the disk and is paid once per transaction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WriteCost {
    /// The table.
    pub table: TableName,
    /// Times in nanoseconds per row without the changes.
    pub before: Histogram,
    /// The same with them.
    pub after: Histogram,
    /// How many times longer it takes with them.
    pub growth: Option<Gain>,
    /// Why it could not be measured.
    pub failure: Option<String>,
}
