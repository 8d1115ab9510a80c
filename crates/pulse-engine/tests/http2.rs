//! Plans over HTTP/2: steps, checks, variables and cookies as over HTTP/1.1, on as few connections as was said.

#[path = "support/mod.rs"]
mod support;

use pulse_model::{Series, Summary, metric, tag};
use pulse_testkit::{Http2Server, Script, ScriptedServer, Step, TestAuthority, refused_address};
use support::Run;

fn counter(summary: &Summary, name: &str) -> u64 {
    summary.totals.counter(&Series::new(name))
}

/// Six users of one worker, each with a request that never changes and one that does.
fn file(service: &str) -> String {
    format!(
        r#"
        [load]
        users = 6
        pace = 0
        iterations = 60
        [service]
        http = "2"
        {service}
        [[scenario]]
        [[scenario.step]]
        request = "GET /fixed"
        checks = [{{ body_contains = "hello" }}, {{ header = "X-Server", equals = "http2" }}]
        extract = {{ word = {{ regex = "^(hel)lo$" }} }}
        [[scenario.step]]
        request = "POST /${{word}}?user=${{user_id}}"
        body = "${{word}} ${{iteration}}"
        checks = [{{ body_contains = "hel " }}]
        "#
    )
}

#[test]
fn steps_work_as_over_http_1_and_users_share_connections() {
    for (service, streams, connections) in
        [("", 100, 6), ("streams = 3", 100, 2), ("streams = 100", 100, 1), ("streams = 6", 1, 1)]
    {
        let server = Http2Server::start(streams);
        let text = file(service);
        let (summary, _) = Run { text: &text, url: server.url(), ..Run::default() }.make();
        assert_eq!(
            (summary.requests(), summary.failed()),
            (120, 0),
            "{service}: {:?}",
            summary.totals.sightings
        );
        let failed_checks = summary.totals.tag_values(metric::CHECKS, tag::CHECK).len();
        assert!(failed_checks >= 4, "{failed_checks} checks were made");
        assert_eq!((server.connections(), server.request_count()), (connections, 120), "{service}");
        assert_eq!(counter(&summary, metric::CONNECTIONS_OPENED), connections as u64, "{service}");
        assert!(
            counter(&summary, metric::BYTES_SENT) > 120 * 10
                && counter(&summary, metric::BYTES_RECEIVED) > 120 * 10
        );
        let lines = server.lines();
        assert!(lines.iter().any(|line| line.starts_with("POST /hel?user=6 ")), "{lines:?}");
    }
}

#[test]
fn cookies_are_sent_again() {
    let server = Http2Server::start(100);
    let text = "[load]\nusers = 1\npace = 0\niterations = 3\n[service]\nhttp = \"2\"\n[[scenario]]\ncookies = true\n\
        [[scenario.step]]\nrequest = \"GET /\"\n";
    let (summary, _) = Run { text, url: server.url(), ..Run::default() }.make();
    assert_eq!((summary.requests(), summary.failed()), (3, 0));
    assert_eq!(server.lines(), ["GET / ", "GET / seen=1", "GET / seen=1"]);
}

#[test]
fn a_service_that_is_not_there_fails_every_user_of_a_shared_connection() {
    let text = "[load]\nusers = 4\npace = 0\niterations = 8\n[service]\nhttp = \"2\"\nstreams = 4\n[[scenario]]\n\
        [[scenario.step]]\nrequest = \"GET /\"\n";
    let (summary, _) = Run { text, url: format!("http://{}", refused_address()), ..Run::default() }.make();
    assert_eq!((summary.requests(), summary.failed()), (8, 8));
    let classes: Vec<_> =
        summary.totals.sightings.iter().map(|sighting| sighting.kind.class.as_str()).collect();
    assert_eq!(classes, ["refused"]);
}

/// Connections by protocol, and TLS handshakes: full and resumed ones.
fn spoken(summary: &Summary) -> ([u64; 2], [u64; 2]) {
    let opened = |protocol| {
        summary.totals.counter(&Series::new(metric::CONNECTIONS_OPENED).with(tag::PROTOCOL, protocol))
    };
    let handshakes =
        |kind| summary.totals.counter(&Series::new(metric::TLS_HANDSHAKES).with(tag::KIND, kind));
    (["http/1.1", "h2"].map(opened), ["full", "resumed"].map(handshakes))
}

#[test]
fn what_is_spoken_is_counted_where_a_connection_is_opened() {
    let file = |service: &str| {
        format!(
            "[load]\nusers = 1\npace = 0\niterations = 3\n[service]\nconnections = \"per-request\"\n{service}\n\
             [[scenario]]\n[[scenario.step]]\nrequest = \"GET /\"\n"
        )
    };
    let made = |service: &str, url: String| {
        let (summary, _) = Run { text: &file(service), url, ..Run::default() }.make();
        assert_eq!(
            (summary.requests(), summary.failed()),
            (3, 0),
            "{service}: {:?}",
            summary.totals.sightings
        );
        spoken(&summary)
    };
    let http2 = Http2Server::start(100);
    assert_eq!(made("http = \"2\"", http2.url()), ([0, 3], [0, 0]));

    let steps =
        vec![Step::ReadRequest, Step::send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), Step::Loop];
    let plain = ScriptedServer::start(Script::each(steps.clone()));
    assert_eq!(made("", plain.url()), ([3, 0], [0, 0]));
    let authority = TestAuthority::default();
    let secure = ScriptedServer::start_tls(Script::each(steps), &authority);
    assert_eq!(made("insecure = true", secure.url()), ([3, 0], [3, 0]));
    assert_eq!(made("insecure = true\ntls = { resumption = true }", secure.url()), ([3, 0], [1, 2]));
    // What the server chooses counts, not what was offered.
    let both = "http = \"auto\"\ninsecure = true\ntls = { resumption = true }";
    assert_eq!(made(both, secure.url()), ([3, 0], [1, 2]));
    let http2 = Http2Server::start_tls(100, &authority);
    assert_eq!(made(both, http2.url()), ([0, 3], [1, 2]));
}
