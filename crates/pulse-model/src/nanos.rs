//! Time in pure crates: nanoseconds since the start of the run, and the text form of durations.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// A point in time or a length of time in nanoseconds. As a point it counts from the start of the run.
///
/// Arithmetic saturates: a schedule that runs past 584 years is a bug elsewhere, and must not panic here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The start of the run; also "no time at all".
    pub const ZERO: Self = Self(0);
    /// Later than everything.
    pub const MAX: Self = Self(u64::MAX);

    /// Whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(SECOND))
    }

    /// Whole milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(MILLI))
    }

    /// Whole microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(MICRO))
    }

    /// Seconds with a fraction, rounded to the nearest nanosecond; negative and NaN become zero.
    pub fn from_secs_f64(secs: f64) -> Self {
        Self((secs * SECOND as f64).round() as u64)
    }

    /// In seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / SECOND as f64
    }

    /// In milliseconds.
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / MILLI as f64
    }

    /// The time between `earlier` and `self`, zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// This length `n` times.
    #[must_use]
    pub const fn times(self, n: u64) -> Self {
        Self(self.0.saturating_mul(n))
    }
}

impl Add for Nanos {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Nanos {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Nanos {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.since(other)
    }
}

impl From<Duration> for Nanos {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Nanos> for Duration {
    fn from(nanos: Nanos) -> Self {
        Self::from_nanos(nanos.0)
    }
}

/// The exact text form that [`Nanos::from_str`] reads back: `1h30m`, `1.5s`, `200ms`, `0s`.
impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        let fraction = |f: &mut fmt::Formatter<'_>, unit: u64, digits: usize, name: &str| {
            let text = format!("{}.{:0digits$}", n / unit, n % unit);
            write!(f, "{}{name}", text.trim_end_matches('0').trim_end_matches('.'))
        };
        match n {
            0 => f.write_str("0s"),
            1..MICRO => write!(f, "{n}ns"),
            MICRO..MILLI => fraction(f, MICRO, 3, "us"),
            MILLI..SECOND => fraction(f, MILLI, 6, "ms"),
            _ if !n.is_multiple_of(SECOND) || n < 60 * SECOND => fraction(f, SECOND, 9, "s"),
            _ => {
                let secs = n / SECOND;
                for (count, name) in [(secs / 3600, 'h'), (secs / 60 % 60, 'm'), (secs % 60, 's')] {
                    if count > 0 {
                        write!(f, "{count}{name}")?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a duration: {reason}; write for example 90s, 5m, 1h30m, 250ms, or a number of seconds"
)]
pub struct DurationError {
    /// The offending text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for Nanos {
    type Err = DurationError;

    /// Reads `90s`, `5m`, `1h30m`, `1.5s`, `250ms`, `80us`, `15ns`, or a bare number of seconds.
    fn from_str(text: &str) -> Result<Self, DurationError> {
        let fail = |reason| DurationError { text: text.to_owned(), reason };
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(fail("it is empty"));
        }
        let mut rest = trimmed;
        let mut total: f64 = 0.0;
        let mut previous = f64::INFINITY;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let number: f64 = rest[..digits].parse().map_err(|_| fail("a number is expected"))?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
            let unit = match &rest[..letters] {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" | "sec" => 1.0,
                "m" | "min" => 60.0,
                "h" => 3600.0,
                "d" => 86400.0,
                "" if digits == trimmed.len() => 1.0,
                "" => return Err(fail("a unit is missing")),
                _ => return Err(fail("the unit is not one of ns, us, ms, s, m, h, d")),
            };
            if unit >= previous {
                return Err(fail("units must go from large to small"));
            }
            previous = unit;
            total += number * unit;
            rest = &rest[letters..];
        }
        if total > 365.0 * 86400.0 {
            return Err(fail("it is longer than a year"));
        }
        Ok(Self::from_secs_f64(total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_in_the_forms_people_write() {
        for (text, expected) in [
            ("30", Nanos::from_secs(30)),
            ("0.5", Nanos::from_millis(500)),
            ("90s", Nanos::from_secs(90)),
            ("5m", Nanos::from_secs(300)),
            ("1h30m", Nanos::from_secs(5400)),
            ("1m0.5s", Nanos::from_millis(60_500)),
            ("250ms", Nanos::from_millis(250)),
            ("80us", Nanos::from_micros(80)),
            (" 15ns ", Nanos(15)),
            ("0", Nanos::ZERO),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_says_why() {
        for (text, reason) in [
            ("", "it is empty"),
            ("abc", "a number is expected"),
            ("-5s", "a number is expected"),
            ("5x", "the unit is not one of ns, us, ms, s, m, h, d"),
            ("1h30", "a unit is missing"),
            ("30m1h", "units must go from large to small"),
            ("5s5s", "units must go from large to small"),
            ("1.2.3s", "a number is expected"),
            ("99999999h", "it is longer than a year"),
        ] {
            assert_eq!(text.parse::<Nanos>().unwrap_err().reason, reason, "{text}");
        }
    }

    proptest! {
        #[test]
        fn display_reads_back(nanos in 0..1_000_000_000_000_000_u64) {
            prop_assert_eq!(Nanos(nanos).to_string().parse(), Ok(Nanos(nanos)));
        }
    }
}
