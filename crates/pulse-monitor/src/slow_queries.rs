//! The slowest statements of all workers: a table of fixed size that takes any number of them.
//!
//! An entry is a form of statement, without values. When the table is full, a new form takes the place of the one with
//! the smallest weight and begins with that weight (Metwally, Agrawal, El Abbadi, "Efficient Computation of Frequent and Top-k
//! Elements in Data Streams", 2005): whatever has more than 1/64 of all time ends up in the table and stays, no matter how many
//! others come by. What is shown is only what was counted while the form was in the table.

use pulse_model::{Aggregate, Gauge, Nanos, Series, Snapshot, metric, tag};
use serde::{Deserialize, Serialize};

use crate::liveness::fingerprint;
use crate::sync::{AtomicU64, Ordering::Relaxed};
use pulse_model::without_values;

/// Forms of statements in the table.
const ENTRIES: usize = 64;
/// Words of an entry.
const ENTRY_WORDS: usize = 64;
/// Words of the table: some 32 KiB.
pub(crate) const WORDS: usize = ENTRIES * ENTRY_WORDS;
/// The longest text of an entry, in bytes; a longer one ends with `…`.
const TEXT_BYTES: usize = (ENTRY_WORDS - TEXT) * 8;

// Words of an entry.
/// Occurrences; 0 of an entry that is not in use. Written last.
const COUNT: usize = 0;
const FINGERPRINT: usize = 1;
/// Time of all occurrences.
const TOTAL: usize = 2;
/// Time of the longest.
const MAX: usize = 3;
/// Moment of the latest.
const LAST: usize = 4;
/// The total, and what the entry began with.
const WEIGHT: usize = 5;
const TEXT_LENGTH: usize = 6;
const TEXT: usize = 7;

/// A form of statement that was slow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowQuery {
    /// The statement without its values, at most 456 bytes.
    pub query: String,
    /// How often it was slow.
    pub count: u64,
    /// The time of all these occurrences together.
    pub total: Nanos,
    /// The time of the slowest.
    pub max: Nanos,
    /// When it was slow last: Unix time.
    pub last: Nanos,
}

impl SlowQuery {
    /// Mean time of an occurrence.
    pub fn mean(&self) -> Nanos {
        Nanos(self.total.0 / self.count.max(1))
    }

    /// Adds it to a snapshot as series of its text. They are in Pulse's own JSON and in no other format.
    pub fn add_to(&self, snapshot: &mut Snapshot) {
        let series = |name| Series::new(name).with(tag::QUERY, &self.query);
        snapshot.count(series(metric::SLOW_QUERY_COUNT), self.count);
        snapshot.count(series(metric::SLOW_QUERY_TIME), self.total.0);
        let max = self.max.0;
        let gauge = Gauge { at: self.last, last: max, min: max, max };
        snapshot.add(series(metric::SLOW_QUERY_MAX), Aggregate::Gauge(gauge));
    }
}

/// The table, in memory that may be shared. Those who write take turns; who reads at the same time may see an entry half
/// written, which spoils that entry's text or figures and nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlowQueryTable<'a> {
    words: &'a [AtomicU64; WORDS],
}

impl<'a> SlowQueryTable<'a> {
    /// The table in these words; all zeros are an empty one, and any others are harmless.
    pub(crate) fn new(words: &'a [AtomicU64; WORDS]) -> Self {
        Self { words }
    }

    /// Enters a slow statement. `at` is Unix time.
    pub(crate) fn record(self, statement: &str, duration: Nanos, at: Nanos) {
        let text = without_values(statement);
        let fingerprint = fingerprint([&*text]);
        let known = self.entries().find(|entry| entry.count() > 0 && entry.get(FINGERPRINT) == fingerprint);
        let entry = known.unwrap_or_else(|| self.make_room(&text, fingerprint));
        entry.set(TOTAL, entry.get(TOTAL).saturating_add(duration.0));
        entry.set(WEIGHT, entry.get(WEIGHT).saturating_add(duration.0));
        entry.set(MAX, entry.get(MAX).max(duration.0));
        entry.set(LAST, entry.get(LAST).max(at.0));
        entry.set(COUNT, entry.count().saturating_add(1));
    }

    /// All entries, the largest total first.
    pub(crate) fn list(self) -> Vec<SlowQuery> {
        let mut list: Vec<SlowQuery> = self
            .entries()
            .filter(|entry| entry.count() > 0)
            .map(|entry| SlowQuery {
                query: entry.text(),
                count: entry.count(),
                total: Nanos(entry.get(TOTAL)),
                max: Nanos(entry.get(MAX)),
                last: Nanos(entry.get(LAST)),
            })
            .collect();
        list.sort_by(|a, b| b.total.cmp(&a.total).then_with(|| a.query.cmp(&b.query)));
        list
    }

    /// Forgets all.
    pub(crate) fn clear(self) {
        self.words.iter().for_each(|word| word.store(0, Relaxed));
    }

