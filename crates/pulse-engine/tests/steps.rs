//! What the steps of a scenario file do, seen from the server that gets the requests.

#[path = "support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use pulse_model::{Ending, EventKind, Nanos, Rate, RunEvent, Series, Summary, metric, tag};
use pulse_testkit::{Discipline, Law, QueueServer, Script, ScriptedServer, ServiceLaw, Step};

use support::Run;

const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

fn answer(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Gives the answers in turn on each connection.
fn server(answers: &[&str]) -> ScriptedServer {
    let mut steps: Vec<Step> =
        answers.iter().flat_map(|answer| [Step::ReadRequest, Step::send(answer)]).collect();
    steps.push(Step::Loop);
    ScriptedServer::start(Script::each(steps))
}

fn run(text: &str, server: &ScriptedServer, workers: u32) -> Summary {
    Run { text, url: server.url(), workers, ..Run::default() }.make().0
}

/// The requests as text, in the order in which the server got them.
fn requests(server: &ScriptedServer) -> Vec<String> {
    server
        .requests()
        .into_iter()
        .map(|bytes| String::from_utf8(bytes).expect("the test sends text"))
        .collect()
}

/// Path and query of the requests.
fn targets(server: &ScriptedServer) -> Vec<String> {
    let target = |request: String| request.split(' ').nth(1).unwrap_or_default().to_owned();
    requests(server).into_iter().map(target).collect()
}

fn header<'r>(request: &'r str, name: &str) -> Option<&'r str> {
    request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn counter(summary: &Summary, name: &str, scenario: &str) -> u64 {
    summary.totals.counter(&Series::new(name).with(tag::SCENARIO, scenario))
}

/// One user who does the steps `iterations` times.
fn one_user(iterations: u64, steps: &str) -> String {
    format!("[load]\nusers = 1\npace = 0\niterations = {iterations}\n[[scenario]]\nname = \"all\"\n{steps}")
}

#[test]
fn checks_of_every_kind_are_counted_by_outcome() {
    let text = one_user(
        3,
        r#"
        [[scenario.step]]
        request = "GET /"
        checks = [
            { name = "pass status", status = [200, "201-202"] },
            { name = "fail status", status = 200 },
            { name = "pass header exists", header = "X-Kind" },
            { name = "fail header exists", header = "X-Other" },
            { name = "pass header absent", header = "X-Other", exists = false },
            { name = "pass header is", header = "x-kind", equals = "demo 1" },
            { name = "fail header is", header = "x-kind", equals = "demo" },
            { name = "pass header contains", header = "x-kind", contains = "mo" },
            { name = "fail header contains", header = "x-kind", contains = "MO" },
            { name = "pass body", body_contains = "\"t\"" },
            { name = "fail body", body_contains = "missing" },
            { name = "pass json exists", json = "/n" },
            { name = "fail json exists", json = "/a/c" },
            { name = "pass json absent", json = "/a/c", exists = false },
            { name = "pass json number", json = "/a/b/1", equals = 2 },
            { name = "pass json text", json = "/a/b/2", equals = "t" },
            { name = "pass json array", json = "/a/b", equals = [1.0, 2, "t"] },
            { name = "fail json number", json = "/a/b/0", equals = "1" },
            { name = "pass json variable", json = "/u", equals = "${user_id}" },
            { name = "fail json variable", json = "/u", equals = "${user_id}0" },
            { name = "pass size", size = "= 47B" },
            { name = "fail size", size = "> 47B" },
            { name = "pass time", time = "< 1h" },
            { name = "fail time", time = "> 1h" },
        ]
        [[scenario.step]]
        request = "GET /text"
        checks = [ { name = "fail json of text", json = "", exists = true } ]
        "#,
    );
    let body = r#"{"a": {"b": [1, 2.0, "t"]}, "n": null, "u": 1}"#;
    let first = answer("201 Created\r\nX-Kind: demo 1", &format!("{body}\n"));
    let server = server(&[&first, &answer("200 OK", "no JSON")]);
    let summary = run(&text, &server, 1);
    assert_eq!(summary.failed(), 0);
    let checks = summary.checks();
    assert_eq!(checks.len(), 25);
    for (name, rate) in checks {
        let hits = if name.starts_with("pass") { 3 } else { 0 };
        assert_eq!(rate, Rate { hits, total: 3 }, "{name}");
    }
}

