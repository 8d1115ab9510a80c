//! `rewrite`: statements that no plain index helps as they are written.

use pulse_model::Severity;

use super::reading::{View, rows};
use super::shown;
use super::{MIN_ROWS, Rule, Weighed, finding};
use crate::rewrite::{Rewrite, RewriteKind};

pub(super) const RULE: Rule = Rule {
    code: "rewrite",
    title: "a statement that keeps an index from being used",
    explanation: "An index is sorted by a column as it is stored. A cast, a plus, a function around the column, another order of texts \
        (COLLATE), a pattern that begins with anything, or a comparison that converts the column hides it, so that all rows are \
        read whatever indexes there are. Each is said only after the database itself answered the statement, written the \
        other way or with an index on the very expression, by searching instead of scanning. A rewritten statement may mean \
        something else: `+id` is sometimes there on purpose, and a text compared as a number is not the same as a text. Read it \
        before you change it.",
    find,
};

fn find(view: &View<'_>) -> Vec<Weighed> {
    let mut found = Vec::new();
    for rewrite in view.input.rewrites {
        let Some(statement) = view.input.workload.statements.get(rewrite.statement) else { continue };
        let size = view.input.catalog.table(&rewrite.table).and_then(rows);
        if size.is_some_and(|rows| rows < MIN_ROWS) {
            continue;
        }
        let read = size.unwrap_or(0).saturating_mul(statement.calls);
        let all = size.map_or("all rows".to_owned(), |rows| format!("all {} rows", shown::count(rows)));
        let message = format!(
            "{} calls read {all} of {}: {}",
            shown::count(statement.calls),
            rewrite.table,
            why(rewrite)
        );
        let mut finding = finding(&RULE, Severity::Warning, shown::statement(&statement.form), message);
        finding.evidence.push(format!("as written, {}: {}", rewrite.written, rewrite.plan));
        if let Some(after) = &rewrite.plan_after {
            finding.evidence.push(format!("tried{}: {after}", tried(rewrite)));
        }
        if let Some(rows) = size {
            let calls = shown::count(statement.calls);
            finding.evidence.push(format!(
                "{calls} calls × {} rows = {} rows read",
                shown::count(rows),
                shown::count(read)
            ));
        }
        finding.help = Some(help(rewrite));
        finding.fix.clone_from(&rewrite.index);
        found.push(Weighed { weight: read as f64, finding });
    }
    found
}

fn why(rewrite: &Rewrite) -> String {
    let column = &rewrite.column;
    match rewrite.kind {
        RewriteKind::Cast => format!("{column} is cast, and no index is sorted by that"),
        RewriteKind::Plus => format!("the plus before {column} hides it from its index"),
        RewriteKind::Collation => {
            format!("{column} is compared in another order of texts than its index has")
        }
        RewriteKind::Function => format!("{column} is inside a function, and no index is sorted by that"),
        RewriteKind::LeadingWildcard => format!("the pattern for {column} begins with anything"),
        RewriteKind::PatternCollation => {
            format!("LIKE disregards capitals, and the index on {column} does not")
        }
        RewriteKind::Affinity => format!("{column} is converted to compare it with a column of another type"),
    }
}

fn tried(rewrite: &Rewrite) -> String {
    let written = rewrite.instead.as_ref().map(|instead| format!(" written as {instead}"));
    let index = rewrite.index.as_ref().and_then(|fix| fix.sql.first()).map(|sql| format!(" with {sql}"));
    written.unwrap_or_default() + &index.unwrap_or_default()
}

fn help(rewrite: &Rewrite) -> String {
    if rewrite.kind == RewriteKind::LeadingWildcard {
        return "No index of this kind helps: search words with a full-text table (FTS5; its trigram tokenizer finds any part of a \
                text), or keep the text reversed in a column of its own where only its end is searched for."
            .to_owned();
    }
    match (&rewrite.instead, &rewrite.index) {
        (Some(instead), None) => {
            format!("Write {instead} in place of {}, if it means the same to you.", rewrite.written)
        }
        (Some(instead), Some(_)) => {
            format!(
                "Write {instead} in place of {}, if it means the same to you, and make the index.",
                rewrite.written
            )
        }
        (None, _) => {
            "Leave the statement as it is and make this index, which is sorted by the very expression."
                .to_owned()
        }
    }
}
