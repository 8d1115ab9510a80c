//! Statements cut into words. This understands nothing: it proposes, and SQLite decides by trying.

use std::collections::BTreeMap;

/// Expressions that are proposed of one statement.
const MAX_EXPRESSIONS: usize = 16;
/// Bytes of an expression.
const MAX_EXPRESSION_BYTES: usize = 200;
/// Tokens of a statement that are looked at.
const MAX_TOKENS: usize = 20_000;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A name or a key word.
    Word,
    /// A name in quotes or brackets.
    Quoted,
    Text,
    Number,
    Parameter,
    Symbol,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
    start: usize,
}

impl Token<'_> {
    fn end(&self) -> usize {
        self.start + self.text.len()
    }

    fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    fn is_name(&self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Quoted)
    }

    /// The name without its quotes.
    fn name(&self) -> String {
        let inner = || self.text.get(1..self.text.len().saturating_sub(1)).unwrap_or("");
        match (self.kind, self.text.chars().next()) {
            (Kind::Quoted, Some('[')) => inner().to_owned(),
            (Kind::Quoted, Some(quote)) => inner().replace(&format!("{quote}{quote}"), &quote.to_string()),
            _ => self.text.to_owned(),
        }
    }
}

fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    while let Some(first) = sql[start..].chars().next() {
        let rest = &sql[start..];
        let (kind, length) = match first {
            _ if rest.starts_with("--") => (None, rest.find('\n').map_or(rest.len(), |at| at + 1)),
            _ if rest.starts_with("/*") => (None, rest[2..].find("*/").map_or(rest.len(), |at| at + 4)),
            _ if first.is_whitespace() => (None, first.len_utf8()),
            '\'' => (Some(Kind::Text), quoted(rest, '\'')),
            '"' | '`' => (Some(Kind::Quoted), quoted(rest, first)),
            '[' => (Some(Kind::Quoted), rest.find(']').map_or(rest.len(), |at| at + 1)),
            '?' | ':' | '@' | '$' => (Some(Kind::Parameter), 1 + word(&rest[1..])),
            '0'..='9' => (Some(Kind::Number), number(rest)),
            _ if is_word(first) => (Some(Kind::Word), word(rest)),
            _ => (Some(Kind::Symbol), symbol(rest, first)),
        };
        if let Some(kind) = kind {
            if found.len() == MAX_TOKENS {
                break;
            }
            found.push(Token { kind, text: &rest[..length], start });
        }
        start += length;
    }
    found
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || !character.is_ascii()
}

fn word(rest: &str) -> usize {
    rest.find(|character: char| !is_word(character) && character != '$').unwrap_or(rest.len())
}

fn number(rest: &str) -> usize {
    rest.find(|character: char| !is_word(character) && character != '.').unwrap_or(rest.len())
}

fn symbol(rest: &str, first: char) -> usize {
    let long = ["->>", "->", "||", "<=", ">=", "<>", "!=", "=="];
    long.iter().find(|symbol| rest.starts_with(*symbol)).map_or(first.len_utf8(), |symbol| symbol.len())
}

/// The length of a text in quotes; two quotes in it are one.
fn quoted(rest: &str, quote: char) -> usize {
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character == quote {
            if characters.peek().is_some_and(|&(_, next)| next == quote) {
                characters.next();
            } else {
                return at + 1;
            }
        }
    }
    rest.len()
}

/// What follows the last `WHERE` that is in no parentheses.
pub(super) fn after_where(sql: &str) -> Option<String> {
    let mut depth = 0_i64;
    let mut found = None;
    for token in tokens(sql) {
        match token.text {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ if depth == 0 && token.kind == Kind::Word && token.is("WHERE") => found = Some(token.end()),
            _ => {}
        }
    }
    let rest = sql.get(found?..)?.trim().trim_end_matches(';').trim_end();
    (!rest.is_empty()).then(|| rest.to_owned())
}

/// Whether a statement may have a limit.
pub(super) fn has_limit(sql: &str) -> bool {
    tokens(sql).iter().any(|token| token.kind == Kind::Word && token.is("LIMIT"))
}

