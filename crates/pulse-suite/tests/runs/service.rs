//! Services that the suite starts, awaits and stops, and what happens when they end by themselves.

use std::net::TcpListener;

use pulse_model::Verdict;
use pulse_suite::{RunOptions, SuiteEvent};
use pulse_testkit::refused_address;

use crate::bench::{run, run_with, serve, suite};

/// Where the service of these tests listens, in its environment.
const LISTEN: &str = "PULSE_TEST_LISTEN";
/// After how many requests it ends, in its environment; 0 for never.
const REQUESTS: &str = "PULSE_TEST_REQUESTS";

/// Not a test but the service, when this program is started by a suite: with the environment it needs.
#[test]
fn the_service() {
    let Ok(address) = std::env::var(LISTEN) else { return };
    let requests: u64 = std::env::var(REQUESTS).unwrap().parse().unwrap();
    let listener = TcpListener::bind(address).unwrap();
    serve(listener, move |request| {
        if requests > 0 && request > requests {
            eprintln!("out of order");
            std::process::exit(7);
        }
        200
    });
    loop {
        std::thread::park();
    }
}

/// A suite that starts this program as its service.
fn with_service(requests: u64, cases: &str) -> pulse_plan::Suite {
    let program = std::env::current_exe().expect("this program");
    let address = refused_address();
    let start = format!(
        "{LISTEN}={address} {REQUESTS}={requests} exec '{}' --exact service::the_service --nocapture",
        program.display()
    );
    let head = format!(
        "[service]\nurl = \"URL\"\nready = \"/health\"\nready_timeout = \"30s\"\nstart = \"{start}\"\n{cases}"
    );
    suite(&head, &format!("http://{address}"))
}

const TWO: &str = r#"
[[test]]
name = "first"
request = "POST /"
users = 2
pace = 100
duration = "2s"
max_duration = "2s"
targets = ["p50 < 5s", "memory_growth < 1GB per 100 requests"]

[[test]]
name = "second"
request = "POST /"
samples = 20
warmup_samples = 0
max_samples = 20
targets = ["errors = 0"]
"#;

#[test]
fn a_service_is_started_watched_and_stopped() {
    let suite = with_service(0, TWO);
    let (summary, events) = run_with(&suite, &RunOptions::default()).unwrap();
    assert_eq!(summary.verdict, Some(Verdict::Pass), "{summary:#?}");
    let ready = events.iter().filter(|event| matches!(event, SuiteEvent::ServiceReady { .. })).count();
    assert_eq!(ready, 1);
    assert!(!summary.children[0].estimates.is_empty());
    // It is gone: its port is free again.
    let address = suite.service.url.strip_prefix("http://").unwrap();
    TcpListener::bind(address).unwrap();
}

#[test]
fn a_service_that_ends_in_the_middle_is_red_and_started_again() {
    let summary = run(&with_service(60, TWO));
    let first = &summary.children[0];
    assert_eq!(first.verdict, Some(Verdict::Fail));
    assert!(first.requests() >= 50, "{first:#?}");
    let finding = &first.findings[0];
    assert_eq!(finding.code, "service_ended");
    assert!(
        finding.message.contains("exit status 7") && finding.message.contains("out of order"),
        "{finding:?}"
    );
    assert!(first.findings.iter().any(|finding| finding.code == "process_ended"), "{:?}", first.findings);
    assert_eq!(summary.children[1].verdict, Some(Verdict::Pass), "{:#?}", summary.children[1]);
}

#[test]
fn a_service_that_does_not_start_says_why() {
    let cases = r#"
[[test]]
name = "a case"
request = "GET /"
targets = ["errors = 0"]
"#;
    for (start, timeout, message) in [
        ("echo no such module; exit 4", "30s", "exit status 4)\nIts last output:\nno such module"),
        ("/no/such/program", "30s", "could not be started"),
        ("sleep 600", "200ms", "was not ready at URL/health within 200ms"),
    ] {
        let url = format!("http://{}", refused_address());
        let text = format!(
            "[service]\nurl = \"URL\"\nready = \"/health\"\nready_timeout = \"{timeout}\"\nstart = \"{start}\"\n{cases}"
        );
        let summary = run(&suite(&text, &url));
        let child = &summary.children[0];
        assert_eq!(
            (child.verdict, child.findings[0].code.as_str()),
            (Some(Verdict::NoData), "service_not_started")
        );
        let expected = message.replace("URL", &url);
        assert!(child.findings[0].message.contains(&expected), "{}", child.findings[0].message);
    }
}
