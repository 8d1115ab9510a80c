//! The figures of a span of time under the names that a dictionary user expects.
//!
//! All figures of a summary are about one interval ([`Covered`]). Times are milliseconds, rates of errors and hits are
//! shares from 0 to 1, and nothing is ever absent: where nothing was recorded, a figure is 0, so that formatting it cannot
//! fail, and the count beside it says that there is nothing behind it.

use std::collections::BTreeMap;

use pulse_model::{Aggregate, Histogram, Nanos, Quantile, Schema, Series, Snapshot, metric, tag};
use serde::{Deserialize, Serialize};

/// Bytes of the "MB" in names.
const MEGABYTE: f64 = 1e6;
/// A rate is at least over this: of less time there is nothing to say per second.
const SHORTEST: Nanos = Nanos::from_secs(1);

/// What `summary()` returns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MonitorSummary {
    /// Seconds since this process began to monitor.
    pub uptime: f64,
    /// When the summary was made: Unix time in seconds.
    pub timestamp: f64,
    /// The interval of all figures.
    pub window: Covered,
    /// Numbers of requests.
    pub requests: Requests,
    /// Distribution of the response times of all requests.
    pub response_times: ResponseTimes,
    /// Figures of each endpoint, all methods and statuses together.
    pub endpoints: BTreeMap<String, EndpointSummary>,
    /// Figures of the database statements.
    pub database: DatabaseSummary,
    /// Figures of all caches together.
    pub cache: CacheSummary,
    /// What the process uses; of several workers, all together.
    pub resources: ResourceSummary,
    /// Latest state of each pool, of all workers together.
    pub pools: BTreeMap<String, PoolSummary>,
}

/// The time that figures are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Covered {
    /// The span that was asked for.
    pub requested_seconds: f64,
    /// The span that the figures cover: less where the monitor is younger, more by less than a slot (1 s; 10 s beyond five
    /// minutes) since the last slot counts as a whole.
    pub covered_seconds: f64,
    /// The part of it in which the monitor did not get to look for more than ten seconds at a time; what was recorded then
    /// is in the figures, but its place within the gap is not known.
    pub gap_seconds: f64,
}

/// Numbers of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    /// Requests.
    pub total: u64,
    /// Requests per second of the covered time; less than a second counts as one.
    pub rate_per_second: f64,
    /// Requests that failed: status 400 and above, unless configured otherwise.
    pub error_count: u64,
    /// Share of failed requests, 0 to 1.
    pub error_rate: f64,
}

/// Response times in milliseconds; all 0 where `count` is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResponseTimes {
    /// The number of requests behind the figures.
    pub count: u64,
    /// Shortest.
    pub min: f64,
    /// Longest.
    pub max: f64,
    /// Mean.
    pub avg: f64,
    /// Nearest-rank median: the estimate with the smallest relative error (≤ 1.1 %).
    pub median: f64,
    /// 95th percentile, likewise.
    pub p95: f64,
    /// 99th percentile, likewise.
    pub p99: f64,
    /// The smallest and the largest value that the median can have.
    pub median_bounds: [f64; 2],
    /// The same of the 95th percentile.
    pub p95_bounds: [f64; 2],
    /// The same of the 99th percentile.
    pub p99_bounds: [f64; 2],
}

/// Figures of one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointSummary {
    /// Requests.
    pub count: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Share of failed requests, 0 to 1.
    pub error_rate: f64,
    /// Requests per second of the covered time.
    pub rate_per_second: f64,
    /// Mean response time in milliseconds.
    pub avg_response_time_ms: f64,
    /// 95th percentile of the response times in milliseconds.
    pub p95_response_time_ms: f64,
    /// The smallest and the largest value that the 95th percentile can have.
    pub p95_bounds_ms: [f64; 2],
    /// Longest response time in milliseconds.
    pub max_response_time_ms: f64,
    /// All response times together, in milliseconds: what to improve first.
    pub total_time_ms: f64,
}

/// Figures of database statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DatabaseSummary {
    /// Statements.
    pub total_queries: u64,
    /// Mean time in milliseconds.
    pub avg_time_ms: f64,
    /// Median time in milliseconds.
    pub median_time_ms: f64,
    /// 95th percentile in milliseconds.
    pub p95_time_ms: f64,
    /// The smallest and the largest value that the 95th percentile can have.
    pub p95_bounds_ms: [f64; 2],
    /// Longest time in milliseconds.
    pub max_time_ms: f64,
    /// Statements that took longer than the limit of slow ones.
    pub slow_queries: u64,
}

