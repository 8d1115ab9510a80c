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
const MAX_NODES: u64 = 30_000;
/// Choices that local search looks at.
const MAX_MOVES: u64 = 600_000;
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
    let mut moves = MAX_MOVES;
    let mut best = problem.none();
    for taste in [Taste::Gain, Taste::GainPerByte] {
        let improved = problem.improved(problem.greedy(taste), &mut moves);
        if improved.is_better(&best) {
            best = improved;
        }
    }
    let (best, is_proven) = problem.proven(best);
    best.told(is_proven)
}

/// What a choice costs, whatever the limits.
pub fn cost_of(matrix: &CostMatrix, chosen: &[usize]) -> f64 {
    let problem = Problem::new(matrix, SelectionLimits::default());
    let mut state = problem.none();
    for &index in chosen.iter().filter(|&&index| index < matrix.candidates.len()) {
        problem.add(&mut state, &[index]);
    }
    state.cost()
}

/// The greedy choice alone, which the search never falls behind.
pub fn greedy(matrix: &CostMatrix, limits: SelectionLimits) -> Selection {
    let problem = Problem::new(matrix, limits);
    let [first, second] = [Taste::Gain, Taste::GainPerByte].map(|taste| problem.greedy(taste));
    if second.is_better(&first) { second.told(false) } else { first.told(false) }
}

#[derive(Clone, Copy)]
enum Taste {
    Gain,
    GainPerByte,
}

/// A choice, with what each statement costs by it.
#[derive(Clone, Debug)]
struct State {
    has: Vec<bool>,
    count: usize,
    bytes: u64,
    /// The place of each statement's cheapest option that can be had; beyond the last when none can.
    ranks: Vec<usize>,
    reads: f64,
    writes: f64,
}

impl State {
    fn cost(&self) -> f64 {
        self.reads + self.writes
    }

    fn is_better(&self, other: &Self) -> bool {
        let slack = SAME * other.cost().abs().max(1.0);
        self.cost() < other.cost() - slack || (self.cost() < other.cost() + slack && self.bytes < other.bytes)
    }

    fn told(&self, is_proven: bool) -> Selection {
        let chosen = (0..self.has.len()).filter(|&index| self.has[index]).collect();
        Selection { chosen, cost: self.cost(), is_proven }
    }
}

/// What a move would change.
#[derive(Clone, Copy, Debug)]
struct Difference {
    cost: f64,
    count: usize,
    bytes: u64,
}

/// The matrix, with what cannot matter left out and what is asked often at hand.
struct Problem {
    statements: Vec<StatementCosts>,
    candidates: Vec<CandidateCosts>,
    budget: u64,
    most: usize,
    /// Each candidate's options: the statement, and the option's place in it.
    options_of: Vec<Vec<(usize, usize)>>,
    /// Sets of candidates that are worth adding together.
    moves: Vec<Vec<usize>>,
}

impl Problem {
    fn new(matrix: &CostMatrix, limits: SelectionLimits) -> Self {
        let number = |value: f64| if value.is_finite() { value.max(0.0) } else { 0.0 };
        let candidates = matrix.candidates.iter();
        let candidates = candidates
            .map(|candidate| CandidateCosts { write_cost: number(candidate.write_cost), ..*candidate });
        let mut problem = Self {
            statements: Vec::new(),
            options_of: vec![Vec::new(); matrix.candidates.len()],
            moves: Vec::new(),
            budget: limits.budget_bytes.unwrap_or(u64::MAX),
            most: limits.max_indexes.unwrap_or(usize::MAX),
            candidates: candidates.collect(),
        };
        let mut moves = BTreeSet::new();
        for statement in &matrix.statements {
            let cost = number(statement.cost);
            let mut options = Vec::new();
            for option in &statement.options {
                let indexes: BTreeSet<_> = option.indexes.iter().copied().collect();
                if option.cost.is_finite() && option.cost < cost && problem.could_fit(&indexes) {
                    let indexes: Vec<_> = indexes.into_iter().collect();
                    moves.insert(indexes.clone());
                    options.push(AccessOption { indexes, cost: option.cost.max(0.0) });
                }
            }
            // The first one that can be had is then the cheapest.
            options.sort_by(|a, b| a.cost.total_cmp(&b.cost).then_with(|| a.indexes.cmp(&b.indexes)));
            for (rank, option) in options.iter().enumerate() {
                for &index in &option.indexes {
                    problem.options_of[index].push((problem.statements.len(), rank));
                }
            }
            problem.statements.push(StatementCosts { weight: number(statement.weight), cost, options });
        }
        problem.moves = moves.into_iter().collect();
        problem
    }

