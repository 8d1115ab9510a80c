//! Can these numbers be trusted? Signs of a measurement that says more about the generator than about the service.

use pulse_model::{
    Nanos, Series, Subject, Summary, Unit, Validity, ValidityReason, ValidityState, busiest_worker, metric,
    tag,
};
use pulse_stats::shift;

/// Share of a core from which a worker may be the bottleneck, and from which it is.
const CPU: [f64; 2] = [0.90, 0.98];
/// Dispatch lag (99th percentile) as a share of the median response time.
const LAG: [f64; 2] = [0.10, 0.50];
/// A dispatch lag below this disturbs nobody, whatever the share.
const LAG_FLOOR: Nanos = Nanos::from_millis(1);
/// Share of the planned arrivals that were started.
const OFFERED: [f64; 2] = [0.99, 0.95];
/// A dispatch lag makes a run invalid only when it could change a verdict: when it reaches this share of the smallest
/// time limit that is judged.
const LAG_OF_LIMIT: f64 = 0.05;
/// Share of all cores' time in which the machine was busy; there is no room left for keeping a schedule.
const HOST_CPU: f64 = 0.95;
/// Share of all cores' time that the hypervisor gave to others.
const STEAL: [f64; 2] = [0.05, 0.20];
/// Share of requests that failed because this machine ran out of something.
const EXHAUSTION: f64 = 0.01;
/// A shift of response times is reported when chance is this unlikely, …
const SHIFT_P: f64 = 0.001;
/// … the medians differ by this factor …
const SHIFT_FACTOR: f64 = 1.5;
/// … and by at least this much.
const SHIFT_FLOOR: Nanos = Nanos::from_millis(1);

/// All signs seen in a run.
pub(crate) fn validity(summary: &Summary) -> Validity {
    let signs = [
        worker_cpu(summary),
        dispatch_lag(summary),
        offered(summary),
        host_cpu(summary),
        steal(summary),
        exhaustion(summary),
        stationarity(summary),
    ];
    Validity::from_reasons(signs.into_iter().flatten().collect())
}

/// The state for a value that is worse the larger it is.
fn graded(value: f64, [suspect, invalid]: [f64; 2]) -> Option<ValidityState> {
    if value >= invalid {
        Some(ValidityState::Invalid)
    } else if value >= suspect {
        Some(ValidityState::Suspect)
    } else {
        None
    }
}

fn reason(state: ValidityState, code: &str, message: String) -> ValidityReason {
    ValidityReason { code: code.to_owned(), state, message, at: None }
}

fn worker_cpu(summary: &Summary) -> Option<ValidityReason> {
    let busiest = busiest_worker(&summary.totals);
    let state = graded(busiest, CPU)?;
    let message = format!(
        "a worker used {:.0}% of a core: the generator itself limits the load; use more workers, a lower rate or a \
         machine of its own",
        busiest * 100.0
    );
    Some(reason(state, "worker_cpu", message))
}

fn dispatch_lag(summary: &Summary) -> Option<ValidityReason> {
    let lag = summary.totals.trend(&Series::new(metric::DISPATCH_LAG)).quantile(0.99)?.estimate;
    let median = summary.response_time().quantile(0.5)?.estimate;
    let state = graded(lag as f64 / median.max(1) as f64, LAG).filter(|_| lag > LAG_FLOOR.0)?;
    // A fast service is answered for in microseconds and judged in hundreds of milliseconds: late by one is a blemish.
    let limits = summary.targets.iter().map(|result| &result.target);
    let smallest =
        limits.filter(|target| target.unit == Unit::Nanoseconds).map(|target| target.limit).reduce(f64::min);
    let harmless = match smallest {
        Some(limit) => (lag as f64) < limit * LAG_OF_LIMIT,
        // Memory, throughput or errors are not what lateness changes.
        None => !summary.targets.is_empty(),
    };
    let state = if harmless { ValidityState::Suspect } else { state };
    let message = format!(
        "1% of the requests left {:.2}ms or more too late, with a median response time of {:.2}ms: the machine was too \
         busy to keep the schedule",
        lag as f64 / 1e6,
        median as f64 / 1e6
    );
    Some(reason(state, "dispatch_lag", message))
}

