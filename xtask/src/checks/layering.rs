//! Crates depend downwards only, and only on what the table in `layers.rs` grants them.

use crate::finding::Finding;
use crate::layers::{self, Layer, TEST_SUPPORT};
use crate::repository::{Dependency, Package, Repository};

const TABLE: &str = "the table is xtask/src/layers.rs, its twin is in ARCHITECTURE.md";

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &repository.packages {
        let manifest = repository.text(&package.manifest).unwrap_or_default();
        let Some(entry) = layers::find(&package.name) else {
            findings.push(Finding::new(
                &package.manifest,
                line_of(manifest, "name"),
                format!("crate {} has no layer", package.name),
                format!("give it a line, if it really needs its own dependency boundary; {TABLE}"),
            ));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.own) {
            if let Some((problem, fix)) = judge(entry, package, dependency) {
                let line = line_of(manifest, &dependency.name);
                findings.push(Finding::new(&package.manifest, line, problem, fix));
            }
        }
    }
    findings
}

/// What is wrong with one edge, and what to do.
fn judge(entry: &layers::Crate, package: &Package, dependency: &Dependency) -> Option<(String, String)> {
    let (from, to) = (package.name.as_str(), dependency.name.as_str());
    // A crate may depend on itself in tests, to switch features on.
    let granted =
        entry.may_use.contains(&to) || (dependency.dev && (TEST_SUPPORT.contains(&to) || to == from));
    if granted {
        return None;
    }
    let Some(used) = layers::find(to) else {
        return Some((format!("{from} uses {to}, which has no layer"), format!("give it a line; {TABLE}")));
    };
    Some(match (entry.layer, used.layer) {
        (_, Layer::Development) => (
            format!("{from} uses {to}, which serves tests, outside of its tests"),
            "move the line to [dev-dependencies]".to_owned(),
        ),
        (Layer::Numbered(upper), Layer::Numbered(lower)) if lower > upper => (
            format!("{from} (L{upper}) uses {to} (L{lower}): the arrow points up"),
            "move the code that needs it into a higher layer, or hand the result down as data".to_owned(),
        ),
        (Layer::Numbered(upper), Layer::Numbered(lower)) if lower == upper => (
            format!("{from} uses {to} of the same layer, L{upper}"),
            "let a higher layer join the two, or move the shared noun into pulse-model".to_owned(),
        ),
        _ => (format!("{from} may not use {to}"), format!("do without, or change the design first; {TABLE}")),
    })
}

/// The first line that begins with the key; 1 when none does.
fn line_of(manifest: &str, key: &str) -> usize {
    let is_key = |line: &str| {
        line.trim_start().strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', ' ', '=', '\t']))
    };
    manifest.lines().position(is_key).map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::testing::{package, with_files};

    fn problems(packages: Vec<Package>) -> Vec<String> {
        let repository = Repository { packages, ..Repository::default() };
        check(&repository).into_iter().map(|finding| finding.problem).collect()
    }

    #[test]
    fn downward_edges_pass() {
        let packages = vec![
            package("pulse-model", &["+serde", "dev:pulse-testkit", "dev:pulse-model"]),
            package("pulse-http", &["pulse-model", "+tokio", "dev:pulse-testkit"]),
            package("pulse-engine", &["pulse-model", "pulse-stats", "pulse-plan", "pulse-http"]),
            package("pulse-demo", &["pulse-model"]),
            package("pulse-cli", &["pulse-engine", "pulse-demo", "dev:pulse-testkit", "dev:pulse-http"]),
            package("pulse-testkit", &["pulse-model"]),
        ];
        assert_eq!(problems(packages), Vec::<String>::new());
    }

    #[test]
    fn other_edges_fail() {
        let cases = [
            ("pulse-model", "pulse-plan", "points up"),
            ("pulse-plan", "dev:pulse-engine", "points up"),
            ("pulse-plan", "pulse-stats", "same layer"),
            ("pulse-live", "pulse-engine", "may not use"),
            ("pulse-demo", "pulse-engine", "may not use"),
            ("pulse-engine", "pulse-demo", "may not use"),
            ("pulse-engine", "pulse-testkit", "outside of its tests"),
            ("pulse-testkit", "pulse-http", "may not use"),
            ("pulse-engine", "pulse-magic", "has no layer"),
            ("pulse-magic", "pulse-model", "crate pulse-magic has no layer"),
        ];
        for (from, edge, part) in cases {
            let found = problems(vec![package(from, &[edge])]);
            assert!(found.len() == 1 && found[0].contains(part), "{from} -> {edge}: {found:?}");
        }
    }

    #[test]
    fn the_line_of_the_edge_is_named() {
        let manifest = "[package]\nname = \"pulse-model\"\n\n[dependencies]\npulse-plan.workspace = true\n";
        let mut repository = with_files(&[("crates/pulse-model/Cargo.toml", manifest)]);
        repository.packages = vec![package("pulse-model", &["pulse-plan"])];
        assert_eq!(check(&repository)[0].line, 5);
    }
}
