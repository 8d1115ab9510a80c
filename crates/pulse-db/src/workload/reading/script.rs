//! Files of SQL: statements, with comments that say how often they are called and with what.
//!
//! ```sql
//! -- calls: 120
//! -- values: ["AAPL", 10]
//! SELECT * FROM trades WHERE symbol = ? ORDER BY executed_at DESC LIMIT ?;
//! ```

use super::builder::Entry;
use super::line::{Line, StatementLine};
use super::splitter::{Piece, Splitter};
use super::{Values, WorkloadBuilder};

/// Reads a file of SQL line by line.
#[derive(Debug)]
pub(super) struct ScriptReader {
    name: String,
    splitter: Splitter,
    calls: u64,
    values: Option<Values>,
}

impl ScriptReader {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), splitter: Splitter::default(), calls: 1, values: None }
    }

    pub(super) fn line(&mut self, line: &str, number: u64, builder: &mut WorkloadBuilder) {
        if self.splitter.is_between() {
            let text = line.trim();
            // A command of SQLite's shell, such as `.mode column`.
            if text.starts_with('.') {
                let origin = format!("{}:{number}", self.name);
                builder.skip(&origin, text, "a command of the shell", 1);
                return;
            }
            if let Some(comment) = text.strip_prefix("--") {
                self.directive(comment.trim(), number, builder);
            }
        }
        for piece in self.splitter.push_line(line, number) {
            self.add(piece, builder);
        }
    }

    /// Forgets the statement that a part is missing of; most probably it ended in that part.
    pub(super) fn abandon(&mut self) {
        (self.splitter, self.calls, self.values) = (Splitter::default(), 1, None);
    }

    pub(super) fn finish(&mut self, builder: &mut WorkloadBuilder) {
        if let Some(piece) = self.splitter.finish() {
            self.add(piece, builder);
        }
    }

    /// A comment may be about the statement after it.
    fn directive(&mut self, comment: &str, number: u64, builder: &mut WorkloadBuilder) {
        let Some((name, value)) = comment.split_once([':', '=']) else {
            return;
        };
        let value = value.trim();
        let origin = || format!("{}:{number}", self.name);
        match name.trim().to_ascii_lowercase().as_str() {
            "calls" => match value.replace('_', "").parse() {
                Ok(calls) if calls > 0 => self.calls = calls,
                _ => builder.skip(&origin(), comment, "a comment about calls without a number of them", 1),
            },
            "values" => match values(value) {
                Some(values) => self.values = Some(values),
                None => builder.skip(
                    &origin(),
                    comment,
                    "a comment about values that are no JSON list or object",
                    1,
                ),
            },
            _ => {}
        }
    }

    fn add(&mut self, piece: Piece, builder: &mut WorkloadBuilder) {
        let calls = std::mem::replace(&mut self.calls, 1);
        let values = self.values.take().unwrap_or_default();
        let origin = format!("{}:{}", self.name, piece.line);
        if piece.is_too_long {
            builder.skip(&origin, &piece.sql, "a statement that is too long", calls);
        } else {
            builder.add(Entry { sql: piece.sql, values, calls, duration_ns: None }, &origin);
        }
    }
}

/// Values as a line of a workload file has them.
fn values(text: &str) -> Option<Values> {
    // The same reader, so that a value means the same in both.
    let line = format!(r#"{{"statement":"","values":{text}}}"#);
    match Line::parse(line.as_bytes()) {
        Ok(Line::Statement(StatementLine { values, .. })) => values,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Value, Workload};

    fn read(text: &str) -> Workload {
        let mut builder = WorkloadBuilder::new(1);
        let mut reader = ScriptReader::new("q.sql");
        for (number, line) in (1..).zip(text.lines()) {
            reader.line(line, number, &mut builder);
        }
        reader.finish(&mut builder);
        builder.finish()
    }

    #[test]
    fn comments_say_how_often() {
        let workload = read(
            "-- all of them\nSELECT a FROM t;\n-- calls: 1_200\nSELECT b\n  FROM t; SELECT c FROM t;\n-- calls=7\n\
             -- values: [\"AAPL\", 10]\nSELECT ?, ?",
        );
        let seen: Vec<(&str, u64, &str)> = workload
            .statements
            .iter()
            .map(|statement| (statement.form.as_str(), statement.calls, statement.origin.as_str()))
            .collect();
        let expected = [
            ("SELECT a FROM t", 1, "q.sql:2"),
            ("SELECT b FROM t", 1200, "q.sql:4"),
            ("SELECT c FROM t", 1, "q.sql:5"),
            ("SELECT ?, ?", 7, "q.sql:8"),
        ];
        assert_eq!(seen, expected);
        let values = Values::Positional(vec![Value::Text("AAPL".to_owned()), Value::Integer(10)]);
        assert_eq!(workload.statements[3].samples[0].values, values);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let workload =
            read(".mode column\n-- calls: many\n-- values: 7\nSELECT 1;\nBEGIN;\nEND;\nCREATE TABLE a (b);");
        assert_eq!(workload.calls(), 1);
        let seen: Vec<(&str, u64)> =
            workload.skipped.iter().map(|skipped| (skipped.origin.as_str(), skipped.count)).collect();
        assert_eq!(
            seen,
            [("q.sql:1", 1), ("q.sql:2", 1), ("q.sql:3", 1), ("q.sql:5", 1), ("q.sql:6", 1), ("q.sql:7", 1)]
        );
    }

    #[test]
    fn a_string_may_hold_what_looks_like_a_comment() {
        let workload = read("SELECT 'a\n-- calls: 9\n.b' FROM t;");
        assert_eq!(workload.calls(), 1);
        assert_eq!(workload.skipped, []);
    }
}
