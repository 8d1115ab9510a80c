//! A disk that keeps only what it was told to keep: whatever was written since the last sync is there, gone or torn after a
//! power cut, each piece on its own.

use std::collections::BTreeMap;
use std::path::Path;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::recording::{FileId, Operation, Recording, SECTOR_BYTES};

/// A write that no sync followed.
#[derive(Clone, Debug)]
struct Write {
    bytes: usize,
    sectors: BTreeMap<usize, Vec<u8>>,
}

#[derive(Clone, Debug, Default)]
struct File {
    kept: Vec<u8>,
    pending: Vec<Write>,
}

/// Files and names as they are on the disk, and what is on its way there.
#[derive(Debug)]
pub(crate) struct Disk {
    files: Vec<File>,
    names: BTreeMap<String, FileId>,
    pending_names: Vec<BTreeMap<String, Option<FileId>>>,
}

/// How much of what was on its way arrives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Arrives {
    Nothing,
    /// Each piece with this probability.
    Some(f64),
    Everything,
}

/// What is found after a power cut: contents by name.
pub(crate) type Found = BTreeMap<String, Vec<u8>>;

impl Disk {
    pub(crate) fn new(recording: &Recording) -> Self {
        let files = recording.before.values().map(|kept| File { kept: kept.clone(), pending: Vec::new() });
        let names = recording.before.keys().enumerate().map(|(file, name)| (name.clone(), file));
        Self { files: files.collect(), names: names.collect(), pending_names: Vec::new() }
    }

    pub(crate) fn take(&mut self, operation: &Operation) {
        match operation {
            Operation::Named(names) => self.pending_names.push(names.clone()),
            Operation::Written { file, bytes, sectors } => {
                let write = Write { bytes: *bytes, sectors: sectors.clone() };
                self.file(*file).pending.push(write);
            }
            Operation::Synced(file) => {
                let file = self.file(*file);
                file.kept = file.after(&mut || true);
                file.pending.clear();
            }
            Operation::FolderSynced => {
                self.names = self.named(&mut || true);
                self.pending_names.clear();
            }
        }
    }

    fn file(&mut self, file: FileId) -> &mut File {
        if self.files.len() <= file {
            self.files.resize_with(file + 1, File::default);
        }
        &mut self.files[file]
    }

    /// What a power cut leaves at this moment.
    pub(crate) fn cut(&self, arrives: Arrives, generator: &mut ChaCha8Rng) -> Found {
        let mut does_arrive = || match arrives {
            Arrives::Nothing => false,
            Arrives::Some(probability) => generator.random_bool(probability),
            Arrives::Everything => true,
        };
        let mut found = Found::new();
        for (name, file) in self.named(&mut does_arrive) {
            let content = self.files.get(file).map(|file| file.after(&mut does_arrive));
            found.insert(name, content.unwrap_or_default());
        }
        found
    }

    fn named(&self, does_arrive: &mut dyn FnMut() -> bool) -> BTreeMap<String, FileId> {
        let mut names = self.names.clone();
        for change in &self.pending_names {
            if !does_arrive() {
                continue;
            }
            for (name, file) in change {
                match file {
                    Some(file) => names.insert(name.clone(), *file),
                    None => names.remove(name),
                };
            }
        }
        names
    }
}

impl File {
    /// The content when these sectors and lengths arrive. What a file gained and was never filled is zeros.
    fn after(&self, does_arrive: &mut dyn FnMut() -> bool) -> Vec<u8> {
        let mut content = self.kept.clone();
        for write in &self.pending {
            // Length and content take their own ways to the disk.
            let is_cut = write.bytes < content.len();
            if does_arrive() && (is_cut || write.bytes > content.len()) {
                content.resize(write.bytes, 0);
            }
            for (sector, bytes) in &write.sectors {
                let at = sector * SECTOR_BYTES;
                if does_arrive() {
                    content.resize(content.len().max(at + bytes.len()), 0);
                    content[at..at + bytes.len()].copy_from_slice(bytes);
                }
            }
        }
        content
    }
}

/// Writes what was found into a folder that is there.
pub(crate) fn materialise(found: &Found, folder: &Path) {
    for (name, content) in found {
        std::fs::write(folder.join(name), content).unwrap();
    }
}
