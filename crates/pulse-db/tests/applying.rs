//! Changes of real files: made and taken back, or refused before anything is done.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod seeded;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pulse_db::sqlite::{
    ApplyOptions, ChangeState, WriteOptions, analyze_change, journal_path, undo_script_path, vacuum_change,
};
use pulse_db::{DatabaseError, Progress, Sqlite, Unwatched};
use pulse_model::Nanos;
use rusqlite::Connection;
use seeded::{StopsAt, Trading, assert_sound, data_hash, drop_index, index, indexes, three};

fn impatient() -> ApplyOptions {
    let write = WriteOptions { busy_timeout: Duration::from_millis(60), ..WriteOptions::default() };
    ApplyOptions { write, ..ApplyOptions::default() }
}

/// Everything in the database's folder but the database, by name.
fn beside(path: &Path) -> Vec<String> {
    let names = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "trading.db" && !name.ends_with("-shm") && !name.ends_with("-wal"));
    names.sort();
    names
}

#[test]
fn changes_are_made_and_taken_back_last_ones_first() {
    for mode in ["DELETE", "WAL"] {
        let trading = Trading::new(3_000, mode);
        trading.connect().execute_batch("CREATE INDEX \"old \"\"one\" ON trades(at) WHERE at > 5").unwrap();
        let (hash, database) = (data_hash(&trading.path), Sqlite::open(&trading.path).unwrap());
        let before = schema(&trading.path);
        let mut changes = three();
        let mut old = drop_index("old \"one");
        old.fix.sql = vec!["DROP INDEX \"old \"\"one\"".to_owned()];
        changes.extend([old, vacuum_change(), analyze_change(None)]);
        let applied = database.apply(&changes, &ApplyOptions::default(), &mut Unwatched).unwrap();
        assert!(
            applied.durations.iter().all(|duration| duration.is_some_and(|time| time > Nanos::ZERO)),
            "{applied:?}"
        );
        assert_eq!((applied.run, &applied.journal), (1, &journal_path(&trading.path)));
        assert_eq!(indexes(&trading.path), ["by symbol", "by_price", "by_user"]);
        for file in [&applied.journal, &applied.undo_script] {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(database.pending().unwrap().is_none() && data_hash(&trading.path) == hash);
        let second =
            database.apply(&[index("second", "events(kind)")], &ApplyOptions::default(), &mut Unwatched);
        assert_eq!(second.unwrap().run, 2);

        let first = database.undo(&WriteOptions::default(), &mut Unwatched).unwrap().unwrap();
        assert_eq!((first.run, first.taken_back), (2, vec!["second".to_owned()]));
        let undone = database.undo(&WriteOptions::default(), &mut Unwatched).unwrap().unwrap();
        assert_eq!(undone.taken_back, ["statistics", "old \"one", "by_price", "by_user", "by symbol"]);
        assert!(undone.left.len() == 1 && undone.left[0].starts_with("file:"), "{undone:?}");
        assert_eq!(schema(&trading.path), before);
        assert!(!undo_script_path(&trading.path).exists());
        assert_eq!(database.undo(&WriteOptions::default(), &mut Unwatched).unwrap(), None);
        assert_sound(&trading.path);
        assert_eq!(data_hash(&trading.path), hash);
    }
}

/// What the planner knows of indexes.
fn statistics(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let sql = "SELECT concat_ws(' ', tbl, idx, stat) FROM sqlite_stat1 UNION ALL
               SELECT concat_ws(' ', tbl, idx, neq, hex(sample)) FROM sqlite_stat4 ORDER BY 1";
    connection.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_dropped_index_comes_back_with_what_was_known_of_it() {
    let trading = Trading::new(3_000, "WAL");
    let mine = "CREATE INDEX \"It's mine\" ON trades (symbol,   at DESC)";
    trading.connect().execute_batch(&format!("{mine}; CREATE INDEX other ON trades(at); ANALYZE")).unwrap();
    let (before, known) = (schema(&trading.path), statistics(&trading.path));
    let mut drop = drop_index("It's mine");
    drop.fix.sql = vec!["DROP INDEX \"main\".\"It's mine\"".to_owned()];
    let database = Sqlite::open(&trading.path).unwrap();
    for is_by_script in [false, true] {
        database.apply(std::slice::from_ref(&drop), &ApplyOptions::default(), &mut Unwatched).unwrap();
        assert_eq!(indexes(&trading.path), ["other"]);
        let left = statistics(&trading.path);
        assert!(left.len() < known.len() && left.iter().all(|row| known.contains(row)), "{left:?}");
        if is_by_script {
            let script = std::fs::read_to_string(undo_script_path(&trading.path)).unwrap();
            trading.connect().execute_batch(&script).unwrap();
        } else {
            database.undo(&WriteOptions::default(), &mut Unwatched).unwrap();
        }
        assert_eq!((schema(&trading.path), statistics(&trading.path)), (before.clone(), known.clone()));
    }
}

fn schema(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let sql = "SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name";
    connection.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// The script is for any SQLite: here it is run by the one in this program.
#[test]
fn the_undo_script_alone_takes_everything_back() {
    let trading = Trading::new(1_000, "DELETE");
    trading.connect().execute_batch("CREATE INDEX old ON trades(at)").unwrap();
    let (before, database) = (schema(&trading.path), Sqlite::open(&trading.path).unwrap());
    let mut changes = three();
    changes.extend([drop_index("old"), analyze_change(None)]);
    database.apply(&changes, &ApplyOptions::default(), &mut Unwatched).unwrap();
    database.apply(&[index("second", "events(kind)")], &ApplyOptions::default(), &mut Unwatched).unwrap();
    assert_ne!(schema(&trading.path), before);
    let script = std::fs::read_to_string(undo_script_path(&trading.path)).unwrap();
    trading.connect().execute_batch(&script).unwrap();
    assert_eq!(schema(&trading.path), before);
    // What is gone is no obstacle for the undo that knows more.
    let undone = database.undo(&WriteOptions::default(), &mut Unwatched).unwrap().unwrap();
    assert_eq!((undone.taken_back.len(), undone.left), (0, vec!["second: it is no longer there".to_owned()]));
}

#[test]
fn statistics_come_back_as_they_were() {
    let trading = Trading::new(2_000, "DELETE");
    let database = Sqlite::open(&trading.path).unwrap();
    let connection = trading.connect();
    connection
        .execute_batch("CREATE INDEX i ON trades(symbol); ANALYZE; DELETE FROM trades WHERE id > 100")
        .unwrap();
    connection.execute_batch("UPDATE sqlite_stat1 SET stat = '7 it''s' WHERE tbl = 'users'").unwrap();
    let rows = |table: &str| -> Vec<String> {
        let sql =
            format!("SELECT quote(tbl) || quote(idx) || quote(s) FROM (SELECT tbl, idx, {table}) ORDER BY 1");
        connection
            .prepare(&sql)
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    let both = || (rows("stat AS s FROM sqlite_stat1"), rows("neq || quote(sample) AS s FROM sqlite_stat4"));
    let before = both();
    assert!(before.1.len() > 10);
    database.apply(&[analyze_change(None)], &ApplyOptions::default(), &mut Unwatched).unwrap();
    assert_ne!(both(), before);
    database.undo(&WriteOptions::default(), &mut Unwatched).unwrap().unwrap();
    assert_eq!(both(), before);
}

#[test]
fn nothing_happens_to_what_may_not_be_written() {
    let trading = Trading::new(1_000, "DELETE");
    let bytes = std::fs::read(&trading.path).unwrap();
    let apply =
        |path: &Path| Sqlite::open(path).unwrap().apply(&three(), &impatient(), &mut Unwatched).unwrap_err();

    std::fs::set_permissions(&trading.path, std::fs::Permissions::from_mode(0o444)).unwrap();
    assert!(matches!(apply(&trading.path), DatabaseError::ReadOnly { .. }));
    std::fs::set_permissions(&trading.path, std::fs::Permissions::from_mode(0o644)).unwrap();

    std::fs::create_dir(journal_path(&trading.path)).unwrap();
    assert!(matches!(apply(&trading.path), DatabaseError::Journal { .. }));
    std::fs::remove_dir(journal_path(&trading.path)).unwrap();

    let writer = trading.connect();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(apply(&trading.path), DatabaseError::Locked { .. }));
    writer.execute_batch("ROLLBACK").unwrap();
    let database = Sqlite::open(&trading.path).unwrap();
    assert!(database.pending().unwrap().is_none() && !undo_script_path(&trading.path).exists());

    let huge = pulse_db::trial::ChangeTrial { grown_bytes: i64::MAX, ..Default::default() };
    let options = ApplyOptions { predicted: vec![huge], ..ApplyOptions::default() };
    let refused = database.apply(&three(), &options, &mut Unwatched).unwrap_err();
    assert!(matches!(refused, DatabaseError::NoSpace { .. }), "{refused}");
    assert_eq!(std::fs::read(&trading.path).unwrap(), bytes);

    let mut damaged = bytes;
    let middle = damaged.len() / 2;
    damaged[middle..middle + 8192].fill(0xA5);
    std::fs::write(&trading.path, &damaged).unwrap();
    let refused = apply(&trading.path);
    assert!(
        matches!(refused, DatabaseError::Corrupt { .. }) && refused.to_string().contains(".recover"),
        "{refused}"
    );
    assert_eq!(std::fs::read(&trading.path).unwrap(), damaged);
}

/// Gives the lock away as soon as somebody waits for it.
struct Releases(Connection, u32);

impl Progress for Releases {
    fn at(&mut self, step: &str, _share: Option<f64>) {
        if step.starts_with("waiting") {
            self.1 += 1;
            if self.1 == 3 {
                self.0.execute_batch("ROLLBACK").unwrap();
            }
        }
    }

    fn is_stopped(&self) -> bool {
        false
    }
}

#[test]
fn a_lock_that_is_given_up_is_waited_for() {
    let trading = Trading::new(500, "DELETE");
    let writer = trading.connect();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut releases = Releases(writer, 0);
    Sqlite::open(&trading.path).unwrap().apply(&three(), &ApplyOptions::default(), &mut releases).unwrap();
    assert_eq!((releases.1, indexes(&trading.path).len()), (3, 3));
    // A reader lets the transaction begin and only its end wait.
    let reader = trading.connect();
    reader.execute_batch("BEGIN; SELECT count(*) FROM users").unwrap();
    let mut releases = Releases(reader, 0);
    let database = Sqlite::open(&trading.path).unwrap();
    database.apply(&[index("more", "events(kind)")], &ApplyOptions::default(), &mut releases).unwrap();
    assert_eq!((releases.1, indexes(&trading.path).len()), (3, 4));
}

#[test]
fn a_failure_in_the_middle_can_be_gone_on_from_or_taken_back() {
    let trading = Trading::new(1_000, "DELETE");
    let database = Sqlite::open(&trading.path).unwrap();
    let hash = data_hash(&trading.path);
    let mut changes = three();
    changes[1] = index("by_later", "trades(later)");
    let failed = database.apply(&changes, &ApplyOptions::default(), &mut Unwatched).unwrap_err();
    assert!(
        failed.to_string().contains("made 1 of 3 changes") && failed.to_string().contains("pulse db undo"),
        "{failed}"
    );
    let pending = database.pending().unwrap().unwrap();
    assert!(
        matches!(&pending.changes[1].state, ChangeState::Failed(why) if why.contains("later")),
        "{pending:?}"
    );
    let refused = database.apply(&three(), &ApplyOptions::default(), &mut Unwatched).unwrap_err();
    assert!(refused.to_string().contains("run 1 was begun"), "{refused}");

    trading.connect().execute_batch("ALTER TABLE trades ADD COLUMN later").unwrap();
    let resumed = database.resume(&ApplyOptions::default(), &mut Unwatched).unwrap().unwrap();
    assert!(resumed.durations[0].is_none() && resumed.durations[1].is_some(), "{resumed:?}");
    assert_eq!(indexes(&trading.path).len(), 3);
    assert_eq!(database.resume(&ApplyOptions::default(), &mut Unwatched).unwrap(), None);
    // One of them is made anew by somebody else: it is not ours any more.
    trading
        .connect()
        .execute_batch("DROP INDEX by_price; CREATE INDEX by_price ON trades(price DESC)")
        .unwrap();
    let undone = database.undo(&WriteOptions::default(), &mut Unwatched).unwrap().unwrap();
    assert_eq!((undone.taken_back.len(), undone.left.len()), (2, 1), "{undone:?}");
    assert_eq!(indexes(&trading.path), ["by_price"]);
    trading.connect().execute_batch("ALTER TABLE trades DROP COLUMN later").unwrap();
    assert_eq!(data_hash(&trading.path), hash);
}

#[test]
fn what_is_there_or_is_not_is_no_surprise() {
    let trading = Trading::new(100, "DELETE");
    let database = Sqlite::open(&trading.path).unwrap();
    trading.connect().execute_batch("CREATE INDEX mine ON trades(at)").unwrap();
    let mut lying = index("lying", "trades(at)");
    lying.fix.sql = vec!["CREATE INDEX truth ON trades(at)".to_owned()];
    let mut ending = index("ending", "trades(at)");
    ending.fix.sql.push("COMMIT".to_owned());
    let mut hidden = index("mine", "trades(at)");
    hidden.fix.sql = vec!["CREATE INDEX IF NOT EXISTS mine ON trades(price)".to_owned()];
    for (change, words) in [
        (hidden, "there is already an index mine"),
        (index("MINE", "trades(price)"), "there is already an index MINE"),
        (drop_index("nothing"), "there is no index nothing"),
        (drop_index("sqlite_autoindex_users_1"), "belongs to its table"),
        (lying, "made no index lying"),
    ] {
        let refused = database.apply(&[change], &ApplyOptions::default(), &mut Unwatched).unwrap_err();
        assert!(matches!(&refused, DatabaseError::Refused { reason } if reason.contains(words)), "{refused}");
        assert_eq!(indexes(&trading.path), ["mine"]);
        assert!(database.pending().unwrap().is_none());
    }
    let refused = database.apply(&[ending], &ApplyOptions::default(), &mut Unwatched).unwrap_err();
    assert!(refused.to_string().contains("not authorized"), "{refused}");
    assert_eq!(indexes(&trading.path), ["mine"]);
}

#[test]
fn stopped_at_every_step_it_can_be_gone_on_from_or_taken_back() {
    let pristine = Trading::new(4_000, "DELETE");
    let hash = data_hash(&pristine.path);
    let mut stops = 0;
    loop {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trading.db");
        std::fs::copy(&pristine.path, &path).unwrap();
        let database = Sqlite::open(&path).unwrap();
        match database.apply(&three(), &ApplyOptions::default(), &mut StopsAt(stops)) {
            Ok(_) => break,
            Err(DatabaseError::Stopped { .. }) => {}
            Err(other) => panic!("{stops}: {other}"),
        }
        assert_sound(&path);
        assert_eq!(data_hash(&path), hash);
        if stops % 2 == 0 {
            let went_on = database.resume(&ApplyOptions::default(), &mut Unwatched).unwrap();
            assert_eq!(indexes(&path).len(), if went_on.is_some() { 3 } else { 0 }, "{stops}");
        } else {
            database.undo(&WriteOptions::default(), &mut Unwatched).unwrap();
            assert_eq!(indexes(&path), Vec::<String>::new(), "{stops}");
        }
        assert!(database.pending().unwrap().is_none());
        stops += 1;
    }
    assert!(stops > 10, "{stops} steps");
}

/// A file system of its own, of some mebibytes; gone with it.
struct Small(tempfile::TempDir);

impl Small {
    fn new(kibibytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={kibibytes}k");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(folder));
        }
        // Printed for the reader of a test's output; the harness shows nothing of its own.
        let _ = writeln!(std::io::stderr(), "skipped: this user may not mount a small file system");
        None
    }
}

impl Small {
    /// Nothing can be written there any more.
    fn make_read_only(&self) {
        assert!(run("mount", &["-o", "remount,ro"], self.0.path()));
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) -> bool {
    Command::new(program).args(arguments).arg(path).status().is_ok_and(|status| status.success())
}

#[test]
fn a_read_only_medium_is_analyzed_and_not_changed() {
    let pristine = Trading::new(500, "DELETE");
    let Some(small) = Small::new(4096) else { return };
    let path = small.0.path().join("trading.db");
    std::fs::copy(&pristine.path, &path).unwrap();
    small.make_read_only();
    let database = Sqlite::open(&path).unwrap();
    let refused = database.apply(&three(), &impatient(), &mut Unwatched).unwrap_err();
    assert!(matches!(refused, DatabaseError::ReadOnly { .. }), "{refused}");
    let forecast = database.forecast_vacuum(pulse_db::sqlite::ForecastSource::Copy, &mut Unwatched).unwrap();
    assert!(forecast.size_bytes > 0 && database.pending().unwrap().is_none());
}

/// A file that can be written in a folder that cannot: neither SQLite's own journal nor ours finds a place.
#[test]
fn a_journal_without_a_place_is_refused_before_anything_is_done() {
    let pristine = Trading::new(500, "DELETE");
    let (bytes, Some(small)) = (std::fs::read(&pristine.path).unwrap(), Small::new(1024)) else { return };
    let path = small.0.path().join("trading.db");
    std::fs::write(&path, "").unwrap();
    small.make_read_only();
    assert!(run("mount", &["--bind", pristine.path.to_str().unwrap()], &path));
    let refused = Sqlite::open(&path).unwrap().apply(&three(), &impatient(), &mut Unwatched).unwrap_err();
    assert!(run("umount", &["-l"], &path));
    assert!(refused.to_string().contains("cannot write the journal"), "{refused}");
    assert_eq!(std::fs::read(&pristine.path).unwrap(), bytes);
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_disk_that_is_full_at_any_moment_does_no_harm() {
    let pristine = Trading::new(20_000, "DELETE");
    let (hash, size) = (data_hash(&pristine.path), std::fs::metadata(&pristine.path).unwrap().len() / 1024);
    let mut failures = 0;
    for extra in [0, 4, 8, 60, 200, 400, 600, 800, 1000, 1200, 1600, 2400, 4000] {
        let Some(small) = Small::new(size + 8 + extra) else { return };
        let path = small.0.path().join("trading.db");
        if std::fs::copy(&pristine.path, &path).is_err() {
            continue;
        }
        let database = Sqlite::open(&path).unwrap();
        let applied = database.apply(&three(), &ApplyOptions::default(), &mut Unwatched);
        failures += u32::from(applied.is_err());
        assert_sound(&path);
        assert_eq!(data_hash(&path), hash, "{extra}");
        let had = indexes(&path).len();
        assert!(applied.is_err() || had == 3, "{extra}: {applied:?}");
        if had > 0 {
            let undone = database.undo(&WriteOptions::default(), &mut Unwatched);
            assert!(
                undone.is_ok() && indexes(&path).is_empty(),
                "{extra} with {had}: {applied:?} {undone:?}"
            );
        }
        assert_sound(&path);
        assert_eq!(data_hash(&path), hash, "{extra}");
    }
    assert!(failures >= 3, "{failures} of the disks were too small");
}

/// Tries to change the same database while the first is at it.
struct Second(Sqlite, Option<String>);
impl Progress for Second {
    fn at(&mut self, step: &str, _share: Option<f64>) {
        if step == "writing the undo script" && self.1.is_none() {
            let refused = self.0.apply(&three(), &impatient(), &mut Unwatched).unwrap_err();
            self.1 = Some(refused.to_string());
        }
    }
    fn is_stopped(&self) -> bool {
        false
    }
}

#[test]
fn two_at_once_do_not_meet() {
    let trading = Trading::new(500, "DELETE");
    let database = Sqlite::open(&trading.path).unwrap();
    let mut second = Second(database.clone(), None);
    database.apply(&three(), &ApplyOptions::default(), &mut second).unwrap();
    assert!(second.1.is_some_and(|refused| refused.contains("another pulse is at work")));
    assert_eq!(beside(&trading.path), ["trading.db.pulse-journal.jsonl", "trading.db.pulse-undo.sql"]);
}
