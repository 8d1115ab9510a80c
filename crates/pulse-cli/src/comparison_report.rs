//! What `pulse compare` prints and writes.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use pulse_model::{Change, Effect, Finding, Summary};
use pulse_report::{ComparisonPage, Format, Html, NO_PAGE, number};
use pulse_suite::{CaseRecord, RunRecord};
use serde::Serialize;

use crate::comparison::{Compared, amount, effect_word, figure, interval};

/// Version of the JSON document.
const VERSION: u32 = 1;

/// Form of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ComparisonFormat {
    /// A document for programs.
    Json,
    /// For a pull request.
    Markdown,
    /// Both runs over each other, with their differences.
    Html,
    /// The second run with its differences from the first, as a picture.
    Picture(Format),
}

/// A report that was asked for: `FORMAT=PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ComparisonRequest {
    pub(crate) format: ComparisonFormat,
    /// `None` is standard output (`-`).
    pub(crate) path: Option<PathBuf>,
}

impl FromStr for ComparisonRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, path) = text
            .split_once('=')
            .ok_or("write FORMAT=PATH, for example json=compare.json; - is standard output")?;
        let format = match format {
            "json" => ComparisonFormat::Json,
            "md" => ComparisonFormat::Markdown,
            "html" if !Html::is_there() => return Err(NO_PAGE.to_owned()),
            "html" => ComparisonFormat::Html,
            "svg" => ComparisonFormat::Picture(Format::Svg),
            "png" => ComparisonFormat::Picture(Format::Png),
            _ => return Err("comparisons are written as json, md, html, svg or png".to_owned()),
        };
        match path {
            "" => Err("the path is missing; - is standard output".to_owned()),
            "-" => Ok(Self { format, path: None }),
            path => Ok(Self { format, path: Some(path.into()) }),
        }
    }
}

/// Two runs with their names and differences.
#[derive(Debug)]
pub(crate) struct ComparisonReport<'a> {
    pub(crate) before: (&'a str, &'a RunRecord),
    pub(crate) after: (&'a str, &'a RunRecord),
    pub(crate) compared: &'a Compared,
    pub(crate) min_effect: f64,
}

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    version: u32,
    effect: Effect,
    min_effect: f64,
    before: Side<'a>,
    after: Side<'a>,
    changes: Vec<CaseChange<'a>>,
    findings: Vec<CaseFinding<'a>>,
    only_before: &'a [String],
    only_after: &'a [String],
}

#[derive(Serialize)]
struct Side<'a> {
    name: &'a str,
    suite: &'a str,
    started: &'a str,
    version: &'a str,
    commit: Option<&'a str>,
    branch: Option<&'a str>,
    dirty: bool,
    machine: &'a str,
}

#[derive(Serialize)]
struct CaseChange<'a> {
    case: &'a str,
    #[serde(flatten)]
    change: &'a Change,
}

#[derive(Serialize)]
struct CaseFinding<'a> {
    cases: Vec<&'a str>,
    #[serde(flatten)]
    finding: &'a Finding,
}

