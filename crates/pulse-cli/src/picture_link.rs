//! How a page refers to a picture that is written with it.

use std::path::{Component, Path, PathBuf, absolute};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What of a file's name is escaped in a URL.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The URL of a picture relative to the folder of the page, or to the current one for a page on standard output; `None` where
/// none leads there, as from one drive to another.
pub(crate) fn picture_link(page: Option<&Path>, picture: &Path) -> Option<String> {
    let here = Path::new("page");
    let page = plain(&absolute(page.unwrap_or(here)).ok()?);
    let picture = plain(&absolute(picture).ok()?);
    let folder = page.parent()?;
    let common =
        folder.components().zip(picture.components()).take_while(|(one, other)| one == other).count();
    if common == 0 {
        return None;
    }
    let up = folder.components().skip(common).map(|_| "..".to_owned());
    let down = picture.components().skip(common);
    let down = down.map(|name| percent_encode(name.as_os_str().as_encoded_bytes(), ESCAPED).to_string());
    Some(up.chain(down).collect::<Vec<_>>().join("/"))
}

/// The path without ways up.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_from_the_page_to_the_picture() {
        for (page, picture, link) in [
            ("report.md", "run.svg", "run.svg"),
            ("out/report.md", "out/run.svg", "run.svg"),
            ("out/report.md", "run.svg", "../run.svg"),
            ("out/a/report.md", "out/b/run.svg", "../b/run.svg"),
            ("out/../report.md", "out/./run.svg", "out/run.svg"),
            ("report.md", "a b)(<é>.svg", "a%20b%29%28%3C%C3%A9%3E.svg"),
            ("report.md", "/run.svg", ""),
        ] {
            let made = picture_link(Some(Path::new(page)), Path::new(picture)).unwrap();
            if link.is_empty() {
                assert!(made.ends_with("../run.svg"), "{made}");
            } else {
                assert_eq!(made, link, "{page} {picture}");
            }
        }
        assert_eq!(picture_link(None, Path::new("out/run.svg")).as_deref(), Some("out/run.svg"));
    }
}
