//! How long statements take on the database itself, which is only read: quick, without a copy, and of what the file is now.
//! Statements that write are left out; a trial runs them on a copy.

use std::time::{Duration, Instant};

use pulse_model::Nanos;

use super::Sqlite;
use super::replay::{NoResult, Stage};
use super::watch::{Watch, watched};
use crate::error::DatabaseError;
use crate::progress::Progress;
use crate::timing::Timing;
use crate::workload::{Call, Statement, Workload};

/// Rounds over the whole workload; more make no interval narrower that matters.
const MAX_ROUNDS: usize = 50;
/// Time for one statement.
const STATEMENT_LIMIT: Duration = Duration::from_secs(10);
/// The largest share of the time that one call may take.
const LARGEST_SHARE: f64 = 0.25;
/// The share of the time after which no more first calls are made.
const FIRST_ROUND: f64 = 0.5;

impl Sqlite {
    /// Times the statements of a workload in rounds, until `budget` is over. Never writes.
    ///
    /// # Errors
    /// When the database cannot be read, or the work is stopped.
    pub fn time(
        &self,
        workload: &Workload,
        budget: Nanos,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Timing>, DatabaseError> {
        let watch = Watch::new();
        let budget = Duration::from(budget);
        let open = || {
            Stage::reading(
                &self.files,
                self.busy_timeout(),
                STATEMENT_LIMIT.min(budget.mul_f64(LARGEST_SHARE)),
                &watch,
            )
        };
        let timings = watched("timing the workload", Some(budget), &watch, progress, || {
            let stage = open()?;
            let started = Instant::now();
            let mut timings = vec![Timing::default(); workload.statements.len()];
            for (statement, timing) in workload.statements.iter().zip(&mut timings) {
                if started.elapsed() > budget.mul_f64(FIRST_ROUND) || watch.is_stopped() {
                    break;
                }
                if let Ok(fresh) = open() {
                    timing.take_cold(&fresh, statement);
                }
            }
            for round in 0..MAX_ROUNDS {
                for (statement, timing) in workload.statements.iter().zip(&mut timings) {
                    if started.elapsed() > budget || watch.is_stopped() {
                        return Ok(timings);
                    }
                    timing.take_warm(&stage, statement, round);
                }
            }
            Ok(timings)
        })?;
        if watch.is_stopped() {
            let done = "statements were no longer timed; the database was only read".to_owned();
            return Err(DatabaseError::Stopped { done });
        }
        Ok(timings.into_iter().map(Timing::told).collect())
    }
}

impl Timing {
    fn take_cold(&mut self, stage: &Stage, statement: &Statement) {
        let call = call(statement, 0);
        match stage.is_reading(statement, &call) {
            Ok(true) => {
                let time = stage.time_first(statement, &call);
                self.took(time, true);
            }
            Ok(false) => self.failure = Some("it writes, which is tried on a copy only".to_owned()),
            Err(no_result) => self.took(Err(no_result), true),
        }
    }

    fn take_warm(&mut self, stage: &Stage, statement: &Statement, round: usize) {
        if self.failure.is_some() || self.cold.is_empty() && self.warm.is_empty() && round > 0 {
            return;
        }
        let time = stage.time(statement, &call(statement, round));
        self.took(time, false);
    }

    fn took(&mut self, time: Result<u64, NoResult>, is_cold: bool) {
        match time {
            Ok(nanos) if is_cold => self.cold.record(nanos),
            Ok(nanos) => self.warm.record(nanos),
            Err(NoResult::Late) => self.failure = Some("it did not end in time and was stopped".to_owned()),
            Err(NoResult::Failed(why)) => self.failure = Some(why),
            Err(NoResult::Stopped) => {}
        }
    }

    /// With a reason where there are no times.
    fn told(mut self) -> Self {
        if self.failure.is_none() && self.warm.is_empty() {
            self.failure = Some("there was no time for it".to_owned());
        }
        self
    }
}

/// The calls of a statement in turns.
fn call(statement: &Statement, round: usize) -> Call {
    let samples = &statement.samples;
    if samples.is_empty() { Call::default() } else { samples[round % samples.len()].clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Unwatched;
    use rusqlite::Connection;

    fn statement(sql: &str) -> Statement {
        Statement { sql: sql.to_owned(), form: sql.to_owned(), calls: 1, ..Statement::default() }
    }

    #[test]
    fn what_reads_is_timed_and_what_writes_is_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)")
            .unwrap();
        let before = std::fs::read(&path).unwrap();
        let endless =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        let texts = ["SELECT * FROM t", "INSERT INTO t VALUES (3)", "SELECT missing FROM t", endless];
        let workload = Workload { statements: texts.map(statement).to_vec(), ..Workload::default() };
        let timings =
            Sqlite::open(&path).unwrap().time(&workload, Nanos::from_millis(400), &mut Unwatched).unwrap();
        assert!(timings[0].warm.count() > 0 && timings[0].cold.count() == 1, "{:?}", timings[0]);
        for (timing, reason) in timings[1..].iter().zip(["it writes", "no such column", "in time"]) {
            let failure = timing.failure.as_deref().unwrap_or_default();
            assert!(failure.contains(reason), "{failure}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
