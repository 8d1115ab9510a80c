//! The clocks: monotonic, the same in all processes of a machine, and the time of day for what people see.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use pulse_model::Nanos;

/// Time since an arbitrary moment that all processes share, usually the machine's start.
pub(crate) fn now() -> Nanos {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map(std::time::Duration::from);
    time.map_or(Nanos::ZERO, Nanos::from)
}

/// Unix time. It may step; nothing is measured with it.
pub(crate) fn unix_now() -> Nanos {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(Nanos::ZERO, Nanos::from)
}

/// The epoch of a moment: its whole seconds.
pub(crate) fn epoch(now: Nanos) -> u64 {
    now.0 / 1_000_000_000
}
