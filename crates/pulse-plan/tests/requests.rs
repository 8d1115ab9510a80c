//! What a file says about connections, redirects, compression, forms and limits.

use std::collections::BTreeMap;

use pulse_plan::{AnswerLimits, Body, BodyPart, ConnectionReuse, Overrides, Plan, PlanError, ScenarioFile};

fn plan(service: &str, step: &str) -> Result<Plan, PlanError> {
    let text =
        format!("[service]\n{service}\n[[scenario]]\n[[scenario.step]]\nrequest = \"POST /\"\n{step}\n");
    let files = BTreeMap::from([("a.png".to_owned(), b"\x89PNG".to_vec())]);
    ScenarioFile::parse("test.toml", &text, &|_| None)?.into_plan(&files, &Overrides::default())
}

#[test]
fn nothing_said_is_the_usual() {
    let plan = plan("", "").unwrap();
    let service = &plan.service;
    assert_eq!(service.connections, ConnectionReuse::PerUser);
    assert_eq!((service.redirects, service.compression), (0, false));
    assert_eq!(service.limits, AnswerLimits { head: 65_536, body: 1 << 30, kept_body: 16 << 20 });
    assert!(plan.scenarios[0].steps[0].headers.is_empty());
}

#[test]
fn keys_are_read() {
    let service =
        "connections = \"per-request\"\nredirects = 5\ncompression = true\nlimits = { body = \"1KB\" }";
    let plan = plan(service, "redirects = 0").unwrap();
    assert_eq!(plan.service.connections, ConnectionReuse::PerRequest);
    assert_eq!((plan.service.redirects, plan.scenarios[0].steps[0].redirects), (5, Some(0)));
    assert_eq!(plan.service.limits, AnswerLimits { body: 1000, ..AnswerLimits::default() });
    let headers = &plan.scenarios[0].steps[0].headers;
    assert_eq!(headers[0].0, "Accept-Encoding");
    assert_eq!(headers[0].1.as_static(), Some("gzip, deflate, br, zstd"));
}

#[test]
fn a_form_is_a_body_with_its_content_type() {
    let form = "multipart = [ { name = \"f\", file = \"a.png\", filename = \"b.png\" }, { name = \"x\", value = \"${user_id}\" } ]";
    let plan = plan("", form).unwrap();
    let step = &plan.scenarios[0].steps[0];
    let Body::Parts(parts) = &step.body else { panic!("{:?}", step.body) };
    assert!(matches!(&parts[1], BodyPart::Bytes(bytes) if bytes[..] == *b"\x89PNG"));
    assert_eq!(step.body.templates().flat_map(pulse_plan::Template::variables).count(), 1);
    assert!(step.headers[0].1.as_static().unwrap().starts_with("multipart/form-data; boundary="));
}

#[test]
fn mistakes_are_told_where_they_stand() {
    for (service, step, words) in [
        ("connections = \"once\"", "", "per-iteration"),
        ("redirects = 51", "", "50"),
        ("redirects = -1", "", "redirects"),
        ("compression = 1", "", "compression"),
        ("limits = { heads = \"1KB\" }", "", "heads"),
        ("limits = { head = \"1 parsec\" }", "", "is not a size"),
        ("", "multipart = []\nbody = \"x\"", "multipart"),
        ("", "multipart = [ { name = \"x\" } ]", "neither a value nor a file"),
        ("", "multipart = [ { value = \"x\" } ]", "name"),
        ("", "multipart = [ { name = \"x\", value = \"1\", filename = \"a\" } ]", "no file name"),
        ("", "multipart = [ { name = \"x\", file = \"none.png\" } ]", "none.png"),
        ("", "multipart = [ { name = \"x\", file = \"a.png\", content_type = \"png\" } ]", "media type"),
    ] {
        let Err(PlanError::File(errors)) = plan(service, step) else { panic!("{service}{step} was taken") };
        assert!(errors.to_string().contains(words), "{service}{step}: {errors}");
    }
}
