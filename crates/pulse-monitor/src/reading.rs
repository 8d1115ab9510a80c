//! Reading all cells of a region while they are being written.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pulse_model::{Gauge, Nanos, Rate, Series, tag};

use crate::cell::{CounterCell, OCTAVES, PAGE_BUCKETS, PageCell, RateCell, TrendCell};
use crate::layout::Kind;
use crate::region::Region;
use crate::totals::{CellTotal, Extremes, Totals, TrendTotal};

static READING: Mutex<()> = Mutex::new(());

/// The lock of all readers and windows of this process; a fork holds it. Taken before the registry's.
pub(crate) fn lock_all() -> MutexGuard<'static, ()> {
    READING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a region again and again. A position in [`Totals`] keeps its meaning over all readings of one `Reader`: positions are
/// given in the order in which series, and gauges of slots, are seen for the first time.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Series of the region, as far as they are known: the position of each, or what gauge or damage it is.
    numbers: Vec<Number>,
    series: Vec<Series>,
    shared: Arc<[Series]>,
    pages: Pages,
}

#[derive(Debug)]
struct InSlots {
    series: Series,
    kind: Kind,
    /// By slot; `None` where none was seen yet.
    positions: Vec<Option<usize>>,
}

#[derive(Debug)]
enum Number {
    /// Something with a position.
    At(usize, Kind),
    /// A reason of not recording, with its position.
    Dropped(usize, u8),
    /// Something with a position per slot.
    InSlots(InSlots),
    /// Nothing that can be read.
    Damaged,
}

impl Reader {
    /// Everything recorded up to now. `live` are the slots whose gauges count.
    pub(crate) fn read(&mut self, region: &Region, live: &[usize], now: Nanos) -> Totals {
        let epoch = region.header().epoch.load(Ordering::Acquire);
        self.learn(region);
        let mut cells: Vec<CellTotal> = Vec::with_capacity(self.series.len());
        for number in &self.numbers {
            match number {
                Number::At(at, kind) => put(&mut cells, *at, empty(*kind)),
                Number::Dropped(at, reason) => {
                    let count = region.header().dropped.get(usize::from(*reason));
                    let count = count.map_or(0, |count| count.load(Ordering::Relaxed));
                    put(&mut cells, *at, CellTotal::Counter(count));
                }
                Number::InSlots(..) | Number::Damaged => {}
            }
        }
        self.read_slots(region, live, now, &mut cells);
        self.read_blocks(region, &mut cells);
        Totals { series: self.shared.clone(), cells, epoch }
    }

    /// Gives positions to series that are new.
    fn learn(&mut self, region: &Region) {
        for number in self.numbers.len()..region.series_len() {
            let parsed =
                region.series(number).and_then(|(entry, text)| Some((entry, text.parse::<Series>().ok()?)));
            let learned = match parsed {
                None => Number::Damaged,
                Some((entry, series)) if matches!(entry.kind, Kind::Gauge | Kind::Tally) => {
                    Number::InSlots(InSlots { series, kind: entry.kind, positions: Vec::new() })
                }
                Some((entry, series)) => {
                    self.series.push(series);
                    let at = self.series.len() - 1;
                    if entry.kind == Kind::Dropped {
                        Number::Dropped(at, entry.place)
                    } else {
                        Number::At(at, entry.kind)
                    }
                }
            };
            self.numbers.push(learned);
        }
    }

    /// Levels of the slots of living processes, and counts of all slots.
    fn read_slots(&mut self, region: &Region, live: &[usize], now: Nanos, cells: &mut Vec<CellTotal>) {
        let in_slots = self.numbers.iter_mut().enumerate().filter_map(|(number, learned)| match learned {
            Number::InSlots(in_slots) => Some((number, in_slots)),
            Number::At(..) | Number::Dropped(..) | Number::Damaged => None,
        });
        for (number, InSlots { series, kind, positions }) in in_slots {
            positions.resize(region.slots_len().max(positions.len()), None);
            for (slot, position) in positions.iter_mut().enumerate() {
                let word = region.slot_word(slot, number).map_or(0, |word| word.load(Ordering::Relaxed));
                let cell = match kind {
                    Kind::Tally if word > 0 => CellTotal::Counter(word),
                    Kind::Gauge if word > 0 && live.contains(&slot) => {
                        let last = word - 1;
                        CellTotal::Gauge(Some(Gauge { at: now, last, min: last, max: last }))
                    }
                    _ => CellTotal::Gauge(None),
                };
                if position.is_none() && cell == CellTotal::Gauge(None) {
                    continue;
                }
                let at = *position.get_or_insert_with(|| {
                    self.series.push(series.clone().with(tag::WORKER, &slot.to_string()));
                    self.series.len() - 1
                });
                put(cells, at, cell);
            }
        }
        self.share();
    }

