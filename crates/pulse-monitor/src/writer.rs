//! A thread's own cells. Recording is: find the thread's writer, find the cell by the number of its series, add.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use pulse_model::Schema;

use crate::cell::{CounterCell, OCTAVES, PAGE_BUCKETS, PageCell, RateCell, TrendCell};
use crate::core::Core;
use crate::dropped::Dropped;
use crate::layout::{CHUNK_BYTES, Kind, TAG_BYTES, Tag};
use crate::region::Region;

thread_local! {
    static WRITERS: RefCell<Writers> = const { RefCell::new(Writers { list: Vec::new(), latest: 0 }) };
}

/// The writers of a thread: one for each monitor to which it records.
struct Writers {
    list: Vec<(Weak<Core>, Writer)>,
    /// The one that was used last, which most often is the one that is needed next.
    latest: usize,
}

/// The right to write to a shard, with what is needed to find its cells again.
#[derive(Debug)]
pub(crate) struct Writer {
    /// The key of the monitor, as of when the writer was made. After a fork the child's monitor has another one, so that
    /// the child never writes to its parent's shards.
    key: u64,
    shard: u32,
    cells: Vec<Place>,
    /// The chunk into which blocks are put, and how much of it is taken.
    chunk: Option<(usize, usize)>,
}

/// Where the cell of a series is.
#[derive(Clone, Debug, Default)]
struct Place {
    /// Offset in the region; 0 when there is no cell yet.
    cell: u32,
    /// Offsets of a trend's octaves; 0 when there is none yet.
    pages: Option<Box<[u32; OCTAVES]>>,
}

/// Runs `record` with the calling thread's writer of a monitor.
#[inline]
pub(crate) fn with_writer(
    core: &Arc<Core>,
    record: impl FnOnce(&mut Writer) -> Result<(), Dropped>,
) -> Result<(), Dropped> {
    let mut record = Some(record);
    let recorded = WRITERS.try_with(|writers| {
        // It is taken only when an allocator or a hook records while it is being called from here.
        let mut writers = writers.try_borrow_mut().map_err(|_| Dropped::Busy)?;
        let record = record.take().ok_or(Dropped::Busy)?;
        record(writers.of(core)?)
    });
    match (recorded, record) {
        (Ok(result), _) => result,
        (Err(_), Some(record)) => record_without_thread(core, record),
        (Err(_), None) => Err(Dropped::Busy),
    }
}

/// Records from a thread whose thread-local values are gone already: the shard goes back at once.
#[cold]
fn record_without_thread(
    core: &Arc<Core>,
    record: impl FnOnce(&mut Writer) -> Result<(), Dropped>,
) -> Result<(), Dropped> {
    let mut writer = core.adopt()?;
    let result = record(&mut writer);
    core.give_back(writer);
    result
}

impl Writers {
    #[inline]
    fn of(&mut self, core: &Arc<Core>) -> Result<&mut Writer, Dropped> {
        let key = core.key();
        if self.list.get(self.latest).is_none_or(|(_, writer)| writer.key != key) {
            self.latest = self.find(core)?;
        }
        Ok(&mut self.list[self.latest].1)
    }

    #[cold]
    fn find(&mut self, core: &Arc<Core>) -> Result<usize, Dropped> {
        let key = core.key();
        if let Some(at) = self.list.iter().position(|(_, writer)| writer.key == key) {
            return Ok(at);
        }
        self.list.retain(|(core, writer)| core.upgrade().is_some_and(|core| core.key() == writer.key));
        self.list.push((Arc::downgrade(core), core.adopt()?));
        Ok(self.list.len() - 1)
    }
}

impl Drop for Writers {
    /// The thread ends: its shards go to the next ones, with everything that was counted.
    fn drop(&mut self) {
        for (core, writer) in self.list.drain(..) {
            if let Some(core) = core.upgrade() {
                core.give_back(writer);
            }
        }
    }
}

impl Writer {
    /// A writer for a shard, whose cells are found by walking its chunks.
    pub(crate) fn open(key: u64, shard: u32, region: &Region) -> Self {
        let mut writer = Self { key, shard, cells: Vec::new(), chunk: None };
        for chunk in region.chunks_of(shard) {
            let mut used = 0;
            for (tag, offset) in region.blocks(chunk) {
                let end = offset as usize + tag.kind.cell_bytes().unwrap_or(CHUNK_BYTES);
                used = end - region.geometry().chunk_at(chunk);
                writer.link(tag, offset);
            }
            writer.chunk = Some((chunk, used));
        }
        writer
    }

