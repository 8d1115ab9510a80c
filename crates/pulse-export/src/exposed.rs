//! What another program exposes, as a snapshot that Pulse can watch.
//!
//! Pulse's own JSON comes back as it was. Text comes back as far as text goes: counters, levels and names (see `known.rs`)
//! as they are, distributions as classic buckets. Their values are spread over their bucket (see `spread.rs`), so that the
//! snapshot can be subtracted, merged and judged like any other; the bounds are kept beside it, so that a quantile can be
//! shown with the range in which it really lies.

use std::collections::BTreeMap;
use std::sync::Arc;

use pulse_model::{Aggregate, Gauge, Histogram, Nanos, Quantile, Rate, Schema, Series, Snapshot};

use crate::json::{JsonError, from_json};
use crate::known::Meanings;
use crate::parse::{ExposedFamily, ExposedKind, ExposedSample, ExposedText, ExposedTextError, parse_text};
use crate::spread::{above, spread};

/// How many families are listed that could not be taken; the rest is not counted.
const MAX_LEFT_OUT: usize = 100;

/// What a program exposes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposed {
    /// Totals since the program began to count. The time of a reading is not known from a text: the interval is `None`, and
    /// gauges are of time zero.
    pub totals: Snapshot,
    /// Upper bounds of the buckets that a trend was read from, rising, without the endless last one. Trends that came
    /// without loss have none.
    pub bounds: BTreeMap<Series, Arc<[u64]>>,
    /// What the text says and the totals do not.
    pub left_out: Vec<LeftOut>,
}

/// A family of which something could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The family's name.
    pub family: String,
    /// What could not be taken, and why.
    pub reason: &'static str,
}

