//! The other files that a file is made of: which they are, and which of them need not be in memory.

use std::collections::{BTreeMap, BTreeSet};

use crate::{BodyFile, ProtoSources};

/// Files that another one names, by their paths as they are written there.
#[derive(Clone, Debug, Default)]
pub(crate) struct NeededFiles {
    /// All of them but what `.proto` files import.
    pub(crate) paths: Vec<String>,
    /// Those that have to be in memory.
    pub(crate) held: BTreeSet<String>,
    /// Those that are streamed.
    pub(crate) bodies: BTreeMap<String, BodyFile>,
    /// The sets of `.proto` files.
    pub(crate) protos: Vec<ProtoSources>,
}

impl NeededFiles {
    /// Whether a file is the body of plain requests and nothing else.
    pub(crate) fn may_stream(&self, path: &str) -> bool {
        !self.held.contains(path) && self.paths.iter().any(|need| need == path)
    }

    /// Has a body read while it is sent.
    pub(crate) fn stream(&mut self, path: &str, body: BodyFile) {
        self.bodies.insert(path.to_owned(), body);
    }

    /// The first import of any of the sets that is not in `files`; see [`ProtoSources::missing_import`].
    pub(crate) fn missing_import(&self, files: &BTreeMap<String, Vec<u8>>) -> Option<Vec<String>> {
        self.protos.iter().find_map(|sources| sources.missing_import(files))
    }

    /// Adds those of another file, whose paths are written as `place` says.
    pub(crate) fn extend(&mut self, other: &Self, place: impl Fn(&str) -> String) {
        for path in other.paths.iter().map(|path| place(path)) {
            if !self.paths.contains(&path) {
                self.paths.push(path);
            }
        }
        self.held.extend(other.held.iter().map(|path| place(path)));
        self.protos.extend(other.protos.iter().map(|sources| ProtoSources {
            files: sources.files.iter().map(|file| place(file)).collect(),
            import_paths: sources.import_paths.iter().map(|folder| place(folder)).collect(),
        }));
    }
}
