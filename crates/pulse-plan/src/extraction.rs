//! An extraction: a value that is taken from an answer and used in later requests of the same user.

use std::sync::Arc;

/// Takes a value from an answer into a variable.
///
/// Every extraction is a check named `extract NAME`; one that finds nothing fails it and leaves the variable as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extraction {
    /// Number of the variable in [`Plan::variables`](crate::Plan::variables).
    pub slot: u16,
    /// Name of the check that says whether it was found: `extract NAME`.
    pub name: Arc<str>,
    /// Where the value stands.
    pub source: ExtractionSource,
}

/// Where a value stands in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtractionSource {
    /// A JSON pointer (RFC 6901) into the body. Texts come without quotes, everything else as JSON.
    Json(String),
    /// A pattern for the `regex` crate on the body: its first group, or the whole match when it has none.
    /// Already known to compile within [`REGEX_SIZE_LIMIT`].
    Regex(String),
    /// A header field; the name is in lower case.
    Header(String),
    /// A cookie that this answer sets; names keep their case.
    Cookie(String),
}

/// The largest compiled pattern in bytes, for `regex::RegexBuilder::size_limit`.
pub const REGEX_SIZE_LIMIT: usize = 1 << 20;

impl ExtractionSource {
    /// Whether the body has to be kept for this extraction.
    pub fn needs_body(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Regex(_))
    }
}
