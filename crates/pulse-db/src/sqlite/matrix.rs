//! The cost matrix of a workload: every candidate is given to the planner, alone and with others, and what it chooses is priced.

use std::collections::{BTreeMap, BTreeSet};

use super::index_sql;
use super::quote;
use super::studied::{self, Studied};
use super::what_if::{Knowledge, Priced, WhatIf};
use crate::candidate::Candidate;
use crate::candidates::{self, CandidateLimits, Predicate};
use crate::catalog::{Catalog, Term};
use crate::plan::{Condition, EffectKind, Operator, Question};
use crate::selection::{AccessOption, CandidateCosts, CostMatrix, StatementCosts};
use crate::workload::{Value, Workload};

/// Candidates of a workload.
pub(crate) const MAX_CANDIDATES: usize = 1_200;
/// Candidates of one statement that are given to the planner at once.
const MAX_AT_ONCE: usize = 16;
/// What it costs to keep one row in one more index, without what the index's depth adds.
const WRITE_ROW: f64 = 8.0;

/// A workload that was weighed.
pub(crate) struct Weighed {
    /// Statements in order; the error is SQLite's, for what cannot be planned.
    pub statements: Vec<Result<WeighedStatement, String>>,
    /// Candidates in the order of the matrix.
    pub candidates: Vec<WeighedCandidate>,
    /// Candidates that cannot be made, and why.
    pub refused: Vec<(Candidate, String)>,
    /// Candidates beyond the limit.
    pub left_out: usize,
    /// What everything costs; statements that cannot be planned cost nothing.
    pub matrix: CostMatrix,
}

/// A statement that can be planned.
pub(crate) struct WeighedStatement {
    pub studied: Studied,
    pub before: Priced,
    /// Its own candidates, by position.
    pub own: Vec<usize>,
}

/// A candidate that can be made.
pub(crate) struct WeighedCandidate {
    pub candidate: Candidate,
    pub size_bytes: u64,
    pub write_cost: f64,
    /// Whether any statement's plan used it when it was given.
    pub is_used: bool,
}

/// Weighs a workload. Statements that matter most get their candidates first.
pub(crate) fn weigh(what_if: &mut WhatIf, catalog: &Catalog, workload: &Workload) -> Result<Weighed, String> {
    let studied: Vec<_> = workload.statements.iter().map(|statement| what_if.study(statement)).collect();
    what_if.give(&[], Knowledge::Full)?;
    let statements = studied.into_iter().map(|studied| {
        let studied = studied?;
        let before = what_if.price(&studied)?;
        Ok(WeighedStatement { studied, before, own: Vec::new() })
    });
    let statements: Vec<Result<WeighedStatement, String>> = statements.collect();
    let weights: Vec<_> = workload.statements.iter().map(|statement| statement.calls.max(1) as f64).collect();
    let mut weighed = Weighed {
        matrix: CostMatrix { statements: costs_before(&statements, &weights), candidates: Vec::new() },
        statements,
        candidates: Vec::new(),
        refused: Vec::new(),
        left_out: 0,
    };
    weighed.think(what_if, catalog);
    weighed.price_alone(what_if)?;
    weighed.price_together(what_if)?;
    weighed.price_writes(what_if);
    Ok(weighed)
}

fn costs_before(statements: &[Result<WeighedStatement, String>], weights: &[f64]) -> Vec<StatementCosts> {
    let cost = |statement: &Result<WeighedStatement, String>| {
        statement.as_ref().map_or(0.0, |known| known.before.cost)
    };
    let costs = statements.iter().zip(weights);
    costs
        .map(|(statement, &weight)| StatementCosts { weight, cost: cost(statement), options: Vec::new() })
        .collect()
}

