//! Trials on real files: what helps is kept, what does not is dropped, and the database itself stays as it is.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod seeded;

use std::path::Path;

use pulse_db::sqlite::{CopyKind, CopyOptions};
use pulse_db::workload::Value;
use pulse_db::{DatabaseError, Sqlite, Trial, Unwatched, keep, plan_changes, settle};
use pulse_model::Nanos;
use seeded::{StopsAt, Trading, assert_sound, data_hash, drop_index, index, statement, workload};

fn text(text: &str) -> Vec<Value> {
    vec![Value::Text(text.to_owned())]
}

fn trial(changes: Vec<pulse_db::Change>, seconds: u64) -> Trial {
    Trial {
        changes,
        budget: Nanos::from_secs(seconds),
        statement_limit: Nanos::from_secs(2),
        ..Trial::default()
    }
}

/// Folders of copies that are left in a folder.
fn left_over(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// A statement of two parts: one index saves nearly all of its time, and the plan names the other, too.
#[test]
fn an_index_does_not_get_the_gain_of_another_in_the_same_plan() {
    let trading = Trading::new(30_000, "DELETE");
    trading.connect().execute_batch("CREATE TABLE tiny(kind TEXT); INSERT INTO tiny VALUES ('x')").unwrap();
    let sql = "SELECT sum(price) FROM trades WHERE symbol < 'S020' UNION ALL SELECT count(*) FROM tiny WHERE kind = 'x'";
    let asked = workload(vec![statement(sql, 100, Vec::new())]);
    let changes = [index("beside", "tiny(kind)"), index("useful", "trades(symbol, price)")];
    let database = Sqlite::open(&trading.path).unwrap();
    let joint = database.measure(&asked, &trial(changes.to_vec(), 5), &mut Unwatched).unwrap();
    let mut judged = keep(&asked, &changes, &joint, 0.1);
    assert!(judged.iter().all(|judged| judged.is_kept), "the trial of both cannot tell: {judged:?}");
    let retry = |change: &pulse_db::Change, given: &[pulse_db::Change]| {
        let beside = Trial { given: given.to_vec(), ..trial(vec![change.clone()], 5) };
        database.measure(&asked, &beside, &mut Unwatched)
    };
    settle(&asked, &changes, &mut judged, &joint, 0.1, retry).unwrap();
    assert!(!judged[0].is_kept && judged[0].reason.contains("beside the other new indexes"), "{judged:?}");
    assert!(judged[1].is_kept, "{judged:?}");
}

#[test]
fn what_is_given_and_cannot_be_made_is_refused() {
    let trading = Trading::new(100, "DELETE");
    let trial = Trial { given: vec![index("wrong", "trades(nothing)")], ..trial(Vec::new(), 1) };
    let refused = Sqlite::open(&trading.path)
        .unwrap()
        .measure(&workload(Vec::new()), &trial, &mut Unwatched)
        .unwrap_err();
    assert!(refused.to_string().contains("takes as given"), "{refused}");
}

#[test]
fn what_the_clock_likes_is_kept_and_the_rest_is_not() {
    let trading = Trading::new(30_000, "DELETE");
    trading
        .connect()
        .execute_batch("CREATE INDEX both ON trades(user_id, at); CREATE INDEX spare ON trades(user_id, at)")
        .unwrap();
    let (bytes, hash) = (std::fs::read(&trading.path).unwrap(), data_hash(&trading.path));
    let asked = workload(vec![
        statement("SELECT * FROM trades WHERE symbol = ? ORDER BY at", 900, vec![text("S001"), text("S100")]),
        statement("SELECT count(*) FROM trades WHERE user_id = ?", 10, vec![vec![Value::Integer(3)]]),
        statement("INSERT INTO trades(symbol, at) VALUES (?, 1)", 50, vec![text("S001")]),
    ]);
    let changes =
        vec![index("by symbol", "trades(symbol, at)"), index("unasked", "trades(note)"), drop_index("spare")];
    let database = Sqlite::open(&trading.path).unwrap();
    let temp = tempfile::tempdir().unwrap();
    let options = CopyOptions { folder: Some(temp.path().to_owned()), ..CopyOptions::default() };
    let trial = Trial { write_costs: true, ..trial(changes.clone(), 5) };
    let result = database.measure_on(&asked, &trial, &options, &mut Unwatched).unwrap();
    assert_eq!(left_over(temp.path()), 0);
    assert_eq!(std::fs::read(&trading.path).unwrap(), bytes, "the original is only read");

    let first = &result.statements[0];
    assert!(first.gain.is_some_and(|gain| gain.lo > 1.0), "{:?}", first.gain);
    assert!(
        first.plan_before[0].starts_with("SCAN") && first.plan_after[0].contains("by symbol"),
        "{first:?}"
    );
    assert!(first.cold_before.count() > 0 && first.cold_after.count() > 0);
    assert!(
        result.statements.iter().all(|trial| trial.failure.is_none() && trial.difference.is_none()),
        "{result:?}"
    );
    assert!(result.changes[0].grown_bytes > 0 && result.changes[2].grown_bytes <= 0, "{:?}", result.changes);
    assert_eq!(result.write_costs.len(), 1, "{:?}", result.changes);
    let cost = &result.write_costs[0];
    assert!(cost.failure.is_none() && cost.growth.is_some(), "{cost:?}");

    let judged = keep(&asked, &changes, &result, 0.1);
    assert_eq!(
        judged.iter().map(|judged| judged.is_kept).collect::<Vec<_>>(),
        [true, false, true],
        "{judged:?}"
    );
    assert!(
        judged[0].helped == [0] && judged[1].reason.contains("no statement's plan uses it"),
        "{judged:?}"
    );
    assert!(
        plan_changes(&result)[0].to_string().contains("+ SEARCH trades USING INDEX by symbol (symbol=?)")
    );
    assert_eq!(data_hash(&trading.path), hash);
}

#[test]
fn a_change_of_the_answer_is_rejected_and_a_random_answer_is_none() {
    let trading = Trading::new(2_000, "WAL");
    let mut wrong = index("wrong", "trades(symbol)");
    wrong
        .fix
        .sql
        .push("DELETE FROM trades WHERE id = (SELECT min(id) FROM trades WHERE symbol = 'S001')".to_owned());
    let mut unique = index("unique", "events(kind)");
    unique.fix.sql = vec!["CREATE UNIQUE INDEX \"unique\" ON users(name COLLATE NOCASE)".to_owned()];
    let broken = index("broken", "trades(nowhere)");
    let asked = workload(vec![
        statement("SELECT id FROM trades WHERE symbol = ?", 1, vec![text("S001")]),
        statement("SELECT random(), id FROM trades WHERE symbol = ?", 1, vec![text("S001")]),
        statement("INSERT INTO users(name) VALUES (?)", 1, vec![text("USER 1")]),
    ]);
    let changes = vec![wrong, unique, broken];
    let result = Sqlite::open(&trading.path)
        .unwrap()
        .measure(&asked, &trial(changes.clone(), 2), &mut Unwatched)
        .unwrap();
    let difference = |number: usize| result.statements[number].difference.clone().unwrap_or_default();
    assert!(difference(0).contains("the rows differ"), "{result:?}");
    assert_eq!(result.statements[1].difference, None);
    assert!(difference(2).contains("it fails with the changes: UNIQUE"), "{}", difference(2));
    assert!(
        result.remarks.iter().any(|remark| remark.contains("differently at every call")),
        "{:?}",
        result.remarks
    );
    let judged = keep(&asked, &changes, &result, 0.1);
    assert!(judged.iter().all(|judged| !judged.is_kept), "{judged:?}");
    assert!(judged[0].reason.contains("REJECTED") && judged[1].reason.contains("REJECTED"), "{judged:?}");
    assert!(judged[2].reason.contains("no such column: nowhere"), "{judged:?}");
}

#[test]
fn what_never_ends_is_cut_off_and_what_cannot_run_is_named() {
    let trading = Trading::new(500, "DELETE");
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    let asked = workload(vec![
        statement(endless, 1, Vec::new()),
        statement("SELECT * FROM nowhere", 1, Vec::new()),
        statement("COMMIT", 1, Vec::new()),
        statement("SELECT count(*) FROM trades", 1, Vec::new()),
    ]);
    let trial =
        Trial { statement_limit: Nanos::from_millis(100), ..trial(vec![index("a", "trades(at)")], 3) };
    let result = Sqlite::open(&trading.path).unwrap().measure(&asked, &trial, &mut Unwatched).unwrap();
    let failure = |number: usize| result.statements[number].failure.clone().unwrap_or_default();
    assert!(failure(0).contains("did not end within 0.1 s"), "{}", failure(0));
    assert!(
        failure(1).contains("no such table") && failure(2).contains("controls transactions"),
        "{result:?}"
    );
    assert!(result.statements[3].gain.is_some(), "{result:?}");
}

#[test]
fn a_copy_is_of_one_moment_while_others_write() {
    for mode in ["DELETE", "WAL"] {
        let trading = Trading::new(20_000, mode);
        let database = Sqlite::open(&trading.path).unwrap();
        let path = trading.path.clone();
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let connection = rusqlite::Connection::open(&path).unwrap();
                connection.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
                let mut writes = 0_u32;
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    // Both tables change in one transaction: a copy in between would show.
                    let both = "BEGIN IMMEDIATE; UPDATE trades SET at = at + 1 WHERE id % 100 = 0;
                                UPDATE users SET name = name || 'x' WHERE id = 1; COMMIT";
                    connection.execute_batch(both).unwrap();
                    writes += 1;
                }
                writes
            });
            let mut base = None;
            for _ in 0..5 {
                let copy = database.private_copy(&CopyOptions::default(), &mut Unwatched).unwrap();
                assert_sound(copy.path());
                let sql = "SELECT (SELECT at FROM trades WHERE id = 0), (SELECT length(name) FROM users WHERE id = 1)";
                let seen = |path: &Path| {
                    let connection = rusqlite::Connection::open(path).unwrap();
                    connection
                        .query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
                        .unwrap()
                };
                let (at, length) = seen(copy.path());
                let twin = copy.twin(&mut Unwatched).unwrap();
                assert_eq!(seen(&twin), (at, length));
                let (first_at, first_length) = *base.get_or_insert((at, length));
                assert_eq!(at - first_at, length - first_length, "{mode}");
            }
            is_over.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(writer.join().unwrap() > 0);
        });
    }
}

