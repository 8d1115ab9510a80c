//! What the text report of a suite says between the lines of its cases and the summary line.

use std::cmp::Reverse;
use std::fmt::Write as _;

use pulse_model::{Effect, Finding, Severity, ValidityReason};

use crate::figures::Figures;
use crate::likenesses::Likeness;
use crate::number::printable;
use crate::suite::{Case, Outcome, Suite};
use crate::suite_text::{Detail, target, tone};
use crate::table::{Column, Table};
use crate::text::{Page, Tone};
use crate::{changes, estimates, wording};

/// Cases that are named behind a reason that concerns several.
const NAMED_CASES: usize = 3;
/// The reason of a suite that only says how many of its cases are disturbed.
const COUNTED_CASES: &str = "cases";
/// Error classes that are named for a case.
const ERRORS: usize = 5;

/// All sections in order; those without anything to say are left out.
pub(crate) fn all(page: &mut Page, suite: &Suite<'_>, detail: Detail) {
    let with = |outcomes: fn(Outcome) -> bool| suite.cases.iter().filter(move |case| outcomes(case.outcome));
    section(page, "FAILURES", with(Outcome::is_red));
    if detail == Detail::Quiet {
        return;
    }
    section(page, "INCONCLUSIVE", with(|outcome| outcome == Outcome::Inconclusive));
    findings(page, suite);
    retried(page, suite);
    estimates(page, suite, detail);
    changes(page, suite, detail);
    saved(page, suite);
}

fn section<'a>(page: &mut Page, title: &str, cases: impl Iterator<Item = &'a Case<'a>>) {
    for (index, case) in cases.enumerate() {
        if index == 0 {
            page.title(title);
        }
        explained(page, case);
    }
}

/// Which targets were not met and what may have been the reason.
fn explained(page: &mut Page, case: &Case<'_>) {
    let place = case.place();
    let at = place.as_ref().map_or_else(String::new, |(file, line)| format!("  {file}:{line}"));
    let word = page.toned(tone(case.outcome), case.outcome.word());
    page.wrapped(4, &format!("  {word}  {}{at}", case.id()));
    for (index, result) in case.summary.targets.iter().enumerate() {
        let at = place.as_ref().map(|(file, _)| format!("{file}:{}", case.target_line(index)));
        target(page, result, at.as_deref());
    }
    for error in Figures::of(case.summary).errors.iter().take(ERRORS) {
        let sample = error.sample.map_or_else(String::new, |(endpoint, message)| {
            format!(", first {}: {}", printable(endpoint), printable(message))
        });
        page.wrapped(8, &format!("    {} failed requests ({}){sample}", error.count, printable(error.class)));
    }
    case.summary.findings.iter().for_each(|each| finding(page, each, 4));
}

fn finding(page: &mut Page, finding: &Finding, indent: usize) {
    let (tone, word) = match finding.severity {
        Severity::Note => (Tone::Good, "note"),
        Severity::Warning => (Tone::Doubtful, "warning"),
        Severity::Problem => (Tone::Bad, "problem"),
    };
    let word = page.toned(tone, word);
    let blanks = " ".repeat(indent);
    page.wrapped(indent + 4, &format!("{blanks}{word}: {}", printable(&finding.message)));
    if let Some(help) = &finding.help {
        page.wrapped(indent + 4, &format!("{blanks}  help: {}", printable(help)));
    }
}

/// What was noticed about the whole and about the cases that are not explained above.
fn findings(page: &mut Page, suite: &Suite<'_>) {
    let quiet = |outcome| matches!(outcome, Outcome::Passed | Outcome::Skipped);
    let cases = suite.cases.iter().filter(|case| quiet(case.outcome));
    let noticed = cases.filter(|case| !case.summary.findings.is_empty()).collect::<Vec<_>>();
    if noticed.is_empty() && suite.summary.findings.is_empty() {
        return;
    }
    page.title("FINDINGS");
    suite.summary.findings.iter().for_each(|each| finding(page, each, 2));
    for case in noticed {
        page.wrapped(4, &format!("  {}", case.id()));
        case.summary.findings.iter().for_each(|each| finding(page, each, 4));
    }
}

fn retried(page: &mut Page, suite: &Suite<'_>) {
    for (index, case) in suite.cases.iter().filter(|case| case.is_flaky()).enumerate() {
        if index == 0 {
            page.title("FLAKY (passed, but not at the first attempt)");
        }
        page.wrapped(4, &format!("  {}  attempt {}", case.id(), case.retried().unwrap_or(1)));
    }
}

/// What was worked out beside the targets. Where all is well nobody needs it, unless asked for.
fn estimates(page: &mut Page, suite: &Suite<'_>, detail: Detail) {
    let is_shown = |case: &&Case<'_>| {
        detail == Detail::Verbose || !matches!(case.outcome, Outcome::Passed | Outcome::Skipped)
    };
    let mut table = Table::new([
        ("case", Column::Name),
        ("estimate", Column::Label),
        ("value", Column::Figure),
        ("95% interval", Column::Figure),
    ]);
    let mut rows = 0;
    for case in suite.cases.iter().filter(is_shown) {
        for (&estimate, measured) in &case.summary.estimates {
            rows += 1;
            table.row([
                case.id(),
                estimates::label(estimate).to_owned(),
                estimates::show(estimate, measured.value),
                estimates::interval(estimate, measured),
            ]);
        }
    }
    if rows > 0 {
        page.title("ESTIMATES");
        page.block(&table.render(page.width()));
    }
}

