//! Everything that reports derive from a summary, computed once and the same for every format.

use std::collections::BTreeMap;

use pulse_model::{
    Aggregate, Histogram, Nanos, Rate, Series, Summary, failed_requests, metric, metric_group,
    spinning_cores, tag,
};

use crate::messages::{self, Messages};
use crate::monitor_text::is_monitor;
use crate::spread::Spread;

/// The derived figures of a summary.
pub(crate) struct Figures<'a> {
    pub(crate) summary: &'a Summary,
    pub(crate) failed: u64,
    /// Requests per second of the judged part; `None` when it has no length.
    pub(crate) throughput: Option<f64>,
    pub(crate) response: Spread,
    pub(crate) service: Spread,
    pub(crate) start_lag: Spread,
    /// The part of the start lag that is the generator's own doing.
    pub(crate) dispatch_lag: Spread,
    /// How late the main loops of the workers turned; none of what has no such loop.
    pub(crate) loop_lag: Spread,
    pub(crate) connect: Spread,
    /// Connections opened, by version of HTTP as registered for TLS (ALPN).
    pub(crate) protocols: Vec<(&'a str, u64)>,
    /// TLS handshakes: full ones, and those that continued an earlier session.
    pub(crate) handshakes: [u64; 2],
    /// In the order of [`metric_group::PHASES`].
    pub(crate) phases: Phases,
    /// Largest relative error of a quantile, from the histogram's schema; `None` where they are interpolated within buckets
    /// of a watched service's own.
    pub(crate) quantile_error: Option<f64>,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) scenarios: Vec<Scenario<'a>>,
    pub(crate) errors: Vec<ErrorClass<'a>>,
    /// Answers by status, in the order of the status.
    pub(crate) statuses: Vec<(&'a str, u64)>,
    pub(crate) checks: Vec<(&'a str, Rate)>,
    pub(crate) iterations: Iterations,
    /// Of the endpoints that send or receive messages.
    pub(crate) messages: Vec<Messages>,
}

/// Where the service time of requests went, by phase.
pub(crate) type Phases = [Spread; metric_group::PHASES.len()];

/// The figures of one endpoint.
pub(crate) struct Endpoint {
    pub(crate) name: String,
    pub(crate) failed: u64,
    pub(crate) rate: Option<f64>,
    pub(crate) response: Spread,
    pub(crate) service: Spread,
    /// In the order of [`metric_group::PHASES`].
    pub(crate) phases: Phases,
    /// Its share of the time that all requests took together, 0 to 1.
    pub(crate) time_share: f64,
}

/// A scenario as planned, with what it did.
pub(crate) struct Scenario<'a> {
    pub(crate) name: &'a str,
    pub(crate) load: &'a str,
    pub(crate) requests: u64,
    pub(crate) failed: u64,
}

/// The failures of one class over all endpoints.
pub(crate) struct ErrorClass<'a> {
    pub(crate) class: &'a str,
    pub(crate) count: u64,
    pub(crate) first: Option<Nanos>,
    pub(crate) last: Option<Nanos>,
    /// Endpoint and message of the earliest failure that was kept.
    pub(crate) sample: Option<(&'a str, &'a str)>,
}

/// What became of the iterations that the schedule asked for.
#[derive(Clone, Copy)]
pub(crate) struct Iterations {
    pub(crate) due: u64,
    pub(crate) started: u64,
    pub(crate) dropped: u64,
    pub(crate) missed: u64,
    pub(crate) cut: u64,
}

/// How the workers of a run waited for their moments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Idle {
    /// Asleep.
    Sleep,
    /// Asleep until just before a moment, then awake: so many cores were spent on that.
    Spin(f64),
}

impl Idle {
    /// Its word, as on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Sleep => "sleep",
            Self::Spin(_) => "spin",
        }
    }
}

