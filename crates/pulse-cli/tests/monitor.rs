//! `pulse monitor` against real services, processes and groups.

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use pulse_demo::{DemoConfig, DemoServer};
use pulse_monitor::{Config, Group, Monitor, SharedReader};
use pulse_testkit::{Script, ScriptedServer, Step};
use serde_json::Value;
use support::{Outcome, Running, demo, pulse, read_json, run, run_in};

/// One request of a client of its own; the answer as it came.
fn ask(address: SocketAddr, path: &str, fields: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    String::from_utf8_lossy(&answer).into_owned()
}

/// An answer with metrics in text.
fn text(body: &str) -> Step {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: ";
    Step::send(format!("{head}{}\r\n\r\n{body}", body.len()))
}

/// A service that gives these answers one after another, and the last one for ever.
fn service(answers: &[String]) -> ScriptedServer {
    let mut steps: Vec<Step> = answers.iter().flat_map(|body| [Step::ReadRequest, text(body)]).collect();
    let last = answers.last().map_or("", String::as_str);
    steps.extend((0..1_000).flat_map(|_| [Step::ReadRequest, text(last)]));
    ScriptedServer::start(Script::each(steps))
}

/// What a client library without any knowledge of Pulse writes: so many requests, all of them below 250 ms.
fn foreign(requests: u64) -> String {
    let bucket = |le: &str, count| {
        format!("http_request_duration_seconds_bucket{{path=\"/a\",code=\"200\",le=\"{le}\"}} {count}\n")
    };
    format!(
        "# TYPE http_request_duration_seconds histogram\n{}{}{}http_request_duration_seconds_sum{{path=\"/a\",code=\"200\"}} {}\n\
         http_request_duration_seconds_count{{path=\"/a\",code=\"200\"}} {requests}\n",
        bucket("0.1", requests / 2),
        bucket("0.25", requests),
        bucket("+Inf", requests),
        requests as f64 * 0.12,
    )
}

/// Watches quickly: ten looks a second, and a report as JSON.
fn watch(source: &str, flags: &[&str]) -> Outcome {
    run(&[&["monitor", "--every", "100ms", "--out", "json=-", source], flags].concat())
}

fn codes(report: &Value) -> Vec<&str> {
    let reasons = report["validity"]["reasons"].as_array().expect("there is a list");
    reasons.iter().filter_map(|reason| reason["code"].as_str()).collect()
}

fn finding<'a>(report: &'a Value, code: &str) -> Option<&'a str> {
    let findings = report["findings"].as_array().expect("there is a list");
    findings.iter().find(|finding| finding["code"] == code).and_then(|finding| finding["message"].as_str())
}

#[test]
fn the_demo_is_seen_as_it_is() {
    let server = demo();
    let url = server.url();
    let watching = Running::start_until(&mut pulse(&["monitor", "--out", "json=-", &url]), "Watching ");
    for n in 0..40 {
        ask(server.addr(), if n % 2 == 0 { "/health" } else { "/api/v1/trades?limit=1" }, "");
        if n % 10 == 0 {
            ask(server.addr(), "/nothing", "");
        }
    }
    // It looks once more before it ends.
    watching.signal("INT");
    let report = watching.finish().expect(0).json();
    let endpoint = |name: &str| {
        let endpoints = report["endpoints"].as_array().expect("there is a list");
        endpoints.iter().find(|endpoint| endpoint["name"] == name).cloned().unwrap_or_default()
    };
    assert_eq!(endpoint("GET /health")["requests"], 20, "{report}");
    assert_eq!(endpoint("GET /api/v1/trades")["requests"], 20);
    assert_eq!(
        (&endpoint("GET _unmatched")["requests"], &endpoint("GET _unmatched")["failed"]),
        (&4.into(), &4.into())
    );
    assert_eq!(report["run"]["kind"], "monitor");
    assert_eq!(report["validity"]["state"], "valid");
    let service = &report["service"];
    assert_eq!(service["database"][0]["name"], "select");
    assert_eq!(service["database"][0]["count"], 20);
    assert_eq!(service["pools"][0]["name"], "sqlite_readers");
    assert!(service["processes"][0]["resident_bytes"].as_u64() > Some(1_000_000), "{service}");
    assert_eq!(report["response_time"]["quantile_error"], 0.010_83);
    server.stop().expect("it stops");
}

