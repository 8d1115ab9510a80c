//! A small job in events, for the tests of all outputs.

use pulse_model::{
    Aggregate, EventKind, FailureKind, Finding, Histogram, Interval, IntervalEvent, Measured, Nanos,
    RunEvent, RunInfo, ScenarioInfo, Series, Severity, Sighting, Snapshot, Summary, TargetResult, TimePoint,
    Validity, Verdict, metric, tag,
};

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
