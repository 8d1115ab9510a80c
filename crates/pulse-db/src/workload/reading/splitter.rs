//! Cuts a script into statements where SQLite's own shell does.
//!
//! The rule is that of `sqlite3_complete`: a semicolon ends a statement unless it stands in a string, a name or a comment, or
//! within `CREATE TRIGGER`, which ends with `; END ;`. It needs no schema, unlike preparing one statement after another.

use super::MAX_STATEMENT_BYTES;

/// Cuts a script that is given line by line.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    state: State,
    inside: Inside,
    text: String,
    is_too_long: bool,
    /// The line at which the statement begins.
    begin: u64,
}

/// A statement, or what is left of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The text without the semicolon; cut when it is too long.
    pub(super) sql: String,
    pub(super) line: u64,
    pub(super) is_too_long: bool,
}

/// How far a statement is; the states of SQLite's `complete.c`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing yet.
    #[default]
    Start,
    /// A statement that a semicolon ends.
    Normal,
    /// After `EXPLAIN`.
    Explain,
    /// After `CREATE`, which may go on with `TEMP`.
    Create,
    /// Within a trigger.
    Trigger,
    /// After a semicolon within a trigger.
    TriggerSemicolon,
    /// After `; END` within a trigger.
    TriggerEnd,
}

/// What a character is part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Inside {
    #[default]
    Nothing,
    /// Until this character.
    Quotes(char),
    /// Until `*/`.
    Comment,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Semicolon,
    Space,
    Explain,
    Create,
    Temporary,
    Trigger,
    End,
    Other,
}

impl State {
    fn after(self, token: Token) -> Self {
        use State::{Create, Explain, Normal, Start, Trigger, TriggerEnd, TriggerSemicolon};
        match (self, token) {
            (state, Token::Space) => state,
            (Start | Normal | Explain | Create | TriggerEnd, Token::Semicolon) => Start,
            (Start, Token::Explain) | (Explain, Token::Other) => Explain,
            (Start | Explain, Token::Create) | (Create, Token::Temporary) => Create,
            (Trigger | TriggerSemicolon, Token::Semicolon) => TriggerSemicolon,
            (TriggerSemicolon, Token::End) => TriggerEnd,
            (Create, Token::Trigger) | (Trigger | TriggerSemicolon | TriggerEnd, _) => Trigger,
            (Start | Normal | Explain | Create, _) => Normal,
        }
    }
}

impl Splitter {
    /// Whether a new statement would begin here.
    pub(super) fn is_between(&self) -> bool {
        self.state == State::Start && self.inside == Inside::Nothing
    }

