//! A thread's own cells: the slow way, which makes what the hot path needs.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use crate::cell::OCTAVES;
use crate::core::Core;
use crate::dropped::Dropped;
use crate::hot::{self, Place};
use crate::layout::{CHUNK_BYTES, Kind, TAG_BYTES, Tag};
use crate::region::Region;

/// The blocks that a record needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) kind: Kind,
    pub(crate) series: u16,
    /// Of a trend's value.
    pub(crate) octave: Option<u8>,
}

thread_local! {
    static WRITERS: RefCell<Writers> = const { RefCell::new(Writers { list: Vec::new() }) };
}

/// The writers of a thread: one for each monitor to which it records.
struct Writers {
    list: Vec<(Weak<Core>, Writer)>,
}

/// The right to write to a shard, with what is needed to find its cells again.
#[derive(Debug)]
pub(crate) struct Writer {
    /// The key of the monitor, as of when the writer was made. After a fork the child's monitor has another one, so that
    /// the child never writes to its parent's shards.
    key: u64,
    shard: u32,
    places: Vec<Place>,
    /// The chunk into which blocks are put, and how much of it is taken.
    chunk: Option<(usize, usize)>,
}

/// Makes what a record needs, puts the table in use, and lets `record` try again.
#[cold]
pub(crate) fn record(core: &Arc<Core>, wanted: Wanted, record: impl Fn() -> bool) -> Result<(), Dropped> {
    let prepared = WRITERS.try_with(|writers| {
        // It is taken only when an allocator or a hook records while it is being called from here.
        let mut writers = writers.try_borrow_mut().map_err(|_| Dropped::Busy)?;
        hot::retract();
        let writer = writers.of(core)?;
        writer.add(core, wanted)?;
        writer.publish();
        Ok(())
    });
    match prepared {
        Ok(prepared) => prepared.and_then(|()| if record() { Ok(()) } else { Err(Dropped::Memory) }),
        Err(_) => record_at_the_end(core, wanted, record),
    }
}

/// Records from a thread whose thread-local values are gone already, from the destructor of another one: the shard goes back at
/// once.
fn record_at_the_end(core: &Arc<Core>, wanted: Wanted, record: impl Fn() -> bool) -> Result<(), Dropped> {
    hot::retract();
    let mut writer = core.adopt()?;
    let added = writer.add(core, wanted);
    if added.is_ok() {
        writer.publish();
        record();
        hot::retract();
    }
    core.give_back(writer);
    added
}

impl Writers {
    fn of(&mut self, core: &Arc<Core>) -> Result<&mut Writer, Dropped> {
        let key = core.key();
        if let Some(at) = self.list.iter().position(|(_, writer)| writer.key == key) {
            return Ok(&mut self.list[at].1);
        }
        self.list.retain(|(core, writer)| core.upgrade().is_some_and(|core| core.key() == writer.key));
        self.list.push((Arc::downgrade(core), core.adopt()?));
        Ok(&mut self.list.last_mut().ok_or(Dropped::Busy)?.1)
    }
}

impl Drop for Writers {
    /// The thread ends: its shards go to the next ones, with everything that was counted.
    fn drop(&mut self) {
        hot::retract();
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
        let mut writer = Self { key, shard, places: Vec::new(), chunk: None };
        for chunk in region.chunks_of(shard) {
            let mut used = 0;
            for (tag, offset) in region.blocks(chunk) {
                let end = offset as usize + tag.kind.cell_bytes().unwrap_or(CHUNK_BYTES);
                used = end - region.geometry().chunk_at(chunk);
                writer.link(region, tag, offset);
            }
            writer.chunk = Some((chunk, used));
        }
        writer
    }

    /// The key of the monitor for which it was made.
    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    /// Puts the table in use.
    #[expect(unsafe_code, reason = "what the hot path relies on holds here")]
    fn publish(&self) {
        // SAFETY: the table is changed only by `add`, which is called after `retract`, and is dropped or moved to another
        // thread only after `retract`, except for the writers of monitors that are gone or whose key has changed, and
        // those nobody asks for. The offsets are those of `link`, which are
        // checked against the kinds of blocks and series.
        unsafe { hot::publish(self.key, &self.places) }
    }

    /// Adds the blocks that are wanted, unless they are there.
    fn add(&mut self, core: &Core, wanted: Wanted) -> Result<(), Dropped> {
        let Wanted { kind, series, octave } = wanted;
        let place = self.places.get(usize::from(series));
        if place.is_none_or(|place| place.cell == 0) {
            self.add_block(core, Tag { kind, octave: 0, series })?;
        }
        let Some(octave) = octave else { return Ok(()) };
        let pages = self.places.get(usize::from(series)).and_then(|place| place.pages.as_ref());
        if pages.is_none_or(|pages| pages[usize::from(octave) % OCTAVES] == 0) {
            self.add_block(core, Tag { kind: Kind::Page, octave, series })?;
        }
        Ok(())
    }

    /// Appends a block to the shard.
    fn add_block(&mut self, core: &Core, tag: Tag) -> Result<(), Dropped> {
        let region = core.region();
        loop {
            if let Some((chunk, used)) = self.chunk
                && let Some(offset) = region.add_block(chunk, used, tag)
            {
                self.chunk = Some((chunk, used + TAG_BYTES + tag.kind.cell_bytes().ok_or(Dropped::Invalid)?));
                self.link(region, tag, offset);
                return Ok(());
            }
            self.chunk = Some((core.add_chunk(self.shard)?, 0));
        }
    }

    /// Enters a block into the table, unless it is not what its series is: then the memory was damaged, and the next record of
    /// that series appends another block.
    fn link(&mut self, region: &Region, tag: Tag, offset: u32) {
        let series = usize::from(tag.series);
        let kind = if tag.kind == Kind::Page { Kind::Trend } else { tag.kind };
        if region.series_kind(series) != Some(kind) {
            return;
        }
        if series >= self.places.len() {
            self.places.resize(series + 1, Place::default());
        }
        let place = &mut self.places[series];
        match tag.kind {
            // A trend's cell comes before its pages.
            Kind::Page if place.cell != 0 => {
                let pages = place.pages.get_or_insert_with(|| Box::new([0; OCTAVES]));
                pages[usize::from(tag.octave) % OCTAVES] = offset;
            }
            Kind::Page => {}
            _ => place.cell = offset,
        }
    }
}
