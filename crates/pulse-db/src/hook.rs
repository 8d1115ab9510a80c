//! Records what a program asks SQLite through `rusqlite`, in the format of workload files.
//!
//! ```
//! use pulse_db::hook::{Recorder, RecorderConfig};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("app.jsonl");
//! let recorder = Recorder::create(&path, &RecorderConfig::default())?;
//! let mut connection = rusqlite::Connection::open_in_memory()?;
//! recorder.attach(&mut connection)?;
//! connection.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1);")?;
//! let recorded = recorder.finish()?;
//! assert_eq!((recorded.calls, recorded.lost_calls), (2, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It never disturbs the program: statements go through a bounded queue to a thread that writes them, and what finds no room
//! in the queue or in the file is counted instead.

mod tap;

use std::fs::{File, OpenOptions};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::trace::TraceEventCodes;

use crate::workload::{Header, StatementLine, WorkloadWriter};
use tap::Tap;

/// Statements that wait to be written.
const QUEUE_LENGTH: usize = 4096;
/// Bytes of their texts.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;
/// How long the file may lag behind.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// How statements are recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecorderConfig {
    /// Size of the file beyond which calls are only counted.
    pub max_bytes: u64,
    /// Whether values of parameters are written, in the statements' texts. They are often personal, but without them the cost of
    /// a statement is a guess.
    pub has_values: bool,
}

/// 64 MiB, with values.
impl Default for RecorderConfig {
    fn default() -> Self {
        Self { max_bytes: 64 * 1024 * 1024, has_values: true }
    }
}

/// Why nothing can be recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecorderError {
    /// There is such a file already.
    #[error("{} exists already and was left as it is: choose another name, or remove it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("cannot record statements in {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// What was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Calls that are in the file.
    pub calls: u64,
    /// Calls that are not.
    pub lost_calls: u64,
}

/// Records the statements of connections, until it is finished or dropped.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    queue: Arc<Queue>,
    writing: Option<JoinHandle<std::io::Result<Recorded>>>,
    has_values: bool,
}

/// The way from connections to the writing thread.
#[derive(Debug)]
struct Queue {
    sender: SyncSender<Message>,
    waiting_bytes: AtomicUsize,
    lost_calls: AtomicU64,
}

#[derive(Debug)]
enum Message {
    Call(StatementLine),
    End,
}

impl Recorder {
    /// Creates the file, which only its owner can read, and begins to wait for statements.
    ///
    /// # Errors
    /// When there is such a file already, or it cannot be written.
    pub fn create(path: impl Into<PathBuf>, config: &RecorderConfig) -> Result<Self, RecorderError> {
        let path = path.into();
        let refused = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AlreadyExists => RecorderError::Exists { path: path.clone() },
            _ => RecorderError::File { path: path.clone(), source },
        };
        let file = create_private(&path).map_err(refused)?;
        let header = header(config.has_values);
        let mut writer =
            WorkloadWriter::new(BufWriter::new(file), header, config.max_bytes).map_err(refused)?;
        writer.flush().map_err(refused)?;
        let (sender, receiver) = sync_channel(QUEUE_LENGTH);
        let queue =
            Arc::new(Queue { sender, waiting_bytes: AtomicUsize::new(0), lost_calls: AtomicU64::new(0) });
        let work = {
            let queue = Arc::clone(&queue);
            move || write(writer, &receiver, &queue)
        };
        let writing =
            std::thread::Builder::new().name("pulse-recorder".to_owned()).spawn(work).map_err(refused)?;
        Ok(Self { path, queue, writing: Some(writing), has_values: config.has_values })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From now on every statement of this connection is recorded.
    ///
    /// SQLite has room for one observer per connection: this one takes the place of another, see [`Self::attach_with`].
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn attach(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        self.attach_with(connection, |_, _| {})
    }

    /// The same, and tells somebody else the text and the duration of every statement.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn attach_with(
        &self,
        connection: &mut Connection,
        also: impl FnMut(&str, Duration) + Send + 'static,
    ) -> rusqlite::Result<()> {
        let queue = Arc::clone(&self.queue);
        let mut tap = Tap::new(self.has_values, move |line| queue.push(line), also);
        let events = TraceEventCodes::SQLITE_TRACE_STMT | TraceEventCodes::SQLITE_TRACE_PROFILE;
        connection.trace_v2(events, Some(move |event: rusqlite::trace::TraceEvent<'_>| tap.note(&event)))
    }

    /// Writes what is still waiting. Connections that are still open are recorded no longer.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<Recorded, RecorderError> {
        self.end().map_err(|source| RecorderError::File { path: self.path.clone(), source })
    }

    fn end(&mut self) -> std::io::Result<Recorded> {
        let Some(writing) = self.writing.take() else {
            return Ok(Recorded::default());
        };
        // Without a receiver the thread has ended already.
        let _ = self.queue.sender.send(Message::End);
        writing.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread that writes has failed")))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Who wants to know calls `finish`.
        let _ = self.end();
    }
}

impl Queue {
    fn push(&self, line: StatementLine) {
        let (bytes, calls) = (line.statement.len(), line.calls);
        let has_room = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= QUEUE_BYTES;
        let is_taken = has_room
            && match self.sender.try_send(Message::Call(line)) {
                Ok(()) => true,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
            };
        if !is_taken {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.lost_calls.fetch_add(calls, Ordering::Relaxed);
        }
    }
}

/// The work of the thread.
fn write(
    mut writer: WorkloadWriter<BufWriter<File>>,
    receiver: &Receiver<Message>,
    queue: &Queue,
) -> std::io::Result<Recorded> {
    let mut calls = 0;
    // What could not be written; the calls that follow are still counted.
    let mut failure = None;
    loop {
        match receiver.recv_timeout(FLUSH_EVERY) {
            Ok(Message::Call(line)) => {
                queue.waiting_bytes.fetch_sub(line.statement.len(), Ordering::Relaxed);
                calls += line.calls;
                if failure.is_none() {
                    failure = writer.write(line).err();
                } else {
                    writer.lose(line.calls);
                }
            }
            Err(RecvTimeoutError::Timeout) => failure = failure.or_else(|| writer.flush().err()),
            Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let calls = calls - writer.lost_calls();
    writer.lose(queue.lost_calls.load(Ordering::Relaxed));
    let lost_calls = writer.lost_calls();
    match failure {
        Some(failure) => Err(failure),
        None => writer.finish().map(|_| Recorded { calls, lost_calls }),
    }
}

/// A new file that only its owner can read: statements may hold personal values.
fn create_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn header(has_values: bool) -> Header {
    Header { dialect: "sqlite".to_owned(), recorded: format!("{:.3}", jiff::Timestamp::now()), has_values }
}

#[cfg(test)]
mod tests;