impl Weighed {
    /// Candidates of all statements, dear statements first, then those that serve several.
    fn think(&mut self, what_if: &mut WhatIf, catalog: &Catalog) {
        let limits = CandidateLimits::default();
        let total = |position: usize| {
            let costs = &self.matrix.statements[position];
            costs.weight * costs.cost
        };
        let mut order: Vec<_> = (0..self.statements.len()).collect();
        order.sort_by(|&a, &b| total(b).total_cmp(&total(a)).then(a.cmp(&b)));
        let mut places: BTreeMap<_, usize> = BTreeMap::new();
        let mut proposals: Vec<Candidate> = Vec::new();
        for position in order {
            let Ok(statement) = &mut self.statements[position] else { continue };
            let few = |question: &Question, condition: &Condition| predicate(what_if, question, condition);
            let mut found = candidates::candidates(catalog, &statement.studied.questions, &few, limits);
            found.extend(candidates::foreign_keys(catalog, &statement.studied.effects));
            for candidate in found {
                let key = (candidate.table.clone(), candidate.parts.clone(), candidate.predicate.clone());
                let place = *places.entry(key).or_insert_with(|| {
                    proposals.push(candidate);
                    proposals.len() - 1
                });
                statement.own.push(place);
            }
        }
        proposals.extend(candidates::merged(catalog, &proposals, limits));
        self.left_out = proposals.len().saturating_sub(MAX_CANDIDATES);
        proposals.truncate(MAX_CANDIDATES);
        self.try_all(what_if, proposals);
    }

    /// Keeps what SQLite would make.
    fn try_all(&mut self, what_if: &mut WhatIf, proposals: Vec<Candidate>) {
        let mut places = Vec::new();
        for candidate in proposals {
            match what_if.try_candidate(&candidate).map(|tried| tried.size_bytes) {
                Ok(size_bytes) => {
                    places.push(Some(self.candidates.len()));
                    self.candidates.push(WeighedCandidate {
                        candidate,
                        size_bytes,
                        write_cost: 0.0,
                        is_used: false,
                    });
                }
                Err(error) => {
                    places.push(None);
                    self.refused.push((candidate, error));
                }
            }
        }
        for statement in self.statements.iter_mut().flatten() {
            let own = statement.own.iter().filter_map(|&place| places.get(place).copied().flatten());
            statement.own = own.collect();
        }
    }

    /// Gives each candidate alone to all statements that it could serve.
    fn price_alone(&mut self, what_if: &mut WhatIf) -> Result<(), String> {
        for position in 0..self.candidates.len() {
            what_if.give(&[&self.candidates[position].candidate], Knowledge::Full)?;
            for at in 0..self.statements.len() {
                let Ok(statement) = &self.statements[at] else { continue };
                let is_served = statement.own.contains(&position)
                    || could_serve(&self.candidates[position].candidate, &statement.studied.questions);
                if is_served && let Ok(priced) = what_if.price(&statement.studied) {
                    self.add_option(at, &[position], &priced);
                }
            }
        }
        Ok(())
    }

    /// Gives each statement several of its own candidates at once: joins and `OR` need them together.
    fn price_together(&mut self, what_if: &mut WhatIf) -> Result<(), String> {
        for at in 0..self.statements.len() {
            for given in [self.best_of_each_table(at), self.best_of_each_beginning(at)] {
                if given.len() < 2 {
                    continue;
                }
                let candidates: Vec<_> =
                    given.iter().map(|&position| &self.candidates[position].candidate).collect();
                what_if.give(&candidates, Knowledge::Full)?;
                let Ok(statement) = &self.statements[at] else { continue };
                if let Ok(priced) = what_if.price(&statement.studied) {
                    self.add_option(at, &given, &priced);
                }
            }
        }
        Ok(())
    }

    fn best_of_each_table(&self, at: usize) -> Vec<usize> {
        self.best_of_each(at, |candidate| candidate.table.clone())
    }

    fn best_of_each_beginning(&self, at: usize) -> Vec<usize> {
        self.best_of_each(at, |candidate| {
            (candidate.table.clone(), candidate.parts.first().map(|part| part.term.clone()))
        })
    }

    /// The cheapest own candidate of each group; one that helps nothing alone may help with others, so it stays in.
    fn best_of_each<K: Ord>(&self, at: usize, group: impl Fn(&Candidate) -> K) -> Vec<usize> {
        let Ok(statement) = &self.statements[at] else { return Vec::new() };
        let costs = &self.matrix.statements[at];
        let alone = |position: usize| {
            let option = costs.options.iter().find(|option| option.indexes == [position]);
            option.map_or(costs.cost, |option| option.cost)
        };
        let mut best: BTreeMap<K, usize> = BTreeMap::new();
        for &position in &statement.own {
            let key = group(&self.candidates[position].candidate);
            let known = best.entry(key).or_insert(position);
            if alone(position) < alone(*known) {
                *known = position;
            }
        }
        best.into_values().take(MAX_AT_ONCE).collect()
    }

