//! A statement under trial: its calls, what they answered and how long they took on either side.
//!
//! Of two sides, 0 is the one without the changes and 1 the one with them.

use std::time::Duration;

use pulse_model::{Histogram, Statistic};
use pulse_stats::{Bootstrap, compare_intervals};

use super::answer::{Difference, asks_for_order};
use super::replay::{NoResult, Stage};
use crate::keep::MAX_LOSS;
use crate::trial::{Gain, StatementTrial};
use crate::workload::{Call, Statement};

/// Calls with different values that a statement makes per round, when there is time.
pub(crate) const MAX_CALLS: usize = 8;
/// Rounds that everybody gets before anybody gets more. Of what the changes cannot matter to they are all.
const ENOUGH: usize = 30;
/// Rounds at most: by then the interval of a statement whose slowest calls take two thirds longer than its quickest is narrow.
const MAX_ROUNDS: usize = 960;
/// Rounds after which it is seen whether more of them are needed.
const LOOKS: [usize; 11] = [6, 8, 11, 15, 20, 25, ENOUGH, 60, 120, 240, 480];
/// A gain whose interval lies beyond this, or below its inverse, needs no more rounds.
const CLEAR: f64 = 1.3;
/// An interval as narrow as this needs no more rounds either: chance alone moves no gain by the loss that a drop may cost.
const NARROW: f64 = MAX_LOSS;
/// For quicker statements than this, in nanoseconds, enough rounds are cheaper than a look.
const CHEAP: u64 = 1_000_000;

/// Whether the answers of a statement can be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// As far as is known.
    #[default]
    Plain,
    /// Rows of equal keys came in another order.
    Ties,
    /// It answers differently every time.
    Erratic,
}

/// Whether a statement runs in the rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It does.
    #[default]
    Running,
    /// There is no time for it yet.
    Waiting,
    /// More rounds would tell nothing new.
    Settled,
}

/// A statement under trial.
#[derive(Default)]
pub(crate) struct Tried {
    pub(crate) calls: Vec<Call>,
    pub(crate) calls_per_round: usize,
    /// Calls whose answers were compared.
    pub(crate) compared: usize,
    pub(crate) plans: [Vec<String>; 2],
    /// Nanoseconds of a call, roughly.
    pub(crate) estimate: [u64; 2],
    pub(crate) is_late: [bool; 2],
    /// A list of times per round.
    pub(crate) warm: [Vec<Vec<u64>>; 2],
    pub(crate) cold: [Histogram; 2],
    pub(crate) failure: Option<String>,
    pub(crate) difference: Option<String>,
    /// Whether its answers can be compared.
    pub(crate) comparison: Comparison,
    /// Whether it runs.
    pub(crate) standing: Standing,
    /// It changes rows.
    pub(crate) writes: bool,
}

/// Which side begins.
pub(crate) fn order(turn: usize) -> [usize; 2] {
    if turn.is_multiple_of(2) { [0, 1] } else { [1, 0] }
}

/// Evenly chosen calls of a statement; one without values when none was recorded.
fn chosen(statement: &Statement) -> Vec<Call> {
    let samples = &statement.samples;
    if samples.is_empty() {
        return vec![Call::default()];
    }
    let count = samples.len().min(MAX_CALLS);
    (0..count).map(|index| samples[index * samples.len() / count].clone()).collect()
}

impl Tried {
    pub(crate) fn new(statement: &Statement) -> Self {
        Self { calls: chosen(statement), calls_per_round: 1, ..Self::default() }
    }

    /// Whether the changes can matter to it: another plan, or rows that more indexes have to take.
    pub(crate) fn is_affected(&self) -> bool {
        self.writes || self.plans[0] != self.plans[1]
    }

    /// Nanoseconds of a round on both sides, roughly.
    pub(crate) fn cost(&self) -> u64 {
        let calls = self.calls_per_round.max(1) as u64;
        self.estimate[0].saturating_add(self.estimate[1]).saturating_mul(calls)
    }

    /// Whether it runs no more.
    pub(crate) fn is_done(&self) -> bool {
        self.is_out()
            || self.standing == Standing::Settled
            || self.difference.is_some()
            || self.warm[0].len() >= if self.is_affected() { MAX_ROUNDS } else { ENOUGH }
    }

    /// Whether it had the rounds that everybody gets: more only make its interval narrower.
    pub(crate) fn has_enough(&self) -> bool {
        self.warm[0].len() >= ENOUGH
    }

