//! A suite as CSV: one row per target of each case.

use std::io;

use pulse_model::{TargetResult, Unit};

use crate::csv_rows::harmless;
use crate::spread::Spread;
use crate::suite::{Case, Suite};
use crate::{claim::Claim, wording};

pub(crate) const COLUMNS: [&str; 23] = [
    "verdict",
    "case",
    "group",
    "name",
    "kind",
    "file",
    "line",
    "attempts",
    "target",
    "target_verdict",
    "value",
    "interval_from",
    "interval_to",
    "limit",
    "unit",
    "samples",
    "reason",
    "requests",
    "failed",
    "requests_per_s",
    "response_median_ms",
    "response_p95_ms",
    "response_p99_ms",
];

/// Writes the rows, with titles.
pub(crate) fn write(suite: &Suite<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let mut rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    rows.write_record(COLUMNS)?;
    for case in &suite.cases {
        if case.summary.targets.is_empty() {
            rows.write_record(row(case, 0, None))?;
        }
        for (index, result) in case.summary.targets.iter().enumerate() {
            rows.write_record(row(case, index, Some(result)))?;
        }
    }
    rows.flush()
}

fn row(case: &Case<'_>, index: usize, result: Option<&TargetResult>) -> [String; COLUMNS.len()] {
    let response = Spread::of(&case.summary.response_time());
    let millis = |nanos: Option<f64>| number(nanos.map(|nanos| nanos / 1e6));
    let throughput = case.summary.throughput();
    let kind = case.info().map_or("", |info| info.kind.as_str());
    let attempts = case.info().map_or(1, |info| info.attempts);
    let (unit, scale) = result.map_or(("", 1.0), |result| {
        let per = result.target.per as f64;
        match result.target.unit {
            Unit::Nanoseconds => ("ms", per / 1e6),
            Unit::Bytes => ("bytes", per),
            Unit::Share => ("share", per),
            Unit::PerSecond => ("per_second", per),
            Unit::Count => ("count", per),
        }
    });
    let measured = result.and_then(|result| result.measured);
    let scaled = |value: Option<f64>| number(value.map(|value| value * scale));
    let reason = result.map_or_else(|| case.skipped(), wording::reason);
    [
        case.outcome.word().to_owned(),
        harmless(&case.id()),
        harmless(&case.group().unwrap_or_default()),
        harmless(&case.name()),
        harmless(kind),
        case.place().map_or_else(String::new, |(file, _)| harmless(&file)),
        line(case, index, result),
        attempts.to_string(),
        result.map_or_else(String::new, |result| harmless(&Claim::of(&result.target).text())),
        result.map_or_else(String::new, |result| result.verdict.as_str().to_owned()),
        scaled(measured.map(|measured| measured.value)),
        scaled(measured.map(|measured| measured.lo)),
        scaled(measured.map(|measured| measured.hi)),
        scaled(result.map(|result| result.target.limit)),
        unit.to_owned(),
        measured.map_or_else(String::new, |measured| measured.samples.to_string()),
        harmless(&reason.unwrap_or_default()),
        response.count.to_string(),
        case.summary.failed().to_string(),
        number((throughput > 0.0).then_some(throughput)),
        millis(response.median),
        millis(response.p95),
        millis(response.p99),
    ]
}

/// Line of the target, or of the case where there is no target; empty when the file is not known.
fn line(case: &Case<'_>, index: usize, result: Option<&TargetResult>) -> String {
    match (case.place(), result) {
        (None, _) => String::new(),
        (Some((_, line)), None) => line.to_string(),
        (Some(_), Some(_)) => case.target_line(index).to_string(),
    }
}

/// At most six decimals; empty for nothing.
fn number(value: Option<f64>) -> String {
    let value = value.filter(|value| value.is_finite());
    value.map_or_else(String::new, |value| ((value * 1e6).round() / 1e6).to_string())
}
