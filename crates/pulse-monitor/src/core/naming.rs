//! From names to numbers of series, and what happens beyond the cap.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Core;
use crate::dropped::Dropped;
use crate::entry::{Entry, Space};
use crate::layout::{Kind, OVERFLOW_ROOM};
use crate::names;
use crate::registry::Registry;

/// Longest series text of an entry that stands for all others, with room to spare.
const OVERFLOW_TEXT_BYTES: usize = 128;

impl Core {
    /// The entry of a name, whatever it looks like.
    #[inline]
    pub(crate) fn entry(&self, space: Space, name: &str, method: &str) -> &Arc<Entry> {
        match self.names.find(space, names::cut(name), method) {
            Some(entry) => entry,
            None => self.other_entry(space, name, method),
        }
    }

    /// The entry of a name that is new, unclean, or beyond the cap.
    fn other_entry(&self, space: Space, name: &str, method: &str) -> &Arc<Entry> {
        if self.is_full() && !space.is_uncapped() && names::is_plain(names::cut(name)) {
            return self.overflow(space);
        }
        self.add_entry(space, name, method)
    }

    fn overflow(&self, space: Space) -> &Arc<Entry> {
        &self.overflow[space as usize]
    }

    /// Whether a name that is not known here is known nowhere and finds no room.
    fn is_full(&self) -> bool {
        let known = self.synced.load(Ordering::Relaxed);
        known == self.region.series_len() && self.has_no_room(known)
    }

    fn has_no_room(&self, series: usize) -> bool {
        let cap = self.region.geometry().max_series;
        let capped = series.saturating_sub(self.own.load(Ordering::Relaxed));
        capped >= cap || self.names.len() >= cap + self.region.geometry().series()
    }

    #[cold]
    fn add_entry(&self, space: Space, name: &str, method: &str) -> &Arc<Entry> {
        let (name, method) =
            (space.clean(name), if method.is_empty() { method.into() } else { names::tag_value(method) });
        if let Some(entry) = self.names.find(space, &name, &method) {
            return entry;
        }
        if self.is_full() && !space.is_uncapped() {
            return self.overflow(space);
        }
        self.local(|registry| {
            self.sync(registry);
            let is_known = self.names.find(space, &name, &method).is_some();
            if !is_known && (space.is_uncapped() || !self.has_no_room(registry.synced)) {
                self.names.insert(Entry::new(space, &name, &method));
            }
        });
        self.names.find(space, &name, &method).unwrap_or_else(|| self.overflow(space))
    }

    /// The number of a series that this process has not used yet.
    #[cold]
    pub(super) fn resolve(&self, entry: &Entry, place: usize) -> Result<u16, Dropped> {
        let number = self.locked(|registry| {
            self.sync(registry);
            let number = self.intern(registry, entry, place);
            match number {
                Err(Dropped::Series) if !entry.is_overflow && entry.space.kind() != Kind::Gauge => {
                    self.intern(registry, self.overflow(entry.space), place)
                }
                known => known,
            }
        })?;
        entry.resolve(place, number);
        Ok(number)
    }

    fn intern(&self, registry: &mut Registry, entry: &Entry, place: usize) -> Result<u16, Dropped> {
        let text = entry.series(place, self.error_status).to_string();
        let kind = entry.space.kind();
        // A level of many means nothing.
        if entry.is_overflow && kind == Kind::Gauge {
            return Err(Dropped::Series);
        }
        if let Some(&(number, known)) = registry.numbers.get(&*text) {
            return if known == kind { Ok(number) } else { Err(Dropped::Invalid) };
        }
        let is_uncapped = entry.is_overflow || entry.space.is_uncapped();
        let room = if is_uncapped { 0 } else { OVERFLOW_ROOM * OVERFLOW_TEXT_BYTES };
        if !is_uncapped && self.has_no_room(registry.synced) || !self.region.has_text_room(text.len() + room)
        {
            return Err(Dropped::Series);
        }
        let place = if matches!(kind, Kind::Gauge | Kind::Tally) { self.region.next_place()? } else { 0 };
        let number = self.region.add_series(kind, place, &text, &mut registry.backing)?;
        self.sync(registry);
        Ok(number)
    }

    pub(super) fn sync(&self, registry: &mut Registry) {
        registry.sync(&self.region, |series, kind| {
            let entry = Entry::of(series, kind);
            if kind == Kind::Dropped || entry.as_ref().is_some_and(|entry| entry.space.is_uncapped()) {
                self.own.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(entry) = entry
                && self.names.find(entry.space, &entry.name, &entry.method).is_none()
            {
                self.names.insert(entry);
            }
        });
        self.synced.store(registry.synced, Ordering::Relaxed);
    }
}
