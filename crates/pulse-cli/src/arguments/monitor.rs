//! `pulse monitor`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use pulse_model::{Nanos, Subject, Target};

use super::dashboard::address;
use super::{AccessFlags, WhenInconclusive};
use crate::problem::Problem;
use crate::report_files::ReportRequest;

/// Shortest and longest time between two looks.
const EVERY: [Nanos; 2] = [Nanos::from_millis(100), Nanos::from_secs(3600)];
/// Shortest and longest window.
const WINDOW: [Nanos; 2] = [Nanos::from_secs(5), Nanos::from_secs(3600)];

/// Arguments of `pulse monitor`.
#[derive(Args, Clone, Debug)]
pub(crate) struct MonitorArguments {
    /// What to watch: a URL (without a path it asks /metrics), the number of a process, or shm:GROUP.
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,
    /// End after so long, for example 5m; without it Ctrl-C ends the watch.
    #[arg(long = "for", value_name = "D")]
    pub(crate) length: Option<Nanos>,
    /// Time between two looks.
    #[arg(long, value_name = "D", default_value = "1s")]
    pub(crate) every: Nanos,
    /// The last part of the watch that live figures and live judgements are about.
    #[arg(long, value_name = "D", default_value = "60s")]
    pub(crate) window: Nanos,
    /// Show the watch in a browser and serve /metrics and /api/summary, at 127.0.0.1:9900 or another address or port.
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:9900", value_parser = address)]
    pub(crate) serve: Option<SocketAddr>,
    /// What clients of --serve must know; one is made up for addresses that others can reach.
    #[arg(long, value_name = "TOKEN", requires = "serve")]
    pub(crate) token: Option<String>,
    /// What must hold over the whole watch, for example "p95 < 200ms"; repeatable.
    #[arg(short, long = "target", value_name = "TARGET")]
    pub(crate) targets: Vec<Target>,
    /// Report to write at the end: text|json|csv|md|junit|html|svg|png=PATH; repeatable; - is standard output.
    #[arg(short, long = "out", value_name = "FORMAT=PATH")]
    pub(crate) out: Vec<ReportRequest>,
    /// Keep the events of the watch in a file, for `pulse report`.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// What an inconclusive target means for the exit code.
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub(crate) inconclusive: WhenInconclusive,
    /// Nothing to look at while it runs.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Limit for one answer of the service.
    #[arg(long, value_name = "D", default_value = "5s", help_heading = "Request")]
    pub(crate) timeout: Nanos,
    #[command(flatten)]
    pub(crate) access: AccessFlags,
}

/// What is to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MonitorSource {
    /// A service's metrics.
    Url(String),
    /// A process by its number.
    Process(u32),
    /// Processes that share a monitor.
    Group(String),
}

impl MonitorArguments {
    /// What is to be watched.
    pub(crate) fn what(&self) -> Result<MonitorSource, Problem> {
        let text = self.source.trim();
        let source = if text.contains("://") {
            MonitorSource::Url(text.to_owned())
        } else if let Some(group) = text.strip_prefix("shm:").filter(|group| !group.is_empty()) {
            MonitorSource::Group(group.to_owned())
        } else if let Ok(pid) = text.parse() {
            MonitorSource::Process(pid)
        } else {
            return Err(Problem::usage(format!(
                "`{text}` is nothing that can be watched: write a URL (http://{}), the number of a process (`pgrep NAME` \
                 finds it), or shm:GROUP",
                if text.is_empty() { "127.0.0.1:8000" } else { text }
            )));
        };
        if !matches!(source, MonitorSource::Url(_)) && self.access.is_given() {
            return Err(Problem::usage(
                "header fields, credentials and certificates go with a URL; nothing is asked of a process or a group",
            ));
        }
        Ok(source)
    }

    /// Checks what does not depend on the source.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.length.is_some_and(|length| length < self.every) {
            return Err(Problem::usage(format!(
                "--for must not be shorter than the time between two looks, {}; for example --for 5m",
                self.every
            )));
        }
        for (flag, value, [least, most]) in
            [("--every", self.every, EVERY), ("--window", self.window, WINDOW)]
        {
            if value < least || value > most {
                return Err(Problem::usage(format!(
                    "{flag} must lie between {least} and {most}, not {value}"
                )));
            }
        }
        if self.timeout == Nanos::ZERO {
            return Err(Problem::usage("--timeout must be longer than 0s; for example --timeout 5s"));
        }
        if let Some(conflict) = pulse_plan::target_conflict(&self.targets) {
            return Err(Problem::usage(format!(
                "{conflict}; keep one of them, or give a limit that can be met"
            )));
        }
        let measured = |target: &&Target| {
            matches!(target.subject, Subject::Estimate(_) | Subject::Dropped | Subject::Checks)
        };
        match self.targets.iter().find(measured) {
            Some(target) => Err(Problem::usage(format!(
                "`{target}` is about something that a watch does not know; it knows the times of requests and statements, \
                 errors, success and throughput"
            ))),
            None => Ok(()),
        }
    }
}
