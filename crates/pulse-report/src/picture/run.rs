//! The charts of one run: what was asked for and done, how long it took, and how it was spread.

use pulse_model::{Histogram, Nanos, Schema, Series as MetricSeries, Summary, TimePoint, metric};

use super::axis::Axis;
use super::panel::{AMBER, BLUE, Form, GREEN, MUTED, NUMBERS, PURPLE, Panel, RED, Series};
use crate::intervals::whole_intervals;
use crate::monitor_text::is_monitor;

/// Points of a line; neighbours of a longer run are put together.
const POINTS: usize = 600;
/// Points of the line of percentiles.
const QUANTILES: u32 = 240;
/// Buckets of the histogram per doubling, as an exponent.
const BUCKETS: u8 = 3;
/// Nanoseconds of a millisecond.
const MILLI: f64 = 1e6;
const WIDTH: u32 = 2;

/// Requests over time.
pub(super) fn rates(summary: &Summary, marks: &[(f64, String)]) -> Panel {
    let points = thinned(&summary.timeline);
    let per_second = |count: fn(&TimePoint) -> u64| {
        let rate = move |point: &TimePoint| {
            let seconds = point.to.since(point.from).as_secs_f64();
            (seconds > 0.0).then(|| count(point) as f64 / seconds)
        };
        over_time(&points, rate)
    };
    let series =
        |label: &str, color, parts| Series { label: label.into(), color, form: Form::Line(WIDTH), parts };
    let mut all = Vec::new();
    if !is_monitor(&summary.run.kind) {
        all.push(series("iterations asked for", MUTED, per_second(|point| point.due)));
    }
    all.push(series("requests answered", BLUE, per_second(|point| point.requests)));
    if points.iter().any(|point| point.dropped > 0) {
        let dropped = per_second(|point| point.dropped);
        all.push(series("iterations dropped or missed", AMBER, dropped));
    }
    all.push(series("requests failed", RED, per_second(|point| point.failed)));
    let most = all.iter().flat_map(|one| one.parts.iter().flatten()).map(|(_, y)| *y).fold(0.0, f64::max);
    Panel {
        title: "Rate".into(),
        x: time(summary),
        y: Axis::linear("per second", most, 4),
        series: all,
        marks: marks.to_vec(),
        warmup: warmup(summary),
        room: NUMBERS,
    }
}

/// Response times over time.
pub(super) fn times(summary: &Summary, marks: &[(f64, String)]) -> Panel {
    let points = thinned(&summary.timeline);
    let line = |label: &str, color, nanos: fn(&TimePoint) -> u64| {
        let millis = move |point: &TimePoint| (point.requests > 0).then(|| nanos(point) as f64 / MILLI);
        Series { label: label.into(), color, form: Form::Line(WIDTH), parts: over_time(&points, millis) }
    };
    let series = vec![
        line("max", MUTED, |point| point.max),
        line("p99", PURPLE, |point| point.p99),
        line("p95", BLUE, |point| point.p95),
        line("p50", GREEN, |point| point.p50),
    ];
    let values = series.iter().flat_map(|one| one.parts.iter().flatten()).map(|(_, y)| *y);
    Panel {
        title: "Response time".into(),
        x: time(summary),
        y: Axis::log("milliseconds", values),
        series,
        marks: marks.to_vec(),
        warmup: warmup(summary),
        room: NUMBERS,
    }
}

/// Which share of the requests was how fast.
pub(super) fn percentiles(summary: &Summary) -> Panel {
    let response = summary.response_time();
    let service = summary.totals.trend(&MetricSeries::new(metric::SERVICE_TIME));
    let x = Axis::percentiles(response.count());
    let line = |label: &str, color, times: &Histogram| {
        let decades = (0..=QUANTILES).map(|n| x.range.1 * f64::from(n) / f64::from(QUANTILES));
        let quantile = |rarity: f64| {
            let q = 1.0 - 10_f64.powf(-rarity);
            Some((q, times.quantile(q.max(f64::MIN_POSITIVE))?.estimate as f64 / MILLI))
        };
        let part: Vec<_> = decades.filter_map(quantile).collect();
        Series { label: label.into(), color, form: Form::Line(WIDTH), parts: vec![part] }
    };
    let mut series = vec![line("service time", MUTED, &service), line("response time", BLUE, &response)];
    series.retain(|one| !one.parts.concat().is_empty());
    let values = series.iter().flat_map(|one| one.parts.iter().flatten()).map(|(_, y)| *y);
    let y = Axis::log("milliseconds", values);
    Panel { title: "Percentiles".into(), y, x, series, marks: Vec::new(), warmup: None, room: NUMBERS }
}

