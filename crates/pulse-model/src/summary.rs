//! What a job found out: one type for load, test, monitor, database and cluster.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::series::{metric, tag};
use crate::{
    Aggregate, CaseInfo, Change, Course, DatabaseReport, Estimate, Finding, Histogram, Measured, Moment,
    Nanos, Rate, Series, Snapshot, Target, TargetResult, Validity, Verdict,
};

/// What was asked for: everything known when the job starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// What kind of job: `load` (later also `test`, `monitor`, `db`).
    pub kind: String,
    /// Title for people: the scenario file's name or the URL.
    pub name: String,
    /// The service's URL as given, with passwords masked.
    pub service: String,
    /// Scenarios in order.
    pub scenarios: Vec<ScenarioInfo>,
    /// Planned length of the load including warm-up; `None` when only a budget ends it.
    pub duration: Option<Nanos>,
    /// Length of the warm-up that is kept out of all judged figures.
    pub warmup: Nanos,
    /// Targets in order.
    pub targets: Vec<Target>,
    /// Worker threads.
    pub workers: u32,
    /// Seed of everything random.
    pub seed: u64,
    /// Wall-clock start, RFC 3339 with milliseconds, UTC.
    pub started: String,
    /// Version of Pulse.
    pub version: String,
    /// The machine that generated the load.
    pub host: HostInfo,
    /// What people should know about the set-up; they are among the report's findings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Finding>,
}

/// One scenario's load, as planned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScenarioInfo {
    /// Scenario name.
    pub name: String,
    /// The load model in words: `closed, 100 users at 10 iterations/s each`.
    pub load: String,
    /// Whether the load is meant to be the same from the end of the warm-up on: no ramps.
    #[serde(default)]
    pub steady: bool,
    /// Largest number of users.
    pub users: u64,
    /// Open model: the largest planned rate in iterations per second.
    pub rate: Option<f64>,
    /// Iterations that the plan asks for, when it is a definite number.
    pub planned_iterations: Option<u64>,
    /// Requests that the plan asks for, when it is a definite number.
    pub planned_requests: Option<u64>,
}

/// The machine that generated the load.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInfo {
    /// Operating system, for example `linux`.
    pub os: String,
    /// Processor architecture, for example `x86_64`.
    pub arch: String,
    /// Cores available to this process.
    pub cores: u32,
}

/// How the job came to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// As planned.
    #[default]
    Finished,
    /// The user stopped it; what was measured until then is reported.
    Interrupted,
    /// The recording ends before the job did; what was recorded is reported.
    Truncated,
}