/// Figures of caches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CacheSummary {
    /// Lookups that found something.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// All lookups.
    pub total: u64,
    /// Share of hits, 0 to 1.
    pub hit_rate: f64,
}

/// What the process uses; 0 where the system does not tell (there is no `/proc`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResourceSummary {
    /// CPU time per time, as percent of one core: four busy cores are 400.
    pub cpu_percent: f64,
    /// Share of the memory that may be used (the machine's, or the control group's limit), in percent.
    pub memory_percent: f64,
    /// Memory in units of 10⁶ bytes: of one worker its resident memory, of several the sum in which a page that they share
    /// counts once.
    pub memory_mb: f64,
    /// Workers that these figures are of.
    pub workers: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors.
    pub descriptors: u64,
}

/// State of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSummary {
    /// What it holds.
    pub size: u64,
    /// What of it is in use.
    pub in_use: u64,
    /// Those who wait.
    pub waiting: u64,
}

/// When a summary is made, and for which span.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Occasion {
    /// The span that was asked for.
    pub requested: Nanos,
    /// How long this process has been monitoring.
    pub uptime: Nanos,
    /// Unix time in seconds.
    pub unix_seconds: f64,
}

impl MonitorSummary {
    /// The figures of a window's snapshot.
    pub fn new(snapshot: &Snapshot, occasion: Occasion) -> Self {
        let covered = snapshot.length();
        let seconds = covered.max(SHORTEST).as_secs_f64();
        let endpoints = endpoints(snapshot);
        let mut all = Histogram::new(Schema::MONITOR);
        let mut failed = 0;
        for endpoint in endpoints.values() {
            all.merge(&endpoint.times);
            failed += endpoint.failed;
        }
        Self {
            uptime: occasion.uptime.as_secs_f64(),
            timestamp: occasion.unix_seconds,
            window: Covered {
                requested_seconds: occasion.requested.as_secs_f64(),
                covered_seconds: covered.as_secs_f64(),
                gap_seconds: Nanos(snapshot.counter(&Series::new(metric::MONITOR_GAP))).as_secs_f64(),
            },
            requests: Requests {
                total: all.count(),
                rate_per_second: all.count() as f64 / seconds,
                error_count: failed,
                error_rate: share(failed, all.count()),
            },
            response_times: ResponseTimes::of(&all),
            endpoints: endpoints.into_iter().map(|(name, of)| (name, of.summary(seconds))).collect(),
            database: DatabaseSummary::of(snapshot),
            cache: CacheSummary::of(snapshot),
            resources: ResourceSummary::of(snapshot),
            pools: pools(snapshot),
        }
    }
}

/// What was recorded of one endpoint.
struct Recorded {
    times: Histogram,
    failed: u64,
}

fn endpoints(snapshot: &Snapshot) -> BTreeMap<String, Recorded> {
    let mut endpoints: BTreeMap<String, Recorded> = BTreeMap::new();
    for (series, aggregate) in snapshot.matching(&Series::new(metric::RESPONSE_TIME)) {
        let Aggregate::Trend(times) = aggregate else { continue };
        let name = series.tag(tag::ENDPOINT).unwrap_or_default();
        let failed = if series.tag(tag::OUTCOME) == Some("failed") { times.count() } else { 0 };
        match endpoints.get_mut(name) {
            Some(recorded) => {
                recorded.times.merge(times);
                recorded.failed += failed;
            }
            None => {
                endpoints.insert(name.to_owned(), Recorded { times: times.clone(), failed });
            }
        }
    }
    endpoints
}

impl Recorded {
    fn summary(&self, seconds: f64) -> EndpointSummary {
        let times = &self.times;
        EndpointSummary {
            count: times.count(),
            errors: self.failed,
            error_rate: share(self.failed, times.count()),
            rate_per_second: times.count() as f64 / seconds,
            avg_response_time_ms: mean_ms(times),
            p95_response_time_ms: quantile_ms(times, 0.95).0,
            p95_bounds_ms: quantile_ms(times, 0.95).1,
            max_response_time_ms: millis(times.max().unwrap_or_default()),
            total_time_ms: times.sum() as f64 / 1e6,
        }
    }
}

impl ResponseTimes {
    fn of(times: &Histogram) -> Self {
        let [(median, median_bounds), (p95, p95_bounds), (p99, p99_bounds)] =
            [0.5, 0.95, 0.99].map(|q| quantile_ms(times, q));
        Self {
            count: times.count(),
            min: millis(times.min().unwrap_or_default()),
            max: millis(times.max().unwrap_or_default()),
            avg: mean_ms(times),
            median,
            p95,
            p99,
            median_bounds,
            p95_bounds,
            p99_bounds,
        }
    }
}

