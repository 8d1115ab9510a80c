//! What was recorded is what is read: whatever threads come and go, whatever names and values come.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use pulse_model::{Aggregate, Gauge, Histogram, Rate, Schema, Series, Snapshot};
use pulse_monitor::{Config, LONGEST, Monitor};

fn monitor() -> Monitor {
    Monitor::new(Config::default())
}

fn series(text: &str) -> Series {
    text.parse().expect("the tests write series well")
}

fn trend(snapshot: &Snapshot, text: &str) -> Histogram {
    snapshot.trend(&series(text))
}

fn dropped(snapshot: &Snapshot) -> u64 {
    snapshot.counter(&series("monitor_dropped"))
}

fn histogram(values: impl IntoIterator<Item = u64>) -> Histogram {
    let mut histogram = Histogram::new(Schema::MONITOR);
    values.into_iter().for_each(|value| histogram.record(value));
    histogram
}

/// Something that a thread records.
#[derive(Clone, Debug)]
enum Act {
    Request(u8, u16, u64),
    Query(u8, u64),
    Cache(bool),
    Count(u8, u64),
    Timer(u64),
}

fn value() -> impl Strategy<Value = u64> {
    let longest = LONGEST.as_nanos() as u64;
    (any::<u64>(), 0..64_u32).prop_map(move |(value, shift)| (value >> shift).min(longest))
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..4_u8, prop_oneof![Just(200), Just(404), Just(503), Just(0)], value()).prop_map(|(e, s, v)| Act::Request(e, s, v)),
        1 => (0..3_u8, value()).prop_map(|(kind, value)| Act::Query(kind, value)),
        1 => any::<bool>().prop_map(Act::Cache),
        1 => (0..2_u8, 0..1000_u64).prop_map(|(name, n)| Act::Count(name, n)),
        1 => value().prop_map(Act::Timer),
    ]
}

fn perform(monitor: &Monitor, act: &Act) {
    match *act {
        Act::Request(endpoint, status, nanos) => {
            let (route, duration) = (format!("/{endpoint}"), Duration::from_nanos(nanos));
            if endpoint % 2 == 0 {
                monitor.endpoint(&route).record(duration, status);
            } else {
                monitor.record_request(&route, duration, status);
            }
        }
        Act::Query(kind, nanos) => monitor.record_db_query(Duration::from_nanos(nanos), &format!("k{kind}")),
        Act::Cache(true) => monitor.record_cache_hit(),
        Act::Cache(false) => monitor.record_cache_miss(),
        Act::Count(name, n) => monitor.counter(&format!("events{name}")).add(n),
        Act::Timer(nanos) => monitor.timer("work").record(Duration::from_nanos(nanos)),
    }
}

/// The same, into a snapshot, by what the model says.
fn expected(acts: &[Act]) -> BTreeMap<Series, Aggregate> {
    let mut snapshot = Snapshot::default();
    for act in acts {
        match *act {
            Act::Request(endpoint, status, nanos) => {
                let (status, outcome) = match status {
                    0 => ("unknown".to_owned(), "failed"),
                    ok @ ..400 => (ok.to_string(), "ok"),
                    failed => (failed.to_string(), "failed"),
                };
                let series = Series::new("response_time")
                    .with("endpoint", &format!("/{endpoint}"))
                    .with("outcome", outcome)
                    .with("status", &status);
                snapshot.add(series, Aggregate::Trend(histogram([nanos])));
            }
            Act::Query(kind, nanos) => {
                let series = Series::new("db_query_time").with("kind", &format!("k{kind}"));
                snapshot.add(series, Aggregate::Trend(histogram([nanos])));
                if Duration::from_nanos(nanos) >= Config::default().slow_query {
                    snapshot.count(Series::new("slow_queries"), 1);
                }
            }
            Act::Cache(hit) => {
                let rate = Rate { hits: hit.into(), total: 1 };
                snapshot.add(Series::new("cache"), Aggregate::Rate(rate));
            }
            Act::Count(name, n) => snapshot.count(Series::new(&format!("events{name}")), n),
            Act::Timer(nanos) => snapshot.add(Series::new("work"), Aggregate::Trend(histogram([nanos]))),
        }
    }
    snapshot.series
}

