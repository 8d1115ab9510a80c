//! A TOML document as plain nested values that know where they stand in the text.

use std::ops::Range;

use toml_edit::{Document, Item, TableLike};

/// A value and its byte range.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) data: Data,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Text(String),
    Integer(i64),
    Number(f64),
    Boolean(bool),
    Date(String),
    List(Vec<Node>),
    Table(Table),
}

/// Keys with values, in the order of the text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: Node,
}

impl Node {
    /// With its article, as error messages say it.
    pub(crate) fn kind(&self) -> &'static str {
        match self.data {
            Data::Text(_) => "a text",
            Data::Integer(_) => "an integer",
            Data::Number(_) => "a number",
            Data::Boolean(_) => "a boolean",
            Data::Date(_) => "a date",
            Data::List(_) => "a list",
            Data::Table(_) => "a table",
        }
    }
}

/// A mistake in the TOML itself.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
}

/// Reads a TOML document.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let document = Document::parse(text).map_err(|error| SyntaxError {
        span: error.span().unwrap_or(0..0),
        message: error.message().trim().to_owned(),
    })?;
    Ok(Node { span: 0..0, data: Data::Table(table(document.as_table())) })
}

fn table(source: &dyn TableLike) -> Table {
    let entries = source
        .iter()
        .filter_map(|(key, item)| {
            let key_span = source.key(key).and_then(toml_edit::Key::span);
            let span = item.span().or_else(|| key_span.clone()).unwrap_or(0..0);
            let key_span = key_span.unwrap_or_else(|| span.clone());
            let node = Node { span, data: item_data(item)? };
            Some(Entry { key: key.to_owned(), key_span, node })
        })
        .collect();
    Table { entries }
}

fn item_data(item: &Item) -> Option<Data> {
    match item {
        Item::None => None,
        Item::Value(value) => Some(value_data(value)),
        Item::Table(inner) => Some(Data::Table(table(inner))),
        Item::ArrayOfTables(tables) => Some(Data::List(
            tables
                .iter()
                .map(|inner| Node { span: inner.span().unwrap_or(0..0), data: Data::Table(table(inner)) })
                .collect(),
        )),
    }
}

fn value_data(value: &toml_edit::Value) -> Data {
    match value {
        toml_edit::Value::String(text) => Data::Text(text.value().clone()),
        toml_edit::Value::Integer(number) => Data::Integer(*number.value()),
        toml_edit::Value::Float(number) => Data::Number(*number.value()),
        toml_edit::Value::Boolean(flag) => Data::Boolean(*flag.value()),
        toml_edit::Value::Datetime(date) => Data::Date(date.value().to_string()),
        toml_edit::Value::Array(items) => Data::List(
            items
                .iter()
                .map(|item| Node { span: item.span().unwrap_or(0..0), data: value_data(item) })
                .collect(),
        ),
        toml_edit::Value::InlineTable(inner) => Data::Table(table(inner)),
    }
}
