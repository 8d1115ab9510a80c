//! `pulse capacity`: table, chart, law, report and exit codes.

mod support;

use std::fs;

use support::{calm, read_json, run, run_in, steady};

#[test]
fn a_search_reports_its_steps() {
    let server = steady(20);
    let folder = tempfile::tempdir().unwrap();
    let url = server.url();
    let flags =
        ["--users", "--max", "8", "--step-duration", "1s", "--target", "p50 < 2s", "--out", "json=c.json"];
    let outcome = calm(|| run_in(folder.path(), &[&["capacity", &url][..], &flags].concat())).expect(0);
    for said in ["highest number of users", "throughput", "Scalability law", "met at 8 users", "confirmed"] {
        assert!(outcome.stdout.contains(said), "{said}: {}", outcome.stdout);
    }
    assert!(outcome.stderr.contains("step 1: 1 user for 1s"), "{}", outcome.stderr);
    let report = read_json(&folder.path().join("c.json"));
    assert_eq!(report["verdict"], "pass", "{report}");
    // 1, 4 and 8 users, and the confirmation.
    assert!(report["cases"].as_array().is_some_and(|steps| steps.len() >= 4), "{report}");
}

#[test]
fn a_target_that_nothing_meets_fails() {
    let server = steady(20);
    let url = server.url();
    let flags = ["--start", "50", "--step-duration", "1s", "--target", "p50 < 1ms", "--quiet"];
    let outcome = calm(|| run(&[&["capacity", &url][..], &flags].concat())).expect(99);
    assert!(outcome.stdout.contains("not even met at 50/s"), "{}", outcome.stdout);
    assert_eq!(outcome.stderr, "");
}

#[test]
fn what_cannot_be_searched_says_why() {
    for (arguments, code, said) in [
        (&["localhost:8000"][..], 2, "write the scheme"),
        (&["missing.toml"], 2, "neither a URL nor a scenario file"),
        (&["http://127.0.0.1:1", "--start", "10", "--max", "5"], 2, "--max is not below --start"),
        (&["http://127.0.0.1:1", "--start", "NaN"], 2, "no range"),
        (&["http://127.0.0.1:1", "--max", "-5"], 2, "no range"),
        (&["http://127.0.0.1:1", "--step-duration", "0s"], 2, "--step-duration 10s"),
        (&["http://127.0.0.1:1", "--pace", "5"], 2, "--users"),
        (&["http://127.0.0.1:1", "--out", "junit=a.xml"], 2, "json=capacity.json"),
        (&["http://127.0.0.1:1", "--target", "p101 < 1s"], 2, "p99 < 150ms"),
        (&["http://127.0.0.1:1", "--target", "memory_growth < 5MB"], 2, "has no `memory_growth`"),
        (&["http://127.0.0.1:1", "--target", "checks = 100%"], 2, "no step has checks"),
        (&["http://127.0.0.1:1"], 3, "not reachable"),
    ] {
        run(&[&["capacity"], arguments].concat()).expect(code).says(&["error: ", said]);
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toml"), "[[scenario]]\nname = 1\n").unwrap();
    run_in(folder.path(), &["capacity", "a.toml"]).expect(2).says(&["a.toml:2"]);
}
