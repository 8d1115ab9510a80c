//! The recent past: what was recorded in any span up to an hour.
//!
//! Storage only counts up. About once a second a reading of it is compared with the one before, and what the series gained
//! is sealed into a slot; a span of time is a sum of slots, and the time since the last of them. So nothing that records
//! knows of windows, and every figure of an answer is about the same interval.
//!
//! The arithmetic is pure: readings and moments are handed in. Whoever owns a window reads the storage while it has the window
//! for itself, so that readings come in order.

mod delta;
#[cfg(test)]
mod model_tests;
mod slot;
mod sums;
mod varint;

use std::collections::VecDeque;

use pulse_model::{Interval, Nanos, Series, Snapshot, metric};

use crate::totals::{CellTotal, Totals};
use delta::{Delta, Epochs, carried, gained};
use slot::Slot;
use sums::Sums;

/// The longest span that can be asked for.
pub(crate) const MAX_SPAN: Nanos = Nanos::from_secs(3600);
/// How far back there are slots of a second.
const FINE_SPAN: Nanos = Nanos::from_secs(300);
/// The length of older slots. A slot that is longer is a gap: nobody read the storage for so long, and what was recorded
/// meanwhile has no place within it.
const COARSE: Nanos = Nanos::from_secs(10);
/// The memory that the slots of a window may take: some 200 busy series over the full hour.
pub(crate) const MEMORY_BYTES: usize = 16 << 20;
/// A clock that moves on by more than this has moved on by this: everything is forgotten all the same.
const MAX_STEP: Nanos = Nanos::from_secs(2 * 3600);

/// The slots of the last hour, and the last reading.
#[derive(Debug)]
pub(crate) struct Window {
    clock: Clock,
    /// Oldest first, each where the one before ends: up to 10 s long, then up to 1 s.
    coarse: VecDeque<Slot>,
    fine: VecDeque<Slot>,
    /// Where the last slot ends.
    open_from: Nanos,
    /// The second of the caller's clock in which that was.
    sealed_second: u64,
    /// The reading at that moment.
    previous: Vec<CellTotal>,
    previous_epoch: u64,
    size_bytes: usize,
    max_bytes: usize,
}

impl Window {
    /// A window that begins now: what `totals` holds was recorded before.
    ///
    /// `now` is of a clock that does not stand still, best the one whose whole seconds are the epochs of the storage: slots
    /// then end where epochs do, and extremes are exact. It may step; see [`Self::advance`].
    pub(crate) fn new(now: Nanos, totals: &Totals, max_bytes: usize) -> Self {
        Self {
            clock: Clock { given: now, own: now },
            coarse: VecDeque::new(),
            fine: VecDeque::new(),
            open_from: now,
            sealed_second: second(now),
            previous: totals.cells.clone(),
            previous_epoch: totals.epoch,
            size_bytes: 0,
            max_bytes,
        }
    }

    /// Seals a slot when a second has begun since the last one; to be called shortly after each whole second, and harmless
    /// at any other moment.
    ///
    /// A clock that steps back is taken to stand still, and to go on from there; one that leaps makes a gap.
    pub(crate) fn advance(&mut self, now: Nanos, totals: &Totals) {
        let own = self.clock.read(now);
        if second(now) == self.sealed_second || own <= self.open_from {
            return;
        }
        let gains = self.open(totals);
        self.keep(totals, &gains);
        let slot = Slot::seal(self.open_from, own, gains.into_iter());
        self.size_bytes += slot.size_bytes();
        self.fine.push_back(slot);
        self.open_from = own;
        self.sealed_second = second(now);
        self.age(own);
    }

