//! The page's data as JSON: the report, and beside it what charts need.
//!
//! It belongs to the page that is built with it and is no format for others: they read [`Json`](crate::Json), which the
//! page hands out, too. Long lists are columns of whole numbers, which are a third of the size of objects.

use std::collections::BTreeMap;
use std::io;

use pulse_model::{
    Aggregate, Course, CourseColumn, Histogram, Moment, MomentKind, Nanos, Schema, Series, Summary,
    TimePoint, metric,
};
use serde::Serialize;

use crate::comparison_page::ComparedRuns;
use crate::json_document::Document;

/// The page takes no data of another version.
const VERSION: u32 = 1;
/// The kind of job that a suite is.
const SUITE: &str = "test";
/// Endpoints whose distribution is part of the page, those that took most of the time.
const DISTRIBUTIONS: usize = 100;
/// Endpoints whose course is part of the page, those that took most of the time.
const COURSES: usize = 20;
/// Buckets per doubling of all requests' distribution, as an exponent: an error of at most 1.1 %.
const ALL_ROWS: u8 = 5;
/// The same of an endpoint: at most 2.2 %.
const ENDPOINT_ROWS: u8 = 4;

/// What the page shows of a job: all of it, or what came since a moment.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The job, as of now.
    pub summary: &'a Summary,
    /// Whether it goes on.
    pub running: bool,
    /// What is told over time begins here; everything else is always told whole. Of a suite the cases are what is told over
    /// time: this is the number of them that the reader knows, a millisecond each, and `summary` has the others.
    pub since: Option<Nanos>,
}

impl Page<'_> {
    /// Up to when the job is told: a page that begins there continues this one.
    pub fn until(&self) -> Nanos {
        if self.is_suite() {
            let over = self.summary.children.iter().filter(|case| !is_under_way(case)).count();
            return self.since.unwrap_or(Nanos::ZERO) + Nanos::from_millis(over as u64);
        }
        self.summary.timeline.last().map_or(Nanos::ZERO, |point| point.to)
    }

    /// Whether it is about a suite, which is told case by case.
    pub fn is_suite(&self) -> bool {
        self.summary.run.kind == SUITE && self.summary.case.is_none()
    }

    /// How many cases of a suite a reader knows who knows everything up to `since`.
    pub fn cases_known(since: Option<Nanos>) -> usize {
        since.map_or(0, |since| usize::try_from(millis(since)).unwrap_or(usize::MAX))
    }

    /// The page's data as JSON in which `<` is escaped, so that it can stand within a script element: no name in it can end
    /// the element.
    pub fn to_json(&self) -> io::Result<String> {
        json(&PageDocument::of(self))
    }
}

/// JSON in which `<` is escaped.
pub(crate) fn json(page: &PageDocument<'_>) -> io::Result<String> {
    // Between strings JSON has no such sign, and within them the escape means the same.
    Ok(serde_json::to_string(page)?.replace('<', "\\u003c"))
}

#[derive(Serialize)]
pub(crate) struct PageDocument<'a> {
    format: &'static str,
    version: u32,
    running: bool,
    since_ms: Option<f64>,
    report: Document<'a>,
    timeline: Timeline,
    courses: Vec<PageCourse<'a>>,
    distributions: Vec<Distribution>,
    /// Of all requests, each `[q, lower end, upper end]` in milliseconds.
    percentiles: Vec<[f64; 3]>,
    moments: Vec<PageMoment<'a>>,
    pub(crate) cases: Vec<Self>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) comparison: Option<ComparedRuns<'a>>,
    /// What this is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Box<Self>>,
}

#[derive(Default, Serialize)]
struct Timeline {
    from_ms: Vec<u64>,
    to_ms: Vec<u64>,
    warmup: Vec<u8>,
    due: Vec<u64>,
    requests: Vec<u64>,
    failed: Vec<u64>,
    users: Vec<u64>,
    dropped: Vec<u64>,
    p50_us: Vec<u64>,
    p95_us: Vec<u64>,
    p99_us: Vec<u64>,
    max_us: Vec<u64>,
    service_p95_us: Vec<u64>,
    start_lag_p99_us: Vec<u64>,
    /// Thousandths of a core.
    worker_cpu: Vec<u64>,
    // What follows is left out where there is nothing but zeros, which is most of the time.
    bytes_sent: Vec<u64>,
    bytes_received: Vec<u64>,
    connections: Vec<u64>,
    /// Thousandths of a core.
    process_cpu: Vec<u64>,
    process_kib: Vec<u64>,
    failures: BTreeMap<String, Vec<u64>>,
}

