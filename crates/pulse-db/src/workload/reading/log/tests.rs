//! Logs as frameworks write them.

use super::*;
use crate::workload::{Value, Workload};

fn read(text: &str) -> Workload {
    let mut builder = WorkloadBuilder::new(1);
    let mut reader = LogReader::new("app.log");
    for (number, line) in (1..).zip(text.lines()) {
        reader.line(line, number, &mut builder);
    }
    reader.finish(&mut builder);
    builder.finish()
}

/// Form, calls, sum of durations in microseconds, and origin of every statement.
fn statements(workload: &Workload) -> Vec<(&str, u64, u128, &str)> {
    workload
        .statements
        .iter()
        .map(|statement| {
            let micros = statement.durations.sum() / 1000;
            (statement.form.as_str(), statement.calls, micros, statement.origin.as_str())
        })
        .collect()
}

fn skipped(workload: &Workload) -> Vec<(&str, u64)> {
    workload.skipped.iter().map(|skipped| (skipped.origin.as_str(), skipped.count)).collect()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn positional(values: &[Value]) -> Values {
    Values::Positional(values.to_vec())
}

#[test]
fn sqlalchemy() {
    let workload = read(include_str!("samples/sqlalchemy.log"));
    let expected = [
        (
            "SELECT users.id AS users_id, users.name AS users_name FROM users WHERE users.id = ?",
            2,
            0,
            "app.log:2",
        ),
        ("INSERT INTO users(name, age) VALUES (?, ?)", 103, 0, "app.log:10"),
        ("SELECT count(*) AS count_1 FROM users", 1, 0, "app.log:13"),
        ("UPDATE users SET name = ? WHERE users.id = ?", 1, 0, "app.log:17"),
    ];
    assert_eq!(statements(&workload), expected);
    let samples = &workload.statements[0].samples;
    assert_eq!(samples[0].values, positional(&[Value::Integer(5)]));
    assert_eq!(samples[1].values, positional(&[Value::Integer(6)]));
    assert!(
        workload.statements[1]
            .samples
            .iter()
            .any(|call| call.values == positional(&[text("it's"), Value::Null]))
    );
    let named = Values::Named(vec![("name".to_owned(), text("x")), ("id_1".to_owned(), Value::Integer(3))]);
    assert_eq!(workload.statements[3].samples[0].values, named);
    assert_eq!(workload.statements[3].sql, "UPDATE users SET name=:name WHERE users.id = :id_1");
    // BEGIN, ROLLBACK and what has nothing to do with it.
    assert_eq!(skipped(&workload), [("app.log:1", 2), ("app.log:16", 1)]);
}

#[test]
fn django() {
    let workload = read(include_str!("samples/django.log"));
    let expected = [
        (
            "SELECT \"app_trade\".\"id\", \"app_trade\".\"symbol\" FROM \"app_trade\" WHERE \"app_trade\".\"symbol\" = ? LIMIT ?",
            2,
            4000,
            "app.log:2",
        ),
        ("SELECT a FROM app_trade WHERE b = ?", 1, 12_000, "app.log:4"),
        ("UPDATE app_trade SET x = ? WHERE id = ?", 1, 1000, "app.log:8"),
    ];
    assert_eq!(statements(&workload), expected);
    assert_eq!(workload.statements[2].sql, "UPDATE app_trade SET x = ? WHERE id = ?");
    assert_eq!(workload.statements[2].samples[0].values, positional(&[text("y"), Value::Integer(7)]));
    assert_eq!(skipped(&workload), [("app.log:1", 2), ("app.log:9", 1)]);
}

#[test]
fn rails() {
    let workload = read(include_str!("samples/rails.log"));
    let expected = [
        ("SELECT \"trades\".* FROM \"trades\" WHERE \"trades\".\"symbol\" = ? LIMIT ?", 2, 3500, "app.log:2"),
        ("INSERT INTO \"trades\"(\"symbol\", \"note\") VALUES (?, ?)", 1, 300, "app.log:6"),
        ("SELECT COUNT(*) FROM \"trades\"", 1, 200, "app.log:8"),
    ];
    assert_eq!(statements(&workload), expected);
    assert_eq!(workload.statements[0].samples[0].values, positional(&[text("AAPL"), Value::Integer(1)]));
    assert_eq!(workload.statements[1].samples[0].values, positional(&[text("A \"B\""), Value::Null]));
    assert_eq!(skipped(&workload), [("app.log:1", 3), ("app.log:4", 1), ("app.log:5", 1)]);
}

/// Lines, their statements, and microseconds.
const PLAIN: [(&str, &str, u128); 10] = [
    ("SELECT a FROM t WHERE b = 1 12.3 ms", "SELECT a FROM t WHERE b = 1", 12_300),
    ("SELECT a FROM t WHERE b = 1 took 12.3ms", "SELECT a FROM t WHERE b = 1", 12_300),
    ("12:00:01 [db] DEBUG SELECT a FROM t (450 µs)", "SELECT a FROM t", 450),
    ("12.3 ms: SELECT a FROM t;", "SELECT a FROM t", 12_300),
    (
        "LOG:  duration: 1.5 ms  statement: select a from t where b = 'x'",
        "select a from t where b = 'x'",
        1500,
    ),
    ("[1.250ms] [rows:3] UPDATE t SET a = 1 WHERE b = 2", "UPDATE t SET a = 1 WHERE b = 2", 1250),
    ("level=debug sql=\"SELECT \\\"a\\\" FROM t\" duration_ms=7.5", "SELECT \"a\" FROM t", 7500),
    ("{\"duration_ms\": 2, \"sql\": \"DELETE FROM t WHERE a = 1\"}", "DELETE FROM t WHERE a = 1", 2000),
    (
        "query WITH x AS (SELECT 1) SELECT * FROM x; took: 0.002 s",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        2000,
    ),
    ("Executed INSERT OR IGNORE INTO t VALUES (1, 2) in 40us", "INSERT OR IGNORE INTO t VALUES (1, 2)", 40),
];

#[test]
fn plain_lines() {
    for (line, sql, micros) in PLAIN {
        let workload = read(line);
        assert_eq!(workload.statements.len(), 1, "{line}: {:?}", workload.skipped);
        let statement = &workload.statements[0];
        assert_eq!((statement.sql.as_str(), statement.durations.sum()), (sql, micros * 1000), "{line}");
        assert_eq!(statement.samples[0].values, Values::default(), "{line}");
    }
    let workload = read("SELECT a FROM t WHERE b = ? [7, 'x'] -- 3 ms");
    assert_eq!(workload.statements[0].sql, "SELECT a FROM t WHERE b = ?");
    assert_eq!(workload.statements[0].samples[0].values, positional(&[Value::Integer(7), text("x")]));
}

#[test]
fn sentences_are_no_statements() {
    for line in [
        "Please select 5 ms from the menu",
        "we update the clock set every 5 ms",
        "GET /select 200 in 12ms",
        "started with 3 workers in 12 ms",
        "SELECT a FROM t",
        "the statement took 12 ms",
        "inserted into the queue in 3 ms",
    ] {
        let workload = read(line);
        let found = (workload.statements.len(), workload.skipped.len());
        assert_eq!(found, (0, 1), "{line}: {:?}", workload.statements);
    }
}

#[test]
fn a_log_of_everything_is_read() {
    let all = [
        include_str!("samples/rails.log"),
        include_str!("samples/django.log"),
        include_str!("samples/sqlalchemy.log"),
    ];
    let together: u64 = all.iter().map(|log| read(log).calls()).sum();
    assert_eq!(read(&all.concat()).calls(), together);
}

#[test]
fn a_statement_without_end_is_bounded() {
    let mut log = "2024-01-01 INFO sqlalchemy.engine.Engine SELECT a\n".to_owned();
    for _ in 0..40_000 {
        log.push_str("FROM t\n,b ");
    }
    let workload = read(&log);
    assert_eq!(workload.statements.len(), 0);
    assert!(
        workload.skipped.iter().any(|skipped| skipped.reason.contains("too long")),
        "{:?}",
        workload.skipped
    );
}

#[test]
fn many_lines_are_fast_enough_to_be_read_at_once() {
    // Quadratic work on one line would not end here.
    for piece in
        ["select ", "? [1, ", "(0.001) ", "; args=", "  [[", "1 ms ", "\u{1b}[1m", "sqlalchemy.engine "]
    {
        read(&piece.repeat(20_000));
    }
}
