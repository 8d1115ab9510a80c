//! Values as Python's `repr`, Ruby's `inspect` and JSON write them.

use crate::workload::Value;

/// Values of one text.
const MAX_VALUES: usize = 32_766;
/// Lists within lists.
const MAX_DEPTH: usize = 4;

/// Something that was read.
#[derive(Debug, PartialEq)]
pub(super) enum Literal {
    Value(Value),
    List(Bracket, Vec<Literal>),
    Map(Vec<(String, Literal)>),
}

/// What stands around a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bracket {
    Square,
    Round,
}

/// What was read, and how.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) literal: Literal,
    /// Bytes of the text.
    pub(super) used: usize,
    /// How many items there were, where the text says that it does not show all of them.
    pub(super) total: Option<u64>,
}

impl Literal {
    /// Whether this is a set of parameters within a list of them.
    pub(super) fn is_set(&self) -> bool {
        matches!(self, Self::List(Bracket::Round, _) | Self::Map(_))
    }
}

/// The literal at the beginning of a text.
pub(super) fn read(text: &str) -> Option<Read> {
    let mut reader = Reader { rest: text, left: MAX_VALUES, total: None };
    let literal = reader.literal(0)?;
    Some(Read { literal, used: text.len() - reader.rest.len(), total: reader.total })
}

struct Reader<'a> {
    rest: &'a str,
    /// Values that may still come.
    left: usize,
    total: Option<u64>,
}

impl Reader<'_> {
    fn literal(&mut self, depth: usize) -> Option<Literal> {
        self.left = self.left.checked_sub(1)?;
        self.space();
        let first = self.rest.chars().next()?;
        match first {
            '[' | '(' if depth < MAX_DEPTH => self.list(first, depth),
            '{' if depth < MAX_DEPTH => self.map(depth),
            '\'' | '"' => self.text().map(|text| Literal::Value(Value::Text(text))),
            'b' if self.rest[1..].starts_with(['\'', '"']) => {
                self.rest = &self.rest[1..];
                self.bytes().map(|bytes| Literal::Value(Value::Blob(bytes)))
            }
            'u' if self.rest[1..].starts_with(['\'', '"']) => {
                self.rest = &self.rest[1..];
                self.text().map(|text| Literal::Value(Value::Text(text)))
            }
            '0'..='9' | '-' | '+' | '.' => self.number().map(Literal::Value),
            _ if first.is_alphabetic() => self.word(depth).map(Literal::Value),
            _ => None,
        }
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes what comes next, if it does.
    fn take(&mut self, text: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn list(&mut self, open: char, depth: usize) -> Option<Literal> {
        self.rest = &self.rest[1..];
        let (close, bracket) = if open == '[' { ("]", Bracket::Square) } else { (")", Bracket::Round) };
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(self.literal(depth + 1)?);
            let is_shortened = self.omission();
            if !is_shortened && !self.take(",") {
                return self.take(close).then_some(Literal::List(bracket, items));
            }
        }
        Some(Literal::List(bracket, items))
    }

    /// `... displaying 10 of 100 total bound parameter sets ...`
    fn omission(&mut self) -> bool {
        self.space();
        let Some(text) = self.rest.strip_prefix("... displaying ") else {
            return false;
        };
        let Some((said, rest)) = text.split_once(" sets ...") else {
            return false;
        };
        self.total = said.split(' ').nth(2).and_then(|total| total.parse().ok());
        self.rest = rest;
        true
    }

    fn map(&mut self, depth: usize) -> Option<Literal> {
        self.rest = &self.rest[1..];
        let mut items = Vec::new();
        while !self.take("}") {
            self.take(":");
            let name = match self.rest.chars().next()? {
                '\'' | '"' => self.text()?,
                _ => {
                    let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
                    let (name, rest) = self.rest.split_at(end);
                    self.rest = rest;
                    name.to_owned()
                }
            };
            if name.is_empty() || !(self.take("=>") || self.take(":")) {
                return None;
            }
            items.push((name, self.literal(depth + 1)?));
            if !self.take(",") {
                return self.take("}").then_some(Literal::Map(items));
            }
        }
        Some(Literal::Map(items))
    }

    fn text(&mut self) -> Option<String> {
        let mut text = String::new();
        self.characters(|c, _| {
            text.push(c);
            Some(())
        })?;
        Some(text)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.characters(|c, is_escaped| {
            let byte = u8::try_from(u32::from(c)).ok()?;
            (is_escaped || byte.is_ascii()).then(|| bytes.push(byte))
        })?;
        Some(bytes)
    }

    /// What is between two quotes, one character at a time, with whether it was written as an escape.
    fn characters(&mut self, mut each: impl FnMut(char, bool) -> Option<()>) -> Option<()> {
        let quote = self.rest.chars().next()?;
        self.rest = &self.rest[1..];
        loop {
            let c = self.rest.chars().next()?;
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                c if c == quote => return Some(()),
                '\\' => each(self.escape()?, true)?,
                c => each(c, false)?,
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(match c {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            'e' => '\u{1b}',
            '0' => '\0',
            'x' => self.code(2)?,
            'u' if self.rest.starts_with('{') => {
                let (digits, rest) = self.rest[1..].split_once('}')?;
                self.rest = rest;
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
            }
            'u' => self.code(4)?,
            'U' => self.code(8)?,
            other => other,
        })
    }

    fn code(&mut self, length: usize) -> Option<char> {
        let digits = self.rest.get(..length)?;
        self.rest = &self.rest[length..];
        char::from_u32(u32::from_str_radix(digits, 16).ok()?)
    }

    fn number(&mut self) -> Option<Value> {
        let end =
            self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_')));
        let (text, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        let text = text.replace('_', "");
        if let Ok(number) = text.parse() {
            return Some(Value::Integer(number));
        }
        text.parse().ok().map(number)
    }

    /// A word, or an object that has a text: `Decimal('1.5')`.
    fn word(&mut self, depth: usize) -> Option<Value> {
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | ':')));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if rest.starts_with('(') && depth < MAX_DEPTH {
            let name = word.rsplit('.').next().unwrap_or(word).to_owned();
            self.rest = rest;
            let Literal::List(_, arguments) = self.list('(', depth)? else {
                return None;
            };
            return object(&name, &arguments);
        }
        self.rest = rest;
        match word {
            "None" | "nil" | "null" | "NULL" => Some(Value::Null),
            "True" | "true" => Some(Value::Integer(1)),
            "False" | "false" => Some(Value::Integer(0)),
            "inf" | "Infinity" | "nan" | "NaN" => word.parse().ok().map(number),
            _ => None,
        }
    }
}

