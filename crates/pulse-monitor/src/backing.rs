//! Where a region's memory comes from, and who else uses it.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::dropped::Dropped;
use crate::group_file::{Opened, REGISTRY_BYTE, SLOT_BYTES, be_present};
#[cfg(feature = "push")]
use crate::group_file::{TASK_BYTES, TASKS};
use crate::layout::{SLOTS, Slot};
use crate::liveness::Occupant;
use crate::lock_file::{Lock, LockFile};
use crate::region::{Region, Reserve};

/// How long a record may wait for another process to finish changing the structure. One that takes longer was stopped in the
/// middle; then nobody waits any more until it goes on.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is behind a region.
#[derive(Debug)]
pub(crate) enum Backing {
    /// Memory of this process alone.
    Private,
    /// A file that other processes map as well.
    Shared(Box<SharedFile>),
}

/// This process's hold on a file.
#[derive(Debug)]
pub(crate) struct SharedFile {
    path: PathBuf,
    base: LockFile,
    /// `None` in a forked child that has not recorded yet.
    lock: Option<LockFile>,
    this: Occupant,
    slot: Option<usize>,
    is_stuck: bool,
}

impl From<Opened> for (Region, Backing) {
    fn from(opened: Opened) -> Self {
        let Opened { region, path, base, lock } = opened;
        let shared =
            SharedFile { path, base, lock: Some(lock), this: Occupant::this(), slot: None, is_stuck: false };
        (region, Backing::Shared(Box::new(shared)))
    }
}

impl Reserve for Backing {
    fn reserve(&mut self, bytes: Range<usize>) -> io::Result<()> {
        match self {
            Self::Private => Ok(()),
            Self::Shared(file) => file.base.reserve(bytes),
        }
    }
}

impl Backing {
    pub(crate) fn is_private(&self) -> bool {
        matches!(self, Self::Private)
    }

    /// Takes the lock under which the structure changes, against other processes.
    pub(crate) fn lock(&mut self) -> Result<(), Dropped> {
        match self {
            Self::Private => Ok(()),
            Self::Shared(file) => file.lock(),
        }
    }

    pub(crate) fn unlock(&mut self) {
        if let Self::Shared(file) = self
            && let Some(lock) = &file.lock
        {
            lock.unlock(REGISTRY_BYTE);
        }
    }

    /// The lowest slot that nobody holds. With the lock.
    pub(crate) fn claim_slot(&mut self, region: &Region) -> Result<usize, Dropped> {
        let Self::Shared(file) = self else {
            region.header().slots_len.store(1, Ordering::Release);
            return region
                .slot(0)
                .map(|slot| occupy(slot, &Occupant::this()))
                .map(|()| 0)
                .ok_or(Dropped::Threads);
        };
        let slot = (0..SLOTS).find(|&slot| file.try_claim(region, slot)).ok_or(Dropped::Threads)?;
        let at = region.slot_at(slot);
        file.base.reserve(at..at + size_of::<Slot>()).map_err(|_| Dropped::Memory)?;
        region.clear_levels(slot);
        occupy(region.slot(slot).ok_or(Dropped::Threads)?, &file.this);
        file.slot = Some(slot);
        region.header().slots_len.fetch_max(slot as u64 + 1, Ordering::AcqRel);
        Ok(slot)
    }

    /// Whether this process may do a task of which one process at a time does it for all.
    #[cfg(feature = "push")]
    pub(crate) fn take_task(&mut self, task: u64) -> bool {
        match self {
            Self::Private => true,
            Self::Shared(file) => {
                let locked =
                    file.open_lock().and_then(|lock| lock.try_lock(task_byte(task), Lock::Exclusive));
                matches!(locked, Ok(true))
            }
        }
    }

    /// Leaves a task to others.
    #[cfg(feature = "push")]
    pub(crate) fn leave_task(&self, task: u64) {
        if let Self::Shared(file) = self
            && let Some(lock) = &file.lock
        {
            lock.unlock(task_byte(task));
        }
    }

    /// The slots of processes that live.
    pub(crate) fn live_slots(&self, region: &Region) -> Vec<usize> {
        let slots = 0..region.slots_len();
        match self {
            Self::Private => slots.collect(),
            Self::Shared(file) => live_slots(&file.base, region),
        }
    }

