//! Opening, or making, the file that the processes of a group share.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;

use crate::group;
use crate::layout::{CHUNKS, Geometry, LAYOUT, MAGIC};
use crate::liveness::Occupant;
use crate::lock_file::{Lock, LockFile};
use crate::mapping::Mapping;
use crate::region::{Region, Reserve};

/// The byte under whose lock the structure changes.
pub(crate) const REGISTRY_BYTE: usize = 0;
/// The byte on which everybody who may record holds a shared lock.
const PRESENCE_BYTE: usize = 1;
/// The first of the bytes of tasks that one process does for all.
#[cfg(feature = "push")]
pub(crate) const TASK_BYTES: usize = 64;
/// Their number.
#[cfg(feature = "push")]
pub(crate) const TASKS: u64 = 256;
/// The first of the bytes of slots. (All these are the same in every layout.)
pub(crate) const SLOT_BYTES: usize = 1024;

/// How long the opening waits for somebody else's.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often an opening begins again because the file was replaced meanwhile.
const ATTEMPTS: usize = 100;
/// Names of files that are looked at for those left behind.
const MAX_FILES: usize = 10_000;

/// Why a file cannot be shared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// The system said no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is not this user's own regular file.
    #[error("it belongs to somebody else")]
    NotOurs,
    /// It is not a region, or a damaged one.
    #[error("it is not a file of this program")]
    Foreign,
    /// A later version made it.
    #[error("it was made by a newer version of this program (layout {0}, this one knows {LAYOUT})")]
    Newer(u64),
    /// An earlier version made it and still uses it.
    #[error("an older version of this program (layout {0}) still uses it")]
    Older(u64),
    /// The lock could not be had.
    #[error("another process that uses it does not go on")]
    Busy,
}

/// An open group.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) region: Region,
    pub(crate) path: PathBuf,
    /// Without locks: for reserving memory and for opening again.
    pub(crate) base: LockFile,
    /// With the locks of this process.
    pub(crate) lock: LockFile,
}

/// Opens a group's file, and makes it where there is none, or one that was left behind by another start of the service.
pub(crate) fn open(path: &Path, identity: u64, max_series: usize) -> Result<Opened, Refused> {
    for _ in 0..ATTEMPTS {
        let mut options = OpenOptions::new();
        let (base, metadata) = LockFile::open(path, options.read(true).write(true).create(true).mode(0o600))?;
        check_owner(&metadata)?;
        let lock = base.reopen(path)?;
        if !lock.lock(REGISTRY_BYTE, PATIENCE)? {
            return Err(Refused::Busy);
        }
        if !base.is_at(path) {
            continue;
        }
        match Found::look(base.file()?)? {
            Found::Nothing => {
                remove_left_behind(path.parent().unwrap_or(path));
                let made = make(&base, identity, max_series);
                if made.is_err() {
                    // Half a file would be in the way of the next one.
                    let _ = fs::remove_file(path);
                }
                return opened(made?, path, base, lock);
            }
            Found::Newer(layout) => return Err(Refused::Newer(layout)),
            Found::Foreign => return Err(Refused::Foreign),
            Found::Older(layout) if is_in_use(&lock) => return Err(Refused::Older(layout)),
            Found::Region(found) if found.identity == identity || is_in_use(&lock) => {
                let region = Region::new(Mapping::shared(base.file()?, found.geometry.len)?, found.geometry);
                return opened(region, path, base, lock);
            }
            Found::Older(_) | Found::Region(_) => fs::remove_file(path)?,
        }
    }
    Err(Refused::Busy)
}

/// Maps a group's file only to look at it.
pub(crate) fn open_read_only(path: &Path) -> Result<(Region, LockFile), Refused> {
    let (file, metadata) = LockFile::open(path, OpenOptions::new().read(true))?;
    if !metadata.is_file() {
        return Err(Refused::Foreign);
    }
    match Found::look(file.file()?)? {
        Found::Region(found) => {
            let mapping = Mapping::read_only(file.file()?, found.geometry.len)?;
            Ok((Region::new(mapping, found.geometry), file))
        }
        Found::Newer(layout) => Err(Refused::Newer(layout)),
        Found::Older(layout) => Err(Refused::Older(layout)),
        Found::Nothing | Found::Foreign => Err(Refused::Foreign),
    }
}

