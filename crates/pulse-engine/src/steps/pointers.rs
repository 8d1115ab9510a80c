//! The places in a JSON document that a step looks at, found in one pass without building the document.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// JSON pointers (RFC 6901) as a tree of their parts.
#[derive(Debug)]
pub struct Pointers {
    nodes: Vec<Node>,
    /// Pointers that were added.
    count: usize,
}

#[derive(Debug, Default)]
struct Node {
    children: Vec<Child>,
    /// Numbers of the pointers that end here.
    places: Vec<usize>,
}

#[derive(Debug)]
struct Child {
    key: String,
    /// The key as a place in an array.
    index: Option<usize>,
    node: usize,
}

/// Where the values were found in the text, by number of the pointer. Kept from answer to answer, so that looking does not
/// allocate.
pub type Places = Vec<Option<Range<usize>>>;

impl Default for Pointers {
    /// No pointer.
    fn default() -> Self {
        Self { nodes: vec![Node::default()], count: 0 }
    }
}

impl Pointers {
    /// Adds a pointer; returns its number. What is no pointer finds nothing.
    pub fn add(&mut self, pointer: &str) -> usize {
        let number = self.count;
        self.count += 1;
        if pointer.is_empty() || pointer.starts_with('/') {
            let mut node = 0;
            for part in pointer.split('/').skip(1) {
                node = self.child(node, part.replace("~1", "/").replace("~0", "~"));
            }
            self.nodes[node].places.push(number);
        }
        number
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn child(&mut self, node: usize, key: String) -> usize {
        if let Some(known) = self.nodes[node].children.iter().find(|child| child.key == key) {
            return known.node;
        }
        let next = self.nodes.len();
        self.nodes.push(Node::default());
        let canonical = key == "0" || !key.starts_with(['0', '+']);
        let index = key.parse().ok().filter(|_| canonical);
        self.nodes[node].children.push(Child { key, index, node: next });
        next
    }

    /// Finds all of them. Where the text is not JSON, nothing is found.
    pub fn find(&self, text: &str, places: &mut Places) {
        places.clear();
        places.resize(self.count, None);
        let mut json = serde_json::Deserializer::from_str(text);
        let search = Search { pointers: self, node: 0, start: text.as_ptr().addr(), places };
        if search.deserialize(&mut json).and_then(|()| json.end()).is_err() {
            places.fill(None);
        }
    }
}

/// A search in one value.
struct Search<'p> {
    pointers: &'p Pointers,
    node: usize,
    /// Address of the text, from which places count.
    start: usize,
    places: &'p mut Places,
}

impl<'p> Search<'p> {
    fn node(&self) -> &'p Node {
        &self.pointers.nodes[self.node]
    }

    fn forget(&mut self, node: usize) {
        let node = &self.pointers.nodes[node];
        node.places.iter().for_each(|place| self.places[*place] = None);
        node.children.iter().for_each(|child| self.forget(child.node));
    }

    fn at(&mut self, node: usize) -> Search<'_> {
        Search { pointers: self.pointers, node, start: self.start, places: self.places }
    }
}

impl<'de> DeserializeSeed<'de> for Search<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let node = self.node();
        if node.places.is_empty() {
            return json.deserialize_any(self);
        }
        let raw: &RawValue = serde::Deserialize::deserialize(json)?;
        let at = raw.get().as_ptr().addr() - self.start;
        for place in &node.places {
            self.places[*place] = Some(at..at + raw.get().len());
        }
        if !node.children.is_empty() {
            // Its text was read once already: this cannot fail.
            let _ = serde_json::Deserializer::from_str(raw.get()).deserialize_any(self);
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let node = self.node();
        while let Some(child) = map.next_key_seed(Key(node))? {
            match child {
                Some(child) => {
                    // Of several values of one key the last one counts.
                    self.forget(child);
                    map.next_value_seed(self.at(child))?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let node = self.node();
        for index in 0.. {
            let child = node.children.iter().find(|child| child.index == Some(index));
            let more = match child {
                Some(child) => items.next_element_seed(self.at(child.node))?.is_some(),
                None => items.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// The key of an object's value: which child of the node it names, if any.
struct Key<'p>(&'p Node);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Option<usize>, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(self.0.children.iter().find(|child| child.key == key).map(|child| child.node))
    }
}

/// A JSON value as people would write it into a URL: texts without quotes, everything else as JSON. `None` for a text that
/// no string can hold.
pub fn text_of(raw: &str) -> Option<Cow<'_, str>> {
    if let Some(text) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        if !text.contains('\\') {
            return Some(Cow::Borrowed(text));
        }
        return serde_json::from_str(raw).ok().map(Cow::Owned);
    }
    // A short whole number is written as it would be written anew.
    let digits = raw.strip_prefix('-').filter(|digits| *digits != "0").unwrap_or(raw);
    if raw.len() < 18 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Cow::Borrowed(raw));
    }
    serde_json::from_str::<Value>(raw).ok().map(|value| Cow::Owned(value.to_string()))
}

