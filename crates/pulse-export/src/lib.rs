//! Snapshots in the wire formats of metrics systems.

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
