//! A case that times a program: every run is a request of the engine, from its start to its end.

use std::cell::Cell;
use std::os::unix::process::CommandExt as _;
use std::pin::pin;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{Either, FusedFuture as _, FutureExt as _, join, select};
use pulse_engine::{
    Behavior, Clock, EndpointId, Endpoints, Iteration, Measurement, Outcome, RequestEnd, VirtualUser,
};
use pulse_model::{Nanos, Tags};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;

use crate::invocation::{Invocation, InvocationError};
use crate::output_tail::OutputTail;

/// Class of a run that did not end with exit status 0.
const EXIT: &str = "exit_status";
/// Class of a run that took longer than it may.
const TIMEOUT: &str = "timeout";
/// Class of a run that did not begin.
const SPAWN: &str = "not_started";
/// How long is waited for the last output of a run that failed.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Class and message.
type Failure = (&'static str, String);

/// A program that is run over and over.
#[derive(Clone, Debug)]
pub(crate) struct TimedCommand {
    invocation: Invocation,
    timeout: Nanos,
}

impl TimedCommand {
    /// Reads the command line; each run may take `timeout`, and is killed beyond it.
    pub(crate) fn new(command: &str, timeout: Nanos) -> Result<Self, InvocationError> {
        Ok(Self { invocation: Invocation::parse(command)?, timeout })
    }

    /// The table with the program's one endpoint.
    pub(crate) fn endpoints(command: &str) -> Arc<Endpoints> {
        let scenario: Arc<str> = "command".into();
        let name: String =
            command.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
        let mut endpoints = Endpoints { scenarios: vec![Arc::clone(&scenario)], ..Endpoints::default() };
        endpoints.add(&scenario, &name.into(), Tags::new(), Vec::new());
        Arc::new(endpoints)
    }
}

impl Behavior for TimedCommand {
    type User = CommandUser;

    fn user(&self, _scenario: usize, _number: u64) -> CommandUser {
        CommandUser { command: self.clone() }
    }

    fn sweep(&self, _now: Instant) {}

    fn next_deadline(&self) -> Option<Instant> {
        None
    }
}

/// Runs the program once per iteration.
#[derive(Debug)]
pub(crate) struct CommandUser {
    command: TimedCommand,
}

impl VirtualUser for CommandUser {
    async fn iterate(&mut self, iteration: &mut Iteration<'_>) -> Outcome {
        if !iteration.take_request() {
            return Outcome::Cut;
        }
        let clock = iteration.clock();
        let started = clock.now();
        let (finished, result) = self.run(clock).await;
        let failure = result.err();
        let end = match &failure {
            None => RequestEnd::Ok,
            Some((class, message)) => RequestEnd::Failed { class, message },
        };
        iteration.record(EndpointId(0), unconnected(started, finished, end));
        Outcome::Completed
    }
}

/// A measurement of something that is not a request over a network.
pub(crate) fn unconnected(started: Nanos, finished: Nanos, end: RequestEnd<'_>) -> Measurement<'_> {
    Measurement::bare(started, finished, end)
}

impl CommandUser {
    /// One run: when it ended, and class and message when it failed.
    async fn run(&self, clock: Clock) -> (Nanos, Result<(), Failure>) {
        let tail = OutputTail::default();
        let mut command = self.command.invocation.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut command = tokio::process::Command::from(command);
        let mut child = match command.kill_on_drop(true).spawn() {
            Ok(child) => child,
            Err(error) => return (clock.now(), Err((SPAWN, format!("it could not be started: {error}")))),
        };
        let group = Group { leader: child.id(), is_over: Cell::new(false) };
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut reading = pin!(join(follow(stdout, &tail), follow(stderr, &tail)).fuse());
        let waiting = async {
            // The end of the program counts, not that of a child which keeps the pipes open.
            match select(&mut reading, pin!(child.wait())).await {
                Either::Left((_, waiting)) => waiting.await,
                Either::Right((status, _)) => status,
            }
        };
        let waited = tokio::time::timeout(self.command.timeout.into(), waiting).await;
        let finished = clock.now();
        let Ok(status) = waited else {
            let message = format!("it ran longer than {}{}", self.command.timeout, shown(&tail));
            return (finished, Err((TIMEOUT, message)));
        };
        group.is_over.set(true);
        let reason = match status {
            Ok(status) if status.success() => return (finished, Ok(())),
            Ok(status) => status.to_string(),
            Err(error) => format!("nobody knows how it ended: {error}"),
        };
        // What it wrote last may still be in the pipes.
        if !reading.is_terminated() {
            let _ = tokio::time::timeout(LAST_WORDS, reading).await;
        }
        (finished, Err((EXIT, format!("{reason}{}", shown(&tail)))))
    }
}

fn shown(tail: &OutputTail) -> String {
    let text = tail.text();
    if text.is_empty() { "; it wrote nothing".to_owned() } else { format!("; its last output: {text}") }
}

async fn follow<R: tokio::io::AsyncRead + Unpin>(pipe: Option<R>, tail: &OutputTail) {
    let Some(mut pipe) = pipe else { return };
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut piece).await {
        tail.push(&piece[..count]);
    }
}

/// The process group of a run: killed as a whole when the run is given up, so that no child of the program stays behind.
struct Group {
    leader: Option<u32>,
    is_over: Cell<bool>,
}

impl Drop for Group {
    fn drop(&mut self) {
        let leader = self.leader.and_then(|leader| Pid::from_raw(i32::try_from(leader).ok()?));
        if let (Some(leader), false) = (leader, self.is_over.get()) {
            // The leader has not been waited for, so that the number is still its own.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
