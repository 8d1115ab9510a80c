//! Trials: the workload runs on two private copies, one with the changes, in turns.
//!
//! Both copies are of the same moment and of the original's layout. Statements run one by one on either side, the side that
//! begins taking turns (A B B A …), so that whatever drifts in the machine meets both alike. Times are those of a program
//! that has its statements prepared and reads all rows. The operating system's cache is warm on both sides.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pulse_model::{Histogram, Nanos, Statistic};
use pulse_stats::{Bootstrap, compare_intervals};
use rusqlite::{Connection, OpenFlags};

use super::Sqlite;
use super::answer::{Difference, asks_for_order};
use super::connection::refused;
use super::private_copy::{CopyOptions, database_bytes};
use super::replay::{NoResult, Stage};
use super::watch::{Watch, watched};
use super::write_cost;
use crate::change::{Change, ChangeKind};
use crate::error::DatabaseError;
use crate::progress::Progress;
use crate::trial::{ChangeTrial, Gain, StatementTrial, Trial, TrialResult};
use crate::workload::{Call, Statement, Workload};

/// Time for a trial that sets none.
const BUDGET: Nanos = Nanos::from_secs(60);
/// Time for a statement when the trial sets none.
const STATEMENT_LIMIT: Nanos = Nanos::from_secs(10);
/// More rounds make no interval narrower that matters.
const MAX_ROUNDS: u64 = 30;
/// Rounds that the calls per round are chosen for.
const WANTED_ROUNDS: f64 = 12.0;
/// Calls with different values that a statement makes per round, when there is time.
const MAX_CALLS: usize = 8;
/// First calls on a new connection, per side.
const COLD_CALLS: usize = 3;
/// The share of the budget after which no answers are compared, and that after which there are no more first calls.
const SHARES: [f64; 2] = [0.35, 0.5];

/// A statement under trial. Index 0 is the side without the changes, 1 the one with them.
#[derive(Default)]
struct Tried {
    calls: Vec<Call>,
    calls_per_round: usize,
    plans: [Vec<String>; 2],
    /// Nanoseconds of a call, roughly.
    estimate: [u64; 2],
    is_late: [bool; 2],
    /// A list of times per round.
    warm: [Vec<Vec<u64>>; 2],
    cold: [Histogram; 2],
    failure: Option<String>,
    difference: Option<String>,
    /// Rows of equal keys came in another order.
    has_ties: bool,
    /// It answers differently every time.
    is_erratic: bool,
}

struct Trying<'a> {
    workload: &'a Workload,
    foreign_keys: bool,
    paths: [PathBuf; 2],
    stages: [Stage; 2],
    statements: Vec<Tried>,
    watch: Arc<Watch>,
    limit: Duration,
    budget: Duration,
    started: Instant,
}

impl Sqlite {
    /// Tries changes on a private copy: runs the workload without and with them in turns. The database itself is only read.
    ///
    /// # Errors
    /// When the copy cannot be made ([`DatabaseError::TooLarge`], [`DatabaseError::NoSpace`]) or the work is stopped.
    pub fn measure(
        &self,
        workload: &Workload,
        trial: &Trial,
        progress: &mut dyn Progress,
    ) -> Result<TrialResult, DatabaseError> {
        self.measure_on(workload, trial, &CopyOptions::default(), progress)
    }

    /// As [`Sqlite::measure`], with a word in how the copy is made.
    ///
    /// # Errors
    /// As [`Sqlite::measure`].
    pub fn measure_on(
        &self,
        workload: &Workload,
        trial: &Trial,
        options: &CopyOptions,
        progress: &mut dyn Progress,
    ) -> Result<TrialResult, DatabaseError> {
        let started = Instant::now();
        // Room for the second copy and for what the changes add to it.
        let size = std::fs::metadata(self.path()).map_or(0, |found| found.len());
        let spare_bytes = options.spare_bytes.saturating_add(size).saturating_add(size / 2);
        let copy = self.private_copy(&CopyOptions { spare_bytes, ..options.clone() }, progress)?;
        let paths = [copy.path().to_owned(), copy.twin(progress)?];
        let watch = Watch::new();
        let budget = or_default(trial.budget, BUDGET);
        let changes = make_changes(&trial.changes, &paths[1], budget, &watch, progress)?;
        let mut trying = Trying::new(workload, trial, paths, &watch, started)
            .map_err(|source| refused(self.path(), "cannot open the private copy", source))?;
        trying.run(&changes, trial.write_costs, progress)
    }
}

fn or_default(value: Nanos, default: Nanos) -> Duration {
    Duration::from(if value == Nanos::ZERO { default } else { value })
}

