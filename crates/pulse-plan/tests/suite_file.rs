//! The suite file as a whole: the shipped suite, kinds, identifiers, inheritance, and what is said about broken files.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;
use pulse_model::Nanos;
use pulse_plan::{
    Budget, Case, CaseKind, CaseLimits, FileErrors, LoadModel, LoadOptions, Overrides, Plan, ProcessSelector,
    ScenarioFile, ServiceOptions, Suite, SuiteFile,
};

const DEMO: &str = include_str!("../../../perf/demo.toml");
const PAGE: &str = include_str!("../../../docs/suite-files.md");
/// Every page of the user guide with examples of suites.
const PAGES: [(&str, &str); 12] = [
    ("suite-files.md", PAGE),
    ("test.md", include_str!("../../../docs/test.md")),
    ("test/response-time.md", include_str!("../../../docs/test/response-time.md")),
    ("test/distribution.md", include_str!("../../../docs/test/distribution.md")),
    ("test/concurrency.md", include_str!("../../../docs/test/concurrency.md")),
    ("test/degradation.md", include_str!("../../../docs/test/degradation.md")),
    ("test/tool-execution.md", include_str!("../../../docs/test/tool-execution.md")),
    ("test/commands.md", include_str!("../../../docs/test/commands.md")),
    ("test/memory.md", include_str!("../../../docs/test/memory.md")),
    ("test/database.md", include_str!("../../../docs/test/database.md")),
    ("test/websocket.md", include_str!("../../../docs/test/websocket.md")),
    ("test/writing-cases.md", include_str!("../../../docs/test/writing-cases.md")),
];

fn no_environment(_: &str) -> Option<String> {
    None
}

fn parse(text: &str) -> Result<SuiteFile, FileErrors> {
    SuiteFile::parse("suite.toml", text, &no_environment)
}

fn suite(text: &str) -> Suite {
    let file = parse(text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    file.into_suite(&BTreeMap::new(), &Overrides::default(), None).expect("the file makes a suite")
}

/// The one case of a suite, by its keys besides the name.
fn case(keys: &str) -> Case {
    suite(&format!("[[test]]\nname = \"a case\"\n{keys}")).cases.remove(0)
}

fn plan(case: &Case) -> &Plan {
    let CaseKind::Load(plan) = &case.kind else { panic!("{:?}", case.kind) };
    plan
}

fn budget(plan: &Plan) -> Budget {
    *plan.scenarios[0].load.budget()
}

/// Samples at least and at most, seconds at least and at most. Where the file names the most samples, the case has no least time
/// and keeps them when it is compared.
fn limits(min_samples: u64, max_samples: u64, least: u64, seconds: u64) -> CaseLimits {
    let (min_duration, max_duration) = (Nanos::from_secs(least), Nanos::from_secs(seconds));
    let max_samples_compared = if least == 0 { max_samples } else { u64::MAX };
    CaseLimits { min_samples, max_samples, max_samples_compared, min_duration, max_duration }
}

#[test]
fn the_shipped_suite_is_a_suite() {
    let file = SuiteFile::parse("perf/demo.toml", DEMO, &no_environment).unwrap_or_else(|e| panic!("{e}"));
    assert!(file.needs().is_empty() && !file.has_scenarios());
    let suite = file.into_suite(&BTreeMap::new(), &Overrides::default(), None).unwrap();
    assert_eq!(
        (suite.name.as_str(), suite.service.url.as_str()),
        ("demo trading API", "http://127.0.0.1:8000")
    );
    let lines: Vec<&str> = DEMO.lines().collect();
    let mut table = String::new();
    let mut longest = Nanos::ZERO;
    for case in &suite.cases {
        assert_eq!(lines[case.info.line as usize - 1], "[[test]]", "{}", case.info.id);
        assert_eq!(case.info.target_lines.len(), case.targets.len());
        for (line, target) in case.info.target_lines.iter().zip(&case.targets) {
            let number = target.to_string().split(' ').next().unwrap().to_owned();
            let text = lines[*line as usize - 1].replace("mean", "avg").replace("median", "p50");
            assert!(text.contains(&number), "{line}: {text} has no {target}");
        }
        let planned =
            case.kind.plans().iter().filter_map(|plan| plan.duration()).fold(Nanos::ZERO, |a, b| a + b);
        longest += planned;
        writeln!(table, "{:<14} {:<55} {}", case.info.kind, case.info.id, case.targets.len()).unwrap();
    }
    assert!(longest <= Nanos::from_secs(40), "{longest}");
    insta::assert_snapshot!("demo_cases", table);
}

#[test]
fn every_example_of_the_documentation_is_a_suite() {
    let mut kinds = Vec::new();
    for (page, content) in PAGES {
        let before = kinds.len();
        for (i, part) in content.split("```toml\n").skip(1).enumerate() {
            let text = part.split("```").next().unwrap();
            let name = if text.contains("[[test]]") { "suite.toml" } else { "pulse.toml" };
            let file = SuiteFile::parse(name, text, &no_environment)
                .unwrap_or_else(|e| panic!("example {i} of {page}: {e}"));
            let scenario = b"[[scenario]]\n[[scenario.step]]\nrequest = \"GET /\"".to_vec();
            let files: BTreeMap<_, _> =
                file.needs().iter().map(|need| (need.clone(), scenario.clone())).collect();
            let file = file.with_scenarios(&files, &no_environment).unwrap();
            let suite = file.into_suite(&files, &Overrides::default(), None).unwrap();
            kinds.extend(suite.cases.into_iter().map(|case| case.info.kind));
        }
        assert!(kinds.len() > before, "{page} has no example");
    }
    kinds.sort();
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "command",
            "concurrency",
            "database",
            "degradation",
            "distribution",
            "memory",
            "response_time",
            "tool_execution",
            "websocket"
        ]
    );
}

