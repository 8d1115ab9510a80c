//! What Django's logger `django.db.backends` writes: `(0.003) SELECT …; args=(…); alias=default`, over several lines where the
//! statement has them. Of SQLite's statements it writes the values into the text.

use std::sync::LazyLock;

use pulse_model::statement_kind;
use regex::Regex;

use super::parameters::{self, Parameters};

/// What follows a statement.
pub(super) const END: &str = "; args=";

/// Duration and beginning of a statement.
pub(super) fn begin(line: &str) -> Option<(u64, &str)> {
    static BEGIN: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\((\d{1,9})\.(\d{3})\) ").expect("the pattern is one"));
    let found = BEGIN.captures(line)?;
    let milliseconds: u64 = format!("{}{}", &found[1], &found[2]).parse().ok()?;
    let sql = &line[found.get(0)?.end()..];
    (statement_kind(sql) != "other").then_some((milliseconds * 1_000_000, sql))
}

/// The statement and its parameters, when it ends here.
pub(super) fn end(text: &str) -> Option<(&str, Parameters)> {
    let at = text.rfind(END)?;
    let sql = &text[..at];
    let arguments = &text[at + END.len()..];
    let arguments = arguments.rfind("; alias=").map_or(arguments, |end| &arguments[..end]);
    // The values are in the text already, unless its placeholders are still there.
    let has_placeholders = sql.contains("%s") || sql.contains("%(") || sql.contains('?');
    Some((sql, if has_placeholders { parameters::sets(arguments.trim()) } else { Parameters::None }))
}