fn stopped() -> DatabaseError {
    DatabaseError::Stopped {
        done: "the trial was given up and its copies are gone; the database is untouched".to_owned(),
    }
}

/// Makes the changes on a copy. One that fails is told of and left out.
fn make_changes(
    changes: &[Change],
    path: &Path,
    limit: Duration,
    watch: &Arc<Watch>,
    progress: &mut dyn Progress,
) -> Result<Vec<ChangeTrial>, DatabaseError> {
    let failed = |source| DatabaseError::Sql { what: "cannot open the private copy".to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    watch.attach(&mut connection).map_err(failed)?;
    let mut results = Vec::with_capacity(changes.len());
    for change in changes {
        let step = format!("trying {} on the copy", change.subject);
        let on_copy = &mut connection;
        let made = watched(&step, None, watch, progress, move || {
            watch.limit(limit);
            let made = make(change, on_copy);
            watch.unlimit();
            made
        });
        if watch.is_stopped() {
            return Err(stopped());
        }
        results.push(made.unwrap_or_else(|error| ChangeTrial {
            failure: Some(match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::OperationInterrupted) => {
                    "it did not end in the time of the trial".to_owned()
                }
                _ => error.to_string(),
            }),
            ..ChangeTrial::default()
        }));
    }
    Ok(results)
}

fn make(change: &Change, connection: &Connection) -> rusqlite::Result<ChangeTrial> {
    let table = |connection: &Connection| {
        let sql = "SELECT tbl_name FROM sqlite_schema WHERE type = 'index' AND name = ?1 COLLATE NOCASE";
        connection.query_row(sql, [&change.subject], |row| row.get::<_, String>(0)).ok()
    };
    let (size, table_before) = (database_bytes(connection)?, table(connection));
    let started = Instant::now();
    change.fix.sql.iter().try_for_each(|sql| connection.execute_batch(sql))?;
    let duration = Nanos::from(started.elapsed());
    let grown_bytes = database_bytes(connection)?.cast_signed().wrapping_sub(size.cast_signed());
    let is_index = matches!(change.kind, ChangeKind::CreateIndex | ChangeKind::DropIndex);
    let table = table_before.or_else(|| table(connection)).filter(|_| is_index);
    Ok(ChangeTrial { duration, grown_bytes, table, failure: None })
}

/// Evenly chosen calls of a statement; one without values when none was recorded.
fn chosen(statement: &Statement) -> Vec<Call> {
    let samples = &statement.samples;
    if samples.is_empty() {
        return vec![Call::default()];
    }
    let count = samples.len().min(MAX_CALLS);
    (0..count).map(|index| samples[index * samples.len() / count].clone()).collect()
}

impl<'a> Trying<'a> {
    fn new(
        workload: &'a Workload,
        trial: &Trial,
        paths: [PathBuf; 2],
        watch: &Arc<Watch>,
        started: Instant,
    ) -> rusqlite::Result<Self> {
        let limit = or_default(trial.statement_limit, STATEMENT_LIMIT);
        let open = |path: &Path| Stage::open(path, trial.foreign_keys, limit, watch);
        let stages = [open(&paths[0])?, open(&paths[1])?];
        let tried = |statement| Tried { calls: chosen(statement), calls_per_round: 1, ..Tried::default() };
        Ok(Self {
            workload,
            foreign_keys: trial.foreign_keys,
            stages,
            statements: workload.statements.iter().map(tried).collect(),
            watch: Arc::clone(watch),
            limit,
            budget: or_default(trial.budget, BUDGET),
            started,
            paths,
        })
    }

    fn run(
        &mut self,
        changes: &[ChangeTrial],
        wants_write_costs: bool,
        progress: &mut dyn Progress,
    ) -> Result<TrialResult, DatabaseError> {
        let watch = Arc::clone(&self.watch);
        let mut result = TrialResult { changes: changes.to_vec(), ..TrialResult::default() };
        watched("comparing answers on the copy", None, &watch, progress, || self.look());
        watched("measuring first calls", None, &watch, progress, || self.measure_cold());
        if wants_write_costs && !watch.is_stopped() {
            let (tables, stages, limited) = (write_cost::tables(changes), &mut self.stages, &watch);
            result.write_costs =
                watched("measuring what a written row costs", None, &watch, progress, move || {
                    tables.iter().map(|table| write_cost::measure(stages, table, limited)).collect()
                });
        }
        self.choose_calls();
        let left = self.budget.saturating_sub(self.started.elapsed());
        result.rounds = watched(
            "running the workload without and with the changes",
            Some(left),
            &watch,
            progress,
            || self.measure_warm(),
        );
        if watch.is_stopped() {
            return Err(stopped());
        }
        result.remarks = self.remarks(result.rounds);
        result.statements =
            std::mem::take(&mut self.statements).into_iter().map(|tried| tried.result(self.limit)).collect();
        Ok(result)
    }

