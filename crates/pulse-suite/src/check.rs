//! A check of a machine or a set-up: what was looked at, what was found, and what to do about it.

use serde::Serialize;

/// How a check came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// There was nothing to look at.
    #[default]
    Skipped,
    /// As it should be.
    Ok,
    /// Numbers may suffer.
    Warning,
    /// Numbers cannot be trusted, or something does not work.
    Failed,
}

impl CheckState {
    /// The sign in the list.
    pub fn sign(self) -> char {
        match self {
            Self::Skipped => '–',
            Self::Ok => '✔',
            Self::Warning => '!',
            Self::Failed => '✘',
        }
    }
}

/// A check with its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stable name, such as `file_descriptors`.
    pub name: String,
    /// How it came out.
    pub state: CheckState,
    /// What was found, with numbers; may have several lines.
    pub measured: String,
    /// What to do, where something is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
}

impl Check {
    /// As it should be.
    pub fn ok(name: &str, measured: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state: CheckState::Ok, measured: measured.into(), next_step: None }
    }

    /// Nothing to look at, and what would give something.
    pub fn skipped(name: &str, measured: impl Into<String>) -> Self {
        Self { state: CheckState::Skipped, ..Self::ok(name, measured) }
    }

    /// Numbers may suffer.
    pub fn warning(name: &str, measured: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self { state: CheckState::Warning, next_step: Some(next_step.into()), ..Self::ok(name, measured) }
    }

    /// Something does not work.
    pub fn failed(name: &str, measured: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self { state: CheckState::Failed, ..Self::warning(name, measured, next_step) }
    }

    /// A value that is worse the larger it is: below `warn` fine, from `fail` on a failure.
    pub(crate) fn graded(
        name: &str,
        value: f64,
        [warn, fail]: [f64; 2],
        measured: String,
        next_step: &str,
    ) -> Self {
        if value >= fail {
            Self::failed(name, measured, next_step)
        } else if value >= warn {
            Self::warning(name, measured, next_step)
        } else {
            Self::ok(name, measured)
        }
    }
}
