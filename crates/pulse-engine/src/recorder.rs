//! What a worker writes down: arrays by endpoint, no locks, no allocation per request.

use std::sync::Arc;

use pulse_model::{
    Aggregate, FailureKind, Histogram, Interval, Nanos, Rate, Series, Sighting, Snapshot, metric, tag,
};

use crate::connections::Connections;
use crate::endpoints::{EndpointId, Endpoints, SCENARIO_COUNTERS, scenario_series};
use crate::extras::ExtraSheet;
use crate::phases::{PhaseSheet, Phases};

/// Status codes that have a counter of their own: 0 to 599 and one for everything else.
const STATUSES: usize = 601;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestEnd<'a> {
    /// As expected.
    Ok,
    /// It failed: the class, and a message for people.
    Failed {
        /// Stable name of the class, for example `timeout`.
        class: &'static str,
        /// What happened, without secrets.
        message: &'a str,
    },
}

/// The measurement of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'a> {
    /// When it was due.
    pub(crate) intended: Nanos,
    /// When it was actually begun, connecting included.
    pub(crate) started: Nanos,
    /// When its last byte had come, or it had failed.
    pub(crate) finished: Nanos,
    /// How it ended.
    pub(crate) end: RequestEnd<'a>,
    /// HTTP status; 0 when none came.
    pub(crate) status: u16,
    /// Bytes written.
    pub(crate) bytes_sent: u64,
    /// Bytes read.
    pub(crate) bytes_received: u64,
    /// Connections opened for it; more than one where it had to be sent again.
    pub(crate) connections: Connections,
    /// How long the last of them took, name resolution and TLS included.
    pub(crate) connect: Option<Nanos>,
    /// Where its service time went; `None` for what was not answered or has no phases.
    pub(crate) phases: Option<Phases>,
    /// Kept connections that turned out to be closed and were opened again.
    pub(crate) reconnects: u64,
    /// Redirects that were followed.
    pub(crate) redirects: u64,
}

/// A worker's current interval.
#[derive(Debug)]
pub(crate) struct Recorder {
    endpoints: Arc<Endpoints>,
    /// End of the warm-up: what was due before is kept apart.
    warmup: Nanos,
    sheets: Sheets,
}

/// What is written down in one interval. Worker and aggregator hand a few of them to and fro: the worker goes on with an empty
/// one at once, and the aggregator makes the snapshot, which takes hundreds of microseconds in which no answer would be read.
#[derive(Debug)]
pub(crate) struct Sheets {
    judged: Sheet,
    warming: Sheet,
}

/// One set of figures.
#[derive(Debug)]
struct Sheet {
    touched: bool,
    endpoints: Vec<EndpointSheet>,
    scenarios: Vec<ScenarioSheet>,
    sightings: Vec<Sighting>,
}

#[derive(Debug)]
struct EndpointSheet {
    /// Response and service time of successes, then of failures.
    response: [Histogram; 2],
    service: [Histogram; 2],
    connect: Histogram,
    phases: PhaseSheet,
    connections: Connections,
    statuses: Box<[u64]>,
    failures: Vec<(&'static str, u64)>,
    checks: Vec<Rate>,
    bytes_sent: u64,
    bytes_received: u64,
    reconnects: u64,
    extras: ExtraSheet,
    redirects: u64,
}

#[derive(Debug)]
struct ScenarioSheet {
    start_lag: Histogram,
    dispatch_lag: Histogram,
    iteration_time: Histogram,
    counters: [u64; SCENARIO_COUNTERS.len()],
}

impl Sheet {
    fn new(endpoints: &Endpoints) -> Self {
        Self {
            touched: false,
            endpoints: endpoints
                .endpoints
                .iter()
                .map(|endpoint| EndpointSheet {
                    response: Default::default(),
                    service: Default::default(),
                    connect: Histogram::default(),
                    phases: PhaseSheet::default(),
                    connections: Connections::default(),
                    statuses: vec![0; STATUSES].into(),
                    failures: Vec::new(),
                    checks: vec![Rate::default(); endpoint.checks.len()],
                    bytes_sent: 0,
                    bytes_received: 0,
                    reconnects: 0,
                    extras: ExtraSheet::new(&endpoint.extras),
                    redirects: 0,
                })
                .collect(),
            scenarios: endpoints
                .scenarios
                .iter()
                .map(|_| ScenarioSheet {
                    start_lag: Histogram::default(),
                    dispatch_lag: Histogram::default(),
                    iteration_time: Histogram::default(),
                    counters: [0; SCENARIO_COUNTERS.len()],
                })
                .collect(),
            sightings: Vec::new(),
        }
    }
}

impl Recorder {
    pub(crate) fn new(endpoints: Arc<Endpoints>, warmup: Nanos) -> Self {
        let sheets = Sheets::new(&endpoints);
        Self { endpoints, warmup, sheets }
    }

