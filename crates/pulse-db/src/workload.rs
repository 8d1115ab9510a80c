//! What a database is asked: statements with values, calls and durations. Plain data that knows no dialect.
//!
//! A [`Workload`] is read from traces, scripts and logs (`read_workload`, feature `optimizer`), or made up from the structure
//! of a database (`structural`). [`WorkloadWriter`] writes traces.

mod line;
#[cfg(feature = "optimizer")]
mod reading;
mod writer;

use pulse_model::Histogram;
use serde::{Deserialize, Serialize};

pub use line::{FORMAT, Header, Line, LineError, StatementLine, VERSION};
#[cfg(feature = "optimizer")]
pub use reading::{
    Entry, MAX_LINE_BYTES, MAX_SKIPPED, MAX_STATEMENT_BYTES, MAX_WORKLOAD_BYTES, ReadOutcome,
    WorkloadBuilder, WorkloadError, WorkloadFormat, read_workload, read_workload_from, structural,
};
pub use writer::WorkloadWriter;

/// Different forms of statements that are kept; what comes later is counted in [`Workload::skipped`].
pub const MAX_STATEMENTS: usize = 5_000;
/// Statements that make temporary tables, views and triggers.
pub const MAX_TEMPORARY: usize = 100;
/// Sets of values that are kept of each form, chosen evenly from all calls.
pub const MAX_SAMPLES: usize = 32;

/// Everything that a database was asked, by form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Forms of statements in the order of their first appearance.
    pub statements: Vec<Statement>,
    /// Statements that make temporary tables, views and triggers, in order: they are gone with the connection that made them, so
    /// that every one that plans or tries makes its own.
    #[serde(default)]
    pub temporary: Vec<String>,
    /// What was not understood or not kept, with how often.
    pub skipped: Vec<Skipped>,
    /// Whether there was no workload, so that this was made up from the structure of the database: low confidence.
    pub is_structural: bool,
}

impl Workload {
    /// Calls of all statements.
    pub fn calls(&self) -> u64 {
        self.statements.iter().map(|statement| statement.calls).sum()
    }
}

/// A form of statement: all that differ only in values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// The form: the statement without its values ([`pulse_model::sqlite_form`]).
    pub form: String,
    /// What is prepared: one of the statements as it came.
    pub sql: String,
    /// Calls of this form.
    pub calls: u64,
    /// Calls with their values, at most [`MAX_SAMPLES`]. A statement without placeholders has calls without values.
    pub samples: Vec<Call>,
    /// How long the calls took where that was recorded, in nanoseconds.
    pub durations: Histogram,
    /// Where the first one came from: `queries.sql:12`.
    pub origin: String,
}

/// One call of a statement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The statement of this call, where it is written differently from [`Statement::sql`] (its values are in its text).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// Values of the placeholders; those without a value are bound to null.
    pub values: Values,
}

/// Values of a call's placeholders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Values {
    /// By position.
    Positional(Vec<Value>),
    /// By name, with its prefix as written: `:id`, `@id`, `$id`; a name without one fits any.
    Named(Vec<(String, Value)>),
}

impl Default for Values {
    fn default() -> Self {
        Self::Positional(Vec::new())
    }
}

/// A value of a statement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// What was not understood, or is beyond a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Where: `app.log:120`, of the first one.
    pub origin: String,
    /// The beginning of what was skipped, without values.
    pub text: String,
    /// Why.
    pub reason: String,
    /// How often.
    pub count: u64,
}
