//! Properties of the histogram: its error bound against sorted values and against another implementation, exact powers,
//! and the laws of merging.

use proptest::collection::vec;
use proptest::prelude::*;
use pulse_model::{Histogram, Schema};

fn recorded(schema: Schema, values: &[u64]) -> Histogram {
    let mut histogram = Histogram::new(schema);
    values.iter().for_each(|&value| histogram.record(value));
    histogram
}

/// Values over the whole range, with as many small as large ones.
fn values() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(value, shift)| value >> shift)
}

fn schemas() -> impl Strategy<Value = Schema> {
    (0..=8_u8).prop_map(|schema| Schema::new(schema).expect("within range"))
}

/// (γ − 1) / (γ + 1), the largest relative error of a bucket's representative, for `schema`.
fn bound(schema: Schema) -> f64 {
    let gamma = 2_f64.powf(0.5_f64.powi(i32::from(schema.get())));
    (gamma - 1.0) / (gamma + 1.0)
}

fn relative_error(estimate: u64, exact: u64) -> f64 {
    estimate.abs_diff(exact) as f64 / (exact as f64).max(1.0)
}

#[test]
fn the_promised_bounds() {
    assert!(bound(Schema::LOAD) <= 0.0014);
    assert!(bound(Schema::MONITOR) <= 0.011);
}

#[test]
fn exact_powers_of_two_end_their_bucket() {
    for schema in [Schema::LOAD, Schema::MONITOR, Schema::new(0).expect("within range")] {
        for exponent in 0..64 {
            let power = 1_u64 << exponent;
            let bucket = recorded(schema, &[power]).buckets().next().expect("one bucket");
            assert_eq!(bucket.upper, power, "2^{exponent} at {schema:?}");
            if let Some(above) = power.checked_add(1).filter(|_| exponent > 9) {
                let next = recorded(schema, &[above]).buckets().next().expect("one bucket");
                assert_eq!(next.lower, above, "2^{exponent} + 1 at {schema:?}");
            }
        }
    }
}

