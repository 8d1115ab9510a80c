//! Workloads as files have them.

use super::*;
use crate::workload::{Skipped, Value, Values, Workload};

const HEADER: &str = r#"{"format":"pulse-workload","version":1,"dialect":"sqlite","recorded":"2026-01-01T00:00:00Z","has_values":true}"#;

fn read(text: &[u8]) -> Result<(WorkloadFormat, Workload), String> {
    let mut builder = WorkloadBuilder::new(1);
    let outcome = read_workload_from(text, "w", &mut builder).map_err(|error| error.to_string())?;
    Ok((outcome.format, builder.finish()))
}

fn trace(lines: &[&str]) -> Result<Workload, String> {
    let text = format!("{HEADER}\n{}", lines.join("\n"));
    read(text.as_bytes()).map(|(_, workload)| workload)
}

fn reasons(workload: &Workload) -> Vec<(&str, u64)> {
    workload.skipped.iter().map(|Skipped { reason, count, .. }| (reason.as_str(), *count)).collect()
}

#[test]
fn the_content_tells_the_format() {
    let cases = [
        (HEADER, WorkloadFormat::Trace),
        ("\u{feff}{\"format\":\"pulse-workload\",\"version\":1}\n", WorkloadFormat::Trace),
        ("-- calls: 2\nSELECT 1;", WorkloadFormat::Script),
        ("\n/* a\n b */ select 1", WorkloadFormat::Script),
        (".headers on\nSELECT 1;", WorkloadFormat::Script),
        ("(0.003) SELECT 1; args=()", WorkloadFormat::Log),
        ("SELECT a FROM b; 12 ms", WorkloadFormat::Log),
        ("starting\nready\n  Trade Load (0.1ms)  SELECT 1\n", WorkloadFormat::Log),
        ("{\"msg\":\"ready\"}\n", WorkloadFormat::Log),
        ("hello", WorkloadFormat::Log),
        ("", WorkloadFormat::Log),
    ];
    for (text, format) in cases {
        assert_eq!(read(text.as_bytes()).map(|(format, _)| format), Ok(format), "{text}");
    }
}

