//! The JSON document, field by field. `schemas/report.schema.json` says what each field means.

use pulse_model::{
    Ending, Finding, Measured, Nanos, Summary, TargetResult, TimePoint, ValidityState, Verdict, metric,
};
use serde::Serialize;

use crate::figures::{self, Figures, Idle};
use crate::json::{FORMAT, VERSION};
use crate::json_case;
use crate::json_database::Database;
use crate::json_service;
use crate::messages;
use crate::spread::Spread;

#[derive(Serialize)]
pub(crate) struct Document<'a> {
    format: &'static str,
    version: u32,
    verdict: Option<Verdict>,
    validity: Validity<'a>,
    ending: &'a Ending,
    run: Run<'a>,
    requests: Requests,
    response_time: Times,
    service_time: Times,
    start_lag: Times,
    dispatch_lag: Times,
    iterations: Iterations,
    connections: Connections<'a>,
    phases: Phases,
    bytes: Bytes,
    targets: Vec<Target<'a>>,
    findings: &'a [Finding],
    endpoints: Vec<Endpoint>,
    scenarios: Vec<Scenario<'a>>,
    statuses: Vec<Status<'a>>,
    errors: Vec<Error<'a>>,
    checks: Vec<Check<'a>>,
    messages: Vec<Messages>,
    timeline: Vec<Point>,
    service: Option<json_service::Service>,
    database: Option<Database<'a>>,
    case: Option<json_case::Case<'a>>,
    estimates: Vec<json_case::Estimated>,
    changes: Vec<json_case::Change<'a>>,
    cases: Vec<Self>,
}

#[derive(Serialize)]
struct Validity<'a> {
    state: ValidityState,
    reasons: Vec<Reason<'a>>,
}

#[derive(Serialize)]
struct Reason<'a> {
    code: &'a str,
    state: ValidityState,
    message: &'a str,
    at_ms: Option<f64>,
}

#[derive(Serialize)]
struct Run<'a> {
    kind: &'a str,
    name: &'a str,
    service: &'a str,
    started: &'a str,
    planned_duration_ms: Option<f64>,
    elapsed_ms: f64,
    judged_ms: f64,
    warmup_ms: f64,
    warmup_requests: u64,
    users: u64,
    workers: u32,
    seed: u64,
    pulse_version: &'a str,
    host: Host<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle: Option<IdleStrategy>,
}

#[derive(Serialize)]
struct IdleStrategy {
    strategy: &'static str,
    spinning_cores: f64,
    loop_lag: Times,
}

#[derive(Serialize)]
struct Host<'a> {
    os: &'a str,
    arch: &'a str,
    cores: u32,
}

#[derive(Serialize)]
struct Requests {
    total: u64,
    successful: u64,
    failed: u64,
    success_share: Option<f64>,
    per_second: Option<f64>,
    per_user: Option<f64>,
}

#[derive(Serialize)]
struct Times {
    count: u64,
    min: Option<f64>,
    mean: Option<f64>,
    median: Option<f64>,
    p90: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    p99_9: Option<f64>,
    max: Option<f64>,
    stddev: Option<f64>,
    quantile_error: Option<f64>,
}

#[derive(Serialize)]
struct Iterations {
    due: u64,
    started: u64,
    dropped: u64,
    missed: u64,
    cut: u64,
    planned_per_second: Option<f64>,
    achieved_per_second: Option<f64>,
}

#[derive(Serialize)]
struct Connections<'a> {
    opened: u64,
    reconnects: u64,
    protocols: Vec<Protocol<'a>>,
    tls_handshakes: TlsHandshakes,
    connect_time: Times,
}

#[derive(Serialize)]
struct Protocol<'a> {
    protocol: &'a str,
    opened: u64,
}

#[derive(Serialize)]
struct TlsHandshakes {
    full: u64,
    resumed: u64,
}

#[derive(Serialize)]
struct Phases {
    blocked: Times,
    dns: Times,
    tcp: Times,
    tls: Times,
    send: Times,
    wait: Times,
    receive: Times,
}

