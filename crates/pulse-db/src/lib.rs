//! What makes a database slow, and which changes are proven to help.
//!
//! **Main types**
//! - [`Catalog`]: what is in a database; [`Workload`]: what it is asked; plain data without a dialect;
//! - [`Driver`]: the only seam to a kind of database; [`Sqlite`]: the one there is;
//! - [`Explained`]: a statement's plan, cost, and what the planner asked for; [`Candidate`]: an index that could be;
//! - [`findings()`]: what is found in all that, by a table of [`Rule`]s; [`Rewrite`]: a statement that no plain index helps;
//! - [`recommend()`]: from these to the few indexes that make a workload cheapest;
//! - [`Change`]: statements and what takes them back; [`Trial`]: their test on a private copy; [`keep()`]: which of them are
//!   worth making.
//!
//! What it does *not* do: no terminal and no arguments (see `pulse-cli`); it never writes to a database but through
//! [`Driver::apply`].

pub mod candidate;
pub mod candidates;
pub mod catalog;
pub mod change;
pub mod driver;
pub mod error;
pub mod findings;
pub mod job;
pub mod keep;
pub mod plan;
pub mod plan_change;
pub mod progress;
pub mod recommend;
pub mod rewrite;
pub mod selection;
pub mod sqlite;
pub mod trial;
pub mod workload;

mod tokens;
mod weighted;

pub use candidate::{Candidate, CandidateReason};
pub use catalog::Catalog;
pub use change::{Change, ChangeKind};
pub use driver::Driver;
pub use error::DatabaseError;
pub use findings::{FindingsInput, Measured, Rule, findings, rule, rules};
pub use job::{Wishes, run};
pub use keep::{Judged, keep};
pub use plan::{Explained, QueryPlan};
pub use plan_change::{PlanChange, plan_changes};
pub use progress::{Progress, Unwatched};
pub use recommend::{Recommendation, SelectionOptions, recommend};
pub use rewrite::{Rewrite, RewriteKind};
pub use sqlite::Sqlite;
pub use trial::{Trial, TrialResult};
pub use workload::{Statement, Workload};
