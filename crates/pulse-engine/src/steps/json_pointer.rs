//! What a JSON pointer leads to, without building all of the document.
//!
//! Answers are large and what is wanted of them small: the text is read once from start to end, names are compared where
//! they stand, and only the value that is wanted is built. Values on the way are looked at for their form alone.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The value to which `pointer` (RFC 6901) leads; `None` where it leads nowhere, or the text is not JSON. Of fields that
/// have the same name the last one counts.
pub(super) fn find(text: &[u8], pointer: &str) -> Option<Value> {
    // Checked in one go: serde_json would check the bytes of each string by itself.
    let mut reader = serde_json::Deserializer::from_str(str::from_utf8(text).ok()?);
    let found = At(pointer).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    found
}

/// A value, and where to go from there: nothing more, or `/` and a name and the rest.
struct At<'p>(&'p str);

/// The field or item to go to, and where to go from there.
struct Toward<'p> {
    name: Cow<'p, str>,
    rest: &'p str,
}

/// Whether a field has this name.
struct IsName<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Option<Value>, D::Error> {
        if self.0.is_empty() {
            return Value::deserialize(reader).map(Some);
        }
        let Some(path) = self.0.strip_prefix('/') else {
            return IgnoredAny::deserialize(reader).map(|_| None);
        };
        let (name, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
        let name = if name.contains('~') {
            Cow::Owned(name.replace("~1", "/").replace("~0", "~"))
        } else {
            Cow::Borrowed(name)
        };
        reader.deserialize_any(Toward { name, rest })
    }
}

impl<'de> Visitor<'de> for Toward<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Option<Value>, A::Error> {
        let mut found = None;
        while let Some(is_wanted) = fields.next_key_seed(IsName(&self.name))? {
            if is_wanted {
                found = fields.next_value_seed(At(self.rest))?;
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<Value>, A::Error> {
        let mut found = None;
        if let Some(wanted) = number(&self.name) {
            for _ in 0..wanted {
                if items.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(None);
                }
            }
            found = items.next_element_seed(At(self.rest))?.flatten();
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }

    fn visit_unit<E>(self) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Option<Value>, E> {
        Ok(None)
    }
}

impl<'de> DeserializeSeed<'de> for IsName<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<bool, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for IsName<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

/// The number of an item: digits without a sign or leading zeros.
fn number(name: &str) -> Option<usize> {
    let is_canonical = !name.starts_with('+') && (name.len() == 1 || !name.starts_with('0'));
    name.parse().ok().filter(|_| is_canonical)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// Names that mean something in pointers, arrays and objects.
    const NAMES: [&str; 13] = ["", "a", "0", "1", "01", "+1", "-", "00", "f", "b/c", "d~e", "b", "2"];

    /// All of the document, and then the way.
    fn by_document(text: &str, pointer: &str) -> Option<Value> {
        serde_json::from_str::<Value>(text).ok()?.pointer(pointer).cloned()
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let name = proptest::sample::select(&NAMES[..]).prop_map(str::to_owned);
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(name, inner, 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_pointer_leads_where_it_leads_in_the_whole_document(
            value in values(),
            path in proptest::collection::vec(proptest::sample::select(&NAMES[..]), 0..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let escaped = |name: &&str| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            let pointer: String = path.iter().map(escaped).collect();
            let text = value.to_string();
            prop_assert_eq!(find(text.as_bytes(), &pointer), by_document(&text, &pointer));
            // A text that is not complete is no JSON, or other JSON.
            let shorter: String = text.chars().take(cut.index(text.len())).collect();
            prop_assert_eq!(find(shorter.as_bytes(), &pointer), by_document(&shorter, &pointer));
        }
    }

    #[test]
    fn what_is_not_json_or_not_there_is_not_found() {
        let cases = [
            (r#"{"a": 1, "a": {"b": 2}}"#, "/a/b", Some(json!(2))),
            (r#"{"a": {"b": 2}, "a": 1}"#, "/a/b", None),
            (r#"{"a": 1} x"#, "/a", None),
            (r#"{"a": 1,}"#, "/a", None),
            ("[1, 2] ", "/1", Some(json!(2))),
            ("[1, 2", "/0", None),
            (r#"{"a": 1}"#, "a", None),
            (r#"{"a": 1}"#, "", Some(json!({"a": 1}))),
            (r#"{"\u0061": 1}"#, "/a", Some(json!(1))),
            ("", "/a", None),
        ];
        for (text, pointer, expected) in cases {
            assert_eq!(find(text.as_bytes(), pointer), expected, "{text} {pointer}");
        }
        assert_eq!(find(b"{\"a\": \"\xff\"}", "/b"), None);
    }
}
