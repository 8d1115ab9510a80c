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

/// Characters that Bencher allows in the name of a benchmark, and of a measure.
const LONGEST_NAME: usize = 1024;
const LONGEST_SLUG: usize = 64;

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
                let metrics = benchmarks.entry(bounded(case.id(), LONGEST_NAME)).or_default();
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

/// The name as Bencher names measures: small letters, digits and dashes, not too many of them.
fn slug(name: &str) -> String {
    if name == "avg" {
        return "latency".to_owned();
    }
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    bounded(words.collect::<Vec<_>>().join("-"), LONGEST_SLUG)
}

/// The name, or as much of its beginning as Bencher takes with a number of its own at the end, so that two long names stay
/// two.
fn bounded(name: String, longest: usize) -> String {
    if name.chars().count() <= longest {
        return name;
    }
    // FNV-1a (G. Fowler, L. C. Noll, P. Vo): the same name has the same number in every run.
    let hash =
        name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let beginning: String = name.chars().take(longest - 9).collect();
    format!("{}-{hash:08x}", beginning.trim_end_matches('-'))
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

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let name = |end: &str| format!("p95{{endpoint=\"GET /api/v1/{}{end}\"}}", "reports/".repeat(20));
        let [one, other] = ["a", "b"].map(|end| slug(&name(end)));
        assert_ne!(one, other);
        assert_eq!(one, slug(&name("a")), "the same in every run");
        assert!(
            one.starts_with("p95-endpoint-get-api-v1-reports-") && one.chars().count() <= LONGEST_SLUG,
            "{one}"
        );
        let mut case = canonical_suite::passing("api", &"long ".repeat(400));
        case.targets[0].target = (name("a") + " < 1s").parse().unwrap();
        assert_conforms(SCHEMA, &canonical::rendered(&Bencher, &canonical_suite::of(vec![case])));
    }

    const SCHEMA: &str = include_str!("../../../schemas/bencher.schema.json");

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
