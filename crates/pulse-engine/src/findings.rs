//! What a load test noticed, in words.

use pulse_model::{Finding, Series, Severity, Summary, metric};

/// Response time beyond service time is worth a word from this factor on.
const WAITING_FACTOR: f64 = 2.0;
/// Share of the plan below which it was not achieved.
const ACHIEVED: f64 = 0.99;

/// All findings of a run, worst first.
pub(crate) fn findings(summary: &Summary) -> Vec<Finding> {
    let noticed = [rate_not_reached(summary), waiting(summary), cut(summary)].into_iter().flatten();
    let mut findings: Vec<Finding> = noticed.chain(summary.run.notices.iter().cloned()).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// The plan asked for more than was done.
fn rate_not_reached(summary: &Summary) -> Option<Finding> {
    let count = |name| summary.counter(name);
    let (due, started) = (count(metric::DUE_ITERATIONS), count(metric::ITERATIONS));
    let (dropped, missed) = (count(metric::DROPPED_ITERATIONS), count(metric::MISSED_ITERATIONS));
    if due == 0 || started as f64 >= due as f64 * ACHIEVED {
        return None;
    }
    let share = started as f64 / due as f64 * 100.0;
    let open = summary.run.scenarios.iter().any(|scenario| scenario.rate.is_some());
    let (message, help) = if open && missed == 0 {
        (
            format!(
                "{dropped} of {due} arrivals found no free user and were dropped: {share:.1}% of the plan were started"
            ),
            "The pool of users was too small for this rate at these response times: raise --max-users, or find out why the \
             answers take so long.",
        )
    } else {
        (
            format!(
                "the plan was not kept: it asked for {due} iterations, {started} ({share:.1}%) were started, {dropped} \
                 dropped, {missed} left out; users were still waiting for answers when their next request was due"
            ),
            "Waiting for a late answer counts in the response time; the service time beside it shows the service alone. \
             Lower the rate, or find the highest one that meets the targets.",
        )
    };
    Some(Finding {
        code: "rate_not_reached".to_owned(),
        severity: Severity::Problem,
        subject: summary.run.service.clone(),
        message,
        help: Some(help.to_owned()),
        ..Finding::default()
    })
}

/// Requests had to wait for their turn.
fn waiting(summary: &Summary) -> Option<Finding> {
    let response = summary.response_time().quantile(0.95)?.estimate;
    let service = summary.totals.trend(&Series::new(metric::SERVICE_TIME)).quantile(0.95)?.estimate;
    if (response as f64) < service as f64 * WAITING_FACTOR || response - service < 1_000_000 {
        return None;
    }
    let message = format!(
        "requests waited for their turn: the 95th percentile of response time is {:.2}ms, that of service time {:.2}ms",
        response as f64 / 1e6,
        service as f64 / 1e6
    );
    Some(Finding {
        code: "waiting".to_owned(),
        severity: Severity::Warning,
        subject: summary.run.service.clone(),
        message,
        help: Some(
            "A caller who comes at the planned time feels the response time; a tool that waits with its next request \
             would report only the service time."
                .to_owned(),
        ), ..Finding::default() })
}

/// Iterations did not end in time.
fn cut(summary: &Summary) -> Option<Finding> {
    let cut = summary.counter(metric::CUT_ITERATIONS);
    (cut > 0).then(|| Finding {
        code: "iterations_cut".to_owned(),
        severity: Severity::Note,
        subject: summary.run.service.clone(),
        message: format!(
            "{cut} iterations were cut off at the end; what they had not finished is in no figure"
        ),
        help: Some("Give them more time with --graceful-stop.".to_owned()),
        ..Finding::default()
    })
}
