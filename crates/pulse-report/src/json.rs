//! The report as a versioned JSON document.

use std::io;

use pulse_model::Summary;

use crate::Reporter;
use crate::json_document::Document;

/// The value of the document's `format` field.
pub const FORMAT: &str = "pulse-report";
/// The value of the document's `version` field. It grows when a reader of the previous version would misread it.
pub const VERSION: u32 = 1;

/// The report as a JSON document, described by `schemas/report.schema.json`. Times are in milliseconds, shares are
/// fractions of 1, and what was not measured is `null`. A suite has its cases in `cases`, each a document like the whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Reporter for Json {
    fn render(&self, summary: &Summary, out: &mut dyn io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, &Document::of(summary))?;
        out.write_all(b"\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical, canonical_monitor, canonical_suite};
    use serde_json::{Value, json};

    const SCHEMA: &str = include_str!("../../../schemas/report.schema.json");

    fn document(summary: &Summary) -> Value {
        let mut bytes = Vec::new();
        Json.render(summary, &mut bytes).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    fn validator() -> jsonschema::Validator {
        let schema = serde_json::from_str(SCHEMA).unwrap();
        jsonschema::draft202012::meta::validate(&schema).unwrap();
        jsonschema::draft202012::new(&schema).unwrap()
    }

    #[test]
    fn documents_conform_to_the_schema() {
        let validator = validator();
        for (name, summary) in [
            ("full", canonical::full()),
            ("empty", canonical::empty()),
            ("suite", canonical_suite::full()),
            ("empty suite", canonical_suite::empty()),
            ("monitor", canonical_monitor::full()),
        ] {
            let document = document(&summary);
            let errors: Vec<_> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{name}: {errors:#?}");
        }
    }

    type Damage = fn(&mut Value);

    #[test]
    fn broken_documents_do_not_conform() {
        let validator = validator();
        let breaks: [(&str, Damage); 6] = [
            ("a newer version", |d| d["version"] = json!(2)),
            ("an unknown field", |d| d["more"] = json!(1)),
            ("a verdict that is none", |d| d["targets"][0]["verdict"] = json!("maybe")),
            ("a time in words", |d| d["response_time"]["p95"] = json!("45ms")),
            ("a missing field", |d| {
                d.as_object_mut().unwrap().remove("validity");
            }),
            ("a share above 1", |d| d["errors"][0]["share"] = json!(1.5)),
        ];
        for (what, damage) in breaks {
            let mut document = document(&canonical::full());
            damage(&mut document);
            assert!(!validator.is_valid(&document), "{what} was accepted");
            let mut suite = self::document(&canonical_suite::of(vec![canonical::full()]));
            damage(&mut suite["cases"][0]);
            assert!(!validator.is_valid(&suite), "{what} was accepted in a case");
        }
    }

    #[test]
    fn every_field_of_the_schema_is_described() {
        fn undescribed(path: &str, schema: &Value, found: &mut Vec<String>) {
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                let path = format!("{path}.{name}");
                if field["description"].as_str().is_none_or(str::is_empty) {
                    found.push(path.clone());
                }
                undescribed(&path, field, found);
                undescribed(&path, &field["items"], found);
            }
        }
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let mut found = Vec::new();
        undescribed("", &schema, &mut found);
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            undescribed(name, definition, &mut found);
        }
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn full() {
        insta::assert_snapshot!(canonical::rendered(&Json, &canonical::full()));
    }

    #[test]
    fn empty() {
        insta::assert_snapshot!(canonical::rendered(&Json, &canonical::empty()));
    }

    #[test]
    fn a_watched_service() {
        let service = document(&canonical_monitor::full())["service"].clone();
        for (pointer, wanted) in [
            ("/slow_queries", json!(4)),
            ("/slow_statements/0/query", json!("SELECT * FROM trades")),
            ("/slow_statements/0/max_ms", json!(81.0)),
            ("/database/0/name", json!("select")),
            ("/database/0/per_second", json!(50.0)),
            ("/caches/0/hits", json!(90)),
            ("/pools/0/in_use", json!(9)),
            ("/processes/1/cpu", json!(0.5)),
            ("/processes/1/written_bytes_per_second", Value::Null),
            ("/memory_limit_bytes", json!(4_000_000_000_u64)),
            ("/dropped/0/count", json!(3)),
        ] {
            assert_eq!(service.pointer(pointer), Some(&wanted), "{pointer}");
        }
        assert_eq!(document(&canonical::full())["service"], Value::Null);
    }

    #[test]
    fn a_case_of_a_suite() {
        let suite = document(&canonical_suite::of(vec![canonical_suite::failing("api", "slow")]));
        let case = &suite["cases"][0];
        for (pointer, wanted) in [
            ("/case/id", json!("api::slow")),
            ("/case/target_lines/1", json!(21)),
            ("/changes/0/effect", json!("regression")),
            ("/changes/0/before/value", json!(60.0)),
            ("/changes/0/ratio/value", json!(1.2183)),
            ("/changes/2/p_value", Value::Null),
            ("/verdict", json!("fail")),
        ] {
            assert_eq!(case.pointer(pointer), Some(&wanted), "{pointer}");
        }
        let memory = document(&canonical_suite::full())["cases"][6].clone();
        let target = &memory["targets"][0];
        assert_eq!(
            (&target["value"], &target["limit"], &target["per"]),
            (&json!(42e6), &json!(50e6), &json!(1000))
        );
        assert_eq!(memory["estimates"][0]["value"], json!(42_000.0));
    }

    #[test]
    fn empty_suite() {
        insta::assert_snapshot!(canonical::rendered(&Json, &canonical_suite::empty()));
    }
}
