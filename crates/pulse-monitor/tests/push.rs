//! Pushes to receivers that take, refuse, fail, wait, or are not there.

use std::time::Duration;

use pulse_model::{Series, metric, tag};
use pulse_monitor::{Config, Group, Monitor, OtlpPush, PushConfig, PushStats, RemoteWritePush};
use pulse_testkit::{Script, ScriptedServer, Step, TestAuthority, refused_address};

const SOON: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_hours(1);
/// More than any test needs; only a test that fails takes as long.
const PATIENCE: Duration = Duration::from_secs(20);

fn monitor() -> Monitor {
    let monitor = Monitor::new(Config::default());
    monitor.record_request("/orders", Duration::from_millis(12), 200);
    monitor
}

fn config(server: &ScriptedServer) -> PushConfig {
    PushConfig {
        service: "shop".to_owned(),
        period: SOON,
        first_retry: SOON,
        ..PushConfig::new(&server.url())
    }
}

fn answer(status: &str) -> Step {
    Step::send(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n"))
}

/// A server whose n-th request gets the n-th answer, and every later one the last; one request per connection.
fn server(answers: &[&str]) -> ScriptedServer {
    let connection = |status: &&str| {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        vec![Step::ReadRequest, Step::send(answer), Step::Close]
    };
    ScriptedServer::start(Script::in_turn(answers.iter().map(connection).collect()))
}

/// Head and body of each request that came.
fn requests(server: &ScriptedServer) -> Vec<(String, Vec<u8>)> {
    let split = |request: Vec<u8>| {
        let end = request.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8(request[..end].to_vec()).expect("text").to_ascii_lowercase();
        (head, request[end..].to_vec())
    };
    server.requests().into_iter().map(split).collect()
}

fn dropped(monitor: &Monitor) -> u64 {
    monitor.totals().counter(&Series::new(metric::MONITOR_DROPPED).with(tag::REASON, "push"))
}

/// Looks at the figures until they are as wanted.
fn until(stats: impl Fn() -> PushStats, wanted: impl Fn(&PushStats) -> bool) -> PushStats {
    let begin = std::time::Instant::now();
    loop {
        let stats = stats();
        if wanted(&stats) {
            return stats;
        }
        assert!(begin.elapsed() < PATIENCE, "{stats:?}");
        std::thread::yield_now();
    }
}

#[test]
fn otlp_says_who_it_is() {
    let (monitor, server) = (monitor(), server(&["200 OK"]));
    let mut config = config(&server);
    config.url = format!("{}/v1/metrics", server.url());
    config.headers = vec![("Authorization".to_owned(), "Bearer x".to_owned())];
    config.labels = vec![("service.version".to_owned(), "1.2.3".to_owned())];
    let push = OtlpPush::start(&monitor, config).unwrap();
    until(|| push.stats(), |stats| stats.sent >= 2);
    let (head, body) = requests(&server).swap_remove(0);
    for line in [
        "post /v1/metrics http/1.1\r\n",
        "\r\ncontent-type: application/x-protobuf\r\n",
        "\r\nauthorization: bearer x\r\n",
        "\r\nuser-agent: pulse-monitor/",
    ] {
        assert!(head.contains(line), "{line} {head}");
    }
    for text in
        ["service.name", "shop", "service.version", "1.2.3", "http.server.request.duration", "/orders"]
    {
        assert!(body.windows(text.len()).any(|bytes| bytes == text.as_bytes()), "{text}");
    }
    assert_eq!(push.stop(PATIENCE).last_problem, None);
    assert_eq!((dropped(&monitor), monitor.warnings()), (0, Vec::new()));
}

#[test]
fn remote_write_says_what_it_is() {
    let (monitor, server) = (monitor(), server(&["204 No Content"]));
    let push = RemoteWritePush::start(&monitor, config(&server)).unwrap();
    until(|| push.stats(), |stats| stats.sent >= 1);
    drop(push);
    let (head, body) = requests(&server).swap_remove(0);
    for line in [
        "\r\ncontent-type: application/x-protobuf\r\n",
        "\r\ncontent-encoding: snappy\r\n",
        "\r\nx-prometheus-remote-write-version: 0.1.0\r\n",
    ] {
        assert!(head.contains(line), "{line} {head}");
    }
    assert!(body.len() > 100);
}

#[test]
fn what_was_not_taken_is_sent_again_as_it_was() {
    for status in ["429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable"] {
        let (monitor, server) = (monitor(), server(&[status, status, "200 OK"]));
        let push = OtlpPush::start(&monitor, config(&server)).unwrap();
        let stats = until(|| push.stats(), |stats| stats.sent >= 1);
        assert_eq!((stats.failed, stats.refused, stats.dropped), (2, 0, 0), "{status}");
        let bodies: Vec<Vec<u8>> = requests(&server).into_iter().map(|request| request.1).take(3).collect();
        assert!(bodies[0] == bodies[1] && bodies[1] == bodies[2], "{status}");
        let problem = stats.last_problem.unwrap();
        assert!(problem.contains(&status[..3]), "{problem}");
        // One warning, however often it fails.
        let warnings = monitor.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains(&status[..3]), "{warnings:?}");
        assert_eq!(dropped(&monitor), 0);
    }
}

#[test]
fn what_is_refused_is_given_up() {
    for status in ["400 Bad Request", "404 Not Found", "415 Unsupported Media Type", "307 Temporary Redirect"]
    {
        let (monitor, server) = (monitor(), server(&[status, "200 OK"]));
        let push = OtlpPush::start(&monitor, config(&server)).unwrap();
        let stats = until(|| push.stats(), |stats| stats.sent >= 1);
        assert_eq!((stats.refused, stats.failed), (1, 0), "{status} {stats:?}");
        assert_eq!(dropped(&monitor), 1);
        let requests = requests(&server);
        assert_ne!(requests[0].1, requests[1].1, "{status}");
    }
}

