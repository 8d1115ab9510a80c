//! A run: threads for the workers, one place where their intervals come together, events for whoever watches.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

use pulse_http::Origin;
use pulse_model::{Ending, EventKind, Interval, Nanos, RunEvent, RunInfo, Snapshot, Summary, Verdict};
use pulse_plan::{IdleStrategy, LoadModel, Plan, Scenario, Segment};

use crate::behavior::Behavior;
use crate::clock::Clock;
use crate::collector::Collector;
use crate::connect::connector;
use crate::dispatcher::Dispatcher;
use crate::endpoints::Endpoints;
use crate::host::{HostProbe, cores};
use crate::idle::chosen;
use crate::recorder::Sheets;
use crate::reflection::with_types;
use crate::steps::{FeedCursors, Steps, StepsError, endpoints};
use crate::worker::{Outbox, Sealed, WorkerPlan, work};

/// Length of the intervals of a run, where nobody needs finer ones.
pub const INTERVAL: Nanos = Nanos::from_secs(1);
/// The shortest interval; a shorter one is taken as this.
const SHORTEST_INTERVAL: Nanos = Nanos::from_millis(10);
/// Intervals of all workers that may wait for the aggregator before workers hold them back.
const MOST_WAITING: usize = 256;
/// Endpoints in all of these together, since each takes 10 KB and more; but some intervals in any case.
const MOST_WAITING_ENDPOINTS: usize = 8_192;
const SOME_WAITING: usize = 4;
/// A target may fail in the first seconds of a run without meaning anything: breaches are told from here on.
const BREACH_FROM: Nanos = Nanos::from_secs(5);

/// Tells a run to stop. Cheap to clone, safe to use from a signal handler's thread.
#[derive(Clone, Debug, Default)]
pub struct StopHandle {
    stop: Arc<AtomicBool>,
}

