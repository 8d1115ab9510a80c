//! Statements cut into words. This understands nothing: it proposes, and SQLite decides by trying.

use std::collections::BTreeMap;

use crate::catalog::TableName;
use crate::tokens::{Token, TokenKind};

/// Expressions that are proposed of one statement.
const MAX_EXPRESSIONS: usize = 16;
/// Bytes of an expression.
const MAX_EXPRESSION_BYTES: usize = 200;
/// Tokens of a statement that are looked at.
const MAX_TOKENS: usize = 20_000;

fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut found = crate::tokens::tokens(sql);
    found.truncate(MAX_TOKENS);
    found
}

fn is_name(token: &Token<'_>) -> bool {
    matches!(token.kind, TokenKind::Word | TokenKind::Quoted)
}

/// Whether it is a bare word, of a case that does not matter.
fn is_keyword(token: &Token<'_>, words: &[&str]) -> bool {
    token.kind == TokenKind::Word && words.iter().any(|word| token.is(word))
}

/// What follows the last `WHERE` that is in no parentheses.
pub(super) fn after_where(sql: &str) -> Option<String> {
    let mut depth = 0_i64;
    let mut found = None;
    for token in tokens(sql) {
        match token.text {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ if depth == 0 && is_keyword(&token, &["WHERE"]) => found = Some(token.end()),
            _ => {}
        }
    }
    let rest = sql.get(found?..)?.trim().trim_end_matches(';').trim_end();
    (!rest.is_empty()).then(|| rest.to_owned())
}

/// Whether a statement may have a limit.
pub(super) fn has_limit(sql: &str) -> bool {
    tokens(sql).iter().any(|token| is_keyword(token, &["LIMIT"]))
}

/// Other names that a statement gives to tables, in small letters. `table` knows the tables, by their schema where one is written.
pub(super) fn aliases(
    sql: &str,
    table: impl Fn(Option<&str>, &str) -> Option<TableName>,
) -> BTreeMap<String, TableName> {
    const NO_ALIAS: [&str; 27] = [
        "CROSS",
        "DEFAULT",
        "EXCEPT",
        "FROM",
        "FULL",
        "GROUP",
        "HAVING",
        "INDEXED",
        "INNER",
        "INTERSECT",
        "JOIN",
        "LEFT",
        "LIMIT",
        "NATURAL",
        "NOT",
        "ON",
        "ORDER",
        "OUTER",
        "RETURNING",
        "RIGHT",
        "SELECT",
        "SET",
        "UNION",
        "USING",
        "VALUES",
        "WHERE",
        "WINDOW",
    ];
    let tokens = tokens(sql);
    let mut found = BTreeMap::new();
    for (position, token) in tokens.iter().enumerate().filter(|(_, token)| is_name(token)) {
        let is_placed = position > 1 && tokens[position - 1].text == ".";
        let schema = if is_placed { tokens[position - 2].name() } else { None };
        let Some(table) = token.name().and_then(|name| table(schema.as_deref(), &name)) else { continue };
        let mut next = tokens.iter().skip(position + 1);
        let alias = next.next().and_then(|token| if token.is("AS") { next.next() } else { Some(token) });
        if let Some(alias) = alias.filter(|alias| is_name(alias))
            && !is_keyword(alias, &NO_ALIAS)
            && let Some(alias) = alias.name()
        {
            found.insert(alias.to_ascii_lowercase(), table);
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
        if taken.iter().any(|token| token.name().is_some_and(|name| is_column(&name)))
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
        let is_operator = matches!(operator.text, "->" | "||" | "+" | "-" | "*" | "/" | "%");
        // `->>` is two tokens side by side.
        let next = tokens.get(end + 1).filter(|next| operator.text == "->" && next.text == ">");
        let is_long = next.is_some_and(|next| next.start == operator.end());
        match operand_end(tokens, end + 1 + usize::from(is_long)) {
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
    if token.kind == TokenKind::Literal {
        return Some((start + 1, true));
    }
    if !is_name(token) || is_keyword(token, &NO_CALL) {
        return None;
    }
    match tokens.get(start + 1).map(|token| token.text) {
        Some("(") => closing(tokens, start + 1).map(|end| (end, false)),
        Some(".") => tokens.get(start + 2).filter(|token| is_name(token)).map(|_| (start + 3, true)),
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
            _ if token.kind == TokenKind::Parameter || token.is("SELECT") => return None,
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
        let is_prefix = is_name(token) && tokens.get(position + 1).is_some_and(|next| next.text == ".");
        if token.kind == TokenKind::Parameter {
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
        let table = |schema: Option<&str>, name: &str| {
            let schema = schema.unwrap_or("main").to_owned();
            let is_known =
                ["trades", "my users"].contains(&name) && ["main", "old"].contains(&schema.as_str());
            is_known.then(|| TableName { schema, name: name.to_owned() })
        };
        let sql = "SELECT * FROM trades AS T JOIN \"my users\" u ON u.id = T.uid JOIN old.trades o";
        let found = aliases(sql, table);
        let pairs: Vec<_> = found.iter().map(|(alias, table)| (alias.as_str(), table.to_string())).collect();
        let expected = [("o", "old.trades"), ("t", "trades"), ("u", "my users")];
        assert_eq!(pairs, expected.map(|(alias, table)| (alias, table.to_owned())));
        assert!(aliases("SELECT * FROM trades WHERE id = 1", table).is_empty());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail(sql in "([a-z(),.?'\"\\[\\]`é \n+|>-]|/\\*|--|->>|WHERE |lower\\(){0,60}") {
            let _ = expressions(&sql, |_| true);
            let _ = after_where(&sql);
            let _ = aliases(&sql, |_, name| Some(TableName::main(name)));
        }
    }
}
