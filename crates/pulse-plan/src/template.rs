//! Text with variables in it, read once so that a request is put together without any look-up.

use std::ops::Range;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What is kept as it is in a URL component: the unreserved characters of RFC 3986.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variable {
    /// A variable of the user, by its number in [`Plan::variables`](crate::Plan::variables).
    Slot(u16),
    /// The current row of a feed.
    Feed {
        /// Number of the feed in [`Plan::feeds`](crate::Plan::feeds).
        feed: u16,
        /// Number of the column in [`Feed::columns`](crate::Feed::columns).
        column: u16,
    },
    /// Number of the user in the scenario, from 1.
    UserId,
    /// Number of the iteration of this user, from 1.
    Iteration,
    /// A random number from 0 to 2³²−1, a new one for each reference.
    Random,
    /// A random UUID (version 4), a new one for each reference.
    Uuid,
}

/// What must be done to a value so that it cannot break out of the place it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Escape {
    /// Nothing: the value is taken as it is.
    None,
    /// Everything but letters, digits and `-._~` becomes `%XX`.
    Url,
    /// Control characters, line breaks above all, become spaces.
    Header,
    /// `"`, `\` and control characters are escaped as JSON demands; the quotes are not added.
    JsonString,
}

impl Escape {
    /// Appends an escaped value.
    pub fn append(self, value: &str, out: &mut Vec<u8>) {
        match self {
            Self::None => out.extend_from_slice(value.as_bytes()),
            Self::Url => {
                utf8_percent_encode(value, COMPONENT).for_each(|part| out.extend_from_slice(part.as_bytes()));
            }
            Self::Header => {
                let blank = |byte: u8| if byte.is_ascii_control() && byte != b'\t' { b' ' } else { byte };
                out.extend(value.bytes().map(blank));
            }
            Self::JsonString => append_json(value.as_bytes(), out),
        }
    }
}

/// What needs no escape, which is nearly always everything, is copied in one piece.
fn append_json(mut value: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = value.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        out.extend_from_slice(&value[..at]);
        match value[at] {
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        value = &value[at + 1..];
    }
    out.extend_from_slice(value);
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text that is always the same, already escaped.
    Literal(String),
    /// A value to be spliced in.
    Variable {
        /// Where it comes from.
        source: Variable,
        /// What its place demands.
        escape: Escape,
    },
}

/// Text with variables in it. Two literals never stand side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The parts in order; none for an empty text.
    pub pieces: Vec<Piece>,
}

impl Template {
    /// A text without variables.
    pub fn literal(text: impl Into<String>) -> Self {
        let mut template = Self::default();
        template.push_literal(&text.into());
        template
    }

    /// True when the text is always the same.
    pub fn is_static(&self) -> bool {
        self.as_static().is_some()
    }

    /// The text when it is always the same.
    pub fn as_static(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The variables in order.
    pub fn variables(&self) -> impl Iterator<Item = Variable> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable { source, .. } => Some(*source),
            Piece::Literal(_) => None,
        })
    }

    /// Appends the text; `splice` appends a value as its place demands, see [`Escape::append`].
    pub fn render(&self, out: &mut Vec<u8>, mut splice: impl FnMut(Variable, Escape, &mut Vec<u8>)) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Variable { source, escape } => splice(*source, *escape, out),
            }
        }
    }

    /// Appends text as it is.
    pub(crate) fn push_literal(&mut self, text: &str) {
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Literal(last)) => last.push_str(text),
            _ => self.pieces.push(Piece::Literal(text.to_owned())),
        }
    }

    /// Appends a value that is known already, as if it came from a variable.
    pub(crate) fn push_value(&mut self, value: &str, escape: Escape) {
        let mut bytes = Vec::with_capacity(value.len());
        escape.append(value, &mut bytes);
        self.push_literal(&String::from_utf8_lossy(&bytes));
    }

    /// Appends a reference to a value that is not known yet.
    pub(crate) fn push_variable(&mut self, source: Variable, escape: Escape) {
        self.pieces.push(Piece::Variable { source, escape });
    }

    /// Appends another template.
    pub(crate) fn append(&mut self, other: &Self) {
        for piece in &other.pieces {
            match piece {
                Piece::Literal(text) => self.push_literal(text),
                Piece::Variable { .. } => self.pieces.push(piece.clone()),
            }
        }
    }
}

/// A part of a text before its names are resolved.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'t> {
    /// Text; `$${` has become `${`.
    Literal(&'t str),
    /// `${name}` or `${name:-default}`.
    Reference { name: &'t str, default: Option<&'t str>, at: Range<usize> },
}

/// A reference that is not closed or names nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReferenceError {
    pub(crate) at: Range<usize>,
    pub(crate) message: &'static str,
}

