//! `pulse demo` and `pulse demo serve`.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};

use support::{calm, load, pulse, read_json, run, run_in};

#[test]
fn the_demo_writes_its_report_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["demo", "--duration", "4", "--out", "md=report.md", "--record", "run.pulse"];
    let outcome = calm(|| run_in(folder.path(), &flags)).expect(0);
    for text in [
        "Starting load test: 20 users for 4 seconds",
        "LOAD TEST RESULTS",
        "Report written to pulse-report.json",
        "Its database could be faster (full_scan)",
        "pulse db demo.db --workload workload.jsonl --add-indexes",
    ] {
        assert!(outcome.stdout.contains(text), "{text} in {}", outcome.stdout);
    }
    let report = read_json(&folder.path().join("pulse-report.json"));
    let schema = read_json(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/report.schema.json"));
    assert!(jsonschema::is_valid(&schema, &report), "{report:#}");
    assert_eq!(report["requests"]["failed"], 0);
    assert_eq!(report["scenarios"].as_array().unwrap().len(), 4);
    assert!(folder.path().join("report.md").is_file());
    run_in(folder.path(), &["report", "run.pulse"]).expect(0);
}

#[test]
fn the_demo_is_short_to_type() {
    let help = run(&["demo", "--help"]).expect(0).stdout;
    for default in ["[default: 20]", "[default: 10s]"] {
        assert!(help.contains(default), "{help}");
    }
}

#[test]
fn a_demo_that_fails_on_purpose_fails_its_targets() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = calm(|| run_in(folder.path(), &["demo", "-q", "--duration", "2", "--error-rate", "100%"]));
    let outcome = outcome.expect(99);
    assert!(outcome.stdout.contains("Successful: 0 (0.00%)"), "{}", outcome.stdout);
}

/// A demo server in a process of its own.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(more: &[&str]) -> Self {
        let mut child = pulse(&[&["demo", "serve", "--port", "0", "--trades", "100"], more].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"))
            .unwrap_or_else(|| panic!("{line}"));
        Self { url: url.to_owned(), child }
    }

    /// Ends it with a signal and returns its exit code.
    fn stop(mut self, signal: &str) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

#[test]
fn it_serves_until_a_signal_comes() {
    for signal in ["-TERM", "-INT"] {
        let served = Served::start(&[]);
        let report = load(&served.url, &["--users", "2", "-n", "10"]);
        assert_eq!(report["requests"]["successful"], 10);
        assert_eq!(served.stop(signal), Some(0), "{signal}");
    }
}

#[test]
fn a_port_in_use_is_said_with_the_next_step() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    run(&["demo", "serve", "--port", &port]).expect(2).says(&["error: ", &port, "choose another port"]);
}

#[test]
fn wrong_characters_are_answered_with_right_ones() {
    for (flag, wrong, said) in [
        ("--latency", "slow", "lognormal:p50=12ms,p99=90ms"),
        ("--stall", "1s", "1s/10s"),
        ("--error-rate", "200%", "0.1%"),
        ("--leak", "much", "10KB/request"),
        ("--trades", "many", "--trades 10000"),
        ("--db", "/missing/folder/demo.sqlite", "/missing/folder/demo.sqlite"),
    ] {
        run(&["demo", "serve", "--port", "0", flag, wrong]).expect(2).says(&["error: ", said]);
    }
    run(&["demo", "serve", "--port", "99999"]).expect(2).says(&["--port 8000"]);
}

#[test]
fn the_character_reaches_the_server() {
    let served = Served::start(&["--error-rate", "100%", "--latency", "fixed:30ms"]);
    let report = load(&served.url, &["--users", "1", "-n", "5"]);
    assert_eq!(report["requests"]["failed"], 5);
    assert_eq!(report["statuses"][0]["status"], "500");
    assert!(report["service_time"]["min"].as_f64().unwrap() >= 30.0, "{report:#}");
    assert_eq!(served.stop("-TERM"), Some(0));
}
