//! Comparisons of runs whose differences are known.

use std::collections::BTreeMap;

use proptest::prelude::*;
use pulse_model::{
    Aggregate, Change, Effect, Ending, Estimate, Histogram, Interval, Measured, Nanos, ScenarioInfo, Series,
    Snapshot, Summary, Validity, ValidityReason, ValidityState, metric, tag,
};
use pulse_suite::{
    CompareOptions, Comparison, HistoryPoint, Origin, Pair, RunData, RunId, Spreads, compare, compare_all,
};

/// A run to compare: so many seconds of requests to each endpoint.
#[derive(Clone)]
struct Run {
    seconds: u64,
    per_second: u64,
    /// Endpoint and its typical response time in milliseconds.
    endpoints: Vec<(&'static str, f64)>,
    /// Every n-th request fails; 0 for none.
    failing: u64,
    seed: u64,
}

impl Default for Run {
    fn default() -> Self {
        Self { seconds: 30, per_second: 100, endpoints: vec![("GET /", 10.0)], failing: 0, seed: 1 }
    }
}

impl Run {
    fn data(&self) -> RunData {
        let mut chance = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut uniform = move || {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            (chance >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut number = 0;
        let intervals: Vec<Snapshot> = (0..self.seconds)
            .map(|second| {
                let mut snapshot = Snapshot::default();
                let span = (Nanos::from_secs(second), Nanos::from_secs(second + 1));
                snapshot.interval = Some(Interval { from: span.0, to: span.1 });
                for &(endpoint, millis) in &self.endpoints {
                    let mut times = [Histogram::default(), Histogram::default()];
                    for _ in 0..self.per_second {
                        number += 1;
                        let failed = self.failing > 0 && number % self.failing == 0;
                        let spread = 1.0 + (uniform() + uniform() + uniform() - 1.5) * 0.4;
                        times[usize::from(failed)].record((millis * spread * 1e6) as u64);
                    }
                    for (times, outcome) in times.into_iter().zip(["ok", "failed"]) {
                        let series = Series::new(metric::RESPONSE_TIME)
                            .with(tag::ENDPOINT, endpoint)
                            .with(tag::OUTCOME, outcome);
                        snapshot.add(series, Aggregate::Trend(times));
                    }
                }
                snapshot
            })
            .collect();
        let mut summary = Summary::default();
        intervals.iter().for_each(|snapshot| summary.totals.merge(snapshot));
        summary.run.duration = Some(Nanos::from_secs(self.seconds));
        summary.run.version = "1.0.0".into();
        summary.run.scenarios =
            vec![ScenarioInfo { name: "load".into(), load: "open".into(), ..ScenarioInfo::default() }];
        RunData::new(summary, &intervals)
    }
}

fn compared(before: &RunData, after: &RunData) -> Comparison {
    compare(before, after, &CompareOptions::default())
}

fn change<'a>(comparison: &'a Comparison, subject: &str) -> &'a Change {
    comparison
        .changes
        .iter()
        .find(|change| change.subject == subject)
        .unwrap_or_else(|| panic!("{subject} among {:?}", comparison.changes))
}

fn codes(comparison: &Comparison) -> Vec<&str> {
    comparison.findings.iter().map(|finding| finding.code.as_str()).collect()
}

#[test]
fn known_differences() {
    let base = Run::default();
    for (slowdown, failing, expected) in [
        (1.0, 0, Effect::Unchanged),
        (1.01, 0, Effect::Unchanged),
        (1.05, 0, Effect::Regression),
        (1.5, 0, Effect::Regression),
        (0.9, 0, Effect::Improvement),
        (1.0, 50, Effect::Regression),
        // One of 3000 leaves open whether it is one of 1000, the least that matters.
        (1.0, 2999, Effect::Unclear),
    ] {
        let after = Run { seed: 2, failing, endpoints: vec![("GET /", 10.0 * slowdown)], ..base.clone() };
        let comparison = compared(&base.data(), &after.data());
        assert_eq!(comparison.effect, expected, "{slowdown} {failing}: {comparison:#?}");
        assert_eq!(codes(&comparison), [""; 0]);
    }
}

#[test]
fn each_change_says_what_by_how_much_and_how_sure() {
    let before = Run::default().data();
    let after = Run { seed: 2, endpoints: vec![("GET /", 12.0)], ..Run::default() }.data();
    let comparison = compared(&before, &after);
    let mut subjects: Vec<&str> = comparison.changes.iter().map(|change| change.subject.as_str()).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["avg", "errors", "p50", "p95", "p99", "throughput"]);
    let p95 = change(&comparison, "p95");
    assert_eq!(p95.effect, Effect::Regression);
    assert!(p95.ratio.lo < 1.2 && 1.2 < p95.ratio.hi && p95.ratio.hi < 1.25, "{p95:?}");
    assert!(p95.p_value < 0.001 && p95.before.samples == 3000);
    assert!(p95.before.lo <= p95.before.value && p95.before.value <= p95.before.hi);
    let effects: Vec<Effect> = comparison.changes.iter().map(|change| change.effect).collect();
    assert!(effects.is_sorted(), "those that matter first: {effects:?}");
    let json = serde_json::to_string(&comparison.changes).unwrap();
    let read: Vec<Change> = serde_json::from_str(&json).unwrap();
    assert_eq!(read.len(), comparison.changes.len());
}

