//! Targets that no measurement can meet: alone, or not together.

use pulse_model::{Comparison, Estimate, Statistic, Subject, Target, Unit};

/// Why some of these targets can never be met; `None` when each of them and each two of them can.
///
/// ```
/// let targets = ["p95 < 100ms", "p50 > 200ms"].map(|text| text.parse().unwrap());
/// assert_eq!(
///     pulse_plan::target_conflict(&targets).as_deref(),
///     Some("`p50 > 200ms` contradicts `p95 < 100ms`: no measurement meets both")
/// );
/// ```
pub fn target_conflict(targets: &[Target]) -> Option<String> {
    targets.iter().enumerate().find_map(|(i, target)| {
        if let Some(reason) = impossible(target) {
            return Some(format!("`{target}` can never hold: {reason}"));
        }
        let other = targets[..i].iter().find(|other| contradict(other, target))?;
        Some(format!("`{target}` contradicts `{other}`: no measurement meets both"))
    })
}

/// One end of what a target allows.
#[derive(Clone, Copy)]
struct Bound {
    at: f64,
    /// Whether the value itself is outside.
    open: bool,
}

fn upper(target: &Target) -> Option<Bound> {
    match target.comparison {
        Comparison::Less => Some(Bound { at: target.limit, open: true }),
        Comparison::AtMost | Comparison::Equal => Some(Bound { at: target.limit, open: false }),
        Comparison::Greater | Comparison::AtLeast => None,
    }
}

fn lower(target: &Target) -> Option<Bound> {
    match target.comparison {
        Comparison::Greater => Some(Bound { at: target.limit, open: true }),
        Comparison::AtLeast | Comparison::Equal => Some(Bound { at: target.limit, open: false }),
        Comparison::Less | Comparison::AtMost => None,
    }
}

/// Whether no value lies between the two.
fn empty(lower: Bound, upper: Bound) -> bool {
    upper.at < lower.at || (upper.at <= lower.at && (lower.open || upper.open))
}

/// Why no measurement can meet a target.
pub(crate) fn impossible(target: &Target) -> Option<String> {
    let closed = |at| Bound { at, open: false };
    let never_below = |least: f64| upper(target).is_some_and(|upper| empty(closed(least), upper));
    let never_above = |most: f64| lower(target).is_some_and(|lower| empty(lower, closed(most)));
    if let Subject::Ratio { statistic, by, .. } = &target.subject {
        if is_at_most(*by, *statistic) && never_below(1.0) {
            return Some(format!("{statistic} is never below {by}"));
        }
        if is_at_most(*statistic, *by) && never_above(1.0) {
            return Some(format!("{statistic} is never above {by}"));
        }
    }
    let may_shrink = target.subject == Subject::Estimate(Estimate::MemoryGrowth);
    if !may_shrink && never_below(0.0) {
        return Some("nothing is below 0".to_owned());
    }
    let bounded = target.unit == Unit::Share && target.subject != Subject::Estimate(Estimate::Cpu);
    (bounded && never_above(1.0)).then(|| "nothing is above 100%".to_owned())
}

/// Whether no measurement can meet both targets.
pub(crate) fn contradict(one: &Target, other: &Target) -> bool {
    if one.tags != other.tags || one.unit != other.unit {
        return false;
    }
    let below = |small: &Target, large: &Target| {
        let ordered = match (&small.subject, &large.subject) {
            (Subject::Trend { metric: a, statistic }, Subject::Trend { metric: b, statistic: by }) => {
                a == b && is_at_most(*statistic, *by)
            }
            (a, b) => a == b,
        };
        ordered && matches!((lower(small), upper(large)), (Some(lower), Some(upper)) if empty(lower, upper))
    };
    below(one, other) || below(other, one)
}

/// Whether the first statistic of any data is at most the second one.
fn is_at_most(one: Statistic, other: Statistic) -> bool {
    use Statistic::{Max, Mean, Min, Quantile};
    match (one, other) {
        (Min, Min | Mean | Max | Quantile(_)) | (Mean | Quantile(_), Max) => true,
        (Quantile(a), Quantile(b)) => a <= b,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_met() {
        for (targets, reason) in [
            (&["p95 < 200ms", "errors < 1%"][..], None),
            (&["p95 < 200ms", "p95 < 100ms"], None),
            (&["p95 < 200ms", "p95 > 200ms"], Some("contradicts `p95 < 200ms`")),
            (&["errors < 1%", "errors >= 1%"], Some("contradicts `errors < 1%`")),
            (&["p95{endpoint=a} < 1ms", "p95{endpoint=b} > 1ms"], None),
            (&["errors < 0%"], Some("can never hold: nothing is below 0")),
            (&["success > 100%"], Some("can never hold: nothing is above 100%")),
        ] {
            let targets: Vec<Target> = targets.iter().map(|text| text.parse().unwrap()).collect();
            let conflict = target_conflict(&targets);
            assert_eq!(conflict.is_some(), reason.is_some(), "{conflict:?}");
            let text = conflict.unwrap_or_default();
            assert!(text.contains(reason.unwrap_or_default()), "{text}");
        }
    }
}
