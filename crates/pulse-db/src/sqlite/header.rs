//! The first hundred bytes of a database file: what can be known before SQLite opens it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What a database file begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The newest read version of the file format that is known: 2 is the write-ahead log.
const MAX_READ_VERSION: u8 = 2;
/// The newest format of a schema that is known.
const MAX_SCHEMA_FORMAT: u32 = 4;

/// A database file's header. An empty file has one of zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    bytes: [u8; 100],
}

impl Header {
    /// Reads it; what is missing is zero.
    pub(crate) fn read(path: &Path) -> std::io::Result<Self> {
        let mut bytes = Vec::with_capacity(100);
        File::open(path)?.take(100).read_to_end(&mut bytes)?;
        bytes.resize(100, 0);
        let mut header = Self { bytes: [0; 100] };
        header.bytes.copy_from_slice(&bytes);
        Ok(header)
    }

    /// Whether it begins as one of a database does: an encrypted one does not.
    pub(crate) fn is_database(&self) -> bool {
        self.bytes.starts_with(MAGIC)
    }

    /// Whether changes go to a write-ahead log.
    pub(crate) fn is_wal(&self) -> bool {
        self.is_database() && self.bytes[18] == 2
    }

    /// The format, when it is newer than any that is known.
    pub(crate) fn newer_format(&self) -> Option<String> {
        if !self.is_database() {
            return None;
        }
        let (version, schema) = (self.bytes[19], self.number(44));
        if version > MAX_READ_VERSION {
            return Some(format!("read version {version}; {MAX_READ_VERSION} is the newest known"));
        }
        (schema > MAX_SCHEMA_FORMAT)
            .then(|| format!("schema format {schema}; {MAX_SCHEMA_FORMAT} is the newest known"))
    }

    /// The version of the library that wrote it last: `3.40.1`.
    pub(crate) fn writer_version(&self) -> Option<String> {
        let number = self.number(96);
        (self.is_database() && number > 0)
            .then(|| format!("{}.{}.{}", number / 1_000_000, number / 1_000 % 1_000, number % 1_000))
    }

    fn number(&self, at: usize) -> u32 {
        self.bytes[at..at + 4].iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(changes: &[(usize, u8)]) -> Header {
        let mut bytes = [0; 100];
        bytes[..MAGIC.len()].copy_from_slice(MAGIC);
        bytes[18] = 1;
        bytes[19] = 1;
        bytes[47] = 4;
        for (at, byte) in changes {
            bytes[*at] = *byte;
        }
        Header { bytes }
    }

    #[test]
    fn versions_are_read() {
        // 3_054_001 is 0x2E_99B1.
        let newest = header(&[(97, 0x2e), (98, 0x99), (99, 0xb1)]);
        assert_eq!(newest.writer_version().as_deref(), Some("3.54.1"));
        assert_eq!(header(&[]).writer_version(), None);
        assert_eq!(header(&[]).newer_format(), None);
        assert!(header(&[(19, 3)]).newer_format().expect("newer").contains("read version 3"));
        assert!(header(&[(47, 5)]).newer_format().expect("newer").contains("schema format 5"));
        assert!(header(&[(18, 2), (19, 2)]).is_wal());
        assert!(!header(&[(0, b'x'), (18, 2)]).is_wal());
    }
}
