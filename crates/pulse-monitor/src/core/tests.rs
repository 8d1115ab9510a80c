//! The storage at its limits: memory that is full, a lock that is held, a file that is damaged, a place that is inherited.

use std::path::Path;
use std::thread;

use proptest::prelude::*;
use pulse_model::Series;

use super::*;
use crate::fork;
use crate::group_file::{self, REGISTRY_BYTE};
use crate::layout::Geometry;
use crate::lock_file::LockFile;
use crate::mapping::Mapping;

/// A core over private memory with room for so many chunks.
fn small(chunks: usize) -> Arc<Core> {
    let geometry = Geometry::new(100, chunks).unwrap();
    let region = Region::new(Mapping::private(geometry.len).unwrap(), geometry);
    region.format(0, &mut Backing::Private).unwrap();
    fork::watched(|| Core::new(region, Backing::Private, 400))
}

fn shared(path: &Path) -> Arc<Core> {
    let (region, backing) = group_file::open(path, 1, 100).unwrap().into();
    fork::watched(|| Core::new(region, backing, 400))
}

fn record(core: &Arc<Core>, name: &str, nanos: u64) {
    core.trend(core.entry(Space::Endpoint, name, ""), 100, nanos);
}

/// In a thread of its own, which has to have a writer made.
fn record_elsewhere(core: &Arc<Core>, name: &str, nanos: u64) {
    thread::scope(|scope| drop(scope.spawn(|| record(core, name, nanos))));
}

fn recorded(core: &Core) -> u64 {
    core.totals().snapshot().trend(&Series::new("response_time")).count()
}

fn dropped(core: &Core, reason: Dropped) -> u64 {
    core.totals().snapshot().counter(&reason.series())
}

#[test]
fn full_memory_drops_and_counts_what_needs_more_and_takes_what_does_not() {
    let core = small(2);
    let mut made = 0;
    for octave in 0..40 {
        for name in 0..10 {
            record(&core, &format!("/{name}"), 1 << octave);
            made += 1;
        }
    }
    let full = recorded(&core);
    assert!(full > 50 && full < made);
    assert_eq!(full + dropped(&core, Dropped::Memory), made);
    // What has its cells goes on; another thread finds no place.
    record(&core, "/0", 1);
    record_elsewhere(&core, "/0", 1);
    core.tick();
    record_elsewhere(&core, "/0", 1);
    assert_eq!(recorded(&core) + dropped(&core, Dropped::Memory), made + 3);
    assert!(recorded(&core) > full);
}

#[test]
fn a_lock_that_another_process_keeps_is_not_waited_for_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("region");
    let core = shared(&path);
    record(&core, "/known", 5);
    let (other, _) = LockFile::open(&path, std::fs::OpenOptions::new().read(true).write(true)).unwrap();
    assert!(other.lock(REGISTRY_BYTE, std::time::Duration::ZERO).unwrap());
    record(&core, "/new", 5);
    record(&core, "/other", 5);
    record(&core, "/known", 5);
    assert_eq!((recorded(&core), dropped(&core, Dropped::Busy)), (2, 2));
    other.unlock(REGISTRY_BYTE);
    record(&core, "/new", 5);
    record(&core, "/other", 5);
    assert_eq!((recorded(&core), dropped(&core, Dropped::Busy)), (4, 2));
}

#[test]
fn who_gets_a_place_gets_what_was_counted_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("region");
    let (first, second) = (shared(&path), shared(&path));
    record(&first, "/", 5);
    record(&second, "/", 5);
    let pool = first.entry(Space::Pool, "db", "").clone();
    first.level(&pool, 0, 7);
    assert_eq!(first.workers().iter().map(|worker| worker.number).collect::<Vec<_>>(), [0, 1]);
    drop(pool);
    drop(first);
    assert_eq!(second.workers().iter().map(|worker| worker.number).collect::<Vec<_>>(), [1]);
    let before = second.region().chunks_len();
    let heir = shared(&path);
    record_elsewhere(&heir, "/", 5);
    assert_eq!(heir.workers().iter().map(|worker| worker.number).collect::<Vec<_>>(), [0, 1]);
    assert_eq!((recorded(&heir), recorded(&second)), (3, 3));
    assert_eq!(second.region().chunks_len(), before, "the shard is the same one");
    let totals = heir.totals().snapshot();
    assert_eq!(totals.matching(&Series::new("pool_size")).count(), 0, "levels are not inherited");
}

/// What a process says of itself comes sooner or later; the cap is for names from outside.
#[test]
fn pulses_own_series_take_no_room_from_others() {
    let folder = tempfile::tempdir().unwrap();
    let core = shared(&folder.path().join("region"));
    for tally in ["process_cpu", "process_wall", "process_read", "process_written"] {
        core.tally(core.entry(Space::ProcessTally, tally, ""), 1);
    }
    (0..101).for_each(|name| record(&core, &format!("/{name}"), 5));
    let totals = core.totals().snapshot();
    let others = Series::new("response_time").with("endpoint", "_other");
    assert_eq!(
        (totals.trend(&Series::new("response_time")).count(), totals.trend(&others).count()),
        (101, 1)
    );
}

#[test]
fn another_process_names_are_known_at_once_and_the_cap_is_common() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("region");
    let (first, second) = (shared(&path), shared(&path));
    (0..100).for_each(|name| record(&first, &format!("/{name}"), 5));
    (0..200).for_each(|name| record(&second, &format!("/{name}"), 5));
    record(&first, "/150", 5);
    let totals = first.totals().snapshot();
    assert_eq!(totals.trend(&Series::new("response_time")).count(), 301);
    let others = Series::new("response_time").with("endpoint", "_other");
    assert_eq!(totals.trend(&others).count(), 101);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Nothing that may be in the memory does any harm: not to those who read it, nor to those who count on in it.
    #[test]
    fn damage_is_harmless(
        words in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>(), 0..64_u32), 1..60),
        is_dense in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("region");
        let core = shared(&path);
        core.counter(core.entry(Space::Counter, "c", ""), 1);
        core.rate(core.entry(Space::Cache, "", ""), true);
        for nanos in [1, 100, 10_000, 1_000_000] {
            record(&core, "/a", nanos);
            record_elsewhere(&core, "/b", nanos);
        }
        core.tick();
        let geometry = *core.region().geometry();
        // What is beyond the header's first line, which says what the rest is; the used part of it, or all.
        let end = if is_dense { geometry.chunk_at(2) } else { geometry.len };
        let parts = [64..4096, geometry.slots_at..geometry.slots_at + 2048, geometry.shards_at..geometry.shards_at + 64,
            geometry.owners_at..geometry.owners_at + 64, geometry.index_at..geometry.index_at + 512,
            geometry.chunk_at(0)..geometry.chunk_at(0) + 2048, 4096..end];
        for (number, (at, word, shift)) in words.iter().enumerate() {
            let part = &parts[number % parts.len()];
            let offset = part.start + at.index(part.len() / 8) * 8;
            if let Some(place) = core.region().cell::<AtomicU64>(offset as u32) {
                place.store(word >> shift, Ordering::Relaxed);
            }
        }
        core.tick();
        let _ = (core.totals().snapshot(), core.workers());
        record(&core, "/a", 7);
        record(&core, "/c", 7);
        drop(core);
        let heir = shared(&path);
        record_elsewhere(&heir, "/a", 9);
        record(&heir, "/d", 9);
        heir.counter(heir.entry(Space::Counter, "c", ""), 1);
        heir.tick();
        let _ = (heir.totals().snapshot(), heir.workers());
    }
}