impl DatabaseSummary {
    fn of(snapshot: &Snapshot) -> Self {
        let times = snapshot.trend(&Series::new(metric::DB_QUERY_TIME));
        Self {
            total_queries: times.count(),
            avg_time_ms: mean_ms(&times),
            median_time_ms: quantile_ms(&times, 0.5).0,
            p95_time_ms: quantile_ms(&times, 0.95).0,
            p95_bounds_ms: quantile_ms(&times, 0.95).1,
            max_time_ms: millis(times.max().unwrap_or_default()),
            slow_queries: snapshot.counter(&Series::new(metric::SLOW_QUERIES)),
        }
    }
}

impl CacheSummary {
    fn of(snapshot: &Snapshot) -> Self {
        let rate = snapshot.rate(&Series::new(metric::CACHE));
        let misses = rate.total.saturating_sub(rate.hits);
        Self { hits: rate.hits, misses, total: rate.total, hit_rate: share(rate.hits, rate.total) }
    }
}

impl ResourceSummary {
    fn of(snapshot: &Snapshot) -> Self {
        let (resident, workers) = levels(snapshot, metric::PROCESS_RESIDENT);
        let (proportional, known) = levels(snapshot, metric::PROCESS_PROPORTIONAL);
        // Proportional memory is read now and then only: a worker without it would be missing in the sum.
        let bytes = if workers > 1 && known == workers { proportional } else { resident };
        // The limit is one of all workers: each that reports it reports the same.
        let limits = Series::new(metric::MEMORY_LIMIT);
        let limits = snapshot.matching(&limits).filter_map(|(_, limit)| level(limit));
        let limit = limits.min().unwrap_or_default();
        Self {
            cpu_percent: cpu_percent(snapshot),
            memory_percent: 100.0 * share(bytes, limit),
            memory_mb: bytes as f64 / MEGABYTE,
            workers,
            threads: levels(snapshot, metric::PROCESS_THREADS).0,
            descriptors: levels(snapshot, metric::PROCESS_DESCRIPTORS).0,
        }
    }
}

/// Each worker's CPU time over the time in which it was observed, summed.
fn cpu_percent(snapshot: &Snapshot) -> f64 {
    let of_worker = |worker: &str| {
        let counter = |name: &str| snapshot.counter(&Series::new(name).with(tag::WORKER, worker));
        share(counter(metric::PROCESS_CPU), counter(metric::PROCESS_WALL))
    };
    // From zero: the sum of no numbers is −0.0, which would be shown as such.
    100.0
        * snapshot
            .tag_values(metric::PROCESS_CPU, tag::WORKER)
            .into_iter()
            .map(of_worker)
            .fold(0.0, |a, b| a + b)
}

/// One of the figures of a pool.
type Figure = fn(&mut PoolSummary) -> &mut u64;

fn pools(snapshot: &Snapshot) -> BTreeMap<String, PoolSummary> {
    let mut pools: BTreeMap<String, PoolSummary> = BTreeMap::new();
    let figures: [(&str, Figure); 3] = [
        (metric::POOL_SIZE, |pool| &mut pool.size),
        (metric::POOL_IN_USE, |pool| &mut pool.in_use),
        (metric::POOL_WAITING, |pool| &mut pool.waiting),
    ];
    for (name, figure) in figures {
        for (series, aggregate) in snapshot.matching(&Series::new(name)) {
            let pool = pools.entry(series.tag(tag::POOL).unwrap_or_default().to_owned()).or_default();
            let sum = figure(pool);
            *sum = sum.saturating_add(level(aggregate).unwrap_or_default());
        }
    }
    pools
}

/// The latest reading of a gauge.
fn level(aggregate: &Aggregate) -> Option<u64> {
    if let Aggregate::Gauge(gauge) = aggregate { Some(gauge.last) } else { None }
}