/// An endpoint has no more than means: reports with many endpoints stay small.
#[derive(Serialize)]
struct PhaseMeans {
    blocked: Option<f64>,
    dns: Option<f64>,
    tcp: Option<f64>,
    tls: Option<f64>,
    send: Option<f64>,
    wait: Option<f64>,
    receive: Option<f64>,
}

#[derive(Serialize)]
struct Bytes {
    sent: u64,
    received: u64,
    sent_per_second: Option<f64>,
    received_per_second: Option<f64>,
}

#[derive(Serialize)]
struct Target<'a> {
    #[serde(rename = "target")]
    text: String,
    verdict: Verdict,
    limit: f64,
    value: Option<f64>,
    interval: Option<[f64; 2]>,
    unit: &'static str,
    per: u64,
    samples: u64,
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Endpoint {
    name: String,
    requests: u64,
    failed: u64,
    per_second: Option<f64>,
    time_share: f64,
    response_time: Times,
    service_time: Times,
    phase_means: PhaseMeans,
}

#[derive(Serialize)]
struct Scenario<'a> {
    name: &'a str,
    load: &'a str,
    users: u64,
    requests: u64,
    failed: u64,
}

#[derive(Serialize)]
struct Status<'a> {
    status: &'a str,
    count: u64,
}

#[derive(Serialize)]
struct Error<'a> {
    class: &'a str,
    count: u64,
    share: Option<f64>,
    first_ms: Option<f64>,
    last_ms: Option<f64>,
    endpoint: Option<&'a str>,
    message: Option<&'a str>,
}

#[derive(Serialize)]
struct Check<'a> {
    name: &'a str,
    passed: u64,
    total: u64,
}

#[derive(Serialize)]
struct Messages {
    endpoint: String,
    sent: u64,
    received: u64,
    received_per_second: Option<f64>,
    echo_time: Times,
    first_message_time: Times,
    message_gap: Times,
}

#[derive(Serialize)]
struct Point {
    from_ms: f64,
    to_ms: f64,
    warmup: bool,
    due: u64,
    requests: u64,
    failed: u64,
    users: u64,
    dropped: u64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    service_p95_ms: f64,
    start_lag_p99_ms: f64,
    worker_cpu: Option<f64>,
}

impl<'a> Document<'a> {
    pub(crate) fn of(summary: &'a Summary) -> Self {
        Self {
            timeline: summary.timeline.iter().map(point).collect(),
            cases: summary.children.iter().map(Self::of).collect(),
            ..Self::alone(summary)
        }
    }

    /// Without its timeline and its cases.
    pub(crate) fn alone(summary: &'a Summary) -> Self {
        let figures = Figures::of(summary);
        let error = figures.quantile_error;
        let times = |spread: &Spread| Times::of(spread, error);
        Self {
            format: FORMAT,
            version: VERSION,
            verdict: summary.verdict,
            validity: validity(summary),
            ending: &summary.ending,
            run: run(summary, &figures),
            requests: requests(&figures),
            response_time: times(&figures.response),
            service_time: times(&figures.service),
            start_lag: times(&figures.start_lag),
            dispatch_lag: times(&figures.dispatch_lag),
            iterations: iterations(&figures),
            connections: Connections {
                opened: summary.counter(metric::CONNECTIONS_OPENED),
                reconnects: summary.counter(metric::RECONNECTS),
                protocols: figures
                    .protocols
                    .iter()
                    .map(|&(protocol, opened)| Protocol { protocol, opened })
                    .collect(),
                tls_handshakes: TlsHandshakes { full: figures.handshakes[0], resumed: figures.handshakes[1] },
                connect_time: times(&figures.connect),
            },
            phases: Phases::of(&figures.phases, error),
            bytes: bytes(&figures),
            targets: summary.targets.iter().map(target).collect(),
            findings: &summary.findings,
            endpoints: figures.endpoints.iter().map(|one| endpoint(one, error)).collect(),
            scenarios: scenarios(&figures),
            statuses: figures.statuses.iter().map(|&(status, count)| Status { status, count }).collect(),
            errors: errors(&figures),
            checks: figures
                .checks
                .iter()
                .map(|(name, rate)| Check { name, passed: rate.hits, total: rate.total })
                .collect(),
            messages: figures.messages.iter().map(|one| messages(&figures, one)).collect(),
            timeline: Vec::new(),
            service: json_service::service(summary),
            database: summary.database.as_deref().map(Database::of),
            case: summary.case.as_ref().map(json_case::case),
            estimates: json_case::estimates(summary),
            changes: json_case::changes(summary),
            cases: Vec::new(),
        }
    }
}

