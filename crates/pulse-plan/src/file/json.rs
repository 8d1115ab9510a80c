//! TOML values as JSON.

use serde_json::{Map, Number, Value};

use crate::file::names::Scope;
use crate::file::reader::Field;
use crate::file::tree::{Data, Node};
use crate::{Escape, Template};

/// The value as it stands. Dates become texts.
pub(crate) fn value(field: &Field<'_>) -> Option<Value> {
    Some(match &field.node.data {
        Data::Text(text) | Data::Date(text) => Value::String(text.clone()),
        Data::Integer(number) => Value::from(*number),
        Data::Number(number) => Value::Number(json_number(field, *number)?),
        Data::Boolean(flag) => Value::Bool(*flag),
        Data::List(_) => Value::Array(field.items("[]")?.iter().map(value).collect::<Option<_>>()?),
        Data::Table(_) => {
            let entries = field.entries("{}")?;
            let pairs = entries.iter().map(|(entry, field)| Some((entry.key.clone(), value(field)?)));
            Value::Object(pairs.collect::<Option<Map<_, _>>>()?)
        }
    })
}

/// The value as the text of a JSON document, with references in its texts.
pub(crate) fn template(field: &Field<'_>, scope: &Scope<'_>) -> Template {
    let mut out = Template::default();
    append(&mut out, field, scope);
    out
}

fn append(out: &mut Template, field: &Field<'_>, scope: &Scope<'_>) {
    match &field.node.data {
        Data::Text(text) => {
            out.push_literal("\"");
            out.append(&scope.template(field, text, Escape::JsonString));
            out.push_literal("\"");
        }
        Data::Date(text) => append_text(out, text),
        Data::Integer(number) => out.push_literal(&number.to_string()),
        Data::Number(number) => {
            if let Some(number) = json_number(field, *number) {
                out.push_literal(&number.to_string());
            }
        }
        Data::Boolean(flag) => out.push_literal(if *flag { "true" } else { "false" }),
        Data::List(_) => {
            out.push_literal("[");
            for (i, item) in field.items("[]").unwrap_or_default().iter().enumerate() {
                out.push_literal(if i > 0 { "," } else { "" });
                append(out, item, scope);
            }
            out.push_literal("]");
        }
        Data::Table(_) => {
            out.push_literal("{");
            for (i, (entry, item)) in field.entries("{}").unwrap_or_default().iter().enumerate() {
                out.push_literal(if i > 0 { "," } else { "" });
                append_text(out, &entry.key);
                out.push_literal(":");
                append(out, item, scope);
            }
            out.push_literal("}");
        }
    }
}

fn append_text(out: &mut Template, text: &str) {
    out.push_literal("\"");
    out.push_value(text, Escape::JsonString);
    out.push_literal("\"");
}

fn json_number(field: &Field<'_>, number: f64) -> Option<Number> {
    let fitting = Number::from_f64(number);
    if fitting.is_none() {
        let Node { span, .. } = field.node;
        let help = "write a finite number, or a text".to_owned();
        field.error_at(span.clone(), format!("JSON has no number {number}"), Some(help));
    }
    fitting
}
