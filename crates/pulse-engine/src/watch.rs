//! Can the figures of a watched service be trusted, and what was noticed? A watch only reads what the service counts, so
//! that the signs are others than a load's: what was not read, what began anew, what the service could not record.

use pulse_model::{
    Aggregate, Ending, Finding, Series, Severity, Summary, Validity, ValidityReason, ValidityState, metric,
    tag,
};

/// Share of the time in which the service could not be read: doubtful from the first on, worthless from the second.
const MISSED: [f64; 2] = [0.01, 0.50];
/// Share of the planned time from which on a watch counts as complete.
const COMPLETE: f64 = 0.99;

/// Whether a job is a watch rather than a load.
pub(crate) fn is_watch(kind: &str) -> bool {
    kind == "monitor"
}

/// All signs seen in a watch.
pub(crate) fn validity(summary: &Summary) -> Validity {
    let signs =
        [ended_early(summary), nothing(summary), missed(summary), restarts(summary), dropped(summary)];
    Validity::from_reasons(signs.into_iter().flatten().collect())
}

fn reason(state: ValidityState, code: &str, message: String) -> ValidityReason {
    ValidityReason { code: code.to_owned(), state, message, at: None }
}

/// What was watched is not there any more, though it should have been.
fn ended_early(summary: &Summary) -> Option<ValidityReason> {
    let planned = summary.run.duration?;
    let done = summary.elapsed.as_secs_f64() / planned.as_secs_f64();
    if summary.ending != Ending::Finished || done >= COMPLETE {
        return None;
    }
    let message = format!(
        "what was watched ended after {:.1}s of {planned}: nothing can be said of the rest",
        summary.elapsed.as_secs_f64()
    );
    Some(reason(ValidityState::Invalid, "ended_early", message))
}

fn nothing(summary: &Summary) -> Option<ValidityReason> {
    let message = "nothing was read after the first look: watch for longer".to_owned();
    summary.totals.interval.is_none().then(|| reason(ValidityState::Invalid, "nothing_read", message))
}

fn missed(summary: &Summary) -> Option<ValidityReason> {
    let missed = summary.counter(metric::WATCH_MISSED) as f64 / 1e9;
    let share = missed / summary.elapsed.as_secs_f64();
    let [suspect, invalid] = MISSED;
    if missed <= 0.0 || share < suspect {
        return None;
    }
    let state = if share >= invalid { ValidityState::Invalid } else { ValidityState::Suspect };
    let message = format!(
        "for {missed:.1}s ({:.1}% of the time) the service could not be read, and what it counted then is in no figure",
        share * 100.0
    );
    Some(reason(state, "unreadable", message))
}

fn restarts(summary: &Summary) -> Option<ValidityReason> {
    let restarts = summary.counter(metric::WATCH_RESTARTS);
    let message = format!(
        "counters began anew {}: what was counted between the last reading and a restart is missing; if several processes \
         answer in turns, watch each of them, or let them share one monitor",
        times(restarts)
    );
    (restarts > 0).then(|| reason(ValidityState::Suspect, "restarts", message))
}

fn dropped(summary: &Summary) -> Option<ValidityReason> {
    let dropped = summary.counter(metric::MONITOR_DROPPED);
    let reasons = summary.totals.tag_values(metric::MONITOR_DROPPED, tag::REASON).join(", ");
    let message = format!("the service's monitor could not keep {dropped} of its records ({reasons})");
    (dropped > 0).then(|| reason(ValidityState::Suspect, "not_recorded", message))
}

/// All findings of a watch, worst first.
pub(crate) fn findings(summary: &Summary) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        [slow_queries(summary), overflow(summary)].into_iter().flatten().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

fn slow_queries(summary: &Summary) -> Option<Finding> {
    let slow = summary.counter(metric::SLOW_QUERIES);
    let all = summary.totals.trend(&Series::new(metric::DB_QUERY_TIME)).count();
    (slow > 0).then(|| Finding {
        code: "slow_queries".to_owned(),
        severity: Severity::Warning,
        subject: summary.run.service.clone(),
        message: format!(
            "{slow} of {all} database statements took longer than the service's limit of slow ones"
        ),
        help: None,
        ..Finding::default()
    })
}

