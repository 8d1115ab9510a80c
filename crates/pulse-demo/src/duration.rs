//! Durations as people write them. A private twin of the workspace's grammar, kept in one file so that it can give
//! way to the shared parser without touching its callers.
//!
//! ```text
//! duration = number | part { part }        (a bare number is seconds)
//! part     = number unit                   (units from large to small, each at most once)
//! unit     = "h" | "m" | "s" | "ms" | "us" | "ns"
//! number   = digits [ "." digits ]
//! ```

use std::time::Duration;

/// The longest duration that any setting of the demo accepts.
pub(crate) const LONGEST: Duration = Duration::from_hours(24);

/// Unit and its length in nanoseconds, from large to small.
const UNITS: [(&str, f64); 6] =
    [("h", 3.6e12), ("m", 6e10), ("s", 1e9), ("ms", 1e6), ("us", 1e3), ("ns", 1.0)];

/// Reads a duration such as `90s`, `5m`, `1h30m`, `12ms`, `250us` or `2.5` (seconds).
///
/// The error is a phrase that completes "`TEXT` is not a duration: …".
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let reason =
        |why: &str| format!("`{text}` is not a duration: {why}; write for example 90s, 1h30m, 12ms or 250us");
    if text.is_empty() {
        return Err(reason("it is empty"));
    }
    let mut rest = text;
    let mut total_nanos = 0.0;
    let mut next_unit = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        // Guarded by hand because `f64` would also accept `.5`, `5.` and nothing at all as numbers.
        if number.is_empty() || number.starts_with('.') || number.ends_with('.') {
            return Err(reason("a number is missing"));
        }
        let number: f64 = number.parse().map_err(|_| reason("a number is malformed"))?;
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let unit = if unit.is_empty() && rest == text && tail.is_empty() { "s" } else { unit };
        let Some(position) = UNITS.iter().position(|(name, _)| *name == unit) else {
            return Err(reason("the unit must be h, m, s, ms, us or ns"));
        };
        if position < next_unit {
            return Err(reason("units go from large to small, each at most once"));
        }
        next_unit = position + 1;
        total_nanos += number * UNITS[position].1;
        rest = tail;
    }
    if total_nanos > LONGEST.as_nanos() as f64 {
        return Err(reason("it is longer than 24h"));
    }
    Ok(Duration::from_nanos(total_nanos.round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_that_are_accepted() {
        for (text, nanos) in [
            ("90s", 90_000_000_000),
            ("5m", 300_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("12ms", 12_000_000),
            ("250us", 250_000),
            ("7ns", 7),
            ("2", 2_000_000_000),
            ("2.5", 2_500_000_000),
            ("1.5ms", 1_500_000),
            ("1m2s3ms", 62_003_000_000),
            ("0", 0),
            ("24h", 86_400_000_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn durations_that_are_refused() {
        for (text, why) in [
            ("", "it is empty"),
            ("ms", "a number is missing"),
            ("5.ms", "a number is missing"),
            (".5s", "a number is missing"),
            ("1.2.3s", "a number is malformed"),
            ("5 s", "the unit must be"),
            ("5d", "the unit must be"),
            ("1m30", "the unit must be"),
            ("-5s", "a number is missing"),
            ("1s1m", "units go from large to small"),
            ("1s1s", "units go from large to small"),
            ("25h", "longer than 24h"),
            ("99999999999999999999999999h", "longer than 24h"),
        ] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