#[test]
fn extracted_values_are_used_by_later_steps_in_every_place() {
    let text = one_user(
        2,
        r#"
        [[scenario.step]]
        request = "GET /login"
        extract = { number = { json = "/list/0/id" }, word = { regex = 'word=(\w+)' }, whole = { regex = 'word' }, kind = { header = "X-Kind" }, session = { cookie = "sid" }, none = { json = "/nothing" } }
        [[scenario.step]]
        request = "POST /use/${number}?w=${word}&k=${kind}"
        headers = { X-Session = "${session}", X-Whole = "${whole}${none}" }
        body = 'raw ${kind}'
        [[scenario.step]]
        request = "POST /json"
        json = { kind = "${kind}", n = 1 }
        "#,
    );
    let login = answer(
        "200 OK\r\nX-Kind: a \"b\"/c\r\nSet-Cookie: sid=s3cret; Path=/elsewhere",
        r#"{"list": [{"id": 42}], "text": "word=hello;"}"#,
    );
    let server = server(&[&login, EMPTY, EMPTY]);
    let summary = run(&text, &server, 1);
    assert_eq!((summary.requests(), summary.failed()), (6, 0));
    let requests = requests(&server);
    for iteration in requests.chunks(3) {
        let [_, used, json] = iteration else { panic!("{iteration:?}") };
        assert!(used.starts_with("POST /use/42?w=hello&k=a%20%22b%22%2Fc HTTP/1.1\r\n"), "{used}");
        assert_eq!((header(used, "X-Session"), header(used, "X-Whole")), (Some("s3cret"), Some("word")));
        assert!(used.ends_with("\r\n\r\nraw a \"b\"/c"), "{used}");
        let (_, body) = json.split_once("\r\n\r\n").expect("a head");
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(body, serde_json::json!({"kind": "a \"b\"/c", "n": 1}));
        assert_eq!(header(json, "Content-Type"), Some("application/json"));
    }
    let checks = summary.checks();
    assert_eq!(checks.len(), 6);
    for (name, rate) in checks {
        let hits = if name == "extract none" { 0 } else { 2 };
        assert_eq!(rate, Rate { hits, total: 2 }, "{name}");
    }
}

