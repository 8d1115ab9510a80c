//! `pulse load`: what each flag does, seen from the server and in the report.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod support;

use std::fs;

use pulse_testkit::{Http2Server, Script, ScriptedServer, Step, TestAuthority};
use regex::Regex;
use serde_json::{Value, json};
use support::{OK, answering, calm, demo, load, requests, run, run_in, steady};

/// Short and small: two users with one request at once and nothing more.
const ONCE: [&str; 4] = ["--users", "1", "--requests", "1"];

fn total(report: &Value) -> u64 {
    report["requests"]["total"].as_u64().unwrap()
}

/// The first request that a server gets for these flags.
#[track_caller]
fn request_for(flags: &[&str]) -> String {
    let server = answering(OK);
    let report = load(&server.url(), &[&ONCE[..], flags].concat());
    assert_eq!(total(&report), 1, "{report:#}");
    requests(&server).remove(0)
}

fn head(request: &str) -> Vec<&str> {
    request.split("\r\n\r\n").next().unwrap().split("\r\n").collect()
}

fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn the_documented_line_prints_the_documented_block() {
    let server = demo();
    let outcome = run(&["load", "--users", "3", "--duration", "2", "--url", &server.url()]);
    let pattern = format!(
        "\\A{}",
        [
            r"Starting load test: 3 users for 2 seconds",
            &format!("Target: {}", regex::escape(&server.url())),
            r"Expected requests per user: ~20",
            r"Expected total requests: ~60",
            &"-".repeat(60),
            "",
            &"=".repeat(60),
            r"LOAD TEST RESULTS",
            &"=".repeat(60),
            r"Total Requests: 60",
            r"Successful: 60 \(100\.00%\)",
            r"Failed: 0 \(0\.00%\)",
            r"Duration: \d+\.\d\ds",
            "",
            r"Response Times:",
            r"  Min: \d+\.\d\dms",
            r"  Max: \d+\.\d\dms",
            r"  Avg: \d+\.\d\dms",
            r"  Median: \d+\.\d\dms",
            r"  95th percentile: \d+\.\d\dms",
            r"  99th percentile: \d+\.\d\dms",
            "",
            r"Throughput: \d+\.\d\d req/s",
            r"Avg per user: 20 requests",
            &"=".repeat(60),
            "",
        ]
        .join("\n")
    );
    assert!(Regex::new(&pattern).unwrap().is_match(&outcome.stdout), "{pattern}\n{}", outcome.stdout);
    for section in
        ["\nENDPOINTS", "\nTIMES", "start lag", "dropped", "Connections: 3 opened", "\nSUCCESS CRITERIA\n"]
    {
        assert!(outcome.stdout.contains(section), "{section} in {}", outcome.stdout);
    }
    assert!(outcome.stdout.contains("Rate: 30.00 iterations/s planned"), "{}", outcome.stdout);
    assert!(Regex::new(r"\nMeasurement: (VALID|SUSPECT|INVALID)").unwrap().is_match(&outcome.stdout));
}

#[test]
fn a_base_url_asks_for_its_health_and_a_path_for_itself() {
    for (path, asked) in [("", "/health"), ("/", "/"), ("/a/b?c=1", "/a/b?c=1"), ("/health/", "/health/")] {
        let server = answering(OK);
        load(&format!("{}{path}", server.url()), &ONCE);
        assert_eq!(head(&requests(&server)[0])[0], format!("GET {asked} HTTP/1.1"));
    }
    let server = answering(OK);
    run(&["load", "-q", "--users", "1", "-n", "1", "--url", &server.url()]);
    assert_eq!(head(&requests(&server)[0])[0], "GET /health HTTP/1.1");
}