    /// Plans, and whether both sides answer the same.
    fn look(&mut self) {
        for (statement, tried) in self.workload.statements.iter().zip(&mut self.statements) {
            if self.watch.is_stopped() {
                return;
            }
            // A plan costs next to nothing; without one a statement could not be told to be unchanged.
            tried.take_plans(&self.stages, statement);
            if self.started.elapsed() < self.budget.mul_f64(SHARES[0]) {
                tried.compare(&self.stages, statement, self.budget.mul_f64(0.05), self.limit);
            }
        }
    }

    fn measure_cold(&mut self) {
        for call in 0..COLD_CALLS {
            for (index, (statement, tried)) in
                self.workload.statements.iter().zip(&mut self.statements).enumerate()
            {
                if self.watch.is_stopped() || self.started.elapsed() > self.budget.mul_f64(SHARES[1]) {
                    return;
                }
                for side in order(call + index) {
                    if tried.failure.is_some() || tried.is_late[side] {
                        continue;
                    }
                    let stage = Stage::open(&self.paths[side], self.foreign_keys, self.limit, &self.watch);
                    if let Ok(Ok(nanos)) = stage.map(|stage| stage.time_first(statement, &tried.calls[0])) {
                        tried.cold[side].record(nanos);
                    }
                }
            }
        }
    }

    /// More calls per round for what the changes can matter to, as far as the time goes.
    fn choose_calls(&mut self) {
        let left = self.budget.saturating_sub(self.started.elapsed()).as_nanos() as f64;
        let cost =
            |tried: &Tried| if tried.is_out() { 0.0 } else { (tried.estimate[0] + tried.estimate[1]) as f64 };
        let affected = self
            .statements
            .iter()
            .filter(|tried| tried.plans[0] != tried.plans[1] && !tried.is_out())
            .count();
        let base: f64 = self.statements.iter().map(cost).sum();
        let share = (left / WANTED_ROUNDS - base).max(0.0) / affected.max(1) as f64;
        for tried in self.statements.iter_mut().filter(|tried| tried.plans[0] != tried.plans[1]) {
            let more = (share / cost(tried).max(1.0)).min(MAX_CALLS as f64) as usize;
            tried.calls_per_round = (1 + more).min(tried.calls.len());
        }
    }

    fn measure_warm(&mut self) -> u64 {
        for round in 0..MAX_ROUNDS {
            for (index, (statement, tried)) in
                self.workload.statements.iter().zip(&mut self.statements).enumerate()
            {
                if self.watch.is_stopped() || self.started.elapsed() > self.budget {
                    return round;
                }
                tried.run_round(&self.stages, statement, round as usize + index, self.limit);
            }
        }
        MAX_ROUNDS
    }

    fn remarks(&self, rounds: u64) -> Vec<String> {
        let count = |is: &dyn Fn(&Tried) -> bool| self.statements.iter().filter(|tried| is(tried)).count();
        let mut remarks = Vec::new();
        let mut tell = |number: usize, what: &str| {
            if number > 0 {
                remarks.push(format!("{number} of {} statements {what}", self.statements.len()));
            }
        };
        tell(count(&|tried| tried.failure.is_some()), "could not be run");
        tell(
            count(&|tried| tried.is_late[0] != tried.is_late[1]),
            "did not end in time on one side: their gain is a bound",
        );
        tell(
            count(&|tried| tried.has_ties),
            "return rows of equal keys in another order, or choose others among them",
        );
        tell(
            count(&|tried| tried.is_erratic),
            "answer differently at every call, so that their rows were not compared",
        );
        let too_few = count(&|tried| !tried.is_out() && tried.warm[0].len() < 4);
        tell(too_few, "ran fewer than 4 times in the time given, which is too few for an interval");
        if rounds == 0 {
            remarks.push(format!(
                "the time given, {:.0} s, did not suffice for one round of the workload",
                self.budget.as_secs_f64()
            ));
        }
        remarks
    }
}

/// Which side begins.
fn order(turn: usize) -> [usize; 2] {
    if turn.is_multiple_of(2) { [0, 1] } else { [1, 0] }
}

impl Tried {
    /// Whether it is not timed at all.
    fn is_out(&self) -> bool {
        self.failure.is_some() || self.is_late == [true, true]
    }

