//! A body in a file that is too large to be held in memory.

use std::fs::File;
use std::sync::Arc;

/// Files up to this size, in bytes, are better read once before the load: what is in memory leaves with its head in one
/// write, and reading a file again for every request costs more than it saves.
pub const MAX_HELD_BODY_BYTES: u64 = 1 << 20;

/// A file that is open, and whose bytes are read while they are sent as the body of a request.
#[derive(Clone, Debug)]
pub struct BodyFile {
    name: String,
    file: Arc<File>,
    length: u64,
}

impl BodyFile {
    /// The first `length` bytes of an open file. `name` is for people.
    pub fn new(name: &str, file: File, length: u64) -> Self {
        Self { name: name.to_owned(), file: Arc::new(file), length }
    }

    /// The file; read it by position, since all users share it.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Bytes that are sent.
    pub fn length(&self) -> u64 {
        self.length
    }
}

/// The same file, open once.
impl PartialEq for BodyFile {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && self.name == other.name && self.length == other.length
    }
}

impl Eq for BodyFile {}
