//! The map of the code exists and can be read in one sitting: at most 300 lines.

use crate::finding::Finding;
use crate::repository::Repository;

const PATH: &str = "ARCHITECTURE.md";
const LIMIT: usize = 300;

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let Some(text) = repository.text(PATH) else {
        return vec![Finding::new(PATH, 1, "the map of the code is missing", "write it")];
    };
    let lines = text.lines().count();
    if lines <= LIMIT {
        return Vec::new();
    }
    let fix = "move details into the doc comments of the crates";
    vec![Finding::new(PATH, LIMIT + 1, format!("{lines} lines, the wall is {LIMIT}"), fix)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::testing::with_files;

    #[test]
    fn the_wall_is_between_300_and_301_lines() {
        for (lines, found) in [(300, 0), (301, 1)] {
            assert_eq!(check(&with_files(&[(PATH, &"x\n".repeat(lines))])).len(), found, "{lines}");
        }
    }

    #[test]
    fn no_map_is_a_finding() {
        assert_eq!(check(&Repository::default()).len(), 1);
    }
}
