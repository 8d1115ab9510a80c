//! The service that a suite starts: brought up before the cases, awaited, and stopped afterwards.
//!
//! Only processes that were started here are ever signalled: the service gets a process group of its own, and the group
//! is what is stopped. A group keeps its number for as long as its first process has not been waited for, so that is
//! done last: until then the signals can only reach what was started here.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use pulse_engine::StopHandle;
use pulse_model::Nanos;
use pulse_plan::SuiteService;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::invocation::{Invocation, InvocationError};
use crate::output_tail::OutputTail;
use crate::readiness::Question;

/// Names the running program in the service's environment, so that a suite can start something with the same one.
const PROGRAM: &str = "PULSE";
/// Time between two questions whether the service is ready.
const POLL: Duration = Duration::from_millis(50);
/// How long a service may take to end after SIGTERM before it gets SIGKILL.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a service could not be brought up.
#[derive(Debug, thiserror::Error)]
pub enum ServiceStartError {
    /// The command line cannot be used.
    #[error("the service cannot be started: {0}")]
    Command(#[from] InvocationError),
    /// The program could not be started.
    #[error("`{command}` could not be started: {source}")]
    Spawn {
        /// The command line.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("`{command}` ended before it was ready ({status}){}", shown(output))]
    Ended {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it wrote.
        output: String,
    },
    /// It did not become ready in time.
    #[error(
        "`{command}` was not ready at {url} within {timeout}: {reason}; give it more time with ready_timeout, or another \
         path with ready{}",
        shown(output)
    )]
    NotReady {
        /// The command line.
        command: String,
        /// What was asked.
        url: String,
        /// How long was waited.
        timeout: Nanos,
        /// What came of the last question.
        reason: String,
        /// The end of what it wrote.
        output: String,
    },
    /// The user stopped the suite while waiting.
    #[error("stopped while the service was starting")]
    Interrupted,
}

fn shown(output: &str) -> String {
    if output.is_empty() { String::new() } else { format!("\nIts last output:\n{output}") }
}

/// A service that was started here. Dropping it stops it.
#[derive(Debug)]
pub struct StartedService {
    command: String,
    child: Child,
    output: OutputTail,
    status: Option<ExitStatus>,
    is_stopped: bool,
}

impl StartedService {
    /// Starts the service of a suite and waits until it is ready; `None` when the suite starts none.
    pub fn start(service: &SuiteService, stop: &StopHandle) -> Result<Option<Self>, ServiceStartError> {
        let Some(command) = &service.start else { return Ok(None) };
        let mut started = Self::spawn(command)?;
        started.wait_until_ready(service, stop)?;
        Ok(Some(started))
    }

    fn spawn(command: &str) -> Result<Self, ServiceStartError> {
        let fail = |source| ServiceStartError::Spawn { command: command.to_owned(), source };
        let mut invocation = Invocation::parse(command)?.command();
        if let Ok(program) = std::env::current_exe() {
            invocation.env(PROGRAM, program);
        }
        let mut child = invocation
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(fail)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let output = OutputTail::default();
        // From here on the child is stopped whatever happens, by `Drop`.
        let started = Self { command: command.to_owned(), child, output, status: None, is_stopped: false };
        stdout.map_or(Ok(()), |pipe| started.output.follow(pipe)).map_err(fail)?;
        stderr.map_or(Ok(()), |pipe| started.output.follow(pipe)).map_err(fail)?;
        Ok(started)
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The end of what it has written.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// How it ended, in words; `None` while it runs.
    pub fn ended(&mut self) -> Option<String> {
        if self.status.is_none() {
            self.status = self.group().and_then(status);
        }
        self.status.map(in_words)
    }

    fn wait_until_ready(
        &mut self,
        service: &SuiteService,
        stop: &StopHandle,
    ) -> Result<(), ServiceStartError> {
        let begin = Instant::now();
        let question = Question::whether_ready(service);
        loop {
            if let Some(status) = self.ended() {
                // What it wrote last may still be in the pipe.
                std::thread::sleep(POLL);
                let (command, output) = (self.command.clone(), self.output());
                return Err(ServiceStartError::Ended { command, status, output });
            }
            if stop.is_stopped() {
                return Err(ServiceStartError::Interrupted);
            }
            let Err(reason) = question.ask() else { return Ok(()) };
            if begin.elapsed() >= Duration::from(service.ready_timeout) {
                return Err(ServiceStartError::NotReady {
                    command: self.command.clone(),
                    url: question.url,
                    timeout: service.ready_timeout,
                    reason,
                    output: self.output(),
                });
            }
            std::thread::sleep(POLL);
        }
    }

    fn group(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// Stops it: SIGTERM to its process group, and SIGKILL to what is left of the group when its first process has ended,
    /// or has not within 5 s.
    pub fn stop(&mut self) {
        let Some(group) = self.group().filter(|_| !self.is_stopped) else { return };
        self.is_stopped = true;
        // An error means that nobody is left to get the signal.
        let _ = kill_process_group(group, Signal::TERM);
        let begin = Instant::now();
        while self.ended().is_none() && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = kill_process_group(group, Signal::KILL);
        let status = self.child.wait().ok();
        self.status = self.status.or(status);
    }
}

impl Drop for StartedService {
    fn drop(&mut self) {
        self.stop();
    }
}

/// How a child has ended, which it is not released from: it stays until it is waited for. `None` while it runs.
fn status(child: Pid) -> Option<ExitStatus> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    // An error means that somebody else has waited for it: it has ended, and nobody knows how.
    let Ok(seen) = waitid(WaitId::Pid(child), options) else { return Some(ExitStatus::from_raw(0)) };
    let seen = seen?;
    let code = seen.exit_status().map(|code| (code & 0xff) << 8);
    Some(ExitStatus::from_raw(code.or_else(|| seen.terminating_signal()).unwrap_or_default()))
}

fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown status".to_owned(),
    }
}
