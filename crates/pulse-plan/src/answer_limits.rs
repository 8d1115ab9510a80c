//! How much of an answer is accepted.

use std::fmt;
use std::str::FromStr;

/// Bounds on an answer, in bytes. What exceeds them fails with class `too_large` and closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerLimits {
    /// Status line and header fields, and a trailer section; 64 KiB by default.
    pub head: u64,
    /// A body, whether or not anything looks at it; 1 GiB by default.
    pub body: u64,
    /// A body that is looked at and so held in memory, before and after it is decoded; 16 MiB by default.
    pub kept_body: u64,
}

impl Default for AnswerLimits {
    fn default() -> Self {
        Self { head: 64 << 10, body: 1 << 30, kept_body: 16 << 20 }
    }
}

/// What is said about the limits; what is `None` is left to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitOptions {
    /// See [`AnswerLimits::head`].
    pub head: Option<ByteSize>,
    /// See [`AnswerLimits::body`].
    pub body: Option<ByteSize>,
    /// See [`AnswerLimits::kept_body`].
    pub kept_body: Option<ByteSize>,
}

impl LimitOptions {
    pub(crate) fn merged_over(&self, base: &Self) -> Self {
        Self {
            head: self.head.or(base.head),
            body: self.body.or(base.body),
            kept_body: self.kept_body.or(base.kept_body),
        }
    }

    pub(crate) fn to_limits(self) -> AnswerLimits {
        let default = AnswerLimits::default();
        AnswerLimits {
            head: self.head.map_or(default.head, |size| size.0),
            body: self.body.map_or(default.body, |size| size.0),
            kept_body: self.kept_body.map_or(default.kept_body, |size| size.0),
        }
    }
}

/// A number of bytes, at least 1: `512`, `64KiB`, `1.5MB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(u64);

impl ByteSize {
    const UNITS: [(&'static str, u64); 8] = [
        ("B", 1),
        ("kB", 1_000),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
    ];

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}B", self.0)
    }
}

/// A text that is no number of bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size; write a number above 0 with B, KB, MB, GB, KiB, MiB or GiB")]
pub struct ByteSizeError(String);

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || ByteSizeError(text.to_owned());
        let text = text.trim();
        let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        let number: f64 = number.trim().parse().map_err(|_| fail())?;
        let factor = match unit {
            "" => 1,
            unit => Self::UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(fail)?.1,
        };
        let bytes = number * factor as f64;
        // Beyond this, sizes have no exact representation; nothing so large is ever meant.
        let fits = (1.0..9e15).contains(&bytes);
        if fits { Ok(Self(bytes as u64)) } else { Err(fail()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("1", 1),
            ("512B", 512),
            ("64KiB", 65_536),
            (" 1.5 MB ", 1_500_000),
            ("2GiB", 2 << 30),
            ("1kB", 1000),
        ] {
            assert_eq!(text.parse::<ByteSize>().map(ByteSize::bytes), Ok(bytes), "{text}");
        }
        for text in ["", "0", "0.5", "-1", "x", "1TB", "1 K", "NaN", "1e300", "MB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }
}
