//! Something that is done to a database: exact statements, and what takes them back.

use pulse_model::Fix;
use serde::{Deserialize, Serialize};

/// One thing that is done to a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What kind of change.
    pub kind: ChangeKind,
    /// What it is done to: an index, or the database.
    pub subject: String,
    /// The statements, and those that take them back.
    pub fix: Fix,
}

/// What kind of change, in the order in which they are safe to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A new index.
    CreateIndex,
    /// An index goes.
    DropIndex,
    /// The file is written anew.
    Vacuum,
    /// The planner's statistics are taken anew.
    Analyze,
}
