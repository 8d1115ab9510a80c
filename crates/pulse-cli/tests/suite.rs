//! `pulse test`: suites against the demo API, with and without faults.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{OK, Outcome, Running, answering, demo, pulse, read_json, requests, run_in};
use tempfile::TempDir;

/// A folder with a suite in `perf/suite.toml`.
fn project(suite: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("perf")).unwrap();
    fs::write(folder.path().join("perf/suite.toml"), suite).unwrap();
    folder
}

fn test_in(folder: &Path, flags: &[&str]) -> Outcome {
    run_in(folder, &[&["test"], flags].concat())
}

/// Runs a suite and returns its JSON report beside what was printed.
fn tested(folder: &Path, flags: &[&str]) -> (Outcome, Value) {
    let outcome = test_in(folder, &[&["--out", "json=report.json", "--no-history"], flags].concat());
    assert!(matches!(outcome.code, Some(0 | 98 | 99)), "{outcome:?}");
    (outcome, read_json(&folder.join("report.json")))
}

fn cases(report: &Value) -> Vec<(&str, &Value)> {
    let cases = report["cases"].as_array().unwrap();
    cases.iter().map(|case| (case["case"]["id"].as_str().unwrap(), case)).collect()
}

fn red(report: &Value) -> Vec<&str> {
    let is_red = |case: &Value| matches!(case["verdict"].as_str(), Some("fail" | "no_data"));
    cases(report).into_iter().filter(|(_, case)| is_red(case)).map(|(id, _)| id).collect()
}

/// Cases that need no service, so that selecting them is all that happens.
const COMMANDS: &str = r#"
[[test]]
name = "first"
group = "api"
marks = ["smoke"]
command = "true"
rounds = 4
targets = ["max < 60s"]

[[test]]
name = "second"
group = "api"
marks = ["smoke", "slow"]
command = "true"
rounds = 4
targets = ["max < 60s"]

[[test]]
name = "third"
group = "jobs"
command = "true"
rounds = 4
targets = ["max < 60s"]
"#;

#[test]
fn selections_leave_what_they_say() {
    let folder = project(COMMANDS);
    for (flags, ids) in [
        (&[][..], &["api::first", "api::second", "jobs::third"][..]),
        (&["perf/suite.toml"], &["api::first", "api::second", "jobs::third"]),
        (&["perf"], &["api::first", "api::second", "jobs::third"]),
        (&["."], &["api::first", "api::second", "jobs::third"]),
        (&["-k", "first or third"], &["api::first", "jobs::third"]),
        (&["-k", "api and not second"], &["api::first"]),
        (&["-m", "smoke and not slow"], &["api::first"]),
        (&["-m", "not smoke"], &["jobs::third"]),
        (&["api::second"], &["api::second"]),
        (&["api", "jobs::third"], &["api::first", "api::second", "jobs::third"]),
        (&["*ir*"], &["api::first", "jobs::third"]),
        (&["perf", "api::", "-m", "slow"], &["api::second"]),
    ] {
        let outcome = test_in(folder.path(), &[&["--list"], flags].concat()).expect(0);
        let listed: Vec<&str> = outcome.stdout.lines().filter(|line| line.contains("::")).collect();
        assert_eq!(listed, ids, "{flags:?}");
    }
    assert!(!folder.path().join(".pulse").exists(), "a list keeps nothing");
}

#[test]
fn what_selects_nothing_is_a_mistake() {
    let folder = project(COMMANDS);
    for (flags, message) in [
        (&["-k", "nothing"][..], "none of the 3 cases is selected"),
        (&["-k", "a and"], "is not an expression"),
        (&["-m", "fast"], "no case has the mark `fast`; known are slow, smoke"),
        (&["api::tenth"], "no case has an id that begins with `api::tenth`"),
        (&["pref"], "nor is there a file or folder `pref`"),
        (&["perf/missing.toml"], "there is no file or folder perf/missing.toml"),
        (&["--baseline", "main"], "there is no baseline `main`"),
        (&["--repeat", "0"], "--repeat"),
        (&["--out", "yaml=x"], "not a report format"),
    ] {
        test_in(folder.path(), flags).expect(2).says(&[message]);
    }
    let empty = tempfile::tempdir().unwrap();
    test_in(empty.path(), &[]).expect(2).says(&["there are no suites here"]);
    fs::write(empty.path().join("pulse.toml"), "[service]\nurl = \"http://127.0.0.1:9\"\n").unwrap();
    test_in(empty.path(), &[]).expect(2).says(&["there are no cases"]);
}

