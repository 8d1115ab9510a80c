//! A suite: a service, and cases with targets that it must meet.

use pulse_model::{CaseInfo, Nanos, Target};

use crate::{Plan, Service};

/// A service and the cases that it must pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Suite {
    /// Title for people: the file's `name`, or the file's name without extension.
    pub name: String,
    /// What is tested.
    pub service: SuiteService,
    /// The cases in the order of the file; at least one, except for a `pulse.toml` that only describes the service.
    pub cases: Vec<Case>,
}

/// What a suite tests, and how it is brought up. Paths and commands are taken from the directory in which the suite is
/// run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteService {
    /// Base URL of the service, for display and reachability; without user name and password.
    pub url: String,
    /// Command line that starts the service, for the shell; `None` when it runs already, or when a flag gives another
    /// URL.
    pub start: Option<String>,
    /// Whether a service that is ready already is taken as it is, and none started.
    pub reuse: bool,
    /// Path, after that of the URL, that is asked before the first case until it answers with a status from 200 to 399;
    /// `None`: until the port accepts connections.
    pub ready: Option<String>,
    /// How long the service may take until it is ready; 30 s by default.
    pub ready_timeout: Nanos,
    /// The process whose memory and CPU time are watched.
    pub process: ProcessSelector,
    /// Timeouts, TLS and the statuses that count as success.
    pub plan: Service,
}

impl SuiteService {
    /// A service that runs already, of which no more is known than how to reach it.
    pub fn running(plan: Service) -> Self {
        Self {
            url: plan.url.clone(),
            start: None,
            reuse: false,
            ready: None,
            ready_timeout: Nanos::from_secs(30),
            process: ProcessSelector::default(),
            plan,
        }
    }
}

/// The process that serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProcessSelector {
    /// The one that [`SuiteService::start`] starts, with its children.
    Started,
    /// The one with this number.
    Pid(u32),
    /// The one whose number stands in this file.
    PidFile(String),
    /// The one that listens on the port of the service's URL.
    #[default]
    Port,
}

/// One case: what is done, and what must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Name, group, marks, kind, and where it stands. `attempts` and `requests_saved` are 0.
    pub info: CaseInfo,
    /// What must hold; at least one, none of them contradicts another, and the kind can provide all of them. The plans
    /// of the kind have the same ones.
    pub targets: Vec<Target>,
    /// What is done.
    pub kind: CaseKind,
    /// How much of it.
    pub limits: CaseLimits,
    /// What runs once before, with all its figures thrown away; only for [`CaseKind::Load`]. (A warm-up that is a part
    /// of a load with a duration is [`Plan::warmup`] instead.)
    pub warmup: Option<Plan>,
}

/// How much a case measures before its verdict.
///
/// The plans of a case are one *batch*. It is repeated, and what it measured is merged, until all targets are decided or
/// the budget is used up. A target that is surely missed ends the case at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaseLimits {
    /// Samples before which nothing passes: requests, runs of a command, statements, messages. `u64::MAX` for a batch
    /// that is never cut short because the whole of it is the test (ramps).
    pub min_samples: u64,
    /// With so many the case ends, once `min_duration` is over; at least `min_samples`, and `u64::MAX` when only time
    /// ends the case.
    pub max_samples: u64,
    /// The same for a case that is compared with a baseline, or is to be one: what the file says, else `u64::MAX`, since only
    /// time shall end such a case before its figures are known.
    pub max_samples_compared: u64,
    /// Time before which nothing passes, counted from the first batch: the duration that a load was given.
    pub min_duration: Nanos,
    /// When the case ends, decided or not, counted from the first batch; at least `min_duration`. Requests that are
    /// under way then are awaited.
    pub max_duration: Nanos,
}

/// What a case does.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a suite has few cases, and boxes would be in every reader's way"
)]
pub enum CaseKind {
    /// Requests, run by the engine: response time, distribution, tool execution, concurrency, memory.
    ///
    /// With a target for `duration`, the plan is one pass (unless it is a load over time), so that its length is one
    /// sample of the duration.
    Load(Plan),
    /// The same requests under little and under much load; the 95th percentiles are compared.
    Degradation {
        /// Few users.
        few: Plan,
        /// Many users; targets other than `degradation` are about these.
        many: Plan,
    },
    /// A program that is timed; an exit status other than 0 is a failure.
    Command {
        /// Command line for the shell, as written.
        command: String,
        /// Timed runs of a batch, at least 1.
        rounds: u32,
        /// Runs before, whose times are thrown away.
        warmup_rounds: u32,
        /// Limit for one run.
        timeout: Nanos,
    },
    /// SQL statements that are timed one by one.
    Database {
        /// `sqlite:PATH`, or `sqlite::memory:`.
        url: String,
        /// Statements that prepare the database, once, untimed. Each text may hold several.
        setup: Vec<String>,
        /// Statements that are timed; at least one.
        statements: Vec<String>,
        /// Passes over the statements in a batch, at least 1.
        rounds: u32,
        /// Every pass on a new connection with empty caches, instead of on one warm connection.
        cold: bool,
    },
    /// Messages over WebSocket connections whose answers are timed.
    WebSocket {
        /// Absolute `ws` or `wss` URL.
        url: String,
        /// What to trust under `wss`.
        tls: WebSocketTls,
        /// Connections that are open at the same time, at least 1.
        connections: u32,
        /// Messages on each of them in a batch, at least 1.
        messages: u32,
        /// Time between the sends of a connection.
        interval: Nanos,
        /// Text of each message. [`MESSAGE_ID`] in it stands for a number that no other message of the case has, and
        /// the answer is what comes back with the same number; without it every message that comes back is taken as
        /// the answer to the oldest open one.
        payload: String,
        /// A message without an answer for so long is lost.
        timeout: Nanos,
    },
}

/// What a WebSocket over TLS trusts: what the service of the suite does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebSocketTls {
    /// Any certificate is taken.
    pub insecure: bool,
    /// Authorities that are trusted besides the system's, in PEM.
    pub ca_certificate: Option<Vec<u8>>,
}

/// What stands for the number of a message in the payload of a WebSocket case.
pub const MESSAGE_ID: &str = "${id}";

impl CaseKind {
    /// The plans that the engine runs for this case; none for kinds that it does not run.
    pub fn plans(&self) -> Vec<&Plan> {
        match self {
            Self::Load(plan) => vec![plan],
            Self::Degradation { few, many } => vec![few, many],
            Self::Command { .. } | Self::Database { .. } | Self::WebSocket { .. } => Vec::new(),
        }
    }
}
