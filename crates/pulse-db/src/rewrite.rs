//! A statement that no plain index helps as it is written. Plain data that knows no dialect.

use pulse_model::Fix;
use serde::{Deserialize, Serialize};

use crate::catalog::TableName;

/// A place in a statement that keeps an index from being used, and what would let it be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrite {
    /// The statement, by its position in the workload.
    pub statement: usize,
    /// What the matter is.
    pub kind: RewriteKind,
    /// The table whose rows are all read.
    pub table: TableName,
    /// The column that is hidden from its index.
    pub column: String,
    /// The place, as written.
    pub written: String,
    /// What to write instead; `None` where only an index of its own helps, or nothing does.
    pub instead: Option<String>,
    /// The step of the plan as it is.
    pub plan: String,
    /// The step of the plan that the database confirmed; `None` where there is none.
    pub plan_after: Option<String>,
    /// The index that has to be made for it; `None` where one that exists is enough.
    pub index: Option<Fix>,
}

/// What keeps an index from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RewriteKind {
    /// The column is cast to another type.
    Cast,
    /// A plus before the column.
    Plus,
    /// The column is compared in another order of texts than its index.
    Collation,
    /// The column is inside a function.
    Function,
    /// A pattern that begins with anything.
    LeadingWildcard,
    /// A pattern that disregards capitals, over an index that regards them.
    PatternCollation,
    /// Two columns of different kinds are compared, which converts one of them.
    Affinity,
}
