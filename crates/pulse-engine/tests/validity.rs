//! Every sign of an untrustworthy measurement, from what was recorded to the verdict.

use pulse_engine::Collector;
use pulse_model::{
    Aggregate, Ending, Histogram, Interval, Nanos, RunInfo, ScenarioInfo, Series, Snapshot, ValidityState,
    metric, tag,
};

use ValidityState::{Invalid, Suspect, Valid};

/// A run of 40 seconds, with what the table varies.
#[derive(Clone)]
struct Recorded {
    /// Shares of a core that the two workers use, in percent.
    cpu: [u64; 2],
    /// How late 2 % of the starts are; the others are 0.05 ms late.
    lag_us: u64,
    open: bool,
    dropped: u64,
    targets: &'static [&'static str],
    /// Milliseconds of 1000 of CPU time.
    steal: u64,
    /// Milliseconds of 1000 of CPU time.
    busy: u64,
    failures: Option<(&'static str, u64)>,
    /// Shares of its time that the second worker spun, waited for a core and stood still, in percent.
    spin: u64,
    wait: u64,
    gap: u64,
    /// How late 2 % of the turns of the main loop are; the others are 0.05 ms late.
    loop_lag_us: u64,
    late_snapshots: u64,
    suspended: u64,
    /// Segments sent again, of 1000 in each second.
    retransmits: u64,
    listen_drops: u64,
    /// The slowest connection.
    connect: Nanos,
    steady: bool,
    /// Median response time of each second.
    response_us: fn(u64) -> u64,
}

const CLEAN: Recorded = Recorded {
    cpu: [40, 60],
    lag_us: 300,
    open: true,
    dropped: 0,
    targets: &["p95 < 200ms"],
    steal: 10,
    busy: 900,
    failures: None,
    spin: 0,
    wait: 9,
    gap: 0,
    loop_lag_us: 300,
    late_snapshots: 0,
    suspended: 0,
    retransmits: 1,
    listen_drops: 0,
    connect: Nanos::from_millis(2),
    steady: true,
    response_us: |_| 5000,
};

/// Chance alone is ruled out only from some twenty seconds on.
const SECONDS: u64 = 40;
/// Requests per second.
const RATE: u64 = 100;

impl Recorded {
    fn second(&self, second: u64) -> Snapshot {
        let interval = Interval { from: Nanos::from_secs(second), to: Nanos::from_secs(second + 1) };
        let mut snapshot = Snapshot { interval: Some(interval), ..Snapshot::default() };
        let scenario = |name| Series::new(name).with(tag::SCENARIO, "it");
        let (mut response, mut lag) = (Histogram::default(), Histogram::default());
        for n in 0..RATE {
            response.record(((self.response_us)(second) + n) * 1000);
            lag.record(if n < 2 { self.lag_us * 1000 } else { 50_000 });
        }
        let ok = scenario(metric::RESPONSE_TIME).with(tag::OUTCOME, "ok");
        snapshot.add(ok, Aggregate::Trend(response));
        snapshot.add(scenario(metric::DISPATCH_LAG), Aggregate::Trend(lag));
        snapshot.count(scenario(metric::DUE_ITERATIONS), RATE);
        snapshot.count(scenario(metric::HOST_STEAL), Nanos::from_millis(self.steal).0);
        snapshot.count(scenario(metric::HOST_BUSY), Nanos::from_millis(self.busy).0);
        snapshot.count(scenario(metric::HOST_WALL), Nanos::from_secs(1).0);
        for (worker, cpu) in ["0", "1"].into_iter().zip(self.cpu) {
            snapshot.count(Series::new(metric::WORKER_CPU).with(tag::WORKER, worker), cpu);
            snapshot.count(Series::new(metric::WORKER_WALL).with(tag::WORKER, worker), 100);
        }
        let second_worker = |name| Series::new(name).with(tag::WORKER, "1");
        snapshot.count(second_worker(metric::WORKER_SPIN), self.spin);
        snapshot.count(second_worker(metric::WORKER_WAIT), self.wait);
        snapshot.count(second_worker(metric::WORKER_GAP), self.gap);
        let mut turns = Histogram::default();
        (0..RATE).for_each(|n| turns.record(if n < 2 { self.loop_lag_us * 1000 } else { 50_000 }));
        snapshot.add(second_worker(metric::LOOP_LAG), Aggregate::Trend(turns));
        snapshot.count(Series::new(metric::HOST_SEGMENTS), 1000);
        snapshot.count(Series::new(metric::HOST_RETRANSMITS), self.retransmits);
        if second == 0 {
            let mut connect = Histogram::default();
            connect.record(self.connect.0);
            snapshot.add(scenario(metric::CONNECT_TIME), Aggregate::Trend(connect));
            snapshot.count(second_worker(metric::LATE_SNAPSHOTS), self.late_snapshots);
            snapshot.count(Series::new(metric::HOST_SUSPENDED), self.suspended);
            snapshot.count(Series::new(metric::HOST_LISTEN_DROPS), self.listen_drops);
            snapshot.count(scenario(metric::DROPPED_ITERATIONS), self.dropped);
            if let Some((class, count)) = self.failures {
                snapshot.count(scenario(metric::FAILURES).with(tag::CLASS, class), count);
            }
        }
        snapshot
    }