    fn add_option(&mut self, at: usize, given: &[usize], priced: &Priced) {
        let indexes: BTreeSet<_> =
            priced.used.iter().filter_map(|&position| given.get(position).copied()).collect();
        for &index in &indexes {
            self.candidates[index].is_used = true;
        }
        let costs = &mut self.matrix.statements[at];
        let indexes: Vec<_> = indexes.into_iter().collect();
        if !indexes.is_empty() && priced.cost < costs.cost {
            let option = AccessOption { indexes, cost: priced.cost };
            if !costs.options.contains(&option) {
                costs.options.push(option);
            }
        }
    }

    fn price_writes(&mut self, what_if: &WhatIf) {
        for candidate in &mut self.candidates {
            let mut cost = 0.0;
            for (statement, costs) in self.statements.iter().zip(&self.matrix.statements) {
                if let Ok(statement) = statement {
                    cost += costs.weight * writes(what_if, &candidate.candidate, statement);
                }
            }
            candidate.write_cost = cost;
        }
        let costs = self.candidates.iter();
        self.matrix.candidates = costs
            .map(|candidate| CandidateCosts {
                size_bytes: candidate.size_bytes,
                write_cost: candidate.write_cost,
            })
            .collect();
    }
}

/// What one run of a statement costs more with an index: rows that are written to it, each a search and a change.
fn writes(what_if: &WhatIf, candidate: &Candidate, statement: &WeighedStatement) -> f64 {
    let rows = what_if.estimator.rows(&candidate.table).unwrap_or(1_000).max(2) as f64;
    let each = WRITE_ROW + rows.log2() / 2.0;
    let effects = statement.studied.writes().filter(|effect| effect.table.is(&candidate.table));
    let share = candidate
        .predicate
        .as_ref()
        .map_or(1.0, |predicate| what_if.estimator.share(&candidate.table, predicate, &[]).unwrap_or(1.0));
    let changes: f64 = effects
        .map(|effect| match effect.kind {
            EffectKind::Insert | EffectKind::Delete => 1.0,
            // The old entry goes, and the new one comes.
            EffectKind::Update if effect.columns.iter().any(|column| holds(candidate, column)) => 2.0,
            EffectKind::Update | EffectKind::Read => 0.0,
        })
        .sum();
    changes * each * share * statement.before.rows.max(1.0)
}

/// Whether an index changes when a column does. Expressions and predicates are texts: where a column's name is in one, it may.
fn holds(candidate: &Candidate, column: &str) -> bool {
    let is_in = |text: &str| text.to_ascii_lowercase().contains(&column.to_ascii_lowercase());
    candidate.parts.iter().any(|part| match &part.term {
        Term::Column(name) => name.eq_ignore_ascii_case(column),
        Term::Expression(text) => is_in(text),
        Term::RowNumber => false,
    }) || candidate.predicate.as_deref().is_some_and(is_in)
}

/// Whether the planner could use a candidate of another statement: it begins with something that is compared or sorted by, or
/// holds all that is read.
fn could_serve(candidate: &Candidate, questions: &[Question]) -> bool {
    let Some(first) = candidate.parts.first() else { return false };
    questions.iter().filter(|question| question.table.is(&candidate.table)).any(|question| {
        let compares = question.conditions.iter().any(|condition| {
            condition.term == first.term && super::questions::is_indexable(condition.operator)
        });
        let sorts = question.order.first().is_some_and(|order| order.term == first.term);
        let holds_all =
            !question.used.is_empty() && question.used.iter().all(|column| holds(candidate, column));
        compares || sorts || holds_all
    })
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

/// The name that a chosen candidate gets.
pub(crate) fn name_for(what_if: &WhatIf, candidate: &Candidate, taken: &BTreeSet<String>) -> String {
    index_sql::index_name(candidate, |name| {
        what_if.is_taken(name) || taken.contains(&name.to_ascii_lowercase())
    })
}