impl ComparisonReport<'_> {
    /// The report in a form for files.
    pub(crate) fn render(&self, format: ComparisonFormat) -> io::Result<Vec<u8>> {
        match format {
            ComparisonFormat::Json => Ok(self.json()?.into_bytes()),
            ComparisonFormat::Markdown => Ok(self.markdown().into_bytes()),
            ComparisonFormat::Picture(format) => {
                let mut bytes = Vec::new();
                format.reporter().render(&self.changed(), &mut bytes)?;
                Ok(bytes)
            }
            ComparisonFormat::Html => {
                let mut bytes = Vec::new();
                Html.render_comparison(&self.page(&self.changed()), &mut bytes)?;
                Ok(bytes)
            }
        }
    }

    /// The second run with what has changed: a single case as itself, several as the suite that they are.
    fn changed(&self) -> Summary {
        let (_, after) = self.after;
        let mut summary = match &after.cases[..] {
            [only] => only.data.summary.clone(),
            _ => after.tree(),
        };
        let id = |case: &Summary| case.case.as_ref().map(|info| info.id.clone());
        for (changed, comparison) in &self.compared.pairs {
            let place = match summary.children.iter_mut().find(|case| id(case).as_ref() == Some(changed)) {
                Some(case) => case,
                None => &mut summary,
            };
            place.changes.clone_from(&comparison.changes);
            place.findings.extend(comparison.findings.iter().cloned());
        }
        summary.run.name = self.title();
        summary
    }

    /// Both runs for the page: the second one as it is `changed`, and beside it or beside its cases the first.
    fn page<'a>(&'a self, changed: &'a Summary) -> ComparisonPage<'a> {
        let ((first, before), (second, after)) = (self.before, self.after);
        let counterpart = |case: &CaseRecord| {
            let at = self.compared.pairs.iter().position(|(id, _)| *id == case.id)?;
            before.case(self.compared.counterparts.get(at)?).map(|case| &case.data.summary)
        };
        let counterparts: Vec<_> = after.cases.iter().map(counterpart).collect();
        let only = match counterparts[..] {
            [only] => only,
            _ => None,
        };
        ComparisonPage {
            names: [first, second],
            effect: self.compared.effect(),
            min_effect: self.min_effect,
            before: only.unwrap_or(&before.summary),
            after: changed,
            counterparts,
            notes: self.notes(),
        }
    }

    fn json(&self) -> Result<String, serde_json::Error> {
        let changes = self.compared.changes().into_iter();
        let findings = self.compared.findings().into_iter();
        let document = Document {
            format: "pulse-comparison",
            version: VERSION,
            effect: self.compared.effect(),
            min_effect: self.min_effect,
            before: side(self.before),
            after: side(self.after),
            changes: changes.map(|(case, change)| CaseChange { case, change }).collect(),
            findings: findings.map(|(cases, finding)| CaseFinding { cases, finding }).collect(),
            only_before: &self.compared.only_before,
            only_after: &self.compared.only_after,
        };
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }

    fn markdown(&self) -> String {
        let cell = |text: &str| number::printable(text).replace('|', "\\|");
        let mut text = format!("### {}: {}\n\n", effect_word(self.compared.effect()), cell(&self.title()));
        text.push_str("| | case | figure | before | after | change | 95% interval | p |\n");
        text.push_str("|---|---|---|---:|---:|---:|---:|---:|\n");
        for (case, change) in self.compared.changes() {
            let [before, after, by, within, chance] = figures(change);
            let (word, case, subject) = (effect_word(change.effect), cell(case), cell(&change.subject));
            let _ = writeln!(
                text,
                "| {word} | {case} | {subject} | {before} | {after} | {by} | {within} | {chance} |"
            );
        }
        let _ = writeln!(text, "\n{}", self.tally());
        for note in self.notes() {
            let _ = writeln!(text, "- {note}");
        }
        text
    }

    /// The report for people.
    pub(crate) fn text(&self) -> String {
        let rows: Vec<[String; 8]> = self
            .compared
            .changes()
            .into_iter()
            .filter(|(_, change)| !is_nothing(change))
            .map(|(case, change)| {
                let [before, after, by, within, chance] = figures(change);
                let (case, subject) = (number::printable(case), number::printable(&change.subject));
                [
                    effect_word(change.effect).to_owned(),
                    case.into_owned(),
                    subject.into_owned(),
                    before,
                    after,
                    by,
                    within,
                    chance,
                ]
            })
            .collect();
        let head =
            ["", "case", "figure", "before", "after", "change", "95% interval", "p"].map(str::to_owned);
        let rows: Vec<[String; 8]> = std::iter::once(head).chain(rows).collect();
        let mut text = format!("Comparing {}\n\n{}", self.title(), aligned(&rows, 3));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n{}", self.tally());
        for note in self.notes() {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }

    fn title(&self) -> String {
        let named = |(name, run): (&str, &RunRecord)| {
            let of = [
                run.summary.run.started.get(..16).map(|time| time.replace('T', " ")),
                run.origin.commit.as_deref().and_then(|commit| commit.get(..8)).map(str::to_owned),
                run.origin.branch.clone(),
            ];
            let of: Vec<String> = of.into_iter().flatten().collect();
            let of = if of.is_empty() { String::new() } else { format!(" ({})", of.join(", ")) };
            format!("{}{}", number::printable(name), number::printable(&of))
        };
        format!("{} with {}", named(self.before), named(self.after))
    }

    fn tally(&self) -> String {
        let changes = self.compared.changes();
        let count = |effect| changes.iter().filter(|(_, change)| change.effect == effect).count();
        format!(
            "{} regressed, {} improved, {} unchanged, {} unclear (smallest change that matters: {})",
            count(Effect::Regression),
            count(Effect::Improvement),
            count(Effect::Unchanged),
            count(Effect::Unclear),
            number::share(self.min_effect)
        )
    }

    /// What makes the runs unlike, and which cases only one of them has.
    fn notes(&self) -> Vec<String> {
        let all = self.compared.pairs.len();
        let of = |cases: &[&str]| match cases.len() {
            _ if all == 1 => String::new(),
            count if count == all => String::new(),
            1..=3 => format!("{}: ", cases.join(", ")),
            count => format!("{count} cases: "),
        };
        let mut notes: Vec<String> = self
            .compared
            .findings()
            .iter()
            .map(|(cases, finding)| {
                let help = finding.help.as_ref().map_or_else(String::new, |help| format!("; {help}"));
                number::printable(&format!("{}{}{help}", of(cases), finding.message)).into_owned()
            })
            .collect();
        for (name, cases) in
            [(self.before.0, &self.compared.only_before), (self.after.0, &self.compared.only_after)]
        {
            if !cases.is_empty() {
                notes.push(number::printable(&format!("only in {name}: {}", cases.join(", "))).into_owned());
            }
        }
        notes
    }
}

fn side<'a>((name, run): (&'a str, &'a RunRecord)) -> Side<'a> {
    Side {
        name,
        suite: &run.suite,
        started: &run.summary.run.started,
        version: &run.summary.run.version,
        commit: run.origin.commit.as_deref(),
        branch: run.origin.branch.as_deref(),
        dirty: run.origin.dirty,
        machine: &run.origin.machine,
    }
}

/// Errors that neither run had are not worth a line.
fn is_nothing(change: &Change) -> bool {
    change.effect == Effect::Unchanged && change.before.value == 0.0 && change.after.value == 0.0
}

/// Before, after, change, interval, chance.
fn figures(change: &Change) -> [String; 5] {
    let p_value = match change.p_value {
        p if !p.is_finite() => "-".to_owned(),
        p if p < 0.001 => "< 0.001".to_owned(),
        p => format!("{p:.3}"),
    };
    [
        figure(change.unit, change.before.value),
        figure(change.unit, change.after.value),
        amount(change),
        if change.negligible { "-".to_owned() } else { interval(&change.ratio) },
        p_value,
    ]
}

/// Rows with aligned columns: the first `labels` to the left, the figures to the right.
pub(crate) fn aligned<const N: usize>(rows: &[[String; N]], labels: usize) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column < labels { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
