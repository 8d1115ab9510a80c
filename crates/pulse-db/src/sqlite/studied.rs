//! A statement that was looked at once: its calls, what it asks, and what is known of its tables.

use std::collections::BTreeMap;

use super::index_statistics::Estimator;
use super::plan_cost::Known;
use super::query_plan::PlanRow;
use super::quote;
use super::schema_copy::Shape;
use super::tokens;
use super::what_if::WhatIf;
use crate::candidate::{Candidate, CandidateReason};
use crate::catalog::{IndexPart, TableName, Term};
use crate::plan::{Access, Condition, Effect, Operator, Order, Question, Step};
use crate::workload::{Statement, Value, Values};

/// Calls of a statement that are planned: the first, one from the middle, the last.
const MAX_CALLS: usize = 3;
/// Questions that are kept of all calls together.
const MAX_QUESTIONS: usize = 64;

/// A statement that was looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Studied {
    /// Calls that are planned.
    pub calls: Vec<StudiedCall>,
    /// What the planner asked, of all calls.
    pub questions: Vec<Question>,
    /// What it does to tables.
    pub effects: Vec<Effect>,
    /// Other names of tables, in small letters.
    pub aliases: BTreeMap<String, TableName>,
}

/// A call of a statement.
#[derive(Clone, Debug, Default)]
pub(crate) struct StudiedCall {
    /// The statement.
    pub sql: String,
    /// Its values.
    pub values: Values,
    /// Rows it stops at.
    pub limit: Option<f64>,
    /// What the planner asked for this call.
    pub questions: Vec<Question>,
}

/// Calls that stand for all.
pub(super) fn calls_of(statement: &Statement) -> Studied {
    let call = |sql: &str, values: &Values| StudiedCall {
        sql: sql.trim().trim_end_matches(';').to_owned(),
        values: values.clone(),
        ..StudiedCall::default()
    };
    let samples = &statement.samples;
    let mut positions = vec![0, samples.len() / 2, samples.len().saturating_sub(1)];
    positions.dedup();
    positions.truncate(MAX_CALLS);
    let chosen = positions.into_iter().filter_map(|position| samples.get(position));
    let mut calls: Vec<_> =
        chosen.map(|sample| call(sample.sql.as_deref().unwrap_or(&statement.sql), &sample.values)).collect();
    if calls.is_empty() {
        calls.push(call(&statement.sql, &Values::default()));
    }
    Studied { calls, ..Studied::default() }
}

impl Studied {
    /// Adds what was learned of a call.
    pub(super) fn learn(
        &mut self,
        position: usize,
        effects: Vec<Effect>,
        limit: Option<f64>,
        questions: Vec<Question>,
    ) {
        if position == 0 {
            self.effects = effects;
        }
        for question in &questions {
            if self.questions.len() < MAX_QUESTIONS && !self.questions.contains(question) {
                self.questions.push(question.clone());
            }
        }
        if let Some(call) = self.calls.get_mut(position) {
            call.limit = limit;
            call.questions = questions;
        }
    }

    /// Indexes on expressions that the statement's words propose, on every table that it touches and that has such columns.
    pub(super) fn proposed_expressions(&self, shapes: &[Shape]) -> Vec<Candidate> {
        let Some(call) = self.calls.first() else { return Vec::new() };
        let mut found = Vec::new();
        for effect in &self.effects {
            let Some(shape) = shapes.iter().find(|shape| shape.table.is(&effect.table)) else {
                continue;
            };
            let expressions = tokens::expressions(&call.sql, |name| shape.position(name).is_some());
            for text in expressions {
                let part = IndexPart {
                    term: Term::Expression(text),
                    descending: false,
                    collation: "BINARY".to_owned(),
                };
                let candidate = Candidate {
                    table: shape.table.clone(),
                    parts: vec![part],
                    predicate: None,
                    reason: CandidateReason::Expression,
                };
                if !found.contains(&candidate) {
                    found.push(candidate);
                }
            }
        }
        found
    }

