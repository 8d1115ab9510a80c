//! How long each format takes: `cargo run --release -p pulse-export --example encoding_speed`.
//!
//! Three snapshots: one that gives 10 000 lines of text, as a service with 450 histograms and some counters does; one with as
//! many histograms as a monitor keeps by default; and one with 10 000 histograms. The shortest of many runs is printed, with the size of what was encoded.
#![expect(clippy::disallowed_methods, reason = "it measures time")]
#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::hint::black_box;
use std::time::Instant;

use pulse_export::{
    Compression, Escaping, OtlpOrigin, RemoteWriteOrigin, json, open_metrics, otlp, prometheus_text,
    protobuf, remote_write,
};
use pulse_model::{Aggregate, Histogram, Schema, Series, Snapshot, metric, tag};

/// Latencies around `center` nanoseconds over a factor of a hundred, by a fixed pseudo-random sequence.
fn latencies(center: u64, seed: u64) -> Histogram {
    let mut histogram = Histogram::new(Schema::MONITOR);
    let mut state = seed | 1;
    for _ in 0..500 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The sum of four uniform numbers, as an exponent: bell-shaped on a logarithmic axis.
        let bits = (0..4).map(|part| (state >> (part * 16)) & 0xFFFF).sum::<u64>() as f64 / 4.0 / 65_536.0;
        histogram.record((center as f64 * 100_f64.powf(bits - 0.5)) as u64);
    }
    histogram
}

fn snapshot(trends: u64, counters: u64) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for n in 0..trends {
        let series = Series::new(metric::RESPONSE_TIME)
            .with(tag::ENDPOINT, &format!("/api/v1/resource-{}/{{id}}", n / 4))
            .with(tag::METHOD, "GET")
            .with(tag::STATUS, ["200", "201", "404", "500"][n as usize % 4])
            .with(tag::OUTCOME, if n % 4 < 2 { "ok" } else { "failed" });
        snapshot.add(series, Aggregate::Trend(latencies(1_000_000 + n * 1_000, n)));
    }
    for n in 0..counters {
        snapshot.count(Series::new("orders_placed").with("market", &format!("market-{n}")), n * n);
    }
    snapshot
}

/// Encodes and says how many bytes that gave.
type Encode = fn(&Snapshot) -> usize;

/// The time that nobody disturbed: the shortest of many.
fn shortest_ms(mut encode: impl FnMut() -> usize) -> (f64, usize) {
    let mut size = 0;
    let times: Vec<f64> = (0..25)
        .map(|_| {
            let start = Instant::now();
            size = black_box(encode());
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    (times.into_iter().fold(f64::INFINITY, f64::min), size)
}

fn main() {
    for (what, snapshot) in [
        ("10 000 lines of text", snapshot(450, 100)),
        ("2 000 histograms", snapshot(2_000, 0)),
        ("10 000 histograms", snapshot(10_000, 0)),
    ] {
        println!("{what}: {} series", snapshot.series.len());
        let formats: [(&str, Encode); 7] = [
            ("prometheus text 0.0.4", |s| prometheus_text(s, Escaping::Underscores).len()),
            ("OpenMetrics 1.0.0", |s| open_metrics(s, Escaping::Underscores).len()),
            ("OpenMetrics, gzip", |s| Compression::Gzip.apply(open_metrics(s, Escaping::Underscores)).len()),
            ("protobuf, native", |s| protobuf(s, Escaping::Underscores).len()),
            ("OTLP", |s| otlp(s, &OtlpOrigin::default()).len()),
            ("remote write, snappy", |s| {
                remote_write(s, &RemoteWriteOrigin::default()).iter().map(Vec::len).sum()
            }),
            ("JSON", |s| json(s).len()),
        ];
        for (name, encode) in formats {
            let (ms, bytes) = shortest_ms(|| encode(&snapshot));
            println!("  {name:<24} {ms:>8.2} ms  {:>8.1} kB", bytes as f64 / 1e3);
        }
    }
}
