//! What was done to a database, on disk before it is done: a line of JSON per step beside the file.
//!
//! A line is flushed to the disk before the step that it announces. After a crash the last line may be cut, and after a power cut
//! parts of it may never have reached the disk; it announced nothing that was begun, and is taken away. Only this user can read
//! the file: statements may hold values.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use pulse_model::Nanos;
use serde::{Deserialize, Serialize};

use super::files::Attached;
use super::space;
use crate::change::Change;
use crate::error::DatabaseError;

/// The version of the format that is written; later ones are refused.
pub const JOURNAL_VERSION: u32 = 1;
/// The largest journal that is read.
const MAX_BYTES: u64 = 64 << 20;
/// What the journal's name adds to the database's.
const SUFFIX: &str = ".pulse-journal.jsonl";

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Entry {
    /// A run is to make these changes, in order, with these databases attached.
    Begun {
        version: u32,
        run: u64,
        unix_ms: u64,
        changes: Vec<Change>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attached: Vec<Attached>,
    },
    /// A change is about to be made; these statements take it back.
    Started { run: u64, change: usize, undo: Vec<String> },
    /// It is made and committed. `sql` is the statement of a new index as the database keeps it.
    Done { run: u64, change: usize, duration: Nanos, sql: Option<String> },
    /// It was not made, and left nothing.
    Failed { run: u64, change: usize, message: String },
    /// All changes of the run are made.
    Ended { run: u64 },
    /// A change is taken back.
    Undone { run: u64, change: usize },
    /// The whole run is taken back, or given up.
    TakenBack { run: u64 },
}

/// A run of changes as the journal tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its number in the journal, from 1.
    pub number: u64,
    /// When it began, in milliseconds since 1970.
    pub unix_ms: u64,
    /// Databases that its changes need attached.
    pub attached: Vec<Attached>,
    /// Its changes in order.
    pub changes: Vec<RecordedChange>,
    /// Whether all its changes were made.
    pub is_ended: bool,
    /// Whether it was taken back.
    pub is_taken_back: bool,
}

/// A change of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedChange {
    /// What was to be done.
    pub change: Change,
    /// How far it came.
    pub state: ChangeState,
    /// What takes it back; known when it starts.
    pub undo: Vec<String>,
    /// The statement of a new index as the database keeps it.
    pub sql: Option<String>,
    /// How long it took, once it is made.
    pub duration: Option<Nanos>,
}

/// How far a change came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeState {
    /// Not begun.
    Waiting,
    /// Begun, and nothing more is known: the program ended in the middle. The database shows which.
    Started,
    /// Made.
    Done,
    /// Failed, and left nothing.
    Failed(String),
    /// Made and taken back.
    Undone,
}

/// The journal of a database, held by this process alone.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// The length of its whole lines.
    bytes: u64,
    entries: Vec<Entry>,
}

/// Where the journal of a database is.
pub fn journal_path(database: &Path) -> PathBuf {
    beside(database, SUFFIX)
}

/// A file beside the database; a link is followed, so that every way to the database leads to the same one.
pub(crate) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let real = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let mut name = real.into_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

