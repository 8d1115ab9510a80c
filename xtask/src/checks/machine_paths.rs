//! No path of the machine something was built on: such a file is wrong everywhere else.

use crate::finding::Finding;
use crate::repository::Repository;

/// Folders that exist on build machines. They are put together here so that this file does not hold them itself.
const BUILD_FOLDERS: &[&str] = &[concat!("/wo", "rk/"), concat!("/fa", "rm/")];
const HOMES: &str = concat!("/ho", "me/");

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.texts() {
        for (index, line) in text.lines().enumerate() {
            if let Some(found) = machine_path(line) {
                let problem = format!("`{found}` is a path of one machine");
                findings.push(Finding::new(path, index + 1, problem, "write it relative to the repository"));
            }
        }
    }
    findings
}

/// The first such path in a line, as far as it gives the machine away.
fn machine_path(line: &str) -> Option<&str> {
    let build = BUILD_FOLDERS
        .iter()
        .flat_map(|folder| line.match_indices(folder))
        .find(|(start, _)| is_root(line, *start))
        .map(|(_, found)| found);
    build.or_else(|| {
        line.match_indices(HOMES).filter(|(start, _)| is_root(line, *start)).find_map(|(start, _)| {
            let name = &line[start + HOMES.len()..];
            let length = name.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)))?;
            let ends_in_slash = name[length..].starts_with('/');
            (length > 0 && ends_in_slash).then(|| &line[start..=start + HOMES.len() + length])
        })
    })
}

/// Whether the slash begins the path, rather than standing in the middle of a relative one or of a URL.
fn is_root(line: &str, slash: usize) -> bool {
    let before = line[..slash].chars().next_back();
    !before.is_some_and(|c| c.is_alphanumeric() || "._-~}>])*".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::testing::with_files;

    #[test]
    fn only_absolute_paths_of_machines_are_found() {
        let cases = [
            (concat!("see /wo", "rk/main/src"), true),
            (concat!("\"/fa", "rm/x\""), true),
            (concat!("file:///ho", "me/ann/pulse/a.rs"), true),
            (concat!("cd /ho", "me/ann/"), true),
            (concat!("/ho", "me/<name>/pulse"), false),
            (concat!("https://example.org/wo", "rk/item"), false),
            (concat!("docs/wo", "rk/plan.md"), false),
            (concat!("~/wo", "rk/pulse"), false),
            (concat!("GET /ho", "me HTTP/1.1"), false),
            ("/etc/ssl/certs", false),
        ];
        for (line, found) in cases {
            let count = check(&with_files(&[("notes.txt", line)])).len();
            assert_eq!(count, usize::from(found), "{line}");
        }
    }
}
