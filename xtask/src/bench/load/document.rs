//! Where the tables stand in the document.

use std::fs;
use std::path::Path;

use anyhow::Context;

const BEGIN: &str = "<!-- cargo xtask bench load: begin -->";
const END: &str = "<!-- cargo xtask bench load: end -->";

/// Puts `text` in the place of what stands between the marks.
pub(super) fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let document = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let replaced = replaced(&document, text)
        .with_context(|| format!("{} has no lines `{BEGIN}` and `{END}`", path.display()))?;
    fs::write(path, replaced).with_context(|| format!("cannot write {}", path.display()))
}

fn replaced(document: &str, text: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{text}\n\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_changes() {
        let document = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let once = replaced(&document, "new").unwrap();
        assert_eq!(once, format!("a\n{BEGIN}\n\nnew\n\n{END}\nb\n"));
        assert_eq!(replaced(&once, "new").unwrap(), once);
        assert_eq!(replaced("a\n", "new"), None);
    }
}
