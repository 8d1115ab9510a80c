//! The power goes at every step: whatever of the writes since the last sync reached the disk, the file is sound, its rows are
//! there, and the run can be gone on from or taken back.
//!
//! A child (this binary itself, asked by its environment for a task) is recorded call by call; then, after each of its calls, the
//! disk is put into states that a power cut may leave, and opened.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod disk;
mod recording;
#[path = "../seeded/mod.rs"]
mod seeded;

use std::collections::HashSet;
use std::path::Path;

use disk::{Arrives, Disk, Found, materialise};
use pulse_db::sqlite::{
    ApplyOptions, ChangeState, ForecastSource, RecordedChange, VacuumWay, WriteOptions, analyze_change,
    undo_script_path,
};
use pulse_db::{Change, ChangeKind, Sqlite, Unwatched};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use recording::{Operation, Recording, record};
use rusqlite::Connection;
use seeded::{Trading, assert_sound, data_hash, indexes, three};

const TASK: &str = "PULSE_DB_TEST_TASK";
const DATABASE: &str = "PULSE_DB_TEST_DATABASE";
/// Cuts after each call, besides those at which nothing and everything arrives.
const CUTS: usize = 6;

/// The task of a child; nothing when this is an ordinary run of the tests.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let database = Sqlite::open_to_change(std::env::var(DATABASE).unwrap()).unwrap();
    match task.as_str() {
        "apply" => drop(database.apply(&changes(), &ApplyOptions::default(), &mut Unwatched).unwrap()),
        "vacuum" => {
            let forecast = database.forecast_vacuum(ForecastSource::Fill, &mut Unwatched).unwrap();
            let options = WriteOptions::default();
            drop(database.vacuum(VacuumWay::Whole, &forecast, &options, &mut Unwatched).unwrap());
        }
        "undo" => drop(database.undo(&WriteOptions::default(), &mut Unwatched).unwrap()),
        other => panic!("no task {other}"),
    }
}

/// Three indexes, and the statistics anew.
fn changes() -> Vec<Change> {
    let mut changes = three();
    changes.push(analyze_change(None));
    changes
}

/// A database with old statistics, of which an undo has something to put back.
fn trading(journal_mode: &str) -> Trading {
    let trading = Trading::new(400, journal_mode);
    let aged = "CREATE INDEX old ON trades(note); ANALYZE; UPDATE sqlite_stat1 SET stat = '7 7'";
    trading.connect().execute_batch(aged).unwrap();
    trading
}

fn apply(path: &Path) {
    let database = Sqlite::open_to_change(path).unwrap();
    database.apply(&changes(), &ApplyOptions::default(), &mut Unwatched).unwrap();
}

fn recorded(task: &str, trading: &Trading) -> Recording {
    let program = std::env::current_exe().unwrap();
    let envs = [(TASK, task), (DATABASE, trading.path.to_str().unwrap())];
    record(&program, &["child", "--exact"], &envs, trading.folder.path())
}

/// A folder for what is found after a power cut; in memory, where syncs cost nothing.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Everything that a run changes: the schema, and the planner's statistics.
fn shape(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let rows = |sql: &str| -> rusqlite::Result<Vec<String>> {
        connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
    };
    let mut shape = rows("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name").unwrap();
    shape
        .extend(rows("SELECT quote(tbl) || quote(idx) || quote(stat) FROM sqlite_stat1 ORDER BY 1").unwrap());
    shape.extend(
        rows("SELECT quote(idx) || quote(neq) || quote(sample) FROM sqlite_stat4 ORDER BY 1").unwrap(),
    );
    shape
}

/// What holds after every power cut.
struct Expected {
    hash: u64,
    old: Vec<String>,
    new: Vec<String>,
    /// Whether the changes were being taken back.
    is_undo: bool,
}

impl Expected {
    fn of(pristine: &Path, journal_mode: &str, is_undo: bool) -> Self {
        let applied = trading(journal_mode);
        apply(&applied.path);
        Self { hash: data_hash(pristine), old: shape(pristine), new: shape(&applied.path), is_undo }
    }

    fn assert_data(&self, path: &Path, case: &str) {
        assert_sound(path);
        assert_eq!(data_hash(path), self.hash, "{case}");
    }

    /// The database and what lies beside it after a power cut; half of them are gone on from.
    fn assert_recovers(&self, found: &Found, goes_on: bool, case: &str) {
        self.assert_script_suffices(found, case);
        let folder = scratch();
        let path = folder.path().join("trading.db");
        materialise(found, folder.path());
        let database = Sqlite::open_to_change(&path).unwrap();
        self.assert_data(&path, case);
        self.assert_journal_is_right(&database, case);
        if goes_on && database.pending().unwrap().is_some() {
            let resumed = database.resume(&ApplyOptions::default(), &mut Unwatched);
            resumed.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_shape(&path, &self.new, case);
        } else {
            let undo = || database.undo(&WriteOptions::default(), &mut Unwatched);
            while undo().unwrap_or_else(|error| panic!("{case}: {error}")).is_some() {}
            assert_shape(&path, &self.old, case);
        }
        assert!(database.pending().unwrap().is_none(), "{case}");
        self.assert_data(&path, case);
    }

    /// What SQLite's own shell makes of it: the script is on the disk before what it takes back.
    fn assert_script_suffices(&self, found: &Found, case: &str) {
        let folder = scratch();
        let path = folder.path().join("trading.db");
        materialise(found, folder.path());
        if let Ok(script) = std::fs::read_to_string(undo_script_path(&path)) {
            let run = Connection::open(&path).unwrap().execute_batch(&script);
            run.unwrap_or_else(|error| panic!("{case}: {error}: {script}"));
        }
        assert_shape(&path, &self.old, case);
        self.assert_data(&path, case);
    }