#[test]
fn requests_are_as_the_flags_say() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body.bin");
    fs::write(&file, "from a file").unwrap();
    let at_file = format!("@{}", file.display());
    for (flags, first, fields, expected_body) in [
        (vec!["-X", "DELETE"], "DELETE", vec![], ""),
        (
            vec!["--method", "PUT", "-d", "x"],
            "PUT",
            vec!["Content-Type: application/x-www-form-urlencoded"],
            "x",
        ),
        (vec!["-d", "a=1&b=2"], "POST", vec!["Content-Type: application/x-www-form-urlencoded"], "a=1&b=2"),
        (vec!["-d", &at_file], "POST", vec!["Content-Length: 11"], "from a file"),
        (vec!["--json", r#"{"a": 1}"#], "POST", vec!["Content-Type: application/json"], r#"{"a": 1}"#),
        (vec!["--json", "1", "-H", "content-type: text/x"], "POST", vec!["content-type: text/x"], "1"),
        (vec!["-H", "X-A: 1", "--header", "X-B:two words "], "GET", vec!["X-A: 1", "X-B: two words"], ""),
    ] {
        let request = request_for(&flags);
        let lines = head(&request);
        assert_eq!(lines[0], format!("{first} /health HTTP/1.1"), "{flags:?}");
        for field in fields {
            let found = lines.iter().filter(|line| line.eq_ignore_ascii_case(field)).count();
            assert_eq!(found, 1, "{flags:?}: {field} in {request}");
        }
        let types = lines.iter().filter(|line| line.to_ascii_lowercase().starts_with("content-type:"));
        assert!(types.count() <= 1, "{request}");
        assert_eq!(body(&request), expected_body, "{flags:?}");
    }
}

#[test]
fn credentials_reach_the_server_and_nothing_else() {
    for (flags, field) in [
        (["--user", "ann:s3cr3t-word"], "authorization: basic YW5uOnMzY3IzdC13b3Jk"),
        (["--bearer", "s3cr3t-word"], "authorization: bearer s3cr3t-word"),
        (["-H", "Authorization: Bearer s3cr3t-word"], "authorization: bearer s3cr3t-word"),
    ] {
        let server = answering("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
        let folder = tempfile::tempdir().unwrap();
        let outputs =
            ["--out", "json=r.json", "--out", "csv=r.csv", "--out", "md=r.md", "--out", "junit=r.xml"];
        let url = server.url();
        let arguments =
            [&["load", &url, "--record", "r.pulse", "--out", "text=r.txt"], &ONCE[..], &flags, &outputs]
                .concat();
        let outcome = run_in(folder.path(), &arguments);
        let request = requests(&server).remove(0);
        assert!(head(&request).iter().any(|line| line.eq_ignore_ascii_case(field)), "{request}");
        let mut left_behind = vec![outcome.stdout, outcome.stderr];
        for entry in fs::read_dir(folder.path()).unwrap() {
            left_behind.push(fs::read_to_string(entry.unwrap().path()).unwrap());
        }
        assert_eq!(left_behind.len(), 8, "six files and two streams");
        for text in left_behind {
            assert!(!text.contains("s3cr3t") && !text.contains("YW5uOnMz"), "{text}");
        }
    }
    let server = answering(OK);
    let with_password = server.url().replace("http://", "http://ann:s3cr3t-word@");
    let outcome = run(&[&["load", &with_password], &ONCE[..]].concat());
    assert!(!outcome.stdout.contains("s3cr3t") && !outcome.stderr.contains("s3cr3t"), "{outcome:?}");
    assert!(requests(&server)[0].contains("YW5uOnMzY3IzdC13b3Jk"));
}

#[test]
fn expected_statuses_decide_what_succeeds() {
    for (status, expected, failed) in [
        ("204 No Content", "200,204", 0),
        ("200 OK", "204", 1),
        ("404 Not Found", "404", 0),
        ("302 Found", "2xx", 1),
        ("302 Found", "200-399", 0),
    ] {
        let server = answering(
            &format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")
                .replace(if status.starts_with("204") { "Content-Length: 0\r\n" } else { "\0" }, ""),
        );
        let report = load(&server.url(), &[&ONCE[..], &["--expect-status", expected]].concat());
        assert_eq!(report["requests"]["failed"], failed, "{status} where {expected} is expected");
    }
}

#[test]
fn a_service_that_does_not_answer_in_time_is_a_timeout() {
    let server = ScriptedServer::start(Script::each(vec![Step::ReadRequest, Step::Hold]));
    let report = load(&server.url(), &[&ONCE[..], &["--timeout", "150ms"]].concat());
    assert_eq!(report["errors"][0]["class"], "timeout");
    assert_eq!(report["requests"]["failed"], 1);
}

#[test]
fn certificates_are_checked_unless_told_otherwise() {
    let authority = TestAuthority::default();
    let script = || Script::each(vec![Step::ReadRequest, Step::send(OK), Step::Loop]);
    let server = ScriptedServer::start_tls(script(), &authority);
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("ca.pem");
    fs::write(&pem, authority.ca_pem()).unwrap();
    let pem = pem.display().to_string();
    for trust in [vec!["--insecure"], vec!["-k"], vec!["--cacert", &pem]] {
        let report = load(&server.url(), &[&ONCE[..], &trust].concat());
        assert_eq!(report["requests"]["successful"], 1, "{trust:?}");
    }
    run(&["load", &server.url(), "-n", "1"]).expect(3).says(&["certificate"]);
}

#[test]
fn http_2_is_spoken_with_and_without_tls() {
    let authority = TestAuthority::default();
    let flags = ["--users", "8", "--requests", "40", "--workers", "1", "--pace", "0", "-k"];
    // Flags, and the connections that eight users of one worker need.
    for (http, connections) in [
        (&["--http", "2"][..], 8),
        (&["--http", "2", "--streams", "4"], 2),
        (&["--http", "auto", "--streams", "100"], 1),
    ] {
        let server = Http2Server::start_tls(100, &authority);
        let report = load(&server.url(), &[&flags[..], http].concat());
        assert_eq!((total(&report), report["requests"]["failed"].as_u64()), (40, Some(0)), "{report:#}");
        assert_eq!((server.request_count(), server.connections()), (40, connections), "{http:?}");
    }
    let server = Http2Server::start(1);
    let report = load(&server.url(), &[&flags[..], &["--http", "2", "--streams", "8"]].concat());
    assert_eq!((total(&report), report["requests"]["failed"].as_u64()), (40, Some(0)), "{report:#}");
    assert_eq!((server.request_count(), server.connections()), (40, 1));
    run(&["load", &server.url(), "-n", "1", "--streams", "8"]).expect(2).says(&["streams", "HTTP/2"]);
    run(&["load", &server.url(), "-n", "1", "--http", "2.0"]).expect(2).says(&["1.1, 2, 3 or auto"]);
}

#[test]
fn budgets_are_exact() {
    let server = answering(OK);
    for (flags, requests) in [(["--requests", "37"], 37), (["-n", "1"], 1), (["--iterations", "23"], 23)] {
        for workers in ["1", "2"] {
            let before = server.request_count();
            let flags = [&flags[..], &["--users", "5", "--pace", "0", "--workers", workers]].concat();
            assert_eq!(total(&load(&server.url(), &flags)), requests, "{flags:?}");
            assert_eq!((server.request_count() - before) as u64, requests, "{flags:?}");
        }
    }
}

#[test]
fn users_without_pace_go_as_fast_as_answers_come() {
    let server = steady(5);
    let report = load(&server.url(), &["--users", "2", "--duration", "1", "--pace", "0"]);
    assert!(report["scenarios"][0]["load"].as_str().unwrap().contains("as fast as answers come"));
    let requests = total(&report);
    // With the default pace there would be 20; no machine gets beyond one in 5 ms and user.
    assert!((21..=400).contains(&requests), "{requests}");
}

#[test]
fn late_users_catch_up_or_skip() {
    // One answer takes 400 ms, four sends of the default pace.
    let server = steady(400);
    let flags = ["--users", "1", "--duration", "2"];
    let caught_up = load(&server.url(), &flags);
    let skipped = load(&server.url(), &[&flags[..], &["--missed", "skip"]].concat());
    let count = |report: &Value, name: &str| report["iterations"][name].as_u64().unwrap();
    assert_eq!(count(&skipped, "due"), count(&skipped, "started") + count(&skipped, "missed"), "{skipped:#}");
    assert!(count(&skipped, "missed") > 0);
    assert_eq!(count(&caught_up, "missed"), 0);
    let slowest = |report: &Value| report["response_time"]["max"].as_f64().unwrap();
    assert!(slowest(&caught_up) > 2.0 * slowest(&skipped), "waiting counts: {caught_up:#}");
    let said = caught_up["findings"].to_string();
    assert!(said.contains("planned") || said.contains("keep up"), "{said}");
}

#[test]
fn arrivals_are_the_same_for_every_number_of_workers() {
    let server = answering(OK);
    let flags = ["--rate", "160", "--arrivals", "poisson", "--duration", "1", "--max-users", "400"];
    let due = |more: &[&str]| {
        let report = load(&server.url(), &[&flags[..], more].concat());
        report["iterations"]["due"].as_u64().unwrap()
    };
    let one = due(&["--seed", "5", "--workers", "1"]);
    assert_eq!(one, due(&["--seed", "5", "--workers", "2"]));
    // A Poisson count of 160; six standard deviations.
    assert!((84..=236).contains(&one), "{one}");
    let others: Vec<u64> = ["6", "7", "8"].map(|seed| due(&["--seed", seed])).into();
    assert!(others.iter().any(|other| *other != one), "the seed decides: {one}, {others:?}");
}

#[test]
fn the_planned_rate_is_the_plans() {
    let server = answering(OK);
    for law in ["even", "poisson"] {
        let report = load(&server.url(), &["--rate", "60", "--arrivals", law, "--duration", "1"]);
        assert_eq!(report["iterations"]["planned_per_second"], 60.0, "{law}");
    }
}

#[test]
fn stages_ramp_the_users() {
    let server = answering(OK);
    let outcome = run(&["load", &server.url(), "--stages", "1s:10,1s:10,1s:0", "--out", "json=-"]);
    let report = outcome.json();
    // The area below the ramp: 5 + 10 + 5 user-seconds at 10 requests each.
    // The area below the ramp is 5 + 10 + 5 user-seconds at 10 requests each; every user's last interval counts whole.
    let due = report["iterations"]["due"].as_u64().unwrap();
    assert!((200..=220).contains(&due), "{report:#}");
    assert_eq!(report["run"]["planned_duration_ms"], 3000.0);
    assert!(outcome.stderr.contains("Starting load test: 10 users for 3 seconds"), "{}", outcome.stderr);
}

#[test]
fn the_warm_up_is_in_no_judged_figure() {
    let server = answering(OK);
    let outcome =
        run(&["load", &server.url(), "--users", "4", "--duration", "2", "--warmup", "1", "--out", "json=-"]);
    let report = outcome.json();
    let warmup = report["run"]["warmup_requests"].as_u64().unwrap();
    assert!(warmup > 0);
    assert_eq!(warmup + total(&report), 80);
    assert_eq!(server.request_count(), 80);
    assert!(outcome.stderr.contains("the first 1s as warm-up"), "{}", outcome.stderr);
    let stated = format!("Warm-up: 1s with {warmup} requests, in none of the figures");
    assert!(outcome.stderr.contains(&stated), "{}", outcome.stderr);
}

#[test]
fn workers_share_the_users() {
    let server = answering(OK);
    for (workers, used) in [("1", 1), ("2", 2), ("7", 3)] {
        let report = load(&server.url(), &["--users", "3", "-n", "6", "--workers", workers]);
        assert_eq!(report["run"]["workers"], used, "no worker without a user");
        assert_eq!(total(&report), 6);
    }
}

#[test]
fn every_target_gets_its_verdict() {
    let server = steady(40);
    let arguments = |more: &[&'static str]| {
        let targets = ["-t", "avg < 10s", "--target", "p50 > 10s", "--target", "p99.9 < 10s"];
        let url = server.url();
        let base = ["load", "-q", &url, "--users", "3", "--duration", "1"].map(str::to_owned);
        let more = targets.iter().chain(more).map(ToString::to_string);
        base.into_iter().chain(more).collect::<Vec<_>>()
    };
    let all = arguments(&["-t", "p95{endpoint=nowhere} < 1s"]);
    let outcome = calm(|| run(&all.iter().map(String::as_str).collect::<Vec<_>>())).expect(99);
    let criteria = outcome.stdout.split("SUCCESS CRITERIA\n").nth(1).unwrap();
    for (line, verdict) in criteria.lines().zip(["PASS", "FAIL", "INCONCLUSIVE", "NO DATA"]) {
        assert!(line.starts_with(verdict), "{line}");
    }
    assert!(!criteria.contains("throughput"), "the defaults are replaced: {criteria}");
}

#[test]
fn what_is_inconclusive_passes_or_fails_as_told() {
    let server = steady(40);
    let url = server.url();
    let flags = ["load", "-q", &url, "--users", "1", "-n", "5", "-t", "p99 < 10s"];
    calm(|| run(&flags)).expect(0);
    calm(|| run(&[&flags[..], &["--inconclusive", "warn"]].concat())).expect(0);
    calm(|| run(&[&flags[..], &["--inconclusive", "fail"]].concat())).expect(99);
}

#[test]
fn a_log_gets_lines_and_quiet_gets_none() {
    let server = answering(OK);
    let url = server.url();
    let flags = ["load", &url, "--users", "1", "--duration", "6"];
    let noisy = run(&flags);
    assert!(noisy.stderr.lines().any(|line| line.starts_with("0:05 of 0:06, ")), "{}", noisy.stderr);
    let flags = ["load", &url, "--users", "1", "-n", "2"];
    assert_eq!(run(&[&flags[..], &["--quiet"]].concat()).stderr, "");
}

#[test]
fn the_report_has_what_the_service_sent() {
    let server = ScriptedServer::start(Script::each(vec![
        Step::ReadRequest,
        Step::send(OK),
        Step::ReadRequest,
        Step::send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\ndown"),
        Step::Loop,
    ]));
    let report = load(&server.url(), &["--users", "1", "-n", "10", "--pace", "0"]);
    assert_eq!(report["statuses"], json!([{ "status": "200", "count": 5 }, { "status": "503", "count": 5 }]));
    assert_eq!(report["errors"][0]["class"], "status");
    assert_eq!(report["errors"][0]["count"], 5);
}