#[test]
fn kinds_follow_from_what_a_case_does() {
    for (keys, kind) in [
        ("request = \"GET /\"\ntargets = [\"p95 < 1s\"]", "response_time"),
        ("request = \"GET /\"\ntargets = [\"p95 < 1s\", \"p95 > 1us\"]", "response_time"),
        ("request = \"GET /\"\nduration = 2\ntargets = [\"p95 < 1s\"]", "response_time"),
        ("request = \"GET /\"\ntargets = [\"p95 < 1s\", \"p50 < 1s\"]", "distribution"),
        ("request = \"GET /\"\ntargets = [\"p99 / p50 < 5\"]", "distribution"),
        ("request = \"GET /\"\nusers = 2\ntargets = [\"p95 < 1s\", \"p50 < 1s\"]", "concurrency"),
        ("request = \"GET /\"\nrate = 5\ntargets = [\"p95 < 1s\"]", "concurrency"),
        ("request = \"GET /\"\nrate = 5\nkind = \"distribution\"\ntargets = [\"p95 < 1s\"]", "distribution"),
        ("request = \"GET /\"\nrate = 5\ntargets = [\"cpu < 80%\"]", "memory"),
        ("request = \"GET /\"\ntargets = [\"memory_growth < 0MB\", \"p95 < 1s\"]", "memory"),
        ("requests = [\"GET /\", \"GET /a\"]\ntargets = [\"errors = 0\"]", "tool_execution"),
        (
            "requests = [\"GET /\", \"GET /a\"]\nparallel = true\ntargets = [\"duration < 1s\"]",
            "tool_execution",
        ),
        ("request = \"GET /\"\ncompare_users = [1, 2]\ntargets = [\"degradation < 2\"]", "degradation"),
        ("command = \"true\"\ntargets = [\"p95 < 1s\"]", "command"),
        ("database = \"sqlite:a.db\"\nstatements = [\"SELECT 1\"]\ntargets = [\"avg < 1s\"]", "database"),
        ("websocket = \"/ws\"\ntargets = [\"lost_messages = 0\"]", "websocket"),
    ] {
        assert_eq!(case(keys).info.kind, kind, "{keys}");
    }
}

