//! Which run changed a figure, and by how much?

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

/// The changes of level over a history, in order of time. Takes the points of [`History::series`](super::History::series);
/// of more than 2000 the latest are looked at.
pub fn changes_over(points: &[HistoryPoint], options: &EDivisive) -> Vec<HistoryChange> {
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    let pair = |at: usize| Some((points.get(at.checked_sub(1)?)?, points.get(at)?));
    options
        .change_points(&values)
        .into_iter()
        .filter_map(|change| {
            let (last, first) = pair(change.at)?;
            let ratio = change.after / change.before;
            Some(HistoryChange {
                at: change.at,
                last: last.clone(),
                first: first.clone(),
                before: change.before,
                after: change.after,
                ratio: ratio.is_finite().then_some(ratio),
                p_value: change.p_value,
                other_machine: last.origin.machine != first.origin.machine,
            })
        })
        .collect()
}
