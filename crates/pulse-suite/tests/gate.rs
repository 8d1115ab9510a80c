//! Does the gate cry wolf, and does it find what it must? Two runs of a simulated service are compared, over and over: the
//! same service must raise an alarm in at most 1 % of the comparisons, one that is 5 % slower in at least 90 %. Runs are those
//! of `pulse load`, and those of cases of `pulse test`: short, in fine intervals, and as long as a comparison wants.
//!
//! `PULSE_GATE_COMPARISONS=500 cargo test --release -p pulse-suite --test gate -- --nocapture` runs the full size and
//! prints the shares.

use std::collections::BTreeMap;
use std::fmt;

use pulse_model::{
    Aggregate, Effect, Histogram, Interval, Nanos, ScenarioInfo, Series, Snapshot, Summary, metric, tag,
};
use pulse_suite::{CompareOptions, Precision, RunData, compare};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Length of a run: what `pulse load` takes by default.
const SECONDS: u64 = 30;
/// What a case of a suite does at most, and how fine its intervals are.
const CASE_SECONDS: f64 = 30.0;
const BLOCK: f64 = 0.1;
const MAX_BLOCKS: usize = 64;
/// Comparisons of each kind in an ordinary test run.
const COMPARISONS: u64 = 100;

/// A service that does not exist.
#[derive(Clone, Copy, Debug)]
struct Service {
    law: Law,
    /// Requests per second.
    rate: f64,
    /// Share of failed requests.
    errors: f64,
    /// Relative standard deviation of response times between runs of the same program: memory layout, neighbours.
    between_runs: f64,
}

#[derive(Clone, Copy, Debug)]
enum Law {
    /// Independent response times around 20 ms whose logarithms have this standard deviation.
    LogNormal(f64),
    /// One server that is busy half of the time, with exponential service times and Poisson arrivals: slow answers come in
    /// clusters.
    Queue,
    /// Two endpoints, the second four times as slow, log-normal.
    TwoEndpoints(f64),
}

fn uniform(chance: &mut ChaCha8Rng) -> f64 {
    1.0 - chance.random::<f64>()
}

fn exponential(chance: &mut ChaCha8Rng) -> f64 {
    -uniform(chance).ln()
}

/// G. E. P. Box, M. E. Muller, 1958.
fn normal(chance: &mut ChaCha8Rng) -> f64 {
    (-2.0 * uniform(chance).ln()).sqrt() * (std::f64::consts::TAU * chance.random::<f64>()).cos()
}

/// The requests of a run: when they end in seconds, endpoint, response time in seconds.
fn requests(service: &Service, slowdown: f64, chance: &mut ChaCha8Rng) -> Vec<(f64, usize, f64)> {
    // A queue that is half full answers by 2 % later when its service takes 1 % longer: W = s / (1 − λs).
    let amplified = if matches!(service.law, Law::Queue) { 2.0 } else { 1.0 };
    let factor = slowdown * (service.between_runs / amplified * normal(chance)).exp();
    let count = (service.rate * SECONDS as f64) as u64;
    let mut free_at = 0.0_f64;
    let mut arrival = 0.0;
    (0..count)
        .map(|number| {
            let (endpoint, time) = match service.law {
                Law::LogNormal(sigma) => (0, 0.020 * factor * (sigma * normal(chance)).exp()),
                Law::TwoEndpoints(sigma) => {
                    let endpoint = (number % 2) as usize;
                    (endpoint, [0.010, 0.040][endpoint] * factor * (sigma * normal(chance)).exp())
                }
                Law::Queue => {
                    arrival += exponential(chance) / service.rate;
                    free_at = free_at.max(arrival) + 0.5 / service.rate * factor * exponential(chance);
                    (0, free_at - arrival)
                }
            };
            let start =
                if matches!(service.law, Law::Queue) { arrival } else { number as f64 / service.rate };
            (start + time, endpoint, time)
        })
        .collect()
}

