//! The words of a statement.
//!
//! Where the dialect is not known and dialects disagree about where a string ends, what follows could be a value to one and
//! code to another. There the reading stops ([`Token::Cut`]): less is shown, and no value ever.

use super::Dialect;

/// The part of a statement that is looked at, in bytes.
const MAX_SCANNED_BYTES: usize = 16 << 10;
/// A quoted name that is longer is no name.
const MAX_NAME_BYTES: usize = 64;
/// Symbols of more than one character, longest first.
const SYMBOLS: [&str; 19] = [
    "#>>", "->>", "<=>", "#>", "->", "<=", "<>", ">=", "!=", "==", "||", "&&", "::", ":=", "<<", ">>", "=>",
    "@>", "<@",
];
/// What may stand before a string without a space: national, hexadecimal, binary, raw.
const PREFIXES: [&str; 6] = ["n", "x", "b", "r", "br", "rb"];

/// A word of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword or a name.
    Word(&'a str),
    /// A name in quotes that hold nothing else, with them: backticks, and in SQLite double quotes and brackets as well.
    Name(&'a str),
    /// Something in double quotes, with them: a name or a string, depending on the dialect.
    Quoted(&'a str),
    /// A literal or a placeholder.
    Value,
    /// An operator, a bracket, a comma.
    Symbol(&'a str),
    /// The reading ends before the statement does.
    Cut,
}

/// Splits a statement into its words; comments and spaces are left out.
pub(super) fn tokens(statement: &str, dialect: Dialect) -> Vec<Token<'_>> {
    let end = statement.floor_char_boundary(MAX_SCANNED_BYTES);
    let mut rest = &statement[..end];
    let mut tokens = Vec::new();
    loop {
        let Some(found) = skip_blanks(rest) else {
            tokens.push(Token::Cut);
            return tokens;
        };
        rest = found;
        if rest.is_empty() {
            break;
        }
        let (token, length) = next(rest, dialect);
        if token == Token::Value {
            drop_sign(&mut tokens);
        }
        tokens.push(token);
        if token == Token::Cut {
            return tokens;
        }
        rest = &rest[length..];
    }
    if end < statement.len() {
        tokens.push(Token::Cut);
    }
    tokens
}

/// Leaves out spaces and comments; `None` where a comment does not end.
pub(super) fn skip_blanks(mut rest: &str) -> Option<&str> {
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}');
        if rest.starts_with("--") || (rest.starts_with('#') && !is_json_path(rest)) {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = after_comment(rest)?;
        } else {
            return Some(rest);
        }
    }
}

/// `#>` and `#>>` of PostgreSQL, recognised by the literal after them; every other `#` begins a comment of MySQL.
fn is_json_path(rest: &str) -> bool {
    let path = rest.strip_prefix("#>>").or_else(|| rest.strip_prefix("#>"));
    path.is_some_and(|path| path.trim_start().starts_with(['\'', '$', '?', ':', '%']))
}

/// Comments may be nested (PostgreSQL); where they may not, code after the first end is lost, which is harmless.
fn after_comment(comment: &str) -> Option<&str> {
    let bytes = comment.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (at, depth) = (at + 2, depth + 1),
            b"*/" => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(&comment[at..]);
        }
    }
    None
}

/// The first token of a text that begins with one, and its length.
fn next(rest: &str, dialect: Dialect) -> (Token<'_>, usize) {
    let first = rest.chars().next().unwrap_or(' ');
    match (dialect, first) {
        (Dialect::Sqlite, '\'') => return value(string(rest, 0, Backslash::Plain)),
        (Dialect::Sqlite, 'x' | 'X') if rest[1..].starts_with('\'') => {
            return value(string(rest, 1, Backslash::Plain));
        }
        (Dialect::Sqlite, '"' | '`') => return name(rest, string(rest, 0, Backslash::Plain)),
        (Dialect::Sqlite, '[') => return name(rest, rest.find(']').map(|end| end + 1)),
        _ => {}
    }
    match first {
        '\'' => value(string(rest, 0, Backslash::Unknown)),
        '"' => quoted(rest, Token::Quoted),
        '`' => quoted(rest, Token::Name),
        '$' => dollar(rest),
        '?' => (Token::Value, 1 + digits(&rest[1..])),
        ':' | '@' => named_placeholder(rest, first),
        '%' => percent_placeholder(rest),
        '.' if digits(&rest[1..]) > 0 => (Token::Value, number(rest)),
        _ if first.is_numeric() => (Token::Value, number(rest)),
        _ if is_word_start(first) => word(rest),
        _ => symbol(rest),
    }
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn word_length(rest: &str) -> usize {
    rest.find(|c| !is_word(c)).unwrap_or(rest.len())
}

fn digits(rest: &str) -> usize {
    rest.bytes().take_while(u8::is_ascii_digit).count()
}

fn word(rest: &str) -> (Token<'_>, usize) {
    let length = word_length(rest);
    let word = &rest[..length];
    if rest[length..].starts_with('\'') {
        let is = |prefix: &str| word.eq_ignore_ascii_case(prefix);
        if is("e") {
            return value(string(rest, length, Backslash::Escapes));
        }
        if PREFIXES.into_iter().any(is) {
            return value(string(rest, length, Backslash::Unknown));
        }
    }
    (Token::Word(word), length)
}

fn symbol(rest: &str) -> (Token<'_>, usize) {
    let known = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)).map(|symbol| symbol.len());
    let length = known.unwrap_or_else(|| rest.chars().next().map_or(1, char::len_utf8));
    (Token::Symbol(&rest[..length]), length)
}

