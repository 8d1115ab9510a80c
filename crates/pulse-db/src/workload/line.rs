//! The lines of a workload file, as `schemas/workload.json` describes them.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Value, Values};

/// What the first line says that it is.
pub const FORMAT: &str = "pulse-workload";
/// The version that is written, and the newest that is read.
pub const VERSION: u64 = 1;

/// Bytes of a value that was not written, only measured: so many zeros at most stand for it.
const MAX_UNKNOWN_BYTES: u64 = 64 * 1024;

/// One line of a workload file.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// Begins a recording.
    Header(Header),
    /// Calls of one statement.
    Statement(StatementLine),
    /// Calls that are not in the file.
    Lost(u64),
}

/// Begins a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The dialect of the statements: `sqlite`.
    pub dialect: String,
    /// When the recording began (RFC 3339, UTC); may be empty.
    pub recorded: String,
    /// Whether values are written.
    pub has_values: bool,
}

/// Calls of one statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatementLine {
    /// The text as it was sent; or with its values in it.
    pub statement: String,
    /// How often, at least once.
    pub calls: u64,
    /// Time of all these calls together in nanoseconds, where it was measured.
    pub duration_ns: Option<u64>,
    /// Rows that they returned or changed.
    pub rows: Option<u64>,
    /// Values of the placeholders.
    pub values: Option<Values>,
}

/// Why a line is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A newer version of the format.
    #[error("version {0} of the format is not known")]
    Newer(u64),
    /// Anything else.
    #[error("{0}")]
    Invalid(String),
}

/// A header as far as every version has it.
#[derive(Deserialize)]
struct Probe {
    format: Option<String>,
    version: Option<u64>,
}

/// Any line; an unknown key is a mistake, since a misspelt one would change what is counted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLine {
    format: Option<String>,
    #[serde(rename = "version")]
    _version: Option<u64>,
    dialect: Option<String>,
    recorded: Option<String>,
    has_values: Option<bool>,
    statement: Option<String>,
    calls: Option<u64>,
    duration_ns: Option<u64>,
    rows: Option<u64>,
    values: Option<ReadValues>,
    lost_calls: Option<u64>,
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is none, with the reason and the column.
    pub fn parse(line: &[u8]) -> Result<Self, LineError> {
        let invalid = |error: serde_json::Error| LineError::Invalid(error.to_string());
        // A text within the line has its quotes escaped, so that it cannot look like this key.
        if memchr::memmem::find(line, b"\"format\"").is_some() {
            let probe: Probe = serde_json::from_slice(line).map_err(invalid)?;
            match (probe.format, probe.version) {
                (Some(format), _) if format != FORMAT => {
                    return Err(LineError::Invalid(format!("the format is not `{FORMAT}`")));
                }
                (Some(_), Some(version)) if version > VERSION => return Err(LineError::Newer(version)),
                (Some(_), None | Some(0)) => {
                    return Err(LineError::Invalid("the format has no version".to_owned()));
                }
                _ => {}
            }
        }
        let raw: RawLine = serde_json::from_slice(line).map_err(invalid)?;
        raw.classified().map_err(|reason| LineError::Invalid(reason.to_owned()))
    }

    /// The line as it is written, with its end.
    pub fn written(&self) -> String {
        // A map with keys of texts, and numbers that were made finite, is always JSON.
        let mut text = serde_json::to_string(&WrittenLine(self)).unwrap_or_default();
        text.push('\n');
        text
    }
}

impl RawLine {
    fn classified(self) -> Result<Line, &'static str> {
        match (self.format, self.statement, self.lost_calls) {
            (Some(_), None, None) => Ok(Line::Header(Header {
                dialect: self.dialect.unwrap_or_default(),
                recorded: self.recorded.unwrap_or_default(),
                has_values: self.has_values.unwrap_or_default(),
            })),
            (None, Some(statement), None) => {
                let calls = self.calls.unwrap_or(1);
                if calls == 0 {
                    return Err("a statement without calls");
                }
                let values = self.values.map(|values| values.0);
                Ok(Line::Statement(StatementLine {
                    statement,
                    calls,
                    duration_ns: self.duration_ns,
                    rows: self.rows,
                    values,
                }))
            }
            (None, None, Some(lost)) => Ok(Line::Lost(lost)),
            (None, None, None) => Err("neither a header nor a statement"),
            _ => Err("a header, a statement and lost calls are lines of their own"),
        }
    }
}

