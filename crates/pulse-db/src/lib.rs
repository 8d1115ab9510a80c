//! What makes a database slow, and which changes are proven to help.
//!
//! **Main types**
//! - [`Catalog`]: what is in a database; [`Workload`]: what it is asked; plain data without a dialect;
//! - [`Driver`]: the only seam to a kind of database; [`Sqlite`]: the one there is;
//! - [`Explained`]: a statement's plan, cost, and what the planner asked for; [`Candidate`]: an index that could be;
//! - [`Change`]: statements and what takes them back; [`Trial`]: their test on a private copy.
//!
//! - `record::run`: what a program asks that loads the system's SQLite; `hook::Recorder`: the same from within a program.
//!
//! A service that only records itself takes the feature `hook` without the default `optimizer`, and with it none of what
//! analysis needs.
//!
//! What it does *not* do: no terminal and no arguments (see `pulse-cli`); it never writes to a database but through
//! [`Driver::apply`].

pub mod candidate;
pub mod catalog;
pub mod change;
#[cfg(feature = "optimizer")]
pub mod driver;
pub mod error;
#[cfg(feature = "hook")]
pub mod hook;
pub mod plan;
pub mod progress;
#[cfg(feature = "optimizer")]
pub mod record;
#[cfg(feature = "optimizer")]
pub mod sqlite;
pub mod trial;
pub mod workload;

pub use candidate::{Candidate, CandidateReason};
pub use catalog::Catalog;
pub use change::{Change, ChangeKind};
#[cfg(feature = "optimizer")]
pub use driver::Driver;
pub use error::DatabaseError;
pub use plan::{Explained, QueryPlan};
pub use progress::{Progress, Unwatched};
#[cfg(feature = "optimizer")]
pub use sqlite::Sqlite;
pub use trial::{Trial, TrialResult};
pub use workload::{Statement, Workload};
#[cfg(feature = "optimizer")]
pub use workload::{WorkloadBuilder, WorkloadError, read_workload, read_workload_from, structural};
