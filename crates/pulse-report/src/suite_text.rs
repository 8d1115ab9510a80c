//! The report of a suite for people, case by case, as test runners write it.

use std::io;

use pulse_model::{Summary, TargetResult, ValidityState, Verdict};

use crate::benchmark_table::BenchmarkTable;
use crate::claim::Claim;
use crate::number::printable;
use crate::suite::{Case, Outcome, Suite};
use crate::text::{Page, Tone};
use crate::{Reporter, suite_sections, wording};

/// How much a suite's report says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Only what failed, and the summary line.
    Quiet,
    /// A line per case and everything worth a look.
    #[default]
    Usual,
    /// Each target with value and interval, and the comparisons that showed no difference.
    Verbose,
}

/// The report of a suite in text: a line per case, what failed and why, what was noticed, and the summary line
/// `12 passed, 1 failed, 1 inconclusive in 34.2s`.
#[derive(Clone, Copy, Debug)]
pub struct SuiteText {
    /// Colors the words of verdicts with ANSI escapes; only for terminals.
    pub color: bool,
    /// Columns of the terminal; 0 where there is none (a file, a pipe): nothing is shortened or broken into lines.
    pub width: u16,
    /// How much it says.
    pub detail: Detail,
    /// Begins with the lines of the cases; off when [`SuiteText::case`] printed them as the cases ended.
    pub cases: bool,
    /// Adds the table of response times of [`BenchmarkTable`] before the summary line.
    pub benchmark: bool,
}

impl Default for SuiteText {
    /// As for a file: without color, of any width.
    fn default() -> Self {
        Self { color: false, width: 0, detail: Detail::Usual, cases: true, benchmark: false }
    }
}

impl Reporter for SuiteText {
    fn render(&self, summary: &Summary, out: &mut dyn io::Write) -> io::Result<()> {
        let suite = Suite::of(summary);
        let mut page = self.page();
        if self.cases {
            suite.cases.iter().for_each(|case| self.lines(&mut page, case));
        }
        suite_sections::all(&mut page, &suite, self.detail);
        if self.benchmark {
            let mut table = Vec::new();
            BenchmarkTable.render(summary, &mut table)?;
            page.line("");
            page.block(&String::from_utf8_lossy(&table));
        }
        summary_line(&mut page, &suite, self.detail);
        out.write_all(page.finish().as_bytes())
    }
}

impl SuiteText {
    /// The lines of one case, to be printed when it ended: `PASS  api::health  p95 12.30ms < 50ms (n = 200)`, with
    /// [`Detail::Verbose`] one more for each target; empty with [`Detail::Quiet`].
    pub fn case(&self, case: &Summary) -> String {
        let mut page = self.page();
        self.lines(&mut page, &Case::of(case));
        page.finish()
    }

    fn page(self) -> Page {
        Page::new(self.color, usize::from(self.width))
    }

    fn lines(self, page: &mut Page, case: &Case<'_>) {
        if self.detail == Detail::Quiet {
            return;
        }
        let word = page.toned(tone(case.outcome), case.outcome.word());
        let again = case.retried().map_or_else(String::new, |attempts| format!("  [attempt {attempts}]"));
        page.wrapped(6, &format!("{word}  {}  {}{again}", case.id(), gist(case)));
        if self.detail == Detail::Verbose && case.outcome != Outcome::Skipped {
            case.summary.targets.iter().for_each(|result| target(page, result, None));
        }
    }
}

pub(crate) fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Passed => Tone::Good,
        Outcome::Failed => Tone::Bad,
        Outcome::Inconclusive | Outcome::NoData | Outcome::Skipped => Tone::Doubtful,
    }
}

/// What is to be known of a case on its line: the target that decides, or why there is none.
pub(crate) fn gist(case: &Case<'_>) -> String {
    if let Some(reason) = case.skipped() {
        return reason;
    }
    let Some(deciding) = case.deciding() else {
        let finding = case.summary.findings.first();
        return finding
            .map_or_else(|| "no targets".to_owned(), |finding| printable(&finding.message).into_owned());
    };
    let judged = Claim::judged(deciding);
    match case.summary.targets.len() - 1 {
        0 => judged,
        1 => format!("{judged}, 1 more target"),
        more => format!("{judged}, {more} more targets"),
    }
}

/// A target with value, interval and reason; the place where it is written follows where it is wanted.
pub(crate) fn target(page: &mut Page, result: &TargetResult, place: Option<&str>) {
    let word = page.toned(Tone::of_verdict(result.verdict), result.verdict.as_str());
    let certainty = wording::certainty(result).map_or_else(String::new, |text| format!(" ({text})"));
    let place = place.map_or_else(String::new, |place| format!("  {place}"));
    let (claim, value) = (Claim::of(&result.target).text(), wording::value(result));
    page.wrapped(8, &format!("    {word}  {claim}  measured {value}{certainty}{place}"));
    if let Some(reason) = wording::reason(result).filter(|_| result.verdict != Verdict::Pass) {
        page.wrapped(8, &format!("      {reason}"));
    }
}

