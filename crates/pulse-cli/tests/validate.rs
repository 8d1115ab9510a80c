//! `pulse validate`: every check is there, and mistakes in files are found with their place.

mod support;

use std::fs;

use support::{demo, run_in};

/// All checks in their order; what the calibration finds depends on the machine, that it is there does not.
const NAMES: [&str; 18] = [
    "file_descriptors",
    "local_ports",
    "cpu_governor",
    "cpu_steal",
    "other_load",
    "clock_source",
    "clock_resolution",
    "target",
    "files",
    "databases",
    "calibration_p50",
    "calibration_p95",
    "calibration_p99",
    "send_jitter",
    "highest_rate",
    "tool_executor",
    "load",
    "ci_workflow",
];

fn check<'a>(report: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    let mut checks = report["checks"].as_array().expect("a list").iter();
    checks.find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name} is missing: {report}"))
}

#[test]
fn all_checks_are_there() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("perf")).unwrap();
    let suite = "[service]\nurl = \"http://127.0.0.1:1\"\n[[test]]\nname = \"rows\"\ndatabase = \"sqlite:app.db\"\n\
                 statements = [\"SELECT 1\"]\ntargets = [\"avg < 1s\"]\n";
    fs::write(folder.path().join("perf/app.toml"), suite).unwrap();
    let demo = demo();
    let outcome = run_in(folder.path(), &["validate", "--json", "--url", &demo.url()]);
    let report = outcome.json();
    let names: Vec<&str> = report["checks"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, NAMES, "{report}");
    assert_eq!((&report["format"], &report["version"]), (&"pulse-validate".into(), &1.into()));
    for (name, state) in [
        ("target", "ok"),
        ("files", "ok"),
        // There is no such file.
        ("databases", "failed"),
        ("tool_executor", "ok"),
        ("load", "ok"),
        ("ci_workflow", "skipped"),
    ] {
        assert_eq!(check(&report, name)["state"], state, "{name}: {report}");
    }
    assert_eq!(report["passed"], false);
    outcome.expect(1);
}

#[test]
fn a_broken_scenario_is_shown_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[[scenario]]\nname = \"a\"\n[[scenario.step]]\nreqest = \"GET /\"\n";
    fs::write(folder.path().join("broken.toml"), text).unwrap();
    let outcome = run_in(folder.path(), &["validate", "broken.toml"]).expect(1);
    let line = outcome.stdout.lines().position(|line| line.starts_with("✘ files")).unwrap();
    let rest: Vec<&str> = outcome.stdout.lines().skip(line).collect();
    assert!(rest.join("\n").contains("broken.toml:4:1"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("do not trust numbers"), "{}", outcome.stdout);
}

#[test]
fn a_service_that_is_not_there_fails_its_check() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run_in(folder.path(), &["validate", "--url", "http://127.0.0.1:1", "--json"]);
    let report = outcome.json();
    let target = check(&report, "target");
    assert_eq!(target["state"], "failed");
    assert!(target["next_step"].as_str().unwrap().contains("pulse demo serve"), "{target}");
    assert_eq!(check(&report, "files")["state"], "skipped");
    outcome.expect(1);
}
