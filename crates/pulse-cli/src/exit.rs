//! Exit codes, in one place. `docs/reference.md` lists the same table, and a test compares the two.

use std::process::ExitCode;

use pulse_model::{Ending, Summary, ValidityState, Verdict};

use crate::arguments::WhenInconclusive;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All targets pass.
    Success,
    /// A bug of Pulse itself.
    Internal,
    /// A mistake in the arguments or in a file, or a file that cannot be read or written.
    Usage,
    /// The service is not reachable at all.
    Unreachable,
    /// Something got worse than in the baseline.
    Regression,
    /// The measurement is invalid: its numbers do not describe the service.
    Invalid,
    /// A target failed, or there was no data to judge it.
    TargetFailed,
    /// Interrupted by Ctrl-C or a termination signal.
    Interrupted,
}

impl Exit {
    /// All of them with code and meaning, for the reference and its test.
    pub(crate) const ALL: [Self; 8] = [
        Self::Success,
        Self::Internal,
        Self::Usage,
        Self::Unreachable,
        Self::Regression,
        Self::Invalid,
        Self::TargetFailed,
        Self::Interrupted,
    ];

    /// The code that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Regression => 97,
            Self::Invalid => 98,
            Self::TargetFailed => 99,
            Self::Interrupted => 130,
        }
    }

    /// What the code says, as `pulse --help` prints it.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "all targets pass",
            Self::Internal => "a bug of Pulse itself",
            Self::Usage => {
                "a mistake in the arguments or in a file, or a file that cannot be read or written"
            }
            Self::Unreachable => "the service is not reachable at all",
            Self::Regression => "something got worse than in the baseline",
            Self::Invalid => "the measurement is invalid",
            Self::TargetFailed => "a target failed, or there was no data to judge it",
            Self::Interrupted => "interrupted; what was measured until then was reported",
        }
    }

    /// What a finished job means for the shell. Invalid numbers neither pass nor fail a target.
    pub(crate) fn of(summary: &Summary, inconclusive: WhenInconclusive) -> Self {
        if summary.ending == Ending::Interrupted {
            return Self::Interrupted;
        }
        if summary.validity.state == ValidityState::Invalid {
            return Self::Invalid;
        }
        match summary.verdict {
            Some(Verdict::Fail | Verdict::NoData) => Self::TargetFailed,
            Some(Verdict::Inconclusive) if inconclusive == WhenInconclusive::Fail => Self::TargetFailed,
            Some(Verdict::Inconclusive | Verdict::Pass) | None => Self::Success,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table of exit codes for `--help`.
pub(crate) fn help_table() -> String {
    let lines = Exit::ALL.map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning()));
    format!("Exit codes:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::Validity;

    #[test]
    fn the_worst_news_decides() {
        use {Ending::*, ValidityState::*, Verdict::*};
        let fail_on_doubt = WhenInconclusive::Fail;
        let warn = WhenInconclusive::Warn;
        for (ending, state, verdict, inconclusive, expected) in [
            (Finished, Valid, Some(Pass), warn, Exit::Success),
            (Finished, Valid, None, warn, Exit::Success),
            (Finished, Suspect, Some(Pass), warn, Exit::Success),
            (Finished, Valid, Some(Fail), warn, Exit::TargetFailed),
            (Finished, Valid, Some(NoData), warn, Exit::TargetFailed),
            (Finished, Valid, Some(Inconclusive), warn, Exit::Success),
            (Finished, Valid, Some(Inconclusive), fail_on_doubt, Exit::TargetFailed),
            (Finished, Invalid, Some(Fail), warn, Exit::Invalid),
            (Interrupted, Invalid, Some(Fail), warn, Exit::Interrupted),
            (Truncated, Valid, Some(Pass), warn, Exit::Success),
        ] {
            let validity = Validity { state, reasons: Vec::new() };
            let summary = Summary { ending, validity, verdict, ..Summary::default() };
            assert_eq!(Exit::of(&summary, inconclusive), expected, "{summary:?}");
        }
    }

    #[test]
    fn the_reference_lists_every_code() {
        let reference = include_str!("../../../docs/reference.md");
        for exit in Exit::ALL {
            let line = format!("| {} | {} |", exit.code(), exit.meaning());
            assert!(reference.contains(&line), "docs/reference.md lacks the line: {line}");
        }
    }
}
