//! The scenario file as a whole: the example, what follows from it, and what is said about broken files.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;
use pulse_model::{Nanos, ScenarioInfo};
use pulse_plan::{
    AddressOrder, Body, Condition, ConnectionOptions, Escape, ExtractionSource, FeedOrder, FileErrors,
    IdleStrategy, IpVersion, LoadError, LoadModel, LoadOptions, Overrides, Piece, Plan, PlanError,
    ScenarioFile, ServiceOptions, Stage, Template, Think, TlsVersion, Variable,
};

const DEMO: &str = include_str!("../../../examples/demo.toml");

fn demo_files() -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([
        ("symbols.csv".to_owned(), include_bytes!("../../../examples/symbols.csv").to_vec()),
        ("orders.jsonl".to_owned(), include_bytes!("../../../examples/orders.jsonl").to_vec()),
    ])
}

fn no_environment(_: &str) -> Option<String> {
    None
}

fn parse(text: &str) -> Result<ScenarioFile, FileErrors> {
    ScenarioFile::parse("plan.toml", text, &no_environment)
}

fn plan_with(text: &str, overrides: &Overrides) -> Result<Plan, PlanError> {
    parse(text).unwrap_or_else(|errors| panic!("{errors}")).into_plan(&BTreeMap::new(), overrides)
}

fn plan(text: &str) -> Plan {
    plan_with(text, &Overrides::default()).expect("the file makes a plan")
}

/// A file with one step and some lines before it.
fn with_step(head: &str, step: &str) -> String {
    format!("{head}\n[[scenario]]\n[[scenario.step]]\nrequest = \"GET /a\"\n{step}")
}

fn demo() -> Plan {
    let file =
        ScenarioFile::parse("examples/demo.toml", DEMO, &no_environment).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(file.needs(), ["symbols.csv", "orders.jsonl"]);
    file.into_plan(&demo_files(), &Overrides::default()).expect("the example makes a plan")
}

#[test]
fn the_example_is_a_plan() {
    let plan = demo();
    assert_eq!(plan.name, "demo trading API");
    assert_eq!(plan.service.url, "http://127.0.0.1:8000");
    assert_eq!((plan.seed, plan.warmup), (7, Nanos::from_secs(1)));
    assert_eq!(plan.targets.len(), 4);
    assert_eq!(plan.duration(), Some(Nanos::from_millis(10_500)));
    assert_eq!(plan.feeds[0].order, FeedOrder::Random);
    assert_eq!(plan.feeds[0].rows[4], ["BRK.B", "Berkshire Hathaway, class B"]);
    assert_eq!(plan.feeds[1].columns, ["quantity", "side"]);
    let names: Vec<&str> = plan.variables.iter().map(|slot| slot.name.as_str()).collect();
    assert_eq!(names, ["price", "kind", "stamp", "position", "owner"]);
    let users: Vec<u64> = plan.scenarios.iter().map(|scenario| scenario.load.max_users()).collect();
    assert_eq!(users, [12, 8, 20]);
    let steps: Vec<&str> = plan.scenarios.iter().flat_map(|s| &s.steps).map(|step| &*step.name).collect();
    assert_eq!(
        steps,
        ["execute", "buy", "close", "positions", "account", "GET /health", "GET /health/security"]
    );
    insta::assert_debug_snapshot!("demo_info", plan.scenario_info());
}

