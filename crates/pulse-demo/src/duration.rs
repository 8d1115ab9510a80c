//! Durations as people write them, with the limit that every setting of the demo has.

use std::time::Duration;

use pulse_model::Nanos;

/// The longest duration that any setting of the demo accepts.
const LONGEST: Duration = Duration::from_hours(24);

/// Reads a duration in the grammar of [`Nanos`], up to 24 h.
///
/// The error says what is wrong and what would be right.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let nanos: Nanos = text.parse().map_err(|error: pulse_model::DurationError| error.to_string())?;
    let duration = Duration::from(nanos);
    if duration > LONGEST { Err(format!("`{text}` is longer than 24h")) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_bounded() {
        assert_eq!(parse_duration("24h"), Ok(LONGEST));
        for (text, why) in
            [("25h", "longer than 24h"), ("5 parsecs", "is not a duration"), ("", "is not a duration")]
        {
            assert!(parse_duration(text).unwrap_err().contains(why), "{text}");
        }
    }
}
