//! What a person at a terminal sees. `script` of util-linux gives the program a terminal of its own.
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod support;

use std::process::Command;

use support::{OK, Running, answering, calm, demo, steady};

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

#[test]
fn a_suite_shows_the_running_case_and_then_its_line() {
    let server = steady(20);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let suite = "[[test]]\nname = \"steady\"\nrequest = \"GET /\"\nusers = 2\npace = 20\nduration = \"2s\"\n\
                 targets = [\"p50 < 5s\"]\n";
    std::fs::write(folder.path().join("suite.toml"), suite).expect("a file can be written");
    let arguments = format!("test suite.toml --no-history --url {}", server.url());
    for (flags, shown) in [("", true), (" -q", false)] {
        let Some(mut command) = at_a_terminal(&format!("{arguments}{flags}")) else { return };
        let outcome = calm(|| Running::start(command.current_dir(folder.path())).finish()).expect(0);
        assert_eq!(outcome.stdout.contains("[1/1] steady  "), shown, "{outcome:?}");
        assert_eq!(outcome.stdout.contains(" samples, p95 "), shown, "{outcome:?}");
        assert_eq!(
            outcome.stdout.contains("\u{1b}[K\u{1b}[32mPASS\u{1b}[0m  steady  p50 "),
            shown,
            "{outcome:?}"
        );
        assert!(outcome.stdout.contains("1 passed in "), "{outcome:?}");
    }
}

#[test]
fn a_watch_shows_the_service_and_then_the_summary() {
    let server = demo();
    let Some(mut command) =
        at_a_terminal(&format!("monitor --for 3s --target 'errors < 1%' {}", server.url()))
    else {
        return;
    };
    let outcome = Running::start(&mut command).finish().expect(0);
    let (live, report) = outcome.stdout.split_once("MONITOR RESULTS").expect("there is a report");
    for text in
        ["Watching http://", "watching", "of 0:03", "GET /metrics", "targets", "1, none missed now", "rss"]
    {
        assert!(live.contains(text), "{text} in {live}");
    }
    assert!(report.contains("\u{1b}[32mPASS\u{1b}[0m"), "verdicts have color: {report}");
    assert!(!report.contains("of 0:03"), "nothing of the view is below the report: {report}");
}