    fn could_fit(&self, indexes: &BTreeSet<usize>) -> bool {
        let mut sizes =
            indexes.iter().map(|&index| self.candidates.get(index).map(|candidate| candidate.size_bytes));
        let bytes = sizes.try_fold(0_u64, |sum, size| size.map(|size| sum.saturating_add(size)));
        !indexes.is_empty() && indexes.len() <= self.most && bytes.is_some_and(|bytes| bytes <= self.budget)
    }

    fn none(&self) -> State {
        State {
            has: vec![false; self.candidates.len()],
            count: 0,
            bytes: 0,
            ranks: self.statements.iter().map(|statement| statement.options.len()).collect(),
            reads: self.statements.iter().map(|statement| statement.weight * statement.cost).sum(),
            writes: 0.0,
        }
    }

    fn cost_at(&self, statement: usize, rank: usize) -> f64 {
        let costs = &self.statements[statement];
        costs.weight * costs.options.get(rank).map_or(costs.cost, |option| option.cost)
    }

    /// What adding these would change; `None` when it adds nothing or is beyond a limit. Only options that one of the new
    /// ones completes are looked at.
    fn adding(
        &self,
        state: &State,
        added: &[usize],
        scratch: &mut Vec<(usize, usize)>,
    ) -> Option<Difference> {
        let mut found = Difference { cost: 0.0, count: state.count, bytes: state.bytes };
        for &index in added.iter().filter(|&&index| !state.has[index]) {
            found.count += 1;
            found.bytes = found.bytes.saturating_add(self.candidates[index].size_bytes);
            found.cost += self.candidates[index].write_cost;
        }
        if found.count == state.count || found.count > self.most || found.bytes > self.budget {
            return None;
        }
        scratch.clear();
        for &index in added.iter().filter(|&&index| !state.has[index]) {
            for &(statement, rank) in &self.options_of[index] {
                let known = scratch.iter().position(|&(known, _)| known == statement);
                let best = known.map_or(state.ranks[statement], |at| scratch[at].1);
                let mut needed = self.statements[statement].options[rank].indexes.iter();
                if rank < best && needed.all(|needed| state.has[*needed] || added.contains(needed)) {
                    match known {
                        Some(at) => scratch[at].1 = rank,
                        None => scratch.push((statement, rank)),
                    }
                }
            }
        }
        for &(statement, rank) in scratch.iter() {
            found.cost += self.cost_at(statement, rank) - self.cost_at(statement, state.ranks[statement]);
        }
        Some(found)
    }

    fn add(&self, state: &mut State, added: &[usize]) {
        for &index in added {
            if !state.has[index] {
                state.has[index] = true;
                self.count(state, index, 1.0);
                self.settle(state, index);
            }
        }
    }

    fn remove(&self, state: &mut State, index: usize) {
        state.has[index] = false;
        self.count(state, index, -1.0);
        self.settle(state, index);
    }

    fn count(&self, state: &mut State, index: usize, sign: f64) {
        let CandidateCosts { size_bytes, write_cost } = self.candidates[index];
        state.writes += sign * write_cost;
        if sign > 0.0 {
            state.count += 1;
            state.bytes = state.bytes.saturating_add(size_bytes);
        } else {
            state.count -= 1;
            state.bytes = (0..state.has.len())
                .filter(|&other| state.has[other])
                .fold(0, |sum: u64, other| sum.saturating_add(self.candidates[other].size_bytes));
        }
    }

    /// Finds the cheapest options anew of statements that an index has to do with.
    fn settle(&self, state: &mut State, index: usize) {
        let mut last = usize::MAX;
        for &(statement, _) in &self.options_of[index] {
            // Options of one statement come one after the other.
            if statement == last {
                continue;
            }
            last = statement;
            let rank = self.rank(statement, &state.has);
            state.reads += self.cost_at(statement, rank) - self.cost_at(statement, state.ranks[statement]);
            state.ranks[statement] = rank;
        }
    }

    /// The place of the first option that can be had.
    fn rank(&self, statement: usize, has: &[bool]) -> usize {
        let options = &self.statements[statement].options;
        options
            .iter()
            .position(|option| option.indexes.iter().all(|&index| has[index]))
            .unwrap_or(options.len())
    }