    fn take_plans(&mut self, stages: &[Stage; 2], statement: &Statement) {
        let plans = [0, 1].map(|side| stages[side].plan(statement, &self.calls[0]));
        if let [Ok(_), Err(NoResult::Failed(why))] = &plans {
            self.difference = Some(format!("it fails with the changes: {why}"));
        }
        for (side, plan) in plans.into_iter().enumerate() {
            match plan {
                Ok(lines) => self.plans[side] = lines,
                Err(NoResult::Failed(why)) if self.difference.is_none() => self.failure = Some(why),
                Err(_) => {}
            }
        }
    }

    /// Runs calls on both sides and compares their rows, until the time is over.
    fn compare(&mut self, stages: &[Stage; 2], statement: &Statement, time: Duration, limit: Duration) {
        let is_ordered = asks_for_order(&statement.sql);
        let started = Instant::now();
        for call in &self.calls {
            if self.failure.is_some() || self.difference.is_some() || started.elapsed() > time {
                return;
            }
            let sides = [stages[0].answer(statement, call), stages[1].answer(statement, call)];
            for (side, result) in sides.iter().enumerate() {
                self.is_late[side] |= *result == Err(NoResult::Late);
                self.estimate[side] = match result {
                    Ok((_, nanos)) => *nanos,
                    Err(_) => limit.as_nanos() as u64,
                };
            }
            match sides {
                [Ok((Some(before), _)), Ok((Some(after), _))] => {
                    match before.difference(&after, is_ordered) {
                        Difference::None => continue,
                        Difference::Ties => self.has_ties = true,
                        found => {
                            // A second answer of the same side tells whether the statement is one that can be compared.
                            let again = stages[0].answer(statement, call);
                            match again {
                                Ok((Some(again), _))
                                    if again.difference(&before, is_ordered) == Difference::None =>
                                {
                                    let what =
                                        if found == Difference::Order { "their order" } else { "the rows" };
                                    self.difference = Some(format!(
                                        "{what} differ: {} rows without the changes, {} with them",
                                        before.rows, after.rows
                                    ));
                                }
                                _ => self.is_erratic = true,
                            }
                        }
                    }
                    return;
                }
                [Err(NoResult::Failed(why)), _] => self.failure = Some(why),
                [Ok(_), Err(NoResult::Failed(why))] => {
                    self.difference = Some(format!("it fails with the changes: {why}"));
                }
                _ => {}
            }
        }
    }

    fn run_round(&mut self, stages: &[Stage; 2], statement: &Statement, turn: usize, limit: Duration) {
        if self.is_out() || self.difference.is_some() {
            return;
        }
        let mut times = [Vec::new(), Vec::new()];
        for (index, call) in self.calls.iter().take(self.calls_per_round).enumerate() {
            for side in order(turn + index) {
                if !self.is_late[side] {
                    match stages[side].time(statement, call) {
                        Ok(nanos) => times[side].push(nanos),
                        Err(NoResult::Late) => self.is_late[side] = true,
                        Err(NoResult::Stopped) => return,
                        Err(NoResult::Failed(why)) => {
                            self.failure = Some(why);
                            return;
                        }
                    }
                }
                if self.is_late[side] {
                    times[side].push(limit.as_nanos() as u64);
                }
            }
        }
        for (side, times) in times.into_iter().enumerate() {
            self.warm[side].push(times);
        }
    }

    fn result(self, limit: Duration) -> StatementTrial {
        let gain = gain(&self.warm[0], &self.warm[1]);
        let late = format!(
            "it did not end within {:.1} s, neither without nor with the changes",
            limit.as_secs_f64()
        );
        let both_late = self.is_late == [true, true];
        let [cold_before, cold_after] = self.cold;
        let [plan_before, plan_after] = self.plans;
        StatementTrial {
            before: histogram(self.warm[0].iter().flatten()),
            after: histogram(self.warm[1].iter().flatten()),
            cold_before,
            cold_after,
            gain: gain.filter(|_| !both_late),
            failure: self.failure.or_else(|| both_late.then_some(late)),
            plan_before,
            plan_after,
            cut_off: self.is_late[0] || self.is_late[1],
            difference: self.difference,
        }
    }
}

fn histogram<'a>(times: impl IntoIterator<Item = &'a u64>) -> Histogram {
    let mut histogram = Histogram::default();
    times.into_iter().for_each(|&time| histogram.record(time));
    histogram
}

/// How many times longer the median of the first takes, over rounds in order of time.
pub(crate) fn gain(before: &[Vec<u64>], after: &[Vec<u64>]) -> Option<Gain> {
    let rounds = |side: &[Vec<u64>]| side.iter().map(histogram).collect::<Vec<_>>();
    let found =
        compare_intervals(&rounds(after), &rounds(before), Statistic::Quantile(0.5), &Bootstrap::default())?;
    found.ratio.map(|ratio| Gain { value: ratio.value, lo: ratio.lo, hi: ratio.hi })
}
