//! What it costs to record a request, with `pulse-monitor` and with the libraries that people use today.
//!
//! A [`Recorder`] is a library with a response-time histogram by endpoint and status, set up as its documents say.
//! [`recorders`] lists them; the binary `monitor` runs all of them in turns and prints the table of `docs/benchmarks.md`,
//! the criterion benchmark `record` measures single ones.
//!
//! What it does *not* do: it does not scrape, export or check what was recorded.

pub mod limits;
mod peers;
mod recorder;
pub mod timing;
mod workload;

pub use recorder::{Batch, Recorder, recorders};
pub use workload::{LABELS, Workload};
