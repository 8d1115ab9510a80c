//! Compares two runs: which figures changed, by how much, and is it more than chance and more than does not matter?
//!
//! # The rule of the alarm
//!
//! A figure is a regression when two things hold:
//!
//! 1. **It is no chance:** the p-value of the difference, corrected for all comparisons made at once (Y. Benjamini, Y.
//!    Hochberg, "Controlling the False Discovery Rate", 1995), is below [`CompareOptions::alarms`], 1 %. Where nothing
//!    changed at all, that bounds the chance of even one alarm among all figures. Two runs of one program differ by more than
//!    the scatter within each of them explains (other memory layout, other neighbours on the machine), which no statistic of
//!    the two can know; [`CompareOptions::run_spread`] and [`CompareOptions::run_jitter`] are added to the standard error for
//!    it, and [`Spreads`] of a history are used where they are larger.
//! 2. **It matters:** the estimate lies beyond a boundary *below* the smallest effect that matters. With the boundary at
//!    that effect itself, a slowdown of just that size would be missed every second time, since estimates scatter about the
//!    truth. The boundary is at the share z(0.99) / (z(0.99) + z(0.90)) = 2.326 / 3.608 = 0.645 of it on the logarithmic
//!    scale, that is 3.2 % for 5 %. There the greatest scatter of estimates is bearable with which no change still alarms in
//!    at most 1 % of comparisons and the smallest effect that matters is still found in at least 90 %: a standard error of
//!    5 % / 3.608 = 1.4 %. That includes what differs between runs, so that the boundary still holds where they differ by
//!    more than is assumed.
//!
//! So a change below 3.2 % never alarms, one of 5 % or more is found whenever the data suffice, and between them it depends.
//! A figure is unchanged when the whole interval of its ratio lies within the smallest effect that matters, in both
//! directions; otherwise the answer is unclear, and more samples would decide.
//!
//! # The figures
//!
//! Response times (p50, p95, p99, avg), the share of errors and throughput for the run, and the first two kinds for each
//! endpoint that both runs have; memory growth, CPU and degradation where both runs estimated them with an interval.
//! Throughput is compared only between runs of the same plan, since with another plan it differs by intent; under an open
//! or paced load it is what the plan asks for until the service no longer keeps up, so that it says whether it did.
//! Intervals and p-values come from the block bootstrap over the intervals of the runs. Runs of fewer than eight intervals, or
//! of less than a second, are too short for it and for an answer: their figures are unclear, however far they are apart.
//!
//! Shares of errors and growth of memory are often zero, and a ratio to zero says nothing. Both sides are raised to the
//! smallest amount that matters before they are divided, and a difference whose whole interval is less than that amount is
//! no change, whatever the ratio. For response times that amount is 1 µs.

mod figures;
mod notes;
mod precision;
mod spread;

use pulse_model::{Change, Effect, Finding, Measured, Nanos, Snapshot};
use pulse_stats::{Bootstrap, benjamini_hochberg};

use crate::run_data::RunData;
use figures::Figure;
pub use precision::Precision;
pub use spread::{Spread, Spreads};

/// z(0.99) + z(0.90), see the module's text: so many standard errors is the smallest effect that is found; quantiles of the
/// standard normal law from the NIST/SEMATECH e-Handbook of Statistical Methods, §1.3.6.7.1.
const FOUND: f64 = 2.326_348 + 1.281_552;
const BOUNDARY_SHARE: f64 = 2.326_348 / FOUND;
/// Half the width of a 95 % interval in standard errors.
const Z_95: f64 = 1.959_964;
/// A run that lasted less saw too little of its machine for an answer.
const MIN_SPAN: Nanos = Nanos::from_secs(1);

