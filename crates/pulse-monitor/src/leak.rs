//! Does the service leak memory? Readings of a day, thinned to what cannot be given back.
//!
//! A trend test alone cries wolf (F. Machida et al., "On the Effectiveness of Mann-Kendall Test for Detection of Software
//! Aging", 2013). So three things have to be true at a time: the slope is above zero with its whole interval, the growth to be
//! expected within the horizon is worth mentioning, and memory also grows with the number of requests. All readings are of
//! minutes' minima after the warm-up, and the slope is [`pulse_stats::growth`]'s, as for load tests.

use pulse_model::{Measured, Nanos, metric};
use pulse_stats::growth;
use serde::{Deserialize, Serialize};

use crate::totals::{CellTotal, Totals};

/// Minutes that are kept; of more, neighbours are joined.
const MAX_MINUTES: usize = 1440;
const HOUR: f64 = 3600.0;
/// Time between two readings of a monitor's own.
const PERIOD: Nanos = Nanos::from_secs(5);

/// What counts as a leak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakSettings {
    /// Time after the start that is not looked at.
    pub warmup: Nanos,
    /// No alarm before this much time was looked at.
    pub shortest: Nanos,
    /// The time for which growth is projected.
    pub horizon: Nanos,
    /// Growth within the horizon that is worth mentioning, as a share of the memory now; the larger of the two counts.
    pub share: f64,
    /// The same in bytes.
    pub bytes: u64,
}

/// Five minutes to warm up, half an hour at least; an alarm for growth of more than 10 % and 20 · 10⁶ bytes in a day.
impl Default for LeakSettings {
    fn default() -> Self {
        Self {
            warmup: Nanos::from_secs(300),
            shortest: Nanos::from_secs(1800),
            horizon: Nanos::from_secs(86_400),
            share: 0.1,
            bytes: 20_000_000,
        }
    }
}

/// The trend of memory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeakTrend {
    /// Bytes per hour, with the 95 % interval, and the number of minutes behind it.
    pub bytes_per_hour: Measured,
    /// Bytes per 1 000 requests, likewise; `None` where there were no requests to speak of.
    pub bytes_per_1000_requests: Option<Measured>,
    /// Growth to be expected within the horizon, in bytes.
    pub projected_bytes: f64,
    /// The memory now, in bytes.
    pub level_bytes: u64,
    /// The time that was looked at.
    pub observed: Nanos,
    /// Whether all signs of a leak are there.
    pub is_leak: bool,
}

/// Collects readings of memory and of the number of requests. Takes some 35 KiB at most.
#[derive(Clone, Debug)]
pub struct LeakWatch {
    settings: LeakSettings,
    started: Option<Nanos>,
    /// The lowest reading of each minute, or of several once there are many.
    minima: Vec<Reading>,
    /// Of the minute that is not over.
    current: Option<Reading>,
    /// Length of a minute: more than one once there are many.
    length: Nanos,
    level_bytes: u64,
    workers: usize,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Nanos,
    requests: u64,
    bytes: u64,
}

impl LeakWatch {
    /// An empty watch.
    pub fn new(settings: LeakSettings) -> Self {
        Self {
            settings,
            started: None,
            minima: Vec::new(),
            current: None,
            length: Nanos::from_secs(60),
            level_bytes: 0,
            workers: 0,
        }
    }

    /// Adds a reading: memory of all workers, and requests since the start. When a worker has joined or left, the watch begins
    /// anew: their memory is another one. A moment before the last, or fewer requests than before, do no harm.
    pub fn observe(&mut self, now: Nanos, workers: usize, requests: u64, bytes: u64) {
        if workers != self.workers {
            *self = Self { workers, ..Self::new(self.settings) };
        }
        let started = *self.started.get_or_insert(now);
        self.level_bytes = bytes;
        let reading = Reading { at: now.since(started), requests, bytes };
        let length = self.length;
        let minute = |reading: &Reading| reading.at.0 / length.0;
        match &mut self.current {
            Some(current) if minute(current) >= minute(&reading) => {
                if reading.bytes < current.bytes {
                    *current = reading;
                }
            }
            current => {
                let ended = current.replace(reading);
                self.minima.extend(ended);
                self.thin_out();
            }
        }
    }

