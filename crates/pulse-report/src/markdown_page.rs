//! A page of Markdown that never grows beyond what GitHub takes, and the escaping of names in it.

use std::fmt::Write as _;

use crate::number::printable;

/// Largest size in bytes of a step's summary.
const LIMIT_BYTES: usize = 1 << 20;
/// Kept free for the note on what was left out.
const RESERVE_BYTES: usize = 512;
/// Rows of a table before the rest is only counted.
pub(crate) const ROWS: usize = 200;

/// The Markdown being written.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    /// Pieces that no longer fitted. Once one does not fit, none of the following is taken, so that the page ends
    /// there rather than having holes.
    left_out: u64,
}

impl Page {
    /// Adds a line.
    pub(crate) fn line(&mut self, text: &str) {
        self.piece(&format!("{text}\n"));
    }

    /// A titled table, left out when it has no rows. A title that begins with `>` is right-aligned. Cells are escaped
    /// by the caller, since some carry markup.
    pub(crate) fn table(&mut self, title: &str, columns: &[&str], rows: Vec<Vec<String>>) {
        if rows.is_empty() {
            return;
        }
        let titles: Vec<_> = columns.iter().map(|column| column.trim_start_matches('>')).collect();
        let rules: Vec<_> =
            columns.iter().map(|column| if column.starts_with('>') { "---:" } else { "---" }).collect();
        let title = if title.is_empty() { String::new() } else { format!("#### {title}\n\n") };
        self.piece(&format!("{title}| {} |\n|{}|\n", titles.join(" | "), rules.join("|")));
        let left_out = rows.len().saturating_sub(ROWS);
        for row in rows.into_iter().take(ROWS) {
            self.line(&format!("| {} |", row.join(" | ")));
        }
        self.line("");
        if left_out > 0 {
            self.line(&format!("{left_out} more are in the other report formats.\n"));
        }
    }

    /// A picture at a URL.
    pub(crate) fn picture(&mut self, address: &str) {
        // Nothing in a URL ends it: what would is written as its escape.
        let address: String =
            address.chars().filter(|c| !c.is_whitespace() && !"<>()\\".contains(*c)).collect();
        self.line(&format!("![Charts of this report]({address})\n"));
    }

    /// Lines that are folded away under a title. They fit as a whole or not at all: a fold left open would swallow
    /// what the page's owner writes after it.
    pub(crate) fn details(&mut self, title: &str, lines: &[String]) {
        let lines = lines.join("\n");
        self.piece(&format!("<details><summary>{title}</summary>\n\n{lines}\n\n</details>\n"));
    }

    /// The page, with a note at its end when something was left out.
    pub(crate) fn finish(mut self) -> String {
        if self.left_out > 0 {
            // Writing to a string cannot fail.
            let _ = writeln!(
                self.text,
                "\n**The report was cut at 1 MiB:** {} more rows and sections are in the other report formats.",
                self.left_out
            );
        }
        self.text
    }

    fn piece(&mut self, piece: &str) {
        if self.left_out > 0 || self.text.len() + piece.len() > LIMIT_BYTES - RESERVE_BYTES {
            self.left_out += 1;
        } else {
            self.text.push_str(piece);
        }
    }
}

/// The text as it is, not as markup: on one line, and with everything escaped that Markdown or HTML would act on.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\\' | '|' | '*' | '_' | '[' | ']' | '`' | '~' | '#' => {
                safe.push('\\');
                safe.push(c);
            }
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_their_cell() {
        for (text, safe) in [
            ("health", "health"),
            ("a|b\nc", r"a\|b c"),
            ("<script>&", "&lt;script&gt;&amp;"),
            ("*_[x](y)`~#\\", r"\*\_\[x\](y)\`\~\#\\"),
        ] {
            assert_eq!(escaped(text), safe, "{text}");
        }
    }

    #[test]
    fn a_long_table_is_cut_and_says_so() {
        let mut page = Page::default();
        page.table("T", &["n"], vec![vec!["1".to_owned()]; ROWS + 3]);
        let text = page.finish();
        assert_eq!(text.matches("| 1 |").count(), ROWS);
        assert!(text.contains("3 more are in the other report formats."));
    }

    #[test]
    fn a_page_never_exceeds_the_limit_and_says_what_is_missing() {
        let mut page = Page::default();
        page.line("### verdict");
        for _ in 0..3 {
            page.details("big", &["x".repeat(LIMIT_BYTES / 2)]);
        }
        page.line("small");
        let text = page.finish();
        assert!(text.len() <= LIMIT_BYTES);
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
        assert!(text.starts_with("### verdict\n"));
        assert!(text.contains("cut at 1 MiB:** 3 more"), "{}", &text[text.len() - 200..]);
        assert!(!text.contains("small"));
    }
}
