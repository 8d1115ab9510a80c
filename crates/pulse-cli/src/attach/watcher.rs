//! From readings to intervals: what was added, what began anew, what could not be read. Pure: it is told what time it is.

use pulse_model::{Finding, Interval, Nanos, Series, Severity, Snapshot, metric};

use super::{ReadError, Reading};

/// Restarts that are told of; the report counts all.
const TOLD: u64 = 5;

/// Makes intervals of readings.
#[derive(Debug)]
pub(crate) struct Watcher {
    /// Time between two readings, as planned.
    every: Nanos,
    last: Nanos,
    reading: Reading,
    /// Since when it cannot be read.
    failing: Option<Nanos>,
    restarts: u64,
}

/// What follows from a look.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Step {
    /// What was added, with the time it covers.
    pub(crate) interval: Option<(Interval, Snapshot)>,
    /// What people should know.
    pub(crate) notices: Vec<Finding>,
    /// Why there is nothing more to come.
    pub(crate) ended: Option<String>,
}

impl Watcher {
    /// Begins with a first reading at time zero. What was counted before it is no part of the watch.
    pub(crate) fn new(every: Nanos, first: Reading) -> Self {
        Self { every, last: Nanos::ZERO, reading: first, failing: None, restarts: 0 }
    }

    /// The latest reading.
    pub(crate) fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Takes the result of a look at `at`.
    pub(crate) fn take(&mut self, at: Nanos, result: Result<Reading, ReadError>) -> Step {
        match result {
            Ok(reading) => self.add(at, reading),
            Err(ReadError::Ended(why)) => Step { ended: Some(why), ..Step::default() },
            Err(error) => {
                let first = self.failing.replace(self.failing.unwrap_or(at)).is_none();
                let text = format!("cannot be read: {}", error.text());
                let notices =
                    if first { vec![notice("unreadable", Severity::Warning, text)] } else { Vec::new() };
                Step { notices, ..Step::default() }
            }
        }
    }

    /// The end of the watch at `at`. Where it cannot be read since a while, that time is in no interval; a snapshot
    /// without an interval says so.
    pub(crate) fn finish(self, at: Nanos) -> Option<(Interval, Snapshot)> {
        self.failing?;
        let interval = Interval { from: self.last, to: at.max(self.last) };
        let mut snapshot = Snapshot::default();
        snapshot.count(Series::new(metric::WATCH_MISSED), interval.length().0);
        Some((interval, snapshot))
    }

    fn add(&mut self, at: Nanos, mut reading: Reading) -> Step {
        let interval = Interval { from: self.last, to: at.max(self.last) };
        let mut notices = Vec::new();
        if let Some(since) = self.failing.take() {
            let length = at.since(since).as_secs_f64();
            notices.push(notice("readable", Severity::Note, format!("can be read again after {length:.1}s")));
        }
        let another = reading.counter != self.reading.counter;
        let nothing = Snapshot::default();
        let delta = reading.totals.since(if another { &nothing } else { &self.reading.totals });
        let mut added = delta.added;
        added.interval = Some(interval);
        if another || delta.restarted.iter().any(tells_of_a_restart) {
            self.restarts += 1;
            added.count(Series::new(metric::WATCH_RESTARTS), 1);
            // What was counted between the last reading and the restart is lost. Usually that is less than the time between
            // two readings; after a gap it may be all of it.
            let lost = interval.length().since(self.every);
            if lost > self.every {
                added.count(Series::new(metric::WATCH_MISSED), lost.0);
            }
            notices.extend(self.restart_notice(&delta.restarted));
        }
        reading.totals.interval = None;
        self.last = interval.to;
        self.reading = reading;
        Step { interval: Some((interval, added)), notices, ended: None }
    }

    fn restart_notice(&self, restarted: &[Series]) -> Option<Finding> {
        let text = match self.restarts {
            n if n > TOLD => return None,
            TOLD => "counts began anew once more; further times are only counted".to_owned(),
            _ => match restarted.iter().find(|series| tells_of_a_restart(series)) {
                Some(series) => format!("counts began anew: {series} became smaller"),
                None => "counts began anew: the process is another".to_owned(),
            },
        };
        Some(notice("restarted", Severity::Warning, text))
    }
}

/// A list of the slowest forgets an entry now and then, which says nothing about who keeps it.
fn tells_of_a_restart(series: &Series) -> bool {
    !matches!(&*series.metric, metric::SLOW_QUERY_COUNT | metric::SLOW_QUERY_TIME)
}

