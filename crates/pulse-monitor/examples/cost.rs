//! What recording costs: nanoseconds of CPU time per record, so that a busy machine does not spoil it much.

#![expect(clippy::print_stdout, reason = "the figures are for people")]

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use pulse_monitor::{Config, Monitor};

const RECORDS: usize = 5_000_000;
const ROUNDS: usize = 9;

fn main() {
    let all = std::env::args().nth(1).is_none_or(|only| only == "all");
    let wanted = |name: &str| all || std::env::args().nth(1).is_some_and(|only| only == name);
    let monitor = Monitor::new(Config::default());
    let times: Vec<Duration> = (0..1024_u64).map(|i| Duration::from_nanos(200_000 + i * i * 37)).collect();
    let time = |i: usize| black_box(times[i % 1024]);
    let endpoint = monitor.endpoint("/api/v1/execute");
    let handle = |n: usize| (0..n).for_each(|i| endpoint.record(time(i), black_box(200)));
    if wanted("handle") {
        println!("handle, one thread: {:.1} ns", best(|| handle(RECORDS)));
    }
    let names: Vec<String> = (0..16).map(|i| format!("/api/v1/resource{i}")).collect();
    if wanted("dynamic") {
        let dynamic =
            || (0..RECORDS).for_each(|i| monitor.record_request(black_box(&names[i % 16]), time(i), 200));
        println!("dynamic, of 16 names: {:.1} ns", best(dynamic));
    }
    if wanted("threads") {
        println!(
            "handle, 64 threads: {:.1} ns",
            (0..ROUNDS).map(|_| threads(64, &handle)).fold(f64::MAX, f64::min)
        );
    }
    if wanted("capped") {
        let paths: Vec<String> = (0..1_000_000).map(|i| format!("/api/v1/resource/{i}")).collect();
        paths.iter().for_each(|path| monitor.record_request(path, time(0), 200));
        let capped = || {
            (0..RECORDS).for_each(|i| monitor.record_request(black_box(&paths[i % 1_000_000]), time(i), 200));
        };
        println!("dynamic, of 1 000 000 names: {:.1} ns", best(capped));
        let few = || {
            (0..RECORDS)
                .for_each(|i| monitor.record_request(black_box(&paths[990_000 + i % 16]), time(i), 200));
        };
        println!("dynamic, of 16 beyond the cap: {:.1} ns", best(few));
    }
}

/// The fastest of several rounds, per record.
fn best(mut round: impl FnMut()) -> f64 {
    let timed = (0..ROUNDS).map(|_| {
        let begin = cpu_time();
        round();
        cpu_time().saturating_sub(begin).as_nanos() as f64 / RECORDS as f64
    });
    timed.fold(f64::MAX, f64::min)
}

/// Mean CPU time per record of many threads that begin together.
fn threads(count: usize, record: &(impl Fn(usize) + Sync)) -> f64 {
    let barrier = Barrier::new(count);
    let each = RECORDS / count;
    let spent: Duration = thread::scope(|scope| {
        let running: Vec<_> = (0..count)
            .map(|_| {
                scope.spawn(|| {
                    record(1000);
                    barrier.wait();
                    let begin = cpu_time();
                    record(each);
                    cpu_time().saturating_sub(begin)
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().expect("recording does not panic")).sum()
    });
    spent.as_nanos() as f64 / (each * count) as f64
}

fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
