//! What a case does, ready to be run in batches by the engine.

use std::sync::Arc;

use pulse_engine::{
    Behavior, Endpoints, Job, RunError, ScenarioLoad, Setup, StopHandle, connection_notices, cores,
    host_info, probe, run, run_behavior,
};
use pulse_http::TlsOptions;
use pulse_model::{Estimate, Nanos, RunEvent, RunInfo, ScenarioInfo, Subject, Summary};
use pulse_plan::{
    Budget, Case, CaseKind, CaseLimits, Closed, IdleStrategy, LoadModel, Missed, Open, Plan, Profile, Segment,
};

use crate::command::TimedCommand;
use crate::database::{DatabaseCase, DatabaseError, TimedDatabase};
use crate::invocation::InvocationError;
use crate::websocket::{Messages, WebSocketError};

/// How long iterations may go on once a case is stopped.
const GRACEFUL_STOP: Nanos = Nanos::from_secs(5);
/// Length of the intervals of a case: a case of a second has ten of them.
pub(crate) const INTERVAL: Nanos = Nanos::from_millis(100);
/// Time for `WebSocket`s to connect before messages count: at least this, …
const CONNECT_TIME: Nanos = Nanos::from_secs(1);
/// … and this much more for each of them.
const CONNECT_TIME_EACH: Nanos = Nanos::from_millis(2);

