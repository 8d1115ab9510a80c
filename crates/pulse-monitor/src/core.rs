//! One monitor's storage as its handles see it: numbers of names, writers of threads, and the cold paths behind both.

mod looking;
mod naming;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pulse_model::Schema;

use crate::backing::Backing;
use crate::cell::PAGE_BUCKETS;
use crate::clock;
use crate::dropped::Dropped;
use crate::entry::{Entry, Space};
use crate::hot;
use crate::name_table::NameTable;
use crate::region::Region;
use crate::registry::{Registry, lock_all};
use crate::ticker;
use crate::warning;
use crate::writer::{self, Wanted, Writer};

use looking::Windows;
pub(crate) use looking::workers;

/// Keys of monitors; never the same twice in a process.
static NEXT_KEY: AtomicU64 = AtomicU64::new(1);

fn next_key() -> u64 {
    NEXT_KEY.fetch_add(1, Ordering::Relaxed)
}

/// The storage of a monitor.
pub(crate) struct Core {
    /// Tells monitors apart, and a child's from its parent's.
    key: AtomicU64,
    region: Region,
    registry: Mutex<Registry>,
    names: NameTable,
    overflow: [Arc<Entry>; Space::ALL.len()],
    /// How many of the region's series are in `names`.
    synced: AtomicUsize,
    /// How many of them are Pulse's own, which the cap on series leaves out.
    own: AtomicUsize,
    windows: Mutex<Windows>,
    /// This process's slot plus one; 0 before it has one.
    slot: AtomicUsize,
    /// No memory was left when it was last asked for; cleared by the ticker.
    is_memory_short: AtomicBool,
    error_status: u16,
    /// There are warnings of which the host was not told.
    has_untold: AtomicBool,
    /// When the process was forked; 0 in one that was not.
    forked_at: AtomicU64,
}

impl Core {
    /// A core, to be made within [`crate::fork::watched`].
    pub(crate) fn new(region: Region, backing: Backing, error_status: u16) -> Arc<Self> {
        let key = next_key();
        let names = NameTable::new(region.geometry().series() * 2);
        let now = clock::now();
        region.header().epoch.fetch_max(clock::epoch(now), Ordering::Relaxed);
        let windows = Windows::new(key, &region, &backing, now);
        Arc::new(Self {
            key: AtomicU64::new(key),
            region,
            registry: Mutex::new(Registry::new(backing, key)),
            names,
            overflow: Space::ALL.map(|space| Arc::new(Entry::overflow(space))),
            synced: AtomicUsize::new(0),
            own: AtomicUsize::new(0),
            windows: Mutex::new(windows),
            slot: AtomicUsize::new(0),
            is_memory_short: AtomicBool::new(false),
            error_status,
            has_untold: AtomicBool::new(false),
            forked_at: AtomicU64::new(0),
        })
    }

    // The hot path.

    #[inline]
    pub(crate) fn key(&self) -> u64 {
        self.key.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn region(&self) -> &Region {
        &self.region
    }

    /// The second of the latest tick.
    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.region.header().epoch.load(Ordering::Relaxed)
    }

    /// Records a value of a trend, in nanoseconds.
    #[inline]
    pub(crate) fn trend(self: &Arc<Self>, entry: &Entry, place: usize, nanos: u64) {
        if !entry.number(place).is_some_and(|number| hot::trend(self, number, nanos)) {
            let octave = (nanos > 0).then(|| (Schema::MONITOR.index(nanos) / PAGE_BUCKETS) as u8);
            self.record(entry, place, octave, |number| hot::trend(self, number, nanos));
        }
    }

    /// Adds to a counter.
    #[inline]
    pub(crate) fn counter(self: &Arc<Self>, entry: &Entry, n: u64) {
        if !entry.number(0).is_some_and(|number| hot::counter(self, number, n)) {
            self.record(entry, 0, None, |number| hot::counter(self, number, n));
        }
    }

    /// Counts a hit or a miss.
    #[inline]
    pub(crate) fn rate(self: &Arc<Self>, entry: &Entry, is_hit: bool) {
        if !entry.number(0).is_some_and(|number| hot::rate(self, number, is_hit)) {
            self.record(entry, 0, None, |number| hot::rate(self, number, is_hit));
        }
    }

    /// Records what the hot path had no cell for.
    #[cold]
    fn record(
        self: &Arc<Self>,
        entry: &Entry,
        place: usize,
        octave: Option<u8>,
        record: impl Fn(u16) -> bool,
    ) {
        let number = entry.number(place).map_or_else(|| self.resolve(entry, place), Ok);
        let recorded = number.and_then(|series| {
            let wanted = Wanted { kind: entry.space.kind(), series, octave };
            writer::record(self, wanted, || record(series))
        });
        if let Err(reason) = recorded {
            self.count_dropped(reason);
        }
        self.tell();
    }

    // The cold paths.