#[test]
fn targets_decide_the_exit_code_and_breaches_are_told_as_they_happen() {
    let rising: Vec<String> = (1..200).map(|n| foreign(n * 100)).collect();
    let server = service(&rising);
    for (targets, code, said) in [
        (&["p95 < 1s"][..], 0, ""),
        (&["errors < 1%", "throughput > 1/s"], 0, ""),
        (&["p95 < 50ms"], 99, "target missed: p95 < 50ms, measured "),
        (&["p95{endpoint=/b} < 1s"], 99, ""),
        (&["p95 < 150ms"], 0, ""),
    ] {
        // Breaches are told from the fifth second on.
        let mut flags = vec!["--for", if said.is_empty() { "1s" } else { "6s" }];
        targets.iter().for_each(|target| flags.extend(["--target", target]));
        let outcome = watch(&server.url(), &flags).expect(code).says(&[said]);
        let report = outcome.json();
        let verdict = |n: usize| report["targets"][n]["verdict"].as_str().unwrap_or_default().to_owned();
        match targets[0] {
            "p95 < 50ms" => {
                assert_eq!(verdict(0), "fail");
                let breach = finding(&report, "breach").expect("the report says so, too");
                assert!(breach.starts_with("`p95 < 50ms` was missed once within a window of 1m"), "{breach}");
            }
            "p95{endpoint=/b} < 1s" => assert_eq!(verdict(0), "no_data"),
            // The bucket that holds it ends at 250 ms: nobody knows.
            "p95 < 150ms" => {
                assert_eq!(verdict(0), "inconclusive", "{report}");
                assert!(
                    report["targets"][0]["reason"].as_str().is_some_and(|it| it.contains("buckets only say"))
                );
            }
            _ => assert_eq!(verdict(0), "pass", "{report}"),
        }
    }
    let strict = ["--for", "1s", "--target", "p95 < 150ms", "--inconclusive", "fail"];
    watch(&server.url(), &strict).expect(99);
}

#[test]
fn a_service_that_knows_nothing_of_pulse_is_taken_with_what_it_says() {
    let server = service(&[foreign(1_000), foreign(3_000)]);
    let report =
        watch(&server.url(), &["--for", "1s"]).expect(0).says(&["3 buckets of the service's own"]).json();
    assert_eq!(report["requests"]["total"], 2_000);
    assert_eq!(report["endpoints"][0]["name"], "/a");
    assert_eq!(report["response_time"]["mean"], 120.0);
    assert_eq!(report["response_time"]["quantile_error"], Value::Null, "nobody knows how far off they are");
    assert!(finding(&report, "coarse_buckets").is_some());
    let asked = support::requests(&server);
    assert!(asked[0].starts_with("GET /metrics HTTP/1.1\r\n"), "{}", asked[0]);
    assert!(asked[0].contains("\r\nAccept: application/vnd.pulse.snapshot+json, "), "{}", asked[0]);
    assert!(asked[0].contains("\r\nUser-Agent: pulse/"), "{}", asked[0]);
}

#[test]
fn a_service_that_is_started_anew_makes_the_figures_suspect() {
    let server = service(&[foreign(1_000), foreign(1_500), foreign(20), foreign(50)]);
    let outcome = watch(&server.url(), &["--for", "1s"]).expect(0).says(&["counts began anew: "]);
    let report = outcome.json();
    assert_eq!(report["requests"]["total"], 550, "500 before, 50 after");
    assert_eq!((&report["validity"]["state"], codes(&report)), (&"suspect".into(), vec!["restarts"]));
}

