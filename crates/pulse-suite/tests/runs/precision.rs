//! A run that is to be compared goes on until its figures are known, or its budget ends.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

use std::time::{Duration, Instant};

use pulse_model::{Nanos, Summary, Verdict};
use pulse_suite::{Precision, RunOptions};
use pulse_testkit::{Discipline, Law, QueueServer, ServiceLaw};

use crate::bench::{run_with, suite_at};

/// A case whose targets are decided at the first look.
fn outcome(url: &str, limit: &str, min_effect: Option<f64>) -> Summary {
    let case = format!(
        "[[test]]\nname = \"scattering\"\nrequest = \"GET /\"\nsamples = 20\n{limit}\n\
         targets = [\"p50 < 10s\", \"errors = 0\"]\n"
    );
    let precision = min_effect.map(|min_effect| Precision { min_effect });
    let options = RunOptions { precision, ..RunOptions::default() };
    let (mut summary, _) = run_with(&suite_at(url, &case), &options).unwrap();
    let child = summary.children.remove(0);
    assert_eq!(child.verdict, Some(Verdict::Pass), "{limit} {min_effect:?}");
    child
}

/// No amount of samples tells a change of nothing from chance: such a run is only ended by its budget. A change to the
/// thousandfold is told as soon as anything is.
#[test]
fn a_run_that_is_compared_is_sampled_until_its_figures_are_known() {
    let times = [2, 8, 3, 7, 4, 6, 5].map(Duration::from_millis).to_vec();
    let server = QueueServer::start(Law::new(Discipline::Parallel, ServiceLaw::Table(times)));
    let of = |limit, min_effect| outcome(&server.url(), limit, min_effect);
    let budget = Duration::from_secs(4);
    for min_effect in [None, Some(1e3)] {
        let easy = of("max_duration = \"60s\"", min_effect);
        assert!(easy.elapsed < Nanos::from_secs(60), "{min_effect:?}: {}", easy.elapsed);
    }
    // More samples than ten times the least, which is what a case has by default: time is what ends it. The time between two
    // batches counts for the budget and is in no batch, so that the budget is looked for outside.
    let began = Instant::now();
    let hard = of("max_duration = \"4s\"", Some(0.0));
    assert!(began.elapsed() >= budget && hard.requests() > 200, "{} {}", hard.elapsed, hard.requests());
    // Unless the file says how many samples there may be at most.
    let capped = of("max_samples = 100\nmax_duration = \"60s\"", Some(0.0));
    assert!((100..200).contains(&capped.requests()), "{}", capped.requests());
}
