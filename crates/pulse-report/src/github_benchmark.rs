//! The custom formats of github-action-benchmark.

use std::io;

use pulse_model::{Summary, Unit};
use serde::Serialize;

use crate::Reporter;
use crate::measures::Measure;
use crate::suite::Suite;

/// Which figures a file holds; github-action-benchmark wants one file for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Throughput and successes: `customBiggerIsBetter`.
    Bigger,
    /// Times, errors and resources: `customSmallerIsBetter`.
    Smaller,
}

/// A file for github-action-benchmark: a list of `name`, `unit`, `value`, `range` and `extra`, with the name of the
/// case and the figure as name. Times are in milliseconds, shares in percent.
#[derive(Clone, Copy, Debug)]
pub struct GithubBenchmark {
    /// Which figures it holds.
    pub better: Better,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    unit: &'static str,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    extra: String,
}

impl Reporter for GithubBenchmark {
    fn render(&self, summary: &Summary, out: &mut dyn io::Write) -> io::Result<()> {
        let mut entries = Vec::new();
        for case in Suite::of(summary).cases {
            let id = case.id();
            let measures = Measure::all(&case);
            let wanted =
                measures.iter().filter(|each| each.bigger_is_better == (self.better == Better::Bigger));
            entries.extend(wanted.map(|measure| entry(&id, measure)));
        }
        serde_json::to_writer_pretty(&mut *out, &entries)?;
        out.write_all(b"\n")
    }
}

fn entry(id: &str, measure: &Measure) -> Entry {
    let (unit, scale) = match (measure.unit, measure.per) {
        (Unit::Nanoseconds, _) => ("ms", 1e-6),
        (Unit::Bytes, 1) => ("bytes", 1.0),
        (Unit::Bytes, _) => ("bytes per 1000 requests", 1.0),
        (Unit::Share, _) => ("%", 100.0),
        (Unit::PerSecond, _) => ("req/s", 1.0),
        (Unit::Count, _) => ("", 1.0),
    };
    let rounded = |value: f64| (value * scale * 1e6).round() / 1e6;
    Entry {
        name: if id.is_empty() { measure.name.clone() } else { format!("{id} {}", measure.name) },
        unit,
        value: rounded(measure.value),
        range: measure.interval.map(|[lo, hi]| format!("{} – {}", rounded(lo), rounded(hi))),
        extra: format!("n = {}", measure.samples),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readers::assert_conforms;
    use crate::{canonical, canonical_suite};

    const BOTH: [GithubBenchmark; 2] =
        [GithubBenchmark { better: Better::Bigger }, GithubBenchmark { better: Better::Smaller }];

    const SCHEMA: &str = include_str!("../../../schemas/github-benchmark.schema.json");

    #[test]
    fn documents_have_the_shape_that_the_action_wants() {
        for summary in [canonical_suite::full(), canonical_suite::empty(), canonical::full()] {
            BOTH.iter().for_each(|file| assert_conforms(SCHEMA, &canonical::rendered(file, &summary)));
        }
    }

    #[test]
    fn bigger() {
        insta::assert_snapshot!(canonical::rendered(&BOTH[0], &canonical_suite::full()));
    }

    #[test]
    fn smaller() {
        insta::assert_snapshot!(canonical::rendered(&BOTH[1], &canonical_suite::full()));
    }

    #[test]
    fn empty() {
        BOTH.iter().for_each(|file| {
            assert_eq!(canonical::rendered(file, &canonical_suite::empty()), "[]\n");
        });
    }
}
