//! `free_pages`: a file that is larger than what is in it.

use pulse_model::{Fix, Severity};

use super::fragmentation::renumbered;
use super::reading::View;
use super::shown;
use super::{Rule, Weighed, finding};

/// Share of free pages from which it is said.
const MIN_SHARE: f64 = 0.25;
/// Less than this is not worth the rewriting.
const MIN_BYTES: u64 = 1_000_000;

pub(super) const RULE: Rule = Rule {
    code: "free_pages",
    title: "a file that is larger than what is in it",
    explanation: "Pages of deleted rows stay in the file and are used again by later inserts: they cost space on disk and in \
        backups, and no time. Said when a quarter of the file or more, and a megabyte or more, is free. If as much will be \
        inserted again soon, leave it. VACUUM writes the file anew: it needs as much free space again and holds the write \
        lock meanwhile, and it may renumber the rows of tables without INTEGER PRIMARY KEY. With auto_vacuum = INCREMENTAL the \
        pages can be given back in steps instead: PRAGMA incremental_vacuum. Nothing brings the free pages back, nor is there a \
        need to.",
    find,
};

fn find(view: &View<'_>) -> Vec<Weighed> {
    let storage = &view.input.catalog.storage;
    let bytes = storage.free_pages.saturating_mul(storage.page_size);
    let share = storage.free_pages as f64 / storage.pages.max(1) as f64;
    if bytes < MIN_BYTES || share < MIN_SHARE {
        return Vec::new();
    }
    let message = format!("{} of the file, {}, hold nothing", shown::bytes(bytes), shown::share(share));
    let mut finding = finding(&RULE, Severity::Note, "database", message);
    finding.evidence.push(format!(
        "{} free pages × {} = {} of {} pages",
        shown::count(storage.free_pages),
        shown::bytes(storage.page_size),
        shown::bytes(bytes),
        shown::count(storage.pages)
    ));
    let incremental =
        view.input.catalog.settings.iter().any(|it| it.name == "auto_vacuum" && it.value == "2");
    let (sql, help) = if incremental {
        (
            "PRAGMA incremental_vacuum",
            "Give the pages back in steps; auto_vacuum is INCREMENTAL here.".to_owned(),
        )
    } else {
        let warning = renumbered(view.input.catalog);
        ("VACUUM", format!("Run `pulse db --vacuum`, unless as much will be inserted again soon.{warning}"))
    };
    finding.help = Some(help);
    finding.fix = Some(Fix { sql: vec![sql.to_owned()], undo: Vec::new() });
    vec![Weighed { weight: bytes as f64, finding }]
}
