//! Where a region's memory comes from, and who else uses it.

use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering;

use crate::dropped::Dropped;
use crate::region::{Region, Reserve};

/// What is behind a region.
#[derive(Debug)]
pub(crate) enum Backing {
    /// Memory of this process alone.
    Private,
}

impl Reserve for Backing {
    fn reserve(&mut self, _: Range<usize>) -> io::Result<()> {
        Ok(())
    }
}

impl Backing {
    pub(crate) fn lock(&mut self) -> Result<(), Dropped> {
        Ok(())
    }

    pub(crate) fn unlock(&mut self) {}

    pub(crate) fn claim_slot(&mut self, region: &Region) -> Result<usize, Dropped> {
        region.header().slots_len.store(1, Ordering::Release);
        Ok(0)
    }

    pub(crate) fn is_private(&self) -> bool {
        matches!(self, Self::Private)
    }

    /// In a forked child, at once: lets go of the locks that it shares with its parent.
    pub(crate) fn became_child(&mut self) {}

    /// The child of a fork has a copy of private memory, with counts that are the parent's.
    pub(crate) fn after_fork(&mut self, region: &Region) {
        region.clear();
    }

    /// The slots of processes that live.
    pub(crate) fn live_slots(&self, region: &Region) -> Vec<usize> {
        (0..region.slots_len()).collect()
    }
}
