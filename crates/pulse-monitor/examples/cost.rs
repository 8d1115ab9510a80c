//! What recording costs.
#![expect(clippy::print_stdout, reason = "it is for people")]
use pulse_monitor::{Config, Monitor};
use std::hint::black_box;
use std::time::{Duration, Instant};

fn main() {
    let monitor = Monitor::new(Config::default());
    let endpoint = monitor.endpoint("/api/v1/execute");
    let values: Vec<Duration> = (0..1024_u64).map(|i| Duration::from_nanos(200_000 + i * i * 37)).collect();
    for _ in 0..3 {
        let start = Instant::now();
        const N: usize = 20_000_000;
        for i in 0..N {
            endpoint.record(black_box(values[i & 1023]), black_box(200));
        }
        println!("handle: {:.2} ns", start.elapsed().as_nanos() as f64 / N as f64);
        let names: Vec<String> = (0..16).map(|i| format!("/api/v1/resource{i}")).collect();
        let start = Instant::now();
        for i in 0..N {
            monitor.record_request(black_box(&names[i & 15]), black_box(values[i & 1023]), black_box(200));
        }
        println!("dynamic of 16: {:.2} ns", start.elapsed().as_nanos() as f64 / N as f64);
    }
    println!("{}", monitor.totals().series.len());
}
