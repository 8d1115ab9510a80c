//! Generated files are what their generators make of the sources now.

use crate::finding::Finding;
use crate::generate::{self, Generated};
use crate::repository::Repository;

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    generate::TABLE.iter().flat_map(|entry| compare(repository, entry)).collect()
}

fn compare(repository: &Repository, entry: &Generated) -> Vec<Finding> {
    let wanted = match (entry.generate)(repository) {
        Ok(wanted) => wanted,
        Err(findings) => return findings,
    };
    let fix = "run `cargo xtask generate`";
    match repository.text(entry.path) {
        None => vec![Finding::new(entry.path, 1, "a generated file is missing", fix)],
        Some(text) if text != wanted => {
            let same = text.lines().zip(wanted.lines()).take_while(|(is, should)| is == should).count();
            vec![Finding::new(entry.path, same + 1, "differs from what its sources generate", fix)]
        }
        Some(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::testing::with_files;

    const ENTRY: Generated = Generated { path: "out.md", generate: |_| Ok("one\ntwo\n".to_owned()) };

    #[test]
    fn a_stale_file_is_found_with_its_first_wrong_line() {
        let cases = [("one\ntwo\n", None), ("one\n2\n", Some(2)), ("one\n", Some(2)), ("", Some(1))];
        for (text, line) in cases {
            let found = compare(&with_files(&[("out.md", text)]), &ENTRY);
            assert_eq!(found.first().map(|finding| finding.line), line, "{text:?}");
        }
    }

    #[test]
    fn a_missing_file_is_found() {
        let found = compare(&Repository::default(), &ENTRY);
        assert!(found[0].fix.contains("cargo xtask generate"));
    }

    #[test]
    fn what_a_generator_finds_is_passed_on() {
        let broken = Generated {
            path: "out.md",
            generate: |_| Err(vec![Finding::new("in.toml", 3, "no reason", "give one")]),
        };
        assert_eq!(compare(&Repository::default(), &broken)[0].path, "in.toml");
    }
}