/// All totals but the counters of what was dropped, of which there must be nothing.
fn recorded(monitor: &Monitor) -> BTreeMap<Series, Aggregate> {
    let totals = monitor.totals();
    assert_eq!(dropped(&totals), 0);
    let own = |series: &Series| {
        ["monitor_", "process_", "memory_"].iter().any(|own| series.metric.starts_with(own))
    };
    totals.series.into_iter().filter(|(series, _)| !own(series)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Waves of threads, of which each wave takes over what the one before left.
    #[test]
    fn threads_that_come_and_go_lose_nothing(
        waves in prop::collection::vec(prop::collection::vec(prop::collection::vec(act(), 0..60), 1..5), 1..5),
    ) {
        let monitor = monitor();
        for wave in &waves {
            thread::scope(|scope| {
                for acts in wave {
                    scope.spawn(|| acts.iter().for_each(|act| perform(&monitor, act)));
                }
            });
        }
        let acts: Vec<Act> = waves.into_iter().flatten().flatten().collect();
        prop_assert_eq!(recorded(&monitor), expected(&acts));
    }

    #[test]
    fn two_monitors_merged_are_one_that_recorded_all(
        a in prop::collection::vec(act(), 0..100),
        b in prop::collection::vec(act(), 0..100),
    ) {
        let (first, second, both) = (monitor(), monitor(), monitor());
        a.iter().for_each(|act| perform(&first, act));
        b.iter().for_each(|act| perform(&second, act));
        a.iter().chain(&b).for_each(|act| perform(&both, act));
        let mut merged = first.totals();
        merged.merge(&second.totals());
        let mut all = both.totals();
        for snapshot in [&mut merged, &mut all] {
            snapshot.series.retain(|series, _| !series.metric.starts_with("process_") && !series.metric.starts_with("memory_"));
        }
        prop_assert_eq!(merged.series, all.series);
    }
}

#[test]
fn exact_powers_and_their_neighbours_are_in_the_right_bucket() {
    let powers = (0..2592_u32).map(|index| Schema::MONITOR.upper(index as usize));
    let longest = LONGEST.as_nanos() as u64;
    let values: Vec<u64> = powers
        .flat_map(|power| [power - 1, power, power.saturating_add(1)])
        .filter(|value| *value <= longest)
        .collect();
    let monitor = monitor();
    let endpoint = monitor.endpoint("/");
    values.iter().for_each(|&value| endpoint.record(Duration::from_nanos(value), 200));
    assert_eq!(trend(&monitor.totals(), "response_time"), histogram(values));
}

#[test]
fn ten_thousand_short_threads_take_no_more_room_than_a_few() {
    let monitor = monitor();
    let endpoint = monitor.endpoint("/");
    let wave = |n: u64| {
        thread::scope(|scope| {
            for thread in 0..n {
                let endpoint = &endpoint;
                scope.spawn(move || endpoint.record(Duration::from_nanos(1 + thread % 8), 200));
            }
        });
    };
    wave(8);
    let before = monitor.storage_bytes();
    for _ in 0..1250 {
        wave(8);
    }
    // Threads of a wave may or may not overlap, so the first wave need not have needed eight shards.
    assert!(monitor.storage_bytes() <= before + 8 * 16 * 1024, "{before} → {}", monitor.storage_bytes());
    assert_eq!(trend(&monitor.totals(), "response_time").count(), 8 * 1251);
    assert_eq!(dropped(&monitor.totals()), 0);
}

#[test]
fn a_hundred_thousand_paths_are_capped_and_nothing_of_them_is_lost() {
    let monitor = Monitor::new(Config { max_series: 100, ..Config::default() });
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    let mut full = 0;
    for path in 0..100_000_u64 {
        let status = [200, 201, 404, 500][path as usize % 4];
        monitor.record_request(&format!("/{path}"), Duration::from_nanos(path), status);
        *statuses.entry(status).or_default() += 1;
        if path == 10_000 {
            // Names of what the process says of itself come with the first reading: this one, not that of a tick.
            monitor.totals();
            full = monitor.storage_bytes();
        }
    }
    // A hundred series, and those that stand for all others; the extremes of a few more octaves may still come.
    assert!(monitor.storage_bytes() <= full + 16 * 1024, "{full} → {}", monitor.storage_bytes());
    let totals = monitor.totals();
    assert_eq!(trend(&totals, "response_time"), histogram(0..100_000));
    assert_eq!(dropped(&totals), 0);
    assert_eq!(totals.tag_values("response_time", "endpoint").len(), 101);
    for (status, count) in statuses {
        assert_eq!(trend(&totals, &format!("response_time{{status={status}}}")).count(), count);
    }
    let others = trend(&totals, "response_time{endpoint=_other,overflow=true}").count();
    assert_eq!(others, 100_000 - 100);
    // A known name keeps its series, also with a status that it did not have before: then that status is among the others.
    monitor.record_request("/0", Duration::from_nanos(1), 200);
    monitor.record_request("/0", Duration::from_nanos(1), 418);
    let totals = monitor.totals();
    assert_eq!(trend(&totals, "response_time{endpoint=/0}").count(), 2);
    assert_eq!(trend(&totals, "response_time{endpoint=_other,status=418}").count(), 1);
}

#[test]
fn custom_names_beyond_the_cap_are_counted_together() {
    let monitor = Monitor::new(Config { max_series: 16, ..Config::default() });
    for name in 0..50 {
        monitor.counter(&format!("c{name}")).add(2);
        monitor.timer(&format!("t{name}")).record(Duration::from_nanos(3));
        monitor.cache(&format!("cache{name}")).hit();
        monitor.record_db_query(Duration::from_nanos(4), &format!("kind{name}"));
        monitor.pool(&format!("pool{name}")).set_size(5);
    }
    let totals = monitor.totals();
    let sum = |own: &str, other: &str| -> u64 {
        totals
            .series
            .iter()
            .filter(|(series, _)| series.metric.starts_with(own) || &*series.metric == other)
            .map(|(_, aggregate)| match aggregate {
                Aggregate::Counter(n) => *n,
                Aggregate::Trend(trend) => trend.count(),
                Aggregate::Rate(rate) => rate.hits,
                Aggregate::Gauge(_) => 0,
            })
            .sum()
    };
    assert_eq!(sum("c", "other_counters") - sum("cache", ""), 100);
    assert_eq!(sum("t", "other_timers"), 50);
    assert_eq!(totals.rate(&series("cache")), Rate { hits: 50, total: 50 });
    assert_eq!(trend(&totals, "db_query_time").count(), 50);
    // A level of many pools means nothing: those beyond the cap are refused, and that is counted.
    let pools = totals.tag_values("pool_size", "pool").len() as u64;
    assert_eq!(totals.counter(&series("monitor_dropped{reason=series}")), 50 - pools);
}

#[test]
fn odd_input_is_recorded_under_a_name_that_fits_or_counted() {
    let monitor = monitor();
    let second = Duration::from_secs(1);
    let long = "ä/".repeat(400_000);
    for (name, kept) in
        [("", "_unnamed"), ("a\u{0}\r\nb", "ab"), ("\u{7f}", "_unnamed"), (&long, &long[..128])]
    {
        monitor.record_request(name, second, 200);
        monitor.endpoint(name).record(second, 200);
        let selector = Series::new("response_time").with("endpoint", kept);
        assert!(monitor.totals().trend(&selector).count() >= 2, "{kept}");
    }
    for status in [0, 1, 99, 600, 999, u16::MAX] {
        monitor.record_request("/status", second, status);
    }
    assert_eq!(
        trend(&monitor.totals(), "response_time{endpoint=/status,status=unknown,outcome=failed}").count(),
        6
    );
    for duration in [Duration::MAX, LONGEST + second, Duration::ZERO, LONGEST] {
        monitor.record_request("/duration", duration, 200);
        monitor.endpoint("/duration").record(duration, 200);
        monitor.timer("work").record(duration);
        monitor.record_db_query(duration, "select");
    }
    let totals = monitor.totals();
    assert_eq!(totals.counter(&series("monitor_dropped{reason=invalid}")), 8);
    let longest = LONGEST.as_nanos() as u64;
    assert_eq!(trend(&totals, "response_time{endpoint=/duration}"), histogram([0, 0, longest, longest]));
    // One name cannot be two kinds of thing.
    monitor.counter("both").add(1);
    monitor.timer("both").record(second);
    assert_eq!(monitor.totals().counter(&series("monitor_dropped{reason=invalid}")), 9);
}

#[test]
fn timers_record_what_ends_in_whichever_way() {
    let monitor = monitor();
    let endpoint = monitor.endpoint_with_method("GET", "/");
    endpoint.timer().finish(204);
    drop(endpoint.timer());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _timer = endpoint.timer();
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    drop(monitor.timer("work").start());
    let totals = monitor.totals();
    assert_eq!(trend(&totals, "response_time{method=GET,status=204}").count(), 1);
    assert_eq!(trend(&totals, "response_time{method=GET,status=500}").count(), 2);
    assert_eq!(trend(&totals, "work").count(), 1);
}

#[test]
fn what_a_destructor_of_a_thread_records_is_not_lost() {
    struct AtTheEnd(Monitor);
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            self.0.record_request("/end", Duration::from_nanos(5), 200);
        }
    }
    thread_local! { static LAST: std::cell::RefCell<Option<AtTheEnd>> = const { std::cell::RefCell::new(None) }; }
    let monitor = monitor();
    for _ in 0..20 {
        let monitor = monitor.clone();
        let recording = thread::spawn(move || {
            // Destructors run in the order of first use or its reverse; both orders are tried by both.
            LAST.with(|last| last.replace(Some(AtTheEnd(monitor.clone()))));
            monitor.record_request("/", Duration::from_nanos(5), 200);
        });
        recording.join().unwrap();
    }
    let totals = monitor.totals();
    assert_eq!(trend(&totals, "response_time").count(), 40);
    assert_eq!(dropped(&totals), 0);
}

