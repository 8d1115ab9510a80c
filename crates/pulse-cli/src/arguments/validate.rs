//! `pulse validate`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `pulse validate`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ValidateArguments {
    /// Suite and scenario files, or folders, to check [default: pulse.toml and perf/**/*.toml].
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Base URL of the service to reach [default: that of the suites].
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The checks as JSON on standard output.
    #[arg(long = "json")]
    pub(crate) as_json: bool,
}
