//! `pulse demo`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pulse_demo::{Character, LatencyLaw, Stall, parse_error_rate, parse_leak};
use pulse_model::Nanos;

use super::DashboardFlags;
use crate::report_files::ReportRequest;

/// Arguments of `pulse demo`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DemoArguments {
    #[command(subcommand)]
    pub(crate) action: Option<DemoAction>,
    /// Users.
    #[arg(short, long, value_name = "N", default_value_t = 20)]
    pub(crate) users: u64,
    /// Length of the load.
    #[arg(long, value_name = "D", default_value = "10s")]
    pub(crate) duration: Nanos,
    /// Report to write besides pulse-report.json: text|json|csv|md|junit|html|svg|png=PATH; repeatable.
    #[arg(short, long = "out", value_name = "FORMAT=PATH")]
    pub(crate) out: Vec<ReportRequest>,
    /// Keep the events of the run in a file, for `pulse report`.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// No progress while it runs.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) dashboard: DashboardFlags,
    #[command(flatten)]
    pub(crate) character: CharacterArguments,
}

/// What to do with the demo.
#[derive(Debug, Subcommand)]
pub(crate) enum DemoAction {
    /// Only run the demo trading API, until Ctrl-C.
    Serve(ServeArguments),
}

/// Arguments of `pulse demo serve`.
#[derive(Args, Debug)]
pub(crate) struct ServeArguments {
    /// Port on the loopback interface.
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub(crate) port: u16,
    /// Database file, kept and continued [default: a temporary one].
    #[arg(long, value_name = "PATH")]
    pub(crate) db: Option<PathBuf>,
    /// Trades in a new database.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) trades: u64,
    /// Share the monitor's figures under this name, for `pulse monitor shm:NAME` [default: `PULSE_GROUP`, else with nobody].
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Option<String>,
    /// Write all statements to the database, with their values and durations, to a new file (JSON Lines).
    #[arg(long, value_name = "FILE")]
    pub(crate) workload: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) character: CharacterArguments,
}

/// How the demo behaves, so that tools can be tested against a known character.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Character")]
pub(crate) struct CharacterArguments {
    /// Added latency: fixed:5ms, uniform:1ms..9ms, exponential:mean=5ms or lognormal:p50=12ms,p99=90ms (which is what
    /// `pulse demo` runs with; `pulse demo serve` adds none).
    #[arg(long, value_name = "LAW")]
    latency: Option<LatencyLaw>,
    /// Stop answering for a while, over and over: 1s/10s.
    #[arg(long, value_name = "LENGTH/PERIOD")]
    stall: Option<Stall>,
    /// Share of requests that fail with status 500: 0.1%.
    #[arg(long, value_name = "SHARE", value_parser = parse_error_rate, default_value = "0")]
    error_rate: f64,
    /// Memory to keep with each request: 10KB/request.
    #[arg(long, value_name = "BYTES/request", value_parser = parse_leak, default_value = "0KB/request")]
    leak: u64,
}

impl CharacterArguments {
    /// As the demo takes it.
    pub(crate) fn character(&self) -> Character {
        Character {
            latency: self.latency,
            stall: self.stall,
            error_rate: self.error_rate,
            leak_bytes_per_request: self.leak,
        }
    }
}