/// What counts as a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompareOptions {
    /// Smallest relative effect that matters: 0.05 is 5 %. At least 0; what is not a number counts as 0.
    pub min_effect: f64,
    /// Largest chance of any alarm where nothing changed: 0.01 is 1 %.
    pub alarms: f64,
    /// Relative standard deviation of response times between runs of one program: 0.005 is 0.5 %. A machine with many
    /// neighbours has more; what is not a number counts as 0.
    pub run_spread: f64,
    /// Standard deviation of response times between runs of one program, nanoseconds, beside the relative one. A thread that
    /// is woken up a little later, or on another core, adds microseconds to every answer of a run, whatever the answer takes.
    pub run_jitter: f64,
    /// Smallest share of errors that matters: 0.001 is one in a thousand.
    pub min_errors: f64,
    /// Smallest growth of memory that matters, bytes per request.
    pub min_growth_bytes: f64,
    /// How intervals are resampled.
    pub bootstrap: Bootstrap,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self {
            min_effect: 0.05,
            alarms: 0.01,
            run_spread: 0.005,
            run_jitter: 5_000.0,
            min_errors: 0.001,
            min_growth_bytes: 1024.0,
            bootstrap: Bootstrap::default(),
        }
    }
}

impl CompareOptions {
    /// The ratio from which on an estimate may raise an alarm; 1.032 for a smallest effect of 5 %.
    pub fn boundary(&self) -> f64 {
        (BOUNDARY_SHARE * self.min_effect.max(0.0).ln_1p()).exp()
    }
}

/// How two runs differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Each figure that could be compared, those that matter first.
    pub changes: Vec<Change>,
    /// The worst: [`Effect::Regression`] when any figure is one, else [`Effect::Improvement`] when any is one;
    /// [`Effect::Unchanged`] when all figures are; otherwise, and without any figure, [`Effect::Unclear`].
    pub effect: Effect,
    /// What makes the runs unlike, and what could not be compared.
    pub findings: Vec<Finding>,
}

/// Two runs to compare.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// What is compared with.
    pub before: &'a RunData,
    /// What is compared.
    pub after: &'a RunData,
    /// What a history knows about differences between runs of one program; `None` leaves it at the assumptions of the
    /// [`CompareOptions`].
    pub spreads: Option<&'a Spreads>,
}

/// Compares one run with another.
pub fn compare(before: &RunData, after: &RunData, options: &CompareOptions) -> Comparison {
    compare_all(&[Pair { before, after, spreads: None }], options).pop().unwrap_or(Comparison {
        changes: Vec::new(),
        effect: Effect::Unclear,
        findings: Vec::new(),
    })
}

