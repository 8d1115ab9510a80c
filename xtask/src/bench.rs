//! `cargo xtask bench`: slow proofs with numbers for the documents. Each is one file and prints the table that a document
//! shows; none of them is part of `./test`.

mod db;
mod gate;
mod load;
mod monitor;
mod pacing;
mod page;
mod suite_gate;
mod validity;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::arguments::{BenchOptions, Benchmark};
use crate::output;
use crate::repository::Repository;

/// Runs one benchmark and prints its table.
pub(crate) fn run(repository: &Repository, options: &BenchOptions) -> anyhow::Result<()> {
    let table = match options.benchmark {
        Benchmark::Db => db::run(&repository.root, options.count)?,
        Benchmark::Gate => {
            gate::run(&release(&repository.root)?, &repository.root.join("target"), options.count)?
        }
        Benchmark::SuiteGate => {
            suite_gate::run(&release(&repository.root)?, &repository.root.join("target"), options.count)?
        }
        Benchmark::Load => load::run(&repository.root, &release(&repository.root)?, options)?,
        Benchmark::Monitor => monitor::run(&repository.root, "monitor", options.count)?,
        Benchmark::Pacing => pacing::run(&repository.root, &release(&repository.root)?, options.count)?,
        Benchmark::Page => page::run(&repository.root, &release(&repository.root)?, options.count)?,
        Benchmark::Validity => validity::run(&repository.root, &release(&repository.root)?, options.count)?,
        Benchmark::Soak => monitor::run(&repository.root, "soak", options.count)?,
    };
    output::line(&table);
    Ok(())
}

/// The release build of the program, brought up to date.
fn release(root: &Path) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--package", "pulse-cli"])
        .current_dir(root)
        .status()
        .context("cargo cannot be run")?;
    if !status.success() {
        bail!("the release build failed");
    }
    Ok(root.join("target/release/pulse"))
}
