//! Work on a thread of its own while someone looks on, so that what takes long can be told of, limited and stopped.
//!
//! SQLite asks a connection's progress handler every some thousand steps whether to go on. It must not block and knows
//! nothing of the one who looks on, so the two meet in a [`Watch`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::progress::Progress;

/// How often the one who looks on is told and asked.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Steps of SQLite's machine between two questions whether to go on: some tens of microseconds.
const STEPS: i32 = 1_000;
/// No deadline.
const NEVER: u64 = u64::MAX;

/// Whether what runs on a connection is to end.
#[derive(Debug)]
pub(crate) struct Watch {
    epoch: Instant,
    deadline_nanos: AtomicU64,
    stopped: AtomicBool,
}

impl Watch {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            epoch: Instant::now(),
            deadline_nanos: AtomicU64::new(NEVER),
            stopped: AtomicBool::new(false),
        })
    }

    /// Ends statements of this connection when they are to end. A handler of before is replaced.
    pub(crate) fn attach(self: &Arc<Self>, connection: &mut Connection) -> rusqlite::Result<()> {
        let watch = Arc::clone(self);
        connection.progress_handler(STEPS, Some(move || watch.is_stopped() || watch.is_late()))
    }

    /// Ends what runs, and all that begins later.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it was stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Ends what still runs after this time from now.
    pub(crate) fn limit(&self, time: Duration) {
        let deadline = self.epoch.elapsed().saturating_add(time);
        self.deadline_nanos.store(u64::try_from(deadline.as_nanos()).unwrap_or(NEVER), Ordering::Relaxed);
    }

    /// Takes the limit away.
    pub(crate) fn unlimit(&self) {
        self.deadline_nanos.store(NEVER, Ordering::Relaxed);
    }

    /// Whether the limit has passed.
    pub(crate) fn is_late(&self) -> bool {
        let deadline = self.deadline_nanos.load(Ordering::Relaxed);
        deadline != NEVER && self.epoch.elapsed().as_nanos() > u128::from(deadline)
    }
}

/// Does the work on a thread of its own, and tells `progress` meanwhile. With an `expected` time there is a share, which
/// never reaches the whole before the end.
pub(crate) fn watched<T: Send>(
    step: &str,
    expected: Option<Duration>,
    watch: &Watch,
    progress: &mut dyn Progress,
    work: impl FnOnce() -> T + Send,
) -> T {
    let started = Instant::now();
    let share = || {
        let expected = expected?.as_secs_f64();
        (expected > 0.0).then(|| (started.elapsed().as_secs_f64() / expected).min(0.99))
    };
    let mut look = || {
        progress.at(step, share());
        if progress.is_stopped() {
            watch.stop();
        }
    };
    look();
    std::thread::scope(|scope| {
        // When the work panics, the sender goes with its thread, which ends the waiting too.
        let (ended, waiting) = mpsc::channel::<()>();
        let worker = scope.spawn(move || {
            let result = work();
            drop(ended);
            result
        });
        while waiting.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            look();
        }
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Unwatched;

    const ENDLESS: &str =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

    struct StopsAt(u32, Vec<Option<f64>>);

    impl Progress for StopsAt {
        fn at(&mut self, _step: &str, share: Option<f64>) {
            self.0 = self.0.saturating_sub(1);
            self.1.push(share);
        }

        fn is_stopped(&self) -> bool {
            self.0 == 0
        }
    }

    #[test]
    fn an_endless_statement_is_stopped_by_the_one_who_looks_on() {
        let watch = Watch::new();
        let mut connection = Connection::open_in_memory().unwrap();
        watch.attach(&mut connection).unwrap();
        let mut progress = StopsAt(3, Vec::new());
        let ended = watched("counting", Some(Duration::from_hours(1)), &watch, &mut progress, move || {
            connection.query_row(ENDLESS, [], |_| Ok(()))
        });
        assert_eq!(ended.unwrap_err().sqlite_error_code(), Some(rusqlite::ErrorCode::OperationInterrupted));
        assert!(watch.is_stopped() && !watch.is_late());
        assert!(progress.1.len() >= 3 && progress.1.iter().flatten().all(|&share| share < 0.1));
    }

    #[test]
    fn an_endless_statement_ends_at_its_limit_and_the_next_runs() {
        let watch = Watch::new();
        let mut connection = Connection::open_in_memory().unwrap();
        watch.attach(&mut connection).unwrap();
        let limited = &watch;
        let result = watched("counting", None, &watch, &mut Unwatched, move || {
            let watch = limited;
            watch.limit(Duration::from_millis(20));
            let endless = connection.query_row(ENDLESS, [], |_| Ok(()));
            let late = watch.is_late();
            watch.unlimit();
            (endless.is_err(), late, connection.query_row("SELECT 7", [], |row| row.get::<_, i64>(0)))
        });
        assert_eq!((result.0, result.1, result.2.unwrap()), (true, true, 7));
    }
}
