//! Lines of any log that have a statement and how long it took: `SELECT … 12.3 ms`, `12.3 ms: SELECT …`,
//! `sql="SELECT …" duration_ms=12.3`.

use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use super::duration;
use super::parameters;

/// Words of a line at which its statement may begin.
const MAX_TRIED: usize = 8;

/// Where a statement begins, as no sentence does.
static BEGIN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?ix)(?:^|[^\w.]) ( select\s | insert\s+(?:or\s+\w+\s+)?into\s | update\s | delete\s+from\s | replace\s+into\s
        | with\s+(?:recursive\s+)?[^\s(]+\s*(?:\([^)]*\)\s*)?as\s*(?:(?:not\s+)?materialized\s*)?\( )",
    )
    .expect("the pattern is one")
});

/// A duration at the end, with the words and brackets around it.
static AT_END: LazyLock<Regex> = LazyLock::new(|| {
    let units = duration::PATTERN;
    Regex::new(&format!(
        r"(?i)(?:\s|[;|,(\[]|--)+(?:(?:took|in|after|duration|elapsed|time|runtime|executed)\b\s*[:=]?\s*)*[(\[]?(\d{{1,12}}(?:\.\d{{1,9}})?)\s*({units})\s*[)\]]?\s*[.;]?\s*$"
    ))
    .expect("the pattern is one")
});

/// A duration anywhere: a number and a unit that are no part of something longer.
static ANYWHERE: LazyLock<Regex> = LazyLock::new(|| {
    let units = duration::PATTERN;
    Regex::new(&format!(r"(?i)(?:^|[^\w.+-])(\d{{1,12}}(?:\.\d{{1,9}})?)\s*({units})(?:[^\w]|$)"))
        .expect("the pattern is one")
});

/// A duration whose unit is in its key.
static KEYED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)(?:duration|elapsed|took|time|runtime)[_-](ms|us|ns|s|seconds|sec)"?\s*[:=]\s*"?(\d{1,12}(?:\.\d{1,9})?)"#)
        .expect("the pattern is one")
});

/// The statement of a line that also says how long it took.
pub(super) fn statement(line: &str) -> Option<Found> {
    let begins = BEGIN.captures_iter(line).filter_map(|found| found.get(1)).take(MAX_TRIED);
    let found = begins.into_iter().find(|found| is_statement(&line[found.start()..]))?;
    let (before, text) = line.split_at(found.start());
    let (sql, duration_ns) = match before.chars().next_back() {
        Some(quote @ ('"' | '`')) => {
            let (sql, after) = quoted(text, quote)?;
            (sql, duration_in(after).or_else(|| duration_in(before))?)
        }
        _ => match ends_with_duration(text) {
            Some((sql, duration_ns)) => (sql.to_owned(), duration_ns),
            None => (text.trim_end().to_owned(), duration_in(before)?),
        },
    };
    let (sql, parameters) = parameters::trailing(&sql);
    Some(Found { sql: sql.to_owned(), parameters, duration_ns: Some(duration_ns) })
}

/// Sentences may begin with the same words, but do not go on like statements.
fn is_statement(text: &str) -> bool {
    static FROM: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?i)\sfrom\s").expect("the pattern is one"));
    static SET: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?i)\sset\s[^=]*=").expect("the pattern is one"));
    match text.get(..6).map(str::to_ascii_lowercase).as_deref() {
        Some("select") => text.starts_with("SELECT") || FROM.is_match(text),
        Some("update") => SET.is_match(text),
        _ => true,
    }
}

fn ends_with_duration(text: &str) -> Option<(&str, u64)> {
    if let Some(found) = AT_END.captures(text) {
        return Some((&text[..found.get(0)?.start()], duration::nanoseconds(&found[1], &found[2])?));
    }
    let found = KEYED.captures(text)?;
    Some((text[..found.get(0)?.start()].trim_end(), duration::nanoseconds(&found[2], &found[1])?))
}

/// The last duration of a text that is no statement.
fn duration_in(text: &str) -> Option<u64> {
    if let Some(found) = KEYED.captures_iter(text).last() {
        return duration::nanoseconds(&found[2], &found[1]);
    }
    let found = ANYWHERE.captures_iter(text).last()?;
    duration::nanoseconds(&found[1], &found[2])
}

/// A text up to its quote, and what follows; backslashes keep what is behind them.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut sql = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => match characters.next()?.1 {
                'n' => sql.push('\n'),
                't' => sql.push('\t'),
                other => sql.push(other),
            },
            c if c == quote => return Some((sql, &text[at + c.len_utf8()..])),
            c => sql.push(c),
        }
    }
    None
}
