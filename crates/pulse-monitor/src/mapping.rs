//! Memory that outlives any one thread or process, seen as atomics. One of the few files with `unsafe`.

#![expect(unsafe_code, reason = "a mapping is raw memory; only here it becomes references")]

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU8, AtomicU64};

use memmap2::{Advice, MmapOptions, MmapRaw};

use crate::cell::{CounterCell, PageCell, RateCell, TrendCell};
use crate::layout::{Header, Slot};

/// What may lie in a mapping.
///
/// # Safety
///
/// The type consists of nothing but atomics of at most 8 bytes: every bit pattern is a value of it, and it may change at any
/// time, by other threads and other processes.
pub(crate) unsafe trait Shared {}

// SAFETY: atomics or `repr(C)` structures of them.
unsafe impl Shared for AtomicU8 {}
// SAFETY: as above.
unsafe impl Shared for AtomicU64 {}
// SAFETY: as above.
unsafe impl Shared for CounterCell {}
// SAFETY: as above.
unsafe impl Shared for RateCell {}
// SAFETY: as above.
unsafe impl Shared for TrendCell {}
// SAFETY: as above.
unsafe impl Shared for PageCell {}
// SAFETY: as above.
unsafe impl Shared for Header {}
// SAFETY: as above.
unsafe impl Shared for Slot {}

/// A mapping of fixed length.
pub(crate) struct Mapping {
    raw: MmapRaw,
    /// Equal to the mapping's; kept here because the hot path compares with it.
    len: usize,
}

impl Mapping {
    /// Zeroed memory of this process alone. Pages cost nothing before they are touched.
    pub(crate) fn private(len: usize) -> io::Result<Self> {
        let raw = MmapRaw::from(MmapOptions::new().len(len).no_reserve_swap().map_anon()?);
        // Without it, the first touch of a table could cost 2 MiB. It is a wish: a kernel without huge pages refuses it.
        let _ = raw.advise(Advice::NoHugePage);
        Ok(Self { raw, len })
    }

    /// A file's first `len` bytes, shared with everybody who maps it. The file must be that long.
    pub(crate) fn shared(file: &File, len: usize) -> io::Result<Self> {
        Ok(Self { raw: MmapOptions::new().len(len).map_raw(file)?, len })
    }

    /// The same, only to look at: what is returned by [`Self::get`] must not be written to.
    pub(crate) fn read_only(file: &File, len: usize) -> io::Result<Self> {
        Ok(Self { raw: MmapOptions::new().len(len).map_raw_read_only(file)?, len })
    }

    /// What lies at a byte offset; `None` beyond the end or when it is not aligned.
    #[inline]
    pub(crate) fn get<T: Shared>(&self, offset: usize) -> Option<&T> {
        let end = offset.checked_add(size_of::<T>())?;
        if end > self.len || !offset.is_multiple_of(align_of::<T>()) {
            return None;
        }
        // SAFETY: the range is within the mapping, which lives as long as `self`; it is aligned, since mappings begin at
        // a page. `Shared` says that any bytes are valid and may change under a reference.
        Some(unsafe { &*self.raw.as_ptr().add(offset).cast::<T>() })
    }

    /// What lies at a byte offset.
    ///
    /// # Safety
    ///
    /// [`Self::get`] with the same offset and type would return something.
    #[inline]
    pub(crate) unsafe fn get_unchecked<T: Shared>(&self, offset: usize) -> &T {
        debug_assert!(self.get::<T>(offset).is_some());
        // SAFETY: the caller vouches for range and alignment; the rest is as in `get`.
        unsafe { &*self.raw.as_ptr().add(offset).cast::<T>() }
    }

    /// A run of them.
    pub(crate) fn run<T: Shared>(&self, offset: usize, count: usize) -> Option<&[T]> {
        let end = offset.checked_add(count.checked_mul(size_of::<T>())?)?;
        if end > self.len || !offset.is_multiple_of(align_of::<T>()) {
            return None;
        }
        // SAFETY: as in `get`, for `count` of them one after another.
        Some(unsafe { std::slice::from_raw_parts(self.raw.as_ptr().add(offset).cast::<T>(), count) })
    }
}

impl std::fmt::Debug for Mapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mapping").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn nothing_is_handed_out_beyond_the_end_or_askew() {
        let mapping = Mapping::private(4096).unwrap();
        for (offset, found) in
            [(0, true), (4088, true), (4, false), (4092, false), (4096, false), (usize::MAX, false)]
        {
            assert_eq!(mapping.get::<AtomicU64>(offset).is_some(), found, "{offset}");
        }
        for (offset, count, found) in
            [(0, 512, true), (0, 513, false), (8, 512, false), (8, usize::MAX, false)]
        {
            assert_eq!(mapping.run::<AtomicU64>(offset, count).is_some(), found, "{offset} {count}");
        }
    }

    #[test]
    fn two_mappings_of_a_file_are_one_memory() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        let (writer, reader) =
            (Mapping::shared(&file, 4096).unwrap(), Mapping::read_only(&file, 4096).unwrap());
        writer.get::<AtomicU64>(64).unwrap().store(7, Ordering::Release);
        assert_eq!(reader.get::<AtomicU64>(64).unwrap().load(Ordering::Acquire), 7);
    }
}
