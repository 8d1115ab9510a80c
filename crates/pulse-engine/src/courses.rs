//! Where response times lay over time, from the intervals of a job.

use std::collections::BTreeMap;

use pulse_model::{
    Aggregate, Course, CourseColumn, Histogram, IntervalEvent, Schema, Series, Snapshot, metric, tag,
};

use crate::thinned::Thinned;

/// The most columns of all requests together: more than a picture has pixels for are of no use.
const COLUMNS: usize = 600;
/// The most columns of an endpoint.
const ENDPOINT_COLUMNS: usize = 80;
/// The most endpoints with a course of their own, those that were seen first.
const ENDPOINTS: usize = 40;
/// Buckets per doubling, as an exponent: four are rows of a heatmap.
const ROWS: u8 = 2;
/// The same of an endpoint, whose percentiles are taken from its buckets (error at most 4.4 %).
const ENDPOINT_ROWS: u8 = 3;

/// Collects the courses of a job.
#[derive(Clone, Debug)]
pub(crate) struct Courses {
    all: Thinned<CourseColumn>,
    endpoints: BTreeMap<String, Thinned<CourseColumn>>,
}

impl Default for Courses {
    fn default() -> Self {
        Self { all: Thinned::new(COLUMNS), endpoints: BTreeMap::new() }
    }
}

impl Courses {
    /// Adds an interval.
    pub(crate) fn take(&mut self, event: &IntervalEvent) {
        let mut all = column(event, ROWS);
        let mut endpoints: BTreeMap<String, CourseColumn> = BTreeMap::new();
        for snapshot in std::iter::once(&event.snapshot).chain(&event.warmup) {
            add(snapshot, event, &mut all, &mut endpoints);
        }
        self.all.push(all);
        for (name, course) in &mut self.endpoints {
            // An interval without requests is a column, too: a gap is something to see.
            course.push(endpoints.remove(name).unwrap_or_else(|| column(event, ENDPOINT_ROWS)));
        }
        for (name, column) in endpoints {
            if self.endpoints.len() < ENDPOINTS {
                let mut course = Thinned::new(ENDPOINT_COLUMNS);
                course.push(column);
                self.endpoints.insert(name, course);
            }
        }
    }

    /// The courses; none where there were no requests.
    pub(crate) fn finish(self) -> Vec<Course> {
        let all = Course { endpoint: None, columns: self.all.into_all() };
        let endpoints = self.endpoints.into_iter();
        let endpoints =
            endpoints.map(|(name, course)| Course { endpoint: Some(name), columns: course.into_all() });
        let courses = std::iter::once(all).chain(endpoints);
        courses.filter(|course| course.columns.iter().any(|column| !column.times.is_empty())).collect()
    }
}

fn add(
    snapshot: &Snapshot,
    event: &IntervalEvent,
    all: &mut CourseColumn,
    endpoints: &mut BTreeMap<String, CourseColumn>,
) {
    for (series, aggregate) in snapshot.matching(&Series::new(metric::RESPONSE_TIME)) {
        let Aggregate::Trend(trend) = aggregate else { continue };
        let failed = if series.tag(tag::OUTCOME) == Some("failed") { trend.count() } else { 0 };
        all.times.merge(trend);
        all.failed += failed;
        if let Some(name) = series.endpoint_name() {
            let of_name = endpoints.entry(name).or_insert_with(|| column(event, ENDPOINT_ROWS));
            of_name.times.merge(trend);
            of_name.failed += failed;
        }
    }
}

fn column(event: &IntervalEvent, rows: u8) -> CourseColumn {
    let schema = Schema::new(rows).unwrap_or(Schema::MONITOR);
    CourseColumn { from: event.point.from, to: event.point.to, failed: 0, times: Histogram::new(schema) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Interval, Nanos, TimePoint};

    /// `second` with one fast request of `a`, and a slow failure of `b` in every other.
    fn interval(second: u64) -> IntervalEvent {
        let (from, to) = (Nanos::from_secs(second), Nanos::from_secs(second + 1));
        let mut snapshot = Snapshot { interval: Some(Interval { from, to }), ..Snapshot::default() };
        let mut request = |endpoint: &str, outcome: &str, millis: u64| {
            let mut trend = Histogram::default();
            trend.record(Nanos::from_millis(millis).0);
            let series =
                Series::new(metric::RESPONSE_TIME).with(tag::ENDPOINT, endpoint).with(tag::OUTCOME, outcome);
            snapshot.add(series, Aggregate::Trend(trend));
        };
        request("a", "ok", 2);
        if second % 2 == 1 {
            request("b", "failed", 900);
        }
        let point = TimePoint::of(&snapshot, 1, false);
        IntervalEvent { point, snapshot, warmup: None }
    }

    #[test]
    fn two_speeds_are_two_bands() {
        let mut courses = Courses::default();
        (0..1200).for_each(|second| courses.take(&interval(second)));
        let courses = courses.finish();
        let names: Vec<_> = courses.iter().map(|course| course.endpoint.as_deref()).collect();
        assert_eq!(names, [None, Some("a"), Some("b")]);
        let [all, _, b] = &courses[..] else { panic!("three courses") };
        assert!(all.columns.len() <= COLUMNS && b.columns.len() <= ENDPOINT_COLUMNS);
        for course in &courses {
            let times = course.columns.iter().map(|column| column.times.count()).sum::<u64>();
            let expected = match course.endpoint.as_deref() {
                None => 1800,
                Some("a") => 1200,
                _ => 600,
            };
            assert_eq!(times, expected);
        }
        assert_eq!(all.columns.iter().map(|column| column.failed).sum::<u64>(), 600);
        // Nothing lies between the two.
        let column = &all.columns[10].times;
        assert_eq!(column.buckets().count(), 2, "{column:?}");
    }

    #[test]
    fn the_number_of_endpoints_is_bounded_and_silence_is_none() {
        let mut courses = Courses::default();
        let mut many = interval(0);
        let (series, trend) = many.snapshot.series.pop_first().unwrap();
        for n in 0..1000 {
            many.snapshot.series.insert(series.clone().with(tag::ENDPOINT, &format!("/{n}")), trend.clone());
        }
        courses.take(&many);
        assert_eq!(courses.finish().len(), 1 + ENDPOINTS);
        let mut silent = Courses::default();
        silent.take(&IntervalEvent {
            point: TimePoint::default(),
            snapshot: Snapshot::default(),
            warmup: None,
        });
        assert!(silent.finish().is_empty());
    }
}
