//! A run that is to be compared goes on until its figures are known, or its budget ends.

use std::time::Duration;

use pulse_model::{Snapshot, Verdict};
use pulse_suite::{Precision, RunOptions, SuiteEvent};
use pulse_testkit::{Discipline, Law, QueueServer, ServiceLaw};

use crate::bench::{run_with, suite_at};

/// Requests, verdict, and whether the figures were known in the end.
fn outcome(url: &str, max_duration: &str, precision: Option<Precision>) -> (u64, Option<Verdict>, bool) {
    let case = format!(
        "[[test]]\nname = \"scattering\"\nrequest = \"GET /\"\nsamples = 50\nmax_samples = 1000000\n\
         max_duration = \"{max_duration}\"\ntargets = [\"p50 < 10s\", \"errors = 0\"]\n"
    );
    let suite = suite_at(url, &case);
    let (summary, events) = run_with(&suite, &RunOptions { precision, ..RunOptions::default() }).unwrap();
    let intervals: Vec<Snapshot> = events
        .into_iter()
        .filter_map(|event| match event {
            SuiteEvent::CaseFinished { intervals, .. } => Some(intervals),
            _ => None,
        })
        .flatten()
        .collect();
    let reached = Precision { min_effect: 0.1 }.is_reached(&intervals, &suite.cases[0].targets);
    (summary.children[0].requests(), summary.children[0].verdict, reached)
}

#[test]
fn a_run_that_is_compared_is_sampled_until_its_figures_are_known() {
    let times = [2, 8, 3, 7, 4, 6, 5].map(Duration::from_millis).to_vec();
    let server = QueueServer::start(Law::new(Discipline::Parallel, ServiceLaw::Table(times)));
    let precision = Some(Precision { min_effect: 0.1 });
    let (plain, verdict, _) = outcome(&server.url(), "60s", None);
    assert_eq!(verdict, Some(Verdict::Pass));
    // The targets are decided long before: what is left is for the comparison.
    let (compared, verdict, reached) = outcome(&server.url(), "60s", precision);
    assert_eq!((verdict, reached), (Some(Verdict::Pass), true));
    assert!(compared > plain, "{compared} {plain}");
    // A budget is a budget.
    let (_, verdict, reached) = outcome(&server.url(), "1200ms", precision);
    assert_eq!((verdict, reached), (Some(Verdict::Pass), false));
}
