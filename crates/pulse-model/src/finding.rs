//! A finding: something that was noticed, what it means for the user, and what to do.

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Probably costs something.
    Warning,
    /// Costs something now.
    Problem,
}

/// Something noticed about the service, the plan or the measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}