    fn share(&mut self) {
        if self.shared.len() != self.series.len() {
            self.shared = self.series.as_slice().into();
        }
    }

    /// Counts come first and everything else of a trend after all counts, so that what is counted is also in the rest.
    fn read_blocks(&mut self, region: &Region, cells: &mut [CellTotal]) {
        let mut trends = Vec::new();
        self.pages.begin(self.numbers.len());
        for (tag, offset) in (0..region.chunks_len()).flat_map(|chunk| region.blocks(chunk)) {
            let number = usize::from(tag.series);
            let Some(Number::At(at, kind)) = self.numbers.get(number) else { continue };
            match (tag.kind, kind, &mut cells[*at]) {
                (Kind::Page, Kind::Trend, _) => {
                    if let Some(page) = region.cell::<PageCell>(offset) {
                        self.pages.add(number, tag.octave.into(), page);
                    }
                }
                (Kind::Trend, Kind::Trend, _) => trends.push((*at, offset)),
                (Kind::Counter, _, CellTotal::Counter(sum)) => {
                    let count = region.cell::<CounterCell>(offset).map_or(0, CounterCell::read);
                    *sum = sum.saturating_add(count);
                }
                (Kind::Rate, _, CellTotal::Rate(sum)) => {
                    let (hits, misses) = region.cell::<RateCell>(offset).map_or((0, 0), RateCell::read);
                    sum.hits = sum.hits.saturating_add(hits);
                    sum.total = sum.total.saturating_add(hits).saturating_add(misses);
                }
                _ => {}
            }
        }
        for (at, offset) in trends {
            if let (Some(cell), CellTotal::Trend(total)) = (region.cell::<TrendCell>(offset), &mut cells[at])
            {
                add_trend(cell, total);
            }
        }
        for (number, learned) in self.numbers.iter().enumerate() {
            if let Number::At(at, Kind::Trend) = learned
                && let CellTotal::Trend(total) = &mut cells[*at]
            {
                self.pages.take(number, &mut total.buckets);
            }
        }
    }
}

fn empty(kind: Kind) -> CellTotal {
    match kind {
        Kind::Rate => CellTotal::Rate(Rate::default()),
        Kind::Trend => CellTotal::Trend(TrendTotal::default()),
        Kind::Counter | Kind::Page | Kind::Gauge | Kind::Dropped | Kind::Tally => CellTotal::Counter(0),
    }
}

/// Puts a value at its position; positions rise by one at a time, except for those that are filled in later.
fn put(cells: &mut Vec<CellTotal>, at: usize, cell: CellTotal) {
    if at >= cells.len() {
        cells.resize(at + 1, CellTotal::Gauge(None));
    }
    cells[at] = cell;
}

fn add_trend(cell: &TrendCell, total: &mut TrendTotal) {
    let reading = cell.read();
    let recent =
        reading.recent.map(|epoch| epoch.map(|e| Extremes { epoch: e.epoch, min: e.min, max: e.max }));
    total.merge(&TrendTotal {
        buckets: Vec::new(),
        zeros: reading.zeros,
        sum: reading.sum.into(),
        min: reading.min,
        max: reading.max,
        recent,
    });
}

/// Sums of the pages of all writers.
#[derive(Debug, Default)]
struct Pages {
    /// By number and octave: which of `sums`, plus one; 0 for none.
    places: Vec<u32>,
    sums: Vec<[u64; PAGE_BUCKETS]>,
}

impl Pages {
    fn begin(&mut self, numbers: usize) {
        self.places.resize(numbers * OCTAVES, 0);
        self.sums.clear();
    }

    fn add(&mut self, number: usize, octave: usize, page: &PageCell) {
        let Some(place) = self.places.get_mut(number * OCTAVES + octave % OCTAVES) else { return };
        if *place == 0 {
            self.sums.push([0; PAGE_BUCKETS]);
            *place = self.sums.len() as u32;
        }
        let sum = &mut self.sums[*place as usize - 1];
        for (bucket, count) in page.read() {
            sum[bucket] = sum[bucket].saturating_add(count);
        }
    }

    /// Moves the sums of a series to a list of buckets.
    fn take(&mut self, number: usize, buckets: &mut Vec<(u16, u64)>) {
        let places = &mut self.places[number * OCTAVES..(number + 1) * OCTAVES];
        for (octave, place) in places.iter_mut().enumerate().filter(|(_, place)| **place > 0) {
            let sum = &self.sums[std::mem::take(place) as usize - 1];
            let counts = sum.iter().enumerate().filter(|(_, count)| **count > 0);
            buckets.extend(counts.map(|(bucket, &count)| ((octave * PAGE_BUCKETS + bucket) as u16, count)));
        }
    }
}
