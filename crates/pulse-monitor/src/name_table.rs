//! Names to entries, without a lock on the reading side: recording under a name is a hash, a probe and a comparison.

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;

use crate::entry::{Entry, Space};

/// An entry with the hash of its name.
type Named = (u64, Arc<Entry>);

/// Open addressing in a table that never grows; entries stay for ever. The hash is seeded, because names may be chosen by
/// somebody who means harm.
pub(crate) struct NameTable {
    places: Box<[OnceLock<Named>]>,
    hasher: RandomState,
    len: AtomicUsize,
    limit: usize,
}

impl NameTable {
    /// A table of at most `limit` entries.
    pub(crate) fn new(limit: usize) -> Self {
        // At most five sixths full.
        let places = (limit * 6 / 5).next_power_of_two();
        Self {
            places: (0..places).map(|_| OnceLock::new()).collect(),
            hasher: RandomState::default(),
            len: AtomicUsize::new(0),
            limit,
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    #[inline]
    fn hash(&self, space: Space, name: &str, method: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(name.as_bytes());
        if !method.is_empty() {
            hasher.write(method.as_bytes());
        }
        hasher.write_u64((space as u64) << 32 | name.len() as u64);
        hasher.finish()
    }

    /// The entry of a name.
    #[inline]
    pub(crate) fn find(&self, space: Space, name: &str, method: &str) -> Option<&Arc<Entry>> {
        let hash = self.hash(space, name, method);
        let mask = self.places.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let (found, entry) = self.places[at].get()?;
            if *found == hash && *entry.name == *name && entry.space == space && *entry.method == *method {
                return Some(entry);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds an entry that is not there yet; `None` when the table is full. Under the registry's lock.
    pub(crate) fn insert(&self, entry: Entry) -> Option<Arc<Entry>> {
        if self.len() >= self.limit {
            return None;
        }
        let hash = self.hash(entry.space, &entry.name, &entry.method);
        let mask = self.places.len() - 1;
        let mut at = hash as usize & mask;
        let entry = Arc::new(entry);
        while self.places[at].set((hash, entry.clone())).is_err() {
            at = (at + 1) & mask;
        }
        self.len.fetch_add(1, Ordering::Relaxed);
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_and_the_table_has_an_end() {
        let table = NameTable::new(300);
        for number in 0..100 {
            let name = format!("/{number}");
            for (space, method) in [(Space::Endpoint, ""), (Space::Endpoint, "GET"), (Space::Query, "")] {
                assert!(table.find(space, &name, method).is_none());
                table.insert(Entry::new(space, &name, method)).unwrap();
            }
        }
        assert!(table.insert(Entry::new(Space::Cache, "x", "")).is_none());
        for number in 0..100 {
            let name = format!("/{number}");
            for (space, method) in [(Space::Endpoint, ""), (Space::Endpoint, "GET"), (Space::Query, "")] {
                let entry = table.find(space, &name, method).unwrap();
                assert_eq!((entry.space, &*entry.name, &*entry.method), (space, &*name, method));
            }
        }
        assert!(table.find(Space::Endpoint, "/1G", "ET").is_none());
        assert!(table.find(Space::Timer, "/1", "").is_none());
    }
}
