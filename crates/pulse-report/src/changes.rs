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

/// By how much, or that it is too little to matter, whatever the ratio.
pub(crate) fn amount(change: &Change) -> String {
    if change.negligible { "negligible".to_owned() } else { difference(change.ratio.value) }
}

/// One line: `p95 40.00ms → 48.00ms, +20.0% (95% interval +12.0% – +28.0%, p < 0.001)`.
pub(crate) fn sentence(change: &Change) -> String {
    let values = format!(
        "{} {} → {}",
        subject(change),
        figure(change, change.before.value),
        figure(change, change.after.value)
    );
    if change.negligible {
        // The interval of a ratio of next to nothing would only confuse.
        return format!("{values}, {}", amount(change));
    }
    format!("{values}, {} (95% interval {}, {})", amount(change), interval(change), chance(change))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Measured, Unit};

    #[test]
    fn next_to_nothing_has_no_ratio() {
        let at = |value| Measured { value, lo: value, hi: value, samples: 9 };
        let change = Change {
            subject: "cpu".into(),
            unit: Unit::Share,
            before: at(0.0099),
            after: at(0.005),
            ratio: at(1.0),
            p_value: 1.0,
            effect: Effect::Unchanged,
            negligible: true,
        };
        assert!(sentence(&change).ends_with("0.99% → 0.50%, negligible"), "{}", sentence(&change));
        let counts = Change { negligible: false, ..change };
        assert!(sentence(&counts).contains("+0.0% (95% interval"), "{}", sentence(&counts));
    }
}
