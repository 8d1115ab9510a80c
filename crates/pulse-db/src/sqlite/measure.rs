//! Trials: the workload runs on two private copies, one with the changes, in turns.
//!
//! Both copies are of the same moment and of the original's layout. Statements run one by one on either side, the side that
//! begins taking turns (A B B A …), so that whatever drifts in the machine meets both alike. Times are those of a program
//! that has its statements prepared and reads all rows. The operating system's cache is warm on both sides.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pulse_model::Nanos;
use rusqlite::{Connection, OpenFlags};

use super::Sqlite;
use super::connection::refused;
use super::files::{Attached, Files, MAIN};
use super::private_copy::{CopyOptions, PrivateCopy, database_bytes, private_copy};
use super::quote;
use super::replay::Stage;
use super::tried::{Comparison, MAX_CALLS, Standing, Tried, order};
use super::watch::{Watch, watched};
use super::write_cost;
use crate::catalog::TableName;
use crate::change::{Change, ChangeKind};
use crate::error::DatabaseError;
use crate::progress::Progress;
use crate::trial::{ChangeTrial, Trial, TrialResult};
use crate::workload::Workload;

/// Time for a trial that sets none.
const BUDGET: Nanos = Nanos::from_secs(60);
/// Time for a statement when the trial sets none.
const STATEMENT_LIMIT: Nanos = Nanos::from_secs(10);
/// Fewer rounds have no interval.
const MIN_ROUNDS: usize = 4;
/// Rounds that the calls per round are chosen for.
const WANTED_ROUNDS: f64 = 12.0;
/// First calls on a new connection, per side.
const COLD_CALLS: usize = 3;
/// The shares of the time for comparing answers, for first calls, and for rows that are written.
const SHARES: [f64; 3] = [0.25, 0.1, 0.05];
/// At most this share of the rounds' time goes to statements that the changes cannot matter to.
const ASIDE: f64 = 0.2;

struct Trying<'a> {
    workload: &'a Workload,
    foreign_keys: bool,
    files: [Files; 2],
    stages: [Stage; 2],
    statements: Vec<Tried>,
    watch: Arc<Watch>,
    limit: Duration,
    /// Time for everything but the copies and the changes.
    time: Duration,
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
        let copies = self.copies(options, progress)?;
        let files = copies.files();
        let watch = Watch::new();
        let budget = or_default(trial.budget, BUDGET);
        for side in &files {
            let given = make_changes(&trial.given, side, budget, &watch, progress)?;
            if let Some(failure) = given.iter().find_map(|made| made.failure.as_ref()) {
                let reason = format!("a change that the trial takes as given cannot be made: {failure}");
                return Err(DatabaseError::Refused { reason });
            }
        }
        let changes = make_changes(&trial.changes, &files[1], budget, &watch, progress)?;
        // Making copies and changes takes what it takes; what is left then must do for at least half a trial.
        let time = budget.saturating_sub(started.elapsed()).max(budget / 2);
        let mut trying = Trying::new(workload, trial, files, &watch, time)
            .map_err(|source| refused(self.path(), "cannot open the private copy", source))?;
        trying.run(&changes, trial.write_costs, progress)
    }

    /// Copies the file and those attached, each twice.
    fn copies(
        &self,
        options: &CopyOptions,
        progress: &mut dyn Progress,
    ) -> Result<TrialCopies, DatabaseError> {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
        let all: u64 = self.files.all().map(|(_, path)| size(path)).sum();
        // Room for the copies that follow, and for what the changes add to them; the largest that is copied is all of it together.
        let (mut left, mut max_bytes) = (all.saturating_mul(2), options.max_bytes);
        let mut copies = TrialCopies { schemas: Vec::new(), temporary: self.files.temporary.clone() };
        for (schema, path) in self.files.all() {
            left = left.saturating_sub(size(path));
            let spare_bytes = options.spare_bytes.saturating_add(left).saturating_add(all / 2);
            let options = CopyOptions { max_bytes, spare_bytes, ..options.clone() };
            let copy = private_copy(path, self.busy_timeout(), &options, progress)?;
            let twin = copy.twin(progress)?;
            left = left.saturating_sub(size(path));
            max_bytes = max_bytes.saturating_sub(copy.size_bytes());
            copies.schemas.push((schema.to_owned(), copy, twin));
        }
        Ok(copies)
    }
}

/// Two copies of each schema's file, those of the main one first; all of them go when this is dropped.
struct TrialCopies {
    schemas: Vec<(String, PrivateCopy, PathBuf)>,
    temporary: Vec<String>,
}

