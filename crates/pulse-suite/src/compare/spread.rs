//! By how much runs of one program differ, as far as a history tells.
//!
//! The scatter within a run says nothing about what differs between runs: another memory layout, another neighbour on the
//! machine, another clock frequency. Only runs of the same commit, on the same machine, with the same plan show that. Where a
//! history has enough of them, a comparison uses what they show instead of an assumption.

use std::collections::BTreeMap;

use pulse_model::ValidityState;

use crate::history::HistoryPoint;
use crate::run_record::metrics_with_spread;

/// Fewest degrees of freedom of a spread that is worth the name: six runs of one commit, or more of several.
const MIN_FREEDOM: usize = 5;

/// How much a figure differs between runs of one program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Standard deviation of the figure's logarithm over runs: 0.02 is about 2 %. Includes what the scatter within runs
    /// contributes.
    pub deviation: f64,
    /// Degrees of freedom: runs less commits.
    pub freedom: usize,
}

/// The spreads of the figures of a case by name; empty where nothing is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spreads(BTreeMap<String, Spread>);

impl Spreads {
    /// What is known of a figure, such as `p95`.
    pub fn of(&self, figure: &str) -> Option<Spread> {
        self.0.get(figure).copied()
    }

    /// The spreads of a case's figures, whose points over runs `series` looks up by name.
    pub fn from_series<E>(mut series: impl FnMut(&str) -> Result<Vec<HistoryPoint>, E>) -> Result<Self, E> {
        let mut spreads = BTreeMap::new();
        for figure in metrics_with_spread() {
            spreads.extend(spread(&series(figure)?).map(|spread| (figure.to_owned(), spread)));
        }
        Ok(Self(spreads))
    }
}

/// The standard deviation within groups of runs of one commit, machine and plan, pooled over the groups (R. A. Fisher,
/// "Statistical Methods for Research Workers", 1925, ch. VII: the mean square within classes). Runs with changes that were not
/// committed are left out, since their code is not known, as are invalid measurements.
fn spread(points: &[HistoryPoint]) -> Option<Spread> {
    let mut groups: BTreeMap<(&str, &str, &str), Vec<f64>> = BTreeMap::new();
    for point in points {
        let is_usable = !point.origin.dirty && point.validity != ValidityState::Invalid && point.value > 0.0;
        if let Some(commit) = point.origin.commit.as_deref().filter(|_| is_usable) {
            groups.entry((commit, &point.origin.machine, &point.plan)).or_default().push(point.value.ln());
        }
    }
    let (mut squares, mut freedom) = (0.0, 0);
    for group in groups.values() {
        let mean = group.iter().sum::<f64>() / group.len() as f64;
        squares += group.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        freedom += group.len() - 1;
    }
    let deviation = (squares / freedom as f64).sqrt();
    (freedom >= MIN_FREEDOM && deviation.is_finite()).then_some(Spread { deviation, freedom })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::RunId;
    use crate::run_record::Origin;

    fn point(commit: &str, machine: &str, plan: &str, value: f64) -> HistoryPoint {
        let commit = (!commit.is_empty()).then(|| commit.to_owned());
        HistoryPoint {
            run: RunId(1),
            started: String::new(),
            origin: Origin { commit, machine: machine.to_owned(), ..Origin::default() },
            plan: plan.to_owned(),
            validity: ValidityState::Valid,
            value,
        }
    }

    /// By hand: two commits whose logarithms are ±0.02 about 3 and about 4 have a variance of 8·0.0004/6 within them.
    #[test]
    fn only_runs_of_the_same_code_machine_and_plan_count() {
        let group = |commit: &str, centre: f64| {
            [0.02, -0.02, 0.02, -0.02].map(|off: f64| point(commit, "m", "p", (centre + off).exp()))
        };
        let known: Vec<HistoryPoint> = [group("a", 3.0), group("b", 4.0)].concat();
        let found = spread(&known).unwrap();
        assert!((found.deviation - (0.0032_f64 / 6.0).sqrt()).abs() < 1e-12, "{found:?}");
        assert_eq!(found.freedom, 6);
        let mut more = known.clone();
        let mut dirty = point("a", "m", "p", 1e9);
        dirty.origin.dirty = true;
        let invalid = HistoryPoint { validity: ValidityState::Invalid, ..point("a", "m", "p", 1e9) };
        let zero = point("a", "m", "p", 0.0);
        more.extend([dirty, invalid, zero, point("", "m", "p", 1.0), point("", "m", "p", 9.0)]);
        more.extend([
            point("a", "other", "p", 1e9),
            point("a", "m", "other", 1e9),
            point("c", "m", "p", 1e9),
        ]);
        assert_eq!(spread(&more), Some(found));
        assert_eq!(spread(&known[..6]), None, "five degrees of freedom are the least");
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn figures_are_looked_up_by_name() {
        let series = |figure: &str| -> Result<Vec<HistoryPoint>, ()> {
            let scale = if figure == "p95" { 0.1 } else { 0.0 };
            Ok((0..8).map(|i| point("a", "m", "p", (scale * f64::from(i % 2)).exp())).collect())
        };
        let spreads = Spreads::from_series(series).unwrap();
        assert!(spreads.of("p95").is_some_and(|spread| spread.deviation > 0.05));
        assert!(spreads.of("p50").is_some_and(|spread| spread.deviation == 0.0));
        assert_eq!(spreads.of("errors"), None);
        assert_eq!(Spreads::from_series(|_| Err::<Vec<_>, _>("no")), Err("no"));
    }
}
