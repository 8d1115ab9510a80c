//! Interleavings of a cell's writer with readers, the ticker and the next writer, under the rules of the memory model:
//! the source of `cell.rs` itself, over the model checker's atomics.

use loom::sync::{Arc, Mutex};
use loom::thread;

#[expect(dead_code, reason = "constants for those who lay cells out in memory")]
#[path = "../src/cell.rs"]
mod cell;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

use cell::{CounterCell, PageCell, RateCell, TrendCell, TrendReading};
use sync::{AtomicU64, Ordering};

#[derive(Default)]
struct Trend {
    cell: TrendCell,
    page: PageCell,
    epoch: AtomicU64,
}

impl Trend {
    /// As the hot path does it. The value is its own bucket.
    fn record(&self, value: u64) {
        self.cell.note(value, self.epoch.load(Ordering::Relaxed));
        self.page.count(value as usize);
    }

    /// As the reader does it: counts first.
    fn read(&self) -> (Vec<(usize, u64)>, TrendReading) {
        let counts = self.page.read().collect();
        (counts, self.cell.read())
    }
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// Whatever is counted is also in the sum and within the extremes, of all time and of its epoch.
fn assert_consistent(counts: &[(usize, u64)], reading: &TrendReading) {
    let counted: u64 = counts.iter().map(|(value, count)| *value as u64 * count).sum();
    assert!(reading.sum >= counted);
    for (value, _) in counts {
        let value = *value as u64;
        assert!(reading.min <= value && value <= reading.max, "{value} {reading:?}");
    }
}

#[test]
fn what_is_counted_is_in_the_sum_and_within_the_extremes() {
    check(|| {
        let trend = Arc::new(Trend::default());
        let writer = trend.clone();
        let writing = thread::spawn(move || {
            writer.record(7);
            writer.record(3);
        });
        let (first, reading) = trend.read();
        assert_consistent(&first, &reading);
        if let Some(recent) = reading.recent[0] {
            assert!(first.iter().all(|(value, _)| (recent.min..=recent.max).contains(&(*value as u64))));
        }
        let (second, reading) = trend.read();
        assert_consistent(&second, &reading);
        // Counts never fall.
        for (value, count) in first {
            assert!(second.iter().any(|(other, more)| *other == value && *more >= count));
        }
        writing.join().unwrap();
        let (counts, reading) = trend.read();
        assert_eq!(counts, [(3, 1), (7, 1)]);
        assert_eq!((reading.sum, reading.min, reading.max), (10, 3, 7));
    });
}

#[test]
fn extremes_of_two_epochs_in_one_place_are_never_mixed() {
    check(|| {
        let trend = Arc::new(Trend::default());
        trend.record(5);
        let (writer, ticker) = (trend.clone(), trend.clone());
        let writing = thread::spawn(move || {
            writer.record(2);
            writer.record(9);
        });
        // Epoch 4 takes the place of epoch 0.
        let ticking = thread::spawn(move || ticker.epoch.store(4, Ordering::Relaxed));
        let reading = trend.cell.read();
        match reading.recent[0] {
            None => {}
            Some(recent) if recent.epoch == 0 => {
                // 5 is in it; 2 and 9 may be, each alone as well.
                assert!([(5, 5), (2, 5), (5, 9), (2, 9)].contains(&(recent.min, recent.max)), "{recent:?}");
            }
            Some(recent) => {
                assert_eq!(recent.epoch, 4);
                assert!([(2, 2), (2, 9), (9, 9)].contains(&(recent.min, recent.max)), "{recent:?}");
            }
        }
        writing.join().unwrap();
        ticking.join().unwrap();
        let reading = trend.cell.read();
        assert_eq!((reading.min, reading.max, reading.sum), (2, 9, 16));
        assert!(reading.recent[0].is_some());
    });
}

#[test]
fn a_thread_that_takes_over_counts_on() {
    check(|| {
        let trend = Arc::new(Trend::default());
        // The right to write is handed on through the registry's lock, as free shards are.
        let free = Arc::new(Mutex::new(Some(())));
        let writing: Vec<_> = [4, 6]
            .into_iter()
            .map(|value| {
                let (trend, free) = (trend.clone(), free.clone());
                thread::spawn(move || {
                    let right = free.lock().unwrap().take();
                    if right.is_some() {
                        trend.record(value);
                        *free.lock().unwrap() = right;
                    }
                    right.is_some()
                })
            })
            .collect();
        let (counts, reading) = trend.read();
        assert_consistent(&counts, &reading);
        let recorded = writing.into_iter().map(|thread| u64::from(thread.join().unwrap())).sum::<u64>();
        let (counts, _) = trend.read();
        assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), recorded);
    });
}

#[test]
fn zeros_counters_and_rates_only_rise_and_end_exact() {
    check(|| {
        let cells = Arc::new((TrendCell::default(), CounterCell::default(), RateCell::default()));
        let writer = cells.clone();
        let writing = thread::spawn(move || {
            writer.0.zero(0);
            writer.1.add(3);
            writer.2.hit();
            writer.2.miss();
        });
        let zeros = cells.0.read();
        assert!(zeros.zeros == 0 || zeros.min == 0);
        let counted = [cells.1.read(), cells.1.read()];
        assert!(counted[0] <= counted[1] && [0, 3].contains(&counted[1]));
        writing.join().unwrap();
        assert_eq!((cells.0.read().zeros, cells.1.read(), cells.2.read()), (1, 3, (1, 1)));
    });
}

#[test]
fn an_epoch_that_is_seen_is_seen_as_a_whole() {
    check(|| {
        let trend = Arc::new(Trend::default());
        trend.record(5);
        trend.epoch.store(4, Ordering::Relaxed);
        let writer = trend.clone();
        let writing = thread::spawn(move || writer.record(2));
        if let Some(recent) = trend.cell.read().recent[0] {
            assert_eq!((recent.min, recent.max), if recent.epoch == 0 { (5, 5) } else { (2, 2) });
        }
        writing.join().unwrap();
    });
}
