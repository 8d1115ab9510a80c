//! Prometheus' protobuf exposition: `io.prometheus.client.MetricFamily` messages, each behind its length.
//!
//! Histograms leave as native ones alone. A scraper that asks for this format asks for them; classic buckets beside them would
//! be dropped by Prometheus 2, and stored a second time by a Prometheus 3 that was told to keep them.

use pulse_model::{Histogram, Snapshot};

use crate::exposition::{Exposition, Family, Point, Value};
use crate::families::{Instrument, Unit};
use crate::names::Escaping;
use crate::native::{Spans, ZERO_THRESHOLD};
use crate::number::in_unit;
use crate::wire::Wire;

// Field numbers of `metrics.proto` in prometheus/client_model.
const FAMILY_NAME: u32 = 1;
const FAMILY_HELP: u32 = 2;
const FAMILY_TYPE: u32 = 3;
const FAMILY_METRIC: u32 = 4;
const FAMILY_UNIT: u32 = 5;
const METRIC_LABEL: u32 = 1;
const METRIC_GAUGE: u32 = 2;
const METRIC_COUNTER: u32 = 3;
const METRIC_HISTOGRAM: u32 = 7;
const LABEL_NAME: u32 = 1;
const LABEL_VALUE: u32 = 2;
const VALUE: u32 = 1;
const HISTOGRAM_COUNT: u32 = 1;
const HISTOGRAM_SUM: u32 = 2;
const HISTOGRAM_SCHEMA: u32 = 5;
const HISTOGRAM_ZERO_THRESHOLD: u32 = 6;
const HISTOGRAM_ZERO_COUNT: u32 = 7;
const HISTOGRAM_POSITIVE_SPAN: u32 = 12;
const HISTOGRAM_POSITIVE_DELTA: u32 = 13;
const SPAN_OFFSET: u32 = 1;
const SPAN_LENGTH: u32 = 2;

// Values of the enum `MetricType`.
const COUNTER: u64 = 0;
const GAUGE: u64 = 1;
const HISTOGRAM: u64 = 4;

/// The snapshot as a stream of delimited `MetricFamily` messages with native histograms.
pub fn protobuf(snapshot: &Snapshot, escaping: Escaping) -> Vec<u8> {
    let exposition = Exposition::new(snapshot, escaping);
    let points: usize = exposition.families.iter().map(|family| family.points.len()).sum();
    let mut wire = Wire::with_capacity(256 * points);
    let mut spans = Spans::default();
    for family in &exposition.families {
        wire.delimited(|wire| write_family(family, &mut spans, wire));
    }
    wire.into_bytes()
}

fn write_family(family: &Family<'_>, spans: &mut Spans, wire: &mut Wire) {
    let (kind, name) = match family.instrument {
        Instrument::Counter => (COUNTER, &*format!("{}_total", family.name)),
        Instrument::UpDownCounter | Instrument::Gauge => (GAUGE, &*family.name),
        Instrument::Histogram => (HISTOGRAM, &*family.name),
    };
    wire.text(FAMILY_NAME, name);
    wire.text(FAMILY_HELP, &family.help);
    wire.uint(FAMILY_TYPE, kind);
    for point in &family.points {
        wire.message(FAMILY_METRIC, |wire| write_metric(family, point, spans, wire));
    }
    if let Some(unit) = family.unit.word() {
        wire.text(FAMILY_UNIT, unit);
    }
}

fn write_metric(family: &Family<'_>, point: &Point<'_>, spans: &mut Spans, wire: &mut Wire) {
    for label in family.labels(point) {
        wire.message(METRIC_LABEL, |wire| {
            wire.text(LABEL_NAME, &family.label_name(label).prometheus);
            wire.text(LABEL_VALUE, &label.value);
        });
    }
    match &point.value {
        Value::Number(value) => {
            let field = if family.instrument == Instrument::Counter { METRIC_COUNTER } else { METRIC_GAUGE };
            wire.message(field, |wire| wire.double(VALUE, in_unit(u128::from(*value), family.unit)));
        }
        Value::Histogram(histogram) => {
            wire.message(METRIC_HISTOGRAM, |wire| write_histogram(histogram, family.unit, spans, wire));
        }
    }
}

fn write_histogram(histogram: &Histogram, unit: Unit, spans: &mut Spans, wire: &mut Wire) {
    spans.fill(histogram, unit);
    wire.uint(HISTOGRAM_COUNT, histogram.count());
    wire.double(HISTOGRAM_SUM, in_unit(histogram.sum(), unit));
    wire.sint(HISTOGRAM_SCHEMA, i64::from(histogram.schema().get()));
    wire.double(HISTOGRAM_ZERO_THRESHOLD, ZERO_THRESHOLD);
    wire.uint(HISTOGRAM_ZERO_COUNT, histogram.zeros());
    for &(offset, length) in &spans.spans {
        wire.message(HISTOGRAM_POSITIVE_SPAN, |wire| {
            wire.sint(SPAN_OFFSET, i64::from(offset));
            wire.uint(SPAN_LENGTH, u64::from(length));
        });
    }
    wire.packed_sints(HISTOGRAM_POSITIVE_DELTA, &spans.deltas);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{malicious, small};
    use crate::oracle::prometheus::MetricFamily;
    use prost::Message as _;

    fn read(snapshot: &Snapshot) -> Vec<MetricFamily> {
        let bytes = protobuf(snapshot, Escaping::Underscores);
        let mut rest = &*bytes;
        let mut families = Vec::new();
        while !rest.is_empty() {
            families.push(MetricFamily::decode_length_delimited(&mut rest).unwrap());
        }
        families
    }

    #[test]
    fn the_messages_of_each_kind() {
        insta::assert_debug_snapshot!(read(&small()));
    }

    #[test]
    fn an_empty_histogram_is_still_a_native_one() {
        let mut snapshot = Snapshot::default();
        snapshot.add(
            pulse_model::Series::new("idle"),
            pulse_model::Aggregate::Trend(Histogram::new(pulse_model::Schema::MONITOR)),
        );
        let histogram = read(&snapshot).remove(0).metric.remove(0).histogram.unwrap();
        assert!(histogram.zero_threshold.unwrap() > 0.0);
        assert_eq!((histogram.schema, histogram.sample_count), (Some(5), Some(0)));
    }

    #[test]
    fn names_are_those_of_the_text() {
        let text = String::from_utf8(crate::prometheus_text(&malicious(), Escaping::Underscores)).unwrap();
        let types: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let families = read(&malicious());
        let names: Vec<&str> = families.iter().map(|family| family.name.as_deref().unwrap()).collect();
        assert_eq!(names, types);
    }
}
