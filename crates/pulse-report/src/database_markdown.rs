//! What the Markdown report says of a database.

use pulse_model::{DatabaseReport, IndexAction, StatementTimes};

use crate::database_text::{before_and_after, gain, price, saving, size, workload_words};
use crate::markdown_page::{Page, escaped};
use crate::number::{self, NONE};

/// The tables of a database.
pub(crate) fn all(page: &mut Page, database: &DatabaseReport) {
    page.line(&escaped(&format!("{}; {}", database.engine, size(&database.before, database.after.as_ref()))));
    page.line("");
    statements(page, database);
    indexes(page, database);
    drops(page, database);
    tables(page, database);
    let actions = database.actions.iter().map(|action| {
        let took = action.took.map_or_else(|| NONE.to_owned(), |nanos| number::millis(Some(nanos as f64)));
        vec![escaped(&action.what), escaped(&action.outcome), took]
    });
    page.table("What was done", &["Action", "Outcome", ">Took"], actions.collect());
}

fn statements(page: &mut Page, database: &DatabaseReport) {
    if database.statements.is_empty() {
        return;
    }
    let mean = |times: Option<StatementTimes>| number::millis(times.map(|times| times.mean));
    let p95 = |times: Option<StatementTimes>| number::millis(times.map(|times| times.p95));
    let rows = database.statements.iter().map(|row| {
        let before = row.before.or(row.recorded);
        vec![
            escaped(&row.form),
            row.calls.to_string(),
            mean(before),
            p95(before),
            mean(row.after),
            p95(row.after),
            gain(row),
        ]
    });
    let columns = ["Statement", ">Calls", ">Mean", ">p95", ">Mean after", ">p95 after", ">Gain"];
    page.table("Statements", &columns, rows.collect());
    page.line(&escaped(&workload_words(database)));
    page.line("");
}

fn indexes(page: &mut Page, database: &DatabaseReport) {
    let made = database.indexes.iter().filter(|index| index.action == IndexAction::Make);
    let rows = made.map(|index| {
        vec![
            if index.recommended { "yes" } else { "no" }.to_owned(),
            code(&index.fix.sql),
            escaped(&price(index)),
            escaped(&index.reason),
        ]
    });
    page.table("Indexes", &["Worth it", "Statement", "Price", "Why"], rows.collect());
}

fn drops(page: &mut Page, database: &DatabaseReport) {
    let dropped = database.indexes.iter().filter(|index| index.action == IndexAction::Drop);
    let rows = dropped.map(|index| {
        let replayed = index.replayed.iter().map(|replayed| before_and_after(database, replayed));
        vec![
            if index.recommended { "yes" } else { "no" }.to_owned(),
            code(&index.fix.sql),
            escaped(&saving(index)),
            escaped(&replayed.collect::<Vec<_>>().join("; ")),
            escaped(&index.reason),
            code(&index.fix.undo),
        ]
    });
    let columns = ["Can go", "Statement", "Saves", "With → without", "Why", "Undo"];
    page.table("Indexes to drop", &columns, rows.collect());
}

/// Statements as code within a table.
fn code(statements: &[String]) -> String {
    format!("`{}`", statements.join("; ").replace(['`', '\n', '|'], " "))
}

fn tables(page: &mut Page, database: &DatabaseReport) {
    let bytes =
        |bytes: Option<u64>| bytes.map_or_else(|| NONE.to_owned(), |bytes| number::bytes(bytes as f64));
    let rows = database.tables.iter().map(|table| {
        vec![
            escaped(&table.name),
            table.rows.map_or_else(|| NONE.to_owned(), |rows| rows.to_string()),
            table.indexes.to_string(),
            bytes(table.size_bytes),
            bytes(table.index_bytes),
            table.fill.map_or_else(|| NONE.to_owned(), number::share),
        ]
    });
    page.table("Tables", &["Name", ">Rows", ">Indexes", ">Size", ">Index size", ">Fill"], rows.collect());
}
