//! What was recorded in an interval, mergeable in any order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Histogram, Nanos, Series};

/// The recorded value of one series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// A number of events (or bytes, or nanoseconds) that only grows.
    Counter(u64),
    /// A level at a moment.
    Gauge(Gauge),
    /// How many of a number of events were hits.
    Rate(Rate),
    /// The distribution of a value.
    Trend(Histogram),
}

/// A level: the latest reading and the extremes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gauge {
    /// When the latest reading was taken.
    pub at: Nanos,
    /// The latest reading.
    pub last: u64,
    /// The smallest reading.
    pub min: u64,
    /// The largest reading.
    pub max: u64,
}

/// Hits out of a total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Events that counted.
    pub hits: u64,
    /// All events.
    pub total: u64,
}

impl Aggregate {
    /// Adds what `other` has recorded. Both are of one kind by the metric's definition; of two different kinds (only a
    /// hand-edited file has them) the later variant stays, so that the order of merging never matters.
    pub fn merge(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Counter(mine), Self::Counter(theirs)) => *mine = mine.saturating_add(*theirs),
            (Self::Gauge(mine), Self::Gauge(theirs)) => {
                let latest = (mine.at, mine.last).max((theirs.at, theirs.last));
                *mine = Gauge {
                    at: latest.0,
                    last: latest.1,
                    min: mine.min.min(theirs.min),
                    max: mine.max.max(theirs.max),
                };
            }
            (Self::Rate(mine), Self::Rate(theirs)) => {
                mine.hits = mine.hits.saturating_add(theirs.hits);
                mine.total = mine.total.saturating_add(theirs.total);
            }
            (Self::Trend(mine), Self::Trend(theirs)) => mine.merge(theirs),
            (mine, theirs) => {
                if mine.kind() < theirs.kind() {
                    *mine = theirs.clone();
                }
            }
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Counter(_) => 0,
            Self::Gauge(_) => 1,
            Self::Rate(_) => 2,
            Self::Trend(_) => 3,
        }
    }
}

/// The span of time a snapshot covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Start, included.
    pub from: Nanos,
    /// End, excluded.
    pub to: Nanos,
}

impl Interval {
    /// Length of the interval.
    pub fn length(self) -> Nanos {
        self.to.since(self.from)
    }
}

/// Which failures a [`Sighting`] speaks of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FailureKind {
    /// The step's name.
    pub endpoint: String,
    /// Failure class, for example `timeout`.
    pub class: String,
}

/// When a kind of failure was seen, and how the first one read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Which failures.
    pub kind: FailureKind,
    /// First occurrence.
    pub first: Nanos,
    /// Last occurrence.
    pub last: Nanos,
    /// Message of the first occurrence, at most [`Sighting::MESSAGE_BYTES`] long.
    pub message: String,
}

impl Sighting {
    /// The longest message that is kept.
    pub const MESSAGE_BYTES: usize = 300;
    /// How many kinds of failure a snapshot keeps; the counters go on counting beyond it.
    pub const KINDS: usize = 200;

    /// A single occurrence.
    pub fn once(kind: FailureKind, at: Nanos, message: &str) -> Self {
        let mut end = message.len().min(Self::MESSAGE_BYTES);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        Self { kind, first: at, last: at, message: message[..end].to_owned() }
    }

    fn merge(&mut self, other: &Self) {
        if (other.first, &other.message) < (self.first, &self.message) {
            self.first = other.first;
            self.message.clone_from(&other.message);
        }
        self.last = self.last.max(other.last);
    }
}

/// Everything recorded in one interval. `merge` is associative and commutative with `Snapshot::default()` as identity,
/// so that a window, a total, a cluster and a replay are all the same operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The span covered; `None` when nothing was recorded yet.
    pub interval: Option<Interval>,
    /// Recorded values by series.
    pub series: BTreeMap<Series, Aggregate>,
    /// Failures seen, sorted by kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sightings: Vec<Sighting>,
}

impl Snapshot {
    /// Adds what `other` has recorded.
    pub fn merge(&mut self, other: &Self) {
        self.interval = match (self.interval, other.interval) {
            (Some(a), Some(b)) => Some(Interval { from: a.from.min(b.from), to: a.to.max(b.to) }),
            (a, b) => a.or(b),
        };
        for (series, aggregate) in &other.series {
            match self.series.get_mut(series) {
                Some(mine) => mine.merge(aggregate),
                None => {
                    self.series.insert(series.clone(), aggregate.clone());
                }
            }
        }
        for sighting in &other.sightings {
            self.sight(sighting);
        }
    }

    /// Adds a failure that was seen. The smallest [`Sighting::KINDS`] kinds are kept, whatever the order of adding.
    pub fn sight(&mut self, sighting: &Sighting) {
        match self.sightings.binary_search_by(|mine| mine.kind.cmp(&sighting.kind)) {
            Ok(at) => self.sightings[at].merge(sighting),
            Err(at) => {
                self.sightings.insert(at, sighting.clone());
                self.sightings.truncate(Sighting::KINDS);
            }
        }
    }

    /// Adds `n` to a counter.
    pub fn count(&mut self, series: Series, n: u64) {
        self.add(series, Aggregate::Counter(n));
    }

    /// Merges one value into a series.
    pub fn add(&mut self, series: Series, aggregate: Aggregate) {
        match self.series.get_mut(&series) {
            Some(mine) => mine.merge(&aggregate),
            None => {
                self.series.insert(series, aggregate);
            }
        }
    }

    /// Sum of all counters that match `selector`.
    pub fn counter(&self, selector: &Series) -> u64 {
        self.matching(selector)
            .map(|(_, aggregate)| if let Aggregate::Counter(n) = aggregate { *n } else { 0 })
            .fold(0, u64::saturating_add)
    }

    /// Sum of all rates that match `selector`.
    pub fn rate(&self, selector: &Series) -> Rate {
        self.matching(selector).fold(Rate::default(), |mut sum, (_, aggregate)| {
            if let Aggregate::Rate(rate) = aggregate {
                sum.hits = sum.hits.saturating_add(rate.hits);
                sum.total = sum.total.saturating_add(rate.total);
            }
            sum
        })
    }

    /// All trends that match `selector`, merged; empty when there are none.
    pub fn trend(&self, selector: &Series) -> Histogram {
        let mut merged: Option<Histogram> = None;
        for (_, aggregate) in self.matching(selector) {
            if let Aggregate::Trend(histogram) = aggregate {
                match &mut merged {
                    Some(merged) => merged.merge(histogram),
                    None => merged = Some(histogram.clone()),
                }
            }
        }
        merged.unwrap_or_default()
    }

    /// The series that match `selector`, in order.
    pub fn matching<'a>(&'a self, selector: &'a Series) -> impl Iterator<Item = (&'a Series, &'a Aggregate)> {
        let start = Series { metric: selector.metric.clone(), tags: BTreeMap::new() };
        self.series
            .range(start..)
            .take_while(move |(series, _)| series.metric == selector.metric)
            .filter(move |(series, _)| series.matches(selector))
    }

    /// The distinct values of a tag among the series of a metric, sorted.
    pub fn tag_values<'a>(&'a self, metric: &str, tag: &str) -> Vec<&'a str> {
        let selector = Series::new(metric);
        let mut values: Vec<&str> = self
            .series
            .range(selector..)
            .take_while(|(series, _)| &*series.metric == metric)
            .filter_map(|(series, _)| series.tag(tag))
            .collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    /// Length of the covered span.
    pub fn length(&self) -> Nanos {
        self.interval.map_or(Nanos::ZERO, Interval::length)
    }
}