    /// The trend so far; `None` before there are readings of five minutes after the warm-up.
    pub fn trend(&self) -> Option<LeakTrend> {
        let LeakSettings { warmup, shortest, horizon, share, bytes } = self.settings;
        let judged = || self.minima.iter().filter(|reading| reading.at >= warmup);
        let (first, last) = (judged().next()?, judged().next_back()?);
        let against = |x: fn(&Reading) -> f64| -> Vec<(f64, f64)> {
            judged().map(|reading| (x(reading) - x(first), reading.bytes as f64)).collect()
        };
        let bytes_per_hour = growth(&against(|reading| reading.at.as_secs_f64() / HOUR), 0.0)?;
        let bytes_per_1000_requests = growth(&against(|reading| reading.requests as f64 / 1000.0), 0.0);
        let projected_bytes = bytes_per_hour.value * horizon.as_secs_f64() / HOUR;
        let observed = last.at.since(first.at);
        let is_leak = observed >= shortest
            && bytes_per_hour.lo > 0.0
            && projected_bytes > (self.level_bytes as f64 * share).max(bytes as f64)
            && bytes_per_1000_requests.is_some_and(|growth| growth.lo > 0.0);
        Some(LeakTrend {
            bytes_per_hour,
            bytes_per_1000_requests,
            projected_bytes,
            level_bytes: self.level_bytes,
            observed,
            is_leak,
        })
    }

    /// Joins neighbours when there are too many, each time to twice the length.
    fn thin_out(&mut self) {
        if self.minima.len() < MAX_MINUTES {
            return;
        }
        let lower = |pair: &[Reading]| pair.iter().min_by_key(|reading| reading.bytes).copied();
        self.minima = self.minima.chunks(2).filter_map(lower).collect();
        self.length = self.length.times(2);
    }
}

/// Feeds a watch from a monitor's readings.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    watch: LeakWatch,
    next: Nanos,
}

impl Default for MemoryWatch {
    fn default() -> Self {
        Self { watch: LeakWatch::new(LeakSettings::default()), next: Nanos::ZERO }
    }
}

impl MemoryWatch {
    /// Takes a reading when one is due.
    pub(crate) fn look(&mut self, now: Nanos, totals: &Totals) {
        if now < self.next {
            return;
        }
        self.next = now + PERIOD;
        let (mut workers, mut requests, mut bytes) = (0, 0_u64, 0_u64);
        for (series, cell) in totals.series.iter().zip(&totals.cells) {
            match (&*series.metric, cell) {
                (metric::PROCESS_RESIDENT, CellTotal::Gauge(Some(resident))) => {
                    workers += 1;
                    bytes = bytes.saturating_add(resident.last);
                }
                (metric::RESPONSE_TIME, CellTotal::Trend(trend)) => {
                    requests = requests.saturating_add(trend.count());
                }
                _ => {}
            }
        }
        if workers > 0 {
            self.watch.observe(now, workers, requests, bytes);
        }
    }

