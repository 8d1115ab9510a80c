//! The repository as plain data: every check is a function over it, so tests build one from a table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use cargo_metadata::{DependencyKind, MetadataCommand};

/// Everything the checks look at.
#[derive(Debug, Default)]
pub(crate) struct Repository {
    /// Where the files are on disk; only writing needs it.
    pub(crate) root: PathBuf,
    /// Tracked and new (not ignored) files by path from the root.
    pub(crate) files: BTreeMap<String, Content>,
    /// The crates of the workspace.
    pub(crate) packages: Vec<Package>,
}

/// A file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Text(String),
    /// Not UTF-8: images and the like, which only need to exist.
    Binary,
}

/// One crate of the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Path of its `Cargo.toml` from the root.
    pub(crate) manifest: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a crate's dependency tables.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Used by tests, examples and benchmarks only.
    pub(crate) dev: bool,
    /// A crate of this repository.
    pub(crate) own: bool,
}

impl Repository {
    /// Reads the repository that xtask was built from.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask has no parent folder: run it from a checkout with `cargo xtask`")?;
        let packages = packages(root)?;
        Ok(Self { root: root.to_owned(), files: files(root)?, packages })
    }

    /// The files that are text, with their text.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, content)| match content {
            Content::Text(text) => Some((path.as_str(), text.as_str())),
            Content::Binary => None,
        })
    }

    /// The text files with one of the given extensions.
    pub(crate) fn texts_with<'a>(
        &'a self,
        extensions: &'a [&'a str],
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.texts().filter(move |(path, _)| extensions.contains(&extension(path)))
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        match self.files.get(path)? {
            Content::Text(text) => Some(text),
            Content::Binary => None,
        }
    }
}

/// What follows the last dot of the file's name; empty when there is none.
pub(crate) fn extension(path: &str) -> &str {
    Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

/// The number of the line, from 1, that holds the byte at `offset`.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn files(root: &Path) -> anyhow::Result<BTreeMap<String, Content>> {
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("cannot run git, which lists the files to check: install it")?;
    if !listing.status.success() {
        bail!("git ls-files failed: {}", String::from_utf8_lossy(&listing.stderr).trim());
    }
    let mut files = BTreeMap::new();
    for path in String::from_utf8_lossy(&listing.stdout).split('\0').filter(|path| !path.is_empty()) {
        let file = root.join(path);
        // A file that was deleted but not yet committed is still listed; a link's content belongs to another path.
        if !file.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            continue;
        }
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read {path}"))?;
        files.insert(path.to_owned(), String::from_utf8(bytes).map_or(Content::Binary, Content::Text));
    }
    Ok(files)
}

fn packages(root: &Path) -> anyhow::Result<Vec<Package>> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cannot read the workspace with `cargo metadata`")?;
    let packages = metadata.packages.iter().map(|package| Package {
        name: package.name.to_string(),
        manifest: package
            .manifest_path
            .strip_prefix(&metadata.workspace_root)
            .unwrap_or(&package.manifest_path)
            .as_str()
            .replace('\\', "/"),
        dependencies: package
            .dependencies
            .iter()
            .map(|dependency| Dependency {
                name: dependency.name.clone(),
                dev: dependency.kind == DependencyKind::Development,
                own: dependency.path.is_some(),
            })
            .collect(),
    });
    Ok(packages.collect())
}

#[cfg(test)]
pub(crate) mod testing {
    //! Repositories for the tests of the checks.

    use super::*;

    /// A repository of text files.
    pub(crate) fn with_files(files: &[(&str, &str)]) -> Repository {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), Content::Text((*text).to_owned())))
            .collect();
        Repository { files, ..Repository::default() }
    }

    /// A crate with edges written as `name` or `dev:name`; a leading `+` marks a crate from outside.
    pub(crate) fn package(name: &str, edges: &[&str]) -> Package {
        let dependencies = edges.iter().map(|edge| {
            let (dev, edge) = edge.strip_prefix("dev:").map_or((false, *edge), |rest| (true, rest));
            let (own, name) = edge.strip_prefix('+').map_or((true, edge), |rest| (false, rest));
            Dependency { name: name.to_owned(), dev, own }
        });
        let dependencies = dependencies.collect();
        Package { name: name.to_owned(), manifest: format!("crates/{name}/Cargo.toml"), dependencies }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_count_from_one() {
        let cases = [(0, 1), (1, 1), (2, 2), (3, 3), (99, 4)];
        for (offset, line) in cases {
            assert_eq!(line_at("a\n\nb\n", offset), line, "offset {offset}");
        }
    }

    #[test]
    fn extensions_are_those_of_the_last_part() {
        let cases = [("a/b.rs", "rs"), ("a.d/b", ""), (".gitignore", ""), ("x.snap.new", "new")];
        for (path, expected) in cases {
            assert_eq!(extension(path), expected, "{path}");
        }
    }

    #[test]
    fn this_repository_can_be_read() {
        let repository = Repository::load().unwrap();
        assert!(repository.text("xtask/src/repository.rs").is_some());
        assert!(repository.packages.iter().any(|package| package.name == "pulse-model"));
    }
}