fn run(service: &Service, slowdown: f64, seed: u64) -> RunData {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut intervals: Vec<[Histogram; 4]> = Vec::new();
    intervals.resize_with(SECONDS as usize + 1, Default::default);
    for (end, endpoint, time) in requests(service, slowdown, &mut chance) {
        let failed = chance.random::<f64>() < service.errors;
        let interval = (end as usize).min(intervals.len() - 1);
        intervals[interval][2 * endpoint + usize::from(failed)].record((time * 1e9) as u64);
    }
    let snapshots: Vec<Snapshot> =
        intervals.into_iter().zip(0..).map(|(times, second)| snapshot(times, second, 1.0)).collect();
    data(&snapshots)
}

/// The `number`-th interval of such a length.
fn snapshot(times: [Histogram; 4], number: u32, seconds: f64) -> Snapshot {
    let at = |number: u32| Nanos((f64::from(number) * seconds * 1e9) as u64);
    let interval = Interval { from: at(number), to: at(number + 1) };
    let mut snapshot = Snapshot { interval: Some(interval), ..Snapshot::default() };
    let names = [("GET /a", "ok"), ("GET /a", "failed"), ("GET /b", "ok"), ("GET /b", "failed")];
    for (times, (endpoint, outcome)) in times.into_iter().zip(names).filter(|(times, _)| !times.is_empty()) {
        let series =
            Series::new(metric::RESPONSE_TIME).with(tag::ENDPOINT, endpoint).with(tag::OUTCOME, outcome);
        snapshot.add(series, Aggregate::Trend(times));
    }
    snapshot
}

/// A case of a suite that is to be compared.
#[derive(Clone, Copy, Debug)]
enum Case {
    /// One request after another, in looks at twice as many each time, until the figures are known.
    Sequential,
    /// As many seconds of load as the case has at least, and again as many until the figures are known.
    Load(f64),
    /// So many seconds, whatever is known by then: a suite that was run without a comparison in mind.
    Short(f64),
}

/// A run of a case: the requests of a service up to each look, in blocks.
fn case(service: &Service, case: Case, slowdown: f64, seed: u64) -> RunData {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let long = Service { rate: service.rate.max(1.0), ..*service };
    let mut all = requests(&long, slowdown, &mut chance);
    if matches!(case, Case::Sequential) {
        let mut now = 0.0;
        for (end, _, time) in &mut all {
            now += *time;
            *end = now;
        }
    }
    let precision = Precision { min_effect: 0.05 };
    let mut looks: Vec<f64> = match case {
        Case::Sequential => {
            let counts = std::iter::successors(Some(100_usize), |count| Some(count * 2));
            counts.map_while(|count| Some(all.get(count)?.0)).collect()
        }
        Case::Load(least) => {
            (1..u32::MAX).map(|times| f64::from(times) * least).take_while(|at| *at < CASE_SECONDS).collect()
        }
        Case::Short(seconds) => vec![seconds],
    };
    looks.push(CASE_SECONDS);
    let until = |end: f64| blocks(all.iter().filter(|(at, ..)| *at < end));
    let wants_more =
        |snapshots: &[Snapshot]| !matches!(case, Case::Short(_)) && !precision.is_reached(snapshots, &[]);
    let mut looked = looks.into_iter().map(until);
    let first = looked.next().unwrap_or_default();
    let snapshots = looked.fold(first, |known, next| if wants_more(&known) { next } else { known });
    data(&snapshots)
}

fn blocks<'a>(requests: impl Iterator<Item = &'a (f64, usize, f64)>) -> Vec<Snapshot> {
    let mut blocks: Vec<[Histogram; 4]> = Vec::new();
    for (end, endpoint, time) in requests {
        let at = (end / BLOCK) as usize;
        if at >= blocks.len() {
            blocks.resize_with(at + 1, Default::default);
        }
        blocks[at][2 * endpoint].record((time * 1e9) as u64);
    }
    let mut snapshots: Vec<Snapshot> =
        blocks.into_iter().zip(0..).map(|(times, block)| snapshot(times, block, BLOCK)).collect();
    while snapshots.len() > MAX_BLOCKS {
        snapshots = snapshots
            .chunks(2)
            .map(|pair| {
                let mut merged = pair[0].clone();
                pair.iter().skip(1).for_each(|next| merged.merge(next));
                merged
            })
            .collect();
    }
    snapshots
}

