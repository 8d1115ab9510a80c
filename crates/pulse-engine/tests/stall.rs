//! A service that stops answering for s seconds once in T: response time shows it as the callers feel it, whether or not
//! the generator could go on sending.

#[path = "support/mod.rs"]
mod support;
#[path = "support/undisturbed.rs"]
mod undisturbed;

use std::time::Duration;

use pulse_model::{EventKind, Histogram, Interval, Nanos, RunEvent, Series, Summary, metric};
use pulse_testkit::{Discipline, Law, QueueServer, ServiceLaw, Stall};

use support::Run;

/// s
const STALL: Nanos = Nanos::from_secs(1);
/// T
const LENGTH: Nanos = Nanos::from_secs(6);
/// Requests per second.
const RATE: u64 = 500;
/// Users of the closed load, each with its share of the rate.
const USERS: u64 = 10;
/// The latest start during the stall in a run that was not disturbed: the next one is due then. What starts later misses
/// that part of the stall, and its service time is shorter by that.
const LATEST: Nanos = Nanos(1_000_000_000 / RATE);
/// When the stall begins, from the first request on.
const STALLS_AT: Nanos = Nanos::from_secs(3);
/// After the stall some hundred answers leave and are read in one burst; the last of them is late by so much. It is 60 µs
/// for each, some four times what it takes.
const BURST: Nanos = Nanos::from_millis(30);
/// Limits x at which the law is checked.
const LIMITS_MS: [u64; 5] = [100, 250, 500, 750, 900];

fn run(load: &str) -> Summary {
    let text = format!(
        "[load]\n{load}\nduration = \"{LENGTH}\"\n[[scenario]]\n[[scenario.step]]\nrequest = \"GET /\"\n"
    );
    let mut law = Law::new(Discipline::Parallel, ServiceLaw::Fixed(Duration::ZERO));
    law.stall =
        Some(Stall { length: STALL.into(), every: Duration::from_hours(1), first_at: STALLS_AT.into() });
    // A limit's window of sends begins with the stall and ends at the latest 100 ms before the stall does.
    let stall = Interval { from: STALLS_AT, to: Nanos(STALLS_AT.0 + STALL.0) };
    let is_late = |events: &Vec<RunEvent>| latest_start(events, stall).is_none_or(|lag| lag > LATEST);
    let (summary, _) = undisturbed::undisturbed(is_late, || {
        let server = QueueServer::start(law.clone());
        Run { text: &text, url: server.url(), workers: 2, ..Run::default() }.make()
    });
    assert_eq!((summary.requests(), summary.failed()), (RATE * LENGTH.0 / 1_000_000_000, 0));
    assert_eq!(summary.counter(metric::DROPPED_ITERATIONS), 0);
    summary
}

/// How late the latest of the starts was, in those intervals of the run that are within the given one; `None` without any.
fn latest_start(events: &[RunEvent], within: Interval) -> Option<Nanos> {
    let lags = events.iter().filter_map(|event| match &event.kind {
        EventKind::Snapshot(interval) => {
            let snapshot = &interval.snapshot;
            let is_within =
                snapshot.interval.is_some_and(|own| within.from <= own.from && own.to <= within.to);
            is_within.then(|| snapshot.trend(&Series::new(metric::DISPATCH_LAG)).max()).flatten()
        }
        _ => None,
    });
    lags.max().map(Nanos)
}

fn slower_than(times: &Histogram, limit: Nanos) -> u64 {
    times.count() - times.count_at_most(limit.0)
}

/// How many responses are slower than `limit`, of sends at `RATE` that each wait for the end of the stall.
fn by_law(limit: Nanos) -> f64 {
    RATE as f64 * STALL.since(limit).as_secs_f64()
}