#[test]
fn a_receiver_that_takes_a_part_is_heard() {
    // `partial_success { rejected_data_points: 3, error_message: "too old" }`
    let body = b"\x0a\x0b\x08\x03\x12\x07too old";
    let mut said = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n".to_vec();
    said.extend(body);
    let server = ScriptedServer::start(Script::each(vec![Step::ReadRequest, Step::Send(said), Step::Loop]));
    let push = OtlpPush::start(&monitor(), config(&server)).unwrap();
    let stats = until(|| push.stats(), |stats| stats.sent >= 1 && stats.last_problem.is_some());
    assert_eq!(stats.last_problem.as_deref(), Some("3 points rejected: too old"));
}

#[test]
fn nobody_there_harms_nobody() {
    let monitor = monitor();
    let url = format!("http://{}/", refused_address());
    let config =
        PushConfig { period: SOON, first_retry: SOON, max_waiting_bytes: 20_000, ..PushConfig::new(&url) };
    let push = RemoteWritePush::start(&monitor, config).unwrap();
    // The queue fills up, and then the oldest go.
    let stats = until(|| push.stats(), |stats| stats.failed >= 2 && stats.dropped >= 3);
    assert!(stats.waiting > 0 && stats.sent == 0, "{stats:?}");
    monitor.record_request("/orders", Duration::from_millis(1), 200);
    assert!(dropped(&monitor) >= 3);
    let stats = push.stop(PATIENCE);
    assert_eq!(stats.sent, 0);
    assert_eq!(monitor.warnings().len(), 1, "{:?}", monitor.warnings());
}

#[test]
fn a_receiver_that_never_answers_is_given_up_and_tried_again() {
    let hanging = vec![Step::ReadRequest, Step::Hold];
    let taking = vec![Step::ReadRequest, answer("200 OK"), Step::Loop];
    let server = ScriptedServer::start(Script::in_turn(vec![hanging, taking]));
    let config = PushConfig { timeout: Duration::from_millis(50), ..config(&server) };
    let push = OtlpPush::start(&monitor(), config).unwrap();
    let stats = until(|| push.stats(), |stats| stats.sent >= 1);
    assert!(stats.failed >= 1 && stats.missed >= 1, "{stats:?}");
}

/// The limit of the stop is shorter than that of the answer.
#[test]
fn a_stop_does_not_wait_for_a_receiver_that_never_answers() {
    let server = ScriptedServer::start(Script::each(vec![Step::ReadRequest, Step::Hold]));
    let config = PushConfig { timeout: LONG, ..config(&server) };
    let push = OtlpPush::start(&monitor(), config).unwrap();
    server.wait_for(0, 1);
    let stats = push.stop(Duration::from_millis(50));
    assert_eq!((stats.sent, stats.failed), (0, 0));
}

#[test]
fn a_stop_sends_what_there_is() {
    let (monitor, server) = (monitor(), server(&["200 OK"]));
    let push = OtlpPush::start(&monitor, PushConfig { period: LONG, ..config(&server) }).unwrap();
    monitor.record_request("/just-now", Duration::from_millis(1), 200);
    let stats = push.stop(PATIENCE);
    assert_eq!((stats.sent, stats.waiting), (1, 0), "{stats:?}");
    let body = requests(&server).swap_remove(0).1;
    assert!(body.windows(9).any(|bytes| bytes == b"/just-now"));
}

#[test]
fn of_a_group_one_pushes_and_another_takes_over() {
    let group = Group::Named(format!("push-test-{}", std::process::id()));
    let member = || Monitor::new(Config { group: group.clone(), ..Config::default() });
    let (first, second) = (member(), member());
    first.record_request("/orders", Duration::from_millis(1), 200);
    second.record_request("/orders", Duration::from_millis(1), 200);
    let server = server(&["200 OK"]);
    let push_of = |monitor: &Monitor| OtlpPush::start(monitor, config(&server)).unwrap();
    let push = push_of(&first);
    until(|| push.stats(), |stats| stats.sent >= 1);
    let other = push_of(&second);
    let before = push.stats().sent;
    until(|| push.stats(), |stats| stats.sent >= before + 5);
    assert_eq!(other.stats().sent, 0);
    push.stop(PATIENCE);
    until(|| other.stats(), |stats| stats.sent >= 1);
}

/// Whom to trust is read from the environment, so that a process of its own has to be asked: this test, called again.
#[test]
fn over_tls_to_whom_the_system_trusts_and_to_nobody_else() {
    const URL: &str = "PULSE_TEST_PUSH_URL";
    if let Ok(url) = std::env::var(URL) {
        let push = OtlpPush::start(&monitor(), PushConfig { period: LONG, ..PushConfig::new(&url) }).unwrap();
        let stats = push.stop(PATIENCE);
        println!("sent {} failed {} {:?}", stats.sent, stats.failed, stats.last_problem);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (trusted, other) = (TestAuthority::default(), TestAuthority::default());
    let server = ScriptedServer::start_tls(
        Script::each(vec![Step::ReadRequest, answer("200 OK"), Step::Loop]),
        &trusted,
    );
    for (authority, expected) in [(&trusted, "sent 1 failed 0"), (&other, "sent 0 failed 1")] {
        let file = folder.path().join("authority.pem");
        std::fs::write(&file, authority.ca_pem()).unwrap();
        let name = "over_tls_to_whom_the_system_trusts_and_to_nobody_else";
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(URL, server.url())
            .env("SSL_CERT_FILE", &file)
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(expected), "{said} {}", String::from_utf8_lossy(&output.stderr));
    }
}