#[test]
fn copies_are_private_bounded_and_gone() {
    use std::os::unix::fs::PermissionsExt as _;
    let trading = Trading::new(5_000, "DELETE");
    trading.connect().execute_batch("DELETE FROM trades WHERE id % 2 = 0; DELETE FROM events").unwrap();
    let database = Sqlite::open(&trading.path).unwrap();
    let temp = tempfile::tempdir().unwrap();
    let options = CopyOptions { folder: Some(temp.path().to_owned()), ..CopyOptions::default() };
    let exact = database.private_copy(&options, &mut Unwatched).unwrap();
    let original = std::fs::metadata(&trading.path).unwrap().len();
    assert_eq!(exact.size_bytes(), original, "free pages and all");
    let folder = exact.path().parent().unwrap();
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let compact = CopyOptions { kind: CopyKind::Compact, ..options.clone() };
    assert!(database.private_copy(&compact, &mut Unwatched).unwrap().size_bytes() < original);
    assert_eq!(data_hash(exact.path()), data_hash(&trading.path));
    drop(exact);
    let small = CopyOptions { max_bytes: original - 1, ..options.clone() };
    let refused = database.private_copy(&small, &mut Unwatched).unwrap_err();
    assert!(
        matches!(refused, DatabaseError::TooLarge { .. }) && refused.to_string().contains("--no-verify"),
        "{refused}"
    );
    let roomy = CopyOptions { spare_bytes: u64::MAX / 2, ..options.clone() };
    assert!(matches!(database.private_copy(&roomy, &mut Unwatched), Err(DatabaseError::NoSpace { .. })));
    for stops in 0..3 {
        let stopped = database.private_copy(&options, &mut StopsAt(stops));
        assert!(stops > 0 || matches!(stopped, Err(DatabaseError::Stopped { .. })), "{stopped:?}");
    }
    assert_eq!(left_over(temp.path()), 0);
}