impl StopHandle {
    /// Starts nothing any more; running iterations get the graceful stop.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The service's URL cannot be used.
    #[error("the service's URL cannot be used: {0}")]
    Origin(#[from] pulse_http::OriginError),
    /// What is said about connections cannot be used.
    #[error(transparent)]
    Connection(#[from] pulse_plan::ConnectionError),
    /// The connection settings cannot be used.
    #[error(transparent)]
    Connector(#[from] pulse_http::ConnectorError),
    /// The service does not answer at all.
    #[error("{service} is not reachable: {failure}")]
    Unreachable {
        /// The service's URL.
        service: String,
        /// What happened.
        failure: pulse_http::Failure,
    },
    /// The types of a gRPC call are not known.
    #[error("the messages of {call} are not known: {reason}")]
    Types {
        /// Service and method.
        call: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// The plan's steps cannot be run.
    #[error(transparent)]
    Steps(#[from] StepsError),
    /// The machine refused a thread, a timer or an event queue.
    #[error("the machine refused a thread, a timer or an event queue: {0}")]
    Machine(#[from] io::Error),
}

/// A plan with what is needed to run it.
#[derive(Debug)]
pub struct Job {
    /// What should happen.
    pub plan: Arc<Plan>,
    /// Worker threads; at least one, and no more than there are users.
    pub workers: u32,
    /// The part of the plan that this process runs.
    pub segment: Segment,
    /// Length of an interval: how finely the run can be judged, and how often its events come. [`INTERVAL`] suits runs of
    /// many seconds; the least is 10 ms.
    pub interval: Nanos,
    /// What the reports say about the run; `workers`, `scenarios` and `targets` included.
    pub info: RunInfo,
}

/// Checks that the service can be reached: one connection, TLS handshake included.
pub fn probe(plan: &Plan) -> Result<(), RunError> {
    let connector = connector(&plan.service)?;
    let probe = async { connector.probe().await };
    match runtime()?.block_on(probe) {
        Ok(_) => Ok(()),
        Err(failure) => Err(RunError::Unreachable { service: plan.service.url.clone(), failure }),
    }
}

/// Runs a job to its end and returns its summary. `events` is told everything as it happens, beginning with
/// [`EventKind::Started`] and ending with [`EventKind::Finished`].
pub fn run(job: &Job, stop: &StopHandle, events: &mut dyn FnMut(RunEvent)) -> Result<Summary, RunError> {
    let plan = with_types(&job.plan, &|plan| Ok(connector(&plan.service)?.for_http2()), &runtime)?;
    let endpoints = Arc::new(endpoints(&plan));
    let loads: Vec<ScenarioLoad<'_>> = plan.scenarios.iter().map(ScenarioLoad::of).collect();
    let cursors = Arc::new(FeedCursors::new(&plan, job.segment));
    let behavior = |segment: Segment| {
        Ok(Steps::new(&plan, &endpoints, connector(&plan.service)?, Arc::clone(&cursors), segment)?)
    };
    let setup = Setup {
        loads: &loads,
        endpoints: Arc::clone(&endpoints),
        workers: job.workers,
        segment: job.segment,
        warmup: plan.warmup,
        interval: job.interval,
        idle: chosen(plan.idle, &Origin::parse(&plan.service.url)?.host, cores()),
        seed: plan.seed,
    };
    run_behavior(&setup, &behavior, job.info.clone(), stop, events)
}

/// How a scenario loads, apart from what it does.
#[derive(Clone, Copy, Debug)]
pub struct ScenarioLoad<'a> {
    /// The load model.
    pub load: &'a LoadModel,
    /// When it begins.
    pub start: Nanos,
    /// How long iterations may go on after its end.
    pub graceful_stop: Nanos,
    /// Requests that one iteration makes, for a budget of requests.
    pub requests_per_iteration: u64,
}

impl<'a> ScenarioLoad<'a> {
    /// The load of a scenario.
    pub fn of(scenario: &'a Scenario) -> Self {
        Self {
            load: &scenario.load,
            start: scenario.start,
            graceful_stop: scenario.graceful_stop,
            requests_per_iteration: scenario.requests_per_iteration(),
        }
    }

    /// The schedule for one of `workers` parts of `segment`, and its share of the budget of requests.
    fn schedule(&self, segment: Segment, worker: u32, workers: u32, seed: u64) -> (Dispatcher, Option<u64>) {
        let part = segment.part(worker, workers);
        let share = |total: u64| match self.load {
            LoadModel::Open(_) => part.share(total),
            // A worker's users do the worker's share: a worker without users must not hold any of the budget.
            LoadModel::Closed(_) => {
                let users = self.load.max_users();
                let [from, from_den, to, to_den]: [u64; 4] = part.into();
                let below =
                    |num, den| Segment::new((0, 1), (num, den)).map_or(0, |segment| segment.share(users));
                let cut =
                    |below: u64| (u128::from(total) * u128::from(below) / u128::from(users.max(1))) as u64;
                cut(below(to, to_den)) - cut(below(from, from_den))
            }
        };
        let budget = self.load.budget();
        let requests = budget.requests.map(share);
        let by_requests = requests.map(|requests| requests.div_ceil(self.requests_per_iteration.max(1)));
        let iterations = [budget.iterations.map(share), by_requests].into_iter().flatten().min();
        let dispatcher = Dispatcher::new(self.load, part, self.start, self.graceful_stop, iterations, seed);
        (dispatcher, requests)
    }
}

/// What the workers of a run have in common.
#[derive(Debug)]
pub struct Setup<'a> {
    /// The scenarios in the plan's order.
    pub loads: &'a [ScenarioLoad<'a>],
    /// Everything that has figures of its own.
    pub endpoints: Arc<Endpoints>,
    /// Worker threads.
    pub workers: u32,
    /// The part of the whole that this process runs.
    pub segment: Segment,
    /// End of the warm-up.
    pub warmup: Nanos,
    /// Length of an interval, as in [`Job::interval`].
    pub interval: Nanos,
    /// How workers wait; `Auto` spins where the rate makes it cheap, wherever the service is.
    pub idle: IdleStrategy,
    /// Seed of the arrivals.
    pub seed: u64,
}

impl Setup<'_> {
    fn interval(&self) -> Nanos {
        self.interval.max(SHORTEST_INTERVAL)
    }

    /// Iterations that all scenarios ask for in an interval; `None` where that depends on the answers.
    fn planned(&self, interval: Interval) -> Option<u64> {
        let planned_until = |at: Nanos| {
            let planned = self.loads.iter().map(|load| {
                let budget = load.load.budget();
                let counted = budget.iterations.is_some() || budget.requests.is_some();
                let length = at.since(load.start);
                (!counted).then(|| load.load.planned_iterations(Nanos::ZERO, length)).flatten()
            });
            planned.sum::<Option<f64>>().map(|sum| sum.round() as u64)
        };
        // Rounded as sums, so that a slow load does not vanish in every single interval.
        Some(planned_until(interval.to)?.saturating_sub(planned_until(interval.from)?))
    }
}

/// Runs any behavior; [`run`] is this with the steps of a plan.
pub fn run_behavior<B: Behavior>(
    setup: &Setup<'_>,
    behavior: &(dyn Fn(Segment) -> Result<B, RunError> + Sync),
    info: RunInfo,
    stop: &StopHandle,
    events: &mut dyn FnMut(RunEvent),
) -> Result<Summary, RunError> {
    let (sender, mailbox) = channel();
    let (readiness, ready) = channel();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        // A worker starts when it is told the common origin of time; should anything fail before, the senders are
        // dropped and nobody starts.
        let mut starts = Vec::new();
        let mut returns = Vec::new();
        for number in 0..setup.workers {
            let readiness = readiness.clone();
            let (start, origin) = channel();
            starts.push(start);
            let (give_back, emptied) = channel();
            returns.push(give_back);
            let outbox = Outbox { sealed: sender.clone(), emptied };
            let attend = move || {
                let part = setup.segment.part(number, setup.workers);
                let built = behavior(part).and_then(|behavior| Ok((behavior, runtime()?)));
                let (result, built) =
                    built.map_or_else(|error| (Err(error), None), |built| (Ok(()), Some(built)));
                // The receiver waits for one message of each worker.
                let _ = readiness.send(result);
                drop(readiness);
                match (built, origin.recv()) {
                    (Some((behavior, runtime)), Ok(origin)) => {
                        let clock = Clock::starting_at(origin);
                        work(setup.worker(number), behavior, clock, &stop.stop, &outbox, &runtime)
                    }
                    _ => Ok(()),
                }
            };
            let name = format!("pulse-worker-{number}");
            threads.push(thread::Builder::new().name(name).spawn_scoped(scope, attend)?);
        }
        drop((sender, readiness));
        ready.iter().collect::<Result<(), RunError>>()?;
        let origin = Instant::now();
        for start in starts {
            // A worker that is ready waits for this.
            let _ = start.send(origin);
        }
        let mut watch =
            Watch { setup, collector: Collector::new(info.clone()), events, breached: Vec::new() };
        watch.tell(Nanos::ZERO, EventKind::Started(Box::new(info)));
        watch.gather(&mailbox, &returns);
        for thread in threads {
            // A panic of a worker is our bug: it goes on in this thread, with its message.
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        let ending = if stop.is_stopped() { Ending::Interrupted } else { Ending::Finished };
        Ok(watch.finish(ending))
    })
}

impl Setup<'_> {
    fn worker(&self, number: u32) -> WorkerPlan {
        let places = self.loads.len() as u32;
        let schedule = |(place, load): (u32, &ScenarioLoad<'_>)| {
            let (dispatcher, requests) = load.schedule(self.segment, number, self.workers, self.seed);
            (dispatcher.interleaved(place, places), requests)
        };
        WorkerPlan {
            number,
            endpoints: Arc::clone(&self.endpoints),
            warmup: self.warmup,
            idle: self.idle,
            interval: self.interval(),
            most_waiting: most_waiting(self.workers, self.endpoints.endpoints.len()),
            schedules: (0..places).zip(self.loads).map(schedule).collect(),
        }
    }
}

