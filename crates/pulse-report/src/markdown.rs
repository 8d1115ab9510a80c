//! The report for a pull request or a job summary.

use std::fmt::Write as _;
use std::io;

use pulse_model::{Severity, Summary, ValidityState};

use crate::figures::Figures;
use crate::number::{self, printable};
use crate::{Reporter, wording};

/// The report as Markdown (GitHub's dialect), the verdict first. Headings start at the third level, so that it fits
/// below the headings of a page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Markdown;

/// Rows of a table before the rest is only counted; a job summary may hold 1 MiB.
const ROWS: usize = 200;

impl Reporter for Markdown {
    fn render(&self, summary: &Summary, out: &mut dyn io::Write) -> io::Result<()> {
        let figures = Figures::of(summary);
        let mut page = Page(String::new());
        verdict(&mut page, summary);
        targets(&mut page, summary);
        findings(&mut page, summary);
        headline(&mut page, &figures);
        endpoints(&mut page, &figures);
        errors(&mut page, &figures);
        conditions(&mut page, &figures);
        out.write_all(page.0.as_bytes())
    }
}

fn verdict(page: &mut Page, summary: &Summary) {
    let name = escaped(&summary.run.name);
    let verdict = wording::verdict(summary);
    page.line(&if name.is_empty() {
        format!("### Load test: {verdict}")
    } else {
        format!("### Load test: {verdict} – {name}")
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
    }
    if !summary.findings.is_empty() {
        page.line("");
    }
}

fn headline(page: &mut Page, figures: &Figures<'_>) {
    let (total, response, service) = (figures.requests(), &figures.response, &figures.service);
    let millis = number::millis;
    let row = |label: &str, value: String| vec![label.to_owned(), value];
    let rows = vec![
        row("Requests", total.to_string()),
        row("Failed", format!("{} ({})", figures.failed, number::percent(figures.failed, total))),
        row("Duration", number::seconds(figures.summary.judged().as_secs_f64())),
        row("Throughput (req/s)", number::rate(figures.throughput)),
    ];
    page.table("Figures", &["Figure", ">Value"], rows);
    let times = [("Response time", response), ("Service time", service), ("Start lag", &figures.start_lag)];
    let rows = times.into_iter().map(|(label, spread)| {
        vec![
            label.to_owned(),
            millis(spread.min),
            millis(spread.mean),
            millis(spread.median),
            millis(spread.p95),
            millis(spread.p99),
            millis(spread.max),
        ]
    });
    page.table("Times", &["", ">Min", ">Avg", ">Median", ">p95", ">p99", ">Max"], rows.collect());
}

fn endpoints(page: &mut Page, figures: &Figures<'_>) {
    let rows = figures.endpoints.iter().map(|endpoint| {
        vec![
            escaped(endpoint.name),
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
    page.line("<details><summary>Conditions</summary>");
    page.line("");
    page.line(&format!("- Service: {}", escaped(&summary.run.service)));
    for scenario in summary.run.scenarios.iter().take(ROWS) {
        page.line(&format!("- Load: {} ({})", escaped(&scenario.load), escaped(&scenario.name)));
    }
    page.line(&format!("- Iterations: {}", wording::iterations(figures.iterations)));
    page.line(&format!("- Rate: {}", wording::rates(figures)));
    page.line(&format!("- Warm-up: {}", wording::warmup(summary)));
    page.line(&format!("- Seed: {}", summary.run.seed));
    page.line(&format!("- Quantiles: ± {:.2} %", figures.quantile_error * 100.0));
    page.line("");
    page.line("</details>");
}

struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// A titled table, left out when it has no rows. A title that begins with `>` is right-aligned. Cells are escaped
    /// by the caller, since some carry markup.
    fn table(&mut self, title: &str, columns: &[&str], rows: Vec<Vec<String>>) {
        if rows.is_empty() {
            return;
        }
        self.line(&format!("#### {title}"));
        self.line("");
        let titles: Vec<_> = columns.iter().map(|column| column.trim_start_matches('>')).collect();
        let rules: Vec<_> =
            columns.iter().map(|column| if column.starts_with('>') { "---:" } else { "---" }).collect();
        self.line(&format!("| {} |", titles.join(" | ")));
        self.line(&format!("|{}|", rules.join("|")));
        let left_out = rows.len().saturating_sub(ROWS);
        for row in rows.into_iter().take(ROWS) {
            self.line(&format!("| {} |", row.join(" | ")));
        }
        self.line("");
        if left_out > 0 {
            // Writing to a string cannot fail.
            let _ = writeln!(self.0, "{left_out} more are in the other report formats.\n");
        }
    }
}

/// The text as it is, not as markup: on one line, and with everything escaped that Markdown or HTML would act on.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\\' | '|' | '*' | '_' | '[' | ']' | '`' | '~' | '#' => {
                safe.push('\\');
                safe.push(c);
            }
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical;

    #[test]
    fn names_cannot_break_out_of_their_cell() {
        for (text, safe) in [
            ("health", "health"),
            ("a|b\nc", r"a\|b c"),
            ("<script>&", "&lt;script&gt;&amp;"),
            ("*_[x](y)`~#\\", r"\*\_\[x\](y)\`\~\#\\"),
        ] {
            assert_eq!(escaped(text), safe, "{text}");
        }
    }

    #[test]
    fn a_long_table_is_cut_and_says_so() {
        let mut page = Page(String::new());
        page.table("T", &["n"], vec![vec!["1".to_owned()]; ROWS + 3]);
        assert_eq!(page.0.matches("| 1 |").count(), ROWS);
        assert!(page.0.contains("3 more are in the other report formats."));
    }

    #[test]
    fn full() {
        insta::assert_snapshot!(canonical::rendered(&Markdown, &canonical::full()));
    }

    #[test]
    fn empty() {
        insta::assert_snapshot!(canonical::rendered(&Markdown, &canonical::empty()));
    }
}
