//! Annotations for GitHub Actions, at the line of the suite file that holds the target.

use std::fmt::Write as _;
use std::io;

use pulse_model::{Effect, Summary, ValidityState, Verdict};

use crate::claim::Claim;
use crate::suite::{Case, Suite, is_suite};
use crate::suite_text::gist;
use crate::{Reporter, changes, wording};

/// Annotations of a kind that GitHub takes from a step; it drops the others without a word.
const PER_KIND: usize = 10;

/// Workflow commands that GitHub Actions turns into annotations: `::error file=perf/api.toml,line=12,title=…::…`.
/// They work when they are written to the standard output or standard error of a step.
///
/// Missed targets, missing data, regressions and invalid measurements are errors; undecided targets, flaky cases and
/// suspect measurements are warnings. There are never more than 10 of each, which is what GitHub takes; the last one then counts the rest.
///
/// The summary of the step is the business of [`Markdown`](crate::Markdown).
#[derive(Clone, Copy, Debug, Default)]
pub struct GithubAnnotations;

/// One annotation.
struct Annotation {
    kind: &'static str,
    file: Option<String>,
    line: u32,
    title: String,
    message: String,
}

const ERROR: &str = "error";
const WARNING: &str = "warning";

impl Reporter for GithubAnnotations {
    fn render(&self, summary: &Summary, out: &mut dyn io::Write) -> io::Result<()> {
        let suite = Suite::of(summary);
        let mut annotations = Vec::new();
        whole(&suite, &mut annotations);
        suite.cases.iter().for_each(|case| of_case(case, &mut annotations));
        for (case, change) in suite.changes() {
            if change.effect == Effect::Regression {
                let what = changes::subject(change);
                let line = case.map_or(0, |case| line_of(&case, &change.subject));
                let message = changes::sentence(change);
                annotations.push(annotation(ERROR, case, line, &format!("{what} has become worse"), message));
            }
        }
        for kind in [ERROR, WARNING] {
            let mut of_kind: Vec<_> = annotations.iter_mut().filter(|each| each.kind == kind).collect();
            let left_out = of_kind.len().saturating_sub(PER_KIND);
            of_kind.truncate(PER_KIND);
            if let Some(last) = of_kind.last_mut().filter(|_| left_out > 0) {
                // Writing to a string cannot fail.
                let _ = write!(last.message, "\n{left_out} more are in the other reports");
            }
            for each in of_kind {
                out.write_all(command(each).as_bytes())?;
            }
        }
        Ok(())
    }
}

fn annotation(
    kind: &'static str,
    case: Option<Case<'_>>,
    line: u32,
    title: &str,
    message: String,
) -> Annotation {
    let id = case.map(|case| case.id()).filter(|id| !id.is_empty());
    Annotation {
        kind,
        file: case.and_then(|case| case.place()).map(|(file, _)| file),
        line,
        title: id.map_or_else(|| title.to_owned(), |id| format!("{id}: {title}")),
        message,
    }
}

/// The line of the target that speaks of the same figure; that of the case when there is none.
fn line_of(case: &Case<'_>, subject: &str) -> u32 {
    let mut targets = case.summary.targets.iter();
    let same = targets.position(|result| Claim::of(&result.target).subject == subject);
    same.map_or_else(|| case.info().map_or(0, |info| info.line), |index| case.target_line(index))
}

/// What concerns no case in particular.
fn whole(suite: &Suite<'_>, annotations: &mut Vec<Annotation>) {
    if suite.cases.is_empty() {
        let message = "the suite has no cases: nothing was measured".to_owned();
        annotations.push(annotation(ERROR, None, 0, "no cases", message));
    }
    if is_suite(suite.summary) {
        measurement(suite.summary, None, annotations);
    }
}