    /// Ends its rounds when more would only confirm what is clear or known closely.
    pub(crate) fn settle(&mut self) {
        let is_look = LOOKS.contains(&self.warm[0].len()) && !self.is_done();
        if is_look && (self.has_enough() || self.cost() > CHEAP) {
            let is_known = |gain: Gain| {
                let is_narrow = self.has_enough() && gain.hi - gain.lo < NARROW;
                gain.lo > CLEAR || gain.hi < 1.0 / CLEAR || is_narrow
            };
            if gain(&self.warm[0], &self.warm[1]).is_some_and(is_known) {
                self.standing = Standing::Settled;
            }
        }
    }

    /// Whether it is not timed at all.
    pub(crate) fn is_out(&self) -> bool {
        self.failure.is_some() || self.is_late == [true, true]
    }

    pub(crate) fn take_plans(&mut self, stages: &[Stage; 2], statement: &Statement) {
        let plans = [0, 1].map(|side| stages[side].plan(statement, &self.calls[0]));
        if let [Ok(_), Err(NoResult::Failed(why))] = &plans {
            self.difference = Some(format!("it fails with the changes: {why}"));
        }
        for (side, plan) in plans.into_iter().enumerate() {
            match plan {
                Ok(lines) => self.plans[side] = lines,
                Err(NoResult::Failed(why)) if self.difference.is_none() => self.failure = Some(why),
                Err(_) => {}
            }
        }
    }

    /// Whether the next of its first calls is still to be compared. Of what the changes cannot matter to one is enough: it
    /// shows how long a call takes.
    pub(crate) fn wants_comparing(&self, calls: usize) -> bool {
        let calls = if self.is_affected() { calls } else { 1 };
        let is_open = !self.is_out() && self.difference.is_none() && self.comparison == Comparison::Plain;
        is_open && self.is_late == [false, false] && self.compared < calls.min(self.calls.len())
    }

    /// Runs the next call on both sides and compares their rows.
    pub(crate) fn compare(&mut self, stages: &[Stage; 2], statement: &Statement, limit: Duration) {
        let call = &self.calls[self.compared];
        let sides = [stages[0].answer(statement, call), stages[1].answer(statement, call)];
        for (side, result) in sides.iter().enumerate() {
            self.is_late[side] |= *result == Err(NoResult::Late);
            let nanos = match result {
                Ok((_, nanos)) => *nanos,
                Err(_) => limit.as_nanos() as u64,
            };
            self.estimate[side] = self.estimate[side].max(nanos);
        }
        self.compared += usize::from(sides.iter().all(Result::is_ok));
        self.writes |= matches!(sides[0], Ok((None, _)));
        match sides {
            [Ok((Some(before), _)), Ok((Some(after), _))] => {
                let is_ordered = asks_for_order(&statement.sql);
                let found = before.difference(&after, is_ordered);
                if found == Difference::Ties {
                    self.comparison = Comparison::Ties;
                } else if found != Difference::None {
                    // A second answer of the same side tells whether the statement is one that can be compared.
                    let again = stages[0].answer(statement, call);
                    let is_steady = matches!(&again, Ok((Some(again), _))
                        if again.difference(&before, is_ordered) == Difference::None);
                    let what = if found == Difference::Order { "their order" } else { "the rows" };
                    if !is_steady {
                        self.comparison = Comparison::Erratic;
                    }
                    self.difference = is_steady.then(|| {
                        format!(
                            "{what} differ: {} rows without the changes, {} with them",
                            before.rows, after.rows
                        )
                    });
                }
            }
            [Err(NoResult::Failed(why)), _] => self.failure = Some(why),
            [Ok(_), Err(NoResult::Failed(why))] => {
                self.difference = Some(format!("it fails with the changes: {why}"));
            }
            _ => {}
        }
    }

    pub(crate) fn run_round(
        &mut self,
        stages: &[Stage; 2],
        statement: &Statement,
        turn: usize,
        limit: Duration,
    ) {
        if self.is_done() {
            return;
        }
        let mut times = [Vec::new(), Vec::new()];
        for (index, call) in self.calls.iter().take(self.calls_per_round).enumerate() {
            for side in order(turn + index) {
                if !self.is_late[side] {
                    match stages[side].time(statement, call) {
                        Ok(nanos) => times[side].push(nanos),
                        Err(NoResult::Late) => self.is_late[side] = true,
                        Err(NoResult::Stopped) => return,
                        Err(NoResult::Failed(why)) => {
                            self.failure = Some(why);
                            return;
                        }
                    }
                }
                if self.is_late[side] {
                    times[side].push(limit.as_nanos() as u64);
                }
            }
        }
        for (side, times) in times.into_iter().enumerate() {
            self.warm[side].push(times);
        }
    }

