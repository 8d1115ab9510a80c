//! What a test needs of a group: a name of its own, workers, and a look from outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use pulse_model::{Histogram, Series, Snapshot};
use pulse_monitor::SharedReader;

/// A group that only this test has; its files go with it.
pub(crate) struct Service {
    pub(crate) name: String,
}

impl Service {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { name: format!("test-{}-{number}", std::process::id()) }
    }

    pub(crate) fn path(&self) -> PathBuf {
        format!("/dev/shm/pulse-{}-{}", nix::unistd::geteuid(), self.name).into()
    }

    /// A process of this service, ready to be started: what it is to do, and more words for it.
    pub(crate) fn command(&self, role: &str, words: &[&str]) -> Command {
        self.command_of(&std::env::current_exe().unwrap(), role, words)
    }

    pub(crate) fn command_of(&self, program: &Path, role: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .arg("worker")
            .arg(role)
            .args(words)
            .env("PULSE_GROUP", &self.name)
            .env_remove("INVOCATION_ID");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn start(&self, role: &str, words: &[&str]) -> Worker {
        Worker::start(&mut self.command(role, words))
    }

    pub(crate) fn reader(&self) -> SharedReader {
        SharedReader::open(&self.name).unwrap()
    }

    pub(crate) fn requests(&self) -> Histogram {
        requests(&self.reader().totals())
    }

    /// Memory that the file takes, in bytes.
    pub(crate) fn file_bytes(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        self.path().metadata().unwrap().blocks() * 512
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        for folder in [PathBuf::from("/dev/shm"), std::env::temp_dir()] {
            let _ = std::fs::remove_file(folder.join(self.path().file_name().unwrap()));
        }
    }
}

pub(crate) fn requests(snapshot: &Snapshot) -> Histogram {
    snapshot.trend(&Series::new("response_time"))
}

pub(crate) fn dropped(snapshot: &Snapshot) -> u64 {
    snapshot.counter(&Series::new("monitor_dropped"))
}

/// A process that records. It dies with its owner.
pub(crate) struct Worker {
    pub(crate) child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// Tells it to go on.
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next line that it says; empty at its end.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Reads acknowledgements, a byte for each recorded request, until there are `count`; returns how many it read.
    pub(crate) fn acknowledged(&mut self, count: usize) -> u64 {
        let mut byte = [0];
        (0..count).take_while(|_| self.output.read(&mut byte).unwrap() == 1).count() as u64
    }

    /// Kills it without warning and returns the acknowledgements that were still on their way.
    pub(crate) fn kill(mut self) -> u64 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut rest = Vec::new();
        self.output.read_to_end(&mut rest).unwrap();
        rest.len() as u64
    }

    /// Lets it end by itself, and returns what it wrote to standard error.
    pub(crate) fn end(mut self) -> String {
        drop(self.input.take());
        let mut rest = Vec::new();
        self.output.read_to_end(&mut rest).unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {said}");
        said
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
