//! The fields of a form: `multipart = [ { name = "x", value = "1" }, { name = "f", file = "a.png" } ]`.

use crate::file::Builder;
use crate::file::names::Scope;
use crate::file::reader::Field;
use crate::file::step::MAX_BODY_BYTES;
use crate::multipart::is_media_type;
use crate::{Escape, FormPart, FormValue};

const EXAMPLE: &str = "[{ name = \"file\", file = \"a.png\" }]";
const MAX_FIELDS: usize = 1_000;

/// Reads the fields. Mistakes are noted, and what is wrong is left out.
pub(crate) fn read(builder: &Builder<'_>, field: &Field<'_>, scope: &Scope<'_>) -> Vec<FormPart> {
    let items = field.items(EXAMPLE).unwrap_or_default();
    if items.len() > MAX_FIELDS {
        field.error(format!("a form has at most {MAX_FIELDS} fields"), "send fewer, or a body_file");
    }
    items.iter().take(MAX_FIELDS).filter_map(|item| read_part(builder, item, scope)).collect()
}

fn read_part(builder: &Builder<'_>, field: &Field<'_>, scope: &Scope<'_>) -> Option<FormPart> {
    let table = field.table("{ name = \"x\", value = \"1\" }")?;
    let fixed = Scope::fixed(scope.names);
    let name = table.required("name", "\"file\"").and_then(|field| fixed.text(&field, "\"file\""));
    let file_name = table.get("filename").map(|field| (fixed.text(&field, "\"a.png\""), field));
    let content_type = table.get("content_type").and_then(|field| {
        let text = field.text("\"image/png\"")?;
        if !is_media_type(text) {
            field.error(format!("`{text}` is not a media type"), "write for example \"image/png\"");
        }
        Some(text.to_owned())
    });
    let given = table.one_of(&["value", "file"]);
    if given.is_none() {
        table.error(
            "the field has neither a value nor a file",
            Some("write value = \"1\" or file = \"a.png\"".into()),
        );
    }
    if let (Some(("value", _)), Some((_, field))) = (&given, &file_name) {
        field.error("a field with a value has no file name", "leave it out, or give a `file`");
    }
    let value = given.and_then(|(key, field)| {
        if key == "value" {
            let text = field.text("\"1\"")?;
            return Some(FormValue::Text(scope.template(&field, text, Escape::None)));
        }
        let path = field.text("\"a.png\"")?;
        let own_name = path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned();
        let name = file_name.and_then(|(name, _)| name).unwrap_or(own_name);
        let content = builder.needed(&field, path, MAX_BODY_BYTES).unwrap_or_default();
        Some(FormValue::File { name, content: content.into() })
    });
    table.finish();
    Some(FormPart { name: name?, value: value?, content_type })
}