    /// The best move of all, by a taste; `None` when none gains.
    fn best_move(
        &self,
        state: &State,
        taste: Taste,
        least: f64,
        moves: &mut u64,
    ) -> Option<(usize, Difference)> {
        let mut best: Option<(f64, usize, Difference)> = None;
        let mut scratch = Vec::new();
        for (position, added) in self.moves.iter().enumerate() {
            if *moves == 0 {
                break;
            }
            *moves -= 1;
            let Some(difference) = self.adding(state, added, &mut scratch) else { continue };
            let worth = match taste {
                Taste::Gain => -difference.cost,
                Taste::GainPerByte => -difference.cost / ((difference.bytes - state.bytes) as f64 + 1.0),
            };
            if -difference.cost > least && best.is_none_or(|(most, ..)| worth > most) {
                best = Some((worth, position, difference));
            }
        }
        best.map(|(_, position, difference)| (position, difference))
    }

    /// Adds what gains most until nothing does.
    fn greedy(&self, taste: Taste) -> State {
        let mut state = self.none();
        let mut moves = u64::MAX;
        while let Some((position, _)) = self.best_move(&state, taste, slack(&state), &mut moves) {
            self.add(&mut state, &self.moves[position]);
        }
        state
    }

    /// Drops, adds and swaps as long as that helps and moves are left.
    fn improved(&self, mut state: State, moves: &mut u64) -> State {
        loop {
            let before = state.cost();
            while let Some((position, _)) = self.best_move(&state, Taste::Gain, slack(&state), moves) {
                self.add(&mut state, &self.moves[position]);
            }
            for index in 0..self.candidates.len() {
                if !state.has[index] || *moves == 0 {
                    continue;
                }
                let mut without = state.clone();
                self.remove(&mut without, index);
                let lost = without.cost() - state.cost();
                if let Some((position, _)) =
                    self.best_move(&without, Taste::Gain, lost.max(0.0) + slack(&state), moves)
                {
                    self.add(&mut without, &self.moves[position]);
                    state = without;
                } else if lost < 0.0 {
                    state = without;
                }
            }
            if state.cost() >= before - slack(&state) {
                return state;
            }
        }
    }

    /// Branch and bound from the best that is known; whether it was finished.
    fn proven(&self, best: State) -> (State, bool) {
        let mut order: Vec<_> =
            (0..self.candidates.len()).filter(|&index| !self.options_of[index].is_empty()).collect();
        let none = self.none();
        let mut scratch = Vec::new();
        let mut gain = |index: usize| {
            let alone = self.adding(&none, &[index], &mut scratch);
            alone.map_or(0.0, |difference| -difference.cost)
        };
        let gains: Vec<_> = (0..self.candidates.len()).map(&mut gain).collect();
        order.sort_by(|&a, &b| gains[b].total_cmp(&gains[a]).then(a.cmp(&b)));
        let mut possible = none.clone();
        for &index in &order {
            self.add(&mut possible, &[index]);
        }
        let mut search = Search { problem: self, order, best, nodes: MAX_NODES, possible, chosen: none };
        let is_proven = search.branch(0);
        (search.best, is_proven)
    }
}

/// What counts as a gain.
fn slack(state: &State) -> f64 {
    SAME * state.cost().max(1.0)
}

struct Search<'a> {
    problem: &'a Problem,
    order: Vec<usize>,
    best: State,
    nodes: u64,
    /// What is chosen or undecided.
    possible: State,
    chosen: State,
}

impl Search<'_> {
    /// Decides on the candidate at a depth; false when steps ran out. It is as deep as there are candidates, some hundreds.
    fn branch(&mut self, depth: usize) -> bool {
        if self.nodes == 0 {
            return false;
        }
        self.nodes -= 1;
        let bound = self.possible.reads + self.chosen.writes;
        if bound >= self.best.cost() - slack(&self.best) {
            return true;
        }
        let Some(&index) = self.order.get(depth) else {
            self.best = self.chosen.clone();
            return true;
        };
        let mut is_whole = true;
        let with = self.chosen.bytes.saturating_add(self.problem.candidates[index].size_bytes);
        if self.chosen.count < self.problem.most && with <= self.problem.budget {
            self.problem.add(&mut self.chosen, &[index]);
            is_whole &= self.branch(depth + 1);
            self.problem.remove(&mut self.chosen, index);
        }
        self.problem.remove(&mut self.possible, index);
        is_whole &= self.branch(depth + 1);
        self.problem.add(&mut self.possible, &[index]);
        is_whole
    }
}

#[cfg(test)]
#[path = "selection_tests.rs"]
mod tests;