    /// What was recorded in the last `span` (at most [`MAX_SPAN`]), including what was recorded just now.
    ///
    /// The snapshot's interval is what is really covered. It is longer than `span` by less than a slot (a second; 10 s for
    /// what is older than five minutes), so that no value of the last `span` is missing, and shorter where the window began
    /// later, where older slots had to go for want of memory, or where it meets a gap of which more than half is outside of
    /// `span`. Gaps within the interval are stated as the counter [`metric::MONITOR_GAP`]. The moments are those of the clock that was
    /// handed in, as long as that did not step. Gauges have the latest reading, and the extremes of the readings once a second.
    pub(crate) fn over(&mut self, span: Nanos, now: Nanos, totals: &Totals) -> Snapshot {
        self.advance(now, totals);
        let to = self.clock.own;
        let start = to.since(span.min(MAX_SPAN));
        let slots = self.reaching(start);
        let mut sums = Sums::default();
        let mut gap = Nanos::ZERO;
        // In order of time, since of a gauge the latest reading counts.
        for slot in slots.iter().rev() {
            gap += if is_gap(slot) { slot.length() } else { Nanos::ZERO };
            slot.gains().for_each(|(number, delta)| sums.add(number, &delta));
        }
        self.open(totals).iter().for_each(|(number, delta)| sums.add(*number, delta));
        let from = slots.last().map_or(self.open_from, |slot| slot.from);
        let mut snapshot = sums.into_snapshot(&totals.series);
        if gap > Nanos::ZERO {
            snapshot.count(Series::new(metric::MONITOR_GAP), gap.0);
        }
        snapshot.interval = Some(Interval { from, to });
        snapshot
    }

    /// Forgets all, as if the window began now.
    pub(crate) fn reset(&mut self, now: Nanos, totals: &Totals) {
        *self = Self::new(now, totals, self.max_bytes);
    }

    /// The slots from now back to `start`, newest first.
    fn reaching(&self, start: Nanos) -> Vec<&Slot> {
        let slots = self.fine.iter().rev().chain(self.coarse.iter().rev());
        let mostly_before = |slot: &Slot| start.since(slot.from) > slot.to.since(start);
        slots.take_while(|slot| slot.to > start && !(is_gap(slot) && mostly_before(slot))).collect()
    }

    /// What was gained since the last slot.
    fn open(&self, totals: &Totals) -> Vec<(usize, Delta)> {
        let epochs = Epochs { from: self.previous_epoch, to: totals.epoch };
        let cells = totals.cells.iter().enumerate();
        cells
            .filter_map(|(number, cell)| Some((number, gained(self.previous.get(number), cell, epochs)?)))
            .collect()
    }

    /// Makes a reading the one with which the next is compared.
    fn keep(&mut self, totals: &Totals, gains: &[(usize, Delta)]) {
        let mut gains = gains.iter().peekable();
        for (number, cell) in totals.cells.iter().enumerate() {
            let delta = gains.next_if(|(gained, _)| *gained == number).map(|(_, delta)| delta);
            let kept = carried(self.previous.get(number), cell, delta);
            match self.previous.get_mut(number) {
                Some(previous) => *previous = kept,
                None => self.previous.push(kept),
            }
        }
        self.previous_epoch = totals.epoch;
    }

    /// Joins slots that have become old, and lets go of what is too old or too much.
    fn age(&mut self, now: Nanos) {
        while self.fine.front().is_some_and(|slot| now.since(slot.from) >= FINE_SPAN + COARSE) {
            self.join();
        }
        let oldest = |window: &Self| window.coarse.front().or(window.fine.front()).map(|slot| slot.to);
        while oldest(self).is_some_and(|to| now.since(to) >= MAX_SPAN || self.size_bytes > self.max_bytes) {
            let slot = self.coarse.pop_front().or_else(|| self.fine.pop_front());
            self.size_bytes -= slot.map_or(0, |slot| slot.size_bytes());
        }
    }

    /// Makes one slot of the oldest fine ones: of as many as have room in it.
    fn join(&mut self) {
        let Some(first) = self.fine.front().map(|slot| slot.from) else { return };
        let (mut sums, mut to) = (Sums::default(), first);
        while let Some(slot) = self.fine.pop_front_if(|slot| to == first || slot.to.since(first) <= COARSE) {
            slot.gains().for_each(|(number, delta)| sums.add(number, &delta));
            to = slot.to;
            self.size_bytes -= slot.size_bytes();
        }
        let joined = Slot::seal(first, to, sums.deltas());
        self.size_bytes += joined.size_bytes();
        self.coarse.push_back(joined);
    }
}

fn is_gap(slot: &Slot) -> bool {
    slot.length() > COARSE
}

fn second(now: Nanos) -> u64 {
    now.0 / 1_000_000_000
}

/// A clock that never goes back, from one that may.
#[derive(Clone, Copy, Debug)]
struct Clock {
    given: Nanos,
    own: Nanos,
}

impl Clock {
    fn read(&mut self, now: Nanos) -> Nanos {
        self.own += now.since(self.given).min(MAX_STEP);
        self.given = now;
        self.own
    }
}
