//! The summaries that the tests of all formats share.

use std::sync::LazyLock;

use pulse_model::{
    Aggregate, Ending, FailureKind, Finding, Histogram, HostInfo, Interval, Measured, Nanos, Rate, RunInfo,
    ScenarioInfo, Series, Severity, Sighting, Snapshot, Summary, TargetResult, TimePoint, Validity,
    ValidityReason, ValidityState, Verdict, metric, tag,
};

use crate::Reporter;

/// What `reporter` makes of `summary`; renders twice to see that the bytes are the same.
pub(crate) fn rendered(reporter: &dyn Reporter, summary: &Summary) -> String {
    let render = || {
        let mut bytes = Vec::new();
        reporter.render(summary, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let text = render();
    assert_eq!(text, render(), "the same summary gives the same bytes");
    assert!(!text.contains("NaN") && !text.contains("inf "), "{text}");
    text
}

/// A job that did nothing at all.
pub(crate) fn empty() -> Summary {
    Summary {
        targets: vec![TargetResult {
            target: "p95 < 200ms".parse().unwrap(),
            verdict: Verdict::NoData,
            measured: None,
            reason: None,
        }],
        verdict: Some(Verdict::NoData),
        ..Summary::default()
    }
}

/// 100 users for 60 seconds, 60000 requests, 5 of them failed; nothing unusual.
pub(crate) fn plain() -> Summary {
    let mut totals = over(Nanos::ZERO, Nanos::from_millis(60_050));
    for n in 0..60_000_u64 {
        let outcome = if n % 12_000 == 0 { "failed" } else { "ok" };
        request(&mut totals, "health", outcome, Nanos::from_micros(2_500 + n * 3));
    }
    Summary {
        run: RunInfo { name: "http://127.0.0.1:8000".into(), ..run() },
        elapsed: Nanos::from_millis(60_050),
        totals,
        ..Summary::default()
    }
}

/// Everything a report can have to say, with names that try to break out of every format.
pub(crate) fn full() -> Summary {
    // Recording the requests takes long; once is enough.
    static FULL: LazyLock<Summary> = LazyLock::new(everything);
    FULL.clone()
}

fn everything() -> Summary {
    Summary {
        run: RunInfo { duration: Some(Nanos::from_secs(70)), warmup: Nanos::from_secs(10), ..run() },
        ending: Ending::Interrupted,
        elapsed: Nanos::from_millis(70_050),
        totals: totals(),
        warmup_requests: 1_000,
        targets: targets(),
        findings: findings(),
        timeline: timeline(),
        validity: validity(),
        verdict: Some(Verdict::Fail),
        ..Summary::default()
    }
}

fn run() -> RunInfo {
    RunInfo {
        kind: "load".into(),
        name: "checkout".into(),
        service: "http://127.0.0.1:8000".into(),
        scenarios: vec![ScenarioInfo {
            name: "buyers".into(),
            load: "closed, 100 users at 10 iterations/s each".into(),
            users: 100,
            planned_iterations: Some(60_000),
            planned_requests: Some(60_000),
            ..ScenarioInfo::default()
        }],
        duration: Some(Nanos::from_secs(60)),
        workers: 2,
        seed: 42,
        started: "2026-01-02T03:04:05.678Z".into(),
        version: "0.1.0".into(),
        host: HostInfo { os: "linux".into(), arch: "x86_64".into(), cores: 2 },
        ..RunInfo::default()
    }
}

pub(crate) fn over(from: Nanos, to: Nanos) -> Snapshot {
    Snapshot { interval: Some(Interval { from, to }), ..Snapshot::default() }
}

fn request(totals: &mut Snapshot, endpoint: &str, outcome: &str, response_time: Nanos) {
    for (name, nanos) in
        [(metric::RESPONSE_TIME, response_time.0), (metric::SERVICE_TIME, response_time.0 / 2)]
    {
        let series = Series::new(name)
            .with(tag::ENDPOINT, endpoint)
            .with(tag::SCENARIO, "buyers")
            .with(tag::OUTCOME, outcome);
        let entry = totals.series.entry(series);
        if let Aggregate::Trend(trend) = entry.or_insert_with(|| Aggregate::Trend(Histogram::default())) {
            trend.record(nanos);
        }
    }
}

/// Of two endpoints, over plain HTTP and with names that were known.
fn phases(totals: &mut Snapshot) {
    let connecting = [(metric::DNS_TIME, 0), (metric::TCP_TIME, 180_000), (metric::TLS_TIME, 0)];
    let of_each = [(metric::BLOCKED_TIME, 0), (metric::SEND_TIME, 0), (metric::WAIT_TIME, 2_000_000)];
    for (endpoint, requests) in [("health", 20_000), ("日本語, \"quoted\"", 9_000)] {
        let mut add = |name, trend| {
            totals.add(Series::new(name).with(tag::ENDPOINT, endpoint), Aggregate::Trend(trend));
        };
        let counted = of_each.map(|(name, nanos)| (name, nanos, requests));
        for (name, nanos, count) in
            connecting.map(|(name, nanos)| (name, nanos, 50)).into_iter().chain(counted)
        {
            let mut trend = Histogram::default();
            trend.record_n(nanos, count);
            add(name, trend);
        }
        let mut receive = Histogram::default();
        receive.record_n(0, requests - 500);
        receive.record_n(40_000, 500);
        add(metric::RECEIVE_TIME, receive);
    }
}

fn totals() -> Snapshot {
    let mut totals = over(Nanos::from_secs(10), Nanos::from_millis(70_050));
    for (endpoint, requests, failures) in [
        ("a|b<&\"\u{1}", 30_000_u64, 3_u64),
        ("health", 20_000, 0),
        ("日本語, \"quoted\"", 9_000, 4),
        ("=cmd|' /C calc'!A1", 1_000, 0),
    ] {
        for n in 0..requests {
            let outcome = if n < failures { "failed" } else { "ok" };
            request(&mut totals, endpoint, outcome, Nanos::from_micros(2_500 + n * 5));
        }
    }
    let mut lag = Histogram::default();
    let mut connect = Histogram::default();
    for n in 0..100 {
        lag.record(n * 10_000);
        connect.record(300_000 + n * 1_000);
    }
    totals.add(Series::new(metric::START_LAG), Aggregate::Trend(lag));
    let mut dispatch = Histogram::default();
    dispatch.record_n(50_000, 100);
    totals.add(Series::new(metric::DISPATCH_LAG), Aggregate::Trend(dispatch));
    let worker = |name| Series::new(name).with(tag::WORKER, "0");
    totals.add(worker(metric::LOOP_LAG), Aggregate::Trend(lag_of_loop()));
    for (name, share) in [(metric::WORKER_WALL, 100), (metric::WORKER_CPU, 60), (metric::WORKER_SPIN, 25)] {
        totals.count(worker(name), share * 600_000_000);
    }
    totals.add(Series::new(metric::CONNECT_TIME), Aggregate::Trend(connect));
    phases(&mut totals);
    for (name, count) in [
        (metric::DUE_ITERATIONS, 60_100),
        (metric::ITERATIONS, 60_000),
        (metric::DROPPED_ITERATIONS, 90),
        (metric::MISSED_ITERATIONS, 10),
        (metric::CUT_ITERATIONS, 2),
        (metric::BYTES_SENT, 6_000_000),
        (metric::BYTES_RECEIVED, 123_456_789),
        (metric::RECONNECTS, 4),
    ] {
        totals.count(Series::new(name), count);
    }
    for (protocol, count) in [("http/1.1", 4), ("h2", 100)] {
        totals.count(Series::new(metric::CONNECTIONS_OPENED).with(tag::PROTOCOL, protocol), count);
    }
    for (kind, count) in [("full", 101), ("resumed", 3)] {
        totals.count(Series::new(metric::TLS_HANDSHAKES).with(tag::KIND, kind), count);
    }
    for (status, count) in [("200", 59_993), ("503", 4)] {
        totals.count(Series::new(metric::RESPONSES).with(tag::STATUS, status), count);
    }
    for (check, hits) in [("price is positive", 59_990), ("a|b<&\"\u{1}", 60_000)] {
        let rate = Aggregate::Rate(Rate { hits, total: 60_000 });
        totals.add(Series::new(metric::CHECKS).with(tag::CHECK, check), rate);
    }
    failures(&mut totals);
    messages(&mut totals);
    totals
}

fn messages(totals: &mut Snapshot) {
    let series = |name| Series::new(name).with(tag::ENDPOINT, "health");
    totals.count(series(metric::MESSAGES_SENT), 1_000);
    totals.count(series(metric::MESSAGES_RECEIVED), 1_200);
    for (name, nanos) in [(metric::ECHO_TIME, 900_000), (metric::MESSAGE_GAP, 20_000_000)] {
        let mut trend = Histogram::default();
        trend.record_n(nanos, 1_000);
        totals.add(series(name), Aggregate::Trend(trend));
    }
}

fn lag_of_loop() -> Histogram {
    let mut lag = Histogram::default();
    lag.record_n(4_000, 99);
    lag.record(90_000);
    lag
}

fn failures(totals: &mut Snapshot) {
    for (class, endpoint, count, seen, message) in [
        ("timeout", "a|b<&\"\u{1}", 3, [12, 30], "no answer within 30s"),
        ("status", "日本語, \"quoted\"", 4, [20, 61], "503 \u{1b}[31m|<b>down</b>\nretry"),
    ] {
        let series = Series::new(metric::FAILURES).with(tag::CLASS, class).with(tag::ENDPOINT, endpoint);
        totals.count(series, count);
        for secs in seen {
            let kind = FailureKind { endpoint: endpoint.into(), class: class.into() };
            totals.sight(&Sighting::once(kind, Nanos::from_secs(secs), message));
        }
    }
}

fn targets() -> Vec<TargetResult> {
    let measured = |value, lo, hi, samples| Some(Measured { value, lo, hi, samples });
    let few = "99.9% of 1000 samples leaves 1 above it; 10000 are needed";
    [
        ("p95 < 200ms", Verdict::Pass, measured(45.6e6, 44.9e6, 46.31e6, 60_000), None),
        ("avg < 10ms", Verdict::Fail, measured(10.000_4e6, 9.9e6, 10.1e6, 60_000), None),
        ("success > 99%", Verdict::Pass, measured(0.999_999, 0.999_9, 1.0, 60_000), None),
        ("throughput > 100/s", Verdict::Pass, measured(999.17, 999.17, 999.17, 60_000), None),
        (
            "p99.9{endpoint=health} < 90ms",
            Verdict::Inconclusive,
            measured(80e6, 60e6, 101e6, 1_000),
            Some(few),
        ),
        ("p99{endpoint=\"a|b<&\u{1}\"} < 1s", Verdict::NoData, None, None),
    ]
    .into_iter()
    .map(|(target, verdict, measured, reason)| TargetResult {
        target: target.parse().unwrap(),
        verdict,
        measured,
        reason: reason.map(str::to_owned),
    })
    .collect()
}

fn findings() -> Vec<Finding> {
    vec![
        Finding {
            code: "rate_not_reached".into(),
            severity: Severity::Problem,
            subject: "buyers".into(),
            message: "the service could not keep up: 1000.83 iterations/s were planned, 999.17 achieved"
                .into(),
            help: Some("compare service time with response time; the difference is waiting".into()),
            ..Finding::default()
        },
        Finding {
            code: "reconnects".into(),
            severity: Severity::Note,
            subject: String::new(),
            message: "the service closed 4 idle connections".into(),
            help: None,
            ..Finding::default()
        },
    ]
}

fn timeline() -> Vec<TimePoint> {
    vec![TimePoint {
        from: Nanos::from_secs(10),
        to: Nanos::from_secs(11),
        due: 1_001,
        requests: 1_000,
        failed: 1,
        users: 100,
        dropped: 1,
        p50: 12_400_000,
        p95: 45_600_000,
        p99: 89_200_000,
        max: 180_300_000,
        service_p95: 22_800_000,
        start_lag_p99: 990_000,
        worker_cpu: 0.251,
        ..TimePoint::default()
    }]
}

fn validity() -> Validity {
    Validity::from_reasons(vec![
        ValidityReason {
            code: "steal".into(),
            state: ValidityState::Suspect,
            message: "the hypervisor gave 6.1% of the processor time to others".into(),
            at: None,
        },
        ValidityReason {
            code: "worker_cpu".into(),
            state: ValidityState::Invalid,
            message: "worker 1 used 99% of a core; use more workers\u{1b}[2J".into(),
            at: Some(Nanos::from_millis(12_500)),
        },
    ])
}
