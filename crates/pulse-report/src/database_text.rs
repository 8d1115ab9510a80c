//! What the text report says of a database.

use pulse_model::{
    DatabaseReport, DatabaseState, IndexAction, IndexFigures, Measured, ReplayedStatement, StatementFigures,
    StatementTimes, Summary,
};

use crate::figures::Figures;
use crate::header::RULE;
use crate::number::{self, NONE, printable};
use crate::table::{Column, Table};
use crate::text::Page;
use crate::text_sections;

/// Statements that are shown; the other formats have all.
const STATEMENTS: usize = 15;
/// Indexes that were thought of and are not worth it, at most; the other formats have all.
const REJECTED: usize = 5;
/// Indexes that stay although a finding says that they can go, at most.
const STAYING: usize = 20;
/// Statements of a drop that are shown with their times.
const REPLAYED: usize = 5;
/// Tables that are shown.
const TABLES: usize = 20;

/// The whole report of a database.
pub(crate) fn all(page: &mut Page, summary: &Summary, database: &DatabaseReport) {
    let rule = "=".repeat(RULE);
    page.line(&rule);
    page.line("DATABASE REPORT");
    page.line(&rule);
    page.row("Database", printable(&summary.run.service));
    page.row("Engine", printable(&database.engine));
    page.row("Size", size(&database.before, database.after.as_ref()));
    let mode = [&database.before.journal_mode, &database.before.encoding].map(|text| printable(text));
    page.row("Journal mode", format!("{}, {}", mode[0], mode[1]));
    page.line(&rule);
    tables(page, database);
    statements(page, database);
    plans(page, database);
    text_sections::findings(page, summary);
    indexes(page, database);
    drops(page, database);
    actions(page, database);
    let figures = Figures::of(summary);
    text_sections::criteria(page, &figures);
    text_sections::validity(page, &figures);
}

/// `3.19MB (780 pages of 4096 bytes, 12 of them free)`, before and after where both are known.
pub(crate) fn size(before: &DatabaseState, after: Option<&DatabaseState>) -> String {
    let one = |state: &DatabaseState| {
        let wal =
            state.wal_bytes.map_or_else(String::new, |bytes| format!(", and {} of log", bytes_of(bytes)));
        format!(
            "{} ({} pages of {} bytes, {} of them free{wal})",
            bytes_of(state.size_bytes),
            state.pages,
            state.page_size,
            state.free_pages
        )
    };
    match after.filter(|after| *after != before) {
        None => one(before),
        Some(after) => format!("{} → {}", one(before), one(after)),
    }
}

fn bytes_of(bytes: u64) -> String {
    number::bytes(bytes as f64)
}

fn optional_bytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| NONE.to_owned(), bytes_of)
}

fn tables(page: &mut Page, database: &DatabaseReport) {
    if database.tables.is_empty() {
        page.line("There is no table in it.");
        return;
    }
    page.title("TABLES");
    let mut table = Table::new([
        ("name", Column::Name),
        ("rows", Column::Figure),
        ("columns", Column::Spare),
        ("indexes", Column::Figure),
        ("size", Column::Figure),
        ("index size", Column::Figure),
        ("fill", Column::Spare),
    ]);
    for row in database.tables.iter().take(TABLES) {
        table.row([
            row.name.clone(),
            row.rows.map_or_else(|| NONE.to_owned(), |rows| rows.to_string()),
            row.columns.to_string(),
            row.indexes.to_string(),
            optional_bytes(row.size_bytes),
            optional_bytes(row.index_bytes),
            row.fill.map_or_else(|| NONE.to_owned(), number::share),
        ]);
    }
    page.block(&table.render(page.width()));
    more(page, database.tables.len(), TABLES);
}

fn more(page: &mut Page, all: usize, shown: usize) {
    if all > shown {
        page.line(&format!("  and {} more, which the other formats show", all - shown));
    }
}

/// Milliseconds of a time, without the unit that the title names.
fn millis(nanos: Option<f64>) -> String {
    number::rate(nanos.map(|nanos| nanos / 1e6))
}

