//! A snapshot as JSON with a format version, without any loss, and back.
//!
//! ```json
//! {"format":"pulse-snapshot","version":1,"interval":null,"series":[
//!   {"metric":"responses","tags":{"status":"200"},"counter":17},
//!   {"metric":"cache","rate":{"hits":3,"total":4}},
//!   {"metric":"pool_size","tags":{"pool":"db"},"gauge":{"at":0,"last":5,"min":5,"max":5}},
//!   {"metric":"response_time","trend":{"schema":5,"count":1,"sum":9,"min":9,"max":9,"buckets":[[102,1]]}}]}
//! ```
//!
//! Times are nanoseconds. A trend's `buckets` are runs of neighbours: the first one's index, then counts; bucket `i` covers
//! (γ^(i−1), γ^i] with γ = 2^(2^−schema).

use std::collections::BTreeMap;

use pulse_model::{Aggregate, Gauge, Histogram, Interval, Rate, Series, Sighting, Snapshot, Tags};
use serde::{Deserialize, Serialize, Serializer};

/// The value of the field `format`.
pub const JSON_FORMAT: &str = "pulse-snapshot";
/// The value of the field `version`. It grows when a reader of the previous version would misread it.
pub const JSON_VERSION: u32 = 1;
/// The largest document that is read.
pub const MAX_JSON_BYTES: usize = 64 << 20;

/// Why a text is not a saved snapshot.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is longer than [`MAX_JSON_BYTES`].
    #[error("{0} bytes are more than the {MAX_JSON_BYTES} that are read; ask for fewer series")]
    TooLarge(usize),
    /// It is not JSON, or JSON of something else.
    #[error("not a snapshot as JSON")]
    Syntax(#[source] serde_json::Error),
    /// It is another document.
    #[error("the document's format is `{0}`, not `{JSON_FORMAT}`")]
    Foreign(String),
    /// It was written by a later version of Pulse.
    #[error("the document has version {0}, this Pulse reads up to {JSON_VERSION}; a newer Pulse reads it")]
    Newer(u32),
    /// An entry has no value, or more than one.
    #[error("the series `{0}` needs one of counter, gauge, rate and trend")]
    Value(String),
    /// Two entries are of one series.
    #[error("the series `{0}` is there twice")]
    Twice(String),
}

/// The snapshot as a JSON document.
pub fn json(snapshot: &Snapshot) -> Vec<u8> {
    let document = Written {
        format: JSON_FORMAT,
        version: JSON_VERSION,
        interval: snapshot.interval,
        series: Entries(&snapshot.series),
        sightings: &snapshot.sightings,
    };
    let mut out = Vec::with_capacity(128 + 256 * snapshot.series.len());
    // Writing to memory does not fail, and no map here has keys that are not text.
    if serde_json::to_writer(&mut out, &document).is_err() {
        out.clear();
    }
    out.push(b'\n');
    out
}

/// Reads what [`json`] has written.
pub fn from_json(bytes: &[u8]) -> Result<Snapshot, JsonError> {
    if bytes.len() > MAX_JSON_BYTES {
        return Err(JsonError::TooLarge(bytes.len()));
    }
    // What a later version looks like is unknown, so its number comes first.
    let head: Head = serde_json::from_slice(bytes).map_err(JsonError::Syntax)?;
    if head.format != JSON_FORMAT {
        return Err(JsonError::Foreign(head.format));
    }
    if head.version > JSON_VERSION {
        return Err(JsonError::Newer(head.version));
    }
    let read: Read = serde_json::from_slice(bytes).map_err(JsonError::Syntax)?;
    let mut snapshot = Snapshot { interval: read.interval, ..Snapshot::default() };
    for entry in read.series {
        let tags = entry.tags.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into()));
        let series = Series { metric: entry.metric.as_str().into(), tags: tags.collect() };
        let values = [
            entry.counter.map(Aggregate::Counter),
            entry.gauge.map(Aggregate::Gauge),
            entry.rate.map(Aggregate::Rate),
            entry.trend.map(Aggregate::Trend),
        ];
        let mut values = values.into_iter().flatten();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(JsonError::Value(series.to_string()));
        };
        if snapshot.series.contains_key(&series) {
            return Err(JsonError::Twice(series.to_string()));
        }
        snapshot.series.insert(series, value);
    }
    read.sightings.iter().for_each(|sighting| snapshot.sight(sighting));
    Ok(snapshot)
}

#[derive(Serialize)]
struct Written<'a> {
    format: &'a str,
    version: u32,
    interval: Option<Interval>,
    series: Entries<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    sightings: &'a [Sighting],
}

struct Entries<'a>(&'a BTreeMap<Series, Aggregate>);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(series, value)| WrittenEntry {
            metric: &series.metric,
            tags: WrittenTags(&series.tags),
            value,
        }))
    }
}