/// The sum of the latest readings of a metric's gauges, and how many there are.
fn levels(snapshot: &Snapshot, metric: &str) -> (u64, u64) {
    let series = Series::new(metric);
    let levels = snapshot.matching(&series).filter_map(|(_, aggregate)| level(aggregate));
    levels.fold((0, 0), |(sum, count), level| (sum.saturating_add(level), count + 1))
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn millis(nanos: u64) -> f64 {
    Nanos(nanos).as_millis_f64()
}

fn mean_ms(times: &Histogram) -> f64 {
    times.mean().unwrap_or_default() / 1e6
}

/// Estimate and bounds of a quantile in milliseconds.
fn quantile_ms(times: &Histogram, q: f64) -> (f64, [f64; 2]) {
    let nothing = Quantile { lo: 0, estimate: 0, hi: 0 };
    let quantile = times.quantile(q).unwrap_or(nothing);
    (millis(quantile.estimate), [millis(quantile.lo), millis(quantile.hi)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Gauge, Interval, Rate};

    fn snapshot(seconds: u64) -> Snapshot {
        let interval = Interval { from: Nanos::from_secs(100), to: Nanos::from_secs(100 + seconds) };
        Snapshot { interval: Some(interval), ..Snapshot::default() }
    }

    fn add_times(snapshot: &mut Snapshot, series: Series, millis: impl IntoIterator<Item = u64>) {
        let mut times = Histogram::new(Schema::MONITOR);
        millis.into_iter().for_each(|millis| times.record(Nanos::from_millis(millis).0));
        snapshot.add(series, Aggregate::Trend(times));
    }

    fn request(endpoint: &str, method: &str, status: &str) -> Series {
        let outcome = if status < "400" { "ok" } else { "failed" };
        Series::new(metric::RESPONSE_TIME)
            .with(tag::ENDPOINT, endpoint)
            .with(tag::METHOD, method)
            .with(tag::OUTCOME, outcome)
            .with(tag::STATUS, status)
    }

    fn set(snapshot: &mut Snapshot, metric: &str, tags: &[(&str, &str)], level: u64) {
        let series = tags.iter().fold(Series::new(metric), |series, (name, value)| series.with(name, value));
        snapshot.add(series, Aggregate::Gauge(Gauge { at: Nanos(1), last: level, min: level, max: level }));
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 0.011 * expected.abs() + 1e-9, "{found} instead of {expected}");
    }

    #[test]
    fn an_empty_monitor_has_every_key_and_no_null() {
        let summary = MonitorSummary::new(&Snapshot::default(), Occasion::default());
        let json = serde_json::to_value(&summary).unwrap();
        let keys = |path: &str| -> Vec<String> {
            json.pointer(path).unwrap().as_object().unwrap().keys().cloned().collect()
        };
        let wanted: &[(&str, &[&str])] = &[
            (
                "",
                &[
                    "requests",
                    "response_times",
                    "endpoints",
                    "database",
                    "cache",
                    "resources",
                    "uptime",
                    "timestamp",
                ],
            ),
            ("/requests", &["total", "rate_per_second", "error_count", "error_rate"]),
            ("/response_times", &["min", "max", "avg", "median", "p95", "p99"]),
            ("/database", &["total_queries", "avg_time_ms", "median_time_ms", "p95_time_ms", "slow_queries"]),
            ("/cache", &["hits", "misses", "total", "hit_rate"]),
            ("/resources", &["cpu_percent", "memory_percent", "memory_mb"]),
        ];
        for (path, wanted) in wanted {
            let keys = keys(path);
            wanted.iter().for_each(|key| assert!(keys.contains(&(*key).to_owned()), "{path} {key}"));
            for key in keys {
                let value = &json.pointer(path).unwrap()[&key];
                assert!(
                    value.is_object() || value.is_array() || value.as_f64().map(f64::to_bits) == Some(0),
                    "{path}/{key}: {value}"
                );
            }
        }
        assert_eq!(serde_json::from_value::<MonitorSummary>(json).unwrap(), summary);
    }

    #[test]
    fn requests_and_their_times() {
        let mut snapshot = snapshot(20);
        add_times(&mut snapshot, request("/a", "GET", "200"), 1..=90);
        add_times(&mut snapshot, request("/a", "POST", "500"), 91..=100);
        add_times(&mut snapshot, request("/b", "GET", "404"), [200; 100]);
        let summary = MonitorSummary::new(
            &snapshot,
            Occasion { requested: Nanos::from_secs(300), ..Occasion::default() },
        );
        assert_eq!(
            summary.requests,
            Requests { total: 200, rate_per_second: 10.0, error_count: 110, error_rate: 0.55 }
        );
        let times = summary.response_times;
        assert_eq!((times.count, times.min, times.max), (200, 1.0, 200.0));
        close(times.avg, (5050.0 + 20_000.0) / 200.0);
        close(times.median, 100.0);
        close(times.p95, 200.0);
        for (figure, bounds) in [
            (times.median, times.median_bounds),
            (times.p95, times.p95_bounds),
            (times.p99, times.p99_bounds),
        ] {
            assert!(bounds[0] <= figure && figure <= bounds[1], "{times:?}");
        }
        let [a, b] = ["/a", "/b"].map(|name| summary.endpoints[name]);
        assert_eq!((a.count, a.errors, a.error_rate, a.rate_per_second), (100, 10, 0.1, 5.0));
        assert_eq!((b.count, b.errors, b.error_rate), (100, 100, 1.0));
        close(a.avg_response_time_ms, 50.5);
        close(a.p95_response_time_ms, 95.0);
        assert_eq!((a.max_response_time_ms, a.total_time_ms), (100.0, 5050.0));
        close(summary.window.covered_seconds, 20.0);
        close(summary.window.requested_seconds, 300.0);
    }

    #[test]
    fn a_rate_is_never_of_less_than_a_second() {
        let mut snapshot =
            Snapshot { interval: Some(Interval { from: Nanos(0), to: Nanos(9) }), ..Snapshot::default() };
        add_times(&mut snapshot, request("/", "GET", "200"), [1]);
        let summary = MonitorSummary::new(&snapshot, Occasion::default());
        assert_eq!((summary.requests.rate_per_second, summary.endpoints["/"].rate_per_second), (1.0, 1.0));
        snapshot.interval = None;
        close(MonitorSummary::new(&snapshot, Occasion::default()).requests.rate_per_second, 1.0);
    }

    #[test]
    fn database_cache_and_pools() {
        let mut snapshot = snapshot(10);
        add_times(&mut snapshot, Series::new(metric::DB_QUERY_TIME).with(tag::KIND, "select"), [10; 95]);
        add_times(&mut snapshot, Series::new(metric::DB_QUERY_TIME).with(tag::KIND, "insert"), [100; 5]);
        snapshot.count(Series::new(metric::SLOW_QUERIES), 5);
        snapshot.add(Series::new(metric::CACHE), Aggregate::Rate(Rate { hits: 2, total: 3 }));
        snapshot.add(
            Series::new(metric::CACHE).with(tag::CACHE, "users"),
            Aggregate::Rate(Rate { hits: 1, total: 1 }),
        );
        for (worker, level) in [("0", 5), ("1", 7)] {
            set(&mut snapshot, metric::POOL_SIZE, &[(tag::POOL, "db"), (tag::WORKER, worker)], level);
            set(&mut snapshot, metric::POOL_WAITING, &[(tag::POOL, "db"), (tag::WORKER, worker)], 1);
        }
        set(&mut snapshot, metric::POOL_IN_USE, &[(tag::POOL, "db"), (tag::WORKER, "0")], 4);
        let summary = MonitorSummary::new(&snapshot, Occasion::default());
        let database = summary.database;
        assert_eq!((database.total_queries, database.slow_queries, database.max_time_ms), (100, 5, 100.0));
        close(database.avg_time_ms, 14.5);
        close(database.median_time_ms, 10.0);
        close(database.p95_time_ms, 10.0);
        assert_eq!(summary.cache, CacheSummary { hits: 3, misses: 1, total: 4, hit_rate: 0.75 });
        assert_eq!(summary.pools["db"], PoolSummary { size: 12, in_use: 4, waiting: 2 });
    }

    #[test]
    fn resources_of_one_worker_and_of_several() {
        let mut snapshot = snapshot(10);
        let worker = |snapshot: &mut Snapshot, number: &str, cpu: u64| {
            let tags = [(tag::WORKER, number)];
            let of = |name: &str| Series::new(name).with(tag::WORKER, number);
            snapshot.count(of(metric::PROCESS_CPU), Nanos::from_millis(cpu).0);
            snapshot.count(of(metric::PROCESS_WALL), Nanos::from_secs(10).0);
            set(snapshot, metric::PROCESS_RESIDENT, &tags, 100_000_000);
            set(snapshot, metric::PROCESS_THREADS, &tags, 4);
            set(snapshot, metric::MEMORY_LIMIT, &[], 1_000_000_000);
        };
        worker(&mut snapshot, "0", 5_000);
        set(&mut snapshot, metric::PROCESS_PROPORTIONAL, &[(tag::WORKER, "0")], 60_000_000);
        let one = MonitorSummary::new(&snapshot, Occasion::default()).resources;
        assert_eq!((one.cpu_percent, one.memory_mb, one.memory_percent, one.workers), (50.0, 100.0, 10.0, 1));
        worker(&mut snapshot, "1", 20_000);
        let two = MonitorSummary::new(&snapshot, Occasion::default()).resources;
        assert_eq!((two.cpu_percent, two.memory_mb, two.threads, two.workers), (250.0, 200.0, 8, 2));
        set(&mut snapshot, metric::PROCESS_PROPORTIONAL, &[(tag::WORKER, "1")], 60_000_000);
        let known = MonitorSummary::new(&snapshot, Occasion::default()).resources;
        assert_eq!((known.memory_mb, known.memory_percent), (120.0, 12.0));
    }
}
