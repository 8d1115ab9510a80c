//! A snapshot with everything in it, for the tests.

use pulse_model::{Aggregate, Gauge, Histogram, Nanos, Rate, Schema, Series, Snapshot, metric, tag};

/// Values that are not round, from `count` fast ones to few slow ones, in nanoseconds.
pub(crate) fn latencies(count: u64, fastest: u64) -> Histogram {
    let mut histogram = Histogram::new(Schema::MONITOR);
    for n in 0..count {
        histogram.record(fastest + n * n * 1_009 + n * 7);
    }
    histogram
}

fn gauge(last: u64) -> Aggregate {
    Aggregate::Gauge(Gauge { at: Nanos(5), last, min: 0, max: last + 1 })
}

fn request(endpoint: &str, method: &str, status: &str) -> Series {
    let outcome = if status < "400" { "ok" } else { "failed" };
    let series = Series::new(metric::RESPONSE_TIME).with(tag::ENDPOINT, endpoint).with(tag::STATUS, status);
    series.with(tag::METHOD, method).with(tag::OUTCOME, outcome)
}

/// One series of each kind.
pub(crate) fn small() -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut trend = Histogram::new(Schema::MONITOR);
    [0, 1_000_000, 1_000_000, 1_050_000, 20_000_000].iter().for_each(|&value| trend.record(value));
    snapshot.add(request("/health", "GET", "500"), Aggregate::Trend(trend));
    snapshot.add(Series::new(metric::POOL_IN_USE).with(tag::POOL, "db").with(tag::WORKER, "0"), gauge(3));
    snapshot.count(Series::new(metric::PROCESS_CPU), 1_500_000_000);
    snapshot.add(Series::new("level").with(tag::OVERFLOW, "true"), gauge(4));
    snapshot
}

/// What a small service records.
pub(crate) fn service() -> Snapshot {
    let mut snapshot = Snapshot::default();
    snapshot.add(request("/health", "GET", "200"), Aggregate::Trend(latencies(40, 300_000)));
    snapshot.add(request("/orders/{id}", "GET", "200"), Aggregate::Trend(latencies(900, 4_000_000)));
    snapshot.add(request("/orders/{id}", "GET", "500"), Aggregate::Trend(latencies(3, 80_000_000)));
    snapshot.add(
        request("_other", "GET", "200").with(tag::OVERFLOW, "true"),
        Aggregate::Trend(latencies(2, 1_000_000)),
    );
    let query = Series::new(metric::DB_QUERY_TIME);
    snapshot.add(query.clone().with(tag::KIND, "select"), Aggregate::Trend(latencies(20, 90_000)));
    snapshot.add(query.with(tag::KIND, "insert"), Aggregate::Trend(Histogram::new(Schema::MONITOR)));
    let cache = Series::new(metric::CACHE);
    snapshot.add(cache.clone(), Aggregate::Rate(Rate { hits: 90, total: 100 }));
    snapshot.add(cache.with(tag::CACHE, "prices"), Aggregate::Rate(Rate { hits: 1, total: 4 }));
    for worker in ["0", "1"] {
        let of = |metric| Series::new(metric).with(tag::WORKER, worker);
        snapshot.add(of(metric::POOL_SIZE).with(tag::POOL, "db"), gauge(10));
        snapshot.add(of(metric::POOL_IN_USE).with(tag::POOL, "db"), gauge(3));
        snapshot.add(of(metric::POOL_WAITING).with(tag::POOL, "db"), gauge(0));
        snapshot.count(of(metric::PROCESS_CPU), 12_345_678_901);
        snapshot.add(of(metric::PROCESS_RESIDENT), gauge(47 << 20));
        snapshot.count(of(metric::PROCESS_READ), 4_096);
        snapshot.count(of(metric::PROCESS_WRITTEN), 1 << 33);
    }
    snapshot.count(Series::new(metric::MONITOR_DROPPED).with(tag::REASON, "invalid"), 2);
    snapshot.count(Series::new("orders_placed").with("market", "nyse"), 17);
    snapshot.add(Series::new("checkout"), Aggregate::Trend(latencies(5, 2_000_000_000)));
    snapshot
}

/// Names and values that readers could stumble over.
pub(crate) fn malicious() -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut count = |metric: &str, n| snapshot.count(Series::new(metric), n);
    // Three names that are written alike, one of them as it stands.
    count("queue.jobs", 1);
    count("queue-jobs", 2);
    count("queue_jobs", 3);
    // Suffixes that mean something to a reader.
    count("done_total", 4);
    count("total", 5);
    count("_total", 6);
    count("", 7);
    count("1st", 8);
    count("größe 花火", 9);
    count("name\"with\\all\nof\0it", 10);
    // A name of the table and the names of its samples.
    count("http_server_request_duration_seconds", 11);
    count("http.server.request.duration", 12);
    snapshot.add(Series::new("http_server_request_duration_seconds_count"), gauge(13));
    // One name, three kinds.
    for (n, aggregate) in
        [Aggregate::Counter(14), gauge(15), Aggregate::Trend(latencies(1, 1_000))].into_iter().enumerate()
    {
        snapshot.add(Series::new("mixed").with("n", &n.to_string()), aggregate);
    }
    // Labels that mean something to a reader, or are written alike.
    let labels = Series::new("timer").with("le", "1").with("__name__", "x").with("a.b", "1").with("a_b", "2");
    snapshot.add(labels.with("a b", "3").with("quantile", "0.5"), Aggregate::Trend(latencies(2, 5_000)));
    // Values that end a line, a text or a label.
    for (n, value) in
        ["back\\slash", "quo\"te", "line\nfeed", "null\0", "cr\r\n", "} 1 # EOF", "é花\u{2028}", ""]
            .into_iter()
            .enumerate()
    {
        snapshot
            .count(Series::new("values").with("v", value).with("x", if n < 6 { "" } else { "y" }), n as u64);
    }
    // Two that are the same once control characters are gone.
    snapshot.count(Series::new("same").with("v", "a\u{1}"), 1);
    snapshot.count(Series::new("same").with("v", "a\u{2}"), 2);
    snapshot
}