#[test]
fn endpoints_are_matched_by_name() {
    let run = |seed, endpoints: &[(&'static str, f64)]| {
        Run { seed, endpoints: endpoints.to_vec(), ..Run::default() }.data()
    };
    let before = run(1, &[("GET /a", 10.0), ("GET /b", 10.0), ("GET /old", 10.0)]);
    let after = run(2, &[("GET /a", 10.0), ("GET /b", 13.0), ("GET /new", 10.0)]);
    let comparison = compared(&before, &after);
    assert_eq!(change(&comparison, "p50{endpoint=\"GET /a\"}").effect, Effect::Unchanged);
    assert_eq!(change(&comparison, "p50{endpoint=\"GET /b\"}").effect, Effect::Regression);
    assert!(comparison.changes.iter().all(|change| !change.subject.contains("GET /new")));
    assert_eq!(codes(&comparison), ["endpoints_differ"]);
    assert_eq!(
        comparison.findings[0].message,
        "not all endpoints are in both runs; only in the baseline: GET /old; only in this run: GET /new"
    );
}

#[test]
fn errors_that_come_in_one_burst_are_one_piece_of_evidence() {
    let before = Run::default().data();
    let mut after = Run { seed: 2, ..Run::default() }.data();
    let burst = Run { seed: 3, seconds: 1, failing: 1, ..Run::default() }.data();
    after.intervals[7] = Snapshot { interval: after.intervals[7].interval, ..burst.intervals[0].clone() };
    let errors = compared(&before, &after);
    let errors = change(&errors, "errors");
    assert_eq!((errors.effect, errors.before.value), (Effect::Unclear, 0.0), "{errors:?}");
    assert!(errors.ratio.value.is_finite() && errors.ratio.value > 30.0);
}

type Alter = fn(&mut RunData);

#[test]
fn other_circumstances_are_named() {
    let before = Run::default().data();
    let rows: [(Alter, &str, &str); 12] = [
        (|run| run.machine = "ci-2".into(), "machine_differs", "(ci-1 → ci-2)"),
        (|run| run.summary.run.host.cores = 8, "machine_differs", "(0 cores → 8 cores)"),
        (|run| run.summary.run.version = "2.0.0".into(), "version_differs", "1.0.0 → 2.0.0"),
        (|run| run.summary.run.scenarios[0].users = 9, "plan_differs", "load: open → open"),
        (|run| run.summary.run.scenarios[0].rate = Some(5.0), "plan_differs", "load"),
        (
            |run| run.summary.run.scenarios[0].name = "x".into(),
            "plan_differs",
            "x is new, scenario load is gone",
        ),
        (|run| run.summary.run.duration = Some(Nanos::from_secs(60)), "plan_differs", "duration 30s → 1m"),
        (|run| run.summary.run.service = "http://b".into(), "plan_differs", "service  → http://b"),
        (
            |run| run.summary.run.targets = vec!["p95 < 1s".parse().unwrap()],
            "targets_differ",
            "none → p95 < 1s",
        ),
        (|run| run.summary.ending = Ending::Interrupted, "cut_short", "this run ended before its plan did"),
        (
            |run| {
                let state = ValidityState::Invalid;
                let reason =
                    ValidityReason { code: "cpu".into(), state, message: "CPU was full".into(), at: None };
                run.summary.validity = Validity::from_reasons(vec![reason]);
            },
            "not_trusted",
            "this run was invalid: CPU was full",
        ),
        (|run| run.intervals.clear(), "no_intervals", "this run was saved without its intervals"),
    ];
    for (alter, code, message) in rows {
        let mut before = before.clone();
        before.machine = "ci-1".into();
        let mut after = before.clone();
        alter(&mut after);
        let comparison = compared(&before, &after);
        assert_eq!(comparison.findings[0].code, code);
        assert!(comparison.findings[0].message.contains(message), "{}", comparison.findings[0].message);
        let has_throughput = comparison.changes.iter().any(|change| change.subject == "throughput");
        let same_load =
            code != "plan_differs" || message.starts_with("duration") || message.starts_with("service");
        assert_eq!(has_throughput, same_load && code != "no_intervals", "{code} {message}");
    }
}

#[test]
fn too_few_samples_are_said_to_be_too_few() {
    let short = |seed, seconds| Run { seed, seconds, per_second: 30, ..Run::default() }.data();
    let comparison = compared(&short(1, 5), &short(2, 5));
    assert_eq!(codes(&comparison), ["too_short", "too_short", "too_few_to_compare"]);
    assert!(comparison.findings[2].message.starts_with("p99 cannot be compared"), "{comparison:?}");
    assert!(change(&comparison, "p50").ratio.hi < 1.2);
    let nothing = compared(&RunData::default(), &short(1, 5));
    assert_eq!((nothing.effect, nothing.changes.len()), (Effect::Unclear, 0));
}

/// A tenth of a second of thousands of samples knows nothing of what happens to a machine in a second, and a few long intervals
/// nothing of how they scatter: however far the figures are apart, there is no alarm.
#[test]
fn from_a_short_run_nothing_follows() {
    let run = |seed, millis, seconds, scale: u64| {
        let run =
            Run { seed, seconds, per_second: 1500, endpoints: vec![("GET /", millis)], ..Run::default() };
        let mut data = run.data();
        for interval in &mut data.intervals {
            interval.interval = interval
                .interval
                .map(|it| Interval { from: Nanos(it.from.0 / scale), to: Nanos(it.to.0 / scale) });
        }
        data
    };
    for (seconds, scale, message) in [
        (2, 1, Some("in 2 intervals over 2s")),
        (7, 1, Some("in 7 intervals over 7s")),
        (20, 100, Some("in 20 intervals over 200ms")),
        (8, 1, None),
        (10, 10, None),
    ] {
        let comparison = compared(&run(1, 10.0, seconds, scale), &run(2, 20.0, seconds, scale));
        let expected = if message.is_some() { Effect::Unclear } else { Effect::Regression };
        assert_eq!(change(&comparison, "p50").effect, expected, "{seconds} {scale}");
        assert!(comparison.changes.iter().all(|it| message.is_none() || it.effect == Effect::Unclear));
        let finding = comparison.findings.iter().find(|finding| finding.code == "too_short");
        assert_eq!(finding.is_some(), message.is_some());
        assert!(finding.is_none_or(|it| it.message.contains(message.unwrap_or_default())), "{finding:?}");
    }
}

/// Eight runs of one commit that differ by ±`off` in all figures.
fn history(off: f64) -> Spreads {
    let point = |number: i64, _: &str| HistoryPoint {
        run: RunId(number),
        started: String::new(),
        origin: Origin { commit: Some("a".into()), machine: "ci".into(), ..Origin::default() },
        plan: "load: open".into(),
        validity: ValidityState::Valid,
        value: 1e7 * (1.0 + off * (number % 2) as f64),
    };
    let series = |figure: &str| Ok::<_, ()>((0..8).map(|number| point(number, figure)).collect());
    Spreads::from_series(series).unwrap_or_default()
}

/// What runs of one program are known to differ by is no regression, and a history of steady runs changes nothing.
#[test]
fn a_history_knows_by_how_much_runs_of_one_program_differ() {
    let before = Run::default().data();
    for (slowdown, off, expected) in [
        (1.06, None, Effect::Regression),
        (1.06, Some(0.001), Effect::Regression),
        (1.06, Some(0.08), Effect::Unclear),
        (1.5, Some(0.08), Effect::Regression),
    ] {
        let after = Run { seed: 2, endpoints: vec![("GET /", 10.0 * slowdown)], ..Run::default() }.data();
        let spreads = off.map(history);
        let pair = Pair { before: &before, after: &after, spreads: spreads.as_ref() };
        let comparison = &compare_all(&[pair], &CompareOptions::default())[0];
        assert_eq!(change(comparison, "p50").effect, expected, "{slowdown} {off:?} {comparison:#?}");
    }
}

/// 10 µs more are a tenth of 0.1 ms, and what the next run of the same program may add as well; of 20 ms they are nothing.
#[test]
fn microseconds_differ_between_runs() {
    let run = |seed, millis| Run { seed, endpoints: vec![("GET /", millis)], ..Run::default() }.data();
    for (before, after, expected) in [
        (0.1, 0.11, Effect::Unclear),
        (0.1, 0.15, Effect::Regression),
        (1.0, 1.06, Effect::Regression),
        (20.0, 20.01, Effect::Unchanged),
    ] {
        let found = compared(&run(1, before), &run(2, after));
        assert_eq!(change(&found, "p50").effect, expected, "{before} {after}: {found:#?}");
    }
}

#[test]
fn estimates_are_compared_by_their_intervals() {
    let run = |estimates: &[(Estimate, f64, f64)]| {
        let measured = |&(estimate, value, half): &(Estimate, f64, f64)| {
            (estimate, Measured { value, lo: value - half, hi: value + half, samples: 10 })
        };
        let estimates: BTreeMap<Estimate, Measured> = estimates.iter().map(measured).collect();
        RunData { summary: Summary { estimates, ..Summary::default() }, ..RunData::default() }
    };
    for (estimate, before, after, expected) in [
        (Estimate::MemoryGrowth, (0.0, 100.0), (20_000.0, 500.0), Some(Effect::Regression)),
        (Estimate::MemoryGrowth, (-100.0, 100.0), (500.0, 10.0), Some(Effect::Unchanged)),
        (Estimate::MemoryGrowth, (20_000.0, 500.0), (0.0, 500.0), Some(Effect::Improvement)),
        (Estimate::MemoryGrowth, (5_000.0, 9_000.0), (20_000.0, 9_000.0), Some(Effect::Unclear)),
        (Estimate::CpuPerRequest, (1e6, 1e4), (1.1e6, 1e4), Some(Effect::Regression)),
        (Estimate::Cpu, (0.5, 0.0), (0.9, 0.0), None),
        (Estimate::Duration, (1e9, 1.0), (9e9, 1.0), None),
    ] {
        let pair = [before, after].map(|(value, half)| run(&[(estimate, value, half)]));
        let comparison = compared(&pair[0], &pair[1]);
        let found = comparison.changes.iter().find(|change| change.subject == estimate.name());
        assert_eq!(found.map(|change| change.effect), expected, "{estimate:?} {comparison:#?}");
    }
}

/// The more is compared at once, the more one needs to be sure of.
#[test]
fn many_cases_are_corrected_for_together() {
    let before = Run::default().data();
    let same = Run { seed: 2, ..Run::default() }.data();
    let slower = Run { seed: 3, endpoints: vec![("GET /", 10.5)], ..Run::default() }.data();
    let alone = compare(&before, &slower, &CompareOptions::default());
    let pair = |after| Pair { before: &before, after, spreads: None };
    let mut pairs = vec![pair(&same); 40];
    pairs.push(pair(&slower));
    let all = compare_all(&pairs, &CompareOptions::default());
    assert_eq!(all.len(), 41);
    let p_value = |comparison| change(comparison, "p95").p_value;
    assert!(p_value(&all[40]) > p_value(&alone));
    assert_eq!(all[40].effect, Effect::Regression);
    assert!(all[..40].iter().all(|comparison| comparison.effect != Effect::Regression));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_two_runs_can_be_compared(
        times in prop::collection::vec(prop::collection::vec(prop_oneof![any::<u64>(), 0_u64..4], 0..6), 0..24),
        cut in 0_usize..24,
        min_effect in any::<f64>(),
    ) {
        let intervals: Vec<Snapshot> = times.iter().zip(0..).map(|(times, second)| {
            let mut trend = Histogram::default();
            times.iter().for_each(|&time| trend.record(time));
            let mut snapshot = Snapshot::default();
            snapshot.add(Series::new(metric::RESPONSE_TIME).with(tag::ENDPOINT, "a"), Aggregate::Trend(trend));
            snapshot.interval = Some(Interval { from: Nanos(second), to: Nanos(second + u64::from(second % 3 > 0)) });
            snapshot
        }).collect();
        let (a, b) = intervals.split_at(cut.min(intervals.len()));
        let run = |part: &[Snapshot]| {
            let mut summary = Summary::default();
            part.iter().for_each(|snapshot| summary.totals.merge(snapshot));
            RunData::new(summary, part)
        };
        let comparison = compare(&run(a), &run(b), &CompareOptions { min_effect, ..CompareOptions::default() });
        for change in comparison.changes {
            prop_assert!((0.0..=1.0).contains(&change.p_value));
            for measured in [change.before, change.after, change.ratio] {
                prop_assert!(measured.value.is_finite() && measured.lo <= measured.value && measured.value <= measured.hi, "{measured:?}");
            }
        }
    }
}
