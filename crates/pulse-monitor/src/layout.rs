//! Where everything is in a region, and the parts of fixed form.
//!
//! ```text
//! header | slow queries | slots | shards | chunk owners | series index | series texts | chunks
//! ```
//!
//! A chunk is a sequence of blocks; a block is a tag (kind, octave, series) and a cell. The tag is written last, and a zero
//! tag ends the chunk, so a reader finds all cells by walking, and a crash leaves nothing half made.

use std::sync::atomic::AtomicU64;

use crate::cell::{CounterCell, PageCell, RateCell, TrendCell};

/// `PULSEMON` in a hex dump.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"PULSEMON");
/// Rises with every change of anything in this file or in `cell.rs`.
pub(crate) const LAYOUT: u64 = 2;

/// Processes at a time.
pub(crate) const SLOTS: usize = 512;
/// Writer threads at a time, of all processes.
pub(crate) const SHARDS: usize = 8192;
/// Bytes that are given to a writer at a time.
pub(crate) const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks of a shared region: 256 MiB, of which only what is used takes memory.
pub(crate) const CHUNKS: usize = 16 * 1024;
/// Series of a process's own: its levels, and what it counts of itself.
pub(crate) const SLOT_WORDS: usize = 120;
/// Series beyond the cap, for what is recorded under the names that stand for all others.
pub(crate) const OVERFLOW_ROOM: usize = 528;
/// The cap on series has limits too: a number fits 16 bits.
pub(crate) const SERIES_RANGE: std::ops::RangeInclusive<usize> = 16..=60_000;
/// The longest text of a series.
pub(crate) const TEXT_BYTES: usize = 1024;
/// Text reserved per series; names in practice are far shorter than the longest one.
const TEXT_BYTES_MEAN: usize = 256;

/// The first bytes of a region.
#[repr(C, align(64))]
pub(crate) struct Header {
    /// [`MAGIC`]; written last, so that an unfinished header is none.
    pub(crate) magic: AtomicU64,
    /// [`LAYOUT`].
    pub(crate) layout: AtomicU64,
    /// Determines the geometry together with `chunks`.
    pub(crate) max_series: AtomicU64,
    pub(crate) chunks: AtomicU64,
    /// Which start of which service made the region.
    pub(crate) identity: AtomicU64,
    /// When counting began: nanoseconds since 1970.
    pub(crate) began: AtomicU64,
    rest_of_line: [AtomicU64; 2],
    /// How many of each there are. Each is stored with release after the entry itself.
    pub(crate) series_len: AtomicU64,
    pub(crate) shards_len: AtomicU64,
    pub(crate) chunks_len: AtomicU64,
    pub(crate) slots_len: AtomicU64,
    rest_of_lengths: [AtomicU64; 4],
    /// Seconds of the monotonic clock, as of the last tick of any process. Read by every record: nothing that changes more
    /// often is near.
    pub(crate) epoch: AtomicU64,
    rest_of_epoch: [AtomicU64; 7],
    /// What could not be recorded, by reason.
    pub(crate) dropped: [AtomicU64; DROPPED],
}

/// Places for reasons of not recording, more than there are.
pub(crate) const DROPPED: usize = 8;

/// A process.
#[repr(C, align(64))]
pub(crate) struct Slot {
    /// Process id; 0 of a slot that was never claimed.
    pub(crate) pid: AtomicU64,
    /// When the process started, in clock ticks since boot: tells it from a later one with the same id.
    pub(crate) started: AtomicU64,
    /// The namespace in which the process id means something.
    pub(crate) namespace: AtomicU64,
    rest_of_line: [AtomicU64; 5],
    /// By the place of the series: a level plus one, where 0 is not set, or a count.
    pub(crate) words: [AtomicU64; SLOT_WORDS],
}

/// Kinds of series and of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A block and a series.
    Counter = 1,
    /// A block and a series.
    Rate = 2,
    /// A block and a series.
    Trend = 3,
    /// An octave of a trend, only a block.
    Page = 4,
    /// A level in slots, only a series. It is gone when the slot's process is.
    Gauge = 5,
    /// A count in the header, only a series.
    Dropped = 6,
    /// A count in slots, only a series. The slot's next process counts on.
    Tally = 7,
}

impl Kind {
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        [Self::Counter, Self::Rate, Self::Trend, Self::Page, Self::Gauge, Self::Dropped, Self::Tally]
            .into_iter()
            .find(|kind| *kind as u64 == number)
    }

    /// Bytes of a block's cell; `None` of what is no block.
    pub(crate) fn cell_bytes(self) -> Option<usize> {
        match self {
            Self::Counter => Some(size_of::<CounterCell>()),
            Self::Rate => Some(size_of::<RateCell>()),
            Self::Trend => Some(size_of::<TrendCell>()),
            Self::Page => Some(size_of::<PageCell>()),
            Self::Gauge | Self::Dropped | Self::Tally => None,
        }
    }
}

/// What a block is, packed in the word in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) kind: Kind,
    /// Of a page; else 0.
    pub(crate) octave: u8,
    pub(crate) series: u16,
}

/// Bytes of a tag.
pub(crate) const TAG_BYTES: usize = 8;
/// In every tag, so that foreign bytes are not taken for one.
const TAG_MARK: u64 = 0x5055;

impl Tag {
    pub(crate) fn word(self) -> u64 {
        (TAG_MARK << 48) | (self.kind as u64) << 32 | u64::from(self.octave) << 16 | u64::from(self.series)
    }

