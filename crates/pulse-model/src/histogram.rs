//! One histogram for everything: base-2 exponential buckets.
//!
//! With schema `s`, bucket `i` covers the values (γ^(i−1), γ^i] where γ = 2^(2^−s). Schema 8 has 256 buckets per
//! octave (relative error ≤ 0.14 %), schema 5 has 32 (≤ 1.1 %). The layout is that of Prometheus native histograms
//! and of OTLP exponential histograms, so a histogram leaves the program without loss.

use serde::{Deserialize, Serialize};

use crate::boundaries::{BOUNDARIES, SUB_BUCKETS};

/// The finest schema: 256 buckets per octave.
const FINEST: u8 = 8;
/// The largest count a file may claim; keeps sums of hostile files from overflowing.
const MAX_SAVED_COUNT: u64 = 1 << 53;
/// Octaves of a `u64` plus one page for the bucket whose upper bound is 2^64.
const PAGES: usize = 65;
/// The mantissa's leading fraction bits that select the first candidate; fine enough that no slot holds two boundaries.
const SLOT_BITS: u32 = 9;
const SLOTS: usize = 1 << SLOT_BITS;

/// Number of boundaries below the first mantissa of each slot.
static FIRST_CANDIDATE: [u16; SLOTS] = first_candidates();

const fn first_candidates() -> [u16; SLOTS] {
    let mut table = [0_u16; SLOTS];
    let mut slot = 0;
    let mut below = 0;
    while slot < SLOTS {
        let first = (1_u64 << 63) | ((slot as u64) << (63 - SLOT_BITS));
        while BOUNDARIES[below] < first {
            below += 1;
        }
        table[slot] = below as u16;
        slot += 1;
    }
    table
}

/// How fine a histogram is: `2^schema` buckets per octave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Schema(u8);

impl Schema {
    /// For load tests: relative quantile error ≤ 0.14 %.
    pub const LOAD: Self = Self(8);
    /// For monitoring inside a service: relative quantile error ≤ 1.1 %.
    pub const MONITOR: Self = Self(5);

    /// A schema from 0 (one bucket per octave) to 8.
    pub const fn new(schema: u8) -> Option<Self> {
        if schema <= FINEST { Some(Self(schema)) } else { None }
    }

    /// The exponent: `2^get()` buckets per octave.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Bucket index of a positive value; 0 is the bucket of 1. Zero has no bucket of this kind: it is counted apart, and its
    /// index here means nothing.
    ///
    /// The index comes from the leading bit and a table of mantissa boundaries, never from a floating-point logarithm,
    /// so that exact powers land exactly.
    #[inline]
    pub fn index(self, value: u64) -> usize {
        debug_assert!(value > 0, "zero has a bucket of its own");
        let value = value | u64::from(value == 0);
        let leading = value.leading_zeros();
        let mantissa = value << leading;
        let slot = (mantissa >> (63 - SLOT_BITS)) as usize & (SLOTS - 1);
        let first = FIRST_CANDIDATE[slot] as usize;
        let sub = first + usize::from(BOUNDARIES[first] < mantissa);
        let finest = (63 - leading as usize) * SUB_BUCKETS + sub;
        downscaled(finest, FINEST - self.0)
    }

    /// The largest value of bucket `index`; the last buckets, and any beyond, end at `u64::MAX`.
    pub fn upper(self, index: usize) -> u64 {
        let finest = index.min(self.buckets()) << (FINEST - self.0);
        let octave = finest / SUB_BUCKETS;
        if octave > 63 { u64::MAX } else { BOUNDARIES[finest % SUB_BUCKETS] >> (63 - octave) }
    }

    /// The smallest value of bucket `index`.
    pub fn lower(self, index: usize) -> u64 {
        if index == 0 { 1 } else { self.upper(index - 1).saturating_add(1) }
    }

    /// Number of buckets of positive values: every index is below it.
    pub const fn buckets(self) -> usize {
        PAGES << self.0
    }

    fn page_len(self) -> usize {
        1 << self.0
    }
}

impl TryFrom<u8> for Schema {
    type Error = String;

