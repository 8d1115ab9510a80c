//! What the statement of an index says beyond what SQLite's tables tell: its expressions and its condition, as written.

use crate::tokens::{Token, TokenKind, tokens};

/// The parts of a `CREATE INDEX`, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexText {
    /// What it is sorted by, without `COLLATE` and `ASC`/`DESC` at its end.
    pub(crate) parts: Vec<String>,
    /// What follows `WHERE`.
    pub(crate) predicate: Option<String>,
}

impl IndexText {
    /// Reads a statement that SQLite has accepted; `None` when it is not understood all the same.
    pub(crate) fn read(sql: &str) -> Option<Self> {
        let words = tokens(sql);
        let on = words.iter().position(|token| token.is("ON"))?;
        // The table may be written with its schema.
        let open = on + words[on..].iter().position(|token| token.is("("))?;
        let mut depth = 0_usize;
        let mut parts = Vec::new();
        let mut start = open + 1;
        for (at, token) in words.iter().enumerate().skip(open) {
            match token.text {
                "(" if token.kind == TokenKind::Symbol => depth += 1,
                ")" if token.kind == TokenKind::Symbol => depth -= 1,
                _ => {}
            }
            if depth == 0 || (depth == 1 && token.is(",")) {
                parts.push(part(sql, words.get(start..at)?)?);
                start = at + 1;
            }
            if depth == 0 {
                return Some(Self { parts, predicate: predicate(sql, &words[start..]) });
            }
        }
        None
    }
}

fn part(sql: &str, words: &[Token<'_>]) -> Option<String> {
    let words = match words {
        [words @ .., last] if last.is("ASC") || last.is("DESC") => words,
        words => words,
    };
    let words = match words {
        [words @ .., collate, _] if collate.is("COLLATE") && !words.is_empty() => words,
        words => words,
    };
    text(sql, words)
}

fn predicate(sql: &str, words: &[Token<'_>]) -> Option<String> {
    let (first, words) = words.split_first()?;
    let words = match words {
        [words @ .., last] if last.is(";") => words,
        words => words,
    };
    first.is("WHERE").then(|| text(sql, words)).flatten()
}

fn text(sql: &str, words: &[Token<'_>]) -> Option<String> {
    Some(sql[words.first()?.start..words.last()?.end()].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_are_as_written() {
        let cases: &[(&str, &[&str], Option<&str>)] = &[
            ("CREATE INDEX i ON t(a, b DESC)", &["a", "b"], None),
            ("CREATE UNIQUE INDEX \"on\" ON \"t (x\"(\"a, b\" COLLATE NOCASE ASC)", &["\"a, b\""], None),
            (
                "CREATE INDEX i ON t(lower(a) COLLATE \"C D\" DESC, coalesce(b, ')')) WHERE state = 'open' ; -- x",
                &["lower(a)", "coalesce(b, ')')"],
                Some("state = 'open'"),
            ),
            (
                "CREATE INDEX i ON t(json_extract(d, '$.a'), (a + b)) WHERE a IS NOT NULL AND b IN (1, 2)",
                &["json_extract(d, '$.a')", "(a + b)"],
                Some("a IS NOT NULL AND b IN (1, 2)"),
            ),
        ];
        for (sql, parts, predicate) in cases {
            let read = IndexText::read(sql).expect(sql);
            assert_eq!(read.parts, *parts, "{sql}");
            assert_eq!(read.predicate.as_deref(), *predicate, "{sql}");
        }
        for bad in ["", "CREATE INDEX", "CREATE INDEX i ON t(", "CREATE INDEX i ON t()"] {
            assert_eq!(IndexText::read(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in any::<String>(), words in "[a-z(), ';\"]{0,40}") {
            let _ = IndexText::read(&text);
            if let Some(read) = IndexText::read(&format!("CREATE INDEX i ON t({words}) WHERE {text}")) {
                prop_assert!(read.parts.iter().all(|part| !part.is_empty()));
            }
        }
    }
}