#[test]
fn the_example_in_detail() {
    let plan = demo();
    let execute = &plan.scenarios[0].steps[0];
    assert_eq!(execute.timeout, Some(Nanos::from_secs(2)));
    assert!(execute.expect.as_ref().is_some_and(|set| set.contains(200) && !set.contains(201)));
    assert_eq!(
        execute.think,
        Think::Normal { mean: Nanos::from_millis(100), stddev: Nanos::from_millis(30) }
    );
    let names: Vec<&str> = execute.checks.iter().map(|check| &*check.name).collect();
    insta::assert_debug_snapshot!("demo_check_names", names);
    assert_eq!(
        execute.extractions.iter().map(|e| (&*e.name, e.source.clone())).collect::<Vec<_>>(),
        [
            ("extract price", ExtractionSource::Json("/metadata/price".into())),
            ("extract kind", ExtractionSource::Header("content-type".into())),
            ("extract stamp", ExtractionSource::Regex("\"timestamp\":\"([^\"]+)\"".into())),
        ]
    );
    let headers: Vec<&str> = execute.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(headers, ["Content-Type", "X-Stage", "X-Request-Id"]);
    assert_eq!(execute.headers[1].1.as_static(), Some("local"));
    assert!(execute.needs_body());
    let Body::Text(body) = &execute.body else { panic!("{:?}", execute.body) };
    insta::assert_debug_snapshot!("demo_body", body.pieces);
    let buy = &plan.scenarios[0].steps[1];
    assert_eq!(buy.tags.keys().map(|key| &**key).collect::<Vec<_>>(), ["kind", "team"]);
    let Condition::Json { test, .. } = &buy.checks[0].condition else { panic!("{:?}", buy.checks) };
    assert!(matches!(test, pulse_plan::JsonTest::EqualsText(_)));
    let account = &plan.scenarios[1].steps[1];
    assert_eq!((account.target.as_static(), account.repeat), (Some("/api/v1/paper/demo/account"), 2));
    assert_eq!(plan.scenarios[1].steps[0].think, Think::Fixed(Nanos::from_millis(50)));
    assert!(plan.scenarios[0].cookies && !plan.scenarios[1].cookies);
    assert!(matches!(plan.scenarios[2].load, LoadModel::Open(_)));
}

#[test]
fn the_example_of_the_documentation_is_a_plan() {
    let page = include_str!("../../../docs/scenario-files.md");
    let start = page.find("```toml\n").unwrap() + "```toml\n".len();
    let text = &page[start..start + page[start..].find("```").unwrap()];
    let files = BTreeMap::from([("symbols.csv".to_owned(), b"symbol\nSPY\n".to_vec())]);
    let plan = parse(text).unwrap().into_plan(&files, &Overrides::default()).unwrap();
    let users: Vec<u64> = plan.scenarios.iter().map(|scenario| scenario.load.max_users()).collect();
    assert_eq!(users, [15, 5]);
}