#[test]
fn a_gap_is_told_and_loses_nothing() {
    let answer = |requests| [Step::ReadRequest, text(&foreign(requests))];
    let first: Vec<Step> = [answer(1_000), answer(1_200)].concat();
    let back: Vec<Step> = (0..1_000).flat_map(|_| answer(5_000)).collect();
    // A connection that closes without an answer, several times.
    let script = Script::in_turn(vec![first, vec![Step::ReadRequest], vec![Step::ReadRequest], back]);
    let server = ScriptedServer::start(script);
    let outcome = watch(&server.url(), &["--for", "2s"])
        .expect(0)
        .says(&["cannot be read: ", "can be read again after "]);
    let report = outcome.json();
    assert_eq!(report["requests"]["total"], 4_000);
    assert_eq!(report["validity"]["state"], "valid");
}

#[test]
fn a_service_that_goes_and_does_not_come_back_makes_the_figures_invalid() {
    let server = service(&[foreign(1_000), foreign(1_200)]);
    let url = server.url();
    let flags =
        ["monitor", "--every", "100ms", "--for", "3s", "--target", "errors < 1%", "--out", "json=-", &url];
    let watching = Running::start(&mut pulse(&flags));
    server.wait_for(0, 6);
    drop(server);
    let outcome =
        watching.finish().expect(98).says(&["cannot be read: ", "is not reachable: connection refused"]);
    let report = outcome.json();
    assert_eq!(codes(&report), ["unreadable"]);
    assert_eq!(report["requests"]["total"], 200, "what was seen is kept");
}

#[test]
fn a_process_is_watched_with_its_children_until_it_ends() {
    let mut shell = Command::new("sh")
        .args(["-c", "sleep 300 & while :; do :; done"])
        .stdout(Stdio::null())
        .spawn()
        .expect("there is a shell");
    let pid = shell.id().to_string();
    let report = watch(&pid, &["--for", "2s"]).expect(0).json();
    let process = &report["service"]["processes"][0];
    assert!(process["cpu"].as_f64().is_some_and(|cpu| cpu > 0.05), "it is busy: {process}");
    assert!(process["threads"].as_u64() >= Some(2), "the shell and its child: {process}");
    for field in ["resident_bytes", "proportional_bytes", "descriptors"] {
        assert!(process[field].as_u64() > Some(0), "{field} of {process}");
    }
    assert_eq!(report["run"]["name"], format!("process {pid} (sh)"));
    // The child is of nobody any more once the shell is gone.
    let children = Command::new("pkill").args(["-KILL", "-P", &pid]).status();
    shell.kill().expect("it runs");
    shell.wait().expect("it is our child");
    children.expect("there is a pkill");
}

#[test]
fn a_process_that_ends_is_reported_with_what_was_seen() {
    for (flags, code, reason) in [(&[][..], 0, None), (&["--for", "60s"], 98, Some("ended_early"))] {
        let mut sleeper = Command::new("sleep").arg("1").spawn().expect("there is a sleep");
        let pid = sleeper.id().to_string();
        let outcome = watch(&pid, flags);
        sleeper.wait().expect("it is our child");
        let outcome = outcome.expect(code).says(&[&format!("process {pid} (sleep) has ended")]);
        let report = outcome.json();
        assert_eq!(codes(&report), reason.into_iter().collect::<Vec<_>>());
        assert!(report["service"]["processes"][0]["resident_bytes"].as_u64() > Some(0), "{report}");
    }
}

#[test]
fn workers_that_share_a_monitor_are_watched_as_one() {
    let group = format!("cli-test-{}", std::process::id());
    let start = || {
        let config = DemoConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            trades: 100,
            group: Some(group.clone()),
            ..DemoConfig::default()
        };
        DemoServer::start(config).expect("the demo starts")
    };
    let servers = [start(), start()];
    let source = format!("shm:{group}");
    let arguments = ["monitor", "--every", "100ms", "--out", "json=-", &source];
    let watching = Running::start_until(&mut pulse(&arguments), "Watching shm:");
    for n in 0..30 {
        ask(servers[n % 2].addr(), "/health", "");
    }
    watching.signal("INT");
    let report = watching.finish().expect(0).json();
    assert_eq!(report["endpoints"][0]["name"], "GET /health");
    assert_eq!(report["endpoints"][0]["requests"], 30, "{report}");
    assert_eq!(report["run"]["service"], source);
    // One that is not there names those that are.
    run(&["monitor", "shm:no-such-group"]).expect(2).says(&[
        "there is no group `no-such-group`",
        "there are: ",
        &group,
    ]);
    let path = SharedReader::open(&group).expect("it is there").path().to_owned();
    drop(servers);
    fs::remove_file(path).expect("it is ours");
}

