//! What a program's file tells before it runs.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::beginning;

/// Enough for the table of every program's segments.
const HEADER_BYTES: u64 = 16 * 1024;
/// The segment that names the loader of libraries; a static program has none.
const PT_INTERP: u64 = 3;
/// What every SQLite writes at the beginning of a database.
const SQLITE_MARK: &[u8] = b"SQLite format 3\0";

/// The file of a program, searched for as a shell does.
pub(super) fn find(program: &OsStr) -> Option<PathBuf> {
    let path = Path::new(program);
    if path.components().count() > 1 || path.is_absolute() {
        return path.is_file().then(|| path.to_owned());
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Whether a program loads no libraries. What is no program, such as a script, is not static.
pub(super) fn is_static(path: &Path) -> bool {
    let Some(header) = File::open(path).ok().and_then(|mut file| beginning(&mut file, HEADER_BYTES).ok())
    else {
        return false;
    };
    segments(&header).is_some_and(|segments| !segments.is_empty() && !segments.contains(&PT_INTERP))
}

/// The kinds of a program's segments; `None` where it is none.
fn segments(header: &[u8]) -> Option<Vec<u64>> {
    if !header.starts_with(b"\x7fELF") {
        return None;
    }
    let (is_64, is_little) = (*header.get(4)? == 2, *header.get(5)? == 1);
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = header.get(at..at.checked_add(length)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if is_little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) })
    };
    let (table, size, count) = if is_64 {
        (number(32, 8)?, number(54, 2)?, number(56, 2)?)
    } else {
        (number(28, 4)?, number(42, 2)?, number(44, 2)?)
    };
    (0..count)
        .map(|index| usize::try_from(table.checked_add(index * size)?).ok())
        .map(|at| number(at?, 4))
        .collect()
}

/// Whether SQLite is a part of this file.
pub(super) fn has_sqlite(path: &Path) -> bool {
    let Ok(mut file) = File::open(path) else {
        return false;
    };
    // Pieces that overlap, so that the mark is not cut in two.
    let mut piece = vec![0; 1 << 20];
    let mut kept = 0;
    while let Ok(length @ 1..) = file.read(&mut piece[kept..]) {
        let end = kept + length;
        if memchr::memmem::find(&piece[..end], SQLITE_MARK).is_some() {
            return true;
        }
        kept = end.min(SQLITE_MARK.len() - 1);
        piece.copy_within(end - kept..end, 0);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn this_program_is_dynamic_and_has_sqlite() {
        let path = std::env::current_exe().unwrap();
        // Only ELF is looked at.
        assert!(!is_static(&path));
        assert!(has_sqlite(&path));
    }

    #[test]
    fn scripts_and_damaged_files_are_not_static() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for bytes in [&b"#!/bin/sh\n"[..], b"", b"\x7fELF", b"\x7fELF\x02\x01\x01"] {
            std::fs::write(&path, bytes).unwrap();
            assert!(!is_static(&path));
            assert!(!has_sqlite(&path));
        }
        assert!(!is_static(Path::new("/nowhere")));
    }

    #[test]
    fn programs_are_found_as_a_shell_does() {
        assert!(find(OsStr::new("sh")).is_some_and(|path| path.is_absolute()));
        assert_eq!(find(OsStr::new("/bin/sh")), Some(PathBuf::from("/bin/sh")));
        assert_eq!(find(OsStr::new("no-such-program-anywhere")), None);
        assert_eq!(find(OsStr::new("/tmp")), None);
    }

    proptest! {
        #[test]
        fn no_header_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), is_elf in any::<bool>()) {
            let mut bytes = bytes;
            if is_elf && bytes.len() > 4 {
                bytes[..4].copy_from_slice(b"\x7fELF");
            }
            segments(&bytes);
        }
    }
}
