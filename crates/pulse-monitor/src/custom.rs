//! A service's own counters and timers, and what it says of its caches and pools.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::core::Core;
use crate::dropped::Dropped;
use crate::endpoint::nanos;
use crate::entry::Entry;

/// A number of events of a name that the service chose.
#[derive(Clone, Debug)]
pub struct Counter {
    pub(crate) core: Arc<Core>,
    pub(crate) entry: Arc<Entry>,
}

impl Counter {
    /// Adds `n` events.
    #[inline]
    pub fn add(&self, n: u64) {
        self.core.counter(&self.entry, n);
    }
}

/// Durations of a name that the service chose.
#[derive(Clone, Debug)]
pub struct Timer {
    pub(crate) core: Arc<Core>,
    pub(crate) entry: Arc<Entry>,
}

impl Timer {
    /// Records a duration; one above [`LONGEST`](crate::LONGEST) is only counted, as invalid.
    #[inline]
    pub fn record(&self, duration: Duration) {
        match nanos(duration) {
            Some(nanos) => self.core.trend(&self.entry, 0, nanos),
            None => self.core.count_dropped(Dropped::Invalid),
        }
    }

    /// Measures until what is returned is dropped.
    #[must_use = "the duration is recorded when this is dropped"]
    pub fn start(&self) -> RunningTimer {
        RunningTimer { timer: self.clone(), started: Instant::now() }
    }
}

/// Records the time from its creation to its end.
#[derive(Debug)]
pub struct RunningTimer {
    timer: Timer,
    started: Instant,
}

impl Drop for RunningTimer {
    fn drop(&mut self) {
        self.timer.record(self.started.elapsed());
    }
}

/// A cache and how often it had what was asked for.
#[derive(Clone, Debug)]
pub struct Cache {
    pub(crate) core: Arc<Core>,
    pub(crate) entry: Arc<Entry>,
}

impl Cache {
    /// It had it.
    #[inline]
    pub fn hit(&self) {
        self.core.rate(&self.entry, true);
    }

    /// It did not.
    #[inline]
    pub fn miss(&self) {
        self.core.rate(&self.entry, false);
    }
}

/// A pool, of connections or whatever is lent out. Every process has its own levels; those of one that is gone disappear.
#[derive(Clone, Debug)]
pub struct Pool {
    pub(crate) core: Arc<Core>,
    pub(crate) entry: Arc<Entry>,
}

impl Pool {
    /// How many there are.
    pub fn set_size(&self, size: u64) {
        self.core.level(&self.entry, 0, size);
    }

    /// How many are lent out.
    pub fn set_in_use(&self, in_use: u64) {
        self.core.level(&self.entry, 1, in_use);
    }

    /// How many wait for one.
    pub fn set_waiting(&self, waiting: u64) {
        self.core.level(&self.entry, 2, waiting);
    }
}
