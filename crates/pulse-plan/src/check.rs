//! A check: something that an answer must fulfil. A failed check is counted; it does not stop the iteration.

use std::sync::Arc;

use pulse_model::{Comparison, Nanos};

use crate::{GrpcStatusSet, StatusSet, Template};

/// A condition on an answer, with its name in the report.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Given, or derived like `status is 200`.
    pub name: Arc<str>,
    /// What must hold.
    pub condition: Condition,
}

/// What an answer must fulfil.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The status is in a set.
    Status(StatusSet),
    /// The status of a gRPC call is in a set.
    GrpcStatus(GrpcStatusSet),
    /// A header field.
    Header {
        /// Field name in lower case.
        name: String,
        /// What its value must fulfil.
        test: HeaderTest,
    },
    /// The body contains a text, byte for byte.
    BodyContains(Template),
    /// A value in a JSON body. A body that is not JSON fails the check.
    Json {
        /// JSON pointer (RFC 6901), such as `/metadata/price`; empty for the whole document.
        pointer: String,
        /// What the value must fulfil.
        test: JsonTest,
    },
    /// The size of the body in bytes, as received (after chunked decoding).
    Size {
        /// How it must compare.
        comparison: Comparison,
        /// With what.
        bytes: u64,
    },
    /// The response time.
    Time {
        /// How it must compare.
        comparison: Comparison,
        /// With what.
        limit: Nanos,
    },
}

/// What a header field must fulfil. Values are compared with case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderTest {
    /// It is there (`true`) or not there (`false`).
    Exists(bool),
    /// It is exactly this.
    Equals(Template),
    /// It contains this.
    Contains(Template),
}

/// What a JSON value must fulfil.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonTest {
    /// It is there (`true`; `null` counts) or not there (`false`).
    Exists(bool),
    /// It is this; numbers compare by value, so that 1 equals 1.0.
    Equals(serde_json::Value),
    /// It is this text; the text has variables in it.
    EqualsText(Template),
}

impl Condition {
    /// Whether the body has to be kept for this check.
    pub fn needs_body(&self) -> bool {
        matches!(self, Self::BodyContains(_) | Self::Json { .. })
    }

    /// The template that this condition compares with, if it has one.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let template = match self {
            Self::BodyContains(text)
            | Self::Header { test: HeaderTest::Equals(text) | HeaderTest::Contains(text), .. }
            | Self::Json { test: JsonTest::EqualsText(text), .. } => Some(text),
            _ => None,
        };
        template.into_iter()
    }
}
