//! Two runs side by side, case by case.

use pulse_model::{Change, Effect, Finding, Measured, Unit, ValidityState};
use pulse_report::number;
use pulse_suite::{
    CaseRecord, CompareOptions, Comparison, History, HistoryError, Pair, RunRecord, Spreads, compare_all,
};
use std::collections::BTreeMap;

/// How two runs differ.
#[derive(Clone, Debug)]
pub(crate) struct Compared {
    /// The cases of both, with their ids.
    pub(crate) pairs: Vec<(String, Comparison)>,
    /// What the cases of `pairs` are called in the first run.
    pub(crate) counterparts: Vec<String>,
    /// Cases that only the first run has.
    pub(crate) only_before: Vec<String>,
    /// Cases that only the second run has.
    pub(crate) only_after: Vec<String>,
}

/// Which cases of two runs belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pairing {
    /// Those with the same id. Repetitions of a case (`health#1`, `health#2`) belong to the case that was not repeated.
    Ids,
    /// The only case of each, whatever it is called: recordings, which are whole runs.
    Recordings,
}

impl Pairing {
    /// The case of `before` that one of `after` is compared with.
    fn find<'a>(self, before: &'a RunRecord, after: &RunRecord, id: &str) -> Option<&'a CaseRecord> {
        match (self, &before.cases[..], &after.cases[..]) {
            (Self::Recordings, [one], [_]) => Some(one),
            _ => counterpart(before, id),
        }
    }
}

/// The case with this id; else the same case repeated another number of times.
pub(crate) fn counterpart<'a>(run: &'a RunRecord, id: &str) -> Option<&'a CaseRecord> {
    let same = |case: &&CaseRecord| unrepeated(&case.id) == unrepeated(id);
    run.case(id).or_else(|| run.case(unrepeated(id))).or_else(|| run.cases.iter().find(same))
}

/// The id without the number of a repetition.
fn unrepeated(id: &str) -> &str {
    match id.rsplit_once('#') {
        Some((id, number)) if !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()) => id,
        _ => id,
    }
}

/// What a history knows of each case of a run: by how much its figures differ between runs of one program.
pub(crate) fn spreads_of(
    history: Option<&History>,
    run: &RunRecord,
) -> Result<BTreeMap<String, Spreads>, HistoryError> {
    let Some(history) = history.filter(|_| !run.origin.machine.is_empty()) else {
        return Ok(BTreeMap::new());
    };
    let of = |case: &CaseRecord| {
        Ok((case.id.clone(), history.spreads(unrepeated(&case.id), &run.origin.machine)?))
    };
    run.cases.iter().map(of).collect()
}

/// How a comparison is made for this smallest change that matters.
pub(crate) fn options(min_effect: f64) -> CompareOptions {
    CompareOptions { min_effect, ..CompareOptions::default() }
}

impl Compared {
    /// Compares the cases that belong together, with what the spreads say of them by the ids of the second run.
    pub(crate) fn new(
        before: &RunRecord,
        after: &RunRecord,
        pairing: Pairing,
        spreads: &BTreeMap<String, Spreads>,
        options: &CompareOptions,
    ) -> Self {
        let both: Vec<(&CaseRecord, &CaseRecord)> = after
            .cases
            .iter()
            .filter_map(|case| Some((pairing.find(before, after, &case.id)?, case)))
            .collect();
        let pairs: Vec<Pair<'_>> = both
            .iter()
            .map(|(before, after)| Pair {
                before: &before.data,
                after: &after.data,
                spreads: spreads.get(&after.id),
            })
            .collect();
        let mut comparisons = compare_all(&pairs, options);
        for (pair, comparison) in pairs.iter().zip(&mut comparisons) {
            let states = [pair.before, pair.after].map(|run| run.summary.validity.state);
            if states.contains(&ValidityState::Invalid) {
                doubt(comparison);
            }
        }
        let ids = |cases: Vec<&CaseRecord>| cases.into_iter().map(|case| case.id.clone()).collect();
        let is_used =
            |case: &&CaseRecord| both.iter().any(|(of, _)| unrepeated(&of.id) == unrepeated(&case.id));
        let only_before = ids(before.cases.iter().filter(|case| !is_used(case)).collect());
        let is_paired = |case: &&CaseRecord| both.iter().any(|(_, of)| of.id == case.id);
        let only_after = ids(after.cases.iter().filter(|case| !is_paired(case)).collect());
        let pairs = both.iter().map(|(_, after)| after.id.clone()).zip(comparisons).collect();
        let counterparts = both.iter().map(|(before, _)| before.id.clone()).collect();
        Self { pairs, counterparts, only_before, only_after }
    }

