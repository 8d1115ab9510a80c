//! Snapshots form a commutative monoid.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use pulse_model::{
    Aggregate, FailureKind, Gauge, Histogram, Interval, Nanos, Rate, Series, Sighting, Snapshot,
};

fn aggregates() -> impl Strategy<Value = Aggregate> {
    let small = || 0..1_000_000_u64;
    prop_oneof![
        small().prop_map(Aggregate::Counter),
        (small(), small(), small(), small()).prop_map(|(at, last, min, max)| Aggregate::Gauge(Gauge {
            at: Nanos(at),
            last,
            min,
            max
        })),
        (small(), small()).prop_map(|(hits, total)| Aggregate::Rate(Rate { hits, total })),
        vec(small(), 0..10).prop_map(|values| {
            let mut histogram = Histogram::default();
            values.into_iter().for_each(|value| histogram.record(value));
            Aggregate::Trend(histogram)
        }),
    ]
}

fn snapshots() -> impl Strategy<Value = Snapshot> {
    let series = ("[ab]", "[xy]").prop_map(|(metric, tag)| Series::new(&metric).with("t", &tag));
    let sighting = ("[a-d]", "[a-d]", 0..100_u64, "[mn]").prop_map(|(endpoint, class, at, message)| {
        Sighting::once(FailureKind { endpoint, class }, Nanos(at), &message)
    });
    (prop::option::of((0..100_u64, 100..200_u64)), btree_map(series, aggregates(), 0..4), vec(sighting, 0..4))
        .prop_map(|(interval, series, sightings)| {
            let interval = interval.map(|(from, to)| Interval { from: Nanos(from), to: Nanos(to) });
            let mut snapshot = Snapshot { interval, series, sightings: Vec::new() };
            sightings.iter().for_each(|sighting| snapshot.sight(sighting));
            snapshot
        })
}

fn sum(a: &Snapshot, b: &Snapshot) -> Snapshot {
    let mut sum = a.clone();
    sum.merge(b);
    sum
}

proptest! {
    #[test]
    fn merge_laws(a in snapshots(), b in snapshots(), c in snapshots()) {
        prop_assert_eq!(sum(&a, &b), sum(&b, &a));
        prop_assert_eq!(sum(&sum(&a, &b), &c), sum(&a, &sum(&b, &c)));
        prop_assert_eq!(sum(&a, &Snapshot::default()), a.clone());
        prop_assert_eq!(sum(&Snapshot::default(), &a), a);
    }

    #[test]
    fn saving(a in snapshots()) {
        let text = serde_json::to_string(&a).expect("serialisable");
        prop_assert_eq!(serde_json::from_str::<Snapshot>(&text).expect("readable"), a);
    }
}

#[test]
fn kinds_of_failures_are_bounded_whatever_the_order() {
    let sighting = |i: usize| {
        Sighting::once(FailureKind { endpoint: format!("{i:04}"), class: "timeout".into() }, Nanos(1), "late")
    };
    let (mut up, mut down) = (Snapshot::default(), Snapshot::default());
    (0..1000).for_each(|i| up.sight(&sighting(i)));
    (0..1000).rev().for_each(|i| down.sight(&sighting(i)));
    assert_eq!(up, down);
    assert_eq!(up.sightings.len(), Sighting::KINDS);
}

#[test]
fn selectors_sum_what_they_match() {
    let mut snapshot = Snapshot::default();
    for (endpoint, n) in [("a", 1), ("b", 2)] {
        for status in ["200", "500"] {
            snapshot.count(Series::new("responses").with("endpoint", endpoint).with("status", status), n);
        }
    }
    snapshot.count(Series::new("responsesX"), 100);
    assert_eq!(snapshot.counter(&Series::new("responses")), 6);
    assert_eq!(snapshot.counter(&Series::new("responses").with("endpoint", "b")), 4);
    assert_eq!(snapshot.counter(&Series::new("responses").with("endpoint", "c")), 0);
    assert_eq!(snapshot.tag_values("responses", "endpoint"), ["a", "b"]);
}