/// The fraction slower than x is (s − x)/T, so that the 99th percentile is s − 0.01·T. `stretch` is how much longer the
/// sends of the stall take to be answered than they took to become due, as a factor.
fn assert_law(times: &Histogram, stretch: f64, shown: &str) {
    // Sends come on a grid that may begin anywhere, one for each user: off by one at both ends of the window. One more for
    // starts that are late, by less than `LATEST` (else the run counts as disturbed). A bucket of the histogram is 0.28 % wide.
    let grid = 3.0 + 0.0028 * RATE as f64;
    for limit in LIMITS_MS.map(Nanos::from_millis) {
        let (counted, expected) = (slower_than(times, limit) as f64, by_law(limit));
        let late = (expected + RATE as f64 * BURST.as_secs_f64()) * stretch - expected;
        let allowed = expected - grid..=expected + late + grid;
        assert!(allowed.contains(&counted), "slower than {limit}: {counted}, not in {allowed:?}; {shown}");
    }
    let p99 = times.quantile(0.99).expect("there are samples").estimate as f64 / 1e9;
    let slowest = |stretch: f64| STALL.as_secs_f64() - 0.01 * LENGTH.as_secs_f64() / stretch;
    let grid = grid / RATE as f64;
    let allowed = slowest(1.0) - grid..=slowest(stretch) + BURST.as_secs_f64() + grid;
    assert!(allowed.contains(&p99), "p99 {p99} s, not in {allowed:?}; {shown}");
}

fn trends(summary: &Summary) -> [Histogram; 2] {
    [metric::RESPONSE_TIME, metric::SERVICE_TIME].map(|name| summary.totals.trend(&Series::new(name)))
}

fn shown(summary: &Summary) -> String {
    let [response, service] = trends(summary);
    let lag = summary.totals.trend(&Series::new(metric::DISPATCH_LAG));
    let p99 = [&response, &service, &lag].map(|trend| trend.quantile(0.99).map(|p99| p99.estimate));
    format!("p99 of response, service, dispatch lag in ns: {p99:?}; {:?}", summary.validity)
}

/// Callers who do not wait for each other: every request is sent at its time, and waits.
#[test]
fn an_open_load_feels_the_stall_in_each_request() {
    let _machine = undisturbed::machine();
    let summary = run(&format!("rate = {RATE}\nmax_users = 1000"));
    let shown = shown(&summary);
    for times in trends(&summary) {
        assert_law(&times, 1.0, &shown);
    }
}

/// Users who wait for their answer and catch up: hardly any request is sent during the stall, and still the response
/// times are those of callers who came at the planned times. Service time shows one stuck request for each user.
#[test]
fn a_closed_load_feels_the_stall_in_response_time_only() {
    let _machine = undisturbed::machine();
    let pace = RATE / USERS;
    let summary = run(&format!("users = {USERS}\npace = {pace}"));
    let shown = shown(&summary);
    let [response, service] = trends(&summary);
    // While a user catches up, each of its requests takes as long as its service does (99th percentile: of the 3000
    // requests only the 10 stuck ones are beyond it), instead of nothing at all: the backlog is served in the ratio of
    // that to the pace.
    let served = service.quantile(0.99).expect("there are samples").estimate as f64 / 1e9;
    let share = served * pace as f64;
    assert!(share < 0.5, "{shown}");
    assert_law(&response, 1.0 / (1.0 - share), &shown);
    for limit in LIMITS_MS.map(Nanos::from_millis) {
        assert_eq!(slower_than(&service, limit), USERS, "service times above {limit}; {shown}");
    }
}

/// Not one of a hundred: a single start that is later than allowed is seen, and the run is made again.
#[test]
fn a_single_late_start_is_a_disturbance() {
    let _machine = undisturbed::machine();
    let server = QueueServer::start(Law::new(Discipline::Parallel, ServiceLaw::Fixed(Duration::ZERO)));
    let text =
        "[load]\nrate = 500\nduration = \"200ms\"\n[[scenario]]\n[[scenario.step]]\nrequest = \"GET /\"\n";
    let mut made = 0;
    let first_second = Interval { from: Nanos::ZERO, to: Nanos::from_secs(1) };
    let is_late_at_all = |events: &Vec<RunEvent>| latest_start(events, first_second) > Some(Nanos::ZERO);
    undisturbed::undisturbed(is_late_at_all, || {
        made += 1;
        Run { text, url: server.url(), workers: 2, ..Run::default() }.make()
    });
    assert_eq!(made, 3);
}