#[test]
fn extremes_are_exact_and_empty_has_none() {
    let histogram = recorded(Schema::LOAD, &[0, 7, u64::MAX]);
    assert_eq!((histogram.min(), histogram.max(), histogram.count()), (Some(0), Some(u64::MAX), 3));
    assert_eq!(histogram.quantile(1.0).map(|q| q.hi), Some(u64::MAX));
    let empty = Histogram::default();
    assert_eq!((empty.min(), empty.mean(), empty.quantile(0.5), empty.stddev()), (None, None, None, None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn quantiles_are_within_the_bound_of_sorted_values(
        schema in schemas(), mut values in vec(values(), 1..300), q in 0.0..=1.0_f64
    ) {
        let histogram = recorded(schema, &values);
        values.sort_unstable();
        let quantile = histogram.quantile(q).expect("not empty");
        let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
        let exact = values[rank - 1];
        prop_assert!(quantile.lo <= exact && exact <= quantile.hi, "{quantile:?} {exact}");
        // An estimate is a whole number: below 2^9 the rounding to it may exceed the bucket's own error.
        let allowed = bound(schema) * exact as f64 + 1.0;
        prop_assert!(quantile.estimate.abs_diff(exact) as f64 <= allowed * (1.0 + 1e-9), "{quantile:?} {exact}");
    }

    #[test]
    fn agrees_with_hdrhistogram(values in vec(1_000..60_000_000_000_u64, 1..500), q in 0.01..=1.0_f64) {
        let ours = recorded(Schema::LOAD, &values);
        let mut theirs = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 100_000_000_000, 4).expect("valid bounds");
        values.iter().for_each(|&value| theirs.record(value).expect("within bounds"));
        let estimate = ours.quantile(q).expect("not empty").estimate;
        let oracle = theirs.value_at_quantile(q);
        prop_assert!(relative_error(estimate, oracle) <= 0.0014 + 0.0002, "{estimate} {oracle}");
    }

    #[test]
    fn every_value_lies_in_its_own_bucket(schema in schemas(), value in values()) {
        let bucket = recorded(schema, &[value]).buckets().next().expect("one bucket");
        prop_assert!(bucket.lower <= value && value <= bucket.upper, "{bucket:?}");
    }

    #[test]
    fn merge_is_recording_everything_into_one(
        a in vec(values(), 0..100), b in vec(values(), 0..100), schema_a in schemas(), schema_b in schemas()
    ) {
        let mut merged = recorded(schema_a, &a);
        merged.merge(&recorded(schema_b, &b));
        let mut together = a;
        together.extend(&b);
        prop_assert_eq!(merged, recorded(schema_a.min(schema_b), &together));
    }

    #[test]
    fn merge_is_commutative_and_associative(parts in vec((schemas(), vec(values(), 0..40)), 3)) {
        let [a, b, c] = [0, 1, 2].map(|i: usize| recorded(parts[i].0, &parts[i].1));
        let sum = |x: &Histogram, y: &Histogram| { let mut x = x.clone(); x.merge(y); x };
        prop_assert_eq!(sum(&a, &b), sum(&b, &a));
        prop_assert_eq!(sum(&sum(&a, &b), &c), sum(&a, &sum(&b, &c)));
        prop_assert_eq!(sum(&a, &Histogram::default()), a);
    }

    #[test]
    fn saving_and_clearing(schema in schemas(), values in vec(values(), 0..100)) {
        let mut histogram = recorded(schema, &values);
        let text = serde_json::to_string(&histogram).expect("serialisable");
        prop_assert_eq!(&serde_json::from_str::<Histogram>(&text).expect("readable"), &histogram);
        histogram.clear();
        prop_assert_eq!(histogram, Histogram::new(schema));
    }

    #[test]
    fn buckets_rebuild_it(schema in schemas(), values in vec(values(), 0..100), split in any::<u64>()) {
        let histogram = recorded(schema, &values);
        // In any order, and a bucket in two parts.
        let mut parts: Vec<(usize, u64)> = histogram
            .indexed()
            .flat_map(|(index, count)| [(index, split % (count + 1)), (index, count - split % (count + 1))])
            .collect();
        parts.reverse();
        let (min, max) = (histogram.min().unwrap_or(0), histogram.max().unwrap_or(0));
        let build = |min, max| {
            Histogram::from_buckets(schema, parts.iter().copied(), histogram.zeros(), histogram.sum(), min, max)
        };
        prop_assert_eq!(&build(min, max), &histogram);
        let unknown = build(0, u64::MAX);
        let buckets: Vec<_> = histogram.buckets().collect();
        prop_assert_eq!(unknown.min(), buckets.first().map(|bucket| bucket.lower));
        prop_assert_eq!(unknown.max(), buckets.last().map(|bucket| bucket.upper));
    }

    #[test]
    fn counting_at_most_follows_the_buckets(values in vec(values(), 1..100), limit in values()) {
        let histogram = recorded(Schema::LOAD, &values);
        let expected: u64 = histogram.buckets().filter(|b| b.upper <= limit).map(|b| b.count).sum();
        prop_assert_eq!(histogram.count_at_most(limit), expected);
    }
}

#[test]
fn the_index_is_that_of_the_bucket_and_the_bounds_join() {
    for schema in (0..=8).filter_map(Schema::new) {
        for value in (0..64).flat_map(|shift| [1_u64 << shift, u64::MAX >> shift, (1_u64 << shift) | 1]) {
            let index = schema.index(value);
            assert!(index < schema.buckets(), "{value} at {schema:?}");
            assert!(schema.lower(index) <= value && value <= schema.upper(index), "{value} at {schema:?}");
            assert_eq!(
                recorded(schema, &[value]).indexed().next(),
                Some((index, 1)),
                "{value} at {schema:?}"
            );
        }
        // At the finest schema the first octaves have more buckets than whole numbers.
        for index in (10 << schema.get())..(64 << schema.get()) {
            assert_eq!(schema.lower(index + 1), schema.upper(index) + 1, "{index} at {schema:?}");
        }
        assert_eq!(schema.upper(usize::MAX), u64::MAX);
    }
}

#[test]
fn built_from_damaged_numbers_it_is_still_a_histogram() {
    let build = |buckets: &[(usize, u64)], zeros, min, max| {
        Histogram::from_buckets(Schema::MONITOR, buckets.iter().copied(), zeros, 7, min, max)
    };
    let nothing = build(&[(5, 0), (usize::MAX, 9), (Schema::MONITOR.buckets(), 9)], 0, 3, 4);
    assert_eq!(nothing, Histogram::new(Schema::MONITOR));
    let full = build(&[(5, u64::MAX), (5, u64::MAX)], u64::MAX, 1, 0);
    assert_eq!((full.count(), full.zeros(), full.min(), full.max()), (1 << 53, 1 << 53, Some(0), Some(0)));
    let (lower, upper) = (Schema::MONITOR.lower(400), Schema::MONITOR.upper(400));
    let crossed = build(&[(400, 3)], 0, lower + 9, lower + 2);
    assert_eq!(crossed.quantile(0.5).map(|q| (q.lo, q.hi)), Some((lower + 9, lower + 9)));
    for index in 0..Schema::MONITOR.buckets() {
        let one = build(&[(index, 1)], 0, 0, u64::MAX);
        assert!(one.quantile(0.5).is_some() && one.min() <= one.max(), "{index}");
    }
    let mut twice = build(&[(400, u64::MAX)], 0, 0, u64::MAX);
    assert_eq!((twice.min(), twice.max()), (Some(lower), Some(upper)));
    for _ in 0..12 {
        let same = twice.clone();
        twice.merge(&same);
    }
    assert!(twice.quantile(1.0).is_some_and(|q| (q.lo, q.hi) == (lower, upper)), "{twice:?}");
}

#[test]
fn damaged_files_are_refused() {
    for text in [
        r#"{"schema":9,"count":0,"sum":0,"buckets":[]}"#,
        r#"{"schema":8,"count":5,"sum":5,"min":1,"max":1,"buckets":[[0,4]]}"#,
        r#"{"schema":8,"count":1,"sum":5,"min":9,"max":1,"buckets":[[0,1]]}"#,
        r#"{"schema":8,"count":1,"sum":5,"buckets":[[0,1]]}"#,
        r#"{"schema":8,"count":1,"sum":5,"min":1,"max":1,"buckets":[[99999999,1]]}"#,
        r#"{"schema":8,"count":0,"sum":0,"buckets":[[0,18446744073709551615,18446744073709551615]]}"#,
    ] {
        assert!(serde_json::from_str::<Histogram>(text).is_err(), "{text}");
    }
}

#[test]
fn standard_deviation_of_a_known_sample() {
    let histogram = recorded(Schema::LOAD, &[2_000, 4_000, 4_000, 4_000, 5_000, 5_000, 7_000, 9_000]);
    let stddev = histogram.stddev().expect("eight values");
    assert!((stddev / 2138.09 - 1.0).abs() < 0.005, "{stddev}");
}