#[test]
fn files_that_are_no_group_are_refused() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let foreign = folder.path().join("foreign");
    fs::write(&foreign, vec![7; 100_000]).expect("a file can be written");
    let source = format!("shm:{}", foreign.display());
    run(&["monitor", &source]).expect(2).says(&["it is not a file of this program"]);
}

#[test]
fn a_group_of_a_newer_version_is_refused() {
    let group = format!("newer-test-{}", std::process::id());
    let monitor = Monitor::new(Config { group: Group::Named(group.clone()), ..Config::default() });
    let path = SharedReader::open(&group).expect("it is there").path().to_owned();
    let newer = tempfile::NamedTempFile::new().expect("a file can be made");
    // The second word of a file is the number of its layout.
    let mut start = fs::read(&path).expect("it is ours");
    start[8..16].copy_from_slice(&99_u64.to_le_bytes());
    fs::write(newer.path(), start).expect("a file can be written");
    let source = format!("shm:{}", newer.path().display());
    run(&["monitor", &source]).expect(2).says(&["it was made by a newer version of this program (layout 99"]);
    drop(monitor);
    fs::remove_file(path).expect("it is ours");
}

#[test]
fn a_recording_shows_the_same_again() {
    let rising: Vec<String> = (1..100).map(|n| foreign(n * 100)).collect();
    let server = service(&rising);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let url = server.url();
    let arguments = [
        "monitor",
        "--every",
        "100ms",
        "--for",
        "2s",
        "--record",
        "w.pulse",
        "--out",
        "json=w.json",
        "--target",
        "p95 < 1s",
        &url,
    ];
    let watched = run_in(folder.path(), &arguments).expect(0);
    let again = run_in(folder.path(), &["report", "w.pulse", "--out", "json=r.json"]).expect(0);
    assert_eq!(again.stdout, "", "{again:?}");
    let [live, replayed] = ["w.json", "r.json"].map(|name| fs::read_to_string(folder.path().join(name)));
    assert_eq!(live.expect("a report"), replayed.expect("a report"));
    let shown = run_in(folder.path(), &["report", "w.pulse"]).expect(0);
    assert_eq!(shown.stdout, watched.stdout);
    // What a killed process leaves is a recording without its end.
    let recording = fs::read_to_string(folder.path().join("w.pulse")).expect("a recording");
    let cut: Vec<&str> = recording.lines().collect();
    fs::write(folder.path().join("cut.pulse"), cut[..cut.len() - 3].join("\n") + "\n").expect("a file");
    let cut = run_in(folder.path(), &["report", "cut.pulse", "--out", "json=c.json"])
        .says(&["ends before the run did"]);
    assert!(matches!(cut.code, Some(0 | 98)), "{cut:?}");
    let report = read_json(&folder.path().join("c.json"));
    assert!(report["requests"]["total"].as_u64() > Some(500), "{report}");
}

/// The URL that a watch serves, from what it says.
fn served(said: &str) -> SocketAddr {
    let url = said.split("Serving http://").nth(1).expect("it says where");
    url.split('/').next().expect("a URL has a host").parse().expect("an address")
}

