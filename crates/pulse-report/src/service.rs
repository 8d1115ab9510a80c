//! What a service says about itself, in figures: the same for the live view and every report.

use std::collections::BTreeMap;

use pulse_model::{Aggregate, Histogram, Nanos, Quantile, Rate, Series, Snapshot, metric, tag};

/// The figures of a service that monitors itself, or of a process that is watched, over the interval of a snapshot.
#[derive(Clone, Debug, Default)]
pub struct ServiceFigures {
    /// Time that all of the figures cover.
    pub length: Nanos,
    /// All requests.
    pub requests: RequestFigures,
    /// By endpoint and method, those that took most of the time first.
    pub endpoints: Vec<(String, RequestFigures)>,
    /// Answers by status, rising.
    pub statuses: Vec<(String, u64)>,
    /// All database statements.
    pub database: Times,
    /// Database statements by kind, those that took most of the time first.
    pub statements: Vec<(String, Times)>,
    /// Statements that took longer than the service's limit.
    pub slow_queries: u64,
    /// The forms of slow statements that took most time.
    pub slow_statements: Vec<SlowStatement>,
    /// Caches by name; one without a name is `cache`.
    pub caches: Vec<(String, Rate)>,
    /// Pools by name, summed over all workers.
    pub pools: Vec<(String, PoolFigures)>,
    /// Processes by worker, or the only one.
    pub processes: Vec<(String, ProcessFigures)>,
    /// Memory that the processes may use, bytes.
    pub memory_limit: Option<u64>,
    /// Other trends by series.
    pub timers: Vec<(String, Times)>,
    /// Other counters by series.
    pub counters: Vec<(String, u64)>,
    /// What the service's monitor could not record or send, by reason.
    pub dropped: Vec<(String, u64)>,
}

/// Requests of a service or of an endpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestFigures {
    /// Failed ones among them.
    pub failed: u64,
    /// Response times of all, failed ones too.
    pub times: Times,
}

/// A trend's figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Times {
    /// Number of values.
    pub count: u64,
    /// Values per second; `None` when the snapshot has no length.
    pub per_second: Option<f64>,
    /// Sum of all values, nanoseconds.
    pub sum: u128,
    /// Mean, nanoseconds.
    pub mean: Option<f64>,
    /// Median with its bucket.
    pub p50: Option<Quantile>,
    /// 95th percentile with its bucket.
    pub p95: Option<Quantile>,
    /// 99th percentile with its bucket.
    pub p99: Option<Quantile>,
    /// Largest value, nanoseconds.
    pub max: Option<u64>,
}

/// A form of database statement that was slow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlowStatement {
    /// The statement without its values.
    pub query: String,
    /// How often it was slow.
    pub count: u64,
    /// The time of these occurrences, nanoseconds.
    pub total: u64,
    /// The longest that is known, nanoseconds.
    pub max: u64,
}

/// A pool's latest readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolFigures {
    /// What it holds.
    pub size: u64,
    /// What of it is in use.
    pub in_use: u64,
    /// Who waits.
    pub waiting: u64,
}

/// A process's resources. What was not read is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessFigures {
    /// CPU time as a share of one core; may be above 1.
    pub cpu: Option<f64>,
    /// Resident memory, bytes.
    pub resident: Option<u64>,
    /// Memory in which shared pages count by share, bytes.
    pub proportional: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open descriptors.
    pub descriptors: Option<u64>,
    /// Context switches per second.
    pub switches: Option<f64>,
    /// Bytes per second read from storage.
    pub read: Option<f64>,
    /// Bytes per second written to storage.
    pub written: Option<f64>,
}

/// A process's counters before they are divided by time.
#[derive(Default)]
struct Process {
    figures: ProcessFigures,
    cpu: Option<u64>,
    wall: u64,
    switches: Option<u64>,
    read: Option<u64>,
    written: Option<u64>,
}

