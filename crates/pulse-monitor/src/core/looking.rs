//! Reading what all workers have recorded, and the window over it.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use pulse_model::Nanos;

use super::Core;
use crate::backing::{Backing, occupant};
use crate::clock;
use crate::entry::Space;
#[cfg(feature = "trend")]
use crate::leak::{LeakTrend, MemoryWatch};
use crate::reading::{self, Reader};
use crate::region::Region;
use crate::resources::{Look, ResourceProbe};
use crate::totals::Totals;
use crate::window::{MEMORY_BYTES, Window};
use crate::worker::Worker;

/// The occupants of slots.
pub(crate) fn workers(region: &Region, live: &[usize]) -> Vec<Worker> {
    let worker = |&slot: &usize| Some(Worker { number: slot as u32, pid: occupant(region.slot(slot)?).pid });
    live.iter().filter_map(worker).collect()
}

/// What this process knows of the past.
pub(super) struct Windows {
    /// The key of the monitor, as of the latest reading.
    key: u64,
    reader: Reader,
    window: Window,
    probe: ResourceProbe,
    #[cfg(feature = "trend")]
    memory: MemoryWatch,
}

impl Windows {
    pub(super) fn new(key: u64, region: &Region, backing: &Backing, now: Nanos) -> Self {
        let mut reader = Reader::default();
        let totals = reader.read(region, &backing.live_slots(region), now);
        Self {
            key,
            reader,
            window: Window::new(now, &totals, MEMORY_BYTES),
            probe: ResourceProbe::default(),
            #[cfg(feature = "trend")]
            memory: MemoryWatch::default(),
        }
    }
}

impl Core {
    /// Everything recorded up to now, by all workers.
    pub(crate) fn totals(&self) -> Totals {
        self.read(|_, _, totals| totals.clone())
    }

    /// Reads everything and brings the window up to date with it; then `look` gets the window, the moment and the totals.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&mut Window, Nanos, &Totals) -> R) -> R {
        let result = {
            let _all = reading::lock_all();
            let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
            let (now, totals) = self.advance(&mut windows);
            look(&mut windows.window, now, &totals)
        };
        self.tell();
        result
    }

    fn advance(&self, windows: &mut Windows) -> (Nanos, Totals) {
        if windows.key != self.key() {
            windows.key = self.key();
            if self.region_is_private() {
                let forked_at = Nanos(self.forked_at.load(Ordering::Relaxed));
                windows.reader = Reader::default();
                windows.window = Window::new(forked_at, &Totals::default(), MEMORY_BYTES);
            }
        }
        let now = clock::now();
        if let Some(look) = windows.probe.look(now) {
            self.record_look(&look);
        }
        let live = self.local(|registry| {
            self.sync(registry);
            registry.backing.live_slots(&self.region)
        });
        self.region.header().epoch.fetch_max(clock::epoch(now), Ordering::Relaxed);
        let totals = windows.reader.read(&self.region, &live, now);
        windows.window.advance(now, &totals);
        #[cfg(feature = "trend")]
        windows.memory.look(now, &totals);
        (now, totals)
    }

    fn record_look(&self, look: &Look) {
        for (series, gain) in look.gains {
            self.tally(self.entry(Space::ProcessTally, series, ""), gain);
        }
        for (series, level) in look.levels {
            if let Some(level) = level {
                self.level(self.entry(Space::ProcessLevel, series, ""), 0, level);
            }
        }
    }

    fn region_is_private(&self) -> bool {
        self.local(|registry| registry.backing.is_private())
    }

    /// The trend of memory so far.
    #[cfg(feature = "trend")]
    pub(crate) fn leak_trend(&self) -> Option<LeakTrend> {
        let _all = reading::lock_all();
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.memory.trend()
    }

    /// The processes that record.
    pub(crate) fn workers(&self) -> Vec<Worker> {
        let live = self.local(|registry| registry.backing.live_slots(&self.region));
        workers(&self.region, &live)
    }

    /// Whether it is for this process to do a task that one of the group does for all: the first that asks has it, until it
    /// ends or lets it go.
    #[cfg(feature = "push")]
    pub(crate) fn take_task(&self, task: u64) -> bool {
        self.local(|registry| registry.backing.take_task(task))
    }

    #[cfg(feature = "push")]
    pub(crate) fn leave_task(&self, task: u64) {
        self.local(|registry| registry.backing.leave_task(task));
    }

    /// What the ticker does once a second.
    pub(crate) fn tick(&self) {
        self.is_memory_short.store(false, Ordering::Relaxed);
        self.local(|registry| {
            let warning = registry.backing.mend();
            warning.into_iter().for_each(|warning| self.warn(registry, warning));
        });
        self.read(|_, _, _| {});
    }
}
