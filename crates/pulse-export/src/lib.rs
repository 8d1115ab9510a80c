//! Snapshots in the wire formats of metrics systems.

mod classic;
mod exposition;
mod families;
mod json;
mod names;
mod naming;
mod native;
mod negotiation;
mod number;
mod otlp;
mod protobuf;
mod remote_write;
mod text;
mod wire;

#[cfg(test)]
mod canonical;
#[cfg(test)]
mod oracle;

pub use json::{JSON_FORMAT, JSON_VERSION, JsonError, MAX_JSON_BYTES, from_json, json};
pub use names::Escaping;
pub use negotiation::{ACCEPT, Compression, Rendered, ScrapeFormat, render};
pub use otlp::{OTLP_CONTENT_TYPE, OtlpOrigin, OtlpRejected, otlp, otlp_rejected};
pub use protobuf::protobuf;
pub use remote_write::{REMOTE_WRITE_HEADERS, RemoteWriteOrigin, remote_write};
pub use text::{open_metrics, prometheus_text};