#[test]
fn an_extracted_value_cannot_break_out_of_its_place() {
    let text = one_user(
        1,
        r#"
        [[scenario.step]]
        request = "GET /"
        extract = { evil = { json = "/v" } }
        [[scenario.step]]
        request = "POST /p/${evil}?q=${evil}"
        headers = { X-V = "${evil}" }
        json = { v = "${evil}" }
        "#,
    );
    let evil = "a\r\nX-Injected: 1\r\n\r\nGET /smuggled HTTP/1.1\",\"w\":\"";
    let server = server(&[&answer("200 OK", &serde_json::json!({"v": evil}).to_string()), EMPTY]);
    let summary = run(&text, &server, 1);
    assert_eq!((summary.requests(), summary.failed(), server.request_count()), (2, 0, 2));
    let request = requests(&server).remove(1);
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    assert!(!head.lines().any(|line| line.starts_with("X-Injected") || line.starts_with("GET")), "{head}");
    assert_eq!(head.lines().filter(|line| line.starts_with("X-V: a ")).count(), 1);
    assert_eq!(head.lines().next().map(|line| line.matches(' ').count()), Some(2), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(body, serde_json::json!({"v": evil}));
}

#[test]
fn cookies_are_kept_for_each_user() {
    for (cookies, workers) in [(true, 1), (true, 2), (false, 1)] {
        let text = format!(
            "[load]\nusers = 2\npace = 0\niterations = 6\n[[scenario]]\ncookies = {cookies}\n[[scenario.step]]\n\
             request = \"GET /\"\nheaders = {{ X-User = \"${{user_id}}\", X-Turn = \"${{iteration}}\" }}\n"
        );
        let script = |sid: &str| {
            let answer = answer(&format!("200 OK\r\nSet-Cookie: sid={sid}\r\nSet-Cookie: b=2; Path=/"), "");
            vec![Step::ReadRequest, Step::send(answer), Step::Loop]
        };
        let server = ScriptedServer::start(Script::in_turn(vec![script("one"), script("two")]));
        let summary = run(&text, &server, workers);
        assert_eq!((summary.requests(), summary.failed()), (6, 0));
        let mut sent: BTreeMap<String, BTreeSet<Option<String>>> = BTreeMap::new();
        for request in requests(&server) {
            let user = header(&request, "X-User").expect("the file sends it").to_owned();
            let cookie = header(&request, "Cookie").map(str::to_owned);
            let first = header(&request, "X-Turn") == Some("1");
            assert_eq!(cookie.is_none(), first || !cookies, "{request}");
            sent.entry(user).or_default().insert(cookie);
        }
        let cookies_of = |user: &str| sent[user].iter().flatten().cloned().collect::<Vec<_>>();
        let (mut first, second) = (cookies_of("1"), cookies_of("2"));
        first.extend(second);
        // Each user sends its own, and always the same.
        first.sort_unstable();
        let expected: &[&str] = if cookies { &["sid=one; b=2", "sid=two; b=2"] } else { &[] };
        assert!(first.iter().all(|cookie| expected.contains(&cookie.as_str())), "{first:?}");
        assert!(sent.values().all(|cookies| cookies.len() <= 2), "{sent:?}");
    }
}

fn rows(count: usize) -> String {
    (0..count).fold("row,other\n".to_owned(), |mut text, row| {
        writeln!(text, "r{row},x").expect("a string takes all");
        text
    })
}

fn feed(load: &str, order: &str) -> String {
    format!(
        "[load]\npace = 0\n{load}\n[data.d]\nfile = \"d.csv\"\norder = \"{order}\"\n[[scenario]]\n\
         [[scenario.step]]\nrequest = \"GET /${{d.row}}\"\n[[scenario.step]]\nrequest = \"GET /${{d.row}}\"\n"
    )
}

fn run_feed(text: &str, count: usize, workers: u32) -> (Summary, Vec<String>) {
    let server = server(&[EMPTY]);
    let rows = rows(count);
    let files = [("d.csv", rows.as_str())];
    let (summary, _) = Run { text, url: server.url(), files: &files, workers, ..Run::default() }.make();
    assert_eq!(summary.failed(), 0);
    (summary, targets(&server))
}

#[test]
fn rows_of_a_unique_feed_are_used_once_and_then_the_scenario_ends() {
    // Users may be fewer than workers: the rows are for whoever comes.
    for (users, workers) in [(1, 1), (4, 1), (4, 2), (5, 3), (1, 2)] {
        let (summary, mut targets) =
            run_feed(&feed(&format!("users = {users}\nduration = \"1h\""), "unique"), 31, workers);
        targets.sort_unstable();
        let mut expected: Vec<String> =
            (0..31).flat_map(|row| [format!("/r{row}"), format!("/r{row}")]).collect();
        expected.sort_unstable();
        assert_eq!(targets, expected, "{users} users, {workers} workers");
        assert_eq!((summary.requests(), &summary.ending), (62, &Ending::Finished));
        let completed = summary.totals.trend(&Series::new(metric::ITERATION_TIME)).count();
        assert_eq!(completed, 31);
        // Whoever comes in vain ends the scenario of its worker.
        let started = summary.counter(metric::ITERATIONS);
        assert!((32..=31 + users).contains(&started), "{started}");
    }
}

#[test]
fn rows_of_a_sequential_feed_come_in_order_and_again() {
    let (_, targets) = run_feed(&feed("users = 1\niterations = 7", "sequential"), 3, 1);
    let expected: Vec<String> =
        (0..7).flat_map(|n| [format!("/r{}", n % 3), format!("/r{}", n % 3)]).collect();
    assert_eq!(targets, expected);
    for (users, workers) in [(4, 2), (5, 3)] {
        let (_, targets) =
            run_feed(&feed(&format!("users = {users}\niterations = 60"), "sequential"), 6, workers);
        for row in 0..6 {
            let times = targets.iter().filter(|target| **target == format!("/r{row}")).count();
            assert_eq!(times, 20, "row {row} of {workers} workers");
        }
    }
}

#[test]
fn rows_of_a_random_feed_follow_the_seed() {
    let run =
        |seed: u64| run_feed(&feed(&format!("users = 1\niterations = 40\nseed = {seed}"), "random"), 5, 1).1;
    let first = run(1);
    assert_eq!(first, run(1));
    assert_ne!(first, run(2));
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 5);
    // One row for the whole iteration.
    assert!(first.chunks(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn repeated_steps_and_labels() {
    let text = one_user(
        4,
        r#"
        tags = { team = "core" }
        [[scenario.step]]
        name = "often"
        group = "g"
        tags = { kind = "fast" }
        repeat = 3
        request = "GET /a?x=1"
        [[scenario.step]]
        request = "GET /b?x=1"
        "#,
    );
    let server = server(&[EMPTY]);
    let summary = run(&text, &server, 1);
    let iteration = ["/a?x=1", "/a?x=1", "/a?x=1", "/b?x=1"];
    assert_eq!(targets(&server), [iteration; 4].concat());
    assert_eq!(summary.endpoints(), ["GET /b", "often"]);
    let count = |series: Series| summary.totals.trend(&series).count();
    let response = || Series::new(metric::RESPONSE_TIME);
    assert_eq!(count(response().with(tag::ENDPOINT, "often")), 12);
    let often = response().with(tag::GROUP, "g").with("kind", "fast").with("team", "core");
    assert_eq!(count(often.with(tag::SCENARIO, "all")), 12);
    assert_eq!(count(response().with("team", "core")), 16);
    assert_eq!(count(response().with("kind", "fast").with(tag::ENDPOINT, "GET /b")), 0);
}

#[test]
fn think_time_moves_the_intended_start_and_is_in_no_response_time() {
    // Two kinds of pause, between steps and after the last one.
    let text = one_user(
        4,
        r#"
        [[scenario.step]]
        name = "first"
        request = "GET /a"
        think = "300ms"
        [[scenario.step]]
        name = "second"
        request = "GET /b"
        think = { uniform = ["200ms", "250ms"] }
        "#,
    );
    let server = server(&[EMPTY]);
    let summary = run(&text, &server, 1);
    let trend = |name: &str| summary.totals.trend(&Series::new(name));
    let of = |endpoint: &str| {
        summary.totals.trend(&Series::new(metric::RESPONSE_TIME).with(tag::ENDPOINT, endpoint))
    };
    let ms = |millis| Nanos::from_millis(millis).0;
    // Every iteration contains its pauses, and the fastest of the four answers is nowhere near them.
    assert!(trend(metric::ITERATION_TIME).min().is_some_and(|shortest| shortest >= ms(500)));
    for endpoint in ["first", "second"] {
        assert_eq!(of(endpoint).count(), 4);
        assert!(of(endpoint).min().is_some_and(|fastest| fastest < ms(200)), "{endpoint}");
    }
    // Being late after a pause counts: response time is never less than service time.
    assert!(trend(metric::RESPONSE_TIME).sum() >= trend(metric::SERVICE_TIME).sum());
}

#[test]
fn budgets_are_kept_exactly() {
    let steps = "[[scenario]]\n[[scenario.step]]\nrequest = \"GET /a\"\nrepeat = 2\n[[scenario.step]]\nrequest = \"GET /b\"\n";
    for (load, workers, iterations, requests) in [
        ("users = 4\npace = 0\nrequests = 17", 1, None, 17),
        ("users = 4\npace = 0\nrequests = 17", 2, None, 17),
        ("users = 5\npace = 0\nrequests = 100", 3, None, 100),
        ("users = 1\npace = 0\nrequests = 5", 2, None, 5),
        ("users = 4\npace = 0\niterations = 11", 2, Some(11), 33),
        ("users = 3\npace = 200\niterations = 10", 3, Some(10), 30),
        ("rate = 400\nrequests = 31", 2, None, 31),
        ("rate = 400\narrivals = \"poisson\"\niterations = 25", 3, Some(25), 75),
        ("users = 2\npace = 0\niterations = 7\nrequests = 9", 2, None, 9),
    ] {
        let server = server(&[EMPTY]);
        let summary = run(&format!("[load]\n{load}\n{steps}"), &server, workers);
        let shown = format!("{load} on {workers}");
        assert_eq!((server.request_count() as u64, summary.requests()), (requests, requests), "{shown}");
        if let Some(iterations) = iterations {
            assert_eq!(summary.counter(metric::ITERATIONS), iterations, "{shown}");
            assert_eq!(summary.counter(metric::CUT_ITERATIONS), 0, "{shown}");
        }
    }
}

#[test]
fn weights_share_users_and_budget() {
    let text = "[load]\nusers = 8\npace = 0\niterations = 40\n\
        [[scenario]]\nname = \"much\"\nweight = 3\n[[scenario.step]]\nrequest = \"GET /much\"\n\
        [[scenario]]\nname = \"little\"\n[[scenario.step]]\nrequest = \"GET /little\"\n";
    for workers in [1, 2] {
        let server = server(&[EMPTY]);
        let summary = run(text, &server, workers);
        for (scenario, users, iterations) in [("much", 6, 30), ("little", 2, 10)] {
            assert_eq!(counter(&summary, metric::USERS_STARTED, scenario), users);
            assert_eq!(counter(&summary, metric::USERS_STOPPED, scenario), users);
            assert_eq!(counter(&summary, metric::ITERATIONS, scenario), iterations);
            let sent = targets(&server).iter().filter(|target| **target == format!("/{scenario}")).count();
            assert_eq!(sent as u64, iterations);
        }
    }
}

/// Requests of an endpoint up to each second's end.
fn by_interval(events: &[RunEvent], endpoint: &str) -> Vec<(Nanos, u64)> {
    let of = Series::new(metric::RESPONSE_TIME).with(tag::ENDPOINT, endpoint);
    let count = |event: &RunEvent| match &event.kind {
        EventKind::Snapshot(interval) => Some((event.at, interval.snapshot.trend(&of).count())),
        _ => None,
    };
    events.iter().filter_map(count).collect()
}

#[test]
fn a_scenario_may_start_later() {
    let text = "[load]\nrate = 100\nduration = \"400ms\"\n[[scenario]]\n[[scenario.step]]\nname = \"now\"\nrequest = \"GET /\"\n\
        [[scenario]]\nstart = \"1100ms\"\n[[scenario.step]]\nname = \"later\"\nrequest = \"GET /\"\n";
    let server = server(&[EMPTY]);
    let (summary, events) = Run { text, url: server.url(), ..Run::default() }.make();
    // The rate is shared.
    assert_eq!(summary.requests(), 40);
    let sum = |counts: &[(Nanos, u64)], range: std::ops::RangeInclusive<u64>| -> u64 {
        let second = Nanos::from_secs(1);
        counts.iter().filter(|(at, _)| range.contains(&(at.0 / second.0))).map(|(_, count)| count).sum()
    };
    let (now, later) = (by_interval(&events, "now"), by_interval(&events, "later"));
    assert_eq!((sum(&now, 0..=u64::MAX), sum(&later, 0..=u64::MAX)), (20, 20));
    // Nothing before its time: the first interval ends after one second.
    assert_eq!(later[0], (Nanos::from_secs(1), 0));
    assert!(summary.elapsed >= Nanos::from_millis(1490), "{}", summary.elapsed);
}

#[test]
fn the_warm_up_is_in_no_judged_figure() {
    for workers in [1, 2] {
        let server =
            QueueServer::start(Law::new(Discipline::Parallel, ServiceLaw::Fixed(std::time::Duration::ZERO)));
        let text = "[load]\nrate = 100\nduration = \"1500ms\"\nwarmup = \"500ms\"\n[[scenario]]\n[[scenario.step]]\n\
            request = \"GET /\"\nchecks = [{ status = 200 }]\n";
        let (summary, events) = Run { text, url: server.url(), workers, ..Run::default() }.make();
        // Arrivals at 0, 10, … 490 ms are warm-up.
        assert_eq!((summary.warmup_requests, summary.requests(), server.counts().requests), (50, 100, 150));
        assert_eq!(summary.counter(metric::ITERATIONS), 100);
        assert_eq!(summary.checks()[0].1, Rate { hits: 100, total: 100 });
        let interval = summary.totals.interval.expect("something was recorded");
        assert_eq!(interval.from, Nanos::from_millis(500));
        let warmed = events.iter().filter_map(|event| match &event.kind {
            EventKind::Snapshot(interval) => interval.warmup.as_ref(),
            _ => None,
        });
        let warmed: u64 =
            warmed.map(|snapshot| snapshot.trend(&Series::new(metric::RESPONSE_TIME)).count()).sum();
        assert_eq!(warmed, 50);
    }
}
