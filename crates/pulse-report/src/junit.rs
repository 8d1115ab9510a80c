//! The report as JUnit XML, which CI systems show as test results.

use std::io;
use std::time::Duration;

use pulse_model::{Effect, Finding, RunInfo, Severity, Summary, TargetResult, ValidityState, Verdict};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestRerun, TestSuite};

use crate::claim::Claim;
use crate::number::printable;
use crate::suite::{Case, Outcome, Suite, is_suite};
use crate::suite_text::gist;
use crate::{Reporter, changes, estimates, wording};

/// The report as JUnit XML, described by `schemas/junit.xsd`.
///
/// A load test is one suite with a test case per target, and one that fails when the measurement is invalid. A suite
/// has a test suite per group (per file for cases without one) with a test case per case: missed targets are a
/// failure, missing data and an invalid measurement an error, what is undecided or skipped is skipped.
#[derive(Clone, Copy, Debug, Default)]
pub struct JUnit;

const CLASS: &str = "pulse";
/// Earlier attempts that are told one by one.
const ATTEMPTS: u32 = 10;

impl Reporter for JUnit {
    fn render(&self, summary: &Summary, out: &mut dyn io::Write) -> io::Result<()> {
        let run = &summary.run;
        let what = if is_suite(summary) { "performance tests" } else { "load test" };
        let name = if run.name.is_empty() { what.into() } else { printable(&run.name) };
        let mut report = Report::new(&name);
        report.timestamp = run.started.parse().ok();
        report.set_time(Duration::from(summary.elapsed));
        if is_suite(summary) {
            report.add_test_suites(groups(&Suite::of(summary)));
        } else {
            let mut cases: Vec<_> = summary.targets.iter().map(target).collect();
            cases.push(validity(summary));
            report.add_test_suite(test_suite(&name, &summary.run, Duration::from(summary.elapsed), cases));
        }
        let text = report.to_string().map_err(io::Error::other)?;
        out.write_all(text.as_bytes())
    }
}

/// Test cases under what they have in common.
fn test_suite(name: &str, run: &RunInfo, elapsed: Duration, cases: Vec<TestCase>) -> TestSuite {
    let mut suite = TestSuite::new(name);
    suite.timestamp = run.started.parse().ok();
    suite.set_time(elapsed);
    // Only a load has a seed; programs and statements are not chosen at random.
    let seed = (!run.scenarios.is_empty()).then(|| run.seed.to_string());
    let properties =
        [("service", Some(run.service.clone())), ("seed", seed), ("pulse", Some(run.version.clone()))];
    for (property, value) in properties {
        if let Some(value) = value {
            suite.add_property(Property::new(property, printable(&value)));
        }
    }
    for scenario in &run.scenarios {
        suite.add_property(Property::new("load", printable(&scenario.load)));
    }
    suite.add_test_cases(cases);
    suite
}

/// The cases by group, in the order in which the groups first appear.
fn groups(suite: &Suite<'_>) -> Vec<TestSuite> {
    let mut groups: Vec<(String, &RunInfo, Duration, Vec<TestCase>)> = Vec::new();
    for case in &suite.cases {
        let run = &case.summary.run;
        let file = || case.place().map(|(file, _)| file);
        let name = case.group().or_else(file).unwrap_or_else(|| CLASS.to_owned());
        let elapsed = Duration::from(case.summary.elapsed);
        let of_case = suite_case(case, &name);
        match groups.iter_mut().find(|(other, ..)| *other == name) {
            Some((_, first, time, cases)) => {
                // A skipped case knows nothing of the run, and a command has no load.
                if first.scenarios.is_empty() {
                    *first = run;
                }
                *time = time.saturating_add(elapsed);
                cases.push(of_case);
            }
            None => groups.push((name, run, elapsed, vec![of_case])),
        }
    }
    // A file without any test case would be green.
    let mut whole = Vec::new();
    if suite.cases.is_empty() {
        let status =
            failure(NonSuccessKind::Error, "no data", "the suite has no cases: nothing was measured");
        whole.push(classified("there are cases", status));
    }
    if suite.summary.validity.state == ValidityState::Invalid {
        whole.push(validity(suite.summary));
    }
    if !whole.is_empty() {
        groups.push((CLASS.to_owned(), &suite.summary.run, Duration::ZERO, whole));
    }
    let of_whole = &suite.summary.run;
    let suites = groups.into_iter().map(|(name, run, elapsed, cases)| {
        let run = RunInfo {
            started: of_whole.started.clone(),
            version: of_whole.version.clone(),
            service: if run.service.is_empty() { of_whole.service.clone() } else { run.service.clone() },
            ..run.clone()
        };
        test_suite(&name, &run, elapsed, cases)
    });
    suites.collect()
}

