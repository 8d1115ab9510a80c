//! Advice on databases: what it gains beside the advisor of SQLite's own shell, how long the selection takes, and how often the
//! plans that it expects are those that come true. The work is in the examples of `pulse-db`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

/// Rows of the database on which the whole of the selection and of the analysis is timed: a gigabyte.
const ROWS: &str = "6200000";

/// Runs the examples one after another; what they print are the tables.
pub(crate) fn run(root: &Path, pairs: u32) -> anyhow::Result<String> {
    let examples = [
        ("against_expert", None),
        ("index_selection", Some(ROWS.to_owned())),
        ("plan_identity", Some(pairs.to_string())),
    ];
    let mut printed = Vec::new();
    for (example, argument) in examples {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["run", "--release", "--quiet", "--package", "pulse-db", "--example", example, "--"]);
        let output = command.args(argument).current_dir(root).output().context("cargo cannot be run")?;
        if !output.status.success() {
            bail!("{example} failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        printed.push(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    Ok(printed.join("\n\n"))
}
