//! [`Symbol`] and [`User`]: the two names that clients choose, checked where they come in.

use std::borrow::Cow;

use serde::Deserialize;

/// A ticker symbol: 1 to 12 of `A–Z`, `0–9` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Cow<'_, str>")]
pub(crate) struct Symbol(String);

impl Symbol {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Symbol {
    fn default() -> Self {
        Self("SPY".to_owned())
    }
}

impl TryFrom<Cow<'_, str>> for Symbol {
    type Error = &'static str;

    fn try_from(text: Cow<'_, str>) -> Result<Self, Self::Error> {
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'.';
        if (1..=12).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into_owned()))
        } else {
            Err("a symbol is 1 to 12 characters of A-Z, 0-9 and `.`")
        }
    }
}

/// The name of a user: 1 to 64 of `A–Z`, `a–z`, `0–9`, `.`, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Cow<'_, str>")]
pub(crate) struct User(String);

impl User {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<Cow<'_, str>> for User {
    type Error = &'static str;

    fn try_from(text: Cow<'_, str>) -> Result<Self, Self::Error> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into_owned()))
        } else {
            Err("a user is 1 to 64 characters of A-Z, a-z, 0-9, `.`, `_` and `-`")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for text in ["SPY", "BRK.B", "0", "ABCDEFGHIJKL"] {
            assert!(Symbol::try_from(Cow::from(text)).is_ok(), "{text}");
        }
        for text in ["", "spy", "ABCDEFGHIJKLM", "A B", "A;--", "Ä", "A\0"] {
            assert!(Symbol::try_from(Cow::from(text)).is_err(), "{text}");
        }
        let longest = "x".repeat(64);
        for text in ["alice", "A.b_c-9", &longest] {
            assert!(User::try_from(Cow::from(text)).is_ok(), "{text}");
        }
        let too_long = "x".repeat(65);
        for text in ["", " ", "a/b", "o'brien", "é", &too_long] {
            assert!(User::try_from(Cow::from(text)).is_err(), "{text}");
        }
    }
}