fn data(snapshots: &[Snapshot]) -> RunData {
    let mut summary = Summary::default();
    snapshots.iter().for_each(|snapshot| summary.totals.merge(snapshot));
    summary.run.scenarios = vec![ScenarioInfo { name: "simulated".into(), ..ScenarioInfo::default() }];
    RunData::new(summary, snapshots)
}

/// How many of so many comparisons raise an alarm.
struct Alarms {
    comparisons: u64,
    regressions: u64,
    /// How often each figure was among the reasons.
    by_figure: BTreeMap<String, u64>,
}

impl Alarms {
    fn share(&self) -> f64 {
        self.regressions as f64 / self.comparisons as f64
    }
}

impl fmt::Display for Alarms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = 100.0 * self.share();
        write!(f, "{percent:.1} % of {} comparisons alarm {:?}", self.comparisons, self.by_figure)
    }
}

fn alarms(service: &Service, slowdown: f64, comparisons: u64) -> Alarms {
    count(service, comparisons, |number| {
        (run(service, 1.0, 2 * number), run(service, slowdown, 2 * number + 1))
    })
}

fn count(service: &Service, comparisons: u64, runs: impl Fn(u64) -> (RunData, RunData)) -> Alarms {
    let run_spread = CompareOptions::default().run_spread.max(service.between_runs);
    let options = CompareOptions { run_spread, ..CompareOptions::default() };
    let mut alarms = Alarms { comparisons, regressions: 0, by_figure: BTreeMap::new() };
    for number in 0..comparisons {
        let (before, after) = runs(number);
        let comparison = compare(&before, &after, &options);
        alarms.regressions += u64::from(comparison.effect == Effect::Regression);
        for change in comparison.changes.into_iter().filter(|change| change.effect == Effect::Regression) {
            *alarms.by_figure.entry(change.subject).or_default() += 1;
        }
    }
    alarms
}

fn comparisons() -> (u64, bool) {
    let asked = std::env::var("PULSE_GATE_COMPARISONS").ok().and_then(|text| text.parse().ok());
    (asked.unwrap_or(COMPARISONS), asked.is_some())
}

/// The two sides of the gate's promise.
struct Row {
    name: &'static str,
    service: Service,
    /// Whether the run suffices to find 5 %.
    suffices: bool,
    /// Whether it is part of an ordinary test run.
    quick: bool,
}

const fn row(name: &'static str, law: Law, rate: f64, suffices: bool) -> Row {
    let service = Service { law, rate, errors: 0.002, between_runs: 0.005 };
    Row { name, service, suffices, quick: rate < 500.0 }
}

/// The default load, 100 requests per second for 30 s, finds 5 % where response times scatter by 30 %; more scatter, and
/// answers that wait for each other, need more requests.
const ROWS: [Row; 5] = [
    row("log-normal, sigma 0.3, 3 000 requests", Law::LogNormal(0.3), 100.0, true),
    row("two endpoints, sigma 0.3, 6 000 requests", Law::TwoEndpoints(0.3), 200.0, true),
    row("M/M/1 at 50 %, 3 000 requests", Law::Queue, 100.0, false),
    row("M/M/1 at 50 %, 60 000 requests", Law::Queue, 2000.0, true),
    row("log-normal, sigma 0.8, 30 000 requests", Law::LogNormal(0.8), 1000.0, true),
];

#[test]
fn the_same_against_itself_does_not_alarm() {
    let (comparisons, all) = comparisons();
    for row in ROWS.into_iter().filter(|row| all || row.quick) {
        let alarms = alarms(&row.service, 1.0, comparisons);
        println!("{}, the same: {alarms}", row.name);
        assert!(alarms.share() <= 0.01, "{}: {alarms}", row.name);
    }
}