fn number(value: f64) -> Value {
    if value.is_nan() { Value::Null } else { Value::Real(value) }
}

/// An object as Python's drivers bind it.
fn object(name: &str, arguments: &[Literal]) -> Option<Value> {
    let numbers: Option<Vec<i64>> = arguments
        .iter()
        .map(|argument| match argument {
            Literal::Value(Value::Integer(number @ 0..=999_999)) => Some(*number),
            _ => None,
        })
        .collect();
    let text = match (name, arguments, numbers.as_deref()) {
        ("Decimal" | "UUID", [Literal::Value(Value::Text(text))], _) => text.clone(),
        ("date", _, Some([year, month, day])) => format!("{year:04}-{month:02}-{day:02}"),
        ("datetime", _, Some([year, month, day, hour, minute, rest @ ..])) if rest.len() <= 2 => {
            let second = rest.first().unwrap_or(&0);
            let fraction = rest.get(1).map_or(String::new(), |micros| format!(".{micros:06}"));
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction}")
        }
        _ => return None,
    };
    Some(Value::Text(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<Value> {
        match read(text) {
            Some(Read { literal: Literal::Value(value), used, .. }) if used == text.len() => Some(value),
            _ => None,
        }
    }

    #[test]
    fn values_are_read() {
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let cases = [
            ("7", Some(Value::Integer(7))),
            ("-9223372036854775808", Some(Value::Integer(i64::MIN))),
            ("9223372036854775808", Some(Value::Real(9_223_372_036_854_775_808.0))),
            ("1.5e3", Some(Value::Real(1500.0))),
            ("None", Some(Value::Null)),
            ("nil", Some(Value::Null)),
            ("True", Some(Value::Integer(1))),
            ("nan", Some(Value::Null)),
            ("'it\\'s'", text("it's")),
            ("\"a\\n\\u00e9\\x41\\u{1F600}\\e\"", text("a\né\u{41}😀\u{1b}")),
            ("u'x'", text("x")),
            ("b'\\x00\\xffa'", Some(Value::Blob(vec![0, 255, b'a']))),
            ("Decimal('1.50')", text("1.50")),
            ("datetime.datetime(2024, 1, 2, 3, 4)", text("2024-01-02 03:04:00")),
            ("datetime.datetime(2024, 1, 2, 3, 4, 5, 678)", text("2024-01-02 03:04:05.000678")),
            ("datetime.date(2024, 1, 2)", text("2024-01-02")),
            ("datetime.datetime(2024, 1, 2, 3, 4, tzinfo=x)", None),
            ("'open", None),
            ("1.2.3", None),
            ("word", None),
            ("'\\ud800'", None),
            ("\\", None),
        ];
        for (text, expected) in cases {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn depth_and_number_are_limited() {
        assert!(read(&"[".repeat(100_000)).is_none());
        let many = format!("[{}]", "1,".repeat(MAX_VALUES + 1));
        assert!(read(&many).is_none());
    }
}
