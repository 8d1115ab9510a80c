//! The processes that record into a region.

/// A process that records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its place, from 0; the value of the tag `worker`. The lowest free one is taken, so that numbers stay small whatever
    /// dies and is restarted.
    pub number: u32,
    /// Its process id, in the namespace of the process that asks (if it can be seen from there).
    pub pid: u32,
}
