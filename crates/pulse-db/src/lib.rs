//! What makes a database slow, and which changes are proven to help.
//!
//! **Main types**
//! - [`Catalog`]: what is in a database; [`Workload`]: what it is asked; plain data without a dialect;
//! - [`Driver`]: the only seam to a kind of database, with its [`Planner`] and [`Upkeep`]; [`Sqlite`]: the one there is;
//! - [`Explained`]: a statement's plan, cost, and what the planner asked for; [`Candidate`]: an index that could be;
//! - [`findings()`]: what is found in all that, by a table of [`Rule`]s; [`Rewrite`]: a statement that no plain index helps;
//! - [`proposed_drops()`]: which indexes may go; [`recommend()`]: from these to the few indexes that make a workload cheapest;
//! - [`Change`]: statements and what takes them back; [`Trial`]: their test on a private copy; [`keep()`]: which of them are
//!   worth making; [`run`]: all of it, from a look to a summary;
//! - [`record::run`]: what a program asks that loads the system's SQLite; [`hook::Recorder`]: the same from within a program.
//!
//! A service that only records itself takes the feature `hook` without the default `optimizer`, and with it none of what
//! analysis needs.
//!
//! What it does *not* do: no terminal and no arguments (see `pulse-cli`); it never writes to a database but through
//! [`Driver::apply`] and [`Upkeep::vacuum`].

#[cfg(feature = "optimizer")]
pub mod applied;
#[cfg(feature = "optimizer")]
pub mod candidate;
#[cfg(feature = "optimizer")]
pub mod candidates;
#[cfg(feature = "optimizer")]
pub mod catalog;
#[cfg(feature = "optimizer")]
pub mod change;
#[cfg(feature = "optimizer")]
pub mod driver;
#[cfg(feature = "optimizer")]
pub mod drops;
#[cfg(feature = "optimizer")]
pub mod error;
#[cfg(feature = "optimizer")]
pub mod findings;
#[cfg(feature = "hook")]
pub mod hook;
#[cfg(feature = "optimizer")]
pub mod job;
#[cfg(feature = "optimizer")]
pub mod keep;
#[cfg(feature = "optimizer")]
pub mod plan;
#[cfg(feature = "optimizer")]
pub mod plan_change;
#[cfg(feature = "optimizer")]
pub mod planner;
#[cfg(feature = "optimizer")]
pub mod progress;
#[cfg(feature = "optimizer")]
pub mod recommend;
#[cfg(feature = "optimizer")]
pub mod record;
#[cfg(feature = "optimizer")]
pub mod rewrite;
#[cfg(feature = "optimizer")]
pub mod selection;
#[cfg(feature = "optimizer")]
pub mod sqlite;
#[cfg(feature = "optimizer")]
pub mod timing;
#[cfg(feature = "optimizer")]
pub mod trial;
#[cfg(feature = "optimizer")]
pub mod vacuum_forecast;
pub mod workload;

#[cfg(feature = "optimizer")]
mod matrix;
#[cfg(feature = "optimizer")]
mod quote;
#[cfg(feature = "optimizer")]
mod tokens;
#[cfg(feature = "optimizer")]
mod weighted;

#[cfg(feature = "optimizer")]
pub use applied::Applied;
#[cfg(feature = "optimizer")]
pub use candidate::{Candidate, CandidateReason};
#[cfg(feature = "optimizer")]
pub use catalog::Catalog;
#[cfg(feature = "optimizer")]
pub use change::{Change, ChangeKind};
#[cfg(feature = "optimizer")]
pub use driver::{Driver, Upkeep};
#[cfg(feature = "optimizer")]
pub use drops::{Evidence, ProposedDrop, proposed_drops};
#[cfg(feature = "optimizer")]
pub use error::DatabaseError;
#[cfg(feature = "optimizer")]
pub use findings::{FindingsInput, Measured, Rule, findings, rule, rules};
#[cfg(feature = "optimizer")]
pub use job::{Actions, Wishes, run};
#[cfg(feature = "optimizer")]
pub use keep::{Judged, keep, settle};
#[cfg(feature = "optimizer")]
pub use plan::{Explained, QueryPlan};
#[cfg(feature = "optimizer")]
pub use plan_change::{PlanChange, plan_changes};
#[cfg(feature = "optimizer")]
pub use planner::Planner;
#[cfg(feature = "optimizer")]
pub use progress::{Progress, Unwatched};
#[cfg(feature = "optimizer")]
pub use recommend::{Recommendation, SelectionOptions, recommend};
#[cfg(feature = "optimizer")]
pub use rewrite::{Rewrite, RewriteKind};
#[cfg(feature = "optimizer")]
pub use sqlite::Sqlite;
#[cfg(feature = "optimizer")]
pub use timing::Timing;
#[cfg(feature = "optimizer")]
pub use trial::{Trial, TrialResult};
pub use workload::{Statement, Workload};
#[cfg(feature = "optimizer")]
pub use workload::{WorkloadBuilder, WorkloadError, read_workload, read_workload_from, structural};
