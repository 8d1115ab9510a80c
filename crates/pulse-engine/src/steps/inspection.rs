//! Looking into an answer: checks and extractions.

use memchr::memmem;
use pulse_http::ResponseView;
use pulse_model::Nanos;
use pulse_plan::{Condition, ExtractionSource, HeaderTest, JsonTest, REGEX_SIZE_LIMIT, Template};
use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;

use super::StepsError;
use super::jar;
use super::json_pointer;

/// The longest extracted value in bytes; a longer one counts as not found.
const MAX_VALUE_BYTES: usize = 64 << 10;

/// An answer.
pub(super) struct Answer<'a> {
    pub(super) view: ResponseView<'a>,
    pub(super) body_bytes: u64,
    pub(super) service_time: Nanos,
}

impl<'a> Answer<'a> {
    pub(super) fn new(view: ResponseView<'a>, body_bytes: u64, service_time: Nanos) -> Self {
        Self { view, body_bytes, service_time }
    }

    fn json(&self, pointer: &str) -> Option<Value> {
        json_pointer::find(self.view.body(), pointer)
    }

    /// Whether the answer fulfils a condition. `render` fills in variables.
    pub(super) fn fulfils(&self, condition: &Condition, render: &dyn Fn(&Template) -> Vec<u8>) -> bool {
        match condition {
            Condition::Status(set) => set.contains(self.view.status()),
            Condition::Header { name, test } => {
                let found = self.view.header(name);
                match test {
                    HeaderTest::Exists(expected) => found.is_some() == *expected,
                    HeaderTest::Equals(text) => found == Some(render(text).as_slice()),
                    HeaderTest::Contains(text) => {
                        found.is_some_and(|value| memmem::find(value, &render(text)).is_some())
                    }
                }
            }
            Condition::BodyContains(text) => memmem::find(self.view.body(), &render(text)).is_some(),
            Condition::Json { pointer, test } => {
                let found = self.json(pointer);
                match test {
                    JsonTest::Exists(expected) => found.is_some() == *expected,
                    JsonTest::Equals(value) => found.is_some_and(|found| same(&found, value)),
                    JsonTest::EqualsText(text) => {
                        found.is_some_and(|found| text_of(found).as_bytes() == render(text))
                    }
                }
            }
            Condition::Size { comparison, bytes } => comparison.holds(self.body_bytes as f64, *bytes as f64),
            Condition::Time { comparison, limit } => {
                comparison.holds(self.service_time.0 as f64, limit.0 as f64)
            }
        }
    }

    /// The value that an extraction takes; `None` when there is none, or a huge one.
    pub(super) fn extract(&self, source: &Source) -> Option<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let value = match source {
            Source::Json(pointer) => text_of(self.json(pointer)?),
            Source::Regex(pattern) => {
                let captures = pattern.captures(self.view.body())?;
                text(captures.get(1).or_else(|| captures.get(0))?.as_bytes())
            }
            Source::Header(name) => text(self.view.header(name)?),
            Source::Cookie(name) => {
                self.view.header_all("set-cookie").find_map(|field| jar::value_of(field, name))?
            }
        };
        (value.len() <= MAX_VALUE_BYTES).then_some(value)
    }
}

/// Where an extraction looks, ready to be used.
#[derive(Debug)]
pub(super) enum Source {
    Json(String),
    Regex(Regex),
    Header(String),
    Cookie(String),
}

impl Source {
    pub(super) fn compile(source: &ExtractionSource) -> Result<Self, StepsError> {
        Ok(match source {
            ExtractionSource::Json(pointer) => Self::Json(pointer.clone()),
            ExtractionSource::Header(name) => Self::Header(name.clone()),
            ExtractionSource::Cookie(name) => Self::Cookie(name.clone()),
            ExtractionSource::Regex(pattern) => {
                let compiled = RegexBuilder::new(pattern).size_limit(REGEX_SIZE_LIMIT).build();
                Self::Regex(compiled.map_err(|source| StepsError::Pattern {
                    pattern: pattern.clone(),
                    source: Box::new(source),
                })?)
            }
        })
    }
}

/// A JSON value as people would write it into a URL: texts without quotes, everything else as JSON.
fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Equality in which 1 and 1.0 are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_compared_by_value() {
        assert!(same(&json!({"a": [1, 2.0]}), &json!({"a": [1.0, 2]})));
        assert!(!same(&json!([1]), &json!([1, 2])));
        assert!(!same(&json!({"a": 1}), &json!({"b": 1})));
        assert!(!same(&json!("1"), &json!(1)));
    }

    #[test]
    fn values_as_text() {
        for (value, expected) in
            [(json!("a b"), "a b"), (json!(1.5), "1.5"), (json!(null), "null"), (json!([1]), "[1]")]
        {
            assert_eq!(text_of(value), expected);
        }
    }
}