/// Why a case cannot be run at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaseError {
    /// The engine refused.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The command line.
    #[error(transparent)]
    Command(#[from] InvocationError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The WebSocket.
    #[error(transparent)]
    WebSocket(#[from] WebSocketError),
}

/// A case, prepared.
#[derive(Debug)]
pub(crate) enum Work {
    Load { plan: Arc<Plan>, warmup: Option<Arc<Plan>> },
    Degradation { few: Arc<Plan>, many: Arc<Plan> },
    Command { command: TimedCommand, load: Load, warmup_rounds: u32 },
    Database { database: TimedDatabase, load: Load },
    WebSocket { messages: Messages, load: Load },
}

/// The load of a case that is no plan.
#[derive(Debug)]
pub(crate) struct Load {
    model: LoadModel,
    endpoints: Arc<Endpoints>,
    warmup: Nanos,
}

/// Who is told what happens.
pub(crate) type Events<'a> = &'a mut dyn FnMut(RunEvent);

impl Work {
    /// Checks everything that can be checked before anything is measured.
    pub(crate) fn prepare(case: &Case, limits: &CaseLimits) -> Result<Self, CaseError> {
        Ok(match &case.kind {
            CaseKind::Load(plan) => {
                probe(plan)?;
                let plan = if judges_passes(case) { Plan::clone(plan) } else { lengthened(plan, limits) };
                Self::Load { plan: Arc::new(plan), warmup: case.warmup.clone().map(Arc::new) }
            }
            CaseKind::Degradation { few, many } => {
                probe(many)?;
                Self::Degradation { few: Arc::new(Plan::clone(few)), many: Arc::new(Plan::clone(many)) }
            }
            CaseKind::Command { command, rounds, warmup_rounds, timeout } => Self::Command {
                command: TimedCommand::new(command, *timeout)?,
                load: Load::rounds(*rounds, TimedCommand::endpoints(command)),
                warmup_rounds: *warmup_rounds,
            },
            CaseKind::Database { url, setup, statements, rounds, cold } => {
                let database = TimedDatabase::open(DatabaseCase { url, setup, statements, cold: *cold })?;
                let load = Load::rounds(*rounds, database.endpoints());
                Self::Database { database, load }
            }
            CaseKind::WebSocket { url, tls, connections, messages, interval, payload, timeout } => {
                let tls = TlsOptions {
                    insecure: tls.insecure,
                    ca_certificate_pem: tls.ca_certificate.clone(),
                    ..TlsOptions::default()
                };
                Self::WebSocket {
                    messages: Messages::new(url, tls, payload, *timeout)?,
                    load: Load::messages(*connections, *messages, *interval),
                }
            }
        })
    }

    /// What runs once before the first batch; returns the requests it made.
    pub(crate) fn warm_up(&self, stop: &StopHandle) -> Result<u64, RunError> {
        let summary = match self {
            Self::Load { warmup: Some(plan), .. } => run(&job(plan), stop, &mut |_| {})?,
            Self::Command { command, load, warmup_rounds: rounds @ 1.. } => {
                load.with_rounds(*rounds).run(command, stop, &mut |_| {})?
            }
            // The first pass fills the connection's cache.
            Self::Database { database, load } if database.is_warm() => {
                load.with_rounds(1).run(&database.behavior(), stop, &mut |_| {})?
            }
            _ => return Ok(0),
        };
        Ok(summary.requests() + summary.warmup_requests)
    }

    /// The part of a batch that others are compared with; `None` for kinds without one.
    pub(crate) fn run_reference(
        &self,
        stop: &StopHandle,
        events: Events<'_>,
    ) -> Option<Result<Summary, RunError>> {
        match self {
            Self::Degradation { few, .. } => Some(run(&job(few), stop, events)),
            _ => None,
        }
    }

    /// One batch.
    pub(crate) fn run(&self, stop: &StopHandle, events: Events<'_>) -> Result<Summary, RunError> {
        match self {
            Self::Load { plan, .. } | Self::Degradation { many: plan, .. } => run(&job(plan), stop, events),
            Self::Command { command, load, .. } => load.run(command, stop, events),
            Self::Database { database, load } => load.run(&database.behavior(), stop, events),
            Self::WebSocket { messages, load } => load.run_made(&|_| messages.behavior(), stop, events),
        }
    }

    /// What the reports say about the case's load.
    pub(crate) fn info(&self, case: &Case, service: &str) -> RunInfo {
        let plan = match self {
            Self::Load { plan, .. } | Self::Degradation { many: plan, .. } => Some(plan),
            _ => None,
        };
        let scenarios = match self {
            Self::Load { plan, .. } => plan.scenario_info(),
            Self::Degradation { few, many } => [few.scenario_info(), many.scenario_info()].concat(),
            Self::Command { load, .. } | Self::Database { load, .. } | Self::WebSocket { load, .. } => {
                load.scenario_info()
            }
        };
        RunInfo {
            scenarios,
            duration: plan.and_then(|plan| plan.duration()),
            warmup: plan.map_or(self.own_warmup(), |plan| plan.warmup),
            workers: plan.map_or(1, |plan| workers(plan)),
            seed: plan.map_or(0, |plan| plan.seed),
            notices: plan.map_or_else(Vec::new, |plan| connection_notices(&plan.service)),
            ..info(case, service)
        }
    }

    fn own_warmup(&self) -> Nanos {
        if let Self::WebSocket { load, .. } = self { load.warmup } else { Nanos::ZERO }
    }
}

/// What the reports say about a case, whatever it does.
pub(crate) fn info(case: &Case, service: &str) -> RunInfo {
    RunInfo {
        kind: "test".to_owned(),
        name: case.info.name.clone(),
        service: service.to_owned(),
        targets: case.targets.clone(),
        started: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: host_info(),
        ..RunInfo::default()
    }
}

/// Whether each batch is a sample of its own.
fn judges_passes(case: &Case) -> bool {
    case.targets.iter().any(|target| target.subject == Subject::Estimate(Estimate::Duration))
}

/// The same plan with all the requests that the case may take: a batch ends when the case is decided, and fewer batches
/// mean fewer new connections among what is measured.
fn lengthened(plan: &Plan, limits: &CaseLimits) -> Plan {
    let mut plan = plan.clone();
    if let [scenario] = plan.scenarios.as_mut_slice()
        && limits.max_samples != u64::MAX
        && let LoadModel::Closed(Closed { budget, .. }) | LoadModel::Open(Open { budget, .. }) =
            &mut scenario.load
        && let Some(requests) = &mut budget.requests
    {
        *requests = limits.max_samples;
    }
    plan
}

/// A worker without users would only cost: no more workers than the smallest scenario has users.
fn workers(plan: &Plan) -> u32 {
    let fewest = plan.scenarios.iter().map(|scenario| scenario.load.max_users()).min().unwrap_or(1);
    cores().min(u32::try_from(fewest).unwrap_or(u32::MAX)).max(1)
}

fn job(plan: &Arc<Plan>) -> Job {
    let workers = workers(plan);
    let info = RunInfo {
        scenarios: plan.scenario_info(),
        warmup: plan.warmup,
        workers,
        seed: plan.seed,
        ..RunInfo::default()
    };
    Job { plan: Arc::clone(plan), workers, segment: Segment::WHOLE, interval: INTERVAL, info }
}

impl Load {
    /// One user, so many times, one after another.
    fn rounds(rounds: u32, endpoints: Arc<Endpoints>) -> Self {
        let budget = Budget { iterations: Some(u64::from(rounds)), ..Budget::default() };
        let users = Profile::constant(1.0, None);
        let model = LoadModel::Closed(Closed { users, pacing: None, missed: Missed::CatchUp, budget });
        Self { model, endpoints, warmup: Nanos::ZERO }
    }

    fn with_rounds(&self, rounds: u32) -> Self {
        Self::rounds(rounds, Arc::clone(&self.endpoints))
    }

    /// So many connections with so many messages each, after the time for connecting.
    fn messages(connections: u32, messages: u32, interval: Nanos) -> Self {
        let endpoints = Messages::endpoints();
        let count = f64::from(connections);
        if interval == Nanos::ZERO {
            // The first iteration of each only connects.
            let total = u64::from(connections) * (u64::from(messages) + 1);
            let budget = Budget { iterations: Some(total), ..Budget::default() };
            let users = Profile::constant(count, None);
            let model = LoadModel::Closed(Closed { users, pacing: None, missed: Missed::CatchUp, budget });
            return Self { model, endpoints, warmup: Nanos::ZERO };
        }
        // A connection has its first moment within the first interval, so that nobody is late for the first message.
        let warmup = interval.max(CONNECT_TIME + CONNECT_TIME_EACH.times(u64::from(connections)));
        let length = warmup + interval.times(u64::from(messages));
        let users = Profile::constant(count, Some(length));
        let budget = Budget::default();
        let model =
            LoadModel::Closed(Closed { users, pacing: Some(interval), missed: Missed::CatchUp, budget });
        Self { model, endpoints, warmup }
    }

    fn scenario_info(&self) -> Vec<ScenarioInfo> {
        let users = self.model.max_users();
        let name = self.endpoints.scenarios.first().map(ToString::to_string).unwrap_or_default();
        let load = format!("closed, {users} user{}", if users == 1 { "" } else { "s" });
        let planned_iterations = self.model.budget().iterations;
        vec![ScenarioInfo { name, load, users, planned_iterations, ..ScenarioInfo::default() }]
    }

    fn run<B: Behavior + Clone + Sync>(
        &self,
        behavior: &B,
        stop: &StopHandle,
        events: Events<'_>,
    ) -> Result<Summary, RunError> {
        self.run_made(&|_| Ok(behavior.clone()), stop, events)
    }

    /// With a behavior that the worker makes for itself.
    fn run_made<B: Behavior>(
        &self,
        make: &(dyn Fn(Segment) -> Result<B, RunError> + Sync),
        stop: &StopHandle,
        events: Events<'_>,
    ) -> Result<Summary, RunError> {
        let loads = [ScenarioLoad {
            load: &self.model,
            start: Nanos::ZERO,
            graceful_stop: GRACEFUL_STOP,
            requests_per_iteration: 1,
        }];
        let setup = Setup {
            loads: &loads,
            endpoints: Arc::clone(&self.endpoints),
            workers: 1,
            segment: Segment::WHOLE,
            warmup: self.warmup,
            interval: INTERVAL,
            idle: IdleStrategy::Sleep,
            seed: 0,
        };
        let info = RunInfo { scenarios: self.scenario_info(), warmup: self.warmup, ..RunInfo::default() };
        run_behavior(&setup, make, info, stop, events)
    }
}