fn suite_case(case: &Case<'_>, class: &str) -> TestCase {
    let mut test = TestCase::new(case.name(), with_attempts(case, status(case)));
    test.set_classname(class);
    test.set_time(Duration::from(case.summary.elapsed));
    if let Some((file, line)) = case.place() {
        test.extra.insert("file".into(), file.into());
        test.extra.insert("line".into(), line.to_string().into());
    }
    test.add_property(Property::new("id", case.id()));
    if let Some(info) = case.info() {
        test.add_property(Property::new("kind", printable(&info.kind)));
        for mark in &info.marks {
            test.add_property(Property::new("mark", printable(mark)));
        }
        test.add_property(Property::new("attempts", info.attempts.to_string()));
    }
    for result in &case.summary.targets {
        test.add_property(Property::new(Claim::of(&result.target).text(), wording::value(result)));
    }
    for (&estimate, measured) in &case.summary.estimates {
        test.add_property(Property::new(
            estimates::label(estimate),
            estimates::show(estimate, measured.value),
        ));
    }
    let remarks = remarks(case);
    if !remarks.is_empty() {
        test.set_system_out(remarks.join("\n"));
    }
    test
}

fn status(case: &Case<'_>) -> TestCaseStatus {
    let of = |verdict| {
        let results = case.summary.targets.iter();
        results.filter(move |result| result.verdict == verdict).map(message).collect::<Vec<_>>()
    };
    let invalid = case.summary.validity.state == ValidityState::Invalid;
    match case.outcome {
        Outcome::Failed => listed(NonSuccessKind::Failure, "target missed", case, of(Verdict::Fail)),
        Outcome::NoData => listed(NonSuccessKind::Error, "no data", case, of(Verdict::NoData)),
        Outcome::Skipped => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(case.skipped().unwrap_or_default()).set_type("skipped");
            status
        }
        _ if invalid => {
            failure(NonSuccessKind::Error, "invalid measurement", &reasons(case.summary).join("\n"))
        }
        Outcome::Inconclusive => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(of(Verdict::Inconclusive).join("\n")).set_type("inconclusive");
            status
        }
        Outcome::Passed => TestCaseStatus::success(),
    }
}

/// The first message as such, since that is what most systems show, and all of them as text. What made targets miss, or left
/// them without data, comes first and names the kind of failure.
fn listed(kind: NonSuccessKind, class: &str, case: &Case<'_>, targets: Vec<String>) -> TestCaseStatus {
    let causes = || case.summary.findings.iter().filter(|finding| is_cause(finding, case.outcome));
    let kind_of_cause = causes().next().map(|finding| finding.code.replace('_', " "));
    let class = kind_of_cause.as_deref().unwrap_or(class);
    let messages = causes().map(|finding| printable(&finding.message).into_owned());
    let messages: Vec<String> = messages.chain(targets).collect();
    let Some(first) = messages.first() else {
        return failure(kind, class, &gist(case));
    };
    let more = match messages.len() {
        1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let mut status = failure(kind, class, &format!("{first}{more}"));
    let place = case.place().map_or_else(String::new, |(file, line)| format!("\n{file}:{line}"));
    status.set_description(format!("{}{place}", messages.join("\n")));
    status
}

/// Whether a finding says why targets are not met: the service has ended, or nothing could be measured.
fn is_cause(finding: &Finding, outcome: Outcome) -> bool {
    let has_ended = ["service_ended", "process_ended"].contains(&finding.code.as_str());
    finding.severity == Severity::Problem && (has_ended || outcome == Outcome::NoData)
}

/// The status with the attempts before the last one, of which no more is known than that they did not pass.
fn with_attempts(case: &Case<'_>, mut status: TestCaseStatus) -> TestCaseStatus {
    if matches!(case.outcome, Outcome::Passed | Outcome::Failed)
        && !matches!(status, TestCaseStatus::Skipped { .. })
        && let Some(attempts) = case.retried()
    {
        for attempt in 1..attempts.min(ATTEMPTS + 1) {
            let mut rerun = TestRerun::new(NonSuccessKind::Failure);
            rerun.set_message(format!("attempt {attempt} of {attempts} did not pass"));
            rerun.set_type("target missed");
            status.add_rerun(rerun);
        }
    }
    status
}

/// Findings, regressions and what speaks against the measurement.
fn remarks(case: &Case<'_>) -> Vec<String> {
    let findings = case.summary.findings.iter().map(|finding| printable(&finding.message).into_owned());
    let changes = case.summary.changes.iter().filter(|change| change.effect == Effect::Regression);
    let changes = changes.map(|change| format!("regression: {}", changes::sentence(change)));
    findings.chain(changes).chain(reasons(case.summary)).collect()
}

fn target(result: &TargetResult) -> TestCase {
    let status = match result.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Inconclusive => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(message(result)).set_type("inconclusive");
            status
        }
        Verdict::NoData => failure(NonSuccessKind::Failure, "no data", &message(result)),
        Verdict::Fail => failure(NonSuccessKind::Failure, "target missed", &message(result)),
    };
    classified(&Claim::of(&result.target).text(), status)
}

fn classified(name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(CLASS);
    case
}

