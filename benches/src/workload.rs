//! What is recorded: response times like those of a real service, and the names of its endpoints.

use std::time::Duration;

/// How many endpoints the service has.
pub const LABELS: usize = 16;
/// Response times of a batch; a power of two that fits into the first-level cache.
const BATCH: usize = 1024;

/// A batch of response times with the endpoints.
pub struct Workload {
    /// Response times between about 1 ms and 300 ms, most of them around 15 ms.
    pub times: Vec<Duration>,
    /// Names of the endpoints.
    pub labels: Vec<String>,
}

impl Default for Workload {
    fn default() -> Self {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut uniform = || {
            // xorshift64: G. Marsaglia, "Xorshift RNGs", 2003. Any numbers that branch predictors cannot learn would do.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let times = (0..BATCH).map(|_| {
            // The sum of twelve uniform numbers is close to normal.
            let normal: f64 = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
            Duration::from_secs_f64(0.015 * (0.8 * normal).exp())
        });
        let labels = (0..LABELS).map(|number| format!("/api/v1/resources/{number}/items"));
        Self { times: times.collect(), labels: labels.collect() }
    }
}
