//! Logs of applications: statements, with durations and parameters where they are logged.
//!
//! Every line is tried as each framework writes it, so that a log may hold lines of several, and anything else between them.

mod django;
mod duration;
mod parameters;
mod placeholders;
mod plain;
mod rails;
mod sqlalchemy;

use std::borrow::Cow;
use std::sync::LazyLock;

use pulse_model::statement_kind;
use regex::Regex;

use super::builder::Entry;
use super::{MAX_STATEMENT_BYTES, Values, WorkloadBuilder};
use parameters::Parameters;

/// A statement as a log has it.
#[derive(Debug, PartialEq)]
struct Found {
    sql: String,
    parameters: Parameters,
    duration_ns: Option<u64>,
}

/// A statement that may go on in the next line.
#[derive(Debug)]
struct Pending {
    sql: String,
    line: u64,
    duration_ns: Option<u64>,
    framework: Framework,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framework {
    SqlAlchemy,
    Django,
}

/// Reads a log line by line.
#[derive(Debug)]
pub(super) struct LogReader {
    name: String,
    pending: Option<Pending>,
}

/// Whether a line is one of a log of statements.
pub(super) fn is_logged(line: &str) -> bool {
    let line = without_colours(line);
    sqlalchemy::message(&line).is_some()
        || django::begin(&line).is_some()
        || rails::statement(&line).is_some()
        || plain::statement(&line).is_some()
}

impl LogReader {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), pending: None }
    }

    pub(super) fn line(&mut self, line: &str, number: u64, builder: &mut WorkloadBuilder) {
        let line = without_colours(line);
        if let Some(message) = sqlalchemy::message(&line) {
            self.message(message, number, builder);
            return;
        }
        if self.goes_on(&line, builder) {
            return;
        }
        if let Some((duration_ns, sql)) = django::begin(&line) {
            self.flush(builder);
            match django::end(sql) {
                Some((sql, parameters)) => {
                    let duration_ns = Some(duration_ns);
                    self.add(Found { sql: sql.to_owned(), parameters, duration_ns }, number, builder);
                }
                None => self.begin(sql, number, Some(duration_ns), Framework::Django),
            }
        } else if let Some(statement) = rails::statement(&line) {
            match statement {
                rails::Line::Statement(found) => self.add(found, number, builder),
                rails::Line::Cached(sql) => {
                    self.skip(number, sql, "answered from the application's cache", builder);
                }
            }
        } else if let Some(found) = plain::statement(&line) {
            self.add(found, number, builder);
        } else if !line.trim().is_empty() {
            self.skip(number, &line, "a line without a statement and its duration", builder);
        }
    }

    pub(super) fn finish(&mut self, builder: &mut WorkloadBuilder) {
        self.flush(builder);
    }

    /// A message of `SQLAlchemy`: a statement, or the parameters of the one before.
    fn message(&mut self, message: &str, number: u64, builder: &mut WorkloadBuilder) {
        let is_pending =
            self.pending.as_ref().is_some_and(|pending| pending.framework == Framework::SqlAlchemy);
        match sqlalchemy::parameters(message) {
            Some(parameters) if is_pending => {
                if let Some(pending) = self.pending.take() {
                    let found = Found { sql: pending.sql, parameters, duration_ns: None };
                    self.add(found, pending.line, builder);
                }
            }
            _ => {
                self.flush(builder);
                if statement_kind(message) == "other" {
                    self.skip(number, message, "a line without a statement and its duration", builder);
                } else {
                    self.begin(message, number, None, Framework::SqlAlchemy);
                }
            }
        }
    }

    /// Whether the line belongs to the statement before; it is taken then.
    fn goes_on(&mut self, line: &str, builder: &mut WorkloadBuilder) -> bool {
        if self.pending.is_none() {
            return false;
        }
        if is_record(line) || django::begin(line).is_some() {
            self.flush(builder);
            return false;
        }
        let Some(mut pending) = self.pending.take() else {
            return false;
        };
        if pending.sql.len() + line.len() >= MAX_STATEMENT_BYTES {
            self.skip(pending.line, &pending.sql, "a statement that is too long", builder);
            return true;
        }
        pending.sql.push('\n');
        pending.sql.push_str(line);
        let may_end = pending.framework == Framework::Django && line.contains(django::END);
        // Looked for where it can be, since the text may have very many lines.
        match may_end.then(|| django::end(&pending.sql)).flatten() {
            Some((sql, parameters)) => {
                let found = Found { sql: sql.to_owned(), parameters, duration_ns: pending.duration_ns };
                self.add(found, pending.line, builder);
            }
            None => self.pending = Some(pending),
        }
        true
    }

    fn begin(&mut self, sql: &str, line: u64, duration_ns: Option<u64>, framework: Framework) {
        self.pending = Some(Pending { sql: sql.to_owned(), line, duration_ns, framework });
    }

    /// The statement whose parameters did not come.
    fn flush(&mut self, builder: &mut WorkloadBuilder) {
        if let Some(Pending { sql, line, duration_ns, .. }) = self.pending.take() {
            self.add(Found { sql, parameters: Parameters::None, duration_ns }, line, builder);
        }
    }

    fn add(&self, found: Found, line: u64, builder: &mut WorkloadBuilder) {
        let origin = format!("{}:{line}", self.name);
        let sql = placeholders::standard(found.sql.trim().trim_end_matches(';'));
        let mut add = |values: Values, calls: u64, duration_ns: Option<u64>| {
            builder.add(Entry { sql: sql.clone(), values, calls, duration_ns }, &origin);
        };
        match found.parameters {
            Parameters::None => add(Values::default(), 1, found.duration_ns),
            Parameters::One(values) => add(values, 1, found.duration_ns),
            Parameters::Many { sets, calls } => {
                // Those that the log shows stand for those that it leaves out, and none is measured on its own.
                let shown = (sets.len() as u64).max(1);
                for (number, values) in (0..).zip(sets) {
                    add(values, calls / shown + u64::from(number < calls % shown), None);
                }
            }
            Parameters::Unreadable => {
                add(Values::default(), 1, found.duration_ns);
                let reason =
                    "parameters that are cut, hidden or not understood: the statement is kept without them";
                builder.skip(&origin, &sql, reason, 1);
            }
        }
    }

    fn skip(&self, line: u64, text: &str, reason: &str, builder: &mut WorkloadBuilder) {
        builder.skip(&format!("{}:{line}", self.name), text.trim(), reason, 1);
    }
}

/// Whether a line begins a record of a log, as most of them look.
fn is_record(line: &str) -> bool {
    static RECORD: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^\s*(?:\[?\d{4}-\d\d-\d\d[T ]|\[?(?:DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|TRACE)\b|[DIWEF], \[|Traceback )")
            .expect("the pattern is one")
    });
    RECORD.is_match(line)
}

/// A line without what makes terminals colourful.
fn without_colours(line: &str) -> Cow<'_, str> {
    static COLOUR: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("\u{1b}\\[[0-9;]*[A-Za-z]").expect("the pattern is one"));
    if line.contains('\u{1b}') { COLOUR.replace_all(line, "") } else { Cow::Borrowed(line) }
}

#[cfg(test)]
mod tests;