#[test]
fn identifiers_are_what_people_type() {
    for (name, group, id) in [
        ("health endpoint responds quickly", "api", "api::health-endpoint-responds-quickly"),
        ("GET /health (p95 < 50 ms)!", "", "get-health-p95-50-ms"),
        ("Größe über alles", "Große API :: v1", "große-api::v1::größe-über-alles"),
        ("a::b", "", "a-b"),
    ] {
        let group = if group.is_empty() { String::new() } else { format!("group = \"{group}\"\n") };
        let text =
            format!("[[test]]\nname = \"{name}\"\n{group}request = \"GET /\"\ntargets = [\"errors = 0\"]");
        let info = suite(&text).cases.remove(0).info;
        assert_eq!((info.id.as_str(), info.name.as_str()), (id, name));
    }
}

#[test]
fn amounts_have_sensible_defaults() {
    let head = "request = \"GET /\"\n";
    for (keys, expected, batch) in [
        ("targets = [\"errors = 0\"]", limits(100, 1_000, 1, 30), Some(100)),
        ("targets = [\"p95 < 1s\"]", limits(200, 2_000, 1, 30), Some(200)),
        ("targets = [\"p99 < 1s\"]", limits(1_000, 10_000, 1, 30), Some(1_000)),
        ("targets = [\"p99.999 < 1s\"]", limits(10_000, 100_000, 1, 30), Some(10_000)),
        (
            "samples = 7\nmax_samples = 9\nmax_duration = 3\ntargets = [\"p99 < 1s\"]",
            limits(7, 9, 0, 3),
            Some(7),
        ),
        ("duration = 2\ntargets = [\"p95 < 1s\"]", limits(200, u64::MAX, 2, 6), None),
        ("users = 4\ntargets = [\"p95 < 1s\"]", limits(200, u64::MAX, 5, 15), None),
        ("users = 4\nsamples = 50\ntargets = [\"p95 < 1s\"]", limits(50, 500, 1, 30), Some(50)),
        ("stages = [\"2s:9\"]\ntargets = [\"p95 < 1s\"]", limits(u64::MAX, u64::MAX, 2, 2), None),
        ("targets = [\"duration < 1s\"]", limits(10, 100, 1, 30), Some(1)),
        // A percentile needs as many samples here as anywhere else.
        ("targets = [\"duration < 1s\", \"p95 < 1s\"]", limits(200, 2000, 1, 30), Some(1)),
    ] {
        let case = case(&format!("{head}{keys}"));
        assert_eq!((case.limits, budget(plan(&case)).requests), (expected, batch), "{keys}");
    }
}

#[test]
fn one_request_after_another_unless_a_load_is_given() {
    let sequential = case("request = \"GET /\"\ntargets = [\"p95 < 1s\"]");
    let LoadModel::Closed(closed) = &plan(&sequential).scenarios[0].load else { panic!() };
    assert_eq!((closed.users.peak(), closed.pacing), (1.0, None));
    assert_eq!(plan(&sequential).warmup, Nanos::ZERO);
    assert_eq!(budget(sequential.warmup.as_ref().unwrap()).requests, Some(20));
    let timed = case("request = \"GET /\"\nwarmup = \"1s\"\ntargets = [\"p95 < 1s\"]").warmup.unwrap();
    assert_eq!(budget(&timed), Budget { duration: Some(Nanos::from_secs(1)), ..Budget::default() });
    assert!(case("request = \"GET /\"\nwarmup_samples = 0\ntargets = [\"p95 < 1s\"]").warmup.is_none());
    let users = case("request = \"GET /\"\nusers = 3\nwarmup = 1\ntargets = [\"p95 < 1s\"]");
    assert_eq!((plan(&users).warmup, users.warmup.is_none()), (Nanos::from_secs(1), true));
    let LoadModel::Closed(closed) = &plan(&users).scenarios[0].load else { panic!() };
    assert_eq!((closed.users.peak(), closed.pacing), (3.0, Some(Nanos::from_millis(100))));
}

