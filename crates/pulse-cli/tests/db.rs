//! `pulse db`: the real program on real files.

#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod support;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use pulse_demo::{DemoConfig, DemoServer};
use serde_json::Value;
use support::{Running, pulse, read_json, run_in};

/// Statements of the demo API, as a script.
const SCRIPT: &str = "\
-- calls: 100
SELECT id, price_cents FROM trades WHERE symbol = 'SPY' ORDER BY executed_at DESC, id DESC LIMIT 20;
-- calls: 50
SELECT count(*), sum(profit_cents) FROM tool_performance WHERE tool_id = 7;
";

/// A folder with the demo's database and a script of what it is asked.
fn folder(trades: u64) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.db");
    let config = DemoConfig {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        database: Some(path.clone()),
        trades,
        ..DemoConfig::default()
    };
    DemoServer::start(config).unwrap().stop().unwrap();
    fs::write(folder.path().join("w.sql"), SCRIPT).unwrap();
    (folder, path)
}

fn analyze(folder: &Path, more: &[&str]) -> Value {
    let all =
        [&["db", "demo.db", "--workload", "w.sql", "--json", "-q", "--trial-time", "3s"], more].concat();
    let outcome = run_in(folder, &all);
    assert!(matches!(outcome.code, Some(0 | 99)), "{outcome:?}");
    outcome.json()
}

fn codes(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

fn recommended(report: &Value) -> Vec<&Value> {
    let indexes = report["database"]["indexes"].as_array().unwrap().iter();
    indexes.filter(|index| index["recommended"] == true).collect()
}

fn indexes(path: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
        .unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

#[test]
fn an_analysis_finds_the_scans_and_writes_nothing() {
    let (folder, path) = folder(20_000);
    let before = fs::read(&path).unwrap();
    let report = analyze(folder.path(), &[]);
    assert_eq!(report["run"]["kind"], "db");
    let scans: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["code"] == "full_scan")
        .map(|finding| finding["subject"].as_str().unwrap())
        .collect();
    assert_eq!(scans, ["trades", "tool_performance"], "{:?}", codes(&report));
    assert_eq!(recommended(&report).len(), 2, "{report}");
    assert_eq!(fs::read(&path).unwrap(), before);
    let mut files: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["demo.db", "w.sql"]);
}

