//! What `pulse test` writes for other tools, read by those tools; and the action, run as GitHub runs it.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Outcome, Running, calm, demo, pulse, read_json, run_in};
use tempfile::TempDir;

/// A case that is missed and one that is met.
const SUITE: &str = r#"
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

/// Every format that is a file.
const FILES: [&str; 9] = [
    "junit",
    "json",
    "md",
    "csv",
    "text",
    "pytest-benchmark",
    "bencher",
    "bigger-is-better",
    "smaller-is-better",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A folder with the suite in `perf/suite.toml`.
fn project() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("perf")).unwrap();
    fs::write(folder.path().join("perf/suite.toml"), SUITE).unwrap();
    folder
}

/// What the first of these programs that is there answers; `None`, where all are missing and may be.
fn read_by(programs: &[PathBuf], arguments: &[&str], install: &str) -> Option<std::process::Output> {
    for program in programs {
        let started = Command::new(program).args(arguments).stdin(Stdio::null()).output();
        match started {
            Ok(output) => return Some(output),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => panic!("{}: {error}", program.display()),
        }
    }
    let name = programs[0].display();
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "{name} is missing, and CI must have it: {install}"
    );
    eprintln!("skipped: {name} is missing: {install}");
    None
}

#[test]
fn every_format_is_written_and_read_by_its_reader() {
    let server = demo();
    let folder = project();
    let step_summary = folder.path().join("summary.md");
    fs::write(&step_summary, "before\n").unwrap();
    let url = server.url();
    let outs: Vec<String> = FILES.iter().map(|format| format!("{format}={format}.out")).collect();
    let flags: Vec<&str> = outs.iter().flat_map(|out| ["--out", out]).collect();
    let mut command = pulse(&[&["test", "--url", &url, "--out", "github"], &flags[..]].concat());
    command.current_dir(folder.path()).env("GITHUB_STEP_SUMMARY", &step_summary);
    let outcome = Running::start(&mut command).finish().expect(99);
    let annotation = outcome.stdout.lines().find(|line| line.starts_with("::error file=")).unwrap();
    assert!(annotation.starts_with("::error file=perf/suite.toml,line=7,title=missing"), "{annotation}");
    assert!(outcome.stdout.contains("\nFAIL  missing  "), "people read the same stream: {}", outcome.stdout);
    let summary = fs::read_to_string(&step_summary).unwrap();
    assert!(summary.starts_with("before\n### "), "{summary}");

    let place = |name: &str| folder.path().join(format!("{name}.out"));
    let read = |name: &str| fs::read_to_string(place(name)).unwrap();
    let junit = read("junit");
    assert!(junit.contains("failures=\"1\"") && junit.contains("name=\"seed\" value=\"1\""), "{junit}");
    let schema = root().join("schemas/junit.xsd").display().to_string();
    let file = place("junit").display().to_string();
    let arguments = ["--noout", "--schema", &schema, &file];
    if let Some(output) = read_by(&["xmllint".into()], &arguments, "apt-get install libxml2-utils adds it") {
        assert!(output.status.success(), "{}\n{junit}", String::from_utf8_lossy(&output.stderr));
    }
    for (name, schema) in [
        ("json", "report.schema.json"),
        ("bencher", "bencher.schema.json"),
        ("bigger-is-better", "github-benchmark.schema.json"),
        ("smaller-is-better", "github-benchmark.schema.json"),
    ] {
        let schema = read_json(&root().join("schemas").join(schema));
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let document = read_json(&place(name));
        let errors: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}\n{document:#}");
    }
    let names = |name: &str| -> Vec<String> {
        let entries = read_json(&place(name));
        entries.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
    };
    assert!(names("smaller-is-better").contains(&"there p95".to_owned()), "{:?}", names("smaller-is-better"));
    assert!(
        names("bigger-is-better").contains(&"there throughput".to_owned()),
        "{:?}",
        names("bigger-is-better")
    );
    assert!(read("text").contains("1 passed, 1 failed"), "{}", read("text"));
    assert!(read("md").starts_with("### "));
    assert!(read("csv").lines().count() >= 3, "{}", read("csv"));
}

#[test]
fn two_runs_are_compared_by_pytest_benchmark() {
    let server = demo();
    let folder = project();
    let url = server.url();
    for name in ["before.json", "after.json"] {
        let out = format!("pytest-benchmark={name}");
        let line = ["test", "--url", &url, "--out", &out, "--no-history", "there"];
        calm(|| run_in(folder.path(), &line)).expect(0);
    }
    let run = read_json(&folder.path().join("after.json"));
    assert_eq!(run["benchmarks"].as_array().map(Vec::len), Some(1));
    assert_eq!(run["benchmarks"][0]["stats"]["rounds"], 5);
    assert_ne!(run["machine_info"]["node"], "");
    let [before, after, storage] =
        ["before.json", "after.json", "storage"].map(|name| folder.path().join(name).display().to_string());
    let programs = ["pytest-benchmark".into(), root().join("target/tools/venv/bin/pytest-benchmark")];
    let arguments = ["--storage", &storage, "compare", &before, &after];
    let install =
        "`python3 -m venv target/tools/venv && target/tools/venv/bin/pip install pytest-benchmark` adds it";
    let Some(output) = read_by(&programs, &arguments, install) else { return };
    let [printed, complaints] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success() && !complaints.contains("Failed to load"), "{printed}{complaints}");
    assert_eq!(printed.lines().filter(|line| line.starts_with("there ")).count(), 2, "{printed}{complaints}");
}

