//! Prometheus scrapes every format and receives remote write; what its queries say is compared with the snapshot.

use std::time::{SystemTime, UNIX_EPOCH};

use pulse_export::{REMOTE_WRITE_HEADERS, RemoteWriteOrigin, remote_write};
use pulse_model::{Aggregate, Histogram, Schema, Snapshot};

use crate::data::{HOSTILE_VALUES, distributions, requests, snapshot};
use crate::prometheus_server::Prometheus;
use crate::service::Service;
use crate::tools::wait_for;

pub(crate) const NATIVE: &str = "--enable-feature=native-histograms";
pub(crate) const QUANTILES: [f64; 6] = [0.1, 0.5, 0.9, 0.95, 0.99, 0.999];

/// γ: how far apart the bounds of a bucket are.
pub(crate) fn gamma(schema: Schema) -> f64 {
    2_f64.powf(0.5_f64.powi(i32::from(schema.get())))
}

/// Fails unless the quantile, in seconds, is within one bucket of ours.
pub(crate) fn assert_within_one_bucket(
    route: &str,
    q: f64,
    seconds: f64,
    histogram: &Histogram,
    factor: f64,
) {
    let Some(ours) = histogram.quantile(q) else {
        assert!(seconds.is_nan(), "{route} p{q}: {seconds} of nothing");
        return;
    };
    let (lo, hi) = (ours.lo as f64 / 1e9 / factor, ours.hi as f64 / 1e9 * factor);
    assert!(
        (lo * (1.0 - 1e-9)..=hi * (1.0 + 1e-9)).contains(&seconds) || (ours.hi == 0 && seconds < 1e-30),
        "{route} p{q}: {seconds} s, ours {ours:?}"
    );
}

/// Native histograms: quantiles within a bucket, count and sum exactly.
fn assert_native(prometheus: &Prometheus, job: &str) {
    let name = "http_server_request_duration_seconds";
    for (route, histogram) in distributions() {
        let series = format!("{name}{{job=\"{job}\",http_route=\"{route}\"}}");
        assert_eq!(
            prometheus.value(&format!("histogram_count({series})")),
            histogram.count() as f64,
            "{route}"
        );
        let sum = prometheus.value(&format!("histogram_sum({series})"));
        assert_eq!(sum, histogram.sum() as f64 / 1e9, "{route}");
        for q in QUANTILES {
            let seconds = prometheus.value(&format!("histogram_quantile({q}, {series})"));
            assert_within_one_bucket(&route, q, seconds, &histogram, gamma(histogram.schema()));
        }
    }
    // A histogram without values is a native one from the start, and has no classic series beside it.
    assert_eq!(prometheus.value(&format!("histogram_count(empty_timer_seconds{{job=\"{job}\"}})")), 0.0);
    assert_eq!(prometheus.query(&format!("empty_timer_seconds_count{{job=\"{job}\"}}")).unwrap(), []);
}

/// Classic histograms: every bucket's count exactly, and with it quantiles within a factor of two.
fn assert_classic(prometheus: &Prometheus, job: &str) {
    let name = "http_server_request_duration_seconds";
    for (route, histogram) in distributions() {
        let labels = format!("{{job=\"{job}\",http_route=\"{route}\"}}");
        assert_eq!(prometheus.value(&format!("{name}_count{labels}")), histogram.count() as f64, "{route}");
        assert_eq!(prometheus.value(&format!("{name}_sum{labels}")), histogram.sum() as f64 / 1e9, "{route}");
        let buckets = prometheus.series(&format!("{name}_bucket{labels}"), 20);
        for (labels, count) in buckets {
            let le: f64 = labels["le"].as_str().unwrap().parse().unwrap();
            let nanos = if le.is_finite() { (le * 1e9).round() as u64 } else { u64::MAX };
            assert_eq!(count, histogram.count_at_most(nanos) as f64, "{route} {le}");
        }
        for q in QUANTILES {
            let ours = histogram.quantile(q);
            // The first bucket begins at zero, and the last has no end.
            if ours.is_none_or(|ours| ours.lo > 1 << 17 && ours.hi < 1 << 35) {
                let seconds = prometheus.value(&format!("histogram_quantile({q}, {name}_bucket{labels})"));
                assert_within_one_bucket(&route, q, seconds, &histogram, 2.0);
            }
        }
    }
}