fn of_case(case: &Case<'_>, annotations: &mut Vec<Annotation>) {
    let line = case.info().map_or(0, |info| info.line);
    if case.skipped().is_some() {
        return;
    }
    for (index, result) in case.summary.targets.iter().enumerate() {
        let (kind, title) = match result.verdict {
            Verdict::Pass => continue,
            Verdict::Fail => (ERROR, "missed"),
            Verdict::NoData => (ERROR, "no data"),
            Verdict::Inconclusive => (WARNING, "undecided"),
        };
        let claim = Claim::of(&result.target).text();
        let certainty = wording::certainty(result).map_or_else(String::new, |text| format!(" ({text})"));
        let reason = wording::reason(result).map_or_else(String::new, |text| format!("; {text}"));
        let message = format!("{claim}: measured {}{certainty}{reason}", wording::value(result));
        let title = format!("{claim} {title}");
        annotations.push(annotation(kind, Some(*case), case.target_line(index), &title, message));
    }
    let explained = case.summary.targets.iter().any(|result| result.verdict != Verdict::Pass);
    if !explained && case.outcome.is_red() {
        annotations.push(annotation(ERROR, Some(*case), line, case.outcome.word(), gist(case)));
    }
    if let Some(attempts) = case.retried().filter(|_| case.is_flaky()) {
        let message = format!("passed at attempt {attempts}, not at the first");
        annotations.push(annotation(WARNING, Some(*case), line, "flaky", message));
    }
    measurement(case.summary, Some(*case), annotations);
}

fn measurement(summary: &Summary, case: Option<Case<'_>>, annotations: &mut Vec<Annotation>) {
    let validity = &summary.validity;
    if validity.state == ValidityState::Valid {
        return;
    }
    let line = case.and_then(|case| case.info()).map_or(0, |info| info.line);
    let reasons: Vec<_> = validity
        .reasons
        .iter()
        .map(|reason| crate::number::printable(&reason.message).into_owned())
        .collect();
    let title = format!("measurement is {}", wording::validity(validity.state).to_lowercase());
    let kind = if validity.state == ValidityState::Invalid { ERROR } else { WARNING };
    annotations.push(annotation(kind, case, line, &title, reasons.join("\n")));
}

fn command(annotation: &Annotation) -> String {
    let Annotation { kind, file, line, title, message } = annotation;
    let mut place = String::new();
    if let Some(file) = file {
        place = format!("file={},", property(file));
        if *line > 0 {
            place = format!("{place}line={line},");
        }
    }
    format!("::{kind} {place}title={}::{}\n", property(title), data(message))
}

/// A message, escaped as the runner unescapes it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property, which additionally must not end itself or the list.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{self, rendered};
    use crate::canonical_suite;

    #[test]
    fn text_cannot_end_its_field() {
        assert_eq!(data("50% a\r\nb::c,d"), "50%25 a%0D%0Ab::c,d");
        assert_eq!(property("C:\\a,b%\n"), "C%3A\\a%2Cb%25%0A");
    }

    #[test]
    fn every_line_is_a_command_at_a_place_or_of_the_whole() {
        for summary in [canonical_suite::full(), canonical_suite::empty(), canonical::full()] {
            for line in rendered(&GithubAnnotations, &summary).lines() {
                let command = line.strip_prefix("::error ").or_else(|| line.strip_prefix("::warning "));
                let (properties, message) =
                    command.unwrap_or_else(|| panic!("{line}")).split_once("::").unwrap();
                assert!(!message.is_empty());
                for property in properties.split(',') {
                    let (name, value) = property.split_once('=').unwrap();
                    assert!(["file", "line", "title"].contains(&name) && !value.is_empty(), "{line}");
                }
            }
        }
    }

    #[test]
    fn no_more_than_github_takes() {
        let summary = canonical_suite::of(vec![canonical_suite::failing("api", "slow"); 25]);
        let text = rendered(&GithubAnnotations, &summary);
        assert_eq!(text.matches("::error ").count(), PER_KIND);
        assert!(text.trim_end().ends_with("%0A65 more are in the other reports"), "{text}");
    }

    #[test]
    fn suite() {
        insta::assert_snapshot!(rendered(&GithubAnnotations, &canonical_suite::full()));
    }

    #[test]
    fn empty() {
        insta::assert_snapshot!(rendered(&GithubAnnotations, &canonical_suite::empty()));
    }
}
