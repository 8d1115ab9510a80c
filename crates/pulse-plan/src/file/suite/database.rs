//! Cases that time SQL statements: `database = "sqlite:…"`.

use crate::CaseKind;
use crate::file::names::Scope;
use crate::file::reader::{Field, TableReader};
use crate::file::suite::amount::Amount;
use crate::file::suite::case::Work;

const DEFAULT_ROUNDS: u32 = 20;
const MAX_STATEMENTS: usize = 1_000;
const EXAMPLE: &str = "\"sqlite::memory:\"";

pub(crate) fn read(
    field: &Field<'_>,
    table: &TableReader<'_>,
    fixed: &Scope<'_>,
    defaults: &Amount,
) -> Option<Work> {
    let amount = Amount::read_rounds(table).or(defaults);
    let cold = table.get("cold").and_then(|field| field.boolean("true")).unwrap_or(false);
    if let Some(field) = table.get("warmup_rounds") {
        field.error(
            "`warmup_rounds` is for commands",
            "a warm case runs every statement once before; see `cold`",
        );
    }
    let setup = table.get("setup").map(|field| read_statements(&field)).unwrap_or_default();
    let statements = table.required("statements", "[\"SELECT count(*) FROM trades\"]");
    let statements = statements.map(|field| {
        let statements = read_statements(&field);
        if matches!(&field.node.data, crate::file::tree::Data::List(items) if items.is_empty()) {
            field.error(
                "there is no statement to time",
                "write for example statements = [\"SELECT count(*) FROM trades\"]",
            );
        }
        statements
    });
    let url = read_url(field, fixed)?;
    if let (true, "sqlite::memory:") = (cold, url.as_str()) {
        let help = "give a file, for example database = \"sqlite:perf.db\"";
        table.error(
            "a database in memory is gone with its connection, so it cannot be cold",
            Some(help.into()),
        );
    }
    let statements = statements.filter(|statements| !statements.is_empty())?;
    let rounds = amount.rounds.unwrap_or(DEFAULT_ROUNDS);
    let samples = u64::from(rounds).saturating_mul(statements.len() as u64);
    let kind = CaseKind::Database { url, setup, statements, rounds, cold };
    Some(Work::Done { kind, limits: amount.counted(samples) })
}

fn read_url(field: &Field<'_>, fixed: &Scope<'_>) -> Option<String> {
    let url = fixed.text(field, EXAMPLE)?;
    let path = url.strip_prefix("sqlite:").map(str::trim);
    match path {
        Some(path) if !path.is_empty() && !path.contains('\0') => Some(url),
        Some(_) => {
            field.error(
                "the name of the database is missing",
                format!("write for example database = {EXAMPLE}"),
            );
            None
        }
        None => {
            let scheme: String = url.split(':').next().unwrap_or_default().chars().take(40).collect();
            let message = format!("`{scheme}` is not a database that can be tested; only SQLite can");
            field.error(message, format!("write for example database = {EXAMPLE} or \"sqlite:PATH\""));
            None
        }
    }
}

/// Statements are the database's language: `$` in them is a parameter's.
fn read_statements(field: &Field<'_>) -> Vec<String> {
    const EXAMPLE: &str = "\"SELECT count(*) FROM trades\"";
    let items = field.items("[\"SELECT count(*) FROM trades\"]").unwrap_or_default();
    if items.len() > MAX_STATEMENTS {
        field.error(format!("there are more than {MAX_STATEMENTS} statements"), "leave some out");
    }
    let read = |item: &Field<'_>| {
        let text = item.text(EXAMPLE)?;
        if text.trim().is_empty() {
            item.error("the statement is empty", format!("write for example {EXAMPLE}"));
        }
        Some(text.to_owned())
    };
    items.iter().take(MAX_STATEMENTS).filter_map(read).collect()
}
