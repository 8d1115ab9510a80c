//! A mapping seen as what the layout says, read and written by position. Everything that changes the structure happens under
//! the registry's lock; readers need none.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use pulse_model::Nanos;

use crate::clock;
use crate::dropped::Dropped;
use crate::layout::{
    CHUNK_BYTES, Geometry, Header, Kind, LAYOUT, MAGIC, SHARDS, SLOT_WORDS, SLOTS, SeriesEntry, Slot,
    TAG_BYTES, TEXT_BYTES, Tag,
};
use crate::mapping::{Mapping, Shared};
use crate::slow_queries::{self, SlowQueryTable};

/// Where all values are.
#[derive(Debug)]
pub(crate) struct Region {
    mapping: Mapping,
    geometry: Geometry,
}

/// Makes sure that there is memory behind a range of bytes before it is touched for the first time.
pub(crate) trait Reserve {
    fn reserve(&mut self, bytes: Range<usize>) -> io::Result<()>;
}

impl Region {
    /// A mapping with the layout of `geometry`; the mapping is as long as it says.
    pub(crate) fn new(mapping: Mapping, geometry: Geometry) -> Self {
        Self { mapping, geometry }
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// What lies at an offset; `None` when that is outside of the region.
    #[inline]
    pub(crate) fn cell<T: Shared>(&self, offset: u32) -> Option<&T> {
        self.mapping.get(offset as usize)
    }

    /// What lies at an offset.
    ///
    /// # Safety
    ///
    /// [`Self::cell`] with the same offset and type would return something.
    #[inline]
    #[expect(unsafe_code, reason = "the hot path has checked it before")]
    pub(crate) unsafe fn cell_unchecked<T: Shared>(&self, offset: u32) -> &T {
        // SAFETY: as above.
        unsafe { self.mapping.get_unchecked(offset as usize) }
    }

    #[inline]
    pub(crate) fn header(&self) -> &Header {
        self.mapping.get(0).expect("every geometry is longer than a header, and a mapping begins aligned")
    }

    /// Fills in the header of a new region and names the reasons of not recording. The magic comes last.
    pub(crate) fn format(&self, identity: u64, reserve: &mut impl Reserve) -> io::Result<()> {
        let header = self.header();
        header.layout.store(LAYOUT, Ordering::Relaxed);
        header.max_series.store(self.geometry.max_series as u64, Ordering::Relaxed);
        header.chunks.store(self.geometry.chunks as u64, Ordering::Relaxed);
        header.identity.store(identity, Ordering::Relaxed);
        header.began.store(clock::unix_now().0, Ordering::Relaxed);
        for reason in Dropped::ALL {
            let added = self.add_series(Kind::Dropped, reason as u8, &reason.series().to_string(), reserve);
            added.map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        }
        header.magic.store(MAGIC, Ordering::Release);
        Ok(())
    }

    /// When counting began, in Unix time.
    pub(crate) fn began(&self) -> Nanos {
        Nanos(self.header().began.load(Ordering::Relaxed))
    }

    /// The slowest statements of all workers.
    pub(crate) fn slow_queries(&self) -> Option<SlowQueryTable<'_>> {
        let words = self.mapping.run::<AtomicU64>(self.geometry.queries_at, slow_queries::WORDS)?;
        Some(SlowQueryTable::new(words.try_into().ok()?))
    }

    // Series.

    /// How many series there are.
    #[inline]
    pub(crate) fn series_len(&self) -> usize {
        (self.header().series_len.load(Ordering::Acquire) as usize).min(self.geometry.series())
    }

    fn index_word(&self, number: usize) -> Option<&AtomicU64> {
        if number >= self.geometry.series() {
            return None;
        }
        self.mapping.get(self.geometry.index_at + number * 8)
    }

    fn text_bytes(&self, at: usize, len: usize) -> Option<&[AtomicU8]> {
        if at.checked_add(len)? > self.geometry.texts_len() {
            return None;
        }
        self.mapping.run(self.geometry.texts_at + at, len)
    }

    fn entry(&self, number: usize) -> Option<SeriesEntry> {
        SeriesEntry::from_word(self.index_word(number)?.load(Ordering::Relaxed))
    }

    /// The kind of a series below [`Self::series_len`].
    pub(crate) fn series_kind(&self, number: usize) -> Option<Kind> {
        Some(self.entry(number)?.kind)
    }

    /// A series below [`Self::series_len`]; `None` where the memory was damaged.
    pub(crate) fn series(&self, number: usize) -> Option<(SeriesEntry, String)> {
        let entry = self.entry(number)?;
        let bytes = self.text_bytes(entry.text_at as usize, entry.text_len.into())?;
        let text = bytes.iter().map(|byte| byte.load(Ordering::Relaxed)).collect();
        Some((entry, String::from_utf8(text).ok()?))
    }

