//! What recording costs beside other libraries, and whether it stays within its memory: programs of the folder `benches`,
//! which has a workspace of its own because of its many peers.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Runs one of the programs with so many rounds or seconds and returns its table.
pub(crate) fn run(root: &Path, program: &str, count: u32) -> anyhow::Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["run", "--release", "--quiet", "--locked", "--manifest-path", "benches/Cargo.toml"])
        .args(["--target-dir", "target/benches", "--bin", program, "--", &count.to_string()])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be run")?;
    if !output.status.success() {
        bail!("the benchmark failed");
    }
    String::from_utf8(output.stdout).context("the benchmark wrote something else than text")
}