/// `measured 250.10ms (95% interval 240.00ms – 260.00ms, n = 60000), target p95 < 200ms; reason`.
fn message(result: &TargetResult) -> String {
    let (value, target) = (wording::value(result), Claim::of(&result.target).text());
    let certainty = wording::certainty(result).map_or_else(String::new, |text| format!(" ({text})"));
    let reason = wording::reason(result).map_or_else(String::new, |text| format!("; {text}"));
    format!("measured {value}{certainty}, target {target}{reason}")
}

fn failure(kind: NonSuccessKind, class: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(class).set_message(message);
    status
}

/// What speaks against the measurement, and whether it was cut short.
fn reasons(summary: &Summary) -> Vec<String> {
    let reasons = summary.validity.reasons.iter().map(|reason| {
        let state = wording::validity(reason.state).to_lowercase();
        format!("{state}: {}", printable(&reason.message))
    });
    reasons.chain(wording::ending(&summary.ending).map(str::to_owned)).collect()
}

fn validity(summary: &Summary) -> TestCase {
    let reasons = reasons(summary).join("\n");
    let invalid = summary.validity.state == ValidityState::Invalid;
    let status = if invalid {
        failure(NonSuccessKind::Error, "invalid measurement", &reasons)
    } else {
        TestCaseStatus::success()
    };
    let mut case = classified("measurement is valid", status);
    if !invalid && !reasons.is_empty() {
        case.set_system_out(&reasons);
    }
    case
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical, canonical_suite, readers};

    #[test]
    fn xmllint_accepts_all_of_them() {
        for summary in [
            canonical::full(),
            canonical::empty(),
            canonical_suite::full(),
            canonical_suite::empty(),
            invalid(),
        ] {
            readers::xmllint("junit.xsd", &canonical::rendered(&JUnit, &summary));
        }
    }

    /// A suite that failed after a retry and whose measurement is worth nothing.
    fn invalid() -> Summary {
        let mut cases = vec![
            canonical_suite::failing("api", "slow"),
            canonical_suite::passing("api", "quick"),
            Summary::default(),
        ];
        cases[0].case.as_mut().unwrap().attempts = u32::MAX;
        cases[1].validity = canonical::full().validity;
        Summary { validity: canonical::full().validity, ..canonical_suite::of(cases) }
    }

    #[test]
    fn a_pass_that_was_not_measured_properly_is_an_error() {
        let text = canonical::rendered(&JUnit, &invalid());
        assert!(
            text.contains("<testsuite name=\"api\" tests=\"2\" skipped=\"0\" errors=\"1\" failures=\"1\""),
            "{text}"
        );
        assert_eq!(text.matches("<rerunFailure").count(), ATTEMPTS as usize);
    }

    #[test]
    fn the_cause_comes_before_the_targets_that_it_made_miss() {
        let mut case = canonical_suite::failing("api", "dies");
        case.findings[0].code = "service_ended".into();
        case.findings[0].message = "the service ended in the middle of the case (signal 9)".into();
        let text = canonical::rendered(&JUnit, &canonical_suite::of(vec![case]));
        let failure = "<failure message=\"the service ended in the middle of the case (signal 9) (and 2 more)\" \
                       type=\"service ended\">the service ended in the middle of the case (signal 9)\nmeasured 73.10ms";
        assert!(text.contains(failure), "{text}");
        readers::xmllint("junit.xsd", &text);
    }

    #[test]
    fn the_seed_is_that_of_the_loads() {
        let seed = |cases: Vec<Summary>| {
            let mut summary = canonical_suite::of(cases);
            summary.run.seed = 0;
            let text = canonical::rendered(&JUnit, &summary);
            let (_, rest) = text.split_once("name=\"seed\" value=\"")?;
            Some(rest.split('"').next()?.to_owned())
        };
        let load = canonical_suite::passing("api", "load");
        let mut command = canonical_suite::passing("api", "command");
        command.run.scenarios.clear();
        assert_eq!(seed(vec![command.clone()]), None);
        assert_eq!(seed(vec![command, load]).as_deref(), Some("42"));
    }

    #[test]
    fn full() {
        insta::assert_snapshot!(canonical::rendered(&JUnit, &canonical::full()));
    }

    #[test]
    fn empty() {
        insta::assert_snapshot!(canonical::rendered(&JUnit, &canonical::empty()));
    }

    #[test]
    fn suite() {
        insta::assert_snapshot!(canonical::rendered(&JUnit, &canonical_suite::full()));
    }

    #[test]
    fn empty_suite() {
        insta::assert_snapshot!(canonical::rendered(&JUnit, &canonical_suite::empty()));
    }

    #[test]
    fn a_suspect_measurement_passes_with_its_reasons() {
        let mut summary = canonical::full();
        summary.validity.state = ValidityState::Suspect;
        let text = canonical::rendered(&JUnit, &summary);
        assert!(!text.contains("<error"), "{text}");
        assert!(text.contains("errors=\"0\""), "{text}");
    }
}
