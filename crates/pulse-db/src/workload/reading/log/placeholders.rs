//! Placeholders as Python's drivers write them, as SQL has them.

/// `%s` becomes `?`, `%(name)s` becomes `:name`, and `%%` one of them; only outside of strings, where SQL itself has a `%`
/// that means something else.
pub(super) fn standard(sql: &str) -> String {
    if !has_percent(sql) {
        return sql.to_owned();
    }
    let mut written = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '\'' | '"' | '`' => rest[1..].find(c).map_or(rest.len(), |end| end + 2),
            _ => c.len_utf8(),
        };
        let (text, used) = if rest.starts_with("%s") {
            ("?".to_owned(), 2)
        } else if rest.starts_with("%%") {
            ("%".to_owned(), 2)
        } else if let Some((name, used)) = named(rest) {
            (format!(":{name}"), used)
        } else {
            (rest[..length].to_owned(), length)
        };
        written.push_str(&text);
        rest = &rest[used..];
    }
    written
}

/// Whether one of them stands somewhere; a `%` alone is the remainder of a division.
fn has_percent(sql: &str) -> bool {
    sql.contains("%s") || sql.contains("%(")
}

/// `%(name)s`, and how long it is.
fn named(text: &str) -> Option<(&str, usize)> {
    let name = text.strip_prefix("%(")?;
    let end = name.find(")s")?;
    let name = &name[..end];
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name.then_some((name, "%()s".len() + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_written_as_sql() {
        let cases = [
            ("SELECT a % 2", "SELECT a % 2"),
            ("SELECT a WHERE b = %s AND c = %(c_1)s", "SELECT a WHERE b = ? AND c = :c_1"),
            ("SELECT a %% 2 WHERE b = %s", "SELECT a % 2 WHERE b = ?"),
            (
                "SELECT '%s', \"%s\" WHERE b LIKE '%(x)s%' AND c = %s",
                "SELECT '%s', \"%s\" WHERE b LIKE '%(x)s%' AND c = ?",
            ),
            ("SELECT %(a b)s, 'ü", "SELECT %(a b)s, 'ü"),
        ];
        for (text, expected) in cases {
            assert_eq!(standard(text), expected);
        }
    }
}
