//! A summary as a list of cases with outcomes: the cases of a suite, or the one job that a load test is.

use pulse_model::{CaseInfo, Change, Summary, TargetResult, ValidityState, Verdict};

use crate::number;

/// The cases of a summary.
pub(crate) struct Suite<'a> {
    pub(crate) summary: &'a Summary,
    pub(crate) cases: Vec<Case<'a>>,
    /// The worst of the whole and its cases.
    pub(crate) validity: ValidityState,
}

/// A case with what became of it.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) summary: &'a Summary,
    pub(crate) outcome: Outcome,
}

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    Inconclusive,
    NoData,
    Skipped,
}

impl Outcome {
    /// In the order of the summary line.
    const ALL: [Self; 5] = [Self::Passed, Self::Failed, Self::Inconclusive, Self::NoData, Self::Skipped];

    fn of(summary: &Summary) -> Self {
        if summary.case.as_ref().is_some_and(|case| case.skipped.is_some()) {
            return Self::Skipped;
        }
        let targets = || Verdict::worst(summary.targets.iter().map(|result| result.verdict));
        match summary.verdict.unwrap_or_else(targets) {
            Verdict::Pass => Self::Passed,
            Verdict::Inconclusive => Self::Inconclusive,
            Verdict::NoData => Self::NoData,
            Verdict::Fail => Self::Failed,
        }
    }

    /// In capitals, as reports print it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Passed => Verdict::Pass.as_str(),
            Self::Failed => Verdict::Fail.as_str(),
            Self::Inconclusive => Verdict::Inconclusive.as_str(),
            Self::NoData => Verdict::NoData.as_str(),
            Self::Skipped => "SKIPPED",
        }
    }

    /// As the summary line counts it: `12 passed`.
    fn counted(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
            Self::NoData => "no data",
            Self::Skipped => "skipped",
        }
    }

    /// Whether it makes the suite red.
    pub(crate) fn is_red(self) -> bool {
        matches!(self, Self::Failed | Self::NoData)
    }
}

/// Whether the summary is that of a suite, even of an empty one.
pub(crate) fn is_suite(summary: &Summary) -> bool {
    summary.run.kind == "test" || !summary.children.is_empty()
}

impl<'a> Suite<'a> {
    pub(crate) fn of(summary: &'a Summary) -> Self {
        let parts = if is_suite(summary) { &summary.children[..] } else { std::slice::from_ref(summary) };
        let states = parts.iter().map(|part| part.validity.state);
        Self {
            summary,
            cases: parts.iter().map(Case::of).collect(),
            validity: states.fold(summary.validity.state, Ord::max),
        }
    }

    /// `12 passed, 1 failed, 1 inconclusive in 34.2s`; what did not happen is left out, except `0 passed`.
    pub(crate) fn tally(&self) -> String {
        let counts = Outcome::ALL.into_iter().filter_map(|outcome| {
            let count = self.cases.iter().filter(|case| case.outcome == outcome).count();
            (count > 0 || outcome == Outcome::Passed).then(|| format!("{count} {}", outcome.counted()))
        });
        let counts = counts.collect::<Vec<_>>().join(", ");
        format!("{counts} in {:.1}s", self.summary.elapsed.as_secs_f64())
    }

    /// The verdict of the whole; a suite without cases has no data, which never passes.
    pub(crate) fn verdict(&self) -> Verdict {
        let of_cases = self.cases.iter().map(|case| match case.outcome {
            Outcome::Passed | Outcome::Skipped => Verdict::Pass,
            Outcome::Inconclusive => Verdict::Inconclusive,
            Outcome::NoData => Verdict::NoData,
            Outcome::Failed => Verdict::Fail,
        });
        let floor = if self.cases.is_empty() { Verdict::NoData } else { Verdict::Pass };
        Verdict::worst(of_cases.chain([floor]).chain(self.summary.verdict))
    }

    /// Differences from the baseline with the case they are of, the most important first. Those of the whole have none.
    pub(crate) fn changes(&self) -> Vec<(Option<Case<'a>>, &'a Change)> {
        let whole = is_suite(self.summary).then_some(&self.summary.changes).into_iter().flatten();
        let of_cases = self.cases.iter().flat_map(|case| {
            let changes = case.summary.changes.iter();
            changes.map(|change| (Some(*case), change))
        });
        let mut changes: Vec<_> = whole.map(|change| (None, change)).chain(of_cases).collect();
        changes.sort_by_key(|(_, change)| change.effect);
        changes
    }
}