impl Journal {
    /// Opens or creates the journal, and keeps others out as long as it is open.
    pub(crate) fn open(database: &Path) -> Result<Self, DatabaseError> {
        let path = journal_path(database);
        refuse_others(&path)?;
        let failed = |source| DatabaseError::File {
            what: format!("cannot write the journal {}", path.display()),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(broken(&path, "another pulse is at work on this database"));
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let text = read(&mut file, &path)?;
        let whole = whole(&text);
        let entries = parse(whole, &path)?;
        let bytes = whole.len() as u64;
        if whole.len() < text.len() {
            file.set_len(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        // The name of a new file is on disk only once its folder is.
        sync_folder(&path).map_err(failed)?;
        Ok(Self { path, file, bytes, entries })
    }

    /// Adds a line, and returns once it is on the disk.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<(), DatabaseError> {
        let failed = |source| DatabaseError::File {
            what: format!("cannot write the journal {}", self.path.display()),
            source,
        };
        let mut line = serde_json::to_vec(&entry).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        // A line that failed, on a full disk say, may have left a part of itself, and would be one with this.
        self.file.set_len(self.bytes).map_err(failed)?;
        self.file.write_all(&line).and_then(|()| self.file.sync_data()).map_err(failed)?;
        self.bytes += line.len() as u64;
        self.entries.push(entry);
        Ok(())
    }

    /// Begins a run.
    pub(crate) fn begin(&mut self, changes: &[Change], attached: &[Attached]) -> Result<u64, DatabaseError> {
        let run = self.runs().last().map_or(0, |run| run.number) + 1;
        let unix_ms = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |now| now.as_millis() as u64);
        let (changes, attached) = (changes.to_vec(), attached.to_vec());
        self.add(Entry::Begun { version: JOURNAL_VERSION, run, unix_ms, changes, attached })?;
        Ok(run)
    }

    /// All runs, oldest first.
    pub(crate) fn runs(&self) -> Vec<Run> {
        runs(&self.entries)
    }
}

/// The runs of a database, oldest first; none without a journal.
pub(crate) fn recorded_runs(database: &Path) -> Result<Vec<Run>, DatabaseError> {
    let path = journal_path(database);
    refuse_others(&path)?;
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(DatabaseError::File {
                what: format!("cannot read the journal {}", path.display()),
                source,
            });
        }
    };
    let text = read(&mut file, &path)?;
    Ok(runs(&parse(whole(&text), &path)?))
}

fn broken(path: &Path, reason: impl Into<String>) -> DatabaseError {
    DatabaseError::Journal { path: path.to_owned(), reason: reason.into() }
}

/// Something of that name that is no ordinary file is nothing of ours.
fn refuse_others(path: &Path) -> Result<(), DatabaseError> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(broken(path, "it is a link or a folder")),
        _ => Ok(()),
    }
}

fn read(file: &mut File, path: &Path) -> Result<Vec<u8>, DatabaseError> {
    let failed =
        |source| DatabaseError::File { what: format!("cannot read the journal {}", path.display()), source };
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(broken(
            path,
            format!("it is larger than {MAX_BYTES} bytes: move it away to begin a new one"),
        ));
    }
    Ok(text)
}

/// The lines that are whole. What is missing of the last one is missing at its end or, where the disk did not keep the order of
/// its writes, zeros; no line of ours holds a zero.
fn whole(text: &[u8]) -> &[u8] {
    let end = |text: &[u8]| text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let ended = &text[..end(text)];
    let last = end(ended.strip_suffix(b"\n").unwrap_or_default());
    if ended[last..].contains(&0) { &ended[..last] } else { ended }
}

fn parse(text: &[u8], path: &Path) -> Result<Vec<Entry>, DatabaseError> {
    /// Read first: a later version may have other events.
    #[derive(Deserialize)]
    struct Versioned {
        version: Option<u32>,
    }
    let lines = text.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let entry = |(number, line): (usize, &[u8])| {
        let wrong = |error: serde_json::Error| broken(path, format!("line {}: {error}", number + 1));
        let found: Versioned = serde_json::from_slice(line).map_err(wrong)?;
        if found.version.is_some_and(|version| version > JOURNAL_VERSION) {
            return Err(broken(path, "it was written by a newer pulse: use that one"));
        }
        serde_json::from_slice(line).map_err(wrong)
    };
    lines.map(entry).collect()
}