struct WrittenLine<'a>(&'a Line);

impl Serialize for WrittenLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            Line::Header(header) => {
                map.serialize_entry("format", FORMAT)?;
                map.serialize_entry("version", &VERSION)?;
                map.serialize_entry("dialect", &header.dialect)?;
                map.serialize_entry("recorded", &header.recorded)?;
                map.serialize_entry("has_values", &header.has_values)?;
            }
            Line::Statement(line) => {
                map.serialize_entry("statement", &line.statement)?;
                map.serialize_entry("calls", &line.calls)?;
                if let Some(duration_ns) = line.duration_ns {
                    map.serialize_entry("duration_ns", &duration_ns)?;
                }
                if let Some(rows) = line.rows {
                    map.serialize_entry("rows", &rows)?;
                }
                if let Some(values) = &line.values {
                    map.serialize_entry("values", &WrittenValues(values))?;
                }
            }
            Line::Lost(calls) => map.serialize_entry("lost_calls", calls)?,
        }
        map.end()
    }
}

struct WrittenValues<'a>(&'a Values);

impl Serialize for WrittenValues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Values::Positional(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                values.iter().try_for_each(|value| list.serialize_element(&WrittenValue(value)))?;
                list.end()
            }
            Values::Named(values) => {
                let mut map = serializer.serialize_map(Some(values.len()))?;
                values
                    .iter()
                    .try_for_each(|(name, value)| map.serialize_entry(name, &WrittenValue(value)))?;
                map.end()
            }
        }
    }
}

struct WrittenValue<'a>(&'a Value);

impl Serialize for WrittenValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tagged = |serializer: S, key: &str, text: &str| {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(key, text)?;
            map.end()
        };
        match self.0 {
            // SQLite keeps what is no number as a null.
            Value::Null => serializer.serialize_unit(),
            Value::Real(number) if number.is_nan() => serializer.serialize_unit(),
            // JSON has no word for these.
            Value::Real(number) if *number == f64::INFINITY => tagged(serializer, "real", "inf"),
            Value::Real(number) if *number == f64::NEG_INFINITY => tagged(serializer, "real", "-inf"),
            Value::Real(number) => serializer.serialize_f64(*number),
            Value::Integer(number) => serializer.serialize_i64(*number),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Blob(bytes) => tagged(serializer, "base64", &BASE64_STANDARD.encode(bytes)),
        }
    }
}

struct ReadValues(Values);