/// Splits a text at its references.
///
/// ```text
/// text      = { literal | "$${" | "${" name [ ":-" default ] "}" }
/// ```
pub(crate) fn split(text: &str) -> Result<Vec<Part<'_>>, ReferenceError> {
    let mut parts = Vec::new();
    let mut rest = 0;
    while let Some(found) = text[rest..].find("${") {
        let open = rest + found;
        if text[..open].ends_with('$') && open > rest {
            // The dollar before belongs to the escape: keep what stands before it, then a literal `${`.
            parts.push(Part::Literal(&text[rest..open - 1]));
            parts.push(Part::Literal(&text[open..open + 2]));
            rest = open + 2;
            continue;
        }
        parts.push(Part::Literal(&text[rest..open]));
        // A brace that opens before this one closes means that this one was forgotten.
        let close = text[open..].find('}').map(|len| open + len);
        let next = text[open + 2..].find("${").map_or(text.len(), |len| open + 2 + len);
        let close = close.filter(|close| *close < next).ok_or(ReferenceError {
            at: open..open + 2,
            message: "the reference is not closed; write ${name}, or $${ for a literal ${",
        })?;
        let inner = &text[open + 2..close];
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name.trim(), Some(default)),
            None => (inner.trim(), None),
        };
        let at = open..close + 1;
        if name.is_empty() {
            return Err(ReferenceError { at, message: "the reference names nothing; write ${name}" });
        }
        parts.push(Part::Reference { name, default, at });
        rest = close + 1;
    }
    parts.push(Part::Literal(&text[rest..]));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reference(name: &str, at: Range<usize>) -> Part<'_> {
        Part::Reference { name, default: None, at }
    }

    #[test]
    fn texts_are_split_at_references() {
        let literal = Part::Literal;
        for (text, expected) in [
            ("", vec![literal("")]),
            ("plain $ {text}", vec![literal("plain $ {text}")]),
            ("a${b}c", vec![literal("a"), reference("b", 1..5), literal("c")]),
            (
                "${ b }${c.d}",
                vec![literal(""), reference("b", 0..6), literal(""), reference("c.d", 6..12), literal("")],
            ),
            ("x$${b}", vec![literal("x"), literal("${"), literal("b}")]),
            ("$${$${", vec![literal(""), literal("${"), literal(""), literal("${"), literal("")]),
        ] {
            assert_eq!(split(text).unwrap(), expected, "{text}");
        }
        let with_default = Part::Reference { name: "env.A", default: Some("b c"), at: 0..14 };
        assert_eq!(split("${env.A:-b c}").unwrap()[1], with_default_at(with_default, 13));
    }

    fn with_default_at(part: Part<'_>, end: usize) -> Part<'_> {
        match part {
            Part::Reference { name, default, at } => Part::Reference { name, default, at: at.start..end },
            Part::Literal(_) => part,
        }
    }

    #[test]
    fn broken_references_say_where() {
        for (text, at) in
            [("ab${c", 2..4), ("${a ${b}", 0..2), ("${}", 0..3), ("x${ }", 1..5), ("${:-d}", 0..6)]
        {
            assert_eq!(split(text).unwrap_err().at, at, "{text}");
        }
    }

    #[test]
    fn values_cannot_break_out_of_their_place() {
        let evil = "a b/ü\"\\\r\n\u{1}&";
        for (escape, expected) in [
            (Escape::None, evil),
            (Escape::Url, "a%20b%2F%C3%BC%22%5C%0D%0A%01%26"),
            (Escape::Header, "a b/ü\"\\   &"),
            (Escape::JsonString, "a b/ü\\\"\\\\\\r\\n\\u0001&"),
        ] {
            let mut out = Vec::new();
            escape.append(evil, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{escape:?}");
        }
    }

    #[test]
    fn rendering_splices_values() {
        let mut template = Template::literal("/a/");
        template.push_value("x y", Escape::Url);
        template.push_variable(Variable::UserId, Escape::Url);
        template.push_literal("?z");
        assert!(!template.is_static());
        assert_eq!(template.pieces.len(), 3);
        let mut out = Vec::new();
        template.render(&mut out, |_, escape, out| escape.append("4/2", out));
        assert_eq!(String::from_utf8(out).unwrap(), "/a/x%20y4%2F2?z");
    }

    proptest! {
        #[test]
        fn a_value_in_a_json_string_reads_back(value in any::<String>()) {
            let mut out = b"\"".to_vec();
            Escape::JsonString.append(&value, &mut out);
            out.push(b'"');
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), value);
        }

        #[test]
        fn splitting_never_panics_and_loses_nothing(text in "[$ {}a:.-]{0,20}") {
            if let Ok(parts) = split(&text) {
                let literals: usize = parts.iter().map(|part| match part {
                    Part::Literal(text) => text.len(),
                    Part::Reference { at, .. } => at.len(),
                }).sum();
                prop_assert_eq!(literals + text.matches("$${").count(), text.len());
            }
        }
    }
}
