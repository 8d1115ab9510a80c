//! The report for a pull request or a job summary.

use std::io;

use pulse_model::{Severity, Summary, ValidityState};

use crate::figures::Figures;
use crate::markdown_page::{Page, ROWS, escaped};
use crate::monitor_text::is_monitor;
use crate::spread::Spread;
use crate::suite::{Suite, is_suite};
use crate::{Reporter, database_markdown, monitor_markdown, number, suite_markdown, wording};

/// The report as Markdown (GitHub's dialect), the verdict first. Headings start at the third level, so that it fits
/// below the headings of a page.
///
/// It never exceeds 1 MiB, which is what GitHub takes as the summary of a step; what is left out is counted at its end.
#[derive(Clone, Debug, Default)]
pub struct Markdown {
    /// Where a picture of the same report is, [`Svg`](crate::Svg) or [`Png`](crate::Png): a URL, relative to the page.
    pub picture: Option<String>,
}

impl Reporter for Markdown {
    fn render(&self, summary: &Summary, out: &mut dyn io::Write) -> io::Result<()> {
        let mut page = Page::default();
        if is_suite(summary) {
            suite_markdown::all(&mut page, &Suite::of(summary), self.picture.as_deref());
            return out.write_all(page.finish().as_bytes());
        }
        let figures = Figures::of(summary);
        verdict(&mut page, summary);
        if let Some(address) = &self.picture {
            page.picture(address);
        }
        targets(&mut page, summary);
        findings(&mut page, summary);
        if let Some(database) = &summary.database {
            database_markdown::all(&mut page, database);
            return out.write_all(page.finish().as_bytes());
        }
        headline(&mut page, &figures);
        endpoints(&mut page, &figures);
        errors(&mut page, &figures);
        if is_monitor(&summary.run.kind) {
            monitor_markdown::all(&mut page, &figures);
        } else {
            conditions(&mut page, &figures);
        }
        out.write_all(page.finish().as_bytes())
    }
}

fn verdict(page: &mut Page, summary: &Summary) {
    let name = escaped(&summary.run.name);
    let verdict = wording::verdict(summary);
    let job = wording::job(summary);
    page.line(&if name.is_empty() {
        format!("### {job}: {verdict}")
    } else {
        format!("### {job}: {verdict} – {name}")
    });
    page.line("");
    if let Some(ending) = wording::ending(&summary.ending) {
        page.line(&format!("**The run was not completed:** {ending}."));
        page.line("");
    }
    let validity = &summary.validity;
    page.line(&format!("Measurement: **{}**", wording::validity(validity.state)));
    page.line("");
    for reason in &validity.reasons {
        let state = wording::validity(reason.state).to_lowercase();
        page.line(&format!("- {state}: {}", escaped(&reason.message)));
    }
    if validity.state != ValidityState::Valid || !validity.reasons.is_empty() {
        page.line("");
    }
}

fn targets(page: &mut Page, summary: &Summary) {
    let rows = summary.targets.iter().map(|result| {
        let details = [wording::certainty(result), wording::reason(result)];
        let details: Vec<_> = details.into_iter().flatten().collect();
        vec![
            format!("**{}**", result.verdict.as_str()),
            escaped(&result.target.to_string()),
            wording::value(result),
            escaped(&details.join("; ")),
        ]
    });
    page.table("Targets", &["Verdict", "Target", ">Measured", "Certainty"], rows.collect());
}

fn findings(page: &mut Page, summary: &Summary) {
    for finding in summary.findings.iter().take(ROWS) {
        let word = match finding.severity {
            Severity::Note => "Note",
            Severity::Warning => "Warning",
            Severity::Problem => "Problem",
        };
        let help = finding.help.as_ref().map_or_else(String::new, |help| format!(" *{}*", escaped(help)));
        page.line(&format!("- **{word}:** {}{help}", escaped(&finding.message)));
        for line in &finding.evidence {
            page.line(&format!("  - {}", escaped(line)));
        }
        for statement in finding.fix.iter().flat_map(|fix| &fix.sql) {
            page.line(&format!("  - `{}`", statement.replace(['`', '\n'], " ")));
        }
    }
    if !summary.findings.is_empty() {
        page.line("");
    }
}

