//! [`LatencyLaw`]: how long the demo pretends to work on a request.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand::Rng;
use rand_distr::{Distribution, Exp1, StandardNormal, StandardUniform};

use crate::character::CharacterError;
use crate::duration::parse_duration;

/// The longest latency a law may name, and the value at which draws from a long tail are cut off.
pub const LONGEST_LATENCY: Duration = Duration::from_mins(10);

/// The 99 % quantile of the standard normal distribution (NIST/SEMATECH e-Handbook, 1.3.6.7.1).
const Z_99: f64 = 2.326_347_874_040_841;

/// A distribution of latencies, added in front of the real (sub-millisecond) work of a request.
///
/// Written on the command line as one of `fixed:5ms`, `uniform:1ms..9ms`, `exponential:mean=5ms` and
/// `lognormal:p50=12ms,p99=90ms`. The wait itself is a timer with a granularity of 1 ms that never fires early: an
/// observed latency is the drawn one rounded up to the next millisecond, plus scheduling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyLaw {
    /// Every request waits this long.
    Fixed(Duration),
    /// Uniform over `[low, high]`.
    Uniform {
        /// The shortest wait.
        low: Duration,
        /// The longest wait, at least `low`.
        high: Duration,
    },
    /// Exponential, as the service time of the single-server queue with known answers.
    Exponential {
        /// The mean, greater than zero.
        mean: Duration,
    },
    /// Log-normal, the usual shape of service times, given by two quantiles.
    LogNormal {
        /// The median, greater than zero.
        p50: Duration,
        /// The 99 % quantile, at least `p50`.
        p99: Duration,
    },
}

impl LatencyLaw {
    /// Draws one latency, cut off at [`LONGEST_LATENCY`].
    ///
    /// ```
    /// use pulse_demo::LatencyLaw;
    /// use rand::SeedableRng;
    ///
    /// let law: LatencyLaw = "uniform:1ms..9ms".parse()?;
    /// let wait = law.draw(&mut rand_chacha::ChaCha8Rng::seed_from_u64(7));
    /// assert!((1..=9).contains(&wait.as_millis()));
    /// # Ok::<(), pulse_demo::CharacterError>(())
    /// ```
    pub fn draw(&self, random: &mut impl Rng) -> Duration {
        let seconds = match *self {
            Self::Fixed(wait) => return wait.min(LONGEST_LATENCY),
            Self::Uniform { low, high } => {
                let share: f64 = StandardUniform.sample(random);
                low.as_secs_f64() + share * (high.as_secs_f64() - low.as_secs_f64())
            }
            Self::Exponential { mean } => {
                let units: f64 = Exp1.sample(random);
                mean.as_secs_f64() * units
            }
            // If ln X is normal with mean ln p50 and deviation (ln p99 − ln p50) / z99, X has exactly these quantiles.
            Self::LogNormal { p50, p99 } => {
                let z: f64 = StandardNormal.sample(random);
                let (median, tail) = (p50.as_secs_f64(), p99.as_secs_f64());
                median * (z * (tail / median).ln() / Z_99).exp()
            }
        };
        // `min` also turns the NaN of an unchecked law (a zero median) into the limit; nothing can panic below.
        Duration::from_secs_f64(seconds.max(0.0).min(LONGEST_LATENCY.as_secs_f64()))
    }

    /// Checks the relations that the fields promise; the parser has done so already.
    pub(crate) fn check(&self) -> Result<(), CharacterError> {
        let (reason, longest) = match *self {
            Self::Fixed(wait) => (None, wait),
            Self::Uniform { low, high } => {
                ((low > high).then_some("the low end is above the high end"), high)
            }
            Self::Exponential { mean } => {
                (mean.is_zero().then_some("the mean must be greater than zero"), mean)
            }
            Self::LogNormal { p50, .. } if p50.is_zero() => (Some("p50 must be greater than zero"), p50),
            Self::LogNormal { p50, p99 } => ((p50 > p99).then_some("p99 is below p50"), p99),
        };
        match reason.or((longest > LONGEST_LATENCY).then_some("more than 10m is not a latency")) {
            Some(reason) => {
                Err(CharacterError::Latency { text: self.to_string(), reason: reason.to_owned() })
            }
            None => Ok(()),
        }
    }
}

