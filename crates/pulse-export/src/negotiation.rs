//! Which format a scraper gets: a function of what it accepts.
//!
//! Of all formats that the `Accept` header allows, the one with the highest quality wins; the quality of a format is that of
//! the most specific range that covers it, as RFC 9110 has it. Between equals the more specific range wins, then the one that
//! stands first. When nothing fits, the answer is Prometheus text 0.0.4 all the same: a scraper can do more with it than with
//! an error. The content type is always sent in full, since Prometheus 3 fails a scrape without one.

use std::borrow::Cow;
use std::cmp::Reverse;

use pulse_model::Snapshot;

use crate::names::Escaping;
use crate::{json, open_metrics, prometheus_text, protobuf};

/// What asks for Pulse's JSON and for no other: a service that is not monitored by Pulse may have JSON of its own.
const PULSE_JSON: &str = "application/vnd.pulse.snapshot+json";

/// The `Accept` header of a reader that takes what is read without loss first, then what it can make the most of.
pub const ACCEPT: &str = "application/vnd.pulse.snapshot+json, application/openmetrics-text; version=1.0.0; q=0.5, \
                          text/plain; version=0.0.4; q=0.3, */*; q=0.1";

/// The longest header that is read; the rest of a longer one is ignored.
const MAX_HEADER_BYTES: usize = 8 << 10;

/// The format of a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrapeFormat {
    /// Prometheus text 0.0.4.
    Text,
    /// Prometheus text 1.0.0, with the way of writing names that was asked for.
    Text1(Escaping),
    /// OpenMetrics text 1.0.0, with the way of writing names if one was asked for.
    OpenMetrics(Option<Escaping>),
    /// Delimited protobuf messages with native histograms.
    Protobuf(Option<Escaping>),
    /// Pulse's own JSON, without loss.
    Json,
}

impl ScrapeFormat {
    /// The format for an `Accept` header; several of them are joined with commas, and none is the empty text.
    pub fn negotiate(accept: &str) -> Self {
        let ranges: Vec<Range<'_>> = ranges(accept);
        let candidates = KINDS.iter().enumerate().filter_map(|(order, kind)| {
            // The most specific range decides about a format.
            let (at, range, specificity) = ranges
                .iter()
                .enumerate()
                .filter_map(|(at, range)| Some((at, range, kind.matches(range)?)))
                .max_by_key(|&(at, _, specificity)| (specificity, Reverse(at)))?;
            let rank = (range.quality, specificity, Reverse(at), Reverse(order));
            (range.quality > 0).then(|| (rank, kind.with(range)))
        });
        candidates.max_by_key(|&(rank, _)| rank).map_or(Self::Text, |(_, format)| format)
    }

    /// The value of `Content-Type`.
    pub fn content_type(self) -> Cow<'static, str> {
        let (base, escaping) = match self {
            Self::Text => ("text/plain; version=0.0.4; charset=utf-8", None),
            Self::Text1(escaping) => ("text/plain; version=1.0.0; charset=utf-8", Some(escaping)),
            Self::OpenMetrics(escaping) => {
                ("application/openmetrics-text; version=1.0.0; charset=utf-8", escaping)
            }
            Self::Protobuf(escaping) => (
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
                escaping,
            ),
            Self::Json => ("application/json", None),
        };
        match escaping {
            Some(escaping) => format!("{base}; escaping={}", escaping.parameter()).into(),
            None => base.into(),
        }
    }

    /// The snapshot in this format.
    pub fn encode(self, snapshot: &Snapshot) -> Vec<u8> {
        match self {
            Self::Text => prometheus_text(snapshot, Escaping::Underscores),
            Self::Text1(escaping) => prometheus_text(snapshot, escaping),
            Self::OpenMetrics(escaping) => open_metrics(snapshot, escaping.unwrap_or_default()),
            Self::Protobuf(escaping) => protobuf(snapshot, escaping.unwrap_or_default()),
            Self::Json => json(snapshot),
        }
    }
}

/// How an answer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Identity,
    /// By gzip.
    Gzip,
}

impl Compression {
    /// Gzip where an `Accept-Encoding` header allows it and does not prefer none.
    pub fn negotiate(accept_encoding: &str) -> Self {
        let ranges = ranges(accept_encoding);
        let quality = |name: &str| ranges.iter().find(|range| range.name == name).map(|range| range.quality);
        let gzip = quality("gzip").or(quality("x-gzip")).or(quality("*")).unwrap_or(0);
        let identity = quality("identity").unwrap_or(0);
        if gzip > 0 && gzip >= identity { Self::Gzip } else { Self::Identity }
    }

