//! What a program's statements become.

use super::*;
use crate::workload::Line;
use std::sync::Mutex;

fn recorded(config: &RecorderConfig, work: impl FnOnce(&mut Connection)) -> (Vec<Line>, Recorded) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.jsonl");
    let observer = Recorder::create(&path, config).unwrap();
    let mut connection = Connection::open_in_memory().unwrap();
    observer.attach(&mut connection).unwrap();
    work(&mut connection);
    let recorded = observer.finish().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.ends_with('\n'));
    (text.lines().map(|line| Line::parse(line.as_bytes()).unwrap()).collect(), recorded)
}

fn statements(lines: &[Line]) -> Vec<&str> {
    lines
        .iter()
        .filter_map(|line| match line {
            Line::Statement(line) => Some(line.statement.as_str()),
            _ => None,
        })
        .collect()
}

#[test]
fn every_statement_is_a_line() {
    let (lines, recorded) = recorded(&RecorderConfig::default(), |connection| {
        connection.execute_batch("-- a table\nCREATE TABLE t (a, b); BEGIN; COMMIT;").unwrap();
        for number in 0..3 {
            connection.execute("INSERT INTO t VALUES (?1, :b)", rusqlite::params![number, "it's"]).unwrap();
        }
        connection.query_row("SELECT count(*) FROM t", [], |_| Ok(())).unwrap();
        assert!(connection.prepare("SELECT nonsense").is_err());
    });
    assert!(matches!(&lines[0], Line::Header(header) if header.dialect == "sqlite" && header.has_values));
    let expected = [
        "-- a table\nCREATE TABLE t (a, b);",
        "INSERT INTO t VALUES (0, 'it''s')",
        "INSERT INTO t VALUES (1, 'it''s')",
        "INSERT INTO t VALUES (2, 'it''s')",
        "SELECT count(*) FROM t",
    ];
    assert_eq!(statements(&lines), expected);
    assert_eq!(recorded, Recorded { calls: 5, lost_calls: 0 });
    let Line::Statement(line) = &lines[1] else { panic!("{lines:?}") };
    assert!(line.duration_ns.unwrap() > 0);
}

#[test]
fn values_are_left_out_when_asked() {
    let config = RecorderConfig { has_values: false, ..RecorderConfig::default() };
    let (lines, _) = recorded(&config, |connection| {
        connection.query_row("SELECT ?1", ["secret"], |_| Ok(())).unwrap();
    });
    assert_eq!(statements(&lines), ["SELECT ?1"]);
    assert!(matches!(&lines[0], Line::Header(header) if !header.has_values));
}

#[test]
fn what_sqlite_runs_itself_is_not_the_programs() {
    let (lines, _) = recorded(&RecorderConfig::default(), |connection| {
        connection
            .execute_batch(
                "CREATE TABLE t (a); CREATE TABLE log (a);
                 CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.a); UPDATE log SET a = 1; END;
                 CREATE VIRTUAL TABLE f USING fts5 (x);",
            )
            .unwrap();
        connection.execute("INSERT INTO t VALUES (7)", []).unwrap();
        connection.execute("INSERT INTO f VALUES ('apple pie')", []).unwrap();
        connection
            .query_row("SELECT rowid FROM f WHERE f MATCH 'apple' ORDER BY rank", [], |_| Ok(()))
            .unwrap();
    });
    let seen: Vec<&str> =
        statements(&lines).into_iter().filter(|sql| !sql.trim_start().starts_with("CREATE")).collect();
    let expected = [
        "INSERT INTO t VALUES (7)",
        "INSERT INTO f VALUES ('apple pie')",
        "SELECT rowid FROM f WHERE f MATCH 'apple' ORDER BY rank",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn statements_may_run_between_the_rows_of_another() {
    let (lines, _) = recorded(&RecorderConfig::default(), |connection| {
        connection.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2);").unwrap();
        let mut outer = connection.prepare("SELECT a FROM t").unwrap();
        let mut rows = outer.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let a: i64 = row.get(0).unwrap();
            connection.query_row("SELECT ?1 + 1", [a], |_| Ok(())).unwrap();
            connection.execute("UPDATE t SET a = a WHERE a = ?1", [a]).unwrap();
        }
    });
    let seen = &statements(&lines)[2..];
    let expected = [
        "SELECT 1 + 1",
        "UPDATE t SET a = a WHERE a = 1",
        "SELECT 2 + 1",
        "UPDATE t SET a = a WHERE a = 2",
        "SELECT a FROM t",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_file_is_private_never_overwritten_and_limited() {
    let config = RecorderConfig { max_bytes: 2000, ..RecorderConfig::default() };
    let (lines, recorded) = recorded(&config, |connection| {
        for number in 0..100 {
            connection.query_row("SELECT ?1", [number], |_| Ok(())).unwrap();
        }
    });
    assert_eq!(lines.last(), Some(&Line::Lost(recorded.lost_calls)));
    assert!(recorded.calls > 5 && recorded.lost_calls > 5, "{recorded:?}");
    assert_eq!(recorded.calls + recorded.lost_calls, 100);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.jsonl");
    drop(Recorder::create(&path, &config).unwrap());
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions()) & 0o777,
        0o600
    );
    let error = Recorder::create(&path, &config).unwrap_err().to_string();
    assert!(error.contains("exists already and was left as it is"), "{error}");
    let error = Recorder::create(folder.path().join("no/such/file"), &config).unwrap_err().to_string();
    assert!(error.contains("cannot record statements in"), "{error}");
}

#[test]
fn a_text_that_values_make_too_long_goes_without_them() {
    let (lines, _) = recorded(&RecorderConfig::default(), |connection| {
        connection.query_row("SELECT ?1", ["x".repeat(100_000)], |_| Ok(())).unwrap();
    });
    assert_eq!(statements(&lines), ["SELECT ?1"]);
}

#[test]
fn somebody_else_may_listen() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(folder.path().join("w"), &RecorderConfig::default()).unwrap();
    let mut connection = Connection::open_in_memory().unwrap();
    let texts = Arc::clone(&heard);
    recorder.attach_with(&mut connection, move |sql, _| texts.lock().unwrap().push(sql.to_owned())).unwrap();
    connection.execute_batch("BEGIN; SELECT 1; COMMIT").unwrap();
    assert_eq!(recorder.finish().unwrap().calls, 1);
    // After its end it listens no longer, and does no harm.
    connection.execute_batch("SELECT 2").unwrap();
    assert_eq!(heard.lock().unwrap().len(), 4);
}

#[test]
fn many_connections_share_a_recorder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w");
    let recorder = Recorder::create(&path, &RecorderConfig::default()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut connection = Connection::open_in_memory().unwrap();
            recorder.attach(&mut connection).unwrap();
            scope.spawn(move || (0..200).for_each(|_| connection.execute_batch("SELECT 1").unwrap()));
        }
    });
    let Recorded { calls, lost_calls } = recorder.finish().unwrap();
    assert_eq!(calls + lost_calls, 800);
    let lines =
        std::fs::read_to_string(&path).unwrap().lines().filter(|line| line.contains("SELECT 1")).count()
            as u64;
    assert_eq!(lines, calls);
}
