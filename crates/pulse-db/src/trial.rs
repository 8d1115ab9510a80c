//! A trial of changes on a private copy, and what it found.

use pulse_model::{Histogram, Nanos};
use serde::{Deserialize, Serialize};

use crate::change::Change;

/// What is tried.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trial {
    /// Changes, in order; the workload runs without and with them.
    pub changes: Vec<Change>,
    /// Time for all of it.
    pub budget: Nanos,
    /// Time after which a statement is stopped and counted as taking at least this long.
    pub statement_limit: Nanos,
}

/// What a trial found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrialResult {
    /// Statements of the workload, in order.
    pub statements: Vec<StatementTrial>,
    /// Changes, in order.
    pub changes: Vec<ChangeTrial>,
    /// Rounds: each ran every statement once without and once with the changes.
    pub rounds: u64,
    /// What could not be as it was meant to be, for people.
    pub remarks: Vec<String>,
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
    /// Bytes by which the file grew; negative when it shrank.
    pub grown_bytes: i64,
}