#[test]
fn parallel_requests_have_a_user_each() {
    let case = case(
        "requests = [\"POST /a\", \"POST /b\", \"POST /a\"]\njson = { x = 1 }\nparallel = true\ntargets = [\"duration < 2s\"]",
    );
    let plan = plan(&case);
    let users: Vec<_> =
        plan.scenarios.iter().map(|s| (s.load.max_users(), s.load.budget().requests)).collect();
    assert_eq!(users, [(1, Some(1)); 3]);
    assert_eq!(case.limits, limits(30, 300, 1, 30));
    assert_eq!(plan.scenarios[2].steps[0].headers.len(), 1);
    assert_eq!(plan.planned_rate(), None);
}

#[test]
fn users_are_compared_under_the_same_load() {
    let case = case(
        "request = \"GET /\"\ncompare_users = [5, 100]\npace = 2\nduration = 3\nwarmup = 1\ntargets = [\"degradation < 1.5\", \"p95 < 1s\"]",
    );
    let CaseKind::Degradation { few, many } = &case.kind else { panic!() };
    let facts =
        |plan: &Plan| (plan.scenarios[0].load.max_users(), plan.duration(), plan.warmup, plan.targets.len());
    let (duration, warmup) = (Some(Nanos::from_secs(3)), Nanos::from_secs(1));
    assert_eq!((facts(few), facts(many)), ((5, duration, warmup, 2), (100, duration, warmup, 2)));
    assert_eq!(case.limits, limits(200, u64::MAX, 6, 18));
}