#[test]
fn values_are_escaped_for_their_place() {
    let head = "[variables]\nv = 'a \"b/'\n";
    let plan = plan(&with_step(
        head,
        "headers = { X = \"${v}\" }\nbody = '${v}$${v}'\n[[scenario.step]]\nrequest = \"POST /${v}?q=${uuid} x\"\n\
         json = { \"k\\\"\" = [\"${v}\", 1, 1.5, true, 2020-01-01] }",
    ));
    let [first, second] = plan.scenarios[0].steps.as_slice() else { panic!() };
    assert_eq!(first.headers[0].1.as_static(), Some("a \"b/"));
    assert_eq!(first.body, Body::Text(Template::literal("a \"b/${v}")));
    assert_eq!(
        second.target.pieces,
        [
            Piece::Literal("/a%20%22b%2F?q=".into()),
            Piece::Variable { source: Variable::Uuid, escape: Escape::Url },
            Piece::Literal("%20x".into()),
        ]
    );
    let Body::Text(json) = &second.body else { panic!() };
    assert_eq!(json.as_static(), Some(r#"{"k\"":["a \"b/",1,1.5,true,"2020-01-01"]}"#));
    assert_eq!(&*second.name, "POST /{v}");
}

#[test]
fn environment_variables_are_looked_up_once() {
    let text = with_step("[service]\nbearer = \"${env.TOKEN}\"", "");
    let file =
        ScenarioFile::parse("a.toml", &text, &|name| (name == "TOKEN").then(|| "t0p".to_owned())).unwrap();
    let plan = file.into_plan(&BTreeMap::new(), &Overrides::default()).unwrap();
    assert_eq!(
        plan.scenarios[0].steps[0].headers,
        [("Authorization".to_owned(), Template::literal("Bearer t0p"))]
    );
}

#[test]
fn flags_beat_the_file() {
    let text = format!(
        "{}\n[[scenario]]\nload = {{ rate = 5 }}\n[[scenario.step]]\nrequest = \"GET /b\"",
        with_step(
            "targets = [\"p50 < 1s\"]\n[service]\nurl = \"http://a/base/\"\nheaders = { A = \"1\", B = \"1\" }\n\
                   [load]\nusers = 4\nduration = \"20s\"",
            "headers = { B = \"2\" }"
        )
    );
    let overrides = Overrides {
        service: ServiceOptions {
            url: Some("http://me:pw@other:81/v2".into()),
            headers: vec![("a".into(), "3".into()), ("b".into(), "3".into())],
            ..ServiceOptions::default()
        },
        load: LoadOptions {
            users: Some(7),
            duration: Some(Nanos::from_secs(5)),
            seed: Some(9),
            warmup: Some(Nanos::from_secs(1)),
            ..LoadOptions::default()
        },
        targets: vec!["p99 < 1s".parse().unwrap()],
    };
    let plan = plan_with(&text, &overrides).unwrap();
    assert_eq!((plan.seed, plan.warmup, plan.targets.len()), (9, Nanos::from_secs(1), 1));
    assert_eq!(plan.service.url, "http://other:81/v2");
    let ends: Vec<_> = plan.scenarios.iter().map(|scenario| scenario.load.end()).collect();
    assert_eq!(ends, [Some(Nanos::from_secs(5)); 2]);
    assert_eq!(plan.scenarios[0].load.max_users(), 7);
    let step = &plan.scenarios[0].steps[0];
    assert_eq!(step.target.as_static(), Some("/v2/a"));
    let headers: Vec<_> =
        step.headers.iter().map(|(name, value)| (name.as_str(), value.as_static().unwrap())).collect();
    assert_eq!(headers, [("B", "2"), ("a", "3"), ("Authorization", "Basic bWU6cHc=")]);
}

#[test]
fn the_idle_strategy_is_of_the_whole_run() {
    let flagged = |idle| {
        let load = LoadOptions { idle, ..LoadOptions::default() };
        plan_with(&with_step("[load]\nidle = \"spin\"", ""), &Overrides { load, ..Overrides::default() })
            .unwrap()
    };
    assert_eq!(plan(&with_step("", "")).idle, IdleStrategy::Auto);
    assert_eq!(flagged(None).idle, IdleStrategy::Spin);
    assert_eq!(flagged(Some(IdleStrategy::Sleep)).idle, IdleStrategy::Sleep);
    let unknown = parse(&with_step("[load]\nidle = \"poll\"", "")).err().unwrap().to_string();
    assert!(unknown.contains("`poll` is not one of auto, sleep, spin"), "{unknown}");
}

#[test]
fn flags_that_do_not_fit_are_errors_of_their_own() {
    let stages = || Some(vec![Stage { length: Nanos::from_secs(1), value: 3.0 }]);
    let with = |load: LoadOptions| Overrides { load, ..Overrides::default() };
    let own = "[[scenario]]\nload = { users = 1 }\n[[scenario.step]]\nrequest = \"GET /a\"";
    let shared = with_step("[load]\nrate = 10\nduration = \"9s\"", "");
    let base = LoadOptions::default;
    for (text, load, expected) in [
        (
            own,
            LoadOptions { users: Some(3), ..base() },
            "`users` would change nothing: every scenario has a load of its own",
        ),
        (
            &shared,
            LoadOptions { pace: Some(3.0), ..base() },
            "`pace` and `rate` exclude each other: `pace` is per user of a closed load, `rate` is the whole of an open load",
        ),
        (
            &shared,
            LoadOptions { warmup: Some(Nanos::from_secs(9)), ..base() },
            "a `warmup` of 9s leaves nothing of the 9s that the load lasts; make it shorter",
        ),
        (&shared, LoadOptions { users: Some(0), ..base() }, "`users` must be between 1 and a million, not 0"),
    ] {
        assert_eq!(plan_with(text, &with(load)).unwrap_err().to_string(), expected);
    }
    // Stages keep the model of the file, users replace it.
    assert!(matches!(
        plan_with(&shared, &with(LoadOptions { stages: stages(), ..base() })).unwrap().scenarios[0].load,
        LoadModel::Open(_)
    ));
    assert!(matches!(
        plan_with(&shared, &with(LoadOptions { users: Some(3), ..base() })).unwrap().scenarios[0].load,
        LoadModel::Closed(_)
    ));
    let bad_url = Overrides {
        service: ServiceOptions { url: Some("nowhere".into()), ..ServiceOptions::default() },
        ..Overrides::default()
    };
    assert!(matches!(plan_with(&shared, &bad_url), Err(PlanError::Service(_))));
}

#[test]
fn mistakes_in_other_files_are_reported_there() {
    let text = with_step("[data.rows]\nfile = \"rows.csv\"", "body = \"${rows.nmae}\"");
    for (content, expected) in [
        (None, "plan.toml:2:8: the file `rows.csv` was not read (check that it is there)"),
        (Some("name\na,b\n"), "rows.csv:2:1: the row has 2 values, but there are 1 columns"),
        (Some("name\na\n"), "plan.toml:6:9: the feed `rows` has no column `nmae` (did you mean `name`?)"),
    ] {
        let files: BTreeMap<_, _> =
            content.iter().map(|text| ("rows.csv".to_owned(), text.as_bytes().to_vec())).collect();
        let error = parse(&text).unwrap().into_plan(&files, &Overrides::default()).unwrap_err();
        assert_eq!(error.to_string().lines().next(), Some(expected));
    }
}

#[test]
fn planned_numbers() {
    let facts = |text: &str| {
        let ScenarioInfo { load, planned_iterations, planned_requests, .. } =
            plan(text).scenario_info().remove(0);
        (load, planned_iterations, planned_requests)
    };
    for (load, step, words, iterations, requests) in [
        (
            "users = 100\nduration = 60",
            "",
            "closed, 100 users at 10 iterations/s each",
            Some(60_000),
            Some(60_000),
        ),
        ("", "repeat = 3", "closed, 10 users at 10 iterations/s each", Some(3_000), Some(9_000)),
        ("pace = 0", "", "closed, 10 users as fast as answers come", None, None),
        (
            "pace = 0\nrequests = 7",
            "repeat = 2",
            "closed, 10 users as fast as answers come",
            Some(4),
            Some(7),
        ),
        (
            "iterations = 50\nusers = 1",
            "repeat = 2",
            "closed, 1 user at 10 iterations/s each",
            Some(50),
            Some(100),
        ),
        (
            "stages = [\"10s:10\", \"10s:0\"]",
            "",
            "closed, up to 10 users at 10 iterations/s each",
            Some(1_000),
            Some(1_000),
        ),
        ("rate = 250\nduration = 4", "", "open, 250 iterations/s, even arrivals", Some(1_000), Some(1_000)),
        (
            "arrivals = \"poisson\"\nstages = [\"10s:10\"]\nduration = 15",
            "",
            "open, up to 10 iterations/s, Poisson arrivals",
            Some(100),
            Some(100),
        ),
        (
            "stages = [\"10s:10\"]\nduration = 5",
            "",
            "closed, up to 10 users at 10 iterations/s each",
            Some(125),
            Some(125),
        ),
    ] {
        let expected = (words.to_owned(), iterations, requests);
        assert_eq!(facts(&with_step(&format!("[load]\n{load}"), step)), expected, "{load}");
    }
}

#[test]
fn default_targets_ask_for_throughput_only_when_the_plan_does() {
    for (load, count) in [("", 3), ("users = 11", 4), ("rate = 101", 4), ("pace = 0", 3)] {
        assert_eq!(plan(&with_step(&format!("[load]\n{load}"), "")).targets.len(), count, "{load}");
    }
}

/// Broken files and what is said about them; the snapshot holds the answers.
const BROKEN: &[(&str, &str)] = &[
    ("empty file", ""),
    ("TOML syntax", "[service\nurl = 1"),
    ("TOML value missing", "targets ="),
    ("duplicate key", "[load]\nusers = 1\nusers = 2"),
    ("unknown table", "[sevice]\nurl = \"http://a\"\n[[scenario]]\n[[scenario.step]]\nrequest = \"GET /\""),
    ("no steps", "[[scenario]]\nname = \"a\""),
    ("scenario is no list", "[scenario]\nname = \"a\""),
    (
        "two scenarios of one name",
        "[[scenario]]\nname = \"a\"\nstep = [{ request = \"GET /\" }]\n[[scenario]]\nname = \"a\"\nstep = [{ request = \"GET /\" }]",
    ),
    ("bad URL", "@[service]\nurl = \"localhost:8000\""),
    ("wrong type", "@[service]\ntimeout = true\ninsecure = \"no\"\nexpect_status = {}"),
    ("wrong durations", "@[service]\ntimeout = \"5 parsecs\"\nconnect_timeout = 0"),
    (
        "bad connections",
        "@[service.connection]\nproxy = \"https://h\"\nno_proxy = [\"10.0.0.0/99\", 1]\nresolve = [\"a:80\", \"b:80:c\"]\nconnect_to = \"a:b\"\nip_version = \"4\"\naddresses = \"random\"\ndns_server = \"ns\"\ndns_refresh = 0\nunix_socket = \"\"\nsource_address = [\"10.0.0.0/8\"]\nnodelay = 1\nproxi = \"\"",
    ),
    (
        "two ways",
        "@[service.connection]\nproxy = \"h:1\"\nunix_socket = \"/a\"\n[service.tls]\nmin_version = \"1.3\"\nmax_version = \"1.2\"\nclient_key = \"k.pem\"",
    ),
    (
        "bad TLS",
        "@[service.tls]\nmin_version = 1.2\nmax_version = \"1.1\"\nserver_name = 1\nresumption = \"on\"\nsni = \"a\"",
    ),
    ("password missing", "@[service]\nuser = \"me\""),
    ("two authorizations", "@[service]\nuser = \"a:b\"\nbearer = \"t\""),
    (
        "bad headers",
        "@[service]\nheaders = { \"a b\" = \"1\", \"Content-Length\" = \"2\", X = \"a\\nb\", Y = 1 }",
    ),
    ("bad statuses", "@[service]\nexpect_status = [200, \"9xx\", 700]"),
    ("unknown load key", "@[load]\nuser = 10"),
    ("users and stages", "@[load]\nusers = 10\nstages = [\"1s:5\"]"),
    ("rate and pace", "@[load]\nrate = 10\npace = 1"),
    ("bad stages", "@[load]\nstages = [\"30s\", \"x:5\", 7]"),
    ("stages of nothing", "@[load]\nstages = []"),
    ("bad words", "@[load]\nmissed = \"catchup\"\nmax_users = 0"),
    ("warm-up too long", "@[load]\nduration = \"5s\"\nwarmup = \"5s\""),
    (
        "too few users to share",
        "[load]\nusers = 1\n[[scenario]]\nstep = [{ request = \"GET /\" }]\n[[scenario]]\nstep = [{ request = \"GET /\" }]",
    ),
    (
        "shared load for nobody",
        "[load]\nusers = 1\n[[scenario]]\nload = { rate = 1 }\nstep = [{ request = \"GET /\" }]",
    ),
    (
        "run-wide keys in a scenario",
        "[[scenario]]\nweight = 2\nload = { users = 1, seed = 2, idle = \"spin\" }\nstep = [{ request = \"GET /\" }]",
    ),
    ("bad targets", "targets = [\"p95 200ms\", \"p95 < 200ms\", \"p200 < 1s\", 5]\n@"),
    (
        "bad request lines",
        "[[scenario]]\nstep = [{ request = \"/a\" }, { request = \"get /a\" }, { request = \"GET a\" }, { request = \"GET http://h/a\" }]",
    ),
    ("unknown variable", "@\nbody = \"1 ${accuont}\"\n[variables]\naccount = \"a\""),
    ("reference not closed", "@\nbody = \"1 ${account\""),
    ("variable with escapes before it", "@\nbody = \"\\\"a\\\" ${nope}\""),
    (
        "environment",
        "@\nbody = \"${env.NOT_SET} ${env.NOT_SET:-fine} ${account:-x}\"\n[variables]\naccount = 1",
    ),
    (
        "used before it is extracted",
        "@\nbody = \"${id}\"\n[[scenario.step]]\nname = \"login\"\nrequest = \"GET /\"\nextract = { id = { json = \"/id\" } }",
    ),
    (
        "extracted elsewhere",
        "@\nextract = { id = { json = \"/id\" } }\n[[scenario]]\n[[scenario.step]]\nrequest = \"GET /${id}\"",
    ),
    (
        "unknown feed",
        "@\nbody = \"${symbol.a} ${other.b}\"\n[data.symbols]\nfile = \"s.csv\"\norder = \"randm\"",
    ),
    (
        "reserved names",
        "@\nextract = { uuid = { json = \"\" } }\ntags = { status = \"a\" }\n[variables]\nenv = \"a\"\n[data.\"a b\"]\nfile = \"\"",
    ),
    ("changing value where a fixed one is needed", "@[service]\nurl = \"http://${user_id}\""),
    ("two bodies", "@\nbody = \"a\"\njson = { a = nan }"),
    (
        "bad checks",
        "@\nchecks = [{}, { sttus = 200 }, { status = 200, contains = \"a\" }, { json = \"a\" }, { json = \"/a~\", exists = 1 }, { header = \"a\", exists = true, equals = \"b\" }, 5]",
    ),
    (
        "bad limits",
        "@\nchecks = [{ size = 10 }, { size = \"< 10ms\" }, { time = \"500ms\" }, { time = \"< 5\" }]",
    ),
    (
        "bad extractions",
        "@\nextract = { a = { regex = \"(\" }, b = {}, c = { json = \"/a\", cookie = \"b\" }, d = { jsn = \"/a\" }, e = 1 }",
    ),
    (
        "bad think times",
        "@\nthink = { uniform = [\"1s\"] }\n[[scenario.step]]\nrequest = \"GET /\"\nthink = { uniform = [\"1s\", \"1ms\"] }\n[[scenario.step]]\nrequest = \"GET /\"\nthink = { normal = { mean = \"1s\" } }\n[[scenario.step]]\nrequest = \"GET /\"\nthink = {}",
    ),
    (
        "bad numbers",
        "@\nrepeat = 0\ntimeout = -1\n[[scenario.step]]\nrequest = \"GET /\"\nrepeat = 1.5\nname = \" \"",
    ),
    ("wide characters before the mistake", "@\nbody = \"äöü€🦀 ${x}\""),
];

#[test]
fn connections_and_tls_are_read() {
    let text = with_step(
        "",
        r#"
        [service]
        url = "https://api.example"
        [service.connection]
        proxy = "socks5h://me:${env.SECRET}@proxy.example:9050"
        no_proxy = ["localhost", "10.0.0.0/8"]
        resolve = ["api.example:443:10.0.0.7,10.0.0.8"]
        connect_to = "api.example:443::8443"
        ip_version = 4
        addresses = "round-robin"
        dns_server = "10.0.0.53"
        dns_refresh = "30s"
        source_address = ["10.0.0.0/30", "10.0.1.1"]
        nodelay = false
        [service.tls]
        min_version = "1.2"
        max_version = "1.3"
        client_certificate = "client.pem"
        client_key = "key.pem"
        server_name = "inner.example"
        resumption = true
        "#,
    );
    let env = |name: &str| (name == "SECRET").then(|| "s3cret".to_owned());
    let file = ScenarioFile::parse("a.toml", &text, &env).unwrap();
    assert_eq!(file.needs(), ["client.pem", "key.pem"]);
    let files = BTreeMap::from([
        ("client.pem".to_owned(), b"certificate".to_vec()),
        ("key.pem".to_owned(), b"k3y".to_vec()),
    ]);
    let of_flags = ConnectionOptions { nodelay: Some(true), ..ConnectionOptions::default() };
    let service = ServiceOptions { connection: of_flags, ..ServiceOptions::default() };
    let overrides = Overrides { service, ..Overrides::default() };
    let service = file.into_plan(&files, &overrides).unwrap().service;
    let connection = &service.connection;
    let proxy = connection.proxy_for(true, "api.example", 443).unwrap().unwrap();
    assert_eq!(proxy.to_string(), "socks5h://***@proxy.example:9050");
    assert_eq!(proxy.credentials, Some(("me".to_owned(), "s3cret".to_owned())));
    assert_eq!(connection.proxy_for(true, "10.1.2.3", 443), Ok(None));
    assert_eq!(connection.resolve[0].addresses.len(), 2);
    assert_eq!(connection.connect_to[0].to_port, Some(8443));
    assert_eq!(connection.ip_version, Some(IpVersion::V4));
    assert_eq!(connection.addresses, Some(AddressOrder::RoundRobin));
    assert_eq!(connection.dns_server.map(|server| server.0.port()), Some(53));
    assert_eq!(connection.dns_refresh, Some(Nanos::from_secs(30)));
    assert_eq!(connection.source_addresses.len(), 3);
    assert_eq!(connection.nodelay, Some(true), "the flag");
    let tls = &service.tls;
    assert_eq!((tls.min_version, tls.max_version), (Some(TlsVersion::V1_2), Some(TlsVersion::V1_3)));
    assert_eq!(tls.client_key.as_ref().map(|key| key.0.as_slice()), Some(&b"k3y"[..]));
    assert_eq!((tls.server_name.as_deref(), tls.resumption), (Some("inner.example"), Some(true)));
    let shown = format!("{service:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("107, 51, 121"), "{shown}");
}

#[test]
fn broken_files_are_explained() {
    let mut out = String::new();
    for (title, text) in BROKEN {
        // `@` stands for a scenario with one step, open for more of its keys; before a table it is complete.
        let step = "[[scenario]]\n[[scenario.step]]\nrequest = \"GET /a\"";
        let text = match text.strip_prefix('@') {
            Some(rest) if rest.starts_with('[') => format!("{rest}\n{step}"),
            _ => text.replace('@', step),
        };
        let errors = parse(&text).expect_err(title);
        writeln!(out, "== {title}").unwrap();
        for error in &errors.errors {
            let key = error.key.as_deref().unwrap_or("-");
            writeln!(out, "{error}\n    key {key}, text {:?}", &text[error.span.clone()]).unwrap();
        }
    }
    insta::assert_snapshot!("broken_files", out);
}

#[test]
fn at_most_twenty_errors_are_reported() {
    let text = with_step(&(0..30).map(|i| format!("unknown{i} = 1")).collect::<Vec<_>>().join("\n"), "");
    let errors = parse(&text).unwrap_err();
    assert_eq!((errors.errors.len(), errors.omitted), (20, 10));
    assert!(errors.to_string().ends_with("… and 10 more"));
    assert!(errors.errors.windows(2).all(|pair| pair[0].span.start < pair[1].span.start));
}

#[test]
fn too_large_files_are_refused() {
    let errors = parse(&"#".repeat(pulse_plan::MAX_SCENARIO_FILE_BYTES + 1)).unwrap_err();
    assert_eq!(errors.errors[0].message, "the file is larger than 8 MiB");
}

#[test]
fn loads_are_shared_by_weight() {
    let text = |load: &str| {
        let scenario =
            |weight: u32| format!("[[scenario]]\nweight = {weight}\nstep = [{{ request = \"GET /\" }}]\n");
        format!("[load]\n{load}\n{}{}{}", scenario(1), scenario(1), scenario(2))
    };
    let loads = |load: &str| {
        plan(&text(load)).scenarios.into_iter().map(|scenario| scenario.load).collect::<Vec<_>>()
    };
    let users: Vec<u64> = loads("users = 10\niterations = 9").iter().map(LoadModel::max_users).collect();
    assert_eq!(users, [3, 2, 5]);
    let budgets: Vec<_> = loads("iterations = 9").iter().map(|load| load.budget().iterations).collect();
    assert_eq!(budgets, [Some(2), Some(2), Some(5)]);
    let rates: Vec<f64> = loads("rate = 100")
        .iter()
        .map(|load| match load {
            LoadModel::Open(open) => open.rate.peak(),
            LoadModel::Closed(_) => f64::NAN,
        })
        .collect();
    assert_eq!(rates, [25.0, 25.0, 50.0]);
    let peaks: Vec<u64> = loads("stages = [\"5s:49\", \"5s:7\"]").iter().map(LoadModel::max_users).collect();
    assert_eq!(peaks, [12, 12, 25]);
}

#[test]
fn load_errors_name_their_option() {
    let error = LoadOptions { rate: Some(f64::NAN), ..LoadOptions::default() }.to_model().unwrap_err();
    assert!(matches!(error, LoadError::OutOfRange { .. }) && error.option() == "rate");
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn arbitrary_lines_never_panic(lines in prop::collection::vec(
        prop::sample::select(DEMO.lines().chain(["[[scenario]]", "step = 5", "x.y.z = 1", "json = '${", "[load.users]"]).collect::<Vec<_>>()), 0..25)
    ) {
        if let Ok(file) = parse(&lines.join("\n")) {
            let _ = file.into_plan(&demo_files(), &Overrides::default());
        }
    }

    #[test]
    fn a_changed_example_never_panics_and_points_into_itself(at in 0..DEMO.len(), put in "[\\PC\n]{0,3}", cut in 0..8_usize) {
        let start = DEMO.char_indices().map(|(i, _)| i).take_while(|i| *i <= at).last().unwrap_or(0);
        let end = (start + cut).min(DEMO.len());
        if DEMO.is_char_boundary(end) {
            let text = format!("{}{put}{}", &DEMO[..start], &DEMO[end..]);
            if let Err(errors) = parse(&text) {
                for error in errors.errors {
                    prop_assert!(text.get(error.span).is_some());
                }
            }
        }
    }
}

#[test]
fn pauses_are_a_pace_of_their_own() {
    let pacing = |pace: &str| {
        let text = format!(
            "[load]\nduration = 10\n{pace}\n[[scenario]]\nname = \"it\"\n[[scenario.step]]\nrequest = \"GET /\"\n\
             think = {{ uniform = [\"200ms\", \"300ms\"] }}\nrepeat = 2\n"
        );
        let file = pulse_plan::ScenarioFile::parse("it.toml", &text, &|_| None)
            .map_err(|error| error.to_string())?;
        let plan = file.into_plan(&std::collections::BTreeMap::new(), &pulse_plan::Overrides::default());
        match plan.map_err(|error| error.to_string())?.scenarios[0].load.clone() {
            pulse_plan::LoadModel::Closed(closed) => Ok(closed.pacing),
            pulse_plan::LoadModel::Open(_) => Err("open".to_owned()),
        }
    };
    assert_eq!(pacing(""), Ok(None));
    assert_eq!(pacing("pace = 1"), Ok(Some(pulse_model::Nanos::from_secs(1))));
    let error = pacing("pace = 10").unwrap_err();
    assert!(error.contains("it.toml:3:") && error.contains("pauses for 500ms in each"), "{error}");
}
