//! `risky_setting`: settings that may lose data, or make connections wait for each other.

use pulse_model::{Finding, Fix, Severity};

use super::reading::View;
use super::shown;
use super::{Rule, Weighed, finding};
use crate::plan::EffectKind;
use crate::tokens::{Token, tokens};
use crate::workload::Statement;

pub(super) const RULE: Rule = Rule {
    code: "risky_setting",
    title: "a setting that may lose data or make connections wait",
    explanation: "Only journal_mode=WAL, page_size, auto_vacuum, application_id and user_version are kept by the file; everything \
        else is set by each connection, so it is judged by what the workload shows the application setting, and belongs in its \
        open code. synchronous=OFF and journal_mode=OFF or MEMORY can leave a damaged file after a crash or a power cut. \
        foreign_keys is off in an ordinary build until each connection turns it on: keys that are declared are then not checked. \
        A database that is read and written in journal_mode=DELETE lets readers and writers wait for each other; with the \
        write-ahead log they do not. It needs a local disk and leaves a -wal and a -shm file beside the database while it is open.",
    find,
};

fn find(view: &View<'_>) -> Vec<Weighed> {
    let mut found: Vec<Finding> = Vec::new();
    let mut foreign_keys = None;
    for statement in &view.input.workload.statements {
        let Some((name, value)) = assignment(&statement.sql) else { continue };
        match (name.as_str(), value.as_str()) {
            ("synchronous", "off" | "0") => {
                found.push(unsafe_writes(statement, "synchronous=OFF", "NORMAL (with WAL) or FULL"));
            }
            ("journal_mode", "off" | "memory") => {
                found.push(unsafe_writes(
                    statement,
                    &format!("journal_mode={}", value.to_uppercase()),
                    "WAL",
                ));
            }
            ("foreign_keys", _) => {
                foreign_keys = Some((statement, matches!(value.as_str(), "1" | "on" | "true" | "yes")));
            }
            _ => {}
        }
    }
    found.extend(unchecked_keys(view, foreign_keys));
    found.extend(waiting(view));
    found.into_iter().map(|finding| Weighed { weight: 0.0, finding }).collect()
}

/// What a `PRAGMA` sets, in small letters.
fn assignment(sql: &str) -> Option<(String, String)> {
    let words = tokens(sql);
    let (first, mut rest) = words.split_first()?;
    if !first.is("PRAGMA") {
        return None;
    }
    if rest.get(1).is_some_and(|word| word.is(".")) {
        rest = rest.get(2..)?;
    }
    match rest {
        [name, sign, value, ..] if sign.is("=") || sign.is("(") => {
            let value = value.name().unwrap_or_else(|| value.text.trim_matches('\'').to_owned());
            Some((Token::name(name)?.to_ascii_lowercase(), value.to_ascii_lowercase()))
        }
        _ => None,
    }
}

fn unsafe_writes(statement: &Statement, setting: &str, better: &str) -> Finding {
    let message =
        format!("The application sets {setting}: a crash or a power cut can leave a damaged database");
    let mut finding = finding(&RULE, Severity::Problem, setting.to_owned(), message);
    finding.evidence.push(format!("{} at {}", shown::statement(&statement.sql), origin(statement)));
    finding.help = Some(format!(
        "Set {better} in the application's open code; it is each connection's own, and nothing in the file changes it."
    ));
    finding
}

/// Foreign keys that are declared and not checked.
fn unchecked_keys(view: &View<'_>, set: Option<(&Statement, bool)>) -> Option<Finding> {
    let keyed: Vec<_> =
        view.input.catalog.tables.iter().filter(|table| !table.foreign_keys.is_empty()).collect();
    let writes = [EffectKind::Insert, EffectKind::Update, EffectKind::Delete];
    let is_written = view
        .readings
        .iter()
        .any(|reading| keyed.iter().any(|table| writes.iter().any(|kind| reading.does(*kind, table))));
    if keyed.is_empty() || !is_written || view.input.workload.is_structural {
        return None;
    }
    let (severity, message, evidence) = match set {
        Some((_, true)) => return None,
        Some((statement, false)) => (
            Severity::Warning,
            "The application turns foreign keys off: the keys that are declared are not checked".to_owned(),
            format!("{} at {}", shown::statement(&statement.sql), origin(statement)),
        ),
        None => (
            Severity::Note,
            "Foreign keys are checked only where each connection turns them on, which the workload does not show".to_owned(),
            "no PRAGMA foreign_keys in the workload; an ordinary build begins with them off".to_owned(),
        ),
    };
    let mut finding = finding(&RULE, severity, "foreign_keys", message);
    finding.evidence.push(evidence);
    let names: Vec<String> = keyed.iter().take(5).map(|table| table.name.to_string()).collect();
    finding.evidence.push(format!("{} tables have foreign keys: {}", keyed.len(), names.join(", ")));
    finding.help = Some(
        "Set PRAGMA foreign_keys = ON in the application's open code, after PRAGMA foreign_key_check has found nothing.".to_owned(),
    );
    Some(finding)
}

/// Readers and writers that wait for each other.
fn waiting(view: &View<'_>) -> Option<Finding> {
    let mode = view.input.catalog.settings.iter().find(|setting| setting.name == "journal_mode")?;
    if view.input.workload.is_structural || !mode.value.eq_ignore_ascii_case("delete") {
        return None;
    }
    let calls = |writes: bool| -> u64 {
        let chosen = view.readings.iter().filter(|reading| {
            let effects = &reading.explained.effects;
            effects.iter().any(|effect| effect.kind != EffectKind::Read) == writes && !effects.is_empty()
        });
        chosen.map(|reading| reading.statement.calls).sum()
    };
    let (reads, writes) = (calls(false), calls(true));
    if reads == 0 || writes == 0 {
        return None;
    }
    let message = "If more than one connection uses the database, readers wait for every writer and writers for every reader";
    let mut finding = finding(&RULE, Severity::Note, "journal_mode=DELETE", message.to_owned());
    finding.evidence.push(format!(
        "{} calls read and {} write, in journal_mode=DELETE",
        shown::count(reads),
        shown::count(writes)
    ));
    finding.help = Some(
        "Use the write-ahead log if the file is on a local disk: the file keeps this setting, and readers go on while one writes."
            .to_owned(),
    );
    let set = |mode: &str| vec![format!("PRAGMA journal_mode = {mode}")];
    finding.fix = Some(Fix { sql: set("WAL"), undo: set("DELETE") });
    Some(finding)
}

fn origin(statement: &Statement) -> &str {
    if statement.origin.is_empty() { "an unknown place" } else { &statement.origin }
}
