//! What this machine's measurements are worth: a server whose latencies are known is measured by the ordinary engine.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pulse_engine::{INTERVAL, Job, RunError, StopHandle, cores, host_info, run};
use pulse_model::{Histogram, Nanos, RunInfo, Series, Summary, busiest_worker, metric};
use pulse_plan::{LoadOptions, Overrides, Plan, PlanError, Segment, ServiceOptions, UrlRequest};
use statrs::distribution::{ContinuousCDF as _, Normal};

use crate::law_server::LawServer;

/// Latencies of the law; each of them is served exactly once.
const LATENCIES: u32 = 1000;
/// Median of the law, and the ratio of its 99th percentile to it.
const MEDIAN: Duration = Duration::from_millis(10);
const SPREAD: f64 = 4.0;
/// Arrivals per second while the law is measured.
const LAW_RATE: f64 = 500.0;
/// Arrivals per second while the send jitter is measured.
const JITTER_RATE: f64 = 1000.0;
/// Users per core that offer as much as they can.
const USERS_PER_CORE: u64 = 8;
/// Length of the other measurements.
const LENGTH: Nanos = Nanos::from_secs(2);

/// A percentile of the law with what was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalibratedQuantile {
    /// Which one, in (0, 1).
    pub quantile: f64,
    /// By the law.
    pub law: Nanos,
    /// As measured, from the intended start to the last byte.
    pub measured: Nanos,
}

impl CalibratedQuantile {
    /// Measured minus law, in nanoseconds; above 0 when the measurement is too high.
    pub fn error_ns(&self) -> f64 {
        self.measured.0 as f64 - self.law.0 as f64
    }

    /// The error as a share of the law.
    pub fn relative_error(&self) -> f64 {
        self.error_ns() / self.law.0.max(1) as f64
    }
}

/// What the calibration found.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// The 50th, 95th and 99th percentile.
    pub quantiles: Vec<CalibratedQuantile>,
    /// How late requests left at 1000/s: median.
    pub jitter_p50: Nanos,
    /// How late requests left at 1000/s: 99th percentile.
    pub jitter_p99: Nanos,
    /// The highest rate that was offered, in requests per second. The server took its part of the same cores.
    pub highest_rate: f64,
    /// Share of a core that the busiest worker used at that rate.
    pub busiest_worker: f64,
}

/// Why there is no calibration.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// The server did not start.
    #[error("the server to measure cannot listen on 127.0.0.1: {0}; allow programs to listen there")]
    Server(#[from] io::Error),
    /// The load makes no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The engine refused.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Requests failed that cannot fail.
    #[error(
        "{failed} of {requests} requests to a server in the same process failed: check limits and firewalls"
    )]
    Failed {
        /// Failed requests.
        failed: u64,
        /// All requests.
        requests: u64,
    },
}

/// Measures a known law, the send jitter, and the highest rate: about six seconds in all. After `stop` the figures are
/// those of what was measured until then.
pub fn calibrate(stop: &StopHandle) -> Result<Calibration, CalibrationError> {
    let delays = latencies();
    let law = law_of(&delays);
    let seconds = f64::from(LATENCIES) / LAW_RATE;
    let open =
        |rate, duration| LoadOptions { rate: Some(rate), duration: Some(duration), ..LoadOptions::default() };
    let measured = measure(delays, open(LAW_RATE, Nanos::from_secs_f64(seconds)), stop)?.response_time();
    let jitter = measure(Vec::new(), open(JITTER_RATE, LENGTH), stop)?;
    let lag = jitter.totals.trend(&Series::new(metric::DISPATCH_LAG));
    let most = LoadOptions {
        users: Some(USERS_PER_CORE * u64::from(cores())),
        pace: Some(0.0),
        duration: Some(LENGTH),
        ..LoadOptions::default()
    };
    let most = measure(Vec::new(), most, stop)?;
    let at = |trend: &Histogram, q| Nanos(trend.quantile(q).map_or(0, |quantile| quantile.estimate));
    let quantile = |q| CalibratedQuantile { quantile: q, law: at(&law, q), measured: at(&measured, q) };
    Ok(Calibration {
        quantiles: [0.5, 0.95, 0.99].map(quantile).to_vec(),
        jitter_p50: at(&lag, 0.5),
        jitter_p99: at(&lag, 0.99),
        highest_rate: most.throughput(),
        busiest_worker: busiest_worker(&most.totals),
    })
}

/// A lognormal law in equal steps of probability, in an order without trend.
fn latencies() -> Vec<Duration> {
    let normal = Normal::standard();
    // 2.3263 standard deviations are the 99th percentile.
    let sigma = SPREAD.ln() / normal.inverse_cdf(0.99);
    let latency = |number: u32| {
        let share = (f64::from(number) + 0.5) / f64::from(LATENCIES);
        MEDIAN.mul_f64((sigma * normal.inverse_cdf(share)).exp())
    };
    // 617 has no divisor in common with 1000, so that every number occurs once.
    (0..LATENCIES).map(|number| latency(number * 617 % LATENCIES)).collect()
}

fn law_of(delays: &[Duration]) -> Histogram {
    let mut law = Histogram::default();
    delays.iter().for_each(|&delay| law.record(Nanos::from(delay).0));
    law
}

fn measure(delays: Vec<Duration>, load: LoadOptions, stop: &StopHandle) -> Result<Summary, CalibrationError> {
    let server = LawServer::start(delays)?;
    let service = ServiceOptions { url: Some(server.url()), ..ServiceOptions::default() };
    let summary = measure_url(service, load, stop)?;
    match summary.failed() {
        0 => Ok(summary),
        failed => Err(CalibrationError::Failed { failed, requests: summary.requests() }),
    }
}

/// Loads a URL for a moment, with the ordinary engine and without any view.
pub fn measure_url(
    service: ServiceOptions,
    load: LoadOptions,
    stop: &StopHandle,
) -> Result<Summary, CalibrationError> {
    let plan = Plan::for_url(&UrlRequest::default(), &Overrides { service, load, targets: Vec::new() })?;
    let users = plan.scenarios.iter().map(|scenario| scenario.load.max_users()).min().unwrap_or(1);
    let info = RunInfo {
        kind: "load".to_owned(),
        scenarios: plan.scenario_info(),
        targets: plan.targets.clone(),
        workers: cores().min(u32::try_from(users).unwrap_or(u32::MAX)).max(1),
        host: host_info(),
        ..RunInfo::default()
    };
    let job = Job {
        plan: Arc::new(plan),
        workers: info.workers,
        segment: Segment::WHOLE,
        interval: INTERVAL,
        info,
    };
    Ok(run(&job, stop, &mut |_| {})?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_is_the_lognormal_one() {
        let law = law_of(&latencies());
        for (q, expected_ms) in [(0.5, 10.0), (0.95, 26.64), (0.99, 40.0)] {
            let ms = law.quantile(q).unwrap().estimate as f64 / 1e6;
            assert!((ms / expected_ms - 1.0).abs() < 0.02, "{q}: {ms}");
        }
        let mut all = latencies();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), LATENCIES as usize);
    }

    #[test]
    fn a_calibration_is_close_to_the_law_and_never_below_it() {
        let found = calibrate(&StopHandle::default()).unwrap();
        assert_eq!(found.quantiles.len(), 3);
        for quantile in &found.quantiles {
            // A histogram's bucket is 0.3% wide; answers are never early. How late they are is the machine's business.
            assert!(quantile.relative_error() > -0.005, "{quantile:?}");
        }
        assert!(found.highest_rate > 100.0 && found.jitter_p50 <= found.jitter_p99, "{found:?}");
    }
}
