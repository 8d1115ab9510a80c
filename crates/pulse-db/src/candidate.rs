//! An index that could be: what selection chooses from. Plain data that knows no dialect.

use serde::{Deserialize, Serialize};

use crate::catalog::{IndexPart, TableName};

/// An index that there is not, or not yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Candidate {
    /// Its table.
    pub table: TableName,
    /// What it is sorted by.
    pub parts: Vec<IndexPart>,
    /// The condition of its rows, in SQL; `None` when it holds all.
    pub predicate: Option<String>,
    /// Why it was thought of.
    pub reason: CandidateReason,
}

/// Why a candidate was thought of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CandidateReason {
    /// Conditions of a statement.
    Filter,
    /// Conditions, then the wanted order.
    Order,
    /// Everything a statement reads of a table.
    Covering,
    /// Rows of a condition that few rows meet.
    Partial,
    /// An expression.
    Expression,
    /// Rows of another table that belong to this one's.
    Join,
    /// Children of a foreign key.
    ForeignKey,
}