#[test]
fn mistakes_in_files_are_shown_where_they_are() {
    let case = "[[test]]\nname = \"a\"\nrequest = \"GET /\"\n";
    for (text, messages) in [
        (String::new(), &["perf/suite.toml"][..]),
        ("[service]\nurl = \"http://127.0.0.1:1\"\n".to_owned(), &["perf/suite.toml"]),
        (format!("{case}targets = [\"p101 < 5ms\"]\n"), &["perf/suite.toml:4:", "p101"]),
        (format!("{case}targets = [\"p95 < 5\"]\n"), &["perf/suite.toml:4:", "unit"]),
        (format!("{case}targets = [\"p95 < 5ms\"]\nuser = 7\n"), &["perf/suite.toml:5:1", "users"]),
        (format!("{case}targets = [\"p95 < 10ms\", \"p50 > 20ms\"]\n"), &["perf/suite.toml:4:"]),
        ("[[test".to_owned(), &["perf/suite.toml:1:"]),
        (format!("{COMMANDS}\n[[test]]\nname = \"first\"\ngroup = \"api\"\n"), &["perf/suite.toml:"]),
    ] {
        test_in(project(&text).path(), &[]).expect(2).says(messages);
    }
    let folder = project(COMMANDS);
    fs::write(folder.path().join("perf/again.toml"), COMMANDS).unwrap();
    test_in(folder.path(), &[]).expect(2).says(&["two cases have the id api::first", "perf/again.toml"]);
    fs::write(folder.path().join("perf/again.toml"), "[[test]]").unwrap();
    fs::write(folder.path().join("perf/bad.toml"), "x = ").unwrap();
    test_in(folder.path(), &[]).expect(2).says(&["perf/again.toml", "perf/bad.toml"]);
    fs::remove_file(folder.path().join("perf/again.toml")).unwrap();
    fs::write(folder.path().join("perf/bad.toml"), "[[scenario]]\n").unwrap();
    test_in(folder.path(), &["--list"]).expect(0);
    test_in(folder.path(), &["perf/bad.toml"]).expect(2).says(&["this is a scenario file", "pulse load"]);
    run_in(folder.path(), &["load", "perf/suite.toml"]).expect(2).says(&["this is a suite", "pulse test"]);
}

#[test]
fn the_lines_of_a_run() {
    let folder = project(COMMANDS);
    let outcome = test_in(folder.path(), &["--inconclusive", "pass"]).expect(0);
    let ids: Vec<&str> = outcome.stdout.lines().filter_map(|line| line.strip_prefix("PASS  ")).collect();
    assert_eq!(ids.len(), 3, "{}", outcome.stdout);
    assert!(ids[0].starts_with("api::first  max "), "{}", outcome.stdout);
    let last = outcome.stdout.lines().last().unwrap();
    assert!(regex::Regex::new(r"^3 passed in \d+\.\ds$").unwrap().is_match(last), "{last}");
    let quiet = test_in(folder.path(), &["-q"]).expect(0);
    assert_eq!(quiet.stdout.lines().last().map(|line| line.starts_with("3 passed in ")), Some(true));
    assert!(!quiet.stdout.contains("PASS"), "{}", quiet.stdout);
    let verbose = test_in(folder.path(), &["-v", "api::first"]).expect(0);
    assert!(verbose.stdout.contains("    PASS  max < 1m  measured "), "{}", verbose.stdout);
    let benchmark = test_in(folder.path(), &["--benchmark-only"]).expect(0).stdout;
    for column in
        ["Name (time in", "Min", "Max", "Mean", "StdDev", "Median", "IQR", "Outliers", "OPS", "Rounds"]
    {
        assert!(benchmark.contains(column), "{column} in\n{benchmark}");
    }
}

const RED_THEN_GREEN: &str = r#"
[[test]]
name = "missing"
request = "GET /missing"
samples = 5
max_samples = 5
targets = ["errors = 0"]

