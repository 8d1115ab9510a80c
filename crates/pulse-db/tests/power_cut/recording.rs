//! Everything that a program does to a folder of files, one system call after another.
//!
//! The program is watched from outside (ptrace), so that nothing it does can pass by: neither SQLite's writes nor those of the
//! journal and the undo script. After each call that may change a file the folder is compared with what it was.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// What a disk writes whole or not at all.
pub(crate) const SECTOR_BYTES: usize = 512;

/// A file, whatever it is called: its place among all that there were.
pub(crate) type FileId = usize;

/// What one system call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// These names of the folder now mean these files, or none.
    Named(BTreeMap<String, Option<FileId>>),
    /// A file got this length, and these sectors are others.
    Written { file: FileId, bytes: usize, sectors: BTreeMap<usize, Vec<u8>> },
    /// Everything of a file is on the disk.
    Synced(FileId),
    /// All names of the folder are on the disk.
    FolderSynced,
}

/// The folder before, and what was done to it.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    /// Contents of the files at the beginning, by their names; their ids are their places in this order.
    pub(crate) before: BTreeMap<String, Vec<u8>>,
    pub(crate) operations: Vec<Operation>,
}

/// Runs a program to its end, and records what it does to the files in `folder`.
#[expect(clippy::zombie_processes, reason = "it is waited for with all its threads")]
pub(crate) fn record(program: &Path, arguments: &[&str], envs: &[(&str, &str)], folder: &Path) -> Recording {
    // The shell waits until it is watched, and becomes the program.
    let mut shell = Command::new("sh")
        .args(["-c", "echo ready; read -r go; exec \"$0\" \"$@\" > /dev/null"])
        .arg(program)
        .args(arguments)
        .envs(envs.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let main = Pid::from_raw(shell.id().cast_signed());
    ptrace::attach(main).expect("a test may watch its child (kernel.yama.ptrace_scope is at most 1)");
    assert_eq!(waitpid(main, Some(WaitPidFlag::__WALL)), Ok(WaitStatus::Stopped(main, Signal::SIGSTOP)));
    let options = [
        Options::PTRACE_O_TRACESYSGOOD,
        Options::PTRACE_O_TRACECLONE,
        Options::PTRACE_O_TRACEEXEC,
        Options::PTRACE_O_EXITKILL,
    ];
    ptrace::setoptions(main, options.into_iter().collect()).unwrap();
    let mut looker = Looker::new(folder);
    ptrace::syscall(main, None).unwrap();
    shell.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let status = watch(main, &mut looker);
    assert_eq!(status, 0, "the program failed");
    looker.recording
}

/// Follows all threads of a program to its end, and tells its status.
fn watch(main: Pid, looker: &mut Looker) -> i32 {
    loop {
        // Only children of this thread: tests beside this one have theirs.
        let (thread, signal) =
            match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)).unwrap() {
                WaitStatus::Exited(thread, status) if thread == main => return status,
                WaitStatus::Signaled(thread, signal, _) if thread == main => panic!("ended by {signal}"),
                WaitStatus::PtraceSyscall(thread) => {
                    looker.called(thread);
                    (thread, None)
                }
                // A new thread begins with a stop that is nobody's signal.
                WaitStatus::Stopped(thread, Signal::SIGSTOP) | WaitStatus::PtraceEvent(thread, ..) => {
                    (thread, None)
                }
                WaitStatus::Stopped(thread, signal) => (thread, Some(signal)),
                _ => continue,
            };
        // Fails where the thread is gone meanwhile.
        let _ = ptrace::syscall(thread, signal);
    }
}

/// Compares the folder with what it was.
struct Looker {
    folder: PathBuf,
    recording: Recording,
    /// What was seen last: contents by file, and the files' numbers in the file system by name.
    contents: Vec<Vec<u8>>,
    names: BTreeMap<String, (u64, FileId)>,
}

