//! `large_wal`: a write-ahead log that is not written back.

use pulse_model::{Fix, Severity};

use super::reading::View;
use super::shown;
use super::{Rule, Weighed, finding};

/// SQLite writes the log back at every this many pages, unless told otherwise.
const AUTOCHECKPOINT_PAGES: u64 = 1_000;
/// So many times that is more than a burst.
const FACTOR: u64 = 10;

pub(super) const RULE: Rule = Rule {
    code: "large_wal",
    title: "a write-ahead log that is not written back",
    explanation: "Every reader searches the log before the file, so reads get slower with its length; and it takes room. SQLite \
        writes it back at every 1 000 pages, unless a reader is always open, or the application has turned that off \
        (wal_autocheckpoint). Said when the log is ten times that long. The log's file keeps the largest size it ever had, so it \
        may also be the trace of one large transaction; after a checkpoint with TRUNCATE it is empty, and if it grows again, \
        look for a connection that leaves a statement or a transaction open. journal_size_limit, set per connection in the \
        application's open code, bounds the file.",
    find,
};

fn find(view: &View<'_>) -> Vec<Weighed> {
    let storage = &view.input.catalog.storage;
    let wal = storage.wal_bytes.unwrap_or(0);
    let usual = AUTOCHECKPOINT_PAGES.saturating_mul(storage.page_size);
    if usual == 0 || wal < usual.saturating_mul(FACTOR) {
        return Vec::new();
    }
    let message = format!(
        "The write-ahead log is {}, beside a database of {}: every read searches it first",
        shown::bytes(wal),
        shown::bytes(storage.size_bytes)
    );
    let mut finding = finding(&RULE, Severity::Warning, "database", message);
    finding.evidence.push(format!(
        "{} : ({} pages × {}) = {:.0} times what is usual",
        shown::bytes(wal),
        shown::count(AUTOCHECKPOINT_PAGES),
        shown::bytes(storage.page_size),
        wal as f64 / usual as f64
    ));
    finding.help = Some(
        "Write it back; if it grows again, look for a connection that keeps a statement or a transaction open.".to_owned(),
    );
    finding.fix = Some(Fix { sql: vec!["PRAGMA wal_checkpoint(TRUNCATE)".to_owned()], undo: Vec::new() });
    vec![Weighed { weight: wal as f64, finding }]
}
