//! The nouns that Pulse's crates hand to each other: time, histogram, series, snapshot, target, verdict, finding,
//! summary and event. Plain data with public fields; everything can be saved, sent, merged and printed.
//!
//! ```
//! use pulse_model::{Aggregate, Histogram, Nanos, Series, Snapshot, Target, metric};
//!
//! let mut response_time = Histogram::default();
//! for millis in 1..=100 {
//!     response_time.record(Nanos::from_millis(millis).0);
//! }
//! let mut snapshot = Snapshot::default();
//! snapshot.add(Series::new(metric::RESPONSE_TIME), Aggregate::Trend(response_time));
//!
//! let target: Target = "p95 < 200ms".parse()?;
//! let p95 = target.measure(&snapshot).expect("there are samples");
//! assert!(target.holds(p95));
//! assert!((p95 / 95e6 - 1.0).abs() < 0.0014);
//! # Ok::<(), pulse_model::TargetError>(())
//! ```
//!
//! What it does *not* do: no clock, no files, no randomness, no statistics beyond counting (see `pulse-stats`), no
//! rendering (see `pulse-report`).

mod boundaries;
mod case_info;
mod change;
mod course;
mod database;
mod delta;
mod event;
mod finding;
mod histogram;
mod nanos;
mod packed_histogram;
mod series;
mod snapshot;
mod statement;
mod summary;
mod target;
mod verdict;

pub use case_info::CaseInfo;
pub use change::{Change, Effect};
pub use course::{Course, CourseColumn, Moment, MomentKind};
pub use database::{
    Action, DatabaseReport, DatabaseState, IndexAction, IndexFigures, ReplayedStatement, StatementFigures,
    StatementTimes, TableFigures, WorkloadFigures,
};
pub use delta::Delta;
pub use event::{EventKind, IntervalEvent, RunEvent};
pub use finding::{Finding, Fix, Severity};
pub use histogram::{Bucket, Histogram, Quantile, Schema};
pub use nanos::{DurationError, Nanos};
pub use packed_histogram::{IntervalValues, PackedHistogram};
pub use series::{Series, SeriesError, Tags, endpoint, metric, metric_group, tag};
pub use snapshot::{Aggregate, FailureKind, Gauge, Interval, Rate, Sighting, Snapshot};
pub use statement::{sqlite_form, statement_kind, without_values};
pub use summary::{
    Ending, HostInfo, Percentile, RunInfo, ScenarioInfo, Summary, TimePoint, busiest_worker, failed_requests,
    spinning_cores,
};
pub use target::{Comparison, Estimate, Statistic, Subject, Target, TargetError, Unit, parse_bytes};
pub use verdict::{Measured, TargetResult, Validity, ValidityReason, ValidityState, Verdict};