    /// Adds an expression that the planner would use to the questions of its table.
    pub(super) fn confirm(&mut self, candidate: Candidate, terms: &str) {
        let Some(part) = candidate.parts.into_iter().next() else { return };
        let known = self.questions.iter().position(|question| question.table.is(&candidate.table));
        let position = known.unwrap_or_else(|| {
            self.questions.push(Question { table: candidate.table, ..Question::default() });
            self.questions.len() - 1
        });
        let Some(question) = self.questions.get_mut(position) else { return };
        if terms.is_empty() {
            let order = Order { term: part.term, descending: false, collation: part.collation };
            if question.order.is_empty() {
                question.order.push(order);
            }
            return;
        }
        let operator = if terms.contains("<expr>=?") { Operator::Equal } else { Operator::Range };
        question.conditions.push(Condition {
            term: part.term,
            operator,
            collation: part.collation,
            value: None,
            joins: false,
        });
    }

    /// The tables that it reads or changes, some more than once.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &TableName> {
        self.effects.iter().map(|effect| &effect.table)
    }
}

/// What is known of the tables of one call.
pub(super) struct Sources<'a> {
    pub what_if: &'a WhatIf,
    pub studied: &'a Studied,
    pub position: usize,
}

impl Sources<'_> {
    /// The table that a step calls by its alias, by its name, or with its schema in front where the statement has it so.
    fn table(&self, source: &str) -> Option<&Shape> {
        if let Some(table) = self.studied.aliases.get(&source.to_ascii_lowercase()) {
            return self.what_if.shape(table);
        }
        let touched = self.studied.effects.iter().map(|effect| &effect.table);
        let touched = touched.into_iter().find(|table| table.name.eq_ignore_ascii_case(source));
        let placed = || {
            let (schema, name) = source.split_once('.')?;
            self.what_if.named(Some(schema), name)
        };
        match touched {
            Some(table) => self.what_if.shape(table),
            None => self.what_if.named(None, source).or_else(placed),
        }
    }

    fn questions(&self, table: &TableName) -> impl Iterator<Item = &Question> {
        let call = self.studied.calls.get(self.position);
        let questions = call.map_or(&[][..], |call| call.questions.as_slice());
        questions.iter().filter(move |question| question.table.is(table))
    }

    /// SQLite calls it a search when it looks for the smallest or largest value, even where it reads every row for that. Only
    /// the wanted order tells the two apart.
    pub(super) fn settle_ends(&self, row: &mut PlanRow, step: &mut Step) {
        let Access::Search { table, index: None, .. } = &step.access else { return };
        if row.detail.contains(" USING ") {
            return;
        }
        let shape = self.table(table);
        let is_by_number = shape.is_some_and(|shape| {
            let orders = self.questions(&shape.table).filter_map(|question| question.order.first());
            let first_of_key = shape.primary_key.first();
            orders.into_iter().any(|order| match &order.term {
                Term::RowNumber => true,
                Term::Column(column) => shape.is_clustered && Some(column) == first_of_key,
                Term::Expression(_) => false,
            })
        });
        if is_by_number {
            row.detail = format!("SEARCH {table} USING INTEGER PRIMARY KEY (rowid=?)");
            row.run_cost = 0;
        } else {
            row.detail = format!("SCAN {table}");
            step.access = Access::Scan { table: table.clone(), index: None, covering: false };
        }
    }
}

impl Known for Sources<'_> {
    fn size(&self, source: &str, index: Option<&str>) -> Option<(f64, f64)> {
        let shape = self.table(source)?;
        let rows = self.what_if.estimator.rows(&shape.table)? as f64;
        let rows = index.and_then(|index| self.what_if.given_rows(index)).unwrap_or(rows);
        Some((rows, self.what_if.estimator.row_bytes(&shape.table)))
    }

    fn rest_share(&self, source: &str, _index: Option<&str>, terms: &str) -> f64 {
        let Some(shape) = self.table(source) else { return 1.0 };
        let question = self.questions(&shape.table).max_by_key(|question| question.conditions.len());
        let rest = question.into_iter().flat_map(|question| &question.conditions);
        let rest = rest.filter(|condition| !condition.joins && !is_among(&condition.term, terms));
        rest.map(|condition| share(&self.what_if.estimator, &shape.table, condition)).product()
    }
}

