//! Which indexes to have: the choice that makes a whole workload cheapest, within a budget. Pure arithmetic over a matrix.
//!
//! This is the index selection problem of Caprara, Fischetti and Maio (IEEE Transactions on Knowledge and Data Engineering 7(6),
//! 1995) with a budget, and NP-hard. Greedy choices are improved by adding, dropping and swapping; then branch and bound tries
//! to prove the best, up to a number of steps. Nothing is random and nothing is timed: the same matrix gives the same choice.
//!
//! ```text
//! cost(chosen) = Σ weight · min(cost, options whose indexes are all chosen) + Σ write cost of chosen
//! bound(node)  = the same as if everything undecided were chosen and free
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Steps of branch and bound; each looks at every statement once.
const MAX_NODES: u64 = 60_000;
/// Choices that local search looks at.
const MAX_MOVES: u64 = 1_500_000;
/// Relative gain below which two costs are the same.
const SAME: f64 = 1e-9;

/// What every statement costs by what there is, and what every candidate costs to have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CostMatrix {
    /// Statements.
    pub statements: Vec<StatementCosts>,
    /// Candidates; options name them by position.
    pub candidates: Vec<CandidateCosts>,
}

/// A statement's costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatementCosts {
    /// How often it runs.
    pub weight: f64,
    /// What one run costs without any candidate.
    pub cost: f64,
    /// What it costs with some of them.
    pub options: Vec<AccessOption>,
}

/// A way to answer a statement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AccessOption {
    /// The candidates that it needs, all of them.
    pub indexes: Vec<usize>,
    /// What one run costs then.
    pub cost: f64,
}

/// What a candidate costs to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CandidateCosts {
    /// Its size.
    pub size_bytes: u64,
    /// What all writes of the workload cost more.
    pub write_cost: f64,
}

/// What may be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelectionLimits {
    /// Bytes of all chosen together.
    pub budget_bytes: Option<u64>,
    /// How many.
    pub max_indexes: Option<usize>,
}

/// A choice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// Chosen candidates, in order.
    pub chosen: Vec<usize>,
    /// What the workload costs then, writes included.
    pub cost: f64,
    /// Whether no better choice exists; otherwise the search ended at its bound.
    pub is_proven: bool,
}

/// The cheapest choice that is found.
pub fn select(matrix: &CostMatrix, limits: SelectionLimits) -> Selection {
    let problem = Problem::new(matrix, limits);
    let greedy = [Taste::Gain, Taste::GainPerByte].map(|taste| problem.greedy(taste));
    let mut moves = MAX_MOVES;
    let mut best = problem.none();
    for start in greedy {
        let improved = problem.improved(start, &mut moves);
        if improved.is_better(&best) {
            best = improved;
        }
    }
    let (best, is_proven) = problem.proven(best);
    Selection { chosen: best.chosen.iter().copied().collect(), cost: best.cost, is_proven }
}

/// What a choice costs, whatever the limits.
pub fn cost_of(matrix: &CostMatrix, chosen: &[usize]) -> f64 {
    let problem = Problem::new(matrix, SelectionLimits::default());
    problem.choice(chosen.iter().copied().filter(|&index| index < matrix.candidates.len()).collect()).cost
}

/// The greedy choice alone, which the search never falls behind.
pub fn greedy(matrix: &CostMatrix, limits: SelectionLimits) -> Selection {
    let problem = Problem::new(matrix, limits);
    let choices = [Taste::Gain, Taste::GainPerByte].map(|taste| problem.greedy(taste));
    let [mut best, other] = choices;
    if other.is_better(&best) {
        best = other;
    }
    Selection { chosen: best.chosen.iter().copied().collect(), cost: best.cost, is_proven: false }
}

#[derive(Clone, Copy)]
enum Taste {
    Gain,
    GainPerByte,
}

#[derive(Clone, Debug)]
struct Choice {
    chosen: BTreeSet<usize>,
    bytes: u64,
    cost: f64,
}

impl Choice {
    fn is_better(&self, other: &Self) -> bool {
        let slack = SAME * other.cost.abs().max(1.0);
        self.cost < other.cost - slack || (self.cost < other.cost + slack && self.bytes < other.bytes)
    }
}

/// The matrix, with what cannot matter left out and what is asked often at hand.
struct Problem {
    statements: Vec<StatementCosts>,
    candidates: Vec<CandidateCosts>,
    budget: u64,
    most: usize,
    /// Statements that each candidate could help.
    helped: Vec<Vec<usize>>,
    /// Sets of candidates that are worth adding together.
    moves: Vec<Vec<usize>>,
}