/// Endpoints beyond the monitor's limit share one name.
fn overflow(summary: &Summary) -> Option<Finding> {
    let selector = Series::new(metric::RESPONSE_TIME).with(tag::OVERFLOW, "true");
    let count: u64 = summary
        .totals
        .matching(&selector)
        .map(|(_, aggregate)| if let Aggregate::Trend(trend) = aggregate { trend.count() } else { 0 })
        .sum();
    (count > 0).then(|| Finding {
        code: "series_overflow".to_owned(),
        severity: Severity::Warning,
        subject: summary.run.service.clone(),
        message: format!(
            "{count} requests are counted under `{}`: the service has more endpoints than its monitor keeps apart",
            pulse_model::endpoint::OTHER
        ),
        help: Some(
            "Record the route's template instead of the raw path, or raise the monitor's limit of series.".to_owned(),
        ), ..Finding::default() })
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Histogram, Interval, Nanos, RunInfo, Snapshot};

    /// A watch of so many seconds, `covered` of them read.
    fn watched(seconds: u64, covered: u64, counters: &[(&str, u64)]) -> Summary {
        let mut totals = Snapshot {
            interval: (covered > 0).then_some(Interval { from: Nanos::ZERO, to: Nanos::from_secs(covered) }),
            ..Snapshot::default()
        };
        for (name, count) in counters {
            totals.count(Series::new(name), *count);
        }
        Summary {
            run: RunInfo {
                kind: "monitor".into(),
                duration: Some(Nanos::from_secs(60)),
                ..RunInfo::default()
            },
            elapsed: Nanos::from_secs(seconds),
            totals,
            ..Summary::default()
        }
    }

    #[test]
    fn signs() {
        use ValidityState::{Invalid, Suspect, Valid};
        let missed = |seconds: u64| (metric::WATCH_MISSED, seconds * 1_000_000_000);
        for (name, summary, state, codes) in [
            ("all read", watched(60, 60, &[]), Valid, vec![]),
            ("a blink", watched(60, 60, &[(metric::WATCH_MISSED, 500_000_000)]), Valid, vec![]),
            ("a tenth", watched(60, 54, &[missed(6)]), Suspect, vec!["unreadable"]),
            ("half", watched(60, 30, &[missed(30)]), Invalid, vec!["unreadable"]),
            ("a restart", watched(60, 60, &[(metric::WATCH_RESTARTS, 1)]), Suspect, vec!["restarts"]),
            ("drops", watched(60, 60, &[(metric::MONITOR_DROPPED, 7)]), Suspect, vec!["not_recorded"]),
            ("gone", watched(12, 12, &[]), Invalid, vec!["ended_early"]),
            ("nothing", watched(60, 0, &[]), Invalid, vec!["nothing_read"]),
        ] {
            let validity = validity(&summary);
            let found: Vec<_> = validity.reasons.iter().map(|reason| reason.code.as_str()).collect();
            assert_eq!((validity.state, found), (state, codes), "{name}");
        }
        let stopped = Summary { ending: Ending::Interrupted, ..watched(12, 12, &[]) };
        assert_eq!(validity(&stopped).state, Valid, "whoever stops it knows that it is not complete");
        let open = Summary { run: RunInfo { duration: None, ..stopped.run }, ..watched(12, 12, &[]) };
        assert_eq!(validity(&open).state, Valid);
    }

    #[test]
    fn what_is_worth_a_sentence() {
        let mut summary = watched(60, 60, &[(metric::SLOW_QUERIES, 4)]);
        let mut trend = Histogram::default();
        trend.record_n(1_000_000, 600);
        summary.totals.add(Series::new(metric::DB_QUERY_TIME), Aggregate::Trend(trend.clone()));
        let other = Series::new(metric::RESPONSE_TIME)
            .with(tag::ENDPOINT, pulse_model::endpoint::OTHER)
            .with(tag::OVERFLOW, "true");
        summary.totals.add(other, Aggregate::Trend(trend));
        let texts: Vec<_> = findings(&summary).into_iter().map(|finding| finding.message).collect();
        assert!(texts[0].starts_with("4 of 600 database statements"), "{texts:?}");
        assert!(texts[1].starts_with("600 requests are counted under `_other`"), "{texts:?}");
        assert!(findings(&watched(60, 60, &[])).is_empty());
    }
}
