//! The statistics of a benchmark as pytest-benchmark defines them.

use pulse_model::{Bucket, Histogram, Summary};

/// The response times of a case, in seconds. From a histogram: count, sum, extremes and mean are exact, the rest has
/// its relative error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BenchmarkStats {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) mean: f64,
    /// Of the sample; 0 for a single round.
    pub(crate) stddev: f64,
    pub(crate) rounds: u64,
    pub(crate) median: f64,
    pub(crate) q1: f64,
    pub(crate) q3: f64,
    /// Rounds further than 1.5 interquartile ranges outside the quartiles.
    pub(crate) iqr_outliers: u64,
    /// Rounds further than a standard deviation from the mean.
    pub(crate) stddev_outliers: u64,
    /// Lowest round within 1.5 interquartile ranges below the first quartile.
    pub(crate) ld15iqr: f64,
    /// Highest round within 1.5 interquartile ranges above the third quartile.
    pub(crate) hd15iqr: f64,
    pub(crate) total: f64,
}

impl BenchmarkStats {
    /// `None` when nothing was measured.
    pub(crate) fn of(summary: &Summary) -> Option<Self> {
        let trend = summary.response_time();
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let quartile = |q| trend.quantile(q).map(|quantile| quantile.estimate as f64);
        let (min, max, mean) = (trend.min()?, trend.max()?, trend.mean()?);
        let (q1, median, q3) = (quartile(0.25)?, quartile(0.5)?, quartile(0.75)?);
        let stddev = trend.stddev().unwrap_or(0.0);
        let fence = 1.5 * (q3 - q1);
        let near = |value: f64| (q1 - fence..=q3 + fence).contains(&value);
        let usual = |value: f64| (mean - stddev..=mean + stddev).contains(&value);
        let values = || trend.buckets().map(|bucket| (middle(&bucket, &trend), bucket.count));
        let outside = |within: &dyn Fn(f64) -> bool| {
            let outliers = values().filter(|&(value, _)| !within(value));
            outliers.map(|(_, count)| count).sum()
        };
        let inside = || values().map(|(value, _)| value).filter(|&value| near(value));
        Some(Self {
            min: seconds(min),
            max: seconds(max),
            mean: mean / 1e9,
            stddev: stddev / 1e9,
            rounds: trend.count(),
            median: median / 1e9,
            q1: q1 / 1e9,
            q3: q3 / 1e9,
            iqr_outliers: outside(&near),
            stddev_outliers: outside(&usual),
            ld15iqr: inside().reduce(f64::min).unwrap_or(q1) / 1e9,
            hd15iqr: inside().reduce(f64::max).unwrap_or(q3) / 1e9,
            total: trend.sum() as f64 / 1e9,
        })
    }

    /// The interquartile range.
    pub(crate) fn iqr(&self) -> f64 {
        self.q3 - self.q1
    }

    /// Rounds per second of their joint time; 0 when they took none.
    pub(crate) fn ops(&self) -> f64 {
        if self.total > 0.0 { self.rounds as f64 / self.total } else { 0.0 }
    }

    /// `a;b`: by standard deviation and by interquartile range.
    pub(crate) fn outliers(&self) -> String {
        format!("{};{}", self.stddev_outliers, self.iqr_outliers)
    }
}

/// The value that stands for a bucket; never outside of what was measured.
fn middle(bucket: &Bucket, trend: &Histogram) -> f64 {
    let (lo, hi) = (trend.min().unwrap_or(0), trend.max().unwrap_or(u64::MAX));
    let [lower, upper] = [bucket.lower, bucket.upper].map(|end| end.clamp(lo, hi) as f64);
    lower.midpoint(upper)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Aggregate, Series, metric};

    fn stats(millis: &[u64]) -> Option<BenchmarkStats> {
        let mut trend = Histogram::default();
        millis.iter().for_each(|millis| trend.record(millis * 1_000_000));
        let mut summary = Summary::default();
        summary.totals.add(Series::new(metric::RESPONSE_TIME), Aggregate::Trend(trend));
        BenchmarkStats::of(&summary)
    }

    #[test]
    fn as_statistics_computes_them() {
        // Mean and standard deviation by Python's statistics module; quartiles are nearest ranks.
        let stats = stats(&[10, 11, 12, 13, 14, 15, 16, 100]).unwrap();
        let close = |value: f64, millis: f64| {
            assert!((value * 1e3 / millis - 1.0).abs() < 0.003, "{} is not {millis}", value * 1e3);
        };
        close(stats.min, 10.0);
        close(stats.max, 100.0);
        close(stats.mean, 23.875);
        close(stats.stddev, 30.8241);
        close(stats.median, 13.0);
        close(stats.q1, 11.0);
        close(stats.q3, 15.0);
        assert!((stats.iqr() - 0.004).abs() < 0.000_05, "{}", stats.iqr());
        close(stats.ld15iqr, 10.0);
        close(stats.hd15iqr, 16.0);
        close(stats.total, 191.0);
        assert_eq!((stats.outliers().as_str(), stats.rounds), ("1;1", 8));
        assert!((stats.ops() - 8.0 / 0.191).abs() < 1e-9);
    }

    #[test]
    fn one_round_has_no_spread_and_none_has_no_statistics() {
        let one = stats(&[10]).unwrap();
        assert_eq!((one.stddev, one.iqr(), one.outliers().as_str()), (0.0, 0.0, "0;0"));
        assert_eq!(stats(&[]), None);
        assert!(stats(&[0, 0]).unwrap().ops().abs() < f64::EPSILON);
    }
}