#[test]
fn the_report_keeps_to_its_schema_and_has_a_text_and_markdown() {
    let (folder, _) = folder(5_000);
    let schema: Value = serde_json::from_str(include_str!("../../../schemas/report.schema.json")).unwrap();
    let report = analyze(folder.path(), &["--add-indexes", "--dry-run", "--out", "md=report.md"]);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let markdown = fs::read_to_string(folder.path().join("report.md")).unwrap();
    for said in ["### Database: PASS", "#### Statements", "#### Indexes", "idx_trades_symbol"] {
        assert!(markdown.contains(said), "{said}: {markdown}");
    }
    let text =
        run_in(folder.path(), &["db", "demo.db", "-w", "w.sql", "-q", "--trial-time", "1s"]).expect(0).stdout;
    for said in ["DATABASE REPORT", "STATEMENTS (ms)", " full_scan: trades", "Next: pulse db demo.db"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn indexes_are_proven_made_and_taken_back() {
    let (folder, path) = folder(20_000);
    let dry = analyze(folder.path(), &["--add-indexes", "--dry-run"]);
    assert_eq!(recommended(&dry).len(), 2, "{dry}");
    assert!(indexes(&path).is_empty());
    let report = analyze(folder.path(), &["--add-indexes"]);
    let made = indexes(&path);
    assert_eq!(made.len(), 2, "{report}");
    for row in report["database"]["statements"].as_array().unwrap() {
        assert!(row["gain"]["lo"].as_f64().unwrap() > 2.0, "{row}");
        assert!(row["plan_before"][0].as_str().unwrap().starts_with("SCAN"), "{row}");
        assert!(row["plan_after"][0].as_str().unwrap().starts_with("SEARCH"), "{row}");
    }
    for index in recommended(&report) {
        assert!(
            index["size_bytes"].as_u64().unwrap() > 4096 && index["write_cost"]["value"].is_number(),
            "{index}"
        );
    }
    // Nothing is left to be done.
    assert!(recommended(&analyze(folder.path(), &[])).is_empty());
    let undone = run_in(folder.path(), &["db", "undo", "demo.db"]).expect(0).stdout;
    assert!(made.iter().all(|name| undone.contains(name.as_str())), "{undone}");
    assert!(indexes(&path).is_empty());
    let again = run_in(folder.path(), &["db", "undo", "demo.db"]).expect(0).stdout;
    assert!(again.contains("nothing to take back"), "{again}");
}

/// From a missed target to a measured fix: a recording of the demo, the indexes, and a suite that sees the difference.
#[test]
fn a_suite_sees_that_the_endpoints_became_faster() {
    let folder = tempfile::tempdir().unwrap();
    let (path, recording) = (folder.path().join("demo.db"), folder.path().join("workload.jsonl"));
    let start = |workload: Option<PathBuf>| {
        let config = DemoConfig {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            database: Some(path.clone()),
            trades: 60_000,
            workload,
            ..DemoConfig::default()
        };
        DemoServer::start(config).unwrap()
    };
    let suite = "[[test]]\nname = \"trades\"\nrequest = \"GET /api/v1/trades?symbol=SPY&limit=20\"\n\
                 samples = 60\ntargets = [\"p50 < 2ms\", \"errors = 0\"]\n";
    fs::write(folder.path().join("suite.toml"), suite).unwrap();
    let tested = |url: &str| {
        let arguments = ["test", "suite.toml", "--url", url, "--no-history", "--out", "json=report.json"];
        let outcome = run_in(folder.path(), &arguments);
        let report: Value =
            serde_json::from_str(&fs::read_to_string(folder.path().join("report.json")).unwrap()).unwrap();
        let median = report["cases"][0]["response_time"]["median"].as_f64();
        (outcome.code, median.unwrap_or_else(|| panic!("{outcome:?} {report}")))
    };
    let server = start(Some(recording));
    let (code, slow) = tested(&server.url());
    server.stop().unwrap();
    assert!(matches!(code, Some(98 | 99)), "{code:?}");
    let arguments = ["db", "demo.db", "-w", "workload.jsonl", "--add-indexes", "-q", "--trial-time", "4s"];
    let fixed = run_in(folder.path(), &arguments).expect(0).stdout;
    assert!(fixed.contains("CREATE INDEX") && fixed.contains(": done"), "{fixed}");
    let server = start(None);
    let (_, fast) = tested(&server.url());
    server.stop().unwrap();
    assert!(fast < slow / 2.0, "{slow} ms before, {fast} ms after");
}

#[test]
fn a_missed_target_is_red() {
    let (folder, _) = folder(20_000);
    let arguments = ["db", "demo.db", "-w", "w.sql", "-q", "--trial-time", "1s", "--target", "mean < 1us"];
    let outcome = run_in(folder.path(), &arguments).expect(99);
    assert!(outcome.stdout.contains("FAIL  avg < 1us"), "{}", outcome.stdout);
}

#[test]
fn without_a_workload_nothing_is_made() {
    let (folder, path) = folder(1_000);
    let outcome = run_in(folder.path(), &["db", "demo.db", "--add-indexes", "-q"]).expect(0);
    assert!(outcome.stdout.contains("No workload was given"), "{}", outcome.stdout);
    assert!(indexes(&path).is_empty());
}

#[test]
fn statements_come_from_standard_input_too() {
    let (folder, _) = folder(2_000);
    let mut command = pulse(&["db", "demo.db", "--workload", "-", "--json", "-q", "--trial-time", "1s"]);
    let input = fs::File::open(folder.path().join("w.sql")).unwrap();
    let output = command.current_dir(folder.path()).stdin(input).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["database"]["workload"]["calls"], 150, "{report}");
}

#[test]
fn rules_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let all = run_in(folder.path(), &["db", "explain"]).expect(0).stdout;
    assert!(all.contains("missing_index") && all.contains("risky_setting"), "{all}");
    let one = run_in(folder.path(), &["db", "explain", "missing_index"]).expect(0).stdout;
    assert!(one.starts_with("missing_index: ") && one.lines().count() > 2, "{one}");
    run_in(folder.path(), &["db", "explain", "mising_index"])
        .expect(2)
        .says(&["Did you mean missing_index?"]);
}