/// What the lines tell. Lines of runs and changes that there are not are nothing's.
fn runs(entries: &[Entry]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for entry in entries {
        let number = match entry {
            Entry::Begun { run, unix_ms, changes, attached, .. } => {
                let waiting = |change: &Change| RecordedChange {
                    change: change.clone(),
                    state: ChangeState::Waiting,
                    undo: Vec::new(),
                    sql: None,
                    duration: None,
                };
                let changes = changes.iter().map(waiting).collect();
                runs.push(Run {
                    number: *run,
                    unix_ms: *unix_ms,
                    attached: attached.clone(),
                    changes,
                    is_ended: false,
                    is_taken_back: false,
                });
                continue;
            }
            Entry::Started { run, .. }
            | Entry::Done { run, .. }
            | Entry::Failed { run, .. }
            | Entry::Ended { run }
            | Entry::Undone { run, .. }
            | Entry::TakenBack { run } => *run,
        };
        if let Some(run) = runs.iter_mut().rev().find(|run| run.number == number) {
            run.take(entry);
        }
    }
    runs
}

impl Run {
    fn take(&mut self, entry: &Entry) {
        match entry {
            Entry::Begun { .. } => {}
            Entry::Ended { .. } => self.is_ended = true,
            Entry::TakenBack { .. } => self.is_taken_back = true,
            Entry::Started { change, undo, .. } => {
                if let Some(found) = self.changes.get_mut(*change) {
                    found.state = ChangeState::Started;
                    found.undo.clone_from(undo);
                }
            }
            Entry::Done { change, sql, duration, .. } => {
                if let Some(found) = self.changes.get_mut(*change) {
                    found.duration = Some(*duration);
                    found.state = ChangeState::Done;
                    found.sql.clone_from(sql);
                }
            }
            Entry::Failed { change, message, .. } => self.set(*change, ChangeState::Failed(message.clone())),
            Entry::Undone { change, .. } => self.set(*change, ChangeState::Undone),
        }
    }

    fn set(&mut self, change: usize, state: ChangeState) {
        if let Some(found) = self.changes.get_mut(change) {
            found.state = state;
        }
    }

    /// Whether something of it is, or may be, in the database.
    pub fn has_effect(&self) -> bool {
        let is_made =
            |change: &RecordedChange| matches!(change.state, ChangeState::Started | ChangeState::Done);
        !self.is_taken_back && self.changes.iter().any(is_made)
    }

    /// Whether it was begun and neither ended nor taken back.
    pub fn is_pending(&self) -> bool {
        !self.is_ended && !self.is_taken_back
    }
}

