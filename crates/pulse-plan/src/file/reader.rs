//! Typed reading of TOML tables: every wrong type, wrong value and unknown key becomes an error with its position.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;

use pulse_model::Nanos;

use crate::file::error::Diagnostics;
use crate::file::tree::{Data, Entry, Node, Table};

/// Reads the keys of a table by name and remembers which were asked for; whatever is left over is unknown.
pub(crate) struct TableReader<'a> {
    table: &'a Table,
    /// Where the table stands, for errors about what it lacks.
    span: Range<usize>,
    path: String,
    asked: RefCell<Vec<&'static str>>,
    pub(crate) notes: &'a Diagnostics<'a>,
}

impl<'a> TableReader<'a> {
    /// The whole document.
    pub(crate) fn root(root: &'a Node, notes: &'a Diagnostics<'a>) -> Option<Self> {
        Field { node: root, path: String::new(), notes }.table("")
    }

    /// A key's value, if it is there.
    pub(crate) fn get(&self, key: &'static str) -> Option<Field<'a>> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        self.table.entries.iter().find(|entry| entry.key == key).map(|entry| self.field(entry))
    }

    /// A key's value in a table without another key; with that one, the key is unknown.
    pub(crate) fn get_unless_of(&self, other: &'static str, key: &'static str) -> Option<Field<'a>> {
        let has_other = self.table.entries.iter().any(|entry| entry.key == other);
        if has_other { None } else { self.get(key) }
    }

    /// A key's value; an error when it is missing.
    pub(crate) fn required(&self, key: &'static str, example: &str) -> Option<Field<'a>> {
        let found = self.get(key);
        if found.is_none() {
            let help = format!("write for example {}", assigned(key, example));
            self.error(format!("`{key}` is missing"), Some(help));
        }
        found
    }

    /// An error about the table as a whole.
    pub(crate) fn error(&self, message: impl Into<String>, help: Option<String>) {
        self.notes.report(self.span.clone(), &self.path, message, help);
    }

    /// The value of the only one of `keys` that is given; an error when there are several.
    pub(crate) fn one_of(&self, keys: &[&'static str]) -> Option<(&'static str, Field<'a>)> {
        let mut given = keys.iter().filter_map(|&key| Some((key, self.get(key)?)));
        let first = given.next()?;
        for (key, field) in given {
            field.error(format!("`{key}` and `{}` exclude each other", first.0), "keep one of them");
        }
        Some(first)
    }

    /// Reports the keys that nobody asked for, each with the nearest known one. Returns whether there are none.
    pub(crate) fn finish(&self) -> bool {
        let asked = self.asked.borrow();
        let mut all_known = true;
        for entry in &self.table.entries {
            if asked.contains(&entry.key.as_str()) {
                continue;
            }
            all_known = false;
            let help = did_you_mean(&entry.key, asked.iter().copied())
                .unwrap_or_else(|| format!("known here: {}", asked.join(", ")));
            let path = joined(&self.path, &entry.key);
            let message = format!("`{}` is not a known key", entry.key);
            self.notes.report(entry.key_span.clone(), &path, message, Some(help));
        }
        all_known
    }

    fn field(&self, entry: &'a Entry) -> Field<'a> {
        Field { node: &entry.node, path: joined(&self.path, &entry.key), notes: self.notes }
    }
}

/// A value with its key and position.
pub(crate) struct Field<'a> {
    pub(crate) node: &'a Node,
    pub(crate) path: String,
    pub(crate) notes: &'a Diagnostics<'a>,
}

impl<'a> Field<'a> {
    /// An error about the value.
    pub(crate) fn error(&self, message: impl Into<String>, help: impl Into<String>) {
        self.error_at(self.node.span.clone(), message, Some(help.into()));
    }

    /// An error about a part of the value.
    pub(crate) fn error_at(&self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        self.notes.report(span, &self.path, message, help);
    }

    /// An error about the value's type; `expected` with its article.
    pub(crate) fn wrong_type(&self, expected: &str, example: &str) {
        let key = self.key();
        self.error(
            format!("`{key}` must be {expected}, not {}", self.node.kind()),
            format!("write for example {}", assigned(key, example)),
        );
    }

    /// The last part of the path, as the user wrote it.
    fn key(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }

    pub(crate) fn text(&self, example: &str) -> Option<&'a str> {
        if let Data::Text(text) = &self.node.data {
            Some(text)
        } else {
            self.wrong_type("a text", example);
            None
        }
    }

    /// A text that stands for something else.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&self, example: &str) -> Option<T> {
        let text = self.text(example)?;
        text.parse()
            .map_err(|error: T::Err| {
                let message = error.to_string();
                let help = (!message.contains("write ")).then(|| format!("write for example {example}"));
                self.error_at(self.node.span.clone(), message, help);
            })
            .ok()
    }

    /// A duration: a text such as `"10s"` or a bare number of seconds.
    pub(crate) fn duration(&self, example: &str) -> Option<Nanos> {
        let text = match &self.node.data {
            Data::Text(text) => text.clone(),
            Data::Integer(seconds) => seconds.to_string(),
            Data::Number(seconds) => seconds.to_string(),
            _ => {
                self.wrong_type("a duration", example);
                return None;
            }
        };
        text.parse()
            .map_err(|error: pulse_model::DurationError| {
                let help = format!("write for example {}", assigned(self.key(), example));
                self.error(format!("`{text}` is not a duration: {}", error.reason), help);
            })
            .ok()
    }

    /// A duration longer than nothing.
    pub(crate) fn time_span(&self, example: &str) -> Option<Nanos> {
        let span = self.duration(example)?;
        if span == Nanos::ZERO {
            let help = format!("write for example {}", assigned(self.key(), example));
            self.error(format!("`{}` must be longer than 0s", self.key()), help);
        }
        Some(span).filter(|&span| span > Nanos::ZERO)
    }

    pub(crate) fn integer(&self, range: RangeInclusive<u64>, example: &str) -> Option<u64> {
        let Data::Integer(number) = self.node.data else {
            self.wrong_type("an integer", example);
            return None;
        };
        let fitting = u64::try_from(number).ok().filter(|number| range.contains(number));
        if fitting.is_none() {
            let (least, most) = (range.start(), range.end());
            self.error(
                format!("`{}` must be between {least} and {most}, not {number}", self.key()),
                format!("write for example {}", assigned(self.key(), example)),
            );
        }
        fitting
    }

    /// A number with or without a fraction.
    pub(crate) fn number(&self, example: &str) -> Option<f64> {
        match self.node.data {
            Data::Integer(number) => Some(number as f64),
            Data::Number(number) => Some(number),
            _ => {
                self.wrong_type("a number", example);
                None
            }
        }
    }

    pub(crate) fn boolean(&self, example: &str) -> Option<bool> {
        if let Data::Boolean(flag) = self.node.data {
            Some(flag)
        } else {
            self.wrong_type("true or false", example);
            None
        }
    }

    pub(crate) fn items(&self, example: &str) -> Option<Vec<Field<'a>>> {
        let Data::List(items) = &self.node.data else {
            self.wrong_type("a list", example);
            return None;
        };
        let items = items.iter().enumerate();
        Some(
            items
                .map(|(i, node)| Field { node, path: format!("{}[{i}]", self.path), notes: self.notes })
                .collect(),
        )
    }

    pub(crate) fn table(&self, example: &str) -> Option<TableReader<'a>> {
        let Data::Table(table) = &self.node.data else {
            self.wrong_type("a table", example);
            return None;
        };
        Some(TableReader {
            table,
            span: self.node.span.clone(),
            path: self.path.clone(),
            asked: RefCell::default(),
            notes: self.notes,
        })
    }

    /// The entries of a table whose keys the user chooses.
    pub(crate) fn entries(&self, example: &str) -> Option<Vec<(&'a Entry, Field<'a>)>> {
        let reader = self.table(example)?;
        Some(reader.table.entries.iter().map(|entry| (entry, reader.field(entry))).collect())
    }

    /// Where a byte range of the decoded text stands in the file.
    ///
    /// Exact when the text is written without escapes before it; otherwise references (`${`) are found by counting
    /// them, and anything else is the whole value.
    pub(crate) fn span_within(&self, part: Range<usize>) -> Range<usize> {
        let whole = self.node.span.clone();
        let (Data::Text(decoded), Some(raw)) = (&self.node.data, self.notes.text.get(whole.clone())) else {
            return whole;
        };
        if let Some(base) = raw.find(decoded.as_str()) {
            return whole.start + base + part.start..whole.start + base + part.end;
        }
        let nth = decoded.match_indices("${").take_while(|(at, _)| *at < part.start).count();
        let same_count = decoded.matches("${").count() == raw.matches("${").count();
        match raw.match_indices("${").nth(nth) {
            Some((at, _)) if same_count => whole.start + at..(whole.start + at + part.len()).min(whole.end),
            _ => whole,
        }
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Elements of a list have no key of their own to assign to, and a table under a heading brings its own.
fn assigned(key: &str, example: &str) -> String {
    if key.ends_with(']') || example.starts_with("[[") {
        example.to_owned()
    } else {
        format!("{key} = {example}")
    }
}

/// `did you mean …?` with the nearest of the known names, if one is near.
pub(crate) fn did_you_mean<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
    known
        .into_iter()
        .map(|candidate| {
            (strsim::damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase()), candidate)
        })
        .filter(|(distance, candidate)| *distance <= 1 + name.len().max(candidate.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| format!("did you mean `{candidate}`?"))
}
