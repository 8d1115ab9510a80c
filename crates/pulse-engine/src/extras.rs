//! Series that only some endpoints have, such as the echo time of a WebSocket: known when the table is built, so that the
//! recorder finds each by its number and an endpoint without any pays nothing.

use std::sync::Arc;

use pulse_model::{Aggregate, Histogram, Series, Snapshot};

/// A further series of an endpoint: a metric, told apart by one more tag where several share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// Metric name, one of [`pulse_model::metric`].
    pub metric: &'static str,
    /// Name and value of the tag.
    pub tag: Option<(&'static str, Arc<str>)>,
}

impl Extra {
    /// The metric's only series of the endpoint.
    pub const fn of(metric: &'static str) -> Self {
        Self { metric, tag: None }
    }
}

/// The further series of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Distributions, in nanoseconds where they are times; numbered in this order.
    pub trends: Vec<Extra>,
    /// Counters, numbered in this order.
    pub counters: Vec<Extra>,
}

/// What was recorded of the further series of one endpoint. Without any, neither list allocates.
#[derive(Debug)]
pub(crate) struct ExtraSheet {
    trends: Box<[Histogram]>,
    counters: Box<[u64]>,
}

impl ExtraSheet {
    pub(crate) fn new(extras: &Extras) -> Self {
        Self {
            trends: extras.trends.iter().map(|_| Histogram::default()).collect(),
            counters: extras.counters.iter().map(|_| 0).collect(),
        }
    }

    /// Records a value of a trend, by its place in [`Extras::trends`].
    pub(crate) fn trend(&mut self, place: usize, value: u64) {
        self.trends[place].record(value);
    }

    /// Adds to a counter, by its place in [`Extras::counters`].
    pub(crate) fn count(&mut self, place: usize, n: u64) {
        self.counters[place] += n;
    }

    /// Takes out everything recorded since the last time. `series` makes the endpoint's series of a metric.
    pub(crate) fn seal(&mut self, snapshot: &mut Snapshot, extras: &Extras, series: impl Fn(&str) -> Series) {
        let tagged = |extra: &Extra| match &extra.tag {
            Some((name, value)) => series(extra.metric).with(name, value),
            None => series(extra.metric),
        };
        for (extra, trend) in extras.trends.iter().zip(&mut self.trends) {
            if !trend.is_empty() {
                snapshot.add(tagged(extra), Aggregate::Trend(std::mem::take(trend)));
            }
        }
        for (extra, count) in extras.counters.iter().zip(&mut self.counters) {
            if *count > 0 {
                snapshot.count(tagged(extra), std::mem::take(count));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{metric, tag};

    #[test]
    fn what_was_recorded_is_taken_out_once() {
        let closes = |code: &str| Extra { metric: metric::RESPONSES, tag: Some((tag::STATUS, code.into())) };
        let extras =
            Extras { trends: vec![Extra::of(metric::ECHO_TIME)], counters: vec![closes("1"), closes("2")] };
        let mut sheet = ExtraSheet::new(&extras);
        sheet.trend(0, 7);
        sheet.trend(0, 9);
        sheet.count(1, 3);
        let series = |metric: &str| Series::new(metric).with(tag::ENDPOINT, "chat");
        let mut snapshot = Snapshot::default();
        sheet.seal(&mut snapshot, &extras, series);
        assert_eq!(snapshot.trend(&series(metric::ECHO_TIME)).count(), 2);
        assert_eq!(snapshot.counter(&series(metric::RESPONSES).with(tag::STATUS, "2")), 3);
        assert_eq!(snapshot.series.len(), 2, "what was never counted has no series");
        let mut after = Snapshot::default();
        sheet.seal(&mut after, &extras, series);
        assert!(after.series.is_empty());
    }

    #[test]
    fn an_endpoint_without_further_series_allocates_nothing() {
        let sheet = ExtraSheet::new(&Extras::default());
        assert_eq!((sheet.trends.len(), sheet.counters.len()), (0, 0));
    }
}
