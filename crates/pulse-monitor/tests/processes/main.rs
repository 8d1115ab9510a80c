//! Groups of real processes: killed, restarted, forked, stopped. This program is the tests and, started with the word
//! `worker`, also the processes that they are about. (It has its own `main`, because a fork is only safe to reason about in
//! a process that is not a test harness.)

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests, though clippy cannot tell")]

mod cases;
mod runner;
mod service;
mod worker;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((first, rest)) = arguments.split_first()
        && first == "worker"
    {
        worker::main(rest);
        return ExitCode::SUCCESS;
    }
    runner::run(&arguments, cases::ALL)
}