#[test]
fn what_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("text.db", &b"this is a sentence of some length, and no database at all ".repeat(100));
    write("empty.db", b"");
    write("nothing.sql", b"-- only a comment\n");
    write("binary.log", b"\0\x01\x02\xff");
    write("newer.jsonl", br#"{"format":"pulse-workload","version":99,"dialect":"sqlite"}"#);
    fs::create_dir(folder.path().join("dir.db")).unwrap();
    for (arguments, said) in [
        (&["missing.db"][..], "there is no database file missing.db"),
        (&[], "there is no database file pulse_trading.db"),
        (&["dir.db"], "is not a file"),
        (&["text.db"], "not an SQLite database, or it is encrypted"),
        (&["empty.db", "--workload", "missing.sql"], "missing.sql"),
        (&["empty.db", "--workload", "nothing.sql"], "there is no statement in nothing.sql"),
        (&["empty.db", "--workload", "binary.log"], "binary.log"),
        (&["empty.db", "--workload", "newer.jsonl"], "99"),
        (&["empty.db", "--target", "p101 < 1s"], "p101"),
        (&["empty.db", "--budget", "3ms"], "is not a size"),
        (&["undo", "missing.db"], "there is no database file"),
        (&["record"], "COMMAND"),
    ] {
        run_in(folder.path(), &[&["db"], arguments].concat()).expect(2).says(&["error: ", said]);
    }
    let outcome = run_in(folder.path(), &["db", "empty.db"]).expect(0);
    assert!(outcome.stdout.contains("There is no table in it"), "{}", outcome.stdout);
    assert!(!folder.path().join("missing.db").exists() && !folder.path().join("pulse_trading.db").exists());
}

#[test]
fn the_page_shows_it_too() {
    let (folder, _) = folder(2_000);
    let arguments = ["db", "demo.db", "-w", "w.sql", "-q", "--trial-time", "1s", "--out", "html=report.html"];
    let outcome = run_in(folder.path(), &arguments);
    if !pulse_report::Html::is_there() {
        outcome.expect(2);
        return;
    }
    outcome.expect(0);
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    for said in ["\"database\":{", "idx_trades_symbol", "\"full_scan\""] {
        assert!(page.contains(said), "{said}");
    }
}

fn outcomes(report: &Value) -> Vec<&str> {
    let actions = report["database"]["actions"].as_array().unwrap().iter();
    actions.map(|action| action["outcome"].as_str().unwrap()).collect()
}

/// What the planner's statistics say of the table that has an index.
fn statistics(path: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT tbl || ' ' || stat FROM sqlite_stat1 ORDER BY 1").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_file_is_written_anew_when_that_saves_something() {
    let (folder, path) = folder(20_000);
    rusqlite::Connection::open(&path).unwrap().execute_batch("DELETE FROM trades WHERE id % 10 > 0").unwrap();
    let size = || fs::metadata(&path).unwrap().len();
    let before = size();
    let dry = analyze(folder.path(), &["--vacuum", "--dry-run"]);
    assert!(outcomes(&dry)[0].starts_with("not done, as was asked for"), "{dry}");
    assert_eq!(size(), before);
    let done = analyze(folder.path(), &["--vacuum"]);
    assert!(outcomes(&done)[0].starts_with("done: "), "{done}");
    assert!(size() < before * 9 / 10, "{before} {}", size());
    assert_eq!(done["database"]["after"]["size_bytes"], size(), "{done}");
    let again = analyze(folder.path(), &["--vacuum"]);
    assert!(outcomes(&again)[0].starts_with("not done: nothing to gain"), "{again}");
}

