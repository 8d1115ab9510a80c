//! How long cases go on, what is run at all, and what is said about it.

use std::time::Duration;

use pulse_engine::StopHandle;
use pulse_model::{Ending, Verdict};
use pulse_suite::{RunOptions, Selection, SuiteError, SuiteEvent, WhenInconclusive, run_suite};
use pulse_testkit::{Discipline, Law, QueueServer, ServiceLaw, refused_address};

use crate::bench::{run, run_with, server, suite, suite_at, verdicts};

fn quick_server() -> QueueServer {
    QueueServer::start(Law::new(Discipline::Parallel, ServiceLaw::Fixed(Duration::from_millis(1))))
}

#[test]
fn a_case_that_is_decided_stops_early() {
    let server = quick_server();
    let cases = r#"
[[test]]
name = "decided"
request = "GET /"
samples = 200
max_samples = 10000000
max_duration = "1h"
targets = ["p50 < 10s", "errors = 0"]
"#;
    let summary = run(&suite_at(&server.url(), cases));
    let child = &summary.children[0];
    assert_eq!(child.verdict, Some(Verdict::Pass));
    assert!(child.case.as_ref().unwrap().requests_saved > 0);
    assert!(child.requests() >= 200 && child.requests() < 1_000_000);
    assert_eq!(child.ending, Ending::Finished);
}

#[test]
fn a_case_that_cannot_be_decided_uses_its_budget() {
    let law = Law::new(Discipline::Parallel, ServiceLaw::Table([1, 40].map(Duration::from_millis).to_vec()));
    let server = QueueServer::start(law);
    // Half of the answers take longer than the limit: the median is neither below nor above it for sure.
    let cases = r#"
[[test]]
name = "undecided"
request = "POST /"
samples = 20
warmup_samples = 0
max_samples = 60
targets = ["p50 < 20ms"]
"#;
    let suite = suite_at(&server.url(), cases);
    let child = &run(&suite).children[0];
    assert_eq!((child.verdict, child.requests()), (Some(Verdict::Inconclusive), 60), "{child:#?}");
    assert!(child.targets[0].reason.as_ref().unwrap().contains("95% interval"));
    let options = RunOptions { quick: true, ..RunOptions::default() };
    let (summary, _) = run_with(&suite, &options).unwrap();
    assert_eq!(summary.children[0].requests(), 20);
}

const THREE: &str = r#"
[[test]]
name = "first"
group = "api"
marks = ["slow"]
request = "GET /"
samples = 20
targets = ["errors = 0"]

[[test]]
name = "second"
request = "GET /"
samples = 20
targets = ["max < 1ns"]

[[test]]
name = "third"
request = "GET /"
samples = 20
targets = ["errors = 0"]
"#;

#[test]
fn fail_fast_skips_the_rest() {
    let server = quick_server();
    let options = RunOptions { fail_fast: true, ..RunOptions::default() };
    let (summary, events) = run_with(&suite_at(&server.url(), THREE), &options).unwrap();
    assert_eq!(summary.verdict, Some(Verdict::Fail));
    let skipped: Vec<bool> =
        summary.children.iter().map(|child| child.case.as_ref().unwrap().skipped.is_some()).collect();
    assert_eq!(skipped, [false, false, true]);
    let count = |kind: fn(&SuiteEvent) -> bool| events.iter().filter(|event| kind(event)).count();
    assert_eq!(count(|event| matches!(event, SuiteEvent::CaseStarted { .. })), 2);
    assert_eq!(count(|event| matches!(event, SuiteEvent::CaseFinished { .. })), 3);
    assert!(matches!(events.first(), Some(SuiteEvent::Started { total: 3, .. })));
    assert!(matches!(events.last(), Some(SuiteEvent::Finished(_))));
}

#[test]
fn selection_and_repetition() {
    let server = quick_server();
    let suite = suite_at(&server.url(), THREE);
    let words = |text: &str| Selection { words: Some(text.parse().unwrap()), ..Selection::default() };
    let options = RunOptions { selection: words("first or third"), repeat: 2, ..RunOptions::default() };
    let (summary, _) = run_with(&suite, &options).unwrap();
    let ids: Vec<String> = verdicts(&summary).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["api::first#1", "api::first#2", "third#1", "third#2"]);
    for (selection, message) in [
        (words("nothing"), "none of the 3 cases is selected"),
        (Selection { marks: Some("fast".parse().unwrap()), ..Selection::default() }, "known are slow"),
        (Selection { ids: vec!["db::".into()], ..Selection::default() }, "begins with `db::`"),
    ] {
        let error = run_with(&suite, &RunOptions { selection, ..RunOptions::default() }).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    let empty = run_suite(&[], &RunOptions::default(), &StopHandle::default(), &mut |_| {});
    assert!(matches!(empty, Err(SuiteError::NoCases { .. })));
}

