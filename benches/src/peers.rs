//! The libraries, one file each.

pub(crate) mod hdrhistogram;
pub(crate) mod metrics;
pub(crate) mod opentelemetry;
pub(crate) mod prometheus;
pub(crate) mod prometheus_client;
pub(crate) mod pulse;

/// Upper bounds in seconds that the OpenTelemetry conventions advise, for libraries whose histograms need some.
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