/// Open model: arrivals that were dropped are missing from every figure.
fn offered(summary: &Summary) -> Option<ValidityReason> {
    let open = |name: &str| {
        let of_open = summary.run.scenarios.iter().filter(|scenario| scenario.rate.is_some());
        let count = |scenario: &str| summary.totals.counter(&Series::new(name).with(tag::SCENARIO, scenario));
        of_open.map(|scenario| count(&scenario.name)).sum::<u64>()
    };
    let (due, dropped) = (open(metric::DUE_ITERATIONS), open(metric::DROPPED_ITERATIONS));
    let allowed = summary.targets.iter().any(|result| result.target.subject == Subject::Dropped);
    if dropped == 0 || allowed {
        return None;
    }
    let lost = dropped as f64 / due as f64;
    let [_, invalid] = OFFERED;
    let state = if lost > 1.0 - invalid { ValidityState::Invalid } else { ValidityState::Suspect };
    let message = format!(
        "{dropped} of {due} arrivals ({:.2}%) found no free user and were dropped: the figures leave them out; raise \
         --max-users, or allow it with a target such as `dropped < 1%`",
        lost * 100.0
    );
    Some(reason(state, "offered_rate", message))
}

/// The service on the same machine, or other programs, took all there was.
fn host_cpu(summary: &Summary) -> Option<ValidityReason> {
    let wall = summary.counter(metric::HOST_WALL);
    let share = summary.counter(metric::HOST_BUSY) as f64 / wall.max(1) as f64;
    if wall == 0 || share < HOST_CPU {
        return None;
    }
    let message = format!(
        "all cores of this machine were busy {:.0}% of the time: the service, if it runs here, and the generator took the \
         CPU from each other; use a machine of its own, or a lower rate",
        share * 100.0
    );
    Some(reason(ValidityState::Suspect, "host_cpu", message))
}

fn steal(summary: &Summary) -> Option<ValidityReason> {
    let wall = summary.counter(metric::HOST_WALL);
    let share = summary.counter(metric::HOST_STEAL) as f64 / wall.max(1) as f64;
    let state = graded(share, STEAL)?;
    let message = format!(
        "the hypervisor gave {:.1}% of this machine's CPU time to others: response times include waiting that is not \
         the service's",
        share * 100.0
    );
    Some(reason(state, "cpu_steal", message))
}

/// Failures that are this machine's, not the service's.
fn exhaustion(summary: &Summary) -> Option<ValidityReason> {
    let count = |class| summary.totals.counter(&Series::new(metric::FAILURES).with(tag::CLASS, class));
    let (descriptors, ports) = (count("descriptors"), count("ports"));
    let total = descriptors + ports;
    if total == 0 {
        return None;
    }
    let share = total as f64 / summary.requests().max(1) as f64;
    let state = if share > EXHAUSTION { ValidityState::Invalid } else { ValidityState::Suspect };
    let message = format!(
        "{total} requests failed because this machine ran out of {}: raise the limit (`ulimit -n`, \
         net.ipv4.ip_local_port_range) or use fewer connections",
        if descriptors >= ports { "file descriptors" } else { "local ports" }
    );
    Some(reason(state, "exhaustion", message))
}

/// A steady load whose response times are not.
fn stationarity(summary: &Summary) -> Option<ValidityReason> {
    if !summary.run.scenarios.iter().all(|scenario| scenario.steady) {
        return None;
    }
    let mut points: Vec<_> =
        summary.timeline.iter().filter(|point| !point.warmup && point.requests > 0).collect();
    // The last interval is shorter than the others and holds the stragglers.
    points.pop();
    let medians: Vec<f64> = points.iter().map(|point| point.p50 as f64).collect();
    let found = shift(&medians)?;
    let (low, high) = (found.before.min(found.after), found.before.max(found.after));
    if found.p_value > SHIFT_P || high < low * SHIFT_FACTOR || high - low < SHIFT_FLOOR.0 as f64 {
        return None;
    }
    let at = points[found.at].from;
    let message = format!(
        "response times were not stationary: their median went from {:.2}ms to {:.2}ms at about {:.0}s; judge the parts \
         apart, or give a longer --warmup",
        found.before / 1e6,
        found.after / 1e6,
        at.as_secs_f64()
    );
    Some(ValidityReason { at: Some(at), ..reason(ValidityState::Suspect, "not_stationary", message) })
}
