//! The checks and extractions of a step.

use std::sync::Arc;

use pulse_model::{Comparison, Nanos, Target, TargetError};

use crate::extraction::REGEX_SIZE_LIMIT;
use crate::file::grpc::read_grpc_status;
use crate::file::json;
use crate::file::names::{Names, Scope};
use crate::file::reader::{Field, TableReader};
use crate::file::service::read_status;
use crate::service::check_header_name;
use crate::{Check, Condition, Escape, Extraction, ExtractionSource, HeaderTest, JsonTest};

/// The most checks of a step.
const MAX_CHECKS: usize = 100;
const KINDS: [&str; 7] = ["status", "grpc_status", "header", "body_contains", "json", "size", "time"];
const SOURCES: [&str; 4] = ["json", "regex", "header", "cookie"];

pub(crate) fn read(field: &Field<'_>, scope: &Scope<'_>) -> Vec<Check> {
    let checks = field.items("[{ status = 200 }]").unwrap_or_default();
    if checks.len() > MAX_CHECKS {
        field.error(format!("a step has at most {MAX_CHECKS} checks"), "split the step");
    }
    checks.iter().take(MAX_CHECKS).filter_map(|check| read_check(check, scope)).collect()
}

fn read_check(field: &Field<'_>, scope: &Scope<'_>) -> Option<Check> {
    let table = field.table("{ status = 200 }")?;
    let name = table.get("name").and_then(|field| field.text("\"fast\""));
    let found = table.one_of(&KINDS);
    let says_nothing = found.is_none();
    let condition = found.and_then(|(kind, field)| match kind {
        "status" => read_status(&field).map(|set| (format!("status is {set}"), Condition::Status(set))),
        "grpc_status" => {
            read_grpc_status(&field).map(|set| (format!("gRPC status is {set}"), Condition::GrpcStatus(set)))
        }
        "header" => read_header(&field, &table, scope),
        "body_contains" => {
            let text = field.text("\"signal\"")?;
            let template = scope.template(&field, text, Escape::None);
            Some((format!("body contains \"{text}\""), Condition::BodyContains(template)))
        }
        "json" => read_json(&field, &table, scope),
        "size" => {
            let (shown, comparison, limit) = read_limit(&field, "bytes_received.max ", "\"< 10KB\"")?;
            Some((format!("size {shown}"), Condition::Size { comparison, bytes: limit as u64 }))
        }
        _ => {
            let (shown, comparison, limit) = read_limit(&field, "max ", "\"< 500ms\"")?;
            Some((format!("time {shown}"), Condition::Time { comparison, limit: Nanos(limit as u64) }))
        }
    });
    let known_kind = found_key(&table);
    if table.finish() && says_nothing {
        let help = format!("give one of {}", KINDS.join(", "));
        table.error("the check says nothing about the answer", Some(help));
    }
    let (derived, condition) = condition.filter(|_| known_kind)?;
    let name: Arc<str> = name.unwrap_or(&derived).chars().take(200).collect::<String>().into();
    Some(Check { name, condition })
}

/// Asks for the keys that go with only some kinds, so that they are known everywhere and reported where they are wrong.
fn found_key(table: &TableReader<'_>) -> bool {
    let has = |key| table.get(key).is_some();
    let (header, json) = (has("header"), has("json"));
    let mut fine = true;
    for (key, fits) in [("exists", header || json), ("equals", header || json), ("contains", header)] {
        if let Some(field) = table.get(key).filter(|_| !fits) {
            let goes_with = if key == "contains" { "`header`" } else { "`header` or `json`" };
            field.error(
                format!("`{key}` goes with {goes_with}"),
                "for the body, write body_contains = \"text\"",
            );
            fine = false;
        }
    }
    fine
}

fn read_header(field: &Field<'_>, table: &TableReader<'_>, scope: &Scope<'_>) -> Option<(String, Condition)> {
    let name = header_name(field)?;
    let (shown, required) = match table.one_of(&["equals", "contains", "exists"]) {
        None => ("exists".to_owned(), HeaderTest::Exists(true)),
        Some(("exists", field)) => {
            let exists = field.boolean("true")?;
            (existence(exists).to_owned(), HeaderTest::Exists(exists))
        }
        Some((key, field)) => {
            let text = field.text("\"json\"")?;
            let template = scope.template(&field, text, Escape::None);
            let equals = key == "equals";
            let required = if equals { HeaderTest::Equals(template) } else { HeaderTest::Contains(template) };
            (format!("{} {text}", if equals { "is" } else { "contains" }), required)
        }
    };
    Some((format!("header {name} {shown}"), Condition::Header { name, test: required }))
}

pub(crate) fn read_json(
    field: &Field<'_>,
    table: &TableReader<'_>,
    scope: &Scope<'_>,
) -> Option<(String, Condition)> {
    let pointer = json_pointer(field)?;
    let (shown, required) = match table.one_of(&["equals", "exists"]) {
        None => ("exists".to_owned(), JsonTest::Exists(true)),
        Some(("exists", field)) => {
            let exists = field.boolean("true")?;
            (existence(exists).to_owned(), JsonTest::Exists(exists))
        }
        Some((_, field)) => {
            let value = json::value(&field)?;
            let shown = format!("is {value}");
            match &value {
                serde_json::Value::String(text) => {
                    let template = scope.template(&field, text, Escape::None);
                    let required = match template.as_static() {
                        Some(text) => JsonTest::Equals(text.into()),
                        None => JsonTest::EqualsText(template),
                    };
                    (shown, required)
                }
                _ => (shown, JsonTest::Equals(value)),
            }
        }
    };
    let place = if pointer.is_empty() { "document" } else { &pointer };
    Some((format!("json {place} {shown}"), Condition::Json { pointer, test: required }))
}

