//! Looking at a group from outside, without taking part in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pulse_model::{Nanos, Snapshot};

use crate::backing;
use crate::clock;
use crate::core;
use crate::group;
use crate::group_file;
use crate::lock_file::LockFile;
use crate::reading::Reader;
use crate::region::Region;
use crate::slow_queries::{SlowQuery, SlowQueryTable};
use crate::totals::Totals;
use crate::window::{MEMORY_BYTES, Window};
use crate::worker::Worker;

/// Reads what the processes of a group record. It maps their memory without the right to write, so it can disturb nothing.
#[derive(Debug)]
pub struct SharedReader {
    region: Region,
    file: LockFile,
    path: PathBuf,
    reader: Reader,
    window: Window,
}

/// Why a group cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("there is no group `{name}` to read: {reasons}")]
pub struct SharedReaderError {
    /// The name that was asked for.
    pub name: String,
    /// What was met in each place where it was looked for.
    pub reasons: String,
}

impl SharedReader {
    /// Opens a group by its name, or by the path of its file.
    pub fn open(name: &str) -> Result<Self, SharedReaderError> {
        let mut reasons = Vec::new();
        for path in candidates(name) {
            match group_file::open_read_only(&path) {
                Ok((region, file)) => {
                    let mut reader = Reader::default();
                    let now = clock::now();
                    let totals = reader.read(&region, &backing::live_slots(&file, &region), now);
                    let window = Window::new(now, &totals, MEMORY_BYTES);
                    return Ok(Self { region, file, path, reader, window });
                }
                Err(refused) => reasons.push(format!("{}: {refused}", path.display())),
            }
        }
        Err(SharedReaderError { name: name.to_owned(), reasons: reasons.join("; ") })
    }

    /// Names of the groups of this user that there are, in alphabetical order.
    pub fn groups() -> Vec<String> {
        let prefix = group::file_prefix();
        let files =
            group::folders().into_iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
        let names = files.flatten().filter_map(|file| {
            let name = file.file_name().to_str()?.strip_prefix(&prefix)?.to_owned();
            group_file::open_read_only(&file.path()).is_ok().then_some(name)
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names.dedup();
        names
    }

    /// The file that is read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything recorded since the group began, by all workers.
    pub fn totals(&mut self) -> Snapshot {
        self.look().1.snapshot()
    }

    /// What was recorded in the last `span`, as far as this reader has been looking: call it, or [`totals`](Self::totals), about
    /// once a second.
    pub fn window(&mut self, span: Duration) -> Snapshot {
        let (now, totals) = self.look();
        self.window.over(Nanos::from(span), now, &totals)
    }

    /// The slowest statements, without their values.
    pub fn slow_queries(&self) -> Vec<SlowQuery> {
        self.region.slow_queries().map(SlowQueryTable::list).unwrap_or_default()
    }

    /// The processes that record.
    pub fn workers(&self) -> Vec<Worker> {
        core::workers(&self.region, &backing::live_slots(&self.file, &self.region))
    }

    /// The memory that holds what is recorded, in bytes.
    pub fn storage_bytes(&self) -> usize {
        self.region.used_bytes()
    }

    fn look(&mut self) -> (Nanos, Totals) {
        let now = clock::now();
        let totals = self.reader.read(&self.region, &backing::live_slots(&self.file, &self.region), now);
        self.window.advance(now, &totals);
        (now, totals)
    }
}

fn candidates(name: &str) -> Vec<PathBuf> {
    if name.contains('/') {
        return vec![name.into()];
    }
    let files = [format!("{}{}", group::file_prefix(), group::file_part(name)), name.to_owned()];
    let folders = group::folders();
    files.iter().flat_map(|file| folders.iter().map(move |folder| folder.join(file))).collect()
}
