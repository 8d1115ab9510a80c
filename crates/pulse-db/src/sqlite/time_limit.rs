//! A limit in time on what a connection does: what takes longer is interrupted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

/// Steps of SQLite's machine between two looks at the clock: well under a millisecond.
const STEPS: i32 = 2_000;
/// No limit.
const NONE: u64 = u64::MAX;

/// A limit in time on what a connection does; off until it is set.
#[derive(Clone, Debug)]
pub(crate) struct TimeLimit {
    start: Instant,
    /// Nanoseconds after `start`.
    deadline: Arc<AtomicU64>,
}

impl TimeLimit {
    /// Puts one on a connection.
    pub(crate) fn on(connection: &mut Connection) -> rusqlite::Result<Self> {
        let limit = Self { start: Instant::now(), deadline: Arc::new(AtomicU64::new(NONE)) };
        let watched = limit.clone();
        connection.progress_handler(STEPS, Some(move || watched.is_over()))?;
        Ok(limit)
    }

    /// What happens from now on ends after this time.
    pub(crate) fn set(&self, after: Duration) {
        let deadline = self.start.elapsed().saturating_add(after).as_nanos();
        self.deadline.store(u64::try_from(deadline).unwrap_or(NONE), Ordering::Relaxed);
    }

    /// No limit any more.
    pub(crate) fn lift(&self) {
        self.deadline.store(NONE, Ordering::Relaxed);
    }

    /// Whether the time is over.
    pub(crate) fn is_over(&self) -> bool {
        let deadline = self.deadline.load(Ordering::Relaxed);
        deadline != NONE && self.start.elapsed().as_nanos() >= u128::from(deadline)
    }
}

/// Whether an error is an interruption.
pub(crate) fn is_interrupted(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_statement_ends() {
        let mut connection = Connection::open_in_memory().expect("in memory");
        let limit = TimeLimit::on(&mut connection).expect("a handler");
        let endless =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        limit.set(Duration::ZERO);
        let error = connection.query_row(endless, [], |_| Ok(())).expect_err("interrupted");
        assert!(is_interrupted(&error) && limit.is_over());
        limit.lift();
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).expect("no limit");
    }
}
