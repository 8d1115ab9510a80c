//! Relative links and anchors in the Markdown files lead somewhere.
//!
//! Links to other hosts are not followed: whether they answer says nothing about this commit.

mod anchors;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag};

use crate::finding::Finding;
use crate::repository::{Repository, extension, line_at};

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let documents: Vec<(&str, &str)> = repository.texts_with(&["md"]).collect();
    let anchors: BTreeMap<&str, BTreeSet<String>> =
        documents.iter().map(|(path, text)| (*path, anchors::of(text))).collect();
    let mut findings = Vec::new();
    for (path, text) in documents {
        for (link, range) in links(text) {
            if let Err((problem, fix)) = follow(repository, &anchors, path, &link) {
                findings.push(Finding::new(path, line_at(text, range.start), problem, fix));
            }
        }
    }
    findings
}

/// GitHub's dialect, as far as it decides what is a link and what is not.
fn parser(text: &str) -> pulldown_cmark::OffsetIter<'_> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS;
    Parser::new_ext(text, options).into_offset_iter()
}

/// The destinations of all links and images, in Markdown and in HTML.
fn links(text: &str) -> Vec<(String, Range<usize>)> {
    let mut links = Vec::new();
    for (event, range) in parser(text) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                links.push((dest_url.to_string(), range));
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                let found = ["href", "src"].into_iter().flat_map(|name| attributes(&html, name));
                links.extend(found.map(|link| (link.to_owned(), range.clone())));
            }
            _ => {}
        }
    }
    links
}

/// The values of an attribute in a piece of HTML.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let opening = format!(" {name}=\"");
    let values = html.match_indices(&opening).filter_map(|(start, found)| {
        let value = &html[start + found.len()..];
        Some(&value[..value.find('"')?])
    });
    values.collect()
}

/// `Err` is the problem and what to do about it.
fn follow(
    repository: &Repository,
    anchors: &BTreeMap<&str, BTreeSet<String>>,
    from: &str,
    link: &str,
) -> Result<(), (String, String)> {
    if leads_elsewhere(link) {
        return Ok(());
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let target = if file.is_empty() { Some(from.to_owned()) } else { resolve(from, &decode(file)) };
    let Some(target) = target else {
        return Err((
            format!("link `{link}` leaves the repository"),
            "link to something in it, or give a full URL".to_owned(),
        ));
    };
    let folder = if target.is_empty() { String::new() } else { format!("{target}/") };
    let is_folder =
        repository.files.range(folder.clone()..).next().is_some_and(|(path, _)| path.starts_with(&folder));
    if !repository.files.contains_key(&target) && !is_folder {
        return Err((
            format!("dead link `{link}`: no {target}"),
            "correct the path from this file".to_owned(),
        ));
    }
    match anchor {
        Some(anchor) if extension(&target) == "md" && !anchor.is_empty() => {
            let known = anchors.get(target.as_str()).is_some_and(|known| known.contains(&decode(anchor)));
            let missing = || {
                let problem = format!("dead link `{link}`: {target} has no heading `#{anchor}`");
                (problem, "take the heading's words in lower case with dashes".to_owned())
            };
            if known { Ok(()) } else { Err(missing()) }
        }
        _ => Ok(()),
    }
}

/// A scheme such as `https:` or `mailto:`, or a host without one.
fn leads_elsewhere(link: &str) -> bool {
    let scheme = link.split_once(':').map(|(scheme, _)| scheme);
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    link.starts_with("//") || scheme.is_some_and(is_scheme)
}

/// The path from the root of what `link` means in the file `from`; `None` when it is outside.
fn resolve(from: &str, link: &str) -> Option<String> {
    let (base, link) = match link.strip_prefix('/') {
        Some(absolute) => ("", absolute),
        None => (from.rsplit_once('/').map_or("", |(folder, _)| folder), link),
    };
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Undoes percent encoding; what is not one stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::testing::with_files;

    fn problems(line: &str) -> Vec<String> {
        let repository = with_files(&[
            ("README.md", "# Pulse\n"),
            ("docs/guide.md", &format!("# The guide\n\n## Step `one`\n\n{line}\n")),
            ("docs/my file.md", "## Here\n"),
            ("crates/a/src/lib.rs", ""),
        ]);
        check(&repository).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn live_links_pass() {
        let lines = [
            "[x](../README.md)",
            "[x](/README.md)",
            "[x](../README.md#pulse)",
            "[x](#step-one)",
            "[x](guide.md#the-guide)",
            "[x](my%20file.md#here)",
            "[x](<my file.md>)",
            "[x](../crates/a/)",
            "[x](../crates/a/src)",
            "[x](..)",
            "[x](../crates/a/src/lib.rs#L10)",
            "[x](https://example.org/nowhere)",
            "[x](mailto:ann@example.org)",
            "`[x](dead.md)`",
            "    [x](dead.md)",
            "[x][r]\n\n[r]: ../README.md",
            "<img src=\"../README.md\">",
        ];
        for line in lines {
            assert_eq!(problems(line), Vec::<String>::new(), "{line}");
        }
    }

    #[test]
    fn dead_links_are_found() {
        let lines = [
            ("[x](dead.md)", "no docs/dead.md"),
            ("[x](README.md)", "no docs/README.md"),
            ("![x](dead.png)", "no docs/dead.png"),
            ("[x](../../elsewhere.md)", "leaves the repository"),
            ("[x](#step-two)", "no heading `#step-two`"),
            ("[x](../README.md#Pulse)", "no heading `#Pulse`"),
            ("[x][r]\n\n[r]: dead.md", "no docs/dead.md"),
            ("<img src=\"dead.png\">", "no docs/dead.png"),
            ("text <a href=\"dead.md\">x</a>", "no docs/dead.md"),
        ];
        for (line, part) in lines {
            let found = problems(line);
            assert!(found.len() == 1 && found[0].contains(part), "{line}: {found:?}");
            assert!(found[0].starts_with("docs/guide.md:5: "), "{line}: {found:?}");
        }
    }
}