    pub(crate) fn trend(&self) -> Option<LeakTrend> {
        self.watch.trend()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::totals::TrendTotal;
    use proptest::prelude::*;
    use pulse_model::{Gauge, Series};

    const MB: f64 = 1e6;
    const REQUESTS_PER_SECOND: f64 = 50.0;

    /// A value in 0..1 without a pattern.
    fn noise(second: f64) -> f64 {
        (second * 0.618_033_988_75).fract()
    }

    /// A reading every five seconds.
    fn watched(hours: f64, requests: impl Fn(f64) -> f64, bytes: impl Fn(f64) -> f64) -> LeakWatch {
        let mut watch = LeakWatch::new(LeakSettings::default());
        for i in 0..(hours * 720.0) as u64 {
            let second = i as f64 * 5.0;
            watch.observe(Nanos::from_secs(1_000 + i * 5), 1, requests(second) as u64, bytes(second) as u64);
        }
        watch
    }

    /// Memory at a second.
    type Bytes<'a> = &'a dyn Fn(f64) -> f64;

    fn steady(second: f64) -> f64 {
        second * REQUESTS_PER_SECOND
    }

    #[test]
    fn leaks_are_told_from_what_looks_like_one() {
        // 10 bytes per request are 1.8 MB per hour and 43.2 MB per day.
        let leak = |second: f64| 10.0 * steady(second);
        let sawtooth = |second: f64| (second % 700.0) * 50_000.0;
        let warm_up = |second: f64| second.min(280.0) * 1e6;
        let cases: [(&str, Bytes<'_>, bool, f64); 7] = [
            ("flat", &|_| 100.0 * MB, false, 0.0),
            ("noise", &|s| 100.0 * MB + noise(s) * 5.0 * MB, false, 0.0),
            ("sawtooth", &|s| 100.0 * MB + sawtooth(s), false, 0.0),
            ("warm-up only", &|s| 100.0 * MB + warm_up(s) + noise(s) * MB, false, 0.0),
            ("leak", &|s| 100.0 * MB + leak(s) + noise(s) * MB, true, 1.8 * MB),
            ("leak under a sawtooth", &|s| 100.0 * MB + leak(s) + sawtooth(s), true, 1.8 * MB),
            // Sure, but of no consequence: 4 MB a day.
            ("a small leak", &|s| 100.0 * MB + leak(s) / 10.0, false, 0.18 * MB),
        ];
        for (name, bytes, is_leak, per_hour) in cases {
            let trend = watched(4.0, steady, bytes).trend().unwrap();
            assert_eq!(trend.is_leak, is_leak, "{name}: {trend:?}");
            let found = trend.bytes_per_hour;
            assert!((found.value - per_hour).abs() < 0.1 * MB, "{name}: {trend:?}");
            assert!(found.lo <= found.value && found.value <= found.hi, "{name}: {trend:?}");
            let per_1000 = trend.bytes_per_1000_requests.unwrap().value;
            assert!((per_1000 - per_hour / 180.0).abs() < 600.0, "{name}: {trend:?}");
            assert!((trend.projected_bytes - 24.0 * found.value).abs() < 1.0, "{name}: {trend:?}");
        }
    }

    /// Each of the three signs alone, missing.
    #[test]
    fn no_alarm_without_all_three_signs() {
        let bytes = |second: f64| 100.0 * MB + 10.0 * steady(second) + noise(second) * MB;
        assert!(watched(4.0, steady, bytes).trend().unwrap().is_leak);
        // Nobody asked for anything.
        let idle = watched(4.0, |_| 7.0, bytes).trend().unwrap();
        assert!(!idle.is_leak && idle.bytes_per_1000_requests.is_none() && idle.bytes_per_hour.lo > 0.0);
        // A tenth of a large memory is more.
        let large = watched(4.0, steady, |second| 900.0 * MB + bytes(second)).trend().unwrap();
        assert!(!large.is_leak && large.projected_bytes > 20.0 * MB, "{large:?}");
        // It went down as often as up.
        let wave = watched(4.0, steady, |s| 100.0 * MB + (s / 2000.0).sin() * 50.0 * MB).trend().unwrap();
        assert!(!wave.is_leak && wave.bytes_per_hour.lo < 0.0, "{wave:?}");
        // It was not looked at for long enough.
        let short = watched(0.5, steady, |second| 100.0 * MB + 100.0 * steady(second)).trend().unwrap();
        assert!(!short.is_leak && short.bytes_per_hour.lo > 0.0, "{short:?}");
    }

    #[test]
    fn other_workers_are_another_beginning() {
        let mut watch = watched(4.0, steady, |second| 100.0 * MB + 10.0 * steady(second));
        assert!(watch.trend().is_some());
        watch.observe(Nanos::from_secs(100_000), 2, 5, 5);
        assert_eq!(watch.trend(), None);
        let none = LeakWatch::new(LeakSettings::default());
        assert_eq!(none.trend(), None);
    }

    /// Two workers whose memory grows together, read from the totals of their storage.
    #[test]
    fn a_monitors_own_readings() {
        let mut watch = MemoryWatch::default();
        for second in 0..10_000_u64 {
            let gauge =
                |bytes| CellTotal::Gauge(Some(Gauge { at: Nanos(0), last: bytes, min: bytes, max: bytes }));
            let trend =
                TrendTotal { buckets: vec![(9, second * 30)], zeros: second * 20, ..TrendTotal::default() };
            let resident = Series::new(metric::PROCESS_RESIDENT);
            let totals = Totals {
                series: [resident.clone(), resident, Series::new(metric::RESPONSE_TIME), Series::new("x")]
                    .into(),
                cells: vec![
                    gauge(50_000_000 + second * 400),
                    gauge(50_000_000 + second * 100),
                    CellTotal::Trend(trend.clone()),
                    CellTotal::Trend(trend),
                ],
                epoch: second,
            };
            watch.look(Nanos::from_secs(1 + second), &totals);
        }
        let trend = watch.trend().unwrap();
        // 500 bytes per second and 50 requests per second.
        assert!((trend.bytes_per_hour.value - 1.8 * MB).abs() < 1000.0, "{trend:?}");
        assert!((trend.bytes_per_1000_requests.unwrap().value - 10_000.0).abs() < 10.0, "{trend:?}");
        assert!(trend.is_leak && trend.level_bytes > 100_000_000);
    }

    #[test]
    fn a_week_takes_no_more_than_a_day() {
        let week = watched(168.0, steady, |second| 100.0 * MB + 10.0 * steady(second) + noise(second) * MB);
        assert!(week.minima.len() < MAX_MINUTES && week.length > Nanos::from_secs(60));
        let trend = week.trend().unwrap();
        assert!(trend.is_leak && (trend.bytes_per_hour.value - 1.8 * MB).abs() < 0.05 * MB, "{trend:?}");
    }

    proptest! {
        #[test]
        fn anything_may_be_observed(
            readings in prop::collection::vec((any::<u64>(), 0..3_usize, any::<u64>(), any::<u64>(), 0..64_u32), 0..300)
        ) {
            let mut watch = LeakWatch::new(LeakSettings::default());
            for (now, workers, requests, bytes, shift) in readings {
                watch.observe(Nanos(now >> shift), workers / 2, requests >> shift, bytes >> shift);
                let trend = watch.trend();
                prop_assert!(trend.is_none_or(|trend| trend.bytes_per_hour.lo <= trend.bytes_per_hour.hi));
            }
        }
    }
}