    /// Appends a series. Under the registry's lock.
    pub(crate) fn add_series(
        &self,
        kind: Kind,
        place: u8,
        text: &str,
        reserve: &mut impl Reserve,
    ) -> Result<u16, Dropped> {
        let number = self.series_len();
        let previous = number.checked_sub(1).and_then(|last| self.entry(last));
        let text_at = previous.map_or(0, SeriesEntry::text_end);
        let (Some(word), Some(bytes)) = (self.index_word(number), self.text_bytes(text_at, text.len()))
        else {
            return Err(Dropped::Series);
        };
        if text.len() > TEXT_BYTES {
            return Err(Dropped::Series);
        }
        let start = self.geometry.texts_at + text_at;
        reserve.reserve(start..start + text.len()).map_err(|_| Dropped::Memory)?;
        for (byte, to) in text.bytes().zip(bytes) {
            to.store(byte, Ordering::Relaxed);
        }
        let entry = SeriesEntry { kind, place, text_len: text.len() as u16, text_at: text_at as u32 };
        word.store(entry.word(), Ordering::Relaxed);
        self.header().series_len.store(number as u64 + 1, Ordering::Release);
        Ok(number as u16)
    }

    /// Whether `len` more bytes of text fit.
    pub(crate) fn has_text_room(&self, len: usize) -> bool {
        let last = self.series_len().checked_sub(1).and_then(|last| self.entry(last));
        last.map_or(0, SeriesEntry::text_end) + len <= self.geometry.texts_len()
    }

    /// The place in slots of the next series that has one. Under the registry's lock.
    pub(crate) fn next_place(&self) -> Result<u8, Dropped> {
        let entries = (0..self.series_len()).filter_map(|number| self.entry(number));
        let taken = entries.filter(|entry| matches!(entry.kind, Kind::Gauge | Kind::Tally)).count();
        if taken < SLOT_WORDS { Ok(taken as u8) } else { Err(Dropped::Series) }
    }

    /// The word of a series in a slot: a level plus one, or a count.
    pub(crate) fn slot_word(&self, slot: usize, number: usize) -> Option<&AtomicU64> {
        let entry = self.entry(number).filter(|entry| matches!(entry.kind, Kind::Gauge | Kind::Tally))?;
        self.slot(slot)?.words.get(usize::from(entry.place))
    }

    /// Forgets the levels of a slot, whose process is another one now.
    pub(crate) fn clear_levels(&self, slot: usize) {
        for number in 0..self.series_len() {
            if self.entry(number).is_some_and(|entry| entry.kind == Kind::Gauge)
                && let Some(word) = self.slot_word(slot, number)
            {
                word.store(0, Ordering::Relaxed);
            }
        }
    }

    // Slots.

    /// How many slots were ever claimed.
    pub(crate) fn slots_len(&self) -> usize {
        (self.header().slots_len.load(Ordering::Acquire) as usize).min(SLOTS)
    }

    /// A slot; its memory must be reserved, which it is below [`Self::slots_len`].
    pub(crate) fn slot(&self, slot: usize) -> Option<&Slot> {
        if slot >= SLOTS { None } else { self.mapping.get(self.slot_at(slot)) }
    }

    pub(crate) fn slot_at(&self, slot: usize) -> usize {
        self.geometry.slots_at + slot * size_of::<Slot>()
    }

    // Shards: to each the slot that owns it, plus one.

    fn shard_owner(&self, shard: usize) -> Option<&AtomicU64> {
        if shard >= SHARDS { None } else { self.mapping.get(self.geometry.shards_at + shard * 8) }
    }

    /// The shards that a slot owns.
    pub(crate) fn shards_of(&self, slot: usize) -> Vec<u32> {
        let len = (self.header().shards_len.load(Ordering::Acquire) as usize).min(SHARDS);
        let owned = |&shard: &usize| {
            self.shard_owner(shard).is_some_and(|owner| owner.load(Ordering::Relaxed) == slot as u64 + 1)
        };
        (0..len).filter(owned).map(|shard| shard as u32).collect()
    }

    /// A new shard for a slot. Under the registry's lock.
    pub(crate) fn add_shard(&self, slot: usize) -> Result<u32, Dropped> {
        let shard = self.header().shards_len.load(Ordering::Relaxed) as usize;
        let owner = self.shard_owner(shard).ok_or(Dropped::Threads)?;
        owner.store(slot as u64 + 1, Ordering::Relaxed);
        self.header().shards_len.store(shard as u64 + 1, Ordering::Release);
        Ok(shard as u32)
    }

