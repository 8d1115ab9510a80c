//! A planner that is asked what would be: how statements would be answered, and at what cost, if there were other indexes.

use std::collections::BTreeSet;

use crate::candidate::Candidate;
use crate::candidates::Predicate;
use crate::catalog::{TableName, Unread};
use crate::change::Change;
use crate::error::DatabaseError;
use crate::plan::{Condition, Effect, Explained, QueryPlan, Question};

/// One sitting with a planner over some statements, which are named by their position. Selection asks hundreds of questions, so
/// that whatever is dear (copies of a schema, samples) is done once, when [`Driver::planner`](crate::Driver::planner) begins it.
///
/// Errors are the database's words, for people.
pub trait Planner {
    /// What a statement asks of tables and does to them.
    ///
    /// # Errors
    /// When it cannot be prepared.
    fn asked(&self, statement: usize) -> Result<Asked<'_>, String>;

    /// Bytes that a candidate would have.
    ///
    /// # Errors
    /// When there can be no such index.
    fn size_bytes(&mut self, candidate: &Candidate) -> Result<u64, String>;

    /// From now on there are these candidates and no others.
    ///
    /// # Errors
    /// When one of them cannot be an index.
    fn give(&mut self, candidates: &[&Candidate], knowledge: Knowledge) -> Result<(), String>;

    /// How a statement would be answered with the candidates that there are now.
    ///
    /// # Errors
    /// When it cannot be planned.
    fn price(&self, statement: usize) -> Result<Priced, String>;

    /// Rows of a table, where they are known.
    fn rows(&self, table: &TableName) -> Option<u64>;

    /// The share of a table's rows that meet an index's condition, where it is known.
    fn share(&self, table: &TableName, predicate: &str) -> Option<f64>;

    /// A condition as an index's own, where it can be one and few rows meet it.
    fn predicate(&self, question: &Question, condition: &Condition) -> Option<Predicate>;

    /// The statement that would make a candidate.
    fn create_index(&self, candidate: &Candidate) -> String;

    /// How a candidate is made, and taken back: its name is the subject, and none of those that are taken (in small letters).
    fn change(&self, candidate: &Candidate, taken: &BTreeSet<String>) -> Change;

    /// What of the schema the planner does not know: statements that need it cannot be planned.
    fn unread(&self) -> &[Unread];
}

/// What a statement asks of tables and does to them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// What the planner asked tables for, of all calls.
    pub questions: &'a [Question],
    /// What is done to tables.
    pub effects: &'a [Effect],
}

/// What the planner is told about tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// What it will know: the file's own statistics, and those of tables that get an index and of tables that are read
    /// beside them.
    AsBuilt,
    /// Everything: costs of tables that never were analyzed are comparable only so.
    Full,
}

/// A plan and what it costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Priced {
    /// The plan of the first call.
    pub plan: QueryPlan,
    /// The mean cost of the calls, in the planner's unit.
    pub cost: f64,
    /// Rows that come out, before any limit.
    pub rows: f64,
    /// Which of the given candidates are used by any call, by position.
    pub used: BTreeSet<usize>,
}

/// How each statement would be answered with these candidates. Plans are those of what the planner knew then; costs are those by
/// all that is known here, so that they can be compared whether or not a table was ever analyzed.
pub(crate) fn explained(
    planner: &mut dyn Planner,
    statements: usize,
    given: &[Candidate],
) -> Result<Vec<Result<Explained, String>>, DatabaseError> {
    let given: Vec<_> = given.iter().collect();
    let refused =
        |message| DatabaseError::Refused { reason: format!("cannot think of such an index: {message}") };
    planner.give(&given, Knowledge::Full).map_err(refused)?;
    let costs: Vec<_> = (0..statements).map(|statement| planner.price(statement).ok()).collect();
    planner.give(&given, Knowledge::AsBuilt).map_err(refused)?;
    let explained = costs.into_iter().enumerate().map(|(statement, priced)| {
        let asked = planner.asked(statement)?;
        let now = planner.price(statement)?;
        let cost = priced.map_or(now.cost, |priced| priced.cost);
        let (questions, effects) = (asked.questions.to_vec(), asked.effects.to_vec());
        Ok(Explained { plan: now.plan, cost, questions, effects })
    });
    Ok(explained.collect())
}
