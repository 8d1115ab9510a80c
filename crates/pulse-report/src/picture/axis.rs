//! An axis of a chart: where a value lies on it, and what is written beside it.

/// Steps between the ticks of an axis, times a power of ten.
const STEPS: [f64; 4] = [1.0, 2.0, 5.0, 10.0];
/// Decades up to which a logarithmic axis has ticks within them, too.
const FINE_DECADES: f64 = 2.5;
/// Seconds up to which time is written in seconds, and up to which in minutes.
const SECONDS: f64 = 300.0;
const MINUTES: f64 = 3.0 * 3600.0;
/// Percentiles that an axis of percentiles names, with the share that lies beyond.
const PERCENTILES: [(&str, f64); 8] = [
    ("0", 1.0),
    ("50", 0.5),
    ("90", 0.1),
    ("99", 0.01),
    ("99.9", 1e-3),
    ("99.99", 1e-4),
    ("99.999", 1e-5),
    ("99.9999", 1e-6),
];

/// An axis. Values are what was measured, places are what is drawn: the same, or their logarithm.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    /// What is told, with its unit.
    pub(super) label: String,
    scale: Scale,
    /// Place of the beginning and of the end, the latter the larger.
    pub(super) range: (f64, f64),
    /// Places with what is written there.
    pub(super) ticks: Vec<(f64, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    /// Values times this factor.
    Linear(f64),
    /// Decimal logarithm.
    Log,
    /// How rare what lies beyond a quantile is, in decades: 0.99 is at 2.
    Rarity,
}

impl Axis {
    /// From zero to at least `most`, with about `ticks` ticks.
    pub(super) fn linear(label: &str, most: f64, ticks: usize) -> Self {
        let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
        Self::between(label, 0.0, most, ticks)
    }

    /// From at most `least` to at least `most`, with about `ticks` ticks.
    pub(super) fn between(label: &str, least: f64, most: f64, ticks: usize) -> Self {
        let step = round_up((most - least) / ticks.max(1) as f64);
        let [start, end] = [(least / step).floor(), (most / step - 1e-9).ceil()];
        let count = (end - start).clamp(1.0, 1000.0) as usize;
        let ticks = (0..=count).map(|n| step * (start + n as f64)).map(|value| (value, short(value)));
        Self {
            label: label.to_owned(),
            scale: Scale::Linear(1.0),
            range: (start * step, (start + count as f64) * step),
            ticks: ticks.collect(),
        }
    }

    /// From the start of a job to `seconds` after it, in the unit that suits the length.
    pub(super) fn time(seconds: f64, ticks: usize) -> Self {
        let (unit, factor) = match seconds {
            s if s <= SECONDS => ("s", 1.0),
            s if s <= MINUTES => ("min", 1.0 / 60.0),
            _ => ("h", 1.0 / 3600.0),
        };
        let end = if seconds.is_finite() && seconds > 0.0 { seconds * factor } else { 1.0 };
        let mut axis = Self::linear(&format!("time since the start ({unit})"), end, ticks);
        // Time ends with the job, not with a round number.
        axis.range.1 = end;
        axis.ticks.retain(|(place, _)| *place <= end);
        axis.scale = Scale::Linear(factor);
        axis
    }

    /// Logarithmic, over positive values; those that are none are left out.
    pub(super) fn log(label: &str, values: impl Iterator<Item = f64>) -> Self {
        let values = values.filter(|value| value.is_finite() && *value > 0.0);
        let (least, most) =
            values.fold((f64::INFINITY, 0.0), |(least, most), value| (value.min(least), value.max(most)));
        let (least, most) = if least <= most { (least, most) } else { (1.0, 10.0) };
        let lower = round_down(least).log10();
        let upper = round_up(most).log10().max(lower + 1.0);
        let is_fine = upper - lower <= FINE_DECADES;
        let decades = (lower.floor() as i32..=upper.ceil() as i32).map(|exponent| 10_f64.powi(exponent));
        let steps = if is_fine { &STEPS[..3] } else { &STEPS[..1] };
        let ticks = decades
            .flat_map(|decade| steps.iter().map(move |step| step * decade))
            .map(|value| (value.log10(), short(value)))
            .filter(|(place, _)| *place >= lower - 1e-9 && *place <= upper + 1e-9);
        Self { label: label.to_owned(), scale: Scale::Log, range: (lower, upper), ticks: ticks.collect() }
    }

    /// Percentiles of `count` values: as far as there are values beyond.
    pub(super) fn percentiles(count: u64) -> Self {
        let end = (count.max(10) as f64).log10().min(6.0);
        let ticks = PERCENTILES.iter().map(|(name, beyond)| (-beyond.log10(), (*name).to_owned()));
        Self {
            label: "percentile (%)".to_owned(),
            scale: Scale::Rarity,
            range: (0.0, end),
            ticks: ticks.filter(|(place, _)| *place <= end).collect(),
        }
    }

