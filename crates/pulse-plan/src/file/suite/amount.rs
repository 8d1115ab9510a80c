//! How much a case measures: samples, warm-up and the budget that it may use up until it is decided.

use pulse_model::{Nanos, Statistic, Subject};

use crate::CaseLimits;
use crate::file::reader::{Field, TableReader};
use crate::file::targets::PlacedTarget;

/// The most samples of a case.
const MAX_SAMPLES: u64 = 1_000_000_000;
/// The most rounds of a case.
const MAX_ROUNDS: u64 = 10_000_000;
/// Samples of a case when nobody says and no target needs more.
const DEFAULT_SAMPLES: u64 = 100;
/// The most samples that a target asks for by itself.
const MAX_DEFAULT_SAMPLES: u64 = 10_000;
/// How many times `samples` a case may take until it is decided.
const DEFAULT_STRETCH: u64 = 10;
/// How long a case without a duration may take until it is decided.
const DEFAULT_MAX_DURATION: Nanos = Nanos::from_secs(30);
/// The least time of a case without a duration, unless its number of samples is limited: whether slow answers come in
/// clusters shows only over time.
const LEAST_DURATION: Nanos = Nanos::from_secs(1);
/// How many times its duration a load over time may take until it is decided.
const DEFAULT_REPEATS: u64 = 3;

/// What is said about the amount, in a case or in `[defaults]`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Amount {
    pub(crate) samples: Option<u64>,
    pub(crate) max_samples: Option<u64>,
    pub(crate) max_duration: Option<Nanos>,
    pub(crate) warmup_samples: Option<u64>,
    pub(crate) rounds: Option<u32>,
    pub(crate) warmup_rounds: Option<u32>,
}

/// The `[defaults]` table.
pub(crate) fn read_defaults(field: &Field<'_>) -> Amount {
    let Some(table) = field.table("{ samples = 200 }") else { return Amount::default() };
    let mut amount = Amount::read_samples(&table);
    let rounds = Amount::read_rounds(&table);
    (amount.rounds, amount.warmup_rounds) = (rounds.rounds, rounds.warmup_rounds);
    table.finish();
    amount
}

impl Amount {
    /// The keys of cases that make requests.
    pub(crate) fn read_samples(table: &TableReader<'_>) -> Self {
        let samples = |key| table.get(key).and_then(|field: Field<'_>| field.integer(1..=MAX_SAMPLES, "200"));
        let amount = Self {
            samples: samples("samples"),
            warmup_samples: table
                .get("warmup_samples")
                .and_then(|field| field.integer(0..=MAX_SAMPLES, "20")),
            ..Self::read_budget(table)
        };
        if let (Some(samples), Some(max)) = (amount.samples, amount.max_samples)
            && let Some(field) = table.get("max_samples").filter(|_| max < samples)
        {
            let message = format!("`max_samples` is {max}, less than the {samples} `samples` to begin with");
            field.error(message, "raise it, or leave it out");
        }
        amount
    }

    /// The keys of cases that go in rounds.
    pub(crate) fn read_rounds(table: &TableReader<'_>) -> Self {
        let rounds = |key, least| {
            let field: Field<'_> = table.get(key)?;
            field.integer(least..=MAX_ROUNDS, "10").map(|rounds| rounds as u32)
        };
        Self {
            rounds: rounds("rounds", 1),
            warmup_rounds: rounds("warmup_rounds", 0),
            ..Self::read_budget(table)
        }
    }

    /// The keys of all cases.
    pub(crate) fn read_budget(table: &TableReader<'_>) -> Self {
        Self {
            max_samples: table.get("max_samples").and_then(|field| field.integer(1..=MAX_SAMPLES, "2000")),
            max_duration: table.get("max_duration").and_then(|field| field.time_span("\"30s\"")),
            ..Self::default()
        }
    }

    /// What is said here, completed by the defaults of the file.
    #[must_use]
    pub(crate) fn or(self, defaults: &Self) -> Self {
        Self {
            samples: self.samples.or(defaults.samples),
            max_samples: self.max_samples.or(defaults.max_samples),
            max_duration: self.max_duration.or(defaults.max_duration),
            warmup_samples: self.warmup_samples.or(defaults.warmup_samples),
            rounds: self.rounds.or(defaults.rounds),
            warmup_rounds: self.warmup_rounds.or(defaults.warmup_rounds),
        }
    }

    /// The limits of a case that counts, in batches of at least `batch` samples.
    pub(crate) fn counted(&self, min_samples: u64) -> CaseLimits {
        let max = self.max_samples.unwrap_or_else(|| min_samples.saturating_mul(DEFAULT_STRETCH));
        let max_duration = self.max_duration.unwrap_or(DEFAULT_MAX_DURATION);
        let least = if self.max_samples.is_some() { Nanos::ZERO } else { LEAST_DURATION };
        CaseLimits {
            min_samples,
            max_samples: max.max(min_samples),
            max_samples_compared: self.max_samples.map_or(u64::MAX, |max| max.max(min_samples)),
            min_duration: least.min(max_duration),
            max_duration,
        }
    }

    /// The limits of a load that lasts for a time.
    pub(crate) fn timed(&self, min_samples: u64, duration: Nanos) -> CaseLimits {
        let max = self.max_samples.unwrap_or(u64::MAX);
        let repeated = || duration.times(DEFAULT_REPEATS);
        CaseLimits {
            min_samples: min_samples.min(max),
            max_samples: max,
            max_samples_compared: max,
            min_duration: duration,
            max_duration: self.max_duration.unwrap_or_else(repeated).max(duration),
        }
    }

    /// The limits of a load whose shape over time is the test: once, as a whole.
    pub(crate) fn whole(duration: Nanos) -> CaseLimits {
        CaseLimits {
            min_samples: u64::MAX,
            max_samples: u64::MAX,
            max_samples_compared: u64::MAX,
            min_duration: duration,
            max_duration: duration,
        }
    }
}

/// Samples that a case begins with when nobody says: enough that the rarest judged quantile q has ten samples beyond
/// it, 10 / (1 − q), within limits.
pub(crate) fn needed_samples(targets: &[PlacedTarget]) -> u64 {
    needed_at_least(DEFAULT_SAMPLES, targets)
}

/// The same, with another least number.
pub(crate) fn needed_at_least(least: u64, targets: &[PlacedTarget]) -> u64 {
    let statistics = targets.iter().flat_map(|placed| match &placed.target.subject {
        Subject::Trend { statistic, .. } => vec![*statistic],
        Subject::Ratio { statistic, by, .. } => vec![*statistic, *by],
        _ => Vec::new(),
    });
    let needed = statistics.filter_map(|statistic| match statistic {
        Statistic::Quantile(q) => Some((10.0 / (1.0 - q) - 1e-6).ceil() as u64),
        _ => None,
    });
    needed.max().unwrap_or_default().min(MAX_DEFAULT_SAMPLES).max(least)
}
