//! Names of metrics and labels in Prometheus' formats, and how a scraper wants those written that are not plain.
//!
//! The classic character set is `[a-zA-Z_:][a-zA-Z0-9_:]*`, for labels without the colon. Prometheus 3 takes any UTF-8 and
//! says with `escaping=` how it wants the rest; the rules are those of `EscapeName` in Prometheus' Go library.

use std::borrow::Cow;

/// How names outside the classic character set are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escaping {
    /// Other characters become `_`. What is assumed when a scraper says nothing.
    #[default]
    Underscores,
    /// `.` becomes `_dot_`, `_` becomes `__`, any other character `__`.
    Dots,
    /// Names that are not plain get the prefix `U__`, `_` becomes `__`, and any other character `_HEX_`. Reversible.
    Values,
    /// Names stay as they are, in quotes.
    AllowUtf8,
}

impl Escaping {
    /// The value of the parameter `escaping` in `Accept` and `Content-Type`.
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
            Self::AllowUtf8 => "allow-utf-8",
        }
    }

    /// Reads the parameter. `allow-utf8` is what a part of Prometheus' own documentation says.
    pub(crate) fn from_parameter(text: &str) -> Option<Self> {
        if text == "allow-utf8" {
            return Some(Self::AllowUtf8);
        }
        [Self::Underscores, Self::Dots, Self::Values, Self::AllowUtf8]
            .into_iter()
            .find(|escaping| escaping.parameter() == text)
    }
}

/// What is named; a label may not hold a colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noun {
    Metric,
    Label,
}

/// Whether a name needs no quotes and no escaping.
pub(crate) fn is_plain(name: &str, noun: Noun) -> bool {
    !name.is_empty() && name.chars().enumerate().all(|(at, c)| is_plain_char(c, at, noun))
}

fn is_plain_char(c: char, at: usize, noun: Noun) -> bool {
    c.is_ascii_alphabetic()
        || c == '_'
        || (c == ':' && noun == Noun::Metric)
        || (c.is_ascii_digit() && at > 0)
}

/// The name as the scraper wants it. An empty name becomes `_`, which every scheme can write.
pub(crate) fn escape(name: &str, noun: Noun, escaping: Escaping) -> Cow<'_, str> {
    let plain = is_plain(name, noun);
    match escaping {
        _ if name.is_empty() => "_".into(),
        // A control character in a name helps nobody and breaks readers that work by lines.
        Escaping::AllowUtf8 if name.contains(char::is_control) => {
            name.replace(char::is_control, "\u{FFFD}").into()
        }
        Escaping::AllowUtf8 => name.into(),
        Escaping::Underscores | Escaping::Values if plain => name.into(),
        Escaping::Underscores => replaced(name, noun, |_| "_".into()).into(),
        Escaping::Dots => {
            replaced(&name.replace('_', "__"), noun, |c| if c == '.' { "_dot_" } else { "__" }.into()).into()
        }
        Escaping::Values => {
            let hex = |c| format!("_{:x}_", u32::from(c)).into();
            format!("U__{}", replaced(&name.replace('_', "__"), noun, hex)).into()
        }
    }
}

fn replaced(name: &str, noun: Noun, replacement: impl Fn(char) -> Cow<'static, str>) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    for (at, c) in name.chars().enumerate() {
        if is_plain_char(c, at, noun) { out.push(c) } else { out.push_str(&replacement(c)) }
    }
    out
}

/// A short mark that tells names apart which would otherwise be written alike: FNV-1a of the name as it was given.
pub(crate) fn mark(name: &str, attempt: u32) -> String {
    let bytes = name.bytes().chain(attempt.to_le_bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_schemes_of_prometheus() {
        // The last three columns are what `EscapeName` of Prometheus' Go library gives.
        for (name, underscores, dots, values) in [
            ("no_escape", "no_escape", "no__escape", "no_escape"),
            ("with:colon", "with:colon", "with:colon", "with:colon"),
            ("http.server", "http_server", "http_dot_server", "U__http_2e_server"),
            ("with_a.dot", "with_a_dot", "with__a_dot_dot", "U__with__a_2e_dot"),
            ("1st", "_st", "__st", "U___31_st"),
            ("größe", "gr__e", "gr____e", "U__gr_f6__df_e"),
            ("花火", "__", "____", "U___82b1__706b_"),
        ] {
            assert_eq!(escape(name, Noun::Metric, Escaping::Underscores), underscores);
            assert_eq!(escape(name, Noun::Metric, Escaping::Dots), dots, "{name}");
            assert_eq!(escape(name, Noun::Metric, Escaping::Values), values, "{name}");
            assert_eq!(escape(name, Noun::Metric, Escaping::AllowUtf8), name);
        }
    }

    #[test]
    fn a_colon_is_for_metrics_only() {
        assert_eq!(escape("a:b", Noun::Label, Escaping::Underscores), "a_b");
        assert_eq!(escape("a:b", Noun::Metric, Escaping::Underscores), "a:b");
    }

    #[test]
    fn parameters_read_back() {
        for escaping in [Escaping::Underscores, Escaping::Dots, Escaping::Values, Escaping::AllowUtf8] {
            assert_eq!(Escaping::from_parameter(escaping.parameter()), Some(escaping));
        }
        assert_eq!(Escaping::from_parameter("allow-utf8"), Some(Escaping::AllowUtf8));
        assert_eq!(Escaping::from_parameter("none"), None);
    }

    proptest! {
        #[test]
        fn escaped_names_are_plain(name in ".{0,20}") {
            for escaping in [Escaping::Underscores, Escaping::Dots, Escaping::Values] {
                for noun in [Noun::Metric, Noun::Label] {
                    let escaped = escape(&name, noun, escaping);
                    prop_assert!(is_plain(&escaped, noun), "{name:?} {escaped:?}");
                }
            }
            prop_assert!(!escape(&name, Noun::Metric, Escaping::AllowUtf8).contains(char::is_control));
        }
    }
}