/// Counters, gauges and names, which are the same in every format.
fn assert_the_rest(prometheus: &Prometheus, job: &str) {
    let up = || match &*prometheus.query(&format!("up{{job=\"{job}\"}}"))? {
        [(_, 1.0)] => Ok(()),
        other => Err(format!("{other:?}")),
    };
    wait_for("a scrape that worked", up);
    for (series, value) in [
        ("cache_requests_total{cache_result=\"hit\",job=\"JOB\"}", 7.0),
        ("cache_requests_total{cache_result=\"miss\",job=\"JOB\"}", 3.0),
        ("process_cpu_time_seconds_total{worker=\"0\",job=\"JOB\"}", 12.345_678_901),
        ("queue_jobs_total{job=\"JOB\"}", 3.0),
        ("sum({__name__=~\"queue_jobs_.*_total\",job=\"JOB\"})", 3.0),
        ("a_total{job=\"JOB\"}", 7.0),
        ("count({__name__=~\"__total|_st_total|gr__e____total\",job=\"JOB\"})", 3.0),
    ] {
        assert_eq!(prometheus.value(&series.replace("JOB", job)), value, "{series}");
    }
    let hostile = prometheus.series(&format!("hostile_total{{job=\"{job}\"}}"), HOSTILE_VALUES.len());
    let mut values: Vec<(f64, String)> =
        hostile.iter().map(|(labels, n)| (*n, labels["le"].as_str().unwrap().to_owned())).collect();
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let expected: Vec<(f64, String)> =
        (1..).zip(HOSTILE_VALUES).map(|(n, value)| (f64::from(n), value.replace('\0', "\u{FFFD}"))).collect();
    assert_eq!(values, expected);
}

#[test]
fn native_histograms_are_scraped_beside_both_texts() {
    let service = Service::start(snapshot());
    let jobs = [
        ("native", service.port, "/metrics"),
        ("text", service.port, "/text"),
        ("openmetrics", service.port, "/openmetrics"),
    ];
    let Some(prometheus) = Prometheus::start(&[NATIVE], &jobs) else { return };
    for (job, _, _) in jobs {
        assert_the_rest(&prometheus, job);
    }
    assert_native(&prometheus, "native");
    assert_classic(&prometheus, "text");
    assert_classic(&prometheus, "openmetrics");
    assert!(
        service.served().iter().any(|served| served.starts_with("application/vnd.google.protobuf; proto="))
    );
}

#[test]
fn a_prometheus_without_native_histograms_gets_openmetrics() {
    let service = Service::start(snapshot());
    let Some(prometheus) = Prometheus::start(&[], &[("plain", service.port, "/metrics")]) else { return };
    assert_the_rest(&prometheus, "plain");
    assert_classic(&prometheus, "plain");
    let served = service.served();
    assert!(
        served.iter().all(|served| served.starts_with("application/openmetrics-text; version=1.0.0")),
        "{served:?}"
    );
}

#[test]
fn remote_write_is_received_with_native_histograms() {
    let Some(prometheus) = Prometheus::start(&[NATIVE, "--web.enable-remote-write-receiver"], &[]) else {
        return;
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let origin = RemoteWriteOrigin {
        labels: vec![("job".to_owned(), "pushed".to_owned()), ("instance".to_owned(), "a".to_owned())],
        now_unix_ms: i64::try_from(now.as_millis()).unwrap(),
        series_per_request: 7,
    };
    let mut snapshot = snapshot();
    snapshot.count(pulse_model::Series::new("up"), 0);
    let bodies = remote_write(&snapshot, &origin);
    assert!(bodies.len() > 2, "{}", bodies.len());
    for body in &bodies {
        let answer = prometheus.receive(&REMOTE_WRITE_HEADERS, body);
        assert_eq!(answer.status, 204, "{}", String::from_utf8_lossy(&answer.body));
    }
    assert_native(&prometheus, "pushed");
    let labels = "{job=\"pushed\",instance=\"a\",cache_result=\"hit\"}";
    assert_eq!(prometheus.value(&format!("cache_requests_total{labels}")), 7.0);
}

#[test]
fn what_was_added_between_two_writes_is_the_rate() {
    let Some(prometheus) = Prometheus::start(&[NATIVE, "--web.enable-remote-write-receiver"], &[]) else {
        return;
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now_ms = i64::try_from(now.as_millis()).unwrap();
    let mut total = crate::data::latencies(5, 1_000, 1);
    let write = |histogram: &Histogram, at_ms| {
        let mut snapshot = Snapshot::default();
        snapshot.add(requests("/grows"), Aggregate::Trend(histogram.clone()));
        let origin = RemoteWriteOrigin { now_unix_ms: at_ms, ..RemoteWriteOrigin::default() };
        for body in remote_write(&snapshot, &origin) {
            let answer = prometheus.receive(&REMOTE_WRITE_HEADERS, &body);
            assert_eq!(answer.status, 204, "{}", String::from_utf8_lossy(&answer.body));
        }
    };
    write(&total, now_ms - 30_000);
    // Slower ones are added: the quantile of the difference is theirs, not that of the total.
    let mut added = Histogram::new(Schema::MONITOR);
    (0..500).for_each(|n| added.record(3_000_000_000 + n * 1_000_000));
    total.merge(&added);
    write(&total, now_ms);
    let rate = "rate(http_server_request_duration_seconds{http_route=\"/grows\"}[1m])";
    let seconds = prometheus.value(&format!("histogram_quantile(0.5, {rate})"));
    assert_within_one_bucket("/grows", 0.5, seconds, &added, gamma(Schema::MONITOR));
}
