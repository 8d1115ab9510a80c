//! OTLP: an `ExportMetricsServiceRequest` with exponential histograms, as the body of `POST /v1/metrics`.
//!
//! Everything is cumulative since the start that is handed in. Names and units are OpenTelemetry's own, without Prometheus'
//! spelling. Minimum and maximum of a histogram are exact, and of all values since the start.

use prost::Message;
use pulse_model::{Histogram, Snapshot};

use crate::exposition::{Exposition, Family, LabelKind, Point, Value};
use crate::families::{Instrument, Unit};
use crate::names::Escaping;
use crate::native::Dense;
use crate::number::in_unit;
use crate::wire::Wire;

/// `Content-Type` of the request.
pub const OTLP_CONTENT_TYPE: &str = "application/x-protobuf";

/// What a request says besides the snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtlpOrigin {
    /// Attributes of what is measured, for example `service.name`.
    pub resource: Vec<(String, String)>,
    /// When counting began, in nanoseconds since 1970.
    pub start_unix_nanos: u64,
    /// When the snapshot was taken, in nanoseconds since 1970.
    pub now_unix_nanos: u64,
}

// Field numbers of `metrics_service.proto`, `metrics.proto`, `resource.proto` and `common.proto` in
// open-telemetry/opentelemetry-proto.
const REQUEST_RESOURCE_METRICS: u32 = 1;
const RESOURCE_METRICS_RESOURCE: u32 = 1;
const RESOURCE_METRICS_SCOPE_METRICS: u32 = 2;
const RESOURCE_ATTRIBUTES: u32 = 1;
const SCOPE_METRICS_SCOPE: u32 = 1;
const SCOPE_METRICS_METRICS: u32 = 2;
const SCOPE_NAME: u32 = 1;
const SCOPE_VERSION: u32 = 2;
const METRIC_NAME: u32 = 1;
const METRIC_DESCRIPTION: u32 = 2;
const METRIC_UNIT: u32 = 3;
const METRIC_GAUGE: u32 = 5;
const METRIC_SUM: u32 = 7;
const METRIC_EXPONENTIAL_HISTOGRAM: u32 = 10;
const DATA_POINTS: u32 = 1;
const TEMPORALITY: u32 = 2;
const IS_MONOTONIC: u32 = 3;
const START_TIME: u32 = 2;
const TIME: u32 = 3;
const NUMBER_DOUBLE: u32 = 4;
const NUMBER_INT: u32 = 6;
const NUMBER_ATTRIBUTES: u32 = 7;
const HISTOGRAM_ATTRIBUTES: u32 = 1;
const HISTOGRAM_COUNT: u32 = 4;
const HISTOGRAM_SUM: u32 = 5;
const HISTOGRAM_SCALE: u32 = 6;
const HISTOGRAM_ZERO_COUNT: u32 = 7;
const HISTOGRAM_POSITIVE: u32 = 8;
const HISTOGRAM_MIN: u32 = 12;
const HISTOGRAM_MAX: u32 = 13;
const BUCKETS_OFFSET: u32 = 1;
const BUCKETS_COUNTS: u32 = 2;
const KEY: u32 = 1;
const KEY_VALUE: u32 = 2;
const ANY_STRING: u32 = 1;
const ANY_BOOL: u32 = 2;
const ANY_INT: u32 = 3;

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;

/// The snapshot as an `ExportMetricsServiceRequest`.
pub fn otlp(snapshot: &Snapshot, origin: &OtlpOrigin) -> Vec<u8> {
    // OpenTelemetry takes any name; only the names in the exposition that Prometheus sees are escaped.
    let exposition = Exposition::new(snapshot, Escaping::AllowUtf8);
    let points: usize = exposition.families.iter().map(|family| family.points.len()).sum();
    let mut wire = Wire::with_capacity(512 * points);
    let mut dense = Dense::default();
    wire.message(REQUEST_RESOURCE_METRICS, |wire| {
        wire.message(RESOURCE_METRICS_RESOURCE, |wire| {
            for (key, value) in &origin.resource {
                write_attribute(RESOURCE_ATTRIBUTES, key, value, LabelKind::Text, wire);
            }
        });
        wire.message(RESOURCE_METRICS_SCOPE_METRICS, |wire| {
            wire.message(SCOPE_METRICS_SCOPE, |wire| {
                wire.text(SCOPE_NAME, "pulse");
                wire.text(SCOPE_VERSION, env!("CARGO_PKG_VERSION"));
            });
            for family in &exposition.families {
                wire.message(SCOPE_METRICS_METRICS, |wire| write_metric(family, origin, &mut dense, wire));
            }
        });
    });
    wire.into_bytes()
}

fn write_metric(family: &Family<'_>, origin: &OtlpOrigin, dense: &mut Dense, wire: &mut Wire) {
    wire.text(METRIC_NAME, &family.otel_name);
    wire.text(METRIC_DESCRIPTION, &family.help);
    wire.text(METRIC_UNIT, family.unit.ucum());
    let field = match family.instrument {
        Instrument::Counter | Instrument::UpDownCounter => METRIC_SUM,
        Instrument::Gauge => METRIC_GAUGE,
        Instrument::Histogram => METRIC_EXPONENTIAL_HISTOGRAM,
    };
    wire.message(field, |wire| {
        for point in &family.points {
            wire.message(DATA_POINTS, |wire| match &point.value {
                Value::Number(value) => write_number(family, point, *value, origin, wire),
                Value::Histogram(histogram) => {
                    write_histogram(family, point, histogram, origin, dense, wire);
                }
            });
        }
        if family.instrument != Instrument::Gauge {
            wire.uint(TEMPORALITY, CUMULATIVE);
        }
        if family.instrument == Instrument::Counter {
            wire.uint(IS_MONOTONIC, 1);
        }
    });
}

