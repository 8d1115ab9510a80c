//! Generated files, as a table: `cargo xtask generate` writes them, `cargo xtask tidy` compares them.

pub(crate) mod dependencies;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::finding::Finding;
use crate::repository::Repository;

/// A generated file. A new one is a new function and a new line in [`TABLE`].
pub(crate) struct Generated {
    /// Path from the root of the repository.
    pub(crate) path: &'static str,
    /// Its content, or what is wrong with the sources it is made from. Pure, so that tidy can compare.
    pub(crate) generate: fn(&Repository) -> Result<String, Vec<Finding>>,
}

/// Every generated file.
pub(crate) const TABLE: &[Generated] =
    &[Generated { path: "docs/dependencies.md", generate: dependencies::generate }];

/// What `cargo xtask generate` did.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The files that were not up to date.
    pub(crate) written: Vec<&'static str>,
    /// Why others could not be generated.
    pub(crate) findings: Vec<Finding>,
}

/// Writes the generated files that differ.
pub(crate) fn write(repository: &Repository) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    for entry in TABLE {
        match (entry.generate)(repository) {
            Ok(text) if repository.text(entry.path) == Some(text.as_str()) => {}
            Ok(text) => {
                let file = repository.root.join(entry.path);
                if let Some(folder) = file.parent() {
                    std::fs::create_dir_all(folder)
                        .with_context(|| format!("cannot create the folder of {}", entry.path))?;
                }
                std::fs::write(&file, text).with_context(|| format!("cannot write {}", entry.path))?;
                outcome.written.push(entry.path);
            }
            Err(findings) => outcome.findings.extend(findings),
        }
    }
    for manifest in ["fuzz/Cargo.toml", "benches/Cargo.toml"] {
        lock(&repository.root, manifest)?;
    }
    Ok(outcome)
}

/// Fuzz targets and benchmarks have workspaces, and so lock files, of their own; they follow the crates that are used.
fn lock(root: &Path, manifest: &str) -> anyhow::Result<()> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--manifest-path", manifest])
        .current_dir(root)
        .output()
        .with_context(|| format!("cannot run cargo to update the lock file of {manifest}"))?;
    if !output.status.success() {
        bail!("cannot lock {manifest}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
