//! Every fuzz target of `fuzz/Cargo.toml` is a file, and every file is a target.

use crate::finding::Finding;
use crate::fuzz::{self, MANIFEST, TARGETS};
use crate::repository::Repository;

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let Some(manifest) = repository.text(MANIFEST) else {
        return vec![Finding::new(MANIFEST, 1, "the fuzz targets have no manifest", "restore it")];
    };
    let targets = match fuzz::targets(manifest) {
        Ok(targets) => targets,
        Err(error) => return vec![Finding::new(MANIFEST, 1, error.to_string(), "correct it")],
    };
    let mut findings = Vec::new();
    for target in &targets {
        let file = format!("fuzz/{}", target.path);
        if !repository.files.contains_key(&file) {
            let problem = format!("fuzz target `{}` has no file {file}", target.name);
            findings.push(Finding::new(MANIFEST, target.line, problem, "write it, or drop the target"));
        }
    }
    for (path, _) in repository.texts_with(&["rs"]).filter(|(path, _)| path.starts_with(TARGETS)) {
        if !targets.iter().any(|target| path.strip_prefix("fuzz/") == Some(&target.path)) {
            findings.push(Finding::new(path, 1, "not a fuzz target", format!("list it in {MANIFEST}")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::testing::with_files;

    const ONE: &str = "[[bin]]\nname = \"one\"\npath = \"fuzz_targets/one.rs\"\n";

    #[test]
    fn manifest_and_files_agree() {
        assert!(check(&with_files(&[(MANIFEST, ONE), ("fuzz/fuzz_targets/one.rs", "")])).is_empty());
    }

    #[test]
    fn a_target_without_file_is_found() {
        let found = check(&with_files(&[(MANIFEST, ONE)]));
        assert_eq!((found.len(), found[0].line), (1, 1));
    }

    #[test]
    fn a_file_without_target_is_found() {
        let found = check(&with_files(&[
            (MANIFEST, ONE),
            ("fuzz/fuzz_targets/one.rs", ""),
            ("fuzz/fuzz_targets/two.rs", ""),
        ]));
        assert_eq!((found.len(), found[0].path.as_str()), (1, "fuzz/fuzz_targets/two.rs"));
    }

    #[test]
    fn a_manifest_that_cannot_be_read_is_found() {
        assert_eq!(check(&with_files(&[(MANIFEST, "[[bin]")])).len(), 1);
        assert_eq!(check(&Repository::default()).len(), 1);
    }
}
