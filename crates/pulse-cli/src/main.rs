//! The program `pulse`: arguments → job → exit code.

mod arguments;
mod commands;
mod comparison;
mod comparison_report;
mod diagnostic;
mod exit;
mod interrupt;
mod origin;
mod problem;
mod report_files;
mod source;
mod suite_files;
mod suite_progress;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command, with_example};
use exit::Exit;

fn main() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| with_example(error).exit());
    // A panic has printed its message already; what is left to do is the documented exit code.
    std::panic::catch_unwind(|| run(arguments)).unwrap_or(Exit::Internal).into()
}

fn run(arguments: Arguments) -> Exit {
    let outcome = match arguments.command {
        Command::Load(load) => commands::load::run(&load),
        Command::Test(test) => commands::test::run(&test),
        Command::Capacity(capacity) => commands::capacity::run(&capacity),
        Command::Validate(validate) => commands::validate::run(&validate),
        Command::Compare(compare) => commands::compare::run(&compare),
        Command::History(history) => commands::history::run(&history),
        Command::Report(report) => commands::report::run(&report),
        Command::Demo(demo) => commands::demo::run(&demo),
    };
    outcome.unwrap_or_else(|problem| {
        problem.print();
        problem.exit
    })
}
