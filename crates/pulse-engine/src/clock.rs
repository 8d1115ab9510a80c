//! The clock of a run: the only place where the engine asks what time it is.

use std::time::Instant;

use pulse_model::Nanos;

/// Counts from the start of the load. The same on all workers of a machine.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that reads zero at `origin`.
    pub fn starting_at(origin: Instant) -> Self {
        Self { origin }
    }

    /// Now; zero before the origin.
    pub fn now(self) -> Nanos {
        self.at(Instant::now())
    }

    /// A moment that was read already.
    pub fn at(self, instant: Instant) -> Nanos {
        instant.saturating_duration_since(self.origin).into()
    }

    /// The moment as the operating system counts it.
    pub(crate) fn instant(self, at: Nanos) -> Instant {
        self.origin + std::time::Duration::from(at)
    }
}
