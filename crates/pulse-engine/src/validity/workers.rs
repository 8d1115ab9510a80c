//! Signs of workers that were themselves the limit, or were kept from working.

use pulse_model::{Nanos, Series, Summary, Unit, ValidityReason, ValidityState, busiest_worker, metric, tag};

use super::{graded, reason};

/// Share of a core from which a worker may be the bottleneck, and from which it is.
const CPU: [f64; 2] = [0.90, 0.98];
/// Dispatch lag (99th percentile) as a share of the median response time.
const LAG: [f64; 2] = [0.10, 0.50];
/// A dispatch lag below this disturbs nobody, whatever the share.
const LAG_FLOOR: Nanos = Nanos::from_millis(1);
/// A dispatch lag makes a run invalid only when it could change a verdict: when it reaches this share of the smallest
/// time limit that is judged.
const LAG_OF_LIMIT: f64 = 0.05;
/// Share of a worker's time in which it could have run and waited for a core.
const WAIT: f64 = 0.10;
/// Loop lag (99th percentile) as a share of the same percentile of response time: answers of that percentile may have lain
/// there for so long.
const LOOP_LAG: f64 = 0.50;
/// Turns of the main loop that a percentile needs.
const TURNS: u64 = 100;
/// Share of a worker's time in which it stood still.
const STOPPED: [f64; 2] = [0.0, 0.05];

/// A worker without time to spare.
pub(super) fn cpu(summary: &Summary) -> Option<ValidityReason> {
    let busiest = busiest_worker(&summary.totals);
    let state = graded(busiest, CPU)?;
    let message = format!(
        "a worker used {:.0}% of a core: the generator itself limits the load; use more workers, a lower rate or a \
         machine of its own",
        busiest * 100.0
    );
    Some(reason(state, "worker_cpu", message))
}

/// Iterations that began late for no reason of the service.
pub(super) fn dispatch_lag(summary: &Summary) -> Option<ValidityReason> {
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

/// Other programs on the same cores: the machine as a whole need not be busy.
pub(super) fn cpu_wait(summary: &Summary) -> Option<ValidityReason> {
    let share = worst(summary, metric::WORKER_WAIT).filter(|&share| share >= WAIT)?;
    let of_machine =
        |name| summary.counter(name) as f64 / summary.counter(metric::HOST_WALL).max(1) as f64 * 100.0;
    let others = (of_machine(metric::HOST_BUSY) - of_machine(metric::HOST_OWN)).max(0.0);
    let message = format!(
        "a worker was ready to run and waited for a core {:.0}% of the time, while other programs used {others:.0}% of this \
         machine's CPU time: response times include that waiting; stop what else runs here, or use a machine of its own (the \
         service is one of the others, if it runs here)",
        share * 100.0
    );
    Some(reason(ValidityState::Suspect, "cpu_wait", message))
}

/// Answers that lay there unread, whatever the load model.
pub(super) fn event_loop_lag(summary: &Summary) -> Option<ValidityReason> {
    let lags = summary.totals.trend(&Series::new(metric::LOOP_LAG));
    let lag = lags.quantile(0.99)?.estimate;
    let response = summary.response_time().quantile(0.99)?.estimate;
    let matters = (lag as f64) >= response as f64 * LOOP_LAG && lag > LAG_FLOOR.0 && lags.count() >= TURNS;
    let message = format!(
        "1% of the turns of a worker's loop came {:.2}ms or more too late, with a 99th percentile of response time of \
         {:.2}ms: answers lay unread for that long; use more workers, a lower rate, or a machine with less else to do",
        lag as f64 / 1e6,
        response as f64 / 1e6
    );
    matters.then(|| reason(ValidityState::Suspect, "event_loop_lag", message))
}

/// A process that was stopped, or a machine that was.
pub(super) fn stopped(summary: &Summary) -> Option<ValidityReason> {
    let share = worst(summary, metric::WORKER_GAP).filter(|&share| share > 0.0)?;
    let state = graded(share, STOPPED)?;
    let longest = summary.totals.trend(&Series::new(metric::LOOP_LAG)).max().unwrap_or(0);
    let message = format!(
        "a worker stood still for {:.1}% of its time, {:.2}s at the longest: the process was stopped (a signal, a debugger, a \
         container or virtual machine that was paused), or got no CPU time at all; find out what stopped it, and run again",
        share * 100.0,
        longest as f64 / 1e9
    );
    Some(reason(state, "worker_stopped", message))
}

/// Whoever takes the intervals did not keep up.
pub(super) fn late_snapshots(summary: &Summary) -> Option<ValidityReason> {
    let late = summary.counter(metric::LATE_SNAPSHOTS);
    let message = format!(
        "{late} intervals had to wait because what merges and shows them was behind: nothing is missing from the totals, but \
         breaches were told late and figures over time are coarser; write the recording to a faster disk, or use fewer \
         endpoints"
    );
    (late > 0).then(|| reason(ValidityState::Suspect, "late_snapshots", message))
}

/// The largest share of its time that any worker spent so.
fn worst(summary: &Summary, name: &str) -> Option<f64> {
    let all = Series::new(name);
    let of = |series: &Series| {
        let wall = Series { metric: metric::WORKER_WALL.into(), ..series.clone() };
        summary.totals.counter(series) as f64 / summary.totals.counter(&wall).max(1) as f64
    };
    let workers = summary.totals.matching(&all).filter(|(series, _)| series.tag(tag::WORKER).is_some());
    workers.map(|(series, _)| of(series)).reduce(f64::max)
}