#[test]
fn levels_are_the_latest_and_of_this_worker() {
    let monitor = monitor();
    let pool = monitor.pool("db");
    pool.set_size(10);
    pool.set_in_use(7);
    pool.set_in_use(3);
    pool.set_waiting(0);
    let totals = monitor.totals();
    for (name, level) in [("pool_size", 10), ("pool_in_use", 3), ("pool_waiting", 0)] {
        let series = Series::new(name).with("pool", "db").with("worker", "0");
        let Aggregate::Gauge(Gauge { last, .. }) = totals.series[&series] else {
            panic!("{series} is no gauge")
        };
        assert_eq!(last, level, "{name}");
    }
    let workers = monitor.workers();
    assert_eq!((workers.len(), workers[0].number, workers[0].pid), (1, 0, std::process::id()));
}

#[test]
fn a_value_is_in_the_window_at_once_and_gone_after_a_reset() {
    let monitor = monitor();
    monitor.record_request("/", Duration::from_millis(5), 200);
    monitor.record_db_statement("SELECT * FROM t WHERE id = 42", Duration::from_millis(60));
    monitor.record_db_statement("SELECT 1", Duration::from_millis(1));
    let window = monitor.window(Duration::from_mins(1));
    assert_eq!(trend(&window, "response_time"), histogram([5_000_000]));
    assert_eq!(trend(&window, "db_query_time{kind=select}").count(), 2);
    let summary = monitor.summary();
    assert_eq!(
        (summary.requests.total, summary.database.total_queries, summary.database.slow_queries),
        (1, 2, 1)
    );
    let slow = monitor.slow_queries();
    assert_eq!((slow.len(), slow[0].count), (1, 1));
    assert!(!slow[0].query.contains("42"), "{}", slow[0].query);
    monitor.reset();
    assert_eq!(monitor.summary().requests.total, 0);
    assert!(monitor.slow_queries().is_empty());
    assert_eq!(trend(&monitor.totals(), "response_time").count(), 1);
    monitor.record_request("/", Duration::from_millis(7), 200);
    assert_eq!(trend(&monitor.window(Duration::from_mins(1)), "response_time"), histogram([7_000_000]));
}
