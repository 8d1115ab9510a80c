//! Snapshots with known distributions.

use pulse_model::{Aggregate, Histogram, Rate, Schema, Series, Snapshot, metric, tag};

/// Values over five orders of magnitude around a millisecond, by a fixed sequence; one of a hundred is zero.
pub(crate) fn latencies(schema: u8, count: u64, seed: u64) -> Histogram {
    let mut histogram = Histogram::new(Schema::new(schema).unwrap());
    let mut state = seed.wrapping_mul(2) | 1;
    for n in 0..count {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let part = |shift: u32| (state >> shift & 0xFFFF) as f64 / 65_536.0;
        let exponent = 3.5 + 5.0 * (part(48) + part(32) + part(16)) / 3.0;
        histogram.record(if n % 100 == 99 { 0 } else { 10_f64.powf(exponent) as u64 });
    }
    histogram
}

/// The series of requests to a route.
pub(crate) fn requests(route: &str) -> Series {
    Series::new(metric::RESPONSE_TIME)
        .with(tag::ENDPOINT, route)
        .with(tag::OUTCOME, "ok")
        .with(tag::STATUS, "200")
}

/// Routes and their distributions: every schema, a single value, only zeros, exact powers of two, and nothing at all.
pub(crate) fn distributions() -> Vec<(String, Histogram)> {
    let mut all: Vec<(String, Histogram)> = (0..=8)
        .map(|schema| (format!("/schema/{schema}"), latencies(schema, 5_000, schema.into())))
        .collect();
    let of = |values: &[u64]| {
        let mut histogram = Histogram::new(Schema::MONITOR);
        values.iter().for_each(|&value| histogram.record(value));
        histogram
    };
    all.push(("/one".to_owned(), of(&[123_456_789])));
    all.push(("/zeros".to_owned(), of(&[0, 0, 0])));
    all.push(("/powers".to_owned(), of(&(0..40).map(|exponent| 1 << exponent).collect::<Vec<_>>())));
    all.push(("/empty".to_owned(), of(&[])));
    all
}

/// All of them, with values of other kinds and with names that could break a reader.
pub(crate) fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (route, histogram) in distributions() {
        snapshot.add(requests(&route), Aggregate::Trend(histogram));
    }
    snapshot.add(Series::new("empty_timer"), Aggregate::Trend(Histogram::new(Schema::MONITOR)));
    snapshot.add(Series::new(metric::CACHE), Aggregate::Rate(Rate { hits: 7, total: 10 }));
    snapshot.count(Series::new(metric::PROCESS_CPU).with(tag::WORKER, "0"), 12_345_678_901);
    for (n, name) in
        ["queue.jobs", "queue-jobs", "queue_jobs", "größe 花火", "1st", "", "a_total"].iter().enumerate()
    {
        snapshot.count(Series::new(name), n as u64 + 1);
    }
    for (n, value) in HOSTILE_VALUES.iter().enumerate() {
        snapshot
            .count(Series::new("hostile").with("le", value).with("a.b", "1").with("a_b", "2"), n as u64 + 1);
    }
    snapshot
}

/// Values of labels that could end a label, a line or a text.
pub(crate) const HOSTILE_VALUES: [&str; 7] =
    ["back\\slash", "quo\"te", "line\nfeed", "nul\0l", "} 1\n# EOF", "é花\u{2028}", "\\\\n\\\""];
