//! Recording requests of one endpoint.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::LONGEST;
use crate::core::Core;
use crate::dropped::Dropped;
use crate::entry::{Entry, status_place};

/// A duration as it is recorded, in nanoseconds; `None` when it is longer than [`LONGEST`].
#[inline]
pub(crate) fn nanos(duration: Duration) -> Option<u64> {
    if duration.as_secs() > LONGEST.as_secs() {
        return None;
    }
    Some(duration.as_secs() * 1_000_000_000 + u64::from(duration.subsec_nanos()))
}

/// An endpoint of a service, found once: the fastest way to record its requests. Cheap to clone, and shared by any number of
/// threads.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(crate) core: Arc<Core>,
    pub(crate) entry: Arc<Entry>,
}

impl Endpoint {
    /// Records an answered request: how long it took and with which HTTP status it was answered. A status outside of 100 to 599
    /// is recorded as `unknown`, an error. Durations above [`LONGEST`] are only counted, as invalid.
    #[inline]
    pub fn record(&self, duration: Duration, status: u16) {
        match nanos(duration) {
            Some(nanos) => self.core.trend(&self.entry, status_place(status), nanos),
            None => self.core.count_dropped(Dropped::Invalid),
        }
    }

    /// Starts measuring a request.
    #[must_use = "the request is recorded when the timer is dropped"]
    pub fn timer(&self) -> RequestTimer {
        RequestTimer { endpoint: self.clone(), started: Instant::now(), status: 500 }
    }
}

/// Measures a request from its creation to its end. Dropped without [`finish`](Self::finish), by an early return or a panic,
/// it records the status 500.
#[derive(Debug)]
pub struct RequestTimer {
    endpoint: Endpoint,
    started: Instant,
    status: u16,
}

impl RequestTimer {
    /// Records the request with its status.
    pub fn finish(mut self, status: u16) {
        self.status = status;
    }
}

impl Drop for RequestTimer {
    fn drop(&mut self) {
        self.endpoint.record(self.started.elapsed(), self.status);
    }
}