impl Problem {
    fn new(matrix: &CostMatrix, limits: SelectionLimits) -> Self {
        let budget = limits.budget_bytes.unwrap_or(u64::MAX);
        let most = limits.max_indexes.unwrap_or(usize::MAX);
        let number = |value: f64| if value.is_finite() { value.max(0.0) } else { 0.0 };
        let candidates: Vec<_> = matrix
            .candidates
            .iter()
            .map(|candidate| CandidateCosts { write_cost: number(candidate.write_cost), ..*candidate })
            .collect();
        let fits = |indexes: &BTreeSet<usize>| {
            let mut sizes =
                indexes.iter().map(|&index| candidates.get(index).map(|candidate| candidate.size_bytes));
            let bytes = sizes.try_fold(0_u64, |sum, size| size.map(|size| sum.saturating_add(size)));
            indexes.len() <= most && bytes.is_some_and(|bytes| bytes <= budget)
        };
        let mut problem = Self {
            statements: Vec::new(),
            helped: vec![Vec::new(); candidates.len()],
            moves: Vec::new(),
            budget,
            most,
            candidates: candidates.clone(),
        };
        let mut moves = BTreeSet::new();
        for statement in &matrix.statements {
            let cost = number(statement.cost);
            let mut options = Vec::new();
            for option in &statement.options {
                let indexes: BTreeSet<_> = option.indexes.iter().copied().collect();
                if option.cost.is_finite() && option.cost < cost && !indexes.is_empty() && fits(&indexes) {
                    moves.insert(indexes.iter().copied().collect::<Vec<_>>());
                    options.push(AccessOption {
                        indexes: indexes.into_iter().collect(),
                        cost: option.cost.max(0.0),
                    });
                }
            }
            // The first one that can be had is then the cheapest.
            options.sort_by(|a, b| a.cost.total_cmp(&b.cost).then_with(|| a.indexes.cmp(&b.indexes)));
            for option in &options {
                for &index in &option.indexes {
                    if problem.helped[index].last() != Some(&problem.statements.len()) {
                        problem.helped[index].push(problem.statements.len());
                    }
                }
            }
            problem.statements.push(StatementCosts { weight: number(statement.weight), cost, options });
        }
        problem.moves = moves.into_iter().collect();
        problem
    }

    fn none(&self) -> Choice {
        self.choice(BTreeSet::new())
    }

    fn choice(&self, chosen: BTreeSet<usize>) -> Choice {
        let bytes =
            chosen.iter().fold(0_u64, |sum, &index| sum.saturating_add(self.candidates[index].size_bytes));
        let reads: f64 = self
            .statements
            .iter()
            .map(|statement| statement.weight * cheapest(statement, |index| chosen.contains(&index)))
            .sum();
        let writes: f64 = chosen.iter().map(|&index| self.candidates[index].write_cost).sum();
        Choice { chosen, bytes, cost: reads + writes }
    }

    fn fits(&self, chosen: &BTreeSet<usize>) -> bool {
        let bytes =
            chosen.iter().fold(0_u64, |sum, &index| sum.saturating_add(self.candidates[index].size_bytes));
        chosen.len() <= self.most && bytes <= self.budget
    }

    /// What changes when some go and some come: only statements that one of them could help are looked at.
    fn difference(&self, before: &Choice, after: &BTreeSet<usize>) -> f64 {
        let changed: Vec<_> = before.chosen.symmetric_difference(after).copied().collect();
        let mut touched: Vec<_> = changed.iter().flat_map(|&index| &self.helped[index]).copied().collect();
        touched.sort_unstable();
        touched.dedup();
        let mut difference = 0.0;
        for position in touched {
            let statement = &self.statements[position];
            let was = cheapest(statement, |index| before.chosen.contains(&index));
            let is = cheapest(statement, |index| after.contains(&index));
            difference += statement.weight * (is - was);
        }
        for index in changed {
            let write = self.candidates[index].write_cost;
            difference += if after.contains(&index) { write } else { -write };
        }
        difference
    }

    /// Adds what gains most until nothing does.
    fn greedy(&self, taste: Taste) -> Choice {
        let mut choice = self.none();
        loop {
            let mut best: Option<(f64, BTreeSet<usize>)> = None;
            for added in &self.moves {
                let mut after = choice.chosen.clone();
                after.extend(added);
                if after.len() == choice.chosen.len() || !self.fits(&after) {
                    continue;
                }
                let gain = -self.difference(&choice, &after);
                let new = after.difference(&choice.chosen);
                let bytes =
                    new.fold(0_u64, |sum, &index| sum.saturating_add(self.candidates[index].size_bytes));
                let worth = match taste {
                    Taste::Gain => gain,
                    Taste::GainPerByte => gain / (bytes as f64 + 1.0),
                };
                if gain > SAME * choice.cost.max(1.0) && best.as_ref().is_none_or(|(most, _)| worth > *most) {
                    best = Some((worth, after));
                }
            }
            let Some((_, after)) = best else { return choice };
            choice = self.choice(after);
        }
    }

