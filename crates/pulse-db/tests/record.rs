//! Programs that are recorded from outside: a real Python with the system's SQLite, and programs that cannot be.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use pulse_db::record::{RecordError, RecordOutcome, run};
use pulse_db::workload::{Line, StatementLine};
use pulse_db::{WorkloadBuilder, read_workload};
use tempfile::TempDir;

/// Whether the tool of a test is there; in CI it must be.
fn has(tool: &str, check: &[&str]) -> bool {
    let is_there = Command::new(tool).args(check).output().is_ok_and(|output| output.status.success());
    assert!(is_there || std::env::var("CI").as_deref() != Ok("true"), "{tool} is missing");
    if !is_there {
        println!("skipped: {tool} is missing");
    }
    is_there
}

fn has_python() -> bool {
    has("python3", &["-c", "import sqlite3"])
}

fn recorded(program: &[&str], out: &Path) -> Result<RecordOutcome, RecordError> {
    let command: Vec<OsString> = program.iter().map(OsString::from).collect();
    run(&command, out)
}

/// Runs a Python program, and gives what was recorded of it.
fn python(code: &str) -> (RecordOutcome, Vec<StatementLine>) {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("app.jsonl");
    let outcome = recorded(&["python3", "-c", code], &out).unwrap();
    let text = std::fs::read_to_string(&out).unwrap();
    let mut lines = text.lines().map(|line| Line::parse(line.as_bytes()).unwrap());
    assert!(matches!(lines.next(), Some(Line::Header(header)) if header.dialect == "sqlite"));
    let statements = lines
        .filter_map(|line| match line {
            Line::Statement(statement) => Some(statement),
            _ => None,
        })
        .collect();
    (outcome, statements)
}

fn texts(lines: &[StatementLine]) -> Vec<&str> {
    lines.iter().map(|line| line.statement.as_str()).collect()
}

#[test]
fn a_python_program_is_recorded() {
    if !has_python() {
        return;
    }
    let (outcome, lines) = python(
        r#"
import sqlite3, sys
connection = sqlite3.connect(":memory:", isolation_level=None)
connection.execute("CREATE TABLE t (a INTEGER, b TEXT)")
for number in range(3):
    connection.execute("INSERT INTO t VALUES (?, ?)", (number, "it's \"ü\" \x07"))
connection.execute("SELECT b FROM t WHERE a = :a", {"a": 2**60}).fetchall()
connection.close()
sys.exit(7)
"#,
    );
    let expected = [
        "CREATE TABLE t (a INTEGER, b TEXT)",
        "INSERT INTO t VALUES (0, 'it''s \"ü\" \u{7}')",
        "INSERT INTO t VALUES (1, 'it''s \"ü\" \u{7}')",
        "INSERT INTO t VALUES (2, 'it''s \"ü\" \u{7}')",
        "SELECT b FROM t WHERE a = 1152921504606846976",
    ];
    assert_eq!(texts(&lines), expected);
    assert_eq!(outcome.status.code(), Some(7));
    assert_eq!((outcome.connections, outcome.statements, outcome.lost_calls), (1, 5, 0));
    assert!(lines.iter().all(|line| line.calls == 1 && line.duration_ns.is_some_and(|ns| ns > 0)));
}

