//! What is found in a catalog and a workload: a table of rules, each pure and in a file of its own.

mod foreign_key_without_index;
mod fragmentation;
mod free_pages;
mod full_scan;
mod large_wal;
mod missing_index;
mod missing_statistics;
mod reading;
mod redundancy;
mod redundant_index;
mod rewritten;
mod risky_setting;
mod shown;
mod slow_query;
mod stale_statistics;
mod unread_part;
mod unused_index;

use pulse_model::{Finding, Nanos, Severity};

use crate::catalog::Catalog;
use crate::plan::Explained;
use crate::rewrite::Rewrite;
use crate::workload::Workload;
use reading::View;

/// Fewest rows of a table for which reading all of them matters.
pub(crate) const MIN_ROWS: u64 = 1_000;
/// Findings of one rule; what is beyond is counted in the last one.
const MAX_PER_RULE: usize = 100;

/// What the rules look at.
#[derive(Clone, Copy, Debug)]
pub struct FindingsInput<'a> {
    /// What is in the database.
    pub catalog: &'a Catalog,
    /// What it is asked.
    pub workload: &'a Workload,
    /// How each statement of the workload is answered, in order; the database's words for what it cannot prepare.
    pub explained: &'a [Result<Explained, String>],
    /// How long each statement takes where that was measured, in order; may be empty. It goes before what the workload recorded.
    pub measured: &'a [Option<Measured>],
    /// Statements that no plain index helps as they are written.
    pub rewrites: &'a [Rewrite],
}

/// How long a statement takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// On average.
    pub mean: Nanos,
    /// 95 % of its calls take at most this.
    pub p95: Nanos,
}

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name: the code of its findings.
    pub code: &'static str,
    /// What it finds, in a few words.
    pub title: &'static str,
    /// What it means, when it applies and when it does not, and what to do.
    pub explanation: &'static str,
    find: fn(&View<'_>) -> Vec<Weighed>,
}

/// A finding, with what sorts it among those of its rule: more is worse.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Weighed {
    /// How much, in a unit of the rule's own.
    pub(crate) weight: f64,
    /// The finding.
    pub(crate) finding: Finding,
}

/// Everything that is found, worst first: by severity, then in the order of the rules, then by how much it is.
pub fn findings(input: &FindingsInput<'_>) -> Vec<Finding> {
    let view = View::new(*input);
    let mut all = Vec::new();
    for (place, rule) in RULES.iter().enumerate() {
        let mut found = (rule.find)(&view);
        found.sort_by(|one, other| {
            let by_weight = other.weight.total_cmp(&one.weight);
            other
                .finding
                .severity
                .cmp(&one.finding.severity)
                .then(by_weight)
                .then_with(|| one.finding.subject.cmp(&other.finding.subject))
        });
        let beyond = found.len().saturating_sub(MAX_PER_RULE);
        found.truncate(MAX_PER_RULE);
        if beyond > 0
            && let Some(last) = found.last_mut()
        {
            last.finding.evidence.push(format!("{beyond} more findings of this rule are not shown"));
        }
        all.extend(found.into_iter().map(|found| (place, found.finding)));
    }
    // Stable, so that what a rule sorted stays sorted.
    all.sort_by_key(|(place, finding)| (std::cmp::Reverse(finding.severity), *place));
    all.into_iter().map(|(_, finding)| finding).collect()
}

/// All rules, the gravest first.
pub fn rules() -> &'static [Rule] {
    RULES
}

/// The rule of this code.
pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.code == code)
}

const RULES: &[Rule] = &[
    slow_query::RULE,
    missing_index::RULE,
    full_scan::RULE,
    rewritten::RULE,
    foreign_key_without_index::RULE,
    risky_setting::RULE,
    large_wal::RULE,
    stale_statistics::RULE,
    missing_statistics::RULE,
    redundant_index::DUPLICATE,
    redundant_index::REDUNDANT,
    unused_index::RULE,
    fragmentation::RULE,
    free_pages::RULE,
    unread_part::RULE,
];

/// A finding without evidence yet.
pub(crate) fn finding(
    rule: &Rule,
    severity: Severity,
    subject: impl Into<String>,
    message: String,
) -> Finding {
    Finding { code: rule.code.to_owned(), severity, subject: subject.into(), message, ..Finding::default() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn rules_have_names_of_their_own_and_explanations() {
        let codes: BTreeSet<_> = rules().iter().map(|rule| rule.code).collect();
        assert_eq!(codes.len(), rules().len());
        for rule in rules() {
            assert!(rule.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", rule.code);
            assert!(rule.explanation.len() > 200 && !rule.title.ends_with('.'), "{}", rule.code);
        }
        assert_eq!(rule("unused_index").expect("known").code, "unused_index");
        assert!(rule("unused").is_none());
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        let (catalog, workload) = (Catalog::default(), Workload::default());
        let input = FindingsInput {
            catalog: &catalog,
            workload: &workload,
            explained: &[],
            measured: &[],
            rewrites: &[],
        };
        assert_eq!(findings(&input), []);
    }
}
