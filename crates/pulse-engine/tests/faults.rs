//! A listener to events that does not keep up is named by the verdict, and nothing of the run is lost.

#[path = "support/mod.rs"]
mod support;

use std::time::Duration;

use pulse_model::{EventKind, Nanos, RunEvent, metric};
use pulse_testkit::{Discipline, Law, QueueServer, ServiceLaw};

use support::Run;

#[test]
fn a_slow_aggregator() {
    let runs = std::env::var("PULSE_TEST_FAULTS").map_or(1, |count| count.parse().expect("a number of runs"));
    let mut named = 0;
    for _ in 0..runs {
        let server = QueueServer::start(Law::new(Discipline::Parallel, ServiceLaw::Fixed(Duration::ZERO)));
        let text = "[load]\nrate = 100\nduration = \"4s\"\n[[scenario]]\n[[scenario.step]]\nname = \"it\"\nrequest = \"GET /\"\n";
        // The first interval is looked at for as long as the load lasts: far more intervals than may wait follow it.
        let watch = |event: &RunEvent| {
            if matches!(event.kind, EventKind::Snapshot(_)) {
                while server.counts().requests < 395 {
                    std::thread::yield_now();
                }
            }
        };
        let interval = Nanos::from_millis(10);
        let (summary, _) = Run { text, url: server.url(), interval, watch: &watch, ..Run::default() }.make();
        assert_eq!((summary.requests(), summary.counter(metric::ITERATIONS)), (400, 400));
        let late = summary.validity.reasons.iter().find(|reason| reason.code == "late_snapshots");
        named += u32::from(late.is_some_and(|reason| reason.message.contains("intervals had to wait")));
    }
    println!("\n| who takes the intervals is slow | {runs} | `late_snapshots` | {named} | |");
    assert_eq!(named, runs);
}
