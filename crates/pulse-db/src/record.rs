//! Records what a program asks that loads the system's SQLite: `pulse db record -- python app.py`.
//!
//! A small library is loaded into the program before SQLite (`LD_PRELOAD`), takes the place of the functions that open a
//! database, and has SQLite tell about every statement. Programs that have SQLite built in do not load it, and cannot be
//! recorded this way; they are told apart by what happened, and the error says what to do instead.

mod elf;

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use tempfile::TempDir;

use crate::workload::{Header, Line};

/// Size of the file beyond which statements are only counted.
pub const MAX_RECORD_BYTES: u64 = 1024 * 1024 * 1024;

/// The library, compiled by `build.rs`.
#[cfg(target_os = "linux")]
const RECORDER: Option<&[u8]> = Some(include_bytes!(concat!(env!("OUT_DIR"), "/recorder.so")));
#[cfg(not(target_os = "linux"))]
const RECORDER: Option<&[u8]> = None;

/// Counters that the library shares with us: as many numbers of 64 bits, in the machine's order.
const COUNTERS: usize = 6;

/// What to do where a program cannot be recorded.
const INSTEAD: &str = "Record it from within instead: in Rust with pulse_db::hook::Recorder, in Python with \
                       pulse_perf.sqlite.connect(…, workload=FILE); or give --workload its log or a file of its statements";

/// What a program did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordOutcome {
    /// How it ended.
    pub status: ExitStatus,
    /// Connections to databases that it opened, in all its processes.
    pub connections: u64,
    /// Statements in the file.
    pub statements: u64,
    /// Statements that are not: too long, too many, or the file could not be written.
    pub lost_calls: u64,
}

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// This system has no `LD_PRELOAD`.
    #[error("programs can be recorded on Linux only. {INSTEAD}")]
    Unsupported,
    /// There is no command.
    #[error("there is no program to record: pulse db record -- PROGRAM ARGUMENTS")]
    NoCommand,
    /// No such program.
    #[error("there is no program {program}: check its name, and the folders in PATH")]
    NotFound {
        /// Its name.
        program: String,
    },
    /// It loads no libraries at all.
    #[error("{} is linked statically: it has its SQLite built in, which cannot be recorded from outside. {INSTEAD}", path.display())]
    Static {
        /// The program.
        path: PathBuf,
    },
    /// There is such a file already.
    #[error("{} exists already and was left as it is: choose another name, or remove it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Files.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// What was done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It ran, but nothing of SQLite was seen.
    #[error("{program} ended ({status}), and not one connection to a database was seen: {reason}. {INSTEAD}")]
    NothingSeen {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What that means.
        reason: &'static str,
    },
}

/// Runs a program with our input and output, and records its statements to a new file that only its owner can read.
///
/// Its child processes are recorded, too, as long as they keep the environment.
///
/// # Errors
/// When it cannot be run or recorded, or opened no database that could be recorded.
pub fn run(command: &[OsString], out: &Path) -> Result<RecordOutcome, RecordError> {
    let recorder = RECORDER.ok_or(RecordError::Unsupported)?;
    let (program, arguments) = command.split_first().ok_or(RecordError::NoCommand)?;
    let shown = program.to_string_lossy().into_owned();
    let path = elf::find(program).ok_or_else(|| RecordError::NotFound { program: shown.clone() })?;
    if elf::is_static(&path) {
        return Err(RecordError::Static { path });
    }
    let out = std::path::absolute(out).map_err(failed("cannot find", out))?;
    begin(&out)?;
    let recording = Recording::prepare(recorder)
        .and_then(|recording| recording.run(program, arguments, &out).map(|status| (recording, status)));
    let (recording, status) = match recording {
        Ok(done) => done,
        Err(error) => {
            // It holds nothing yet.
            let _ = std::fs::remove_file(&out);
            return Err(error);
        }
    };
    let [processes, connections, statements, lost_calls, ..] = recording.counters()?;
    if connections == 0 {
        let _ = std::fs::remove_file(&out);
        let reason = if processes == 0 {
            "the recorder was not loaded into it (it drops the environment or has special rights, its C library is another, \
             or the folder for temporary files forbids programs: set TMPDIR)"
        } else if elf::has_sqlite(&path) {
            "it has SQLite built in, which cannot be recorded from outside"
        } else {
            "it used no SQLite, or one that is built into it or into one of its modules"
        };
        return Err(RecordError::NothingSeen { program: shown, status, reason });
    }
    finish(&out, lost_calls)?;
    Ok(RecordOutcome { status, connections, statements, lost_calls })
}

