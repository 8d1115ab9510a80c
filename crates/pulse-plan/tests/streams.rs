//! WebSocket steps and steps that read events, in scenario files.

use std::collections::BTreeMap;

use pulse_model::Nanos;
use pulse_plan::{
    Action, EventsUntil, Overrides, Plan, Receive, ScenarioFile, ServiceOptions, StepKind, UrlRequest,
};

const HEAD: &str = "[service]\nurl = \"http://127.0.0.1:1\"\n[[scenario]]\n";

fn plan(steps: &str) -> Plan {
    let file = ScenarioFile::parse("test.toml", &format!("{HEAD}{steps}"), &|_| None)
        .unwrap_or_else(|error| panic!("{error}"));
    let files = BTreeMap::from([("message.bin".to_owned(), vec![0, 1])]);
    file.into_plan(&files, &Overrides::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn mistakes(step: &str) -> String {
    let text = format!("{HEAD}[[scenario.step]]\n{step}");
    match ScenarioFile::parse("test.toml", &text, &|_| None) {
        Ok(_) => panic!("no mistake in {step}"),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn scripts() {
    let plan = plan(
        r#"
        [[scenario.step]]
        websocket = "/ws?a=${user_id}"
        keep = true
        repeat = 2
        headers = { X-A = "b" }
        script = [
            { send = "hello" },
            { send_json = { a = [1, "${user_id}"] } },
            { send_file = "message.bin" },
            { receive = { contains = "hello", timeout = "2s" } },
            { repeat = 3, each = [{ receive = { json = "/t", extract = { t = { json = "/t" } } } }, { pause = "10ms" }] },
            { send = "after ${t}" },
            { close = 1000 },
        ]
        [[scenario.step]]
        request = "GET /${t}"
        "#,
    );
    let [socket, _] = plan.scenarios[0].steps.as_slice() else { panic!("two steps") };
    assert_eq!((&*socket.name, socket.method.as_str()), ("WS /ws", "GET"));
    assert_eq!((socket.requests(), plan.scenarios[0].requests_per_iteration()), (8, 9));
    assert_eq!(socket.extractions.len(), 1);
    let StepKind::WebSocket(script) = &socket.kind else { panic!("a WebSocket") };
    assert!(script.keep);
    assert_eq!(script.actions.len(), 7);
    assert_eq!(script.actions[2], Action::SendBinary(vec![0, 1].into()));
    assert_eq!(script.actions[6], Action::Close(1000));
    let Action::Receive(receive) = &script.actions[3] else { panic!("a message") };
    assert_eq!((receive.timeout, receive.extractions.clone()), (Some(Nanos::from_secs(2)), 0..0));
    let Action::Repeat { times: 3, actions } = &script.actions[4] else { panic!("a repetition") };
    let Action::Receive(receive) = &actions[0] else { panic!("a message") };
    assert_eq!((receive.conditions.len(), receive.extractions.clone()), (1, 0..1));
}

#[test]
fn streams_of_events() {
    let plan = plan(
        "[[scenario.step]]\nevents = \"POST /stream?a\"\ncount = 3\nfor = \"10s\"\nuntil = \"done\"\njson = {}\n\
         checks = [{ status = 200 }]\nextract = { s = { header = \"x-s\" } }",
    );
    let step = &plan.scenarios[0].steps[0];
    assert_eq!(&*step.name, "POST /stream");
    assert!(step.headers.iter().any(|(name, value)| name == "Accept"
        && value.as_static().is_some_and(|value| value == "text/event-stream")));
    let StepKind::Events(until) = &step.kind else { panic!("a stream of events") };
    let EventsUntil { count, length, text } = &**until;
    assert_eq!((*count, *length, text.is_some()), (Some(3), Some(Nanos::from_secs(10)), true));
}

#[test]
fn mistakes_have_a_place_and_a_way_out() {
    let socket = |script: &str| format!("websocket = \"/ws\"\nscript = {script}");
    for (step, words) in [
        ("websocket = \"/ws\"".to_owned(), "`script` is missing"),
        ("websocket = \"ws\"\nscript = [{ send = \"\" }]".to_owned(), "does not start with a slash"),
        ("websocket = \"\"\nscript = [{ send = \"\" }]".to_owned(), "does not start with a slash"),
        (format!("request = \"GET /\"\n{}", socket("[{ send = \"\" }]")), "exclude each other"),
        (format!("{}\nbody = \"x\"", socket("[{ send = \"\" }]")), "`body` is not a known key"),
        (format!("{}\nextract = {{}}", socket("[{ send = \"\" }]")), "`extract` is not a known key"),
        (socket("[]"), "1 to 1000 actions"),
        (socket("[{}]"), "the action does nothing"),
        (socket("[{ send = \"a\", pause = \"1s\" }]"), "exclude each other"),
        (socket("[{ sned = \"a\" }]"), "did you mean `send`?"),
        (socket("[{ send = \"${token}\" }]"), "there is no variable `token`"),
        (
            socket("[{ send = \"${t}\" }, { receive = { extract = { t = { json = \"/t\" } } } }]"),
            "`t` is not known yet",
        ),
        (socket("[{ receive = { equals = \"x\" } }]"), "`equals` goes with `json`"),
        (socket("[{ receive = { extract = { t = { header = \"x\" } } } }]"), "`header` is not a known key"),
        (socket("[{ repeat = 2 }]"), "`each` is missing"),
        (socket("[{ repeat = 0, each = [{ send = \"\" }] }]"), "must be between 1 and 1000000"),
        (socket("[{ repeat = 2, each = [{ repeat = 2, each = [] }] }]"), "within a repetition"),
        (socket("[{ close = 1005 }]"), "the close code 1005 may not be sent"),
        (socket("[{ close = 1 }]"), "must be between 1000 and 4999"),
        ("events = \"GET /e\"".to_owned(), "nothing says when the stream"),
        ("events = \"/e\"\ncount = 1".to_owned(), "is not a method and a path"),
        ("events = \"GET /e\"\ncount = 0".to_owned(), "must be between 1"),
        ("events = \"GET /e\"\ncount = 1\nchecks = [{ body_contains = \"x\" }]".to_owned(), "has no body"),
        (
            "events = \"GET /e\"\ncount = 1\nextract = { a = { json = \"/a\" } }".to_owned(),
            "no body to extract",
        ),
    ] {
        let found = mistakes(&step);
        assert!(found.contains(words), "{step}\n{found}");
    }
}

fn of_url(url: &str, request: &UrlRequest) -> Result<Plan, String> {
    let headers = vec![("Content-Type".to_owned(), "text/plain".to_owned())];
    let service = ServiceOptions { url: Some(url.to_owned()), headers, ..ServiceOptions::default() };
    let overrides = Overrides { service, ..Overrides::default() };
    Plan::for_url(request, &overrides).map_err(|error| error.to_string())
}

#[test]
fn urls_of_websockets_and_streams() {
    let message = |bytes: &[u8]| UrlRequest { body: Some(bytes.to_vec()), ..UrlRequest::default() };
    for (url, request, send) in [
        ("ws://h/ws?a=b", message(b"${x}"), Some("text")),
        ("wss://h/ws?a=b", message(&[0xff]), Some("binary")),
        ("WS://h/ws?a=b", UrlRequest::default(), None),
    ] {
        let plan = of_url(url, &request).unwrap();
        let step = &plan.scenarios[0].steps[0];
        assert_eq!((&*step.name, step.target.as_static()), ("WS /ws", Some("/ws?a=b")));
        assert_eq!(plan.service.url.starts_with("https"), url.starts_with("wss"));
        assert!(step.headers.is_empty(), "the upgrade has no body");
        let StepKind::WebSocket(script) = &step.kind else { panic!("a WebSocket") };
        let sent = match script.actions.as_slice() {
            [] => None,
            [Action::Send(_), Action::Receive(any)] if *any == Receive::default() => Some("text"),
            [Action::SendBinary(_), Action::Receive(_)] => Some("binary"),
            other => panic!("{other:?}"),
        };
        assert_eq!((sent, script.keep), (send, send.is_some()));
    }
    let events = UrlRequest { events: Some(7), ..UrlRequest::default() };
    let plan = of_url("http://h/stream", &events).unwrap();
    let StepKind::Events(until) = &plan.scenarios[0].steps[0].kind else { panic!("a stream of events") };
    assert_eq!(until.count, Some(7));
    let method = UrlRequest { method: Some("POST".into()), ..UrlRequest::default() };
    for (request, option) in [(events, "`events`"), (method, "`method`")] {
        assert!(of_url("ws://h", &request).unwrap_err().contains(option));
    }
}