#[derive(Default)]
struct Gathered {
    all: (Histogram, u64),
    endpoints: BTreeMap<String, (Histogram, u64)>,
    statuses: BTreeMap<String, u64>,
    statements: BTreeMap<String, Histogram>,
    slow: BTreeMap<String, SlowStatement>,
    caches: BTreeMap<String, Rate>,
    pools: BTreeMap<String, PoolFigures>,
    processes: BTreeMap<String, Process>,
}

impl ServiceFigures {
    /// The figures of everything in a snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
        let length = snapshot.length();
        let mut figures = Self { length, ..Self::default() };
        let mut gathered = Gathered { all: empty(), ..Gathered::default() };
        for (series, aggregate) in &snapshot.series {
            gathered.take(series, aggregate, &mut figures);
        }
        figures.requests = requests(&gathered.all, length);
        figures.endpoints =
            gathered.endpoints.iter().map(|(name, each)| (name.clone(), requests(each, length))).collect();
        figures.endpoints.sort_by_key(|(_, each)| std::cmp::Reverse(each.times.sum));
        figures.statuses = gathered.statuses.into_iter().collect();
        let mut database = empty().0;
        gathered.statements.values().for_each(|each| database.merge(each));
        figures.database = Times::of(&database, length);
        figures.statements =
            gathered.statements.iter().map(|(kind, each)| (kind.clone(), Times::of(each, length))).collect();
        figures.statements.sort_by_key(|(_, each)| std::cmp::Reverse(each.sum));
        figures.slow_statements = gathered.slow.into_values().filter(|each| each.count > 0).collect();
        figures.slow_statements.sort_by_key(|each| std::cmp::Reverse(each.total));
        figures.caches = gathered.caches.into_iter().collect();
        figures.pools = gathered.pools.into_iter().collect();
        let processes = gathered.processes.into_iter();
        figures.processes = processes.map(|(name, process)| (name, process.figures(length))).collect();
        figures
    }

    /// All processes together; resident memory counts pages that they share several times.
    pub fn process(&self) -> Option<ProcessFigures> {
        let each = self.processes.iter().map(|(_, process)| *process);
        each.reduce(|a, b| ProcessFigures {
            cpu: sum(a.cpu, b.cpu, |a, b| a + b),
            resident: sum(a.resident, b.resident, u64::saturating_add),
            proportional: sum(a.proportional, b.proportional, u64::saturating_add),
            threads: sum(a.threads, b.threads, u64::saturating_add),
            descriptors: sum(a.descriptors, b.descriptors, u64::saturating_add),
            switches: sum(a.switches, b.switches, |a, b| a + b),
            read: sum(a.read, b.read, |a, b| a + b),
            written: sum(a.written, b.written, |a, b| a + b),
        })
    }
}

/// What of two is there, or their sum.
fn sum<T: Copy>(a: Option<T>, b: Option<T>, add: impl Fn(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(add(a, b)),
        (a, b) => a.or(b),
    }
}

/// As fine as a histogram can be, so that merging never coarsens what is there.
fn empty() -> (Histogram, u64) {
    (Histogram::default(), 0)
}

/// A series that has no place of its own: without the name of the tag where it is obvious.
fn label(series: &Series, tag: &str, otherwise: &str) -> String {
    series.tag(tag).unwrap_or(otherwise).to_owned()
}

