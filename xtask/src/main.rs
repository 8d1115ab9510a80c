//! Repository checks, generated files, fuzzing and slow proofs.
//!
//! `cargo xtask tidy` checks what the compiler cannot: that crates depend downwards only, that files and functions
//! stay readable, that documents and generated files are true. `cargo xtask generate` writes the generated files,
//! `cargo xtask fuzz` runs the fuzz targets, `cargo xtask bench` the proofs that take too long for every change. What it does not do: build, lint or test; that is `./test`.

mod arguments;
mod bench;
mod checks;
mod finding;
mod fuzz;
mod generate;
mod layers;
mod output;
mod repository;

use std::process::ExitCode;

use crate::arguments::Command;
use crate::repository::Repository;

fn main() -> ExitCode {
    match arguments::parse(std::env::args().skip(1)).and_then(run) {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Help => {
            output::line(arguments::HELP);
            Ok(ExitCode::SUCCESS)
        }
        Command::Tidy => {
            let repository = Repository::load()?;
            let findings = checks::run(&repository);
            output::tidy(&findings, checks::ALL.len(), repository.files.len());
            Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Generate => {
            let repository = Repository::load()?;
            let outcome = generate::write(&repository)?;
            output::generated(&outcome);
            Ok(if outcome.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Bench(options) => {
            bench::run(&Repository::load()?, &options)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Fuzz(options) => {
            let repository = Repository::load()?;
            let failed = fuzz::run(&repository, &options)?;
            output::fuzzed(&failed);
            Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}