fn changes(page: &mut Page, suite: &Suite<'_>, detail: Detail) {
    let changes = suite.changes();
    if changes.is_empty() {
        return;
    }
    page.title("CHANGES AGAINST THE BASELINE");
    let matters = |effect| matches!(effect, Effect::Regression | Effect::Improvement);
    let shown = |effect| detail == Detail::Verbose || matters(effect);
    for (case, change) in changes.iter().filter(|(_, change)| shown(change.effect)) {
        let tone = match change.effect {
            Effect::Regression => Tone::Bad,
            Effect::Improvement | Effect::Unchanged => Tone::Good,
            Effect::Unclear => Tone::Doubtful,
        };
        let word = page.toned(tone, changes::word(change.effect));
        let id = case.map_or_else(String::new, |case| format!("{}  ", case.id()));
        page.wrapped(6, &format!("  {word}  {id}{}", changes::sentence(change)));
    }
    let count = |effect| changes.iter().filter(|(_, change)| change.effect == effect).count();
    let mut line = String::from("  ");
    for (index, (effect, word)) in [
        (Effect::Regression, "regressed"),
        (Effect::Improvement, "improved"),
        (Effect::Unchanged, "unchanged"),
        (Effect::Unclear, "unclear"),
    ]
    .into_iter()
    .enumerate()
    {
        // Writing to a string cannot fail.
        let _ = write!(line, "{}{} {word}", if index == 0 { "" } else { ", " }, count(effect));
    }
    page.wrapped(4, &line);
}

/// What deciding early was worth.
fn saved(page: &mut Page, suite: &Suite<'_>) {
    let saved = suite.cases.iter().filter_map(Case::info).map(|info| info.requests_saved);
    let saved: u64 = saved.fold(0, u64::saturating_add);
    if saved > 0 {
        page.line("");
        page.row("Requests saved by deciding early", saved);
    }
}

/// Why numbers cannot be trusted: a line for each reason, with the cases that it concerns.
pub(crate) fn validity(page: &mut Page, suite: &Suite<'_>, detail: Detail) {
    let named = if detail == Detail::Verbose { usize::MAX } else { NAMED_CASES };
    let doubts = Doubt::of_cases(suite);
    let is_suite = crate::suite::is_suite(suite.summary);
    // That of the whole often only counts the cases; where they speak for themselves, it has nothing to add.
    let of_whole = suite.summary.validity.reasons.iter().filter(|_| is_suite);
    let of_whole = of_whole.filter(|reason| doubts.is_empty() || reason.code != COUNTED_CASES);
    let of_whole = of_whole.map(|reason| (reason.state, printable(&reason.message).into_owned()));
    let of_cases = doubts.iter().map(|doubt| {
        let cases = if is_suite { cases(&doubt.ids, named) } else { String::new() };
        (doubt.reason.state, format!("{}{cases}", doubt.likeness.text()))
    });
    let mut lines: Vec<_> = of_whole.chain(of_cases).collect();
    lines.sort_by_key(|(state, _)| Reverse(*state));
    for (state, text) in lines {
        let word = page.toned(Tone::of_validity(state), &wording::validity(state).to_lowercase());
        page.wrapped(4, &format!("  {word}: {text}"));
    }
}

/// A reason not to trust numbers, with the cases that have it; their sentences differ at most in their numbers.
struct Doubt<'a> {
    reason: &'a ValidityReason,
    likeness: Likeness,
    ids: Vec<String>,
}

impl<'a> Doubt<'a> {
    fn of_cases(suite: &Suite<'a>) -> Vec<Self> {
        let mut doubts: Vec<Self> = Vec::new();
        for case in &suite.cases {
            for reason in &case.summary.validity.reasons {
                let likeness = Likeness::of(&printable(&reason.message));
                let same = |doubt: &mut Self| {
                    let is_same = (doubt.reason.state, &doubt.reason.code) == (reason.state, &reason.code);
                    is_same && doubt.likeness.join(&likeness)
                };
                match doubts.iter_mut().position(same) {
                    Some(at) => doubts[at].ids.push(case.id()),
                    None => doubts.push(Self { reason, likeness, ids: vec![case.id()] }),
                }
            }
        }
        doubts.iter_mut().for_each(|doubt| doubt.ids.dedup());
        doubts
    }
}

/// ` (api::health)`, ` (12 cases: api::health, api::root, api::trades, …)`.
fn cases(ids: &[String], named: usize) -> String {
    match ids {
        [] => String::new(),
        [id] => format!(" ({id})"),
        ids => {
            let more = if ids.len() > named { ", …" } else { "" };
            let shown = ids[..ids.len().min(named)].join(", ");
            format!(" ({} cases: {shown}{more})", ids.len())
        }
    }
}