/// Says that this process may record into a file from now on, until `lock` is closed.
pub(crate) fn be_present(lock: &LockFile) -> io::Result<bool> {
    lock.try_lock(PRESENCE_BYTE, Lock::Shared)
}

fn opened(region: Region, path: &Path, base: LockFile, lock: LockFile) -> Result<Opened, Refused> {
    be_present(&lock)?;
    lock.unlock(REGISTRY_BYTE);
    Ok(Opened { region, path: path.to_owned(), base, lock })
}

fn is_in_use(lock: &LockFile) -> bool {
    lock.is_locked_elsewhere(PRESENCE_BYTE)
}

fn check_owner(metadata: &Metadata) -> Result<(), Refused> {
    let others_may_write = metadata.mode() & 0o022 != 0;
    if metadata.is_file() && metadata.uid() == geteuid().as_raw() && !others_may_write {
        Ok(())
    } else {
        Err(Refused::NotOurs)
    }
}

/// What a file is.
enum Found {
    /// Empty, or never finished.
    Nothing,
    Foreign,
    Older(u64),
    Newer(u64),
    Region(FoundRegion),
}

struct FoundRegion {
    identity: u64,
    geometry: Geometry,
}

impl Found {
    fn look(file: &File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        if len == 0 {
            return Ok(Self::Nothing);
        }
        let mut bytes = [0; 40];
        if file.read_exact_at(&mut bytes, 0).is_err() {
            return Ok(Self::Foreign);
        }
        // The header's first words, as the machine that wrote them keeps them, which is this one.
        let (words, _) = bytes.as_chunks::<8>();
        let [magic, layout, max_series, chunks, identity] =
            [0, 1, 2, 3, 4].map(|at| u64::from_ne_bytes(words[at]));
        Ok(match (magic, layout) {
            (0, _) if bytes.iter().all(|&byte| byte == 0) || layout == LAYOUT => Self::Nothing,
            (MAGIC, LAYOUT) => {
                let geometry = Geometry::new(max_series as usize, chunks as usize);
                match geometry.filter(|geometry| geometry.len as u64 == len) {
                    Some(geometry) => Self::Region(FoundRegion { identity, geometry }),
                    None => Self::Foreign,
                }
            }
            (MAGIC, older) if older < LAYOUT => Self::Older(older),
            (MAGIC, newer) => Self::Newer(newer),
            _ => Self::Foreign,
        })
    }
}

/// Makes a region in an empty file. Everything of fixed size is reserved at once, so that it can be read without a thought.
fn make(base: &LockFile, identity: u64, max_series: usize) -> Result<Region, Refused> {
    struct Reserved<'a>(&'a LockFile);
    impl Reserve for Reserved<'_> {
        fn reserve(&mut self, bytes: std::ops::Range<usize>) -> io::Result<()> {
            self.0.reserve(bytes)
        }
    }
    let geometry = Geometry::new(max_series, CHUNKS).ok_or(Refused::Foreign)?;
    let file = base.file()?;
    // What an unfinished making left is gone after this.
    file.set_len(0)?;
    file.set_len(geometry.len as u64)?;
    base.reserve(0..geometry.slots_at)?;
    base.reserve(geometry.shards_at..geometry.texts_at)?;
    let region = Region::new(Mapping::shared(file, geometry.len)?, geometry);
    region.format(identity, &mut Reserved(base))?;
    Ok(region)
}

/// Removes files of groups whose supervisor has died and that nobody uses.
fn remove_left_behind(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().take(MAX_FILES).filter_map(Result::ok);
    for entry in entries {
        let Some((pid, _)) = entry.file_name().to_str().and_then(group::supervisor) else { continue };
        let started = entry.file_name().to_str().and_then(group::supervisor).map(|(_, started)| started);
        if Occupant::find(pid).map(|process| process.started) == started {
            continue;
        }
        remove_unless_used(&entry.path());
    }
}