impl Gathered {
    fn take(&mut self, series: &Series, aggregate: &Aggregate, figures: &mut ServiceFigures) {
        match (&*series.metric, aggregate) {
            (metric::RESPONSE_TIME, Aggregate::Trend(trend)) => self.requests(series, trend),
            (metric::DB_QUERY_TIME, Aggregate::Trend(trend)) => {
                let kind = label(series, tag::KIND, "other");
                self.statements.entry(kind).or_insert_with(|| empty().0).merge(trend);
            }
            (metric::SLOW_QUERIES, Aggregate::Counter(count)) => {
                figures.slow_queries = figures.slow_queries.saturating_add(*count);
            }
            (metric::SLOW_QUERY_COUNT | metric::SLOW_QUERY_TIME | metric::SLOW_QUERY_MAX, _) => {
                self.slow(series, aggregate);
            }
            (metric::CACHE, Aggregate::Rate(rate)) => {
                let cache = self.caches.entry(label(series, tag::CACHE, metric::CACHE)).or_default();
                cache.hits = cache.hits.saturating_add(rate.hits);
                cache.total = cache.total.saturating_add(rate.total);
            }
            (metric::MONITOR_DROPPED, Aggregate::Counter(count)) => {
                figures.dropped.push((label(series, tag::REASON, "unknown"), *count));
            }
            (metric::POOL_SIZE | metric::POOL_IN_USE | metric::POOL_WAITING, Aggregate::Gauge(gauge)) => {
                let pool = self.pools.entry(label(series, tag::POOL, "pool")).or_default();
                let place = match &*series.metric {
                    metric::POOL_SIZE => &mut pool.size,
                    metric::POOL_IN_USE => &mut pool.in_use,
                    _ => &mut pool.waiting,
                };
                *place = place.saturating_add(gauge.last);
            }
            (metric::MEMORY_LIMIT, Aggregate::Gauge(gauge)) => figures.memory_limit = Some(gauge.last),
            (metric::MONITOR_GAP | metric::WATCH_MISSED | metric::WATCH_RESTARTS, _) => {}
            (name, aggregate) if name.starts_with(PROCESS) => self.process(series, aggregate),
            (_, Aggregate::Counter(count)) => figures.counters.push((series.to_string(), *count)),
            (_, Aggregate::Trend(trend)) => {
                figures.timers.push((series.to_string(), Times::of(trend, figures.length)));
            }
            // Custom levels and shares have no figure of their own yet; recordings and exports keep them.
            (_, Aggregate::Gauge(_) | Aggregate::Rate(_)) => {}
        }
    }

    fn requests(&mut self, series: &Series, trend: &Histogram) {
        let failed = if series.tag(tag::OUTCOME) == Some("failed") { trend.count() } else { 0 };
        let endpoint = series.endpoint_name().map(|name| self.endpoints.entry(name).or_insert_with(empty));
        for (times, failures) in std::iter::once(&mut self.all).chain(endpoint) {
            times.merge(trend);
            *failures = failures.saturating_add(failed);
        }
        if let Some(status) = series.tag(tag::STATUS) {
            let count = self.statuses.entry(status.to_owned()).or_default();
            *count = count.saturating_add(trend.count());
        }
    }

    fn slow(&mut self, series: &Series, aggregate: &Aggregate) {
        let Some(query) = series.tag(tag::QUERY) else { return };
        let entry = || SlowStatement { query: query.to_owned(), ..SlowStatement::default() };
        let statement = self.slow.entry(query.to_owned()).or_insert_with(entry);
        match (&*series.metric, aggregate) {
            (metric::SLOW_QUERY_COUNT, Aggregate::Counter(count)) => statement.count = *count,
            (metric::SLOW_QUERY_TIME, Aggregate::Counter(nanos)) => statement.total = *nanos,
            (metric::SLOW_QUERY_MAX, Aggregate::Gauge(gauge)) => statement.max = gauge.last,
            _ => {}
        }
    }

    fn process(&mut self, series: &Series, aggregate: &Aggregate) {
        let process = self.processes.entry(label(series, tag::WORKER, "process")).or_default();
        let figures = &mut process.figures;
        let level = if let Aggregate::Gauge(gauge) = aggregate { Some(gauge.last) } else { None };
        let count = if let Aggregate::Counter(count) = aggregate { Some(*count) } else { None };
        let more = |before: &mut Option<u64>| *before = sum(*before, count, u64::saturating_add);
        match &*series.metric {
            metric::PROCESS_RESIDENT => figures.resident = level,
            metric::PROCESS_PROPORTIONAL => figures.proportional = level,
            metric::PROCESS_THREADS => figures.threads = level,
            metric::PROCESS_DESCRIPTORS => figures.descriptors = level,
            metric::PROCESS_CPU => process.cpu = count,
            metric::PROCESS_WALL => process.wall = count.unwrap_or(0),
            metric::PROCESS_CONTEXT_SWITCHES => more(&mut process.switches),
            metric::PROCESS_READ => more(&mut process.read),
            metric::PROCESS_WRITTEN => more(&mut process.written),
            _ => {}
        }
    }
}

