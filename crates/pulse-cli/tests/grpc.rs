//! gRPC from the command line, against a server of Google's library in Python.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use support::{load, run};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The example's server in a process of its own, ended with the test.
struct Quotes {
    child: Child,
    port: String,
}

impl Quotes {
    /// `None` where the packages are missing and may be.
    fn start(arguments: &[&str]) -> Option<Self> {
        let python = root().join("target/tools/venv/bin/python");
        let has = |python: &Path| {
            let import = ["-c", "import grpc_tools, grpc_reflection"];
            let found =
                Command::new(python).args(import).stdout(Stdio::null()).stderr(Stdio::null()).status();
            found.is_ok_and(|status| status.success())
        };
        let found = [python, "python3".into()].into_iter().find(|python| has(python));
        let Some(python) = found else {
            let install = "`python3 -m venv target/tools/venv && target/tools/venv/bin/pip install -r python-tools.txt` adds it";
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "grpcio is missing, and CI must have it: {install}"
            );
            eprintln!("skipped: grpcio is not installed; {install}");
            return None;
        };
        let mut child = Command::new(python)
            .arg(root().join("examples/grpc/server.py"))
            .arg("0")
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Some(Self { child, port: port.trim().to_owned() })
    }

    fn url(&self, method: &str) -> String {
        format!("grpc://127.0.0.1:{}/{method}", self.port)
    }
}

impl Drop for Quotes {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn assert_all_successful(report: &Value, count: u64) {
    assert_eq!(report["requests"]["successful"], count, "{report:#}");
    assert_eq!(report["requests"]["failed"], 0, "{report:#}");
}

#[test]
fn methods_are_called_by_reflection_and_by_files() {
    let Some(server) = Quotes::start(&[]) else { return };
    let proto = root().join("examples/grpc/quotes.proto");
    let proto = proto.to_str().unwrap();
    let few = ["--users", "2", "--pace", "0", "-n", "20"];
    let with = |more: &[&'static str]| [few.as_slice(), more].concat();
    let get = server.url("quotes.v1.Quotes/Get");
    assert_all_successful(&load(&get, &with(&["-d", r#"{"symbol": "SPY"}"#])), 20);
    let by_file = [with(&["-d", r#"{"symbol": "SPY"}"#]), vec!["--proto", proto]].concat();
    assert_all_successful(&load(&get, &by_file), 20);
    // Several messages, and several answers.
    let record = server.url("quotes.v1.Quotes/Record");
    assert_all_successful(&load(&record, &with(&["-d", r#"{"price": 1} {"price": 2}"#])), 20);
    let report =
        load(&server.url("quotes.v1.Quotes/Watch"), &with(&["-d", r#"{"symbol": "SPY", "count": 3}"#]));
    assert_all_successful(&report, 20);
    let watched = &report["messages"][0];
    assert_eq!((&watched["sent"], &watched["received"]), (&20.into(), &60.into()), "{report:#}");
    // A status is a class of failure.
    let report = load(&get, &with(&["-d", r#"{"symbol": "NONE"}"#]));
    assert_eq!(report["errors"][0]["class"], "grpc_not_found", "{report:#}");
    assert_eq!(report["errors"][0]["count"], 20, "{report:#}");
    assert!(
        report["errors"][0]["message"].as_str().unwrap_or_default().contains("NONE is not traded"),
        "{report:#}"
    );
    let report =
        load(&server.url("quotes.v1.Quotes/Chat"), &with(&["-d", r#"{"symbol": "SPY"}"#, "--streams", "2"]));
    assert_all_successful(&report, 20);
}

#[test]
fn the_example_runs() {
    // Answers that are compressed are decoded as others are.
    for arguments in [&[][..], &["--gzip"]] {
        let Some(server) = Quotes::start(arguments) else { return };
        let example = root().join("examples/grpc/quotes.toml");
        let url = format!("grpc://127.0.0.1:{}", server.port);
        let report = load(
            example.to_str().unwrap(),
            &["--url", &url, "--users", "2", "--pace", "0", "--iterations", "6", "--duration", "60"],
        );
        assert_all_successful(&report, 30);
        let checks = report["checks"].as_array().unwrap();
        assert_eq!(checks.len(), 6, "{report:#}");
        assert!(checks.iter().all(|check| check["passed"] == check["total"]), "{report:#}");
    }
}

#[test]
fn what_cannot_be_called_is_said_before_the_load() {
    let Some(server) = Quotes::start(&[]) else { return };
    let proto = root().join("examples/grpc/quotes.proto");
    let proto = proto.to_str().unwrap();
    for (method, more, words) in [
        ("quotes.v1.Quotes", &[][..], "names no method"),
        ("quotes.v1.Quotes/Got", &[], "has no method `Got`; there are Get, Watch, Record, Chat"),
        (
            "quotes.v1.Quotes/Got",
            &["--proto", proto],
            "has no method `Got`; there are Get, Watch, Record, Chat",
        ),
        ("a.B/C", &[], "the service does not describe it"),
        ("quotes.v1.Quotes/Get", &["-d", "{\"symbl\": 1}"], "unrecognized field name 'symbl'"),
        ("quotes.v1.Quotes/Get", &["-d", "symbol=SPY"], "the data are no messages"),
        ("quotes.v1.Quotes/Get", &["--proto", "none.proto"], "none.proto of --proto cannot be read"),
    ] {
        let url = server.url(method);
        let arguments = [&["load", &url, "-n", "1", "-q"], more].concat();
        run(&arguments).expect(2).says(&[words]);
    }
}
