use rusqlite::{Connection, StatementStatus};

use super::*;
use crate::candidate::CandidateReason;
use crate::catalog::{IndexPart, TableName, Term};
use crate::driver::Driver as _;
use crate::plan::{Access, EffectKind, Explained, Operator};
use crate::sqlite::WhatIfOptions;
use crate::workload::{Call, Value, Values};

struct Case {
    _folder: tempfile::TempDir,
    sqlite: Sqlite,
    connection: Connection,
}

fn case(sql: &str) -> Case {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("explain.db");
    let connection = Connection::open(&path).unwrap();
    connection.create_collation("PHONE", str::cmp).unwrap();
    connection.execute_batch(sql).unwrap();
    Case { _folder: folder, sqlite: Sqlite::open(&path).unwrap(), connection }
}

/// 12 000 trades of 400 users in 30 symbols, 1 in 150 open, and their users.
const TRADES: &str = "
    CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE trades(id INTEGER PRIMARY KEY, user_id INT, symbol TEXT, state TEXT, price REAL, note TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
    INSERT INTO trades SELECT i, i * 7919 % 400, 's' || (i * 31 % 30), iif(i % 150 = 0, 'open', 'closed'), i * 0.25,
        hex(zeroblob(40)) FROM n;
    INSERT INTO users SELECT id, 'u' || id FROM trades WHERE id <= 400;";

fn candidate(table: &str, columns: &[&str], predicate: Option<&str>) -> Candidate {
    let part = |name: &&str| IndexPart {
        term: if name.contains('(') {
            Term::Expression((*name).to_owned())
        } else {
            Term::Column((*name).to_owned())
        },
        descending: false,
        collation: "BINARY".to_owned(),
    };
    Candidate {
        table: TableName::main(table),
        parts: columns.iter().map(part).collect(),
        predicate: predicate.map(str::to_owned),
        reason: CandidateReason::Filter,
    }
}

fn statement(sql: &str, values: &[Value]) -> Statement {
    let samples = vec![Call { sql: None, values: Values::Positional(values.to_vec()) }];
    Statement { form: sql.to_owned(), sql: sql.to_owned(), calls: 1, samples, ..Statement::default() }
}

impl Case {
    fn explained(&self, sql: &str, values: &[Value], given: &[Candidate]) -> Result<Explained, String> {
        let mut explained = self.sqlite.explain(&[statement(sql, values)], given).unwrap();
        assert_eq!(explained.len(), 1);
        explained.remove(0)
    }

    fn plan(&self, sql: &str, values: &[Value], given: &[Candidate]) -> Vec<String> {
        let explained = self.explained(sql, values, given).unwrap();
        explained.plan.steps.into_iter().map(|step| step.detail).collect()
    }
}

#[test]
fn an_index_that_is_only_thought_of_changes_the_plan_and_its_cost() {
    let case = case(&format!("{TRADES} ANALYZE;"));
    let sql = "SELECT * FROM trades WHERE user_id = ?";
    let given = [candidate("trades", &["user_id"], None)];
    let now = case.explained(sql, &[Value::Integer(5)], &[]).unwrap();
    let then = case.explained(sql, &[Value::Integer(5)], &given).unwrap();
    assert_eq!(now.plan.steps[0].detail, "SCAN trades");
    assert_eq!(then.plan.steps[0].detail, "SEARCH trades USING INDEX idx_trades_user_id (user_id=?)");
    assert!(then.cost < now.cost / 20.0, "{} {}", then.cost, now.cost);
    assert_eq!(now.questions[0].conditions[0].operator, Operator::Equal);
    assert_eq!(now.questions[0].conditions[0].value, Some(Value::Integer(5)));
    assert_eq!(now.effects[0].kind, EffectKind::Read);
}

/// Costs are those by all that is known; plans are those of a planner that was never told of it.
#[test]
fn what_was_told_for_costs_is_forgotten_for_plans() {
    let case = case(&format!("{TRADES} CREATE INDEX by_user ON trades(user_id);"));
    for sql in [
        "SELECT t.price FROM trades t, users u WHERE u.id = t.user_id AND u.name = 'u3' AND t.symbol = 's1'",
        "SELECT t.price FROM trades t, users u WHERE u.id = t.user_id AND u.name = 'u3'",
        "SELECT t.price FROM users u, trades t WHERE u.id = t.user_id",
    ] {
        let mut prepared = case.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan: Vec<String> =
            prepared.query_map([], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        assert_eq!(case.plan(sql, &[], &[]), plan, "{sql}");
    }
}

#[test]
fn a_partial_index_depends_on_the_value() {
    let case = case(&format!("{TRADES} ANALYZE;"));
    let given = [candidate("trades", &["symbol"], Some("\"state\" = 'open'"))];
    let plan = |state: &str| {
        let values = [Value::Text(state.to_owned()), Value::Text("s3".to_owned())];
        case.plan("SELECT * FROM trades WHERE state = ? AND symbol = ?", &values, &given)
    };
    assert_eq!(plan("open"), ["SEARCH trades USING INDEX idx_trades_symbol_part (symbol=?)"]);
    assert_eq!(plan("closed"), ["SCAN trades"]);
}

#[test]
fn expressions_are_confirmed_by_the_planner() {
    let case = case(&format!("{TRADES} ANALYZE;"));
    let found = case
        .explained("SELECT * FROM trades t WHERE lower(t.note) = 'x' AND random() > 0", &[], &[])
        .unwrap();
    let expressions = found.questions.iter().flat_map(|question| &question.conditions);
    let expressions: Vec<_> =
        expressions.filter(|condition| matches!(condition.term, Term::Expression(_))).collect();
    assert_eq!(expressions.len(), 1);
    assert_eq!(expressions[0].term, Term::Expression("lower(note)".to_owned()));
    assert_eq!(expressions[0].operator, Operator::Equal);
}

#[test]
fn all_kinds_of_statements_are_planned_and_none_is_run() {
    let case = case(&format!(
        "{TRADES}
         CREATE VIEW v AS SELECT user_id, count(*) AS n FROM trades GROUP BY user_id;
         CREATE TABLE log(user_id INT);
         CREATE TRIGGER noted AFTER DELETE ON trades BEGIN DELETE FROM log WHERE user_id = old.user_id; END;
         CREATE TABLE odd(\"a b\" TEXT COLLATE PHONE, \"select\" INT, g INT AS (\"select\" * 2));
         CREATE INDEX \"odd (index)\" ON odd(\"a b\");
         CREATE VIRTUAL TABLE words USING fts5(body);"
    ));
    let fine = [
        "SELECT * FROM v WHERE n > 3",
        "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 9) SELECT * FROM r JOIN users ON id = i",
        "SELECT id FROM trades UNION SELECT id FROM users ORDER BY 1",
        "DELETE FROM trades WHERE user_id = 3",
        "INSERT INTO users SELECT id, symbol FROM trades WHERE price > 5 ON CONFLICT DO NOTHING",
        "UPDATE trades SET price = 0 FROM users WHERE users.id = trades.user_id RETURNING trades.id",
        "SELECT * FROM odd WHERE \"a b\" = 'x' AND g = 4",
        "SELECT own_function(symbol) FROM trades ORDER BY symbol COLLATE own_collation",
        "SELECT * FROM words WHERE words MATCH 'x'",
        "SELECT max(id) FROM trades;",
        "CREATE TABLE another(a)",
        "-- a comment\nSELECT 1",
    ];
    for sql in fine {
        assert!(case.explained(sql, &[], &[]).is_ok(), "{sql}: {:?}", case.explained(sql, &[], &[]));
    }
    let broken = [
        "SELECT",
        "SELECT * FROM missing",
        "SELECT * FROM other.trades",
        "PRAGMA user_version = 3",
        "ATTACH 'x' AS y",
        "",
    ];
    for sql in broken {
        assert!(case.explained(sql, &[], &[]).is_err(), "{sql}");
    }
    let trigger = case.explained("DELETE FROM trades WHERE user_id = 3", &[], &[]).unwrap();
    let log = |table: &TableName| table.name == "log";
    assert!(trigger.questions.iter().any(|question| log(&question.table)), "{:?}", trigger.questions);
    assert!(trigger.effects.iter().any(|effect| log(&effect.table) && effect.kind == EffectKind::Delete));
    let rows: i64 = case.connection.query_row("SELECT count(*) FROM trades", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 12_000);
}

#[test]
fn the_end_of_a_key_is_no_scan_and_the_end_of_a_column_is_one() {
    let case = case(TRADES);
    let access = |sql: &str| case.explained(sql, &[], &[]).unwrap().plan.steps.remove(0).access;
    assert!(matches!(access("SELECT max(id) FROM trades"), Access::Search { index: None, .. }));
    assert!(matches!(access("SELECT max(price) FROM trades"), Access::Scan { index: None, .. }));
}

#[test]
fn what_cannot_be_an_index_is_an_error() {
    let case = case("CREATE VIRTUAL TABLE words USING fts5(body); CREATE TABLE t(a);");
    let bad = [
        candidate("words", &["body"], None),
        candidate("missing", &["a"], None),
        candidate("t", &["random()"], None),
        candidate("t", &["a"], Some("no such syntax")),
        Candidate {
            table: TableName { schema: "temp".to_owned(), name: "t".to_owned() },
            ..candidate("t", &["a"], None)
        },
    ];
    for given in bad {
        assert!(case.sqlite.explain(&[], std::slice::from_ref(&given)).is_err(), "{given:?}");
    }
}

#[test]
fn without_samples_of_keys_values_do_not_matter() {
    let case = case(&format!("{TRADES} CREATE INDEX by_state ON trades(state); ANALYZE;"));
    let sql = "SELECT * FROM trades WHERE state = ?";
    let plan = |state: &str, stat4: bool| {
        let options = WhatIfOptions { stat4, ..WhatIfOptions::default() };
        let statements = [statement(sql, &[Value::Text(state.to_owned())])];
        let mut explained = case.sqlite.clone().planning(options).explain(&statements, &[]).unwrap();
        explained.remove(0).unwrap().plan.steps.remove(0).detail
    };
    assert_ne!(plan("open", true), plan("closed", true));
    assert_eq!(plan("open", false), plan("closed", false));
}

#[test]
fn enforced_keys_look_for_children() {
    let case = case(
        "CREATE TABLE parent(id INTEGER PRIMARY KEY); CREATE TABLE child(id INTEGER PRIMARY KEY, parent INT REFERENCES parent(id));",
    );
    let lines = |foreign_keys: bool| {
        let options = WhatIfOptions { foreign_keys, ..WhatIfOptions::default() };
        let statements = [statement("DELETE FROM parent WHERE id = 3", &[])];
        let mut explained = case.sqlite.clone().planning(options).explain(&statements, &[]).unwrap();
        explained.remove(0).unwrap().plan.steps.iter().filter(|step| step.detail == "SCAN child").count()
    };
    assert_eq!((lines(false), lines(true)), (0, 1));
}

/// The gate of the cost model: where it says that one plan costs several times another, SQLite really takes more steps.
#[test]
fn costs_order_plans_as_their_work_does() {
    let case = case(TRADES);
    let by_user = || candidate("trades", &["user_id"], None);
    let cases: [(&str, Vec<Candidate>); 14] = [
        ("SELECT * FROM trades WHERE user_id = 5", vec![]),
        ("SELECT * FROM trades WHERE user_id = 5", vec![by_user()]),
        (
            "SELECT price FROM trades WHERE user_id = 5",
            vec![candidate("trades", &["user_id", "price"], None)],
        ),
        ("SELECT * FROM trades WHERE id = 5", vec![]),
        ("SELECT * FROM trades ORDER BY price DESC LIMIT 10", vec![]),
        ("SELECT * FROM trades ORDER BY price DESC LIMIT 10", vec![candidate("trades", &["price"], None)]),
        ("SELECT * FROM trades ORDER BY price", vec![]),
        ("SELECT max(price) FROM trades", vec![]),
        ("SELECT max(price) FROM trades", vec![candidate("trades", &["price"], None)]),
        ("SELECT * FROM users u JOIN trades t ON t.user_id = u.id WHERE u.id < 20", vec![]),
        ("SELECT * FROM users u JOIN trades t ON t.user_id = u.id WHERE u.id < 20", vec![by_user()]),
        (
            "SELECT * FROM trades WHERE state = 'open'",
            vec![candidate("trades", &["state"], Some("\"state\" = 'open'"))],
        ),
        ("SELECT symbol, count(*) FROM trades GROUP BY symbol", vec![]),
        (
            "SELECT * FROM trades WHERE user_id = 5 OR symbol = 's3'",
            vec![by_user(), candidate("trades", &["symbol"], None)],
        ),
    ];
    let mut found = Vec::new();
    for (sql, given) in &cases {
        let cost = case.explained(sql, &[], given).unwrap().cost;
        found.push((*sql, given.len(), cost, steps(&case.connection, sql, given)));
    }
    for (sql, given, cost, steps) in &found {
        for (other, other_given, other_cost, other_steps) in &found {
            assert!(
                *cost * 4.0 > *other_cost || steps < other_steps,
                "{sql} with {given}: {cost} and {steps} steps, but {other} with {other_given}: {other_cost} and {other_steps}"
            );
        }
    }
}

/// Steps of SQLite's machine with these indexes in place.
fn steps(connection: &Connection, sql: &str, given: &[Candidate]) -> i32 {
    connection.execute_batch("SAVEPOINT indexes").unwrap();
    for (position, candidate) in given.iter().enumerate() {
        let create = super::super::index_sql::create_index(candidate, &format!("built_{position}"), |_| None);
        connection.execute_batch(&create).unwrap();
    }
    connection.execute_batch("ANALYZE").unwrap();
    let mut prepared = connection.prepare(sql).unwrap();
    {
        let mut rows = prepared.query([]).unwrap();
        while rows.next().unwrap().is_some() {}
    }
    let steps = prepared.get_status(StatementStatus::VmStep);
    drop(prepared);
    connection.execute_batch("ROLLBACK TO indexes; RELEASE indexes").unwrap();
    steps
}
