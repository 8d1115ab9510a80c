//! Who uses a pool and who waits for it, for the monitor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pulse_monitor::{Monitor, Pool};

/// Counts those who wait for one of a pool and those who have one.
pub(crate) struct Turns {
    pool: Pool,
    waiting: AtomicU64,
    in_use: AtomicU64,
}

/// Somebody who waits.
pub(crate) struct Waiting(Arc<Turns>);

/// Somebody who has one.
pub(crate) struct InUse(Arc<Turns>);

impl Turns {
    pub(crate) fn new(monitor: &Monitor, name: &str, size: u64) -> Arc<Self> {
        let pool = monitor.pool(name);
        pool.set_size(size);
        pool.set_in_use(0);
        pool.set_waiting(0);
        Arc::new(Self { pool, waiting: AtomicU64::new(0), in_use: AtomicU64::new(0) })
    }

    pub(crate) fn wait(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.tell();
        Waiting(Arc::clone(self))
    }

    /// Says how it is now. Of several threads that do so at once, the last one has read the last change.
    fn tell(&self) {
        loop {
            let now = [&self.waiting, &self.in_use].map(|count| count.load(Ordering::SeqCst));
            self.pool.set_waiting(now[0]);
            self.pool.set_in_use(now[1]);
            if now == [&self.waiting, &self.in_use].map(|count| count.load(Ordering::SeqCst)) {
                return;
            }
        }
    }
}

impl Waiting {
    /// The wait is over.
    pub(crate) fn got_it(self) -> InUse {
        let turns = Arc::clone(&self.0);
        turns.in_use.fetch_add(1, Ordering::SeqCst);
        drop(self);
        InUse(turns)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
        self.0.tell();
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.in_use.fetch_sub(1, Ordering::SeqCst);
        self.0.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Aggregate, metric};
    use pulse_monitor::Config;

    #[test]
    fn levels_follow_whoever_comes_and_goes() {
        let monitor = Monitor::new(Config::default());
        let turns = Turns::new(&monitor, "readers", 4);
        let levels = || {
            let totals = monitor.totals();
            [metric::POOL_SIZE, metric::POOL_IN_USE, metric::POOL_WAITING].map(|name| {
                totals.series.iter().find_map(|(series, aggregate)| match aggregate {
                    Aggregate::Gauge(gauge) if &*series.metric == name => Some(gauge.last),
                    _ => None,
                })
            })
        };
        assert_eq!(levels(), [Some(4), Some(0), Some(0)]);
        let (first, second) = (turns.wait(), turns.wait());
        assert_eq!(levels(), [Some(4), Some(0), Some(2)]);
        let first = first.got_it();
        assert_eq!(levels(), [Some(4), Some(1), Some(1)]);
        drop((first, second));
        assert_eq!(levels(), [Some(4), Some(0), Some(0)]);
    }
}
