//! What a process knows about the structure of a region, and the lock under which the structure changes.
//!
//! There is one lock for all monitors of a process, so that a fork can hold it and leave the child with a free one. Within
//! it, a shared region's file is locked against other processes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pulse_model::Series;

use crate::backing::Backing;
use crate::layout::Kind;
use crate::region::Region;
use crate::warning::Warnings;
use crate::writer::Writer;

static REGISTRY: Mutex<()> = Mutex::new(());

/// The lock of all registries of this process. Held for microseconds, or as long as another process holds the file's lock.
pub(crate) fn lock_all() -> MutexGuard<'static, ()> {
    // What it guards is consistent after every single step, so a panic in between does no harm.
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A monitor's part of it.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) backing: Backing,
    /// The key of the monitor when the following was found out; another key means that the process has forked since.
    pub(crate) key: u64,
    /// This process's place in the region.
    pub(crate) slot: Option<usize>,
    /// Shards that a thread has left, and that the next one takes over.
    pub(crate) free: Vec<Writer>,
    /// Shards of the process that had the slot before.
    pub(crate) inherited: Vec<u32>,
    /// Numbers and kinds of the known series.
    pub(crate) numbers: HashMap<Box<str>, (u16, Kind), foldhash::fast::RandomState>,
    /// How many series of the region are known.
    pub(crate) synced: usize,
    pub(crate) warnings: Warnings,
}

impl Registry {
    pub(crate) fn new(backing: Backing, key: u64) -> Self {
        Self {
            backing,
            key,
            slot: None,
            free: Vec::new(),
            inherited: Vec::new(),
            numbers: HashMap::default(),
            synced: 0,
            warnings: Warnings::default(),
        }
    }

    /// Takes note of series that were added since, by whomever; calls `found` for each.
    pub(crate) fn sync(&mut self, region: &Region, mut found: impl FnMut(&Series, Kind)) {
        while self.synced < region.series_len() {
            if let Some((entry, text)) = region.series(self.synced) {
                if let Ok(series) = text.parse::<Series>() {
                    found(&series, entry.kind);
                }
                self.numbers.insert(text.into(), (self.synced as u16, entry.kind));
            }
            self.synced += 1;
        }
    }
}
