//! A source file has at most 800 lines.

use crate::finding::Finding;
use crate::repository::Repository;

const LIMIT: usize = 800;
const SOURCES: &[&str] = &["rs", "ts", "tsx", "py"];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let lengths = repository.texts_with(SOURCES).map(|(path, text)| (path, text.lines().count()));
    let too_long = lengths.filter(|(_, lines)| *lines > LIMIT);
    let finding = |(path, lines): (&str, usize)| {
        let problem = format!("{lines} lines, the wall is {LIMIT}");
        Finding::new(path, LIMIT + 1, problem, "split it: one noun per file, about 400 lines is comfortable")
    };
    too_long.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::testing::with_files;

    #[test]
    fn the_wall_is_between_800_and_801_lines() {
        let cases = [
            ("a.rs", 800, false),
            ("a.rs", 801, true),
            ("web/a.tsx", 801, true),
            ("web/a.ts", 801, true),
            ("a.py", 801, true),
            ("a.md", 5000, false),
        ];
        for (path, lines, found) in cases {
            let repository = with_files(&[(path, &"x\n".repeat(lines))]);
            assert_eq!(check(&repository).len(), usize::from(found), "{path} with {lines} lines");
        }
    }
}