    /// Takes a line, and gives what ends in it.
    pub(super) fn push_line(&mut self, line: &str, number: u64) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let (length, token) = self.token(rest, first);
            if self.state == State::Start && token != Token::Space && token != Token::Semicolon {
                // What came before it was comments.
                self.text.clear();
                self.is_too_long = false;
                self.begin = number;
            }
            self.state = self.state.after(token);
            if self.state == State::Start && token == Token::Semicolon {
                pieces.extend(self.end());
            } else {
                self.keep(&rest[..length]);
            }
            rest = &rest[length..];
        }
        self.keep("\n");
        pieces
    }

    /// What is left at the end of the script.
    pub(super) fn finish(&mut self) -> Option<Piece> {
        if self.state == State::Start {
            self.text.clear();
            self.is_too_long = false;
        }
        let piece = self.end();
        (self.state, self.inside) = (State::Start, Inside::Nothing);
        piece
    }

    fn keep(&mut self, text: &str) {
        if self.text.len() + text.len() > MAX_STATEMENT_BYTES {
            self.is_too_long = true;
        } else {
            self.text.push_str(text);
        }
    }

    fn end(&mut self) -> Option<Piece> {
        let text = std::mem::take(&mut self.text);
        let is_too_long = std::mem::take(&mut self.is_too_long);
        let sql = text.trim();
        (!sql.is_empty()).then(|| Piece { sql: sql.to_owned(), line: self.begin, is_too_long })
    }

    /// The length and kind of the token with which `rest` begins; a string or a comment may go on in the next line.
    fn token(&mut self, rest: &str, first: char) -> (usize, Token) {
        match self.inside {
            Inside::Quotes(end) => return (self.until(rest, &String::from(end)), Token::Other),
            Inside::Comment => return (self.until(rest, "*/"), Token::Space),
            Inside::Nothing => {}
        }
        match first {
            ';' => (1, Token::Semicolon),
            '\'' | '"' | '`' | '[' => {
                let end = if first == '[' { ']' } else { first };
                self.inside = Inside::Quotes(end);
                (1 + self.until(&rest[1..], &String::from(end)), Token::Other)
            }
            '/' if rest.starts_with("/*") => {
                self.inside = Inside::Comment;
                (2 + self.until(&rest[2..], "*/"), Token::Space)
            }
            '-' if rest.starts_with("--") => (rest.len(), Token::Space),
            first if first.is_ascii_whitespace() => (1, Token::Space),
            first if is_word(first) => {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                (length, keyword(&rest[..length]))
            }
            first => (first.len_utf8(), Token::Other),
        }
    }

    /// The length up to and with `end`, or to the end of the line when it is not there.
    fn until(&mut self, rest: &str, end: &str) -> usize {
        match rest.find(end) {
            Some(at) => {
                self.inside = Inside::Nothing;
                at + end.len()
            }
            None => rest.len(),
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

fn keyword(word: &str) -> Token {
    const KEYWORDS: [(&str, Token); 6] = [
        ("create", Token::Create),
        ("end", Token::End),
        ("explain", Token::Explain),
        ("temp", Token::Temporary),
        ("temporary", Token::Temporary),
        ("trigger", Token::Trigger),
    ];
    KEYWORDS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(word))
        .map_or(Token::Other, |(_, token)| *token)
}

/// The statements of a text that is whole.
pub(super) fn statements(text: &str) -> Vec<Piece> {
    let mut splitter = Splitter::default();
    let mut pieces = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        pieces.extend(splitter.push_line(line, number));
    }
    pieces.extend(splitter.finish());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(text: &str) -> Vec<String> {
        statements(text).into_iter().map(|piece| piece.sql).collect()
    }

    #[test]
    fn a_semicolon_ends_a_statement_where_it_stands_alone() {
        let cases: [(&str, &[&str]); 12] = [
            ("", &[]),
            (" ; ;; ", &[]),
            ("SELECT 1", &["SELECT 1"]),
            ("SELECT 1; SELECT 2;", &["SELECT 1", "SELECT 2"]),
            ("SELECT ';'; SELECT \";\", [;], `;`;", &["SELECT ';'", "SELECT \";\", [;], `;`"]),
            ("SELECT 'it''s;'; x", &["SELECT 'it''s;'", "x"]),
            ("-- one; two\nSELECT 1 /* ; */ + 2; -- three;", &["SELECT 1 /* ; */ + 2"]),
            ("SELECT 'a\n;b';", &["SELECT 'a\n;b'"]),
            ("/* a\n; b */ SELECT 1", &["SELECT 1"]),
            ("SELECT a AS \"unfinished", &["SELECT a AS \"unfinished"]),
            (
                "CREATE TEMP TRIGGER a AFTER INSERT ON b BEGIN SELECT 1; DELETE FROM c; END; SELECT 2;",
                &["CREATE TEMP TRIGGER a AFTER INSERT ON b BEGIN SELECT 1; DELETE FROM c; END", "SELECT 2"],
            ),
            (
                "create trigger a after insert on b begin select case when 1 then 2 end; end; select 3",
                &["create trigger a after insert on b begin select case when 1 then 2 end; end", "select 3"],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(split(text), expected, "{text}");
        }
    }

    #[test]
    fn lines_are_counted_from_the_first_word() {
        let lines: Vec<u64> =
            statements("-- x\n\nSELECT\n1;\n SELECT 2;\n").iter().map(|piece| piece.line).collect();
        assert_eq!(lines, [3, 5]);
    }

    #[test]
    fn a_statement_that_is_too_long_is_cut() {
        let text = format!("SELECT '{}';\nSELECT 1;", "x".repeat(2 * MAX_STATEMENT_BYTES));
        let pieces = statements(&text);
        assert_eq!(pieces.iter().map(|piece| piece.is_too_long).collect::<Vec<_>>(), [true, false]);
        assert!(pieces[0].sql.len() <= MAX_STATEMENT_BYTES);
        assert_eq!(pieces[1].sql, "SELECT 1");
    }

    proptest! {
        /// Nothing but comments, semicolons and space is lost, and nothing panics.
        #[test]
        fn every_word_is_in_some_statement(text in "[a-z;'\"/*\\-\\[\\] \nü]{0,60}") {
            let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).count();
            let kept: usize = split(&text).iter().map(|sql| letters(sql)).sum();
            prop_assert!(kept <= letters(&text));
            if !text.contains("--") && !text.contains("/*") {
                prop_assert_eq!(kept, letters(&text));
            }
        }
    }
}
