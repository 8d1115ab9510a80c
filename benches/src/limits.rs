//! What does not happen once per request: new names beyond the limit, and scrapes of many series.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pulse_monitor::{Config, Monitor};

use crate::timing::{median, thread_cpu_ns};
use crate::workload::Workload;

/// What one format costs per scrape.
pub struct Scrape {
    /// Name of the format.
    pub format: &'static str,
    /// Median wall time from the call to the bytes, in milliseconds.
    pub millis: f64,
    /// Size of the answer.
    pub bytes: usize,
    /// Whether the format has a line for each series.
    pub is_text: bool,
    /// Lines with a value, in these formats: what Prometheus calls a series.
    pub lines: usize,
}

/// Formats with the `Accept` header that asks for them.
const FORMATS: [(&str, &str); 4] = [
    ("Prometheus text", "text/plain;version=0.0.4"),
    ("OpenMetrics", "application/openmetrics-text;version=1.0.0"),
    (
        "protobuf with native histograms",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    ),
    ("JSON", "application/json"),
];

/// CPU nanoseconds per record when every request has a path of its own, after the series are used up.
pub fn distinct_paths(paths: usize) -> f64 {
    let monitor = Monitor::new(Config::default());
    let names: Vec<String> = (0..paths).map(|number| format!("/api/v1/items/{number}/history")).collect();
    let workload = Workload::default();
    // Filling the table up is no part of the figure.
    names.iter().take(10_000).for_each(|name| monitor.record_request(name, workload.times[0], 200));
    let begin = thread_cpu_ns();
    for (name, &time) in names.iter().zip(workload.times.iter().cycle()) {
        monitor.record_request(name, time, 200);
    }
    (thread_cpu_ns() - begin) / paths as f64
}

/// A monitor with so many series of requests, each with a few dozen values.
pub fn with_series(series: usize) -> Monitor {
    let monitor = Monitor::new(Config { max_series: series + 1_000, ..Config::default() });
    let workload = Workload::default();
    for number in 0..series {
        let endpoint = monitor.endpoint(&format!("/api/v1/resources/{number}"));
        workload.times.iter().take(40).for_each(|&time| endpoint.record(time, 200));
    }
    monitor
}

/// Reads all totals and encodes them, so many times in each format.
pub fn scrapes(monitor: &Monitor, rounds: usize) -> Vec<Scrape> {
    FORMATS
        .into_iter()
        .map(|(format, accept)| {
            let mut body = Vec::new();
            let millis = (0..rounds).map(|_| {
                let begin = Instant::now();
                body = pulse_export::render(&monitor.totals(), accept, "").body;
                begin.elapsed().as_secs_f64() * 1e3
            });
            let millis = median(millis.collect());
            let is_value = |line: &&[u8]| !line.is_empty() && !line.starts_with(b"#");
            let lines = body.split(|&byte| byte == b'\n').filter(is_value).count();
            Scrape { format, millis, bytes: body.len(), is_text: body.starts_with(b"# "), lines }
        })
        .collect()
}

/// CPU nanoseconds per record of a thread: alone, and while another one scrapes without a pause.
pub fn while_scraped(monitor: &Monitor, rounds: usize) -> (f64, f64) {
    let workload = Workload::default();
    let endpoint = monitor.endpoint("/api/v1/resources/0");
    let round = || {
        let begin = thread_cpu_ns();
        for _ in 0..500 {
            workload.times.iter().for_each(|&time| endpoint.record(time, 200));
        }
        (thread_cpu_ns() - begin) / (500 * workload.times.len()) as f64
    };
    let (mut alone, mut scraped) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        alone.push(round());
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::black_box(pulse_export::render(&monitor.totals(), FORMATS[2].1, ""));
                }
            });
            scraped.push(round());
            stop.store(true, Ordering::Relaxed);
        });
    }
    (median(alone), median(scraped))
}

/// Records at a rate on one thread for a time, and tells every `every` how much memory the process has resident, in KiB.
pub fn soak(rate: u64, length: Duration, every: Duration, tell: &mut dyn FnMut(Duration, u64, u64)) {
    let monitor = Monitor::new(Config::default());
    let endpoints: Vec<_> = (0..50).map(|number| monitor.endpoint(&format!("/api/v1/{number}"))).collect();
    let workload = Workload::default();
    let begin = Instant::now();
    let (mut recorded, mut told) = (0_u64, Duration::ZERO);
    while begin.elapsed() < length {
        let due = (begin.elapsed().as_secs_f64() * rate as f64) as u64;
        while recorded < due {
            let at = recorded as usize;
            endpoints[at % endpoints.len()].record(workload.times[at % workload.times.len()], 200);
            recorded += 1;
        }
        if begin.elapsed() >= told {
            tell(begin.elapsed(), recorded, resident_kib());
            told += every;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    tell(begin.elapsed(), recorded, resident_kib());
}

/// Resident memory of this process; 0 where there is no `/proc`.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or(0)
}
