//! A difference between two runs.

use serde::{Deserialize, Serialize};

use crate::{Measured, Unit};

/// What a difference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Worse by so much, beside the smallest effect that matters, that it is neither chance nor too small to care; the
    /// exact boundary belongs to the rule that compares.
    Regression,
    /// Better by as much.
    Improvement,
    /// The interval of the difference lies within the smallest effect that matters.
    Unchanged,
    /// More samples would decide.
    Unclear,
}

/// A figure of two runs, compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What is compared, such as `p95` or `p95{endpoint="GET /health"}`.
    pub subject: String,
    /// Unit of `before` and `after`.
    pub unit: Unit,
    /// In the baseline.
    pub before: Measured,
    /// Now.
    pub after: Measured,
    /// `after / before` with its 95 % interval.
    pub ratio: Measured,
    /// Probability of such a difference by chance, corrected for the number of comparisons.
    pub p_value: f64,
    /// What it means.
    pub effect: Effect,
    /// Whether the whole interval of the difference is less than an amount that matters, whatever the ratio: a share of
    /// 0.2 % of a core is twice 0.1 %, and nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub negligible: bool,
}