#[test]
fn nothing_at_all_can_be_tried() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.db");
    std::fs::write(&path, "").unwrap();
    let asked = workload(vec![statement("SELECT 1", 1, Vec::new())]);
    let result = Sqlite::open(&path).unwrap().measure(&asked, &trial(Vec::new(), 1), &mut Unwatched).unwrap();
    assert!(result.statements[0].failure.is_none() && result.rounds > 0, "{result:?}");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn a_written_row_is_priced_in_every_kind_of_table() {
    let trading = Trading::new(0, "DELETE");
    let schema = "CREATE TABLE \"or\"\"der\"(a TEXT, \"b c\" INTEGER, double AS (\"b c\" * 2), PRIMARY KEY(a, \"b c\")) WITHOUT ROWID;
                  CREATE TABLE \"Größe\"(rowid TEXT UNIQUE, x REAL, y AS (x + 1) STORED);
                  INSERT INTO \"or\"\"der\" VALUES ('k', 1), ('k', 2), ('l', 1);
                  INSERT INTO \"Größe\" VALUES ('a', 1), ('b', 2);";
    trading.connect().execute_batch(schema).unwrap();
    let changes = vec![
        index("i1", "\"or\"\"der\"(double)"),
        index("i2", "\"Größe\"(x)"),
        index("i3", "users(name)"),
        index("i4", "trades(at)"),
    ];
    // Without a workload it ends when the rows are written, of which none may be left out for want of time.
    let trial = Trial { write_costs: true, ..trial(changes, 20) };
    let database = Sqlite::open(&trading.path).unwrap();
    let result = database.measure(&workload(Vec::new()), &trial, &mut Unwatched).unwrap();
    let rows = |table: &str| {
        let cost = result.write_costs.iter().find(|cost| cost.table.name == table).unwrap();
        assert_eq!(cost.failure, None, "{table}");
        cost.before.count()
    };
    // Three rows, two, users without a trade; and no row means no price.
    assert_eq!((rows("or\"der"), rows("Größe"), rows("users"), rows("trades")), (30, 20, 240, 0));
}