/// What the names of all metrics of a process begin with.
const PROCESS: &str = "process_";

impl Process {
    fn figures(&self, length: Nanos) -> ProcessFigures {
        let per_second = |count: Option<u64>| count.and_then(|count| rate(count, length));
        // Who says how long it has looked may have looked for less than the snapshot's length.
        let wall = if self.wall > 0 { self.wall } else { length.0 };
        ProcessFigures {
            cpu: self.cpu.filter(|_| wall > 0).map(|cpu| cpu as f64 / wall as f64),
            switches: per_second(self.switches),
            read: per_second(self.read),
            written: per_second(self.written),
            ..self.figures
        }
    }
}

fn requests((times, failed): &(Histogram, u64), length: Nanos) -> RequestFigures {
    RequestFigures { failed: *failed, times: Times::of(times, length) }
}

fn rate(count: u64, length: Nanos) -> Option<f64> {
    let seconds = length.as_secs_f64();
    (seconds > 0.0).then(|| count as f64 / seconds)
}

impl Times {
    /// The figures of a trend that was recorded over a length of time.
    pub fn of(trend: &Histogram, length: Nanos) -> Self {
        Self {
            count: trend.count(),
            per_second: rate(trend.count(), length),
            sum: trend.sum(),
            mean: trend.mean(),
            p50: trend.quantile(0.5),
            p95: trend.quantile(0.95),
            p99: trend.quantile(0.99),
            max: trend.max(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical_monitor;

    #[test]
    fn everything_has_its_place() {
        let figures = ServiceFigures::of(&canonical_monitor::totals());
        let names: Vec<&str> = figures.endpoints.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["GET /api/v1/trades", "POST /api/v1/execute", "/health"], "by the time they took");
        assert_eq!((figures.requests.times.count, figures.requests.failed), (1_700, 30));
        assert_eq!(figures.statuses, [("200".to_owned(), 1_670), ("503".to_owned(), 30)]);
        assert_eq!(figures.database.count, 600);
        assert_eq!(figures.slow_queries, 4);
        let slow = &figures.slow_statements[0];
        assert_eq!((slow.query.as_str(), slow.count, slow.max), ("SELECT * FROM trades", 3, 81_000_000));
        assert_eq!(figures.slow_statements.len(), 2);
        assert_eq!(figures.caches, [("cache".to_owned(), Rate { hits: 90, total: 100 })]);
        assert_eq!(figures.pools, [("db".to_owned(), PoolFigures { size: 16, in_use: 9, waiting: 1 })]);
        assert_eq!(figures.counters, [("orders{side=\"buy\"}".to_owned(), 12)]);
        assert_eq!(figures.timers[0].0, "render");
        assert_eq!(figures.dropped, [("series".to_owned(), 3)]);
        let process = figures.process().unwrap();
        assert_eq!((process.cpu, process.resident, process.threads), (Some(1.5), Some(60_000_000), Some(12)));
        assert_eq!((process.switches, process.read), (Some(100.0), Some(2_048.0)));
    }

    #[test]
    fn nothing_has_no_figures() {
        let figures = ServiceFigures::of(&Snapshot::default());
        assert_eq!((&figures.requests, figures.process()), (&RequestFigures::default(), None));
    }

    #[test]
    fn cpu_time_without_a_wall_time_is_of_the_whole_length() {
        let mut totals = crate::canonical::over(Nanos::ZERO, Nanos::from_secs(10));
        totals.count(Series::new(metric::PROCESS_CPU), 5_000_000_000);
        assert_eq!(ServiceFigures::of(&totals).process().unwrap().cpu, Some(0.5));
    }

    #[test]
    fn merging_does_not_coarsen() {
        let figures = ServiceFigures::of(&canonical_monitor::totals());
        let p95 = figures.requests.times.p95.unwrap();
        assert!((p95.hi as f64 / p95.lo as f64) < 1.03, "one bucket of the monitor's schema: {p95:?}");
    }
}