/// Columns as `[from_ms, to_ms, failed, first bucket, count, count, …]`.
#[derive(Serialize)]
struct PageCourse<'a> {
    endpoint: Option<&'a str>,
    schema: u8,
    columns: Vec<Vec<u64>>,
}

/// Buckets as runs of `[first bucket, count, count, …]`; bucket i holds nanoseconds up to 2^(i / 2^schema).
#[derive(Serialize)]
struct Distribution {
    endpoint: Option<String>,
    metric: &'static str,
    schema: u8,
    count: u64,
    zeros: u64,
    min_ms: Option<f64>,
    max_ms: Option<f64>,
    buckets: Vec<Vec<u64>>,
}

#[derive(Serialize)]
struct PageMoment<'a> {
    at_ms: u64,
    kind: MomentKind,
    message: &'a str,
}

impl<'a> PageDocument<'a> {
    pub(crate) fn of(page: &Page<'a>) -> Self {
        let &Page { summary, running, since } = page;
        let case =
            |summary| Self::of(&Page { summary, running: running && is_under_way(summary), since: None });
        Self {
            format: "pulse-page",
            version: VERSION,
            running,
            since_ms: since.map(Nanos::as_millis_f64),
            report: Document::alone(summary),
            timeline: timeline(&summary.timeline, since.unwrap_or(Nanos::ZERO)),
            courses: courses(&summary.courses, since.unwrap_or(Nanos::ZERO)),
            distributions: distributions(summary),
            percentiles: summary
                .percentiles
                .iter()
                .map(|known| [known.q, known.lo / 1e6, known.hi / 1e6])
                .collect(),
            moments: summary.moments.iter().map(moment).collect(),
            cases: summary.children.iter().map(case).collect(),
            comparison: None,
            before: None,
        }
    }
}

/// A case without a verdict that was not skipped has not come to its end.
fn is_under_way(case: &Summary) -> bool {
    case.verdict.is_none() && case.case.as_ref().is_some_and(|info| info.skipped.is_none())
}

fn millis(at: Nanos) -> u64 {
    at.0 / 1_000_000
}

fn timeline(points: &[TimePoint], since: Nanos) -> Timeline {
    let mut columns = Timeline::default();
    let micros = |nanos: u64| nanos.div_ceil(1_000);
    let thousandths = |share: f64| (share.max(0.0) * 1e3).round() as u64;
    for point in points.iter().filter(|point| point.to > since) {
        columns.from_ms.push(millis(point.from));
        columns.to_ms.push(millis(point.to));
        columns.warmup.push(u8::from(point.warmup));
        columns.due.push(point.due);
        columns.requests.push(point.requests);
        columns.failed.push(point.failed);
        columns.users.push(point.users);
        columns.dropped.push(point.dropped);
        columns.p50_us.push(micros(point.p50));
        columns.p95_us.push(micros(point.p95));
        columns.p99_us.push(micros(point.p99));
        columns.max_us.push(micros(point.max));
        columns.service_p95_us.push(micros(point.service_p95));
        columns.start_lag_p99_us.push(micros(point.start_lag_p99));
        columns.worker_cpu.push(thousandths(point.worker_cpu));
        columns.bytes_sent.push(point.bytes_sent);
        columns.bytes_received.push(point.bytes_received);
        columns.connections.push(point.connections);
        columns.process_cpu.push(thousandths(point.process_cpu));
        columns.process_kib.push(point.process_resident.div_ceil(1024));
        let place = columns.from_ms.len() - 1;
        for (class, count) in &point.failures {
            let column = columns.failures.entry(class.clone()).or_default();
            column.resize(place, 0);
            column.push(*count);
        }
    }
    let length = columns.from_ms.len();
    columns.failures.values_mut().for_each(|column| column.resize(length, 0));
    let Timeline { bytes_sent, bytes_received, connections, process_cpu, process_kib, .. } = &mut columns;
    for column in [bytes_sent, bytes_received, connections, process_cpu, process_kib] {
        if column.iter().all(|value| *value == 0) {
            column.clear();
        }
    }
    columns
}

