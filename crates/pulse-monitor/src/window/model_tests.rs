//! A window against a model that keeps every value.

use proptest::collection::vec;
use proptest::prelude::*;
use pulse_model::{Aggregate, Gauge, Histogram, Rate, Schema};

use super::*;
use crate::totals::{Extremes, TrendTotal};

const SECOND: u64 = 1_000_000_000;
const KINDS: [&str; 5] = ["counter", "rate", "level", "trend", "other"];

/// Storage as windows see it: an epoch word, and cells that only count up.
struct Store {
    totals: Totals,
}

impl Store {
    fn new() -> Self {
        let cells = vec![
            CellTotal::Counter(0),
            CellTotal::Rate(Rate::default()),
            CellTotal::Gauge(None),
            CellTotal::Trend(TrendTotal::default()),
        ];
        let series = KINDS[..4].iter().map(|name| Series::new(name)).collect();
        Self { totals: Totals { series, cells, epoch: 0 } }
    }

    /// A value enters all series: as a gain, as a hit when odd, as a level, and as a value of the trend.
    fn record(&mut self, at: Nanos, value: u64) {
        let epoch = self.totals.epoch;
        for cell in &mut self.totals.cells {
            match cell {
                CellTotal::Counter(count) => *count += value % 7,
                CellTotal::Rate(rate) => {
                    rate.total += 1;
                    rate.hits += value % 2;
                }
                CellTotal::Gauge(gauge) => *gauge = Some(Gauge { at, last: value, min: 0, max: u64::MAX }),
                CellTotal::Trend(trend) => {
                    let mut one =
                        TrendTotal { sum: value.into(), min: value, max: value, ..Default::default() };
                    match value {
                        0 => one.zeros = 1,
                        _ => one.buckets.push((Schema::MONITOR.index(value) as u16, 1)),
                    }
                    one.recent[epoch as usize % 4] = Some(Extremes { epoch, min: value, max: value });
                    trend.merge(&one);
                }
            }
        }
    }

    /// A series that was not there before.
    fn grow(&mut self) {
        self.totals.series = KINDS.iter().map(|name| Series::new(name)).collect();
        self.totals.cells.resize(5, CellTotal::Trend(TrendTotal::default()));
    }
}

#[derive(Clone, Debug)]
enum Act {
    Record(u64),
    Advance,
    Query { span: u64 },
    Grow,
    Reset,
}

fn acts() -> impl Strategy<Value = Vec<(u64, Act)>> {
    let pause = prop_oneof![
        6 => 0..SECOND / 4,
        6 => SECOND * 3 / 4..SECOND * 5 / 4,
        2 => 0..20 * SECOND,
        1 => 0..400 * SECOND,
    ];
    let act = prop_oneof![
        12 => (any::<u64>(), 0..64_u32).prop_map(|(value, shift)| Act::Record(value >> shift)),
        8 => Just(Act::Advance),
        3 => (0..4000 * SECOND, 0..40_u32).prop_map(|(span, shift)| Act::Query { span: span >> shift }),
        1 => Just(Act::Grow),
    ];
    let acts = prop_oneof![200 => act, 1 => Just(Act::Reset)];
    vec((pause, acts), 1..400)
}

/// Everything that happened, kept.
struct Naive {
    store: Store,
    window: Window,
    now: Nanos,
    /// Moment, value, and whether the late series was there.
    values: Vec<(Nanos, u64, bool)>,
    /// Moments at which a slot could end: readings in a second of their own.
    seals: Vec<Nanos>,
    was_reset: bool,
}

impl Naive {
    fn new(max_bytes: usize) -> Self {
        let store = Store::new();
        let now = Nanos(5 * SECOND / 3);
        let window = Window::new(now, &store.totals, max_bytes);
        Self { store, window, now, values: Vec::new(), seals: vec![now], was_reset: false }
    }