/// The form that [`FromStr`] reads.
impl fmt::Display for LatencyLaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(wait) => write!(f, "fixed:{wait:?}"),
            Self::Uniform { low, high } => write!(f, "uniform:{low:?}..{high:?}"),
            Self::Exponential { mean } => write!(f, "exponential:mean={mean:?}"),
            Self::LogNormal { p50, p99 } => write!(f, "lognormal:p50={p50:?},p99={p99:?}"),
        }
    }
}

impl FromStr for LatencyLaw {
    type Err = CharacterError;

    fn from_str(text: &str) -> Result<Self, CharacterError> {
        let law = parse(text).map_err(|reason| CharacterError::Latency { text: text.to_owned(), reason })?;
        law.check().map_err(|error| match error {
            CharacterError::Latency { reason, .. } => {
                CharacterError::Latency { text: text.to_owned(), reason }
            }
            other => other,
        })?;
        Ok(law)
    }
}

fn parse(text: &str) -> Result<LatencyLaw, String> {
    let (name, arguments) = text.split_once(':').ok_or("the law's name and a colon must come first")?;
    match name {
        "fixed" => Ok(LatencyLaw::Fixed(parse_duration(arguments)?)),
        "uniform" => {
            let (low, high) = arguments.split_once("..").ok_or("uniform needs a range LOW..HIGH")?;
            Ok(LatencyLaw::Uniform { low: parse_duration(low)?, high: parse_duration(high)? })
        }
        "exponential" => {
            let [mean] = named(arguments, ["mean"])?;
            Ok(LatencyLaw::Exponential { mean })
        }
        "lognormal" => {
            let [p50, p99] = named(arguments, ["p50", "p99"])?;
            Ok(LatencyLaw::LogNormal { p50, p99 })
        }
        _ => Err(format!("there is no law `{name}`")),
    }
}

