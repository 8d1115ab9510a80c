//! The report as JUnit XML, which CI systems show as test results.

use std::io;
use std::time::Duration;

use pulse_model::{Summary, TargetResult, ValidityState, Verdict};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use crate::number::printable;
use crate::{Reporter, wording};

/// The report as JUnit XML: one suite, one test case per target, and one that fails when the measurement is invalid.
#[derive(Clone, Copy, Debug, Default)]
pub struct JUnit;

const CLASS: &str = "pulse";

impl Reporter for JUnit {
    fn render(&self, summary: &Summary, out: &mut dyn io::Write) -> io::Result<()> {
        let run = &summary.run;
        let name = if run.name.is_empty() { "load test".into() } else { printable(&run.name) };
        let elapsed = Duration::from(summary.elapsed);
        let mut suite = TestSuite::new(&name);
        suite.timestamp = run.started.parse().ok();
        suite.set_time(elapsed);
        for (property, value) in
            [("service", run.service.clone()), ("seed", run.seed.to_string()), ("pulse", run.version.clone())]
        {
            suite.add_property(Property::new(property, printable(&value)));
        }
        for scenario in &run.scenarios {
            suite.add_property(Property::new("load", printable(&scenario.load)));
        }
        suite.add_test_cases(summary.targets.iter().map(target));
        suite.add_test_case(validity(summary));
        let mut report = Report::new(&name);
        report.timestamp = suite.timestamp;
        report.set_time(elapsed);
        report.add_test_suite(suite);
        let text = report.to_string().map_err(io::Error::other)?;
        out.write_all(text.as_bytes())
    }
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
    let mut case = TestCase::new(wording::target(result), status);
    case.set_classname(CLASS);
    case
}

/// `measured 250.10ms (95% interval 240.00ms – 260.00ms, n = 60000), target p95 < 200ms; reason`.
fn message(result: &TargetResult) -> String {
    let (value, target) = (wording::value(result), wording::target(result));
    let certainty = wording::certainty(result).map_or_else(String::new, |text| format!(" ({text})"));
    let reason = wording::reason(result).map_or_else(String::new, |text| format!("; {text}"));
    format!("measured {value}{certainty}, target {target}{reason}")
}

fn failure(kind: NonSuccessKind, class: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(class).set_message(message);
    status
}

fn validity(summary: &Summary) -> TestCase {
    let validity = &summary.validity;
    let reasons = validity.reasons.iter();
    let mut reasons: Vec<_> = reasons
        .map(|reason| {
            let state = wording::validity(reason.state).to_lowercase();
            format!("{state}: {}", printable(&reason.message))
        })
        .collect();
    reasons.extend(wording::ending(&summary.ending).map(str::to_owned));
    let reasons = reasons.join("\n");
    let status = match validity.state {
        ValidityState::Valid | ValidityState::Suspect => TestCaseStatus::success(),
        ValidityState::Invalid => failure(NonSuccessKind::Error, "invalid measurement", &reasons),
    };
    let mut case = TestCase::new("measurement is valid", status);
    case.set_classname(CLASS);
    if validity.state != ValidityState::Invalid && !reasons.is_empty() {
        case.set_system_out(&reasons);
    }
    case
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical;

    #[test]
    fn full() {
        insta::assert_snapshot!(canonical::rendered(&JUnit, &canonical::full()));
    }

    #[test]
    fn empty() {
        insta::assert_snapshot!(canonical::rendered(&JUnit, &canonical::empty()));
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