#[test]
fn what_sqlite_runs_itself_is_not_the_programs() {
    if !has_python() {
        return;
    }
    let (_, lines) = python(
        r#"
import sqlite3
connection = sqlite3.connect(":memory:", isolation_level=None)
connection.executescript("""
CREATE TABLE t (a); CREATE TABLE log (a);
CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.a); UPDATE log SET a = 1; END;
CREATE VIRTUAL TABLE f USING fts5 (x);
""")
connection.execute("INSERT INTO t VALUES (7)")
connection.execute("INSERT INTO f VALUES ('apple pie')")
inserted = connection.execute("INSERT INTO log VALUES (8), (9) RETURNING a")
inserted.fetchone()
for row in connection.execute("SELECT rowid FROM f WHERE f MATCH 'apple' ORDER BY rank"):
    connection.execute("SELECT ?", row).fetchall()
"#,
    );
    let mut seen: Vec<&str> =
        texts(&lines).into_iter().filter(|sql| !sql.trim_start().starts_with("CREATE")).collect();
    // Pythons differ in whether they fetch the next row before they give the one before.
    seen.sort_unstable();
    let expected = [
        "INSERT INTO f VALUES ('apple pie')",
        "INSERT INTO log VALUES (8), (9) RETURNING a",
        "INSERT INTO t VALUES (7)",
        "SELECT 1",
        "SELECT rowid FROM f WHERE f MATCH 'apple' ORDER BY rank",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn children_and_threads_are_recorded() {
    if !has_python() {
        return;
    }
    let (outcome, lines) = python(
        r#"
import os, sqlite3, subprocess, sys, threading
def ask(text):
    connection = sqlite3.connect(":memory:")
    for _ in range(50):
        connection.execute(f"SELECT '{text}'").fetchall()
shared = sqlite3.connect(":memory:")
child = os.fork()
if child == 0:
    # A program may close what it does not know.
    os.closerange(3, 256)
    ask("forked")
    shared.execute("SELECT 'shared'").fetchall()
    os._exit(0)
os.waitpid(child, 0)
subprocess.run([sys.executable, "-c", "import sqlite3; sqlite3.connect(':memory:').execute(\"SELECT 'other'\").fetchall()"], check=True)
threads = [threading.Thread(target=ask, args=("thread",)) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"#,
    );
    let count = |text: &str| texts(&lines).iter().filter(|sql| **sql == text).count();
    assert_eq!(
        [
            count("SELECT 'forked'"),
            count("SELECT 'shared'"),
            count("SELECT 'other'"),
            count("SELECT 'thread'")
        ],
        [50, 1, 1, 200]
    );
    assert_eq!((outcome.connections, outcome.statements), (7, 252));
}

#[test]
fn a_recording_is_a_workload() {
    if !has_python() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("app.jsonl");
    let code = "import sqlite3\nc = sqlite3.connect(':memory:')\nfor n in range(20): c.execute('SELECT ?', (n,)).fetchall()";
    recorded(&["python3", "-c", code], &out).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&out).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let mut builder = WorkloadBuilder::new(1);
    let outcome = read_workload(&out, &mut builder).unwrap();
    assert_eq!(outcome.dialects, ["sqlite"]);
    let workload = builder.finish();
    assert_eq!(workload.skipped, []);
    assert_eq!((workload.statements.len(), workload.calls()), (1, 20));
    assert_eq!((workload.statements[0].samples.len(), workload.statements[0].durations.count()), (20, 20));
    // It is not overwritten.
    let error = recorded(&["python3", "-c", code], &out).unwrap_err();
    assert!(matches!(error, RecordError::Exists { .. }), "{error}");
}

#[test]
fn a_program_of_this_kind_has_sqlite_built_in() {
    // What the test below records: this very program, with this very test.
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    connection.query_row("SELECT 1", [], |_| Ok(())).unwrap();
}

#[test]
fn a_program_with_sqlite_built_in_is_told_apart() {
    let this = std::env::current_exe().unwrap();
    let name = "a_program_of_this_kind_has_sqlite_built_in";
    refused(&[this.to_str().unwrap(), "--exact", name, "--quiet"], "it has SQLite built in");
    refused(&["true"], "it used no SQLite");
}

/// Nothing is recorded, for this reason, and no file is left.
fn refused(program: &[&str], reason: &str) {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("app.jsonl");
    let error = recorded(program, &out).unwrap_err().to_string();
    assert!(error.contains(reason), "{error}");
    assert!(!out.exists());
}

#[test]
fn a_static_program_is_not_run() {
    if !has("cc", &["--version"]) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let program: PathBuf = folder.path().join("static");
    let source = folder.path().join("static.c");
    std::fs::write(&source, "#include <stdio.h>\nint main(void) { return fclose(fopen(\"ran\", \"w\")); }\n")
        .unwrap();
    let compiled = Command::new("cc").arg("-static").arg(&source).arg("-o").arg(&program).status().unwrap();
    assert!(compiled.success());
    refused(&[program.to_str().unwrap()], "is linked statically");
    assert!(!Path::new("ran").exists());
}

#[test]
fn programs_that_are_not_there_are_named() {
    refused(&["no-such-program-anywhere"], "there is no program no-such-program-anywhere");
    refused(&[], "there is no program to record");
    let folder = TempDir::new().unwrap();
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "not a program").unwrap();
    refused(&[plain.to_str().unwrap()], "cannot run");
    let error = recorded(&["true"], &folder.path().join("no/such/folder")).unwrap_err().to_string();
    assert!(error.contains("cannot write"), "{error}");
}
