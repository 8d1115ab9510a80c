//! Killed in the middle (SIGKILL), at every step and at random moments: the file stays sound, its rows stay, and the run can be
//! gone on from or taken back.
//!
//! The child is this test binary itself, asked by its environment for a task.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod seeded;

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use pulse_db::sqlite::{ApplyOptions, CopyOptions, ForecastSource, VacuumWay, WriteOptions, analyze_change};
use pulse_db::{Progress, Sqlite, Trial, Unwatched};
use pulse_model::Nanos;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use seeded::{Trading, assert_sound, data_hash, indexes, statement, three, workload};

const TASK: &str = "PULSE_DB_TEST_TASK";
const DATABASE: &str = "PULSE_DB_TEST_DATABASE";
const KILL_AT: &str = "PULSE_DB_TEST_KILL_AT";
/// The signal that no program can refuse.
const SIGKILL: i32 = 9;

/// Ends its own process, without a word, at the so-manieth time that something is told.
struct Killer(u32);

impl Progress for Killer {
    fn at(&mut self, _step: &str, _share: Option<f64>) {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 {
            let itself = rustix::process::getpid();
            rustix::process::kill_process(itself, rustix::process::Signal::KILL).unwrap();
        }
    }

    fn is_stopped(&self) -> bool {
        false
    }
}

/// The task of a child; nothing when this is an ordinary run of the tests.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let database = Sqlite::open(std::env::var(DATABASE).unwrap()).unwrap();
    let mut killer = Killer(std::env::var(KILL_AT).unwrap().parse().unwrap());
    let mut changes = three();
    changes.push(analyze_change(None));
    match task.as_str() {
        "apply" => drop(database.apply(&changes, &ApplyOptions::default(), &mut killer).unwrap()),
        "undo" => drop(database.undo(&WriteOptions::default(), &mut killer).unwrap()),
        "vacuum" => {
            let forecast = database.forecast_vacuum(ForecastSource::Fill, &mut Unwatched).unwrap();
            let options = WriteOptions::default();
            drop(database.vacuum(VacuumWay::Whole, &forecast, &options, &mut killer).unwrap());
        }
        "measure" => {
            let folder = database.path().parent().map(Path::to_owned);
            let options = CopyOptions { folder, ..CopyOptions::default() };
            let asked = workload(vec![statement("SELECT count(*) FROM trades, users", 1, Vec::new())]);
            let trial = Trial { changes: three(), budget: Nanos::from_secs(1), ..Trial::default() };
            drop(database.measure_on(&asked, &trial, &options, &mut killer).unwrap());
        }
        other => panic!("no task {other}"),
    }
}

