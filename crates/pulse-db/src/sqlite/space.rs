//! Room on file systems, asked before something large is written.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::DatabaseError;

/// Bytes that an ordinary user may still write on the file system of this folder.
pub(crate) fn free_bytes(folder: &Path) -> Result<u64, DatabaseError> {
    let found = rustix::fs::statvfs(folder).map_err(|error| DatabaseError::File {
        what: format!("cannot ask for the free space of {}", folder.display()),
        source: error.into(),
    })?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Fails when there is less room than needed.
pub(crate) fn demand(what: &str, folder: &Path, needed_bytes: u64) -> Result<(), DatabaseError> {
    let free_bytes = free_bytes(folder)?;
    if needed_bytes > free_bytes {
        let (what, path) = (what.to_owned(), folder.to_owned());
        return Err(DatabaseError::NoSpace { what, path, needed_bytes, free_bytes });
    }
    Ok(())
}

/// Whether both folders share their free space. Where that cannot be told they are taken to.
pub(crate) fn is_shared(a: &Path, b: &Path) -> bool {
    match (a.metadata(), b.metadata()) {
        (Ok(a), Ok(b)) => a.dev() == b.dev(),
        _ => true,
    }
}

/// The folder of a file.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Where SQLite puts what it sorts and what `VACUUM` builds: the first of its candidates that can be written
/// (`unixTempFileName` in `os_unix.c`).
pub(crate) fn sqlite_temp_folder() -> PathBuf {
    let named = ["SQLITE_TMPDIR", "TMPDIR"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    let fixed = ["/var/tmp", "/usr/tmp", "/tmp"].into_iter().map(PathBuf::from);
    let is_usable = |folder: &PathBuf| {
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        folder.is_dir() && rustix::fs::access(folder, access).is_ok()
    };
    named.chain(fixed).find(is_usable).unwrap_or_else(|| PathBuf::from("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_is_refused_with_the_figures() {
        let folder = std::env::temp_dir();
        assert!(demand("a test", &folder, 1).is_ok());
        let refused = demand("a test", &folder, u64::MAX).unwrap_err().to_string();
        assert!(refused.contains("a test needs 18446744073709551615 bytes"), "{refused}");
        assert!(is_shared(&folder, &folder) && is_shared(&folder, Path::new("/no such folder")));
        assert!(sqlite_temp_folder().is_dir());
        assert_eq!(folder_of(Path::new("app.db")), PathBuf::from("."));
    }
}
