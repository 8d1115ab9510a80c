//! From the first event to the last: what is told when, what a stop does, and where every iteration that was due went.

#[path = "support/mod.rs"]
mod support;

use std::time::Duration;

use pulse_engine::Collector;
use pulse_model::{
    Ending, EventKind, IntervalEvent, Nanos, RunEvent, RunInfo, Series, Snapshot, Summary, metric,
};
use pulse_plan::{ArrivalLaw, Arrivals, Profile};
use pulse_testkit::{Discipline, Law, QueueServer, Script, ScriptedServer, ServiceLaw, Step};

use support::Run;

fn answering_after(time: Duration) -> QueueServer {
    QueueServer::start(Law::new(Discipline::Parallel, ServiceLaw::Fixed(time)))
}

/// Never answers.
fn silent() -> ScriptedServer {
    ScriptedServer::start(Script::each(vec![Step::ReadRequest, Step::Hold]))
}

fn file(load: &str) -> String {
    format!("[load]\n{load}\n[[scenario]]\n[[scenario.step]]\nname = \"it\"\nrequest = \"GET /\"\n")
}

fn intervals(events: &[RunEvent]) -> Vec<&IntervalEvent> {
    let interval = |event: &'_ RunEvent| matches!(event.kind, EventKind::Snapshot(_));
    events
        .iter()
        .filter(|event| interval(event))
        .map(|event| match &event.kind {
            EventKind::Snapshot(interval) => &**interval,
            other => unreachable!("filtered: {other:?}"),
        })
        .collect()
}

/// started + missed + dropped = due, and every one that was started has its start lag unless it was cut before.
fn assert_accounted(summary: &Summary) {
    let count = |name| summary.counter(name);
    assert_eq!(
        count(metric::ITERATIONS) + count(metric::DROPPED_ITERATIONS) + count(metric::MISSED_ITERATIONS),
        count(metric::DUE_ITERATIONS)
    );
    if summary.run.warmup == Nanos::ZERO {
        assert_eq!(count(metric::USERS_STARTED), count(metric::USERS_STOPPED));
    }
    for name in [metric::START_LAG, metric::DISPATCH_LAG] {
        assert_eq!(summary.totals.trend(&Series::new(name)).count(), count(metric::ITERATIONS), "{name}");
    }
    let completed = summary.totals.trend(&Series::new(metric::ITERATION_TIME)).count();
    assert_eq!(completed + count(metric::CUT_ITERATIONS), count(metric::ITERATIONS));
}

#[test]
fn events_tell_the_whole_run_in_order_and_replay_to_the_same_summary() {
    let server = answering_after(Duration::from_millis(2));
    let text =
        file("rate = 200\nduration = \"2500ms\"\nwarmup = \"700ms\"") + "checks = [{ status = 200 }]\n";
    for workers in [1, 2] {
        let (summary, events) = Run { text: &text, url: server.url(), workers, ..Run::default() }.make();
        assert!(events.is_sorted_by_key(|event| event.at));
        let [
            RunEvent { kind: EventKind::Started(info), at: Nanos::ZERO },
            ..,
            RunEvent { kind: EventKind::Finished(last), .. },
        ] = events.as_slice()
        else {
            panic!("{events:#?}")
        };
        assert_eq!((**info).clone(), summary.run);
        assert_eq!(**last, summary);

        let intervals = intervals(&events);
        assert!(
            events[1..events.len() - 1]
                .iter()
                .all(|event| !matches!(event.kind, EventKind::Started(_) | EventKind::Finished(_)))
        );
        let mut totals = Snapshot::default();
        intervals.iter().for_each(|interval| totals.merge(&interval.snapshot));
        assert_eq!(totals, summary.totals);
        // Second by second, without a gap.
        let times: Vec<(Nanos, Nanos)> =
            intervals.iter().map(|interval| (interval.point.from, interval.point.to)).collect();
        assert_eq!(times[..2], [0, 1].map(|n| (Nanos::from_secs(n), Nanos::from_secs(n + 1))));
        assert!(times.windows(2).all(|pair| pair[0].1 == pair[1].0), "{times:?}");
        let due: u64 = intervals.iter().map(|interval| interval.point.due).sum();
        assert_eq!(due, 500);
        assert_eq!((summary.warmup_requests, summary.requests()), (140, 360));

        let mut replayed = Collector::new((**info).clone());
        intervals.iter().for_each(|interval| replayed.replay(interval));
        assert_eq!(replayed.finish(Ending::Finished), summary);
        assert_accounted(&summary);
    }
}

/// Sealing must not make them late: their starts are in the interval that was told of their being due.
#[test]
fn who_is_due_as_an_interval_ends_starts_before_it_is_sealed() {
    let server = answering_after(Duration::ZERO);
    let text = file("rate = 100\nduration = \"1s\"");
    let interval = Nanos::from_millis(100);
    let (summary, events) = Run { text: &text, url: server.url(), interval, ..Run::default() }.make();
    assert_eq!(summary.counter(metric::ITERATIONS), 100);
    for IntervalEvent { snapshot, .. } in intervals(&events) {
        let started = snapshot.trend(&Series::new(metric::START_LAG)).count();
        assert_eq!(started, snapshot.counter(&Series::new(metric::ITERATIONS)), "{:?}", snapshot.interval);
    }
}

