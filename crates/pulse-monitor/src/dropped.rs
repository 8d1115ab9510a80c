//! Why something was not recorded. Nothing is ever lost without being counted.

use pulse_model::{Series, metric};

/// The reason; its number is its place in the region's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// A value that cannot be true: a duration longer than [`LONGEST`](crate::LONGEST), a negative one, a name that already
    /// stands for another kind of series.
    Invalid = 0,
    /// No memory for another cell.
    Memory = 1,
    /// More writer threads or processes than there are places for.
    Threads = 2,
    /// More series than there is room for, even under the name that stands for all others.
    Series = 3,
    /// Another process held the registry's lock for too long.
    Busy = 4,
    /// A request to a receiver of pushes that was given up: the receiver refused it, or was away for too long.
    Push = 5,
}

impl Dropped {
    pub(crate) const ALL: [Self; 6] =
        [Self::Invalid, Self::Memory, Self::Threads, Self::Series, Self::Busy, Self::Push];

    /// The series that counts it.
    pub(crate) fn series(self) -> Series {
        let reason = match self {
            Self::Invalid => "invalid",
            Self::Memory => "memory",
            Self::Threads => "threads",
            Self::Series => "series",
            Self::Busy => "busy",
            Self::Push => "push",
        };
        Series::new(metric::MONITOR_DROPPED).with("reason", reason)
    }
}
