//! Whether the verdict on a run names what disturbed it, and whether it is quiet when nothing did: the tests of faults,
//! many times.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

/// Clean runs for each run with a fault.
const CLEAN_PER_FAULT: u32 = 8;
/// What the lines of the tests begin with that belong into the table.
const ROW: &str = "| ";

/// Repeats each fault so many times, and returns the table of what was named.
pub(crate) fn run(root: &Path, pulse: &Path, count: u32) -> anyhow::Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["test", "--quiet", "--package", "pulse-engine", "--package", "pulse-cli", "--test", "faults"])
        .args(["--", "--nocapture", "--test-threads=1"])
        // What people run, not a build for tests: what is slow in that is not what is measured.
        .env("PULSE_TEST_BINARY", pulse)
        .env("PULSE_TEST_FAULTS", count.to_string())
        .env("PULSE_TEST_CLEAN", (count * CLEAN_PER_FAULT).max(100).to_string())
        .current_dir(root)
        .output()
        .context("cargo cannot be run")?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!(
            "a fault was not named, or a clean run was blamed:\n{said}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(table(&said))
}

/// The rows that the tests printed, among what the test runner says itself.
fn table(said: &str) -> String {
    let rows = said.lines().filter_map(|line| line.find(ROW).and_then(|at| line.get(at..)));
    let head = "| fault | runs | named by | named | named besides |\n|---|---|---|---|---|";
    std::iter::once(head).chain(rows).fold(String::new(), |table, row| table + row + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_among_what_the_runner_says() {
        let said = "running 2 tests\n.| hog | 12 | `cpu_wait` | 12 | |\n. 1/2\nok\n";
        let table = table(said);
        assert_eq!(table.lines().skip(2).collect::<Vec<_>>(), ["| hog | 12 | `cpu_wait` | 12 | |"]);
    }
}
