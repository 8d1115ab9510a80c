//! What was found out about a database, and what was done to it. Times in nanoseconds, sizes in bytes.

use serde::{Deserialize, Serialize};

use crate::{Fix, Measured};

/// A database before and after a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DatabaseReport {
    /// What kind of database, with versions: `SQLite 3.53.2, written by 3.45.1`.
    pub engine: String,
    /// How it was found.
    pub before: DatabaseState,
    /// How it is left; `None` when nothing was done.
    pub after: Option<DatabaseState>,
    /// Tables, the largest first.
    pub tables: Vec<TableFigures>,
    /// What the figures of statements rest on.
    pub workload: WorkloadFigures,
    /// Statements, those that took most of the time first.
    pub statements: Vec<StatementFigures>,
    /// Indexes that were thought of, those that are worth it first.
    pub indexes: Vec<IndexFigures>,
    /// What was done, in order.
    pub actions: Vec<Action>,
}

/// The file at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseState {
    /// Size of the file.
    pub size_bytes: u64,
    /// Bytes per page.
    pub page_size: u64,
    /// Pages in all.
    pub pages: u64,
    /// Pages that hold nothing.
    pub free_pages: u64,
    /// The write-ahead log beside the file; `None` without one.
    pub wal_bytes: Option<u64>,
    /// How changes are kept safe: `wal`, `delete`.
    pub journal_mode: String,
    /// Encoding of texts.
    pub encoding: String,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TableFigures {
    /// Its name.
    pub name: String,
    /// Rows; `None` where they were not counted.
    pub rows: Option<u64>,
    /// Columns.
    pub columns: u64,
    /// Indexes, those of keys included.
    pub indexes: u64,
    /// Bytes of its own pages; `None` where they could not be read.
    pub size_bytes: Option<u64>,
    /// Bytes of its indexes' pages.
    pub index_bytes: Option<u64>,
    /// Share of its pages that holds data, 0 to 1.
    pub fill: Option<f64>,
}

/// What was asked of the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadFigures {
    /// Where it came from; empty when it was made up from the structure of the database.
    pub sources: Vec<String>,
    /// Forms of statements.
    pub forms: u64,
    /// Calls of all of them.
    pub calls: u64,
    /// What was not understood or not kept: a line each.
    pub skipped: Vec<String>,
}

/// A form of statement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatementFigures {
    /// The statement without its values.
    pub form: String,
    /// Where the first one came from.
    pub origin: String,
    /// Calls in the workload.
    pub calls: u64,
    /// Times as they were recorded with the workload.
    pub recorded: Option<StatementTimes>,
    /// Times on a private copy as the database was found.
    pub before: Option<StatementTimes>,
    /// Times on a private copy with the changes.
    pub after: Option<StatementTimes>,
    /// How many times faster the changes make it.
    pub gain: Option<Measured>,
    /// Steps of its plan as the database was found, indented by depth.
    pub plan_before: Vec<String>,
    /// Steps of its plan with the changes; empty when nothing was changed.
    pub plan_after: Vec<String>,
    /// Why it was not measured.
    pub failure: Option<String>,
}

/// Times of a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatementTimes {
    /// Calls that were timed.
    pub count: u64,
    /// Mean.
    pub mean: f64,
    /// 95th percentile.
    pub p95: f64,
    /// Median of the first call of a new connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold: Option<f64>,
}

/// An index that was thought of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IndexFigures {
    /// Its name.
    pub name: String,
    /// Its table.
    pub table: String,
    /// What is thought of doing with it.
    #[serde(default)]
    pub action: IndexAction,
    /// The statements that make it, or drop it, and what takes that back.
    pub fix: Fix,
    /// Whether that is recommended.
    pub recommended: bool,
    /// Why it is, or is not.
    pub reason: String,
    /// Bytes of its pages: measured, or expected where nothing was measured. Of one that is dropped, they are free then.
    pub size_bytes: Option<u64>,
    /// How long it takes to make or drop, nanoseconds, measured on the copy.
    pub build: Option<u64>,
    /// How many times longer a row takes to be written; less than 1 when a drop saves time.
    pub write_cost: Option<Measured>,
    /// Statements that it helps, as positions in [`DatabaseReport::statements`].
    pub helps: Vec<usize>,
    /// Of a drop: the statements that use it, replayed with and without it.
    #[serde(default)]
    pub replayed: Vec<ReplayedStatement>,
}

/// What is thought of doing with an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexAction {
    /// Making it.
    #[default]
    Make,
    /// Dropping it.
    Drop,
}

/// A statement that was replayed with and without an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplayedStatement {
    /// Its position in [`DatabaseReport::statements`].
    pub statement: usize,
    /// Mean time with the index, nanoseconds.
    pub before: f64,
    /// Mean time without it.
    pub after: f64,
    /// How many times faster it is without; `None` without enough rounds.
    pub gain: Option<Measured>,
}

/// Something that was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// What: `CREATE INDEX idx_trades_symbol`, `VACUUM`.
    pub what: String,
    /// How it ended: `done`, or why it was not done.
    pub outcome: String,
    /// Expected duration, nanoseconds.
    pub expected: Option<u64>,
    /// Duration, nanoseconds.
    pub took: Option<u64>,
}
