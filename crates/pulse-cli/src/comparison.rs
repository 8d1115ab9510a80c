//! Two runs side by side, case by case.

use pulse_model::{Change, Effect, Finding, Measured, Unit, ValidityState};
use pulse_report::number;
use pulse_suite::{CompareOptions, Comparison, RunRecord, compare_all};

/// How two runs differ.
#[derive(Clone, Debug)]
pub(crate) struct Compared {
    /// The cases of both, with their ids.
    pub(crate) pairs: Vec<(String, Comparison)>,
    /// Cases that only the first run has.
    pub(crate) only_before: Vec<String>,
    /// Cases that only the second run has.
    pub(crate) only_after: Vec<String>,
}

/// How a comparison is made for this smallest change that matters.
pub(crate) fn options(min_effect: f64) -> CompareOptions {
    CompareOptions { min_effect, ..CompareOptions::default() }
}

impl Compared {
    /// Compares the cases with the same ids. Runs of one case each are compared whatever they are called.
    pub(crate) fn new(before: &RunRecord, after: &RunRecord, options: &CompareOptions) -> Self {
        let both: Vec<_> = match (&before.cases[..], &after.cases[..]) {
            ([one], [other]) => vec![(other.id.clone(), &one.data, &other.data)],
            (_, cases) => {
                let pair = |case: &pulse_suite::CaseRecord| before.case(&case.id).map(|it| it.id.clone());
                cases
                    .iter()
                    .filter_map(|case| Some((pair(case)?, &before.case(&case.id)?.data, &case.data)))
                    .collect()
            }
        };
        let data: Vec<_> = both.iter().map(|(_, before, after)| (*before, *after)).collect();
        let mut comparisons = compare_all(&data, options);
        for ((before, after), comparison) in data.iter().zip(&mut comparisons) {
            let states = [before, after].map(|run| run.summary.validity.state);
            if states.contains(&ValidityState::Invalid) {
                doubt(comparison);
            }
        }
        let pairs: Vec<_> = both.into_iter().map(|(id, ..)| id).zip(comparisons).collect();
        let alone = |of: &RunRecord, in_other: &RunRecord| -> Vec<String> {
            let is_paired = of.cases.len() == 1 && in_other.cases.len() == 1;
            let is_alone = |id: &&String| in_other.case(id).is_none() && !is_paired;
            of.cases.iter().map(|case| &case.id).filter(is_alone).cloned().collect()
        };
        let (only_before, only_after) = (alone(before, after), alone(after, before));
        Self { pairs, only_before, only_after }
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

/// `+8.0% – +16.6%`.
pub(crate) fn interval(ratio: &Measured) -> String {
    format!("{} – {}", difference(ratio.lo), difference(ratio.hi))
}
