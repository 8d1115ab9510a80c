//! What gRPC steps of a scenario file do, seen from the server that gets the calls.

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use prost::Message as _;
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use pulse_engine::{INTERVAL, Job, RunError, StopHandle, host_info, run};
use pulse_model::{Rate, RunInfo, Series, Summary, metric, tag};
use pulse_plan::{Overrides, ScenarioFile, Segment, ServiceOptions};
use pulse_testkit::{GrpcServer, GrpcStep, ReceivedCall};

use support::Run;

const TRADING: &str = r#"
    syntax = "proto3";
    package trading.v1;
    import "money.proto";
    import "google/protobuf/timestamp.proto";
    service Quotes {
        rpc Get(Ask) returns (Quote);
        rpc Watch(Ask) returns (stream Quote);
        rpc Sum(stream Ask) returns (Quote);
        rpc Chat(stream Ask) returns (stream Quote);
    }
    message Ask { string symbol = 1; int32 count = 2; }
    message Quote { string symbol = 1; money.Amount price = 2; google.protobuf.Timestamp at = 3; }
"#;
const MONEY: &str = "syntax = \"proto3\"; package money; message Amount { double value = 1; }";

#[derive(Clone, PartialEq, prost::Message)]
struct Ask {
    #[prost(string, tag = "1")]
    symbol: String,
    #[prost(int32, tag = "2")]
    count: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Quote {
    #[prost(string, tag = "1")]
    symbol: String,
    #[prost(message, optional, tag = "2")]
    price: Option<Amount>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Amount {
    #[prost(double, tag = "1")]
    value: f64,
}

/// The messages of a call.
fn asks(call: &ReceivedCall) -> Vec<Ask> {
    let mut rest = call.body.as_slice();
    let mut asks = Vec::new();
    while let [0, a, b, c, d, after @ ..] = rest {
        let (message, next) = after.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        asks.push(Ask::decode(message).expect("an Ask"));
        rest = next;
    }
    assert!(rest.is_empty());
    asks
}

fn quote(symbol: &str, value: f64) -> GrpcStep {
    let quote = Quote { symbol: symbol.to_owned(), price: Some(Amount { value }) };
    GrpcStep::message(&quote.encode_to_vec())
}

/// The service of [`TRADING`]: a quote for each message, `count` times where that is given.
fn answer(call: &ReceivedCall) -> Vec<GrpcStep> {
    let asks = asks(call);
    if asks.iter().any(|ask| ask.symbol == "NONE") {
        return GrpcStep::refusal(5, "no such symbol");
    }
    let quotes: Vec<GrpcStep> = match call.path.as_str() {
        "/trading.v1.Quotes/Get" => vec![quote(&asks[0].symbol, 1.5)],
        "/trading.v1.Quotes/Watch" => {
            (0..asks[0].count).map(|i| quote(&asks[0].symbol, f64::from(i))).collect()
        }
        "/trading.v1.Quotes/Sum" => vec![quote("all", asks.len() as f64)],
        "/trading.v1.Quotes/Chat" => asks.iter().map(|ask| quote(&ask.symbol, 0.0)).collect(),
        _ => return GrpcStep::refusal(12, ""),
    };
    [vec![GrpcStep::head()], quotes, vec![GrpcStep::status(0)]].concat()
}

fn one_user(iterations: u64, head: &str, steps: &str) -> String {
    format!(
        "{head}\n[load]\nusers = 1\npace = 0\niterations = {iterations}\n[[scenario]]\nname = \"all\"\n{steps}"
    )
}

fn summary(text: &str, server: &GrpcServer) -> Summary {
    let files = [("trading.proto", TRADING), ("money.proto", MONEY)];
    Run { text, url: server.url(), files: &files, ..Run::default() }.make().0
}

const PROTO: &str = "[service]\nproto = [\"trading.proto\", \"money.proto\"]";

fn of(summary: &Summary, endpoint: &str, metric: &str) -> Series {
    let found = summary.totals.series.keys().find(|series| {
        series.metric.as_ref() == metric
            && series.tags.get(tag::ENDPOINT).map(AsRef::as_ref) == Some(endpoint)
    });
    found.cloned().unwrap_or_else(|| Series::new(metric).with(tag::ENDPOINT, endpoint))
}

#[test]
fn unary_calls_are_checked_and_their_values_used() {
    let steps = r#"
        [[scenario.step]]
        grpc = "trading.v1.Quotes/Get"
        message = { symbol = "SPY" }
        metadata = { "X-Stage" = "test", "trace-bin" = "AAEC" }
        checks = [
            { name = "pass status", grpc_status = "OK" },
            { name = "fail status", grpc_status = ["NOT_FOUND", "ABORTED"] },
            { name = "pass json", json = "/price/value", equals = 1.5 },
            { name = "pass default", json = "/at", exists = false },
            { name = "fail json", json = "/price/value", equals = 2 },
            { name = "pass header", header = "content-type", equals = "application/grpc" },
            { name = "pass trailer", header = "grpc-status", equals = "0" },
            { name = "pass size", size = "= 16B" },
            { name = "pass time", time = "< 1h" },
        ]
        extract = { price = { json = "/price/value" } }
        [[scenario.step]]
        name = "again"
        grpc = "trading.v1.Quotes/Get"
        message = { symbol = "at ${price} by ${user_id}", count = "${user_id}" }
        metadata = { user = "${user_id}" }
        compression = "identity"
    "#;
    let server = GrpcServer::start(answer);
    let summary = summary(&one_user(2, PROTO, steps), &server);
    assert_eq!((summary.failed(), server.calls().len()), (0, 4));
    for (name, rate) in summary.checks() {
        let hits = if name.starts_with("fail") { 0 } else { 2 };
        assert_eq!(rate, Rate { hits, total: 2 }, "{name}");
    }
    assert_eq!(summary.checks().len(), 10);
    let calls = server.calls();
    assert_eq!((calls[0].field("x-stage"), calls[0].field("trace-bin")), (Some("test"), Some("AAEC")));
    assert_eq!(asks(&calls[1]), [Ask { symbol: "at 1.5 by 1".into(), count: 1 }]);
    assert_eq!(calls[1].field("user"), Some("1"));
    assert_eq!(calls[0].field("grpc-timeout"), Some("30000000u"));
    let connections =
        summary.totals.counter(&of(&summary, "trading.v1.Quotes/Get", metric::CONNECTIONS_OPENED));
    assert_eq!(connections, 1);
    // A plain answer has no further series.
    let received = of(&summary, "again", metric::MESSAGES_RECEIVED);
    assert_eq!(summary.totals.counter(&received), 0);
}

#[test]
fn streams_are_counted_and_timed() {
    let steps = r#"
        [[scenario.step]]
        grpc = "trading.v1.Quotes/Watch"
        message = { symbol = "SPY", count = 5 }
        checks = [{ json = "/4/price/value", equals = 4 }, { json = "/5", exists = false }]
        [[scenario.step]]
        grpc = "trading.v1.Quotes/Sum"
        messages = [{ symbol = "A" }, { symbol = "B" }, { symbol = "${user_id}" }]
        checks = [{ json = "/price/value", equals = 3 }]
        [[scenario.step]]
        grpc = "trading.v1.Quotes/Chat"
        messages = [{ symbol = "A" }, { symbol = "B" }]
        compression = "identity"
        checks = [{ json = "/1/symbol", equals = "B" }]
        [[scenario.step]]
        name = "silent"
        grpc = "trading.v1.Quotes/Watch"
        checks = [{ json = "", equals = [] }]
    "#;
    let server = GrpcServer::start(answer);
    let summary = summary(&one_user(2, PROTO, steps), &server);
    assert_eq!(summary.failed(), 0, "{:?}", summary.totals.series.keys());
    for (name, rate) in summary.checks() {
        assert_eq!(rate, Rate { hits: 2, total: 2 }, "{name}");
    }
    let count = |endpoint: &str, metric: &str| summary.totals.counter(&of(&summary, endpoint, metric));
    let trend = |endpoint: &str, metric: &str| summary.totals.trend(&of(&summary, endpoint, metric)).count();
    for (endpoint, sent, received, first, gaps) in [
        ("trading.v1.Quotes/Watch", 2, 10, 2, 8),
        ("trading.v1.Quotes/Sum", 6, 2, 0, 0),
        ("trading.v1.Quotes/Chat", 4, 4, 2, 2),
        ("silent", 2, 0, 0, 0),
    ] {
        assert_eq!(count(endpoint, metric::MESSAGES_SENT), sent, "{endpoint}");
        assert_eq!(count(endpoint, metric::MESSAGES_RECEIVED), received, "{endpoint}");
        assert_eq!(trend(endpoint, metric::FIRST_MESSAGE_TIME), first, "{endpoint}");
        assert_eq!(trend(endpoint, metric::MESSAGE_GAP), gaps, "{endpoint}");
    }
}

#[test]
fn failures_have_the_class_of_their_status() {
    let steps = r#"
        [[scenario.step]]
        name = "none"
        grpc = "trading.v1.Quotes/Get"
        message = { symbol = "NONE" }
        [[scenario.step]]
        name = "expected"
        grpc = "trading.v1.Quotes/Get"
        message = { symbol = "NONE" }
        expect = ["NOT_FOUND"]
        [[scenario.step]]
        name = "wrong value"
        grpc = "trading.v1.Quotes/Get"
        message = { count = "${uuid}" }
        [[scenario.step]]
        name = "late"
        grpc = "trading.v1.Quotes/Watch"
        timeout = "50ms"
    "#;
    let server = GrpcServer::start(|call| match call.path.ends_with("Watch") {
        true => vec![GrpcStep::head(), GrpcStep::Hang],
        false => answer(call),
    });
    let summary = summary(&one_user(1, PROTO, steps), &server);
    let classes: BTreeMap<&str, (&str, u64)> = summary
        .totals
        .series
        .keys()
        .filter(|series| series.metric.as_ref() == metric::FAILURES)
        .map(|series| {
            let count = summary.totals.counter(series);
            (series.tags[tag::ENDPOINT].as_ref(), (series.tags[tag::CLASS].as_ref(), count))
        })
        .collect();
    let expected = [
        ("late", ("grpc_deadline_exceeded", 1)),
        ("none", ("grpc_not_found", 1)),
        ("wrong value", ("bad_request", 1)),
    ];
    assert_eq!(classes.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(server.calls().len(), 3, "what cannot be encoded is not sent");
}

/// Names and encoded descriptors of a service's files.
fn descriptors() -> Vec<(String, Vec<u8>)> {
    struct Files;
    impl FileResolver for Files {
        fn open_file(&self, name: &str) -> Result<File, protox::Error> {
            match name {
                "trading.proto" => File::from_source(name, TRADING),
                "money.proto" => File::from_source(name, MONEY),
                _ => Err(protox::Error::file_not_found(name)),
            }
        }
    }
    let mut resolver = ChainFileResolver::new();
    resolver.add(Files);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file("trading.proto").expect("the files are right");
    let files = compiler.file_descriptor_set().file;
    files.into_iter().map(|file| (file.name().to_owned(), file.encode_to_vec())).collect()
}

/// Answers questions of server reflection, one file for each.
fn reflect(call: &ReceivedCall) -> Vec<GrpcStep> {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Question {
        #[prost(string, tag = "3")]
        name: String,
        #[prost(string, tag = "4")]
        symbol: String,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Files {
        #[prost(bytes = "vec", repeated, tag = "1")]
        files: Vec<Vec<u8>>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Refusal {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(string, tag = "2")]
        message: String,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Reply {
        #[prost(message, optional, tag = "4")]
        files: Option<Files>,
        #[prost(message, optional, tag = "7")]
        refusal: Option<Refusal>,
    }
    let known = descriptors();
    let mut steps = vec![GrpcStep::head()];
    let mut rest = call.body.as_slice();
    while let [0, a, b, c, d, after @ ..] = rest {
        let (message, next) = after.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        rest = next;
        let question = Question::decode(message).expect("a question");
        let name =
            if question.symbol == "trading.v1.Quotes" { "trading.proto" } else { question.name.as_str() };
        let reply = match known.iter().find(|(known, _)| known == name) {
            Some((_, file)) => Reply { files: Some(Files { files: vec![file.clone()] }), refusal: None },
            None => {
                let refusal = Refusal { code: 5, message: format!("Symbol not found: {}", question.symbol) };
                Reply { files: None, refusal: Some(refusal) }
            }
        };
        steps.push(GrpcStep::message(&reply.encode_to_vec()));
    }
    steps.push(GrpcStep::status(0));
    steps
}

/// A service that describes itself under one of the protocol's names.
fn described(package: &'static str) -> GrpcServer {
    GrpcServer::start(move |call| {
        let reflection = format!("/{package}.ServerReflection/ServerReflectionInfo");
        if call.path == reflection { reflect(call) } else { answer(call) }
    })
}

#[test]
fn a_service_is_asked_for_the_types_it_knows() {
    let steps = r#"
        [[scenario.step]]
        grpc = "trading.v1.Quotes/Watch"
        message = { symbol = "SPY", count = 2 }
        checks = [{ json = "/1/price/value", equals = 1 }]
        [[scenario.step]]
        grpc = "trading.v1.Quotes/Get"
        message = { symbol = "SPY" }
    "#;
    for (package, questions) in [("grpc.reflection.v1", 2), ("grpc.reflection.v1alpha", 3)] {
        let server = described(package);
        let summary = summary(&one_user(1, "[service]\nbearer = \"secret\"", steps), &server);
        assert_eq!(summary.failed(), 0);
        assert!(summary.checks().iter().all(|(_, rate)| rate.hits == 1));
        let calls = server.calls();
        let asked = calls.iter().filter(|call| call.path.contains("reflection")).count();
        assert_eq!(asked, questions, "the service once, then what it imports, for both steps: {package}");
        assert!(calls.iter().all(|call| call.field("authorization") == Some("Bearer secret")));
    }
}

#[test]
fn types_that_nobody_knows_are_an_error_before_the_load() {
    let step = |method: &str, more: &str| format!("[[scenario.step]]\ngrpc = \"{method}\"\n{more}");
    let refuses = || GrpcServer::start(|_| GrpcStep::refusal(12, ""));
    for (server, step, words) in [
        (refuses(), step("trading.v1.Quotes/Get", ""), "it has no server reflection); give its .proto files"),
        (described("grpc.reflection.v1"), step("a.B/C", ""), "does not describe it: Symbol not found: a.B"),
        (
            described("grpc.reflection.v1"),
            step("trading.v1.Quotes/Got", ""),
            "has no method `Got`; there are Get, Watch",
        ),
        (
            described("grpc.reflection.v1"),
            step("trading.v1.Quotes/Get", "message = { x = 1 }"),
            "unrecognized field name 'x'",
        ),
        (
            described("grpc.reflection.v1"),
            step("trading.v1.Quotes/Get", "messages = [{}, {}]"),
            "takes one message, not 2",
        ),
        (
            GrpcServer::start(|_| GrpcStep::answer(b"\xff")),
            step("a.B/C", ""),
            "description of itself is broken",
        ),
        (GrpcServer::start(|_| GrpcStep::refusal(16, "who?")), step("a.B/C", ""), "UNAUTHENTICATED: who?"),
    ] {
        let file = ScenarioFile::parse("test.toml", &one_user(1, "", &step), &|_| None).unwrap();
        let service = ServiceOptions { url: Some(server.url()), ..ServiceOptions::default() };
        let plan = file.into_plan(&BTreeMap::new(), &Overrides { service, ..Overrides::default() }).unwrap();
        let info = RunInfo {
            kind: "load".to_owned(),
            name: plan.name.clone(),
            service: plan.service.url.clone(),
            scenarios: plan.scenario_info(),
            duration: plan.duration(),
            warmup: plan.warmup,
            targets: plan.targets.clone(),
            workers: 1,
            seed: plan.seed,
            started: "2026-01-01T00:00:00.000Z".to_owned(),
            version: "0.0.0".to_owned(),
            host: host_info(),
            notices: Vec::new(),
        };
        let job = Job { plan: plan.into(), workers: 1, segment: Segment::WHOLE, interval: INTERVAL, info };
        let error = run(&job, &StopHandle::default(), &mut |_| ()).expect_err(words);
        assert!(matches!(error, RunError::Types { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}
