//! Figures over time as JSON, for scripts: one metric, of everything or of an endpoint, over a part of the time.
//!
//! They come from what the page's charts come from. A point is an interval, or several put together: counts are added,
//! levels are the largest (of users the last), and percentiles are those of the merged histograms.

use std::collections::BTreeMap;

use pulse_model::{Course, CourseColumn, Histogram, Nanos, Schema, Summary, TimePoint};
use serde::Serialize;

const FORMAT: &str = "pulse-series";
const VERSION: u32 = 1;
/// Most names that an error lists.
const NAMED: usize = 10;

/// What there is over time.
#[derive(Clone, Copy, Debug)]
enum Metric {
    /// Something that is added up.
    Sum(fn(&TimePoint) -> u64),
    /// A level, of which the largest counts, with the factor that makes its unit.
    Level(fn(&TimePoint) -> f64),
    /// Failed requests by class.
    Failures,
    /// Percentiles of response time.
    ResponseTime,
}

/// Name and unit of every metric; the names are those of the JSON report's timeline, where it has them.
const METRICS: [(&str, &str, Metric); 15] = [
    ("requests", "count", Metric::Sum(|point| point.requests)),
    ("failed", "count", Metric::Sum(|point| point.failed)),
    ("failures", "count", Metric::Failures),
    ("response_time", "ms", Metric::ResponseTime),
    ("service_p95", "ms", Metric::Level(|point| Nanos(point.service_p95).as_millis_f64())),
    ("start_lag_p99", "ms", Metric::Level(|point| Nanos(point.start_lag_p99).as_millis_f64())),
    ("due", "count", Metric::Sum(|point| point.due)),
    ("dropped", "count", Metric::Sum(|point| point.dropped)),
    ("users", "count", Metric::Level(|point| point.users as f64)),
    ("bytes_sent", "bytes", Metric::Sum(|point| point.bytes_sent)),
    ("bytes_received", "bytes", Metric::Sum(|point| point.bytes_received)),
    ("connections_opened", "count", Metric::Sum(|point| point.connections)),
    ("worker_cpu", "share of a core", Metric::Level(|point| point.worker_cpu)),
    ("process_cpu", "share of a core", Metric::Level(|point| point.process_cpu)),
    ("process_resident", "bytes", Metric::Level(|point| point.process_resident as f64)),
];
/// What an endpoint has over time.
const OF_ENDPOINTS: [&str; 3] = ["requests", "failed", "response_time"];

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesQuery {
    metric: String,
    endpoint: Option<String>,
    case: Option<String>,
    from: Option<Nanos>,
    to: Option<Nanos>,
    window: Option<Nanos>,
    step: Nanos,
}

/// Why there is no answer: each is the asker's mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeriesError {
    /// The metric is missing or none.
    #[error("{0}; there are: {names}", names = METRICS.map(|(name, ..)| name).join(", "))]
    Metric(String),
    /// An unknown parameter, or a known one twice.
    #[error(
        "`{0}` is no parameter, or there twice; there are: metric, endpoint, case, from, to, window, step"
    )]
    Parameter(String),
    /// A parameter without a duration.
    #[error("{name}: {error}")]
    Duration {
        /// Of which parameter.
        name: String,
        /// What is wrong with it.
        error: pulse_model::DurationError,
    },
    /// A span that is none.
    #[error("{0}")]
    Span(&'static str),
    /// No such endpoint over time.
    #[error("no endpoint `{name}` is kept over time; there are: {known}")]
    Endpoint {
        /// What was asked for.
        name: String,
        /// Those that are there.
        known: String,
    },
    /// A metric that endpoints do not have.
    #[error("`{0}` is not kept by endpoint; by endpoint there are: {names}", names = OF_ENDPOINTS.join(", "))]
    NotByEndpoint(String),
    /// A suite has figures by case.
    #[error("these are suites, whose cases have figures over time: add case=ID; there are: {0}")]
    Case(String),
}

#[derive(Serialize)]
struct Answer<'a> {
    format: &'static str,
    version: u32,
    metric: &'a str,
    unit: &'static str,
    endpoint: Option<&'a str>,
    /// How far percentiles may be off at most, where they come from coarse buckets.
    relative_error: Option<f64>,
    points: Vec<Point>,
}

