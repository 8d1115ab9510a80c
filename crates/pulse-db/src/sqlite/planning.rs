//! SQLite's planner as selection asks it. Reads the schema, statistics and a bounded sample; never writes.

use std::collections::BTreeSet;

use super::studied::{self, Studied};
use super::what_if::WhatIf;
use super::{Sqlite, index_name};
use crate::candidate::Candidate;
use crate::candidates::Predicate;
use crate::catalog::{TableName, Term, Unread};
use crate::change::{Change, ChangeKind};
use crate::error::DatabaseError;
use crate::plan::{Condition, Operator, Question};
use crate::planner::{Asked, Knowledge, Planner, Priced};
use crate::quote;
use crate::workload::{Statement, Value};
use pulse_model::Fix;

/// A copy of a database that can be asked, and what is known of the statements.
pub(crate) struct Planning {
    what_if: WhatIf,
    studied: Vec<Result<Studied, String>>,
}

impl Planning {
    /// Copies the schema, samples the tables, and studies the statements.
    pub(crate) fn begin(sqlite: &Sqlite, statements: &[Statement]) -> Result<Self, DatabaseError> {
        let mut what_if = WhatIf::open(sqlite, sqlite.what_if)?;
        let studied = statements.iter().map(|statement| what_if.study(statement)).collect();
        Ok(Self { what_if, studied })
    }

    fn studied(&self, statement: usize) -> Result<&Studied, String> {
        let studied = self.studied.get(statement).ok_or("there is no such statement")?;
        studied.as_ref().map_err(Clone::clone)
    }
}

impl Planner for Planning {
    fn asked(&self, statement: usize) -> Result<Asked<'_>, String> {
        let studied = self.studied(statement)?;
        Ok(Asked { questions: &studied.questions, effects: &studied.effects })
    }

    fn size_bytes(&mut self, candidate: &Candidate) -> Result<u64, String> {
        self.what_if.try_candidate(candidate).map(|tried| tried.size_bytes)
    }

    fn give(&mut self, candidates: &[&Candidate], knowledge: Knowledge) -> Result<(), String> {
        self.what_if.give(candidates, knowledge)
    }

    fn price(&self, statement: usize) -> Result<Priced, String> {
        self.what_if.price(self.studied(statement)?)
    }

    fn rows(&self, table: &TableName) -> Option<u64> {
        self.what_if.estimator.rows(table)
    }

    fn share(&self, table: &TableName, predicate: &str) -> Option<f64> {
        self.what_if.estimator.share(table, predicate, &[])
    }

    fn predicate(&self, question: &Question, condition: &Condition) -> Option<Predicate> {
        predicate(&self.what_if, question, condition)
    }

    fn create_index(&self, candidate: &Candidate) -> String {
        self.what_if.create_index(candidate, &index_name(candidate, |_| false))
    }

    /// The index and its statistics: without them the planner would not know what was assumed here. Of a table that never was
    /// analyzed all indexes are.
    fn change(&self, candidate: &Candidate, taken: &BTreeSet<String>) -> Change {
        let is_taken = |name: &str| self.what_if.is_taken(name) || taken.contains(&name.to_ascii_lowercase());
        let name = index_name(candidate, is_taken);
        let schema = quote::name(&candidate.table.schema);
        let index = quote::name(&name);
        let mut sql = vec![self.what_if.create_index(candidate, &name)];
        let mut undo = vec![format!("DROP INDEX {schema}.{index}")];
        let new = self.what_if.to_analyze(&candidate.table);
        if !new.contains(&candidate.table.folded()) {
            sql.push(format!("ANALYZE {schema}.{index}"));
        }
        for table in new.iter().map(|table| self.what_if.name_of(table)) {
            let schema = quote::name(&table.schema);
            sql.push(format!("ANALYZE {schema}.{}", quote::name(&table.name)));
            let literal = quote::literal(&table.name);
            let forget = ["sqlite_stat1", "sqlite_stat4"].map(|statistics| {
                format!("DELETE FROM {schema}.{statistics} WHERE tbl = {literal} COLLATE NOCASE")
            });
            undo.extend(forget);
        }
        let schema = candidate.table.schema.clone();
        Change { kind: ChangeKind::CreateIndex, schema, subject: name, fix: Fix { sql, undo } }
    }

    fn unread(&self) -> &[Unread] {
        self.what_if.unread()
    }
}

/// A condition on one column as an index's own, with the share of rows that meet it.
fn predicate(what_if: &WhatIf, question: &Question, condition: &Condition) -> Option<Predicate> {
    let Term::Column(column) = &condition.term else { return None };
    let name = quote::name(column);
    let sql = match (condition.operator, &condition.value) {
        (Operator::IsNull, _) => format!("{name} IS NULL"),
        (Operator::IsNotNull, _) => format!("{name} IS NOT NULL"),
        (Operator::Equal, Some(Value::Text(text))) if !text.contains('\0') => {
            format!("{name} = {}", quote::literal(text))
        }
        (Operator::Equal, Some(Value::Integer(number))) => format!("{name} = {number}"),
        _ => return None,
    };
    let table = what_if.shape(&question.table)?;
    let own = table.position(column).map(|at| &table.columns[at].collation)?;
    // The index's condition compares as its column does; a statement that compares otherwise could not use it.
    if condition.operator == Operator::Equal && !own.eq_ignore_ascii_case(&condition.collation) {
        return None;
    }
    // A value that hardly any row has is one of very many: an index for it alone would serve one call.
    let share = studied::share(&what_if.estimator, &question.table, condition);
    let values = what_if.estimator.distinct(&question.table, std::slice::from_ref(&name))?;
    let is_skewed =
        condition.operator != Operator::Equal || (values <= 64.0 && share < 0.5 / values.max(1.0));
    is_skewed.then_some(Predicate { sql, share })
}

#[cfg(test)]
#[path = "planning_tests.rs"]
mod tests;