#[test]
fn nothing_lost_is_nothing_skipped() {
    assert_eq!(reasons(&trace(&[r#"{"lost_calls":0}"#]).unwrap()), []);
}

#[test]
fn a_trace_is_read() {
    let workload = trace(&[
        r#"{"statement":"SELECT a FROM t WHERE b = ?","calls":2,"duration_ns":100,"rows":3,"values":[7]}"#,
        "",
        HEADER,
        r#"{"statement":"SELECT a FROM t WHERE b = ?","calls":1,"duration_ns":50,"values":[8]}"#,
        r#"{"statement":"CREATE TABLE x (a); INSERT INTO x VALUES (1); SELECT a FROM x;","calls":4,"duration_ns":9}"#,
        r#"{"statement":"SELECT c FROM t;"}"#,
        r#"{"lost_calls":12}"#,
        r#"{"statement":7}"#,
        r#"{"statement":"SELECT 1","cal"#,
    ])
    .unwrap();
    let seen: Vec<(&str, u64, u64)> = workload
        .statements
        .iter()
        .map(|statement| (statement.sql.as_str(), statement.calls, statement.durations.count()))
        .collect();
    let expected = [
        ("SELECT a FROM t WHERE b = ?", 3, 3),
        ("INSERT INTO x VALUES (1)", 4, 0),
        ("SELECT a FROM x", 4, 0),
        ("SELECT c FROM t", 1, 0),
    ];
    assert_eq!(seen, expected);
    assert_eq!(workload.statements[0].samples[2].values, Values::Positional(vec![Value::Integer(8)]));
    let expected = [
        ("changes the schema: never run", 4),
        ("calls that the recording lost", 12),
        ("not a line of a workload file: invalid type: integer `7`, expected a string", 1),
        ("the last line was cut short", 1),
    ];
    assert_eq!(reasons(&workload), expected);
    assert_eq!(workload.skipped[1].origin, "w:8");
}

#[test]
fn a_whole_last_line_needs_no_end() {
    assert_eq!(trace(&[r#"{"statement":"SELECT 1"}"#]).unwrap().calls(), 1);
}

#[test]
fn what_is_no_workload_says_why() {
    let newer = r#"{"format":"pulse-workload","version":7,"anything":1}"#;
    let cases: [(&[u8], &str); 5] = [
        (newer.as_bytes(), "w:1 begins a workload of version 7, and this program knows up to 1"),
        (br#"{"statement":"SELECT 1","calls":1}"#, "not with the line of a workload file"),
        (br#"{"format":"nginx","a":1}"#, "not with the line of a workload file"),
        (b"SQLite format 3\0\x10\0", "not a text"),
        (b"S\0E\0L\0", "not a text"),
    ];
    for (text, message) in cases {
        let error = read(text).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
    let error = trace(&[r#"{"statement":"SELECT 1"}"#, newer]).unwrap_err();
    assert!(error.contains("w:3 begins a workload of version 7"), "{error}");
    let mut builder = WorkloadBuilder::new(1);
    for path in ["/nowhere/at/all.sql", "/"] {
        let error = read_workload(Path::new(path), &mut builder).unwrap_err().to_string();
        assert!(error.contains("cannot read the workload /"), "{error}");
    }
}

#[test]
fn a_long_line_is_passed_over() {
    let long = format!(r#"{{"statement":"SELECT '{}'"}}"#, "x".repeat(MAX_LINE_BYTES));
    let workload = trace(&[&long, r#"{"statement":"SELECT 1"}"#]).unwrap();
    assert_eq!((workload.calls(), reasons(&workload)[0].1), (1, 1));
    assert!(!workload.skipped[0].text.contains("xxx"), "{}", workload.skipped[0].text);
}

#[test]
fn a_long_line_of_a_script_takes_only_its_statement_along() {
    let long = format!("VALUES ('{}');", "x".repeat(MAX_LINE_BYTES));
    let text = format!("SELECT a FROM t;\n-- calls: 5\nINSERT INTO t\n{long}\nSELECT b FROM t;");
    let (format, workload) = read(text.as_bytes()).unwrap();
    let forms: Vec<&str> = workload.statements.iter().map(|statement| statement.form.as_str()).collect();
    assert_eq!((format, forms), (WorkloadFormat::Script, vec!["SELECT a FROM t", "SELECT b FROM t"]));
    assert_eq!((workload.calls(), workload.skipped.len()), (2, 1));
}

#[test]
fn a_huge_file_is_read_as_it_comes() {
    /// Gives lines until there were enough.
    struct Lines {
        given: u64,
        rest: Vec<u8>,
    }

    impl Read for Lines {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.rest.is_empty() && self.given < 20_000 {
                self.given += 1;
                let line = format!("SELECT a FROM t WHERE b = {}; took {} ms\n", self.given, self.given % 7);
                self.rest = line.into_bytes();
            }
            let length = self.rest.len().min(buffer.len());
            buffer[..length].copy_from_slice(&self.rest[..length]);
            self.rest.drain(..length);
            Ok(length)
        }
    }

    let mut builder = WorkloadBuilder::new(1);
    let outcome = read_workload_from(Lines { given: 0, rest: Vec::new() }, "-", &mut builder).unwrap();
    let workload = builder.finish();
    assert_eq!((outcome.lines, workload.statements.len(), workload.calls()), (20_000, 1, 20_000));
}

#[test]
fn a_stream_that_breaks_says_where() {
    struct Broken(bool);

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(io::Error::other("gone"));
            }
            // More than the sample, so that it breaks while lines are read.
            buffer.fill(b'\n');
            Ok(buffer.len())
        }
    }

    let mut builder = WorkloadBuilder::new(1);
    let error = read_workload_from(Broken(false), "-", &mut builder).unwrap_err().to_string();
    assert!(error.contains("gone"), "{error}");
}
