//! `pulse db --attach`: the real program on two files that an application uses together.

#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod support;

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;
use support::run_in;

/// What the application asks: it attaches its archive itself.
const SCRIPT: &str = "\
ATTACH DATABASE 'archive.db' AS \"the archive\";
-- calls: 100
SELECT price FROM \"the archive\".trades WHERE symbol = 'S7';
-- calls: 10
SELECT u.name FROM users u JOIN \"the archive\".trades t ON t.user_id = u.id WHERE t.symbol = 'S9';
";

/// A folder with a small database, its archive of many trades, and a script of what they are asked.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, sql: &str| {
        Connection::open(folder.path().join(name)).unwrap().execute_batch(sql).unwrap();
    };
    make(
        "app.db",
        "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO users VALUES (1, 'x'), (2, 'y')",
    );
    let trades =
        "CREATE TABLE trades(id INTEGER PRIMARY KEY, user_id INT, symbol TEXT, price REAL, note TEXT);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO trades SELECT i, i % 2 + 1, 'S' || (i * 7919 % 500), i, hex(randomblob(20)) FROM n";
    make("archive.db", trades);
    fs::write(folder.path().join("w.sql"), SCRIPT).unwrap();
    folder
}

fn db(folder: &Path, more: &[&str]) -> Value {
    let all = ["db", "app.db", "--attach", "the archive=archive.db", "-w", "w.sql", "--json", "-q"];
    let outcome = run_in(folder, &[&all[..], &["--trial-time", "3s"], more].concat());
    assert!(matches!(outcome.code, Some(0 | 99)), "{outcome:?}");
    outcome.json()
}

fn indexes(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut names = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'index'").unwrap();
    names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn users(path: &Path) -> Vec<(i64, String)> {
    let connection = Connection::open(path).unwrap();
    let mut users = connection.prepare("SELECT id, name FROM users ORDER BY id").unwrap();
    users.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

#[test]
fn an_index_of_an_attached_database_is_found_made_and_taken_back() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let (app, archive) = (fs::read(at("app.db")).unwrap(), fs::read(at("archive.db")).unwrap());
    let report = db(folder.path(), &[]);
    let scan = &report["findings"].as_array().unwrap().iter().find(|it| it["code"] == "full_scan").unwrap()["subject"];
    assert_eq!(scan, "the archive.trades");
    let index =
        report["database"]["indexes"].as_array().unwrap().iter().find(|index| index["recommended"] == true);
    let index = index.unwrap_or_else(|| panic!("{report}"));
    assert_eq!(index["table"], "the archive.trades");
    let sql = index["sql"][0].as_str().unwrap();
    assert!(sql.starts_with("CREATE INDEX \"the archive\".\"idx_trades_symbol"), "{sql}");
    assert!(sql.contains(" ON \"trades\" ("), "{sql}");
    let skipped = report["database"]["workload"]["skipped"][0].as_str().unwrap();
    assert!(skipped.contains("give --attach the archive=PATH"), "{skipped}");
    // Looking wrote nothing.
    assert_eq!((fs::read(at("app.db")).unwrap(), fs::read(at("archive.db")).unwrap()), (app, archive));
    let before = users(&at("app.db"));

    let report = db(folder.path(), &["--add-indexes"]);
    let made = indexes(&at("archive.db"));
    assert!(!made.is_empty() && indexes(&at("app.db")).is_empty(), "{report}");
    for row in report["database"]["statements"].as_array().unwrap() {
        assert!(row["plan_after"].to_string().contains("idx_trades_symbol"), "{row}");
    }
    assert!(at("app.db.pulse-journal.jsonl").exists() && !at("archive.db.pulse-journal.jsonl").exists());

    let undone = run_in(folder.path(), &["db", "undo", "app.db"]).expect(0).stdout;
    assert!(made.iter().all(|name| undone.contains(&format!("taken back: the archive.{name}"))), "{undone}");
    assert!(indexes(&at("archive.db")).is_empty());
    // The table beside it was analyzed with it, and that is forgotten.
    for file in ["app.db", "archive.db"] {
        let connection = Connection::open(at(file)).unwrap();
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'sqlite_stat%'";
        let known: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(known, 0, "{file}");
    }
    assert_eq!(users(&at("app.db")), before);
}

#[test]
fn what_cannot_be_attached_is_a_mistake_with_its_reason() {
    let folder = folder();
    fs::write(folder.path().join("notes.txt"), "no database, but long enough to look at: ".repeat(30))
        .unwrap();
    let cases: [(&[&str], &str); 7] = [
        (&["archive"], "for example archive=data/archive.db"),
        (&["main=archive.db"], "every connection has a schema of this name"),
        (&["temp=archive.db"], "every connection has a schema of this name"),
        (&["old=gone.db"], "there is no database file gone.db"),
        (&["old=notes.txt"], "is not an SQLite database"),
        (&["old=app.db"], "the same file is the schema main already"),
        (&["old=archive.db", "OLD=archive.db"], "the name is taken by another file"),
    ];
    for (given, said) in cases {
        let flags: Vec<&str> = given.iter().flat_map(|given| ["--attach", given]).collect();
        let outcome = run_in(folder.path(), &[&["db", "app.db"], &flags[..]].concat());
        assert_ne!(outcome.code, Some(0), "{given:?}");
        outcome.says(&[said]);
    }
}