    fn act(&mut self, pause: u64, act: &Act) -> Result<(), TestCaseError> {
        self.now += Nanos(pause + 1);
        match act {
            Act::Record(value) => {
                self.store.record(self.now, *value);
                self.values.push((self.now, *value, self.store.totals.cells.len() == 5));
            }
            Act::Advance => {
                self.read();
                self.window.advance(self.now, &self.store.totals);
            }
            Act::Query { span } => {
                self.read();
                let snapshot = self.window.over(Nanos(*span), self.now, &self.store.totals);
                self.check(Nanos(*span), &snapshot)?;
            }
            Act::Grow => self.store.grow(),
            Act::Reset => {
                self.store.totals.epoch = second(self.now);
                self.window.reset(self.now, &self.store.totals);
                self.values.clear();
                self.seals = vec![self.now];
                self.was_reset = true;
            }
        }
        Ok(())
    }

    fn read(&mut self) {
        self.store.totals.epoch = second(self.now);
        if self.seals.last().is_some_and(|last| second(*last) != second(self.now)) {
            self.seals.push(self.now);
        }
    }

    /// The spans between seals, and the one since the last.
    fn slots(&self) -> impl Iterator<Item = (Nanos, Nanos)> {
        let ends = self.seals[1..].iter().copied().chain([self.now]);
        self.seals.iter().copied().zip(ends)
    }

    fn check(&self, span: Nanos, snapshot: &Snapshot) -> Result<(), TestCaseError> {
        let Interval { from, to } = snapshot.interval.expect("always there");
        prop_assert_eq!(to, self.now);
        let start = to.since(span.min(MAX_SPAN));
        if from > start && from != self.seals[0] && self.window.max_bytes == usize::MAX {
            let before = self.slots().find(|slot| slot.1 == from).expect("ends where a slot does");
            let is_gap = before.1.since(before.0) > COARSE;
            prop_assert!(is_gap && start.since(before.0) > before.1.since(start), "{before:?} {start:?}");
        }
        if from < start {
            let (begin, end) = self.slots().find(|slot| slot.0 == from).expect("begins where a slot does");
            let ends_by = if to.since(from) >= FINE_SPAN { end.max(from + COARSE) } else { end };
            prop_assert!(start < ends_by || start == to, "{start:?} {ends_by:?}");
            prop_assert!(end.since(begin) <= COARSE || start.since(begin) <= end.since(start));
        }
        let values: Vec<u64> = self.values.iter().filter(|v| v.0 > from).map(|v| v.1).collect();
        let late: Vec<u64> = self.values.iter().filter(|v| v.0 > from && v.2).map(|v| v.1).collect();
        let inside = || self.slots().filter(|slot| slot.1 > from);
        let gaps: u64 =
            inside().map(|(a, b)| b.since(a)).filter(|length| *length > COARSE).map(|n| n.0).sum();
        prop_assert_eq!(snapshot.counter(&Series::new(metric::MONITOR_GAP)), gaps);
        // Extremes from just before a reset share an epoch with those after it.
        let blurred = self.was_reset && from == self.seals[0];
        let exact = !blurred && inside().all(|(a, b)| second(b) - second(a) < 4);
        check_trend(snapshot.series.get(&Series::new("trend")), values.clone(), exact)?;
        check_trend(snapshot.series.get(&Series::new("other")), late, exact)?;
        prop_assert_eq!(snapshot.counter(&Series::new("counter")), values.iter().map(|v| v % 7).sum::<u64>());
        let rate = Rate { hits: values.iter().map(|v| v % 2).sum(), total: values.len() as u64 };
        prop_assert_eq!(snapshot.rate(&Series::new("rate")), rate);
        self.check_level(from, snapshot)
    }

    /// The level is the latest ever set, and its extremes are among those set.
    fn check_level(&self, from: Nanos, snapshot: &Snapshot) -> Result<(), TestCaseError> {
        let Some(Aggregate::Gauge(gauge)) = snapshot.series.get(&Series::new("level")) else {
            prop_assert!(self.values.iter().all(|v| v.0 <= from));
            return Ok(());
        };
        if let Some((at, value, _)) = self.values.last() {
            prop_assert_eq!((gauge.at, gauge.last), (*at, *value));
        }
        prop_assert!(gauge.min <= gauge.last && gauge.last <= gauge.max);
        Ok(())
    }
}

