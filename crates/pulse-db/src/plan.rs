//! How a database means to answer a statement, and what it asked itself on the way. Plain data that knows no dialect.

use serde::{Deserialize, Serialize};

use crate::catalog::{TableName, Term};
use crate::workload::Value;

/// What is known about a statement before it runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// How it would be answered.
    pub plan: QueryPlan,
    /// What that costs in the planner's own unit; comparable only with other costs of the same driver.
    pub cost: f64,
    /// What the planner asked the tables for: what an index could answer.
    pub questions: Vec<Question>,
    /// What the statement does to tables.
    pub effects: Vec<Effect>,
}

/// The steps of a plan, as a tree by [`Step::parent`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryPlan {
    /// Steps, parents before their children.
    pub steps: Vec<Step>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The index of the step that this one is part of, in [`QueryPlan::steps`].
    pub parent: Option<usize>,
    /// The database's own words.
    pub detail: String,
    /// What it means.
    pub access: Access,
}

/// How a step gets at its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Every row of the table, or of the index named.
    Scan {
        /// The table, or its alias in the statement where nothing more is known.
        table: String,
        /// The index whose rows are read.
        index: Option<String>,
        /// Whether the index alone is enough.
        covering: bool,
    },
    /// Some rows, found by an index or by the row's number.
    Search {
        /// The table or its alias.
        table: String,
        /// The index; `None` for the table's own key.
        index: Option<String>,
        /// Whether the index alone is enough.
        covering: bool,
    },
    /// Some rows, by an index that is built for this statement and thrown away.
    AutomaticIndex {
        /// The table or its alias.
        table: String,
    },
    /// Rows are sorted, grouped or made unique beside the tables.
    Sort {
        /// For what: `ORDER BY`, `GROUP BY`, `DISTINCT`.
        purpose: String,
    },
    /// Anything else.
    Other,
}

/// What the planner asked a table for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The table.
    pub table: TableName,
    /// Conditions on its columns.
    pub conditions: Vec<Condition>,
    /// The order that the rows are wanted in.
    pub order: Vec<Order>,
    /// Columns that are read, conditions and order included.
    pub used: Vec<String>,
}

/// A condition on one column or expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// What is compared.
    pub term: Term,
    /// How.
    pub operator: Operator,
    /// How texts compare.
    pub collation: String,
    /// What it is compared with, where that is known.
    pub value: Option<Value>,
    /// Whether it compares with another table of the same statement, so that it can be used only inside that table's loop.
    pub joins: bool,
}

/// How a column is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// `=`, `IS` with a value.
    Equal,
    /// `IN (…)`.
    In,
    /// `<`, `<=`, `>`, `>=`, `BETWEEN`.
    Range,
    /// `IS NULL`.
    IsNull,
    /// `IS NOT NULL`.
    IsNotNull,
    /// `LIKE`, `GLOB` and others of their kind.
    Pattern,
    /// `<>`, `IS NOT`.
    NotEqual,
}

impl Operator {
    /// Whether a condition of it can lead into an index at all.
    pub fn is_indexable(self) -> bool {
        matches!(self, Self::Equal | Self::In | Self::Range | Self::IsNull)
    }
}

/// A wish for an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What is sorted by.
    pub term: Term,
    /// Whether the largest comes first.
    pub descending: bool,
    /// How texts compare.
    pub collation: String,
}

/// What a statement does to a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// The table.
    pub table: TableName,
    /// What is done.
    pub kind: EffectKind,
    /// Columns that an update sets; empty for the others.
    pub columns: Vec<String>,
}

/// What is done to the rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// They are read.
    Read,
    /// There are new ones.
    Insert,
    /// Some columns change.
    Update,
    /// They go.
    Delete,
}
