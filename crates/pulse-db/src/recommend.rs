//! From a catalog and a workload to the few indexes that make it cheapest: candidates, their prices, the choice, its proof by the
//! planner. Nothing is measured here; the trial on a copy does that with what comes out.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::candidate::Candidate;
use crate::catalog::{Catalog, Unread};
use crate::change::Change;
use crate::driver::Driver;
use crate::error::DatabaseError;
use crate::matrix::{self, Weighed};
use crate::plan::QueryPlan;
use crate::planner::{Knowledge, Planner, Priced};
use crate::selection::{self, AccessOption, SelectionLimits};
use crate::workload::Workload;

/// Rejected candidates that are listed; the others are counted.
const MAX_REJECTED: usize = 200;
/// How often is chosen again, without what the planner refuted.
const MAX_CHOICES: usize = 4;

/// What is wanted of a recommendation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SelectionOptions {
    /// Bytes of all new indexes together.
    pub budget_bytes: Option<u64>,
    /// How many new indexes.
    pub max_indexes: Option<usize>,
    /// The share by which the statements that an index serves must get cheaper: 0.1 for a tenth.
    pub min_gain: f64,
    /// The share of the whole workload's cost that an index must save: what is less is noise, and an index more to keep. A
    /// call of one statement counts for no more of that cost than one of each of the others together.
    pub min_share: f64,
}

impl Default for SelectionOptions {
    fn default() -> Self {
        Self { budget_bytes: None, max_indexes: None, min_gain: 0.1, min_share: 0.001 }
    }
}

/// What to do, and what it rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recommendation {
    /// New indexes, those that save most first.
    pub chosen: Vec<Recommended>,
    /// Candidates that were not chosen, with the reason; at most some hundreds.
    pub rejected: Vec<Rejected>,
    /// Statements of the workload, in order.
    pub statements: Vec<StatementOutlook>,
    /// What the workload costs now, in the planner's unit.
    pub cost_before: f64,
    /// What it would cost, the upkeep of the new indexes included.
    pub cost_after: f64,
    /// Whether no better choice of the candidates exists by these costs.
    pub is_proven: bool,
    /// Candidates that were looked at.
    pub candidates: usize,
    /// What could not be copied of the schema.
    pub unread: Vec<Unread>,
    /// What could not be as it was meant to be, for people.
    pub remarks: Vec<String>,
}

/// A new index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recommended {
    /// What it is.
    pub candidate: Candidate,
    /// Its name.
    pub name: String,
    /// Statements that make it, and those that take it away.
    pub change: Change,
    /// Its estimated size.
    pub size_bytes: u64,
    /// What the workload's writes cost more.
    pub write_cost: f64,
    /// What the workload would cost more without this one of the chosen, upkeep excluded.
    pub saved: f64,
    /// Statements whose plans use it, by position.
    pub statements: Vec<usize>,
}

/// A candidate that was not chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rejected {
    /// What it is.
    pub candidate: Candidate,
    /// The statement that would make it.
    pub sql: String,
    /// Its estimated size; 0 when it cannot be made.
    pub size_bytes: u64,
    /// Why.
    pub reason: String,
}

/// A statement before and after.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatementOutlook {
    /// Its plan now.
    pub plan_before: QueryPlan,
    /// Its plan with the chosen indexes.
    pub plan_after: QueryPlan,
    /// What one run costs now.
    pub cost_before: f64,
    /// What it would cost.
    pub cost_after: f64,
    /// Why it could not be planned.
    pub failure: Option<String>,
}

/// The indexes that make a workload cheapest.
///
/// # Errors
/// When the database cannot be read.
pub fn recommend(
    database: &dyn Driver,
    catalog: &Catalog,
    workload: &Workload,
    options: &SelectionOptions,
) -> Result<Recommendation, DatabaseError> {
    let mut planner = database.planner(&workload.statements)?;
    recommend_with(&mut *planner, catalog, workload, options)
        .map_err(|message| DatabaseError::Refused { reason: format!("cannot think of indexes: {message}") })
}

fn recommend_with(
    planner: &mut dyn Planner,
    catalog: &Catalog,
    workload: &Workload,
    options: &SelectionOptions,
) -> Result<Recommendation, String> {
    let weighed = matrix::weigh(planner, catalog, workload)?;
    let limits = SelectionLimits { budget_bytes: options.budget_bytes, max_indexes: options.max_indexes };
    let (mut choice, is_proven) = chosen(planner, &weighed, options, limits)?;
    choice.shorten()?;
    let mut recommendation = choice.told(limits)?;
    recommendation.is_proven = is_proven;
    recommendation.unread = planner.unread().to_vec();
    if weighed.left_out > 0 {
        recommendation.remarks.push(format!(
            "{} candidates beyond the limit of {} were not looked at; they belong to the cheapest statements",
            weighed.left_out,
            matrix::MAX_CANDIDATES
        ));
    }
    Ok(recommendation)
}