    /// All changes with their cases, those that matter first and the largest of them before the others.
    pub(crate) fn changes(&self) -> Vec<(&str, &Change)> {
        let mut changes: Vec<_> = self
            .pairs
            .iter()
            .flat_map(|(id, comparison)| comparison.changes.iter().map(move |change| (id.as_str(), change)))
            .collect();
        let size = |change: &Change| change.ratio.value.ln().abs();
        changes.sort_by(|(_, a), (_, b)| a.effect.cmp(&b.effect).then(size(b).total_cmp(&size(a))));
        changes
    }

    /// What makes the runs unlike, each once, with the cases it is about.
    pub(crate) fn findings(&self) -> Vec<(Vec<&str>, &Finding)> {
        let mut findings: Vec<(Vec<&str>, &Finding)> = Vec::new();
        for (id, comparison) in &self.pairs {
            for finding in &comparison.findings {
                match findings.iter_mut().find(|(_, known)| *known == finding) {
                    Some((ids, _)) => ids.push(id),
                    None => findings.push((vec![id], finding)),
                }
            }
        }
        findings
    }

    /// The worst that happened.
    pub(crate) fn effect(&self) -> Effect {
        let effects = || self.pairs.iter().map(|(_, comparison)| comparison.effect);
        let any = |wanted| effects().any(|effect| effect == wanted);
        match () {
            () if any(Effect::Regression) => Effect::Regression,
            () if any(Effect::Improvement) => Effect::Improvement,
            () if !self.pairs.is_empty() && effects().all(|effect| effect == Effect::Unchanged) => {
                Effect::Unchanged
            }
            () => Effect::Unclear,
        }
    }
}

/// Numbers that do not describe the service raise no alarm, and give none the all-clear.
fn doubt(comparison: &mut Comparison) {
    comparison.effect = Effect::Unclear;
    for change in &mut comparison.changes {
        change.effect = Effect::Unclear;
    }
}

/// In capitals, as reports print it.
pub(crate) const fn effect_word(effect: Effect) -> &'static str {
    match effect {
        Effect::Regression => "REGRESSION",
        Effect::Improvement => "IMPROVEMENT",
        Effect::Unchanged => "UNCHANGED",
        Effect::Unclear => "UNCLEAR",
    }
}

/// A figure in its unit.
pub(crate) fn figure(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Nanoseconds => number::millis(Some(value)),
        Unit::Bytes => number::bytes(value),
        Unit::Share => number::share(value),
        Unit::PerSecond => format!("{}/s", number::rate(Some(value))),
        Unit::Count => format!("{value:.2}"),
    }
}

/// `+12.3%`.
pub(crate) fn difference(ratio: f64) -> String {
    if ratio.is_finite() { format!("{:+.1}%", (ratio - 1.0) * 100.0) } else { "-".to_owned() }
}

/// By how much, or that it is too little to matter, whatever the ratio.
pub(crate) fn amount(change: &Change) -> String {
    if change.negligible { "negligible".to_owned() } else { difference(change.ratio.value) }
}

/// `+8.0% – +16.6%`.
pub(crate) fn interval(ratio: &Measured) -> String {
    format!("{} – {}", difference(ratio.lo), difference(ratio.hi))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(ids: &[&str]) -> RunRecord {
        let cases =
            ids.iter().map(|id| CaseRecord { id: (*id).to_owned(), ..CaseRecord::default() }).collect();
        RunRecord { cases, ..RunRecord::default() }
    }

    /// Ids of the baseline, of the run, how they are paired, and the ids that are compared.
    #[test]
    fn cases_find_their_counterparts() {
        use Pairing::{Ids, Recordings};
        #[expect(clippy::type_complexity, reason = "a table of cases")]
        let rows: [(&[&str], &[&str], Pairing, &[&str], &[&str], &[&str]); 8] = [
            (&["a", "b"], &["b", "a"], Ids, &["b", "a"], &[], &[]),
            (&["a"], &["b"], Ids, &[], &["a"], &["b"]),
            (&["a"], &["b"], Recordings, &["b"], &[], &[]),
            (&["a"], &["a#1", "a#2"], Ids, &["a#1", "a#2"], &[], &[]),
            (&["a#1", "a#2"], &["a"], Ids, &["a"], &[], &[]),
            (&["a#1", "a#2", "b"], &["a#1", "a#2", "a#3", "c"], Ids, &["a#1", "a#2", "a#3"], &["b"], &["c"]),
            (&["a"], &["a#x", "a#"], Ids, &[], &["a"], &["a#x", "a#"]),
            (&[], &["a"], Recordings, &[], &[], &["a"]),
        ];
        for (before, after, pairing, compared, only_before, only_after) in rows {
            let found = Compared::new(
                &run(before),
                &run(after),
                pairing,
                &BTreeMap::new(),
                &CompareOptions::default(),
            );
            let ids: Vec<&str> = found.pairs.iter().map(|(id, _)| id.as_str()).collect();
            assert_eq!(ids, compared, "{before:?} {after:?}");
            assert_eq!(found.only_before, only_before, "{before:?} {after:?}");
            assert_eq!(found.only_after, only_after, "{before:?} {after:?}");
        }
    }
}
