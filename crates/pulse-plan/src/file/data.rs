//! The `[data.NAME]` tables.

use crate::feed::MAX_FEED_BYTES;
use crate::file::Builder;
use crate::file::error::FileError;
use crate::file::names::{is_name, is_reserved};
use crate::file::reader::{Field, TableReader};
use crate::file::tree::Entry;
use crate::{Feed, FeedTable};

/// The most feeds of a file.
const MAX_FEEDS: usize = 1_000;

/// A declared feed; the rows are there once its file has been handed in.
pub(crate) struct FeedEntry {
    pub(crate) feed: Feed,
    pub(crate) read: bool,
}

pub(crate) fn read(builder: &Builder<'_>, root: &TableReader<'_>) -> Vec<FeedEntry> {
    let Some(data) = root.get("data") else { return Vec::new() };
    let entries = data.entries("{ symbols = { file = \"symbols.csv\" } }").unwrap_or_default();
    if entries.len() > MAX_FEEDS {
        data.error(format!("there are more than {MAX_FEEDS} feeds"), "put columns into one file");
    }
    entries.into_iter().take(MAX_FEEDS).map(|(entry, field)| read_feed(builder, entry, &field)).collect()
}

fn read_feed(builder: &Builder<'_>, entry: &Entry, field: &Field<'_>) -> FeedEntry {
    if !is_name(&entry.key) || is_reserved(&entry.key) {
        let message = format!("a feed cannot be called `{}`", entry.key);
        let help = "a name is letters, digits, _ and -, and none of env, user_id, iteration, random, uuid";
        field.error_at(entry.key_span.clone(), message, Some(help.into()));
    }
    let mut feed = Feed {
        name: entry.key.clone(),
        columns: Vec::new(),
        rows: Vec::new(),
        order: crate::FeedOrder::default(),
    };
    let mut read = false;
    if let Some(table) = field.table("{ file = \"symbols.csv\" }") {
        if let Some(order) = table.get("order").and_then(|field| field.parsed("\"random\"")) {
            feed.order = order;
        }
        if let Some(file) = table.required("file", "\"symbols.csv\"")
            && let Some(path) = file.text("\"symbols.csv\"")
        {
            let bytes = builder.needed(&file, path, MAX_FEED_BYTES);
            if let Some(content) = bytes.and_then(|bytes| read_file(builder, path, bytes)) {
                (feed.columns, feed.rows, read) = (content.columns, content.rows, true);
            }
        }
        table.finish();
    }
    FeedEntry { feed, read }
}

fn read_file(builder: &Builder<'_>, path: &str, bytes: &[u8]) -> Option<FeedTable> {
    FeedTable::parse(path, bytes)
        .map_err(|error| {
            let text = String::from_utf8_lossy(bytes);
            builder.notes.push(FileError::at(path, &text, error.span.clone(), error.reason));
        })
        .ok()
}
