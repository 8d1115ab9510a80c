//! A feed: rows of data that iterations take one after another.

use std::ops::Range;
use std::path::Path;

/// The most rows of a feed.
pub const MAX_FEED_ROWS: usize = 10_000_000;
/// The largest file of a feed, in bytes.
pub const MAX_FEED_BYTES: usize = 256 << 20;
/// The most columns of a feed.
pub const MAX_FEED_COLUMNS: usize = 1_000;

/// Rows of data. Every iteration of a scenario that uses the feed takes one row and keeps it to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Name, as in `${name.column}`.
    pub name: String,
    /// Column names, unique.
    pub columns: Vec<String>,
    /// Rows, each with one value per column; at least one row.
    pub rows: Vec<Vec<String>>,
    /// Which row comes next.
    pub order: FeedOrder,
}

/// Which row of a feed comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeedOrder {
    /// One after another over all users, from the start again after the last.
    #[default]
    Sequential,
    /// Any row, drawn with the seed of the plan.
    Random,
    /// One after another over all users, each row once; when none is left, the users of the feed stop.
    Unique,
}

impl std::str::FromStr for FeedOrder {
    type Err = crate::UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "sequential" => Ok(Self::Sequential),
            "random" => Ok(Self::Random),
            "unique" => Ok(Self::Unique),
            _ => Err(crate::UnknownWord { text: text.to_owned(), known: "sequential, random, unique" }),
        }
    }
}

/// Columns and rows of a data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedTable {
    /// Column names, unique.
    pub columns: Vec<String>,
    /// Rows, each with one value per column.
    pub rows: Vec<Vec<String>>,
}

/// Why a file is not a feed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FeedError {
    /// Byte range of the mistake in the file.
    pub span: Range<usize>,
    /// What is wrong there, and what would be right.
    pub reason: String,
}

impl FeedError {
    fn new(span: Range<usize>, reason: impl Into<String>) -> Self {
        Self { span, reason: reason.into() }
    }
}

impl FeedTable {
    /// Reads a data file: JSON Lines when its name ends in `.jsonl` or `.ndjson`, CSV otherwise.
    pub fn parse(file_name: &str, bytes: &[u8]) -> Result<Self, FeedError> {
        if bytes.len() > MAX_FEED_BYTES {
            let limit = MAX_FEED_BYTES >> 20;
            return Err(FeedError::new(0..0, format!("the file is larger than {limit} MiB; split it")));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            FeedError::new(error.valid_up_to()..error.valid_up_to(), "the file is not UTF-8")
        })?;
        let extension = Path::new(file_name).extension().unwrap_or_default().to_ascii_lowercase();
        let table =
            if extension == "jsonl" || extension == "ndjson" { json_lines(text)? } else { csv(text)? };
        if table.rows.is_empty() {
            return Err(FeedError::new(
                text.len()..text.len(),
                "there are no rows; a feed needs at least one",
            ));
        }
        Ok(table)
    }
}

fn csv(text: &str) -> Result<FeedTable, FeedError> {
    // The mark that some spreadsheets write would become part of the first column's name.
    let bom = text.len() - text.trim_start_matches('\u{feff}').len();
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(&text.as_bytes()[bom..]);
    let wrong = |error: &csv::Error| {
        let at = error.position().map_or(0, |position| bom + position.byte() as usize);
        FeedError::new(at..line_end(text, at), csv_reason(error))
    };
    let header = reader.headers().map_err(|error| wrong(&error))?.clone();
    let columns: Vec<String> = header.iter().map(str::to_owned).collect();
    check_columns(&columns, bom..line_end(text, bom))?;
    let mut rows = Vec::new();
    for record in reader.into_records() {
        let record = record.map_err(|error| wrong(&error))?;
        if rows.len() == MAX_FEED_ROWS {
            let at = record.position().map_or(0, |position| bom + position.byte() as usize);
            return Err(too_many_rows(at));
        }
        rows.push(record.iter().map(str::to_owned).collect());
    }
    Ok(FeedTable { columns, rows })
}

fn csv_reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the row has {len} values, but there are {expected_len} columns")
        }
        _ => format!("the row cannot be read: {error}"),
    }
}