    /// State and codes of the run's validity.
    fn validity(&self) -> (ValidityState, Vec<(String, Option<Nanos>)>) {
        let scenario = ScenarioInfo {
            name: "it".to_owned(),
            steady: self.steady,
            rate: self.open.then_some(RATE as f64),
            ..ScenarioInfo::default()
        };
        let targets = self.targets.iter().map(|target| target.parse().expect("a target")).collect();
        let mut collector =
            Collector::new(RunInfo { scenarios: vec![scenario], targets, ..RunInfo::default() });
        for second in 0..SECONDS {
            let snapshot = self.second(second);
            let interval = snapshot.interval.expect("it was given");
            collector.interval(interval, snapshot, None, None);
        }
        let summary = collector.finish(Ending::Finished);
        for reason in &summary.validity.reasons {
            assert!(reason.message.chars().any(|c| c.is_ascii_digit()), "{reason:?} has no numbers");
        }
        let reasons = summary.validity.reasons.into_iter().map(|reason| (reason.code, reason.at));
        (summary.validity.state, reasons.collect())
    }
}

/// What it is, what was recorded, and state and codes that follow. There are 4000 arrivals and requests.
type Case = (&'static str, Recorded, ValidityState, &'static [&'static str]);

fn assert_validity(table: &[Case]) {
    for (name, recorded, state, codes) in table {
        let (found, reasons) = recorded.validity();
        let reasons: Vec<&str> = reasons.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!((found, reasons.as_slice()), (*state, *codes), "{name}");
    }
}

#[test]
fn signs_of_the_generator_have_their_limits() {
    assert_validity(&[
        ("clean", CLEAN, Valid, &[]),
        ("CPU below the limit", Recorded { cpu: [89, 10], ..CLEAN }, Valid, &[]),
        ("one busy worker", Recorded { cpu: [10, 90], ..CLEAN }, Suspect, &["worker_cpu"]),
        ("one worker at its limit", Recorded { cpu: [98, 10], ..CLEAN }, Invalid, &["worker_cpu"]),
        ("a machine without room", Recorded { busy: 950, ..CLEAN }, Suspect, &["host_cpu"]),
    ]);
}

#[test]
fn a_late_dispatch_has_its_limits() {
    assert_validity(&[
        ("late, but by less than 1 ms", Recorded { lag_us: 900, ..CLEAN }, Valid, &[]),
        (
            "late by less than 1 ms of very short answers",
            Recorded { lag_us: 900, response_us: |_| 500, ..CLEAN },
            Valid,
            &[],
        ),
        (
            "late by 2 ms of long answers",
            Recorded { lag_us: 2000, response_us: |_| 50_000, ..CLEAN },
            Valid,
            &[],
        ),
        ("late by a fifth", Recorded { lag_us: 1100, ..CLEAN }, Suspect, &["dispatch_lag"]),
        (
            "late by more than half, far from any limit",
            Recorded { lag_us: 2700, ..CLEAN },
            Suspect,
            &["dispatch_lag"],
        ),
        (
            "late by more than half, near a limit",
            Recorded { lag_us: 2700, targets: &["p95 < 200ms", "avg < 20ms"], ..CLEAN },
            Invalid,
            &["dispatch_lag"],
        ),
        (
            "late by more than half, without a time limit",
            Recorded { lag_us: 2700, targets: &["errors < 1%"], ..CLEAN },
            Suspect,
            &["dispatch_lag"],
        ),
        (
            "late by more than half, without any target",
            Recorded { lag_us: 2700, targets: &[], ..CLEAN },
            Invalid,
            &["dispatch_lag"],
        ),
    ]);
}

#[test]
fn dropped_arrivals_have_their_limits() {
    assert_validity(&[
        ("one dropped", Recorded { dropped: 1, ..CLEAN }, Suspect, &["offered_rate"]),
        ("1 % dropped", Recorded { dropped: 40, ..CLEAN }, Suspect, &["offered_rate"]),
        ("5 % dropped", Recorded { dropped: 200, ..CLEAN }, Suspect, &["offered_rate"]),
        ("more than 5 % dropped", Recorded { dropped: 201, ..CLEAN }, Invalid, &["offered_rate"]),
        (
            "dropped, as a target allows",
            Recorded { dropped: 201, targets: &["dropped < 10%"], ..CLEAN },
            Valid,
            &[],
        ),
        (
            "a closed load drops what its service was too slow for",
            Recorded { dropped: 500, open: false, ..CLEAN },
            Valid,
            &[],
        ),
    ]);
}

#[test]
fn signs_of_workers_have_their_limits() {
    assert_validity(&[
        (
            "a worker that spins all its spare time",
            Recorded { cpu: [10, 100], spin: 60, ..CLEAN },
            Valid,
            &[],
        ),
        ("spinning hides no work", Recorded { cpu: [10, 100], spin: 9, ..CLEAN }, Suspect, &["worker_cpu"]),
        ("a worker that waits for a core", Recorded { wait: 10, ..CLEAN }, Suspect, &["cpu_wait"]),
        ("a worker that stood still", Recorded { gap: 1, ..CLEAN }, Suspect, &["worker_stopped"]),
        ("for long", Recorded { gap: 5, ..CLEAN }, Invalid, &["worker_stopped"]),
        ("a loop that turns late", Recorded { loop_lag_us: 4000, ..CLEAN }, Suspect, &["event_loop_lag"]),
        ("by less than half of an answer", Recorded { loop_lag_us: 2400, ..CLEAN }, Valid, &[]),
        (
            "by less than 1 ms of very short answers",
            Recorded { loop_lag_us: 900, response_us: |_| 100, ..CLEAN },
            Valid,
            &[],
        ),
        (
            "an interval that had to wait",
            Recorded { late_snapshots: 1, ..CLEAN },
            Suspect,
            &["late_snapshots"],
        ),
    ]);
}

/// The kernel counts in steps of 10 ms: one of them may have added up long before a run of a few milliseconds.
#[test]
fn one_step_of_steal_says_nothing_of_a_short_run() {
    let state = |steal| {
        let interval = Interval { from: Nanos::ZERO, to: Nanos::from_millis(5) };
        let mut snapshot = Snapshot { interval: Some(interval), ..Snapshot::default() };
        snapshot.count(Series::new(metric::HOST_STEAL), Nanos::from_millis(steal).0);
        snapshot.count(Series::new(metric::HOST_WALL), Nanos::from_millis(20).0);
        let mut collector = Collector::new(RunInfo::default());
        collector.interval(interval, snapshot, None, None);
        let summary = collector.finish(Ending::Finished);
        summary.validity.reasons.iter().any(|reason| reason.code == "cpu_steal")
    };
    assert_eq!([0, 10, 20].map(state), [false, false, true]);
}

#[test]
fn signs_of_machine_and_service_have_their_limits() {
    let shifted = |second| if second < 12 { 5000 } else { 9000 };
    assert_validity(&[
        ("little steal", Recorded { steal: 49, ..CLEAN }, Valid, &[]),
        ("steal", Recorded { steal: 50, ..CLEAN }, Suspect, &["cpu_steal"]),
        ("much steal", Recorded { steal: 200, ..CLEAN }, Invalid, &["cpu_steal"]),
        ("a failure of the service", Recorded { failures: Some(("refused", 500)), ..CLEAN }, Valid, &[]),
        (
            "out of descriptors",
            Recorded { failures: Some(("descriptors", 1)), ..CLEAN },
            Suspect,
            &["exhaustion"],
        ),
        ("1 % out of ports", Recorded { failures: Some(("ports", 40)), ..CLEAN }, Suspect, &["exhaustion"]),
        (
            "more than 1 % out of ports",
            Recorded { failures: Some(("ports", 41)), ..CLEAN },
            Invalid,
            &["exhaustion"],
        ),
        ("a suspended machine", Recorded { suspended: 1, ..CLEAN }, Suspect, &["suspended"]),
        ("few retransmits", Recorded { retransmits: 9, ..CLEAN }, Valid, &[]),
        ("retransmits", Recorded { retransmits: 10, ..CLEAN }, Suspect, &["retransmits"]),
        ("drops by somebody's listener", Recorded { listen_drops: 9, ..CLEAN }, Valid, &[]),
        ("slow connections without drops", Recorded { connect: Nanos::from_secs(1), ..CLEAN }, Valid, &[]),
        (
            "drops and a connection that was made at the second try",
            Recorded { listen_drops: 1, connect: Nanos::from_secs(1), ..CLEAN },
            Suspect,
            &["listen_drops"],
        ),
        (
            "drops and connections that were not made",
            Recorded { listen_drops: 1, failures: Some(("connect_timeout", 1)), ..CLEAN },
            Suspect,
            &["listen_drops"],
        ),
        ("a shift", Recorded { response_us: shifted, ..CLEAN }, Suspect, &["not_stationary"]),
        (
            "a trend",
            Recorded { response_us: |second| 5000 + 500 * second, ..CLEAN },
            Suspect,
            &["not_stationary"],
        ),
        ("a shift under a ramp", Recorded { response_us: shifted, steady: false, ..CLEAN }, Valid, &[]),
        (
            "a shift of less than 1 ms",
            Recorded { response_us: |second| if second < 10 { 500 } else { 1400 }, ..CLEAN },
            Valid,
            &[],
        ),
        (
            "a shift by less than half",
            Recorded { response_us: |second| if second < 10 { 5000 } else { 7000 }, ..CLEAN },
            Valid,
            &[],
        ),
        ("noise", Recorded { response_us: |second| 5000 + second * 7919 % 13 * 500, ..CLEAN }, Valid, &[]),
        (
            "several at once, the worst first",
            Recorded { cpu: [91, 0], steal: 300, dropped: 1, ..CLEAN },
            Invalid,
            &["cpu_steal", "offered_rate", "worker_cpu"],
        ),
    ]);
}

#[test]
fn a_shift_says_when() {
    let recorded = Recorded { response_us: |second| if second < 12 { 5000 } else { 9000 }, ..CLEAN };
    let (_, reasons) = recorded.validity();
    assert_eq!(reasons, [("not_stationary".to_owned(), Some(Nanos::from_secs(12)))]);
}