/// Intervals of one worker that may wait for the aggregator.
fn most_waiting(workers: u32, endpoints: usize) -> usize {
    let of_endpoints = MOST_WAITING_ENDPOINTS / endpoints.max(1);
    (MOST_WAITING.min(of_endpoints) / workers.max(1) as usize).max(SOME_WAITING)
}

/// A worker's interval, taken out of its sheets.
struct Reported {
    interval: Interval,
    judged: Snapshot,
    warmup: Option<Snapshot>,
}

impl Reported {
    /// Takes an interval out of the sheets, and gives them back to the worker.
    fn of(sealed: Sealed, setup: &Setup<'_>, returns: &[Sender<Sheets>]) -> Self {
        let Sealed { worker, interval, mut sheets, own, last: _ } = sealed;
        let (mut judged, mut warmup) = sheets.seal(&setup.endpoints, setup.warmup, interval);
        // A worker that has ended takes nothing back.
        let _ = returns[worker as usize].send(sheets);
        if judged.interval.is_some() {
            judged.merge(&own);
        } else {
            warmup
                .get_or_insert_with(|| Snapshot { interval: Some(interval), ..Snapshot::default() })
                .merge(&own);
        }
        Self { interval, judged, warmup }
    }
}

/// Where the intervals of all workers come together.
struct Watch<'a, 'b> {
    setup: &'a Setup<'b>,
    collector: Collector,
    events: &'a mut dyn FnMut(RunEvent),
    /// Whether each target was told to be missed.
    breached: Vec<bool>,
}