    fn entries(self) -> impl Iterator<Item = Entry<'a>> {
        self.words.chunks_exact(ENTRY_WORDS).map(|words| Entry { words })
    }

    /// An entry for a new form, without occurrences yet.
    fn make_room(self, text: &str, fingerprint: u64) -> Entry<'a> {
        let weight = |entry: &Entry<'_>| if entry.count() == 0 { 0 } else { entry.get(WEIGHT).max(1) };
        let lightest = self.entries().min_by_key(weight).unwrap_or(Entry { words: self.words });
        let weight = weight(&lightest);
        lightest.set(COUNT, 0);
        [TOTAL, MAX, LAST].into_iter().for_each(|word| lightest.set(word, 0));
        lightest.set(WEIGHT, weight);
        lightest.set(FINGERPRINT, fingerprint);
        lightest.set_text(text);
        lightest
    }
}

#[derive(Clone, Copy)]
struct Entry<'a> {
    words: &'a [AtomicU64],
}

impl Entry<'_> {
    fn get(&self, word: usize) -> u64 {
        self.words[word].load(Relaxed)
    }

    fn set(&self, word: usize, value: u64) {
        self.words[word].store(value, Relaxed);
    }

    fn count(&self) -> u64 {
        self.get(COUNT)
    }

    fn set_text(&self, text: &str) {
        let mut bytes = [0; TEXT_BYTES];
        let shown = if text.len() <= TEXT_BYTES {
            text.to_owned()
        } else {
            let end = text.floor_char_boundary(TEXT_BYTES - '…'.len_utf8());
            format!("{}…", &text[..end])
        };
        bytes[..shown.len()].copy_from_slice(shown.as_bytes());
        self.set(TEXT_LENGTH, shown.len() as u64);
        let (words, _) = bytes.as_chunks::<8>();
        for (word, bytes) in self.words[TEXT..].iter().zip(words) {
            word.store(u64::from_le_bytes(*bytes), Relaxed);
        }
    }

    fn text(&self) -> String {
        let length = (self.get(TEXT_LENGTH) as usize).min(TEXT_BYTES);
        let bytes: Vec<u8> =
            self.words[TEXT..].iter().flat_map(|word| word.load(Relaxed).to_le_bytes()).collect();
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        text.chars().filter(|c| !c.is_control()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words() -> Box<[AtomicU64; WORDS]> {
        Box::new(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    const MS: u64 = 1_000_000;

    #[test]
    fn one_entry_for_each_form_with_the_largest_total_first() {
        let words = words();
        let table = SlowQueryTable::new(&words);
        assert_eq!(table.list(), []);
        table.record("SELECT * FROM a WHERE id = 1", Nanos(60 * MS), Nanos(1000));
        table.record("select * from b", Nanos(100 * MS), Nanos(1500));
        table.record("select * from a where id='x'", Nanos(80 * MS), Nanos(900));
        let list = table.list();
        let entry = |query: &str, count, total, max, last| SlowQuery {
            query: query.to_owned(),
            count,
            total: Nanos(total * MS),
            max: Nanos(max * MS),
            last: Nanos(last),
        };
        assert_eq!(
            list,
            [
                entry("SELECT * FROM a WHERE id = ?", 2, 140, 80, 1000),
                entry("SELECT * FROM b", 1, 100, 100, 1500)
            ]
        );
        assert_eq!(list[0].mean(), Nanos(70 * MS));
        table.clear();
        assert_eq!(table.list(), []);
    }

    /// A form that comes often but never takes long among a stream of others that come once.
    #[test]
    fn what_takes_much_time_in_all_stays_whatever_else_comes_by() {
        let words = words();
        let table = SlowQueryTable::new(&words);
        for i in 0..20_000_u64 {
            table.record(&format!("SELECT c{i} FROM once"), Nanos(51 * MS), Nanos(i));
            if i % 10 == 0 {
                table.record("SELECT x FROM often WHERE id = 1", Nanos(60 * MS), Nanos(i));
            }
        }
        let list = table.list();
        assert_eq!(list.len(), ENTRIES);
        assert_eq!(list[0].query, "SELECT x FROM often WHERE id = ?");
        // Counted while it was in the table: hardly any occurrence is missing, and none is invented.
        assert!((1_900..=2_000).contains(&list[0].count), "{:?}", list[0]);
        assert_eq!(list[0].total, Nanos(list[0].count * 60 * MS));
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let words = words();
        let table = SlowQueryTable::new(&words);
        table.record(&format!("SELECT {}", "ä, ".repeat(400)), Nanos(1), Nanos(1));
        let query = &table.list()[0].query;
        assert!(
            query.len() <= TEXT_BYTES && query.ends_with('…') && query.starts_with("SELECT ä, ä"),
            "{query}"
        );
        assert_eq!(TEXT_BYTES, 456);
    }

    proptest! {
        #[test]
        fn any_words_are_harmless(
            seed in prop::collection::vec(any::<u64>(), 1..200), statement in "\\PC{0,80}", duration in any::<u64>()
        ) {
            let words: Box<[AtomicU64; WORDS]> =
                Box::new(std::array::from_fn(|i| AtomicU64::new(seed[i % seed.len()].rotate_left(i as u32))));
            let table = SlowQueryTable::new(&words);
            for entry in table.list() {
                prop_assert!(entry.query.chars().all(|c| !c.is_control()));
            }
            table.record(&statement, Nanos(duration), Nanos(duration));
            let text = without_values(&statement);
            prop_assert!(table.list().iter().any(|entry| text.starts_with(entry.query.trim_end_matches('…'))));
        }
    }
}