/// Other names that a statement gives to tables, in small letters.
pub(super) fn aliases(sql: &str, is_table: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    const NO_ALIAS: [&str; 27] = [
        "ON",
        "USING",
        "WHERE",
        "GROUP",
        "ORDER",
        "LIMIT",
        "JOIN",
        "LEFT",
        "RIGHT",
        "FULL",
        "INNER",
        "OUTER",
        "CROSS",
        "NATURAL",
        "SET",
        "UNION",
        "EXCEPT",
        "INTERSECT",
        "HAVING",
        "INDEXED",
        "NOT",
        "VALUES",
        "SELECT",
        "DEFAULT",
        "RETURNING",
        "WINDOW",
        "FROM",
    ];
    let tokens = tokens(sql);
    let mut found = BTreeMap::new();
    for (position, token) in tokens.iter().enumerate().filter(|(_, token)| token.is_name()) {
        let table = token.name();
        if !is_table(&table) {
            continue;
        }
        let mut next = tokens.iter().skip(position + 1);
        let alias = next.next().and_then(|token| if token.is("AS") { next.next() } else { Some(token) });
        if let Some(alias) = alias.filter(|alias| alias.is_name())
            && !(alias.kind == Kind::Word && NO_ALIAS.iter().any(|word| alias.is(word)))
        {
            found.insert(alias.name().to_ascii_lowercase(), table);
        }
    }
    found
}

/// Expressions that might be worth an index: calls of functions, paths into JSON, and sums and joins of columns. Names of
/// tables before columns are left out, as an index's statement has them.
pub(super) fn expressions(sql: &str, is_column: impl Fn(&str) -> bool) -> Vec<String> {
    let tokens = tokens(sql);
    let mut found: Vec<String> = Vec::new();
    let mut position = 0;
    while position < tokens.len() && found.len() < MAX_EXPRESSIONS {
        let end = expression_end(&tokens, position);
        let taken = &tokens[position..end.unwrap_or(position)];
        if taken.iter().any(|token| token.is_name() && is_column(&token.name()))
            && let Some(text) = written(sql, taken)
            && !found.contains(&text)
        {
            found.push(text);
        }
        position += 1;
    }
    found
}