    // Chunks: to each the shard that owns it, plus one.

    fn chunk_owner(&self, chunk: usize) -> Option<&AtomicU64> {
        if chunk >= self.geometry.chunks {
            return None;
        }
        self.mapping.get(self.geometry.owners_at + chunk * 8)
    }

    /// How many chunks have an owner.
    pub(crate) fn chunks_len(&self) -> usize {
        (self.header().chunks_len.load(Ordering::Acquire) as usize).min(self.geometry.chunks)
    }

    /// The chunks that a shard owns, in the order in which it got them.
    pub(crate) fn chunks_of(&self, shard: u32) -> Vec<usize> {
        let owned = |&chunk: &usize| {
            self.chunk_owner(chunk).is_some_and(|owner| owner.load(Ordering::Relaxed) == u64::from(shard) + 1)
        };
        (0..self.chunks_len()).filter(owned).collect()
    }

    /// A new chunk for a shard. Under the registry's lock. A crash before the last line leaves an owner beyond the length; the
    /// next owner takes its place, and nothing was recorded in it.
    pub(crate) fn add_chunk(&self, shard: u32, reserve: &mut impl Reserve) -> Result<usize, Dropped> {
        let chunk = self.header().chunks_len.load(Ordering::Relaxed) as usize;
        let owner = self.chunk_owner(chunk).ok_or(Dropped::Memory)?;
        let at = self.geometry.chunk_at(chunk);
        reserve.reserve(at..at + CHUNK_BYTES).map_err(|_| Dropped::Memory)?;
        owner.store(u64::from(shard) + 1, Ordering::Relaxed);
        self.header().chunks_len.store(chunk as u64 + 1, Ordering::Release);
        Ok(chunk)
    }

    /// The bytes that are in use: everything of fixed size, and what slots, texts and chunks have taken.
    pub(crate) fn used_bytes(&self) -> usize {
        let last = self.series_len().checked_sub(1).and_then(|last| self.entry(last));
        let tables = self.geometry.slots_at + self.geometry.texts_at - self.geometry.shards_at;
        tables
            + self.slots_len() * size_of::<Slot>()
            + last.map_or(0, SeriesEntry::text_end)
            + self.chunks_len() * CHUNK_BYTES
    }

    /// The blocks of a chunk: tag and offset of the cell, in the order in which they were added.
    pub(crate) fn blocks(&self, chunk: usize) -> impl Iterator<Item = (Tag, u32)> {
        let start = self.geometry.chunk_at(chunk);
        let mut at = start;
        std::iter::from_fn(move || {
            let tag = Tag::from_word(self.mapping.get::<AtomicU64>(at)?.load(Ordering::Acquire))?;
            let cell = at + TAG_BYTES;
            at = cell + tag.kind.cell_bytes()?;
            (at <= start + CHUNK_BYTES).then_some((tag, cell as u32))
        })
    }

    /// Appends a block to a chunk whose first `used` bytes are taken; the cell's offset, or `None` when it does not fit. Only
    /// by the chunk's writer.
    pub(crate) fn add_block(&self, chunk: usize, used: usize, tag: Tag) -> Option<u32> {
        let end = used + TAG_BYTES + tag.kind.cell_bytes()?;
        if end > CHUNK_BYTES {
            return None;
        }
        let at = self.geometry.chunk_at(chunk) + used;
        self.mapping.get::<AtomicU64>(at)?.store(tag.word(), Ordering::Release);
        Some((at + TAG_BYTES) as u32)
    }

    /// Forgets everything recorded, but not the series: what a forked child does with the copy that it got. Nobody else may
    /// use the region.
    pub(crate) fn clear(&self) {
        for chunk in 0..self.chunks_len() {
            let words = self.mapping.run::<AtomicU64>(self.geometry.chunk_at(chunk), CHUNK_BYTES / 8);
            words.into_iter().flatten().for_each(|word| word.store(0, Ordering::Relaxed));
        }
        for slot in (0..self.slots_len()).filter_map(|slot| self.slot(slot)) {
            slot.words.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        }
        self.slow_queries().into_iter().for_each(SlowQueryTable::clear);
        let header = self.header();
        for word in [&header.chunks_len, &header.shards_len, &header.slots_len] {
            word.store(0, Ordering::Relaxed);
        }
        header.dropped.iter().for_each(|count| count.store(0, Ordering::Relaxed));
        header.began.store(clock::unix_now().0, Ordering::Relaxed);
    }
}