    /// What the journal calls made is there, and what it calls taken back is not.
    fn assert_journal_is_right(&self, database: &Sqlite, case: &str) {
        let (path, there) = (database.path(), indexes(database.path()));
        let runs = database.runs().unwrap_or_else(|error| panic!("{case}: {error}"));
        let Some(run) = runs.first() else {
            return assert_shape(path, &self.old, case);
        };
        let is_index = |recorded: &&RecordedChange| recorded.change.kind == ChangeKind::CreateIndex;
        for recorded in run.changes.iter().filter(is_index) {
            let is_there = there.contains(&recorded.change.subject);
            match recorded.state {
                ChangeState::Done => assert!(is_there || self.is_undo, "{case}: {recorded:?}"),
                ChangeState::Started => {}
                _ => assert!(!is_there, "{case}: {recorded:?}"),
            }
        }
        if run.is_taken_back {
            assert_shape(path, &self.old, case);
        } else if run.is_ended && !self.is_undo {
            assert_shape(path, &self.new, case);
        }
        let made = three().iter().map(|change| there.contains(&change.subject)).collect::<Vec<_>>();
        assert!(made.is_sorted_by(|one, next| one >= next), "{case}: {there:?} are not the first ones");
    }
}

fn assert_shape(path: &Path, expected: &[String], case: &str) {
    let found = shape(path);
    let (more, less) = (except(&found, expected), except(expected, &found));
    assert!(found == expected, "{case}: too much is {more:?}, and missing is {less:?}");
}

/// The first lines of one that the other does not have.
fn except<'a>(one: &'a [String], other: &[String]) -> Vec<&'a String> {
    one.iter().filter(|line| !other.contains(line)).take(3).collect()
}

/// Cuts the power after every call of a recording, and hands over each different state that is found, with what it is called and
/// its number. Tells how many there were.
fn cut_everywhere(recording: &Recording, what: &str, mut check: impl FnMut(&Found, &str, usize)) -> usize {
    let (mut disk, mut generator) = (Disk::new(recording), ChaCha8Rng::seed_from_u64(17));
    let mut seen = HashSet::new();
    for step in 0..=recording.operations.len() {
        if step > 0 {
            disk.take(&recording.operations[step - 1]);
        }
        let mut cuts = vec![Arrives::Nothing, Arrives::Everything];
        cuts.extend((0..CUTS).map(|_| Arrives::Some(generator.random_range(0.05..0.95))));
        for arrives in cuts {
            let found = disk.cut(arrives, &mut generator);
            if seen.insert(found.clone()) {
                check(&found, &format!("{what}, cut after call {step}, {arrives:?}"), seen.len());
            }
        }
    }
    seen.len()
}

#[test]
fn the_power_goes_while_changes_are_made() {
    for mode in ["DELETE", "WAL"] {
        let trading = trading(mode);
        let expected = Expected::of(&trading.path, mode, false);
        let recording = recorded("apply", &trading);
        let is_sync = |it: &&Operation| matches!(it, Operation::Synced(_) | Operation::FolderSynced);
        let syncs = recording.operations.iter().filter(is_sync).count();
        assert!(syncs > 20, "{mode}: {syncs} syncs");
        let states = cut_everywhere(&recording, mode, |found, case, number| {
            expected.assert_recovers(found, number % 2 == 0, case);
        });
        assert!(states > 100, "{mode}: {states} states");
        assert_shape(&trading.path, &expected.new, mode);
    }
}

#[test]
fn the_power_goes_while_changes_are_taken_back() {
    for mode in ["DELETE", "WAL"] {
        let trading = trading(mode);
        let expected = Expected::of(&trading.path, mode, true);
        apply(&trading.path);
        let recording = recorded("undo", &trading);
        let states =
            cut_everywhere(&recording, mode, |found, case, _| expected.assert_recovers(found, false, case));
        assert!(states > 100, "{mode}: {states} states");
        let mut disk = Disk::new(&recording);
        recording.operations.iter().for_each(|operation| disk.take(operation));
        let found = disk.cut(Arrives::Nothing, &mut ChaCha8Rng::seed_from_u64(0));
        assert!(
            !found.keys().any(|name| name.ends_with("undo.sql")),
            "{mode}: a script without effect is left"
        );
        assert_shape(&trading.path, &expected.old, mode);
    }
}

#[test]
fn the_power_goes_while_the_file_is_written_anew() {
    for mode in ["DELETE", "WAL"] {
        let trading = trading(mode);
        trading.connect().execute_batch("DELETE FROM trades WHERE id % 2 = 0").unwrap();
        let (hash, shape) = (data_hash(&trading.path), shape(&trading.path));
        let bytes = std::fs::metadata(&trading.path).unwrap().len();
        let recording = recorded("vacuum", &trading);
        assert!(std::fs::metadata(&trading.path).unwrap().len() < bytes, "{mode}: it was written anew");
        let states = cut_everywhere(&recording, mode, |found, case, _| {
            let folder = scratch();
            let path = folder.path().join("trading.db");
            materialise(found, folder.path());
            assert_shape(&path, &shape, case);
            assert_sound(&path);
            assert_eq!(data_hash(&path), hash, "{case}");
        });
        assert!(states > 20, "{mode}: {states} states");
    }
}