#[test]
fn foreign_keys_are_as_the_application_has_them() {
    let trading = Trading::new(100, "DELETE");
    let asked = workload(vec![statement("DELETE FROM users WHERE id = 1", 1, Vec::new())]);
    let failure = |foreign_keys| {
        let trial = Trial { foreign_keys, ..trial(Vec::new(), 1) };
        let result = Sqlite::open(&trading.path).unwrap().measure(&asked, &trial, &mut Unwatched).unwrap();
        result.statements[0].failure.clone()
    };
    assert_eq!(failure(false), None);
    assert!(failure(true).is_some_and(|why| why.contains("FOREIGN KEY")));
}

#[test]
fn a_trial_that_is_stopped_anywhere_leaves_nothing() {
    let trading = Trading::new(3_000, "DELETE");
    let before = std::fs::read(&trading.path).unwrap();
    let database = Sqlite::open(&trading.path).unwrap();
    let asked = workload(vec![statement("SELECT count(*) FROM trades a, trades b", 1, Vec::new())]);
    let temp = tempfile::tempdir().unwrap();
    let options = CopyOptions { folder: Some(temp.path().to_owned()), ..CopyOptions::default() };
    let trial = trial(vec![index("a", "trades(at)")], 20);
    for stops in [1, 2, 3, 5, 8] {
        let stopped = database.measure_on(&asked, &trial, &options, &mut StopsAt(stops));
        assert!(matches!(stopped, Err(DatabaseError::Stopped { .. })), "{stops}: {stopped:?}");
        assert_eq!(left_over(temp.path()), 0);
    }
    assert_eq!(std::fs::read(&trading.path).unwrap(), before);
}
