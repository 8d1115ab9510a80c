//! Where the service time of a request goes, by phase.

#[path = "support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::time::Duration;

use pulse_model::{Histogram, Nanos, Series, Summary, Verdict, metric, metric_group};
use pulse_testkit::{Script, ScriptedServer, Step};

use support::Run;

fn trend(summary: &Summary, name: &str) -> Histogram {
    summary.totals.trend(&Series::new(name))
}

fn run(text: &str, server: &ScriptedServer) -> Summary {
    Run { text, url: server.url(), ..Run::default() }.make().0
}

/// One user who asks `requests` times.
fn asking(requests: u64, step: &str) -> String {
    format!("[load]\nusers = 1\npace = 0\niterations = {requests}\n[[scenario]]\n[[scenario.step]]\n{step}")
}

#[test]
fn an_answer_in_one_read_has_waited_and_nothing_else() {
    let step =
        vec![Step::ReadRequest, Step::send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), Step::Loop];
    let server = ScriptedServer::start(Script::each(step));
    let summary = run(&asking(50, "request = \"GET /\""), &server);
    let service = trend(&summary, metric::SERVICE_TIME);
    let [blocked, dns, tcp, tls, send, wait, receive] =
        metric_group::PHASES.map(|name| trend(&summary, name));
    assert_eq!((wait.count(), wait.zeros()), (50, 0));
    for idle in [blocked, send, receive] {
        assert_eq!((idle.count(), idle.zeros()), (50, 50));
    }
    assert_eq!((dns.count(), dns.zeros(), tls.count(), tls.zeros()), (1, 1, 1, 1));
    assert_eq!((tcp.count(), tcp.zeros()), (1, 0));
    assert_eq!(trend(&summary, metric::CONNECT_TIME).sum(), tcp.sum());
    // Every kept-alive request is nothing but its wait; the first one has a few instructions between the phases.
    let between = service.sum() - wait.sum() - tcp.sum();
    assert!(between < u128::from(service.max().unwrap_or_default()), "{between}");
}

#[test]
fn waiting_ends_with_the_first_byte_and_receiving_with_the_last() {
    let pause = Duration::from_millis(400);
    let answer = [
        Step::ReadRequest,
        Step::Pause(pause),
        Step::send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
        Step::Pause(2 * pause),
        Step::send("late"),
        Step::Loop,
    ];
    let server = ScriptedServer::start(Script::each(answer.to_vec()));
    let text = format!(
        "targets = [\"wait_time.min >= 400ms\", \"receive_time.min >= 800ms\", \"tcp_time.min > 10s\"]\n{}",
        asking(3, "request = \"GET /\"\nname = \"slow\"")
    );
    let summary = run(&text, &server);
    let of = |name| summary.totals.trend(&Series::new(name).with("endpoint", "slow")).min();
    // A trend's smallest value is the bound of a bucket; a tenth more room is far more than a bucket.
    let at_least = |pause: Duration| Some(Nanos::from(pause.mul_f64(0.9)).0);
    assert!(of(metric::WAIT_TIME) >= at_least(pause), "{:?}", of(metric::WAIT_TIME));
    assert!(of(metric::RECEIVE_TIME) >= at_least(2 * pause), "{:?}", of(metric::RECEIVE_TIME));
    let verdicts: Vec<Verdict> = summary.targets.iter().map(|target| target.verdict).collect();
    assert_ne!(verdicts[0], Verdict::NoData);
    assert_ne!(verdicts[1], Verdict::NoData);
    assert_ne!(verdicts[2], Verdict::Pass);
}

#[test]
fn a_body_that_no_socket_takes_at_once_is_a_time_of_sending() {
    let answer = [
        // The server begins to read when the sockets are full: the client is still sending then.
        Step::Gate,
        Step::ReadRequest,
        Step::send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        Step::Close,
    ];
    let server = ScriptedServer::start(Script::each(answer.to_vec()));
    let mut body = String::new();
    for line in 0..2_000_000 {
        let _ = writeln!(body, "{line:015}");
    }
    let text = asking(1, "request = \"PUT /\"\nbody_file = \"big.txt\"");
    let files = [("big.txt", body.as_str())];
    let run = Run { text: &text, url: server.url(), files: &files, ..Run::default() };
    let summary = std::thread::scope(|scope| {
        let running = scope.spawn(|| run.make().0);
        server.wait_for(0, 0);
        server.open_gate();
        running.join().expect("the run ends")
    });
    assert_eq!((summary.requests(), summary.failed()), (1, 0));
    let send = trend(&summary, metric::SEND_TIME);
    assert_eq!((send.count(), send.zeros()), (1, 0));
    let phases: u128 = metric_group::PHASES.into_iter().map(|name| trend(&summary, name).sum()).sum();
    assert!(phases <= trend(&summary, metric::SERVICE_TIME).sum());
}

#[cfg(feature = "http3")]
#[test]
fn over_http_3_the_phases_are_the_same() {
    let server = pulse_testkit::Http3Server::start(&pulse_testkit::TestAuthority::default());
    // No socket holds so much: it comes in many pieces.
    let step = "request = \"GET /bytes/3000000\"\n[service]\nurl = \"https://localhost\"\nhttp = \"3\"\ninsecure = true\n";
    let summary = Run { text: &asking(5, step), url: server.url(), ..Run::default() }.make().0;
    assert_eq!((summary.requests(), summary.failed()), (5, 0), "{:?}", summary.totals.sightings);
    let phases = metric_group::PHASES.map(|name| trend(&summary, name));
    let sum: u128 = phases.iter().map(Histogram::sum).sum();
    let [blocked, dns, tcp, tls, send, wait, receive] = phases;
    for always in [&wait, &receive] {
        assert_eq!((always.count(), always.zeros()), (5, 0));
    }
    assert_eq!((blocked.count(), blocked.zeros(), send.count()), (5, 5, 5));
    // The handshake of QUIC is one with that of TLS, and counts as the latter.
    for none in [&dns, &tcp] {
        assert_eq!((none.count(), none.zeros()), (1, 1));
    }
    assert_eq!((tls.count(), tls.zeros()), (1, 0));
    assert_eq!(trend(&summary, metric::CONNECT_TIME).sum(), tls.sum());
    assert!(sum <= trend(&summary, metric::SERVICE_TIME).sum());
    let opened = Series::new(metric::CONNECTIONS_OPENED).with("protocol", "h3");
    assert_eq!((summary.totals.counter(&opened), summary.counter(metric::TLS_HANDSHAKES)), (1, 0));
}

#[test]
fn a_request_without_an_answer_has_no_phases() {
    let server = ScriptedServer::start(Script::each(vec![Step::ReadRequest, Step::Close]));
    let summary = run(&asking(5, "request = \"GET /\""), &server);
    assert_eq!(summary.failed(), 5);
    for name in metric_group::PHASES {
        assert!(trend(&summary, name).is_empty(), "{name}");
    }
}