#[test]
fn a_retried_pass_is_flaky() {
    // The first case makes 22 requests: 2 to warm up and 20 that are judged.
    let url = server(|request| if request <= 22 { 500 } else { 200 });
    let cases = r#"
[[test]]
name = "flaky"
request = "POST /"
samples = 20
max_samples = 20
targets = ["errors = 0"]
"#;
    let suite = suite_at(&url, cases);
    let (summary, _) = run_with(&suite, &RunOptions { retries: 3, ..RunOptions::default() }).unwrap();
    let child = &summary.children[0];
    assert_eq!((child.verdict, child.case.as_ref().unwrap().attempts), (Some(Verdict::Pass), 2));
    assert!(child.findings.iter().any(|finding| finding.code == "flaky"), "{:?}", child.findings);
}

#[test]
fn an_unreachable_service_is_red() {
    let cases = r#"
[[test]]
name = "there"
request = "GET /"
targets = ["p95 < 1s", "errors = 0"]

[[test]]
name = "not about the service"
command = "true"
rounds = 20
targets = ["errors = 0"]
"#;
    let summary = run(&suite_at(&format!("http://{}", refused_address()), cases));
    assert_eq!(summary.verdict, Some(Verdict::NoData));
    let child = &summary.children[0];
    assert!(child.targets.iter().all(|result| result.verdict == Verdict::NoData));
    assert!(child.findings[0].message.contains("is not reachable"), "{:?}", child.findings);
    assert_eq!(summary.children[1].verdict, Some(Verdict::Pass));
}

const BROKEN: &str = r#"
[[test]]
name = "exit"
command = "echo broken; exit 3"
rounds = 3
targets = ["errors = 0"]

[[test]]
name = "slow"
command = "sleep 600"
rounds = 1
warmup_rounds = 0
timeout = "100ms"
max_samples = 1
targets = ["errors = 0"]

[[test]]
name = "missing"
command = "/no/such/program"
rounds = 1
warmup_rounds = 0
max_samples = 1
targets = ["errors = 0"]

[[test]]
name = "read only"
database = "sqlite:URL"
statements = ["DELETE FROM t"]
rounds = 2
targets = ["errors = 0"]

[[test]]
name = "a copy"
database = "sqlite:URL"
setup = ["INSERT INTO t VALUES (3)"]
statements = ["DELETE FROM t", "INSERT INTO t SELECT 1 WHERE (SELECT count(*) FROM t) = 0"]
rounds = 20
targets = ["errors = 0"]

[[test]]
name = "not sql"
database = "sqlite:URL"
statements = ["SELEC 1"]
targets = ["errors = 0"]

[[test]]
name = "no attaching"
database = "sqlite::memory:"
setup = ["ATTACH 'URL' AS user"]
statements = ["SELECT 1"]
targets = ["errors = 0"]
"#;

#[test]
fn commands_and_statements_that_fail_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("user.db");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)").unwrap();
    drop(connection);
    let before = std::fs::read(&file).unwrap();
    let summary = run(&suite(BROKEN, file.to_str().unwrap()));
    let child = |at: usize| &summary.children[at];
    let seen = |at: usize| {
        let sighting = &child(at).totals.sightings[0];
        (sighting.kind.class.clone(), sighting.message.clone())
    };
    for (at, class, message) in [
        (0, "exit_status", "its last output: broken"),
        (1, "timeout", "longer than 100ms"),
        (2, "not_started", "could not be started"),
        (3, "sql", "readonly database"),
    ] {
        let (found, text) = seen(at);
        assert_eq!((child(at).verdict, found.as_str()), (Some(Verdict::Fail), class), "{text}");
        assert!(text.contains(message), "{text}");
    }
    assert_eq!(child(4).verdict, Some(Verdict::Pass), "{:#?}", child(4));
    for (at, message) in [(5, "is not a statement"), (6, "too many attached databases")] {
        assert_eq!(child(at).verdict, Some(Verdict::NoData), "{:#?}", child(at));
        assert!(child(at).findings[0].message.contains(message), "{:?}", child(at).findings);
    }
    assert_eq!(std::fs::read(&file).unwrap(), before, "the user's file has changed");
}

#[test]
fn a_stopped_run_keeps_what_it_has() {
    let server = quick_server();
    let cases = r#"
[[test]]
name = "long"
request = "GET /"
users = 2
pace = 100
duration = "1h"
targets = ["p99 / p50 < 1000000"]

[[test]]
name = "never"
request = "GET /"
targets = ["errors = 0"]
"#;
    let suite = suite_at(&server.url(), cases);
    let stop = StopHandle::default();
    let summary = run_suite(&[suite], &RunOptions::default(), &stop, &mut |event| {
        if let SuiteEvent::CaseProgress(event) = event
            && matches!(event.kind, pulse_model::EventKind::Snapshot(_))
        {
            stop.stop();
        }
    })
    .unwrap();
    assert_eq!(summary.ending, Ending::Interrupted);
    assert_eq!(summary.children[0].ending, Ending::Interrupted);
    assert!(summary.children[0].requests() > 0);
    assert!(summary.children[1].case.as_ref().unwrap().skipped.is_some());
    assert!(
        !RunOptions { inconclusive: WhenInconclusive::Fail, ..RunOptions::default() }
            .is_red(summary.children[1].verdict)
    );
}
