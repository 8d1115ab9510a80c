//! Did a case begin before the service was warm?
//!
//! The warm-up of a case is what its file says, or a tenth: a guess. Whether it was enough shows in what was measured.

use pulse_model::{Finding, Histogram, Nanos, Severity, Snapshot};
use pulse_stats::{CONFIDENCE, Weighted, hodges_lehmann, mann_whitney, warm_up};

use crate::run_data::selector;

/// Chance of medians this different without a warm-up from which on nothing is said. Far below 1 %, since the moment was chosen
/// for being the best of many.
const CHANCE: f64 = 0.001;
/// Least share by which medians differ to be worth a word.
const MIN_EFFECT: f64 = 0.05;

/// A note when response times settled only some time into what was judged: MSER-5 finds the moment, the rank test says that
/// it is no chance, and the shift of location by how much.
pub(crate) fn late_warm_up(subject: &str, intervals: &[Snapshot]) -> Option<Finding> {
    let all = selector(None);
    let (spans, medians): (Vec<_>, Vec<f64>) = intervals
        .iter()
        .filter_map(|interval| Some((interval.interval?, median(&interval.trend(&all))?)))
        .unzip();
    let found = warm_up(&medians).filter(|found| found.settled && found.discard > 0)?;
    let (before, after) = medians.split_at(found.discard);
    let (before, after) = (Weighted::from_values(before)?, Weighted::from_values(after)?);
    let chance = mann_whitney(&after, &before)?.p_value;
    let shift = hodges_lehmann(&after, &before, CONFIDENCE)?;
    let typical = median_of(&medians[found.discard..])?;
    if chance >= CHANCE || shift.lo <= MIN_EFFECT * typical {
        return None;
    }
    let length = spans.get(found.discard)?.from.since(spans.first()?.from);
    // No more digits than anybody would read.
    let slower = Nanos(shift.value as u64 / 10_000 * 10_000);
    Some(Finding {
        code: "late_warm_up".to_owned(),
        severity: Severity::Note,
        subject: subject.to_owned(),
        message: format!(
            "the first {length} of what was judged were still warm-up: medians were {slower} slower than afterwards"
        ),
        help: Some("Give the case a longer `warmup`, or more `warmup_samples`, so that it judges the settled service.".to_owned()), ..Finding::default() })
}

fn median(times: &Histogram) -> Option<f64> {
    Some(times.quantile(0.5)?.estimate as f64)
}

fn median_of(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Aggregate, Interval, Series, metric};

    /// Intervals of 100 ms whose response times are about so many microseconds.
    fn run(count: u64, micros: impl Fn(u64) -> u64) -> Vec<Snapshot> {
        let interval = |number: u64| {
            let mut times = Histogram::default();
            (0..20).for_each(|at| times.record((micros(number) + (number * 20 + at) * 7919 % 401) * 1000));
            let mut snapshot = Snapshot::default();
            snapshot.add(Series::new(metric::RESPONSE_TIME), Aggregate::Trend(times));
            let from = Nanos::from_millis(number * 100);
            snapshot.interval = Some(Interval { from, to: from + Nanos::from_millis(100) });
            snapshot
        };
        (0..count).map(interval).collect()
    }

    #[test]
    fn a_cold_start_is_told_with_its_length_and_size() {
        let found = late_warm_up("api", &run(60, |at| if at < 10 { 9_000 } else { 5_000 })).unwrap();
        assert_eq!((found.severity, found.subject.as_str()), (Severity::Note, "api"));
        assert!(found.message.starts_with("the first 1s of what was judged"), "{}", found.message);
        let told = found.message.split_whitespace().find(|word| word.ends_with("ms")).unwrap();
        let millis: f64 = told.trim_end_matches("ms").parse().unwrap();
        assert!((3.8..4.2).contains(&millis), "{}", found.message);
    }

    #[test]
    fn what_is_no_warm_up_is_not_called_one() {
        for (name, intervals) in [
            ("steady", run(60, |_| 5_000)),
            ("faster at first", run(60, |at| if at < 10 { 4_000 } else { 5_000 })),
            ("too little to matter", run(60, |at| if at < 10 { 5_100 } else { 5_000 })),
            ("never settled", run(60, |at| 9_000 - at * 60)),
            ("slow now and then", run(60, |at| if at % 9 == 0 { 9_000 } else { 5_000 })),
            ("too short", run(15, |at| if at < 5 { 9_000 } else { 5_000 })),
            ("nothing", Vec::new()),
        ] {
            assert_eq!(late_warm_up("api", &intervals), None, "{name}");
        }
    }
}
