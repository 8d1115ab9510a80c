//! Runs of a size, with everything that a run of that size keeps. For the tests of the page, and for the benchmark that
//! opens it.

use pulse_model::{
    Aggregate, Course, CourseColumn, Histogram, Nanos, RunInfo, Schema, Series, Summary, TimePoint, metric,
    tag,
};

/// The most columns of all requests together, of an endpoint, and the most endpoints with columns of their own: what the
/// engine keeps.
const COLUMNS: u64 = 600;
const ENDPOINT_COLUMNS: u64 = 80;
const COURSES: u64 = 40;
/// The most points of a timeline that the engine keeps.
const POINTS: u64 = 4000;

/// A run of so many seconds and endpoints, at least one each.
pub(crate) fn summary(seconds: u64, endpoints: u64) -> Summary {
    let name = |n: u64| format!("GET /api/v1/things/{{id}}/parts/{n}");
    let mut summary = Summary {
        run: RunInfo {
            kind: "load".into(),
            name: format!("{seconds} seconds with {endpoints} endpoints"),
            started: "2026-01-02T03:04:05.678Z".into(),
            duration: Some(Nanos::from_secs(seconds)),
            version: "0.1.0".into(),
            ..RunInfo::default()
        },
        elapsed: Nanos::from_secs(seconds),
        timeline: timeline(seconds),
        courses: vec![course(None, seconds, COLUMNS, 2)],
        ..Summary::default()
    };
    let courses = endpoints.min(COURSES);
    summary.courses.extend((0..courses).map(|n| course(Some(name(n)), seconds, ENDPOINT_COLUMNS, 3)));
    // Where there are many endpoints, each had few requests.
    let requests: u64 = if endpoints <= 100 { 5000 } else { 50 };
    for n in 0..endpoints {
        let mut times = Histogram::default();
        (0..requests).for_each(|request| times.record(2_000_000 + request.pow(2) * 40 + n));
        for metric in [metric::RESPONSE_TIME, metric::SERVICE_TIME] {
            let series = Series::new(metric).with(tag::ENDPOINT, &name(n));
            summary.totals.add(series, Aggregate::Trend(times.clone()));
        }
    }
    summary
}

fn timeline(seconds: u64) -> Vec<TimePoint> {
    let length = seconds.div_ceil(POINTS);
    let point = |n: u64| TimePoint {
        from: Nanos::from_secs(n * length),
        to: Nanos::from_secs((n + 1) * length),
        due: 1_000 * length,
        requests: (990 + n % 20) * length,
        users: 100,
        p50: 12_345_678 + n * 1_000,
        p95: 45_678_912,
        p99: 123_456_789,
        max: 345_678_912 + n * 77_777,
        service_p95: 44_444_444,
        start_lag_p99: 123_456,
        worker_cpu: 0.123_456,
        ..TimePoint::default()
    };
    (0..seconds / length).map(point).collect()
}

fn course(endpoint: Option<String>, seconds: u64, columns: u64, schema: u8) -> Course {
    let length = Nanos::from_secs(seconds.div_ceil(columns));
    let column = |n: u64| {
        let mut times = Histogram::new(Schema::new(schema).unwrap_or(Schema::MONITOR));
        (0..300).for_each(|request: u64| times.record_n(2_000_000 + request.pow(3) * 40, 3 + n % 7));
        let from = length.times(n);
        CourseColumn { from, to: from + length, failed: n % 2, times }
    };
    Course { endpoint, columns: (0..columns.min(seconds)).map(column).collect() }
}