    /// Drops, adds and swaps as long as that helps and moves are left.
    fn improved(&self, mut choice: Choice, moves: &mut u64) -> Choice {
        loop {
            let mut best: Option<(f64, BTreeSet<usize>)> = None;
            let mut consider = |after: BTreeSet<usize>, moves: &mut u64| {
                if *moves == 0 || !self.fits(&after) {
                    return;
                }
                *moves -= 1;
                let difference = self.difference(&choice, &after);
                if difference < -SAME * choice.cost.max(1.0)
                    && best.as_ref().is_none_or(|(least, _)| difference < *least)
                {
                    best = Some((difference, after));
                }
            };
            let without = choice.chosen.iter().map(|index| {
                let mut rest = choice.chosen.clone();
                rest.remove(index);
                rest
            });
            let bases: Vec<_> = without.chain([choice.chosen.clone()]).collect();
            for base in &bases {
                consider(base.clone(), moves);
                for added in &self.moves {
                    let mut after = base.clone();
                    after.extend(added);
                    if after.len() > base.len() {
                        consider(after, moves);
                    }
                }
            }
            match best {
                Some((_, after)) => choice = self.choice(after),
                None => return choice,
            }
        }
    }

    /// Branch and bound from the best that is known; whether it was finished.
    fn proven(&self, best: Choice) -> (Choice, bool) {
        let mut order: Vec<_> =
            (0..self.candidates.len()).filter(|&index| !self.helped[index].is_empty()).collect();
        let gain = |index: usize| -self.difference(&self.none(), &BTreeSet::from([index]));
        let gains: Vec<_> = (0..self.candidates.len()).map(gain).collect();
        order.sort_by(|&a, &b| gains[b].total_cmp(&gains[a]).then(a.cmp(&b)));
        let mut search = Search {
            problem: self,
            order,
            best,
            nodes: MAX_NODES,
            possible: vec![false; self.candidates.len()],
        };
        for &index in &search.order {
            search.possible[index] = true;
        }
        let is_proven = search.branch(0, &mut BTreeSet::new(), 0, 0.0);
        (search.best, is_proven)
    }
}

struct Search<'a> {
    problem: &'a Problem,
    order: Vec<usize>,
    best: Choice,
    nodes: u64,
    /// Chosen or undecided.
    possible: Vec<bool>,
}

impl Search<'_> {
    /// Decides on the candidate at a depth; false when steps ran out. It is as deep as there are
    /// candidates, some hundreds.
    fn branch(&mut self, depth: usize, chosen: &mut BTreeSet<usize>, bytes: u64, writes: f64) -> bool {
        if self.nodes == 0 {
            return false;
        }
        self.nodes -= 1;
        let statements = self.problem.statements.iter();
        let bound: f64 = writes
            + statements
                .map(|statement| statement.weight * cheapest(statement, |index| self.possible[index]))
                .sum::<f64>();
        if bound >= self.best.cost - SAME * self.best.cost.max(1.0) {
            return true;
        }
        let Some(&index) = self.order.get(depth) else {
            self.best = self.problem.choice(chosen.clone());
            return true;
        };
        let candidate = self.problem.candidates[index];
        let with = bytes.saturating_add(candidate.size_bytes);
        let mut is_whole = true;
        if chosen.len() < self.problem.most && with <= self.problem.budget {
            chosen.insert(index);
            is_whole &= self.branch(depth + 1, chosen, with, writes + candidate.write_cost);
            chosen.remove(&index);
        }
        self.possible[index] = false;
        is_whole &= self.branch(depth + 1, chosen, bytes, writes);
        self.possible[index] = true;
        is_whole
    }
}

/// What a statement costs with what can be had; options are in the order of their costs.
fn cheapest(statement: &StatementCosts, is_there: impl Fn(usize) -> bool) -> f64 {
    let option = statement.options.iter().find(|option| option.indexes.iter().all(|&index| is_there(index)));
    option.map_or(statement.cost, |option| option.cost)
}

#[cfg(test)]
#[path = "selection_tests.rs"]
mod tests;
