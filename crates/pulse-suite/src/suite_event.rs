//! What a running suite tells: progress for whoever watches.

use pulse_model::{CaseInfo, Finding, Nanos, RunEvent, RunInfo, Snapshot, Summary};

/// Something that happened while suites ran.
#[derive(Clone, Debug, PartialEq)]
pub enum SuiteEvent {
    /// The first event: so many cases were selected, repetitions included.
    Started {
        /// Cases that will run.
        total: usize,
        /// What the whole run is.
        info: Box<RunInfo>,
    },
    /// The first case of a suite is next.
    SuiteStarted {
        /// The suite's name.
        name: String,
        /// URL of its service.
        service: String,
    },
    /// The service is being started.
    ServiceStarting {
        /// The command line.
        command: String,
    },
    /// The service that was started is ready.
    ServiceReady {
        /// How long it took.
        after: Nanos,
    },
    /// A case begins.
    CaseStarted {
        /// Its place among all that run, from 1.
        number: usize,
        /// Cases that run in all.
        total: usize,
        /// The case.
        info: Box<CaseInfo>,
        /// How often it was begun, this time included; more than 1 for a retry.
        attempt: u32,
    },
    /// The engine tells about the running case, in the time of the case. `Started` comes first, `Finished` never.
    CaseProgress(Box<RunEvent>),
    /// A case has ended. It comes once per case, after the last attempt; for skipped cases, too.
    CaseFinished {
        /// What it found out, with its verdict.
        summary: Box<Summary>,
        /// What was judged, in order of time: what [`RunData`](crate::RunData) keeps for comparisons.
        intervals: Vec<Snapshot>,
    },
    /// Something the user should know.
    Notice(Finding),
    /// The last event: the whole tree.
    Finished(Box<Summary>),
}
