//! What a case of a suite is, beside what it measured.

use serde::{Deserialize, Serialize};

/// A case of a suite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseInfo {
    /// What selects it: `group::name` in lower case with dashes, unique in the suite.
    pub id: String,
    /// Name as written.
    pub name: String,
    /// Group as written; empty without one.
    pub group: String,
    /// Marks for selection, such as `slow`.
    pub marks: Vec<String>,
    /// Kind of case, such as `response_time` or `memory`.
    pub kind: String,
    /// File that holds the case, as it was named.
    pub file: String,
    /// Line of the case in it, from 1.
    pub line: u32,
    /// Line of each target, in their order.
    pub target_lines: Vec<u32>,
    /// How often it was tried; more than 1 after a retry.
    pub attempts: u32,
    /// Requests of the budget that were not needed, because all targets were decided before.
    pub requests_saved: u64,
    /// Why it was not run, when it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}
