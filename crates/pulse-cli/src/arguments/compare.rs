//! `pulse compare`.

use std::path::PathBuf;

use clap::Args;
use pulse_suite::History;

use crate::comparison_report::ComparisonRequest;

/// Arguments of `pulse compare`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CompareArguments {
    /// What is compared with: a recording, a baseline (name or file), or the number of a run in the history.
    pub(crate) before: String,
    /// What is compared.
    pub(crate) after: String,
    /// Smallest change that matters, a share or percentage.
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = super::share)]
    pub(crate) min_effect: f64,
    /// Report to write: json|md|html|svg|png=PATH; repeatable; - is standard output [default: text on standard output].
    #[arg(short, long = "out", value_name = "FORMAT=PATH")]
    pub(crate) out: Vec<ComparisonRequest>,
    /// The history that holds the names.
    #[arg(long, value_name = "PATH", default_value = History::PATH)]
    pub(crate) history: PathBuf,
}