/// The choice that is cheapest by the planner's own prices, and whether the matrix has no better one. What the planner refutes
/// of a choice leaves a gap that other candidates may fill, so that it is chosen again without those.
fn chosen<'a>(
    planner: &'a mut dyn Planner,
    weighed: &'a Weighed,
    options: &'a SelectionOptions,
    limits: SelectionLimits,
) -> Result<(Choosing<'a>, bool), String> {
    let mut matrix = weighed.matrix.clone();
    let mut choice = Choosing { planner, weighed, options, chosen: Vec::new(), dropped: Vec::new() };
    let mut best: Option<(f64, Vec<usize>, bool)> = None;
    for _ in 0..MAX_CHOICES {
        let selection = selection::select(&matrix, limits);
        choice.chosen = selection.chosen;
        let refuted_before = choice.dropped.len();
        let cost = choice.settle()?;
        if best.as_ref().is_none_or(|(least, ..)| cost < *least) {
            best = Some((cost, choice.chosen.clone(), selection.is_proven));
        }
        let refuted = &choice.dropped[refuted_before..];
        if refuted.is_empty() {
            break;
        }
        for statement in &mut matrix.statements {
            let is_refuted =
                |option: &AccessOption| refuted.iter().any(|(position, _)| option.indexes.contains(position));
            statement.options.retain(|option| !is_refuted(option));
        }
    }
    let (_, chosen, is_proven) = best.unwrap_or_default();
    choice.dropped.retain(|(position, _)| !chosen.contains(position));
    choice.chosen = chosen;
    Ok((choice, is_proven))
}

/// A choice by the matrix on its way to one that the planner confirms: with all chosen indexes at once it may plan otherwise
/// than with each alone.
struct Choosing<'a> {
    planner: &'a mut dyn Planner,
    weighed: &'a Weighed,
    options: &'a SelectionOptions,
    chosen: Vec<usize>,
    dropped: Vec<(usize, String)>,
}

/// Every statement's price with one set of indexes.
struct Prices {
    statements: Vec<Option<Priced>>,
    reads: f64,
}