    /// Another program that records into the same group, if there is one.
    pub(crate) fn other_program(&self, region: &Region) -> Option<String> {
        let Self::Shared(file) = self else { return None };
        let this = file.this.program()?;
        let programs = self.live_slots(region).into_iter().filter_map(|slot| {
            let occupant = occupant(region.slot(slot)?);
            if occupant.namespace == file.this.namespace { occupant.program() } else { None }
        });
        programs.into_iter().find(|program| *program != this)
    }

    /// In a forked child, at once: lets go of the locks that it shares with its parent.
    pub(crate) fn became_child(&mut self) {
        if let Self::Shared(file) = self {
            file.lock = None;
            file.slot = None;
        }
    }

    /// In a forked child, later. It has a copy of private memory, with counts that are the parent's.
    pub(crate) fn after_fork(&mut self, region: &Region) {
        match self {
            Self::Private => region.clear(),
            Self::Shared(file) => file.this = Occupant::this(),
        }
    }

    /// Takes lost locks again: a host may have closed all descriptors that it does not know. What cannot be mended is
    /// returned as a warning.
    pub(crate) fn mend(&mut self) -> Option<String> {
        match self {
            Self::Private => None,
            Self::Shared(file) => file.mend(),
        }
    }
}

/// Two tasks may come to share a byte: then the process that has one has both.
#[cfg(feature = "push")]
fn task_byte(task: u64) -> usize {
    TASK_BYTES + (task % TASKS) as usize
}

/// Writes down who has a slot.
fn occupy(slot: &Slot, process: &Occupant) {
    slot.started.store(process.started, Ordering::Relaxed);
    slot.namespace.store(process.namespace, Ordering::Relaxed);
    slot.pid.store(process.pid.into(), Ordering::Release);
}

/// The slots that somebody holds. `base` is an opening of the file without locks of its own.
pub(crate) fn live_slots(base: &LockFile, region: &Region) -> Vec<usize> {
    (0..region.slots_len()).filter(|&slot| base.is_locked_elsewhere(SLOT_BYTES + slot)).collect()
}

/// Who has a slot, or had it last.
pub(crate) fn occupant(slot: &Slot) -> Occupant {
    Occupant {
        pid: slot.pid.load(Ordering::Acquire) as u32,
        started: slot.started.load(Ordering::Relaxed),
        namespace: slot.namespace.load(Ordering::Relaxed),
    }
}

impl SharedFile {
    fn lock(&mut self) -> Result<(), Dropped> {
        self.mend();
        let patience = if self.is_stuck { Duration::ZERO } else { PATIENCE };
        let is_locked = self.open_lock().and_then(|lock| lock.lock(REGISTRY_BYTE, patience));
        self.is_stuck = matches!(is_locked, Ok(false));
        if matches!(is_locked, Ok(true)) { Ok(()) } else { Err(Dropped::Busy) }
    }

    /// The description with this process's locks; a child opens its own.
    fn open_lock(&mut self) -> io::Result<&LockFile> {
        if self.lock.is_none() {
            let lock = self.base.reopen(&self.path)?;
            be_present(&lock)?;
            self.lock = Some(lock);
        }
        self.lock.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn try_claim(&self, region: &Region, slot: usize) -> bool {
        let Some(lock) = &self.lock else { return false };
        let byte = SLOT_BYTES + slot;
        if !matches!(lock.try_lock(byte, Lock::Exclusive), Ok(true)) {
            return false;
        }
        // Somebody whose lock was lost, because all descriptors were closed, still writes. A process that replaced its
        // program has kept its id and its start, and may have its place again.
        let occupant = (slot < region.slots_len()).then(|| region.slot(slot)).flatten().map(occupant);
        let is_taken = occupant.is_some_and(|occupant| occupant != self.this && occupant.is_running());
        if is_taken {
            lock.unlock(byte);
        }
        !is_taken
    }

    fn mend(&mut self) -> Option<String> {
        if self.base.file().is_err()
            && let Some(base) = self.base.find_again(&self.path)
        {
            self.base = base;
        }
        if self.lock.as_ref().is_none_or(|lock| lock.file().is_ok()) {
            return None;
        }
        self.lock = None;
        let slot = self.slot;
        let locked = self.open_lock().and_then(|lock| match slot {
            Some(slot) => lock.try_lock(SLOT_BYTES + slot, Lock::Exclusive),
            None => Ok(true),
        });
        (!matches!(locked, Ok(true))).then(|| {
            "the descriptors of the shared memory were closed, and its file is gone or its place is taken: another process \
             may count over what this one counts"
                .to_owned()
        })
    }
}