    fn try_from(schema: u8) -> Result<Self, String> {
        Self::new(schema).ok_or_else(|| format!("histogram schema {schema} is not between 0 and {FINEST}"))
    }
}

impl From<Schema> for u8 {
    fn from(schema: Schema) -> u8 {
        schema.0
    }
}

/// Rounds a bucket index up to a schema that is `by` steps coarser; exact, since coarse bounds are a subset of fine ones.
const fn downscaled(index: usize, by: u8) -> usize {
    (index + (1 << by) - 1) >> by
}

/// A nearest-rank quantile with the bounds of the bucket that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantile {
    /// The smallest value the quantile can have.
    pub lo: u64,
    /// The value with the smallest relative error over the bucket.
    pub estimate: u64,
    /// The largest value the quantile can have.
    pub hi: u64,
}

/// A non-empty bucket: `count` values from `lower` to `upper`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Smallest value of the bucket.
    pub lower: u64,
    /// Largest value of the bucket.
    pub upper: u64,
    /// Values recorded in it.
    pub count: u64,
}

/// Counts of unsigned values (nanoseconds or bytes) in exponential buckets, with exact count, sum, minimum and maximum.
///
/// Memory is one page per octave that was touched: 2 KiB at [`Schema::LOAD`]. `merge` is associative and commutative,
/// with an empty histogram as identity (of the finer schema; merging two schemas downscales exactly to the coarser).
#[derive(Clone, Debug)]
pub struct Histogram {
    schema: Schema,
    /// By octave, up to the highest that was touched.
    pages: Vec<Option<Box<[u64]>>>,
    zeros: u64,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new(Schema::LOAD)
    }
}

impl Histogram {
    /// An empty histogram.
    pub fn new(schema: Schema) -> Self {
        Self { schema, pages: Vec::new(), zeros: 0, count: 0, sum: 0, min: u64::MAX, max: 0 }
    }

    /// A histogram of what was counted elsewhere: `buckets` gives index and count of each bucket in any order, and may name
    /// one several times.
    ///
    /// The extremes are brought into the outermost buckets that hold something, so that 0 and `u64::MAX` stand for
    /// "unknown": the bounds of those buckets then take their place. Counts are taken up to 2^53 in all, and buckets that
    /// [`Schema::buckets`] does not have are left out, so that damaged numbers do no harm.
    pub fn from_buckets(
        schema: Schema,
        buckets: impl IntoIterator<Item = (usize, u64)>,
        zeros: u64,
        sum: u128,
        min: u64,
        max: u64,
    ) -> Self {
        let mut histogram = Self::new(schema);
        let mut room = MAX_SAVED_COUNT;
        let mut take = |count: u64| {
            let taken = count.min(room);
            room -= taken;
            taken
        };
        histogram.zeros = take(zeros);
        for (index, count) in buckets {
            let count = if index < schema.buckets() { take(count) } else { 0 };
            if count > 0 {
                *histogram.bucket_mut(index) += count;
            }
        }
        histogram.count = MAX_SAVED_COUNT - room;
        if histogram.count > 0 {
            histogram.sum = sum;
            let zero = (histogram.zeros > 0).then_some(Bucket { lower: 0, upper: 0, count: 0 });
            let first = zero.or_else(|| histogram.buckets().next());
            let last = histogram.indexed().last();
            let highest = last.map_or((0, 0), |(index, _)| (schema.lower(index), schema.upper(index)));
            // The finest buckets of small values hold no whole number and end before they begin.
            let within = |value: u64, lower: u64, upper: u64| value.clamp(lower, upper.max(lower));
            histogram.min = first.map_or(0, |bucket| within(min, bucket.lower, bucket.upper));
            // Within one bucket they may still be the wrong way round.
            histogram.max = within(max, highest.0, highest.1).max(histogram.min);
        }
        histogram
    }

