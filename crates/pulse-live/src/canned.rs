//! A small job in events, for the tests of all outputs.

use pulse_model::{
    Aggregate, EventKind, FailureKind, Finding, Gauge, Histogram, Interval, IntervalEvent, Measured, Nanos,
    Rate, RunEvent, RunInfo, ScenarioInfo, Series, Severity, Sighting, Snapshot, Summary, TargetResult,
    TimePoint, Validity, Verdict, metric, tag,
};

use crate::monitor_state::TARGET_MET;

/// The whole job: 12 seconds of 60, with a breach and a notice.
pub(crate) fn run() -> Vec<RunEvent> {
    let mut events = vec![started()];
    events.extend((0..6).map(snapshot));
    events.push(breach());
    events.push(notice());
    events.extend((6..12).map(snapshot));
    events.push(finished());
    events
}

pub(crate) fn started() -> RunEvent {
    RunEvent { at: Nanos::ZERO, kind: EventKind::Started(Box::new(info())) }
}

/// The interval that begins at `second`.
pub(crate) fn snapshot(second: u64) -> RunEvent {
    RunEvent { at: Nanos::from_secs(second + 1), kind: EventKind::Snapshot(Box::new(interval(second))) }
}

pub(crate) fn breach() -> RunEvent {
    RunEvent { at: Nanos::from_millis(6_100), kind: EventKind::Breach(missed_target()) }
}

pub(crate) fn notice() -> RunEvent {
    RunEvent {
        at: Nanos::from_millis(6_200),
        kind: EventKind::Notice(Finding {
            code: "rate_not_reached".into(),
            severity: Severity::Warning,
            subject: "buyers".into(),
            message: "the service does not keep up\u{1b}[2J".into(),
            help: None,
            ..Finding::default()
        }),
    }
}

pub(crate) fn finished() -> RunEvent {
    RunEvent { at: Nanos::from_secs(12), kind: EventKind::Finished(Box::new(summary())) }
}

pub(crate) fn summary() -> Summary {
    let mut totals = Snapshot::default();
    for second in 0..12 {
        totals.merge(&interval(second).snapshot);
    }
    Summary {
        run: info(),
        elapsed: Nanos(12_003_456_789),
        totals,
        targets: vec![missed_target()],
        validity: Validity::default(),
        verdict: Some(Verdict::Fail),
        timeline: (0..12).map(|second| interval(second).point).collect(),
        ..Summary::default()
    }
}

fn info() -> RunInfo {
    RunInfo {
        kind: "load".into(),
        name: "checkout".into(),
        service: "http://127.0.0.1:8000".into(),
        scenarios: vec![ScenarioInfo {
            name: "buyers".into(),
            load: "closed, 10 users at 10 iterations/s each".into(),
            users: 10,
            planned_iterations: Some(6_000),
            planned_requests: Some(6_000),
            ..ScenarioInfo::default()
        }],
        duration: Some(Nanos::from_secs(60)),
        warmup: Nanos::from_secs(2),
        targets: vec![missed_target().target],
        workers: 2,
        seed: 42,
        started: "2026-01-02T03:04:05.678Z".into(),
        version: "0.1.0".into(),
        ..RunInfo::default()
    }
}

/// The same seconds as a watch of the service itself: a breach and no end, with its database, cache, pools and processes.
pub(crate) fn watch() -> Vec<RunEvent> {
    let mut events = vec![watch_started()];
    events.extend((0..6).map(watch_snapshot));
    events.push(breach());
    events.extend((6..12).map(watch_snapshot));
    events.push(notice());
    events
}

pub(crate) fn watch_started() -> RunEvent {
    let info = RunInfo {
        kind: "monitor".into(),
        name: "http://127.0.0.1:8000/metrics".into(),
        scenarios: Vec::new(),
        ..info()
    };
    RunEvent { at: Nanos::ZERO, kind: EventKind::Started(Box::new(info)) }
}

pub(crate) fn watch_snapshot(second: u64) -> RunEvent {
    let IntervalEvent { point, mut snapshot, warmup } = interval(second);
    snapshot.merge(&warmup.unwrap_or_default());
    snapshot.series.retain(|series, _| &*series.metric == metric::RESPONSE_TIME);
    let mut statements = Histogram::default();
    statements.record_n(2_000_000, 40);
    statements.record(60_000_000);
    let select = Series::new(metric::DB_QUERY_TIME).with(tag::KIND, "select");
    snapshot.add(select, Aggregate::Trend(statements));
    snapshot.count(Series::new(metric::SLOW_QUERIES), 1);
    let slow = |name| Series::new(name).with(tag::QUERY, "SELECT * FROM trades WHERE symbol = ?");
    snapshot.count(slow(metric::SLOW_QUERY_COUNT), 1);
    snapshot.count(slow(metric::SLOW_QUERY_TIME), 60_000_000);
    snapshot.add(slow(metric::SLOW_QUERY_MAX), level_at(second, 60_000_000));
    let cache = Series::new(metric::CACHE).with(tag::CACHE, "accounts");
    snapshot.add(cache, Aggregate::Rate(Rate { hits: 9, total: 10 }));
    for (name, level) in [(metric::POOL_SIZE, 8), (metric::POOL_IN_USE, 3), (metric::POOL_WAITING, 0)] {
        snapshot.add(Series::new(name).with(tag::POOL, "db"), level_at(second, level));
    }
    add_process(&mut snapshot, second);
    let point = TimePoint { warmup: false, ..point };
    let event = IntervalEvent { point, snapshot, warmup: None };
    RunEvent { at: Nanos::from_secs(second + 1), kind: EventKind::Snapshot(Box::new(event)) }
}