impl Watch<'_, '_> {
    fn tell(&mut self, at: Nanos, kind: EventKind) {
        (self.events)(RunEvent { at, kind });
    }

    /// Merges what the workers send until the last one has ended.
    fn gather(&mut self, mailbox: &Receiver<Sealed>, returns: &[Sender<Sheets>]) {
        // Per worker: up to when it has reported; `None` once it has ended.
        let mut reported = vec![Some(Nanos::ZERO); self.setup.workers as usize];
        let mut waiting: Vec<Reported> = Vec::new();
        let length = self.setup.interval();
        let mut until = Nanos::ZERO;
        let mut host = HostProbe::default();
        host.read_into(until, &mut Snapshot::default());
        while let Ok(sealed) = mailbox.recv() {
            let place = &mut reported[sealed.worker as usize];
            *place = (!sealed.last).then_some(sealed.interval.to);
            waiting.push(Reported::of(sealed, self.setup, returns));
            let everyone = reported.iter().flatten().min().copied();
            let latest = waiting.iter().map(|reported| reported.interval.to).max().unwrap_or(until);
            let complete = everyone.unwrap_or(latest);
            while until < complete {
                // Whole intervals, except the end of the run.
                let next =
                    if everyone.is_none() { complete } else { Nanos(until.0 / length.0 * length.0) + length };
                if next > complete {
                    break;
                }
                let interval = Interval { from: until, to: next };
                self.merge(interval, &mut waiting, &mut host);
                until = next;
            }
        }
        if !waiting.is_empty() {
            let to = waiting.iter().map(|reported| reported.interval.to).max().unwrap_or(until);
            self.merge(Interval { from: until.min(to), to }, &mut waiting, &mut host);
        }
    }

    /// Merges everything that was sealed up to the end of the interval and tells of it.
    fn merge(&mut self, interval: Interval, waiting: &mut Vec<Reported>, host: &mut HostProbe) {
        let mut parts = waiting.extract_if(.., |reported| reported.interval.to <= interval.to);
        let first = parts.next().map_or_else(Default::default, |first| (first.judged, first.warmup));
        let (mut judged, mut warmup): (Snapshot, Option<Snapshot>) = first;
        for part in parts {
            judged.merge(&part.judged);
            if let Some(warming) = part.warmup {
                warmup.get_or_insert_default().merge(&warming);
            }
        }
        // What happened during the warm-up is read and dropped.
        let unjudged = &mut Snapshot::default();
        host.read_into(interval.to, if judged.interval.is_some() { &mut judged } else { unjudged });
        let event = self.collector.interval(interval, judged, warmup, self.setup.planned(interval));
        self.tell(interval.to, EventKind::Snapshot(Box::new(event)));
        if interval.to >= self.setup.warmup + BREACH_FROM {
            self.tell_breaches(interval.to);
        }
    }

    /// Tells of targets that are missed as of now, each once.
    fn tell_breaches(&mut self, at: Nanos) {
        let results = self.collector.judge();
        self.breached.resize(results.len(), false);
        for (number, result) in results.into_iter().enumerate() {
            if result.verdict == Verdict::Fail && !std::mem::replace(&mut self.breached[number], true) {
                let breach = EventKind::Breach(result);
                self.collector.note(at, &breach);
                self.tell(at, breach);
            }
        }
    }

    fn finish(self, ending: Ending) -> Summary {
        let summary = self.collector.finish(ending);
        (self.events)(RunEvent { at: summary.elapsed, kind: EventKind::Finished(Box::new(summary.clone())) });
        summary
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_intervals_wait_where_each_is_large() {
        for (workers, endpoints, expected) in
            [(1, 1, 256), (2, 10, 128), (2, 100, 40), (64, 1, 4), (2, 20_000, 4)]
        {
            assert_eq!(
                most_waiting(workers, endpoints),
                expected,
                "{workers} workers, {endpoints} endpoints"
            );
        }
    }
}
