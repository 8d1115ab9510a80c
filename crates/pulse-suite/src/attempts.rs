//! The attempts at a case: which of them counts, and when there are enough.

use pulse_model::{CaseInfo, Ending, Finding, Severity, ValidityState};

use crate::case_run::CaseOutcome;
use crate::run_options::{MAX_RETRIES, RunOptions};

/// The attempts so far, of which one is kept.
///
/// A case that is not met is tried again, and the last attempt counts. So is one whose measurement is invalid, since that is
/// the machine's fault and not the service's; an invalid measurement never takes the place of a valid one.
#[derive(Debug)]
pub(crate) struct Attempts<'a> {
    options: &'a RunOptions,
    kept: Option<CaseOutcome>,
    valid: u32,
    invalid: u32,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(options: &'a RunOptions) -> Self {
        Self { options, kept: None, valid: 0, invalid: 0 }
    }

    /// Number of the next attempt, from 1.
    pub(crate) fn next(&self) -> u32 {
        self.valid + self.invalid + 1
    }

    /// Adds what came of an attempt.
    pub(crate) fn add(&mut self, outcome: CaseOutcome) {
        let is_invalid = is_invalid(&outcome);
        *(if is_invalid { &mut self.invalid } else { &mut self.valid }) += 1;
        let is_cut = outcome.summary.ending == Ending::Interrupted;
        let is_better =
            self.kept.as_ref().is_none_or(|kept| !is_cut && (!is_invalid || self::is_invalid(kept)));
        if is_better {
            self.kept = Some(outcome);
        }
    }

    /// Whether another attempt is worth it and allowed.
    pub(crate) fn go_on(&self) -> bool {
        let Some(kept) = &self.kept else { return true };
        let is_settled = !is_invalid(kept) && !self.options.is_red(kept.summary.verdict);
        !is_settled && self.next() <= 1 + self.options.retries.min(MAX_RETRIES)
    }

    /// The attempt that counts, with what is to be known of the others.
    pub(crate) fn finish(self, info: &CaseInfo) -> Option<CaseOutcome> {
        let mut outcome = self.kept?;
        let is_invalid = is_invalid(&outcome);
        let summary = &mut outcome.summary;
        summary.case.get_or_insert_with(|| info.clone()).attempts = self.valid.max(1);
        if self.valid > 1 && !self.options.is_red(summary.verdict) {
            summary.findings.push(flaky(info, self.valid));
        }
        if self.invalid > 0 && !is_invalid {
            summary.findings.push(measured_again(info, self.invalid));
        }
        Some(outcome)
    }
}

fn is_invalid(outcome: &CaseOutcome) -> bool {
    outcome.summary.validity.state == ValidityState::Invalid
}

fn flaky(info: &CaseInfo, attempts: u32) -> Finding {
    Finding {
        code: "flaky".to_owned(),
        severity: Severity::Warning,
        subject: info.id.clone(),
        message: format!("the case was met only at attempt {attempts}"),
        help: Some(
            "A case that is met now and then says little: raise its samples, quieten the machine, or move the limit."
                .to_owned(),
        ), ..Finding::default() }
}

fn measured_again(info: &CaseInfo, invalid: u32) -> Finding {
    let attempts = if invalid == 1 { "attempt".to_owned() } else { format!("{invalid} attempts") };
    Finding {
        code: "measured_again".to_owned(),
        severity: Severity::Note,
        subject: info.id.clone(),
        message: format!("measured again: the measurement of {attempts} was invalid and does not count"),
        help: None,
        ..Finding::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Summary, Validity, Verdict};

    #[test]
    fn which_attempt_counts() {
        use Verdict::{Fail, Pass};
        const INVALID: bool = false;
        // Verdicts with whether they were measured validly; how many attempts are made of them, the one that counts, and
        // what is said about the others.
        type Case<'c> = (u32, &'c [(Verdict, bool)], usize, usize, u32, &'c [&'c str]);
        let cases: [Case<'_>; 10] = [
            (0, &[(Pass, true)], 1, 0, 1, &[]),
            (0, &[(Fail, true), (Pass, true)], 1, 0, 1, &[]),
            (2, &[(Pass, true), (Pass, true)], 1, 0, 1, &[]),
            (2, &[(Fail, true), (Pass, true)], 2, 1, 2, &["flaky"]),
            (1, &[(Fail, true), (Fail, true), (Pass, true)], 2, 1, 2, &[]),
            // A pass that was not measured properly is tried again, and is no flaky case.
            (1, &[(Pass, INVALID), (Pass, true)], 2, 1, 1, &["measured_again"]),
            (1, &[(Fail, INVALID), (Pass, true)], 2, 1, 1, &["measured_again"]),
            (1, &[(Pass, INVALID), (Fail, true), (Pass, true)], 2, 1, 1, &["measured_again"]),
            // What is invalid takes nobody's place, not even when it passes.
            (1, &[(Fail, true), (Pass, INVALID)], 2, 0, 1, &["measured_again"]),
            (2, &[(Pass, INVALID), (Fail, INVALID), (Pass, INVALID)], 3, 2, 1, &[]),
        ];
        for (retries, outcomes, made, counts, attempts, codes) in cases {
            let options = RunOptions { retries, ..RunOptions::default() };
            let mut all = Attempts::new(&options);
            let mut number = 0;
            while all.go_on() {
                let (verdict, valid) = outcomes[number];
                let state = if valid { ValidityState::Valid } else { ValidityState::Invalid };
                let run = pulse_model::RunInfo { seed: number as u64, ..Default::default() };
                let validity = Validity { state, reasons: Vec::new() };
                let summary = Summary { run, verdict: Some(verdict), validity, ..Summary::default() };
                all.add(CaseOutcome { summary, intervals: Vec::new() });
                number += 1;
            }
            let summary = all.finish(&CaseInfo::default()).unwrap().summary;
            assert_eq!((number, summary.run.seed), (made, counts as u64), "{retries} {outcomes:?}");
            assert_eq!(summary.case.unwrap().attempts, attempts, "{retries} {outcomes:?}");
            let found: Vec<&str> = summary.findings.iter().map(|finding| finding.code.as_str()).collect();
            assert_eq!(found, codes, "{retries} {outcomes:?}");
        }
    }

    #[test]
    fn an_attempt_that_was_cut_short_replaces_nothing() {
        let options = RunOptions { retries: 1, ..RunOptions::default() };
        let mut all = Attempts::new(&options);
        for (verdict, ending) in
            [(Verdict::Fail, Ending::Finished), (Verdict::Inconclusive, Ending::Interrupted)]
        {
            let summary = Summary { verdict: Some(verdict), ending, ..Summary::default() };
            all.add(CaseOutcome { summary, intervals: Vec::new() });
        }
        assert_eq!(all.finish(&CaseInfo::default()).unwrap().summary.verdict, Some(Verdict::Fail));
    }
}
