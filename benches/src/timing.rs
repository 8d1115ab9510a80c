//! CPU time per record, in rounds.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::{Batch, Recorder, Workload};

/// Nanoseconds of CPU time that the calling thread has used.
pub(crate) fn thread_cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// CPU nanoseconds per record of so many batches on the calling thread, the library's upkeep included.
pub fn one_thread(batch: &mut Batch, recorder: &Recorder, workload: &Workload, batches: usize) -> f64 {
    let begin = thread_cpu_ns();
    for _ in 0..batches {
        batch(&workload.times, &workload.labels);
    }
    (recorder.upkeep)();
    (thread_cpu_ns() - begin) / (batches * workload.times.len()) as f64
}

/// CPU nanoseconds per record of threads that record at the same time, each so many batches.
pub fn many_threads(
    make: &(dyn Fn() -> Batch + Send + Sync),
    recorder: &Recorder,
    workload: &Workload,
    threads: usize,
    batches: usize,
) -> f64 {
    let total: f64 = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut batch = make();
                    // The first batch touches memory and fills caches, which a service does once.
                    batch(&workload.times, &workload.labels);
                    let begin = thread_cpu_ns();
                    for _ in 0..batches {
                        batch(&workload.times, &workload.labels);
                    }
                    thread_cpu_ns() - begin
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().expect("recording does not panic")).sum()
    });
    let begin = thread_cpu_ns();
    (recorder.upkeep)();
    (total + thread_cpu_ns() - begin) / (threads * batches * workload.times.len()) as f64
}

/// The median of some figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The cost of a read of the clock, for comparison: what a library pays that takes the time itself.
pub fn clock_read() -> f64 {
    let begin = thread_cpu_ns();
    let mut sum = Duration::ZERO;
    let origin = std::time::Instant::now();
    for _ in 0..100_000 {
        sum += origin.elapsed();
    }
    std::hint::black_box(sum);
    (thread_cpu_ns() - begin) / 1e5
}