impl<'a> Case<'a> {
    pub(crate) fn of(summary: &'a Summary) -> Self {
        Self { summary, outcome: Outcome::of(summary) }
    }

    pub(crate) fn info(&self) -> Option<&'a CaseInfo> {
        self.summary.case.as_ref()
    }

    /// What selects it, without control characters; the run's name where it is not a case of a suite.
    pub(crate) fn id(&self) -> String {
        let id = self.info().map_or(&self.summary.run.name, |info| &info.id);
        number::printable(id).into_owned()
    }

    /// Its name as written, without control characters.
    pub(crate) fn name(&self) -> String {
        let name = self.info().map_or(&self.summary.run.name, |info| &info.name);
        number::printable(name).into_owned()
    }

    /// Its group, without control characters; `None` when it has none.
    pub(crate) fn group(&self) -> Option<String> {
        let group = self.info().map(|info| number::printable(&info.group).into_owned());
        group.filter(|group| !group.is_empty())
    }

    /// File of the case, without control characters, and the line of it.
    pub(crate) fn place(&self) -> Option<(String, u32)> {
        let info = self.info().filter(|info| !info.file.is_empty())?;
        Some((number::printable(&info.file).into_owned(), info.line))
    }

    /// Line of the target `index`; that of the case when it is not known.
    pub(crate) fn target_line(&self, index: usize) -> u32 {
        self.info().map_or(0, |info| info.target_lines.get(index).copied().unwrap_or(info.line))
    }

    /// Why it was not run.
    pub(crate) fn skipped(&self) -> Option<String> {
        let reason = self.info()?.skipped.as_ref()?;
        Some(number::printable(reason).into_owned())
    }

    /// How often it was tried, when more than once.
    pub(crate) fn retried(&self) -> Option<u32> {
        self.info().map(|info| info.attempts).filter(|&attempts| attempts > 1)
    }

    /// Passed, but not at the first attempt.
    pub(crate) fn is_flaky(&self) -> bool {
        self.outcome == Outcome::Passed && self.retried().is_some()
    }

    /// The first of its targets with the worst verdict: the one that decides.
    pub(crate) fn deciding(&self) -> Option<&'a TargetResult> {
        let targets = &self.summary.targets;
        let worst = Verdict::worst(targets.iter().map(|result| result.verdict));
        targets.iter().find(|result| result.verdict == worst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Nanos, Validity};

    fn case(verdict: Option<Verdict>, skipped: bool) -> Summary {
        let skipped = skipped.then(|| "no database".to_owned());
        Summary { verdict, case: Some(CaseInfo { skipped, ..CaseInfo::default() }), ..Summary::default() }
    }

    fn suite(children: Vec<Summary>) -> Summary {
        let mut summary = Summary { children, elapsed: Nanos::from_millis(34_249), ..Summary::default() };
        summary.run.kind = "test".into();
        summary
    }

    #[test]
    fn the_summary_line_counts_what_happened() {
        let cases = |verdicts: &[(Option<Verdict>, bool)]| {
            suite(verdicts.iter().map(|&(verdict, skipped)| case(verdict, skipped)).collect())
        };
        let pass = (Some(Verdict::Pass), false);
        for (verdicts, line) in [
            (&[][..], "0 passed in 34.2s"),
            (&[pass, pass], "2 passed in 34.2s"),
            (&[(Some(Verdict::Fail), false)], "0 passed, 1 failed in 34.2s"),
            (
                &[
                    (Some(Verdict::NoData), true),
                    (Some(Verdict::NoData), false),
                    (Some(Verdict::Inconclusive), false),
                    (Some(Verdict::Fail), false),
                    pass,
                    (None, false),
                ],
                "2 passed, 1 failed, 1 inconclusive, 1 no data, 1 skipped in 34.2s",
            ),
        ] {
            assert_eq!(Suite::of(&cases(verdicts)).tally(), line);
        }
    }

    #[test]
    fn the_whole_is_as_bad_as_its_worst_part() {
        let mut summary = suite(vec![case(Some(Verdict::Pass), false), case(Some(Verdict::Fail), false)]);
        summary.children[0].validity = Validity { state: ValidityState::Suspect, reasons: Vec::new() };
        let whole = Suite::of(&summary);
        assert_eq!((whole.verdict(), whole.validity), (Verdict::Fail, ValidityState::Suspect));
        assert_eq!(Suite::of(&suite(Vec::new())).verdict(), Verdict::NoData);
    }

    #[test]
    fn a_load_test_is_one_case() {
        let summary = Summary::default();
        assert!(!is_suite(&summary));
        assert_eq!(Suite::of(&summary).cases.len(), 1);
    }
}