/// How many requests took how long.
pub(super) fn histogram(summary: &Summary) -> Panel {
    let mut times = Histogram::new(Schema::new(BUCKETS).unwrap_or(Schema::MONITOR));
    times.merge(&summary.response_time());
    let (schema, millis) = (times.schema(), |nanos: u64| nanos as f64 / MILLI);
    let bars: Vec<_> = times
        .indexed()
        .map(|(index, count)| {
            let ends = [schema.lower(index), schema.upper(index)].map(millis);
            ends.map(|end| (end, count as f64)).to_vec()
        })
        .collect();
    let most = bars.iter().flatten().map(|(_, count)| *count).fold(0.0, f64::max);
    Panel {
        title: "Distribution of response times".into(),
        x: Axis::log("milliseconds", bars.iter().flatten().map(|(end, _)| *end)),
        y: Axis::linear("requests", most, 4),
        series: vec![Series { label: String::new(), color: BLUE, form: Form::Bars, parts: bars }],
        marks: Vec::new(),
        warmup: None,
        room: NUMBERS,
    }
}

fn time(summary: &Summary) -> Axis {
    let end = summary.timeline.last().map_or(Nanos::ZERO, |point| point.to);
    Axis::time(end.max(summary.elapsed).as_secs_f64(), 10)
}

fn warmup(summary: &Summary) -> Option<f64> {
    let warmup = summary.run.warmup;
    (warmup > Nanos::ZERO).then(|| warmup.as_secs_f64())
}

/// The lines of a figure: in the middle of each interval, apart where there is none.
fn over_time(points: &[TimePoint], figure: impl Fn(&TimePoint) -> Option<f64>) -> Vec<Vec<(f64, f64)>> {
    let mut parts = vec![Vec::new()];
    for point in points {
        let middle = f64::midpoint(point.from.as_secs_f64(), point.to.as_secs_f64());
        match (figure(point).filter(|value| value.is_finite()), parts.last_mut()) {
            (Some(value), Some(part)) => part.push((middle, value)),
            (None, Some(part)) if !part.is_empty() => parts.push(Vec::new()),
            _ => {}
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// At most [`POINTS`] points.
fn thinned(timeline: &[TimePoint]) -> Vec<TimePoint> {
    let timeline = whole_intervals(timeline);
    let together = timeline.len().div_ceil(POINTS).max(1);
    let merged = timeline.chunks(together).filter_map(|chunk| {
        let (first, rest) = chunk.split_first()?;
        let mut merged = first.clone();
        rest.iter().for_each(|point| merged.absorb(point));
        Some(merged)
    });
    merged.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(from: u64, requests: u64) -> TimePoint {
        TimePoint {
            from: Nanos::from_secs(from),
            to: Nanos::from_secs(from + 1),
            requests,
            p50: 2_000_000,
            ..TimePoint::default()
        }
    }

    #[test]
    fn a_line_has_a_gap_where_nothing_was_answered() {
        let timeline = [10, 20, 0, 30].into_iter().enumerate();
        let timeline = timeline.map(|(at, requests)| second(at as u64, requests)).collect();
        let summary = Summary { timeline, ..Summary::default() };
        let panel = times(&summary, &[]);
        let p50 = &panel.series[3].parts;
        assert_eq!(*p50, [vec![(0.5, 2.0), (1.5, 2.0)], vec![(3.5, 2.0)]]);
        let answered = &rates(&summary, &[]).series[1].parts;
        assert_eq!(*answered, [vec![(0.5, 10.0), (1.5, 20.0), (2.5, 0.0), (3.5, 30.0)]]);
    }

    #[test]
    fn a_long_run_keeps_its_requests_in_few_points() {
        let timeline: Vec<_> = (0..3_999).map(|at| second(at, at % 7)).collect();
        let few = thinned(&timeline);
        assert!(few.len() <= POINTS, "{}", few.len());
        let requests = |points: &[TimePoint]| points.iter().map(|point| point.requests).sum::<u64>();
        assert_eq!(requests(&few), requests(&timeline));
        assert_eq!(few.last().unwrap().to, Nanos::from_secs(3_999));
    }

    #[test]
    fn every_request_is_in_the_histogram() {
        let summary = crate::canonical::plain();
        let bars = &histogram(&summary).series[0].parts;
        assert_eq!(bars.iter().map(|bar| bar[0].1 as u64).sum::<u64>(), 60_000);
        let line = &percentiles(&summary).series[1].parts[0];
        assert!(line.is_sorted_by(|a, b| a.1 <= b.1), "percentiles rise");
        assert_eq!(line.first().map(|(q, _)| *q), Some(0.0));
    }
}