/// One interval of the timeline. Times in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimePoint {
    /// Start of the interval.
    pub from: Nanos,
    /// End of the interval.
    pub to: Nanos,
    /// True while warming up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warmup: bool,
    /// Iterations the schedule asked for.
    pub due: u64,
    /// Requests completed.
    pub requests: u64,
    /// Failed requests among them.
    pub failed: u64,
    /// Active users at the end of the interval.
    pub users: u64,
    /// Dropped and missed iterations.
    pub dropped: u64,
    /// Median response time.
    pub p50: u64,
    /// 95th percentile of response time.
    pub p95: u64,
    /// 99th percentile of response time.
    pub p99: u64,
    /// Largest response time.
    pub max: u64,
    /// 95th percentile of service time.
    pub service_p95: u64,
    /// 99th percentile of start lag.
    pub start_lag_p99: u64,
    /// Largest share of a core that a worker used, 0 to 1.
    pub worker_cpu: f64,
    /// Failed requests by class, at most [`TimePoint::CLASSES`] of them and one for all others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<String, u64>,
    /// Bytes sent, heads included.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bytes_sent: u64,
    /// Bytes received, heads included.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bytes_received: u64,
    /// Connections opened.
    #[serde(default, skip_serializing_if = "is_default")]
    pub connections: u64,
    /// Cores that the service's processes used together, 1 for one that was busy throughout; 0 where they are not known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub process_cpu: f64,
    /// Resident memory of the service's processes in bytes; 0 where they are not known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub process_resident: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl TimePoint {
    /// The most classes of failures that are told apart.
    pub const CLASSES: usize = 16;
    /// The class of those that are not.
    pub const OTHER_CLASSES: &str = "_other";

    /// The figures of one merged interval; `users` is the number active at its end.
    pub fn of(snapshot: &Snapshot, users: u64, warmup: bool) -> Self {
        let response = snapshot.trend(&Series::new(metric::RESPONSE_TIME));
        let service = snapshot.trend(&Series::new(metric::SERVICE_TIME));
        let lag = snapshot.trend(&Series::new(metric::START_LAG));
        let at = |trend: &Histogram, q| trend.quantile(q).map_or(0, |quantile| quantile.estimate);
        let count = |name| snapshot.counter(&Series::new(name));
        let interval = snapshot.interval;
        Self {
            from: interval.map_or(Nanos::ZERO, |interval| interval.from),
            to: interval.map_or(Nanos::ZERO, |interval| interval.to),
            warmup,
            due: count(metric::DUE_ITERATIONS),
            requests: response.count(),
            failed: failed_requests(snapshot, &Series::new(metric::RESPONSE_TIME)),
            users,
            dropped: count(metric::DROPPED_ITERATIONS) + count(metric::MISSED_ITERATIONS),
            p50: at(&response, 0.5),
            p95: at(&response, 0.95),
            p99: at(&response, 0.99),
            max: response.max().unwrap_or(0),
            service_p95: at(&service, 0.95),
            start_lag_p99: at(&lag, 0.99),
            worker_cpu: busiest_worker(snapshot),
            failures: classes(snapshot),
            bytes_sent: count(metric::BYTES_SENT),
            bytes_received: count(metric::BYTES_RECEIVED),
            connections: count(metric::CONNECTIONS_OPENED),
            process_cpu: shares(snapshot, metric::PROCESS_CPU, metric::PROCESS_WALL).sum(),
            process_resident: resident(snapshot),
        }
    }

    /// Extends this point by the one that follows. Peaks stay: percentiles become the larger of the two, except the
    /// median, which is weighted.
    pub fn absorb(&mut self, next: &Self) {
        let requests = self.requests + next.requests;
        let weighted = u128::from(self.p50) * u128::from(self.requests)
            + u128::from(next.p50) * u128::from(next.requests);
        *self = Self {
            from: self.from,
            to: next.to,
            warmup: self.warmup && next.warmup,
            due: self.due + next.due,
            requests,
            failed: self.failed + next.failed,
            users: next.users,
            dropped: self.dropped + next.dropped,
            p50: (weighted / u128::from(requests.max(1))) as u64,
            p95: self.p95.max(next.p95),
            p99: self.p99.max(next.p99),
            max: self.max.max(next.max),
            service_p95: self.service_p95.max(next.service_p95),
            start_lag_p99: self.start_lag_p99.max(next.start_lag_p99),
            worker_cpu: self.worker_cpu.max(next.worker_cpu),
            failures: {
                let mut failures = std::mem::take(&mut self.failures);
                next.failures.iter().for_each(|(class, count)| fail(&mut failures, class, *count));
                failures
            },
            bytes_sent: self.bytes_sent + next.bytes_sent,
            bytes_received: self.bytes_received + next.bytes_received,
            connections: self.connections + next.connections,
            process_cpu: self.process_cpu.max(next.process_cpu),
            process_resident: self.process_resident.max(next.process_resident),
        };
    }
}

/// The largest share of a core that any worker used for its work, 0 to 1: spinning is waiting.
pub fn busiest_worker(snapshot: &Snapshot) -> f64 {
    let spinning = shares(snapshot, metric::WORKER_SPIN, metric::WORKER_WALL);
    let working = shares(snapshot, metric::WORKER_CPU, metric::WORKER_WALL).zip(spinning);
    working.map(|(all, spinning)| all - spinning).fold(0.0, f64::max)
}

/// Cores that the workers spent on spinning, summed over all of them.
pub fn spinning_cores(snapshot: &Snapshot) -> f64 {
    shares(snapshot, metric::WORKER_SPIN, metric::WORKER_WALL).sum()
}