fn remove_unless_used(path: &Path) {
    let Ok((file, metadata)) = LockFile::open(path, OpenOptions::new().read(true).write(true)) else {
        return;
    };
    let is_free = || file.try_lock(REGISTRY_BYTE, Lock::Exclusive).unwrap_or(false) && !is_in_use(&file);
    if check_owner(&metadata).is_ok() && is_free() && file.is_at(path) {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use crate::group::{file_prefix, supervisor};

    #[test]
    fn what_is_no_region_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let words = |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|word| word.to_ne_bytes()).collect() };
        for (name, bytes, reason) in [
            ("short", b"hello".to_vec(), "not a file of this program"),
            ("foreign", vec![7; 5000], "not a file of this program"),
            ("newer", words(&[MAGIC, LAYOUT + 1, 100, 10, 1, 0]), "newer version"),
            ("odd numbers", words(&[MAGIC, LAYOUT, u64::MAX, 10, 1, 0]), "not a file of this program"),
            ("cut off", words(&[MAGIC, LAYOUT, 100, 10, 1, 0]), "not a file of this program"),
        ] {
            let path = folder.path().join(name);
            fs::write(&path, &bytes).unwrap();
            let refused = open(&path, 1, 100).unwrap_err().to_string();
            assert!(refused.contains(reason), "{name}: {refused}");
            assert!(open_read_only(&path).is_err(), "{name}");
            assert_eq!(fs::read(&path).unwrap(), bytes, "{name}");
        }
        let path = folder.path().join("open to all");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(open(&path, 1, 100), Err(Refused::NotOurs)));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &link).unwrap();
        assert!(matches!(open(&link, 1, 100), Err(Refused::Io(_))));
        assert!(matches!(open(folder.path(), 1, 100), Err(Refused::Io(_))));
        assert!(matches!(open(&folder.path().join("no/such/folder"), 1, 100), Err(Refused::Io(_))));
    }

    #[test]
    fn what_was_never_finished_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("region");
        for unfinished in [vec![], vec![0; 100_000]] {
            fs::write(&path, unfinished).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let opened = open(&path, 1, 100).unwrap();
            assert_eq!(opened.region.geometry().max_series, 100);
            assert!(open_read_only(&path).is_ok());
        }
    }

    #[test]
    fn an_older_layout_is_replaced_unless_somebody_uses_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("region");
        drop(open(&path, 1, 100).unwrap());
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&(LAYOUT - 1).to_ne_bytes(), 8).unwrap();
        let (user, _) = LockFile::open(&path, OpenOptions::new().read(true).write(true)).unwrap();
        assert!(be_present(&user).unwrap());
        assert!(matches!(open(&path, 1, 100), Err(Refused::Older(_))));
        drop(user);
        open(&path, 1, 100).unwrap();
    }

    #[test]
    fn the_first_to_come_decides_the_size_and_another_start_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("region");
        let first = open(&path, 1, 100).unwrap();
        let joined = open(&path, 2, 5000).unwrap();
        assert_eq!(joined.region.geometry().max_series, 100);
        drop(first);
        drop(joined);
        assert_eq!(open(&path, 1, 5000).unwrap().region.geometry().max_series, 100);
        assert_eq!(open(&path, 2, 5000).unwrap().region.geometry().max_series, 5000);
    }

    #[test]
    fn files_of_supervisors_that_are_gone_are_removed_unless_used() {
        let folder = tempfile::tempdir().unwrap();
        let this = Occupant::this();
        let name = |pid: u32, started: u64| format!("{}supervisor-{pid}-{started}", file_prefix());
        assert_eq!(supervisor(&name(1, 2)), Some((1, 2)));
        let [alive, dead, used, reborn] =
            [(this.pid, this.started), (u32::MAX, 5), (u32::MAX, 6), (this.pid, this.started + 1)]
                .map(|(pid, started)| folder.path().join(name(pid, started)));
        let mut opened = [&alive, &dead, &used, &reborn].map(|path| Some(open(path, 1, 100).unwrap()));
        for unused in [0, 1, 3] {
            opened[unused] = None;
        }
        let named = folder.path().join(format!("{}api", file_prefix()));
        drop(open(&named, 1, 100).unwrap());
        open(&folder.path().join("any"), 1, 100).unwrap();
        assert_eq!(
            [&alive, &dead, &used, &reborn, &named].map(|path| path.exists()),
            [true, false, true, false, true]
        );
    }
}