/// Why an answer could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ExposedError {
    /// It is a page, or a format that was not asked for.
    #[error("the answer is `{0}`, not metrics; is this the URL of the metrics?")]
    Foreign(String),
    /// It is not UTF-8.
    #[error("the text is not UTF-8 at byte {0}")]
    Encoding(usize),
    /// It is no text of metrics.
    #[error("the text is not Prometheus text or OpenMetrics")]
    Text(#[from] ExposedTextError),
    /// OpenMetrics without its end.
    #[error("the text ends without `# EOF`, so it is not complete")]
    Truncated,
    /// It is JSON, but not a snapshot.
    #[error("the JSON is not a snapshot of Pulse")]
    Json(#[from] JsonError),
}

impl Exposed {
    /// Reads the answer to a request with [`ACCEPT`](crate::ACCEPT), by the value of its `Content-Type` (the empty text when
    /// there is none).
    ///
    /// ```
    /// use pulse_export::Exposed;
    /// use pulse_model::Series;
    ///
    /// let text = "# TYPE http_request_duration_seconds histogram
    /// http_request_duration_seconds_bucket{path=\"/a\",le=\"0.1\"} 900
    /// http_request_duration_seconds_bucket{path=\"/a\",le=\"0.5\"} 1000
    /// http_request_duration_seconds_bucket{path=\"/a\",le=\"+Inf\"} 1000
    /// http_request_duration_seconds_sum{path=\"/a\"} 85
    /// http_request_duration_seconds_count{path=\"/a\"} 1000
    /// ";
    /// let exposed = Exposed::read("text/plain; version=0.0.4", text.as_bytes())?;
    /// let selector: Series = "response_time{endpoint=\"/a\"}".parse()?;
    /// let p95 = exposed.totals.trend(&selector).quantile(0.95).ok_or("no values")?;
    /// // Interpolated, as Prometheus does; known is only that it lies above 100 ms and at most at 500 ms.
    /// assert!(p95.estimate.abs_diff(300_000_000) < 10_000_000);
    /// let honest = exposed.widened(&selector, p95);
    /// assert_eq!((honest.lo, honest.hi), (100_000_001, 500_000_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(content_type: &str, body: &[u8]) -> Result<Self, ExposedError> {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind.ends_with("json") {
            return Ok(Self { totals: from_json(body)?, ..Self::default() });
        }
        if !matches!(&*kind, "" | "text/plain" | "application/openmetrics-text" | "application/octet-stream")
        {
            return Err(ExposedError::Foreign(kind));
        }
        let text = std::str::from_utf8(body).map_err(|error| ExposedError::Encoding(error.valid_up_to()))?;
        let text = parse_text(text)?;
        if kind == "application/openmetrics-text" && !text.ended {
            return Err(ExposedError::Truncated);
        }
        Ok(Self::from_text(&text))
    }

    /// Takes what can be taken from a text.
    pub fn from_text(text: &ExposedText) -> Self {
        let mut exposed = Self::default();
        for family in &text.families {
            exposed.take(family);
        }
        exposed
    }

    /// The quantile of trends that match `selector`, of these totals or of a difference of two, with the bounds of the
    /// classic bucket it was read from; the widest of all these trends. Unchanged where none came from classic buckets.
    pub fn widened(&self, selector: &Series, quantile: Quantile) -> Quantile {
        let bounds = self.bounds.iter().filter(|(series, _)| series.matches(selector));
        bounds.fold(quantile, |widest, (_, bounds)| {
            let below = bounds.partition_point(|&bound| bound < quantile.lo);
            let lo = below.checked_sub(1).map_or(0, |below| bounds[below].saturating_add(1));
            let above = bounds.partition_point(|&bound| bound < quantile.hi);
            let hi = bounds.get(above).copied().unwrap_or(u64::MAX);
            Quantile { lo: widest.lo.min(lo), hi: widest.hi.max(hi), ..widest }
        })
    }

    fn take(&mut self, family: &ExposedFamily) {
        let meanings = Meanings::of(family);
        match family.kind {
            ExposedKind::Histogram => self.take_histograms(family, &meanings),
            ExposedKind::Summary => {
                self.leave_out(
                    family,
                    "quantiles that the service computed itself cannot be merged; its count is taken",
                );
                self.take_numbers(family, &meanings, "_count", Aggregate::Counter);
            }
            ExposedKind::Counter => self.take_counters(family, &meanings),
            ExposedKind::Gauge | ExposedKind::Unknown => {
                let level = |last| Aggregate::Gauge(Gauge { at: Nanos::ZERO, last, min: last, max: last });
                self.take_numbers(family, &meanings, "", level);
            }
        }
    }

    fn leave_out(&mut self, family: &ExposedFamily, reason: &'static str) {
        let known =
            self.left_out.last().is_some_and(|last| last.family == family.name && last.reason == reason);
        if !known && self.left_out.len() < MAX_LEFT_OUT {
            self.left_out.push(LeftOut { family: family.name.clone(), reason });
        }
    }

    /// Takes the samples with this suffix one by one; a suffix becomes a part of the metric's name.
    fn take_numbers(
        &mut self,
        family: &ExposedFamily,
        meanings: &Meanings,
        suffix: &str,
        aggregate: impl Fn(u64) -> Aggregate,
    ) {
        for sample in family.samples.iter().filter(|sample| sample.name[family.name.len()..] == *suffix) {
            let mut series = meanings.of_series(&labels(sample)).series;
            if !suffix.is_empty() {
                series.metric = format!("{}{suffix}", series.metric).into();
            }
            match recorded(sample.value, meanings.scale) {
                Some(value) => self.totals.add(series, aggregate(value)),
                None => self.leave_out(family, "a value that is negative or not a number"),
            }
        }
    }

    fn take_counters(&mut self, family: &ExposedFamily, meanings: &Meanings) {
        for sample in &family.samples {
            if sample.name.ends_with("_created") && sample.name != family.name {
                continue;
            }
            let meaning = meanings.of_series(&labels(sample));
            let Some(value) = recorded(sample.value, meanings.scale) else {
                self.leave_out(family, "a value that is negative or not a number");
                continue;
            };
            let aggregate = match meaning.hits {
                None => Aggregate::Counter(value),
                Some(true) => Aggregate::Rate(Rate { hits: value, total: value }),
                Some(false) => Aggregate::Rate(Rate { hits: 0, total: value }),
            };
            self.totals.add(meaning.series, aggregate);
        }
    }

    fn take_histograms(&mut self, family: &ExposedFamily, meanings: &Meanings) {
        let mut parts: BTreeMap<Vec<(&str, &str)>, Classic> = BTreeMap::new();
        for sample in &family.samples {
            let mut labels = labels(sample);
            let le = labels.iter().position(|&(name, _)| name == "le").map(|at| labels.remove(at).1);
            let part = parts.entry(labels).or_default();
            match (&sample.name[family.name.len()..], le.map(str::parse::<f64>)) {
                ("_bucket", Some(Ok(bound))) if !bound.is_nan() => part.buckets.push((bound, sample.value)),
                ("_bucket", _) => self.leave_out(family, "a bucket without a bound"),
                ("_sum", _) => part.sum = sample.value,
                ("_count", _) => part.count = Some(sample.value),
                _ => {}
            }
        }
        for (labels, mut part) in parts {
            let series = meanings.of_series(&labels).series;
            let Some((histogram, bounds)) = part.distribution(meanings.scale) else {
                self.leave_out(
                    family,
                    "a histogram without bounds says nothing about times; its count is taken",
                );
                let series = Series { metric: format!("{}_count", series.metric).into(), ..series };
                let count = part.count.and_then(|count| recorded(count, 1.0));
                self.totals.count(series, count.unwrap_or(0));
                continue;
            };
            self.totals.add(series.clone(), Aggregate::Trend(histogram));
            self.bounds.insert(series, bounds.into());
        }
    }
}

