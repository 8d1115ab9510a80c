//! How suites are run.

use pulse_model::Verdict;

use crate::compare::Precision;
use crate::selection::Selection;

/// The most repetitions of each case.
pub const MAX_REPEAT: u32 = 10_000;
/// The most retries of each case.
pub const MAX_RETRIES: u32 = 100;

/// What an inconclusive case counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenInconclusive {
    /// As passed.
    Pass,
    /// As failed.
    Fail,
    /// As passed, but it is said.
    #[default]
    Warn,
}

/// How suites are run. The default runs everything once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunOptions {
    /// Which cases.
    pub selection: Selection,
    /// Whether the first case that is not met ends the run; those after it are skipped.
    pub fail_fast: bool,
    /// How often each case is run, each time with a result of its own; 0 is taken as 1, the most is [`MAX_REPEAT`].
    pub repeat: u32,
    /// How often a case that is not met, or whose measurement is invalid, is tried again, at most [`MAX_RETRIES`]. The last
    /// valid attempt counts.
    pub retries: u32,
    /// What an inconclusive case counts as, for `fail_fast` and `retries`.
    pub inconclusive: WhenInconclusive,
    /// Whether cases end as soon as they have their least number of samples, decided or not.
    pub quick: bool,
    /// How well figures shall be known before a case passes, because the run is a baseline or compared with one; `None` where
    /// only the targets count. A quick run does not wait for it.
    pub precision: Option<Precision>,
}

impl RunOptions {
    /// Whether a case with this verdict is not met.
    pub fn is_red(&self, verdict: Option<Verdict>) -> bool {
        match verdict {
            None | Some(Verdict::Pass) => false,
            Some(Verdict::Inconclusive) => self.inconclusive == WhenInconclusive::Fail,
            Some(Verdict::Fail | Verdict::NoData) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_red() {
        let options = |inconclusive| RunOptions { inconclusive, ..RunOptions::default() };
        for (verdict, when, red) in [
            (Some(Verdict::Pass), WhenInconclusive::Fail, false),
            (Some(Verdict::Fail), WhenInconclusive::Pass, true),
            (Some(Verdict::NoData), WhenInconclusive::Pass, true),
            (Some(Verdict::Inconclusive), WhenInconclusive::Pass, false),
            (Some(Verdict::Inconclusive), WhenInconclusive::Warn, false),
            (Some(Verdict::Inconclusive), WhenInconclusive::Fail, true),
            (None, WhenInconclusive::Fail, false),
        ] {
            assert_eq!(options(when).is_red(verdict), red, "{verdict:?} {when:?}");
        }
    }
}
