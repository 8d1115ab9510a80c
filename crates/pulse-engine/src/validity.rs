//! Can these numbers be trusted? Signs of a measurement that says more about the generator than about the service.

mod machine;
mod workers;

use pulse_model::{
    Aggregate, Nanos, Series, Subject, Summary, Validity, ValidityReason, ValidityState, metric, tag,
};
use pulse_stats::shift;

/// Share of the planned arrivals that were started.
const OFFERED: [f64; 2] = [0.99, 0.95];
/// A shift of response times is reported when chance is this unlikely, …
const SHIFT_P: f64 = 0.001;
/// … the medians differ by this factor …
const SHIFT_FACTOR: f64 = 1.5;
/// … and by at least this much.
const SHIFT_FLOOR: Nanos = Nanos::from_millis(1);

/// All signs seen in a run.
pub(crate) fn validity(summary: &Summary) -> Validity {
    let signs = [
        workers::cpu(summary),
        workers::cpu_wait(summary),
        workers::dispatch_lag(summary),
        workers::event_loop_lag(summary),
        workers::stopped(summary),
        workers::late_snapshots(summary),
        offered(summary),
        machine::cpu(summary),
        machine::steal(summary),
        machine::suspended(summary),
        machine::exhaustion(summary),
        machine::retransmits(summary),
        machine::listen_drops(summary),
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

/// The largest reading of a level.
fn highest(summary: &Summary, metric: &str) -> Option<u64> {
    let series = Series::new(metric);
    let levels = summary.totals.matching(&series).map(|(_, level)| match level {
        Aggregate::Gauge(gauge) => gauge.max,
        _ => 0,
    });
    levels.max()
}

fn reason(state: ValidityState, code: &str, message: String) -> ValidityReason {
    ValidityReason { code: code.to_owned(), state, message, at: None }
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
