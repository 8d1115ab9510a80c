//! What Rails' `ActiveRecord` writes: `Trade Load (1.2ms)  SELECT … WHERE symbol = ?  [["symbol", "AAPL"]]`.

use std::sync::LazyLock;

use pulse_model::statement_kind;
use regex::Regex;

use super::Found;
use super::duration;
use super::parameters::{self, Parameters};

/// A line of it.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// A statement that was sent.
    Statement(Found),
    /// One that was not, since its answer was still there.
    Cached(&'a str),
}

/// The statement of a line.
pub(super) fn statement(line: &str) -> Option<Line<'_>> {
    static NAME: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?:^|\s)(CACHE )?(?:[A-Z][\w:]*(?: [A-Z]\w*)*)? ?\((\d{1,12}(?:\.\d{1,9})?)(ms)\)  ?(\S.*)$",
        )
        .expect("the pattern is one")
    });
    let found = NAME.captures(line)?;
    let rest = found.get(4)?.as_str().trim_end();
    if statement_kind(rest) == "other" {
        return None;
    }
    if found.get(1).is_some() {
        return Some(Line::Cached(rest));
    }
    let (sql, parameters) = match rest.rfind("  [[").map(|at| rest.split_at(at)) {
        Some((sql, binds)) => (sql, parameters::pairs(binds.trim())),
        None => (rest, Parameters::None),
    };
    let duration_ns = duration::nanoseconds(&found[2], &found[3]);
    Some(Line::Statement(Found { sql: sql.to_owned(), parameters, duration_ns }))
}
