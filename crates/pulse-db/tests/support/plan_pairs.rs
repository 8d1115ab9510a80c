//! Pairs of plans: what the planner would do with an index that is only thought of, and what it does when the index is there.
//!
//! Everything comes from a seed: tables, rows with even, skewed, rare and missing values, statements, candidates.

use std::collections::BTreeSet;
use std::path::Path;

use pulse_db::candidate::{Candidate, CandidateReason};
use pulse_db::catalog::{IndexPart, TableName, Term};
use pulse_db::sqlite::Sqlite;
use pulse_db::workload::{Call, Statement, Value, Values};
use pulse_db::{Driver as _, Planner};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::Connection;

/// A statement under one set of candidates.
pub(crate) struct Pair {
    /// The statement.
    pub(crate) sql: String,
    /// The statements that made the indexes.
    pub(crate) indexes: Vec<String>,
    /// The plan that was foretold.
    pub(crate) foretold: Vec<String>,
    /// The plan that came true.
    pub(crate) built: Vec<String>,
    /// Whether only a sample of the rows was known.
    pub(crate) is_sampled: bool,
}

impl Pair {
    /// Whether what was foretold came true, word for word.
    pub(crate) fn is_same(&self) -> bool {
        self.foretold == self.built
    }

    /// Whether the plan that came true uses one of the new indexes.
    pub(crate) fn uses_new(&self) -> bool {
        self.built.iter().any(|line| line.contains("INDEX idx_"))
    }
}

/// Pairs of one database.
pub(crate) fn pairs(seed: u64) -> Vec<Pair> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pairs.db");
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(seed));
    let rows = fill(&path, &mut draw, seed % 4 == 3);
    let sqlite = Sqlite::open(&path).expect("a database");
    let mut found = Vec::new();
    for _ in 0..2 {
        let statements: Vec<_> = (0..5).map(|_| statement(&mut draw)).collect();
        let given = candidates(&mut draw);
        let explained = sqlite.explain(&statements, &given).expect("a schema that can be copied");
        let copy = folder.path().join("built.db");
        std::fs::copy(&path, &copy).expect("a copy");
        let connection = Connection::open(&copy).expect("the copy");
        // As the question about other indexes is asked, and as most applications have it.
        connection.pragma_update(None, "foreign_keys", false).expect("a setting");
        let planner = sqlite.planner(&statements).expect("a schema that can be copied");
        let indexes = build(&connection, &*planner, &given);
        for (statement, explained) in statements.iter().zip(explained) {
            let explained = explained.unwrap_or_else(|error| panic!("{}: {error}", statement.sql));
            let foretold = explained.plan.steps.into_iter().map(|step| step.detail).collect();
            let built = plan(&connection, statement);
            found.push(Pair {
                sql: statement.sql.clone(),
                indexes: indexes.clone(),
                foretold,
                built,
                is_sampled: rows > 10_000,
            });
        }
    }
    found
}

struct Draw(ChaCha8Rng);

impl Draw {
    fn below(&mut self, end: i64) -> i64 {
        self.0.random_range(0..end.max(1))
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.0.random_range(0..choices.len())]
    }

    fn happens(&mut self, per_cent: i64) -> bool {
        self.below(100) < per_cent
    }
}

const COLUMNS: [&str; 6] = ["kind", "owner", "state", "price", "at", "note"];