fn notice(code: &str, severity: Severity, message: String) -> Finding {
    Finding {
        code: code.to_owned(),
        severity,
        subject: String::new(),
        message,
        help: None,
        ..Finding::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::tag;

    const EVERY: Nanos = Nanos::from_secs(1);

    fn reading(counter: Option<&str>, orders: u64) -> Reading {
        let mut totals = Snapshot::default();
        totals.count(Series::new("orders"), orders);
        Reading { totals, counter: counter.map(str::to_owned), ..Reading::default() }
    }

    fn count(snapshot: &Snapshot, name: &str) -> u64 {
        snapshot.counter(&Series::new(name))
    }

    /// What a series of looks adds up to: orders, restarts, milliseconds missed, and the codes of what was told.
    fn watched(looks: &[(u64, Result<Reading, ReadError>)], end: u64) -> (u64, u64, u64, Vec<String>) {
        let mut watcher = Watcher::new(EVERY, reading(Some("a"), 100));
        let mut sum = Snapshot::default();
        let mut told = Vec::new();
        for (at, look) in looks {
            let step = watcher.take(Nanos::from_millis(*at), look.clone());
            step.interval.iter().for_each(|(_, added)| sum.merge(added));
            told.extend(step.notices.into_iter().map(|notice| notice.code));
        }
        if let Some((_, rest)) = watcher.finish(Nanos::from_millis(end)) {
            sum.merge(&rest);
        }
        let missed = count(&sum, metric::WATCH_MISSED) / 1_000_000;
        (count(&sum, "orders"), count(&sum, metric::WATCH_RESTARTS), missed, told)
    }

    #[test]
    fn looks_add_up() {
        let ok = |counter, orders| Ok(reading(counter, orders));
        let a = |orders| ok(Some("a"), orders);
        let lost = || Err(ReadError::Unreachable("refused".into()));
        for (name, looks, end, orders, restarts, missed, told) in [
            ("steady", vec![(1000, a(110)), (2000, a(115))], 2000, 15, 0, 0, vec![]),
            (
                "a gap",
                vec![(1000, lost()), (2000, lost()), (3000, a(130))],
                3000,
                30,
                0,
                0,
                vec!["unreadable", "readable"],
            ),
            ("a restart", vec![(1000, a(3)), (2000, a(8))], 2000, 8, 1, 0, vec!["restarted"]),
            (
                "another one that is already further",
                vec![(1000, ok(Some("b"), 140))],
                1000,
                140,
                1,
                0,
                vec!["restarted"],
            ),
            (
                "a restart in a gap",
                vec![(1000, a(110)), (2000, lost()), (11_000, a(4))],
                11_000,
                14,
                1,
                9_000,
                vec!["unreadable", "readable", "restarted"],
            ),
            ("gone for good", vec![(1000, a(110)), (2000, lost())], 5000, 10, 0, 4_000, vec!["unreadable"]),
            ("a clock that jumped back", vec![(2000, a(110)), (1000, a(112))], 2000, 12, 0, 0, vec![]),
        ] {
            let told: Vec<String> = told.into_iter().map(str::to_owned).collect();
            assert_eq!(watched(&looks, end), (orders, restarts, missed, told), "{name}");
        }
    }

    #[test]
    fn the_end_of_what_is_watched_is_no_gap() {
        let mut watcher = Watcher::new(EVERY, reading(None, 1));
        let step = watcher.take(EVERY, Err(ReadError::Ended("it has ended".into())));
        assert_eq!((step.interval, step.ended.as_deref()), (None, Some("it has ended")));
        assert_eq!(watcher.finish(EVERY), None);
    }

    #[test]
    fn many_restarts_are_told_of_a_few_times() {
        let looks: Vec<_> = (1..=100_u64).map(|n| (n * 1000, Ok(reading(Some("a"), 100 - n)))).collect();
        let (_, restarts, _, told) = watched(&looks, 100_000);
        assert_eq!((restarts, told.len() as u64), (100, TOLD));
    }

    #[test]
    fn a_list_that_forgets_is_no_restart() {
        let with = |count| {
            let mut reading = reading(None, 5);
            let series = Series::new(metric::SLOW_QUERY_COUNT).with(tag::QUERY, "SELECT ?");
            reading.totals.count(series, count);
            reading
        };
        let mut watcher = Watcher::new(EVERY, with(9));
        let step = watcher.take(EVERY, Ok(with(2)));
        assert!(step.notices.is_empty());
        let (interval, added) = step.interval.unwrap();
        assert_eq!(interval, Interval { from: Nanos::ZERO, to: EVERY });
        assert_eq!((count(&added, metric::WATCH_RESTARTS), count(&added, metric::SLOW_QUERY_COUNT)), (0, 2));
    }
}
