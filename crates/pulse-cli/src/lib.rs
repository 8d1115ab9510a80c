//! The command line of Pulse: arguments → job → exit code.
//!
//! [`main_with`] is the whole program as a function, so that it can be started by the binary `pulse` and by a Python
//! package's command alike.
//!
//! ```
//! assert_eq!(pulse_cli::main_with(["pulse", "--version"]), 0);
//! assert_eq!(pulse_cli::main_with(["pulse", "load", "--users", "many"]), 2);
//! ```
//!
//! What it does *not* do: no measuring and no judging (see the crates below), and nothing that another program could
//! build on besides starting it: the modules are private, the exit codes of `docs/reference.md` are the interface.

mod arguments;
mod attach;
mod commands;
mod comparison;
mod comparison_report;
mod dashboard;
mod diagnostic;
mod exit;
mod interrupt;
mod origin;
mod picture_link;
mod problem;
mod report_files;
mod self_tests;
mod source;
mod suite_files;
mod suite_follower;
mod suite_progress;
mod terminal;

use std::ffi::OsString;

use clap::Parser as _;

use arguments::{Arguments, Command, with_example};
use exit::Exit;

/// Runs the program to its end and returns its exit code, one of those in `pulse --help`.
///
/// The first argument is the program's name, as the system hands it over. Reports go to standard output, everything else
/// to standard error. Jobs that can be interrupted handle SIGINT and SIGTERM from their start on, whatever the host did
/// with them before; a second signal ends the whole process with 130, since by then nothing else may be running as it
/// should. In every other case the function returns, after a bug of Pulse itself too.
pub fn main_with<I>(arguments: I) -> u8
where
    I: IntoIterator,
    I::Item: Into<OsString> + Clone,
{
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return refuse(error),
    };
    // A panic has printed its message already; what is left to do is the documented exit code.
    std::panic::catch_unwind(|| run(arguments)).unwrap_or(Exit::Internal).code()
}

/// Prints what clap has to say: a mistake, or the help that was asked for.
fn refuse(error: clap::Error) -> u8 {
    let error = with_example(error);
    // A reader that has gone away needs neither.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.code() } else { Exit::Success.code() }
}

fn run(arguments: Arguments) -> Exit {
    let outcome = match arguments.command {
        Command::Load(load) => commands::load::run(&load),
        Command::Test(test) => commands::test::run(&test),
        Command::Capacity(capacity) => commands::capacity::run(&capacity),
        Command::Monitor(monitor) => commands::monitor::run(&monitor),
        Command::Db(db) => commands::db::run(&db),
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