fn headline(page: &mut Page, figures: &Figures<'_>) {
    let (total, response, service) = (figures.requests(), &figures.response, &figures.service);
    let row = |label: &str, value: String| vec![label.to_owned(), value];
    let rows = vec![
        row("Requests", total.to_string()),
        row("Failed", format!("{} ({})", figures.failed, number::percent(figures.failed, total))),
        row("Duration", number::seconds(figures.summary.judged().as_secs_f64())),
        row("Throughput (req/s)", number::rate(figures.throughput)),
    ];
    page.table("Figures", &["Figure", ">Value"], rows);
    let mut times = vec![("Response time", response)];
    if !is_monitor(&figures.summary.run.kind) {
        times.extend([("Service time", service), ("Start lag", &figures.start_lag)]);
    }
    spreads(page, "Times", &times);
    spreads(page, "Phases of the service time", &wording::phases(&figures.phases));
}

fn spreads(page: &mut Page, title: &str, spreads: &[(&str, &Spread)]) {
    let millis = number::millis;
    let rows = spreads.iter().map(|(label, spread)| {
        vec![
            (*label).to_owned(),
            millis(spread.min),
            millis(spread.mean),
            millis(spread.median),
            millis(spread.p95),
            millis(spread.p99),
            millis(spread.max),
        ]
    });
    page.table(title, &["", ">Min", ">Avg", ">Median", ">p95", ">p99", ">Max"], rows.collect());
}

fn endpoints(page: &mut Page, figures: &Figures<'_>) {
    let rows = figures.endpoints.iter().map(|endpoint| {
        vec![
            escaped(&endpoint.name),
            endpoint.response.count.to_string(),
            endpoint.failed.to_string(),
            number::rate(endpoint.rate),
            number::millis(endpoint.response.mean),
            number::millis(endpoint.response.p95),
            number::millis(endpoint.response.p99),
            number::millis(endpoint.response.max),
        ]
    });
    page.table(
        "Endpoints",
        &["Name", ">Requests", ">Failed", ">req/s", ">Avg", ">p95", ">p99", ">Max"],
        rows.collect(),
    );
}

fn errors(page: &mut Page, figures: &Figures<'_>) {
    let rows = figures.errors.iter().map(|error| {
        let sample = error
            .sample
            .map_or_else(String::new, |(endpoint, message)| escaped(&format!("{endpoint}: {message}")));
        vec![
            escaped(error.class),
            error.count.to_string(),
            number::percent(error.count, figures.requests()),
            wording::moment(error.first),
            wording::moment(error.last),
            sample,
        ]
    });
    page.table("Errors", &["Class", ">Count", ">Share", ">First", ">Last", "First message"], rows.collect());
}

fn conditions(page: &mut Page, figures: &Figures<'_>) {
    let summary = figures.summary;
    let mut lines = vec![format!("- Service: {}", escaped(&summary.run.service))];
    for scenario in summary.run.scenarios.iter().take(ROWS) {
        lines.push(format!("- Load: {} ({})", escaped(&scenario.load), escaped(&scenario.name)));
    }
    lines.extend([
        format!("- Iterations: {}", wording::iterations(figures.iterations)),
        format!("- Rate: {}", wording::rates(figures)),
        format!("- Warm-up: {}", wording::warmup(summary)),
        format!("- Seed: {}", summary.run.seed),
        format!("- Precision: {}", wording::precision(figures)),
    ]);
    page.details("Conditions", &lines);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical, canonical_monitor, canonical_suite};

    #[test]
    fn full() {
        insta::assert_snapshot!(canonical::rendered(&Markdown::default(), &canonical::full()));
    }

    #[test]
    fn empty() {
        insta::assert_snapshot!(canonical::rendered(&Markdown::default(), &canonical::empty()));
    }

    #[test]
    fn suite() {
        insta::assert_snapshot!(canonical::rendered(&Markdown::default(), &canonical_suite::full()));
    }

    #[test]
    fn empty_suite() {
        insta::assert_snapshot!(canonical::rendered(&Markdown::default(), &canonical_suite::empty()));
    }

    #[test]
    fn monitor() {
        insta::assert_snapshot!(canonical::rendered(&Markdown::default(), &canonical_monitor::full()));
    }
}