impl<'a> Figures<'a> {
    pub(crate) fn of(summary: &'a Summary) -> Self {
        let response_time = summary.response_time();
        let response = Spread::of(&response_time);
        let spread = |name| Spread::of(&summary.totals.trend(&Series::new(name)));
        let gamma = 2_f64.powf(0.5_f64.powi(i32::from(response_time.schema().get())));
        Self {
            summary,
            failed: summary.failed(),
            throughput: per_second(summary, response.count),
            service: spread(metric::SERVICE_TIME),
            start_lag: spread(metric::START_LAG),
            dispatch_lag: spread(metric::DISPATCH_LAG),
            loop_lag: spread(metric::LOOP_LAG),
            connect: spread(metric::CONNECT_TIME),
            protocols: protocols(summary),
            handshakes: ["full", "resumed"].map(|kind| {
                summary.totals.counter(&Series::new(metric::TLS_HANDSHAKES).with(tag::KIND, kind))
            }),
            phases: metric_group::PHASES.map(spread),
            quantile_error: (!is_coarse(summary)).then_some((gamma - 1.0) / (gamma + 1.0)),
            endpoints: in_order(endpoints(summary, response.sum), &summary.run.kind),
            scenarios: scenarios(summary),
            errors: errors(summary),
            statuses: statuses(summary),
            checks: summary.checks(),
            iterations: Iterations {
                due: summary.counter(metric::DUE_ITERATIONS),
                started: summary.counter(metric::ITERATIONS),
                dropped: summary.counter(metric::DROPPED_ITERATIONS),
                missed: summary.counter(metric::MISSED_ITERATIONS),
                cut: summary.counter(metric::CUT_ITERATIONS),
            },
            messages: messages::of(summary),
            response,
        }
    }

    /// `None` where there were no workers.
    pub(crate) fn idle(&self) -> Option<Idle> {
        let cores = spinning_cores(&self.summary.totals);
        let idle = if cores > 0.0 { Idle::Spin(cores) } else { Idle::Sleep };
        (self.loop_lag.count > 0).then_some(idle)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.response.count
    }

    pub(crate) fn successful(&self) -> u64 {
        self.requests().saturating_sub(self.failed)
    }

    /// Events per second of the judged part; `None` when it has no length.
    pub(crate) fn per_second(&self, events: u64) -> Option<f64> {
        per_second(self.summary, events)
    }

    /// Iterations per second that the plan asked for in the judged part; `None` when that has no length.
    ///
    /// Arrivals at steady rates ask for their rate, whatever a random law made of it. Everything else asks for what
    /// came due while the plan was running: the answers that are waited for at its end do not make it any longer.
    pub(crate) fn planned_rate(&self) -> Option<f64> {
        let run = &self.summary.run;
        let rates = run.scenarios.iter().map(|scenario| scenario.rate.filter(|_| scenario.steady));
        if let Some(rate) = rates.sum::<Option<f64>>()
            && rate > 0.0
        {
            return Some(rate);
        }
        let judged = self.summary.judged();
        let planned = run.duration.map_or(judged, |duration| duration.since(run.warmup).min(judged));
        let seconds = planned.as_secs_f64();
        (seconds > 0.0).then(|| self.iterations.due as f64 / seconds)
    }

    /// Requests per user; `None` for open models, whose users are a pool of changing size.
    pub(crate) fn requests_per_user(&self) -> Option<f64> {
        let scenarios = &self.summary.run.scenarios;
        let users: u64 = scenarios.iter().map(|scenario| scenario.users).sum();
        let open = scenarios.iter().any(|scenario| scenario.rate.is_some());
        (users > 0 && !open).then(|| self.requests() as f64 / users as f64)
    }
}

fn per_second(summary: &Summary, events: u64) -> Option<f64> {
    let seconds = summary.judged().as_secs_f64();
    (seconds > 0.0).then(|| events as f64 / seconds)
}

fn is_coarse(summary: &Summary) -> bool {
    summary.findings.iter().any(|finding| finding.code == "coarse_buckets")
}

/// Of a watched service those come first that take most of the time: they are what to look at.
fn in_order(mut endpoints: Vec<Endpoint>, kind: &str) -> Vec<Endpoint> {
    if is_monitor(kind) {
        endpoints.sort_by_key(|endpoint| std::cmp::Reverse(endpoint.response.sum));
    }
    endpoints
}

