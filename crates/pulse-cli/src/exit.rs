//! Exit codes, in one place. `docs/reference.md` lists the same table, and a test compares the two.

use pulse_model::{Effect, Ending, Summary, ValidityState, Verdict};

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
            Self::Internal => "a bug of Pulse itself; with `pulse validate`: a check failed",
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

    /// What a finished suite means for the shell: proven bad news before doubts. A case whose numbers are invalid is not
    /// judged, neither against its targets nor against a baseline; but no data at all is never good.
    pub(crate) fn of_suite(summary: &Summary, inconclusive: WhenInconclusive) -> Self {
        if summary.ending == Ending::Interrupted {
            return Self::Interrupted;
        }
        let cases = || summary.children.iter();
        let is_invalid = |case: &&Summary| case.validity.state == ValidityState::Invalid;
        let judged = || cases().filter(|case| !is_invalid(case));
        let is_skipped = |case: &Summary| case.case.as_ref().is_some_and(|info| info.skipped.is_some());
        let is_red = |case: &Summary| match case.verdict {
            Some(Verdict::Fail | Verdict::NoData) => !is_skipped(case),
            Some(Verdict::Inconclusive) => inconclusive == WhenInconclusive::Fail,
            Some(Verdict::Pass) | None => false,
        };
        let has_no_data = |case: &Summary| case.verdict == Some(Verdict::NoData) && !is_skipped(case);
        let regressed = |case: &Summary| case.changes.iter().any(|it| it.effect == Effect::Regression);
        if judged().any(is_red) || cases().any(has_no_data) {
            Self::TargetFailed
        } else if judged().any(regressed) {
            Self::Regression
        } else if cases().any(|case| is_invalid(&case)) {
            Self::Invalid
        } else {
            Self::Success
        }
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
    fn a_suite_is_as_bad_as_its_worst_proven_case() {
        use {Effect::*, Ending::Interrupted, ValidityState::*, Verdict::*};
        let pass = (Valid, Some(Pass), Unchanged);
        let fail = (Valid, Some(Fail), Unchanged);
        let no_data = (Valid, Some(NoData), Unchanged);
        let unsure = (Suspect, Some(Inconclusive), Unclear);
        let slower = (Valid, Some(Pass), Regression);
        let invalid = (Invalid, Some(Fail), Regression);
        let invalid_without_data = (Invalid, Some(NoData), Unclear);
        let skipped = (Valid, None, Unclear);
        let (warn, strict) = (WhenInconclusive::Warn, WhenInconclusive::Fail);
        for (cases, inconclusive, expected) in [
            (vec![pass, pass], warn, Exit::Success),
            (vec![pass, skipped], warn, Exit::Success),
            (vec![pass, unsure], warn, Exit::Success),
            (vec![pass, unsure], WhenInconclusive::Pass, Exit::Success),
            (vec![pass, unsure], strict, Exit::TargetFailed),
            (vec![pass, fail], warn, Exit::TargetFailed),
            (vec![pass, no_data], warn, Exit::TargetFailed),
            (vec![fail, slower, invalid], warn, Exit::TargetFailed),
            (vec![pass, slower], warn, Exit::Regression),
            (vec![slower, invalid], warn, Exit::Regression),
            (vec![pass, invalid], warn, Exit::Invalid),
            (vec![pass, invalid], strict, Exit::Invalid),
            (vec![pass, invalid_without_data], warn, Exit::TargetFailed),
        ] {
            let children = cases.iter().map(|&(state, verdict, effect)| {
                let nothing = pulse_model::Measured { value: 1.0, lo: 1.0, hi: 1.0, samples: 1 };
                let change = pulse_model::Change {
                    subject: "p95".to_owned(),
                    unit: pulse_model::Unit::Nanoseconds,
                    before: nothing,
                    after: nothing,
                    ratio: nothing,
                    p_value: 1.0,
                    effect,
                    negligible: false,
                };
                let validity = Validity { state, reasons: Vec::new() };
                Summary { validity, verdict, changes: vec![change], ..Summary::default() }
            });
            let mut summary = Summary { children: children.collect(), ..Summary::default() };
            assert_eq!(Exit::of_suite(&summary, inconclusive), expected, "{cases:?}");
            summary.ending = Interrupted;
            assert_eq!(Exit::of_suite(&summary, inconclusive), Exit::Interrupted);
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