#[test]
fn an_interrupted_run_keeps_what_was_measured() {
    for (load, workers) in [("users = 4\npace = 50", 2), ("rate = 200", 2), ("users = 2\npace = 0", 1)] {
        let server = answering_after(Duration::from_millis(2));
        let text = file(&format!("{load}\nduration = \"1h\""));
        let stop_when = |event: &RunEvent| matches!(event.kind, EventKind::Snapshot(_));
        let (summary, events) =
            Run { text: &text, url: server.url(), workers, stop_when, ..Run::default() }.make();
        assert_eq!(summary.ending, Ending::Interrupted);
        assert!(summary.elapsed < Nanos::from_secs(600), "{}", summary.elapsed);
        assert!(intervals(&events).len() >= 2);
        // Running iterations got the time to end, and nothing of them is lost.
        assert!(summary.requests() > 100);
        assert_eq!((summary.requests(), summary.failed()), (server.counts().requests, 0));
        assert_eq!(summary.counter(metric::CUT_ITERATIONS), 0);
        assert_accounted(&summary);
    }
}

#[test]
fn the_graceful_stop_cuts_what_does_not_end() {
    for (load, cut) in [("users = 3", 3), ("rate = 20\nmax_users = 50", 6)] {
        let server = silent();
        let text = file(&format!("{load}\nduration = \"300ms\"\ngraceful_stop = \"200ms\""));
        let (summary, _) = Run { text: &text, url: server.url(), workers: 2, ..Run::default() }.make();
        assert_eq!(summary.counter(metric::CUT_ITERATIONS), cut, "{load}");
        assert_eq!((summary.requests(), summary.counter(metric::ITERATIONS)), (0, cut));
        assert!(summary.elapsed >= Nanos::from_millis(500), "{}", summary.elapsed);
        assert!(summary.findings.iter().any(|finding| finding.code == "iterations_cut"));
        assert_eq!(summary.ending, Ending::Finished);
        assert_accounted(&summary);
    }
}

#[test]
fn arrivals_that_find_no_user_are_dropped_and_counted() {
    for workers in [1, 2] {
        let server = answering_after(Duration::from_millis(300));
        let text = file("rate = 100\nduration = \"1s\"\nmax_users = 4");
        let (summary, _) = Run { text: &text, url: server.url(), workers, ..Run::default() }.make();
        let [due, started, dropped] =
            [metric::DUE_ITERATIONS, metric::ITERATIONS, metric::DROPPED_ITERATIONS]
                .map(|name| summary.counter(name));
        assert_eq!((due, started + dropped), (100, 100));
        // At most four at a time, each for 300 ms or more.
        assert!((4..=16).contains(&started), "{started}");
        assert_eq!((summary.requests(), server.counts().requests), (started, started));
        assert_eq!(server.counts().connections, 4);
        let reason = summary.validity.reasons.iter().find(|reason| reason.code == "offered_rate");
        assert!(reason.is_some(), "{:?}", summary.validity);
        assert!(summary.findings.iter().any(|finding| finding.code == "rate_not_reached"));
        assert_accounted(&summary);
    }
}

#[test]
fn skipped_sends_are_counted() {
    // 100 sends a second are asked of a user who needs 100 ms for each.
    let server = answering_after(Duration::from_millis(100));
    let text = file("users = 1\npace = 100\nmissed = \"skip\"\nduration = \"1s\"");
    let (summary, _) = Run { text: &text, url: server.url(), ..Run::default() }.make();
    let [due, started, missed] = [metric::DUE_ITERATIONS, metric::ITERATIONS, metric::MISSED_ITERATIONS]
        .map(|name| summary.counter(name));
    assert!((1..=10).contains(&started) && missed >= 80, "{started} started, {missed} missed");
    // The re-based schedule may lose a fraction of an interval.
    assert!((98..=100).contains(&due), "{due}");
    assert_eq!(server.counts().requests, started);
    // Nobody waited for a turn, so that response time is service time.
    let service = summary.totals.trend(&Series::new(metric::SERVICE_TIME));
    assert!(summary.response_time().min() < service.max().map(|max| max + 10_000_000));
    assert_accounted(&summary);
}

#[test]
fn arrivals_do_not_depend_on_the_number_of_workers() {
    let (rate, length, seed) = (300.0, Nanos::from_secs(1), 5);
    let mut arrivals = Arrivals::new(Profile::constant(rate, Some(length)), ArrivalLaw::Poisson, seed);
    let expected = (0..).map_while(|n| arrivals.at(n)).count() as u64;
    let text =
        file(&format!("rate = {rate}\narrivals = \"poisson\"\nseed = {seed}\nduration = \"{length}\""));
    for workers in [1, 2, 3] {
        let server = answering_after(Duration::ZERO);
        let (summary, _) = Run { text: &text, url: server.url(), workers, ..Run::default() }.make();
        assert_eq!(summary.counter(metric::DUE_ITERATIONS), expected, "{workers} workers");
        assert_eq!((summary.requests(), server.counts().requests), (expected, expected));
        assert_accounted(&summary);
    }
}

#[test]
fn a_target_that_is_missed_is_told_once_while_the_run_goes_on() {
    let server = answering_after(Duration::from_millis(2));
    let text =
        format!("targets = [\"max < 1ms\", \"errors < 1%\"]\n{}", file("rate = 50\nduration = \"6500ms\""));
    let (summary, events) = Run { text: &text, url: server.url(), ..Run::default() }.make();
    let breaches: Vec<String> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Breach(result) => Some(result.target.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(breaches, ["max < 1ms"]);
    assert_eq!(summary.targets.len(), 2);
}

#[test]
fn nothing_collected_is_no_success() {
    let info = RunInfo { targets: vec!["p95 < 1s".parse().expect("a target")], ..RunInfo::default() };
    let summary = Collector::new(info).finish(Ending::Truncated);
    assert_eq!(summary.verdict, Some(pulse_model::Verdict::NoData));
}
