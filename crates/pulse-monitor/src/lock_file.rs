//! Locks on bytes of a file that the kernel releases when their holder dies.
//!
//! They are "open file description" locks: they belong to what `open` returned, not to the process. Two openings exclude
//! each other even within a process; closing another descriptor of the same file does not release them (as it would with
//! ordinary record locks); and a forked child that keeps the descriptor keeps the lock alive.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, posix_fallocate};

/// An open file that is not mistaken for another one. Hosts sometimes close descriptors that are not theirs ("close everything
/// above 2" in a daemon), and then the number may come to stand for a file of theirs.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: Option<File>,
    device: u64,
    inode: u64,
}

/// Whether one or any number may hold a lock at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// One.
    Exclusive,
    /// Any number of these.
    Shared,
}

impl LockFile {
    /// Opens a file without following a link in the last place.
    pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<(Self, Metadata)> {
        let file = options.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits()).open(path)?;
        let metadata = file.metadata()?;
        Ok((Self { file: Some(file), device: metadata.dev(), inode: metadata.ino() }, metadata))
    }

    /// Opens the same file again, for locks of its own; by its path, or when that has become another file, by the descriptor.
    pub(crate) fn reopen(&self, path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        if let Some(again) = self.find_again(path) {
            return Ok(again);
        }
        let file = options.custom_flags(0).open(format!("/proc/self/fd/{}", self.file()?.as_raw_fd()))?;
        Ok(Self { file: Some(file), ..*self })
    }

    /// Opens the same file again by its path, when the descriptor is gone; `None` when the path leads to another file.
    pub(crate) fn find_again(&self, path: &Path) -> Option<Self> {
        let (again, _) = Self::open(path, OpenOptions::new().read(true).write(true)).ok()?;
        ((again.device, again.inode) == (self.device, self.inode)).then_some(again)
    }

    /// The file, as long as the descriptor still stands for it.
    pub(crate) fn file(&self) -> io::Result<&File> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let metadata = file.metadata()?;
        if (metadata.dev(), metadata.ino()) == (self.device, self.inode) {
            Ok(file)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    /// Whether a path leads to this file.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        let there = std::fs::symlink_metadata(path);
        there.is_ok_and(|there| (there.dev(), there.ino()) == (self.device, self.inode))
    }

    /// Takes a lock on a byte unless somebody is in the way.
    pub(crate) fn try_lock(&self, byte: usize, lock: Lock) -> io::Result<bool> {
        let kind = if lock == Lock::Exclusive { libc::F_WRLCK } else { libc::F_RDLCK };
        match fcntl(self.file()?, FcntlArg::F_OFD_SETLK(&flock(kind, byte))) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes an exclusive lock on a byte, waiting for it for at most `patience`.
    pub(crate) fn lock(&self, byte: usize, patience: Duration) -> io::Result<bool> {
        let begin = Instant::now();
        let mut pause = Duration::from_micros(20);
        while !self.try_lock(byte, Lock::Exclusive)? {
            // Whoever holds it needs microseconds, unless it was stopped: then nobody knows for how long.
            if begin.elapsed() >= patience {
                return Ok(false);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(1));
        }
        Ok(true)
    }

    pub(crate) fn unlock(&self, byte: usize) {
        // Fails only when the descriptor is gone, and then so is the lock.
        let _ = self.file().map(|file| fcntl(file, FcntlArg::F_OFD_SETLK(&flock(libc::F_UNLCK, byte))));
    }

    /// Whether another opening of the file holds a lock on a byte.
    pub(crate) fn is_locked_elsewhere(&self, byte: usize) -> bool {
        let mut asked = flock(libc::F_WRLCK, byte);
        let answered = self.file().is_ok_and(|file| fcntl(file, FcntlArg::F_OFD_GETLK(&mut asked)).is_ok());
        answered && i32::from(asked.l_type) != libc::F_UNLCK
    }

    /// Makes sure that writing to these bytes of a mapping finds memory.
    pub(crate) fn reserve(&self, bytes: Range<usize>) -> io::Result<()> {
        let file = self.file()?;
        loop {
            match posix_fallocate(file, offset(bytes.start), offset(bytes.len())) {
                Err(Errno::EINTR) => {}
                result => return Ok(result?),
            }
        }
    }
}

impl Drop for LockFile {
    /// Closes the file, but not one that has taken its number.
    fn drop(&mut self) {
        if self.file().is_err()
            && let Some(file) = self.file.take()
        {
            let _ = file.into_raw_fd();
        }
    }
}

fn offset(bytes: usize) -> libc::off_t {
    libc::off_t::try_from(bytes).unwrap_or(libc::off_t::MAX)
}

fn flock(kind: i32, byte: usize) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: offset(byte),
        l_len: 1,
        // Must be zero for locks of this kind.
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> LockFile {
        LockFile::open(path, OpenOptions::new().read(true).write(true).create(true)).unwrap().0
    }

    #[test]
    fn openings_exclude_each_other_and_closing_one_releases_only_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let (a, b) = (open(&path), open(&path));
        assert!(a.try_lock(5, Lock::Exclusive).unwrap() && !b.try_lock(5, Lock::Exclusive).unwrap());
        assert!(b.try_lock(6, Lock::Shared).unwrap() && a.try_lock(6, Lock::Shared).unwrap());
        assert!(b.is_locked_elsewhere(5) && !a.is_locked_elsewhere(5) && a.is_locked_elsewhere(6));
        drop(open(&path));
        assert!(b.is_locked_elsewhere(5));
        assert!(!b.lock(5, Duration::ZERO).unwrap());
        drop(a);
        assert!(b.lock(5, Duration::ZERO).unwrap());
        b.unlock(5);
        assert!(!open(&path).is_locked_elsewhere(5));
    }

    #[test]
    fn a_file_is_opened_again_after_its_name_went_to_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let first = open(&path);
        std::fs::remove_file(&path).unwrap();
        let second = open(&path);
        assert!(!first.is_at(&path) && second.is_at(&path));
        let again = first.reopen(&path).unwrap();
        assert!(again.try_lock(0, Lock::Exclusive).unwrap());
        assert!(first.is_locked_elsewhere(0) && !second.is_locked_elsewhere(0));
    }

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert!(LockFile::open(&link, OpenOptions::new().read(true)).is_err());
    }
}
