//! Watching something from outside: a service's metrics, a process, a group of processes that share a monitor.
//!
//! A [`Source`] gives readings: everything that was counted so far. [`Watcher`] makes intervals of them, which is pure
//! arithmetic; [`Watch`] reads once in a while, judges, and tells. It lives in the program and not in a crate of its own
//! because it is where crates of several layers meet (client, monitor, formats, collector, statistics) and nothing else
//! needs it.

mod coarse;
mod http;
mod memory;
mod process;
mod shared;
mod watch;
mod watcher;

use std::collections::BTreeMap;
use std::sync::Arc;

use pulse_export::LeftOut;
use pulse_model::{Series, Snapshot};

use crate::problem::Problem;

pub(crate) use http::HttpSource;
pub(crate) use process::ProcessSource;
pub(crate) use shared::SharedSource;
pub(crate) use watch::{Watch, WatchPlan, lock};

/// Everything that was counted so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// Without an interval: the watcher knows when it was read.
    pub(crate) totals: Snapshot,
    /// Who counts, where that can be told: another one began at zero.
    pub(crate) counter: Option<String>,
    /// Of trends that came in buckets of the service's own: their bounds.
    pub(crate) bounds: BTreeMap<Series, Arc<[u64]>>,
    /// What the service says and the totals do not.
    pub(crate) left_out: Vec<LeftOut>,
}

/// Why there is no reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// Nobody answers; that may change.
    Unreachable(String),
    /// What is there cannot be used; that may change, too.
    Unusable(String),
    /// What was watched has ended and will not come back.
    Ended(String),
}

impl ReadError {
    /// In words, with the next step.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Unreachable(text) | Self::Unusable(text) | Self::Ended(text) => text,
        }
    }

    /// Of a watch that cannot even begin.
    pub(crate) fn problem(&self) -> Problem {
        match self {
            Self::Unreachable(text) => Problem::unreachable(text),
            Self::Unusable(text) | Self::Ended(text) => Problem::usage(text),
        }
    }
}

/// What is watched.
pub(crate) enum Source {
    /// Metrics that a service shows.
    Http(Box<HttpSource>),
    /// A process with its children.
    Process(Box<ProcessSource>),
    /// The memory that a service's processes share.
    Shared(Box<SharedSource>),
}

impl Source {
    /// How people call it: a URL without a password, `process 4711 (python)`, `shm:orders`.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Http(source) => source.name(),
            Self::Process(source) => source.name(),
            Self::Shared(source) => source.name(),
        }
    }

    /// Everything that was counted so far.
    pub(crate) fn read(&mut self) -> Result<Reading, ReadError> {
        match self {
            Self::Http(source) => source.read(),
            Self::Process(source) => source.read(),
            Self::Shared(source) => source.read(),
        }
    }

    /// Whether it can say anything about requests.
    pub(crate) fn has_requests(&self) -> bool {
        !matches!(self, Self::Process(_))
    }
}