#[test]
fn other_kinds_in_detail() {
    let text = "[service]\nurl = \"https://me:pw@h:81/base/\"\n[defaults]\nrounds = 4\n[[test]]\nname = \"c\"\n\
        command = \"echo ${HOME}\"\ntargets = [\"p95 < 1s\"]\n[[test]]\nname = \"d\"\ndatabase = \"sqlite:a.db\"\n\
        statements = [\"SELECT $1\", \"SELECT 2\"]\ncold = true\ntargets = [\"avg < 50ms\"]\n[[test]]\nname = \"w\"\n\
        websocket = \"/ws\"\nconnections = 3\nmessages = 5\ntargets = [\"lost_messages = 0\"]\n[[test]]\nname = \"x\"\n\
        websocket = \"ws://other/ws?x=1\"\npayload = \"hi\"\ntargets = [\"p50 < 1s\"]";
    let suite = suite(text);
    assert_eq!(
        suite.cases[0].kind,
        CaseKind::Command {
            command: "echo ${HOME}".into(),
            rounds: 4,
            warmup_rounds: 1,
            timeout: Nanos::from_secs(60)
        }
    );
    let CaseKind::Database { rounds: 4, cold: true, statements, .. } = &suite.cases[1].kind else { panic!() };
    assert_eq!((statements.len(), suite.cases[1].limits), (2, limits(8, 80, 1, 30)));
    let urls: Vec<&str> = suite
        .cases
        .iter()
        .filter_map(|case| match &case.kind {
            CaseKind::WebSocket { url, .. } => Some(url.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(urls, ["wss://h:81/base/ws", "ws://other/ws?x=1"]);
    assert_eq!(suite.cases[2].limits, limits(15, 150, 1, 30));
}

const TEST: &str = "[[test]]\nname = \"a\"\nrequest = \"GET /\"\ntargets = [\"errors = 0\"]";

#[test]
fn services_say_how_they_are_brought_up() {
    for (keys, process) in [
        ("", ProcessSelector::Port),
        ("start = \"serve $PORT\"\nready = \"/health\"\nready_timeout = 5", ProcessSelector::Started),
        ("pid = 7", ProcessSelector::Pid(7)),
        ("start = \"serve\"\npid_file = \"${env.X:-a}.pid\"", ProcessSelector::PidFile("a.pid".into())),
    ] {
        assert_eq!(suite(&format!("[service]\n{keys}\n{TEST}")).service.process, process, "{keys}");
    }
    let text = format!("[service]\nstart = \"serve\"\npid = 7\nready = \"/ok\"\n{TEST}");
    let elsewhere = Overrides {
        service: ServiceOptions { url: Some("http://other:9".into()), ..ServiceOptions::default() },
        load: LoadOptions { seed: Some(9), users: Some(50), ..LoadOptions::default() },
        ..Overrides::default()
    };
    let suite = parse(&text).unwrap().into_suite(&BTreeMap::new(), &elsewhere, None).unwrap();
    assert_eq!((suite.service.url.as_str(), suite.service.start), ("http://other:9", None));
    assert_eq!((suite.service.process, suite.service.ready.as_deref()), (ProcessSelector::Port, Some("/ok")));
    let plan = plan(&suite.cases[0]);
    assert_eq!((plan.seed, plan.scenarios[0].load.max_users()), (9, 1));
    assert_eq!(plan.service.url, "http://other:9");
}

#[test]
fn suites_without_a_service_inherit_that_of_the_project() {
    let project = "[service]\nurl = \"http://a:1\"\nstart = \"serve\"\nheaders = { A = \"1\" }";
    let project = SuiteFile::parse("dir/pulse.toml", project, &no_environment).unwrap();
    let base = project.base_service(&BTreeMap::new()).unwrap();
    let made = |text: &str| {
        parse(text).unwrap().into_suite(&BTreeMap::new(), &Overrides::default(), base.as_ref()).unwrap()
    };
    let inherited = made(TEST);
    assert_eq!(
        (inherited.service.url.as_str(), inherited.service.process),
        ("http://a:1", ProcessSelector::Started)
    );
    assert_eq!(plan(&inherited.cases[0]).scenarios[0].steps[0].headers[0].0, "A");
    let own = made(&format!("[service]\ntimeout = 3\n{TEST}"));
    assert_eq!((own.service.url.as_str(), own.service.start), ("http://127.0.0.1:8000", None));
    let empty = project.into_suite(&BTreeMap::new(), &Overrides::default(), None).unwrap();
    assert!(empty.cases.is_empty());
    assert!(
        SuiteFile::parse("pulse.toml", "", &no_environment)
            .unwrap()
            .base_service(&BTreeMap::new())
            .unwrap()
            .is_none()
    );
}

#[test]
fn scenario_files_run_as_cases() {
    let text = "[service]\nurl = \"http://b/v1\"\nheaders = { X = \"suite\" }\n[[test]]\nname = \"mix\"\n\
        scenario = \"load/mix.toml\"\ntargets = [\"p95 < 1s\"]\n[[test]]\nname = \"few\"\nscenario = \"load/mix.toml\"\n\
        samples = 50\ntargets = [\"errors = 0\"]";
    let mix = "targets = [\"p95 < 7s\"]\n[service]\nurl = \"http://a\"\nheaders = { X = \"own\", Y = \"${env.Y:-y}\" }\n\
        [load]\nusers = 4\nduration = \"8s\"\nwarmup = \"1s\"\n[[scenario]]\n[[scenario.step]]\n\
        request = \"GET /${rows.a}\"\n[data.rows]\nfile = \"rows.csv\"";
    let file = parse(text).unwrap();
    assert!(file.has_scenarios());
    assert_eq!(file.needs(), ["load/mix.toml"]);
    let mut files = BTreeMap::from([("load/mix.toml".to_owned(), mix.as_bytes().to_vec())]);
    let file = file.with_scenarios(&files, &no_environment).unwrap();
    assert_eq!(file.needs(), ["load/mix.toml", "load/rows.csv"]);
    files.insert("load/rows.csv".into(), b"a\n1\n".to_vec());
    let suite = file.into_suite(&files, &Overrides::default(), None).unwrap();
    let mixed = plan(&suite.cases[0]);
    assert_eq!((mixed.name.as_str(), mixed.service.url.as_str()), ("mix", "http://b/v1"));
    assert_eq!((mixed.duration(), mixed.warmup), (Some(Nanos::from_secs(8)), Nanos::from_secs(1)));
    assert_eq!(mixed.targets[0].to_string(), "p95 < 1s");
    let headers: Vec<_> =
        mixed.scenarios[0].steps[0].headers.iter().map(|(name, v)| (name.as_str(), v.as_static())).collect();
    assert_eq!(headers, [("X", Some("suite")), ("Y", Some("y"))]);
    assert_eq!(
        (suite.cases[0].info.kind.as_str(), suite.cases[0].limits),
        ("concurrency", limits(200, u64::MAX, 8, 24))
    );
    let few = plan(&suite.cases[1]);
    assert_eq!(
        (budget(few).requests, few.warmup, suite.cases[1].limits),
        (Some(50), Nanos::ZERO, limits(50, 500, 1, 30))
    );
}

#[test]
fn mistakes_around_scenario_files_name_the_file() {
    let text = "[[test]]\nname = \"mix\"\nscenario = \"mix.toml\"\ntargets = [\"p95 < 1s\"]";
    let with = |content: Option<&str>| {
        let files: BTreeMap<_, _> =
            content.iter().map(|text| ("mix.toml".to_owned(), text.as_bytes().to_vec())).collect();
        let file = parse(text).unwrap().with_scenarios(&files, &no_environment);
        let suite =
            file.map_err(Into::into).and_then(|file| file.into_suite(&files, &Overrides::default(), None));
        suite.map_err(|error: pulse_plan::PlanError| error.to_string()).unwrap_err()
    };
    assert_eq!(with(None), "suite.toml:3:12: the file `mix.toml` was not read (check that it is there)");
    assert!(with(Some("[[scenario]]")).starts_with("mix.toml:1:1: `step` is missing"));
    assert_eq!(
        with(Some(TEST)),
        "mix.toml:1:3: this is a suite: it has cases, not scenarios (run it with pulse test mix.toml)"
    );
    let unread = parse(text).unwrap().into_suite(
        &BTreeMap::from([("mix.toml".to_owned(), Vec::new())]),
        &Overrides::default(),
        None,
    );
    assert_eq!(unread.unwrap_err().to_string(), "mix.toml:1:1: the scenario file was not read");
    let suite = ScenarioFile::parse("perf/a.toml", TEST, &no_environment).unwrap_err();
    assert_eq!(suite.errors.len(), 1);
    assert!(suite.to_string().ends_with("(run it with pulse test perf/a.toml)"), "{suite}");
}

/// What no measurement could ever judge is known before anything is measured.
#[test]
fn targets_about_what_a_case_does_not_have() {
    let request = "request = \"GET /health\"";
    let socket = "websocket = \"/ws\"";
    for (case, target, message) in [
        (request, "checks = 100%", "no request of the case has a check (add for example checks ="),
        (request, "p95{endpoint=nope} < 1s", "the case has no endpoint `nope` (it has GET /health)"),
        (
            request,
            "p95{endpoint=\"GET /heath\"} < 1s",
            "has no endpoint `GET /heath` (did you mean `GET /health`?)",
        ),
        (request, "p95{scenario=other} < 1s", "the case has no scenario `other` (it has requests)"),
        (request, "p95{group=a} < 1s", "the case has no group `a` (leave group out: the case has none)"),
        (socket, "p95{endpoint=pong} < 1s", "the case has no endpoint `pong` (it has connect, message)"),
        (request, "p95{endpoint=\"GET /health\"} < 1s", ""),
        (request, "p95{scenario=requests, outcome=ok} < 1s", ""),
        (request, "p95{status=200} < 1s", ""),
        (socket, "p95{endpoint=message} < 1s", ""),
        ("request = \"GET /\"\nchecks = [{ status = 200 }]", "checks = 100%", ""),
        ("compare_users = [2, 9]\nrequest = \"GET /\"", "p95{endpoint=nope} < 1s", "has no endpoint `nope`"),
    ] {
        let degrades = if case.starts_with("compare") { ", 'degradation < 2'" } else { "" };
        let text = format!(
            "[service]\nurl = \"http://h\"\n[[test]]\nname = \"a\"\n{case}\ntargets = ['{target}'{degrades}]"
        );
        let found = parse(&text).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(found.is_empty(), message.is_empty(), "{target}: {found}");
        assert!(found.contains(message), "{target}: {found}");
        let line = text.lines().position(|line| line.starts_with("targets")).unwrap() + 1;
        assert!(found.is_empty() || found.starts_with(&format!("suite.toml:{line}:12: ")), "{found}");
    }
}

/// Broken suites and what is said about them; the snapshot holds the answers. `@` stands for a case with a request and
/// a target, open for more of its keys.
const BROKEN: &[(&str, &str)] = &[
    ("empty file", ""),
    ("empty list of cases", "test = []"),
    ("scenario file", "[load]\nusers = 2\n[[scenario]]\n[[scenario.step]]\nrequest = \"GET /\""),
    ("TOML syntax", "[[test]\nname = 1"),
    ("no name, no targets, nothing to do", "[[test]]\nsamples = 3"),
    ("empty targets", "[[test]]\nname = \"a\"\nrequest = \"GET /\"\ntargets = []"),
    ("targets of the file", "targets = [\"p95 < 1s\"]\n@"),
    ("misspelt form", "[[test]]\nname = \"a\"\nreqest = \"GET /\"\nsamples = 9\ntargets = [\"p95 < 1s\"]"),
    ("misspelt key", "@\nsampels = 9"),
    ("two forms", "@\ncommand = \"true\""),
    (
        "key of another kind",
        "[[test]]\nname = \"a\"\ncommand = \"true\"\nusers = 3\ntargets = [\"p95 < 1s\"]",
    ),
    ("same name", "@\n@"),
    ("names and marks", "@\nmarks = [\"slow\", \"not\", \"a b\", 3]\ngroup = \"---\""),
    (
        "impossible targets",
        "[[test]]\nname = \"a\"\nrequest = \"GET /\"\ntargets = [\n\"p101 < 1s\",\n\"p95 < 10\",\n\"p95 < 0ms\",\n\"success > 100%\",\n\"p99 / p50 < 1\",\n\"p50 200ms\",\n]",
    ),
    (
        "contradictory targets",
        "[[test]]\nname = \"a\"\nrequest = \"GET /\"\ntargets = [\n\"p95 < 10ms\",\n\"p95 > 20ms\",\n\"p50 >= 10ms\",\n\"min > 15ms\",\n\"p99 > 20ms\",\n\"errors = 0\",\n\"errors > 0\",\n\"p95{endpoint=a} > 20ms\",\n]",
    ),
    (
        "targets that a kind does not provide",
        "@\n[[test]]\nname = \"b\"\nrequest = \"GET /\"\ntargets = [\n\"lost_messages = 0\", \"degradation < 2\", \"respose_time.p95 < 1s\"]\n[[test]]\nname = \"c\"\ncommand = \"true\"\ntargets = [\"memory_growth < 1MB\",\n\"checks = 100%\", \"service_time.p95 < 1s\"]",
    ),
    ("compared with nothing", "@\ncompare_users = [5, 100]"),
    (
        "compared wrongly",
        "[[test]]\nname = \"a\"\nrequest = \"GET /\"\ncompare_users = [100, 5]\nusers = 3\ntargets = [\"degradation < 2\"]",
    ),
    ("parallel alone", "@\nparallel = true"),
    (
        "parallel under load",
        "[[test]]\nname = \"a\"\nrequests = [\"GET /\", \"GET /b\"]\nparallel = true\nusers = 5\ntargets = [\"p95 < 1s\"]",
    ),
    (
        "mixed requests",
        "[[test]]\nname = \"a\"\nrequests = [\"GET /\", { request = \"GET /b\" }]\nbody = \"x\"\ntargets = [\"p95 < 1s\"]",
    ),
    ("no requests", "[[test]]\nname = \"a\"\nrequests = []\ntargets = [\"p95 < 1s\"]"),
    ("load that makes no sense", "@\nusers = 3\nrate = 5"),
    ("warm-up too long", "@\nduration = 3\nwarmup = 3"),
    ("amounts", "@\nsamples = 0\nmax_duration = 0"),
    ("less than to begin with", "@\nsamples = 50\nmax_samples = 20\nwarmup = 1\nwarmup_samples = 3"),
    (
        "wrong kind",
        "@\nkind = \"responsetime\"\n[[test]]\nname = \"b\"\ncommand = \"true\"\nkind = \"memory\"\ntargets = [\"p95 < 1s\"]",
    ),
    (
        "service",
        "[service]\nready = \"health\"\npid = 0\npid_file = \"a\"\nstart = \" \"\nredy_timeout = 3\n@",
    ),
    (
        "service with a changing value",
        "[service]\nheaders = { X = \"${rows.a}\" }\n[data.rows]\nfile = \"a.csv\"\n@",
    ),
    (
        "databases",
        "[[test]]\nname = \"a\"\ndatabase = \"postgres://h/d\"\ntargets = [\"avg < 1s\"]\n[[test]]\nname = \"b\"\ndatabase = \"sqlite::memory:\"\ncold = true\nstatements = []\nsetup = [\"\"]\ntargets = [\"avg < 1s\"]",
    ),
    (
        "sockets",
        "[[test]]\nname = \"a\"\nwebsocket = \"http://h/ws\"\nconnections = 0\npayload = \"${id} ${user_id}\"\ntargets = [\"p95 < 1s\"]",
    ),
    ("defaults", "[defaults]\nsample = 3\nrounds = 0\n@"),
    (
        "unknown variable in a request",
        "[[test]]\nname = \"a\"\nrequest = \"GET /${nope}\"\ntargets = [\"p95 < 1s\"]",
    ),
];

#[test]
fn broken_suites_are_explained() {
    let mut out = String::new();
    for (title, text) in BROKEN {
        let text = text.replace('@', TEST);
        let errors = parse(&text).expect_err(title);
        writeln!(out, "== {title}").unwrap();
        for error in &errors.errors {
            let key = error.key.as_deref().unwrap_or("-");
            writeln!(out, "{error}\n    key {key}, text {:?}", &text[error.span.clone()]).unwrap();
        }
    }
    insta::assert_snapshot!("broken_suites", out);
}

fn make(text: &str) {
    if let Ok(file) = parse(text) {
        let _ = file.into_suite(&BTreeMap::new(), &Overrides::default(), None);
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        make(&text);
    }

    #[test]
    fn arbitrary_lines_never_panic(lines in prop::collection::vec(
        prop::sample::select(DEMO.lines().chain(PAGE.lines()).chain(["[[test]]", "test = 5", "[test]", "[[test.step]]", "scenario = \"a\""]).collect::<Vec<_>>()), 0..25)
    ) {
        make(&lines.join("\n"));
    }

    #[test]
    fn arbitrary_keys_of_a_case_never_panic(lines in prop::collection::btree_set(
        prop::sample::select(DEMO.lines().chain(PAGE.lines()).filter(|line| line.contains(" = ") && !line.contains('|')).collect::<Vec<_>>()), 0..8)
    ) {
        make(&format!("[[test]]\n{}", lines.into_iter().collect::<Vec<_>>().join("\n")));
    }

    #[test]
    fn numbers_of_any_size_never_panic(number in any::<i64>(), key in prop::sample::select(vec![
        "samples", "max_samples", "max_duration", "warmup_samples", "warmup", "users", "rate", "pace", "duration", "seed"])
    ) {
        make(&format!("{TEST}\n{key} = {number}"));
        make(&format!("[[test]]\nname = \"a\"\nrequests = [\"GET /\", \"GET /b\"]\n{key} = {number}\ntargets = [\"duration < 5s\"]"));
    }

    #[test]
    fn a_changed_suite_never_panics_and_points_into_itself(at in 0..DEMO.len(), put in "[\\PC\n]{0,3}", cut in 0..8_usize) {
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
