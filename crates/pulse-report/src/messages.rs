//! The messages of WebSockets and other streams, endpoint by endpoint.

use std::collections::BTreeMap;

use pulse_model::{Aggregate, Histogram, Series, Summary, metric};

use crate::spread::Spread;

/// The messages of one endpoint.
#[derive(Debug)]
pub(crate) struct Messages {
    pub(crate) endpoint: String,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// From the moment when a message was due to its answer.
    pub(crate) echo: Spread,
    /// To the first message of a stream.
    pub(crate) first: Spread,
    /// From one message to the next.
    pub(crate) gap: Spread,
}

/// What was recorded of one endpoint.
#[derive(Default)]
struct Recorded {
    counters: [u64; COUNTERS.len()],
    trends: [Histogram; TRENDS.len()],
}

const COUNTERS: [&str; 2] = [metric::MESSAGES_SENT, metric::MESSAGES_RECEIVED];
const TRENDS: [&str; 3] = [metric::ECHO_TIME, metric::FIRST_MESSAGE_TIME, metric::MESSAGE_GAP];

/// In the order of the endpoints' names; only those that have messages.
pub(crate) fn of(summary: &Summary) -> Vec<Messages> {
    let mut by_name: BTreeMap<String, Recorded> = BTreeMap::new();
    for (place, metric) in COUNTERS.into_iter().enumerate() {
        for (series, aggregate) in summary.totals.matching(&Series::new(metric)) {
            if let (Aggregate::Counter(count), Some(name)) = (aggregate, series.endpoint_name()) {
                by_name.entry(name).or_default().counters[place] += count;
            }
        }
    }
    for (place, metric) in TRENDS.into_iter().enumerate() {
        for (series, aggregate) in summary.totals.matching(&Series::new(metric)) {
            if let (Aggregate::Trend(trend), Some(name)) = (aggregate, series.endpoint_name()) {
                by_name.entry(name).or_default().trends[place].merge(trend);
            }
        }
    }
    let figures = |(endpoint, recorded): (String, Recorded)| {
        let ([sent, received], [echo, first, gap]) = (recorded.counters, recorded.trends);
        Messages {
            endpoint,
            sent,
            received,
            echo: Spread::of(&echo),
            first: Spread::of(&first),
            gap: Spread::of(&gap),
        }
    };
    by_name.into_iter().map(figures).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::tag;

    #[test]
    fn endpoints_without_messages_are_not_listed() {
        let mut summary = Summary::default();
        let series = |metric, endpoint| Series::new(metric).with(tag::ENDPOINT, endpoint);
        let mut echo = Histogram::default();
        echo.record(5);
        summary.totals.add(series(metric::ECHO_TIME, "chat"), Aggregate::Trend(echo.clone()));
        summary.totals.add(series(metric::CONNECT_TIME, "health"), Aggregate::Trend(echo));
        for (user, sent) in [("a", 3), ("b", 4)] {
            summary.totals.count(series(metric::MESSAGES_SENT, "chat").with("user", user), sent);
        }
        let listed = of(&summary);
        let figures: Vec<_> =
            listed.iter().map(|of| (of.endpoint.as_str(), of.sent, of.echo.count)).collect();
        assert_eq!(figures, [("chat", 7, 1)]);
    }
}