    /// `None` of zero and of everything that is no tag.
    pub(crate) fn from_word(word: u64) -> Option<Self> {
        let kind = Kind::from_number((word >> 32) & 0xFFFF)?;
        let tag = Self { kind, octave: (word >> 16) as u8, series: word as u16 };
        (tag.word() == word && kind.cell_bytes().is_some()).then_some(tag)
    }
}

/// An entry of the series index, packed in a word: kind, place, and where the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeriesEntry {
    pub(crate) kind: Kind,
    /// Where its word is in slots, or which reason it is; else 0.
    pub(crate) place: u8,
    pub(crate) text_len: u16,
    /// From the start of the texts.
    pub(crate) text_at: u32,
}

impl SeriesEntry {
    pub(crate) fn word(self) -> u64 {
        (self.kind as u64) << 56
            | u64::from(self.place) << 48
            | u64::from(self.text_len) << 32
            | u64::from(self.text_at)
    }

    pub(crate) fn from_word(word: u64) -> Option<Self> {
        let kind = Kind::from_number(word >> 56)?;
        Some(Self { kind, place: (word >> 48) as u8, text_len: (word >> 32) as u16, text_at: word as u32 })
    }

    /// Where the next text goes.
    pub(crate) fn text_end(self) -> usize {
        self.text_at as usize + usize::from(self.text_len)
    }
}

/// Offsets in bytes from the start of the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) max_series: usize,
    pub(crate) chunks: usize,
    pub(crate) queries_at: usize,
    pub(crate) slots_at: usize,
    pub(crate) shards_at: usize,
    pub(crate) owners_at: usize,
    pub(crate) index_at: usize,
    pub(crate) texts_at: usize,
    pub(crate) chunks_at: usize,
    pub(crate) len: usize,
}

impl Geometry {
    /// The geometry of a region; `None` of numbers that none has.
    pub(crate) fn new(max_series: usize, chunks: usize) -> Option<Self> {
        if !SERIES_RANGE.contains(&max_series) || chunks == 0 || chunks > CHUNKS {
            return None;
        }
        let series = max_series + OVERFLOW_ROOM;
        let queries_at = PAGE_BYTES;
        let slots_at = (queries_at + crate::slow_queries::WORDS * 8).next_multiple_of(PAGE_BYTES);
        let shards_at = slots_at + SLOTS * size_of::<Slot>();
        let owners_at = shards_at + SHARDS * 8;
        let index_at = owners_at + chunks.next_multiple_of(PAGE_BYTES / 8) * 8;
        let texts_at = (index_at + series * 8).next_multiple_of(PAGE_BYTES);
        let chunks_at = (texts_at + series * TEXT_BYTES_MEAN).next_multiple_of(CHUNK_BYTES);
        let len = chunks_at + chunks * CHUNK_BYTES;
        Some(Self {
            max_series,
            chunks,
            queries_at,
            slots_at,
            shards_at,
            owners_at,
            index_at,
            texts_at,
            chunks_at,
            len,
        })
    }

    /// All series, those beyond the cap included.
    pub(crate) fn series(&self) -> usize {
        self.max_series + OVERFLOW_ROOM
    }

    pub(crate) fn texts_len(&self) -> usize {
        self.chunks_at - self.texts_at
    }

    pub(crate) fn chunk_at(&self, chunk: usize) -> usize {
        self.chunks_at + chunk * CHUNK_BYTES
    }
}

/// The unit in which memory is reserved.
pub(crate) const PAGE_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_overlap_and_offsets_fit() {
        for (max_series, chunks) in [(16, 1), (2000, CHUNKS), (60_000, CHUNKS), (2001, 77)] {
            let g = Geometry::new(max_series, chunks).unwrap();
            assert!(size_of::<Header>() <= g.queries_at);
            assert!(g.slots_at >= g.queries_at + crate::slow_queries::WORDS * 8);
            assert_eq!(g.shards_at - g.slots_at, SLOTS * 1024);
            assert!(g.owners_at >= g.shards_at + SHARDS * 8);
            assert!(g.index_at >= g.owners_at + chunks * 8);
            assert!(g.texts_at >= g.index_at + g.series() * 8);
            assert!(g.chunks_at >= g.texts_at + g.series() * TEXT_BYTES_MEAN);
            assert!(u32::try_from(g.len).is_ok() && u16::try_from(g.series()).is_ok());
        }
        assert!(
            [(15, 1), (60_001, 1), (16, 0), (16, CHUNKS + 1)]
                .iter()
                .all(|&(s, c)| Geometry::new(s, c).is_none())
        );
    }

    #[test]
    fn tags_and_entries_read_back_and_other_words_are_refused() {
        for kind in [Kind::Counter, Kind::Rate, Kind::Trend, Kind::Page] {
            let tag = Tag { kind, octave: 64, series: 60_527 };
            assert_eq!(Tag::from_word(tag.word()), Some(tag));
        }
        let entry = SeriesEntry { kind: Kind::Gauge, place: 119, text_len: 1024, text_at: 99_999_999 };
        assert_eq!(SeriesEntry::from_word(entry.word()), Some(entry));
        let gauge = Tag { kind: Kind::Gauge, octave: 0, series: 1 };
        for word in [0, 1, u64::MAX, gauge.word(), 0x5055_0009_0000_0000] {
            assert_eq!(Tag::from_word(word), None, "{word:x}");
        }
    }
}