#[test]
fn statistics_are_taken_anew_and_put_back() {
    let (folder, path) = folder(2_000);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch("CREATE INDEX mine ON trades (symbol); ANALYZE; DELETE FROM trades WHERE id > 100")
        .unwrap();
    drop(connection);
    let old = statistics(&path);
    let report = analyze(folder.path(), &["--analyze-stats"]);
    assert_eq!(outcomes(&report), ["done"], "{report}");
    assert_ne!(statistics(&path), old);
    run_in(folder.path(), &["db", "undo", "demo.db"]).expect(0);
    assert_eq!(statistics(&path), old);
}

#[test]
fn limits_and_the_planners_word_alone() {
    let (folder, path) = folder(20_000);
    let one = analyze(folder.path(), &["--max-indexes", "1"]);
    assert_eq!(recommended(&one).len(), 1, "{one}");
    let none = analyze(folder.path(), &["--budget", "1KB"]);
    assert!(recommended(&none).is_empty(), "{none}");
    let unverified = analyze(folder.path(), &["--add-indexes", "--no-verify", "--max-indexes", "1"]);
    assert_eq!(indexes(&path).len(), 1, "{unverified}");
    assert!(recommended(&unverified)[0]["reason"].as_str().unwrap().contains("--no-verify"), "{unverified}");
    assert!(unverified["database"]["statements"][0]["gain"].is_null(), "{unverified}");
}

/// No index saves all of a statement's time.
#[test]
fn an_index_that_gains_too_little_is_not_made() {
    let (folder, path) = folder(20_000);
    let report = analyze(folder.path(), &["--add-indexes", "--min-gain", "100%"]);
    assert!(recommended(&report).is_empty() && indexes(&path).is_empty(), "{report}");
}

/// What was made before Ctrl-C is in the report, with the way back.
#[test]
fn an_interrupted_run_reports_what_it_did() {
    let (folder, path) = folder(20_000);
    let flags = ["--add-indexes", "--analyze-stats", "--trial-time", "5s", "--out", "json=report.json"];
    let mut command = pulse(&[&["db", "demo.db", "--workload", "w.sql"][..], &flags].concat());
    let running = Running::start(command.current_dir(folder.path()));
    // The indexes are made; what new statistics would change is found out next, on copies.
    let journal = folder.path().join("demo.db.pulse-journal.jsonl");
    while !fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"ended\"")) {
        std::thread::yield_now();
    }
    running.signal("INT");
    let outcome = running.finish().expect(130).says(&["Stopping where nothing is lost"]);
    for said in
        ["WHAT WAS DONE", "ANALYZE main: not done: interrupted", "Ending: interrupted", "pulse db undo"]
    {
        assert!(outcome.stdout.contains(said), "{said}: {}", outcome.stdout);
    }
    let report = read_json(&folder.path().join("report.json"));
    let made = indexes(&path);
    assert!(!made.is_empty() && report["ending"] == "interrupted", "{report}");
    let outcomes = outcomes(&report);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "done").count(), made.len(), "{report}");
    assert_eq!(outcomes.last(), Some(&"not done: interrupted"), "{report}");
    run_in(folder.path(), &["db", "undo", "demo.db"]).expect(0);
    assert!(indexes(&path).is_empty());
}

#[test]
fn an_undo_that_waits_for_a_lock_can_be_interrupted() {
    let (folder, path) = folder(2_000);
    analyze(folder.path(), &["--analyze-stats"]);
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut command = pulse(&["db", "undo", "demo.db"]);
    let running =
        Running::start_until(command.current_dir(folder.path()), "waiting for another program's lock");
    running.signal("INT");
    running.finish().expect(130).says(&["stopped: nothing was changed"]);
    drop(other);
    run_in(folder.path(), &["db", "undo", "demo.db"]).expect(0);
}

