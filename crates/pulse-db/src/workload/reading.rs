//! Reads workloads: traces, scripts and logs, joined by the form of their statements and within limits.

mod builder;
mod error;
mod line_reader;
mod log;
mod reader;
mod reservoir;
mod script;
mod splitter;
mod structural;

use super::{
    Call, MAX_SAMPLES, MAX_STATEMENTS, MAX_TEMPORARY, Skipped, Statement, Value, Values, Workload, line,
};

pub use builder::{Entry, MAX_SKIPPED, MAX_STATEMENT_BYTES, MAX_WORKLOAD_BYTES, WorkloadBuilder};
pub use error::WorkloadError;
pub use line_reader::MAX_LINE_BYTES;
pub use reader::{ReadOutcome, WorkloadFormat, read_workload, read_workload_from};
pub use structural::structural;