impl<'de> Deserialize<'de> for ReadValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValuesVisitor)
    }
}

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = ReadValues;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of values, or an object of values by name")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ReadValues, A::Error> {
        let mut values = Vec::new();
        while let Some(ReadValue(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(ReadValues(Values::Positional(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ReadValues, A::Error> {
        let mut values = Vec::new();
        while let Some((name, ReadValue(value))) = map.next_entry::<String, ReadValue>()? {
            values.push((name, value));
        }
        Ok(ReadValues(Values::Named(values)))
    }
}

struct ReadValue(Value);

impl<'de> Deserialize<'de> for ReadValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(Self)
    }
}

/// A value that JSON has no word for.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Tagged {
    Base64(String),
    Bytes(u64),
    Real(String),
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("null, a boolean, a number, a text, or an object with `base64`, `bytes` or `real`")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Integer(i64::from(value)))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        // As SQLite does with a literal that no integer holds.
        Ok(i64::try_from(value).map_or(Value::Real(value as f64), Value::Integer))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Real(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        match Tagged::deserialize(de::value::MapAccessDeserializer::new(map))? {
            Tagged::Base64(text) => BASE64_STANDARD.decode(text).map(Value::Blob).map_err(de::Error::custom),
            Tagged::Bytes(length) => Ok(Value::Blob(vec![0; length.min(MAX_UNKNOWN_BYTES) as usize])),
            Tagged::Real(text) => match text.as_str() {
                "inf" => Ok(Value::Real(f64::INFINITY)),
                "-inf" => Ok(Value::Real(f64::NEG_INFINITY)),
                _ => Err(de::Error::custom("`real` is `inf` or `-inf`")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            any::<f64>()
                .prop_filter("SQLite has no such number", |number| !number.is_nan())
                .prop_map(Value::Real),
            any::<String>().prop_map(Value::Text),
            vec(any::<u8>(), 0..20).prop_map(Value::Blob),
        ]
    }

    fn values() -> impl Strategy<Value = Values> {
        prop_oneof![
            vec(value(), 0..5).prop_map(Values::Positional),
            vec((any::<String>(), value()), 0..5).prop_map(Values::Named),
        ]
    }

    fn line() -> impl Strategy<Value = Line> {
        let header = (any::<String>(), any::<String>(), any::<bool>());
        let statement = (
            any::<String>(),
            1..u64::MAX,
            any::<Option<u64>>(),
            any::<Option<u64>>(),
            proptest::option::of(values()),
        );
        prop_oneof![
            header.prop_map(|(dialect, recorded, has_values)| Line::Header(Header {
                dialect,
                recorded,
                has_values
            })),
            statement.prop_map(|(statement, calls, duration_ns, rows, values)| {
                Line::Statement(StatementLine { statement, calls, duration_ns, rows, values })
            }),
            any::<u64>().prop_map(Line::Lost),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(line in line()) {
            let written = line.written();
            prop_assert_eq!(written.matches('\n').count(), 1);
            prop_assert_eq!(Line::parse(written.as_bytes()).unwrap(), line);
        }

        #[test]
        fn nothing_panics(bytes in vec(any::<u8>(), 0..200)) {
            let _ = Line::parse(&bytes);
        }
    }

    fn values_of(values: &str) -> Option<Values> {
        match Line::parse(format!(r#"{{"statement":"SELECT 1","values":{values}}}"#).as_bytes()) {
            Ok(Line::Statement(line)) => line.values,
            _ => None,
        }
    }

    #[test]
    fn values_are_exact() {
        let cases = [
            ("9007199254740993", Value::Integer(9_007_199_254_740_993)),
            ("-9223372036854775808", Value::Integer(i64::MIN)),
            ("9223372036854775808", Value::Real(9_223_372_036_854_775_808.0)),
            ("1.0", Value::Real(1.0)),
            ("true", Value::Integer(1)),
            (r#"{"base64":"AP8="}"#, Value::Blob(vec![0, 255])),
            (r#"{"bytes":3}"#, Value::Blob(vec![0; 3])),
            (r#"{"real":"-inf"}"#, Value::Real(f64::NEG_INFINITY)),
        ];
        for (text, value) in cases {
            assert_eq!(values_of(&format!("[{text}]")), Some(Values::Positional(vec![value])), "{text}");
        }
        let huge = values_of(r#"[{"bytes":18446744073709551615}]"#);
        assert_eq!(huge, Some(Values::Positional(vec![Value::Blob(vec![0; 65536])])));
        for refused in [r#"{"a":{"hex":"00"}}"#, r#"[{"base64":"%"}]"#, "[[1]]", r#"[{"real":"1"}]"#, "7"] {
            assert_eq!(values_of(refused), None, "{refused}");
        }
    }

    #[test]
    fn a_line_says_what_is_wrong_with_it() {
        let cases = [
            (r#"{"format":"pulse-workload","version":2,"new":1}"#, "version 2 of the format is not known"),
            (r#"{"format":"other","version":1}"#, "the format is not"),
            (r#"{"format":"pulse-workload"}"#, "has no version"),
            (r#"{"statement":"SELECT 1","call":5}"#, "unknown field `call`"),
            (r#"{"statement":"SELECT 1","calls":0}"#, "without calls"),
            (r#"{"statement":"SELECT 1","lost_calls":1}"#, "lines of their own"),
            (r#"{"statement":"SELECT 1","#, "EOF"),
            ("{}", "neither"),
            ("[]", "invalid"),
        ];
        for (line, message) in cases {
            let error = Line::parse(line.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(message), "{line}: {error}");
        }
    }

    #[test]
    fn a_statement_may_name_the_format() {
        let line = r#"{"statement":"SELECT \"format\" FROM a","values":{"format":1}}"#;
        assert!(matches!(Line::parse(line.as_bytes()), Ok(Line::Statement(_))));
    }
}
