//! Looking at a job while it runs: the server, and what follows a load for it.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pulse_engine::Collector;
use pulse_live::{Feed, Output, Server, ServerConfig, ServerError};
use pulse_model::{Ending, EventKind, RunEvent, RunInfo, Snapshot, Summary};
use pulse_report::{Html, NO_PAGE};

use crate::problem::Problem;

/// Bytes of a token that is made up.
const TOKEN_BYTES: usize = 16;

/// Follows a load by its events, as a replay of its recording would: what the dashboard shows is what the report will say.
pub(crate) struct Follower {
    so_far: Arc<Mutex<SoFar>>,
}

/// What was seen of a load.
enum SoFar {
    Running(Box<Collector>),
    Finished(Box<Summary>),
}

impl Follower {
    /// Has seen nothing yet of what is going to happen.
    pub(crate) fn new(info: RunInfo) -> Self {
        Self { so_far: Arc::new(Mutex::new(SoFar::Running(Box::new(Collector::new(info))))) }
    }

    /// What a server serves of it.
    pub(crate) fn feed(&self) -> Feed {
        let (totals, summary) = (Arc::clone(&self.so_far), Arc::clone(&self.so_far));
        Feed {
            totals: Arc::new(move || lock(&totals).totals()),
            summary: Arc::new(move |_| {
                let so_far = lock(&summary).clone();
                so_far.summary()
            }),
            window: None,
        }
    }
}

impl Output for Follower {
    fn event(&mut self, event: &RunEvent) -> io::Result<()> {
        let mut so_far = lock(&self.so_far);
        match (&mut *so_far, &event.kind) {
            (SoFar::Running(collector), EventKind::Snapshot(interval)) => collector.replay(interval),
            (_, EventKind::Finished(summary)) => *so_far = SoFar::Finished(summary.clone()),
            (SoFar::Running(collector), other) => collector.note(event.at, other),
            (SoFar::Finished(_), _) => {}
        }
        Ok(())
    }
}

impl Clone for SoFar {
    fn clone(&self) -> Self {
        match self {
            Self::Running(collector) => Self::Running(collector.clone()),
            Self::Finished(summary) => Self::Finished(summary.clone()),
        }
    }
}

impl SoFar {
    fn totals(&self) -> Snapshot {
        match self {
            Self::Running(collector) => collector.totals().clone(),
            Self::Finished(summary) => summary.totals.clone(),
        }
    }

    /// The summary, of a load under way as if it were stopped now.
    fn summary(self) -> Summary {
        match self {
            Self::Running(collector) => collector.finish(Ending::Interrupted),
            Self::Finished(summary) => *summary,
        }
    }
}

/// What a panic has left behind is still what was seen until then.
fn lock<T>(so_far: &Mutex<T>) -> MutexGuard<'_, T> {
    so_far.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves a feed; returns the server with what people should know of it. `flag` is what an error names.
pub(crate) fn serve(
    flag: &str,
    address: SocketAddr,
    token: Option<&str>,
    feed: Feed,
) -> Result<(Server, String), Problem> {
    let made_up = token.is_none() && !address.ip().is_loopback();
    let token = if made_up { Some(random_token()?) } else { token.map(str::to_owned) };
    let config = ServerConfig { address, token: token.clone() };
    let server = Server::start(&config, feed).map_err(|error| match error {
        ServerError::Thread(_) => Problem::internal(error),
        _ => Problem::usage(format!("{flag}: {error}")),
    })?;
    let url = server.url();
    let query = token.filter(|_| made_up).map(|token| format!("?token={token}")).unwrap_or_default();
    let dashboard = if Html::is_there() {
        format!("Dashboard: {url}/{query}\n")
    } else {
        format!("No dashboard: {NO_PAGE}\n")
    };
    let with = if query.is_empty() { String::new() } else { format!(", with {query}") };
    Ok((server, format!("{dashboard}Serving {url}/metrics and {url}/api/summary{with}\n")))
}

/// A token that nobody can guess.
fn random_token() -> Result<String, Problem> {
    let mut bytes = [0; TOKEN_BYTES];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| {
        Problem::internal(format!("no token can be made up here ({error}); give one with --token"))
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