/// The parts of one classic histogram.
#[derive(Debug, Default)]
struct Classic {
    /// Bound and number of values at or below it.
    buckets: Vec<(f64, f64)>,
    sum: f64,
    count: Option<f64>,
}

impl Classic {
    /// The distribution with the finite bounds; `None` when there are none.
    fn distribution(&mut self, scale: f64) -> Option<(Histogram, Vec<u64>)> {
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let schema = Schema::MONITOR;
        let (mut bounds, mut places, mut zeros) = (Vec::new(), Vec::new(), 0);
        let (mut lower, mut below) = (0, 0);
        let total = self.count.filter(|_| self.buckets.last().is_none_or(|last| last.0 < f64::INFINITY));
        let endless = total.map(|count| (f64::INFINITY, count));
        for &(bound, cumulative) in self.buckets.iter().chain(&endless) {
            // A text that was written while values were counted may have a smaller count after a greater one.
            let cumulative = recorded(cumulative, 1.0).unwrap_or(0).max(below);
            let count = cumulative - below;
            below = cumulative;
            if bound >= f64::INFINITY {
                places.extend((count > 0).then_some((above(schema, lower), count)));
                continue;
            }
            // Values below zero are no times; they count as zero.
            let upper = recorded(bound, scale).unwrap_or(0);
            if upper == 0 {
                zeros += count;
            } else {
                places.extend(spread(schema, lower, upper, count));
            }
            if bounds.last() != Some(&upper) {
                bounds.push(upper);
            }
            lower = upper;
        }
        let sum = if self.sum > 0.0 { (self.sum * scale).round() as u128 } else { 0 };
        (!bounds.is_empty())
            .then(|| (Histogram::from_buckets(schema, places, zeros, sum, 0, u64::MAX), bounds))
    }
}

fn labels(sample: &ExposedSample) -> Vec<(&str, &str)> {
    let mut labels: Vec<(&str, &str)> =
        sample.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    labels.sort_unstable();
    labels
}

