//! [`Character`]: the faults the demo is told to have, so that tools can be tested against known answers.

use crate::latency::LatencyLaw;
use crate::stall::Stall;

/// The largest leak per request in bytes (16 MiB).
pub const LARGEST_LEAK_BYTES: u64 = 16 << 20;

/// How the demo behaves besides answering. The default has no character: it answers as fast as it can.
///
/// All of it applies to every route, unknown ones and the WebSocket upgrade included, in this order: hold by the
/// stall, leak, latency, error.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Character {
    /// Latency added to every request.
    pub latency: Option<LatencyLaw>,
    /// A recurring standstill.
    pub stall: Option<Stall>,
    /// Share of requests answered by a 500 with `{"detail": "injected error"}`; from 0 to 1.
    pub error_rate: f64,
    /// Memory that every request keeps for good, in bytes, at most [`LARGEST_LEAK_BYTES`]; the sum over all requests
    /// is bounded, see [`LEAK_CAP_BYTES`](crate::LEAK_CAP_BYTES).
    pub leak_bytes_per_request: u64,
}

impl Character {
    /// Whether no fault is set at all.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Checks the ranges of all fields; values from the parsers pass.
    pub fn check(&self) -> Result<(), CharacterError> {
        if let Some(law) = &self.latency {
            law.check()?;
        }
        if let Some(stall) = &self.stall {
            stall.check()?;
        }
        if !(0.0..=1.0).contains(&self.error_rate) {
            return Err(error_rate_refused(&self.error_rate.to_string(), "it is not between 0 and 1"));
        }
        if self.leak_bytes_per_request > LARGEST_LEAK_BYTES {
            return Err(leak_refused(&self.leak_bytes_per_request.to_string(), "it is more than 16MiB"));
        }
        Ok(())
    }
}

/// Why a character cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CharacterError {
    /// A latency law.
    #[error(
        "`{text}` is not a latency law: {reason}; write fixed:5ms, uniform:1ms..9ms, exponential:mean=5ms or \
         lognormal:p50=12ms,p99=90ms"
    )]
    Latency {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A stall.
    #[error("`{text}` is not a stall: {reason}; write LENGTH/PERIOD, for example 1s/10s")]
    Stall {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An error rate.
    #[error("`{text}` is not an error rate: {reason}; write a share such as 0.1% or 0.001")]
    ErrorRate {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A leak.
    #[error("`{text}` is not a leak: {reason}; write a size per request such as 10KB/request")]
    Leak {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn error_rate_refused(text: &str, reason: &str) -> CharacterError {
    CharacterError::ErrorRate { text: text.to_owned(), reason: reason.to_owned() }
}

fn leak_refused(text: &str, reason: &str) -> CharacterError {
    CharacterError::Leak { text: text.to_owned(), reason: reason.to_owned() }
}

/// Reads an error rate: a percentage (`0.1%`) or a share (`0.001`), from 0 to 1.
///
/// ```
/// assert_eq!(pulse_demo::parse_error_rate("25%"), Ok(0.25));
/// assert!(pulse_demo::parse_error_rate("25").is_err());
/// ```
pub fn parse_error_rate(text: &str) -> Result<f64, CharacterError> {
    let (number, divisor) = text.strip_suffix('%').map_or((text, 1.0), |percent| (percent, 100.0));
    let number = decimal(number).ok_or_else(|| error_rate_refused(text, "it is not a number"))?;
    let share = number / divisor;
    if share > 1.0 {
        return Err(error_rate_refused(text, "it is above 1, that is 100%"));
    }
    Ok(share)
}

/// Reads a leak: a size with a unit (`B`, `KB`, `MB` are powers of 1000, `KiB`, `MiB` of 1024; none is bytes) and an
/// optional `/request`. The answer is in bytes per request.
///
/// ```
/// assert_eq!(pulse_demo::parse_leak("10KB/request"), Ok(10_000));
/// ```
pub fn parse_leak(text: &str) -> Result<u64, CharacterError> {
    const UNITS: [(&str, f64); 5] =
        [("KiB", 1024.0), ("MiB", 1_048_576.0), ("KB", 1e3), ("MB", 1e6), ("B", 1.0)];
    let size = text.strip_suffix("/request").unwrap_or(text);
    let (number, unit) = UNITS
        .iter()
        .find_map(|(name, bytes)| Some((size.strip_suffix(name)?, *bytes)))
        .unwrap_or((size, 1.0));
    let number =
        decimal(number).ok_or_else(|| leak_refused(text, "it is not a number with B, KB, KiB, MB or MiB"))?;
    let bytes = number * unit;
    if bytes > LARGEST_LEAK_BYTES as f64 {
        return Err(leak_refused(text, "it is more than 16MiB"));
    }
    Ok(bytes.round() as u64)
}

/// An unsigned decimal number without the extras that `f64` reads: `inf`, `nan`, exponents, signs.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn error_rates() {
        for (text, share) in
            [("0.1%", 0.001), ("0.001", 0.001), ("0", 0.0), ("1", 1.0), ("100%", 1.0), ("0%", 0.0)]
        {
            assert_eq!(parse_error_rate(text), Ok(share), "{text}");
        }
        for (text, why) in [
            ("", "not a number"),
            ("%", "not a number"),
            ("-1%", "not a number"),
            ("nan", "not a number"),
            ("inf", "not a number"),
            ("1e-3", "not a number"),
            ("0.1.1", "not a number"),
            ("5", "above 1"),
            ("100.1%", "above 1"),
        ] {
            let error = parse_error_rate(text).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("0.1% or 0.001"), "{text:?}: {error}");
        }
    }

    #[test]
    fn leaks() {
        for (text, bytes) in [
            ("10KB/request", 10_000),
            ("10KiB/request", 10_240),
            ("1.5KB", 1_500),
            ("512B", 512),
            ("512", 512),
            ("2MB/request", 2_000_000),
            ("16MiB", LARGEST_LEAK_BYTES),
            ("0", 0),
        ] {
            assert_eq!(parse_leak(text), Ok(bytes), "{text}");
        }
        for (text, why) in [
            ("", "not a number with"),
            ("KB", "not a number with"),
            ("10 KB", "not a number with"),
            ("-1KB", "not a number with"),
            ("10KB/second", "not a number with"),
            ("10GB/request", "not a number with"),
            ("17MiB/request", "more than 16MiB"),
        ] {
            let error = parse_leak(text).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("10KB/request"), "{text:?}: {error}");
        }
    }

    #[test]
    fn fields_set_by_hand_are_checked() {
        let plain = Character::default();
        assert!(plain.is_plain());
        assert_eq!(plain.check(), Ok(()));
        let zero = Duration::ZERO;
        for broken in [
            Character { error_rate: f64::NAN, ..plain },
            Character { error_rate: -0.1, ..plain },
            Character { error_rate: 1.1, ..plain },
            Character { leak_bytes_per_request: LARGEST_LEAK_BYTES + 1, ..plain },
            Character { latency: Some(LatencyLaw::Exponential { mean: zero }), ..plain },
            Character { stall: Some(Stall { length: zero, every: zero }), ..plain },
        ] {
            assert!(broken.check().is_err(), "{broken:?}");
            assert!(!broken.is_plain());
        }
    }
}