    /// The value of `Content-Encoding`, where there is one.
    pub const fn content_encoding(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
        }
    }

    /// The bytes, compressed.
    pub fn apply(self, bytes: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Identity => bytes,
            Self::Gzip => gzip(&bytes),
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let out = Vec::with_capacity(bytes.len() / 8);
    let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
    // Writing to memory does not fail.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

/// An answer to a scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Value of `Content-Type`.
    pub content_type: Cow<'static, str>,
    /// Value of `Content-Encoding`, if it is to be sent.
    pub content_encoding: Option<&'static str>,
    /// The body.
    pub body: Vec<u8>,
}

/// The answer to a scrape with these values of `Accept` and `Accept-Encoding`; a missing header is the empty text. It depends
/// on both, so it is sent with `Vary: Accept, Accept-Encoding`.
pub fn render(snapshot: &Snapshot, accept: &str, accept_encoding: &str) -> Rendered {
    let format = ScrapeFormat::negotiate(accept);
    let compression = Compression::negotiate(accept_encoding);
    Rendered {
        content_type: format.content_type(),
        content_encoding: compression.content_encoding(),
        body: compression.apply(format.encode(snapshot)),
    }
}

/// What can be served, the preferred first where a scraper does not care.
const KINDS: [Kind; 5] = [Kind::Text, Kind::Text1, Kind::OpenMetrics, Kind::Protobuf, Kind::Json];

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Text1,
    OpenMetrics,
    Protobuf,
    Json,
}

impl Kind {
    /// How specific a range is that covers this format: `*/*` 0, a type 1, a type and subtype 2, and one more for each
    /// parameter that names it. `None` when it does not cover it.
    fn matches(self, range: &Range<'_>) -> Option<u32> {
        let (name, named): (&str, &[(&str, &str)]) = match self {
            Self::Text => ("text/plain", &[("version", "0.0.4")]),
            Self::Text1 => ("text/plain", &[("version", "1.0.0")]),
            Self::OpenMetrics => ("application/openmetrics-text", &[("version", "1.0.0")]),
            Self::Protobuf => (
                "application/vnd.google.protobuf",
                &[("proto", "io.prometheus.client.MetricFamily"), ("encoding", "delimited")],
            ),
            Self::Json if range.name == PULSE_JSON => return Some(3),
            Self::Json => ("application/json", &[]),
        };
        if range.name == "*/*" {
            return Some(0);
        }
        if let Some(kind) = range.name.strip_suffix("/*") {
            return name.split('/').next().filter(|own| *own == kind).map(|_| 1);
        }
        if range.name != name {
            return None;
        }
        let mut specificity = 2;
        for (parameter, value) in named {
            match range.parameter(parameter) {
                Some(asked) if asked.eq_ignore_ascii_case(value) => specificity += 1,
                Some(_) => return None,
                // A protobuf message could be anything.
                None if matches!(self, Self::Protobuf) => return None,
                None => {}
            }
        }
        Some(specificity)
    }

    fn with(self, range: &Range<'_>) -> ScrapeFormat {
        let escaping = range.parameter("escaping").and_then(Escaping::from_parameter);
        match self {
            Self::Text => ScrapeFormat::Text,
            Self::Text1 => ScrapeFormat::Text1(escaping.unwrap_or_default()),
            Self::OpenMetrics => ScrapeFormat::OpenMetrics(escaping),
            Self::Protobuf => ScrapeFormat::Protobuf(escaping),
            Self::Json => ScrapeFormat::Json,
        }
    }
}

/// An element of `Accept` or `Accept-Encoding`.
#[derive(Debug)]
struct Range<'a> {
    /// In lower case, without blanks.
    name: String,
    parameters: Vec<(String, &'a str)>,
    /// In thousandths.
    quality: u32,
}

impl Range<'_> {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|&(_, value)| value)
    }
}

fn ranges(header: &str) -> Vec<Range<'_>> {
    let mut end = header.len().min(MAX_HEADER_BYTES);
    while !header.is_char_boundary(end) {
        end -= 1;
    }
    header[..end].split(',').filter_map(range).collect()
}

/// One element; `None` for an empty one, and for one whose quality cannot be read.
fn range(text: &str) -> Option<Range<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let mut quality = 1000;
    let mut parameters = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim().trim_matches('"'));
        if key == "q" {
            quality = thousandths(value)?;
        } else {
            parameters.push((key, value));
        }
    }
    Some(Range { name, parameters, quality })
}