/// The share of its time that each worker was busy; of series without a worker, theirs.
fn shares<'a>(
    snapshot: &'a Snapshot,
    busy: &'static str,
    wall: &'static str,
) -> impl Iterator<Item = f64> + 'a {
    let count = |series: &Series| snapshot.counter(series) as f64;
    let all = Series::new(wall);
    let walls: Vec<Series> = snapshot.matching(&all).map(|(series, _)| series.clone()).collect();
    walls.into_iter().map(move |series| {
        let time = count(&series);
        let busy = Series { metric: busy.into(), ..series };
        if time > 0.0 { count(&busy) / time } else { 0.0 }
    })
}

fn resident(snapshot: &Snapshot) -> u64 {
    let resident = Series::new(metric::PROCESS_RESIDENT);
    let levels = snapshot.matching(&resident).map(|(_, aggregate)| match aggregate {
        Aggregate::Gauge(gauge) => gauge.last,
        _ => 0,
    });
    levels.fold(0, u64::saturating_add)
}

fn classes(snapshot: &Snapshot) -> BTreeMap<String, u64> {
    let mut classes = BTreeMap::new();
    for (series, aggregate) in snapshot.matching(&Series::new(metric::FAILURES)) {
        if let (Aggregate::Counter(count), Some(class)) = (aggregate, series.tag(tag::CLASS)) {
            fail(&mut classes, class, *count);
        }
    }
    classes
}

/// Counts failures of a class, if there is room for it.
fn fail(classes: &mut BTreeMap<String, u64>, class: &str, count: u64) {
    let has_room = classes.len() < TimePoint::CLASSES || classes.contains_key(class);
    let class = if has_room { class } else { TimePoint::OTHER_CLASSES };
    let sum = classes.entry(class.to_owned()).or_default();
    *sum = sum.saturating_add(count);
}

/// Failed requests among those that `selector` (of a response-time series) selects.
pub fn failed_requests(snapshot: &Snapshot, selector: &Series) -> u64 {
    snapshot.trend(&selector.clone().with(tag::OUTCOME, "failed")).count()
}

/// A percentile with its 95 % interval, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentile {
    /// Which: 0.95 is the 95th. Above 0, below 1.
    pub q: f64,
    /// Lower end of the interval.
    pub lo: f64,
    /// Upper end of the interval.
    pub hi: f64,
}

/// What a job found out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// What was asked for.
    pub run: RunInfo,
    /// How the job ended.
    pub ending: Ending,
    /// From the start of the load to the last answer, warm-up included.
    pub elapsed: Nanos,
    /// Everything recorded after the warm-up, merged.
    pub totals: Snapshot,
    /// Requests made during the warm-up; they are in no other figure.
    pub warmup_requests: u64,
    /// Targets with verdicts, in order.
    pub targets: Vec<TargetResult>,
    /// What was noticed, worst first.
    pub findings: Vec<Finding>,
    /// Figures over time, at most a few thousand points.
    pub timeline: Vec<TimePoint>,
    /// How well percentiles of response time are known: of all requests, those whose interval the samples bound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub percentiles: Vec<Percentile>,
    /// Where response times lay over time: of all requests first, then by endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub courses: Vec<Course>,
    /// What happened when, in order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moments: Vec<Moment>,
    /// Can these numbers be trusted?
    pub validity: Validity,
    /// The worst verdict of all targets and children.
    pub verdict: Option<Verdict>,
    /// Values that the job worked out itself, in the base unit of the estimate.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub estimates: BTreeMap<Estimate, Measured>,
    /// What this is a case of, in a suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseInfo>,
    /// Differences from a baseline, those that matter first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What was found out about a database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Box<DatabaseReport>>,
    /// Parts of a larger job, such as the cases of a suite.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Summary>,
}

impl Summary {
    /// Response times of all requests, successful or not.
    pub fn response_time(&self) -> Histogram {
        self.totals.trend(&Series::new(metric::RESPONSE_TIME))
    }

    /// Completed requests.
    pub fn requests(&self) -> u64 {
        self.response_time().count()
    }

    /// Failed requests.
    pub fn failed(&self) -> u64 {
        failed_requests(&self.totals, &Series::new(metric::RESPONSE_TIME))
    }

    /// Length of the judged part of the run: from the end of the warm-up to the last answer.
    pub fn judged(&self) -> Nanos {
        self.totals.length()
    }