/// Of all requests first, then of the endpoints that took most of the time.
fn courses(courses: &[Course], since: Nanos) -> Vec<PageCourse<'_>> {
    let (all, mut endpoints): (Vec<_>, Vec<_>) = courses.iter().partition(|one| one.endpoint.is_none());
    let time = |one: &&Course| one.columns.iter().map(|column| column.times.sum()).sum::<u128>();
    endpoints.sort_by_cached_key(|one| std::cmp::Reverse(time(one)));
    let chosen = all.into_iter().chain(endpoints.into_iter().take(COURSES));
    chosen.map(|one| course(one, since)).collect()
}

fn course(course: &Course, since: Nanos) -> PageCourse<'_> {
    let schema = course.columns.first().map_or(0, |column| column.times.schema().get());
    let columns = course.columns.iter().filter(|column| column.to > since);
    PageCourse { endpoint: course.endpoint.as_deref(), schema, columns: columns.map(column).collect() }
}

fn column(column: &CourseColumn) -> Vec<u64> {
    let mut cells = vec![millis(column.from), millis(column.to), column.failed];
    let mut next = None;
    for (index, count) in column.times.indexed() {
        let index = index as u64;
        match next {
            None => cells.push(index),
            Some(next) => cells.extend((next..index).map(|_| 0)),
        }
        cells.push(count);
        next = Some(index + 1);
    }
    cells
}

/// Of all requests first, then of the endpoints that took most of the time.
fn distributions(summary: &Summary) -> Vec<Distribution> {
    let mut endpoints: BTreeMap<String, Histogram> = BTreeMap::new();
    for (series, aggregate) in summary.totals.matching(&Series::new(metric::RESPONSE_TIME)) {
        if let (Aggregate::Trend(trend), Some(name)) = (aggregate, series.endpoint_name()) {
            endpoints.entry(name).or_insert_with(|| coarse(ENDPOINT_ROWS)).merge(trend);
        }
    }
    let mut endpoints: Vec<_> = endpoints.into_iter().collect();
    endpoints.sort_by_key(|(_, times)| std::cmp::Reverse(times.sum()));
    endpoints.truncate(DISTRIBUTIONS);
    let all = [metric::RESPONSE_TIME, metric::SERVICE_TIME].map(|name| {
        let mut times = coarse(ALL_ROWS);
        times.merge(&summary.totals.trend(&Series::new(name)));
        distribution(None, name, &times)
    });
    let endpoints = endpoints.into_iter();
    let endpoints = endpoints.map(|(name, times)| distribution(Some(name), metric::RESPONSE_TIME, &times));
    all.into_iter().chain(endpoints).filter(|one| one.count > 0).collect()
}

fn coarse(rows: u8) -> Histogram {
    Histogram::new(Schema::new(rows).unwrap_or(Schema::MONITOR))
}

fn distribution(endpoint: Option<String>, metric: &'static str, times: &Histogram) -> Distribution {
    let mut buckets: Vec<Vec<u64>> = Vec::new();
    let mut next = usize::MAX;
    for (index, count) in times.indexed() {
        match buckets.last_mut() {
            Some(run) if index == next => run.push(count),
            _ => buckets.push(vec![index as u64, count]),
        }
        next = index + 1;
    }
    let millis = |nanos: u64| Nanos(nanos).as_millis_f64();
    Distribution {
        endpoint,
        metric,
        schema: times.schema().get(),
        count: times.count(),
        zeros: times.zeros(),
        min_ms: times.min().map(millis),
        max_ms: times.max().map(millis),
        buckets,
    }
}

