//! Every dependency that the root `Cargo.toml` offers is used by a crate; otherwise its reason is gone.

use crate::finding::Finding;
use crate::generate::dependencies::{self, MANIFEST};
use crate::repository::Repository;

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    // A manifest with mistakes is reported by the generated file that is made from it.
    let entries = dependencies::entries(repository.text(MANIFEST).unwrap_or_default()).unwrap_or_default();
    let is_used = |name: &str| {
        let dependencies = repository.packages.iter().flat_map(|package| &package.dependencies);
        dependencies.into_iter().any(|dependency| dependency.name == name)
    };
    let unused = entries.iter().filter(|entry| !is_used(&entry.name));
    unused
        .map(|entry| {
            let problem = format!("no crate uses `{}`", entry.name);
            Finding::new(MANIFEST, entry.line, problem, "remove the line")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::testing::{package, with_files};

    #[test]
    fn what_no_crate_uses_is_found() {
        let manifest =
            "[workspace.dependencies]\nserde = \"1\" # data\ncsv = \"1\" # feeds\nleft-pad = \"1\" # pads\n";
        let mut repository = with_files(&[(MANIFEST, manifest)]);
        repository.packages = vec![package("pulse-model", &["+serde", "dev:+csv"])];
        let found: Vec<String> = check(&repository).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["Cargo.toml:4: no crate uses `left-pad` (remove the line)"]);
    }
}