/// Whether a term is one of the conditions that a step already uses, as its text names them.
fn is_among(term: &Term, terms: &str) -> bool {
    let name = match term {
        Term::Column(column) => column.as_str(),
        Term::Expression(_) => "<expr>",
        Term::RowNumber => "rowid",
    };
    terms.match_indices(name).any(|(at, _)| {
        let before = terms[..at].chars().next_back();
        let after = terms[at + name.len()..].chars().next();
        let is_start = before.is_none_or(|character| matches!(character, ' ' | '(' | ','));
        is_start && after.is_some_and(|character| matches!(character, '=' | '<' | '>' | ',' | ')'))
    })
}

/// The share of a table's rows that meet a condition.
pub(super) fn share(estimator: &Estimator, table: &TableName, condition: &Condition) -> f64 {
    let text = match &condition.term {
        Term::Column(column) => quote::name(column),
        Term::Expression(text) => format!("({text})"),
        Term::RowNumber => "rowid".to_owned(),
    };
    let compared = format!("{text} COLLATE {}", quote::name(&condition.collation));
    let one_of = || 1.0 / estimator.distinct(table, std::slice::from_ref(&compared)).unwrap_or(10.0).max(1.0);
    let share = match (condition.operator, &condition.value) {
        (Operator::Equal, Some(value)) if *value != Value::Null => {
            estimator.share(table, &format!("{compared} = ?1"), std::slice::from_ref(value))
        }
        (Operator::Equal, _) => Some(one_of()),
        (Operator::In, _) => Some((3.0 * one_of()).min(1.0)),
        (Operator::IsNull, _) => estimator.share(table, &format!("{text} IS NULL"), &[]),
        (Operator::IsNotNull, _) => estimator.share(table, &format!("{text} IS NOT NULL"), &[]),
        (Operator::Range, _) => Some(0.3),
        (Operator::Pattern, _) => Some(0.1),
        (Operator::NotEqual, _) => Some(0.9),
    };
    // What no sampled row meets, some row may.
    let least = 1.0 / estimator.rows(table).unwrap_or(1_000).max(1) as f64;
    share.unwrap_or(0.1).clamp(least, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_found_among_the_terms_of_a_step() {
        let column = |name: &str| Term::Column(name.to_owned());
        let cases = [
            ("a=? AND b>?", "a", true),
            ("a=? AND b>?", "b", true),
            ("aa=?", "a", false),
            ("a=?", "aa", false),
            ("(a,b)>(?,?)", "b", true),
            ("ANY(a) AND b=?", "a", true),
            ("", "a", false),
        ];
        for (terms, name, expected) in cases {
            assert_eq!(is_among(&column(name), terms), expected, "{name} in {terms}");
        }
        assert!(is_among(&Term::RowNumber, "rowid=?"));
    }

    #[test]
    fn the_first_the_middle_and_the_last_call_stand_for_all() {
        let call = |number: i64| crate::workload::Call {
            sql: None,
            values: Values::Positional(vec![Value::Integer(number)]),
        };
        for (count, expected) in [(0, vec![]), (1, vec![0]), (2, vec![0, 1]), (9, vec![0, 4, 8])] {
            let statement = Statement {
                sql: "SELECT ?;".to_owned(),
                samples: (0..count).map(call).collect(),
                ..Statement::default()
            };
            let studied = calls_of(&statement);
            let found = studied.calls.iter().filter_map(|call| match &call.values {
                Values::Positional(values) => match values.first() {
                    Some(Value::Integer(number)) => Some(*number),
                    _ => None,
                },
                Values::Named(_) => None,
            });
            let found: Vec<i64> = found.collect();
            assert_eq!(found, expected, "{count} samples");
            assert_eq!(studied.calls[0].sql, "SELECT ?");
        }
    }
}