impl Looker {
    fn new(folder: &Path) -> Self {
        let folder = folder.canonicalize().unwrap();
        let mut looker =
            Self { folder, recording: Recording::default(), contents: Vec::new(), names: BTreeMap::new() };
        looker.look();
        looker.recording.before = looker
            .names
            .iter()
            .map(|(name, (_, file))| (name.clone(), looker.contents[*file].clone()))
            .collect();
        looker.recording.operations.clear();
        looker
    }

    /// A thread is at the beginning or the end of a system call.
    fn called(&mut self, thread: Pid) {
        // The call's number and its arguments; of a thread that is not in a call there are none.
        let text = std::fs::read_to_string(format!("/proc/{thread}/syscall")).unwrap_or_default();
        let mut words = text.split_whitespace();
        let Some(number) = words.next().and_then(|word| word.parse::<i64>().ok()) else { return };
        let is_sync = [libc::SYS_fsync, libc::SYS_fdatasync].contains(&number);
        if !is_sync && !CHANGING.contains(&number) {
            return;
        }
        self.look();
        let argument =
            words.next().and_then(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok());
        if let Some(descriptor) = argument.filter(|_| is_sync) {
            self.synced(Path::new(&format!("/proc/{thread}/fd/{descriptor}")));
        }
    }

    fn synced(&mut self, descriptor: &Path) {
        let operation = if std::fs::read_link(descriptor).is_ok_and(|path| path == self.folder) {
            Operation::FolderSynced
        } else {
            let Ok(found) = std::fs::metadata(descriptor) else { return };
            let Some(&(_, file)) = self.names.values().find(|(number, _)| *number == found.ino()) else {
                return;
            };
            Operation::Synced(file)
        };
        // It is seen at the beginning of the call and at its end.
        if self.recording.operations.last() != Some(&operation) {
            self.recording.operations.push(operation);
        }
    }

    fn look(&mut self) {
        let mut now = BTreeMap::new();
        for entry in std::fs::read_dir(&self.folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            // What readers of a write-ahead log share in memory; it is made anew after a crash.
            if !name.ends_with("-shm") {
                now.insert(name, entry.metadata().unwrap().ino());
            }
        }
        self.name(&now);
        for (name, (_, file)) in self.names.clone() {
            self.compare(file, std::fs::read(self.folder.join(name)).unwrap());
        }
    }

    fn name(&mut self, now: &BTreeMap<String, u64>) {
        let mut changed: BTreeMap<String, Option<FileId>> = BTreeMap::new();
        let before = std::mem::take(&mut self.names);
        for (name, &number) in now {
            let known = before.values().find(|(known, _)| *known == number).map(|(_, file)| *file);
            let file = known.unwrap_or_else(|| {
                self.contents.push(Vec::new());
                self.contents.len() - 1
            });
            if before.get(name).is_none_or(|(_, was)| *was != file) {
                changed.insert(name.clone(), Some(file));
            }
            self.names.insert(name.clone(), (number, file));
        }
        changed
            .extend(before.keys().filter(|name| !now.contains_key(*name)).map(|name| (name.clone(), None)));
        if !changed.is_empty() {
            self.recording.operations.push(Operation::Named(changed));
        }
    }

    fn compare(&mut self, file: FileId, now: Vec<u8>) {
        let before = &self.contents[file];
        if *before == now {
            return;
        }
        let sectors = now.chunks(SECTOR_BYTES).enumerate().filter(|(sector, bytes)| {
            let at = sector * SECTOR_BYTES;
            before.get(at..at + bytes.len()) != Some(bytes)
        });
        let sectors = sectors.map(|(sector, bytes)| (sector, bytes.to_vec())).collect();
        self.recording.operations.push(Operation::Written { file, bytes: now.len(), sectors });
        self.contents[file] = now;
    }
}

/// Calls after which files are looked at.
const CHANGING: &[i64] = &[
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_linkat,
    libc::SYS_exit_group,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
];
