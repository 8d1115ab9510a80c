//! Bodies in files: which of them may be streamed, and which have to be in memory.

use std::collections::BTreeMap;
use std::fs::File;

use pulse_plan::{
    Body, BodyFile, CaseKind, Overrides, Plan, PlanError, ScenarioFile, ServiceError, ServiceOptions,
    SuiteFile, UrlRequest,
};

fn parse(text: &str) -> ScenarioFile {
    ScenarioFile::parse("test.toml", text, &|_| None).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Some open file.
#[expect(clippy::disallowed_methods, reason = "a test stands at the rim")]
fn body(length: u64) -> BodyFile {
    BodyFile::new("big.bin", File::open("Cargo.toml").expect("the crate has one"), length)
}

fn files(names: &[&str]) -> BTreeMap<String, Vec<u8>> {
    names.iter().map(|name| ((*name).to_owned(), b"held".to_vec())).collect()
}

#[test]
fn only_bodies_of_plain_requests_may_be_streamed() {
    let step = |keys: &str| format!("[[scenario.step]]\n{keys}\n");
    let plain = step("request = \"PUT /a\"\nbody_file = \"big.bin\"");
    for (other, may_stream) in [
        (step("request = \"PUT /b\"\nbody_file = \"big.bin\""), true),
        (step("request = \"PUT /b\"\nmultipart = [{ name = \"f\", file = \"big.bin\" }]"), false),
        (step("events = \"POST /b\"\nbody_file = \"big.bin\"\ncount = 1"), false),
        (step("request = \"GET /${rows.a}\"") + "[data.rows]\nfile = \"big.bin\"\n", false),
    ] {
        let file = parse(&format!("[[scenario]]\n{plain}{other}"));
        assert_eq!(file.needs(), ["big.bin"]);
        assert_eq!(file.may_stream("big.bin"), may_stream, "{other}");
        assert!(!file.may_stream("other.bin"));
    }
}

#[test]
fn what_is_streamed_is_in_the_plan_and_not_among_the_files() {
    let text = "[[scenario]]\n[[scenario.step]]\nrequest = \"PUT /a\"\nbody_file = \"big.bin\"\n\
        [[scenario.step]]\nrequest = \"PUT /b\"\nbody_file = \"small.bin\"";
    let mut file = parse(text);
    let big = body(7);
    file.stream("big.bin", big.clone());
    let plan = file.into_plan(&files(&["small.bin"]), &Overrides::default()).unwrap();
    let steps = &plan.scenarios[0].steps;
    assert_eq!(steps[0].body, Body::File(big));
    assert_eq!(steps[1].body, Body::Bytes(b"held".as_slice().into()));
    let unread = parse(text).into_plan(&files(&["small.bin"]), &Overrides::default()).unwrap_err();
    assert!(unread.to_string().contains("the file `big.bin` was not read"), "{unread}");
}

#[test]
fn suites_and_their_scenario_files_stream_as_well() {
    let text = "[[test]]\nname = \"own\"\nrequest = \"PUT /a\"\nbody_file = \"load/big.bin\"\ntargets = [\"p95 < 1s\"]\n\
        [[test]]\nname = \"mix\"\nscenario = \"load/mix.toml\"\ntargets = [\"p95 < 1s\"]";
    let mix = "[[scenario]]\n[[scenario.step]]\nrequest = \"PUT /b\"\nbody_file = \"big.bin\"\n\
        [[scenario.step]]\nrequest = \"PUT /c\"\nmultipart = [{ name = \"f\", file = \"form.bin\" }]";
    let mut all = BTreeMap::from([("load/mix.toml".to_owned(), mix.as_bytes().to_vec())]);
    let file = SuiteFile::parse("suite.toml", text, &|_| None).unwrap();
    let mut file = file.with_scenarios(&all, &|_| None).unwrap();
    let may_stream: Vec<_> = file.needs().iter().map(|need| (need.as_str(), file.may_stream(need))).collect();
    assert_eq!(may_stream, [("load/big.bin", true), ("load/mix.toml", false), ("load/form.bin", false)]);
    let big = body(7);
    file.stream("load/big.bin", big.clone());
    all.extend(files(&["load/form.bin"]));
    let suite = file.into_suite(&all, &Overrides::default(), None).unwrap();
    for case in &suite.cases {
        let CaseKind::Load(plan) = &case.kind else { panic!("{:?}", case.kind) };
        assert_eq!(plan.scenarios[0].steps[0].body, Body::File(big.clone()), "{}", case.info.name);
    }
}

#[test]
fn a_url_takes_a_file_for_plain_requests_only() {
    let plan = |url: &str, events| {
        let service = ServiceOptions { url: Some(url.to_owned()), ..ServiceOptions::default() };
        let request = UrlRequest { body_file: Some(body(7)), events, ..UrlRequest::default() };
        Plan::for_url(&request, &Overrides { service, ..Overrides::default() })
    };
    let step = &plan("http://h/x", None).unwrap().scenarios[0].steps[0];
    assert!(step.method == "POST" && matches!(&step.body, Body::File(file) if file.length() == 7));
    for (url, events) in [("ws://h/x", None), ("grpc://h/a.B/C", None), ("http://h/x", Some(1))] {
        let error = plan(url, events).unwrap_err();
        assert!(matches!(error, PlanError::Service(ServiceError::StreamedBody)), "{url}: {error}");
    }
}