#[test]
fn what_it_sees_is_served() {
    let rising: Vec<String> = (1..400).map(|n| foreign(n * 100)).collect();
    let server = service(&rising);
    let url = server.url();
    let arguments = ["monitor", "--every", "100ms", "--serve", "0", "--target", "p95 < 1s", &url];
    let watching = Running::start_until(&mut pulse(&arguments), "/api/summary\n");
    let address = served(&watching.so_far());
    let count = || {
        let answer = ask(address, "/metrics", "Accept: application/openmetrics-text\r\n");
        assert!(answer.contains("content-type: application/openmetrics-text"), "{answer}");
        let line = answer.lines().find(|line| line.starts_with("http_server_request_duration_seconds_count"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    assert!((0..20_000).any(|_| count() >= 300), "it does not come to 300 requests");
    let summary = ask(address, "/api/summary", "");
    let body = summary.split_once("\r\n\r\n").expect("an answer has a body").1;
    let report: Value = serde_json::from_str(body).expect("a summary is JSON");
    assert_eq!((&report["run"]["kind"], &report["format"]), (&"monitor".into(), &"pulse-report".into()));
    assert!(report["requests"]["total"].as_u64() >= Some(300));
    let minute = ask(address, "/api/summary?window=1m", "");
    let minute = minute.split_once("\r\n\r\n").expect("an answer has a body").1;
    let minute: Value = serde_json::from_str(minute).expect("a summary is JSON");
    assert!(minute["requests"]["total"].as_u64() >= Some(300), "{minute}");
    assert_eq!(minute["targets"][0]["samples"], minute["requests"]["total"], "judged in the window");
    assert!(ask(address, "/api/summary?window=2m", "").starts_with("HTTP/1.1 400 "));
    assert!(ask(address, "/healthz", "").ends_with("\r\n\r\nok\n"));
    let stranger = ask(address, "/metrics", "").replace("Host: localhost", "");
    assert!(stranger.starts_with("HTTP/1.1 200"));
    // Its port is taken now.
    run(&["monitor", "--serve", &address.port().to_string(), "--for", "1s", &url])
        .expect(2)
        .says(&["--serve: port ", "is in use already; serve at another, or at port 0"]);
    watching.signal("INT");
    watching.finish().expect(0);
}

#[test]
fn others_need_a_token() {
    let server = service(&[foreign(1)]);
    let url = server.url();
    let arguments = ["monitor", "--every", "100ms", "--serve", "0.0.0.0:0", &url];
    let watching = Running::start_until(&mut pulse(&arguments), "?token=");
    let said = watching.so_far();
    let address = served(&said);
    // Other lines may have followed already.
    let token =
        said.split("?token=").nth(1).and_then(|rest| rest.lines().next()).expect("it is said").to_owned();
    assert!(token.len() == 32 && token.chars().all(|c| c.is_ascii_hexdigit()), "{token}");
    assert!(ask(address, "/metrics", "").starts_with("HTTP/1.1 401 "));
    assert!(ask(address, &format!("/metrics?token={token}"), "").starts_with("HTTP/1.1 200 "));
    watching.signal("TERM");
    watching.finish().expect(0);
}

#[test]
fn an_interruption_is_as_planned_only_where_no_end_was_planned() {
    let server = service(&[foreign(1_000), foreign(3_000)]);
    let url = server.url();
    for (flags, code, ending) in [
        (&["--target", "errors < 1%"][..], 0, "finished"),
        (&["--target", "p95 < 1ms"], 99, "finished"),
        (&["--for", "60s", "--target", "errors < 1%"], 130, "interrupted"),
    ] {
        let arguments = [&["monitor", "--every", "100ms", "--out", "json=-", &url], flags].concat();
        let watching = Running::start_until(&mut pulse(&arguments), "Watching ");
        server.wait_for(0, 8);
        watching.signal("INT");
        let outcome = watching.finish().expect(code).says(&["Stopping: the summary follows."]);
        assert_eq!(outcome.json()["ending"], ending);
    }
}

#[test]
fn mistakes_have_a_next_step() {
    for (arguments, said) in [
        (&["monitor"][..], "<SOURCE>"),
        (&["monitor", "127.0.0.1:8000"], "http://127.0.0.1:8000"),
        (&["monitor", ""], "http://127.0.0.1:8000"),
        (&["monitor", "shm:"], "shm:GROUP"),
        (&["monitor", "ftp://a"], "not http or https"),
        (&["monitor", "1073741824"], "there is no process 1073741824"),
        (&["monitor", "1", "--bearer", "s3cr3t"], "go with a URL"),
        (&["monitor", "1", "--for", "0"], "--for 5m"),
        (&["monitor", "1", "--for", "soon"], "--for 5m"),
        (&["monitor", "1", "--every", "1ms"], "--every must lie between 100ms and 1h"),
        (&["monitor", "1", "--window", "1s"], "--window must lie between 5s and 1h"),
        (&["monitor", "1", "--serve", "nowhere"], "--serve 127.0.0.1:9900"),
        (&["monitor", "1", "--token", "a-long-secret"], "--serve"),
        (&["monitor", "http://127.0.0.1:1", "--serve", "0", "--token", "short"], "not reachable"),
        (&["monitor", "1", "--target", "fast"], "p99 < 150ms"),
        (&["monitor", "1", "--target", "p95 < 1s", "--target", "p95 > 2s"], "contradicts `p95 < 1s`"),
        (&["monitor", "1", "--target", "cpu < 50%"], "does not know"),
        (&["monitor", "http://127.0.0.1:1", "--target", "dropped = 0"], "does not know"),
        (&["monitor", "http://127.0.0.1:1", "--out", "json"], "json=report.json"),
    ] {
        let outcome = run(arguments);
        let code = if said == "not reachable" { 3 } else { 2 };
        let outcome = outcome.expect(code).says(&["error: ", said]);
        assert!(!outcome.stderr.contains("s3cr3t"), "{}", outcome.stderr);
        assert_eq!(outcome.stdout, "");
    }
    let pid = std::process::id().to_string();
    run(&["monitor", &pid, "--target", "p95 < 1s"])
        .expect(2)
        .says(&["a process says nothing about its requests"]);
}

#[test]
fn answers_that_cannot_be_used_say_why() {
    let head = |kind: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n");
    let long = |bytes: usize| format!("{}{}", head("text/plain"), "a 1\n".repeat(bytes / 4));
    for (answer, code, said) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(), 2, "name the path of its metrics"),
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_owned(), 2, "--bearer"),
        (
            "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /x\r\n\r\n".to_owned(),
            2,
            "name the URL that it leads to",
        ),
        (head("text/html") + "<html>", 2, "the answer is `text/html`"),
        (head("application/json") + "{\"status\": \"up\"}", 2, "not a snapshot of Pulse"),
        (head("application/json") + "{\"format\":\"pulse-snapshot\",\"version\":99}", 2, "99"),
        (head("text/plain") + "up{a=b} 1", 2, "line 1, column 6"),
        (head("application/openmetrics-text") + "up 1\n", 2, "# EOF"),
        ("no HTTP at all\r\n\r\n".to_owned(), 3, "is not reachable"),
        (String::new(), 3, "without an answer"),
        (long(20 << 20), 2, "more than 16 MiB"),
    ] {
        let steps = vec![Step::ReadRequest, Step::send(&answer), Step::Close];
        let server = ScriptedServer::start(Script::each(steps));
        let shown: String = answer.chars().take(80).collect();
        let outcome = run(&["monitor", "--for", "1s", &server.url()]);
        assert_eq!(outcome.code, Some(code), "{shown:?}: {outcome:?}");
        outcome.says(&[said]);
    }
}

#[test]
fn an_endless_answer_and_one_that_never_comes_end_with_the_limit() {
    let endless = Script::each(vec![
        Step::ReadRequest,
        Step::send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"),
        Step::SendForever(vec![b'#'; 65_536]),
    ]);
    let server = ScriptedServer::start(endless);
    run(&["monitor", "--for", "1s", &server.url()]).expect(2).says(&["more than 16 MiB"]);
    let silent = ScriptedServer::start(Script::each(vec![Step::ReadRequest, Step::Hold]));
    run(&["monitor", "--for", "1s", "--timeout", "300ms", &silent.url()])
        .expect(3)
        .says(&["did not answer completely within 300ms"]);
}
