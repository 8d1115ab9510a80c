//! Which run changed a figure, and by how much?

use pulse_model::ValidityState;
use pulse_stats::EDivisive;
use serde::Serialize;

use super::HistoryPoint;

/// A change of level in the history of a figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HistoryChange {
    /// Index of the first point of the new level.
    pub at: usize,
    /// The last point of the level before: its commit is the last good one.
    pub last: HistoryPoint,
    /// The first point of the new level: the change came with its commit, or with one since the last point's.
    pub first: HistoryPoint,
    /// Mean of the level before, in the unit of the figure.
    pub before: f64,
    /// Mean of the new level.
    pub after: f64,
    /// after / before; `None` when the level before was 0.
    pub ratio: Option<f64>,
    /// Probability of levels this different by chance.
    pub p_value: f64,
    /// Whether the first point comes from another machine than the last; then the machine may be the change.
    pub other_machine: bool,
}

/// A run from which on a case does something else, so that its figures before and after are not comparable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanChange {
    /// Index of the first point with the new plan.
    pub at: usize,
    /// The plan until then, in words.
    pub before: String,
    /// The first point with the new plan, which names it.
    pub first: HistoryPoint,
}

/// The changes of level over a history, in order of time. Takes the points of [`History::series`](super::History::series);
/// of more than 2000 the latest are looked at.
///
/// Only points with the same plan are compared with each other: that an edited case takes longer is no change of the service
/// ([`plan_changes`] names it). Points of measurements that were invalid do not describe the service and are left out.
pub fn changes_over(points: &[HistoryPoint], options: &EDivisive) -> Vec<HistoryChange> {
    let mut plans: Vec<&str> = points.iter().map(|point| point.plan.as_str()).collect();
    plans.sort_unstable();
    plans.dedup();
    let mut changes: Vec<HistoryChange> = plans
        .into_iter()
        .flat_map(|plan| {
            let of_plan = points
                .iter()
                .enumerate()
                .filter(|(_, point)| point.plan == plan && point.validity != ValidityState::Invalid);
            changes_among(&of_plan.collect::<Vec<_>>(), options)
        })
        .collect();
    changes.sort_by_key(|change| change.at);
    changes
}

fn changes_among(points: &[(usize, &HistoryPoint)], options: &EDivisive) -> Vec<HistoryChange> {
    let values: Vec<f64> = points.iter().map(|(_, point)| point.value).collect();
    let pair = |at: usize| Some((points.get(at.checked_sub(1)?)?, points.get(at)?));
    options
        .change_points(&values)
        .into_iter()
        .filter_map(|change| {
            let ((_, last), (at, first)) = pair(change.at)?;
            let ratio = change.after / change.before;
            Some(HistoryChange {
                at: *at,
                last: (*last).clone(),
                first: (*first).clone(),
                before: change.before,
                after: change.after,
                ratio: ratio.is_finite().then_some(ratio),
                p_value: change.p_value,
                other_machine: last.origin.machine != first.origin.machine,
            })
        })
        .collect()
}

/// The runs with which the plan of a case changed, in order of time.
pub fn plan_changes(points: &[HistoryPoint]) -> Vec<PlanChange> {
    let pairs = points.windows(2).zip(1..);
    pairs
        .filter(|(pair, _)| pair[0].plan != pair[1].plan)
        .map(|(pair, at)| PlanChange { at, before: pair[0].plan.clone(), first: pair[1].clone() })
        .collect()
}