impl TrialCopies {
    /// The files of both sides.
    fn files(&self) -> [Files; 2] {
        let side = |path: fn(&PrivateCopy, &Path) -> PathBuf| {
            let mut files = Files { temporary: self.temporary.clone(), ..Files::of("") };
            for (name, copy, twin) in &self.schemas {
                let (name, path) = (name.clone(), path(copy, twin));
                if name == MAIN {
                    files.main = path;
                } else {
                    files.attached.push(Attached { name, path });
                }
            }
            files
        };
        [side(|copy, _| copy.path().to_owned()), side(|_, twin| twin.to_owned())]
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
    files: &Files,
    limit: Duration,
    watch: &Arc<Watch>,
    progress: &mut dyn Progress,
) -> Result<Vec<ChangeTrial>, DatabaseError> {
    let failed = |source| DatabaseError::Sql { what: "cannot open the private copy".to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = files.connect(flags).map_err(failed)?;
    watch.attach(&mut connection).map_err(failed)?;
    let mut results = Vec::with_capacity(changes.len());
    for change in changes {
        let step = format!("trying {} on the copy", change.title());
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
        let sql = format!(
            "SELECT tbl_name FROM {}.sqlite_schema WHERE type = 'index' AND name = ?1 COLLATE NOCASE",
            quote::name(&change.schema)
        );
        let name = connection.query_row(&sql, [&change.subject], |row| row.get(0)).ok()?;
        Some(TableName { schema: change.schema.clone(), name })
    };
    let bytes = || database_bytes(connection, &change.schema);
    let (size, table_before) = (bytes()?, table(connection));
    let started = Instant::now();
    change.fix.sql.iter().try_for_each(|sql| connection.execute_batch(sql))?;
    let duration = Nanos::from(started.elapsed());
    let grown_bytes = bytes()?.cast_signed().wrapping_sub(size.cast_signed());
    let is_index = matches!(change.kind, ChangeKind::CreateIndex | ChangeKind::DropIndex);
    let table = table_before.or_else(|| table(connection)).filter(|_| is_index);
    Ok(ChangeTrial { duration, grown_bytes, table, failure: None })
}

impl<'a> Trying<'a> {
    fn new(
        workload: &'a Workload,
        trial: &Trial,
        files: [Files; 2],
        watch: &Arc<Watch>,
        time: Duration,
    ) -> rusqlite::Result<Self> {
        // What takes longer than a tenth of the time would leave none for the others, nor for rounds of its own.
        let limit = or_default(trial.statement_limit, STATEMENT_LIMIT).min(time / 10);
        let open = |files: &Files| Stage::open(files, trial.foreign_keys, limit, watch);
        let stages = [open(&files[0])?, open(&files[1])?];
        Ok(Self {
            workload,
            foreign_keys: trial.foreign_keys,
            stages,
            statements: workload.statements.iter().map(Tried::new).collect(),
            watch: Arc::clone(watch),
            limit,
            time,
            started: Instant::now(),
            files,
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
            let time = self.time.mul_f64(SHARES[2]) / tables.len().max(1) as u32;
            result.write_costs =
                watched("measuring what a written row costs", None, &watch, progress, move || {
                    tables.iter().map(|table| write_cost::measure(stages, table, time, limited)).collect()
                });
        }
        self.admit();
        self.choose_calls();
        let (step, left) = ("running the workload without and with the changes", self.left());
        watched(step, Some(left), &watch, progress, || self.measure_warm());
        if watch.is_stopped() {
            return Err(stopped());
        }
        result.rounds =
            self.statements.iter().map(|tried| tried.warm[0].len() as u64).max().unwrap_or_default();
        result.remarks = self.remarks(result.rounds);
        result.statements =
            std::mem::take(&mut self.statements).into_iter().map(|tried| tried.result(self.limit)).collect();
        Ok(result)
    }

    /// Plans, and whether both sides answer the same: one call of everything first, then more of what the changes can matter to.
    fn look(&mut self) {
        for (statement, tried) in self.workload.statements.iter().zip(&mut self.statements) {
            if self.watch.is_stopped() {
                return;
            }
            // A plan costs next to nothing; without one a statement could not be told to be unchanged.
            tried.take_plans(&self.stages, statement);
        }
        let end = self.started.elapsed() + self.time.mul_f64(SHARES[0]);
        for calls in [1, MAX_CALLS] {
            for index in self.schedule() {
                let (statement, tried) = (&self.workload.statements[index], &mut self.statements[index]);
                // One answer of what the changes can matter to is worth any time: without it nothing is proven.
                let end = if calls == 1 && tried.is_affected() { self.time } else { end };
                while tried.wants_comparing(calls) && !self.watch.is_stopped() && self.started.elapsed() < end
                {
                    tried.compare(&self.stages, statement, self.limit);
                }
            }
        }
    }

    /// Places of statements: first those that the changes can matter to, quick ones before slow ones.
    fn schedule(&self) -> Vec<usize> {
        let mut schedule: Vec<usize> = (0..self.statements.len()).collect();
        schedule.sort_by_key(|&index| {
            let tried = &self.statements[index];
            (!tried.is_affected(), tried.cost(), index)
        });
        schedule
    }

    fn measure_cold(&mut self) {
        let end = self.started.elapsed() + self.time.mul_f64(SHARES[1]);
        for call in 0..COLD_CALLS {
            for index in self.schedule() {
                let (statement, tried) = (&self.workload.statements[index], &mut self.statements[index]);
                let left = end.saturating_sub(self.started.elapsed());
                if self.watch.is_stopped() || left.is_zero() {
                    return;
                }
                if tried.is_out() || left.as_nanos() < u128::from(tried.cost()) {
                    continue;
                }
                for side in order(call + index) {
                    let stage = Stage::open(&self.files[side], self.foreign_keys, self.limit, &self.watch);
                    if let Ok(Ok(nanos)) = stage.map(|stage| stage.time_first(statement, &tried.calls[0])) {
                        tried.cold[side].record(nanos);
                    }
                }
            }
        }
    }

    /// Whether another round of a statement tells something and fits into the time.
    fn can_run(&self, tried: &Tried) -> bool {
        !tried.is_done()
            && tried.standing == Standing::Running
            && self.left().as_nanos() >= u128::from(tried.cost())
    }

    fn left(&self) -> Duration {
        self.time.saturating_sub(self.started.elapsed())
    }

    /// Whom there is time for among those that the changes can matter to, quick ones first: an interval for some is worth more
    /// than a round too few for all. The others wait until these are done.
    fn admit(&mut self) {
        let mut room = self.left().as_nanos() as u64 / (MIN_ROUNDS as u64 + 1);
        let mut is_first = true;
        for index in self.schedule() {
            let tried = &mut self.statements[index];
            if tried.is_affected() && !tried.is_done() && !tried.has_enough() {
                let is_waiting = !is_first && tried.cost() > room;
                tried.standing = if is_waiting { Standing::Waiting } else { Standing::Running };
                room = room.saturating_sub(tried.cost());
                is_first = false;
            }
        }
    }

    /// More calls per round for what the changes can matter to, as far as the time goes.
    fn choose_calls(&mut self) {
        let affected =
            |tried: &&Tried| tried.is_affected() && !tried.is_done() && tried.standing == Standing::Running;
        let base: u64 = self.statements.iter().filter(affected).map(Tried::cost).fold(0, u64::saturating_add);
        let count = self.statements.iter().filter(affected).count().max(1);
        let share = (self.left().as_nanos() as f64 / WANTED_ROUNDS - base as f64).max(0.0) / count as f64;
        for tried in self.statements.iter_mut().filter(|tried| tried.is_affected()) {
            let more = (share / tried.cost().max(1) as f64).min(MAX_CALLS as f64) as usize;
            tried.calls_per_round = (1 + more).min(tried.calls.len());
        }
    }

    /// Rounds until the time is over. What is settled, or costs more than is left, sits out; so do, as long as there is something
    /// that the changes can matter to and that has not had enough, what has, and what they cannot matter to once it had its share.
    fn measure_warm(&mut self) {
        let schedule = self.schedule();
        let (begun, mut aside) = (self.started.elapsed(), Duration::ZERO);
        for round in 0.. {
            let is_busy = |trying: &Self| {
                let is_short = |tried: &&Tried| tried.is_affected() && !tried.has_enough();
                trying.statements.iter().filter(is_short).any(|tried| trying.can_run(tried))
            };
            if !is_busy(self) {
                self.admit();
            }
            let (is_busy, mut is_idle) = (is_busy(self), true);
            for (turn, &index) in schedule.iter().enumerate() {
                let now = self.started.elapsed();
                if self.watch.is_stopped() || now >= self.time {
                    return;
                }
                let is_aside = !self.statements[index].is_affected();
                let has_had_its_share = is_aside && aside > now.saturating_sub(begun).mul_f64(ASIDE);
                let gives_way = is_busy && (has_had_its_share || self.statements[index].has_enough());
                if gives_way || !self.can_run(&self.statements[index]) {
                    continue;
                }
                is_idle = false;
                let (statement, tried) = (&self.workload.statements[index], &mut self.statements[index]);
                tried.run_round(&self.stages, statement, round + turn, self.limit);
                tried.settle();
                if is_aside {
                    aside += self.started.elapsed().saturating_sub(now);
                }
            }
            if is_idle {
                return;
            }
        }
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
            count(&|tried| tried.comparison == Comparison::Ties),
            "return rows of equal keys in another order, or choose others among them",
        );
        tell(
            count(&|tried| tried.comparison == Comparison::Erratic),
            "answer differently at every call, so that their rows were not compared",
        );
        let is_timed = |tried: &Tried| tried.is_affected() && !tried.is_out() && tried.difference.is_none();
        tell(
            count(&|tried| is_timed(tried) && tried.compared == 0),
            "have another plan with the changes, and there was no time to compare their answers",
        );
        tell(
            count(&|tried| is_timed(tried) && tried.warm[0].len() < MIN_ROUNDS),
            "have another plan with the changes, and ran too seldom in the time given for an interval",
        );
        if rounds == 0 && !self.statements.is_empty() {
            remarks.push(format!(
                "the time given, {:.0} s, did not suffice for one round of the workload",
                self.time.as_secs_f64()
            ));
        }
        remarks
    }
}