/// A value as it is recorded here: a whole number, in nanoseconds where `scale` says so. `None` for what is negative or no
/// number; what is too large is the largest.
fn recorded(value: f64, scale: f64) -> Option<u64> {
    (value >= 0.0).then(|| (value * scale).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{malicious, service};
    use crate::classic::Bounds;
    use crate::families::Unit;
    use crate::{Escaping, json, open_metrics, prometheus_text};
    use proptest::prelude::*;
    use pulse_model::{metric, tag};

    fn read(text: &str) -> Exposed {
        Exposed::read("text/plain", text.as_bytes()).unwrap()
    }

    /// What text can say of a value: count, sum and classic buckets of a trend, the level of a gauge.
    fn as_text_has_it(aggregate: &Aggregate) -> (Vec<u64>, u128) {
        match aggregate {
            Aggregate::Counter(count) => (vec![*count], 0),
            Aggregate::Gauge(gauge) => (vec![gauge.last], 1),
            Aggregate::Rate(rate) => (vec![rate.hits, rate.total], 2),
            Aggregate::Trend(trend) => {
                let mut counts = Vec::new();
                Bounds::of(Unit::Seconds).count(trend, &mut counts);
                counts.push(trend.count());
                (counts, trend.sum())
            }
        }
    }

    #[test]
    fn our_own_texts_come_back_with_names_and_counts() {
        let service = service();
        for (kind, text) in [
            ("text/plain; version=0.0.4", prometheus_text(&service, Escaping::Underscores)),
            ("application/openmetrics-text; version=1.0.0", open_metrics(&service, Escaping::Underscores)),
        ] {
            let exposed = Exposed::read(kind, &text).unwrap();
            assert_eq!(exposed.left_out, []);
            let names =
                |snapshot: &Snapshot| snapshot.series.keys().map(Series::to_string).collect::<Vec<_>>();
            assert_eq!(names(&exposed.totals), names(&service), "{kind}");
            for ((series, theirs), ours) in service.series.iter().zip(exposed.totals.series.values()) {
                assert_eq!(as_text_has_it(theirs), as_text_has_it(ours), "{series}");
            }
        }
    }

    #[test]
    fn our_own_json_comes_back_whole() {
        for snapshot in [service(), malicious()] {
            let exposed = Exposed::read("application/json", &json(&snapshot)).unwrap();
            assert_eq!(exposed, Exposed { totals: snapshot, ..Exposed::default() });
        }
    }

    #[test]
    fn what_is_not_metrics_is_refused_with_a_reason() {
        for (kind, body, reason) in [
            ("text/html; charset=utf-8", &b"<html>"[..], "the answer is `text/html`, not metrics"),
            ("application/vnd.google.protobuf", b"", "the answer is `application/vnd.google.protobuf`"),
            ("text/plain", b"a 1\xFF", "the text is not UTF-8 at byte 3"),
            ("", b"<html>", "the text is not Prometheus text or OpenMetrics"),
            ("application/openmetrics-text", b"a 1\n", "the text ends without `# EOF`"),
            ("application/json", b"{}", "the JSON is not a snapshot of Pulse"),
        ] {
            let error = Exposed::read(kind, body).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_taken_is_listed() {
        let exposed = read(
            "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 3\ns_count 2\n\
             # TYPE g gauge\ng{a=\"1\"} -1\ng{a=\"2\"} NaN\ng{a=\"3\"} 2.5\n\
             # TYPE c counter\nc_total 5\nc_created 1.7e9\n\
             # TYPE h histogram\nh_bucket{le=\"+Inf\"} 4\nh_sum 1\nh_count 4\nu 7\n",
        );
        let listed: Vec<&str> = exposed.left_out.iter().map(|left| &*left.family).collect();
        assert_eq!(listed, ["s", "g", "h"]);
        let level = |last| Aggregate::Gauge(Gauge { at: Nanos::ZERO, last, min: last, max: last });
        let taken = [
            ("c", Aggregate::Counter(5)),
            ("g{a=3}", level(3)),
            ("h_count", Aggregate::Counter(4)),
            ("s_count", Aggregate::Counter(2)),
            ("u", level(7)),
        ];
        let taken = taken.map(|(series, aggregate)| (series.parse().unwrap(), aggregate));
        assert_eq!(exposed.totals.series, BTreeMap::from(taken));
    }

    #[test]
    fn broken_histograms_do_no_harm() {
        for (text, count) in [
            // Counts that fall, as when a text is written while values are counted.
            ("h_bucket{le=\"1\"} 5\nh_bucket{le=\"2\"} 4\nh_bucket{le=\"+Inf\"} 6\n", 6),
            // No endless bucket: the count is the whole.
            ("h_bucket{le=\"1\"} 5\nh_count 7\n", 7),
            ("h_bucket{le=\"1\"} 5\n", 5),
            ("h_bucket{le=\"-1\"} 2\nh_bucket{le=\"0\"} 3\nh_bucket{le=\"+Inf\"} 3\nh_sum -5\n", 3),
            ("h_bucket{le=\"-Inf\"} 1\nh_bucket{le=\"1e300\"} 1e300\n", 1 << 53),
            ("h_bucket{le=\"1\"} NaN\nh_bucket{le=\"+Inf\"} 2\nh_sum NaN\n", 2),
        ] {
            let exposed = read(&format!("# TYPE h histogram\n{text}"));
            assert_eq!(exposed.totals.trend(&Series::new("h")).count(), count, "{text}");
        }
    }

    /// A histogram as a client library writes it.
    fn classic(bounds: &[u64], values: &[u64]) -> String {
        let at_most = |bound: f64| values.iter().filter(|&&value| value as f64 / 1e9 <= bound).count();
        let name = "http_request_duration_seconds";
        let bounds = bounds.iter().map(|&bound| bound as f64 / 1e9).chain([f64::INFINITY]);
        let buckets: Vec<String> = bounds
            .map(|bound| (crate::number::bound(bound), at_most(bound)))
            .map(|(le, count)| format!("{name}_bucket{{path=\"/a\",le=\"{le}\"}} {count}\n"))
            .collect();
        let sum: u64 = values.iter().sum();
        format!(
            "# TYPE {name} histogram\n{}{name}_sum{{path=\"/a\"}} {}\n",
            buckets.concat(),
            sum as f64 / 1e9
        )
    }

    fn values() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(
            (1..1_u64 << 40, 0..30_u32).prop_map(|(value, by)| (value >> by).max(1)),
            1..300,
        )
    }

    proptest! {
        #[test]
        fn the_honest_bounds_hold_the_true_quantile(
            mut values in values(), bounds in prop::collection::btree_set(1..1_u64 << 40, 1..15), q in 0.0..=1.0_f64
        ) {
            let bounds: Vec<u64> = bounds.into_iter().collect();
            let exposed = read(&classic(&bounds, &values));
            let selector = Series::new(metric::RESPONSE_TIME).with(tag::ENDPOINT, "/a");
            let trend = exposed.totals.trend(&selector);
            prop_assert_eq!(trend.count(), values.len() as u64);
            let quantile = exposed.widened(&selector, trend.quantile(q).unwrap());
            values.sort_unstable();
            let rank = ((q * values.len() as f64 - 1e-9).ceil() as usize).clamp(1, values.len());
            let exact = values[rank - 1];
            prop_assert!(quantile.lo <= exact && exact <= quantile.hi, "{exact} {quantile:?} {bounds:?}");
        }

        #[test]
        fn what_was_added_between_two_readings_is_a_distribution(before in values(), added in values()) {
            let bounds: Vec<u64> = (10..40).step_by(3).map(|exponent| 1 << exponent).collect();
            let earlier = read(&classic(&bounds, &before));
            let later = read(&classic(&bounds, &[before, added.clone()].concat()));
            let delta = later.totals.since(&earlier.totals);
            prop_assert_eq!(delta.restarted, []);
            let trend = delta.added.trend(&Series::new(metric::RESPONSE_TIME));
            prop_assert_eq!(trend.count(), added.len() as u64);
            let at_most: Vec<u64> = bounds.iter().map(|&bound| trend.count_at_most(bound)).collect();
            let exact: Vec<u64> =
                bounds.iter().map(|&bound| added.iter().filter(|&&value| value <= bound).count() as u64).collect();
            prop_assert_eq!(at_most, exact);
        }

        #[test]
        fn estimates_are_those_of_prometheus(counts in prop::collection::vec(0..500_u64, 2..10), q in 0.01..0.99_f64) {
            let bounds: Vec<u64> = (0..counts.len()).map(|n| 5_000_000 * 3_u64.pow(n as u32)).collect();
            let values: Vec<u64> = bounds.iter().zip(&counts).flat_map(|(&bound, &n)| (0..n).map(move |_| bound)).collect();
            prop_assume!(!values.is_empty());
            let exposed = read(&classic(&bounds, &values));
            let estimate = exposed.totals.trend(&Series::new(metric::RESPONSE_TIME)).quantile(q).unwrap().estimate as f64;
            // `histogram_quantile`: linear within the bucket that holds the rank.
            let rank = q * values.len() as f64;
            let mut below = 0;
            let at = counts.iter().position(|&n| { below += n; below as f64 >= rank }).unwrap();
            let lower = if at == 0 { 0.0 } else { bounds[at - 1] as f64 };
            let width = bounds[at] as f64 - lower;
            let theirs = lower + width * (rank - (below - counts[at]) as f64) / counts[at] as f64;
            // One value more or less, a place more or less, and the width of an exponential bucket.
            let allowed = width * (2.0 / counts[at] as f64 + 2.0 / 64.0) + 0.022 * theirs;
            prop_assert!((estimate - theirs).abs() <= allowed, "{estimate} {theirs} {allowed}");
        }

        #[test]
        fn no_text_panics(
            lines in prop::collection::vec(
                ("(a|b)", "(_bucket|_sum|_count|_total|)", "(\\{le=\"[0-9.eInf+-]{1,5}\"\\}|\\{x=\"y\"\\}|)", any::<f64>()), 0..20),
            kinds in "(# TYPE a (histogram|counter|summary|gauge)\n)?(# TYPE b_total (histogram|counter)\n)?",
        ) {
            let lines: Vec<String> = lines.iter().map(|(name, suffix, labels, n)| format!("{name}{suffix}{labels} {n:e}\n")).collect();
            let _ = Exposed::read("", (kinds + &lines.concat()).as_bytes());
        }
    }
}
