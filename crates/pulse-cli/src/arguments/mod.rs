//! The command line, as plain data. What it means is decided in [`crate::commands`].

mod access;
mod capacity;
mod compare;
mod connection;
mod dashboard;
mod db;
mod demo;
mod examples;
mod handling;
mod history;
mod load;
mod monitor;
mod report;
mod test;
mod validate;

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use access::AccessFlags;
pub(crate) use capacity::CapacityArguments;
pub(crate) use compare::CompareArguments;
pub(crate) use connection::{ConnectionFlags, of_environment};
pub(crate) use dashboard::DashboardFlags;
pub(crate) use db::{DbAction, DbArguments, database_path};
pub(crate) use demo::{DemoAction, DemoArguments, ServeArguments};
pub(crate) use examples::with_example;
pub(crate) use handling::HandlingFlags;
pub(crate) use history::HistoryArguments;
pub(crate) use load::LoadArguments;
pub(crate) use monitor::{MonitorArguments, MonitorSource};
pub(crate) use report::ReportArguments;
pub(crate) use test::TestArguments;
pub(crate) use validate::ValidateArguments;

/// Performance testing and monitoring for API teams: is it fast enough, and can the numbers be trusted?
#[derive(Debug, Parser)]
#[command(name = "pulse", version, propagate_version = true, after_help = crate::exit::help_table())]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load a service and judge its response times against targets.
    #[command(after_help = examples::LOAD, allow_negative_numbers = true)]
    Load(Box<LoadArguments>),
    /// Run suites of cases and judge them against their targets.
    #[command(after_help = examples::TEST)]
    Test(Box<TestArguments>),
    /// Find the highest rate, or number of users, that still meets the targets.
    #[command(after_help = examples::CAPACITY, allow_negative_numbers = true)]
    Capacity(Box<CapacityArguments>),
    /// Watch a running service, a process, or processes that share a monitor, and judge them against targets.
    #[command(after_help = examples::MONITOR)]
    Monitor(Box<MonitorArguments>),
    /// Say what makes a database slow, and make the changes that are proven to help.
    #[command(after_help = examples::DB)]
    Db(Box<DbArguments>),
    /// Check whether this machine and this set-up can give true numbers.
    #[command(after_help = examples::VALIDATE)]
    Validate(ValidateArguments),
    /// Compare two runs: what became slower, what faster, and is it more than chance?
    #[command(after_help = examples::COMPARE)]
    Compare(CompareArguments),
    /// List the runs that were kept, draw trends, and find the runs that changed them.
    #[command(after_help = examples::HISTORY)]
    History(HistoryArguments),
    /// Show a recorded run again, in any format.
    #[command(after_help = examples::REPORT)]
    Report(ReportArguments),
    /// Start the demo trading API, load it for ten seconds and print the report.
    #[command(after_help = examples::DEMO)]
    Demo(Box<DemoArguments>),
}

/// What an inconclusive target means for the exit code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum WhenInconclusive {
    /// It says so and exits like a pass.
    #[default]
    Warn,
    /// It exits like a failure.
    Fail,
    /// It exits like a pass, and nothing is said.
    Pass,
}

impl From<WhenInconclusive> for pulse_suite::WhenInconclusive {
    fn from(when: WhenInconclusive) -> Self {
        match when {
            WhenInconclusive::Warn => Self::Warn,
            WhenInconclusive::Fail => Self::Fail,
            WhenInconclusive::Pass => Self::Pass,
        }
    }
}

/// Reads a share: `5%` or `0.05`; from 0 to 1 000 %.
fn share(text: &str) -> Result<f64, String> {
    let (number, divisor) = text.strip_suffix('%').map_or((text, 1.0), |percent| (percent, 100.0));
    match number.trim().parse::<f64>() {
        Ok(number) if (0.0..=10.0).contains(&(number / divisor)) => Ok(number / divisor),
        _ => Err("write a percentage or a share from 0 to 10, for example 5% or 0.05".to_owned()),
    }
}
