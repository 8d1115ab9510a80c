//! Databases of the tests: made from seeds, so that every run has the same.
#![allow(dead_code, reason = "every test binary uses its own part")]
#![allow(clippy::allow_attributes, reason = "not every binary leaves the same part unused")]
#![allow(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};

use pulse_db::workload::{Call, Statement, Value, Values, Workload};
use pulse_db::{Change, ChangeKind, Progress};
use pulse_model::Fix;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};

/// A folder with a database of trades in it.
pub(crate) struct Trading {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

impl Trading {
    pub(crate) fn new(rows: u32, journal_mode: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trading.db");
        fill(&path, rows, journal_mode);
        Self { folder, path }
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }
}

/// Writes trades of 200 symbols and 50 users into a new database.
pub(crate) fn fill(path: &Path, rows: u32, journal_mode: &str) {
    let connection = Connection::open(path).unwrap();
    let setup = format!(
        "PRAGMA journal_mode = {journal_mode};
         CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE);
         CREATE TABLE trades(id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users(id), symbol TEXT, price REAL,
                             at INTEGER, note TEXT);
         CREATE TABLE events(kind TEXT, body TEXT);"
    );
    connection.execute_batch(&setup).unwrap();
    let mut generator = ChaCha8Rng::seed_from_u64(7);
    connection.execute_batch("BEGIN").unwrap();
    for id in 0..50 {
        connection.execute("INSERT INTO users VALUES (?1, ?2)", params![id, format!("user {id}")]).unwrap();
    }
    let mut insert = connection.prepare("INSERT INTO trades VALUES (?1, ?2, ?3, ?4, ?5, ?6)").unwrap();
    let mut event = connection.prepare("INSERT INTO events VALUES (?1, ?2)").unwrap();
    for id in 0..rows {
        let symbol = format!("S{:03}", generator.random_range(0..200_u32));
        let (user, price, at) = (
            generator.random_range(0..50_u32),
            generator.random_range(1.0..500.0_f64),
            generator.random_range(0..1_000_000_u32),
        );
        let note = "n".repeat(generator.random_range(0..60_u32) as usize);
        insert.execute(params![id, user, symbol, price, at, note]).unwrap();
        if id % 10 == 0 {
            event.execute(params![symbol, note]).unwrap();
        }
    }
    connection.execute_batch("COMMIT").unwrap();
}

/// A hash of every row of every table, in the order of the tables' names; row numbers left out.
pub(crate) fn data_hash(path: &Path) -> u64 {
    let connection = Connection::open(path).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name";
    let tables: Vec<String> = connection
        .prepare(sql)
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut hasher = DefaultHasher::new();
    for table in tables {
        let mut select = connection.prepare(&format!("SELECT * FROM \"{table}\" NOT INDEXED")).unwrap();
        let width = select.column_count();
        let mut rows = select.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..width {
                match row.get_ref(column).unwrap() {
                    ValueRef::Null => hasher.write_u8(0),
                    ValueRef::Integer(value) => hasher.write_i64(value),
                    ValueRef::Real(value) => hasher.write_u64(value.to_bits()),
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                        hasher.write_usize(bytes.len());
                        hasher.write(bytes);
                    }
                }
            }
        }
    }
    hasher.finish()
}

pub(crate) fn assert_sound(path: &Path) {
    let connection = Connection::open(path).unwrap();
    let answer: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(answer, "ok", "{}", path.display());
}

/// Names of all indexes that were made by a statement.
pub(crate) fn indexes(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name";
    connection.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

pub(crate) fn index(name: &str, on: &str) -> Change {
    let fix = Fix {
        sql: vec![format!("CREATE INDEX \"{name}\" ON {on}")],
        undo: vec![format!("DROP INDEX \"{name}\"")],
    };
    Change { kind: ChangeKind::CreateIndex, schema: "main".to_owned(), subject: name.to_owned(), fix }
}

pub(crate) fn drop_index(name: &str) -> Change {
    let fix = Fix { sql: vec![format!("DROP INDEX \"{name}\"")], undo: Vec::new() };
    Change { kind: ChangeKind::DropIndex, schema: "main".to_owned(), subject: name.to_owned(), fix }
}

/// Three indexes for trades.
pub(crate) fn three() -> Vec<Change> {
    vec![
        index("by symbol", "trades(symbol, at)"),
        index("by_user", "trades(user_id)"),
        index("by_price", "trades(price)"),
    ]
}

pub(crate) fn statement(sql: &str, calls: u64, values: Vec<Vec<Value>>) -> Statement {
    let call = |values| Call { sql: None, values: Values::Positional(values) };
    Statement {
        form: sql.to_owned(),
        sql: sql.to_owned(),
        calls,
        samples: values.into_iter().map(call).collect(),
        ..Statement::default()
    }
}

pub(crate) fn workload(statements: Vec<Statement>) -> Workload {
    Workload { statements, ..Workload::default() }
}

/// Stops at the so-manieth time that something is told.
pub(crate) struct StopsAt(pub(crate) u32);

impl Progress for StopsAt {
    fn at(&mut self, _step: &str, _share: Option<f64>) {
        self.0 = self.0.saturating_sub(1);
    }

    fn is_stopped(&self) -> bool {
        self.0 == 0
    }
}
