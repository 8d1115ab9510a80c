//! The anchors of a Markdown file, made the way GitHub makes them.

use std::collections::{BTreeMap, BTreeSet};

use pulldown_cmark::{Event, Tag, TagEnd};

use super::{attributes, parser};

/// The anchors of all headings, and those set by hand with `id` or `name`.
pub(super) fn of(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut heading: Option<String> = None;
    for (event, _) in parser(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let slug = slug(&heading.take().unwrap_or_default());
                let count = seen.entry(slug.clone()).or_default();
                anchors.insert(if *count == 0 { slug } else { format!("{slug}-{count}") });
                *count += 1;
            }
            Event::Text(words) | Event::Code(words) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&words);
                }
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                let found = ["id", "name"].into_iter().flat_map(|name| attributes(&html, name));
                anchors.extend(found.map(str::to_owned));
            }
            _ => {}
        }
    }
    anchors
}

/// Lower case, punctuation dropped, each space a dash.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_become_anchors() {
        let cases = [
            ("# Hello World", "hello-world"),
            ("## `pulse load`: the job", "pulse-load-the-job"),
            ("## 3. What is `p95 < 200ms`?", "3-what-is-p95--200ms"),
            ("## A *bold* [link](x.md)", "a-bold-link"),
            ("## Über_uns", "über_uns"),
            ("Title\n=====", "title"),
            ("<a id=\"by-hand\"></a>", "by-hand"),
        ];
        for (text, anchor) in cases {
            assert_eq!(of(text), BTreeSet::from([anchor.to_owned()]), "{text}");
        }
    }

    #[test]
    fn repeated_headings_are_numbered() {
        let anchors = of("# A\n# A\n# A\n");
        assert_eq!(anchors, ["a", "a-1", "a-2"].map(str::to_owned).into());
    }
}
