//! A finding: something that was noticed, what it means for the user, and what to do.

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    #[default]
    Note,
    /// Probably costs something.
    Warning,
    /// Costs something now.
    Problem,
}

/// Something noticed about the service, its database, the plan or the measurement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable name of the rule, for example `rate_not_reached`.
    pub code: String,
    /// How much it matters.
    pub severity: Severity,
    /// What it speaks of, for example an endpoint.
    pub subject: String,
    /// What the user suffers, in one sentence with numbers.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What it rests on, a line each, with the arithmetic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// Statements that change what was found, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
}

/// What to run against a finding, and what takes it back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// Statements in the order in which they are to be run, without a final semicolon.
    pub sql: Vec<String>,
    /// Statements that restore what was before, in order; empty where nothing can.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<String>,
}