/// Reads `name=duration` pairs, each of `names` exactly once, in any order.
fn named<const N: usize>(arguments: &str, names: [&str; N]) -> Result<[Duration; N], String> {
    let mut found = [None; N];
    for argument in arguments.split(',') {
        let (name, value) = argument.split_once('=').ok_or(format!("`{argument}` is not NAME=DURATION"))?;
        let place = names.iter().position(|known| *known == name);
        let place = place.ok_or(format!("`{name}` is not a parameter here, {} is", names.join(" and ")))?;
        if found[place].replace(parse_duration(value)?).is_some() {
            return Err(format!("`{name}` is given twice"));
        }
    }
    let mut durations = [Duration::ZERO; N];
    for ((duration, value), name) in durations.iter_mut().zip(found).zip(names) {
        *duration = value.ok_or(format!("`{name}` is missing"))?;
    }
    Ok(durations)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn laws_that_are_accepted() {
        for (text, law) in [
            ("fixed:5ms", LatencyLaw::Fixed(ms(5))),
            ("fixed:0", LatencyLaw::Fixed(ms(0))),
            ("uniform:1ms..9ms", LatencyLaw::Uniform { low: ms(1), high: ms(9) }),
            ("uniform:3ms..3ms", LatencyLaw::Uniform { low: ms(3), high: ms(3) }),
            ("exponential:mean=5ms", LatencyLaw::Exponential { mean: ms(5) }),
            ("lognormal:p50=12ms,p99=90ms", LatencyLaw::LogNormal { p50: ms(12), p99: ms(90) }),
            ("lognormal:p99=90ms,p50=12ms", LatencyLaw::LogNormal { p50: ms(12), p99: ms(90) }),
        ] {
            assert_eq!(text.parse(), Ok(law), "{text}");
            assert_eq!(law.to_string().parse(), Ok(law), "{law} reads back");
        }
    }

    #[test]
    fn laws_that_are_refused() {
        for (text, why) in [
            ("", "the law's name and a colon must come first"),
            ("12ms", "the law's name and a colon must come first"),
            ("gamma:5ms", "there is no law `gamma`"),
            ("fixed:", "it is empty"),
            ("fixed:fast", "`fast` is not a duration"),
            ("fixed:11m", "more than 10m is not a latency"),
            ("uniform:5ms", "uniform needs a range LOW..HIGH"),
            ("uniform:9ms..1ms", "the low end is above the high end"),
            ("exponential:5ms", "`5ms` is not NAME=DURATION"),
            ("exponential:mean=0", "the mean must be greater than zero"),
            ("lognormal:p50=12ms", "`p99` is missing"),
            ("lognormal:p50=12ms,p95=90ms", "`p95` is not a parameter here, p50 and p99 is"),
            ("lognormal:p50=12ms,p50=13ms,p99=90ms", "`p50` is given twice"),
            ("lognormal:p50=90ms,p99=12ms", "p99 is below p50"),
            ("lognormal:p50=0,p99=12ms", "p50 must be greater than zero"),
        ] {
            let error = text.parse::<LatencyLaw>().unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
            assert!(error.contains("lognormal:p50=12ms,p99=90ms"), "{error} shows the way");
        }
    }

    /// The share of draws not above the true quantile is binomial: its deviation is √(q(1−q)/n), here taken five times.
    fn holds_quantile(law: LatencyLaw, seed: u64, quantile: f64, limit: Duration) -> bool {
        const DRAWS: u32 = 20_000;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let below = (0..DRAWS).filter(|_| law.draw(&mut random) <= limit).count();
        let tolerance = 5.0 * (quantile * (1.0 - quantile) / f64::from(DRAWS)).sqrt();
        (below as f64 / f64::from(DRAWS) - quantile).abs() <= tolerance
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_law_has_the_quantiles_it_names(
            seed: u64,
            low_us in 100_u64..50_000,
            factor in 1.1_f64..20.0,
        ) {
            let low = Duration::from_micros(low_us);
            let high = low.mul_f64(factor);
            let log_normal = LatencyLaw::LogNormal { p50: low, p99: high };
            prop_assert!(holds_quantile(log_normal, seed, 0.5, low));
            prop_assert!(holds_quantile(log_normal, seed, 0.99, high));
            let uniform = LatencyLaw::Uniform { low, high };
            prop_assert!(holds_quantile(uniform, seed, 0.25, low.mul_f64(0.75) + high.mul_f64(0.25)));
            // An exponential law's q-quantile is −mean · ln(1 − q).
            let exponential = LatencyLaw::Exponential { mean: low };
            prop_assert!(holds_quantile(exponential, seed, 0.99, low.mul_f64(100_f64.ln())));
        }

        #[test]
        fn parsing_never_panics(text in "(fixed|uniform|exponential|lognormal)?:?[a-z0-9=.,:µ]{0,30}") {
            let _ = text.parse::<LatencyLaw>();
        }
    }

    #[test]
    fn even_an_unchecked_law_draws_something_bounded() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for law in [
            LatencyLaw::LogNormal { p50: ms(0), p99: ms(0) },
            LatencyLaw::LogNormal { p50: ms(0), p99: ms(5) },
            LatencyLaw::Uniform { low: ms(9), high: ms(1) },
            LatencyLaw::Exponential { mean: Duration::MAX },
            LatencyLaw::Fixed(Duration::MAX),
        ] {
            for _ in 0..100 {
                assert!(law.draw(&mut random) <= LONGEST_LATENCY, "{law:?}");
            }
        }
    }
}
