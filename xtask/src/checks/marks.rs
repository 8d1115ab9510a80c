//! Nothing is left for later: no stubs, no switched-off tests, no marks of unfinished work.

use crate::finding::Finding;
use crate::repository::Repository;

const SOURCES: &[&str] = &["rs", "ts", "tsx", "js", "py", "sh", "css", "html", "toml", "yml", "yaml"];

/// The marks and what to do instead. They are put together here so that this file does not hold them itself.
const MARKS: &[(&str, &str)] = &[
    (concat!("to", "do!"), "write the code"),
    (concat!("unimple", "mented!"), "write the code, or make the case impossible by its type"),
    (concat!("#[ig", "nore"), "make the test run, or delete it"),
    (concat!("FIX", "ME"), "fix it, or open an issue"),
    (concat!("XX", "X"), "say in a full sentence what is dangerous, or fix it"),
];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.texts_with(SOURCES) {
        for (index, line) in text.lines().enumerate() {
            let found = MARKS.iter().filter(|(mark, _)| holds_word(line, mark));
            findings
                .extend(found.map(|(mark, fix)| Finding::new(path, index + 1, format!("`{mark}`"), *fix)));
        }
    }
    findings
}

/// Whether the mark occurs and is not a part of a longer word.
fn holds_word(line: &str, mark: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let ends_in_word = mark.ends_with(is_word);
    line.match_indices(mark).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + mark.len()..].chars().next();
        !before.is_some_and(is_word) && (!ends_in_word || !after.is_some_and(is_word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::testing::with_files;

    #[test]
    fn marks_are_found_as_words() {
        let cases = [
            ("a.rs", concat!("    to", "do!()"), true),
            ("a.rs", concat!("    unimple", "mented!(\"later\")"), true),
            ("a.rs", concat!("#[ig", "nore]"), true),
            ("a.rs", concat!("#[ig", "nore = \"slow\"]"), true),
            ("a.rs", concat!("// FIX", "ME: wrong"), true),
            ("a.py", concat!("# XX", "X hm"), true),
            ("a.rs", concat!("let XX", "XX = 1;"), false),
            ("a.rs", "#[ignored_by_nobody]", false),
            ("a.rs", concat!("is_to", "do!()"), false),
            ("a.md", concat!("about FIX", "ME marks"), false),
            ("a.rs", "let a = 1;", false),
        ];
        for (path, line, found) in cases {
            let count = check(&with_files(&[(path, line)])).len();
            assert_eq!(count, usize::from(found), "{path}: {line}");
        }
    }

    #[test]
    fn the_line_is_named() {
        let text = format!("a\nb // {}\n", MARKS[3].0);
        assert_eq!(check(&with_files(&[("a.rs", &text)]))[0].line, 2);
    }
}
