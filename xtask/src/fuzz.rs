//! `cargo xtask fuzz`: every fuzz target for a limited time, with limits on input and memory.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use toml_edit::{Document, Item};

use crate::arguments::FuzzOptions;
use crate::output;
use crate::repository::{Repository, line_at};

pub(crate) const MANIFEST: &str = "fuzz/Cargo.toml";
pub(crate) const TARGETS: &str = "fuzz/fuzz_targets/";

/// The longest input: long enough for every rule of the three grammars, short enough to be tried often.
const INPUT_BYTES: u32 = 4096;
/// Beyond this a target counts as eating memory. The parsers themselves stay far below; the sanitizer does not.
const MEMORY_MEBIBYTES: u32 = 2048;
/// Beyond this one input counts as a hang.
const INPUT_SECONDS: u32 = 10;

/// One `[[bin]]` of the fuzz manifest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// Path of its source from `fuzz/`.
    pub(crate) path: String,
    /// Its line in the manifest, from 1.
    pub(crate) line: usize,
}

/// The targets that a fuzz manifest lists.
pub(crate) fn targets(manifest: &str) -> anyhow::Result<Vec<Target>> {
    let document = Document::parse(manifest)?;
    let bins = document.get("bin").and_then(Item::as_array_of_tables);
    let mut targets = Vec::new();
    for bin in bins.into_iter().flat_map(|bins| bins.iter()) {
        let text = |key: &str| bin.get(key).and_then(Item::as_str).map(str::to_owned);
        let name = text("name").context("a [[bin]] has no name")?;
        let path = text("path").with_context(|| format!("fuzz target `{name}` has no path"))?;
        let line = bin.span().map_or(1, |span| line_at(manifest, span.start));
        targets.push(Target { name, path, line });
    }
    Ok(targets)
}

/// Runs the chosen targets one after another and returns the names of those with a finding.
pub(crate) fn run(repository: &Repository, options: &FuzzOptions) -> anyhow::Result<Vec<String>> {
    let known = targets(repository.text(MANIFEST).context("there is no fuzz/Cargo.toml")?)?;
    let chosen = choose(&known, &options.targets)?;
    let installed = cargo_fuzz(&repository.root).arg("--version").output();
    if !installed.is_ok_and(|output| output.status.success()) {
        bail!(
            "fuzzing needs a nightly compiler and cargo-fuzz: \
             `rustup toolchain install nightly` and `cargo install cargo-fuzz --locked`"
        );
    }
    let mut failed = Vec::new();
    for target in chosen {
        output::fuzzing(target, options.seconds);
        let corpus = format!("fuzz/corpus/{target}");
        std::fs::create_dir_all(repository.root.join(&corpus))
            .with_context(|| format!("cannot create {corpus}"))?;
        let seeds = format!("fuzz/seeds/{target}");
        let has_seeds = repository.root.join(&seeds).is_dir();
        let status = cargo_fuzz(&repository.root)
            .args(["run", target, &corpus])
            .args(has_seeds.then_some(&seeds))
            .args(libfuzzer_flags(options.seconds))
            .status()
            .with_context(|| format!("cannot run fuzz target {target}"))?;
        if !status.success() {
            failed.push(target.to_owned());
        }
    }
    Ok(failed)
}

/// The names to run: all, or those asked for when every one of them exists.
fn choose<'a>(known: &'a [Target], asked: &'a [String]) -> anyhow::Result<Vec<&'a str>> {
    let names: Vec<&str> = known.iter().map(|target| target.name.as_str()).collect();
    if asked.is_empty() {
        return Ok(names);
    }
    if let Some(unknown) = asked.iter().find(|name| !names.contains(&name.as_str())) {
        bail!("no fuzz target `{unknown}`; there are: {}", names.join(", "));
    }
    Ok(asked.iter().map(String::as_str).collect())
}

fn libfuzzer_flags(seconds: u32) -> [String; 5] {
    [
        "--".to_owned(),
        format!("-max_total_time={seconds}"),
        format!("-max_len={INPUT_BYTES}"),
        format!("-rss_limit_mb={MEMORY_MEBIBYTES}"),
        format!("-timeout={INPUT_SECONDS}"),
    ]
}

/// `cargo fuzz` under the nightly compiler, which alone can instrument; what the surrounding `cargo run` set for the
/// stable one must not leak into it.
fn cargo_fuzz(root: &Path) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "fuzz"]).current_dir(root);
    for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN", "CARGO_TARGET_DIR"] {
        command.env_remove(name);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "\
[package]
name = \"fuzz\"

[[bin]]
name = \"one\"
path = \"fuzz_targets/one.rs\"

[[bin]]
name = \"two\"
path = \"fuzz_targets/two.rs\"
";

    #[test]
    fn targets_are_the_binaries_of_the_manifest() {
        let found = targets(MANIFEST).unwrap();
        let target = |name: &str, line| Target {
            name: name.to_owned(),
            path: format!("fuzz_targets/{name}.rs"),
            line,
        };
        assert_eq!(found, [target("one", 4), target("two", 8)]);
        assert_eq!(targets("[package]\n").unwrap(), []);
    }

    #[test]
    fn an_incomplete_target_is_an_error() {
        assert!(targets("[[bin]]\npath = \"x\"\n").is_err());
        assert!(targets("[[bin]]\nname = \"x\"\n").is_err());
    }

    #[test]
    fn only_known_targets_are_chosen() {
        let known = targets(MANIFEST).unwrap();
        assert_eq!(choose(&known, &[]).unwrap(), ["one", "two"]);
        assert_eq!(choose(&known, &["two".to_owned()]).unwrap(), ["two"]);
        let error = choose(&known, &["three".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("three") && error.contains("one, two"), "{error}");
    }

    #[test]
    fn every_run_is_limited() {
        let flags = libfuzzer_flags(60).join(" ");
        assert_eq!(flags, "-- -max_total_time=60 -max_len=4096 -rss_limit_mb=2048 -timeout=10");
    }
}