fn summary_line(page: &mut Page, suite: &Suite<'_>, detail: Detail) {
    let quiet = detail == Detail::Quiet;
    // Alone on its page it needs no distance.
    if !quiet || suite.cases.iter().any(|case| case.outcome.is_red()) {
        page.line("");
    }
    if !quiet || suite.validity != ValidityState::Valid {
        let word = page.toned(Tone::of_validity(suite.validity), wording::validity(suite.validity));
        page.row("Measurement", word);
        suite_sections::validity(page, suite, detail);
    }
    if suite.cases.is_empty() {
        page.line("No cases were run: nothing was measured.");
    }
    if let Some(ending) = wording::ending(&suite.summary.ending) {
        page.wrapped(2, &format!("Ending: {ending}"));
    }
    let tone = match suite.verdict() {
        Verdict::NoData => Tone::Bad,
        verdict => Tone::of_verdict(verdict),
    };
    let tally = page.toned(tone, &suite.tally());
    page.line(&tally);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::rendered;
    use crate::canonical_suite;
    use pulse_model::{Estimate, Measured, Validity, ValidityReason};
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn usual() {
        insta::assert_snapshot!(rendered(&SuiteText::default(), &canonical_suite::full()));
    }

    #[test]
    fn quiet() {
        let quiet = SuiteText { detail: Detail::Quiet, ..SuiteText::default() };
        insta::assert_snapshot!(rendered(&quiet, &canonical_suite::full()));
    }

    #[test]
    fn verbose_at_a_terminal() {
        let verbose =
            SuiteText { detail: Detail::Verbose, width: 80, benchmark: true, ..SuiteText::default() };
        insta::assert_snapshot!(rendered(&verbose, &canonical_suite::full()));
    }

    #[test]
    fn empty() {
        insta::assert_snapshot!(rendered(&SuiteText::default(), &canonical_suite::empty()));
    }

    #[test]
    fn cases_that_were_printed_already_are_not_repeated() {
        let whole = SuiteText::default();
        let rest = SuiteText { cases: false, ..whole };
        let summary = canonical_suite::full();
        let printed: String = summary.children.iter().map(|child| whole.case(child)).collect();
        assert_eq!(rendered(&whole, &summary), printed + &rendered(&rest, &summary));
    }

    #[test]
    fn the_line_of_a_case_has_the_documented_form() {
        let case = canonical_suite::passing("api", "health endpoint responds quickly");
        assert_eq!(
            SuiteText::default().case(&case),
            "PASS  api::health-endpoint-responds-quickly  p95 12.30ms < 50ms (n = 200)\n"
        );
    }

    #[test]
    fn quiet_success_is_one_line() {
        let quiet = SuiteText { detail: Detail::Quiet, ..SuiteText::default() };
        let summary = canonical_suite::of(vec![canonical_suite::passing("api", "health"); 12]);
        assert_eq!(rendered(&quiet, &summary), "12 passed in 34.2s\n");
    }

    #[test]
    fn a_reason_is_told_once_with_its_cases() {
        let disturbed = |number: usize| {
            let mut case = canonical_suite::passing("api", &format!("case {number}"));
            case.validity = Validity::from_reasons(vec![ValidityReason {
                code: "host_cpu".into(),
                state: ValidityState::Suspect,
                message: format!("all cores were busy {}% of the time", 96 + number),
                at: None,
            }]);
            case
        };
        let mut summary = canonical_suite::of((1..=4).map(disturbed).collect());
        summary.validity = Validity::from_reasons(vec![ValidityReason {
            code: "cases".into(),
            state: ValidityState::Suspect,
            message: "4 cases are suspect".into(),
            at: None,
        }]);
        let quiet = SuiteText { detail: Detail::Quiet, ..SuiteText::default() };
        assert_eq!(
            rendered(&quiet, &summary),
            "Measurement: SUSPECT\n  suspect: all cores were busy 97–100% of the time (4 cases: api::case-1, \
             api::case-2, api::case-3, …)\n4 passed in 34.2s\n"
        );
        let verbose = SuiteText { detail: Detail::Verbose, ..SuiteText::default() };
        assert!(
            rendered(&verbose, &summary)
                .contains("(4 cases: api::case-1, api::case-2, api::case-3, api::case-4)")
        );
    }

    #[test]
    fn estimates_of_what_passed_are_for_those_who_ask() {
        let mut passed = canonical_suite::passing("api", "fine");
        passed.estimates.insert(Estimate::Cpu, Measured { value: 0.4, lo: 0.4, hi: 0.4, samples: 9 });
        let mut failed = canonical_suite::failing("api", "slow");
        failed.estimates.clone_from(&passed.estimates);
        let text = |cases: Vec<Summary>, detail| {
            rendered(&SuiteText { detail, ..SuiteText::default() }, &canonical_suite::of(cases))
        };
        assert!(!text(vec![passed.clone()], Detail::Usual).contains("ESTIMATES"));
        let mixed = text(vec![passed.clone(), failed], Detail::Usual);
        let (_, estimates) = mixed.split_once("ESTIMATES").unwrap();
        let (estimates, _) = estimates.split_once("\n\n").unwrap();
        assert!(estimates.contains("api::slow  CPU share") && !estimates.contains("api::fine"), "{mixed}");
        assert!(text(vec![passed], Detail::Verbose).contains("api::fine  CPU share"));
    }

    #[test]
    fn color_only_wraps_words() {
        let color = SuiteText { color: true, ..SuiteText::default() };
        let mut plain = rendered(&color, &canonical_suite::full());
        for code in ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[0m"] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, rendered(&SuiteText::default(), &canonical_suite::full()));
        assert!(!plain.contains('\u{1b}'), "names do not steer the terminal");
        assert!(plain.lines().all(|line| line.width() < 400), "{plain}");
    }
}