/// Where an expression that begins here ends; `None` when what is here is a plain column or nothing of interest.
fn expression_end(tokens: &[Token<'_>], start: usize) -> Option<usize> {
    if start > 0 && tokens[start - 1].text == "." {
        return None;
    }
    let (mut end, mut is_plain) = operand_end(tokens, start)?;
    while let Some(operator) = tokens.get(end) {
        let is_operator = matches!(operator.text, "->" | "->>" | "||" | "+" | "-" | "*" | "/" | "%");
        match operand_end(tokens, end + 1) {
            Some((next, _)) if is_operator => {
                end = next;
                is_plain = false;
            }
            _ => break,
        }
    }
    (!is_plain).then_some(end)
}

/// Where one operand ends, and whether it is a plain column or value.
fn operand_end(tokens: &[Token<'_>], start: usize) -> Option<(usize, bool)> {
    const NO_CALL: [&str; 22] = [
        "IN", "VALUES", "AND", "OR", "NOT", "WHERE", "ON", "SELECT", "FROM", "EXISTS", "AS", "BY", "HAVING",
        "THEN", "WHEN", "ELSE", "CASE", "LIMIT", "JOIN", "USING", "SET", "OVER",
    ];
    let token = tokens.get(start)?;
    if matches!(token.kind, Kind::Text | Kind::Number) {
        return Some((start + 1, true));
    }
    if !token.is_name() || (token.kind == Kind::Word && NO_CALL.iter().any(|word| token.is(word))) {
        return None;
    }
    match tokens.get(start + 1).map(|token| token.text) {
        Some("(") => closing(tokens, start + 1).map(|end| (end, false)),
        Some(".") => tokens.get(start + 2).filter(|token| token.is_name()).map(|_| (start + 3, true)),
        _ => Some((start + 1, true)),
    }
}

/// The place after the parenthesis that closes the one here; `None` where a statement or a placeholder is inside.
fn closing(tokens: &[Token<'_>], open: usize) -> Option<usize> {
    let mut depth = 0;
    for (position, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ if token.kind == Kind::Parameter || token.is("SELECT") => return None,
            _ => {}
        }
        if depth == 0 {
            return Some(position + 1);
        }
    }
    None
}

fn written(sql: &str, tokens: &[Token<'_>]) -> Option<String> {
    let mut text = String::new();
    let mut position = 0;
    let mut last_end = tokens.first()?.start;
    while let Some(token) = tokens.get(position) {
        let is_prefix = token.is_name() && tokens.get(position + 1).is_some_and(|next| next.text == ".");
        if token.kind == Kind::Parameter {
            return None;
        }
        // Space between tokens stays as it is written, but comments go.
        if token.start > last_end && !text.is_empty() && !sql.get(last_end..token.start)?.is_empty() {
            text.push(' ');
        }
        if is_prefix {
            position += 2;
            last_end = tokens.get(position).map_or(token.end(), |next| next.start);
            continue;
        }
        text.push_str(token.text);
        last_end = token.end();
        position += 1;
    }
    (text.len() <= MAX_EXPRESSION_BYTES).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn expressions_are_proposed_as_an_index_would_have_them() {
        let is_column = |name: &str| ["c", "doc", "a", "b"].contains(&name);
        let cases: [(&str, &[&str]); 9] = [
            ("SELECT * FROM t WHERE lower(t.c) = 'x'", &["lower(c)"]),
            ("SELECT 1 FROM t x WHERE json_extract(x.doc, '$.a') > ?", &["json_extract(doc, '$.a')"]),
            ("SELECT 1 FROM t WHERE doc ->> '$.k' = :k", &["doc ->> '$.k'"]),
            ("SELECT 1 FROM t WHERE a+b > 5 AND c = 1", &["a+b"]),
            ("SELECT a || b FROM t", &["a || b"]),
            ("SELECT 1 FROM t WHERE c IN (SELECT a FROM t)", &[]),
            ("SELECT 1 FROM t WHERE f(?1, a) = 2", &[]),
            ("SELECT 'lower(c)' FROM t -- lower(c)", &[]),
            ("SELECT upper(substr(c, 1, 3)) FROM t", &["upper(substr(c, 1, 3))", "substr(c, 1, 3)"]),
        ];
        for (sql, expected) in cases {
            assert_eq!(expressions(sql, is_column), expected, "{sql}");
        }
    }

    #[test]
    fn conditions_of_indexes_are_what_follows_where() {
        let cases = [
            ("CREATE INDEX i ON t(a) WHERE b = ')where' ;", Some("b = ')where'")),
            ("CREATE INDEX \"where\" ON t((CASE WHEN a THEN 1 END))", None),
            ("CREATE INDEX i ON t(a)\nwhere b IS NULL", Some("b IS NULL")),
        ];
        for (sql, expected) in cases {
            assert_eq!(after_where(sql).as_deref(), expected, "{sql}");
        }
    }

    #[test]
    fn aliases_are_found() {
        let is_table = |name: &str| ["trades", "my users"].contains(&name);
        let found = aliases("SELECT * FROM trades AS T JOIN \"my users\" u ON u.id = T.uid", is_table);
        let pairs: Vec<_> = found.iter().map(|(alias, table)| (alias.as_str(), table.as_str())).collect();
        assert_eq!(pairs, [("t", "trades"), ("u", "my users")]);
        assert!(aliases("SELECT * FROM trades WHERE id = 1", is_table).is_empty());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail(sql in "([a-z(),.?'\"\\[\\]`é \n+|>-]|/\\*|--|->>|WHERE |lower\\(){0,60}") {
            let _ = expressions(&sql, |_| true);
            let _ = after_where(&sql);
            let _ = aliases(&sql, |_| true);
        }
    }
}