/// In the order of their names. A service that tells methods apart has one per method, `GET /orders`.
fn endpoints(summary: &Summary, total_time: u128) -> Vec<Endpoint> {
    let mut by_name: BTreeMap<String, [Option<Histogram>; TRENDS]> = BTreeMap::new();
    let metrics = [(RESPONSE, metric::RESPONSE_TIME), (SERVICE, metric::SERVICE_TIME)];
    for (place, metric) in metrics.into_iter().chain((FAILED + 1..).zip(metric_group::PHASES)) {
        for (series, aggregate) in summary.totals.matching(&Series::new(metric)) {
            let (Aggregate::Trend(trend), Some(name)) = (aggregate, series.endpoint_name()) else { continue };
            let of_name = by_name.entry(name).or_default();
            add(&mut of_name[place], trend);
            if metric == metric::RESPONSE_TIME && series.tag(tag::OUTCOME) == Some("failed") {
                add(&mut of_name[FAILED], trend);
            }
        }
    }
    let figures =
        |(name, [response, service, failed, phases @ ..]): (String, [Option<Histogram>; TRENDS])| {
            let response = Spread::of(&response.unwrap_or_default());
            Endpoint {
                name,
                failed: failed.map_or(0, |failed| failed.count()),
                rate: per_second(summary, response.count),
                service: Spread::of(&service.unwrap_or_default()),
                phases: phases.map(|phase| Spread::of(&phase.unwrap_or_default())),
                time_share: if total_time == 0 { 0.0 } else { response.sum as f64 / total_time as f64 },
                response,
            }
        };
    by_name.into_iter().map(figures).collect()
}

/// Places of an endpoint's trends; the phases follow.
const RESPONSE: usize = 0;
const SERVICE: usize = 1;
/// Response times of what failed.
const FAILED: usize = 2;
const TRENDS: usize = FAILED + 1 + metric_group::PHASES.len();

fn add(sum: &mut Option<Histogram>, trend: &Histogram) {
    match sum {
        Some(sum) => sum.merge(trend),
        None => *sum = Some(trend.clone()),
    }
}

fn scenarios(summary: &Summary) -> Vec<Scenario<'_>> {
    let figures = |scenario: &'_ pulse_model::ScenarioInfo| {
        let selector = Series::new(metric::RESPONSE_TIME).with(tag::SCENARIO, &scenario.name);
        (summary.totals.trend(&selector).count(), failed_requests(&summary.totals, &selector))
    };
    let planned = summary.run.scenarios.iter();
    planned
        .map(|scenario| {
            let (requests, failed) = figures(scenario);
            Scenario { name: &scenario.name, load: &scenario.load, requests, failed }
        })
        .collect()
}

/// Failure classes, the most frequent first.
fn errors(summary: &Summary) -> Vec<ErrorClass<'_>> {
    let mut errors: Vec<_> = tagged_counts(summary, metric::FAILURES, tag::CLASS)
        .into_iter()
        .map(|(class, count)| {
            let seen = || {
                let sightings = summary.totals.sightings.iter();
                sightings.filter(|sighting| sighting.kind.class == class)
            };
            let earliest = seen().min_by_key(|sighting| sighting.first);
            ErrorClass {
                class,
                count,
                first: earliest.map(|sighting| sighting.first),
                last: seen().map(|sighting| sighting.last).max(),
                sample: earliest.map(|sighting| (sighting.kind.endpoint.as_str(), sighting.message.as_str())),
            }
        })
        .collect();
    errors.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.class.cmp(b.class)));
    errors
}

fn protocols(summary: &Summary) -> Vec<(&str, u64)> {
    let opened = |protocol| Series::new(metric::CONNECTIONS_OPENED).with(tag::PROTOCOL, protocol);
    let protocols = summary.totals.tag_values(metric::CONNECTIONS_OPENED, tag::PROTOCOL).into_iter();
    protocols.map(|protocol| (protocol, summary.totals.counter(&opened(protocol)))).collect()
}

/// A load counts answers apart; a service's own response times say their status themselves.
fn statuses(summary: &Summary) -> Vec<(&str, u64)> {
    let counted = tagged_counts(summary, metric::RESPONSES, tag::STATUS);
    if !counted.is_empty() {
        return counted;
    }
    let values = summary.totals.tag_values(metric::RESPONSE_TIME, tag::STATUS).into_iter();
    let count = |status| {
        let selector = Series::new(metric::RESPONSE_TIME).with(tag::STATUS, status);
        summary.totals.trend(&selector).count()
    };
    values.map(|status| (status, count(status))).collect()
}

fn tagged_counts<'a>(summary: &'a Summary, name: &str, tag: &str) -> Vec<(&'a str, u64)> {
    let values = summary.totals.tag_values(name, tag).into_iter();
    values.map(|value| (value, summary.totals.counter(&Series::new(name).with(tag, value)))).collect()
}
