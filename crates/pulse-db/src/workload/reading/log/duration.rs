//! Durations as logs write them.

/// Units, and how many nanoseconds they have.
const UNITS: [(&str, f64); 13] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("microseconds", 1e3),
    ("ms", 1e6),
    ("msec", 1e6),
    ("milliseconds", 1e6),
    ("s", 1e9),
    ("sec", 1e9),
    ("secs", 1e9),
    ("second", 1e9),
    ("seconds", 1e9),
];

/// The same units as a pattern, longer ones before their beginnings.
pub(super) const PATTERN: &str = "microseconds|milliseconds|seconds|second|msec|secs|sec|ns|us|µs|μs|ms|s";

/// Nanoseconds of a number and its unit; `None` for what is no duration.
pub(super) fn nanoseconds(number: &str, unit: &str) -> Option<u64> {
    let number: f64 = number.parse().ok()?;
    let unit = unit.to_lowercase();
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let nanoseconds = (number * factor).round();
    // More than a century is none.
    (nanoseconds.is_finite() && (0.0..=3.2e18).contains(&nanoseconds)).then_some(nanoseconds as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_known() {
        let cases = [
            ("12.3", "ms", 12_300_000),
            ("0", "s", 0),
            ("1.5", "µs", 1500),
            ("7", "ns", 7),
            ("2", "Seconds", 2_000_000_000),
        ];
        for (number, unit, expected) in cases {
            assert_eq!(nanoseconds(number, unit), Some(expected), "{number} {unit}");
        }
        for (number, unit) in [("1", "m"), ("1e300", "s"), ("x", "s"), ("-1", "s")] {
            assert_eq!(nanoseconds(number, unit), None, "{number} {unit}");
        }
    }
}
