//! Prometheus remote write 1.0: `WriteRequest` messages with native histograms, compressed in snappy's block format.
//!
//! Version 1 is what every receiver understands, Debian's Prometheus 2.42 among them; it takes native histograms there with
//! `--enable-feature=native-histograms`. A request goes as `POST` with [`REMOTE_WRITE_HEADERS`]. An answer of 5xx or 429 may
//! be sent again, any other 4xx must not.

use pulse_model::{Histogram, Snapshot};

use crate::exposition::{Exposition, Family, Point, Value};
use crate::families::{Instrument, Unit};
use crate::names::{Escaping, Noun, escape};
use crate::native::{Spans, ZERO_THRESHOLD};
use crate::number::in_unit;
use crate::wire::Wire;

/// Header fields of a request.
pub const REMOTE_WRITE_HEADERS: [(&str, &str); 3] = [
    ("Content-Type", "application/x-protobuf"),
    ("Content-Encoding", "snappy"),
    ("X-Prometheus-Remote-Write-Version", "0.1.0"),
];

/// What requests say besides the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteWriteOrigin {
    /// Labels of all series, for example `job` and `instance`. A series' own label of the same name wins.
    pub labels: Vec<(String, String)>,
    /// When the snapshot was taken, in milliseconds since 1970. Receivers refuse a moment that is not later than the last.
    pub now_unix_ms: i64,
    /// Series in one request; receivers limit its size.
    pub series_per_request: usize,
}

impl Default for RemoteWriteOrigin {
    fn default() -> Self {
        Self { labels: Vec::new(), now_unix_ms: 0, series_per_request: 2_000 }
    }
}

// Field numbers of `remote.proto` and `types.proto` in prometheus/prometheus, prompb.
const REQUEST_TIMESERIES: u32 = 1;
const REQUEST_METADATA: u32 = 3;
const TIMESERIES_LABELS: u32 = 1;
const TIMESERIES_SAMPLES: u32 = 2;
const TIMESERIES_HISTOGRAMS: u32 = 4;
const LABEL_NAME: u32 = 1;
const LABEL_VALUE: u32 = 2;
const SAMPLE_VALUE: u32 = 1;
const SAMPLE_TIMESTAMP: u32 = 2;
const HISTOGRAM_COUNT: u32 = 1;
const HISTOGRAM_SUM: u32 = 3;
const HISTOGRAM_SCHEMA: u32 = 4;
const HISTOGRAM_ZERO_THRESHOLD: u32 = 5;
const HISTOGRAM_ZERO_COUNT: u32 = 6;
const HISTOGRAM_POSITIVE_SPANS: u32 = 11;
const HISTOGRAM_POSITIVE_DELTAS: u32 = 12;
const HISTOGRAM_TIMESTAMP: u32 = 15;
const SPAN_OFFSET: u32 = 1;
const SPAN_LENGTH: u32 = 2;
const METADATA_TYPE: u32 = 1;
const METADATA_NAME: u32 = 2;
const METADATA_HELP: u32 = 4;
const METADATA_UNIT: u32 = 5;

// Values of the enum `MetricType` of metadata, which are not those of the exposition.
const COUNTER: u64 = 1;
const GAUGE: u64 = 2;
const HISTOGRAM: u64 = 3;

/// The snapshot as the bodies of one or more requests, to be sent in this order; none when there are no series.
pub fn remote_write(snapshot: &Snapshot, origin: &RemoteWriteOrigin) -> Vec<Vec<u8>> {
    let exposition = Exposition::new(snapshot, Escaping::Underscores);
    let mut external: Vec<(String, &str)> = origin
        .labels
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (escape(name, Noun::Label, Escaping::Underscores).into_owned(), &**value))
        .collect();
    external.sort();
    external.dedup_by(|later, earlier| later.0 == earlier.0);
    let mut writer =
        Writer { origin, wire: Wire::default(), series: 0, spans: Spans::default(), bodies: Vec::new() };
    for family in &exposition.families {
        let slots = slots(family, &external);
        let mut described = usize::MAX;
        for point in &family.points {
            writer.make_room();
            // Metadata goes with the first series of the family in each request.
            if described != writer.bodies.len() {
                writer.write_metadata(family);
                described = writer.bodies.len();
            }
            writer.write_series(family, point, &slots);
        }
    }
    writer.finish();
    writer.bodies
}