impl Choosing<'_> {
    fn prices(&mut self, given: &[usize], knowledge: Knowledge) -> Result<Prices, String> {
        let candidates: Vec<_> =
            given.iter().map(|&position| &self.weighed.candidates[position].candidate).collect();
        self.planner.give(&candidates, knowledge)?;
        let mut found = Prices { statements: Vec::new(), reads: 0.0 };
        for (position, costs) in self.weighed.matrix.statements.iter().enumerate() {
            let priced = self.planner.price(position).ok();
            found.reads += costs.weight * priced.as_ref().map_or(0.0, |priced| priced.cost);
            found.statements.push(priced);
        }
        Ok(found)
    }

    /// What the statements cost without one of the chosen, or with another one in its place. Only those that use it can change.
    fn prices_without(
        &mut self,
        chosen: &[usize],
        at: usize,
        instead: Option<usize>,
        with_all: &Prices,
    ) -> Result<Prices, String> {
        let mut rest = chosen.to_vec();
        match instead {
            Some(other) => rest[at] = other,
            None => {
                rest.remove(at);
            }
        }
        let candidates: Vec<_> =
            rest.iter().map(|&position| &self.weighed.candidates[position].candidate).collect();
        self.planner.give(&candidates, Knowledge::Full)?;
        let mut found = Prices { statements: Vec::new(), reads: 0.0 };
        for (position, known) in with_all.statements.iter().enumerate() {
            let priced = match known {
                Some(known) if known.used.contains(&at) => self.planner.price(position).ok(),
                _ => known.clone(),
            };
            let weight = self.weighed.matrix.statements[position].weight;
            found.reads += weight * priced.as_ref().map_or(0.0, |priced| priced.cost);
            found.statements.push(priced);
        }
        Ok(found)
    }

    /// Drops, one after the other, what the planner does not use or what is not worth its upkeep; what the rest costs.
    fn settle(&mut self) -> Result<f64, String> {
        loop {
            let chosen = self.chosen.clone();
            let with_all = self.prices(&chosen, Knowledge::Full)?;
            let unused = (0..chosen.len())
                .find(|at| !with_all.statements.iter().flatten().any(|priced| priced.used.contains(at)));
            let drop = match unused {
                Some(at) => Some((at, "with the other chosen indexes no plan uses it".to_owned())),
                None => self.least_worth(&chosen, &with_all)?,
            };
            let Some((at, reason)) = drop else {
                let upkeep: f64 =
                    chosen.iter().map(|&position| self.weighed.candidates[position].write_cost).sum();
                return Ok(with_all.reads + upkeep);
            };
            let position = self.chosen.remove(at);
            self.dropped.push((position, reason));
        }
    }

    /// Takes the beginning of an index instead of all of it where that is nearly as good: no budget is a reason for
    /// indexes that hold everything.
    fn shorten(&mut self) -> Result<(), String> {
        for at in 0..self.chosen.len() {
            let chosen = self.chosen.clone();
            let with_all = self.prices(&chosen, Knowledge::Full)?;
            let served = self.served(at, &with_all, &with_all);
            for shorter in self.beginnings(chosen[at]) {
                let prices = self.prices_without(&chosen, at, Some(shorter), &with_all)?;
                let (old, new) = (&self.weighed.candidates[chosen[at]], &self.weighed.candidates[shorter]);
                let dearer = prices.reads + new.write_cost - with_all.reads - old.write_cost;
                if dearer <= self.options.min_gain.max(0.0) * served {
                    self.chosen[at] = shorter;
                    self.dropped
                        .push((chosen[at], "its beginning alone is nearly as good, and smaller".to_owned()));
                    break;
                }
            }
        }
        Ok(())
    }

    /// Candidates that are the beginning of another one, the shortest first.
    fn beginnings(&self, position: usize) -> Vec<usize> {
        let whole = &self.weighed.candidates[position].candidate;
        let is_beginning = |other: &Candidate| {
            other.table == whole.table
                && other.predicate == whole.predicate
                && other.parts.len() < whole.parts.len()
                && whole.parts.starts_with(&other.parts)
        };
        let candidates = &self.weighed.candidates;
        let others = (0..candidates.len()).filter(|other| !self.chosen.contains(other));
        let mut found: Vec<_> = others.filter(|&other| is_beginning(&candidates[other].candidate)).collect();
        found.sort_by_key(|&other| candidates[other].candidate.parts.len());
        found
    }

    /// The chosen index that saves least by what it costs, when that is too little.
    fn least_worth(
        &mut self,
        chosen: &[usize],
        with_all: &Prices,
    ) -> Result<Option<(usize, String)>, String> {
        let mut worst: Option<(f64, usize, String)> = None;
        for at in 0..chosen.len() {
            let position = chosen[at];
            let without = self.prices_without(chosen, at, None, with_all)?;
            let saved = without.reads - with_all.reads;
            let upkeep = self.weighed.candidates[position].write_cost;
            let served = self.served(at, with_all, &without);
            let share = if served > 0.0 { saved / served } else { 0.0 };
            let total = saved / self.total().max(f64::MIN_POSITIVE);
            let reason = if saved <= upkeep {
                format!("it saves {saved:.0} and costs {upkeep:.0} to keep")
            } else if share < self.options.min_gain {
                format!(
                    "the statements it serves get {:.1} % cheaper, less than the {:.1} % asked for",
                    share * 100.0,
                    self.options.min_gain * 100.0
                )
            } else if total < self.options.min_share {
                format!(
                    "it saves {:.3} % of the workload's cost, less than the {:.3} % asked for",
                    total * 100.0,
                    self.options.min_share * 100.0
                )
            } else {
                continue;
            };
            if worst.as_ref().is_none_or(|(least, ..)| saved - upkeep < *least) {
                worst = Some((saved - upkeep, at, reason));
            }
        }
        Ok(worst.map(|(_, at, reason)| (at, reason)))
    }

    /// What the workload costs without any new index. A call of one statement counts no more than one of each of the others
    /// together: estimates can be wrong by orders of magnitude (of a recursion, say), and one that is would make everything
    /// else look like noise. Numbers of calls are facts.
    fn total(&self) -> f64 {
        let statements = &self.weighed.matrix.statements;
        let sum: f64 = statements.iter().map(|costs| costs.cost).sum();
        statements.iter().map(|costs| costs.weight * costs.cost.min(sum - costs.cost)).sum()
    }

    /// What the statements that use an index cost without it.
    fn served(&self, at: usize, with_all: &Prices, without: &Prices) -> f64 {
        let pairs = with_all.statements.iter().zip(&without.statements).zip(&self.weighed.matrix.statements);
        let costs = pairs.filter_map(|((with, without), costs)| match (with, without) {
            (Some(with), Some(without)) if with.used.contains(&at) => Some(costs.weight * without.cost),
            _ => None,
        });
        costs.sum()
    }

    fn told(&mut self, limits: SelectionLimits) -> Result<Recommendation, String> {
        let chosen = self.chosen.clone();
        let priced = self.prices(&chosen, Knowledge::Full)?;
        let now = self.prices(&[], Knowledge::AsBuilt)?;
        let then = self.prices(&chosen, Knowledge::AsBuilt)?;
        let mut told =
            Recommendation { candidates: self.weighed.candidates.len(), ..Recommendation::default() };
        let weighed = self.weighed;
        for (position, statement) in weighed.statements.iter().enumerate() {
            let plan = |prices: &Prices| {
                prices.statements[position].as_ref().map(|priced| priced.plan.clone()).unwrap_or_default()
            };
            let cost_before = weighed.matrix.statements[position].cost;
            told.statements.push(StatementOutlook {
                plan_before: plan(&now),
                plan_after: plan(&then),
                cost_before,
                cost_after: priced.statements[position].as_ref().map_or(cost_before, |priced| priced.cost),
                failure: statement.as_ref().err().cloned(),
            });
            told.cost_before += weighed.matrix.statements[position].weight * cost_before;
        }
        let upkeep: f64 = chosen.iter().map(|&position| weighed.candidates[position].write_cost).sum();
        told.cost_after = priced.reads + upkeep;
        let mut taken = BTreeSet::new();
        for (at, &position) in chosen.iter().enumerate() {
            let saved = self.prices_without(&chosen, at, None, &priced)?.reads - priced.reads;
            let recommended = self.recommended(position, saved, &uses(&then, &priced, at), &taken);
            taken.insert(recommended.name.to_ascii_lowercase());
            told.chosen.push(recommended);
        }
        told.chosen.sort_by(|a, b| b.saved.total_cmp(&a.saved));
        told.rejected = self.rejected(limits);
        Ok(told)
    }

    fn recommended(
        &self,
        position: usize,
        saved: f64,
        statements: &[usize],
        taken: &BTreeSet<String>,
    ) -> Recommended {
        let known = &self.weighed.candidates[position];
        let change = self.planner.change(&known.candidate, taken);
        Recommended {
            candidate: known.candidate.clone(),
            name: change.subject.clone(),
            change,
            size_bytes: known.size_bytes,
            write_cost: known.write_cost,
            saved,
            statements: statements.to_vec(),
        }
    }

    fn rejected(&self, limits: SelectionLimits) -> Vec<Rejected> {
        let mut found = Vec::new();
        for (position, known) in self.weighed.candidates.iter().enumerate() {
            if self.chosen.contains(&position) {
                continue;
            }
            let dropped = self.dropped.iter().find(|(at, _)| *at == position);
            let reason = match dropped {
                Some((_, reason)) => reason.clone(),
                None if !known.is_used => "no plan uses it".to_owned(),
                None if limits.budget_bytes.is_some_and(|budget| known.size_bytes > budget) => {
                    "it alone is larger than the budget".to_owned()
                }
                None => self.outdone(position),
            };
            found.push(self.not_chosen(&known.candidate, known.size_bytes, reason));
        }
        for (candidate, error) in &self.weighed.refused {
            found.push(self.not_chosen(candidate, 0, format!("the database refuses it: {error}")));
        }
        // Those that some plan uses are of more interest than those that none does.
        found.sort_by_key(|rejected| rejected.reason == "no plan uses it");
        found.truncate(MAX_REJECTED);
        found
    }

    fn not_chosen(&self, candidate: &Candidate, size_bytes: u64, reason: String) -> Rejected {
        let sql = self.planner.create_index(candidate);
        Rejected { candidate: candidate.clone(), sql, size_bytes, reason }
    }

    fn outdone(&self, position: usize) -> String {
        let known = &self.weighed.candidates[position];
        let options = self.weighed.matrix.statements.iter().map(|costs| {
            let alone = costs.options.iter().find(|option| option.indexes == [position]);
            costs.weight * alone.map_or(0.0, |option| costs.cost - option.cost)
        });
        let saved: f64 = options.sum();
        if saved <= known.write_cost {
            format!("it saves {saved:.0} and costs {:.0} to keep", known.write_cost)
        } else if self.options.budget_bytes.is_none() && self.options.max_indexes.is_none() {
            "the chosen indexes serve its statements as well or better".to_owned()
        } else {
            "the chosen indexes serve its statements as well or better, or there is no room for it within the limits"
                .to_owned()
        }
    }
}

/// Statements whose plans use a chosen index, as it would be built or by all that is known.
fn uses(then: &Prices, priced: &Prices, at: usize) -> Vec<usize> {
    let uses = |prices: &Prices, position: usize| {
        prices.statements[position].as_ref().is_some_and(|priced| priced.used.contains(&at))
    };
    (0..then.statements.len()).filter(|&position| uses(then, position) || uses(priced, position)).collect()
}

#[cfg(test)]
#[path = "recommend_tests.rs"]
mod tests;