fn failed(what: &'static str, path: &Path) -> impl Fn(std::io::Error) -> RecordError {
    move |source| RecordError::File { what, path: path.to_owned(), source }
}

/// A new file with its header. The library only appends.
fn begin(out: &Path) -> Result<(), RecordError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(out).map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => RecordError::Exists { path: out.to_owned() },
        _ => RecordError::File { what: "cannot write", path: out.to_owned(), source },
    })?;
    let recorded = format!("{:.3}", jiff::Timestamp::now());
    let header = Line::Header(Header { dialect: "sqlite".to_owned(), recorded, has_values: true });
    file.write_all(header.written().as_bytes()).map_err(failed("cannot write", out))
}

/// Says in the file what is not in it.
fn finish(out: &Path, lost_calls: u64) -> Result<(), RecordError> {
    if lost_calls == 0 {
        return Ok(());
    }
    let mut file = OpenOptions::new().append(true).open(out).map_err(failed("cannot write", out))?;
    file.write_all(Line::Lost(lost_calls).written().as_bytes()).map_err(failed("cannot write", out))
}

/// A private folder with the library and its counters.
struct Recording {
    folder: TempDir,
}

impl Recording {
    fn prepare(recorder: &[u8]) -> Result<Self, RecordError> {
        let temporary = std::env::temp_dir();
        let folder = TempDir::with_prefix("pulse-record-").map_err(failed("cannot write to", &temporary))?;
        let recording = Self { folder };
        let library = recording.library();
        std::fs::write(&library, recorder).map_err(failed("cannot write", &library))?;
        let mut counters = vec![0_u8; COUNTERS * size_of::<u64>()];
        let limit = (COUNTERS - 1) * size_of::<u64>();
        counters[limit..].copy_from_slice(&MAX_RECORD_BYTES.to_ne_bytes());
        let path = recording.counter_file();
        std::fs::write(&path, counters).map_err(failed("cannot write", &path))?;
        Ok(recording)
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("recorder.so")
    }

    fn counter_file(&self) -> PathBuf {
        self.folder.path().join("counters")
    }

    fn run(&self, program: &OsStr, arguments: &[OsString], out: &Path) -> Result<ExitStatus, RecordError> {
        let mut preload = self.library().into_os_string();
        if let Some(others) = std::env::var_os("LD_PRELOAD").filter(|others| !others.is_empty()) {
            preload.push(":");
            preload.push(others);
        }
        Command::new(program)
            .args(arguments)
            .env("LD_PRELOAD", preload)
            .env("PULSE_RECORD_FILE", out)
            .env("PULSE_RECORD_COUNTERS", self.counter_file())
            .status()
            .map_err(failed("cannot run", Path::new(program)))
    }

    fn counters(&self) -> Result<[u64; COUNTERS], RecordError> {
        let path = self.counter_file();
        let bytes = std::fs::read(&path).map_err(failed("cannot read", &path))?;
        let mut counters = [0; COUNTERS];
        for (counter, bytes) in counters.iter_mut().zip(bytes.as_chunks().0) {
            *counter = u64::from_ne_bytes(*bytes);
        }
        Ok(counters)
    }
}

/// Reads a file's beginning; less where it is shorter.
fn beginning(file: &mut File, bytes: u64) -> std::io::Result<Vec<u8>> {
    let mut beginning = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, bytes), &mut beginning)?;
    Ok(beginning)
}