    /// Hands out what was recorded since the last time, and goes on with `empty` ones; with new ones where there are none.
    pub(crate) fn swap(&mut self, empty: Option<Sheets>) -> Sheets {
        let empty = empty.unwrap_or_else(|| Sheets::new(&self.endpoints));
        std::mem::replace(&mut self.sheets, empty)
    }

    /// The sheet for what was due at `due`.
    fn sheet(&mut self, due: Nanos) -> &mut Sheet {
        let sheet = if due < self.warmup { &mut self.sheets.warming } else { &mut self.sheets.judged };
        sheet.touched = true;
        sheet
    }

    /// Writes down a request of an iteration that was due at `due`.
    pub(crate) fn request(&mut self, id: EndpointId, due: Nanos, sample: &Sample<'_>) {
        let endpoint = &mut self.sheet(due).endpoints[id.0 as usize];
        let failed = usize::from(sample.end != RequestEnd::Ok);
        endpoint.response[failed].record(sample.finished.since(sample.intended).0);
        endpoint.service[failed].record(sample.finished.since(sample.started).0);
        endpoint.bytes_sent += sample.bytes_sent;
        endpoint.bytes_received += sample.bytes_received;
        endpoint.redirects += sample.redirects;
        if let Some(connect) = sample.connect {
            endpoint.connect.record(connect.0);
        }
        if let Some(phases) = &sample.phases {
            endpoint.phases.record(phases);
        }
        if sample.status > 0 {
            endpoint.statuses[usize::from(sample.status).min(STATUSES - 1)] += 1;
        }
        if let RequestEnd::Failed { class, message } = sample.end {
            match endpoint.failures.iter_mut().find(|(known, _)| *known == class) {
                Some((_, count)) => *count += 1,
                None => endpoint.failures.push((class, 1)),
            }
            self.sight(id, due, class, sample.finished, message);
        }
        // Connections are no judged figure: most are opened in the warm-up, and leaving them out would look like none.
        if sample.connections.total() + sample.reconnects > 0 {
            self.sheets.judged.touched = true;
            let endpoint = &mut self.sheets.judged.endpoints[id.0 as usize];
            endpoint.connections.add(&sample.connections);
            endpoint.reconnects += sample.reconnects;
        }
    }

    /// Writes down the outcome of a check.
    pub(crate) fn check(&mut self, id: EndpointId, due: Nanos, check: usize, passed: bool) {
        let rate = &mut self.sheet(due).endpoints[id.0 as usize].checks[check];
        rate.total += 1;
        rate.hits += u64::from(passed);
    }

    /// Records a value of one of the endpoint's further trends.
    pub(crate) fn extra_trend(&mut self, id: EndpointId, due: Nanos, place: usize, value: u64) {
        self.sheet(due).endpoints[id.0 as usize].extras.trend(place, value);
    }

    /// Adds to one of the endpoint's further counters.
    pub(crate) fn extra_count(&mut self, id: EndpointId, due: Nanos, place: usize, n: u64) {
        self.sheet(due).endpoints[id.0 as usize].extras.count(place, n);
    }

    /// Writes down a start: how late it was, and how much of that is the generator's own doing.
    pub(crate) fn start(&mut self, scenario: usize, due: Nanos, ready: Nanos, now: Nanos) {
        let sheet = &mut self.sheet(due).scenarios[scenario];
        sheet.start_lag.record(now.since(due).0);
        sheet.dispatch_lag.record(now.since(ready).0);
    }

    /// Writes down a completed iteration.
    pub(crate) fn iteration(&mut self, scenario: usize, due: Nanos, finished: Nanos) {
        self.sheet(due).scenarios[scenario].iteration_time.record(finished.since(due).0);
    }

    /// Adds to one of [`SCENARIO_COUNTERS`].
    pub(crate) fn count(&mut self, scenario: usize, due: Nanos, metric: &str, n: u64) {
        let place = SCENARIO_COUNTERS.iter().position(|&name| name == metric);
        let place = place.expect("a metric of SCENARIO_COUNTERS");
        self.sheet(due).scenarios[scenario].counters[place] += n;
    }

    /// Remembers when a kind of failure was seen. Failures are not the hot path: a linear search over few kinds.
    fn sight(&mut self, id: EndpointId, due: Nanos, class: &'static str, at: Nanos, message: &str) {
        let endpoints = Arc::clone(&self.endpoints);
        let name = endpoints.name(id);
        let sightings = &mut self.sheet(due).sightings;
        let known =
            sightings.iter().position(|known| known.kind.class == class && known.kind.endpoint == name);
        match known {
            Some(known) => sightings[known].last = at,
            None if sightings.len() < Sighting::KINDS => {
                let kind = FailureKind { endpoint: name.to_owned(), class: class.to_owned() };
                sightings.push(Sighting::once(kind, at, message));
            }
            None => {}
        }
    }
}

impl Sheets {
    fn new(endpoints: &Endpoints) -> Self {
        Self { judged: Sheet::new(endpoints), warming: Sheet::new(endpoints) }
    }

