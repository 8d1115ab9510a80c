//! Every documented exit code, provoked.

mod support;

use std::process::Command;

use pulse_testkit::{QueueServer, Script, ScriptedServer, Step, refused_address};
use support::{OK, Running, answering, calm, pulse, run, steady};

/// A run that ends soon and that a busy machine does not disturb.
fn short(url: &str, more: &[&str]) -> support::Outcome {
    let flags = ["load", "-q", "--users", "3", "--duration", "1", url];
    calm(|| run(&[&flags[..], more].concat()))
}

fn slow() -> QueueServer {
    steady(40)
}

#[test]
fn zero_when_all_targets_pass() {
    let server = slow();
    let outcome = short(&server.url(), &["-t", "success > 99%", "-t", "avg < 30s"]).expect(0);
    assert_eq!(outcome.stdout.matches("\nPASS").count(), 2, "{}", outcome.stdout);
    short(&server.url(), &[]).expect(0);
}

#[test]
fn two_for_a_mistake() {
    for arguments in [&[][..], &["lod"], &["load", "--users", "many"], &["load", "nowhere.toml"], &["report"]]
    {
        run(arguments).expect(2);
    }
}

#[test]
fn three_for_a_service_that_is_not_reachable() {
    let refused = format!("http://{}", refused_address());
    let outcome = run(&["load", "--duration", "1", &refused]).expect(3);
    assert_eq!(outcome.stdout, "", "the load has not begun");
    let outcome = outcome.says(&["error: ", "connection refused", &refused, "pulse demo serve"]);
    assert!(outcome.stderr.lines().count() <= 3, "{}", outcome.stderr);
    run(&["load", "--duration", "1", "http://no-such-host.invalid"])
        .expect(3)
        .says(&["no-such-host.invalid", "not resolved"]);
    let plain = answering(OK);
    run(&["load", "--duration", "1", &plain.url().replace("http:", "https:")]).expect(3).says(&["TLS"]);
}

#[test]
fn ninety_eight_for_an_invalid_measurement() {
    // One user that is busy for 300 ms at a time cannot serve 20 arrivals per second.
    let server = steady(300);
    let flags = ["load", "-q", "--rate", "20", "--max-users", "1", "--duration", "1", "-t", "avg < 30s"];
    let outcome = run(&[&flags[..], &[&server.url()]].concat()).expect(98);
    assert!(outcome.stdout.contains("Measurement: INVALID"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("found no free user and were dropped"), "{}", outcome.stdout);
}

#[test]
fn ninety_nine_for_a_failed_target_or_none_at_all_to_judge() {
    let server = slow();
    let outcome = short(&server.url(), &["-t", "avg < 1ms"]).expect(99);
    assert!(outcome.stdout.contains("\nFAIL"), "{}", outcome.stdout);
    let outcome = short(&server.url(), &["-t", "p95{endpoint=nowhere} < 1s"]).expect(99);
    assert!(outcome.stdout.contains("\nNO DATA"), "{}", outcome.stdout);
    let down = answering("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    short(&down.url(), &["-t", "success > 99%"]).expect(99);
}

/// A long load on a server that has answered at least a few requests of it.
fn under_way(server: &ScriptedServer, more: &[&str]) -> Running {
    let flags = ["load", "--users", "1", "--duration", "1h", "--pace", "50"];
    let running = Running::start(&mut pulse(&[&flags[..], &[&server.url()], more].concat()));
    // Three steps for each request; the first connection only tries whether the service is there.
    server.wait_for(1, 30);
    running
}

#[test]
fn a_hundred_and_thirty_once_it_is_interrupted_with_what_was_measured() {
    for signal in ["INT", "TERM"] {
        let server = answering(OK);
        let running = under_way(&server, &["--out", "json=-"]);
        running.signal(signal);
        let outcome = running.finish().expect(130);
        assert!(outcome.stderr.contains("Ctrl-C again to quit"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("LOAD TEST RESULTS"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("\nEnding: interrupted"), "{}", outcome.stderr);
        let report = outcome.json();
        assert_eq!(report["ending"], "interrupted");
        assert!(report["requests"]["total"].as_u64().unwrap() >= 9, "{report:#}");
    }
}

#[test]
fn interrupted_twice_it_quits_at_once() {
    // The answer that the first signal waits for never comes.
    let steps = vec![Step::ReadRequest, Step::send(OK), Step::ReadRequest, Step::Hold];
    let server = ScriptedServer::start(Script::in_turn(vec![vec![Step::Hold], steps]));
    let flags =
        ["load", "-q", "--users", "1", "--duration", "1h", "--graceful-stop", "1h", "--timeout", "1h"];
    let running = Running::start(&mut pulse(&[&flags[..], &[&server.url()]].concat()));
    server.wait_for(1, 3);
    running.signal("INT");
    // Signals of the same kind that are not yet taken are one: repeat until the program has gone.
    let id = running.id().to_string();
    let again = std::thread::spawn(move || {
        while Command::new("kill").args(["-INT", &id]).output().is_ok_and(|sent| sent.status.success()) {}
    });
    let outcome = running.finish().expect(130);
    again.join().unwrap();
    assert!(!outcome.stdout.contains("LOAD TEST RESULTS"), "{}", outcome.stdout);
}

#[test]
fn the_help_lists_them() {
    let help = run(&["--help"]).expect(0).stdout;
    for code in [0, 1, 2, 3, 98, 99, 130] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{code} "))), "{help}");
    }
}
