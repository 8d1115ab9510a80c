//! A watched service that the tests of all formats share.

use pulse_model::{
    Aggregate, Finding, Gauge, Histogram, HostInfo, Measured, Nanos, Rate, RunInfo, Schema, Series, Severity,
    Snapshot, Summary, TargetResult, TimePoint, Validity, ValidityReason, ValidityState, Verdict, metric,
    tag,
};

use crate::canonical::over;

/// A service watched for ten seconds, with something of everything.
pub(crate) fn full() -> Summary {
    let totals = totals();
    Summary {
        run: RunInfo {
            kind: "monitor".into(),
            name: "http://127.0.0.1:8000/metrics".into(),
            service: "http://127.0.0.1:8000/metrics".into(),
            duration: Some(Nanos::from_secs(10)),
            started: "2026-01-02T03:04:05.678Z".into(),
            version: "0.1.0".into(),
            host: HostInfo { os: "linux".into(), arch: "x86_64".into(), cores: 2 },
            ..RunInfo::default()
        },
        elapsed: Nanos::from_secs(10),
        timeline: vec![TimePoint::of(&totals, 0, false)],
        targets: vec![TargetResult {
            target: "p95 < 200ms".parse().unwrap(),
            verdict: Verdict::Pass,
            measured: Some(Measured { value: 95e6, lo: 93e6, hi: 97e6, samples: 1_700 }),
            reason: None,
        }],
        findings: vec![Finding {
            code: "breach".into(),
            severity: Severity::Warning,
            subject: String::new(),
            message: "`p95 < 200ms` was missed for 12s".into(),
            help: None,
            ..Finding::default()
        }],
        validity: Validity::from_reasons(vec![ValidityReason {
            code: "restarts".into(),
            state: ValidityState::Suspect,
            message: "the service began anew once".into(),
            at: None,
        }]),
        verdict: Some(Verdict::Pass),
        totals,
        ..Summary::default()
    }
}

/// Ten seconds of a service with two workers.
pub(crate) fn totals() -> Snapshot {
    let mut totals = over(Nanos::ZERO, Nanos::from_secs(10));
    for (method, endpoint, status, count, step) in [
        (Some("GET"), "/api/v1/trades", "200", 500, 200),
        (Some("GET"), "/api/v1/trades", "503", 30, 10),
        (Some("POST"), "/api/v1/execute", "200", 170, 50),
        (None, "/health", "200", 1_000, 1),
    ] {
        let outcome = if status == "200" { "ok" } else { "failed" };
        let mut series = Series::new(metric::RESPONSE_TIME)
            .with(tag::ENDPOINT, endpoint)
            .with(tag::OUTCOME, outcome)
            .with(tag::STATUS, status);
        if let Some(method) = method {
            series = series.with(tag::METHOD, method);
        }
        totals.add(series, Aggregate::Trend(trend(count, step)));
    }
    for (kind, count) in [("select", 500), ("insert", 100)] {
        let series = Series::new(metric::DB_QUERY_TIME).with(tag::KIND, kind);
        totals.add(series, Aggregate::Trend(trend(count, 10)));
    }
    totals.count(Series::new(metric::SLOW_QUERIES), 4);
    for (query, count, total, max) in [
        ("INSERT INTO trades VALUES (…)", 1, 60, 60),
        ("SELECT * FROM trades", 3, 190, 81),
        ("SELECT ?", 0, 0, 9),
    ] {
        let series = |name| Series::new(name).with(tag::QUERY, query);
        totals.count(series(metric::SLOW_QUERY_COUNT), count);
        totals.count(series(metric::SLOW_QUERY_TIME), total * 1_000_000);
        totals.add(series(metric::SLOW_QUERY_MAX), gauge(max * 1_000_000));
    }
    totals.add(Series::new(metric::CACHE), Aggregate::Rate(Rate { hits: 90, total: 100 }));
    for (name, levels) in
        [(metric::POOL_SIZE, [8, 8]), (metric::POOL_IN_USE, [8, 1]), (metric::POOL_WAITING, [1, 0])]
    {
        for (worker, level) in ["0", "1"].into_iter().zip(levels) {
            let series = Series::new(name).with(tag::POOL, "db").with(tag::WORKER, worker);
            totals.add(series, gauge(level));
        }
    }
    totals.add(Series::new("render"), Aggregate::Trend(trend(40, 10)));
    totals.count(Series::new("orders").with("side", "buy"), 12);
    totals.count(Series::new(metric::MONITOR_DROPPED).with(tag::REASON, "series"), 3);
    totals.add(Series::new(metric::MEMORY_LIMIT), gauge(4_000_000_000));
    processes(&mut totals);
    totals
}

fn processes(totals: &mut Snapshot) {
    for (worker, cpu, resident, proportional) in
        [("0", 10, 40_000_000, 35_000_000), ("1", 5, 20_000_000, 15_000_000)]
    {
        let series = |name| Series::new(name).with(tag::WORKER, worker);
        totals.count(series(metric::PROCESS_CPU), cpu * 1_000_000_000);
        totals.count(series(metric::PROCESS_WALL), 10_000_000_000);
        totals.add(series(metric::PROCESS_RESIDENT), gauge(resident));
        totals.add(series(metric::PROCESS_PROPORTIONAL), gauge(proportional));
        totals.add(series(metric::PROCESS_THREADS), gauge(6));
        totals.add(series(metric::PROCESS_DESCRIPTORS), gauge(20));
        for (kind, count) in [("voluntary", 400), ("involuntary", 100)] {
            totals.count(series(metric::PROCESS_CONTEXT_SWITCHES).with(tag::KIND, kind), count);
        }
        totals.count(series(metric::PROCESS_READ), 10_240);
    }
}

/// `count` times, each `step` microseconds above the one before.
fn trend(count: u64, step: u64) -> Histogram {
    let mut trend = Histogram::new(Schema::MONITOR);
    (1..=count).for_each(|n| trend.record(n * step * 1_000));
    trend
}

fn gauge(level: u64) -> Aggregate {
    Aggregate::Gauge(Gauge { at: Nanos::from_secs(9), last: level, min: level, max: level })
}
