//! The report of a suite for a pull request or a job summary.

use pulse_model::{Effect, Finding, Severity, Summary, ValidityState};

use crate::claim::Claim;
use crate::figures::Figures;
use crate::markdown_page::{Page, ROWS, escaped};
use crate::suite::{Case, Outcome, Suite};
use crate::suite_text::gist;
use crate::{changes, estimates, wording};

/// Failures and inconclusive cases that are explained.
const EXPLAINED: usize = 50;

/// The whole page, the verdict first; `picture` is the URL of one of the same report.
pub(crate) fn all(page: &mut Page, suite: &Suite<'_>, picture: Option<&str>) {
    verdict(page, suite);
    if let Some(address) = picture {
        page.picture(address);
    }
    cases(page, suite);
    explanations(page, suite);
    changed(page, suite);
    estimated(page, suite);
    findings(page, suite);
    conditions(page, suite);
}

fn verdict(page: &mut Page, suite: &Suite<'_>) {
    let word = suite.verdict().as_str();
    let name = escaped(&suite.summary.run.name);
    let name = if name.is_empty() { name } else { format!(" – {name}") };
    page.line(&format!("### {}: {word}{name}\n", wording::job(suite.summary)));
    page.line(&format!("**{}**\n", suite.tally()));
    if suite.cases.is_empty() {
        page.line("**No cases were run:** nothing was measured.\n");
    }
    if let Some(ending) = wording::ending(&suite.summary.ending) {
        page.line(&format!("**The run was not completed:** {ending}.\n"));
    }
    page.line(&format!("Measurement: **{}**\n", wording::validity(suite.validity)));
    let mut reasons = reasons(suite.summary, "");
    for case in &suite.cases {
        reasons.extend(self::reasons(case.summary, &format!("{}: ", escaped(&case.id()))));
    }
    let left_out = reasons.len().saturating_sub(ROWS);
    reasons.iter().take(ROWS).for_each(|reason| page.line(reason));
    if left_out > 0 {
        page.line(&format!("- {left_out} more are in the other report formats."));
    }
    if !reasons.is_empty() {
        page.line("");
    }
}

fn reasons(summary: &Summary, prefix: &str) -> Vec<String> {
    let reasons = summary.validity.reasons.iter();
    let line = |state: ValidityState, message: &str| {
        format!("- {}: {prefix}{}", wording::validity(state).to_lowercase(), escaped(message))
    };
    reasons.map(|reason| line(reason.state, &reason.message)).collect()
}

fn cases(page: &mut Page, suite: &Suite<'_>) {
    let rows = suite.cases.iter().map(|case| {
        let again = case.retried().map_or_else(String::new, |attempts| format!(", attempt {attempts}"));
        vec![
            format!("**{}**", case.outcome.word()),
            escaped(&case.id()),
            format!("{}{again}", escaped(&gist(case))),
        ]
    });
    page.table("", &["Verdict", "Case", "Measured"], rows.collect());
}

/// What went wrong, folded away.
fn explanations(page: &mut Page, suite: &Suite<'_>) {
    let unmet = |case: &&Case<'_>| case.outcome.is_red() || case.outcome == Outcome::Inconclusive;
    let count = suite.cases.iter().filter(unmet).count();
    // Failures come before what is merely undecided, so that a cut costs the latter.
    let red = suite.cases.iter().filter(|case| case.outcome.is_red());
    let undecided = suite.cases.iter().filter(|case| case.outcome == Outcome::Inconclusive);
    for case in red.chain(undecided).take(EXPLAINED) {
        let title = format!("{} {}", case.outcome.word(), escaped(&case.id()));
        page.details(&title, &explained(case));
    }
    if count > EXPLAINED {
        page.line(&format!("{} more are in the other report formats.", count - EXPLAINED));
    }
    if count > 0 {
        page.line("");
    }
}