    /// Names, the first at the end: upwards it is at the top.
    pub(super) fn names(label: &str, names: Vec<String>) -> Self {
        let count = names.len();
        let places = (0..count).map(|index| (count - index) as f64);
        Self {
            label: label.to_owned(),
            scale: Scale::Linear(1.0),
            range: (0.5, count.max(1) as f64 + 0.5),
            ticks: places.zip(names).collect(),
        }
    }

    /// Where a value lies, within the axis; `None` where it lies nowhere.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let place = match self.scale {
            Scale::Linear(factor) => value * factor,
            Scale::Log if value > 0.0 => value.log10(),
            Scale::Log => return None,
            Scale::Rarity if value < 1.0 => -(1.0 - value).log10(),
            Scale::Rarity => self.range.1,
        };
        place.is_finite().then(|| place.clamp(self.range.0, self.range.1))
    }

    /// What is written at a tick.
    pub(super) fn text_at(&self, place: f64) -> String {
        let tick = self.ticks.iter().find(|(tick, _)| tick.total_cmp(&place).is_eq());
        tick.map_or_else(String::new, |(_, text)| text.clone())
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `value`.
fn round_up(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let decade = 10_f64.powf(value.log10().floor());
    let step = STEPS.into_iter().find(|step| step * decade >= value * (1.0 - 1e-9));
    step.unwrap_or(10.0) * decade
}

/// The largest of 1, 2 and 5 times a power of ten that is at most `value`.
fn round_down(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let step = STEPS.into_iter().rev().find(|step| step * decade <= value * (1.0 + 1e-9));
    step.unwrap_or(1.0) * decade
}

/// A round number without noise in its last digits: `0.05`, `200`, `20k`, `3M`.
fn short(value: f64) -> String {
    let (value, unit) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let rounded = (value * 1e6).round() / 1e6;
    // Without the sign that a negative zero would have.
    format!("{}{unit}", rounded + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_the_axis_holds_its_values() {
        assert_eq!(texts(&Axis::linear("", 999.0, 5)), ["0", "200", "400", "600", "800", "1000"]);
        assert_eq!(texts(&Axis::linear("", 0.3, 3)), ["0", "0.1", "0.2", "0.3"]);
        assert_eq!(texts(&Axis::between("", -12.0, 30.0, 5)), ["-20", "-10", "0", "10", "20", "30"]);
        assert_eq!(texts(&Axis::linear("", 45_000.0, 5)).last(), Some(&"50k"));
        for most in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
            assert_eq!(Axis::linear("", most, 4).range, (0.0, 1.0), "{most}");
        }
    }

    #[test]
    fn time_is_in_the_unit_that_suits_it_and_ends_with_the_job() {
        let axis = Axis::time(61.0, 6);
        assert_eq!((axis.label.as_str(), axis.range.1), ("time since the start (s)", 61.0));
        assert_eq!(Axis::time(3600.0, 6).label, "time since the start (min)");
        assert_eq!(Axis::time(3600.0, 6).place(60.0), Some(1.0));
        assert_eq!(Axis::time(86_400.0, 6).label, "time since the start (h)");
        assert_eq!(Axis::time(f64::NAN, 6).range, (0.0, 1.0));
    }

    #[test]
    fn a_logarithmic_axis_spans_its_values() {
        let axis = Axis::log("", [2.5, 180.3, 0.0, f64::NAN].into_iter());
        assert_eq!(texts(&axis), ["2", "5", "10", "20", "50", "100", "200"]);
        assert_eq!(axis.place(10.0), Some(1.0));
        assert_eq!([0.0, -1.0, f64::NAN].map(|value| axis.place(value)), [None; 3]);
        let wide = Axis::log("", [0.03, 70_000.0].into_iter());
        assert_eq!(texts(&wide), ["0.1", "1", "10", "100", "1000", "10k", "100k"]);
        assert_eq!(texts(&Axis::log("", std::iter::empty())), ["1", "2", "5", "10"]);
    }

    #[test]
    fn percentiles_end_where_nothing_lies_beyond() {
        assert_eq!(texts(&Axis::percentiles(60_000)), ["0", "50", "90", "99", "99.9", "99.99"]);
        assert_eq!(texts(&Axis::percentiles(3)), ["0", "50", "90"]);
        let axis = Axis::percentiles(1000);
        assert_eq!(axis.place(0.0), Some(0.0));
        assert!((axis.place(0.99).unwrap() - 2.0).abs() < 1e-9);
        assert_eq!(axis.place(1.0), Some(3.0));
    }
}