    /// Records one value.
    #[inline]
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Records `n` equal values.
    #[inline]
    pub fn record_n(&mut self, value: u64, n: u64) {
        if n == 0 {
            return;
        }
        if value == 0 {
            self.zeros += n;
        } else {
            *self.bucket_mut(self.schema.index(value)) += n;
        }
        self.count += n;
        self.sum += u128::from(value) * u128::from(n);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Adds everything `other` has recorded.
    pub fn merge(&mut self, other: &Self) {
        if other.schema < self.schema {
            self.downscale(other.schema);
        }
        let by = other.schema.0 - self.schema.0;
        for (index, count) in other.indexed() {
            let bucket = self.bucket_mut(downscaled(index, by));
            *bucket = bucket.saturating_add(count);
        }
        self.zeros = self.zeros.saturating_add(other.zeros);
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Forgets all values but keeps the touched pages, so that recording into it again allocates nothing.
    pub fn clear(&mut self) {
        for page in self.pages.iter_mut().flatten() {
            page.fill(0);
        }
        self.zeros = 0;
        self.count = 0;
        self.sum = 0;
        self.min = u64::MAX;
        self.max = 0;
    }

    /// Coarsens to `schema`; does nothing when the histogram is already as coarse.
    pub fn downscale(&mut self, schema: Schema) {
        if schema >= self.schema {
            return;
        }
        let mut coarse = Self { pages: Vec::new(), schema, ..*self };
        let by = self.schema.0 - schema.0;
        for (index, count) in self.indexed() {
            *coarse.bucket_mut(downscaled(index, by)) += count;
        }
        *self = coarse;
    }

    /// The schema in use.
    pub fn schema(&self) -> Schema {
        self.schema
    }

    /// Number of recorded values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many of the values were zero.
    pub fn zeros(&self) -> u64 {
        self.zeros
    }

    /// True when nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Exact sum of all values.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// Exact smallest value.
    pub fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.min)
    }

    /// Exact largest value.
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// Exact arithmetic mean.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// Sample standard deviation, from the buckets' representative values (relative error of the schema).
    pub fn stddev(&self) -> Option<f64> {
        let mean = self.mean()?;
        if self.count < 2 {
            return None;
        }
        let zeros = self.zeros as f64 * mean * mean;
        let squares: f64 = self
            .indexed()
            .map(|(index, count)| {
                let value = self.representative(index) as f64 - mean;
                value * value * count as f64
            })
            .sum();
        Some(((zeros + squares) / (self.count - 1) as f64).sqrt())
    }

    /// The nearest-rank quantile `q` in \[0, 1\]: the ⌈q·n⌉-th smallest value.
    pub fn quantile(&self, q: f64) -> Option<Quantile> {
        self.at_rank(nearest_rank(q, self.count))
    }

    /// The `rank`-th smallest value, counted from 1; `None` outside 1..=count.
    pub fn at_rank(&self, rank: u64) -> Option<Quantile> {
        if rank == 0 || rank > self.count {
            return None;
        }
        let mut seen = self.zeros;
        if rank <= seen {
            return Some(Quantile { lo: 0, estimate: 0, hi: 0 });
        }
        let index = self.indexed().find_map(|(index, count)| {
            seen = seen.saturating_add(count);
            (rank <= seen).then_some(index)
        })?;
        let clamp = |value: u64| value.clamp(self.min, self.max);
        Some(Quantile {
            lo: clamp(self.schema.lower(index)),
            estimate: self.representative(index),
            hi: clamp(self.schema.upper(index)),
        })
    }

    /// How many values lie in buckets that are wholly at or below `value`.
    pub fn count_at_most(&self, value: u64) -> u64 {
        self.zeros
            + self
                .indexed()
                .take_while(|&(index, _)| self.schema.upper(index) <= value)
                .map(|(_, count)| count)
                .sum::<u64>()
    }

