//! The last minute, five minutes, quarter of an hour and hour of a watch, for those who look at it now and then.

use pulse_model::{Nanos, Snapshot};

use crate::SlidingWindow;

/// Several sliding windows that end now. What lies in one is merged from what was recorded, histograms included, so that
/// its percentiles are those of its requests.
#[derive(Clone, Debug)]
pub struct Windows {
    all: [SlidingWindow; Self::SPANS.len()],
}

impl Windows {
    /// The lengths there are, rising.
    pub const SPANS: [Nanos; 4] =
        [Nanos::from_secs(60), Nanos::from_secs(300), Nanos::from_secs(900), Nanos::from_secs(3600)];

    /// Empty ones.
    pub fn new() -> Self {
        Self { all: Self::SPANS.map(SlidingWindow::new) }
    }

    /// Adds the interval that follows.
    pub fn push(&mut self, next: &Snapshot) {
        self.all.iter_mut().for_each(|window| window.push(next));
    }

    /// The parts of a window in order of time; `None` where there is none of this length.
    pub fn parts(&mut self, span: Nanos) -> Option<Vec<Snapshot>> {
        let place = Self::SPANS.iter().position(|known| *known == span)?;
        Some(self.all[place].parts().to_vec())
    }
}

impl Default for Windows {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Aggregate, Histogram, Interval, Series, metric};

    /// A second with so many requests of so many milliseconds.
    fn second(number: u64, requests: u64, millis: u64) -> Snapshot {
        let from = Nanos::from_secs(number);
        let interval = Interval { from, to: from + Nanos::from_secs(1) };
        let mut snapshot = Snapshot { interval: Some(interval), ..Snapshot::default() };
        let mut times = Histogram::default();
        times.record_n(Nanos::from_millis(millis).0, requests);
        snapshot.add(Series::new(metric::RESPONSE_TIME), Aggregate::Trend(times));
        snapshot
    }

    #[test]
    fn percentiles_are_those_of_the_requests_in_the_window() {
        let mut windows = Windows::new();
        // Ten minutes of few slow requests, then two of many fast ones.
        (0..600).for_each(|number| windows.push(&second(number, 1, 900)));
        (600..720).for_each(|number| windows.push(&second(number, 100, 3)));
        let median_and_largest = |windows: &mut Windows, seconds| {
            let parts = windows.parts(Nanos::from_secs(seconds)).unwrap();
            let mut sum = Snapshot::default();
            parts.iter().for_each(|part| sum.merge(part));
            let times = sum.trend(&Series::new(metric::RESPONSE_TIME));
            let millis = |nanos: u64| (nanos as f64 / 1e6).round() as u64;
            (millis(times.quantile(0.5).unwrap().estimate), millis(times.max().unwrap()), sum.length())
        };
        let (median, largest, length) = median_and_largest(&mut windows, 60);
        assert_eq!((median, largest), (3, 3));
        assert!(length <= Nanos::from_secs(60) && length >= Nanos::from_secs(55), "{length}");
        // The median of the intervals would be 900 ms: three of five minutes were slow.
        let (median, largest, _) = median_and_largest(&mut windows, 300);
        assert_eq!((median, largest), (3, 900));
        let (.., length) = median_and_largest(&mut windows, 3600);
        assert_eq!(length, Nanos::from_secs(720), "all that there is");
        assert_eq!(windows.parts(Nanos::from_secs(61)), None);
    }
}