/// Makes the names in a file's folder last.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(space::folder_of(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::ChangeKind;
    use pulse_model::Fix;
    use std::os::unix::fs::PermissionsExt as _;

    fn change(subject: &str) -> Change {
        let fix = Fix { sql: vec![format!("CREATE INDEX {subject} ON t(a)")], undo: Vec::new() };
        Change { kind: ChangeKind::CreateIndex, schema: "main".to_owned(), subject: subject.to_owned(), fix }
    }

    #[test]
    fn what_is_written_is_read_and_nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("app.db");
        std::fs::write(&database, "").unwrap();
        assert_eq!(recorded_runs(&database).unwrap(), []);
        let mut journal = Journal::open(&database).unwrap();
        let run = journal.begin(&[change("a"), change("b")], &[]).unwrap();
        let undo = vec!["DROP INDEX a".to_owned()];
        journal.add(Entry::Started { run, change: 0, undo: undo.clone() }).unwrap();
        journal
            .add(Entry::Done { run, change: 0, duration: Nanos(1), sql: Some("CREATE".to_owned()) })
            .unwrap();
        journal.add(Entry::Started { run, change: 1, undo: Vec::new() }).unwrap();
        assert!(matches!(Journal::open(&database), Err(DatabaseError::Journal { .. })), "held by one alone");
        let runs = recorded_runs(&database).unwrap();
        assert_eq!(runs, journal.runs());
        drop(journal);
        assert_eq!(runs[0].changes[0].state, ChangeState::Done);
        assert_eq!((&runs[0].changes[0].undo, &runs[0].changes[1].state), (&undo, &ChangeState::Started));
        assert!(runs[0].is_pending() && runs[0].has_effect());
        let mode = std::fs::metadata(journal_path(&database)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut journal = Journal::open(&database).unwrap();
        journal.add(Entry::Undone { run, change: 0 }).unwrap();
        journal.add(Entry::TakenBack { run }).unwrap();
        assert!(!journal.runs()[0].is_pending() && !journal.runs()[0].has_effect());
        assert_eq!(journal.begin(&[], &[]).unwrap(), 2);
    }

    #[test]
    fn a_journal_cut_anywhere_is_read_to_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("app.db");
        let mut journal = Journal::open(&database).unwrap();
        let run = journal.begin(&[change("a")], &[]).unwrap();
        journal.add(Entry::Started { run, change: 0, undo: Vec::new() }).unwrap();
        drop(journal);
        let path = journal_path(&database);
        let text = std::fs::read(&path).unwrap();
        for cut in 0..=text.len() {
            std::fs::write(&path, &text[..cut]).unwrap();
            let mut journal = Journal::open(&database).unwrap();
            let known = journal.runs().len();
            assert_eq!(
                known,
                usize::from(cut > text.iter().position(|&byte| byte == b'\n').unwrap()),
                "{cut}"
            );
            journal.begin(&[], &[]).unwrap();
            assert_eq!(recorded_runs(&database).unwrap().len(), known + 1, "{cut}");
        }
    }

    /// A power cut may keep the end of a line and lose what is before it.
    #[test]
    fn a_last_line_with_a_hole_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("app.db");
        let mut journal = Journal::open(&database).unwrap();
        let run = journal.begin(&[change("a")], &[]).unwrap();
        let first = std::fs::read(journal_path(&database)).unwrap().len();
        journal.add(Entry::Started { run, change: 0, undo: Vec::new() }).unwrap();
        drop(journal);
        let path = journal_path(&database);
        let text = std::fs::read(&path).unwrap();
        for hole in first..text.len() {
            let mut torn = text.clone();
            torn[hole] = 0;
            std::fs::write(&path, &torn).unwrap();
            assert_eq!(recorded_runs(&database).unwrap()[0].changes[0].state, ChangeState::Waiting, "{hole}");
            let mut journal = Journal::open(&database).unwrap();
            journal.begin(&[], &[]).unwrap();
            assert_eq!(recorded_runs(&database).unwrap().len(), 2, "{hole}");
        }
        // A hole further up is no power cut of ours: what it announced may have been done.
        let mut damaged = text;
        damaged[first / 2] = 0;
        std::fs::write(&path, &damaged).unwrap();
        assert!(recorded_runs(&database).is_err() && Journal::open(&database).is_err());
    }

    #[test]
    fn a_line_that_was_written_in_part_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("app.db");
        let mut journal = Journal::open(&database).unwrap();
        let run = journal.begin(&[change("a")], &[]).unwrap();
        // What a full disk leaves of a line.
        journal.file.write_all(b"{\"event\":\"started\",\"run").unwrap();
        journal.add(Entry::Failed { run, change: 0, message: "no space".to_owned() }).unwrap();
        let state = &recorded_runs(&database).unwrap()[0].changes[0].state;
        assert_eq!(*state, ChangeState::Failed("no space".to_owned()));
    }

    #[test]
    fn what_is_no_journal_of_ours_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("app.db");
        let path = journal_path(&database);
        for (text, words) in [
            ("nonsense\n", "line 1"),
            ("{\"event\":\"begun\",\"version\":99}\n", "newer pulse"),
            ("\n{\"event\":\"unheard of\"}\n", "line 2"),
            ("{\"event\":\"begun\",\"version\":1,\"run\":-1}\n", "line 1"),
        ] {
            std::fs::write(&path, text).unwrap();
            for refused in [Journal::open(&database).unwrap_err(), recorded_runs(&database).unwrap_err()] {
                assert!(refused.to_string().contains(words), "{refused}");
            }
        }
        // Lines about runs that there are not do no harm.
        std::fs::write(&path, "{\"event\":\"undone\",\"run\":7,\"change\":9}\n").unwrap();
        assert_eq!(recorded_runs(&database).unwrap(), []);
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(Journal::open(&database).unwrap_err().to_string().contains("link"));
    }
}
