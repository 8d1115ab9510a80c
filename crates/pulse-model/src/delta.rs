//! What was added between two readings of values that only grow.

use crate::{Aggregate, Gauge, Histogram, Interval, Rate, Schema, Series, Snapshot};

/// The difference of two readings, taken with [`Snapshot::since`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// What was added. Series to which nothing was added are left out; gauges are those of the later reading.
    pub added: Snapshot,
    /// Series that became smaller: whoever counts them began anew. All of their later value counts as added, and what was
    /// counted between the earlier reading and the new beginning is not known.
    pub restarted: Vec<Series>,
}

impl Snapshot {
    /// What was added since `earlier`, an earlier reading of the same source: the inverse of [`merge`](Self::merge) for
    /// all that is counted.
    ///
    /// A series that was not there earlier began at zero in between. The extremes of a trend's difference are exact where
    /// the later reading has a new one, and bounds by the buckets otherwise. Sightings are not compared.
    ///
    /// ```
    /// use pulse_model::{Series, Snapshot};
    ///
    /// let (mut earlier, mut later) = (Snapshot::default(), Snapshot::default());
    /// earlier.count(Series::new("orders"), 5);
    /// later.count(Series::new("orders"), 7);
    /// assert_eq!(later.since(&earlier).added.counter(&Series::new("orders")), 2);
    /// assert_eq!(earlier.since(&later).restarted, [Series::new("orders")]);
    /// ```
    pub fn since(&self, earlier: &Self) -> Delta {
        let mut delta = Delta::default();
        if let (Some(before), Some(now)) = (earlier.interval, self.interval) {
            delta.added.interval = Some(Interval { from: before.to, to: now.to.max(before.to) });
        }
        for (series, now) in &self.series {
            let difference = match earlier.series.get(series) {
                Some(before) => difference(now, before),
                None => Some(alone(now)),
            };
            let added = difference.unwrap_or_else(|| {
                delta.restarted.push(series.clone());
                alone(now)
            });
            if !is_nothing(&added) {
                delta.added.series.insert(series.clone(), added);
            }
        }
        delta
    }
}

impl Histogram {
    /// The values that were added since `earlier`; `None` when some bucket has become smaller. Of two schemas the coarser
    /// is compared.
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        let schema = self.schema().min(earlier.schema());
        let (now, before) = (at(self, schema), at(earlier, schema));
        let mut earlier_buckets = before.indexed().peekable();
        let mut added = Vec::new();
        for (index, count) in now.indexed() {
            let previous = match earlier_buckets.next_if(|&(earlier, _)| earlier <= index) {
                Some((same, count)) if same == index => count,
                // A bucket that was there and is not any more.
                Some(_) => return None,
                None => 0,
            };
            added.push((index, count.checked_sub(previous)?));
        }
        if earlier_buckets.next().is_some() {
            return None;
        }
        let zeros = now.zeros().checked_sub(before.zeros())?;
        let sum = now.sum().saturating_sub(before.sum());
        let (min, max) = (now.min().unwrap_or(0), now.max().unwrap_or(u64::MAX));
        Some(Self::from_buckets(schema, added, zeros, sum, min, max))
    }
}

fn at(histogram: &Histogram, schema: Schema) -> Histogram {
    let mut coarse = histogram.clone();
    coarse.downscale(schema);
    coarse
}

/// `None` for what became smaller.
fn difference(now: &Aggregate, before: &Aggregate) -> Option<Aggregate> {
    match (now, before) {
        (Aggregate::Counter(now), Aggregate::Counter(before)) => {
            now.checked_sub(*before).map(Aggregate::Counter)
        }
        (Aggregate::Rate(now), Aggregate::Rate(before)) => {
            let hits = now.hits.checked_sub(before.hits)?;
            let misses = (now.total - now.hits.min(now.total))
                .checked_sub(before.total - before.hits.min(before.total))?;
            Some(Aggregate::Rate(Rate { hits, total: hits.saturating_add(misses) }))
        }
        (Aggregate::Trend(now), Aggregate::Trend(before)) => now.since(before).map(Aggregate::Trend),
        (Aggregate::Gauge(_), _) => Some(alone(now)),
        // Another kind under the same name: whoever counts it is another.
        _ => None,
    }
}

/// The value of a series that began in between. A gauge is its latest reading: its extremes are of a longer time.
fn alone(now: &Aggregate) -> Aggregate {
    match now {
        Aggregate::Gauge(gauge) => Aggregate::Gauge(Gauge { min: gauge.last, max: gauge.last, ..*gauge }),
        counted => counted.clone(),
    }
}