#[derive(Serialize)]
struct Point {
    from_ms: f64,
    to_ms: f64,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Figures {
    Count { value: u64 },
    Level { value: f64 },
    Classes { classes: BTreeMap<String, u64> },
    Times { count: u64, p50: Option<f64>, p95: Option<f64>, p99: Option<f64>, max: Option<f64> },
}

impl SeriesQuery {
    /// Reads the parameters of a question, by name and value.
    pub fn read(parameters: &[(String, String)]) -> Result<Self, SeriesError> {
        let mut query = Self::default();
        for (n, (name, value)) in parameters.iter().enumerate() {
            if parameters[..n].iter().any(|(before, _)| before == name) {
                return Err(SeriesError::Parameter(shown(name)));
            }
            let duration = || value.parse::<Nanos>();
            let duration = || duration().map_err(|error| SeriesError::Duration { name: name.clone(), error });
            match name.as_str() {
                "metric" => query.metric.clone_from(value),
                "endpoint" => query.endpoint = Some(value.clone()),
                "case" => query.case = Some(value.clone()),
                "from" => query.from = Some(duration()?),
                "to" => query.to = Some(duration()?),
                "window" => query.window = Some(duration()?),
                "step" => query.step = duration()?,
                _ => return Err(SeriesError::Parameter(shown(name))),
            }
        }
        query.metric()?;
        if query.window.is_some() && (query.from.is_some() || query.to.is_some()) {
            return Err(SeriesError::Span("window is the last part of the time: leave out from and to"));
        }
        if query.from.zip(query.to).is_some_and(|(from, to)| from >= to) {
            return Err(SeriesError::Span("from is not before to"));
        }
        Ok(query)
    }

    /// The case that is asked for, of suites.
    fn job<'a>(&self, summary: &'a Summary) -> Result<&'a Summary, SeriesError> {
        let ids = || summary.children.iter().filter_map(|case| Some(case.case.as_ref()?.id.as_str()));
        if summary.children.is_empty() && self.case.is_none() {
            return Ok(summary);
        }
        let place = self.case.as_ref().and_then(|wanted| ids().position(|id| id == wanted));
        let case = place.and_then(|place| summary.children.get(place));
        case.ok_or_else(|| SeriesError::Case(listed(ids())))
    }

    fn metric(&self) -> Result<(&'static str, Metric), SeriesError> {
        let found = METRICS.iter().find(|(name, ..)| *name == self.metric);
        let (_, unit, metric) = found.ok_or_else(|| {
            SeriesError::Metric(if self.metric.is_empty() {
                "metric=NAME is missing".to_owned()
            } else {
                format!("`{}` is no metric over time", shown(&self.metric))
            })
        })?;
        Ok((unit, *metric))
    }

    /// The answer as JSON; as many points at most as a summary keeps, which is a few thousand.
    pub fn answer(&self, summary: &Summary) -> Result<String, SeriesError> {
        let (unit, metric) = self.metric()?;
        let job = self.job(summary)?;
        let (points, relative_error) = match (&self.endpoint, metric) {
            (None, Metric::ResponseTime) if self.step == Nanos::ZERO => (self.whole(job, exact), None),
            (None, Metric::ResponseTime) => match job.courses.iter().find(|one| one.endpoint.is_none()) {
                Some(course) => self.of_course(course, metric),
                None => (Vec::new(), None),
            },
            (None, metric) => (self.whole(job, |point| figures(point, metric)), None),
            (Some(name), metric) => {
                if !OF_ENDPOINTS.contains(&self.metric.as_str()) {
                    return Err(SeriesError::NotByEndpoint(self.metric.clone()));
                }
                self.of_course(endpoint(job, name)?, metric)
            }
        };
        let (metric, endpoint) = (self.metric.as_str(), self.endpoint.as_deref());
        let answer =
            Answer { format: FORMAT, version: VERSION, metric, unit, endpoint, relative_error, points };
        // Strings, numbers and lists of them can always be written.
        Ok(serde_json::to_string_pretty(&answer).unwrap_or_default())
    }

    /// The part of the time that is asked for, of a job that has lasted until `end`.
    fn covers(&self, from: Nanos, to: Nanos, end: Nanos) -> bool {
        let begin = self.window.map_or(self.from.unwrap_or(Nanos::ZERO), |window| end.since(window));
        from >= begin && self.to.is_none_or(|until| to <= until)
    }

    fn whole(&self, job: &Summary, figures: impl Fn(&TimePoint) -> Figures) -> Vec<Point> {
        let end = job.timeline.last().map_or(Nanos::ZERO, |point| point.to);
        let points = job.timeline.iter().filter(|point| self.covers(point.from, point.to, end));
        let points = together(points, |point| (point.from, point.to), TimePoint::absorb, self.step);
        points.iter().map(|one| point(one.from, one.to, figures(one))).collect()
    }

    fn of_course(&self, course: &Course, metric: Metric) -> (Vec<Point>, Option<f64>) {
        let end = course.columns.last().map_or(Nanos::ZERO, |column| column.to);
        let columns = course.columns.iter().filter(|column| self.covers(column.from, column.to, end));
        let columns = together(columns, |column| (column.from, column.to), CourseColumn::absorb, self.step);
        let is_times = matches!(metric, Metric::ResponseTime);
        let figures = |column: &CourseColumn| match self.metric.as_str() {
            "failed" => Figures::Count { value: column.failed },
            "requests" => Figures::Count { value: column.times.count() },
            _ => times(&column.times),
        };
        let points = columns.iter().map(|one| point(one.from, one.to, figures(one))).collect();
        let error = course.columns.first().map(|column| relative_error(column.times.schema()));
        (points, error.filter(|_| is_times))
    }
}

