//! The statistics behind every verdict: confidence intervals, tests, change points, trends, and the judgement of a target.
//!
//! - *How well is it known?* [`quantile_interval_over`] and [`mean_interval_over`] for a run's intervals, whose samples depend
//!   on each other; [`quantile_interval`], [`mean_interval`] and [`share_interval`] for independent samples; [`Bootstrap`] for
//!   resampling.
//! - *Does it meet its target?* [`judge_over`], [`judge`].
//! - *Is it another?* [`compare_intervals`] for two runs; [`mann_whitney`] and [`hodges_lehmann`] for independent samples,
//!   [`pseudo_median`] for pairs; [`benjamini_hochberg`] for many answers at once; [`EDivisive`] for a history.
//! - *Is it steady?* [`warm_up`], [`stationarity`], [`shift`](shift()), [`mann_kendall`], [`theil_sen`], [`leak_slope`],
//!   [`growth`](growth()), [`exponential_gaps`], [`autocorrelation`](autocorrelation()).
//! - *Where does it end?* [`Scalability`].
//!
//! An [`Estimate`] is a value with its interval. Input that allows no answer (too few values, NaN, all equal) gives `None`
//! or an error, never a panic; the same input gives the same answer everywhere, since random numbers come from a seed.
//!
//! ```
//! use pulse_model::Histogram;
//! use pulse_stats::quantile_interval;
//!
//! let mut trend = Histogram::default();
//! (1..=1000).for_each(|value| trend.record(value * 1_000_000));
//! let (lo, hi) = quantile_interval(&trend, 0.95, 0.95).expect("enough samples");
//! assert!(lo < 950e6 && 950e6 < hi);
//! ```
//!
//! What it does *not* do: it does not collect samples, read clocks or choose seeds, and it never decides what a missed
//! target means for the exit code.

mod anderson_darling;
mod autocorrelation;
mod benjamini_hochberg;
mod blocks;
mod bootstrap;
mod e_divisive;
mod estimate;
mod five_numbers;
mod growth;
mod hodges_lehmann;
mod interval;
mod judgement;
mod mann_kendall;
mod mann_whitney;
#[cfg(test)]
mod nile;
mod ranks;
mod scalability;
mod share;
mod shift;
mod signed_rank;
mod stationarity;
mod tail_bound;
mod tails;
mod tally;
mod theil_sen;
mod two_sample_bootstrap;
mod weighted;

pub use anderson_darling::{AndersonDarling, exponential_gaps};
pub use autocorrelation::{
    LjungBox, autocorrelation, autocorrelation_bound, effective_sample_size, ljung_box,
};
pub use benjamini_hochberg::benjamini_hochberg;
pub use blocks::{
    BlockInterval, MIN_INTERVALS, block_length, effective_samples, mean_interval_over,
    quantile_interval_over, quantile_lower_bound_over,
};
pub use bootstrap::Bootstrap;
pub use e_divisive::{ChangePoint, EDivisive};
pub use estimate::Estimate;
pub use five_numbers::FiveNumbers;
pub use growth::growth;
pub use hodges_lehmann::hodges_lehmann;
pub use interval::{CONFIDENCE, mean_interval, quantile_interval, quantile_ranks};
pub use judgement::{judge, judge_at, judge_estimate, judge_over, judge_parts, quantile_bounds_over};
pub use mann_kendall::{MannKendall, mann_kendall, mann_kendall_autocorrelated, variance_inflation};
pub use mann_whitney::{MannWhitney, mann_whitney};
pub use scalability::{NoPeak, Peak, Scalability, ScalabilityError};
pub use share::share_interval;
pub use shift::{Shift, shift};
pub use signed_rank::pseudo_median;
pub use stationarity::{Drift, Stationarity, WarmUp, stationarity, warm_up};
pub use theil_sen::{TheilSen, leak_slope, theil_sen};
pub use two_sample_bootstrap::{TwoSamples, compare_intervals};
pub use weighted::Weighted;