fn moment(moment: &Moment) -> PageMoment<'_> {
    PageMoment { at_ms: millis(moment.at), kind: moment.kind, message: &moment.message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical, canonical_monitor, canonical_suite};
    use serde_json::{Value, json};

    fn read(page: Page<'_>) -> Value {
        serde_json::from_str(&page.to_json().unwrap()).unwrap()
    }

    fn whole(summary: &Summary) -> Value {
        read(Page { summary, running: false, since: None })
    }

    /// Twice the same interval with requests of 3 µs and of 3 ms.
    fn course_of_two() -> Course {
        let mut times = Histogram::new(Schema::new(2).unwrap());
        times.record_n(3_000, 5);
        times.record_n(3_000_000, 2);
        let column = |second| CourseColumn {
            from: Nanos::from_secs(second),
            to: Nanos::from_secs(second + 1),
            failed: 1,
            times: times.clone(),
        };
        Course { endpoint: None, columns: vec![column(0), column(1)] }
    }

    #[test]
    fn the_report_is_the_json_report_without_its_long_lists() {
        for summary in [canonical::full(), canonical::empty(), canonical_monitor::full()] {
            let mut report = serde_json::to_value(Document::of(&summary)).unwrap();
            let timeline = std::mem::replace(&mut report["timeline"], json!([]));
            let page = whole(&summary);
            assert_eq!(page["report"], report);
            let points = timeline.as_array().unwrap();
            for (column, field, factor) in
                [("requests", "requests", 1.0), ("max_us", "max_ms", 1e3), ("from_ms", "from_ms", 1.0)]
            {
                let wanted: Vec<u64> =
                    points.iter().map(|point| (point[field].as_f64().unwrap() * factor) as u64).collect();
                assert_eq!(page["timeline"][column], json!(wanted), "{column}");
            }
        }
    }

    #[test]
    fn columns_of_zeros_are_left_out_and_classes_are_as_long_as_the_others() {
        let points = [[("timeout", 3)].as_slice(), &[], &[("reset", 1), ("timeout", 2)], &[]];
        let points = points.into_iter().enumerate().map(|(n, classes)| TimePoint {
            to: Nanos::from_secs(n as u64 + 1),
            bytes_sent: u64::from(n == 1),
            failures: classes.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            ..TimePoint::default()
        });
        let summary = Summary { timeline: points.collect(), ..Summary::default() };
        let timeline = &whole(&summary)["timeline"];
        assert_eq!(
            (&timeline["bytes_sent"], &timeline["bytes_received"]),
            (&json!([0, 1, 0, 0]), &json!([]))
        );
        assert_eq!(timeline["failures"], json!({ "reset": [0, 0, 1, 0], "timeout": [3, 0, 2, 0] }));
        let since = read(Page { summary: &summary, running: true, since: Some(Nanos::from_secs(2)) });
        assert_eq!(since["timeline"]["failures"], json!({ "reset": [1, 0], "timeout": [2, 0] }));
    }

    #[test]
    fn a_case_is_a_page_of_its_own() {
        let summary = canonical_suite::full();
        let page = whole(&summary);
        let cases = page["cases"].as_array().unwrap();
        assert_eq!(cases.len(), summary.children.len());
        assert_eq!(cases[0]["report"]["case"]["id"], json!(summary.children[0].case.as_ref().unwrap().id));
        assert_eq!(page["report"]["cases"], json!([]));
    }

    #[test]
    fn distributions_count_every_request_once() {
        let page = whole(&canonical::full());
        let distributions = page["distributions"].as_array().unwrap();
        assert_eq!(distributions[0]["count"], json!(60_000));
        for distribution in distributions {
            let runs = distribution["buckets"].as_array().unwrap().iter();
            let counted: u64 =
                runs.flat_map(|run| &run.as_array().unwrap()[1..]).filter_map(Value::as_u64).sum();
            assert_eq!(
                Some(counted + distribution["zeros"].as_u64().unwrap()),
                distribution["count"].as_u64()
            );
        }
        let endpoints: u64 = distributions[2..].iter().filter_map(|one| one["count"].as_u64()).sum();
        assert_eq!(endpoints, 60_000, "response and service time of all come first");
    }

    #[test]
    fn what_came_since_a_moment_continues_what_was_before() {
        let mut summary = canonical::full();
        summary.courses = vec![course_of_two()];
        summary.moments =
            vec![Moment { at: Nanos::from_secs(1), kind: MomentKind::Breach, message: "!".into() }];
        let all = whole(&summary);
        let columns = all["courses"][0]["columns"].as_array().unwrap();
        assert_eq!(columns.len(), 2);
        assert_eq!(columns[0].as_array().unwrap()[..4], [json!(0), json!(1000), json!(1), json!(47)]);
        let counts: Vec<u64> = columns[0].as_array().unwrap()[4..].iter().filter_map(Value::as_u64).collect();
        assert_eq!((counts.first(), counts.last(), counts.iter().sum()), (Some(&5), Some(&2), 7_u64));
        let since = read(Page { summary: &summary, running: true, since: Some(Nanos::from_secs(1)) });
        assert_eq!(since["courses"][0]["columns"], json!([columns[1]]));
        assert_eq!(since["moments"], json!([{ "at_ms": 1000, "kind": "breach", "message": "!" }]));
        let until = Page { summary: &summary, running: true, since: None }.until();
        let nothing = read(Page { summary: &summary, running: true, since: Some(until) });
        assert_eq!(nothing["timeline"]["from_ms"], json!([]));
        assert_eq!(nothing["report"], all["report"]);
    }
}