    pub(crate) fn result(self, limit: Duration) -> StatementTrial {
        let gain = gain(&self.warm[0], &self.warm[1]);
        let late = format!(
            "it did not end within {:.1} s, neither without nor with the changes",
            limit.as_secs_f64()
        );
        let both_late = self.is_late == [true, true];
        let [cold_before, cold_after] = self.cold;
        let [plan_before, plan_after] = self.plans;
        StatementTrial {
            before: histogram(self.warm[0].iter().flatten()),
            after: histogram(self.warm[1].iter().flatten()),
            cold_before,
            cold_after,
            gain: gain.filter(|_| !both_late),
            failure: self.failure.or_else(|| both_late.then_some(late)),
            plan_before,
            plan_after,
            cut_off: self.is_late[0] || self.is_late[1],
            difference: self.difference,
            compared: self.compared as u64,
        }
    }
}

fn histogram<'a>(times: impl IntoIterator<Item = &'a u64>) -> Histogram {
    let mut histogram = Histogram::default();
    times.into_iter().for_each(|&time| histogram.record(time));
    histogram
}

/// How many times longer the median of the first takes, over rounds in order of time. A round is a block of its own: the whole
/// workload lies between two rounds of a statement.
pub(crate) fn gain(before: &[Vec<u64>], after: &[Vec<u64>]) -> Option<Gain> {
    let rounds = |side: &[Vec<u64>]| side.iter().map(histogram).collect::<Vec<_>>();
    let bootstrap = Bootstrap { block: Some(1), ..Bootstrap::default() };
    let found = compare_intervals(&rounds(after), &rounds(before), Statistic::Quantile(0.5), &bootstrap)?;
    found.ratio.map(|ratio| Gain { value: ratio.value, lo: ratio.lo, hi: ratio.hi })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    /// A quick statement whose calls take from `middle` up to two thirds more, as they do here; with the changes `factor` times
    /// as long. Ends as in a trial that has time.
    fn measured(seed: u64, factor: f64, is_affected: bool) -> Tried {
        const MIDDLE: f64 = 40_000.0;
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let mut tried = Tried { writes: is_affected, estimate: [60_000; 2], ..Tried::default() };
        while !tried.is_done() {
            for (side, factor) in [1.0, factor].into_iter().enumerate() {
                let time = MIDDLE * factor * (1.0 + generator.random_range(0.0..2.0 / 3.0));
                tried.warm[side].push(vec![time as u64]);
            }
            tried.settle();
        }
        tried
    }

    /// What counts as a loss of a drop: see [`crate::keep`].
    fn is_loss(warm: [&[Vec<u64>]; 2]) -> bool {
        let gain = gain(warm[0], warm[1]).unwrap();
        gain.hi < 1.0 && gain.value < 1.0 - MAX_LOSS
    }

    #[test]
    fn chance_alone_is_no_loss_and_a_small_loss_is_found() {
        let all: Vec<Tried> = (0..60).map(|seed| measured(seed, 1.0, true)).collect();
        let after_enough = all.iter().filter(|tried| is_loss([0, 1].map(|side| &tried.warm[side][..ENOUGH])));
        assert!(after_enough.count() > 0, "the rounds that everybody gets would do");
        assert!(!all.iter().any(|tried| is_loss([0, 1].map(|side| &tried.warm[side][..]))));
        let found = (0..10).map(|seed| measured(seed, 1.12, true));
        assert!(found.into_iter().all(|tried| is_loss([0, 1].map(|side| &tried.warm[side][..]))));
    }

    #[test]
    fn rounds_end_when_more_tell_nothing() {
        let rounds = |factor, is_affected| measured(1, factor, is_affected).warm[0].len();
        assert_eq!(rounds(1.0, false), ENOUGH);
        assert_eq!(rounds(3.0, true), ENOUGH);
        assert!((60..=MAX_ROUNDS).contains(&rounds(1.0, true)));
        let mut steady = Tried { writes: true, ..Tried::default() };
        while !steady.is_done() {
            steady.warm.iter_mut().for_each(|side| side.push(vec![40_000]));
            steady.settle();
        }
        assert_eq!(steady.warm[0].len(), ENOUGH);
    }
}
