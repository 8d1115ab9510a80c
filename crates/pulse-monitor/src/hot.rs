//! The shortest way from a value to its cell. One of the few files with `unsafe`.
//!
//! A thread has a table of its cells by number of series. While it belongs to the monitor that is recorded to, a record reads
//! it without a borrow flag, without bounds that were checked when the table was made, and without a destructor's state in
//! thread-local storage: that makes it three times as fast. Everything unusual returns `false` and goes the slow way
//! through the thread's [`Writer`](crate::writer::Writer), to whom the table belongs.

#![expect(unsafe_code, reason = "a record must cost nanoseconds")]

use std::cell::Cell;
use std::ptr;

use pulse_model::Schema;

use crate::cell::{CounterCell, OCTAVES, PAGE_BUCKETS, PageCell, RateCell, TrendCell};
use crate::core::Core;

/// Where the cell of a series is: offsets in the region.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// Of the cell, whose kind is the series'; 0 when there is none yet.
    pub(crate) cell: u32,
    /// Of a trend's octaves; each 0 when there is none yet.
    pub(crate) pages: Option<Box<[u32; OCTAVES]>>,
}

/// The table that is in use.
struct Hot {
    /// The key of the monitor whose table it is; 0 for none.
    key: Cell<u64>,
    places: Cell<*const Place>,
    len: Cell<usize>,
}

thread_local! {
    static HOT: Hot = const { Hot { key: Cell::new(0), places: Cell::new(ptr::null()), len: Cell::new(0) } };
}

/// Puts a table in use until [`retract`] is called.
///
/// # Safety
///
/// Until then the table stays where it is and is not changed, the key is that of the monitor for whose region it was
/// made, and every offset in it is that of a cell of its kind within that region.
pub(crate) unsafe fn publish(key: u64, places: &[Place]) {
    HOT.with(|hot| {
        hot.key.set(key);
        hot.places.set(places.as_ptr());
        hot.len.set(places.len());
    });
}

/// Takes the table out of use.
pub(crate) fn retract() {
    HOT.with(|hot| hot.key.set(0));
}

/// Records a value of a trend, in nanoseconds.
#[inline]
pub(crate) fn trend(core: &Core, series: u16, value: u64) -> bool {
    let Some(place) = place(core, series) else { return false };
    if value == 0 {
        return zero(core, place);
    }
    let Some(pages) = &place.pages else { return false };
    let index = Schema::MONITOR.index(value);
    let page = pages[(index / PAGE_BUCKETS).min(OCTAVES - 1)];
    if page == 0 {
        return false;
    }
    // SAFETY: `publish` was told that these are offsets of a trend's cell and of one of its pages.
    let (cell, page) = unsafe {
        (
            core.region().cell_unchecked::<TrendCell>(place.cell),
            core.region().cell_unchecked::<PageCell>(page),
        )
    };
    cell.note(value, core.epoch());
    page.count(index % PAGE_BUCKETS);
    true
}

/// Records a value of zero.
#[cold]
fn zero(core: &Core, place: &Place) -> bool {
    if place.cell != 0 {
        // SAFETY: `publish` was told that this is the offset of a trend's cell.
        unsafe { core.region().cell_unchecked::<TrendCell>(place.cell) }.zero(core.epoch());
    }
    place.cell != 0
}

/// Adds to a counter.
#[inline]
pub(crate) fn counter(core: &Core, series: u16, n: u64) -> bool {
    let Some(place) = place(core, series).filter(|place| place.cell != 0) else { return false };
    // SAFETY: `publish` was told that this is the offset of a counter's cell.
    unsafe { core.region().cell_unchecked::<CounterCell>(place.cell) }.add(n);
    true
}

/// Counts a hit or a miss.
#[inline]
pub(crate) fn rate(core: &Core, series: u16, is_hit: bool) -> bool {
    let Some(place) = place(core, series).filter(|place| place.cell != 0) else { return false };
    // SAFETY: `publish` was told that this is the offset of a rate's cell.
    let cell = unsafe { core.region().cell_unchecked::<RateCell>(place.cell) };
    if is_hit {
        cell.hit();
    } else {
        cell.miss();
    }
    true
}

/// The place of a series in this thread's table, if that is of this monitor.
#[inline]
fn place(core: &Core, series: u16) -> Option<&Place> {
    HOT.with(|hot| {
        if hot.key.get() != core.key() || usize::from(series) >= hot.len.get() {
            return None;
        }
        // SAFETY: the table is in use, so it is there and not changed before the caller is done with the place: only this
        // thread calls `retract`, and not while it records.
        Some(unsafe { &*hot.places.get().add(usize::from(series)) })
    })
}
