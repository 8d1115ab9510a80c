//! Sentences that several formats share.

use pulse_model::{Ending, Nanos, Summary, TargetResult, ValidityState, Verdict};

use crate::figures::{Figures, Idle, Iterations, Phases};
use crate::monitor_text::is_monitor;
use crate::number::{self, NONE, printable};
use crate::spread::Spread;
use crate::suite::is_suite;

/// What people call the phases, in the order of [`pulse_model::metric_group::PHASES`].
const PHASES: [&str; 7] = ["blocked", "resolve", "connect", "TLS", "send", "wait", "receive"];

/// The phases that took any time, with their names; none where none was recorded.
pub(crate) fn phases(phases: &Phases) -> Vec<(&'static str, &Spread)> {
    let took_time = |spread: &Spread| spread.max.is_some_and(|max| max > 0.0);
    PHASES.into_iter().zip(phases).filter(|(_, spread)| took_time(spread)).collect()
}

/// `45.60ms`, or `-` when nothing was measured.
pub(crate) fn value(result: &TargetResult) -> String {
    result
        .measured
        .map_or_else(|| NONE.to_owned(), |measured| number::measured(&result.target, measured.value))
}

/// `95% interval 44.90ms – 46.31ms, n = 60000`; without an interval for what is exact.
pub(crate) fn certainty(result: &TargetResult) -> Option<String> {
    let measured = result.measured?;
    let samples = format!("n = {}", measured.samples);
    if measured.lo.total_cmp(&measured.hi).is_eq() {
        return Some(samples);
    }
    let [lo, hi] = [measured.lo, measured.hi].map(|end| number::measured(&result.target, end));
    Some(format!("95% interval {lo} – {hi}, {samples}"))
}

/// The target as one line of text without control characters.
pub(crate) fn target(result: &TargetResult) -> String {
    printable(&result.target.to_string()).into_owned()
}

/// Why a verdict is what it is; never empty for a verdict that is neither pass nor fail.
pub(crate) fn reason(result: &TargetResult) -> Option<String> {
    let given = result.reason.as_ref().map(|reason| printable(reason).into_owned());
    given.or_else(|| match result.verdict {
        Verdict::Pass | Verdict::Fail => None,
        Verdict::Inconclusive => Some("the samples do not suffice to say".to_owned()),
        Verdict::NoData => Some("nothing was measured".to_owned()),
    })
}

pub(crate) fn validity(state: ValidityState) -> &'static str {
    match state {
        ValidityState::Valid => "VALID",
        ValidityState::Suspect => "SUSPECT",
        ValidityState::Invalid => "INVALID",
    }
}

/// What the reader must know about a job that did not end as planned.
pub(crate) fn ending(ending: &Ending) -> Option<&'static str> {
    match ending {
        Ending::Finished => None,
        Ending::Interrupted => Some("interrupted; the figures cover what was measured until then"),
        Ending::Truncated => {
            Some("the recording ends before the job did; the figures cover what was recorded")
        }
    }
}

/// What was done, as a title says it.
pub(crate) fn job(summary: &Summary) -> &'static str {
    match summary.run.kind.as_str() {
        kind if is_monitor(kind) => "Monitor",
        "db" => "Database",
        _ if is_suite(summary) => "Performance tests",
        _ => "Load test",
    }
}

/// `PASS`, or `NO TARGETS` when none was set.
pub(crate) fn verdict(summary: &Summary) -> &'static str {
    summary.verdict.map_or("NO TARGETS", Verdict::as_str)
}

/// `60000 due, 59990 started, 10 dropped, 0 missed, 0 cut off`.
pub(crate) fn iterations(iterations: Iterations) -> String {
    let Iterations { due, started, dropped, missed, cut } = iterations;
    format!("{due} due, {started} started, {dropped} dropped, {missed} missed, {cut} cut off")
}

/// `1000.00 iterations/s planned, 999.17 iterations/s achieved`.
pub(crate) fn rates(figures: &Figures<'_>) -> String {
    let [planned, achieved] =
        [figures.planned_rate(), figures.per_second(figures.iterations.started)].map(number::rate);
    format!("{planned} iterations/s planned, {achieved} iterations/s achieved")
}

/// What of the run is in no figure.
pub(crate) fn warmup(summary: &Summary) -> String {
    if summary.run.warmup == Nanos::ZERO {
        return "none".to_owned();
    }
    format!("{} with {} requests, in none of the figures", summary.run.warmup, summary.warmup_requests)
}

/// How workers waited, and at which price: `spin, which took 0.25 cores; the loop turned 4.1µs late (median)`.
pub(crate) fn idle(figures: &Figures<'_>) -> Option<String> {
    let idle = figures.idle()?;
    let price = if let Idle::Spin(cores) = idle {
        format!(", which took {cores:.2} cores besides the work")
    } else {
        String::new()
    };
    let [median, p99] = [figures.loop_lag.median, figures.loop_lag.p99].map(number::millis);
    Some(format!("{}{price}; the workers' loops turned {median} late (median), {p99} (p99)", idle.word()))
}

/// How far off quantiles can be: `quantiles ± 0.14 %`.
pub(crate) fn precision(figures: &Figures<'_>) -> String {
    match figures.quantile_error {
        Some(error) => format!("quantiles ± {:.2} %", error * 100.0),
        None => "quantiles are interpolated within buckets of the service's own".to_owned(),
    }
}

/// What a watch covers: `60.02s of 61.00s`.
pub(crate) fn covered(summary: &Summary) -> String {
    let [covered, elapsed] =
        [summary.judged(), summary.elapsed].map(|length| number::seconds(length.as_secs_f64()));
    if covered == elapsed { covered } else { format!("{covered} of {elapsed}") }
}

/// A moment of the run, `12.50s`.
pub(crate) fn moment(at: Option<Nanos>) -> String {
    at.map_or_else(|| NONE.to_owned(), |at| number::seconds(at.as_secs_f64()))
}
/// A version of HTTP by its usual name instead of the one registered for TLS.
pub(crate) fn protocol(registered: &str) -> &str {
    match registered {
        "http/1.1" => "HTTP/1.1",
        "h2" => "HTTP/2",
        "h3" => "HTTP/3",
        other => other,
    }
}
