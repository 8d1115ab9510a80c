//! What a comparison needs of a run.

use pulse_model::{
    Aggregate, EventKind, Histogram, IntervalEvent, RunEvent, Series, Snapshot, Summary, metric, tag,
};
use serde::{Deserialize, Serialize};

/// Most intervals that are kept; beyond it neighbours are merged, which loses nothing but resolution in time.
pub const MAX_INTERVALS: usize = 120;

/// A run: what it found out, and how response times scattered over it. Bounded: at most [`MAX_INTERVALS`] intervals, and
/// of each only the response times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunData {
    /// What it found out.
    pub summary: Summary,
    /// What was judged, in order of time. Empty when it was not kept: then only estimates can be compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intervals: Vec<Snapshot>,
    /// Name of the machine; empty when it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub machine: String,
}

impl RunData {
    /// A run with the judged part of its intervals.
    pub fn new<'a>(summary: Summary, intervals: impl IntoIterator<Item = &'a Snapshot>) -> Self {
        let mut kept: Vec<Snapshot> = Vec::new();
        let mut per_interval = 1;
        let mut pending = 0;
        for interval in intervals {
            let times = response_times(interval);
            if pending > 0
                && let Some(last) = kept.last_mut()
            {
                last.merge(&times);
            } else {
                kept.push(times);
            }
            pending = (pending + 1) % per_interval;
            if pending == 0 && kept.len() >= 2 * MAX_INTERVALS {
                kept = halved(&kept);
                per_interval *= 2;
            }
        }
        if kept.len() > MAX_INTERVALS {
            kept = halved(&kept);
        }
        Self { summary, intervals: kept, machine: String::new() }
    }

    /// A run from what it told of: a recording, or the events of a run in this process. `None` without a `Finished` event;
    /// then the summary has to be rebuilt first.
    pub fn of_events<'a>(events: impl IntoIterator<Item = &'a RunEvent>) -> Option<Self> {
        let mut summary = None;
        let mut judged: Vec<&IntervalEvent> = Vec::new();
        for event in events {
            match &event.kind {
                EventKind::Snapshot(interval) => judged.push(interval),
                EventKind::Finished(finished) => summary = Some(finished.as_ref().clone()),
                _ => {}
            }
        }
        let judged = judged.into_iter().filter(|event| !event.point.warmup).map(|event| &event.snapshot);
        Some(Self::new(summary?, judged))
    }

    /// The same run with half as many intervals, for storage with a limit; `None` when there is nothing to halve.
    pub(crate) fn coarser(&self) -> Option<Self> {
        (self.intervals.len() > 1).then(|| Self { intervals: halved(&self.intervals), ..self.clone() })
    }

    /// Response times of each interval, of one endpoint or of all.
    pub(crate) fn response_times(&self, endpoint: Option<&str>) -> Vec<Histogram> {
        let selector = selector(endpoint);
        self.intervals.iter().map(|interval| interval.trend(&selector)).collect()
    }
}

/// Selects response times of one endpoint or of all.
pub(crate) fn selector(endpoint: Option<&str>) -> Series {
    let all = Series::new(metric::RESPONSE_TIME);
    match endpoint {
        Some(endpoint) => all.with(tag::ENDPOINT, endpoint),
        None => all,
    }
}

/// The response times of an interval by endpoint and outcome; other tags are merged.
fn response_times(interval: &Snapshot) -> Snapshot {
    let mut times = Snapshot { interval: interval.interval, ..Snapshot::default() };
    for (series, aggregate) in interval.matching(&Series::new(metric::RESPONSE_TIME)) {
        if let Aggregate::Trend(_) = aggregate {
            let mut slim = Series::new(metric::RESPONSE_TIME);
            for name in [tag::ENDPOINT, tag::OUTCOME] {
                if let Some(value) = series.tag(name) {
                    slim = slim.with(name, value);
                }
            }
            times.add(slim, aggregate.clone());
        }
    }
    times
}

fn halved(intervals: &[Snapshot]) -> Vec<Snapshot> {
    let merged = |pair: &[Snapshot]| {
        pair.iter().fold(Snapshot::default(), |mut merged, next| {
            merged.merge(next);
            merged
        })
    };
    intervals.chunks(2).map(merged).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Interval, Nanos, TimePoint};

    fn interval(second: u64) -> Snapshot {
        let mut times = Histogram::default();
        times.record(second + 1);
        let mut snapshot = Snapshot::default();
        let series = Series::new(metric::RESPONSE_TIME).with(tag::ENDPOINT, "a").with(tag::STATUS, "200");
        snapshot.add(series, Aggregate::Trend(times));
        snapshot.count(Series::new(metric::BYTES_SENT), 9);
        snapshot.interval =
            Some(Interval { from: Nanos::from_secs(second), to: Nanos::from_secs(second + 1) });
        snapshot
    }

    #[test]
    fn however_long_the_run_memory_is_bounded_and_nothing_is_lost() {
        for seconds in [0, 1, 119, 120, 121, 239, 240, 241, 1000, 3601] {
            let intervals: Vec<Snapshot> = (0..seconds).map(interval).collect();
            let data = RunData::new(Summary::default(), &intervals);
            assert!(data.intervals.len() <= MAX_INTERVALS, "{seconds}");
            assert!(data.intervals.len() as u64 >= seconds.min(60), "{seconds}: {}", data.intervals.len());
            let times = data.response_times(Some("a"));
            assert_eq!(times.iter().map(Histogram::count).sum::<u64>(), seconds);
            let ends: Vec<u64> = data.intervals.iter().map(|kept| kept.interval.unwrap().to.0).collect();
            assert!(ends.is_sorted(), "{seconds}");
        }
    }

    #[test]
    fn only_response_times_by_endpoint_and_outcome_are_kept() {
        let data = RunData::new(Summary::default(), &[interval(0)]);
        let names: Vec<String> = data.intervals[0].series.keys().map(ToString::to_string).collect();
        assert_eq!(names, ["response_time{endpoint=\"a\"}"]);
    }

    #[test]
    fn a_recording_is_a_run_without_its_warm_up() {
        let event = |second: u64, warmup| {
            let snapshot = if warmup { Snapshot::default() } else { interval(second) };
            let point = TimePoint { warmup, ..TimePoint::default() };
            let kind = EventKind::Snapshot(Box::new(IntervalEvent { point, snapshot, warmup: None }));
            RunEvent { at: Nanos::from_secs(second), kind }
        };
        let mut events = vec![event(0, true), event(1, false), event(2, false)];
        assert_eq!(RunData::of_events(&events), None, "it never finished");
        let summary = Summary { warmup_requests: 3, ..Summary::default() };
        let kind = EventKind::Finished(Box::new(summary.clone()));
        events.push(RunEvent { at: Nanos::from_secs(3), kind });
        let data = RunData::of_events(&events).unwrap();
        assert_eq!((data.intervals.len(), data.summary), (2, summary));
    }
}