/// How far a percentile from such buckets may be off: (γ − 1) / (γ + 1).
fn relative_error(schema: Schema) -> f64 {
    let ratio = 2_f64.powf(0.5_f64.powi(i32::from(schema.get())));
    (ratio - 1.0) / (ratio + 1.0)
}

/// Neighbours as one, as long as they are no longer than a step together.
fn together<'a, T: Clone + 'a>(
    all: impl Iterator<Item = &'a T>,
    span: impl Fn(&T) -> (Nanos, Nanos),
    absorb: impl Fn(&mut T, &T),
    step: Nanos,
) -> Vec<T> {
    let mut merged: Vec<T> = Vec::new();
    for next in all {
        match merged.last_mut() {
            Some(last) if span(next).1.since(span(last).0) <= step => absorb(last, next),
            _ => merged.push(next.clone()),
        }
    }
    merged
}

fn point(from: Nanos, to: Nanos, figures: Figures) -> Point {
    Point { from_ms: from.as_millis_f64(), to_ms: to.as_millis_f64(), figures }
}

fn figures(point: &TimePoint, metric: Metric) -> Figures {
    match metric {
        Metric::Sum(of) => Figures::Count { value: of(point) },
        Metric::Level(of) => Figures::Level { value: of(point) },
        Metric::Failures => Figures::Classes { classes: point.failures.clone() },
        Metric::ResponseTime => exact(point),
    }
}

/// The percentiles of an interval as they were taken from all its response times.
fn exact(point: &TimePoint) -> Figures {
    let millis = |nanos: u64| (point.requests > 0).then(|| Nanos(nanos).as_millis_f64());
    let [p50, p95, p99, max] = [point.p50, point.p95, point.p99, point.max].map(millis);
    Figures::Times { count: point.requests, p50, p95, p99, max }
}

fn times(times: &Histogram) -> Figures {
    let at = |q| times.quantile(q).map(|quantile| Nanos(quantile.estimate).as_millis_f64());
    let max = times.max().map(|max| Nanos(max).as_millis_f64());
    Figures::Times { count: times.count(), p50: at(0.5), p95: at(0.95), p99: at(0.99), max }
}

fn endpoint<'a>(job: &'a Summary, name: &str) -> Result<&'a Course, SeriesError> {
    let found = job.courses.iter().find(|course| course.endpoint.as_deref() == Some(name));
    found.ok_or_else(|| SeriesError::Endpoint {
        name: shown(name),
        known: listed(job.courses.iter().filter_map(|course| course.endpoint.as_deref())),
    })
}