    /// Completed requests per second of the judged part.
    pub fn throughput(&self) -> f64 {
        let seconds = self.judged().as_secs_f64();
        if seconds > 0.0 { self.requests() as f64 / seconds } else { 0.0 }
    }

    /// Sum of a counter over all its series.
    pub fn counter(&self, name: &str) -> u64 {
        self.totals.counter(&Series::new(name))
    }

    /// Names of the endpoints in alphabetical order.
    pub fn endpoints(&self) -> Vec<&str> {
        self.totals.tag_values(metric::RESPONSE_TIME, tag::ENDPOINT)
    }

    /// Checks by name with passes and total.
    pub fn checks(&self) -> Vec<(&str, Rate)> {
        self.totals
            .tag_values(metric::CHECKS, tag::CHECK)
            .into_iter()
            .map(|name| (name, self.totals.rate(&Series::new(metric::CHECKS).with(tag::CHECK, name))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Gauge, Interval};

    /// A second of a watched service with two workers, and so many failures of each class.
    fn second(number: u64, classes: &[(&str, u64)]) -> TimePoint {
        let interval = Interval { from: Nanos::from_secs(number), to: Nanos::from_secs(number + 1) };
        let mut snapshot = Snapshot { interval: Some(interval), ..Snapshot::default() };
        for (class, count) in classes {
            for endpoint in ["/a", "/b"] {
                let series =
                    Series::new(metric::FAILURES).with(tag::CLASS, class).with(tag::ENDPOINT, endpoint);
                snapshot.count(series, *count);
            }
        }
        snapshot.count(Series::new(metric::BYTES_SENT), 10);
        snapshot.count(Series::new(metric::BYTES_RECEIVED), 1_000);
        snapshot.count(Series::new(metric::CONNECTIONS_OPENED), 3);
        for (worker, busy, bytes) in [("0", 250_000_000, 7 + number), ("1", 500_000_000, 100)] {
            let of_worker = |name| Series::new(name).with(tag::WORKER, worker);
            snapshot.count(of_worker(metric::PROCESS_CPU), busy);
            snapshot.count(of_worker(metric::PROCESS_WALL), 1_000_000_000);
            let gauge = Gauge { at: interval.to, last: bytes, min: bytes, max: bytes };
            snapshot.add(of_worker(metric::PROCESS_RESIDENT), Aggregate::Gauge(gauge));
        }
        TimePoint::of(&snapshot, 0, false)
    }

    #[test]
    fn a_point_has_what_went_over_the_wire_and_what_processes_used() {
        let mut point = second(0, &[("timeout", 2), ("reset", 1)]);
        assert_eq!(point.failures, [("reset".to_owned(), 2), ("timeout".to_owned(), 4)].into());
        assert_eq!((point.bytes_sent, point.bytes_received, point.connections), (10, 1_000, 3));
        assert_eq!((point.process_cpu, point.process_resident), (0.75, 107), "the workers together");
        point.absorb(&second(1, &[("timeout", 1), ("tls", 1)]));
        let classes =
            [("reset", 2), ("timeout", 6), ("tls", 2)].map(|(name, count)| (name.to_owned(), count));
        assert_eq!(point.failures, classes.into());
        assert_eq!((point.bytes_sent, point.bytes_received, point.connections), (20, 2_000, 6));
        assert_eq!((point.process_cpu, point.process_resident), (0.75, 108), "peaks stay");
    }

    #[test]
    fn classes_without_room_are_counted_together() {
        let names: Vec<String> = (0..40).map(|n| format!("class{n}")).collect();
        let classes: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let mut point = second(0, &classes);
        point.absorb(&second(1, &classes));
        assert_eq!(point.failures.len(), TimePoint::CLASSES + 1);
        assert_eq!(point.failures.values().sum::<u64>(), 160, "none is lost");
    }

    #[test]
    fn a_point_of_before_reads_as_it_was() {
        let point = TimePoint { requests: 5, ..TimePoint::default() };
        let text = serde_json::to_string(&point).unwrap();
        assert!(!text.contains("bytes_sent") && !text.contains("failures"), "{text}");
        assert_eq!(serde_json::from_str::<TimePoint>(&text).unwrap(), point);
    }
}
