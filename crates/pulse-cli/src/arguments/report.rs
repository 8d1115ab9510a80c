//! `pulse report`.

use std::path::PathBuf;

use clap::Args;

use super::WhenInconclusive;
use crate::report_files::ReportRequest;

/// Arguments of `pulse report`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReportArguments {
    /// A recording made with `pulse load --record`.
    pub(crate) recording: PathBuf,
    /// Report to write: text|json|csv|md|junit|html|svg|png=PATH; repeatable; - is standard output [default: text on standard output].
    #[arg(short, long = "out", value_name = "FORMAT=PATH")]
    pub(crate) out: Vec<ReportRequest>,
    /// What an inconclusive target means for the exit code.
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub(crate) inconclusive: WhenInconclusive,
}