fn existence(exists: bool) -> &'static str {
    if exists { "exists" } else { "does not exist" }
}

/// A comparison with a limit, in the grammar of targets; `subject` fixes the unit.
fn read_limit(field: &Field<'_>, subject: &str, example: &str) -> Option<(String, Comparison, f64)> {
    let text = field.text(example)?;
    match format!("{subject}{text}").parse::<Target>() {
        Ok(target) if target.tags.is_empty() => {
            let shown = target.to_string();
            let shown = shown.strip_prefix(subject).unwrap_or(text);
            Some((shown.to_owned(), target.comparison, target.limit))
        }
        Ok(_) => {
            field.error(format!("`{text}` is not a limit"), format!("write for example {example}"));
            None
        }
        Err(TargetError { at, reason, .. }) => {
            let at = at.saturating_sub(subject.len()).min(text.len());
            let span = field.span_within(at..text.len());
            // The grammar's own example is of a whole target.
            let reason = reason.split("; write").next().unwrap_or_default();
            let message = format!("`{text}` is not a limit: {reason}");
            field.error_at(span, message, Some(format!("write for example {example}")));
            None
        }
    }
}

fn header_name(field: &Field<'_>) -> Option<String> {
    let name = field.text("\"content-type\"")?;
    // Answers may have fields that requests may not.
    let own_business = ["content-length", "transfer-encoding", "connection", "upgrade", "trailer"];
    let lower = name.to_ascii_lowercase();
    match check_header_name(name) {
        Err(reason) if !own_business.contains(&lower.as_str()) => {
            field.error(
                format!("`{name}` cannot be a header: {reason}"),
                "write for example \"content-type\"",
            );
            None
        }
        _ => Some(lower),
    }
}

/// RFC 6901: empty, or parts that each begin with a slash; `~` only as `~0` and `~1`.
fn json_pointer(field: &Field<'_>) -> Option<String> {
    let text = field.text("\"/metadata/price\"")?;
    let escapes = text.match_indices('~').all(|(at, _)| text[at + 1..].starts_with(['0', '1']));
    if (text.is_empty() || text.starts_with('/')) && escapes {
        return Some(text.to_owned());
    }
    let reason =
        if escapes { "it must start with a slash" } else { "a ~ is written ~0, a / inside a key ~1" };
    field.error(format!("`{text}` is not a JSON pointer: {reason}"), "write for example \"/metadata/price\"");
    None
}

pub(crate) fn read_extractions(field: &Field<'_>, names: &Names<'_>) -> Vec<Extraction> {
    read_extractions_from(field, names, &SOURCES)
}

/// What is taken from a message, which has neither fields nor cookies.
pub(crate) fn read_message_extractions(field: &Field<'_>, names: &Names<'_>) -> Vec<Extraction> {
    read_extractions_from(field, names, &SOURCES[..2])
}

fn read_extractions_from(field: &Field<'_>, names: &Names<'_>, sources: &[&'static str]) -> Vec<Extraction> {
    let entries = field.entries("{ price = { json = \"/price\" } }").unwrap_or_default();
    let extractions = entries.iter().filter_map(|(entry, field)| {
        let source = read_source(field, sources)?;
        let slot = *names.slots.get(&entry.key)?;
        Some(Extraction { slot, name: format!("extract {}", entry.key).into(), source })
    });
    extractions.collect()
}

fn read_source(field: &Field<'_>, sources: &[&'static str]) -> Option<ExtractionSource> {
    let table = field.table("{ json = \"/price\" }")?;
    let found = table.one_of(sources);
    let says_nothing = found.is_none();
    let source = found.and_then(|(kind, field)| match kind {
        "json" => json_pointer(&field).map(ExtractionSource::Json),
        "regex" => read_regex(&field),
        "header" => header_name(&field).map(ExtractionSource::Header),
        _ => field.text("\"session\"").map(|name| ExtractionSource::Cookie(name.to_owned())),
    });
    if table.finish() && says_nothing {
        table.error("the extraction names no source", Some(format!("give one of {}", sources.join(", "))));
    }
    source
}

fn read_regex(field: &Field<'_>) -> Option<ExtractionSource> {
    let pattern = field.text(r"'id=(\d+)'")?;
    match regex::RegexBuilder::new(pattern).size_limit(REGEX_SIZE_LIMIT).build() {
        Ok(_) => Some(ExtractionSource::Regex(pattern.to_owned())),
        Err(error) => {
            // The crate draws a picture over several lines; the last one says what is wrong.
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            let help = r"in single quotes a \ needs no doubling, for example 'id=(\d+)'";
            field.error(format!("the pattern cannot be used: {reason}"), help);
            None
        }
    }
}