fn check_trend(found: Option<&Aggregate>, mut values: Vec<u64>, exact: bool) -> Result<(), TestCaseError> {
    let mut expected = Histogram::new(Schema::MONITOR);
    values.iter().for_each(|&value| expected.record(value));
    values.sort_unstable();
    let Some(Aggregate::Trend(found)) = found else {
        prop_assert!(found.is_none() && values.is_empty(), "{found:?} {values:?}");
        return Ok(());
    };
    prop_assert!(found.indexed().eq(expected.indexed()));
    prop_assert_eq!((found.count(), found.zeros()), (expected.count(), expected.zeros()));
    prop_assert_eq!(found.sum(), expected.sum());
    let bucket =
        |value: Option<u64>| value.map(|v| if v == 0 { None } else { Some(Schema::MONITOR.index(v)) });
    prop_assert_eq!(bucket(found.min()), bucket(expected.min()));
    prop_assert_eq!(bucket(found.max()), bucket(expected.max()));
    if exact {
        prop_assert_eq!((found.min(), found.max()), (expected.min(), expected.max()));
    }
    for q in [0.0, 0.5, 0.9, 0.99, 1.0] {
        let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
        let (truth, quantile) = (values[rank - 1], found.quantile(q).expect("not empty"));
        let ends = rank == 1 || rank == values.len();
        prop_assert!(
            (ends && !exact) || (quantile.lo <= truth && truth <= quantile.hi),
            "{quantile:?} {truth}"
        );
    }
    Ok(())
}

#[test]
fn a_single_value_is_exact_even_beside_others_of_its_second() {
    let mut store = Store::new();
    store.record(Nanos(1), 1_000_000);
    store.record(Nanos(1), 1_010_000);
    let mut window = Window::new(Nanos(2), &store.totals, usize::MAX);
    store.record(Nanos(3), 1_005_000);
    let trend = window.over(Nanos(9), Nanos(4), &store.totals).trend(&Series::new("trend"));
    assert_eq!((trend.min(), trend.max(), trend.sum()), (Some(1_005_000), Some(1_005_000), 1_005_000));
}

/// A writer's bucket and sum are two stores; a reading that falls between sees one without the other.
#[test]
fn a_reading_between_two_stores_of_a_writer_is_off_by_less_than_a_bucket() {
    let value = 5_000_000_u64;
    let bucket = Schema::MONITOR.index(value) as u16;
    let reading = |count: u64, sum: u64, epoch| Totals {
        series: [Series::new("trend")].into(),
        cells: vec![CellTotal::Trend(TrendTotal {
            buckets: vec![(bucket, count)],
            sum: (sum * value).into(),
            min: value,
            max: value,
            ..TrendTotal::default()
        })],
        epoch,
    };
    for readings in [[(1, 0), (1, 1), (2, 2)], [(0, 1), (1, 1), (2, 2)], [(1, 0), (2, 1), (2, 2)]] {
        let mut window = Window::new(Nanos(0), &Totals::default(), usize::MAX);
        for (second, (count, sum)) in (1..).zip(readings) {
            window.advance(Nanos(second * SECOND), &reading(count, sum, second));
            for slot in &window.fine {
                for (_, delta) in slot.gains() {
                    let Delta::Trend(gain) = delta else { panic!("{delta:?}") };
                    let count: u64 = gain.buckets.iter().map(|(_, count)| count).sum();
                    let mean = gain.sum as f64 / count as f64;
                    assert!(gain.min as f64 <= mean && mean <= gain.max as f64, "{gain:?}");
                }
            }
        }
        // What is missing of the sum comes with later values.
        let trend =
            window.over(MAX_SPAN, Nanos(4 * SECOND), &reading(20, 20, 4)).trend(&Series::new("trend"));
        assert_eq!((trend.count(), trend.sum()), (20, u128::from(20 * value)), "{readings:?}");
    }
}

