//! The service that a suite starts: brought up before the cases, awaited, and stopped afterwards.
//!
//! Only processes that were started here are ever signalled: the service gets a process group of its own, and the group
//! is what is stopped.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pulse_engine::{Job, StopHandle, probe, run};
use pulse_model::{Nanos, RunInfo};
use pulse_plan::{LoadOptions, Overrides, Plan, Segment, ServiceOptions, SuiteService, UrlRequest};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::invocation::{Invocation, InvocationError};
use crate::output_tail::OutputTail;

/// Time between two questions whether the service is ready.
const POLL: Duration = Duration::from_millis(50);
/// Limit for one such question.
const POLL_TIMEOUT: Nanos = Nanos::from_secs(2);
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
        let mut child = Invocation::parse(command)?
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(fail)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let output = OutputTail::default();
        // From here on the child is stopped whatever happens, by `Drop`.
        let started = Self { command: command.to_owned(), child, output, status: None };
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
            // An error means that somebody else has waited for it: it has ended, and nobody knows how.
            self.status = self.child.try_wait().unwrap_or_else(|_| Some(ExitStatus::from_raw(0)));
        }
        self.status.map(in_words)
    }

    fn wait_until_ready(
        &mut self,
        service: &SuiteService,
        stop: &StopHandle,
    ) -> Result<(), ServiceStartError> {
        let begin = Instant::now();
        let (plan, url) = readiness(service);
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
            let Err(reason) = plan.as_ref().map_err(String::clone).and_then(is_ready) else { return Ok(()) };
            if begin.elapsed() >= Duration::from(service.ready_timeout) {
                return Err(ServiceStartError::NotReady {
                    command: self.command.clone(),
                    url,
                    timeout: service.ready_timeout,
                    reason,
                    output: self.output(),
                });
            }
            std::thread::sleep(POLL);
        }
    }

    /// Stops it: SIGTERM to its process group, and SIGKILL when that does not help within 5 s.
    pub fn stop(&mut self) {
        // The group may outlive its first process; its number is not given to others as long as a member lives, and the
        // first process stays at least as a zombie until it is waited for below.
        if self.status.is_some() {
            return;
        }
        let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) else { return };
        // An error means that nobody is left to get the signal.
        let _ = kill_process_group(group, Signal::TERM);
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if self.ended().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = kill_process_group(group, Signal::KILL);
        self.status = self.child.wait().ok();
    }
}

impl Drop for StartedService {
    fn drop(&mut self) {
        self.stop();
    }
}

fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown status".to_owned(),
    }
}

/// One request to what says whether the service is ready; with the address that is asked.
fn readiness(service: &SuiteService) -> (Result<(Plan, bool), String>, String) {
    let path = service.ready.as_deref().unwrap_or("");
    let base = service.url.trim_end_matches('/');
    let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
    let url = format!("{base}{slash}{path}");
    let overrides = Overrides {
        service: ServiceOptions {
            url: Some(url.clone()),
            timeout: Some(POLL_TIMEOUT),
            connect_timeout: Some(POLL_TIMEOUT),
            insecure: Some(service.plan.insecure),
            ca_certificate: service.plan.ca_certificate.clone(),
            expect: "200-399".parse().ok(),
            ..ServiceOptions::default()
        },
        load: LoadOptions { users: Some(1), iterations: Some(1), ..LoadOptions::default() },
        targets: Vec::new(),
    };
    let plan = Plan::for_url(&UrlRequest::default(), &overrides).map_err(|error| error.to_string());
    (plan.map(|plan| (plan, service.ready.is_some())), url)
}

/// Whether the service answers; else why not.
fn is_ready((plan, ask): &(Plan, bool)) -> Result<(), String> {
    if !ask {
        return probe(plan).map_err(|error| error.to_string());
    }
    let job = Job {
        plan: Arc::new(plan.clone()),
        workers: 1,
        segment: Segment::WHOLE,
        info: RunInfo { workers: 1, ..RunInfo::default() },
    };
    let summary = run(&job, &StopHandle::default(), &mut |_| {}).map_err(|error| error.to_string())?;
    if summary.requests() > summary.failed() {
        return Ok(());
    }
    let seen = summary.totals.sightings.first().map(|sighting| sighting.message.clone());
    Err(seen.unwrap_or_else(|| "it did not answer".to_owned()))
}