[[test]]
name = "there"
request = "GET /health"
samples = 5
max_samples = 5
targets = ["errors = 0"]
"#;

#[test]
fn habits_of_test_runners() {
    let server = demo();
    let folder = project(RED_THEN_GREEN);
    let url = server.url();
    let ids = |report: &Value| -> Vec<String> {
        cases(report).into_iter().map(|(id, case)| format!("{id} {}", case["verdict"])).collect()
    };
    let (outcome, report) = tested(folder.path(), &["--url", &url]);
    assert_eq!(ids(&report), ["missing \"fail\"", "there \"pass\""], "{}", outcome.stdout);
    assert!(outcome.stdout.contains("\n1 passed, 1 failed in "), "{}", outcome.stdout);
    let (outcome, report) = tested(folder.path(), &["--url", &url, "--fail-fast"]);
    assert_eq!(red(&report), ["missing"]);
    assert!(outcome.stdout.contains("1 skipped"), "{}", outcome.stdout);
    let (_, report) = tested(folder.path(), &["--url", &url, "--retries", "2"]);
    let attempts: Vec<_> =
        cases(&report).iter().map(|(_, case)| case["case"]["attempts"].as_u64().unwrap()).collect();
    assert_eq!(attempts, [3, 1]);
    let (_, report) = tested(folder.path(), &["--url", &url, "--repeat", "2", "there"]);
    assert_eq!(ids(&report), ["there#1 \"pass\"", "there#2 \"pass\""]);
}

#[test]
fn a_service_that_is_not_there() {
    let folder = project(RED_THEN_GREEN);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let outcome = test_in(folder.path(), &["--url", &url]).expect(3);
    assert!(outcome.stderr.contains("is not reachable"), "{outcome:?}");
    assert_eq!(outcome.stdout, "", "nothing was measured");
    let starts = format!("[service]\nurl = \"{url}\"\nstart = \"sh -c 'echo no port >&2; exit 7'\"\n");
    fs::write(folder.path().join("pulse.toml"), starts).unwrap();
    let outcome = test_in(folder.path(), &["--no-history"]).expect(99);
    assert!(outcome.stdout.contains("no port"), "{}", outcome.stdout);
    assert!(
        outcome.stdout.contains("2 no data") || outcome.stdout.contains("2 failed"),
        "{}",
        outcome.stdout
    );
}

/// A suite that starts the demo, with a service that ends after so many seconds.
fn starting(seconds: &str, cases: &str) -> (TempDir, PathBuf) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = env!("CARGO_BIN_EXE_pulse");
    let folder = project(&format!(
        "[service]\nurl = \"http://127.0.0.1:{port}\"\nready = \"/health\"\n\
         start = \"timeout {seconds} {program} demo serve --port {port} --trades 10\"\n{cases}"
    ));
    let suite = folder.path().join("perf/suite.toml");
    (folder, suite)
}

#[test]
fn a_service_that_dies_keeps_what_was_measured() {
    let case = "[[test]]\nname = \"long\"\nrequest = \"GET /health\"\nusers = 2\nduration = \"4s\"\n\
                targets = [\"errors = 0\", \"p95 < 10s\"]\n\
                [[test]]\nname = \"after\"\nrequest = \"GET /health\"\nsamples = 5\nmax_samples = 5\n\
                targets = [\"errors = 0\"]\n";
    let (folder, _) = starting("2", case);
    let (outcome, report) = tested(folder.path(), &[]);
    assert_eq!(red(&report), ["long"], "it is started again for the next case: {}", outcome.stdout);
    let long = cases(&report)[0].1;
    assert!(long["requests"]["total"].as_u64().unwrap() > long["requests"]["failed"].as_u64().unwrap());
    assert!(outcome.stdout.contains("the service ended in the middle of the case"), "{}", outcome.stdout);
}

