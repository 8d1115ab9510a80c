//! What a service that records sees of itself: the dictionary, the slow statements, the process.

use std::time::Duration;

use pulse_monitor::{Config, Monitor, MonitorSummary};

const MS: Duration = Duration::from_millis(1);

fn monitor() -> Monitor {
    Monitor::new(Config::default())
}

#[test]
fn the_example_of_the_documentation() {
    let monitor = monitor();
    monitor.record_request("/api/v1/execute", 50 * MS, 200);
    let summary = monitor.summary();
    assert_eq!((summary.requests.total, summary.requests.error_count), (1, 0));
    assert_eq!(format!("{:.2} req/s", summary.requests.rate_per_second), "1.00 req/s");
    // A single value is known exactly: the bucket's estimate is brought between the extremes.
    assert_eq!(format!("{:.2}ms", summary.response_times.p95), "50.00ms");
    assert!(summary.uptime >= 0.0 && summary.timestamp > 1.7e9);
    assert!((summary.window.requested_seconds - 300.0).abs() < 1e-9);
    assert!(summary.window.covered_seconds < 300.0);
}

#[test]
fn everything_that_is_recorded_is_in_the_summary() {
    let monitor = monitor();
    let orders = monitor.endpoint_with_method("POST", "/orders");
    for millis in 1..=100 {
        orders.record(millis * MS, if millis > 90 { 503 } else { 201 });
    }
    monitor.record_request("/health", MS, 200);
    monitor.record_db_statement("SELECT * FROM orders WHERE id = 7", 10 * MS);
    monitor.record_db_statement("SELECT * FROM orders WHERE name = 'secret'", 80 * MS);
    monitor.record_db_query(120 * MS, "insert");
    (0..3).for_each(|_| monitor.record_cache_hit());
    monitor.record_cache_miss();
    let pool = monitor.pool("db");
    pool.set_size(10);
    pool.set_in_use(4);
    pool.set_waiting(2);

    let summary = monitor.summary();
    let orders = summary.endpoints["/orders"];
    assert_eq!((summary.requests.total, summary.requests.error_count), (101, 10));
    assert_eq!((orders.count, orders.errors), (100, 10));
    assert!((orders.error_rate - 0.1).abs() < 1e-12 && (orders.total_time_ms - 5050.0).abs() < 1e-6);
    assert!((orders.max_response_time_ms - 100.0).abs() < 1e-6);
    assert!(orders.p95_bounds_ms[0] <= 95.0 && 95.0 <= orders.p95_bounds_ms[1], "{orders:?}");
    assert_eq!((summary.database.total_queries, summary.database.slow_queries), (3, 2));
    assert_eq!((summary.cache.hits, summary.cache.misses, summary.cache.total), (3, 1, 4));
    let db = summary.pools["db"];
    assert_eq!((db.size, db.in_use, db.waiting), (10, 4, 2));

    let slow = monitor.slow_queries();
    assert_eq!(slow.len(), 1);
    assert_eq!((&*slow[0].query, slow[0].count), ("SELECT * FROM orders WHERE name = ?", 1));
    assert!(slow[0].last.as_secs_f64() > 1.7e9);

    let json = serde_json::to_string(&summary).unwrap();
    let read: MonitorSummary = serde_json::from_str(&json).unwrap();
    assert_eq!((read.endpoints.len(), read.pools, read.cache), (2, summary.pools, summary.cache));
}

#[test]
fn the_process_is_seen_from_the_first_summary_on() {
    let resources = monitor().summary().resources;
    assert_eq!(resources.workers, 1);
    assert!(resources.memory_mb > 1.0 && resources.memory_percent > 0.0 && resources.memory_percent < 100.0);
    assert!(resources.threads >= 1 && resources.descriptors >= 3, "{resources:?}");
}

#[test]
fn after_a_reset_there_is_nothing() {
    let monitor = monitor();
    monitor.record_request("/orders", 5 * MS, 500);
    monitor.record_db_statement("SELECT 1", 80 * MS);
    monitor.record_cache_hit();
    assert_eq!(monitor.summary().requests.total, 1);
    monitor.reset();
    let summary = monitor.summary();
    assert_eq!((summary.requests, summary.response_times), Default::default());
    assert!(summary.endpoints.is_empty() && monitor.slow_queries().is_empty());
    assert_eq!((summary.database, summary.cache), Default::default());
    monitor.record_request("/orders", 7 * MS, 200);
    let times = monitor.summary().response_times;
    assert_eq!((times.count, times.min, times.max, times.avg), (1, 7.0, 7.0, 7.0));
}
