//! gRPC calls in scenario files, in suites and from flags.

use std::collections::BTreeMap;

use pulse_model::Nanos;
use pulse_plan::{
    CallError, CaseKind, Condition, Escape, FileErrors, GrpcCall, Overrides, Piece, Plan, PlanError,
    ProtoSources, ScenarioFile, ServiceOptions, Step, StepKind, SuiteFile, Template, UrlRequest, Variable,
};

const TRADING: &str = "
    syntax = \"proto3\";
    package trading.v1;
    import \"money.proto\";
    service Quotes {
        rpc Get(Ask) returns (Quote);
        rpc Watch(stream Ask) returns (stream Quote);
    }
    message Ask { string symbol = 1; int32 count = 2; }
    message Quote { money.Amount price = 1; }
";
const MONEY: &str = "syntax = \"proto3\"; package money; message Amount { double value = 1; }";

fn parse(text: &str) -> Result<ScenarioFile, FileErrors> {
    ScenarioFile::parse("plan.toml", text, &|_| None)
}

/// Reads what a file needs from `disk`, imports included, as the command line does.
fn read(file: &ScenarioFile, disk: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    let found = |path: &str| Some(disk.iter().find(|(name, _)| *name == path)?.1.as_bytes().to_vec());
    let mut files: BTreeMap<String, Vec<u8>> =
        file.needs().iter().filter_map(|path| Some((path.clone(), found(path)?))).collect();
    while let Some(places) = file.missing_import(&files) {
        let Some((path, bytes)) = places.into_iter().find_map(|place| Some((place.clone(), found(&place)?)))
        else {
            break;
        };
        files.insert(path, bytes);
    }
    files
}

fn plan(text: &str, disk: &[(&str, &str)]) -> Result<Plan, PlanError> {
    let file = parse(text)?;
    let files = read(&file, disk);
    file.into_plan(&files, &Overrides::default())
}

fn with_step(head: &str, step: &str) -> String {
    format!("{head}\n[[scenario]]\n[[scenario.step]]\n{step}")
}