fn spawn(task: &str, database: &Path, kill_at: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact"])
        .env(TASK, task)
        .env(DATABASE, database)
        .env(KILL_AT, kill_at.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Whether it was killed; anything else than that and success is a failure.
fn was_killed(status: ExitStatus) -> bool {
    assert!(status.success() || status.signal() == Some(SIGKILL), "{status}");
    !status.success()
}

/// A copy of a database in a folder of its own.
fn copy(pristine: &Path) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trading.db");
    std::fs::copy(pristine, &path).unwrap();
    (folder, path)
}

/// After a crash: sound and with all rows; then gone on from, or taken back.
fn assert_recovers(path: &Path, hash: u64, goes_on: bool, case: &str) {
    let database = Sqlite::open_to_change(path).unwrap();
    assert_sound(path);
    assert_eq!(data_hash(path), hash, "{case}");
    if goes_on {
        let (was_pending, had) = (database.pending().unwrap().is_some(), indexes(path).len());
        let resumed = database.resume(&ApplyOptions::default(), &mut Unwatched).unwrap();
        assert_eq!(resumed.is_some(), was_pending, "{case}");
        assert_eq!(indexes(path).len(), if was_pending { 3 } else { had }, "{case}");
    }
    while database.undo(&WriteOptions::default(), &mut Unwatched).unwrap().is_some() {}
    assert_eq!(indexes(path), Vec::<String>::new(), "{case}");
    assert!(database.pending().unwrap().is_none(), "{case}");
    let statistics = database.statistics().unwrap();
    assert_eq!((statistics.rows, statistics.samples), (None, None), "{case}");
    assert_sound(path);
    assert_eq!(data_hash(path), hash, "{case}");
}

#[test]
fn apply_is_killed_at_every_step() {
    for mode in ["DELETE", "WAL"] {
        let pristine = Trading::new(5_000, mode);
        let hash = data_hash(&pristine.path);
        let mut step = 1;
        loop {
            let (_folder, path) = copy(&pristine.path);
            if !was_killed(spawn("apply", &path, step).wait().unwrap()) {
                break;
            }
            assert_recovers(&path, hash, step % 2 == 0, &format!("{mode}, killed at step {step}"));
            step += 1;
        }
        assert!(step > 20, "{step} steps");
        println!("{mode}: {} steps", step - 1);
    }
}

#[test]
fn apply_is_killed_at_random_moments() {
    let mut generator = ChaCha8Rng::seed_from_u64(11);
    for mode in ["DELETE", "WAL"] {
        let pristine = Trading::new(30_000, mode);
        let hash = data_hash(&pristine.path);
        let (mut killed, mut within, mut longest) = (0, 0, Duration::from_millis(400));
        for round in 0..40 {
            let (_folder, path) = copy(&pristine.path);
            let mut child = spawn("apply", &path, u32::MAX);
            let moment = longest.mul_f64(generator.random_range(0.0..1.0));
            std::thread::sleep(moment);
            child.kill().unwrap();
            if was_killed(child.wait().unwrap()) {
                killed += 1;
            } else {
                longest = longest.min(moment);
            }
            let pending = Sqlite::open_to_change(&path).unwrap().pending().unwrap();
            within += u32::from(pending.is_some());
            assert_recovers(&path, hash, round % 2 == 0, &format!("{mode}, killed after {moment:?}"));
        }
        println!("{mode}: {killed} of 40 killed within {longest:?}, {within} of them in the middle of a run");
        assert!(
            killed >= 10 && within >= 3,
            "{killed} of 40 were killed in time, {within} in the middle of a run"
        );
    }
}

#[test]
fn a_trial_is_killed_and_the_next_copy_sweeps_up() {
    let pristine = Trading::new(3_000, "DELETE");
    let bytes = std::fs::read(&pristine.path).unwrap();
    let copies = |folder: &Path| {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("pulse-db-")).count()
    };
    let mut left_over = 0;
    for step in 1..20 {
        let (folder, path) = copy(&pristine.path);
        if !was_killed(spawn("measure", &path, step).wait().unwrap()) {
            break;
        }
        left_over += copies(folder.path());
        let options = CopyOptions { folder: Some(folder.path().to_owned()), ..CopyOptions::default() };
        drop(Sqlite::open(&path).unwrap().private_copy(&options, &mut Unwatched).unwrap());
        assert_eq!((copies(folder.path()), std::fs::read(&path).unwrap() == bytes), (0, true), "{step}");
    }
    assert!(left_over >= 5, "{left_over}");
}

#[test]
fn undo_is_killed_at_every_step() {
    let pristine = Trading::new(3_000, "DELETE");
    let hash = data_hash(&pristine.path);
    let mut step = 1;
    loop {
        let (_folder, path) = copy(&pristine.path);
        let mut changes = three();
        changes.push(analyze_change(None));
        let database = Sqlite::open(&path).unwrap();
        database.apply(&changes, &ApplyOptions::default(), &mut Unwatched).unwrap();
        if !was_killed(spawn("undo", &path, step).wait().unwrap()) {
            break;
        }
        assert_recovers(&path, hash, false, &format!("undo killed at step {step}"));
        step += 1;
    }
    assert!(step > 8, "{step} steps");
}

#[test]
fn vacuum_is_killed_at_random_moments() {
    let mut generator = ChaCha8Rng::seed_from_u64(12);
    for mode in ["DELETE", "WAL"] {
        let pristine = Trading::new(40_000, mode);
        pristine.connect().execute_batch("DELETE FROM trades WHERE id % 2 = 0").unwrap();
        let hash = data_hash(&pristine.path);
        let mut killed = 0;
        let mut longest = Duration::from_millis(250);
        for _ in 0..25 {
            let (_folder, path) = copy(&pristine.path);
            let mut child = spawn("vacuum", &path, u32::MAX);
            let moment = longest.mul_f64(generator.random_range(0.0..1.0));
            std::thread::sleep(moment);
            child.kill().unwrap();
            if was_killed(child.wait().unwrap()) {
                killed += 1;
            } else {
                longest = longest.min(moment);
            }
            assert_sound(&path);
            assert_eq!(data_hash(&path), hash, "{mode}, killed after {moment:?}");
        }
        assert!(killed >= 5, "{killed} of 25 were killed in time");
    }
}
