//! The figures of the last seconds.

use std::collections::VecDeque;

use pulse_model::{Histogram, Interval, IntervalEvent, Nanos, Series, metric};

/// Length of the window that live views show.
pub(crate) const WINDOW: Nanos = Nanos::from_secs(5);
/// Most intervals in the window, however short they are.
const INTERVALS: usize = 100;

/// The intervals of the last seconds, warm-up included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    intervals: VecDeque<Recent>,
}

#[derive(Clone, Debug)]
struct Recent {
    interval: Interval,
    due: u64,
    requests: u64,
    failed: u64,
    response_time: Histogram,
}

/// The figures of a [`Window`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct WindowFigures {
    /// Due iterations per second.
    pub(crate) planned: Option<f64>,
    /// Completed requests per second.
    pub(crate) rate: Option<f64>,
    pub(crate) failed: u64,
    /// Nanoseconds.
    pub(crate) p50: Option<f64>,
    /// Nanoseconds.
    pub(crate) p95: Option<f64>,
    /// Nanoseconds.
    pub(crate) p99: Option<f64>,
}

impl Window {
    /// Adds an interval and forgets those that ended too long before it.
    pub(crate) fn push(&mut self, event: &IntervalEvent) {
        let point = &event.point;
        let interval = Interval { from: point.from, to: point.to };
        let selector = Series::new(metric::RESPONSE_TIME);
        let mut response_time = event.snapshot.trend(&selector);
        if let Some(warmup) = &event.warmup {
            response_time.merge(&warmup.trend(&selector));
        }
        self.intervals.push_back(Recent {
            interval,
            due: point.due,
            requests: point.requests,
            failed: point.failed,
            response_time,
        });
        let oldest = interval.to.since(WINDOW);
        while self.intervals.len() > INTERVALS
            || self.intervals.front().is_some_and(|recent| recent.interval.to <= oldest)
        {
            self.intervals.pop_front();
        }
    }

    pub(crate) fn figures(&self) -> WindowFigures {
        let mut response_time = Histogram::default();
        let (mut length, mut due, mut requests, mut failed) = (Nanos::ZERO, 0_u64, 0_u64, 0_u64);
        for recent in &self.intervals {
            length += recent.interval.length();
            due = due.saturating_add(recent.due);
            requests = requests.saturating_add(recent.requests);
            failed = failed.saturating_add(recent.failed);
            response_time.merge(&recent.response_time);
        }
        let seconds = length.as_secs_f64();
        let rate = |count: u64| (seconds > 0.0).then(|| count as f64 / seconds);
        let quantile = |q| response_time.quantile(q).map(|quantile| quantile.estimate as f64);
        WindowFigures {
            planned: rate(due),
            rate: rate(requests),
            failed,
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned;

    #[test]
    fn only_the_last_seconds_count() {
        let mut window = Window::default();
        for second in 0..30 {
            window.push(&canned::interval(second));
        }
        let mut last = Window::default();
        for second in 25..30 {
            last.push(&canned::interval(second));
        }
        assert_eq!(window.figures(), last.figures());
        assert_eq!(window.figures().rate, Some(100.0));
    }

    #[test]
    fn an_empty_window_has_no_figures() {
        assert_eq!(Window::default().figures(), WindowFigures::default());
    }
}