impl Phases {
    fn of(phases: &figures::Phases, quantile_error: Option<f64>) -> Self {
        let [blocked, dns, tcp, tls, send, wait, receive] =
            phases.each_ref().map(|spread| Times::of(spread, quantile_error));
        Self { blocked, dns, tcp, tls, send, wait, receive }
    }
}

impl PhaseMeans {
    fn of(phases: &figures::Phases) -> Self {
        let [blocked, dns, tcp, tls, send, wait, receive] =
            phases.each_ref().map(|spread| spread.mean.map(millis));
        Self { blocked, dns, tcp, tls, send, wait, receive }
    }
}

impl Times {
    fn of(spread: &Spread, quantile_error: Option<f64>) -> Self {
        Self {
            count: spread.count,
            min: spread.min.map(millis),
            mean: spread.mean.map(millis),
            median: spread.median.map(millis),
            p90: spread.p90.map(millis),
            p95: spread.p95.map(millis),
            p99: spread.p99.map(millis),
            p99_9: spread.p99_9.map(millis),
            max: spread.max.map(millis),
            stddev: spread.stddev.map(millis),
            quantile_error: quantile_error.map(rounded),
        }
    }
}

/// Nanoseconds as milliseconds, to the nanosecond.
pub(crate) fn millis(nanos: f64) -> f64 {
    nanos.round() / 1e6
}

/// Six decimals: beyond them a ratio of measured figures only shows the arithmetic.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn messages(figures: &Figures<'_>, messages: &messages::Messages) -> Messages {
    let times = |spread| Times::of(spread, figures.quantile_error);
    Messages {
        endpoint: messages.endpoint.clone(),
        sent: messages.sent,
        received: messages.received,
        received_per_second: figures.per_second(messages.received).map(rounded),
        echo_time: times(&messages.echo),
        first_message_time: times(&messages.first),
        message_gap: times(&messages.gap),
    }
}

fn validity(summary: &Summary) -> Validity<'_> {
    let reasons = summary.validity.reasons.iter().map(|reason| Reason {
        code: &reason.code,
        state: reason.state,
        message: &reason.message,
        at_ms: reason.at.map(Nanos::as_millis_f64),
    });
    Validity { state: summary.validity.state, reasons: reasons.collect() }
}

fn run<'a>(summary: &'a Summary, figures: &Figures<'_>) -> Run<'a> {
    let run = &summary.run;
    let idle = figures.idle().map(|idle| IdleStrategy {
        strategy: idle.word(),
        spinning_cores: if let Idle::Spin(cores) = idle { rounded(cores) } else { 0.0 },
        loop_lag: Times::of(&figures.loop_lag, figures.quantile_error),
    });
    Run {
        kind: &run.kind,
        name: &run.name,
        service: &run.service,
        started: &run.started,
        planned_duration_ms: run.duration.map(Nanos::as_millis_f64),
        elapsed_ms: summary.elapsed.as_millis_f64(),
        judged_ms: summary.judged().as_millis_f64(),
        warmup_ms: run.warmup.as_millis_f64(),
        warmup_requests: summary.warmup_requests,
        users: run.scenarios.iter().map(|scenario| scenario.users).sum(),
        workers: run.workers,
        seed: run.seed,
        pulse_version: &run.version,
        host: Host { os: &run.host.os, arch: &run.host.arch, cores: run.host.cores },
        idle,
    }
}

fn requests(figures: &Figures<'_>) -> Requests {
    Requests {
        total: figures.requests(),
        successful: figures.successful(),
        failed: figures.failed,
        success_share: share(figures.successful(), figures.requests()),
        per_second: figures.throughput.map(rounded),
        per_user: figures.requests_per_user().map(rounded),
    }
}