/// Compares pairs of runs, such as the cases of a suite with those of its baseline. Significance is corrected for all
/// figures of all pairs, so that a large suite cries wolf no more often than a small one. One answer per pair, in order.
pub fn compare_all(pairs: &[Pair<'_>], options: &CompareOptions) -> Vec<Comparison> {
    let mut drafts: Vec<(Vec<Figure>, Vec<Finding>)> = pairs
        .iter()
        .map(|pair| {
            let mut findings = notes::differences(pair.before, pair.after);
            let figures = figures::figures(pair, options, &mut findings);
            (figures, findings)
        })
        .collect();
    // What cannot alarm takes no part in the correction, where it would only blunt the others.
    let p_values: Vec<f64> = drafts
        .iter()
        .flat_map(|(figures, _)| figures)
        .filter(|figure| !figure.too_short)
        .map(|figure| figure.p_value)
        .collect();
    // Without a correction nothing may alarm.
    let corrected = benjamini_hochberg(&p_values).unwrap_or_else(|| vec![1.0; p_values.len()]);
    let mut corrected = corrected.into_iter();
    drafts
        .drain(..)
        .map(|(figures, findings)| {
            let mut changes: Vec<Change> = figures
                .into_iter()
                .map(|figure| {
                    let corrected = if figure.too_short { None } else { corrected.next() };
                    change(figure, corrected.unwrap_or(1.0), options)
                })
                .collect();
            changes.sort_by_key(|change| change.effect);
            let effect = overall(&changes);
            Comparison { changes, effect, findings }
        })
        .collect()
}

fn change(figure: Figure, p_value: f64, options: &CompareOptions) -> Change {
    let effect = effect(&figure, p_value, options);
    let Figure { subject, unit, before, after, ratio, negligible, .. } = figure;
    Change { subject, unit, before, after, ratio, p_value, effect, negligible }
}

/// Whether a run lasted long enough for an answer; where the intervals do not say how long they are, their number has to do.
fn spans(intervals: &[Snapshot]) -> bool {
    let first = intervals.first().and_then(|interval| interval.interval);
    let last = intervals.last().and_then(|interval| interval.interval);
    first.zip(last).is_none_or(|(first, last)| last.to.since(first.from) >= MIN_SPAN)
}

fn effect(figure: &Figure, p_value: f64, options: &CompareOptions) -> Effect {
    let Measured { value, lo, hi, .. } = figure.ratio;
    // From here on more is worse.
    let (value, lo, hi) =
        if figure.more_is_worse { (value, lo, hi) } else { (1.0 / value, 1.0 / hi, 1.0 / lo) };
    let by_chance = p_value >= options.alarms;
    let (boundary, limit) = (options.boundary(), 1.0 + options.min_effect.max(0.0));
    if figure.too_short {
        Effect::Unclear
    } else if figure.negligible {
        Effect::Unchanged
    } else if !by_chance && value > boundary {
        Effect::Regression
    } else if !by_chance && value < 1.0 / boundary {
        Effect::Improvement
    } else if lo >= 1.0 / limit && hi <= limit {
        Effect::Unchanged
    } else {
        Effect::Unclear
    }
}

fn overall(changes: &[Change]) -> Effect {
    let any = |effect| changes.iter().any(|change| change.effect == effect);
    if any(Effect::Regression) {
        Effect::Regression
    } else if any(Effect::Improvement) {
        Effect::Improvement
    } else if any(Effect::Unclear) || changes.is_empty() {
        Effect::Unclear
    } else {
        Effect::Unchanged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use pulse_model::Unit;

    fn figure(value: f64, lo: f64, hi: f64) -> Figure {
        let exact = Measured { value: 1.0, lo: 1.0, hi: 1.0, samples: 1 };
        Figure {
            subject: "p95".into(),
            unit: Unit::Nanoseconds,
            before: exact,
            after: exact,
            ratio: Measured { value, lo, hi, samples: 1 },
            p_value: 0.0,
            more_is_worse: true,
            negligible: false,
            too_short: false,
        }
    }

    #[test]
    fn of_a_short_run_nothing_follows() {
        for negligible in [false, true] {
            let figure = Figure { too_short: true, negligible, ..figure(3.0, 2.9, 3.1) };
            assert_eq!(effect(&figure, 0.0, &CompareOptions::default()), Effect::Unclear);
        }
    }

    #[test]
    fn the_rule() {
        use Effect::{Improvement, Regression, Unchanged, Unclear};
        for (value, lo, hi, p_value, expected) in [
            (1.05, 1.03, 1.07, 0.001, Regression),
            (1.05, 1.049, 1.051, 0.0, Regression),
            (1.033, 1.02, 1.046, 0.001, Regression),
            (1.031, 1.02, 1.042, 0.001, Unchanged),
            (1.031, 1.01, 1.052, 0.004, Unclear),
            (1.20, 0.99, 1.42, 0.02, Unclear),
            (1.0, 0.97, 1.03, 0.9, Unchanged),
            (1.0, 0.90, 1.10, 0.9, Unclear),
            (0.95, 0.93, 0.97, 0.001, Improvement),
            (0.98, 0.97, 0.99, 0.001, Unchanged),
        ] {
            let found = effect(&figure(value, lo, hi), p_value, &CompareOptions::default());
            assert_eq!(found, expected, "{value} {lo} {hi} {p_value}");
        }
    }

    #[test]
    fn the_boundary_is_where_it_is_said_to_be() {
        let boundary = |min_effect| CompareOptions { min_effect, ..CompareOptions::default() }.boundary();
        assert!((boundary(0.05) - 1.0320).abs() < 1e-4, "{}", boundary(0.05));
        assert_eq!((boundary(0.0), boundary(-1.0), boundary(f64::NAN)), (1.0, 1.0, 1.0));
    }

    proptest! {
        #[test]
        fn slower_is_the_mirror_of_faster(ratio in 0.5_f64..2.0, width in 1.0_f64..1.2, p_value in 0.0..0.02_f64) {
            let options = CompareOptions::default();
            let figure = figure(ratio, ratio / width, ratio * width);
            let mirrored = Figure { more_is_worse: false, ..figure.clone() };
            let expected = match effect(&figure, p_value, &options) {
                Effect::Regression => Effect::Improvement,
                Effect::Improvement => Effect::Regression,
                same => same,
            };
            prop_assert_eq!(effect(&mirrored, p_value, &options), expected);
        }
    }
}