fn thousandths(text: &str) -> Option<u32> {
    let value: f64 = text.parse().ok()?;
    (0.0..=1.0).contains(&value).then(|| (value * 1000.0).round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PROMETHEUS_2_42: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    const PROMETHEUS_2_42_NATIVE: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const BROWSER: &str =
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

    #[test]
    fn formats_for_accept_headers() {
        use ScrapeFormat::{Json, OpenMetrics, Protobuf, Text, Text1};
        let utf8 = Escaping::AllowUtf8;
        for (accept, format) in [
            ("", Text),
            ("*/*", Text),
            (BROWSER, Text),
            ("image/png", Text),
            ("application/openmetrics-text;version=0.0.1", Text),
            (PROMETHEUS_2_42, OpenMetrics(None)),
            (PROMETHEUS_2_42_NATIVE, Protobuf(None)),
            (PROMETHEUS_3, OpenMetrics(Some(utf8))),
            ("text/plain;version=1.0.0;escaping=allow-utf8", Text1(utf8)),
            ("text/plain;version=1.0.0", Text1(Escaping::Underscores)),
            ("text/plain;version=1.0.0;escaping=none", Text1(Escaping::Underscores)),
            ("text/plain", Text),
            ("text/plain;version=2.0.0", Text),
            ("text/*", Text),
            ("application/json", Json),
            ("application/json, text/plain;q=0.5", Json),
            (ACCEPT, Json),
            ("application/json;q=0.5, text/plain", Text),
            ("application/json;q=0, */*", Text),
            ("text/plain;q=0, */*;q=0.1", OpenMetrics(None)),
            ("text/plain;q=0, application/openmetrics-text;q=0, */*;q=0.1", Protobuf(None)),
            ("application/*", OpenMetrics(None)),
            ("application/openmetrics-text, text/plain", OpenMetrics(None)),
            ("text/plain, application/openmetrics-text", Text),
            (
                "Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Escaping=dots",
                OpenMetrics(Some(Escaping::Dots)),
            ),
            ("application/vnd.google.protobuf", Text),
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", Text),
            ("application/json;q=x", Text),
            ("application/json;q=2", Text),
            (",;,;q=,", Text),
        ] {
            assert_eq!(ScrapeFormat::negotiate(accept), format, "{accept}");
        }
    }

    #[test]
    fn content_types_are_exact() {
        for (format, content_type) in [
            (ScrapeFormat::Text, "text/plain; version=0.0.4; charset=utf-8"),
            (
                ScrapeFormat::Text1(Escaping::Values),
                "text/plain; version=1.0.0; charset=utf-8; escaping=values",
            ),
            (ScrapeFormat::OpenMetrics(None), "application/openmetrics-text; version=1.0.0; charset=utf-8"),
            (
                ScrapeFormat::OpenMetrics(Some(Escaping::AllowUtf8)),
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            ),
            (
                ScrapeFormat::Protobuf(None),
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
            ),
            (ScrapeFormat::Json, "application/json"),
        ] {
            assert_eq!(format.content_type(), content_type);
        }
    }

    #[test]
    fn compression_for_accept_encodings() {
        use Compression::{Gzip, Identity};
        for (header, compression) in [
            ("", Identity),
            ("gzip", Gzip),
            ("identity", Identity),
            ("gzip;q=0", Identity),
            ("deflate, GZIP;q=0.5, br", Gzip),
            ("x-gzip", Gzip),
            ("*", Gzip),
            ("*;q=0", Identity),
            ("gzip;q=0, *", Identity),
            ("identity;q=1, gzip;q=0.5", Identity),
            ("br", Identity),
        ] {
            assert_eq!(Compression::negotiate(header), compression, "{header}");
        }
    }

    #[test]
    fn gzip_reads_back() {
        use std::io::Read as _;
        let bytes = b"abc".repeat(1000);
        let compressed = Compression::Gzip.apply(bytes.clone());
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(&*compressed).read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
    }

    proptest! {
        #[test]
        fn no_header_panics(accept in "[a-z0-9/*;=,q. \"é]{0,60}", whole in ".{0,60}") {
            let _ = (ScrapeFormat::negotiate(&accept), ScrapeFormat::negotiate(&whole));
            let _ = (Compression::negotiate(&accept), Compression::negotiate(&whole));
        }
    }
}