/// Two tables of which the second belongs to the first, analyzed or not; the rows of the first: the second has twice as many.
fn fill(path: &Path, draw: &mut Draw, is_large: bool) -> i64 {
    let connection = Connection::open(path).expect("a new database");
    let key = if draw.happens(20) { "id INT PRIMARY KEY, " } else { "id INTEGER PRIMARY KEY, " };
    let clustered = if key.contains("INT ") && draw.happens(60) { "WITHOUT ROWID" } else { "" };
    let tables = format!(
        "PRAGMA synchronous = OFF;
         CREATE TABLE item({key} kind TEXT COLLATE NOCASE, owner INT, state TEXT, price REAL, at TEXT, note TEXT) {clustered};
         CREATE TABLE part(id INTEGER PRIMARY KEY, item INT REFERENCES item(id), owner INT, price REAL, state TEXT);"
    );
    connection.execute_batch(&tables).expect("tables");
    if draw.happens(40) {
        connection.execute_batch("CREATE INDEX old_owner ON item(owner)").expect("an index");
    }
    let rows = if is_large { 12_000 + draw.below(30_000) } else { 200 + draw.below(4_000) };
    let owners = 3 + draw.below(rows / 2);
    let kinds = 2 + draw.below(200);
    let rare = 1 + draw.below(30);
    connection.execute_batch("BEGIN").expect("a transaction");
    let mut item = connection.prepare("INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?)").expect("an insertion");
    for id in 0..rows {
        let skewed = (draw.below(1_000) * draw.below(1_000) * kinds) / 1_000_000;
        let state =
            if draw.below(1_000) < rare { "open" } else { draw.one_of(&["closed", "closed", "void"]) };
        let at = format!("2026-{:02}-{:02}", 1 + draw.below(12), 1 + draw.below(28));
        let note = (draw.below(10) > 6).then(|| "n".repeat(draw.below(60) as usize));
        let price = draw.below(10_000) as f64 / 7.0;
        item.execute((id, format!("k{skewed}"), draw.below(owners), state, price, at, note)).expect("a row");
    }
    drop(item);
    let mut part = connection.prepare("INSERT INTO part VALUES (?, ?, ?, ?, ?)").expect("an insertion");
    for id in 0..rows * 2 {
        let state = if draw.below(100) < 5 { None } else { Some(draw.one_of(&["new", "used"])) };
        part.execute((id * 3, draw.below(rows), draw.below(owners), draw.below(900) as f64, state))
            .expect("a row");
    }
    drop(part);
    connection.execute_batch("COMMIT").expect("a transaction");
    if draw.happens(60) {
        connection.execute_batch("ANALYZE").expect("statistics");
    }
    rows
}

fn statement(draw: &mut Draw) -> Statement {
    let kind = Value::Text(format!("k{}", draw.below(40)));
    let owner = Value::Integer(draw.below(300));
    let state = Value::Text(draw.one_of(&["open", "closed", "void", "nothing"]).to_owned());
    let price = Value::Real(draw.below(1_400) as f64);
    let at = Value::Text(format!("2026-{:02}-01", 1 + draw.below(12)));
    let choices: [(&str, Vec<Value>); 22] = [
        ("SELECT * FROM item WHERE owner = ?", vec![owner.clone()]),
        ("SELECT * FROM item WHERE kind = ? AND state = ?", vec![kind.clone(), state.clone()]),
        ("SELECT id, price FROM item WHERE state = ? ORDER BY price DESC LIMIT 10", vec![state.clone()]),
        ("SELECT * FROM item WHERE kind = ? AND at > ? ORDER BY at", vec![kind.clone(), at.clone()]),
        ("SELECT count(*) FROM item WHERE price > ?", vec![price.clone()]),
        ("SELECT owner, count(*) FROM item GROUP BY owner", vec![]),
        ("SELECT DISTINCT kind FROM item", vec![]),
        ("SELECT min(price) FROM item", vec![]),
        ("SELECT * FROM item WHERE owner = ? OR kind = ?", vec![owner.clone(), kind.clone()]),
        ("SELECT * FROM item WHERE owner IN (1, 2, 3) AND state = ?", vec![state.clone()]),
        ("SELECT * FROM item WHERE kind LIKE 'k1%'", vec![]),
        ("SELECT * FROM item WHERE lower(note) = 'nn'", vec![]),
        ("SELECT * FROM item WHERE note IS NULL AND owner = ?", vec![owner.clone()]),
        ("SELECT * FROM item ORDER BY at, price DESC LIMIT 20", vec![]),
        (
            "SELECT i.kind, p.price FROM item i JOIN part p ON p.item = i.id WHERE i.owner = ?",
            vec![owner.clone()],
        ),
        (
            "SELECT p.id FROM part p JOIN item i ON i.id = p.item WHERE i.state = ? AND p.price > ?",
            vec![state.clone(), price.clone()],
        ),
        (
            "SELECT i.id FROM item i LEFT JOIN part p ON p.owner = i.owner WHERE i.kind = ?",
            vec![kind.clone()],
        ),
        (
            "SELECT id FROM item WHERE EXISTS (SELECT 1 FROM part WHERE part.item = item.id AND part.state = 'new') AND owner < ?",
            vec![owner.clone()],
        ),
        ("SELECT id FROM part WHERE state IS NULL ORDER BY price", vec![]),
        (
            "UPDATE item SET price = price + 1 WHERE owner = ? AND state = ?",
            vec![owner.clone(), state.clone()],
        ),
        ("DELETE FROM part WHERE item = ?", vec![owner]),
        (
            "SELECT kind, sum(price) FROM item WHERE at BETWEEN ? AND '2026-12-31' GROUP BY kind ORDER BY 2 DESC",
            vec![at],
        ),
    ];
    let count = choices.len();
    let (sql, values) = choices.into_iter().nth(draw.0.random_range(0..count)).expect("one of them");
    let samples = vec![Call { sql: None, values: Values::Positional(values) }];
    Statement { form: sql.to_owned(), sql: sql.to_owned(), calls: 1, samples, ..Statement::default() }
}