fn call(step: &Step) -> &GrpcCall {
    match &step.kind {
        StepKind::Grpc(call) => call,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_step_calls_a_method() {
    let text = with_step(
        "[service]\nurl = \"grpcs://h:50051/base\"\nbearer = \"t\"",
        r#"
        grpc = "trading.v1.Quotes/Watch"
        proto = "proto/trading.proto"
        messages = [{ symbol = "SPY" }, { symbol = "${user_id}", count = 2 }]
        metadata = { "X-Stage" = "test", "trace-bin" = "AAEC" }
        compression = "gzip"
        expect = ["OK", "not_found"]
        max_message_size = "16MiB"
        timeout = "2s"
        checks = [{ grpc_status = "OK" }, { json = "/0/price/value" }]
        "#,
    );
    let plan = plan(&text, &[("proto/trading.proto", TRADING), ("proto/money.proto", MONEY)]).unwrap();
    assert_eq!(plan.service.url, "https://h:50051/base");
    let step = &plan.scenarios[0].steps[0];
    assert_eq!((&*step.name, step.method.as_str()), ("trading.v1.Quotes/Watch", "POST"));
    assert_eq!(step.target.as_static(), Some("/base/trading.v1.Quotes/Watch"));
    assert_eq!(step.timeout, Some(Nanos::from_secs(2)));
    let names: Vec<&str> = step.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["X-Stage", "trace-bin", "Authorization"]);
    let call = call(step);
    assert_eq!((call.service.as_str(), call.method.as_str()), ("trading.v1.Quotes", "Watch"));
    assert!(call.gzip && call.max_message_bytes == 16 << 20);
    assert_eq!(call.expect.to_string(), "OK,NOT_FOUND");
    assert!(call.types.as_ref().is_some_and(pulse_plan::GrpcMethod::takes_stream));
    assert_eq!(call.messages[0], Template::literal(r#"{"symbol":"SPY"}"#));
    let variable = Piece::Variable { source: Variable::UserId, escape: Escape::JsonString };
    assert_eq!(call.messages[1].pieces[1], variable);
    assert!(matches!(step.checks[0].condition, Condition::GrpcStatus(_)));
    assert_eq!(&*step.checks[0].name, "gRPC status is OK");
}

#[test]
fn types_are_those_of_the_step_of_the_service_or_of_the_server() {
    let head = "[service]\nproto = [\"a/trading.proto\"]\nimport_paths = \"lib\"";
    let disk = [("a/trading.proto", TRADING), ("lib/money.proto", MONEY)];
    let shared = plan(&with_step(head, "grpc = \"trading.v1.Quotes/Get\""), &disk).unwrap();
    let get = call(&shared.scenarios[0].steps[0]);
    assert!(get.types.is_some());
    assert_eq!(get.messages, [Template::literal("{}")]);
    assert_eq!(get.expect.to_string(), "OK");
    let reflected = plan(&with_step("", "grpc = \"x.Y/Z\"\nmessage = { any = 1 }"), &[]).unwrap();
    assert_eq!(call(&reflected.scenarios[0].steps[0]).types, None);
}

#[test]
fn mistakes_in_calls_have_position_and_remedy() {
    let disk = [
        ("trading.proto", TRADING),
        ("money.proto", MONEY),
        ("broken.proto", "syntax = \"proto3\";\nmessag A {}"),
    ];
    let get = "grpc = \"trading.v1.Quotes/Get\"\nproto = \"trading.proto\"\n";
    for (step, expected) in [
        ("grpc = \"Quotes\"".into(), "plan.toml:4:8: `Quotes` is no method of a service: the slash"),
        (
            "grpc = \"a.B/C\"\nrequest = \"GET /\"".into(),
            "plan.toml:4:8: `grpc` and `request` exclude each other",
        ),
        ("grpc = \"a.B/C\"\nbody = \"x\"".into(), "plan.toml:5:1: `body` is not a known key"),
        ("grpc = \"a.B/C\"\nexpect = \"FINE\"".into(), "plan.toml:5:10: gRPC has no status `FINE`"),
        ("grpc = \"a.B/C\"\nexpect = \"NOTFOUND\"".into(), "did you mean `NOT_FOUND`?"),
        ("grpc = \"a.B/C\"\nexpect = []".into(), "plan.toml:5:10: the list is empty"),
        ("grpc = \"a.B/C\"\nmessage = \"x\"".into(), "plan.toml:5:11: `message` must be a table, not a text"),
        ("grpc = \"a.B/C\"\nmessages = []".into(), "plan.toml:5:12: a call sends 1 to 10000 messages"),
        (
            "grpc = \"a.B/C\"\nmessage = {}\nmessages = [{}]".into(),
            "`messages` and `message` exclude each other",
        ),
        ("grpc = \"a.B/C\"\ncompression = \"zstd\"".into(), "`zstd` is not a known compression"),
        ("grpc = \"a.B/C\"\nmax_message_size = \"2GiB\"".into(), "`2GiB` is no size between 1B and 1GiB"),
        (
            "grpc = \"a.B/C\"\nmetadata = { grpc-timeout = \"1S\" }".into(),
            "`grpc-timeout` cannot be given: the protocol sets it",
        ),
        (
            "grpc = \"a.B/C\"\nmetadata = { a-bin = \"%\" }".into(),
            "metadata whose name ends in -bin are bytes",
        ),
        ("grpc = \"a.B/C\"\nimport_paths = \"x\"".into(), "`import_paths` goes with `proto`"),
        (
            format!("{get}message = {{ symbl = \"A\" }}"),
            "plan.toml:6:11: the message cannot be sent: it is no `trading.v1.Ask`: unrecognized field name 'symbl'",
        ),
        (format!("{get}messages = [{{}}, {{}}]"), "the method takes one message, not several"),
        (
            "grpc = \"trading.v1.Quotes/Got\"\nproto = \"trading.proto\"".into(),
            "plan.toml:4:8: the service `trading.v1.Quotes` has no method `Got`; there are Get, Watch",
        ),
        (
            "grpc = \"a.B/C\"\nproto = \"none.proto\"".into(),
            "plan.toml:5:9: the file `none.proto` was not read",
        ),
        (
            "grpc = \"a.B/C\"\nproto = \"broken.proto\"".into(),
            "plan.toml:5:9: the .proto files cannot be compiled: broken.proto:2:1: expected",
        ),
        ("request = \"GET /\"\nexpect = \"OK\"".into(), "plan.toml:5:1: `expect` is not a known key"),
    ] {
        let step: String = step;
        let error = plan(&with_step("", &step), &disk).expect_err(&step).to_string();
        assert!(error.contains(expected), "{step}\n{error}");
    }
}

fn url_plan(url: &str, data: Option<&str>, protos: &[&str]) -> Result<Plan, PlanError> {
    let files = [("trading.proto", TRADING), ("money.proto", MONEY)];
    let request = UrlRequest {
        body: data.map(|data| data.as_bytes().to_vec()),
        protos: ProtoSources {
            files: protos.iter().map(|path| (*path).to_owned()).collect(),
            import_paths: Vec::new(),
        },
        proto_files: files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
            .collect(),
        ..UrlRequest::default()
    };
    let service = ServiceOptions { url: Some(url.to_owned()), ..ServiceOptions::default() };
    Plan::for_url(&request, &Overrides { service, ..Overrides::default() })
}

#[test]
fn a_url_calls_a_method() {
    let watch = "grpc://127.0.0.1:50051/trading.v1.Quotes/Watch";
    let plan = url_plan(watch, Some(" {\"symbol\": \"$${A}\"}\n{} "), &["trading.proto"]).unwrap();
    assert_eq!(plan.service.url, "http://127.0.0.1:50051/trading.v1.Quotes/Watch");
    let step = &plan.scenarios[0].steps[0];
    assert_eq!(&*step.name, "trading.v1.Quotes/Watch");
    let messages: Vec<_> =
        call(step).messages.iter().map(|message| message.as_static().unwrap().trim()).collect();
    assert_eq!(messages, ["{\"symbol\": \"$${A}\"}", "{}"]);
    assert!(call(&url_plan(watch, None, &[]).unwrap().scenarios[0].steps[0]).types.is_none());
    for (url, data, protos, words) in [
        ("grpc://h", None, &[][..], "`` names no method: the slash between service and method is missing"),
        ("grpc://h/a.B", None, &[], "`/a.B` names no method"),
        ("grpc://h/a.B/C", Some("symbol=A"), &[], "the data are no messages: expected value"),
        ("grpc://h/a.B/C", None, &["trading.proto"], "there is no service `a.B`; there is trading.v1.Quotes"),
        (
            "grpc://h/trading.v1.Quotes/Get",
            Some("{}{}"),
            &["trading.proto"],
            "the method `Get` takes one message, not 2",
        ),
        (
            "grpc://h/trading.v1.Quotes/Get",
            Some("{\"x\":1}"),
            &["trading.proto"],
            "the message cannot be sent",
        ),
    ] {
        let error = url_plan(url, data, protos).expect_err(url).to_string();
        assert!(error.contains(words), "{url}: {error}");
    }
    assert_eq!(url_plan("http://h/x", None, &["trading.proto"]), Err(PlanError::Call(CallError::NoCall)));
    let several = url_plan("grpc://h/trading.v1.Quotes/Get", Some("{}{}"), &["trading.proto"]);
    assert_eq!(several, Err(PlanError::Call(CallError::Several { method: "Get".into(), count: 2 })));
}

#[test]
fn a_suite_takes_calls_from_scenario_files() {
    let scenario = with_step("", "grpc = \"trading.v1.Quotes/Get\"\nproto = \"p/trading.proto\"");
    let suite = "[[test]]\nname = \"mix\"\nscenario = \"load/mix.toml\"\ntargets = [\"p95 < 1s\"]";
    let file = SuiteFile::parse("perf/all.toml", suite, &|_| None).unwrap();
    let mut files = BTreeMap::from([("load/mix.toml".to_owned(), scenario.into_bytes())]);
    let file = file.with_scenarios(&files, &|_| None).unwrap();
    assert_eq!(file.needs(), ["load/mix.toml", "load/p/trading.proto"]);
    files.insert("load/p/trading.proto".to_owned(), TRADING.as_bytes().to_vec());
    assert_eq!(file.missing_import(&files), Some(vec!["load/p/money.proto".to_owned()]));
    files.insert("load/p/money.proto".to_owned(), MONEY.as_bytes().to_vec());
    assert_eq!(file.missing_import(&files), None);
    let suite = file.into_suite(&files, &Overrides::default(), None).unwrap();
    let CaseKind::Load(plan) = &suite.cases[0].kind else { panic!("{:?}", suite.cases[0].kind) };
    assert!(call(&plan.scenarios[0].steps[0]).types.is_some());
}