/// Whether a JSON value equals another; 1 and 1.0 are the same number.
pub fn equals(raw: &str, expected: &Value) -> bool {
    match expected {
        Value::String(expected) => raw.starts_with('"') && text_of(raw).is_some_and(|text| text == *expected),
        _ => serde_json::from_str(raw).is_ok_and(|found| same(&found, expected)),
    }
}

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
    use proptest::prelude::*;
    use serde_json::json;

    fn found<'t>(text: &'t str, pointers: &[&str]) -> Vec<Option<&'t str>> {
        let mut compiled = Pointers::default();
        for pointer in pointers {
            compiled.add(pointer);
        }
        let mut places = Places::new();
        compiled.find(text, &mut places);
        places.into_iter().map(|place| place.map(|place| &text[place])).collect()
    }

    #[test]
    fn values_are_found_where_they_stand() {
        let text = r#" {"a": {"b": [1, {"c/d": "x"}], "~": null}, "0": [[7]], "": -1.50} "#;
        for (pointer, value) in [
            ("", Some(text.trim())),
            ("/a/b/0", Some("1")),
            ("/a/b/1/c~1d", Some("\"x\"")),
            ("/a/b", Some(r#"[1, {"c/d": "x"}]"#)),
            ("/a/~0", Some("null")),
            ("/0/0/0", Some("7")),
            ("/", Some("-1.50")),
            ("/a/b/00", None),
            ("/a/b/+0", None),
            ("/a/b/2", None),
            ("/a/b/x", None),
            ("/none", None),
            ("a", None),
        ] {
            assert_eq!(found(text, &[pointer]), [value], "{pointer}");
        }
        let several = found(text, &["/a/b", "/a/b/0", "/a/b/0", "/x", "/a"]);
        assert_eq!(several[..4], [Some(r#"[1, {"c/d": "x"}]"#), Some("1"), Some("1"), None]);
    }

    #[test]
    fn what_is_not_json_has_no_values() {
        for text in ["", "x", "{\"a\": 1", "{\"a\": 1} x", "[1,]", "{\"a\": 01}"] {
            assert_eq!(found(text, &["/a", ""]), [None, None], "{text}");
        }
    }

    #[test]
    fn numbers_are_compared_by_value() {
        assert!(equals(r#"{"a": [1, 2.0]}"#, &json!({"a": [1.0, 2]})));
        assert!(!equals("[1]", &json!([1, 2])));
        assert!(!equals(r#"{"a": 1}"#, &json!({"b": 1})));
        assert!(!equals("\"1\"", &json!(1)) && !equals("1", &json!("1")));
        assert!(equals(r#""a\u0062""#, &json!("ab")));
    }

    #[test]
    fn values_as_text() {
        for (raw, expected) in [
            ("\"a b\"", Some("a b")),
            (r#""a\n""#, Some("a\n")),
            (r#""\ud800""#, None),
            ("1.50", Some("1.5")),
            ("-0", Some("-0.0")),
            ("-12", Some("-12")),
            ("null", Some("null")),
            ("[ 1 ]", Some("[1]")),
        ] {
            assert_eq!(text_of(raw).as_deref(), expected, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn finds_what_a_whole_document_would(text in r#"[\[\]{}:,"ab01 .~/-]{0,24}"#, pointer in "(/[ab01~]{0,2}){0,3}") {
            let whole = serde_json::from_str::<Value>(&text).ok();
            let expected = whole.as_ref().and_then(|value| value.pointer(&pointer));
            let found = found(&text, &[&pointer])[0].and_then(|raw| serde_json::from_str::<Value>(raw).ok());
            prop_assert_eq!(found.as_ref(), expected);
        }
    }
}
