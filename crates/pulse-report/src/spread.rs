//! The figures that reports give of a trend.

use pulse_model::Histogram;

/// Count, extremes, mean and quantiles of a trend, in the trend's unit; `None` where nothing was recorded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread {
    pub(crate) count: u64,
    pub(crate) sum: u128,
    pub(crate) min: Option<f64>,
    pub(crate) mean: Option<f64>,
    pub(crate) median: Option<f64>,
    pub(crate) p90: Option<f64>,
    pub(crate) p95: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) p99_9: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) stddev: Option<f64>,
}

impl Spread {
    pub(crate) fn of(trend: &Histogram) -> Self {
        let quantile = |q| trend.quantile(q).map(|quantile| quantile.estimate as f64);
        Self {
            count: trend.count(),
            sum: trend.sum(),
            min: trend.min().map(|value| value as f64),
            mean: trend.mean(),
            median: quantile(0.5),
            p90: quantile(0.9),
            p95: quantile(0.95),
            p99: quantile(0.99),
            p99_9: quantile(0.999),
            max: trend.max().map(|value| value as f64),
            stddev: trend.stddev(),
        }
    }
}