    /// Takes everything out, so that they are empty again: the judged part, and the warm-up's if there is one.
    pub(crate) fn seal(
        &mut self,
        endpoints: &Endpoints,
        warmup: Nanos,
        interval: Interval,
    ) -> (Snapshot, Option<Snapshot>) {
        let judged_from = interval.from.max(warmup.min(interval.to));
        let mut judged = self.judged.seal(endpoints, Interval { from: judged_from, ..interval });
        if interval.to <= warmup {
            // Nothing of the judged time has passed, whatever was counted.
            judged.interval = None;
        }
        let warming = self
            .warming
            .touched
            .then(|| self.warming.seal(endpoints, interval))
            .filter(|snapshot| !snapshot.series.is_empty());
        (judged, warming)
    }
}

impl Sheet {
    fn seal(&mut self, endpoints: &Endpoints, interval: Interval) -> Snapshot {
        let mut snapshot = Snapshot { interval: Some(interval), ..Snapshot::default() };
        if interval.length() == Nanos::ZERO && !self.touched {
            return Snapshot::default();
        }
        if std::mem::take(&mut self.touched) {
            for (endpoint, sheet) in endpoints.endpoints.iter().zip(&mut self.endpoints) {
                sheet.seal(&mut snapshot, |metric| endpoint.series(metric), &endpoint.checks);
                sheet.extras.seal(&mut snapshot, &endpoint.extras, |metric| endpoint.series(metric));
            }
            for (scenario, sheet) in endpoints.scenarios.iter().zip(&mut self.scenarios) {
                sheet.seal(&mut snapshot, scenario);
            }
            for sighting in self.sightings.drain(..) {
                snapshot.sight(&sighting);
            }
        }
        snapshot
    }
}

impl EndpointSheet {
    fn seal(&mut self, snapshot: &mut Snapshot, series: impl Fn(&str) -> Series, checks: &[Arc<str>]) {
        for (failed, outcome) in ["ok", "failed"].into_iter().enumerate() {
            let tagged = |metric| series(metric).with(tag::OUTCOME, outcome);
            seal_trend(snapshot, || tagged(metric::RESPONSE_TIME), &mut self.response[failed]);
            seal_trend(snapshot, || tagged(metric::SERVICE_TIME), &mut self.service[failed]);
        }
        self.connections.seal(snapshot, &series);
        seal_trend(snapshot, || series(metric::CONNECT_TIME), &mut self.connect);
        self.phases.seal(snapshot, &series);
        for (status, count) in self.statuses.iter_mut().enumerate() {
            let name = || if status == STATUSES - 1 { "other".to_owned() } else { status.to_string() };
            seal_counter(snapshot, || series(metric::RESPONSES).with(tag::STATUS, &name()), count);
        }
        for (class, count) in &mut self.failures {
            seal_counter(snapshot, || series(metric::FAILURES).with(tag::CLASS, class), count);
        }
        for (name, rate) in checks.iter().zip(&mut self.checks) {
            if rate.total > 0 {
                let rate = Aggregate::Rate(std::mem::take(rate));
                snapshot.add(series(metric::CHECKS).with(tag::CHECK, name), rate);
            }
        }
        seal_counter(snapshot, || series(metric::BYTES_SENT), &mut self.bytes_sent);
        seal_counter(snapshot, || series(metric::BYTES_RECEIVED), &mut self.bytes_received);
        seal_counter(snapshot, || series(metric::RECONNECTS), &mut self.reconnects);
        seal_counter(snapshot, || series(metric::REDIRECTS), &mut self.redirects);
    }
}

impl ScenarioSheet {
    fn seal(&mut self, snapshot: &mut Snapshot, scenario: &Arc<str>) {
        for (metric, trend) in [
            (metric::START_LAG, &mut self.start_lag),
            (metric::DISPATCH_LAG, &mut self.dispatch_lag),
            (metric::ITERATION_TIME, &mut self.iteration_time),
        ] {
            seal_trend(snapshot, || scenario_series(scenario, metric), trend);
        }
        for (metric, count) in SCENARIO_COUNTERS.into_iter().zip(&mut self.counters) {
            seal_counter(snapshot, || scenario_series(scenario, metric), count);
        }
    }
}

fn seal_trend(snapshot: &mut Snapshot, series: impl Fn() -> Series, trend: &mut Histogram) {
    if !trend.is_empty() {
        snapshot.add(series(), Aggregate::Trend(trend.clone()));
        trend.clear();
    }
}

fn seal_counter(snapshot: &mut Snapshot, series: impl Fn() -> Series, count: &mut u64) {
    if *count > 0 {
        snapshot.count(series(), std::mem::take(count));
    }
}
