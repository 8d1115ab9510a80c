//! What `SQLite` tells about the statements of one connection, made into calls with their durations.
//!
//! Its own figure for a duration is in whole milliseconds, so that the time is taken here: from the first step to the last row,
//! or to the moment at which the program wants no more of them.

use std::time::{Duration, Instant};

use pulse_model::statement_kind;
use rusqlite::trace::{StmtRef, TraceEvent};

use crate::workload::StatementLine;

/// Statements of a connection that are open at the same time; further ones are not recorded.
const MAX_RUNNING: usize = 64;
/// The longest text; with values it may be longer, and is then written without them.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// Listens to one connection.
pub(super) struct Tap<P, A> {
    has_values: bool,
    push: P,
    also: A,
    running: Vec<Running>,
}

/// A statement between its first step and its end.
struct Running {
    /// Where its text is in memory, which no two statements share as long as they live.
    text: usize,
    began: Instant,
    /// Whether it gives no rows before it has done all its work.
    is_closed: bool,
}

impl<P: FnMut(StatementLine), A: FnMut(&str, Duration)> Tap<P, A> {
    pub(super) fn new(has_values: bool, push: P, also: A) -> Self {
        Self { has_values, push, also, running: Vec::with_capacity(4) }
    }

    pub(super) fn note(&mut self, event: &TraceEvent<'_>) {
        match event {
            TraceEvent::Stmt(statement, text) => self.begin(statement, text),
            TraceEvent::Profile(statement, _) => self.end(statement),
            _ => {}
        }
    }

    fn begin(&mut self, statement: &StmtRef<'_>, text: &str) {
        let sql = statement.sql();
        // A trigger's beginning is told as a comment, within the statement that set it off.
        if sql.is_empty() || sql != text || self.is_nested(&sql) {
            return;
        }
        let text = sql.as_ptr() as usize;
        self.running.retain(|running| running.text != text);
        if self.running.len() < MAX_RUNNING {
            let is_closed = !matches!(statement_kind(&sql), "select" | "with");
            self.running.push(Running { text, began: Instant::now(), is_closed });
        }
    }

    /// Whether another statement runs this one. Between two rows of a query a program may run what it wants; during a
    /// statement without rows only SQLite itself does. Full-text search runs statements during queries, too: they name
    /// its tables as nobody else does.
    fn is_nested(&self, sql: &str) -> bool {
        self.running.iter().any(|running| running.is_closed)
            || (!self.running.is_empty() && sql.contains("'.'"))
    }

    fn end(&mut self, statement: &StmtRef<'_>) {
        let sql = statement.sql();
        let text = sql.as_ptr() as usize;
        let Some(at) = self.running.iter().position(|running| running.text == text) else {
            return;
        };
        let duration = self.running.swap_remove(at).began.elapsed();
        (self.also)(&sql, duration);
        if statement_kind(&sql) == "transaction" {
            return;
        }
        let expanded = if self.has_values { statement.expanded_sql() } else { None };
        let text = expanded.filter(|text| text.len() <= MAX_TEXT_BYTES).unwrap_or_else(|| sql.into_owned());
        (self.push)(StatementLine {
            statement: text,
            calls: 1,
            duration_ns: Some(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)),
            rows: None,
            values: None,
        });
    }
}