#[test]
fn a_sum_that_ran_over_is_told_from_one_that_is_late() {
    let reading = |count: u64, sum: u128| {
        let bucket = (Schema::MONITOR.index(1_000) as u16, count);
        let trend =
            TrendTotal { buckets: vec![bucket], sum, min: 1_000, max: 1_000, ..TrendTotal::default() };
        Totals { series: [Series::new("trend")].into(), cells: vec![CellTotal::Trend(trend)], epoch: 0 }
    };
    let mut window = Window::new(Nanos(0), &reading(7, u128::from(u64::MAX) - 500), usize::MAX);
    window.advance(Nanos(SECOND), &reading(8, 499));
    window.advance(Nanos(2 * SECOND), &reading(18, 499 + 10_000));
    let trend = window
        .over(Nanos(3 * SECOND), Nanos(2 * SECOND), &reading(18, 499 + 10_000))
        .trend(&Series::new("trend"));
    assert_eq!(trend.count(), 11);
    assert!(trend.sum().abs_diff(11_000) < 50, "{}", trend.sum());
}

/// What an hour of a busy service takes: 200 series with some 40 buckets each in every second.
#[test]
fn memory_of_a_busy_hour_stays_within_the_budget() {
    let mut window = Window::new(Nanos(0), &Totals::default(), MEMORY_BYTES);
    let reading = |second: u64| {
        let buckets = (500..540).map(|index| (index, second * 5)).collect();
        let trend =
            TrendTotal { buckets, sum: u128::from(second) << 30, min: 1, max: 1, ..Default::default() };
        let series: Vec<Series> = (0..200).map(|i| Series::new(&format!("s{i}"))).collect();
        Totals { series: series.into(), cells: vec![CellTotal::Trend(trend); 200], epoch: second }
    };
    for second in 1..=3700 {
        window.advance(Nanos(second * SECOND), &reading(second));
        assert!(window.size_bytes <= MEMORY_BYTES);
    }
    assert!(window.fine.len() <= 310 && window.coarse.len() <= 330);
    let counted: usize = window.fine.iter().chain(&window.coarse).map(Slot::size_bytes).sum();
    assert_eq!(window.size_bytes, counted);
    let hour = window.over(MAX_SPAN, Nanos(3700 * SECOND), &reading(3700));
    assert!(hour.length() >= MAX_SPAN, "{:?}", hour.length());
}

proptest! {
    #[test]
    fn every_answer_is_what_was_recorded_in_its_interval(
        acts in acts(), max_bytes in prop_oneof![3 => Just(usize::MAX), 1 => Just(2500_usize)]
    ) {
        let mut naive = Naive::new(max_bytes);
        for (pause, act) in &acts {
            naive.act(*pause, act)?;
            prop_assert!(naive.window.size_bytes <= max_bytes);
        }
        naive.act(0, &Act::Query { span: 60 * SECOND })?;
        naive.act(0, &Act::Query { span: u64::MAX })?;
    }

    #[test]
    fn a_clock_that_steps_neither_loses_nor_doubles(
        acts in vec((prop_oneof![(0..u64::MAX).boxed(), (0..90 * SECOND).boxed()], any::<u64>(), any::<bool>()), 1..60)
    ) {
        let mut store = Store::new();
        let start = acts[0].0;
        let mut window = Window::new(Nanos(start), &store.totals, usize::MAX);
        let mut recorded = 0;
        for (now, value, ask) in acts {
            store.record(Nanos(now), value);
            recorded += 1;
            store.totals.epoch = store.totals.epoch.max(now / SECOND);
            if ask {
                let snapshot = window.over(MAX_SPAN, Nanos(now), &store.totals);
                let rate = snapshot.rate(&Series::new("rate"));
                prop_assert!(rate.total <= recorded && snapshot.length() <= Nanos(MAX_SPAN.0 * 2));
                let from_start = snapshot.interval.is_some_and(|interval| interval.from == Nanos(start));
                prop_assert!(!from_start || rate.total == recorded, "{} of {recorded}", rate.total);
                prop_assert_eq!(snapshot.trend(&Series::new("trend")).count(), rate.total);
            } else {
                window.advance(Nanos(now), &store.totals);
            }
        }
    }
}