    /// The key of the monitor for which it was made.
    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    /// Records a value of a trend, in nanoseconds.
    #[inline]
    pub(crate) fn trend(&mut self, core: &Core, series: u16, value: u64) -> Result<(), Dropped> {
        let region = core.region();
        let index = if value == 0 { 0 } else { Schema::MONITOR.index(value) };
        let (octave, bucket) = (index / PAGE_BUCKETS, index % PAGE_BUCKETS);
        let (cell, page) = match self.cells.get(usize::from(series)) {
            Some(Place { cell, pages: Some(pages) }) if pages[octave % OCTAVES] != 0 => {
                (*cell, pages[octave % OCTAVES])
            }
            _ => self.trend_block(core, series, octave)?,
        };
        let cell = region.cell::<TrendCell>(cell).ok_or(Dropped::Memory)?;
        let page = region.cell::<PageCell>(page).ok_or(Dropped::Memory)?;
        let epoch = core.epoch();
        if value == 0 {
            cell.zero(epoch);
        } else {
            cell.note(value, epoch);
            page.count(bucket);
        }
        Ok(())
    }

    /// Adds to a counter.
    #[inline]
    pub(crate) fn counter(&mut self, core: &Core, series: u16, n: u64) -> Result<(), Dropped> {
        let cell = self.cell(core, Tag { kind: Kind::Counter, octave: 0, series })?;
        core.region().cell::<CounterCell>(cell).ok_or(Dropped::Memory)?.add(n);
        Ok(())
    }

    /// Counts a hit or a miss.
    #[inline]
    pub(crate) fn rate(&mut self, core: &Core, series: u16, is_hit: bool) -> Result<(), Dropped> {
        let cell = self.cell(core, Tag { kind: Kind::Rate, octave: 0, series })?;
        let cell = core.region().cell::<RateCell>(cell).ok_or(Dropped::Memory)?;
        if is_hit {
            cell.hit()
        } else {
            cell.miss()
        }
        Ok(())
    }

    #[inline]
    fn cell(&mut self, core: &Core, tag: Tag) -> Result<u32, Dropped> {
        match self.cells.get(usize::from(tag.series)) {
            Some(place) if place.cell != 0 => Ok(place.cell),
            _ => self.block(core, tag),
        }
    }

    /// Cell and page of a trend, of which at least one is new.
    #[cold]
    fn trend_block(&mut self, core: &Core, series: u16, octave: usize) -> Result<(u32, u32), Dropped> {
        let cell = self.cell(core, Tag { kind: Kind::Trend, octave: 0, series })?;
        let octave = octave as u8;
        Ok((cell, self.block(core, Tag { kind: Kind::Page, octave, series })?))
    }

    /// Appends a block to the shard.
    #[cold]
    fn block(&mut self, core: &Core, tag: Tag) -> Result<u32, Dropped> {
        let region = core.region();
        loop {
            if let Some((chunk, used)) = self.chunk
                && let Some(offset) = region.add_block(chunk, used, tag)
            {
                self.chunk = Some((chunk, used + TAG_BYTES + tag.kind.cell_bytes().ok_or(Dropped::Invalid)?));
                self.link(tag, offset);
                return Ok(offset);
            }
            self.chunk = Some((core.add_chunk(self.shard)?, 0));
        }
    }

    fn link(&mut self, tag: Tag, offset: u32) {
        let series = usize::from(tag.series);
        if series >= self.cells.len() {
            self.cells.resize(series + 1, Place::default());
        }
        let place = &mut self.cells[series];
        if tag.kind == Kind::Page {
            // A trend's cell comes before its pages; a page without one is damage, and what is recorded gets a new one.
            if place.cell == 0 {
                return;
            }
            let pages = place.pages.get_or_insert_with(|| Box::new([0; OCTAVES]));
            pages[usize::from(tag.octave) % OCTAVES] = offset;
        } else {
            place.cell = offset;
        }
    }
}
