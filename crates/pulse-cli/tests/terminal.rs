//! What a person at a terminal sees. `script` of util-linux gives the program a terminal of its own.
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod support;

use std::process::Command;

use support::{OK, Running, answering, calm, steady};

/// The command at a terminal, or nothing where there is no `script`.
fn at_a_terminal(arguments: &str) -> Option<Command> {
    let found = Command::new("script").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "`script` is missing, and CI must have it");
        eprintln!("skipped: `script` (util-linux) is not installed");
        return None;
    }
    let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_pulse"));
    let mut command = Command::new("script");
    command.args(["-q", "-e", "-c", &line, "/dev/null"]).env("TERM", "xterm").env_remove("NO_COLOR");
    Some(command)
}

#[test]
fn the_live_view_comes_and_goes_and_the_report_stays() {
    let server = steady(40);
    let Some(mut command) = at_a_terminal(&format!("load --users 4 --duration 2 {}", server.url())) else {
        return;
    };
    let outcome = calm(|| Running::start(&mut command).finish()).expect(0);
    let (live, report) = outcome.stdout.split_once("LOAD TEST RESULTS").expect("there is a report");
    for text in ["Starting load test: 4 users", "of 0:02", "req/s", "p95"] {
        assert!(live.contains(text), "{text} in {live}");
    }
    assert!(report.contains("\u{1b}[32mPASS\u{1b}[0m"), "verdicts have color: {report}");
    assert!(!report.contains("0:02"), "nothing of the view is below the report: {report}");
}

#[test]
fn quiet_is_quiet_and_no_color_has_none() {
    let server = answering(OK);
    let Some(mut command) = at_a_terminal(&format!("load --quiet --users 1 -n 3 {}", server.url())) else {
        return;
    };
    let outcome = Running::start(command.env("NO_COLOR", "1")).finish();
    assert!(outcome.stdout.contains("SUCCESS CRITERIA"), "{outcome:?}");
    assert!(!outcome.stdout.contains('\u{1b}'), "{outcome:?}");
}