/// A second of a process that says nothing about requests.
pub(crate) fn process_snapshot(second: u64) -> RunEvent {
    let interval = Interval { from: Nanos::from_secs(second), to: Nanos::from_secs(second + 1) };
    let mut snapshot = Snapshot { interval: Some(interval), ..Snapshot::default() };
    add_process(&mut snapshot, second);
    let event = IntervalEvent { point: TimePoint::of(&snapshot, 0, false), snapshot, warmup: None };
    RunEvent { at: interval.to, kind: EventKind::Snapshot(Box::new(event)) }
}

fn add_process(snapshot: &mut Snapshot, second: u64) {
    let series = |name| Series::new(name).with(tag::WORKER, "0");
    snapshot.count(series(metric::PROCESS_CPU), 250_000_000);
    snapshot.count(series(metric::PROCESS_WALL), 1_000_000_000);
    snapshot.count(series(metric::PROCESS_CONTEXT_SWITCHES).with(tag::KIND, "voluntary"), 120);
    for (name, level) in [
        (metric::PROCESS_RESIDENT, 45_000_000 + second * 100_000),
        (metric::PROCESS_PROPORTIONAL, 40_000_000),
        (metric::PROCESS_THREADS, 6),
        (metric::PROCESS_DESCRIPTORS, 21),
    ] {
        snapshot.add(series(name), level_at(second, level));
    }
}

fn level_at(second: u64, level: u64) -> Aggregate {
    Aggregate::Gauge(Gauge { at: Nanos::from_secs(second), last: level, min: level, max: level })
}

/// The breach is over.
pub(crate) fn met_again() -> RunEvent {
    let target = missed_target().target.to_string();
    RunEvent {
        at: Nanos::from_secs(12),
        kind: EventKind::Notice(Finding {
            code: TARGET_MET.into(),
            severity: Severity::Note,
            message: format!("target met again: {target}"),
            subject: target,
            help: None,
            ..Finding::default()
        }),
    }
}

/// 100 requests, of which one fails in every third second; slower from second to second. The
/// first two seconds are warm-up.
pub(crate) fn interval(second: u64) -> IntervalEvent {
    let mut snapshot = Snapshot {
        interval: Some(Interval { from: Nanos::from_secs(second), to: Nanos::from_secs(second + 1) }),
        ..Snapshot::default()
    };
    let failed = u64::from(second % 3 == 2);
    for (outcome, count) in [("ok", 100 - failed), ("failed", failed)] {
        let mut trend = Histogram::default();
        for n in 0..count {
            trend.record(Nanos::from_micros(1_000 * (second + 1) + n * 333).0);
        }
        let series =
            Series::new(metric::RESPONSE_TIME).with(tag::ENDPOINT, "buy").with(tag::OUTCOME, outcome);
        snapshot.add(series, Aggregate::Trend(trend));
    }
    let class = if second < 6 { "timeout" } else { "status" };
    if failed > 0 {
        snapshot.count(Series::new(metric::FAILURES).with(tag::CLASS, class), failed);
        let kind = FailureKind { endpoint: "buy".into(), class: class.into() };
        snapshot.sight(&Sighting::once(kind, Nanos::from_secs(second), "no \"answer\"\n"));
    }
    snapshot.count(Series::new(metric::DUE_ITERATIONS), 101);
    snapshot.count(Series::new(metric::DROPPED_ITERATIONS), 1);
    let warming_up = second < 2;
    let point = TimePoint { worker_cpu: 1.0 / 3.0, ..TimePoint::of(&snapshot, 10, warming_up) };
    let (snapshot, warmup) =
        if warming_up { (Snapshot::default(), Some(snapshot)) } else { (snapshot, None) };
    IntervalEvent { point, snapshot, warmup }
}

fn missed_target() -> TargetResult {
    TargetResult {
        target: "p95 < 20ms".parse().unwrap(),
        verdict: Verdict::Fail,
        measured: Some(Measured { value: 33_300_000.1, lo: 31e6 / 3.0, hi: 36e6 / 7.0 * 13.0, samples: 600 }),
        reason: None,
    }
}
