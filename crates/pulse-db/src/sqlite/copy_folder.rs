//! The folder of a private copy: entered by this user alone, gone with its owner, and swept up after one that was killed.
//!
//! Each folder holds a file that its owner keeps locked. The system gives the lock back when the owner ends, however it ends, so
//! that a folder whose lock can be had belongs to nobody any more. A folder without such a file may just be in the making, and
//! is left alone.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;

/// How the folders are named.
const PREFIX: &str = "pulse-db-";
/// The file that is locked, and its name until it is.
const LOCK: [&str; 2] = ["lock", "lock.new"];
/// Entries that are looked at for folders without an owner.
const MAX_ENTRIES: usize = 10_000;

/// A folder for a copy. It goes when this is dropped.
#[derive(Debug)]
pub(crate) struct CopyFolder {
    folder: TempDir,
    /// Held until the folder is gone.
    _lock: File,
}

impl CopyFolder {
    /// A new folder in this one, from which those without an owner are taken away first.
    pub(crate) fn new_in(parent: &Path) -> std::io::Result<Self> {
        sweep(parent);
        let permissions = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix(PREFIX).permissions(permissions).tempdir_in(parent)?;
        let [name, unlocked] = LOCK.map(|name| folder.path().join(name));
        let lock = File::create(&unlocked)?;
        lock.lock()?;
        std::fs::rename(&unlocked, &name)?;
        Ok(Self { folder, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Takes folders away whose owner has ended. What cannot be looked at or removed belongs to somebody else.
fn sweep(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for entry in entries.take(MAX_ENTRIES).flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        // A link is not followed.
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let Ok(lock) = File::open(entry.path().join(LOCK[0])) else { continue };
        if lock.try_lock().is_ok() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_without_an_owner_are_swept_and_others_stay() {
        let parent = tempfile::tempdir().unwrap();
        let owned = CopyFolder::new_in(parent.path()).unwrap();
        let abandoned = parent.path().join("pulse-db-abandoned");
        let unfinished = parent.path().join("pulse-db-unfinished");
        let foreign = parent.path().join("other");
        for folder in [&abandoned, &unfinished, &foreign] {
            std::fs::create_dir(folder).unwrap();
        }
        for file in [abandoned.join("lock"), abandoned.join("copy.db"), foreign.join("lock")] {
            std::fs::write(file, "x").unwrap();
        }
        std::os::unix::fs::symlink(&foreign, parent.path().join("pulse-db-link")).unwrap();
        let next = CopyFolder::new_in(parent.path()).unwrap();
        assert!(
            owned.path().exists()
                && next.path().exists()
                && unfinished.exists()
                && foreign.join("lock").exists()
        );
        assert!(!abandoned.exists());
        let gone = owned.path().to_owned();
        drop(owned);
        assert!(!gone.exists());
    }
}
