//! The cost matrix of a workload: every candidate is given to the planner, alone and with others, and what it chooses is priced.

use std::collections::{BTreeMap, BTreeSet};

use crate::candidate::Candidate;
use crate::candidates::{self, CandidateLimits};
use crate::catalog::{Catalog, Term};
use crate::plan::{Condition, Effect, EffectKind, Question};
use crate::planner::{Asked, Knowledge, Planner, Priced};
use crate::selection::{AccessOption, CandidateCosts, CostMatrix, StatementCosts};
use crate::workload::Workload;

/// Candidates of a workload.
pub(crate) const MAX_CANDIDATES: usize = 1_200;
/// Candidates of one statement that are given to the planner at once.
const MAX_AT_ONCE: usize = 16;
/// What it costs to keep one row in one more index, without what the index's depth adds.
const WRITE_ROW: f64 = 8.0;

/// A workload that was weighed.
pub(crate) struct Weighed {
    /// Statements in order; the error is the database's, for what cannot be planned.
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
pub(crate) fn weigh(
    planner: &mut dyn Planner,
    catalog: &Catalog,
    workload: &Workload,
) -> Result<Weighed, String> {
    planner.give(&[], Knowledge::Full)?;
    let statements = (0..workload.statements.len())
        .map(|position| Ok(WeighedStatement { before: planner.price(position)?, own: Vec::new() }));
    let statements: Vec<Result<WeighedStatement, String>> = statements.collect();
    let weights: Vec<_> = workload.statements.iter().map(|statement| statement.calls.max(1) as f64).collect();
    let mut weighed = Weighed {
        matrix: CostMatrix { statements: costs_before(&statements, &weights), candidates: Vec::new() },
        statements,
        candidates: Vec::new(),
        refused: Vec::new(),
        left_out: 0,
    };
    weighed.think(planner, catalog);
    weighed.price_alone(planner)?;
    weighed.price_together(planner)?;
    weighed.price_writes(planner);
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
    fn think(&mut self, planner: &mut dyn Planner, catalog: &Catalog) {
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
            let Ok(Asked { questions, effects }) = planner.asked(position) else { continue };
            let few = |question: &Question, condition: &Condition| planner.predicate(question, condition);
            let mut found = candidates::candidates(catalog, questions, &few, limits);
            found.extend(candidates::foreign_keys(catalog, effects));
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
        self.try_all(planner, proposals);
    }

    /// Keeps what the database would make.
    fn try_all(&mut self, planner: &mut dyn Planner, proposals: Vec<Candidate>) {
        let mut places = Vec::new();
        for candidate in proposals {
            match planner.size_bytes(&candidate) {
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
    fn price_alone(&mut self, planner: &mut dyn Planner) -> Result<(), String> {
        for position in 0..self.candidates.len() {
            planner.give(&[&self.candidates[position].candidate], Knowledge::Full)?;
            for at in 0..self.statements.len() {
                let (Ok(statement), Ok(asked)) = (&self.statements[at], planner.asked(at)) else { continue };
                let is_served = statement.own.contains(&position)
                    || could_serve(&self.candidates[position].candidate, asked.questions);
                if is_served && let Ok(priced) = planner.price(at) {
                    self.add_option(at, &[position], &priced);
                }
            }
        }
        Ok(())
    }

    /// Gives each statement several of its own candidates at once: joins and `OR` need them together.
    fn price_together(&mut self, planner: &mut dyn Planner) -> Result<(), String> {
        for at in 0..self.statements.len() {
            for given in [self.best_of_each_table(at), self.best_of_each_beginning(at)] {
                if given.len() < 2 {
                    continue;
                }
                let candidates: Vec<_> =
                    given.iter().map(|&position| &self.candidates[position].candidate).collect();
                planner.give(&candidates, Knowledge::Full)?;
                if let Ok(priced) = planner.price(at) {
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

    fn price_writes(&mut self, planner: &dyn Planner) {
        for candidate in &mut self.candidates {
            let mut cost = 0.0;
            for (position, statement) in self.statements.iter().enumerate() {
                if let (Ok(statement), Ok(asked)) = (statement, planner.asked(position)) {
                    let each = writes(planner, &candidate.candidate, asked.effects, statement.before.rows);
                    cost += self.matrix.statements[position].weight * each;
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
fn writes(planner: &dyn Planner, candidate: &Candidate, effects: &[Effect], written: f64) -> f64 {
    let rows = planner.rows(&candidate.table).unwrap_or(1_000).max(2) as f64;
    let each = WRITE_ROW + rows.log2() / 2.0;
    let effects = effects.iter().filter(|effect| effect.table.is(&candidate.table));
    let share = candidate
        .predicate
        .as_ref()
        .map_or(1.0, |predicate| planner.share(&candidate.table, predicate).unwrap_or(1.0));
    let changes: f64 = effects
        .map(|effect| match effect.kind {
            EffectKind::Insert | EffectKind::Delete => 1.0,
            // The old entry goes, and the new one comes.
            EffectKind::Update if effect.columns.iter().any(|column| holds(candidate, column)) => 2.0,
            EffectKind::Update | EffectKind::Read => 0.0,
        })
        .sum();
    changes * each * share * written.max(1.0)
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
        let compares = question
            .conditions
            .iter()
            .any(|condition| condition.term == first.term && condition.operator.is_indexable());
        let sorts = question.order.first().is_some_and(|order| order.term == first.term);
        let holds_all =
            !question.used.is_empty() && question.used.iter().all(|column| holds(candidate, column));
        compares || sorts || holds_all
    })
}
