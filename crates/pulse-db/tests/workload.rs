//! Workloads from end to end: what is recorded of a real database is what is read, and what is written obeys its schema.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

use pulse_db::workload::{Header, Line, StatementLine, Value, Values, WorkloadWriter};
use pulse_db::{Workload, WorkloadBuilder, read_workload};

fn schema() -> jsonschema::Validator {
    let text = include_str!("../../../schemas/workload.json");
    jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
}

#[test]
fn what_is_written_obeys_the_schema() {
    let schema = schema();
    let values = vec![
        Value::Null,
        Value::Integer(i64::MIN),
        Value::Real(1e300),
        Value::Real(f64::NEG_INFINITY),
        Value::Real(f64::NAN),
        Value::Text("\u{0}ü".to_owned()),
        Value::Blob(vec![0, 255]),
    ];
    let named = values.iter().map(|value| (":x".to_owned(), value.clone())).collect();
    let line = |values| StatementLine {
        statement: "SELECT 1".to_owned(),
        calls: 1,
        values,
        ..StatementLine::default()
    };
    let full =
        StatementLine { duration_ns: Some(7), rows: Some(0), ..line(Some(Values::Positional(values))) };
    let header = Header {
        dialect: "sqlite".to_owned(),
        recorded: "2026-01-01T00:00:00Z".to_owned(),
        has_values: true,
    };
    let mut writer = WorkloadWriter::new(Vec::new(), header, 1 << 20).unwrap();
    for line in [line(None), full, line(Some(Values::Named(named)))] {
        writer.write(line).unwrap();
    }
    writer.lose(3);
    let written = String::from_utf8(writer.finish().unwrap()).unwrap();
    assert_eq!(written.lines().count(), 5);
    for line in written.lines() {
        let json = serde_json::from_str(line).unwrap();
        assert!(schema.is_valid(&json), "{line}");
        Line::parse(line.as_bytes()).unwrap();
    }
}

/// Both refuse the same lines, so that the schema tells what can be read.
#[test]
fn what_the_schema_refuses_is_not_read() {
    let schema = schema();
    for line in [
        r#"{"statement":"SELECT 1","call":1}"#,
        r#"{"statement":"SELECT 1","calls":0}"#,
        r#"{"statement":"SELECT 1","values":[[1]]}"#,
        r#"{"statement":"SELECT 1","values":[{"real":"1"}]}"#,
        r#"{"statement":7}"#,
        r#"{"format":"pulse-workload","version":2}"#,
        "{}",
    ] {
        assert!(!schema.is_valid(&serde_json::from_str(line).unwrap()), "{line}");
        assert!(Line::parse(line.as_bytes()).is_err(), "{line}");
    }
}

#[test]
fn what_is_recorded_is_read() {
    use pulse_db::hook::{Recorder, RecorderConfig};
    use pulse_testkit::{TRADING_STATEMENTS, trading};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trading.jsonl");
    let mut connection = rusqlite::Connection::open_in_memory().unwrap();
    trading(&connection, 1, 200).unwrap();
    let recorder = Recorder::create(&path, &RecorderConfig::default()).unwrap();
    recorder.attach(&mut connection).unwrap();
    for _ in 0..3 {
        for sql in TRADING_STATEMENTS {
            let mut statement = connection.prepare(sql).unwrap();
            let mut rows = statement.query([]).unwrap();
            while rows.next().unwrap().is_some() {}
        }
    }
    recorder.finish().unwrap();
    let workload = read(&path);
    assert_eq!(workload.skipped, []);
    let sql: Vec<&str> = workload.statements.iter().map(|statement| statement.sql.as_str()).collect();
    assert_eq!(sql, TRADING_STATEMENTS);
    assert!(
        workload.statements.iter().all(|statement| statement.calls == 3 && statement.durations.count() == 3)
    );
    for line in std::fs::read_to_string(&path).unwrap().lines() {
        assert!(schema().is_valid(&serde_json::from_str(line).unwrap()), "{line}");
    }
}

fn read(path: &std::path::Path) -> Workload {
    let mut builder = WorkloadBuilder::new(1);
    read_workload(path, &mut builder).unwrap();
    builder.finish()
}
