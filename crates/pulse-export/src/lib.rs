//! Snapshots in the wire formats of metrics systems, and back. Pure: bytes come out, whoever calls sends them.
//!
//! One cumulative [`Snapshot`](pulse_model::Snapshot), many encodings:
//!
//! - [`render`] answers a scrape: [`ScrapeFormat`] and [`Compression`] are negotiated from its headers.
//! - [`prometheus_text`], [`open_metrics`] and [`protobuf`] are the formats of Prometheus, [`Escaping`] the ways to write
//!   names that are not plain; [`json`] is Pulse's own, which [`from_json`] reads without loss.
//! - [`otlp`] and [`remote_write`] are the bodies of pushed requests.
//! - [`Exposed`] reads what other services expose; [`parse_text`] is the parser below it.
//!
//! Under which name a metric leaves is a table in `families.rs`, listed for users in `docs/metrics.md`. `exposition.rs` sorts a
//! snapshot into families with final names and labels; every encoder walks through these. `native.rs` and `classic.rs` say how
//! a histogram is seen by others, and what is lost.
//!
//! ```
//! use pulse_export::{Exposed, render};
//! use pulse_model::{Aggregate, Histogram, Series, Snapshot, metric, tag};
//!
//! let mut trend = Histogram::default();
//! (1..=100).for_each(|millis| trend.record(millis * 1_000_000));
//! let mut snapshot = Snapshot::default();
//! snapshot.add(Series::new(metric::RESPONSE_TIME).with(tag::ENDPOINT, "/orders"), Aggregate::Trend(trend));
//!
//! let answer = render(&snapshot, "application/openmetrics-text; version=1.0.0", "");
//! assert_eq!(answer.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
//! let text = String::from_utf8(answer.body)?;
//! assert!(text.contains("http_server_request_duration_seconds_bucket{http_route=\"/orders\",le=\"0.067108864\"} 67\n"));
//!
//! let read = Exposed::read(&answer.content_type, text.as_bytes())?;
//! assert_eq!(read.totals.trend(&Series::new(metric::RESPONSE_TIME)).count(), 100);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it does *not* do: no clock (moments are handed in), no network, no retries (see `pulse-monitor`), no exemplars, no
//! `_created` series, no remote write 2.0. The same snapshot always gives the same bytes.

mod classic;
mod exposed;
mod exposition;
mod families;
mod json;
mod known;
mod names;
mod naming;
mod native;
mod negotiation;
mod number;
mod otlp;
mod parse;
mod protobuf;
mod remote_write;
mod spread;
mod text;
mod wire;

#[cfg(test)]
mod canonical;
#[cfg(test)]
mod oracle;

pub use exposed::{Exposed, ExposedError, LeftOut};
pub use json::{JSON_FORMAT, JSON_VERSION, JsonError, MAX_JSON_BYTES, from_json, json};
pub use names::Escaping;
pub use negotiation::{ACCEPT, Compression, Rendered, ScrapeFormat, render};
pub use otlp::{OTLP_CONTENT_TYPE, OtlpOrigin, OtlpRejected, otlp, otlp_rejected};
pub use parse::{
    ExposedFamily, ExposedKind, ExposedSample, ExposedText, ExposedTextError, MAX_LABELS, MAX_SAMPLES,
    MAX_TEXT_BYTES, parse_text,
};
pub use protobuf::protobuf;
pub use remote_write::{REMOTE_WRITE_HEADERS, RemoteWriteOrigin, remote_write};
pub use text::{open_metrics, prometheus_text};
