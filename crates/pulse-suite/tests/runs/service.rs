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

/// A member of the service's group that ignores SIGTERM: it must not outlive the suite, whether its leader ends when it is
/// asked to or had ended before.
#[test]
fn nothing_of_a_service_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    for (name, leader) in [("asked", "wait"), ("ended", "sleep 1")] {
        let file = folder.path().join(name);
        let server = pulse_testkit::QueueServer::start(pulse_testkit::Law::new(
            pulse_testkit::Discipline::Parallel,
            pulse_testkit::ServiceLaw::Fixed(std::time::Duration::from_millis(1)),
        ));
        // The loop ignores the signal, and so do the sleeps that it starts.
        let stubborn = "(trap '' TERM; while :; do sleep 0.1; done) & echo $! >";
        let start = format!("{stubborn} '{}'; {leader}", file.display());
        let case =
            "[[test]]\nname = \"a\"\nrequest = \"POST /\"\nduration = \"2s\"\ntargets = [\"errors = 0\"]\n";
        let text = format!("[service]\nurl = \"URL\"\nstart = {start:?}\n{case}");
        let summary = run(&suite(&text, &server.url()));
        let pid = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("{name}: {summary:#?}"));
        let cmdline = std::path::Path::new("/proc").join(pid.trim()).join("cmdline");
        // One that has ended and is not waited for has no command line.
        let is_alive = || std::fs::read(&cmdline).is_ok_and(|line| !line.is_empty());
        // A killed process is gone as soon as whoever inherited it has noticed.
        let begin = std::time::Instant::now();
        while is_alive() && begin.elapsed() < std::time::Duration::from_secs(20) {
            std::thread::yield_now();
        }
        assert!(!is_alive(), "{name}: process {pid} is left");
    }
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
