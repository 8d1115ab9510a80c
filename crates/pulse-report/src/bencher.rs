//! Bencher Metric Format.

use std::collections::BTreeMap;
use std::io;

use pulse_model::{Summary, Unit};
use serde::Serialize;

use crate::Reporter;
use crate::measures::Measure;
use crate::suite::Suite;

/// Bencher Metric Format (`bencher run --adapter json`): per case its figures as measures, with the ends of their
/// confidence intervals as lower and upper value.
///
/// `latency` is the mean response time and `throughput` requests per second, which Bencher knows; the others are
/// named as in targets (`p95`, `memory-growth`). Times are in nanoseconds, sizes in bytes, shares fractions of 1;
/// memory growth is for 1000 requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bencher;

#[derive(Serialize)]
struct Metric {
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper_value: Option<f64>,
}

impl Reporter for Bencher {
    fn render(&self, summary: &Summary, out: &mut dyn io::Write) -> io::Result<()> {
        let mut benchmarks: BTreeMap<String, BTreeMap<String, Metric>> = BTreeMap::new();
        for case in Suite::of(summary).cases {
            let measures = Measure::all(&case);
            if !measures.is_empty() {
                let metrics = benchmarks.entry(case.id()).or_default();
                measures.iter().for_each(|measure| {
                    metrics.insert(slug(&measure.name), metric(measure));
                });
            }
        }
        serde_json::to_writer_pretty(&mut *out, &benchmarks)?;
        out.write_all(b"\n")
    }
}

fn metric(measure: &Measure) -> Metric {
    let digits = if measure.unit == Unit::Nanoseconds { 1e3 } else { 1e9 };
    let rounded = |value: f64| (value * digits).round() / digits;
    Metric {
        value: rounded(measure.value),
        lower_value: measure.interval.map(|[lo, _]| rounded(lo)),
        upper_value: measure.interval.map(|[_, hi]| rounded(hi)),
    }
}

/// The name as Bencher names measures: small letters, digits and dashes.
fn slug(name: &str) -> String {
    if name == "avg" {
        return "latency".to_owned();
    }
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readers::assert_conforms;
    use crate::{canonical, canonical_suite};

    #[test]
    fn names_are_slugs() {
        for (name, wanted) in [
            ("avg", "latency"),
            ("p99.9", "p99-9"),
            ("p99 / p50", "p99-p50"),
            ("memory_growth", "memory-growth"),
            ("p95{endpoint=\"GET /x\"}", "p95-endpoint-get-x"),
        ] {
            assert_eq!(slug(name), wanted);
        }
    }

    /// The shape that the adapter `json` reads.
    const SCHEMA: &str = r#"{
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "pattern": "^[\\p{L}\\p{N}]+(-[\\p{L}\\p{N}]+)*$" },
            "additionalProperties": {
                "type": "object",
                "additionalProperties": false,
                "required": ["value"],
                "properties": {
                    "value": { "type": "number" },
                    "lower_value": { "type": "number" },
                    "upper_value": { "type": "number" }
                }
            }
        }
    }"#;

    #[test]
    fn documents_have_the_shape_that_the_reader_wants() {
        for summary in [canonical_suite::full(), canonical_suite::empty(), canonical::full()] {
            assert_conforms(SCHEMA, &canonical::rendered(&Bencher, &summary));
        }
    }

    #[test]
    fn suite() {
        insta::assert_snapshot!(canonical::rendered(&Bencher, &canonical_suite::full()));
    }

    #[test]
    fn empty() {
        assert_eq!(canonical::rendered(&Bencher, &canonical_suite::empty()), "{}\n");
    }
}
