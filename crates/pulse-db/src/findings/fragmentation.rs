//! `fragmentation`: pages that are half empty.

use pulse_model::{Fix, Severity};

use super::reading::View;
use super::redundancy::is_ours;
use super::shown;
use super::{Rule, Weighed, finding};
use crate::catalog::{Catalog, Size, Table};

/// Share of empty room from which it is said.
const MIN_SHARE: f64 = 0.3;
/// What stays empty in pages that were just written.
const UNAVOIDABLE: f64 = 0.05;
/// Less than this is not worth the rewriting.
const MIN_BYTES: u64 = 1_000_000;
/// With at least so many entries on a page, what does not fit any more is little.
const MIN_ENTRIES_PER_PAGE: u64 = 8;
/// Tables and indexes that are named.
const SHOWN: usize = 5;

pub(super) const RULE: Rule = Rule {
    code: "fragmentation",
    title: "pages that are half empty",
    explanation: "Deletes, and inserts in no order, leave pages partly empty: the file is larger than its data, every scan reads and \
        caches the emptiness too. The free list does not show it; this is the fill of the pages that are in use. Said when \
        30 % or more of the pages of tables and indexes with eight or more entries on a page are empty and a megabyte or more \
        would come back; large rows leave room on their pages that no rewriting fills, so they are not counted. VACUUM writes \
        the file anew: it needs as much free space again, holds the write lock meanwhile, and may renumber the rows of tables \
        without INTEGER PRIMARY KEY. `pulse db --vacuum` predicts the result first. Pages that fill in no order empty again.",
    find,
};

fn find(view: &View<'_>) -> Vec<Weighed> {
    let mut parts: Vec<(String, Size)> = Vec::new();
    for table in view.input.catalog.tables.iter().filter(|table| is_ours(table)) {
        let Some(rows) = table.rows else { continue };
        parts.extend(judged(&table.name.to_string(), table.size, rows));
        for index in &table.indexes {
            // A partial index has fewer entries than there are rows; how many is not known.
            let entries = if index.predicate.is_some() { 0 } else { rows };
            parts.extend(judged(&index.name, index.size, entries));
        }
    }
    let bytes: u64 = parts.iter().map(|(_, size)| size.bytes).sum();
    let unused: u64 = parts.iter().map(|(_, size)| size.unused_bytes).sum();
    let gained = unused.saturating_sub((bytes as f64 * UNAVOIDABLE) as u64);
    if bytes == 0 || gained < MIN_BYTES || unused as f64 / bytes as f64 <= MIN_SHARE {
        return Vec::new();
    }
    let share = shown::share(unused as f64 / bytes as f64);
    let message = format!(
        "{share} of the pages in use are empty: scans read them, and about {} of the file would come back",
        shown::bytes(gained)
    );
    let mut finding = finding(&RULE, Severity::Note, "database", message);
    finding.evidence.push(format!(
        "{} unused of {} in use; about {} stay unused in freshly written pages: {} − {} = {}",
        shown::bytes(unused),
        shown::bytes(bytes),
        shown::share(UNAVOIDABLE),
        shown::bytes(unused),
        shown::bytes(unused - gained),
        shown::bytes(gained)
    ));
    parts.sort_by_key(|(_, size)| std::cmp::Reverse(size.unused_bytes));
    for (name, size) in parts.iter().take(SHOWN) {
        let share = shown::share(size.unused_bytes as f64 / size.bytes.max(1) as f64);
        finding.evidence.push(format!(
            "{name}: {} of {} unused, {share}",
            shown::bytes(size.unused_bytes),
            shown::bytes(size.bytes)
        ));
    }
    finding.help = Some(format!(
        "Run `pulse db --vacuum`, which predicts and measures.{}",
        renumbered(view.input.catalog)
    ));
    finding.fix = Some(Fix { sql: vec!["VACUUM".to_owned()], undo: Vec::new() });
    vec![Weighed { weight: gained as f64, finding }]
}

/// A table or index whose empty room rewriting would fill.
fn judged(name: &str, size: Option<Size>, entries: u64) -> Option<(String, Size)> {
    let size = size.filter(|size| size.pages > 0 && size.bytes > 0)?;
    let page_bytes = size.bytes / size.pages;
    // What an entry takes; on a full page there are so many of them.
    let entry_bytes = size.payload_bytes / entries.max(1);
    (entries > 0 && entry_bytes.max(1) * MIN_ENTRIES_PER_PAGE <= page_bytes).then(|| (name.to_owned(), size))
}

/// A warning about tables whose rows may get other numbers.
pub(super) fn renumbered(catalog: &Catalog) -> String {
    let is_implicit =
        |table: &&Table| table.kind == crate::catalog::TableKind::Ordinary && table.row_number.is_none();
    let names: Vec<String> =
        catalog.tables.iter().filter(is_implicit).take(SHOWN).map(|table| table.name.to_string()).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(" VACUUM may renumber the rows of {}: see that nothing stores their rowid.", names.join(", "))
}