    /// The non-empty buckets in rising order; zeros come first as the bucket 0..=0.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> {
        let zeros = (self.zeros > 0).then_some(Bucket { lower: 0, upper: 0, count: self.zeros });
        zeros.into_iter().chain(self.indexed().map(|(index, count)| Bucket {
            lower: self.schema.lower(index),
            upper: self.schema.upper(index),
            count,
        }))
    }

    /// Index and count of each non-empty bucket in rising order, without zeros: bucket `i` covers (γ^(i−1), γ^i].
    pub fn indexed(&self) -> impl Iterator<Item = (usize, u64)> {
        let len = self.schema.page_len();
        self.pages.iter().enumerate().flat_map(move |(number, page)| {
            page.iter()
                .flat_map(|page| page.iter().enumerate())
                .filter(|&(_, &count)| count > 0)
                .map(move |(offset, &count)| (number * len + offset, count))
        })
    }

    #[inline]
    fn bucket_mut(&mut self, index: usize) -> &mut u64 {
        let schema = self.schema;
        let octave = index >> schema.0;
        if octave >= self.pages.len() {
            self.reach(octave);
        }
        let page = self.pages[octave].get_or_insert_with(|| vec![0; schema.page_len()].into());
        &mut page[index & (schema.page_len() - 1)]
    }

    #[cold]
    fn reach(&mut self, octave: usize) {
        self.pages.resize(octave + 1, None);
    }

    /// The harmonic mean of the bucket's bounds has the smallest largest relative error: (γ−1)/(γ+1).
    fn representative(&self, index: usize) -> u64 {
        let (lower, upper) = (self.schema.lower(index) as f64, self.schema.upper(index) as f64);
        ((2.0 / (1.0 / lower + 1.0 / upper)).round() as u64).clamp(self.min, self.max)
    }
}

/// ⌈q·n⌉ within 1..=n; products that are whole up to rounding count as whole (0.95 · 20 is 19, not 20).
fn nearest_rank(q: f64, n: u64) -> u64 {
    let exact = q.clamp(0.0, 1.0) * n as f64;
    let whole = exact.round();
    let rank = if (exact - whole).abs() <= 1e-12 * n as f64 { whole } else { exact.ceil() };
    (rank as u64).clamp(1.min(n), n)
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema
            && (self.zeros, self.count, self.sum) == (other.zeros, other.count, other.sum)
            && (self.min(), self.max()) == (other.min(), other.max())
            && self.indexed().eq(other.indexed())
    }
}

impl Eq for Histogram {}

/// The saved form: runs of neighbouring buckets as `[first index, count, count, …]`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    schema: Schema,
    count: u64,
    sum: u128,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<u64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    zeros: u64,
    buckets: Vec<Vec<u64>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Serialize for Histogram {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut buckets: Vec<Vec<u64>> = Vec::new();
        let mut next = usize::MAX;
        for (index, count) in self.indexed() {
            match buckets.last_mut() {
                Some(run) if index == next => run.push(count),
                _ => buckets.push(vec![index as u64, count]),
            }
            next = index + 1;
        }
        Saved {
            schema: self.schema,
            count: self.count,
            sum: self.sum,
            min: self.min(),
            max: self.max(),
            zeros: self.zeros,
            buckets,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let saved = Saved::deserialize(deserializer)?;
        let mut histogram = Self::new(saved.schema);
        let mut counted = saved.zeros;
        for run in &saved.buckets {
            let Some((&first, counts)) = run.split_first() else {
                continue;
            };
            let buckets = (PAGES * saved.schema.page_len()) as u64;
            if first.checked_add(counts.len() as u64).is_none_or(|end| end > buckets) {
                return Err(D::Error::custom(format!("histogram bucket {first} is out of range")));
            }
            for (offset, &count) in counts.iter().enumerate() {
                *histogram.bucket_mut(first as usize + offset) += count.min(MAX_SAVED_COUNT);
                counted = counted.saturating_add(count);
            }
        }
        if counted > MAX_SAVED_COUNT
            || counted != saved.count
            || (counted > 0) != (saved.min.is_some() && saved.max.is_some())
        {
            return Err(D::Error::custom(format!(
                "histogram says {} values but its buckets hold {counted}",
                saved.count
            )));
        }
        histogram.zeros = saved.zeros;
        histogram.count = saved.count;
        histogram.sum = saved.sum;
        histogram.min = saved.min.unwrap_or(u64::MAX);
        histogram.max = saved.max.unwrap_or(0);
        if counted > 0 && histogram.min > histogram.max {
            return Err(D::Error::custom("histogram minimum is above its maximum"));
        }
        Ok(histogram)
    }
}
