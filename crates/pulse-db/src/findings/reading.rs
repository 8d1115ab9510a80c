//! What statements do to tables, found in their plans.

use super::FindingsInput;
use crate::catalog::{Table, TableName, Term};
use crate::plan::{Access, Condition, EffectKind, Explained, Operator, Question};
use crate::tokens::{Token, tokens};
use crate::workload::Statement;

/// A statement that could be explained.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    /// Its position in the workload.
    pub(super) at: usize,
    /// The statement.
    pub(super) statement: &'a Statement,
    /// How it is answered.
    pub(super) explained: &'a Explained,
}

/// The statements that could be explained.
pub(super) fn readings<'a>(input: &FindingsInput<'a>) -> impl Iterator<Item = Reading<'a>> {
    let pairs = input.workload.statements.iter().zip(input.explained).enumerate();
    pairs.filter_map(|(at, (statement, explained))| {
        Some(Reading { at, statement, explained: explained.as_ref().ok()? })
    })
}

impl<'a> Reading<'a> {
    /// Tables whose rows are all read, each once.
    pub(super) fn scanned(&self, input: &FindingsInput<'a>) -> Vec<&'a Table> {
        self.tables(input, |access| match access {
            Access::Scan { table, .. } => Some(table),
            _ => None,
        })
    }

    /// Tables for which an index is built and thrown away, each once.
    pub(super) fn indexed_for_once(&self, input: &FindingsInput<'a>) -> Vec<&'a Table> {
        self.tables(input, |access| match access {
            Access::AutomaticIndex { table } => Some(table),
            _ => None,
        })
    }

    /// What is sorted beside the tables: `ORDER BY`.
    pub(super) fn sorts(&self) -> Vec<&'a str> {
        let steps = self.explained.plan.steps.iter();
        steps
            .filter_map(|step| match &step.access {
                Access::Sort { purpose } => Some(purpose.as_str()),
                _ => None,
            })
            .collect()
    }

    /// Whether its plan uses this index.
    pub(super) fn uses(&self, index: &str) -> bool {
        self.explained.plan.steps.iter().any(|step| match &step.access {
            Access::Scan { index: Some(used), .. } | Access::Search { index: Some(used), .. } => {
                used.eq_ignore_ascii_case(index)
            }
            _ => false,
        })
    }

    /// Whether it does this to the table.
    pub(super) fn does(&self, kind: EffectKind, table: &TableName) -> bool {
        self.explained.effects.iter().any(|effect| effect.kind == kind && effect.table.is(table))
    }

    /// What was asked of a table.
    pub(super) fn questions(&self, table: &'a Table) -> impl Iterator<Item = &'a Question> {
        self.explained.questions.iter().filter(|question| question.table.is(&table.name))
    }

    fn tables(&self, input: &FindingsInput<'a>, chosen: fn(&Access) -> Option<&String>) -> Vec<&'a Table> {
        let mut found: Vec<&Table> = Vec::new();
        for name in self.explained.plan.steps.iter().filter_map(|step| chosen(&step.access)) {
            let Some(table) = self.resolved(input, name) else { continue };
            if !found.iter().any(|other| other.name.is(&table.name)) {
                found.push(table);
            }
        }
        found
    }

    /// The table that a step of a plan means: by its name, by its alias in the statement, or as the only one there is.
    fn resolved(&self, input: &FindingsInput<'a>, name: &str) -> Option<&'a Table> {
        if let Some(table) = input.catalog.table(&TableName::main(name)) {
            return Some(table);
        }
        let words = tokens(&self.statement.sql);
        for (at, word) in words.iter().enumerate().skip(1) {
            if word.name().is_some_and(|word| word.eq_ignore_ascii_case(name)) {
                let before = &words[..at];
                let named = before.last().filter(|last| !last.is("AS")).or_else(|| before.iter().nth_back(1));
                let table = named.and_then(Token::name);
                if let Some(table) = table.and_then(|table| input.catalog.table(&TableName::main(table))) {
                    return Some(table);
                }
            }
        }
        let mut read: Vec<&TableName> = self.explained.effects.iter().map(|effect| &effect.table).collect();
        read.dedup();
        match read.as_slice() {
            [only] => input.catalog.table(only),
            _ => None,
        }
    }
}

/// Whether an index could answer a condition.
pub(super) fn is_answerable(condition: &Condition) -> bool {
    matches!(condition.operator, Operator::Equal | Operator::In | Operator::Range | Operator::IsNull)
}

/// Rows of a table, from the best source there is.
pub(super) fn rows(table: &Table) -> Option<u64> {
    table.rows.or(table.analyzed_rows)
}

/// Whether a text names this word, in quotes or not: the careful side, where naming it is reason enough to leave it alone.
pub(super) fn mentions(sql: &str, name: &str) -> bool {
    tokens(sql).iter().filter_map(Token::name).any(|word| word.eq_ignore_ascii_case(name))
}

/// Whether a statement that could not be explained may be about this table, so that nothing can be said of what it needs.
pub(super) fn is_in_the_dark(input: &FindingsInput<'_>, table: &Table) -> bool {
    let statements = input.workload.statements.iter().enumerate();
    statements
        .filter(|(at, _)| !matches!(input.explained.get(*at), Some(Ok(_))))
        .any(|(_, statement)| mentions(&statement.sql, &table.name.name))
}

/// A term for people.
pub(super) fn shown_term(term: &Term) -> String {
    match term {
        Term::Column(name) => name.clone(),
        Term::Expression(text) => text.clone(),
        Term::RowNumber => "rowid".to_owned(),
    }
}

/// The statements of the workload, of their samples, and of views and triggers.
pub(super) fn texts<'a>(input: &FindingsInput<'a>) -> impl Iterator<Item = &'a str> {
    let statements = input.workload.statements.iter();
    let asked = statements.flat_map(|statement| {
        let samples = statement.samples.iter().filter_map(|call| call.sql.as_deref());
        std::iter::once(statement.sql.as_str()).chain(samples)
    });
    asked.chain(input.catalog.routines.iter().map(|routine| routine.sql.as_str()))
}
