//! The statistics behind every verdict: confidence intervals, and the judgement of a target.
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
//! What it does *not* do: it does not collect samples, read clocks or draw random numbers, and it never decides what a
//! missed target means for the exit code.

mod interval;
mod judgement;
mod shift;

pub use interval::{CONFIDENCE, mean_interval, quantile_interval, quantile_ranks};
pub use judgement::judge;
pub use shift::{Shift, shift};
