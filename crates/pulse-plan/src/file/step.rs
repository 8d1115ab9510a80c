//! The `[[scenario.step]]` tables.

use std::borrow::Cow;
use std::sync::Arc;

use pulse_model::{Tags, tag};

use crate::file::names::{Scope, is_name};
use crate::file::reader::{Field, TableReader};
use crate::file::service::{read_headers, read_redirects, read_status};
use crate::file::tree::Data;
use crate::file::{Builder, MAX_NAME, check, events, form, grpc, json, websocket};
use crate::service::is_method;
use crate::{Body, Escape, FormPart, Step, StepKind, Template, Think};

/// The largest body that is held in memory, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 64 << 20;
/// The most repetitions of a step in one iteration.
const MAX_REPEAT: u64 = 100_000;

/// Tags that Pulse sets itself.
const OWN_TAGS: [&str; 8] = [
    tag::ENDPOINT,
    tag::SCENARIO,
    tag::GROUP,
    tag::OUTCOME,
    tag::STATUS,
    tag::CLASS,
    tag::CHECK,
    tag::WORKER,
];

/// Reads a step. Header fields and the path of the service are added later, since flags may change them.
pub(crate) fn read(builder: &Builder<'_>, field: &Field<'_>, scope: &Scope<'_>, tags: &Tags) -> Option<Step> {
    let table = field.table("{ request = \"GET /health\" }")?;
    let fixed = Scope::fixed(scope.names);
    let name = table.get("name").and_then(|field| read_label(&field, &fixed));
    let group = table.get("group").and_then(|field| read_label(&field, &fixed));
    let mut step_tags = tags.clone();
    step_tags.extend(table.get("tags").map(|field| read_tags(&field, &fixed)).unwrap_or_default());
    let asked = match table.one_of(&["request", "websocket", "events", "grpc"]) {
        Some(("websocket", field)) => websocket::read(builder, &table, &field, scope),
        Some(("events", field)) => events::read(builder, &table, &field, scope),
        Some(("grpc", field)) => grpc::read(builder, &table, &field, scope),
        _ => read_plain(builder, &table, scope),
    };
    let repeat = table.get("repeat").and_then(|field| field.integer(1..=MAX_REPEAT, "2")).unwrap_or(1);
    let think = table.get("think").and_then(|field| read_think(&field)).unwrap_or_default();
    // A WebSocket's script says what is taken from which message.
    let extract = table.get_unless_of("script", "extract");
    let extractions = extract.map_or_else(Vec::new, |field| check::read_extractions(&field, scope.names));
    table.finish();
    let mut step = asked?;
    if matches!(step.kind, StepKind::Events(_))
        && extractions.iter().any(|extraction| extraction.source.needs_body())
    {
        table
            .error("a stream of events has no body to extract from", Some("use header or cookie".to_owned()));
    }
    step.name = name.unwrap_or(step.name);
    (step.group, step.tags, step.repeat, step.think) = (group, step_tags, repeat as u32, think);
    step.extractions.extend(extractions);
    Some(step)
}

/// A request and its answer.
fn read_plain(builder: &Builder<'_>, table: &TableReader<'_>, scope: &Scope<'_>) -> Option<Step> {
    let request = table.required("request", "\"GET /health\"").and_then(|field| read_request(&field, scope));
    let mut step = read_pattern(builder, table, scope, BodyUse::Request);
    step.ask(request?);
    Some(step)
}

/// What a body belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyUse {
    /// A request and its answer.
    Request,
    /// The beginning of something longer.
    Opening,
}

/// What a request has besides its first line, as a step without one.
pub(crate) fn read_pattern(
    builder: &Builder<'_>,
    table: &TableReader<'_>,
    scope: &Scope<'_>,
    body_use: BodyUse,
) -> Step {
    let mut step = Step::new("", "", Template::default());
    step.headers = table.get("headers").map_or_else(Vec::new, |field| read_headers(&field, scope));
    let (body, content_type) = read_body(builder, table, scope, body_use);
    step.body = body;
    step.timeout = table.get("timeout").and_then(|field| field.time_span("\"2s\""));
    step.redirects = table.get("redirects").and_then(|field| read_redirects(&field));
    step.expect = table.get("expect_status").and_then(|field| read_status(&field));
    step.checks = table.get("checks").map_or_else(Vec::new, |field| check::read(&field, scope));
    if let Some(content_type) = content_type
        && !step.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
    {
        step.headers.push(("Content-Type".into(), Template::literal(content_type.into_owned())));
    }
    step
}

impl Step {
    /// The first line of the request.
    pub(crate) fn ask(&mut self, request: Request) {
        (self.method, self.name, self.target) =
            (request.method, request.name.as_str().into(), request.target);
    }
}

/// The first line of a request.
pub(crate) struct Request {
    method: String,
    target: Template,
    /// The endpoint's name when none is given.
    name: String,
}

/// `METHOD /path?query`.
pub(crate) fn read_request(field: &Field<'_>, scope: &Scope<'_>) -> Option<Request> {
    const EXAMPLE: &str = "write for example request = \"GET /health\"";
    let text = field.text("\"GET /health\"")?;
    let Some((method, target)) = text.split_once(' ') else {
        field.error(format!("`{text}` is not a method and a path"), EXAMPLE);
        return None;
    };
    if !is_method(method) {
        let capitals = method.to_uppercase();
        let help = if is_method(&capitals) { format!("write {capitals}") } else { EXAMPLE.to_owned() };
        field.error_at(
            field.span_within(0..method.len()),
            format!("`{method}` is not an HTTP method"),
            Some(help),
        );
    }
    let (template, path) = read_target(field, text, target.trim(), scope);
    let name: String = format!("{method} {path}").chars().take(MAX_NAME).collect();
    Some(Request { method: method.to_owned(), target: template, name })
}