/// Of two alike one goes; one that only the clock needs stays, and so does whatever enforces something or differs.
#[test]
fn indexes_are_dropped_and_taken_back() {
    const SCHEMA: &str = "
        CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b INT, c TEXT, note TEXT);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO t SELECT i, i % 20, i / 100, 'c' || (i % 300), hex(zeroblob(150)) FROM n;
        CREATE TABLE parent(code TEXT, name TEXT); INSERT INTO parent SELECT 'p' || id, id FROM t WHERE id <= 2000;
        CREATE UNIQUE INDEX parent_code ON parent(code);
        CREATE TABLE child(code TEXT REFERENCES parent(code), v INT);
        INSERT INTO child SELECT 'p' || id, id FROM t WHERE id <= 2000;
        CREATE INDEX child_code ON child(code); CREATE UNIQUE INDEX id_c ON t(id, c);
        CREATE INDEX c_binary ON t(c); CREATE INDEX c_nocase ON t(c COLLATE NOCASE, b);
        CREATE INDEX b_down ON t(b DESC); CREATE INDEX b_up ON t(b, a);
        CREATE INDEX b_some ON t(b) WHERE c = 'c1';
        CREATE INDEX narrow ON t(a); CREATE INDEX wide ON t(a, note);
        CREATE INDEX c_twin ON t(c); ANALYZE;";
    const ASKED: &str = "SELECT count(*) FROM t WHERE a > 3;
        SELECT note FROM t WHERE c = 'c7';
        SELECT note FROM t WHERE c = 'C7' COLLATE NOCASE;
        SELECT note FROM t WHERE b = 7 AND a = 3;
        SELECT note FROM t WHERE b = 7 AND c = 'c1';
        SELECT name FROM parent WHERE rowid = 7;
        SELECT v FROM child WHERE rowid = 7;";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(SCHEMA).unwrap();
    fs::write(folder.path().join("w.sql"), ASKED).unwrap();
    let all = indexes(&path);
    let found = analyze(folder.path(), &[]);
    assert!(found["findings"].to_string().contains("--drop-indexes"), "{found}");
    let dry = analyze(
        folder.path(),
        &["--drop-indexes", "--dry-run", "--out", "md=report.md", "--out", "text=report.txt"],
    );
    assert_eq!(indexes(&path), all, "{dry}");
    let schema: Value = serde_json::from_str(include_str!("../../../schemas/report.schema.json")).unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&dry)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    for (file, said) in [("report.md", "#### Indexes to drop"), ("report.txt", "INDEXES TO DROP")] {
        let report = fs::read_to_string(folder.path().join(file)).unwrap();
        for said in [said, "c_twin", "the clock does: without it", "frees "] {
            assert!(report.contains(said), "{said}: {report}");
        }
    }
    let done = analyze(folder.path(), &["--drop-indexes"]);
    let left: Vec<String> = all.iter().filter(|name| *name != "c_twin").cloned().collect();
    assert_eq!(indexes(&path), left, "{done}");
    let dropped = recommended(&done).into_iter().find(|index| index["action"] == "drop").unwrap();
    assert_eq!(
        (&dropped["action"], &dropped["undo"][0]),
        (&"drop".into(), &"CREATE INDEX c_twin ON t(c)".into())
    );
    assert!(dropped["size_bytes"].as_u64().unwrap() > 100_000, "{dropped}");
    let undone = run_in(folder.path(), &["db", "undo", "demo.db"]).expect(0).stdout;
    assert!(undone.contains("taken back: c_twin"), "{undone}");
    assert_eq!(indexes(&path), all);
}

#[test]
fn there_is_nothing_to_go_on_with() {
    let (folder, _) = folder(10);
    let outcome = run_in(folder.path(), &["db", "resume", "demo.db"]).expect(0);
    assert!(outcome.stdout.contains("no run to go on with"), "{}", outcome.stdout);
}