fn statements(page: &mut Page, database: &DatabaseReport) {
    let workload = &database.workload;
    if database.statements.is_empty() {
        page.line("");
        page.wrapped(
            0,
            "No workload was given, so nothing is known of what the database is asked: a database file holds no history \
             of queries. With --workload FILE (see `pulse db --help`) statements are measured.",
        );
        return;
    }
    page.title("STATEMENTS (ms)");
    let has_after = database.statements.iter().any(|row| row.after.is_some());
    let mean = |times: Option<StatementTimes>| millis(times.map(|times| times.mean));
    if has_after {
        let mut table = Table::new([
            ("calls", Column::Figure),
            ("mean", Column::Figure),
            ("p95", Column::Figure),
            ("mean after", Column::Figure),
            ("p95 after", Column::Figure),
            ("gain", Column::Figure),
            ("statement", Column::Name),
        ]);
        for row in database.statements.iter().take(STATEMENTS) {
            table.row([
                row.calls.to_string(),
                mean(row.before),
                millis(row.before.map(|times| times.p95)),
                mean(row.after),
                millis(row.after.map(|times| times.p95)),
                gain(row),
                row.form.clone(),
            ]);
        }
        page.block(&table.render(page.width()));
    } else {
        let mut table = Table::new([
            ("calls", Column::Figure),
            ("mean", Column::Figure),
            ("p95", Column::Figure),
            ("cold", Column::Spare),
            ("statement", Column::Name),
        ]);
        for row in database.statements.iter().take(STATEMENTS) {
            let times = row.before.or(row.recorded);
            table.row([
                row.calls.to_string(),
                mean(times),
                millis(times.map(|times| times.p95)),
                millis(times.and_then(|times| times.cold)),
                row.form.clone(),
            ]);
        }
        page.block(&table.render(page.width()));
    }
    more(page, database.statements.len(), STATEMENTS);
    for (failure, numbers) in unmeasured(database) {
        let (noun, verb) = if numbers.len() == 1 { ("statement", "was") } else { ("statements", "were") };
        let numbers = numbers.join(", ");
        page.wrapped(4, &format!("  {noun} {numbers} {verb} not measured: {}", printable(failure)));
    }
    page.wrapped(2, &format!("  {}", workload_words(database)));
    for line in workload.skipped.iter().take(REJECTED) {
        page.wrapped(4, &format!("  skipped: {}", printable(line)));
    }
    more(page, workload.skipped.len(), REJECTED);
}

/// Why some of the statements that are shown have no times, and the numbers of those statements.
fn unmeasured(database: &DatabaseReport) -> Vec<(&str, Vec<String>)> {
    let mut found: Vec<(&str, Vec<String>)> = Vec::new();
    for (number, row) in database.statements.iter().enumerate().take(STATEMENTS) {
        let Some(failure) = &row.failure else { continue };
        let number = (number + 1).to_string();
        match found.iter_mut().find(|(known, _)| known == failure) {
            Some((_, numbers)) => numbers.push(number),
            None => found.push((failure, vec![number])),
        }
    }
    found
}

/// `1200 calls of 9 forms, from app.jsonl`.
pub(crate) fn workload_words(database: &DatabaseReport) -> String {
    let workload = &database.workload;
    if workload.sources.is_empty() {
        return format!(
            "{} statements made up from keys, views and triggers, since no workload was given: low confidence",
            workload.forms
        );
    }
    let sources: Vec<_> = workload.sources.iter().map(|source| printable(source).into_owned()).collect();
    format!("{} calls of {} forms, from {}", workload.calls, workload.forms, sources.join(", "))
}

/// `12.3x (10.1 – 14.2)`.
pub(crate) fn gain(row: &StatementFigures) -> String {
    ratio(row.gain)
}

fn ratio(gain: Option<Measured>) -> String {
    gain.map_or_else(
        || NONE.to_owned(),
        |gain| format!("{}x ({} – {})", factor(gain.value), factor(gain.lo), factor(gain.hi)),
    )
}