fn explained(case: &Case<'_>) -> Vec<String> {
    let place = case.place();
    let mut lines = Vec::new();
    for (index, result) in case.summary.targets.iter().enumerate() {
        let at = place.as_ref().map_or_else(String::new, |(file, _)| {
            format!(" ({}:{})", escaped(file), case.target_line(index))
        });
        let details = [wording::certainty(result), wording::reason(result)];
        let details = details.into_iter().flatten().collect::<Vec<_>>().join("; ");
        lines.push(format!(
            "- **{}** {}{at}: measured {}; {}",
            result.verdict.as_str(),
            escaped(&Claim::of(&result.target).text()),
            wording::value(result),
            escaped(&details)
        ));
    }
    for error in Figures::of(case.summary).errors.iter().take(ROWS) {
        let sample = error.sample.map_or_else(String::new, |(endpoint, message)| {
            format!(", first {}", escaped(&format!("{endpoint}: {message}")))
        });
        lines.push(format!("- {} failed requests ({}){sample}", error.count, escaped(error.class)));
    }
    lines.extend(case.summary.findings.iter().take(ROWS).map(|each| finding(each, "")));
    if let (true, Some((file, line))) = (lines.is_empty(), place) {
        lines.push(format!("- {}:{line}", escaped(&file)));
    }
    lines
}

fn finding(finding: &Finding, prefix: &str) -> String {
    let word = match finding.severity {
        Severity::Note => "Note",
        Severity::Warning => "Warning",
        Severity::Problem => "Problem",
    };
    let help = finding.help.as_ref().map_or_else(String::new, |help| format!(" *{}*", escaped(help)));
    format!("- **{word}:** {prefix}{}{help}", escaped(&finding.message))
}

fn changed(page: &mut Page, suite: &Suite<'_>) {
    let changes = suite.changes();
    let matters = |effect| matches!(effect, Effect::Regression | Effect::Improvement);
    let rows = changes.iter().filter(|(_, change)| matters(change.effect)).map(|(case, change)| {
        vec![
            format!("**{}**", changes::word(change.effect)),
            case.map_or_else(String::new, |case| escaped(&case.id())),
            escaped(&changes::subject(change)),
            changes::figure(change, change.before.value),
            changes::figure(change, change.after.value),
            changes::amount(change),
            changes::interval(change),
        ]
    });
    let columns = ["Effect", "Case", "Figure", ">Before", ">After", ">Change", ">95% interval"];
    page.table("Changes against the baseline", &columns, rows.collect());
    let count = |effect| changes.iter().filter(|(_, change)| change.effect == effect).count();
    if !changes.is_empty() {
        let (unchanged, unclear) = (count(Effect::Unchanged), count(Effect::Unclear));
        page.line(&format!("Figures that are unchanged: {unchanged}, unclear: {unclear}.\n"));
    }
}

fn estimated(page: &mut Page, suite: &Suite<'_>) {
    let rows = suite.cases.iter().flat_map(|case| {
        let estimates = case.summary.estimates.iter();
        estimates.map(|(&estimate, measured)| {
            vec![
                escaped(&case.id()),
                estimates::label(estimate).to_owned(),
                estimates::show(estimate, measured.value),
                estimates::interval(estimate, measured),
            ]
        })
    });
    page.table("Estimates", &["Case", "Estimate", ">Value", ">95% interval"], rows.collect());
}

/// What was noticed about the whole and about the cases that are not explained above.
fn findings(page: &mut Page, suite: &Suite<'_>) {
    let mut lines: Vec<_> = suite.summary.findings.iter().map(|each| finding(each, "")).collect();
    for case in &suite.cases {
        if matches!(case.outcome, Outcome::Passed | Outcome::Skipped) {
            let prefix = format!("{}: ", escaped(&case.id()));
            lines.extend(case.summary.findings.iter().map(|each| finding(each, &prefix)));
        }
    }
    let left_out = lines.len().saturating_sub(ROWS);
    lines.iter().take(ROWS).for_each(|line| page.line(line));
    if left_out > 0 {
        page.line(&format!("- {left_out} more are in the other report formats."));
    }
    if !lines.is_empty() {
        page.line("");
    }
}

fn conditions(page: &mut Page, suite: &Suite<'_>) {
    let run = &suite.summary.run;
    let saved = suite.cases.iter().filter_map(Case::info).map(|info| info.requests_saved);
    let lines = [
        format!("- Service: {}", escaped(&run.service)),
        format!("- Requests saved by deciding early: {}", saved.fold(0, u64::saturating_add)),
        format!("- Started: {}", escaped(&run.started)),
        format!("- Seed: {}", run.seed),
        format!(
            "- Machine: {} {} with {} cores, pulse {}",
            escaped(&run.host.os),
            escaped(&run.host.arch),
            run.host.cores,
            escaped(&run.version)
        ),
    ];
    page.details("Conditions", &lines);
}
