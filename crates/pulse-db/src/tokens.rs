//! A statement's words. They only *propose* (where an expression ends, which columns a rewrite may be about); whatever
//! depends on a statement's meaning is asked of SQLite itself.

/// What kind of word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A bare name or a keyword.
    Word,
    /// A name in quotes of any kind.
    Quoted,
    /// A text, a number or bytes.
    Literal,
    /// A placeholder.
    Parameter,
    /// An operator or a bracket.
    Symbol,
}

/// A word of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// What kind.
    pub(crate) kind: TokenKind,
    /// As written.
    pub(crate) text: &'a str,
    /// Where it starts, in bytes.
    pub(crate) start: usize,
}

impl Token<'_> {
    /// Where it ends, in bytes.
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether it is this keyword or symbol.
    pub(crate) fn is(&self, word: &str) -> bool {
        matches!(self.kind, TokenKind::Word | TokenKind::Symbol) && self.text.eq_ignore_ascii_case(word)
    }

    /// The name it stands for, without quotes.
    pub(crate) fn name(&self) -> Option<String> {
        match self.kind {
            TokenKind::Word => Some(self.text.to_owned()),
            TokenKind::Quoted => {
                let close = match self.text.chars().next()? {
                    '[' => ']',
                    quote => quote,
                };
                let inner = &self.text[1..];
                let inner = inner.strip_suffix(close).unwrap_or(inner);
                Some(inner.replace(&format!("{close}{close}"), &close.to_string()))
            }
            _ => None,
        }
    }
}

/// The words of a statement, without spaces and comments. Never fails: what is not closed ends with the text.
pub(crate) fn tokens(sql: &str) -> Vec<Token<'_>> {
    let bytes = sql.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (kind, end) = next(bytes, at);
        if let Some(kind) = kind {
            found.push(Token { kind, text: &sql[at..end], start: at });
        }
        at = end;
    }
    found
}

/// Whether two expressions are written alike, but for spaces, comments, quotes of names and capitals.
pub(crate) fn is_alike(one: &str, other: &str) -> bool {
    let (one, other) = (tokens(one), tokens(other));
    one.len() == other.len()
        && one.iter().zip(&other).all(|(one, other)| match (one.name(), other.name()) {
            (Some(one), Some(other)) => one.eq_ignore_ascii_case(&other),
            _ => one.kind == other.kind && one.text == other.text,
        })
}

/// The kind of what starts here (`None` for spaces and comments), and where it ends. Every step ends at an ASCII byte or at
/// the end of a run of name bytes, so that the ends are always between characters.
fn next(bytes: &[u8], at: usize) -> (Option<TokenKind>, usize) {
    let rest = &bytes[at..];
    let second = rest.get(1).copied();
    match rest[0] {
        byte if byte.is_ascii_whitespace() => (None, at + 1),
        b'-' if second == Some(b'-') => (None, end_of(bytes, at, b"\n")),
        b'/' if second == Some(b'*') => (None, end_of(bytes, at + 2, b"*/")),
        b'\'' => (Some(TokenKind::Literal), quoted(bytes, at, b'\'')),
        quote @ (b'"' | b'`') => (Some(TokenKind::Quoted), quoted(bytes, at, quote)),
        b'[' => (Some(TokenKind::Quoted), end_of(bytes, at, b"]")),
        b'x' | b'X' if second == Some(b'\'') => (Some(TokenKind::Literal), quoted(bytes, at + 1, b'\'')),
        b'?' | b':' | b'@' | b'$' if second.is_some_and(is_name) => {
            (Some(TokenKind::Parameter), run(bytes, at + 1))
        }
        b'?' => (Some(TokenKind::Parameter), at + 1),
        byte if byte.is_ascii_digit()
            || (byte == b'.' && second.is_some_and(|byte| byte.is_ascii_digit())) =>
        {
            (Some(TokenKind::Literal), number(bytes, at))
        }
        byte if is_name(byte) => (Some(TokenKind::Word), run(bytes, at)),
        _ => {
            let two = rest.get(..2).is_some_and(|two| {
                matches!(two, b"<=" | b">=" | b"<>" | b"!=" | b"==" | b"||" | b"->" | b"<<" | b">>")
            });
            (Some(TokenKind::Symbol), at + if two { 2 } else { 1 })
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn run(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|byte| !is_name(*byte)).map_or(bytes.len(), |length| from + length)
}

fn number(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < bytes.len() {
        let exponent = matches!(bytes[at], b'+' | b'-') && at > from && matches!(bytes[at - 1], b'e' | b'E');
        let hexadecimal = bytes[from..].starts_with(b"0x") || bytes[from..].starts_with(b"0X");
        if !(is_name(bytes[at]) || bytes[at] == b'.' || (exponent && !hexadecimal)) {
            break;
        }
        at += 1;
    }
    at
}

fn end_of(bytes: &[u8], from: usize, close: &[u8]) -> usize {
    let found =
        bytes.get(from..).and_then(|rest| rest.windows(close.len()).position(|window| window == close));
    found.map_or(bytes.len(), |length| from + length + close.len())
}

/// The end of what is in quotes, in which a doubled quote stands for one.
fn quoted(bytes: &[u8], from: usize, quote: u8) -> usize {
    let mut at = from + 1;
    while at < bytes.len() {
        if bytes[at] == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 1;
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(sql: &str) -> Vec<&str> {
        tokens(sql).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn statements_come_apart() {
        let cases: &[(&str, &[&str])] = &[
            ("SELECT a.b FROM t", &["SELECT", "a", ".", "b", "FROM", "t"]),
            ("a>=1.5e-3||'it''s'", &["a", ">=", "1.5e-3", "||", "'it''s'"]),
            ("\"a \"\"b\" [c d] `e`", &["\"a \"\"b\"", "[c d]", "`e`"]),
            ("x'0f' :name @p $q ?1 ?", &["x'0f'", ":name", "@p", "$q", "?1", "?"]),
            ("a -- b\n/* c */ d", &["a", "d"]),
            ("größe=é", &["größe", "=", "é"]),
            ("'open", &["'open"]),
            ("/* open", &[]),
            ("0xff-1", &["0xff", "-", "1"]),
        ];
        for (sql, expected) in cases {
            assert_eq!(texts(sql), *expected, "{sql}");
        }
    }

    #[test]
    fn names_lose_their_quotes() {
        for (sql, expected) in
            [("\"a \"\"b\"", "a \"b"), ("[c d]", "c d"), ("`e``f`", "e`f"), ("g", "g"), ("[", "")]
        {
            assert_eq!(tokens(sql)[0].name().as_deref(), Some(expected), "{sql}");
        }
    }

    #[test]
    fn alike_is_beyond_spaces_and_quotes() {
        assert!(is_alike("lower( a )", "LOWER(\"A\")"));
        assert!(is_alike("state='open'", "state = 'open' -- yes"));
        assert!(!is_alike("state='open'", "state='OPEN'"));
        assert!(!is_alike("a", "a+1"));
    }

    proptest! {
        #[test]
        fn any_text_comes_apart_in_order(sql in any::<String>()) {
            let mut last = 0;
            for token in tokens(&sql) {
                prop_assert!(token.start >= last && !token.text.is_empty());
                prop_assert_eq!(&sql[token.start..token.end()], token.text);
                let _ = token.name();
                last = token.end();
            }
        }
    }
}