/// A factor with digits that mean something.
fn factor(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// How the statements are answered whose plan the changes make another.
fn plans(page: &mut Page, database: &DatabaseReport) {
    let changed: Vec<&StatementFigures> = database
        .statements
        .iter()
        .take(STATEMENTS)
        .filter(|row| !row.plan_after.is_empty() && row.plan_after != row.plan_before)
        .collect();
    if changed.is_empty() {
        return;
    }
    page.title("PLANS");
    for row in changed {
        page.wrapped(4, &format!("  {}", printable(&row.form)));
        for (sign, steps) in [("-", &row.plan_before), ("+", &row.plan_after)] {
            for step in steps {
                page.wrapped(8, &format!("    {sign} {}", printable(step)));
            }
        }
    }
}

fn indexes(page: &mut Page, database: &DatabaseReport) {
    let (chosen, rejected) = of(database, IndexAction::Make);
    if chosen.is_empty() && rejected.is_empty() {
        return;
    }
    page.title("INDEXES");
    for index in &chosen {
        page.wrapped(4, &format!("  + {}", printable(&index.fix.sql.join("; "))));
        page.wrapped(6, &format!("    {}", price(index)));
        page.wrapped(6, &format!("    {}", printable(&index.reason)));
        if !index.fix.undo.is_empty() {
            page.wrapped(6, &format!("    undo: {}", printable(&index.fix.undo.join("; "))));
        }
    }
    if chosen.is_empty() {
        page.line("  none is worth its price");
    }
    for index in rejected.iter().take(REJECTED) {
        page.wrapped(
            4,
            &format!("  - {}: {}", printable(&index.fix.sql.join("; ")), printable(&index.reason)),
        );
    }
    more(page, rejected.len(), REJECTED);
}

/// Indexes that are thought of in this way: those that are worth it, and the others.
fn of(database: &DatabaseReport, action: IndexAction) -> (Vec<&IndexFigures>, Vec<&IndexFigures>) {
    database.indexes.iter().filter(|index| index.action == action).partition(|index| index.recommended)
}

fn drops(page: &mut Page, database: &DatabaseReport) {
    let (going, staying) = of(database, IndexAction::Drop);
    if going.is_empty() && staying.is_empty() {
        return;
    }
    page.title("INDEXES TO DROP");
    if going.is_empty() {
        page.line("  none can go");
    }
    for index in going {
        page.wrapped(4, &format!("  - {}", printable(&index.fix.sql.join("; "))));
        page.wrapped(6, &format!("    {}", saving(index)));
        for replayed in index.replayed.iter().take(REPLAYED) {
            page.wrapped(6, &format!("    {}", printable(&before_and_after(database, replayed))));
        }
        more(page, index.replayed.len(), REPLAYED);
        page.wrapped(6, &format!("    {}", printable(&index.reason)));
        page.wrapped(6, &format!("    undo: {}", printable(&index.fix.undo.join("; "))));
    }
    for index in staying.iter().take(STAYING) {
        page.wrapped(4, &format!("  stays: {}: {}", printable(&index.name), printable(&index.reason)));
    }
    more(page, staying.len(), STAYING);
}

/// What a drop saves: `frees 1.20MB, writing a row takes 0.80x as long (0.78 – 0.83)`.
pub(crate) fn saving(index: &IndexFigures) -> String {
    let freed = index.size_bytes.map(|bytes| format!("frees {} within the file", bytes_of(bytes)));
    let parts: Vec<String> = freed.into_iter().chain(writing(index)).collect();
    if parts.is_empty() { "what it saves was not measured".to_owned() } else { parts.join(", ") }
}

/// `0.12ms → 0.11ms, 1.05x (1.01 – 1.09): SELECT …`.
pub(crate) fn before_and_after(database: &DatabaseReport, replayed: &ReplayedStatement) -> String {
    let form = database.statements.get(replayed.statement).map_or("", |row| row.form.as_str());
    let [before, after] = [replayed.before, replayed.after].map(|nanos| number::millis(Some(nanos)));
    format!("{before} → {after}, {} as fast: {form}", ratio(replayed.gain))
}

fn writing(index: &IndexFigures) -> Option<String> {
    let cost = index.write_cost?;
    Some(format!(
        "writing a row takes {}x as long ({} – {})",
        factor(cost.value),
        factor(cost.lo),
        factor(cost.hi)
    ))
}

/// What an index costs: `helps 2 statements; 1.20MB, made in 0.12s, a row is written 1.10x as slowly`.
pub(crate) fn price(index: &IndexFigures) -> String {
    let count = index.helps.len();
    let mut parts = vec![format!("helps {count} statement{}", if count == 1 { "" } else { "s" })];
    parts.extend(index.size_bytes.map(bytes_of));
    parts.extend(index.build.map(|nanos| format!("made in {}", number::millis(Some(nanos as f64)))));
    parts.extend(writing(index));
    parts.join(", ")
}

fn actions(page: &mut Page, database: &DatabaseReport) {
    if database.actions.is_empty() {
        return;
    }
    page.title("WHAT WAS DONE");
    for action in &database.actions {
        let times: Vec<String> = [("expected", action.expected), ("took", action.took)]
            .into_iter()
            .filter_map(|(word, nanos)| Some(format!("{word} {}", number::millis(Some(nanos? as f64)))))
            .collect();
        let times = if times.is_empty() { String::new() } else { format!(" ({})", times.join(", ")) };
        let line = format!("  {}: {}{times}", printable(&action.what), printable(&action.outcome));
        page.wrapped(4, &line);
    }
}

#[cfg(test)]
mod tests {
    use pulse_model::{DatabaseReport, StatementFigures};

    use super::unmeasured;

    #[test]
    fn statements_without_times_are_told_once_for_each_reason() {
        let row = |failure: Option<&str>| StatementFigures {
            failure: failure.map(str::to_owned),
            ..StatementFigures::default()
        };
        let rows = [Some("late"), None, Some("it writes"), Some("late")].map(row);
        let database = DatabaseReport { statements: rows.to_vec(), ..DatabaseReport::default() };
        let numbers = |numbers: &[&str]| numbers.iter().map(|&number| number.to_owned()).collect::<Vec<_>>();
        let expected = vec![("late", numbers(&["1", "4"])), ("it writes", numbers(&["3"]))];
        assert_eq!(unmeasured(&database), expected);
    }
}
