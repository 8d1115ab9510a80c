//! The protocol between the one writer of a cell and its many readers.
//!
//! A cell has exactly one writer at a time, so adding is load, add and store; nothing here is a locked instruction. Two
//! orders matter. A writer counts a value *last*, with release, and a reader reads counts *first*, with acquire: whatever
//! is counted is also in the sum and within minimum and maximum. And extremes of an epoch carry the epoch's number twice
//! around a change of it, so that a reader never mixes two epochs.
//!
//! All bytes zero is a valid cell of which nothing was recorded. Only what is here touches the words, and it knows neither
//! mappings nor threads: the same source is run by the model checker.

use crate::sync::{AtomicU64, Ordering, fence};

/// Buckets per octave of [`pulse_model::Schema::MONITOR`].
pub(crate) const PAGE_BUCKETS: usize = 32;
/// Octaves of a `u64`, and one more for the bucket whose upper bound is 2^64.
pub(crate) const OCTAVES: usize = 65;
/// Epochs whose extremes are kept.
pub(crate) const EPOCHS: usize = 4;

/// Adds to a word that nobody else writes.
#[inline]
fn add(word: &AtomicU64, n: u64, order: Ordering) {
    word.store(word.load(Ordering::Relaxed).wrapping_add(n), order);
}

/// A number of events.
#[repr(C)]
#[derive(Default)]
pub(crate) struct CounterCell {
    count: AtomicU64,
}

/// Hits and misses.
#[repr(C)]
#[derive(Default)]
pub(crate) struct RateCell {
    hits: AtomicU64,
    misses: AtomicU64,
}

/// What a trend has besides its buckets.
#[repr(C)]
#[derive(Default)]
pub(crate) struct TrendCell {
    zeros: AtomicU64,
    sum: AtomicU64,
    /// Inverted, so that zeroed memory means "none": the largest `!value` is the smallest value.
    inverted_min: AtomicU64,
    max: AtomicU64,
    recent: [EpochCell; EPOCHS],
}

/// The buckets of one octave of a trend.
#[repr(C)]
#[derive(Default)]
pub(crate) struct PageCell {
    buckets: [AtomicU64; PAGE_BUCKETS],
}

/// Extremes of the values recorded in one epoch.
#[repr(C)]
#[derive(Default)]
struct EpochCell {
    /// The epoch plus one; 0 while there is none and while the pair is being replaced.
    tag: AtomicU64,
    inverted_min: AtomicU64,
    max: AtomicU64,
}

/// A reading of a [`TrendCell`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrendReading {
    pub(crate) zeros: u64,
    pub(crate) sum: u64,
    /// `u64::MAX` of no values.
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) recent: [Option<EpochReading>; EPOCHS],
}

/// The extremes of one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EpochReading {
    pub(crate) epoch: u64,
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl CounterCell {
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        add(&self.count, n, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl RateCell {
    #[inline]
    pub(crate) fn hit(&self) {
        add(&self.hits, 1, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn miss(&self) {
        add(&self.misses, 1, Ordering::Relaxed);
    }

    /// Hits and misses.
    pub(crate) fn read(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}

impl PageCell {
    /// Counts a value in a bucket of the page, after [`TrendCell::note`].
    #[inline]
    pub(crate) fn count(&self, bucket: usize) {
        add(&self.buckets[bucket % PAGE_BUCKETS], 1, Ordering::Release);
    }

    /// Bucket and count of what is not empty.
    pub(crate) fn read(&self) -> impl Iterator<Item = (usize, u64)> {
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Acquire));
        counts.enumerate().filter(|&(_, count)| count > 0)
    }
}

impl TrendCell {
    /// Records a value of zero, which has no bucket.
    #[inline]
    pub(crate) fn zero(&self, epoch: u64) {
        self.note(0, epoch);
        add(&self.zeros, 1, Ordering::Release);
    }

    /// Takes a value into everything but the buckets; its bucket is counted afterwards.
    #[inline]
    pub(crate) fn note(&self, value: u64, epoch: u64) {
        add(&self.sum, value, Ordering::Relaxed);
        let recent = &self.recent[epoch as usize % EPOCHS];
        if recent.tag.load(Ordering::Relaxed) != epoch + 1 {
            self.begin(recent, value, epoch);
        } else if recent.inverted_min.load(Ordering::Relaxed) < !value {
            recent.inverted_min.store(!value, Ordering::Relaxed);
            self.widen(value);
        } else if recent.max.load(Ordering::Relaxed) < value {
            recent.max.store(value, Ordering::Relaxed);
            self.widen(value);
        }
    }

    /// The extremes of all time; a value within those of its epoch is within these.
    #[cold]
    fn widen(&self, value: u64) {
        raise(&self.inverted_min, !value);
        raise(&self.max, value);
    }

    /// The first value of an epoch.
    #[cold]
    fn begin(&self, recent: &EpochCell, value: u64, epoch: u64) {
        recent.begin(value, epoch);
        self.widen(value);
    }

    /// Reads everything but the buckets, which must have been read before.
    pub(crate) fn read(&self) -> TrendReading {
        let zeros = self.zeros.load(Ordering::Acquire);
        TrendReading {
            zeros,
            sum: self.sum.load(Ordering::Relaxed),
            min: !self.inverted_min.load(Ordering::Relaxed),
            max: self.max.load(Ordering::Relaxed),
            recent: [0, 1, 2, 3].map(|at| self.recent[at].read()),
        }
    }
}

impl EpochCell {
    fn begin(&self, value: u64, epoch: u64) {
        self.tag.store(0, Ordering::Relaxed);
        fence(Ordering::Release);
        self.inverted_min.store(!value, Ordering::Relaxed);
        self.max.store(value, Ordering::Relaxed);
        self.tag.store(epoch + 1, Ordering::Release);
    }

    /// `None` when there is no epoch, or another one began while this one was read.
    fn read(&self) -> Option<EpochReading> {
        let tag = self.tag.load(Ordering::Acquire);
        let (min, max) = (!self.inverted_min.load(Ordering::Relaxed), self.max.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let unchanged = self.tag.load(Ordering::Relaxed) == tag;
        (tag > 0 && unchanged).then(|| EpochReading { epoch: tag - 1, min, max })
    }
}

fn raise(word: &AtomicU64, value: u64) {
    if word.load(Ordering::Relaxed) < value {
        word.store(value, Ordering::Relaxed);
    }
}
