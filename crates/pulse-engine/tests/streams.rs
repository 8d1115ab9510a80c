//! Steps that talk over a WebSocket or read events, seen in the figures and from the server.

#[path = "support/mod.rs"]
mod support;

use pulse_model::{Series, Summary, metric, tag};
use pulse_testkit::{Script, ScriptedServer, Step, server_frame};

use support::Run;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n";

fn counter(summary: &Summary, name: &str) -> u64 {
    summary.counter(name)
}

fn count(summary: &Summary, trend: &str) -> u64 {
    summary.totals.trend(&Series::new(trend)).count()
}

fn upgrades(summary: &Summary) -> u64 {
    summary.totals.counter(&Series::new(metric::RESPONSES).with(tag::STATUS, "101"))
}

fn failures(summary: &Summary, class: &str) -> u64 {
    summary.totals.counter(&Series::new(metric::FAILURES).with(tag::CLASS, class))
}

/// The messages of all failures that were seen.
fn messages(summary: &Summary) -> String {
    summary.totals.sightings.iter().map(|sighting| format!("{sighting:?}\n")).collect()
}

/// One user who does a step some times.
fn run(iterations: u64, step: &str, server: &ScriptedServer) -> Summary {
    let text = format!(
        "[load]\nusers = 1\npace = 0\niterations = {iterations}\n[[scenario]]\n[[scenario.step]]\ntimeout = \"20s\"\n{step}"
    );
    Run { text: &text, url: server.url(), ..Run::default() }.make().0
}

fn socket(steps: Vec<Step>) -> ScriptedServer {
    let mut all = vec![Step::AcceptWebSocket];
    all.extend(steps);
    ScriptedServer::start(Script::each(all))
}

fn stream(steps: Vec<Step>) -> ScriptedServer {
    let mut all = vec![Step::ReadRequest];
    all.extend(steps);
    ScriptedServer::start(Script::each(all))
}

#[test]
fn a_kept_connection_carries_the_messages_of_all_iterations() {
    let server = socket(vec![Step::Echo(usize::MAX)]);
    let step = r#"
        websocket = "/ws?user=${user_id}"
        keep = true
        script = [{ send = "hello ${iteration}" }, { receive = { contains = "hello ${iteration}" } }]
    "#;
    let summary = run(20, step, &server);
    assert_eq!(summary.failed(), 0, "{}", messages(&summary));
    assert_eq!((upgrades(&summary), server.connections()), (1, 1));
    assert_eq!(summary.requests(), 21, "the upgrade, and each message that was waited for");
    assert_eq!(
        (counter(&summary, metric::MESSAGES_SENT), counter(&summary, metric::MESSAGES_RECEIVED)),
        (20, 20)
    );
    assert_eq!((count(&summary, metric::ECHO_TIME), count(&summary, metric::CONNECT_TIME)), (20, 1));
    assert_eq!((count(&summary, metric::FIRST_MESSAGE_TIME), count(&summary, metric::MESSAGE_GAP)), (1, 19));
    assert!(counter(&summary, metric::BYTES_SENT) > 20 * 13);
    assert!(server.requests()[0].starts_with(b"GET /ws?user=1 HTTP/1.1\r\n"));
}

#[test]
fn otherwise_each_iteration_opens_one_and_closes_it() {
    let server = socket(vec![Step::Echo(usize::MAX)]);
    let step = r#"
        websocket = "/ws"
        script = [
            { repeat = 5, each = [{ send_json = { n = "${iteration}" } }, { receive = { json = "/n" } }] },
            { pause = "1ms" },
            { close = 3001 },
        ]
    "#;
    let summary = run(3, step, &server);
    assert_eq!(summary.failed(), 0, "{}", messages(&summary));
    assert_eq!((upgrades(&summary), server.connections(), summary.requests()), (3, 3, 3 + 15));
    assert_eq!(count(&summary, metric::ECHO_TIME), 15);

    // Without an action that closes, the step does it, with the usual code.
    let polite = run(2, "websocket = \"/ws\"\nscript = [{ send = \"x\" }]", &server);
    assert_eq!((polite.failed(), polite.requests(), counter(&polite, metric::MESSAGES_SENT)), (0, 2, 2));
}

