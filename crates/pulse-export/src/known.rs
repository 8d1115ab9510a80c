//! Which of Pulse's metrics a series of another program is.
//!
//! What Pulse exports is recognised by the table it was exported with, and with it every service whose names follow the
//! OpenTelemetry conventions. Some names that are common elsewhere are listed here. Anything else keeps its name and labels.

use pulse_model::{Series, metric, tag};

use crate::families::{Attribute, Definition, EVERYWHERE, Instrument, Source, TABLE, Unit};
use crate::parse::{ExposedFamily, ExposedKind};

/// What a series means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) series: Series,
    /// Of a rate: whether these are its hits.
    pub(crate) hits: Option<bool>,
}

/// What the series of one family can mean.
#[derive(Debug)]
pub(crate) struct Meanings {
    lines: Vec<&'static Definition>,
    common: Option<&'static Common>,
    /// The metric's name where nothing is known.
    own_name: String,
    /// What a value is multiplied with to be recorded: 10^9 for seconds.
    pub(crate) scale: f64,
}

impl Meanings {
    pub(crate) fn of(family: &ExposedFamily) -> Self {
        let fits = |instrument| match family.kind {
            ExposedKind::Counter => instrument == Instrument::Counter,
            ExposedKind::Gauge => matches!(instrument, Instrument::Gauge | Instrument::UpDownCounter),
            ExposedKind::Histogram => instrument == Instrument::Histogram,
            ExposedKind::Summary | ExposedKind::Unknown => false,
        };
        let lines: Vec<&'static Definition> = TABLE
            .iter()
            .filter(|line| fits(line.instrument) && line.prometheus_name() == family.name)
            .collect();
        let common = COMMON.iter().find(|common| common.kind == family.kind && common.name == family.name);
        let known_seconds = lines.iter().any(|line| line.unit == Unit::Seconds)
            || common.is_some_and(|common| common.name.ends_with("_seconds"));
        let (own_name, scale) = match family.kind {
            _ if known_seconds => (family.name.clone(), 1e9),
            // A timer of its own comes back under the name it has here.
            ExposedKind::Histogram => own_timer(&family.name),
            _ => (family.name.clone(), 1.0),
        };
        Self { lines, common, own_name, scale }
    }

    /// The meaning of the series with these labels, `le` aside.
    pub(crate) fn of_series(&self, labels: &[(&str, &str)]) -> Meaning {
        let line = self.lines.iter().find(|line| {
            line.attributes.iter().all(|attribute| match attribute.source {
                Source::Always(value) => {
                    labels.iter().any(|&(name, own)| is_spelling(name, attribute.name) && own == value)
                }
                Source::Hit(hit, miss) => labels
                    .iter()
                    .any(|&(name, own)| is_spelling(name, attribute.name) && (own == hit || own == miss)),
                _ => true,
            })
        });
        match (line, self.common) {
            (Some(line), _) => of_line(line, labels),
            (None, Some(common)) => common.of_series(labels),
            (None, None) => {
                let plain = labels.iter().fold(Series::new(&self.own_name), |series, &(name, value)| {
                    keep(series, everywhere(name), name, value)
                });
                Meaning { series: plain, hits: None }
            }
        }
    }
}

fn own_timer(name: &str) -> (String, f64) {
    for (suffix, scale) in
        [("_milliseconds", 1e6), ("_microseconds", 1e3), ("_nanoseconds", 1.0), ("_seconds", 1e9)]
    {
        if let Some(stem) = name.strip_suffix(suffix).filter(|stem| !stem.is_empty()) {
            return (stem.to_owned(), scale);
        }
    }
    (name.to_owned(), 1.0)
}

/// Whether a label's name is the Prometheus spelling of an attribute's.
fn is_spelling(label: &str, attribute: &str) -> bool {
    label.len() == attribute.len()
        && label.bytes().zip(attribute.bytes()).all(|(a, b)| a == b || (a == b'_' && b == b'.'))
}

/// The tag of a label that any metric may have.
fn everywhere(label: &str) -> Option<&'static str> {
    EVERYWHERE.iter().find(|attribute| is_spelling(label, attribute.name)).and_then(tag_of)
}

fn tag_of(attribute: &Attribute) -> Option<&'static str> {
    match attribute.source {
        Source::Tag(tag) | Source::Number(tag) | Source::Flag(tag) => Some(tag),
        Source::ErrorType | Source::Always(_) | Source::Hit(..) => None,
    }
}

/// The series with one more tag; the first label that means a tag has it, any other keeps its name.
fn keep(series: Series, tag: Option<&str>, label: &str, value: &str) -> Series {
    let tag = tag.filter(|tag| series.tag(tag).is_none()).unwrap_or(label);
    series.with(tag, value)
}

fn of_line(line: &'static Definition, labels: &[(&str, &str)]) -> Meaning {
    let mut meaning = Meaning { series: Series::new(line.metric), hits: None };
    let mut error = None;
    for &(label, value) in labels {
        let attribute =
            line.attributes.iter().chain(&EVERYWHERE).find(|attribute| is_spelling(label, attribute.name));
        match attribute.map(|attribute| attribute.source) {
            Some(Source::ErrorType) => error = Some(value),
            Some(Source::Always(_)) => {}
            Some(Source::Hit(hit, _)) => meaning.hits = Some(value == hit),
            _ => meaning.series = keep(meaning.series, attribute.and_then(tag_of), label, value),
        }
    }
    if line.attributes.iter().any(|attribute| attribute.source == Source::ErrorType) {
        meaning.series = meaning.series.with(tag::OUTCOME, if error.is_some() { "failed" } else { "ok" });
        let status = meaning.series.tag(tag::STATUS);
        if let Some(class) = error.filter(|&error| error != "_OTHER" && Some(error) != status) {
            meaning.series = meaning.series.with(tag::CLASS, class);
        }
    }
    meaning
}

