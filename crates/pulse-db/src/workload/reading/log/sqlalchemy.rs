//! What `SQLAlchemy` writes with `echo=True`: a statement, which may have several lines, then its parameters.
//!
//! It writes no durations: `[generated in 0.00010s]` is the time that it took to make the text, and `[cached since 1.2s ago]`
//! the age of that.

use super::parameters::{self, Parameters};

/// The loggers `sqlalchemy.engine.Engine`, `sqlalchemy.engine.base.Engine` and named ones.
const LOGGER: &str = "sqlalchemy.engine";

/// What follows the logger's name, whatever the log's own format puts between.
pub(super) fn message(line: &str) -> Option<&str> {
    let after = &line[line.find(LOGGER)? + LOGGER.len()..];
    let end = after.find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_')))?;
    let message = after[end..].trim_start_matches([']', ':', '|', '-', ' ', '\t', ')']);
    (!message.is_empty()).then_some(message)
}

/// The parameters, if the message is about them.
pub(super) fn parameters(message: &str) -> Option<Parameters> {
    const TAGS: [&str; 6] =
        ["[generated in", "[cached since", "[raw sql]", "[no key", "[dialect", "[insertmanyvalues"];
    if TAGS.iter().any(|tag| message.starts_with(tag)) {
        let (_, text) = message.split_once(']')?;
        return Some(parameters::sets(text.trim()));
    }
    // Before version 1.4 they stood alone.
    message.starts_with(['(', '{', '[']).then(|| parameters::sets(message.trim()))
}