    #[cold]
    pub(crate) fn count_dropped(&self, reason: Dropped) {
        self.region.header().dropped[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A writer for the calling thread: a shard that another thread left, or a new one.
    pub(crate) fn adopt(&self) -> Result<Writer, Dropped> {
        if let Some(writer) = self.local(|registry| registry.free.pop()) {
            return Ok(writer);
        }
        ticker::ensure_running();
        self.locked(|registry| {
            let slot = self.claim_slot(registry)?;
            let shard = match registry.inherited.pop() {
                Some(shard) => shard,
                None => self.region.add_shard(slot)?,
            };
            Ok(Writer::open(registry.key, shard, &self.region))
        })
    }

    /// Takes back the shard of a thread that ends.
    pub(crate) fn give_back(&self, writer: Writer) {
        self.local(|registry| {
            if writer.key() == registry.key {
                registry.free.push(writer);
            }
        });
    }

    /// More memory for a shard.
    pub(crate) fn add_chunk(&self, shard: u32) -> Result<usize, Dropped> {
        if self.is_memory_short.load(Ordering::Relaxed) {
            return Err(Dropped::Memory);
        }
        let chunk = self.locked(|registry| self.region.add_chunk(shard, &mut registry.backing));
        self.is_memory_short.store(chunk == Err(Dropped::Memory), Ordering::Relaxed);
        chunk
    }

    fn claim_slot(&self, registry: &mut Registry) -> Result<usize, Dropped> {
        if let Some(slot) = registry.slot {
            return Ok(slot);
        }
        let slot = registry.backing.claim_slot(&self.region)?;
        registry.inherited = self.region.shards_of(slot);
        registry.slot = Some(slot);
        self.slot.store(slot + 1, Ordering::Relaxed);
        if let Some(program) = registry.backing.other_program(&self.region) {
            self.warn(
                registry,
                format!("{program} records into the same group: its figures and ours are added up"),
            );
        }
        Ok(slot)
    }

    /// Sets a level of this process.
    pub(crate) fn level(&self, entry: &Entry, place: usize, level: u64) {
        self.in_slot(entry, place, |word| word.store(level.saturating_add(1), Ordering::Relaxed));
    }

    /// Counts something of this process itself. Only one thread at a time.
    pub(crate) fn tally(&self, entry: &Entry, n: u64) {
        self.in_slot(entry, 0, |word| {
            word.store(word.load(Ordering::Relaxed).saturating_add(n), Ordering::Relaxed);
        });
    }

    fn in_slot(&self, entry: &Entry, place: usize, act: impl FnOnce(&AtomicU64)) {
        let number = entry.number(place).map_or_else(|| self.resolve(entry, place), Ok);
        let done = number.and_then(|number| {
            let slot = match self.slot.load(Ordering::Relaxed) {
                0 => self.new_slot()?,
                slot => slot - 1,
            };
            act(self.region.slot_word(slot, number.into()).ok_or(Dropped::Series)?);
            Ok(())
        });
        // Pulse's own figures of the process are tried again every second; only what the service says is missed.
        if let Err(reason) = done
            && !entry.space.is_uncapped()
        {
            self.count_dropped(reason);
        }
    }

    #[cold]
    fn new_slot(&self) -> Result<usize, Dropped> {
        ticker::ensure_running();
        self.locked(|registry| self.claim_slot(registry))
    }

    /// What happens in a forked child at once, with all locks held; the rest follows when the child first records or reads.
    pub(crate) fn became_child(&self) {
        self.key.store(next_key(), Ordering::Relaxed);
        self.slot.store(0, Ordering::Relaxed);
        self.forked_at.store(clock::now().0, Ordering::Relaxed);
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.backing.became_child();
    }

    /// Does something with the registry, alone in this process.
    pub(crate) fn local<R>(&self, act: impl FnOnce(&mut Registry) -> R) -> R {
        let _all = lock_all();
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.notice_fork(&mut registry);
        act(&mut registry)
    }

    /// Adds a warning, of which the host is told by [`Self::tell`].
    pub(crate) fn warn(&self, registry: &mut Registry, warning: String) {
        registry.warnings.add(warning);
        self.has_untold.store(true, Ordering::Relaxed);
    }

    /// Tells the host what it was not told yet. Never with a lock held: what the host does with it is not known.
    pub(crate) fn tell(&self) {
        if self.has_untold.swap(false, Ordering::Relaxed) {
            let untold = self.local(|registry| registry.warnings.untold());
            warning::tell(&untold);
        }
    }

    /// Does something that changes the region's structure, alone among all processes.
    pub(crate) fn locked<R>(
        &self,
        act: impl FnOnce(&mut Registry) -> Result<R, Dropped>,
    ) -> Result<R, Dropped> {
        self.local(|registry| {
            registry.backing.lock()?;
            let result = act(registry);
            registry.backing.unlock();
            result
        })
    }

    /// In a process that was forked since the last look, forgets what was the parent's.
    fn notice_fork(&self, registry: &mut Registry) {
        let key = self.key();
        if registry.key == key {
            return;
        }
        registry.key = key;
        registry.slot = None;
        registry.free.clear();
        registry.inherited.clear();
        registry.backing.after_fork(&self.region);
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("key", &self.key()).field("region", &self.region).finish_non_exhaustive()
    }
}
