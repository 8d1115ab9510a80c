//! A file is named after the noun it holds; names that fit any content are not used.

use crate::finding::Finding;
use crate::repository::Repository;

const NAMES: &[&str] = &["utils", "helpers", "common", "imp"];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let sources = repository.texts_with(&["rs"]);
    sources
        .filter_map(|(path, _)| {
            let parts = path.strip_suffix(".rs").unwrap_or(path).split('/');
            let name = parts.into_iter().find(|part| NAMES.contains(part))?;
            let problem = format!("a module named `{name}` can hold anything");
            Some(Finding::new(path, 1, problem, "name it after the noun it holds"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::testing::with_files;

    #[test]
    fn empty_names_are_found_as_file_and_as_folder() {
        let cases = [
            ("crates/a/src/utils.rs", true),
            ("crates/a/src/helpers.rs", true),
            ("crates/a/src/imp.rs", true),
            ("crates/a/tests/common/mod.rs", true),
            ("crates/a/src/import.rs", false),
            ("crates/a/src/commonality.rs", false),
            ("docs/common.md", false),
        ];
        for (path, found) in cases {
            assert_eq!(check(&with_files(&[(path, "")])).len(), usize::from(found), "{path}");
        }
    }
}
