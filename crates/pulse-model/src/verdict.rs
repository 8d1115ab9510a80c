//! Verdicts on targets, and the validity of the measurement behind them.

use serde::{Deserialize, Serialize};

use crate::{Nanos, Target};

/// The answer to "does it meet its target".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Measured, and met.
    Pass,
    /// Measured, but the samples do not suffice to say.
    Inconclusive,
    /// Nothing was measured. Never counts as passed.
    NoData,
    /// Measured, and missed.
    Fail,
}

impl Verdict {
    /// The verdict over several targets: the worst one; `Pass` when there are none.
    pub fn worst(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().max().unwrap_or(Self::Pass)
    }

    /// In capitals, as reports print it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::NoData => "NO DATA",
            Self::Fail => "FAIL",
        }
    }
}

/// A measured value with its confidence interval, in the target's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Best estimate.
    pub value: f64,
    /// Lower end of the 95 % confidence interval; equal to `value` for an exact count or rate of the run.
    pub lo: f64,
    /// Upper end of the 95 % confidence interval.
    pub hi: f64,
    /// Number of samples behind the value.
    pub samples: u64,
}

/// A target with its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetResult {
    /// The limit.
    pub target: Target,
    /// The answer.
    pub verdict: Verdict,
    /// The measured value; `None` for [`Verdict::NoData`].
    pub measured: Option<Measured>,
    /// Why the verdict is not simply pass or fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether the numbers of a run can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidityState {
    /// No sign of a disturbed measurement.
    #[default]
    Valid,
    /// Something may have distorted the numbers; the reasons say what.
    Suspect,
    /// The numbers do not describe the service.
    Invalid,
}

/// One sign of an untrustworthy measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidityReason {
    /// Stable name, for example `worker_cpu`.
    pub code: String,
    /// How much it weighs.
    pub state: ValidityState,
    /// What was seen, with numbers, and what to do.
    pub message: String,
    /// When it was seen, if at a moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Nanos>,
}

/// Can these numbers be trusted, and why not?
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// The worst of the reasons.
    pub state: ValidityState,
    /// All signs, worst first.
    pub reasons: Vec<ValidityReason>,
}

impl Validity {
    /// The validity that follows from the signs seen.
    pub fn from_reasons(mut reasons: Vec<ValidityReason>) -> Self {
        reasons.sort_by(|a, b| b.state.cmp(&a.state).then_with(|| a.code.cmp(&b.code)));
        Self { state: reasons.first().map_or(ValidityState::Valid, |worst| worst.state), reasons }
    }
}
