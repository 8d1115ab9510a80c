//! What a statement answered, small enough to be kept: to see that a change of plan is no change of rows.

use std::hash::{DefaultHasher, Hasher as _};

use rusqlite::types::ValueRef;
use rusqlite::{Row, Rows};

/// Significant digits by which numbers are compared: a sum in another order differs in its last ones.
const DIGITS: usize = 12;

/// Rows of an answer, as hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Rows.
    pub(crate) rows: u64,
    /// All rows without regard to their order.
    set: u128,
    /// All rows in order.
    sequence: u64,
    /// Values of each column in order.
    columns: Vec<Column>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Column {
    first: Option<u64>,
    is_constant: bool,
    sequence: u64,
}

/// How two answers to one statement differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// Not at all.
    None,
    /// Only in the order, or the choice, of rows that the statement's `ORDER BY` does not tell apart.
    Ties,
    /// In the order, which the statement asks for.
    Order,
    /// In the rows.
    Rows,
}

impl Answer {
    /// Takes all rows.
    pub(crate) fn of(rows: &mut Rows<'_>) -> rusqlite::Result<Self> {
        let mut answer = Self::default();
        while let Some(row) = rows.next()? {
            answer.add(row)?;
        }
        Ok(answer)
    }

    fn add(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let width = row.as_ref().column_count();
        self.columns.resize(width, Column { first: None, is_constant: true, sequence: 0 });
        let mut whole = DefaultHasher::new();
        for (index, column) in self.columns.iter_mut().enumerate() {
            let value = hash(row.get_ref(index)?);
            whole.write_u64(value);
            column.is_constant &= *column.first.get_or_insert(value) == value;
            column.sequence = chained(column.sequence, value);
        }
        let row = whole.finish();
        self.rows += 1;
        self.set = self.set.wrapping_add(u128::from(row));
        self.sequence = chained(self.sequence, row);
        Ok(())
    }

    /// How another answer differs, to a statement that asks for an order or does not.
    ///
    /// The keys of an order are not known here. They are most often among the columns: a column whose values are the same,
    /// place by place, and not all equal, is taken for one, and what differs beside it for rows of equal keys.
    pub(crate) fn difference(&self, other: &Self, is_ordered: bool) -> Difference {
        let same_set = self.rows == other.rows && self.set == other.set;
        if same_set && (!is_ordered || self.sequence == other.sequence) {
            return Difference::None;
        }
        let mut columns = self.columns.iter().zip(&other.columns);
        let has_key = columns.any(|(column, other)| !column.is_constant && column == other);
        match (self.rows == other.rows && is_ordered && has_key, same_set) {
            (true, _) => Difference::Ties,
            (false, true) => Difference::Order,
            (false, false) => Difference::Rows,
        }
    }
}

fn chained(hash: u64, value: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(hash);
    hasher.write_u64(value);
    hasher.finish()
}

fn hash(value: ValueRef<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match value {
        ValueRef::Null => hasher.write_u8(0),
        ValueRef::Integer(value) => {
            hasher.write_u8(1);
            hasher.write_i64(value);
        }
        ValueRef::Real(value) => {
            hasher.write_u8(2);
            // The sign of zero is no difference.
            hasher.write(format!("{:.*e}", DIGITS - 1, value + 0.0).as_bytes());
        }
        ValueRef::Text(text) => {
            hasher.write_u8(3);
            hasher.write(text);
        }
        ValueRef::Blob(bytes) => {
            hasher.write_u8(4);
            hasher.write(bytes);
        }
    }
    hasher.finish()
}

