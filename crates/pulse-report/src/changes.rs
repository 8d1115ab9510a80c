//! Differences from a baseline, in words.

use pulse_model::{Change, Effect, Estimate};

use crate::{estimates, number};

/// In capitals, as reports print it.
pub(crate) const fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Regression => "REGRESSION",
        Effect::Improvement => "IMPROVEMENT",
        Effect::Unchanged => "UNCHANGED",
        Effect::Unclear => "UNCLEAR",
    }
}

/// A figure of the comparison: `45.60ms`.
pub(crate) fn figure(change: &Change, value: f64) -> String {
    let estimate = Estimate::ALL.into_iter().find(|estimate| estimate.name() == change.subject);
    estimate.map_or_else(|| number::in_unit(change.unit, value), |estimate| estimates::show(estimate, value))
}

/// What is compared, without control characters; estimates by the name that says their scale.
pub(crate) fn subject(change: &Change) -> String {
    let estimate = Estimate::ALL.into_iter().find(|estimate| estimate.name() == change.subject);
    estimate.map_or_else(
        || number::printable(&change.subject).into_owned(),
        |estimate| estimates::label(estimate).to_owned(),
    )
}

/// `+12.3%`; `-` when the baseline was zero.
pub(crate) fn difference(ratio: f64) -> String {
    if ratio.is_finite() { format!("{:+.1}%", (ratio - 1.0) * 100.0) } else { number::NONE.to_owned() }
}

/// `+8.0% – +16.6%`.
pub(crate) fn interval(change: &Change) -> String {
    format!("{} – {}", difference(change.ratio.lo), difference(change.ratio.hi))
}

/// `p = 0.012`, `p < 0.001`.
pub(crate) fn chance(change: &Change) -> String {
    match change.p_value {
        p if !p.is_finite() => number::NONE.to_owned(),
        p if p < 0.001 => "p < 0.001".to_owned(),
        p => format!("p = {p:.3}"),
    }
}

/// One line: `p95 40.00ms → 48.00ms, +20.0% (95% interval +12.0% – +28.0%, p < 0.001)`.
pub(crate) fn sentence(change: &Change) -> String {
    format!(
        "{} {} → {}, {} (95% interval {}, {})",
        subject(change),
        figure(change, change.before.value),
        figure(change, change.after.value),
        difference(change.ratio.value),
        interval(change),
        chance(change)
    )
}