#[test]
fn an_interrupted_run_reports_what_it_has() {
    let server = answering(OK);
    let folder = project(&format!(
        "[service]\nurl = \"{}\"\n{RED_THEN_GREEN}\n[[test]]\nname = \"long\"\nrequest = \"GET /long\"\n\
         users = 1\npace = 20\nduration = \"60s\"\ntargets = [\"p95 < 10s\"]\n\
         [[test]]\nname = \"never\"\ncommand = \"true\"\ntargets = [\"max < 9s\"]\n",
        server.url()
    ));
    let mut command = pulse(&["test", "--out", "json=report.json", "--save-baseline", "main"]);
    let running = Running::start(command.current_dir(folder.path()));
    while !requests(&server).iter().any(|request| request.starts_with("GET /long")) {
        std::thread::yield_now();
    }
    running.signal("INT");
    let outcome = running.finish().expect(130).says(&["Stopping", "not saved as one"]);
    assert!(outcome.stdout.contains("1 skipped"), "{}", outcome.stdout);
    let report = read_json(&folder.path().join("report.json"));
    let ids: Vec<&str> = cases(&report).iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, ["missing", "there", "long", "never"]);
    // What was measured is kept, and told from whole runs; it is no baseline.
    let history = run_in(folder.path(), &["history"]).expect(0).stdout;
    assert!(history.contains("interrupted"), "{history}");
    test_in(folder.path(), &["missing", "--baseline", "main"])
        .expect(2)
        .says(&["there is no baseline `main`"]);
    let ids = |flags: &[&str]| run_in(folder.path(), flags);
    ids(&["history", "--changes"]).says(&[]);
}

#[test]
fn two_commands_in_turns() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = test_in(folder.path(), &["--ab", "sleep 0.01", "sleep 0.05", "--rounds", "8"]);
    assert!(matches!(outcome.code, Some(0 | 97)), "{outcome:?}");
    assert!(outcome.stdout.contains("B against A: +"), "{}", outcome.stdout);
    test_in(folder.path(), &["--ab", "true", "false", "--rounds", "6"]).expect(2).says(&["command B failed"]);
    test_in(folder.path(), &["--ab", "true", "true", "--rounds", "1"]).expect(2).says(&["between 6 and"]);
}

#[test]
fn two_commands_are_reported_and_nothing_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let ab = ["--ab", "true", "sleep 0.02", "--rounds", "6"];
    let files = [&ab[..], &["--out", "json=ab.json", "--out", "md=-"]].concat();
    let outcome = test_in(folder.path(), &files);
    assert!(matches!(outcome.code, Some(0 | 97)), "{outcome:?}");
    let json = read_json(&folder.path().join("ab.json"));
    assert_eq!(
        (&json["format"], &json["version"], &json["b"]),
        (&"pulse-ab".into(), &1.into(), &"sleep 0.02".into())
    );
    assert_eq!(json["runs"].as_array().unwrap().len(), 12);
    assert!(json["wall"]["value"].as_f64().unwrap() > 1.0, "{json:#}");
    assert!(
        outcome.stdout.starts_with("### ") && outcome.stdout.contains("| B | `sleep 0.02` |"),
        "{outcome:?}"
    );
    assert!(
        outcome.stderr.contains("B against A: +"),
        "the text goes where the report does not: {outcome:?}"
    );
    for flags in [
        &["-k", "health"][..],
        &["-m", "slow"],
        &["--repeat", "2"],
        &["--retries", "2"],
        &["--seed", "2"],
        &["--quick"],
        &["--baseline", "main"],
        &["--no-history"],
        &["perf"],
    ] {
        let outcome = test_in(folder.path(), &[&ab[..], flags].concat()).expect(2);
        assert!(outcome.stderr.contains("cannot be used with"), "{flags:?}: {outcome:?}");
    }
    test_in(folder.path(), &[&ab[..], &["--out", "junit=ab.xml"]].concat())
        .expect(2)
        .says(&["json or md, not as junit"]);
    test_in(folder.path(), &[&ab[..], &["--out", "md=no/folder.md"]].concat())
        .expect(2)
        .says(&["no/folder.md"]);
}

#[cfg(unix)]
#[test]
fn the_history_belongs_to_its_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = project(COMMANDS);
    test_in(folder.path(), &["api::first"]).expect(0);
    let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(".pulse"), mode(".pulse/history.db")), (0o700, 0o600));
    assert_eq!(fs::read_to_string(folder.path().join(".pulse/.gitignore")).unwrap(), "*\n");
}