/// A path of the service within the field's text, and how the report calls it: without its query.
pub(crate) fn read_target(
    field: &Field<'_>,
    text: &str,
    target: &str,
    scope: &Scope<'_>,
) -> (Template, String) {
    if !target.starts_with('/') {
        let at = text.len() - target.len().max(1).min(text.len());
        let help = "a step asks the service of [service] for a path, for example GET /health".to_owned();
        field.error_at(
            field.span_within(at..text.len()),
            format!("`{target}` does not start with a slash"),
            Some(help),
        );
    }
    if target.contains('#') && !target.contains("${") {
        field.error(
            "a path with a # in it cannot be asked for",
            "what follows # stays in the browser; leave it out",
        );
    }
    let from = text.find(target).unwrap_or(text.len());
    let template = scope.template_in(field, text, from..from + target.len(), Escape::Url);
    let path = target.split('?').next().unwrap_or(target).replace("${", "{");
    (template, path.chars().take(MAX_NAME - 10).collect())
}

/// A name in the report.
pub(crate) fn read_label(field: &Field<'_>, fixed: &Scope<'_>) -> Option<Arc<str>> {
    let text = fixed.text(field, "\"text\"")?;
    if text.trim().is_empty() || text.chars().count() > MAX_NAME || text.chars().any(char::is_control) {
        let message =
            format!("a name has 1 to {MAX_NAME} characters, and none of them is a control character");
        field.error(message, "write a short name");
        return None;
    }
    Some(text.as_str().into())
}

/// Tags that go with everything recorded.
pub(crate) fn read_tags(field: &Field<'_>, fixed: &Scope<'_>) -> Tags {
    let mut tags = Tags::new();
    for (entry, value) in field.entries("{ team = \"core\" }").unwrap_or_default() {
        if OWN_TAGS.contains(&entry.key.as_str()) || !is_name(&entry.key) {
            let message = format!("a tag cannot be called `{}`", entry.key);
            let help = format!("a name is letters, digits, _ and -, and none of {}", OWN_TAGS.join(", "));
            value.error_at(entry.key_span.clone(), message, Some(help));
        }
        if let Some(label) = read_label(&value, fixed) {
            tags.insert(entry.key.as_str().into(), label);
        }
    }
    tags
}

/// The body and the content type that follows from how it is written.
fn read_body(
    builder: &Builder<'_>,
    table: &TableReader<'_>,
    scope: &Scope<'_>,
    body_use: BodyUse,
) -> (Body, Option<Cow<'static, str>>) {
    match table.one_of(&["json", "body", "body_file", "multipart"]) {
        None => (Body::None, None),
        Some(("json", field)) => (Body::Text(json::template(&field, scope)), Some("application/json".into())),
        Some(("multipart", field)) => {
            let (body, content_type) = FormPart::join(&form::read(builder, &field, scope));
            (body, Some(content_type.into()))
        }
        Some(("body", field)) => {
            let text = field.text("\"text\"");
            (text.map_or(Body::None, |text| Body::Text(scope.template(&field, text, Escape::None))), None)
        }
        Some((_, field)) => {
            let body = field.text("\"body.json\"").and_then(|path| match body_use {
                BodyUse::Request => builder.needed_body(&field, path, MAX_BODY_BYTES),
                BodyUse::Opening => {
                    builder.needed(&field, path, MAX_BODY_BYTES).map(|bytes| Body::Bytes(bytes.into()))
                }
            });
            (body.unwrap_or_default(), None)
        }
    }
}

/// `"500ms"`, `{ uniform = ["100ms", "1s"] }` or `{ normal = { mean = "1s", stddev = "200ms" } }`.
fn read_think(field: &Field<'_>) -> Option<Think> {
    const UNIFORM: &str = "[\"100ms\", \"1s\"]";
    const NORMAL: &str = "{ mean = \"1s\", stddev = \"200ms\" }";
    if !matches!(field.node.data, Data::Table(_)) {
        return field.duration("\"500ms\"").map(Think::Fixed);
    }
    let table = field.table("{ uniform = [\"100ms\", \"1s\"] }")?;
    let found = table.one_of(&["uniform", "normal"]);
    let says_nothing = found.is_none();
    let think = found.and_then(|(kind, field)| {
        if kind == "normal" {
            let normal = field.table(NORMAL)?;
            let mean = normal.required("mean", "\"1s\"").and_then(|field| field.duration("\"1s\""));
            let stddev = normal.required("stddev", "\"200ms\"").and_then(|field| field.duration("\"200ms\""));
            normal.finish();
            return Some(Think::Normal { mean: mean?, stddev: stddev? });
        }
        let ends = field.items(UNIFORM)?;
        let [from, to] = ends.as_slice() else {
            field.error("`uniform` is two durations", format!("write for example uniform = {UNIFORM}"));
            return None;
        };
        let (from, to) = (from.duration("\"100ms\"")?, to.duration("\"1s\"")?);
        if from > to {
            field.error(format!("{from} is longer than {to}"), "write the shorter one first");
        }
        Some(Think::Uniform { from, to })
    });
    if table.finish() && says_nothing {
        let help = format!("write uniform = {UNIFORM} or normal = {NORMAL}");
        table.error("the think time names no distribution", Some(help));
    }
    think
}
