//! The program `pulse`: arguments → job → exit code.

mod arguments;
mod commands;
mod diagnostic;
mod exit;
mod interrupt;
mod problem;
mod report_files;
mod source;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command, with_example};

fn main() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| with_example(error).exit());
    let outcome = match arguments.command {
        Command::Load(load) => commands::load::run(&load),
        Command::Report(report) => commands::report::run(&report),
        Command::Demo(demo) => commands::demo::run(&demo),
    };
    let exit = outcome.unwrap_or_else(|problem| {
        problem.print();
        problem.exit
    });
    exit.into()
}
