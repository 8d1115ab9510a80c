//! [`Stall`]: the demo stands still once in every period.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::character::CharacterError;
use crate::duration::parse_duration;

/// A pause of `length` at the end of every period `every`, counted from the start of the server.
///
/// A request that arrives during the pause is held until it ends; one already under way is not touched. Written
/// `1s/10s`: it stands still from 9 s to 10 s, from 19 s to 20 s, and so on. At a constant arrival rate the share of
/// requests that wait longer than x is (length − x) / every.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// How long the server stands still; greater than zero.
    pub length: Duration,
    /// The period; longer than `length`.
    pub every: Duration,
}

impl Stall {
    /// How long a request that arrives `since_start` after the start of the server is held; zero outside the pause.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let stall: pulse_demo::Stall = "1s/10s".parse()?;
    /// assert_eq!(stall.hold(Duration::from_millis(8_999)), Duration::ZERO);
    /// assert_eq!(stall.hold(Duration::from_millis(19_250)), Duration::from_millis(750));
    /// # Ok::<(), pulse_demo::CharacterError>(())
    /// ```
    pub fn hold(&self, since_start: Duration) -> Duration {
        let every = self.every.as_nanos().max(1);
        let left = every - since_start.as_nanos() % every;
        if left <= self.length.as_nanos() { Duration::from_nanos(left as u64) } else { Duration::ZERO }
    }

    /// Checks the relations that the fields promise; the parser has done so already.
    pub(crate) fn check(&self) -> Result<(), CharacterError> {
        let reason = if self.length.is_zero() {
            "the pause must be longer than zero"
        } else if self.length >= self.every {
            "the pause must be shorter than the period"
        } else {
            return Ok(());
        };
        Err(CharacterError::Stall { text: self.to_string(), reason: reason.to_owned() })
    }
}

/// The form that [`FromStr`] reads.
impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{:?}", self.length, self.every)
    }
}

impl FromStr for Stall {
    type Err = CharacterError;

    fn from_str(text: &str) -> Result<Self, CharacterError> {
        let refuse = |reason| CharacterError::Stall { text: text.to_owned(), reason };
        let (length, every) = text.split_once('/').ok_or_else(|| refuse("a slash is missing".to_owned()))?;
        let stall = Self {
            length: parse_duration(length).map_err(refuse)?,
            every: parse_duration(every).map_err(refuse)?,
        };
        stall.check()?;
        Ok(stall)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stalls_that_are_accepted() {
        for (text, length_ms, every_ms) in
            [("1s/10s", 1_000, 10_000), ("250ms/1m", 250, 60_000), ("1/2.5", 1_000, 2_500)]
        {
            let stall =
                Stall { length: Duration::from_millis(length_ms), every: Duration::from_millis(every_ms) };
            assert_eq!(text.parse(), Ok(stall), "{text}");
            assert_eq!(stall.to_string().parse(), Ok(stall), "{stall} reads back");
        }
    }

    #[test]
    fn stalls_that_are_refused() {
        for (text, why) in [
            ("", "a slash is missing"),
            ("1s", "a slash is missing"),
            ("1s/", "it is empty"),
            ("x/10s", "`x` is not a duration"),
            ("1s/10s/3s", "`10s/3s` is not a duration"),
            ("0s/10s", "the pause must be longer than zero"),
            ("10s/10s", "the pause must be shorter than the period"),
            ("10s/1s", "the pause must be shorter than the period"),
        ] {
            let error = text.parse::<Stall>().unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
            assert!(error.contains("1s/10s"), "{error} shows the way");
        }
    }

    proptest! {
        #[test]
        fn a_held_request_continues_exactly_at_the_end_of_a_period(
            length in 1_u64..1_000_000,
            rest in 1_u64..1_000_000,
            at in 0_u64..100_000_000,
        ) {
            let stall = Stall { length: Duration::from_nanos(length), every: Duration::from_nanos(length + rest) };
            let hold = stall.hold(Duration::from_nanos(at)).as_nanos() as u64;
            let phase = at % (length + rest);
            if phase < rest {
                prop_assert_eq!(hold, 0);
            } else {
                prop_assert!(hold >= 1 && hold <= length);
                prop_assert_eq!((at + hold) % (length + rest), 0);
            }
        }
    }
}