#[test]
fn a_message_that_nobody_waits_for_is_passed_over_and_values_are_taken() {
    let server = socket(vec![
        Step::Send(server_frame(TEXT, br#"{"type": "quote"}"#)),
        Step::Send(server_frame(TEXT, br#"{"type": "welcome", "token": "t-1"}"#)),
        Step::Echo(usize::MAX),
    ]);
    let step = r#"
        websocket = "/ws"
        script = [
            { receive = { json = "/type", equals = "welcome", extract = { token = { json = "/token" }, id = { json = "/id" } } } },
            { send = "auth ${token}" },
            { receive = { contains = "auth t-1" } },
        ]
    "#;
    let summary = run(1, step, &server);
    assert_eq!(summary.failed(), 0, "{}", messages(&summary));
    assert_eq!(counter(&summary, metric::MESSAGES_RECEIVED), 3);
    assert_eq!(count(&summary, metric::ECHO_TIME), 1, "only one message answers another");
    let checks: Vec<_> = summary.checks().iter().map(|(name, rate)| (*name, rate.hits, rate.total)).collect();
    assert_eq!(checks, [("extract id", 0, 1), ("extract token", 1, 1)]);
}

#[test]
fn messages_that_do_not_come_are_lost() {
    let server = socket(vec![Step::Send(server_frame(TEXT, b"something else")), Step::Hold]);
    let script = |receive: &str| {
        format!(
            "websocket = \"/ws\"\nkeep = true\nscript = [{{ send = \"x\" }}, {{ receive = {{ {receive} timeout = \"30ms\" }} }}]"
        )
    };
    let told_apart = run(3, &script("contains = \"x\","), &server);
    assert_eq!((failures(&told_apart, "lost"), upgrades(&told_apart)), (3, 1), "{}", messages(&told_apart));
    assert_eq!((told_apart.requests(), count(&told_apart, metric::ECHO_TIME)), (4, 0));

    // What answers to nothing in particular: a late answer must not be taken for that of the next message.
    let silent = socket(vec![Step::Hold]);
    let any = run(3, &script(""), &silent);
    assert_eq!((failures(&any, "lost"), upgrades(&any)), (3, 3), "{}", messages(&any));
}

#[test]
fn how_a_websocket_ends_is_told() {
    let table = [
        (socket(vec![Step::Send(server_frame(CLOSE, b"\x03\xf3too busy"))]), "closed", "code 1011: too busy"),
        (socket(vec![Step::Echo(0), Step::Close]), "closed", "code 1006"),
        (socket(vec![Step::Send(server_frame(0x83, b"x")), Step::Hold]), "protocol", "invalid opcode"),
        (
            stream(vec![Step::send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")]),
            "status",
            "HTTP status 404 instead of 101",
        ),
        (
            stream(vec![Step::send("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")]),
            "bad_response",
            "Sec-WebSocket-Accept",
        ),
    ];
    for (server, class, words) in table {
        let summary = run(2, "websocket = \"/ws\"\nscript = [{ receive = {} }]", &server);
        let seen = messages(&summary);
        assert_eq!(failures(&summary, class), 2, "{class}: {seen}");
        assert!(seen.contains(words), "{words}: {seen}");
    }
}

#[test]
fn a_budget_of_requests_counts_the_messages_that_are_waited_for() {
    let server = socket(vec![Step::Echo(usize::MAX)]);
    let text = "[load]\nusers = 1\npace = 0\nrequests = 10\n[[scenario]]\n[[scenario.step]]\nwebsocket = \"/ws\"\nkeep = true\n\
                script = [{ send = \"x\" }, { receive = {} }, { send = \"y\" }, { receive = {} }]";
    let (summary, _) = Run { text, url: server.url(), ..Run::default() }.make();
    assert_eq!(count(&summary, metric::ECHO_TIME), 10);
}

#[test]
fn events_are_read_until_there_are_enough() {
    let server = stream(vec![
        Step::send(EVENTS),
        Step::SendSplit(
            b": hello\n\ndata: 1\n\nevent: tick\ndata: 2\n\ndata: done\n\ndata: 4\n\n".to_vec(),
            5,
        ),
        Step::Hold,
    ]);
    for (until, events) in [("count = 2", 2), ("until = \"do\"", 3), ("count = 4\nuntil = \"nothing\"", 4)] {
        let summary = run(3, &format!("events = \"GET /stream\"\n{until}"), &server);
        assert_eq!(summary.failed(), 0, "{until}: {}", messages(&summary));
        assert_eq!((summary.requests(), counter(&summary, metric::MESSAGES_RECEIVED)), (3, 3 * events));
        assert_eq!(count(&summary, metric::FIRST_MESSAGE_TIME), 3);
        assert_eq!(count(&summary, metric::MESSAGE_GAP), 3 * (events - 1));
    }
    let request = String::from_utf8(server.requests().remove(0)).unwrap();
    assert!(request.contains("Accept: text/event-stream\r\n"), "{request}");
}

#[test]
fn events_are_read_for_a_time() {
    let server = stream(vec![Step::send(EVENTS), Step::send("data: 1\n\ndata: 2\n\n"), Step::Hold]);
    let summary = run(2, "events = \"GET /stream\"\nfor = \"300ms\"", &server);
    assert_eq!(summary.failed(), 0, "{}", messages(&summary));
    assert_eq!((summary.requests(), counter(&summary, metric::MESSAGES_RECEIVED)), (2, 4));
    // The request is over when the stream has begun; what comes after it in the iteration is due when it ends.
    let iteration = summary.totals.trend(&Series::new(metric::ITERATION_TIME));
    assert!(iteration.min().unwrap() >= 300_000_000);
}

#[test]
fn streams_of_events_that_fail_are_told_apart() {
    let ok = |head: &str| Step::send(format!("HTTP/1.1 200 OK\r\n{head}\r\n"));
    let table = [
        (vec![Step::send(EVENTS), Step::send("data: 1\n\n"), Step::Close], "count = 2", "closed"),
        (vec![Step::send(EVENTS), Step::send("data: 1\n\n"), Step::Reset], "count = 2", "reset"),
        (vec![Step::send(EVENTS), Step::Close], "for = \"20s\"", "closed"),
        (vec![Step::send(EVENTS), Step::Hold], "for = \"50ms\"", "timeout"),
        (vec![ok("Content-Type: text/html\r\n"), Step::Hold], "count = 2", "bad_response"),
        (vec![ok(""), Step::Hold], "count = 2", "bad_response"),
        (vec![Step::send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")], "count = 1", "status"),
        (vec![Step::send(EVENTS), Step::SendForever(vec![b':'; 1 << 16])], "count = 1", "too_large"),
    ];
    for (steps, until, class) in table {
        let what = format!("{steps:.100?} {until}");
        let server = stream(steps);
        let summary = run(2, &format!("events = \"GET /stream\"\n{until}"), &server);
        assert_eq!((failures(&summary, class), summary.requests()), (2, 2), "{what}: {}", messages(&summary));
    }
}

#[test]
fn a_stream_of_comments_only_is_silent() {
    let server = stream(vec![Step::send(EVENTS), Step::SendForever(b": still here\n".to_vec())]);
    let text = "[load]\nusers = 1\npace = 0\niterations = 2\n[[scenario]]\n[[scenario.step]]\nevents = \"GET /stream\"\ncount = 1\ntimeout = \"100ms\"";
    let (summary, _) = Run { text, url: server.url(), ..Run::default() }.make();
    assert_eq!(failures(&summary, "timeout"), 2, "{}", messages(&summary));
}
