//! Growth of the service's memory per request.

use pulse_model::Measured;
use pulse_stats::growth;

use crate::progress::Progress;
use crate::watch::Reading;

/// Bytes per request, with the 95 % interval of the slope and the number of readings behind it; `None` where there are
/// fewer than five readings at different numbers of requests, after the first `warmup` requests. See [`growth`].
pub(crate) fn memory_growth(readings: &[Reading], progress: &Progress, warmup: f64) -> Option<Measured> {
    let located: Vec<(f64, f64)> = readings
        .iter()
        .filter_map(|reading| Some((progress.at(reading.at)?, reading.usage.resident_bytes as f64)))
        .collect();
    growth(&located, warmup)
}
