//! Where the measured code comes from: what git says, and the name of this machine.

use std::fs;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pulse_suite::Origin;

/// How long git may take; a repository on a sleeping network drive must not keep a report.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of an answer.
const MAX_ANSWER: u64 = 1 << 16;

/// The origin of the current folder. Outside a repository, and without git, only the machine is known.
pub(crate) fn origin() -> Origin {
    let commit = git(&["rev-parse", "HEAD"]).filter(|commit| !commit.is_empty());
    let branch = git(&["symbolic-ref", "--short", "--quiet", "HEAD"]).filter(|branch| !branch.is_empty());
    let dirty = commit.is_some() && git(&["status", "--porcelain"]).is_some_and(|files| !files.is_empty());
    Origin { commit, branch, dirty, machine: machine() }
}

/// When the commit was made and written, RFC 3339.
pub(crate) fn commit_times() -> Option<(String, String)> {
    let times = git(&["show", "--no-patch", "--format=%cI %aI", "HEAD"])?;
    times.split_once(' ').map(|(committed, written)| (committed.to_owned(), written.to_owned()))
}

/// The name of this machine; empty when it has none.
fn machine() -> String {
    let name =
        fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname"));
    let name = name.ok().or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    name.trim().chars().filter(|c| !c.is_control()).take(200).collect()
}

/// What git answers, trimmed; `None` when it fails, takes too long, or is not there.
fn git(arguments: &[&str]) -> Option<String> {
    let mut child = Command::new("git")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .env("GIT_OPTIONAL_LOCKS", "0")
        .spawn()
        .ok()?;
    let output = child.stdout.take()?;
    let (sender, answer) = mpsc::channel();
    // The thread ends with its pipe, that is with the child.
    thread::spawn(move || {
        let mut text = String::new();
        let read = output.take(MAX_ANSWER).read_to_string(&mut text);
        // Nobody waits any more: nothing is lost.
        let _ = sender.send(read.map(|_| text));
    });
    let text = answer.recv_timeout(PATIENCE);
    if text.is_err() {
        // It may have ended by itself meanwhile.
        let _ = child.kill();
    }
    // What was longer than is read ends with a broken pipe, and is an answer all the same.
    let status = child.wait().ok()?;
    let text = text.ok()?.ok()?;
    (status.success() || text.len() as u64 == MAX_ANSWER).then(|| text.trim().to_owned())
}