/// Whether a statement asks for an order of its rows: `ORDER BY` outside brackets, quotes and comments.
pub(crate) fn asks_for_order(sql: &str) -> bool {
    let (mut depth, mut words, mut rest) = (0_usize, [String::new(), String::new()], sql);
    while let Some(first) = rest.chars().next() {
        let skipped = quoted(rest, first);
        if skipped > 0 {
            rest = &rest[skipped..];
            continue;
        }
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        if end == 0 {
            match first {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            rest = &rest[first.len_utf8()..];
            continue;
        }
        if depth == 0 {
            words.swap(0, 1);
            rest[..end].clone_into(&mut words[1]);
            if words[0].eq_ignore_ascii_case("order") && words[1].eq_ignore_ascii_case("by") {
                return true;
            }
        }
        rest = &rest[end..];
    }
    false
}

/// Bytes of the quotation or comment that begins here; 0 where none does.
fn quoted(rest: &str, first: char) -> usize {
    let until = |start: usize, end: &str| {
        rest.get(start..).and_then(|body| body.find(end)).map_or(rest.len(), |at| start + at + end.len())
    };
    match first {
        '\'' => until(1, "'"),
        '"' => until(1, "\""),
        '`' => until(1, "`"),
        '[' => until(1, "]"),
        '-' if rest.starts_with("--") => until(2, "\n"),
        '/' if rest.starts_with("/*") => until(2, "*/"),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rusqlite::Connection;

    fn answer(sql: &str) -> Answer {
        let connection = Connection::open_in_memory().unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        Answer::of(&mut statement.raw_query()).unwrap()
    }

    #[test]
    fn differences() {
        let cases = [
            ("VALUES (1,'a'),(2,'b')", "VALUES (1,'a'),(2,'b')", true, Difference::None),
            ("VALUES (1,'a'),(2,'b')", "VALUES (2,'b'),(1,'a')", false, Difference::None),
            ("VALUES (1,'a'),(2,'b')", "VALUES (2,'b'),(1,'a')", true, Difference::Order),
            // The first column is the key; rows of one key came in another order, or are others.
            ("VALUES (1,'a'),(1,'b'),(2,'c')", "VALUES (1,'b'),(1,'a'),(2,'c')", true, Difference::Ties),
            ("VALUES (1,'a'),(2,'b')", "VALUES (1,'a'),(2,'c')", true, Difference::Ties),
            ("VALUES (1,'a'),(2,'b')", "VALUES (1,'a'),(2,'c')", false, Difference::Rows),
            // A column of equal values is no sign of a key.
            ("VALUES (1,'a'),(1,'b')", "VALUES (1,'a'),(1,'c')", true, Difference::Rows),
            ("VALUES (1),(1)", "VALUES (1)", false, Difference::Rows),
            ("VALUES (1),(1),(2)", "VALUES (1),(2),(2)", false, Difference::Rows),
            ("VALUES (1)", "VALUES ('1')", false, Difference::Rows),
            ("VALUES (NULL)", "VALUES (x'')", false, Difference::Rows),
            ("SELECT 0.1 + 0.2", "SELECT 0.3", true, Difference::None),
            ("SELECT 1 WHERE 0", "SELECT 1 WHERE 0", true, Difference::None),
        ];
        for (a, b, ordered, expected) in cases {
            assert_eq!(answer(a).difference(&answer(b), ordered), expected, "{a} / {b}");
        }
    }

    #[test]
    fn an_order_is_asked_for_outside_brackets_only() {
        let cases = [
            ("SELECT a FROM t ORDER BY a", true),
            ("select a from t order\n by a", true),
            ("SELECT a FROM t /* x */ ORDER -- y\n BY a LIMIT 3", true),
            ("SELECT row_number() OVER (ORDER BY a) FROM t", false),
            ("SELECT * FROM (SELECT a FROM t ORDER BY a)", false),
            ("SELECT 'ORDER BY' FROM t", false),
            ("SELECT \"order by\", [order by] FROM t", false),
            ("SELECT a FROM order_by", false),
            ("SELECT 'unclosed ORDER BY", false),
            ("", false),
        ];
        for (sql, expected) in cases {
            assert_eq!(asks_for_order(sql), expected, "{sql}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_asked(sql in ".{0,60}") {
            asks_for_order(&sql);
        }
    }
}
