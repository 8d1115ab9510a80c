//! Large bodies: in files that are read while they are sent, and in memory that is not copied for every request.

#[path = "support/mod.rs"]
mod support;

use std::fs::File;
use std::path::Path;

use pulse_model::{Series, Summary, metric, tag};
use pulse_plan::BodyFile;
use pulse_testkit::{Http2Server, Script, ScriptedServer, Step};

use support::Run;

const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const COOKIE: &str = "HTTP/1.1 200 OK\r\nSet-Cookie: seen=1\r\nContent-Length: 0\r\n\r\n";
/// Of no round size.
const LENGTH: usize = (5 << 20) + 17;

/// Bytes whose neighbouring pieces of any size differ.
fn content(length: usize) -> Vec<u8> {
    (0..length as u64).map(|place| (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

/// An open file with that content, as long as `promised`; `name` is its own for each test.
fn stored(name: &str, promised: usize) -> BodyFile {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::write(&path, content(LENGTH)).expect("a folder for tests");
    let file = File::open(&path).expect("it was written");
    std::fs::remove_file(&path).expect("it was written");
    BodyFile::new(name, file, promised as u64)
}

/// Gives the answers in turn on each connection.
fn server(answers: &[&str]) -> ScriptedServer {
    let mut steps: Vec<Step> =
        answers.iter().flat_map(|answer| [Step::ReadRequest, Step::send(answer)]).collect();
    steps.push(Step::Loop);
    ScriptedServer::start(Script::each(steps))
}

fn users(users: u32, iterations: u64, service: &str, steps: &str) -> String {
    format!(
        "[service]\n{service}\n[load]\nusers = {users}\npace = 0\niterations = {iterations}\n[[scenario]]\ncookies = true\n{steps}"
    )
}

fn redirect(status: u16) -> String {
    format!("HTTP/1.1 {status} Go\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n")
}

/// Head and body of each request.
fn requests(server: &ScriptedServer) -> Vec<(String, Vec<u8>)> {
    let split = |bytes: Vec<u8>| {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        (String::from_utf8_lossy(&bytes[..end]).into_owned(), bytes[end..].to_vec())
    };
    server.requests().into_iter().map(split).collect()
}

fn succeeded(summary: &Summary, requests: u64) {
    assert_eq!((summary.requests(), summary.failed()), (requests, 0), "{:?}", summary.totals.sightings);
}

#[test]
fn users_share_a_file_that_is_streamed() {
    let server = server(&[COOKIE]);
    let steps = "[[scenario.step]]\nrequest = \"PUT /${user_id}\"\nbody_file = \"big\"\n\
        [[scenario.step]]\nrequest = \"PUT /same\"\nbody_file = \"big\"";
    let bodies = [("big", stored("shared", LENGTH))];
    let text = users(3, 3, "", steps);
    let (summary, _) =
        Run { text: &text, url: server.url(), bodies: &bodies, workers: 2, ..Run::default() }.make();
    succeeded(&summary, 6);
    let (requests, content) = (requests(&server), content(LENGTH));
    for (head, body) in &requests {
        assert!(head.contains(&format!("\r\nContent-Length: {LENGTH}\r\n")), "{head}");
        assert!(*body == content, "the body is another one: {head}");
    }
    assert_eq!(requests.iter().filter(|(head, _)| head.contains("Cookie: seen=1\r\n")).count(), 3);
    let sent: usize = requests.iter().map(|(head, body)| head.len() + body.len()).sum();
    assert_eq!(summary.totals.counter(&Series::new(metric::BYTES_SENT)), sent as u64);
    assert_eq!(summary.totals.trend(&Series::new(metric::SEND_TIME)).zeros(), 0);
}

#[test]
fn redirects_take_the_body_along_where_they_should() {
    let bodies = [("big", stored("redirected", LENGTH))];
    let text = format!("body = \"{}\"", "x".repeat(10_000));
    for (key, expected) in [("body_file = \"big\"", content(LENGTH)), (&*text, vec![b'x'; 10_000])] {
        let [kept, dropped] = [redirect(307), redirect(303)];
        let server = server(&[&kept, &dropped, EMPTY]);
        let steps = format!("[[scenario.step]]\nrequest = \"POST /${{user_id}}\"\n{key}");
        let text = users(1, 2, "redirects = 2", &steps);
        let (summary, _) = Run { text: &text, url: server.url(), bodies: &bodies, ..Run::default() }.make();
        succeeded(&summary, 2);
        for (number, (head, body)) in requests(&server).into_iter().enumerate() {
            let (line, whole) =
                [("POST /1 ", true), ("POST /next ", true), ("GET /next ", false)][number % 3];
            assert!(head.starts_with(line) && head.contains("Content-Length:") == whole, "{number}: {head}");
            assert!(if whole { body == expected } else { body.is_empty() }, "{number}: {head}");
        }
    }
}

#[test]
fn a_file_that_was_shortened_is_a_failure_of_its_own_words() {
    let server = server(&[EMPTY]);
    let steps = "[[scenario.step]]\nrequest = \"PUT /\"\nbody_file = \"big\"";
    let bodies = [("big", stored("shortened", LENGTH + 1))];
    let text = users(1, 2, "", steps);
    let (summary, _) = Run { text: &text, url: server.url(), bodies: &bodies, ..Run::default() }.make();
    let failures = Series::new(metric::FAILURES).with(tag::CLASS, "other");
    assert_eq!((summary.requests(), summary.totals.counter(&failures)), (2, 2));
    let message = &summary.totals.sightings[0].message;
    assert!(message.contains("the body's file ended after 5242897 of 5242898 bytes"), "{message}");
}

#[test]
fn large_bodies_in_memory_follow_heads_with_variables_and_cookies() {
    let server = server(&[COOKIE]);
    let body = "y".repeat(5_000);
    let steps = format!(
        "[[scenario.step]]\nrequest = \"PUT /${{iteration}}\"\nbody = \"{body}\"\n\
        [[scenario.step]]\nrequest = \"PUT /same\"\njson = \"{body}\"\n\
        [[scenario.step]]\nrequest = \"PUT /form\"\nmultipart = [{{ name = \"f\", file = \"part\" }}]"
    );
    let text = users(1, 2, "", &steps);
    let files = [("part", body.as_str())];
    let (summary, _) = Run { text: &text, url: server.url(), files: &files, ..Run::default() }.make();
    succeeded(&summary, 6);
    let requests = requests(&server);
    for (number, (head, sent)) in requests.iter().enumerate() {
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", sent.len())), "{head}");
        assert_eq!(head.contains("Cookie: seen=1\r\n"), number > 0, "{head}");
        let text = String::from_utf8_lossy(sent);
        match number % 3 {
            0 => assert_eq!(text, body),
            1 => assert_eq!(text, format!("\"{body}\"")),
            _ => assert!(text.contains(&format!("\r\n\r\n{body}\r\n--")), "{text}"),
        }
    }
}

#[test]
fn both_kinds_go_over_http2() {
    let server = Http2Server::start(100);
    // The service sends back what it got.
    let steps = format!(
        "[[scenario.step]]\nrequest = \"PUT /${{user_id}}\"\nbody_file = \"big\"\nchecks = [{{ size = \"= {LENGTH}B\" }}]\n\
        [[scenario.step]]\nrequest = \"PUT /${{user_id}}\"\nbody = \"{body}tail\"\n\
        checks = [{{ size = \"= 5004B\" }}, {{ body_contains = \"yytail\" }}]\n\
        [[scenario.step]]\nrequest = \"PUT /same\"\nbody = \"{body}tail\"\nchecks = [{{ body_contains = \"yytail\" }}]",
        body = "y".repeat(5_000)
    );
    let bodies = [("big", stored("http2", LENGTH))];
    let text = users(2, 4, "http = \"2\"", &steps);
    let (summary, _) = Run { text: &text, url: server.url(), bodies: &bodies, ..Run::default() }.make();
    succeeded(&summary, 12);
    // The check of the same words in two steps is counted as one.
    let hits: u64 = summary.checks().iter().map(|(_, rate)| rate.hits).sum();
    assert_eq!(hits, 16);
}