/// A label that series of a family may have, in the order of names.
struct Slot<'a> {
    name: &'a str,
    /// The number of the series' own label.
    own: Option<u16>,
    /// The value where the series has no such label.
    otherwise: Option<&'a str>,
}

fn slots<'a>(family: &'a Family<'_>, external: &'a [(String, &'a str)]) -> Vec<Slot<'a>> {
    let own = family.label_names.iter().enumerate().map(|(at, name)| Slot {
        name: &name.prometheus,
        own: Some(at as u16),
        otherwise: external.iter().find(|(other, _)| *other == name.prometheus).map(|&(_, value)| value),
    });
    let others = external
        .iter()
        .filter(|(name, _)| family.label_names.iter().all(|own| own.prometheus != *name))
        .map(|(name, value)| Slot { name, own: None, otherwise: Some(value) });
    let mut slots: Vec<Slot<'a>> = own.chain(others).collect();
    slots.push(Slot { name: "__name__", own: None, otherwise: None });
    slots.sort_by_key(|slot| slot.name);
    slots
}

struct Writer<'a> {
    origin: &'a RemoteWriteOrigin,
    wire: Wire,
    series: usize,
    spans: Spans,
    bodies: Vec<Vec<u8>>,
}

impl Writer<'_> {
    fn make_room(&mut self) {
        if self.series >= self.origin.series_per_request.max(1) {
            self.finish();
        }
    }

    fn finish(&mut self) {
        if self.series == 0 {
            return;
        }
        let message = std::mem::take(&mut self.wire).into_bytes();
        // Only a message of 4 GiB cannot be compressed, which no request of bounded series reaches.
        self.bodies.extend(snap::raw::Encoder::new().compress_vec(&message));
        self.series = 0;
    }

    fn write_metadata(&mut self, family: &Family<'_>) {
        let kind = match family.instrument {
            Instrument::Counter => COUNTER,
            Instrument::UpDownCounter | Instrument::Gauge => GAUGE,
            Instrument::Histogram => HISTOGRAM,
        };
        self.wire.message(REQUEST_METADATA, |wire| {
            wire.uint(METADATA_TYPE, kind);
            wire.text(METADATA_NAME, &sample_name(family));
            wire.text(METADATA_HELP, &family.help);
            if let Some(unit) = family.unit.word() {
                wire.text(METADATA_UNIT, unit);
            }
        });
    }

    fn write_series(&mut self, family: &Family<'_>, point: &Point<'_>, slots: &[Slot<'_>]) {
        self.series += 1;
        let Self { wire, spans, origin, .. } = self;
        let name = sample_name(family);
        wire.message(REQUEST_TIMESERIES, |wire| {
            let mut own = family.labels(point).iter().peekable();
            for slot in slots {
                let value = if slot.name == "__name__" {
                    Some(&*name)
                } else {
                    let mine = own.next_if(|label| Some(label.name) == slot.own);
                    mine.map(|label| &*label.value).or(slot.otherwise)
                };
                if let Some(value) = value {
                    wire.message(TIMESERIES_LABELS, |wire| {
                        wire.text(LABEL_NAME, slot.name);
                        wire.text(LABEL_VALUE, value);
                    });
                }
            }
            match &point.value {
                Value::Number(value) => wire.message(TIMESERIES_SAMPLES, |wire| {
                    wire.double(SAMPLE_VALUE, in_unit(u128::from(*value), family.unit));
                    wire.uint(SAMPLE_TIMESTAMP, origin.now_unix_ms as u64);
                }),
                Value::Histogram(histogram) => wire.message(TIMESERIES_HISTOGRAMS, |wire| {
                    write_histogram(histogram, family.unit, origin.now_unix_ms, spans, wire);
                }),
            }
        });
    }
}

fn sample_name(family: &Family<'_>) -> String {
    let suffix = if family.instrument == Instrument::Counter { "_total" } else { "" };
    format!("{}{suffix}", family.name)
}

fn write_histogram(histogram: &Histogram, unit: Unit, at_ms: i64, spans: &mut Spans, wire: &mut Wire) {
    spans.fill(histogram, unit);
    wire.uint(HISTOGRAM_COUNT, histogram.count());
    wire.double(HISTOGRAM_SUM, in_unit(histogram.sum(), unit));
    wire.sint(HISTOGRAM_SCHEMA, i64::from(histogram.schema().get()));
    wire.double(HISTOGRAM_ZERO_THRESHOLD, ZERO_THRESHOLD);
    wire.uint(HISTOGRAM_ZERO_COUNT, histogram.zeros());
    for &(offset, length) in &spans.spans {
        wire.message(HISTOGRAM_POSITIVE_SPANS, |wire| {
            wire.sint(SPAN_OFFSET, i64::from(offset));
            wire.uint(SPAN_LENGTH, u64::from(length));
        });
    }
    wire.packed_sints(HISTOGRAM_POSITIVE_DELTAS, &spans.deltas);
    wire.uint(HISTOGRAM_TIMESTAMP, at_ms as u64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{malicious, service, small};
    use crate::oracle::remote_write::WriteRequest;
    use prost::Message as _;

    fn read(body: &[u8]) -> WriteRequest {
        let message = snap::raw::Decoder::new().decompress_vec(body).unwrap();
        WriteRequest::decode(&*message).unwrap()
    }

    fn origin(series_per_request: usize) -> RemoteWriteOrigin {
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        RemoteWriteOrigin {
            labels: vec![
                label("job", "shop"),
                label("Zone", "a"),
                label("worker", "none"),
                label("empty", ""),
            ],
            now_unix_ms: 1_700_000_000_123,
            series_per_request,
        }
    }

    #[test]
    fn the_request_of_each_kind() {
        let bodies = remote_write(&small(), &origin(2_000));
        assert_eq!(bodies.len(), 1);
        insta::assert_debug_snapshot!(read(&bodies[0]));
    }

    #[test]
    fn labels_are_sorted_and_never_empty() {
        for snapshot in [service(), malicious()] {
            for series in read(&remote_write(&snapshot, &origin(2_000))[0]).timeseries {
                let names: Vec<&str> = series.labels.iter().map(|label| &*label.name).collect();
                assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
                assert!(names.contains(&"__name__") && names.contains(&"Zone"), "{names:?}");
                assert!(series.labels.iter().all(|label| !label.value.is_empty()));
                assert_eq!(series.samples.len() + series.histograms.len(), 1);
            }
        }
    }

    #[test]
    fn a_series_own_label_wins() {
        let request = read(&remote_write(&service(), &origin(2_000))[0]);
        let workers = request.timeseries.iter().filter_map(|series| {
            let value = |name: &str| series.labels.iter().find(|l| l.name == name).map(|l| &*l.value);
            (value("__name__") == Some("process_memory_usage_bytes")).then(|| value("worker"))
        });
        assert_eq!(workers.collect::<Vec<_>>(), [Some("0"), Some("1")]);
        assert!(
            request.timeseries[0].labels.iter().any(|label| label.name == "worker" && label.value == "none")
        );
    }

    #[test]
    fn many_series_are_several_requests_with_metadata_each() {
        let whole = read(&remote_write(&service(), &origin(2_000))[0]);
        let parts: Vec<WriteRequest> =
            remote_write(&service(), &origin(5)).iter().map(|body| read(body)).collect();
        let joined: Vec<_> = parts.iter().flat_map(|part| part.timeseries.clone()).collect();
        assert_eq!(joined, whole.timeseries);
        for part in &parts {
            assert!(part.timeseries.len() <= 5 && !part.metadata.is_empty());
        }
        assert!(remote_write(&Snapshot::default(), &origin(0)).is_empty());
        assert_eq!(remote_write(&service(), &origin(0)).len(), whole.timeseries.len());
    }
}