/// A name in an answer that is read by people: not longer than a line.
fn shown(name: &str) -> String {
    name.chars().take(100).collect::<String>().escape_debug().to_string()
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.len() {
        0 => "none".to_owned(),
        n if n > NAMED => format!("{} and {} more", names[..NAMED].join(", "), n - NAMED),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::CaseInfo;
    use serde_json::{Value, json};

    /// A minute by seconds: n requests of n milliseconds in the n-th, every tenth of them with a failure.
    fn minute() -> Summary {
        let second = |n: u64| {
            let (from, to) = (Nanos::from_secs(n), Nanos::from_secs(n + 1));
            let failures =
                if n.is_multiple_of(10) { [("timeout".to_owned(), 1)].into() } else { BTreeMap::new() };
            let point = TimePoint {
                requests: n,
                failed: u64::from(n.is_multiple_of(10)),
                failures,
                users: 10 + n % 3,
                p50: n * 1_000_000,
                p95: n * 1_000_000,
                max: n * 1_000_000,
                ..TimePoint { from, to, ..TimePoint::default() }
            };
            let mut times = Histogram::new(Schema::new(3).unwrap());
            times.record_n(n * 1_000_000, n);
            (point, CourseColumn { from, to, failed: 0, times })
        };
        let (timeline, columns): (Vec<_>, Vec<_>) = (0..60).map(second).unzip();
        let course = |endpoint: Option<&str>| Course {
            endpoint: endpoint.map(str::to_owned),
            columns: columns.clone(),
        };
        Summary { courses: vec![course(None), course(Some("GET /a"))], timeline, ..Summary::default() }
    }

    fn ask(query: &str, summary: &Summary) -> Result<Value, SeriesError> {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let pairs: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let answer = SeriesQuery::read(&pairs)?.answer(summary)?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    #[test]
    fn counts_are_added_and_levels_are_the_largest() {
        let minute = minute();
        for (query, length, last) in [
            ("metric=requests", 60, json!({"from_ms": 59_000.0, "to_ms": 60_000.0, "value": 59})),
            ("metric=requests&step=10s", 6, json!({"from_ms": 50_000.0, "to_ms": 60_000.0, "value": 545})),
            (
                "metric=requests&window=5s&step=1m",
                1,
                json!({"from_ms": 55_000.0, "to_ms": 60_000.0, "value": 285}),
            ),
            (
                "metric=failed&from=10s&to=31s&step=1m",
                1,
                json!({"from_ms": 10_000.0, "to_ms": 31_000.0, "value": 3}),
            ),
            ("metric=users&step=10s", 6, json!({"from_ms": 50_000.0, "to_ms": 60_000.0, "value": 12.0})),
            (
                "metric=failures&from=40s&step=1m",
                1,
                json!({"from_ms": 40_000.0, "to_ms": 60_000.0, "classes": {"timeout": 2}}),
            ),
            (
                "metric=requests&endpoint=GET /a&from=58s",
                2,
                json!({"from_ms": 59_000.0, "to_ms": 60_000.0, "value": 59}),
            ),
        ] {
            let answer = ask(query, &minute).unwrap();
            let points = answer["points"].as_array().unwrap();
            assert_eq!((points.len(), points.last()), (length, Some(&last)), "{query}");
        }
    }

    #[test]
    fn percentiles_are_exact_or_say_how_far_off_they_may_be() {
        let minute = minute();
        let exact = ask("metric=response_time&from=30s", &minute).unwrap();
        assert_eq!((&exact["relative_error"], &exact["points"][0]["p50"]), (&Value::Null, &json!(30.0)));
        for query in ["metric=response_time&step=1m", "metric=response_time&endpoint=GET /a&step=1m"] {
            let merged = ask(query, &minute).unwrap();
            let error = merged["relative_error"].as_f64().unwrap();
            assert!((0.04..0.05).contains(&error), "{error}");
            // Of 1 + 2 + … + 59 = 1770 requests half took at most 42 ms: the median of the medians would be 30 ms.
            let point = &merged["points"][0];
            let median = point["p50"].as_f64().unwrap();
            assert!((median / 42.0 - 1.0).abs() <= error, "{median}");
            assert_eq!((&point["count"], &point["max"]), (&json!(1770), &json!(59.0)));
        }
    }

    #[test]
    fn a_suite_is_asked_for_a_case() {
        let case = CaseInfo { id: "api::health".to_owned(), ..CaseInfo::default() };
        let suite =
            Summary { children: vec![Summary { case: Some(case), ..minute() }], ..Summary::default() };
        assert_eq!(ask("metric=requests&case=api::health", &suite).unwrap()["points"][7]["value"], 7);
        let error = ask("metric=requests", &suite).unwrap_err().to_string();
        assert!(error.ends_with("add case=ID; there are: api::health"), "{error}");
    }

    #[test]
    fn mistakes_say_what_there_is() {
        for (query, words) in [
            ("", "metric=NAME is missing; there are: requests, failed, failures, response_time"),
            ("metric=speed", "`speed` is no metric over time; there are: requests"),
            ("metric=users&metric=users", "`metric` is no parameter, or there twice"),
            ("metric=users&color=red", "`color` is no parameter"),
            ("metric=users&step=soon", "step: `soon` is not a duration"),
            ("metric=users&from=5s&to=5s", "from is not before to"),
            ("metric=users&from=5s&window=5s", "leave out from and to"),
            ("metric=users&endpoint=GET /a", "`users` is not kept by endpoint"),
            ("metric=failed&endpoint=GET /b", "no endpoint `GET /b` is kept over time; there are: GET /a"),
            ("metric=users&case=a", "there are: none"),
        ] {
            let error = ask(query, &minute()).unwrap_err().to_string();
            assert!(error.contains(words), "{query}: {error}");
        }
        assert_eq!(ask("metric=requests", &Summary::default()).unwrap()["points"], json!([]));
    }
}