#[derive(Serialize)]
struct WrittenEntry<'a> {
    metric: &'a str,
    #[serde(skip_serializing_if = "WrittenTags::is_empty")]
    tags: WrittenTags<'a>,
    /// `counter`, `gauge`, `rate` or `trend`: the name of the variant.
    #[serde(flatten)]
    value: &'a Aggregate,
}

struct WrittenTags<'a>(&'a Tags);

impl WrittenTags<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for WrittenTags<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (&**name, &**value)))
    }
}

#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    #[serde(rename = "format")]
    _format: serde::de::IgnoredAny,
    #[serde(rename = "version")]
    _version: serde::de::IgnoredAny,
    interval: Option<Interval>,
    series: Vec<ReadEntry>,
    #[serde(default)]
    sightings: Vec<Sighting>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadEntry {
    metric: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    counter: Option<u64>,
    gauge: Option<Gauge>,
    rate: Option<Rate>,
    trend: Option<Histogram>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{malicious, service};
    use proptest::prelude::*;
    use pulse_model::{FailureKind, Nanos, Schema};

    #[test]
    fn the_form_of_a_document() {
        let mut snapshot =
            Snapshot { interval: Some(Interval { from: Nanos(1), to: Nanos(2) }), ..Snapshot::default() };
        snapshot.count(Series::new("responses").with("status", "200"), 17);
        snapshot.add(Series::new("cache"), Aggregate::Rate(Rate { hits: 3, total: 4 }));
        let level = Gauge { at: Nanos(0), last: 5, min: 5, max: 5 };
        snapshot.add(Series::new("pool_size"), Aggregate::Gauge(level));
        let mut trend = Histogram::new(Schema::MONITOR);
        trend.record(9);
        snapshot.add(Series::new("response_time"), Aggregate::Trend(trend));
        let kind = FailureKind { endpoint: "a".to_owned(), class: "timeout".to_owned() };
        snapshot.sight(&Sighting::once(kind, Nanos(3), "late"));
        insta::assert_snapshot!(String::from_utf8(json(&snapshot)).unwrap());
    }

    #[test]
    fn what_is_written_reads_back() {
        for snapshot in [Snapshot::default(), service(), malicious()] {
            assert_eq!(from_json(&json(&snapshot)).unwrap(), snapshot);
        }
    }

    #[test]
    fn other_documents_are_refused_with_a_reason() {
        let with = |series: &str| {
            format!(r#"{{"format":"pulse-snapshot","version":1,"interval":null,"series":[{series}]}}"#)
        };
        for (text, reason) in [
            (String::new(), "not a snapshot as JSON"),
            ("{}".to_owned(), "not a snapshot as JSON"),
            (
                r#"{"format":"pulse-report","version":1}"#.to_owned(),
                "the document's format is `pulse-report`",
            ),
            (r#"{"format":"pulse-snapshot","version":2,"new":[]}"#.to_owned(), "the document has version 2"),
            (with(r#"{"metric":"a"}"#), "the series `a` needs one of"),
            (
                with(r#"{"metric":"a","counter":1,"rate":{"hits":0,"total":0}}"#),
                "the series `a` needs one of",
            ),
            (
                with(r#"{"metric":"a","counter":1},{"metric":"a","counter":2}"#),
                "the series `a` is there twice",
            ),
            (with(r#"{"metric":"a","counter":-1}"#), "not a snapshot as JSON"),
            (with(r#"{"metric":"a","counter":1,"more":1}"#), "not a snapshot as JSON"),
        ] {
            let error = from_json(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{text}: {error}");
        }
        assert!(matches!(from_json(&vec![b' '; MAX_JSON_BYTES + 1]), Err(JsonError::TooLarge(_))));
    }

    proptest! {
        #[test]
        fn any_snapshot_reads_back(
            entries in prop::collection::vec((".{0,8}", prop::collection::btree_map(".{0,5}", ".{0,8}", 0..3), 0..4_u8, any::<u64>(), 0..=8_u8), 0..8),
            from: u64, to: u64,
        ) {
            let mut snapshot = Snapshot {
                interval: Some(Interval { from: Nanos(from), to: Nanos(to) }),
                ..Snapshot::default()
            };
            for (metric, tags, kind, n, schema) in entries {
                let tags = tags.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect();
                let mut trend = Histogram::new(Schema::new(schema).unwrap());
                (0..n % 50).for_each(|shift| trend.record_n(n >> shift, 1 + (n >> 40)));
                let aggregate = match kind {
                    0 => Aggregate::Counter(n),
                    1 => Aggregate::Gauge(Gauge { at: Nanos(n), last: n, min: n / 2, max: u64::MAX }),
                    2 => Aggregate::Rate(Rate { hits: n / 3, total: n }),
                    _ => Aggregate::Trend(trend),
                };
                snapshot.series.insert(Series { metric: metric.as_str().into(), tags }, aggregate);
            }
            prop_assert_eq!(from_json(&json(&snapshot)).unwrap(), snapshot);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = from_json(&bytes);
        }
    }
}
