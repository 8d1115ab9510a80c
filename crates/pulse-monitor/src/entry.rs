//! What can be recorded under a name: an endpoint, a kind of query, a cache, a counter, a timer or a pool.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU16, Ordering};

use pulse_model::{Series, metric, tag};

use crate::layout::Kind;
use crate::names;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Space {
    Endpoint,
    Query,
    Cache,
    Counter,
    Timer,
    Pool,
    /// A counter of Pulse's own, by the name of the metric.
    Own,
    /// A level of the process itself, by the text of its series without the worker.
    ProcessLevel,
    /// What the process counts of itself, by the text of its series without the worker.
    ProcessTally,
}

impl Space {
    pub(crate) const ALL: [Self; 9] = [
        Self::Endpoint,
        Self::Query,
        Self::Cache,
        Self::Counter,
        Self::Timer,
        Self::Pool,
        Self::Own,
        Self::ProcessLevel,
        Self::ProcessTally,
    ];

    /// Whether the names are Pulse's own, and few, so that no cap is needed.
    pub(crate) fn is_uncapped(self) -> bool {
        matches!(self, Self::Own | Self::ProcessLevel | Self::ProcessTally)
    }

    /// How many series one name has.
    fn places(self) -> usize {
        match self {
            Self::Endpoint => STATUSES,
            Self::Pool => POOL_LEVELS.len(),
            Self::Query
            | Self::Cache
            | Self::Counter
            | Self::Timer
            | Self::Own
            | Self::ProcessLevel
            | Self::ProcessTally => 1,
        }
    }

    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Endpoint | Self::Query | Self::Timer => Kind::Trend,
            Self::Cache => Kind::Rate,
            Self::Counter | Self::Own => Kind::Counter,
            Self::Pool | Self::ProcessLevel => Kind::Gauge,
            Self::ProcessTally => Kind::Tally,
        }
    }

    /// A name as it is kept.
    pub(crate) fn clean(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::Counter | Self::Timer => names::metric(name).into(),
            Self::Cache if name.is_empty() => name.into(),
            Self::Own | Self::ProcessLevel | Self::ProcessTally => name.into(),
            Self::Endpoint | Self::Query | Self::Cache | Self::Pool => names::tag_value(name),
        }
    }
}

/// Statuses 100 to 599, and one place for all others.
const STATUSES: usize = 501;
/// The place of statuses that HTTP does not have.
const UNKNOWN_STATUS: usize = 500;
/// The levels of a pool by place.
const POOL_LEVELS: [&str; 3] = [metric::POOL_SIZE, metric::POOL_IN_USE, metric::POOL_WAITING];

/// The place of a status among an endpoint's series.
#[inline]
pub(crate) fn status_place(status: u16) -> usize {
    let place = usize::from(status.wrapping_sub(100));
    if place < UNKNOWN_STATUS { place } else { UNKNOWN_STATUS }
}

/// A name with the numbers of its series, as far as they are known.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) space: Space,
    /// The cleaned name; of the entry that stands for all others [`names::OTHER`].
    pub(crate) name: Box<str>,
    /// The method of an endpoint, or nothing.
    pub(crate) method: Box<str>,
    /// Stands for all names beyond the cap.
    pub(crate) is_overflow: bool,
    numbers: Box<[AtomicU16]>,
}

/// No number yet.
const UNRESOLVED: u16 = u16::MAX;

impl Entry {
    /// An entry of a cleaned name.
    pub(crate) fn new(space: Space, name: &str, method: &str) -> Self {
        let numbers = (0..space.places()).map(|_| AtomicU16::new(UNRESOLVED)).collect();
        Self { space, name: name.into(), method: method.into(), is_overflow: false, numbers }
    }

    pub(crate) fn overflow(space: Space) -> Self {
        Self { is_overflow: true, ..Self::new(space, names::OTHER, "") }
    }

    /// The number of a place's series; `None` when it is to be found out.
    #[inline]
    pub(crate) fn number(&self, place: usize) -> Option<u16> {
        let number = self.numbers.get(place)?.load(Ordering::Relaxed);
        (number != UNRESOLVED).then_some(number)
    }

    pub(crate) fn resolve(&self, place: usize, number: u16) {
        if let Some(to) = self.numbers.get(place) {
            to.store(number, Ordering::Relaxed);
        }
    }

