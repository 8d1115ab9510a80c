//! The parts of the JSON document that a case of a suite has beside what every job has.

use pulse_model::{CaseInfo, Effect, Estimate, Measured, Summary, Unit};
use serde::Serialize;

use crate::estimates;

#[derive(Serialize)]
pub(crate) struct Case<'a> {
    id: &'a str,
    name: &'a str,
    group: &'a str,
    marks: &'a [String],
    kind: &'a str,
    file: &'a str,
    line: u32,
    target_lines: &'a [u32],
    attempts: u32,
    requests_saved: u64,
    skipped: Option<&'a str>,
}

#[derive(Serialize)]
pub(crate) struct Estimated {
    name: &'static str,
    unit: &'static str,
    #[serde(flatten)]
    figure: Figure,
}

#[derive(Serialize)]
pub(crate) struct Change<'a> {
    subject: &'a str,
    unit: &'static str,
    before: Figure,
    after: Figure,
    ratio: Figure,
    p_value: Option<f64>,
    effect: Effect,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    negligible: bool,
}

#[derive(Serialize)]
struct Figure {
    value: Option<f64>,
    interval: Option<[f64; 2]>,
    samples: u64,
}

impl Figure {
    fn of(measured: &Measured, scale: f64) -> Self {
        let scaled = |value: f64| Some((value * scale * 1e9).round() / 1e9).filter(|value| value.is_finite());
        let ends = [measured.lo, measured.hi].map(scaled);
        Self {
            value: scaled(measured.value),
            interval: match ends {
                [Some(lo), Some(hi)] if measured.lo.total_cmp(&measured.hi).is_ne() => Some([lo, hi]),
                _ => None,
            },
            samples: measured.samples,
        }
    }
}

/// The name of a unit in the document, with the factor to it: times are in milliseconds throughout.
pub(crate) const fn unit(unit: Unit) -> (&'static str, f64) {
    match unit {
        Unit::Nanoseconds => ("milliseconds", 1e-6),
        Unit::Bytes => ("bytes", 1.0),
        Unit::Share => ("share", 1.0),
        Unit::PerSecond => ("per_second", 1.0),
        Unit::Count => ("count", 1.0),
    }
}

pub(crate) fn case(info: &CaseInfo) -> Case<'_> {
    Case {
        id: &info.id,
        name: &info.name,
        group: &info.group,
        marks: &info.marks,
        kind: &info.kind,
        file: &info.file,
        line: info.line,
        target_lines: &info.target_lines,
        attempts: info.attempts,
        requests_saved: info.requests_saved,
        skipped: info.skipped.as_deref(),
    }
}

pub(crate) fn estimates(summary: &Summary) -> Vec<Estimated> {
    let one = |(&estimate, measured): (&Estimate, &Measured)| {
        let (unit, scale) = unit(estimates::unit(estimate));
        Estimated { name: estimate.name(), unit, figure: Figure::of(measured, scale) }
    };
    summary.estimates.iter().map(one).collect()
}

pub(crate) fn changes(summary: &Summary) -> Vec<Change<'_>> {
    let changes = summary.changes.iter();
    changes
        .map(|change| {
            let (unit, scale) = unit(change.unit);
            Change {
                subject: &change.subject,
                unit,
                before: Figure::of(&change.before, scale),
                after: Figure::of(&change.after, scale),
                ratio: Figure::of(&change.ratio, 1.0),
                p_value: Some(change.p_value).filter(|p| p.is_finite()),
                effect: change.effect,
                negligible: change.negligible,
            }
        })
        .collect()
}
