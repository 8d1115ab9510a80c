//! `pulse history`.

use std::path::PathBuf;

use clap::Args;
use pulse_suite::History;

/// Arguments of `pulse history`.
#[derive(Args, Clone, Debug)]
pub(crate) struct HistoryArguments {
    /// Draw the trends of this case, and of those whose ids begin so [default: list the runs].
    #[arg(value_name = "CASE")]
    pub(crate) case: Option<String>,
    /// Show which runs changed a figure, instead of the trends.
    #[arg(long)]
    pub(crate) changes: bool,
    /// The newest runs that are looked at [default: 20 in the list, 1000 otherwise].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: Option<u32>,
    /// The history.
    #[arg(long, value_name = "PATH", default_value = History::PATH)]
    pub(crate) history: PathBuf,
}