fn iterations(figures: &Figures<'_>) -> Iterations {
    let figures::Iterations { due, started, dropped, missed, cut } = figures.iterations;
    Iterations {
        due,
        started,
        dropped,
        missed,
        cut,
        planned_per_second: figures.planned_rate().map(rounded),
        achieved_per_second: figures.per_second(started).map(rounded),
    }
}

fn bytes(figures: &Figures<'_>) -> Bytes {
    let [sent, received] =
        [metric::BYTES_SENT, metric::BYTES_RECEIVED].map(|name| figures.summary.counter(name));
    Bytes {
        sent,
        received,
        sent_per_second: figures.per_second(sent).map(rounded),
        received_per_second: figures.per_second(received).map(rounded),
    }
}

fn target(result: &TargetResult) -> Target<'_> {
    let (unit, scale) = json_case::unit(result.target.unit);
    let per = result.target.per;
    let scale = scale * per as f64;
    let scaled = |value: f64| (value * scale * 1e9).round() / 1e9;
    let finite =
        |measured: &Measured| [measured.value, measured.lo, measured.hi].iter().all(|v| v.is_finite());
    let measured = result.measured.as_ref().filter(|measured| finite(measured));
    Target {
        text: result.target.to_string(),
        verdict: result.verdict,
        limit: scaled(result.target.limit),
        value: measured.map(|measured| scaled(measured.value)),
        interval: measured
            .filter(|measured| measured.lo.total_cmp(&measured.hi).is_ne())
            .map(|measured| [scaled(measured.lo), scaled(measured.hi)]),
        unit,
        per,
        samples: result.measured.map_or(0, |measured| measured.samples),
        reason: result.reason.as_deref(),
    }
}

fn endpoint(endpoint: &figures::Endpoint, quantile_error: Option<f64>) -> Endpoint {
    Endpoint {
        name: endpoint.name.clone(),
        requests: endpoint.response.count,
        failed: endpoint.failed,
        per_second: endpoint.rate.map(rounded),
        time_share: rounded(endpoint.time_share),
        response_time: Times::of(&endpoint.response, quantile_error),
        service_time: Times::of(&endpoint.service, quantile_error),
        phase_means: PhaseMeans::of(&endpoint.phases),
    }
}

fn scenarios<'a>(figures: &Figures<'a>) -> Vec<Scenario<'a>> {
    let planned = figures.summary.run.scenarios.iter();
    planned
        .zip(&figures.scenarios)
        .map(|(planned, done)| Scenario {
            name: done.name,
            load: done.load,
            users: planned.users,
            requests: done.requests,
            failed: done.failed,
        })
        .collect()
}

fn errors<'a>(figures: &Figures<'a>) -> Vec<Error<'a>> {
    let errors = figures.errors.iter();
    errors
        .map(|error| Error {
            class: error.class,
            count: error.count,
            share: share(error.count, figures.requests()),
            first_ms: error.first.map(Nanos::as_millis_f64),
            last_ms: error.last.map(Nanos::as_millis_f64),
            endpoint: error.sample.map(|(endpoint, _)| endpoint),
            message: error.sample.map(|(_, message)| message),
        })
        .collect()
}

/// A fraction of 1 with enough digits that a single failure in many requests is not rounded away.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64).min(1.0))
}

fn point(point: &TimePoint) -> Point {
    let millis = |nanos: u64| Nanos(nanos).as_millis_f64();
    Point {
        from_ms: point.from.as_millis_f64(),
        to_ms: point.to.as_millis_f64(),
        warmup: point.warmup,
        due: point.due,
        requests: point.requests,
        failed: point.failed,
        users: point.users,
        dropped: point.dropped,
        p50_ms: millis(point.p50),
        p95_ms: millis(point.p95),
        p99_ms: millis(point.p99),
        max_ms: millis(point.max),
        service_p95_ms: millis(point.service_p95),
        start_lag_p99_ms: millis(point.start_lag_p99),
        worker_cpu: point.worker_cpu.is_finite().then(|| rounded(point.worker_cpu)),
    }
}