#[test]
fn five_percent_slower_is_found() {
    let (comparisons, all) = comparisons();
    for row in ROWS.into_iter().filter(|row| row.suffices && (all || row.quick)) {
        let alarms = alarms(&row.service, 1.05, comparisons);
        println!("{}, 5 % slower: {alarms}", row.name);
        assert!(alarms.share() >= 0.9, "{}: {alarms}", row.name);
    }
}

/// A case of a suite, the service it asks, and whether 5 % are found within its budget.
struct CaseRow {
    name: &'static str,
    case: Case,
    law: Law,
    rate: f64,
    suffices: bool,
}

/// A sequential case asks a service of 20 ms about 50 times per second, so that the simulated rate is what it gets through.
const CASES: [CaseRow; 6] = [
    CaseRow {
        name: "sequential, sigma 0.1",
        case: Case::Sequential,
        law: Law::LogNormal(0.1),
        rate: 52.0,
        suffices: true,
    },
    CaseRow {
        name: "sequential, sigma 0.3",
        case: Case::Sequential,
        law: Law::LogNormal(0.3),
        rate: 52.0,
        suffices: false,
    },
    CaseRow {
        name: "100/s for 10 s, sigma 0.3",
        case: Case::Load(10.0),
        law: Law::LogNormal(0.3),
        rate: 100.0,
        suffices: true,
    },
    CaseRow {
        name: "100/s for 10 s, M/M/1",
        case: Case::Load(10.0),
        law: Law::Queue,
        rate: 100.0,
        suffices: false,
    },
    CaseRow {
        name: "one second, sigma 0.3",
        case: Case::Short(1.0),
        law: Law::LogNormal(0.3),
        rate: 500.0,
        suffices: false,
    },
    CaseRow {
        name: "two seconds, M/M/1",
        case: Case::Short(2.0),
        law: Law::Queue,
        rate: 500.0,
        suffices: false,
    },
];

fn case_alarms(row: &CaseRow, slowdown: f64, comparisons: u64) -> Alarms {
    let service = Service { law: row.law, rate: row.rate, errors: 0.0, between_runs: 0.005 };
    count(&service, comparisons, |number| {
        (case(&service, row.case, 1.0, 2 * number), case(&service, row.case, slowdown, 2 * number + 1))
    })
}

#[test]
fn cases_of_suites_do_not_alarm_against_themselves() {
    let (comparisons, _) = comparisons();
    for row in &CASES {
        let alarms = case_alarms(row, 1.0, comparisons);
        println!("{}, the same: {alarms}", row.name);
        assert!(alarms.share() <= 0.01, "{}: {alarms}", row.name);
    }
}

#[test]
fn cases_of_suites_find_five_percent() {
    let (comparisons, all) = comparisons();
    for row in CASES.iter().filter(|row| row.suffices || all) {
        let alarms = case_alarms(row, 1.05, comparisons);
        println!("{}, 5 % slower: {alarms}", row.name);
        assert!(alarms.share() >= 0.9 || !row.suffices, "{}: {alarms}", row.name);
    }
}

/// What is small does not alarm even where it is certain: a gate that stops work for 1 % is soon switched off.
#[test]
fn one_percent_slower_does_not_alarm() {
    let service = Service { law: Law::LogNormal(0.1), rate: 200.0, errors: 0.0, between_runs: 0.0 };
    let alarms = alarms(&service, 1.01, 20);
    assert_eq!(alarms.regressions, 0, "{alarms}");
}

/// Runs of one program that differ by 0.75 % (standard deviation) in all figures at once, which only the caller can know.
#[test]
fn what_differs_between_runs_does_not_alarm() {
    let service = Service { law: Law::LogNormal(0.1), rate: 100.0, errors: 0.0, between_runs: 0.0075 };
    let (comparisons, _) = comparisons();
    let same = alarms(&service, 1.0, comparisons);
    let slower = alarms(&service, 1.05, comparisons);
    println!("runs that differ by 0.75 %, the same: {same}; 5 % slower: {slower}");
    assert!(same.share() <= 0.01 && slower.share() >= 0.9, "{same}; {slower}");
}
