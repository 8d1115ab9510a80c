//! The command line, as plain data. What it means is decided in [`crate::commands`].

mod demo;
mod examples;
mod load;
mod report;

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use demo::{DemoAction, DemoArguments, ServeArguments};
pub(crate) use examples::with_example;
pub(crate) use load::LoadArguments;
pub(crate) use report::ReportArguments;

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
}