/// A family's name in other programs.
#[derive(Debug)]
struct Common {
    name: &'static str,
    metric: &'static str,
    kind: ExposedKind,
    labels: &'static [(&'static str, &'static str)],
}

const REQUEST: &[(&str, &str)] = &[
    ("handler", tag::ENDPOINT),
    ("path", tag::ENDPOINT),
    ("path_template", tag::ENDPOINT),
    ("route", tag::ENDPOINT),
    ("uri", tag::ENDPOINT),
    ("endpoint", tag::ENDPOINT),
    ("method", tag::METHOD),
    ("code", tag::STATUS),
    ("status", tag::STATUS),
    ("status_code", tag::STATUS),
];

/// Requests as libraries for Go, Node.js, `FastAPI`, Flask, Starlette and Spring name them, and a process as Prometheus'
/// own client libraries do.
const COMMON: &[Common] = &[
    common("http_request_duration_seconds", metric::RESPONSE_TIME, ExposedKind::Histogram, REQUEST),
    common("http_server_requests_seconds", metric::RESPONSE_TIME, ExposedKind::Histogram, REQUEST),
    common("flask_http_request_duration_seconds", metric::RESPONSE_TIME, ExposedKind::Histogram, REQUEST),
    common("starlette_request_duration_seconds", metric::RESPONSE_TIME, ExposedKind::Histogram, REQUEST),
    common("process_cpu_seconds", metric::PROCESS_CPU, ExposedKind::Counter, &[]),
    common("process_resident_memory_bytes", metric::PROCESS_RESIDENT, ExposedKind::Gauge, &[]),
    common("process_open_fds", metric::PROCESS_DESCRIPTORS, ExposedKind::Gauge, &[]),
];

const fn common(
    name: &'static str,
    metric: &'static str,
    kind: ExposedKind,
    labels: &'static [(&'static str, &'static str)],
) -> Common {
    Common { name, metric, kind, labels }
}

impl Common {
    fn of_series(&self, labels: &[(&str, &str)]) -> Meaning {
        let mut series = Series::new(self.metric);
        for &(label, value) in labels {
            let tag = self.labels.iter().find(|(name, _)| *name == label).map(|&(_, tag)| tag);
            series = keep(series, tag, label, value);
        }
        // Some libraries write `5xx`; all begin with the class of the status.
        if self.metric == metric::RESPONSE_TIME
            && let Some(status) = series.tag(tag::STATUS)
        {
            let failed = status.starts_with(['4', '5']);
            series = series.with(tag::OUTCOME, if failed { "failed" } else { "ok" });
        }
        Meaning { series, hits: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(name: &str, kind: ExposedKind, labels: &[(&str, &str)]) -> (String, Option<bool>) {
        let family = ExposedFamily { name: name.to_owned(), kind, ..ExposedFamily::default() };
        let meaning = Meanings::of(&family).of_series(labels);
        (meaning.series.to_string(), meaning.hits)
    }

    #[test]
    fn series_of_other_programs() {
        use ExposedKind::{Counter, Gauge, Histogram};
        let requests = "http_server_request_duration_seconds";
        for (name, kind, labels, series) in [
            (requests, Histogram, &[][..], "response_time{outcome=\"ok\"}"),
            (
                requests,
                Histogram,
                &[("http_route", "/a"), ("http_response_status_code", "500"), ("error_type", "500")],
                "response_time{endpoint=\"/a\",outcome=\"failed\",status=\"500\"}",
            ),
            (
                requests,
                Histogram,
                &[("error_type", "java.net.UnknownHostException"), ("url_scheme", "http")],
                "response_time{class=\"java.net.UnknownHostException\",outcome=\"failed\",url_scheme=\"http\"}",
            ),
            (requests, Counter, &[("x", "y")], "http_server_request_duration_seconds{x=\"y\"}"),
            (
                "http_request_duration_seconds",
                Histogram,
                &[("handler", "/a"), ("path", "/a/1"), ("code", "2xx"), ("method", "GET")],
                "response_time{endpoint=\"/a\",method=\"GET\",outcome=\"ok\",path=\"/a/1\",status=\"2xx\"}",
            ),
            (
                "http_server_requests_seconds",
                Histogram,
                &[("outcome", "SERVER_ERROR"), ("status", "503"), ("uri", "/a")],
                "response_time{endpoint=\"/a\",outcome=\"failed\",status=\"503\"}",
            ),
            ("process_cpu_seconds", Counter, &[], "process_cpu"),
            ("process_open_fds", Gauge, &[], "process_descriptors"),
            ("process_disk_io_bytes", Counter, &[("disk_io_direction", "write")], "process_written"),
            (
                "process_disk_io_bytes",
                Counter,
                &[("disk_io_direction", "sideways")],
                "process_disk_io_bytes{disk_io_direction=\"sideways\"}",
            ),
            (
                "checkout_seconds",
                Histogram,
                &[("otel_metric_overflow", "true")],
                "checkout{overflow=\"true\"}",
            ),
            ("checkout_milliseconds", Histogram, &[], "checkout"),
            ("sizes", Histogram, &[], "sizes"),
            ("anything", ExposedKind::Unknown, &[("a", "b")], "anything{a=\"b\"}"),
        ] {
            assert_eq!(meaning(name, kind, labels).0, series, "{name} {labels:?}");
        }
    }

    #[test]
    fn rates_come_in_two_halves() {
        for (result, hits) in [("hit", Some(true)), ("miss", Some(false)), ("odd", None)] {
            let labels = [("cache_name", "prices"), ("cache_result", result)];
            assert_eq!(meaning("cache_requests", ExposedKind::Counter, &labels).1, hits);
        }
    }
}
