//! What a plain request can do besides asking: connections, redirects, compression, forms, limits.

#[path = "support/mod.rs"]
mod support;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use pulse_model::{Series, Summary, metric, tag};
use pulse_testkit::{Script, ScriptedServer, Step};

use support::Run;

const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Gives the answers in turn on each connection.
fn server(answers: &[&[u8]]) -> ScriptedServer {
    let mut steps: Vec<Step> =
        answers.iter().flat_map(|answer| [Step::ReadRequest, Step::send(answer)]).collect();
    steps.push(Step::Loop);
    ScriptedServer::start(Script::each(steps))
}

fn run(text: &str, files: &[(&str, &str)], server: &ScriptedServer) -> Summary {
    Run { text, url: server.url(), files, ..Run::default() }.make().0
}

fn redirect(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} Go\r\nLocation: {location}\r\nSet-Cookie: hop=1\r\nContent-Length: 0\r\n\r\n")
}

fn requests(server: &ScriptedServer) -> Vec<String> {
    server.requests().into_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

/// The request lines, without the version.
fn asked(server: &ScriptedServer) -> Vec<String> {
    let line = |request: String| request.split(" HTTP/1.1").next().unwrap_or_default().to_owned();
    requests(server).into_iter().map(line).collect()
}

fn counter(summary: &Summary, name: &str) -> u64 {
    summary.totals.counter(&Series::new(name))
}

fn failures(summary: &Summary, class: &str) -> u64 {
    summary.totals.counter(&Series::new(metric::FAILURES).with(tag::CLASS, class))
}

/// One user who does the steps `iterations` times.
fn one_user(iterations: u64, service: &str, steps: &str) -> String {
    format!(
        "[service]\n{service}\n[load]\nusers = 1\npace = 0\niterations = {iterations}\n[[scenario]]\n{steps}"
    )
}

#[test]
fn connections_live_as_long_as_the_file_says() {
    let steps =
        "[[scenario.step]]\nrequest = \"GET /a\"\nrepeat = 2\n[[scenario.step]]\nrequest = \"GET /b\"";
    for (policy, connections) in [
        ("", 1),
        ("connections = \"per-user\"", 1),
        ("connections = \"per-iteration\"", 4),
        ("connections = \"per-request\"", 12),
    ] {
        let server = server(&[EMPTY.as_bytes()]);
        let summary = run(&one_user(4, policy, steps), &[], &server);
        assert_eq!((summary.requests(), summary.failed()), (12, 0), "{policy}");
        assert_eq!(server.connections(), connections, "{policy}");
        assert_eq!(counter(&summary, metric::CONNECTIONS_OPENED), connections as u64, "{policy}");
    }
}

#[test]
fn a_redirect_is_the_answer_unless_it_is_to_be_followed() {
    let server = server(&[redirect(302, "/next").as_bytes()]);
    let text = one_user(2, "", "[[scenario.step]]\nrequest = \"GET /\"\nchecks = [ { status = 302 } ]");
    let summary = run(&text, &[], &server);
    assert_eq!((summary.requests(), summary.failed(), counter(&summary, metric::REDIRECTS)), (2, 0, 0));
    assert_eq!(summary.checks()[0].1.hits, 2);
}

#[test]
fn redirects_are_followed_as_one_request() {
    let steps = "[[scenario.step]]\nrequest = \"POST /login?x\"\nbody = \"secret=${user_id}\"\nchecks = [ { status = 200 } ]";
    let answers = [redirect(303, "home"), redirect(307, "/end?y"), EMPTY.to_owned()];
    let server = server(&answers.each_ref().map(String::as_bytes));
    let summary = run(&one_user(2, "redirects = 2", steps), &[], &server);
    assert_eq!((summary.requests(), summary.failed()), (2, 0));
    assert_eq!(counter(&summary, metric::REDIRECTS), 4);
    assert_eq!(summary.checks()[0].1.hits, 2);
    let first = ["POST /login?x", "GET /home", "GET /end?y"];
    assert_eq!(asked(&server), [first, first].concat());
    let requests = requests(&server);
    assert!(requests[0].ends_with("\r\n\r\nsecret=1") && requests[1].ends_with("\r\n\r\n"));
    assert!(
        requests[1].contains("Cookie: hop=1\r\n") && !requests[1].contains("Content-"),
        "{}",
        requests[1]
    );
    // All hops count, and the times are those of the whole way.
    assert_eq!(
        counter(&summary, metric::BYTES_SENT),
        requests.iter().map(|text| text.len() as u64).sum::<u64>()
    );
    let sum = |name| summary.totals.trend(&Series::new(name)).sum();
    let phases: u128 = pulse_model::metric_group::PHASES.into_iter().map(sum).sum();
    assert!(phases <= sum(metric::SERVICE_TIME) && sum(metric::WAIT_TIME) > 0);
}

#[test]
fn redirects_that_lead_astray_fail_and_say_why() {
    for (location, redirects, followed, words) in [
        ("/again", 3, 3, "more than 3 redirects"),
        ("http://127.0.0.1:1/", 3, 0, "must not wander to other servers"),
        ("http://[", 3, 0, "leads nowhere"),
    ] {
        let server = server(&[redirect(302, location).as_bytes()]);
        let text = one_user(1, &format!("redirects = {redirects}"), "[[scenario.step]]\nrequest = \"GET /\"");
        let summary = run(&text, &[], &server);
        assert_eq!(failures(&summary, "redirect"), 1, "{location}");
        assert_eq!(counter(&summary, metric::REDIRECTS), followed, "{location}");
        assert_eq!(server.request_count() as u64, followed + 1, "{location}");
        assert!(summary.totals.sightings[0].message.contains(words), "{:?}", summary.totals.sightings);
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

fn compressed(body: &[u8]) -> Vec<u8> {
    encoded("gzip", body)
}

fn encoded(encoding: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[test]
fn compressed_bodies_are_decoded_where_a_step_looks() {
    let text = format!("{{\"id\": 7, \"rest\": \"{}\"}}", "x".repeat(10_000));
    let body = gzip(&text);
    let steps = "
        [[scenario.step]]
        request = \"GET /look\"
        checks = [ { json = \"/id\", equals = 7 }, { body_contains = \"xxx\" }, { size = \"< 1KB\" } ]
        extract = { id = { json = \"/id\" } }
        [[scenario.step]]
        request = \"GET /${id}\"
    ";
    let server = server(&[&compressed(&body)]);
    let summary = run(&one_user(3, "compression = true", steps), &[], &server);
    assert_eq!((summary.requests(), summary.failed()), (6, 0));
    for (name, rate) in summary.checks() {
        assert_eq!((rate.hits, rate.total), (3, 3), "{name}");
    }
    assert!(
        requests(&server)
            .iter()
            .all(|request| request.contains("Accept-Encoding: gzip, deflate, br, zstd\r\n"))
    );
    assert_eq!(asked(&server)[1], "GET /7");
    assert_eq!(counter(&summary, metric::BYTES_RECEIVED), 6 * compressed(&body).len() as u64);
}

#[test]
fn brotli_and_zstandard_are_decoded_like_gzip() {
    // `{"id": 7, "rest": "xxx…"}` with 1,000 `x`: Python's `brotli.compress`, and `zstd -19`.
    let brotli: &[u8] = b"\x1b\xfc\x03\xf8\x1d\x07\x6e\xac\x0f\x80\xd3\x89\x09\xb1\x16\x01\xb9\xd9\xdb\x2c\x64\x69\x78\x4a\xa7\xaf\x03\x91\x44\xa0\xca\x64\x00\x0e\x90\x52\x97\x34\xb2\x38\xb4\x53";
    let zstd: &[u8] = b"\x28\xb5\x2f\xfd\x04\x68\xed\x00\x00\xb0\x7b\x22\x69\x64\x22\x3a\x20\x37\x2c\x20\x22\x72\x65\x73\x74\x22\x3a\x20\x22\x78\x22\x7d\x01\x00\xc8\x57\x80\x09\xac\xab\xeb\x49";
    let steps = "
        [[scenario.step]]
        request = \"GET /look\"
        checks = [ { json = \"/id\", equals = 7 }, { body_contains = \"xxx\" }, { size = \"< 100B\" } ]
    ";
    for (encoding, body) in [("br", brotli), ("zstd", zstd)] {
        let answers = [encoded(encoding, body), encoded(encoding, &body[..body.len() - 1])];
        let server = server(&[&answers[0], &answers[1]]);
        let summary = run(&one_user(4, "compression = true", steps), &[], &server);
        assert_eq!((summary.requests(), failures(&summary, "bad_response")), (4, 2), "{encoding}");
        for (name, rate) in summary.checks() {
            let passed = if name.contains("size") { 4 } else { 2 };
            assert_eq!((rate.hits, rate.total), (passed, 4), "{encoding}, {name}");
        }
    }
}

#[test]
fn bodies_that_cannot_be_decoded_fail_only_where_a_step_looks() {
    let bomb = gzip(&"0".repeat(1 << 20));
    let steps = "
        [[scenario.step]]
        request = \"GET /look\"
        checks = [ { body_contains = \"0\" } ]
        [[scenario.step]]
        request = \"GET /skip\"
    ";
    for (body, class) in
        [(bomb.as_slice(), "too_large"), (&bomb[..20], "bad_response"), (b"plain", "bad_response")]
    {
        let server = server(&[&compressed(body)]);
        let service = "compression = true\nlimits = { kept_body = \"64KiB\" }";
        let summary = run(&one_user(2, service, steps), &[], &server);
        assert_eq!((summary.requests(), summary.failed(), failures(&summary, class)), (4, 2, 2), "{class}");
    }
}

#[test]
fn forms_carry_texts_files_and_variables() {
    let steps = "
        [[scenario.step]]
        request = \"POST /upload\"
        multipart = [
            { name = \"file\", file = \"dir/a.csv\", content_type = \"text/csv\" },
            { name = \"who\", value = \"user ${user_id}/${iteration}\" },
        ]
    ";
    let server = server(&[EMPTY.as_bytes()]);
    let summary = run(&one_user(12, "", steps), &[("dir/a.csv", "1,2\r\n")], &server);
    assert_eq!((summary.requests(), summary.failed()), (12, 0));
    for (number, request) in (1..).zip(requests(&server)) {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        assert_eq!(field("Content-Length: "), body.len().to_string());
        let boundary = field("Content-Type: multipart/form-data; boundary=");
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\
             Content-Type: text/csv\r\n\r\n1,2\r\n\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"who\"\r\n\r\nuser 1/{number}\r\n--{boundary}--\r\n"
        );
        assert_eq!(body, expected);
    }
}

#[test]
fn values_are_spliced_into_every_place_and_cookies_still_fit() {
    let steps = "
        [[scenario.step]]
        request = \"PUT /${user_id}/${iteration}?u=${uuid}\"
        headers = { Host = \"h${user_id}.example\", X-A = \"value-0-${iteration}\" }
        body = 'n=${iteration}'
    ";
    let server = server(&[b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=a; Path=/1\r\nContent-Length: 0\r\n\r\n"]);
    let summary = run(&one_user(11, "", steps), &[], &server);
    assert_eq!((summary.requests(), summary.failed()), (11, 0));
    for (number, request) in (1..).zip(requests(&server)) {
        assert!(request.starts_with(&format!("PUT /1/{number}?u=")), "{request}");
        assert!(request.contains("\r\nHost: h1.example\r\n"), "{request}");
        assert!(request.contains(&format!("\r\nX-A: value-0-{number}\r\n")), "{request}");
        assert_eq!(request.contains("\r\nCookie: sid=a\r\n"), number > 1, "{request}");
        let body = format!("n={number}");
        assert!(request.ends_with(&format!("\r\nContent-Length: {}\r\n\r\n{body}", body.len())), "{request}");
        assert_eq!(request.matches("\r\n\r\n").count(), 1, "{request}");
    }
}

#[test]
fn limits_are_those_of_the_file() {
    let steps = "
        [[scenario.step]]
        request = \"GET /look\"
        checks = [ { body_contains = \"0\" } ]
        [[scenario.step]]
        request = \"GET /skip\"
    ";
    let answer = format!(
        "HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 2000\r\n\r\n{}",
        "y".repeat(2000),
        "0".repeat(2000)
    );
    for (limits, failed) in [
        ("{ kept_body = \"2000B\", body = \"2KB\", head = \"3KB\" }", 0),
        ("{ kept_body = \"1999B\" }", 1),
        ("{ body = \"1999B\" }", 2),
        ("{ head = \"2KB\" }", 2),
    ] {
        let answers = Script::each(vec![Step::ReadRequest, Step::send(&answer), Step::Loop]);
        let server = ScriptedServer::start(answers);
        let summary = run(&one_user(1, &format!("limits = {limits}"), steps), &[], &server);
        assert_eq!((summary.requests(), failures(&summary, "too_large")), (2, failed), "{limits}");
    }
}