fn value<'a>(length: Option<usize>) -> (Token<'a>, usize) {
    length.map_or((Token::Cut, 0), |length| (Token::Value, length))
}

/// What a backslash within quotes does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backslash {
    /// It takes the meaning from the next character.
    Escapes,
    /// Nothing: it is a character like any other.
    Plain,
    /// That depends on the dialect and its settings.
    Unknown,
}

/// The length of a string whose opening quote is at `open`; `None` where it does not end, or where it depends on the
/// dialect whether it does.
fn string(rest: &str, open: usize, backslash: Backslash) -> Option<usize> {
    let bytes = rest.as_bytes();
    let quote = *bytes.get(open)?;
    let mut at = open + 1;
    let mut backslashes = 0_usize;
    loop {
        let byte = *bytes.get(at)?;
        if byte == quote {
            if backslashes % 2 == 1 && backslash != Backslash::Plain {
                if backslash == Backslash::Unknown {
                    return None;
                }
            } else if bytes.get(at + 1) == Some(&quote) {
                at += 1;
            } else {
                return Some(at + 1);
            }
        }
        backslashes = if byte == b'\\' { backslashes + 1 } else { 0 };
        at += 1;
    }
}

/// A name of this length; without one it does not end.
fn name(rest: &str, length: Option<usize>) -> (Token<'_>, usize) {
    length.map_or((Token::Cut, 0), |length| (Token::Name(&rest[..length]), length))
}

fn quoted<'a>(rest: &'a str, name: fn(&'a str) -> Token<'a>) -> (Token<'a>, usize) {
    match string(rest, 0, Backslash::Unknown) {
        None => (Token::Cut, 0),
        // A string within would be a sign that this is no name.
        Some(length) if length > MAX_NAME_BYTES + 2 || rest[..length].contains('\'') => {
            (Token::Value, length)
        }
        Some(length) => (name(&rest[..length]), length),
    }
}

/// `$1`, `$name`, `$$text$$` and `$tag$text$tag$`.
fn dollar(rest: &str) -> (Token<'_>, usize) {
    let tag = rest[1..].find(|c| !(is_word(c) && c != '$')).unwrap_or(rest.len() - 1);
    if !rest[1 + tag..].starts_with('$') {
        return if tag == 0 { symbol(rest) } else { (Token::Value, 1 + tag) };
    }
    let fence = &rest[..tag + 2];
    value(rest[fence.len()..].find(fence).map(|end| fence.len() + end + fence.len()))
}

/// `:name`, `@name` and `@@name`; other uses of the two are operators.
fn named_placeholder(rest: &str, first: char) -> (Token<'_>, usize) {
    let marks = if first == '@' && rest.starts_with("@@") { 2 } else { 1 };
    match word_length(&rest[marks..]) {
        0 => symbol(rest),
        length => (Token::Value, marks + length),
    }
}

/// `%s` and `%(name)s`; other uses are operators.
fn percent_placeholder(rest: &str) -> (Token<'_>, usize) {
    let is_end = |length: usize| !rest[length..].starts_with(is_word);
    if rest.starts_with("%s") && is_end(2) {
        return (Token::Value, 2);
    }
    let name = rest.strip_prefix("%(").and_then(|name| name.find(')'));
    match name
        .map(|length| length + 3)
        .filter(|&end| rest[end..].starts_with(['s', 'b', 'd']) && is_end(end + 1))
    {
        Some(end) => (Token::Value, end + 1),
        None => symbol(rest),
    }
}

/// The length of a number, an exponent with its sign included.
fn number(rest: &str) -> usize {
    let part = |rest: &str| rest.find(|c: char| !(is_word(c) || c == '.')).unwrap_or(rest.len());
    let mut length = part(rest);
    let is_hex = rest.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    if !is_hex && rest[..length].ends_with(['e', 'E']) {
        let sign = usize::from(rest[length..].starts_with(['+', '-']));
        if digits(&rest[length + sign..]) > 0 {
            length += sign + part(&rest[length + sign..]);
        }
    }
    length
}

/// Takes back a sign that belongs to the value which follows: after another operator, an opening bracket, a comma, a keyword.
fn drop_sign(tokens: &mut Vec<Token<'_>>) {
    while let Some(Token::Symbol("-" | "+")) = tokens.last() {
        let before = tokens.len().checked_sub(2).map(|at| tokens[at]);
        let is_sign = match before {
            None => true,
            Some(Token::Symbol(symbol)) => !matches!(symbol, ")" | "]"),
            Some(Token::Word(word)) => super::is_keyword(word),
            Some(Token::Value | Token::Quoted(_) | Token::Name(_) | Token::Cut) => false,
        };
        if !is_sign {
            return;
        }
        tokens.pop();
    }
}