#[test]
fn machines_and_people_do_not_get_into_each_others_way() {
    let server = demo();
    let folder = project();
    let outcome =
        run_in(folder.path(), &["test", "--url", &server.url(), "--out", "json=-", "--out", "github"]);
    outcome.json();
    assert!(outcome.stderr.contains("::error file="), "{}", outcome.stderr);
}

/// The script of the action's step that runs the tests.
fn script_of_the_action() -> String {
    let text = fs::read_to_string(root().join("action.yml")).unwrap();
    let (_, step) = text.split_once("      id: test\n").expect("the step is called test");
    let (_, script) = step.split_once("      run: |\n").expect("the step runs a script");
    let lines = script.lines().take_while(|line| line.is_empty() || line.starts_with("        "));
    lines.map(|line| line.strip_prefix("        ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// Runs the script as GitHub does, with these inputs beside the binary and the URL; what it wrote to `GITHUB_OUTPUT` and to
/// the step's summary comes with it.
fn act(folder: &Path, inputs: &[(&str, &str)]) -> (Outcome, String, String) {
    let script = folder.join("step.sh");
    fs::write(&script, script_of_the_action()).unwrap();
    let [output, summary] = ["output", "summary"].map(|name| folder.join(name));
    [&output, &summary].into_iter().for_each(|file| fs::write(file, "").unwrap());
    let mut command = Command::new("bash");
    command
        .args(["--noprofile", "--norc", "-eo", "pipefail"])
        .arg(&script)
        .current_dir(folder)
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_OUTPUT", &output)
        .env("GITHUB_STEP_SUMMARY", &summary)
        .env("RUNNER_TEMP", folder)
        .env("PULSE_BINARY", env!("CARGO_BIN_EXE_pulse"))
        .env("PULSE_REPORTS", "reports");
    for variable in ["PATHS", "URL", "BASELINE", "SAVE_BASELINE", "ARGS"] {
        let value = inputs.iter().find(|(name, _)| *name == variable).map_or("", |(_, value)| value);
        command.env(format!("PULSE_{variable}"), value);
    }
    let outcome = Running::start(&mut command).finish();
    let [output, summary] = [output, summary].map(|file| fs::read_to_string(file).unwrap());
    (outcome, output, summary)
}

#[test]
fn the_action_runs_what_it_is_told() {
    let server = demo();
    let url = server.url();
    let folder = project();
    let act = |inputs: &[(&str, &str)]| act(folder.path(), &[&[("URL", url.as_str())], inputs].concat());

    let (outcome, output, summary) = act(&[]);
    let outcome = outcome.expect(99);
    assert_eq!(output, "exit-code=99\n");
    assert!(outcome.stdout.contains("::error file=perf/suite.toml,line=7"), "{}", outcome.stdout);
    assert!(summary.starts_with("### "), "{summary}");
    for report in ["junit.xml", "report.json", "report.md"] {
        assert!(folder.path().join("reports").join(report).is_file(), "{report}");
    }

    let (outcome, output, _) = act(&[("PATHS", "perf/suite.toml there")]);
    outcome.expect(0);
    assert_eq!(output, "exit-code=0\n");

    // Quotes keep a word together, as in a shell.
    let (outcome, ..) = act(&[("ARGS", "-k 'there and not missing' --out \"csv=with blank.csv\"")]);
    outcome.expect(0);
    assert!(folder.path().join("with blank.csv").is_file());

    let (outcome, ..) =
        act(&[("ARGS", "-k there"), ("BASELINE", "base.json"), ("SAVE_BASELINE", "base.json")]);
    assert!(outcome.expect(0).stdout.contains("::notice::there is no baseline base.json yet"));
    let saved: Value = read_json(&folder.path().join("base.json"));
    assert!(saved["format"].is_string(), "{saved}");
    let (outcome, ..) = act(&[("ARGS", "-k there"), ("BASELINE", "base.json")]);
    assert!(
        matches!(outcome.code, Some(0 | 97)) && !outcome.stdout.contains("::notice::there is no"),
        "{outcome:?}"
    );

    let (outcome, output, _) = act(&[("ARGS", "--no-such-flag")]);
    outcome.expect(2);
    assert_eq!(output, "exit-code=2\n");
}
