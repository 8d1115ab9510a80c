//! The charts of a suite: how long each case took, and what changed.

use pulse_model::{Change, Effect};

use super::axis::Axis;
use super::letters;
use super::panel::{AMBER, BLUE, Form, GREEN, MUTED, PURPLE, Panel, RED, Series};
use crate::changes;
use crate::spread::Spread;
use crate::suite::Suite;

/// Rows of a chart; the rest is counted.
pub(super) const ROWS: usize = 24;
/// Pixels for names, and the size of their letters.
const NAMES: i32 = 300;
const LETTERS: f64 = 12.5;
/// The largest change that is drawn where it lies, in percent; what is larger is at the edge.
const LARGEST: f64 = 300.0;
/// Changes below this percentage do not stretch the axis.
const SMALLEST: f64 = 10.0;
/// Nanoseconds of a millisecond.
const MILLI: f64 = 1e6;

/// Response times of each case.
pub(super) fn times(suite: &Suite<'_>) -> Panel {
    let cases = &suite.cases[..suite.cases.len().min(ROWS)];
    let names = cases.iter().map(|case| fitted(&format!("{}  {}", case.outcome.word(), case.id())));
    let y = Axis::names("", names.collect());
    let spreads: Vec<_> = cases.iter().map(|case| Spread::of(&case.summary.response_time())).collect();
    let rows = || y.ticks.iter().map(|(place, _)| *place).zip(&spreads);
    let dots = |label: &str, color, nanos: fn(&Spread) -> Option<f64>| {
        let part = rows().filter_map(|(row, spread)| Some((nanos(spread)? / MILLI, row))).collect();
        Series { label: label.into(), color, form: Form::Dots, parts: vec![part] }
    };
    let whole = rows()
        .filter_map(|(row, spread)| Some(vec![(spread.median? / MILLI, row), (spread.max? / MILLI, row)]));
    let bars = Series { label: String::new(), color: MUTED, form: Form::Line(1), parts: whole.collect() };
    let series = vec![
        bars,
        dots("p50", GREEN, |spread| spread.median),
        dots("p95", BLUE, |spread| spread.p95),
        dots("p99", PURPLE, |spread| spread.p99),
        dots("max", MUTED, |spread| spread.max),
    ];
    let values = series.iter().flat_map(|one| one.parts.iter().flatten()).map(|(x, _)| *x);
    Panel {
        title: "Response time of each case".into(),
        x: Axis::log("milliseconds", values),
        y,
        series,
        marks: Vec::new(),
        warmup: None,
        room: NAMES,
    }
}

/// What changed, with its interval; `None` where nothing was compared.
pub(super) fn compared(suite: &Suite<'_>) -> Option<Panel> {
    let all = suite.changes();
    let is_single = suite.cases.len() < 2;
    let drawn: Vec<_> = all.iter().filter(|(_, change)| change.ratio.value.is_finite()).take(ROWS).collect();
    if drawn.is_empty() {
        return None;
    }
    let name = |(case, change): &&(Option<crate::suite::Case<'_>>, &Change)| match case {
        Some(case) if !is_single => fitted(&format!("{}: {}", case.id(), changes::subject(change))),
        _ => fitted(&changes::subject(change)),
    };
    let y = Axis::names("", drawn.iter().map(name).collect());
    let percent = |ratio: f64| ((ratio - 1.0) * 100.0).clamp(-100.0, LARGEST);
    let rows = || y.ticks.iter().map(|(place, _)| *place).zip(drawn.iter().map(|(_, change)| *change));
    let of = |effect: Effect, color| {
        let parts = rows().filter(|(_, change)| change.effect == effect);
        let [mut intervals, mut values] = [Vec::new(), Vec::new()];
        for (row, change) in parts {
            let ends = [change.ratio.lo, change.ratio.hi].map(|end| (percent(end), row));
            intervals.push(ends.to_vec());
            values.push(vec![(percent(change.ratio.value), row)]);
        }
        let label = changes::word(effect).to_lowercase();
        [
            Series { label: String::new(), color, form: Form::Line(2), parts: intervals },
            Series { label, color, form: Form::Dots, parts: values },
        ]
    };
    let effects = [
        (Effect::Regression, RED),
        (Effect::Improvement, GREEN),
        (Effect::Unclear, AMBER),
        (Effect::Unchanged, MUTED),
    ];
    let mut series: Vec<_> = effects.into_iter().flat_map(|(effect, color)| of(effect, color)).collect();
    series.retain(|one| !one.parts.is_empty());
    let ends = || series.iter().flat_map(|one| one.parts.iter().flatten()).map(|(x, _)| *x);
    let [least, most] = [ends().fold(-SMALLEST, f64::min), ends().fold(SMALLEST, f64::max)];
    Some(Panel {
        title: "Change against the baseline, with its 95% interval".into(),
        x: Axis::between("change (%)", least, most, 6),
        y,
        series,
        marks: vec![(0.0, String::new())],
        warmup: None,
        room: NAMES,
    })
}

fn fitted(name: &str) -> String {
    letters::fitted(name, LETTERS, f64::from(NAMES) - 2.0 * LETTERS)
}