fn is_nothing(added: &Aggregate) -> bool {
    match added {
        Aggregate::Counter(count) => *count == 0,
        Aggregate::Rate(rate) => rate.total == 0,
        Aggregate::Trend(trend) => trend.is_empty(),
        Aggregate::Gauge(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Nanos;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn trend(schema: Schema, values: &[u64]) -> Histogram {
        let mut trend = Histogram::new(schema);
        values.iter().for_each(|value| trend.record(*value));
        trend
    }

    fn one(series: &str, aggregate: Aggregate) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.add(Series::new(series), aggregate);
        snapshot
    }

    #[test]
    fn what_became_smaller_began_anew() {
        let slow = trend(Schema::MONITOR, &[100, 1000]);
        let fast = trend(Schema::MONITOR, &[100, 100, 100]);
        for (before, now) in [
            (Aggregate::Counter(5), Aggregate::Counter(2)),
            (Aggregate::Rate(Rate { hits: 3, total: 9 }), Aggregate::Rate(Rate { hits: 4, total: 9 })),
            (Aggregate::Trend(slow), Aggregate::Trend(fast)),
            (Aggregate::Counter(1), Aggregate::Rate(Rate { hits: 1, total: 1 })),
        ] {
            let delta = one("x", now.clone()).since(&one("x", before));
            assert_eq!((delta.restarted, delta.added), (vec![Series::new("x")], one("x", now)));
        }
    }

    #[test]
    fn levels_are_those_of_now_and_what_did_not_change_is_left_out() {
        let level = |last, min, max| Aggregate::Gauge(Gauge { at: Nanos(1), last, min, max });
        let mut before = one("level", level(9, 1, 9));
        before.count(Series::new("still"), 4);
        let mut now = one("level", level(5, 1, 9));
        now.count(Series::new("still"), 4);
        assert_eq!(now.since(&before), Delta { added: one("level", level(5, 5, 5)), restarted: Vec::new() });
        assert_eq!(Snapshot::default().since(&before), Delta::default(), "what vanished adds nothing");
    }

    #[test]
    fn the_interval_is_the_time_between_the_readings() {
        let reading = |to| Snapshot {
            interval: Some(Interval { from: Nanos::ZERO, to: Nanos::from_secs(to) }),
            ..Snapshot::default()
        };
        let added = reading(5).since(&reading(3)).added;
        assert_eq!(added.interval, Some(Interval { from: Nanos::from_secs(3), to: Nanos::from_secs(5) }));
        // A clock that was set back gives an empty interval, never a negative one.
        assert_eq!(reading(3).since(&reading(5)).added.length(), Nanos::ZERO);
    }

    #[test]
    fn extremes_are_exact_where_they_are_new_and_bounds_otherwise() {
        let earlier = trend(Schema::MONITOR, &[10, 1_000]);
        let mut later = earlier.clone();
        later.merge(&trend(Schema::MONITOR, &[500, 2_001]));
        let added = later.since(&earlier).unwrap();
        assert_eq!((added.count(), added.sum(), added.max()), (2, 2_501, Some(2_001)));
        let (lower, min) = (Schema::MONITOR.lower(Schema::MONITOR.index(500)), added.min().unwrap());
        assert_eq!(min, lower, "500 is not the smallest of all, so only its bucket is known");
    }

    proptest! {
        #[test]
        fn the_difference_takes_merging_back(
            a in vec(0_u64..1 << 40, 0..60),
            b in vec(0_u64..1 << 40, 0..60),
            counts in any::<(u32, u32, u32, u32)>(),
            schemas in (0_u8..=8, 0_u8..=8),
        ) {
            let schemas = [schemas.0, schemas.1].map(|schema| Schema::new(schema).unwrap());
            let snapshot = |values: &[u64], schema, (count, hits): (u32, u32)| {
                let mut snapshot = one("trend", Aggregate::Trend(trend(schema, values)));
                snapshot.count(Series::new("counter"), count.into());
                let rate = Rate { hits: hits.into(), total: u64::from(hits) + u64::from(count) };
                snapshot.add(Series::new("rate"), Aggregate::Rate(rate));
                snapshot
            };
            let before = snapshot(&a, schemas[0], (counts.0, counts.1));
            let other = snapshot(&b, schemas[1], (counts.2, counts.3));
            let mut now = before.clone();
            now.merge(&other);
            let delta = now.since(&before);
            prop_assert_eq!(&delta.restarted, &Vec::<Series>::new());
            let all = |snapshot: &Snapshot| {
                let mut trend = snapshot.trend(&Series::new("trend"));
                trend.downscale(schemas[0].min(schemas[1]));
                let buckets: Vec<_> = trend.buckets().collect();
                let rate = snapshot.rate(&Series::new("rate"));
                (buckets, trend.sum(), snapshot.counter(&Series::new("counter")), rate)
            };
            prop_assert_eq!(all(&delta.added), all(&other));
            // Bounds hold what they bound.
            let (added, real) = (delta.added.trend(&Series::new("trend")), trend(Schema::LOAD, &b));
            prop_assert!(added.min() <= real.min() && added.max() >= real.max());
        }

        #[test]
        fn any_two_histograms_can_be_compared(a in vec(any::<u64>(), 0..20), b in vec(any::<u64>(), 0..20)) {
            let (a, b) = (trend(Schema::MONITOR, &a), trend(Schema::LOAD, &b));
            if let Some(added) = a.since(&b) {
                prop_assert_eq!(added.count(), a.count() - b.count());
            }
        }
    }
}
