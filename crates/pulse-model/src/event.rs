//! What a running job tells: every live view and every recording consumes these.

use serde::{Deserialize, Serialize};

use crate::{Finding, Nanos, RunInfo, Snapshot, Summary, TargetResult, TimePoint};

/// Something that happened during a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    /// When, counted from the start of the load.
    pub at: Nanos,
    /// What.
    pub kind: EventKind,
}

/// What can happen during a job, in the order in which it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The load begins. Always the first event.
    Started(Box<RunInfo>),
    /// An interval was merged over all workers.
    Snapshot(Box<IntervalEvent>),
    /// A target is missed as of now.
    Breach(TargetResult),
    /// Something the user should know while the job runs.
    Notice(Finding),
    /// The job is over. Always the last event.
    Finished(Box<Summary>),
}

/// A merged interval with its figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntervalEvent {
    /// The figures of the interval, for views that do not need histograms.
    pub point: TimePoint,
    /// Everything recorded in the interval that is judged.
    pub snapshot: Snapshot,
    /// What was recorded of iterations whose intended start lies in the warm-up; it is in no judged figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Snapshot>,
}