fn write_number(family: &Family<'_>, point: &Point<'_>, value: u64, origin: &OtlpOrigin, wire: &mut Wire) {
    write_times(origin, wire);
    match family.unit {
        Unit::Seconds => wire.double(NUMBER_DOUBLE, in_unit(u128::from(value), family.unit)),
        Unit::Bytes | Unit::Count(_) => wire.fixed(NUMBER_INT, value.min(i64::MAX as u64)),
    }
    write_attributes(NUMBER_ATTRIBUTES, family, point, wire);
}

fn write_histogram(
    family: &Family<'_>,
    point: &Point<'_>,
    histogram: &Histogram,
    origin: &OtlpOrigin,
    dense: &mut Dense,
    wire: &mut Wire,
) {
    write_attributes(HISTOGRAM_ATTRIBUTES, family, point, wire);
    write_times(origin, wire);
    dense.fill(histogram, family.unit);
    wire.fixed(HISTOGRAM_COUNT, histogram.count());
    wire.double(HISTOGRAM_SUM, in_unit(histogram.sum(), family.unit));
    wire.sint(HISTOGRAM_SCALE, i64::from(histogram.schema().get()));
    wire.fixed(HISTOGRAM_ZERO_COUNT, histogram.zeros());
    wire.message(HISTOGRAM_POSITIVE, |wire| {
        wire.sint(BUCKETS_OFFSET, i64::from(dense.offset));
        wire.packed_uints(BUCKETS_COUNTS, &dense.counts);
    });
    for (field, extreme) in [(HISTOGRAM_MIN, histogram.min()), (HISTOGRAM_MAX, histogram.max())] {
        if let Some(value) = extreme {
            wire.double(field, in_unit(u128::from(value), family.unit));
        }
    }
}

fn write_times(origin: &OtlpOrigin, wire: &mut Wire) {
    wire.fixed(START_TIME, origin.start_unix_nanos);
    wire.fixed(TIME, origin.now_unix_nanos);
}

fn write_attributes(field: u32, family: &Family<'_>, point: &Point<'_>, wire: &mut Wire) {
    for label in family.labels(point) {
        let name = family.label_name(label);
        write_attribute(field, &name.otel, &label.value, name.kind, wire);
    }
}

fn write_attribute(field: u32, key: &str, value: &str, kind: LabelKind, wire: &mut Wire) {
    wire.message(field, |wire| {
        wire.text(KEY, key);
        wire.message(KEY_VALUE, |wire| match (kind, value.parse()) {
            (LabelKind::Number, Ok(number)) => wire.uint(ANY_INT, number),
            (LabelKind::Flag, _) => wire.uint(ANY_BOOL, u64::from(value == "true")),
            _ => wire.text(ANY_STRING, value),
        });
    });
}

/// What a collector did not take of a request that it answered with success.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtlpRejected {
    /// Points that were refused; they must not be sent again.
    pub points: u64,
    /// Why, or a warning when nothing was refused.
    pub message: String,
}

/// Reads the body of an answer with status 200, an `ExportMetricsServiceResponse`. `None` when all was taken, or when the
/// body is something else, as some collectors' empty JSON is.
pub fn otlp_rejected(body: &[u8]) -> Option<OtlpRejected> {
    let partial = Response::decode(body).ok()?.partial_success?;
    let points = u64::try_from(partial.rejected_data_points).unwrap_or(0);
    let rejected = OtlpRejected { points, message: partial.error_message };
    (rejected != OtlpRejected::default()).then_some(rejected)
}

#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_data_points: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{malicious, small};
    use crate::oracle::otlp::ExportMetricsServiceRequest;

    fn origin() -> OtlpOrigin {
        OtlpOrigin {
            resource: vec![("service.name".to_owned(), "shop".to_owned())],
            start_unix_nanos: 1_700_000_000_000_000_001,
            now_unix_nanos: 1_700_000_060_000_000_002,
        }
    }

    #[test]
    fn the_request_of_each_kind() {
        let bytes = otlp(&small(), &origin());
        insta::assert_debug_snapshot!(ExportMetricsServiceRequest::decode(&*bytes).unwrap());
    }

    #[test]
    fn names_keep_their_own_spelling() {
        let request = ExportMetricsServiceRequest::decode(&*otlp(&malicious(), &origin())).unwrap();
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        let names: Vec<&str> = metrics.iter().map(|metric| &*metric.name).collect();
        for name in ["queue.jobs", "queue-jobs", "queue_jobs", "größe 花火"] {
            assert_eq!(names.iter().filter(|other| **other == name).count(), 1, "{names:?}");
        }
        // The convention's own name is not for a custom counter.
        assert!(!names.contains(&"http.server.request.duration"), "{names:?}");
    }

    #[test]
    fn what_a_collector_refuses_is_read() {
        let answer = |points, message: &str| Response {
            partial_success: Some(PartialSuccess {
                rejected_data_points: points,
                error_message: message.to_owned(),
            }),
        };
        for (body, rejected) in [
            (Response::default().encode_to_vec(), None),
            (answer(0, "").encode_to_vec(), None),
            (answer(3, "too old").encode_to_vec(), Some((3, "too old"))),
            (answer(0, "slow down").encode_to_vec(), Some((0, "slow down"))),
            (answer(-1, "").encode_to_vec(), None),
            (b"{}".to_vec(), None),
        ] {
            let read = otlp_rejected(&body);
            assert_eq!(read.as_ref().map(|read| (read.points, &*read.message)), rejected, "{body:?}");
        }
    }
}