    /// The series of a place. `error_status` is the lowest status that is an error.
    pub(crate) fn series(&self, place: usize, error_status: u16) -> Series {
        let series = match self.space {
            Space::Endpoint => self.endpoint_series(place, error_status),
            Space::Query => Series::new(metric::DB_QUERY_TIME).with(tag::KIND, &self.name),
            Space::Cache if self.name.is_empty() => Series::new(metric::CACHE),
            Space::Cache => Series::new(metric::CACHE).with(tag::CACHE, &self.name),
            Space::Pool => Series::new(POOL_LEVELS[place.min(2)]).with(tag::POOL, &self.name),
            Space::Counter if self.is_overflow => Series::new("other_counters"),
            Space::Timer if self.is_overflow => Series::new("other_timers"),
            Space::Counter | Space::Timer | Space::Own => Series::new(&self.name),
            Space::ProcessLevel | Space::ProcessTally => {
                self.name.parse().unwrap_or_else(|_| Series::new(&self.name))
            }
        };
        if self.is_overflow { series.with(tag::OVERFLOW, "true") } else { series }
    }

    fn endpoint_series(&self, place: usize, error_status: u16) -> Series {
        let status = (place < UNKNOWN_STATUS).then_some(100 + place as u16);
        let is_error = status.is_none_or(|status| status >= error_status);
        let series = Series::new(metric::RESPONSE_TIME)
            .with(tag::ENDPOINT, &self.name)
            .with(tag::OUTCOME, if is_error { "failed" } else { "ok" })
            .with(tag::STATUS, &status.map_or_else(|| "unknown".to_owned(), |status| status.to_string()));
        if self.method.is_empty() { series } else { series.with(tag::METHOD, &self.method) }
    }

    /// The entry to which a series belongs that another process may have named; `None` of those that have none.
    pub(crate) fn of(series: &Series, kind: Kind) -> Option<Self> {
        if series.tag(tag::OVERFLOW).is_some() {
            return None;
        }
        let named = |space, name: Option<&str>| Some(Self::new(space, name?, ""));
        match (&*series.metric, kind) {
            (metric::RESPONSE_TIME, Kind::Trend) => {
                let method = series.tag(tag::METHOD).unwrap_or_default();
                Some(Self::new(Space::Endpoint, series.tag(tag::ENDPOINT)?, method))
            }
            (metric::DB_QUERY_TIME, Kind::Trend) => named(Space::Query, series.tag(tag::KIND)),
            (metric::CACHE, Kind::Rate) => named(Space::Cache, series.tag(tag::CACHE).or(Some(""))),
            (metric::POOL_SIZE | metric::POOL_IN_USE | metric::POOL_WAITING, Kind::Gauge) => {
                named(Space::Pool, series.tag(tag::POOL))
            }
            (metric::SLOW_QUERIES, Kind::Counter) => named(Space::Own, Some(metric::SLOW_QUERIES)),
            (custom, Kind::Counter) => named(Space::Counter, Some(custom)),
            (custom, Kind::Trend) => named(Space::Timer, Some(custom)),
            (_, Kind::Gauge) => named(Space::ProcessLevel, Some(&series.to_string())),
            (_, Kind::Tally) => named(Space::ProcessTally, Some(&series.to_string())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_keep_their_number_or_are_unknown() {
        let entry = Entry::new(Space::Endpoint, "/x", "GET");
        for (status, expected) in [
            (0, r#"outcome="failed",status="unknown""#),
            (99, r#"outcome="failed",status="unknown""#),
            (100, r#"outcome="ok",status="100""#),
            (399, r#"outcome="ok",status="399""#),
            (400, r#"outcome="failed",status="400""#),
            (599, r#"outcome="failed",status="599""#),
            (600, r#"outcome="failed",status="unknown""#),
            (u16::MAX, r#"outcome="failed",status="unknown""#),
        ] {
            let series = entry.series(status_place(status), 400).to_string();
            assert_eq!(series, format!(r#"response_time{{endpoint="/x",method="GET",{expected}}}"#));
        }
    }

    #[test]
    fn an_entry_is_found_again_from_its_series() {
        for (space, name, method) in [
            (Space::Endpoint, "/a\"b\\", "GET"),
            (Space::Endpoint, "/a", ""),
            (Space::Query, "select", ""),
            (Space::Cache, "", ""),
            (Space::Cache, "users", ""),
            (Space::Counter, "orders", ""),
            (Space::Timer, "render", ""),
            (Space::Pool, "db", ""),
            (Space::Own, "slow_queries", ""),
            (Space::ProcessLevel, "process_resident", ""),
            (Space::ProcessTally, "process_cpu", ""),
            (Space::ProcessTally, r#"process_context_switches{kind="voluntary"}"#, ""),
        ] {
            let entry = Entry::new(space, name, method);
            let series: Series = entry.series(0, 400).to_string().parse().unwrap();
            let found = Entry::of(&series, space.kind()).unwrap();
            assert_eq!((found.space, &*found.name, &*found.method), (space, name, method));
            let overflow = Entry::overflow(space).series(0, 400);
            assert!(overflow.tag("overflow").is_some() && Entry::of(&overflow, space.kind()).is_none());
        }
    }
}