fn json_lines(text: &str) -> Result<FeedTable, FeedError> {
    let mut table = FeedTable { columns: Vec::new(), rows: Vec::new() };
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let span = at..at + line.trim_end().len();
        at += line.len();
        if line.trim().is_empty() {
            continue;
        }
        if table.rows.len() == MAX_FEED_ROWS {
            return Err(too_many_rows(span.start));
        }
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).map_err(|error| {
                let column = span.start + error.column().saturating_sub(1).min(span.len());
                FeedError::new(
                    column..span.end.max(column),
                    format!("the line is not a JSON object: {error}"),
                )
            })?;
        if table.rows.is_empty() {
            table.columns = object.keys().cloned().collect();
            check_columns(&table.columns, span.clone())?;
        }
        let row = table.columns.iter().map(|column| match object.get(column) {
            Some(serde_json::Value::String(text)) => Ok(text.clone()),
            Some(value) => Ok(value.to_string()),
            None => {
                Err(FeedError::new(span.clone(), format!("`{column}` is missing; the first line has it")))
            }
        });
        let row = row.collect::<Result<_, _>>()?;
        // Every column is there; only then is a larger object one with keys too many.
        let extra =
            object.keys().find(|key| object.len() > table.columns.len() && !table.columns.contains(key));
        if let Some(extra) = extra {
            return Err(FeedError::new(span, format!("`{extra}` is not a key of the first line")));
        }
        table.rows.push(row);
    }
    Ok(table)
}

fn too_many_rows(at: usize) -> FeedError {
    FeedError::new(at..at, format!("there are more than {MAX_FEED_ROWS} rows; split the file"))
}

fn check_columns(columns: &[String], span: Range<usize>) -> Result<(), FeedError> {
    if columns.len() > MAX_FEED_COLUMNS {
        return Err(FeedError::new(span, format!("there are more than {MAX_FEED_COLUMNS} columns")));
    }
    if columns.is_empty() || columns.iter().any(String::is_empty) {
        return Err(FeedError::new(
            span,
            "a column has no name; the first line of a CSV file names the columns",
        ));
    }
    match columns.iter().enumerate().find(|(i, column)| columns[..*i].contains(column)) {
        Some((_, twice)) => Err(FeedError::new(span, format!("the column `{twice}` is there twice"))),
        None => Ok(()),
    }
}

fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |len| at + len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(table: &FeedTable) -> String {
        let rows: Vec<String> = table.rows.iter().map(|row| row.join("|")).collect();
        format!("{} / {}", table.columns.join("|"), rows.join(" / "))
    }

    #[test]
    fn data_files() {
        for (file, text, expected) in [
            ("a.csv", "symbol,price\nSPY,1.5\n\"Q,Q\",2\n", "symbol|price / SPY|1.5 / Q,Q|2"),
            ("a.csv", "\u{feff}symbol , price\r\nSPY,\r\n", "symbol|price / SPY|"),
            ("a.txt", "one\n1\n\n2", "one / 1 / 2"),
            ("a.jsonl", "{\"b\": 1, \"a\": \"x\"}\n\n{\"a\": null, \"b\": [2]}\n", "a|b / x|1 / null|[2]"),
        ] {
            assert_eq!(rows(&FeedTable::parse(file, text.as_bytes()).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_data_file_says_where_and_why() {
        for (file, text, at, reason) in [
            ("a.csv", "", 0, "a column has no name"),
            ("a.csv", "a,b\n", 4, "there are no rows"),
            ("a.csv", "a,a\n1,2", 0, "the column `a` is there twice"),
            ("a.csv", "a,b\n1,2\n3\n", 8, "the row has 1 values, but there are 2 columns"),
            ("a.jsonl", "{\"a\":1}\n{\"a\":1,\"b\":2}", 8, "`b` is not a key of the first line"),
            ("a.jsonl", "{\"a\":1,\"b\":1}\n{\"b\":2}", 14, "`a` is missing"),
            ("a.jsonl", "{\"a\":1}\n[1]", 8, "the line is not a JSON object"),
            ("a.ndjson", "\n\n", 2, "there are no rows"),
        ] {
            let error = FeedTable::parse(file, text.as_bytes()).unwrap_err();
            assert_eq!(error.span.start, at, "{text:?}: {error}");
            assert!(error.reason.starts_with(reason), "{text:?}: {error}");
        }
        assert_eq!(FeedTable::parse("a.csv", b"a\n\xff").unwrap_err().span.start, 2);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), json: bool) {
            let _ = FeedTable::parse(if json { "a.jsonl" } else { "a.csv" }, &bytes);
        }

        #[test]
        fn arbitrary_lines_never_panic(text in "[{}\",:a0\n]{0,30}", json: bool) {
            if let Err(error) = FeedTable::parse(if json { "a.jsonl" } else { "a.csv" }, text.as_bytes()) {
                prop_assert!(error.span.end <= text.len());
            }
        }
    }
}