fn candidates(draw: &mut Draw) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for _ in 0..=draw.below(3) {
        let on_item = draw.happens(70);
        let columns: &[&str] = if on_item { &COLUMNS } else { &["item", "owner", "price", "state"] };
        let mut parts: Vec<IndexPart> = Vec::new();
        for _ in 0..=draw.below(3) {
            let name = draw.one_of(columns);
            let term = if name == "note" && draw.happens(50) {
                Term::Expression("lower(note)".to_owned())
            } else {
                Term::Column(name.to_owned())
            };
            let collation = if name == "kind" && on_item { "NOCASE" } else { "BINARY" };
            if !parts.iter().any(|part| part.term == term) {
                parts.push(IndexPart { term, descending: draw.happens(15), collation: collation.to_owned() });
            }
        }
        let predicate = match (draw.below(10), on_item) {
            (0 | 1, true) => Some("\"state\" = 'open'".to_owned()),
            (0, false) => Some("\"state\" IS NULL".to_owned()),
            _ => None,
        };
        let table = TableName::main(if on_item { "item" } else { "part" });
        let candidate = Candidate { table, parts, predicate, reason: CandidateReason::Filter };
        if !found.contains(&candidate) {
            found.push(candidate);
        }
    }
    found
}

/// Makes the indexes as a recommendation does.
fn build(connection: &Connection, planner: &dyn Planner, given: &[Candidate]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut statements = Vec::new();
    for candidate in given {
        let change = planner.change(candidate, &taken);
        taken.insert(change.subject.to_ascii_lowercase());
        for sql in &change.fix.sql {
            connection.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        statements.extend(change.fix.sql.into_iter().take(1));
    }
    statements
}

fn plan(connection: &Connection, statement: &Statement) -> Vec<String> {
    let mut prepared =
        connection.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql)).expect("a statement");
    if let Values::Positional(values) = &statement.samples[0].values {
        for (position, value) in values.iter().enumerate() {
            let bound = match value {
                Value::Integer(number) => rusqlite::types::Value::Integer(*number),
                Value::Real(number) => rusqlite::types::Value::Real(*number),
                Value::Text(text) => rusqlite::types::Value::Text(text.clone()),
                Value::Null | Value::Blob(_) => rusqlite::types::Value::Null,
            };
            prepared.raw_bind_parameter(position + 1, bound).expect("a value");
        }
    }
    let mut rows = prepared.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next().expect("a plan") {
        found.push(row.get(3).expect("its text"));
    }
    found
}
