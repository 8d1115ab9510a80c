//! Statements that no plain index helps as they are written. Their words propose, SQLite confirms: what is reported is only what
//! its planner then answers by searching instead of scanning.

mod proposal;

use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};

use super::Sqlite;
use super::connection::open_together;
use super::files::MAIN;
use super::quote::{name, qualified};
use super::row::text;
use crate::catalog::{Catalog, Table, TableKind, TableName};
use crate::error::DatabaseError;
use crate::progress::Progress;
use crate::rewrite::{Rewrite, RewriteKind};
use crate::workload::{Statement, Value, Values, Workload};
use proposal::{Proposal, proposals};
use pulse_model::Fix;

/// Time for all statements; those that come after it are not looked at.
const LIMIT: Duration = Duration::from_secs(5);
/// The name of the index that is tried.
const TRIED: &str = "pulse tried this";

impl Sqlite {
    /// Places in statements that keep an index from being used, and what would let it be, as the planner confirms. It plans
    /// on the database itself, read-only, and on an empty copy of its schema in memory; nothing is run and nothing is written.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn rewrites(
        &self,
        catalog: &Catalog,
        workload: &Workload,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Rewrite>, DatabaseError> {
        let reading = open_together(&self.files, self.busy_timeout())?;
        let copy = schema_copy(catalog).map_err(|source| DatabaseError::Sql {
            what: "cannot make an empty copy of the schema in memory".to_owned(),
            source,
        })?;
        let planner = Planner { real: &reading.connection, copy: &copy, catalog };
        let start = Instant::now();
        let mut found: Vec<Rewrite> = Vec::new();
        for (at, statement) in workload.statements.iter().enumerate() {
            if start.elapsed() > LIMIT || progress.is_stopped() {
                break;
            }
            progress
                .at("looking for statements to rewrite", Some(at as f64 / workload.statements.len() as f64));
            let sample = |position: usize, name: &str| sample_text(statement, position, name);
            let (sql, _) = planned(statement);
            for proposal in proposals(sql, &catalog.tables, &sample) {
                let confirmed = confirm(&planner, statement, &proposal);
                let Some(rewrite) = confirmed.map(|rewrite| Rewrite { statement: at, ..rewrite }) else {
                    continue;
                };
                let is_said = found.iter().any(|other| {
                    other.statement == at && other.table.is(&rewrite.table) && other.column == rewrite.column
                });
                if !is_said {
                    found.push(rewrite);
                }
            }
        }
        Ok(found)
    }
}

/// Where statements are planned.
struct Planner<'a> {
    /// The database itself, read-only, with its indexes and statistics.
    real: &'a Connection,
    /// An empty copy of its schema, in which indexes can be tried.
    copy: &'a Connection,
    catalog: &'a Catalog,
}

/// An empty copy of the main schema in memory. What cannot be made there, for want of an extension, is left out.
fn schema_copy(catalog: &Catalog) -> rusqlite::Result<Connection> {
    let copy = Connection::open_in_memory()?;
    let is_main = |name: &TableName| name.schema.eq_ignore_ascii_case(MAIN);
    let ordinary = |table: &&Table| {
        is_main(&table.name) && matches!(table.kind, TableKind::Ordinary | TableKind::Clustered)
    };
    for table in catalog.tables.iter().filter(ordinary) {
        if copy.execute_batch(&table.sql).is_ok() {
            for sql in table.indexes.iter().filter_map(|index| index.sql.as_ref()) {
                let _ = copy.execute_batch(sql);
            }
        }
    }
    for routine in catalog.routines.iter().filter(|routine| is_main(&routine.name)) {
        let _ = copy.execute_batch(&routine.sql);
    }
    Ok(copy)
}

/// What SQLite says of a proposal; `None` when it does not scan now, or would scan all the same.
fn confirm(planner: &Planner<'_>, statement: &Statement, proposal: &Proposal<'_>) -> Option<Rewrite> {
    let Planner { real, copy, catalog } = *planner;
    if !matches!(proposal.table.kind, TableKind::Ordinary | TableKind::Clustered) {
        return None;
    }
    let (sql, values) = planned(statement);
    let plan = step(&plan(real, sql, values)?, "SCAN", &proposal.qualifier)?;
    let written = sql.get(proposal.place.clone())?.to_owned();
    let rewrite = Rewrite {
        statement: 0,
        kind: proposal.kind,
        table: proposal.table.name.clone(),
        column: proposal.column.name.clone(),
        written,
        instead: proposal.instead.clone(),
        plan,
        plan_after: None,
        index: None,
    };
    let rewritten = match &proposal.instead {
        Some(instead) => format!("{}{instead}{}", &sql[..proposal.place.start], &sql[proposal.place.end..]),
        None => sql.to_owned(),
    };
    if proposal.instead.is_some() {
        let found = plan_of(real, &rewritten, values, &proposal.qualifier)
            .filter(|step| step.contains(&format!("({}", proposal.column.name)));
        if found.is_some() {
            return Some(Rewrite { plan_after: found, ..rewrite });
        }
    }
    let on = proposal.index_on.as_ref()?;
    let tried =
        with_index(copy, proposal.table, on, || plan_of(copy, &rewritten, values, &proposal.qualifier))?;
    if proposal.kind == RewriteKind::LeadingWildcard {
        // Here the confirmation is that even with the best index there is nothing to search for.
        return tried.is_none().then_some(rewrite);
    }
    let plan_after = tried.filter(|step| step.contains(TRIED))?;
    let index = index_fix(catalog, proposal, on);
    Some(Rewrite { plan_after: Some(plan_after.replace(TRIED, &index.0)), index: Some(index.1), ..rewrite })
}

/// Does something while an index is there; `None` when SQLite refuses the index.
fn with_index<T>(copy: &Connection, table: &Table, on: &str, then: impl FnOnce() -> T) -> Option<T> {
    let index = name(TRIED);
    copy.execute_batch(&format!("CREATE INDEX {index} ON {} ({on})", name(&table.name.name))).ok()?;
    let result = then();
    copy.execute_batch(&format!("DROP INDEX {index}")).ok()?;
    Some(result)
}

/// The name of the index that helps, and how it is made.
fn index_fix(catalog: &Catalog, proposal: &Proposal<'_>, on: &str) -> (String, Fix) {
    let table = &proposal.table.name;
    let kind = match proposal.kind {
        RewriteKind::Cast => "_cast",
        RewriteKind::Collation | RewriteKind::PatternCollation => "_nocase",
        RewriteKind::Function => "_expression",
        _ => "",
    };
    let index =
        catalog.free_index_name(&table.schema, &format!("{}_{}{kind}", table.name, proposal.column.name));
    let full_name = qualified(&TableName { schema: table.schema.clone(), name: index.clone() });
    let sql = vec![format!("CREATE INDEX {full_name} ON {} ({on})", name(&table.name))];
    (index, Fix { sql, undo: vec![format!("DROP INDEX {full_name}")] })
}

/// The statement to plan, and its values: its first call's.
fn planned(statement: &Statement) -> (&str, Option<&Values>) {
    let call = statement.samples.first();
    let sql = call.and_then(|call| call.sql.as_deref()).unwrap_or(&statement.sql);
    (sql, call.map(|call| &call.values))
}

/// The step that searches a table.
fn plan_of(connection: &Connection, sql: &str, values: Option<&Values>, qualifier: &str) -> Option<String> {
    step(&plan(connection, sql, values)?, "SEARCH", qualifier)
}

fn step(plan: &[String], way: &str, qualifier: &str) -> Option<String> {
    let begin = format!("{way} {qualifier}");
    let is_it = |detail: &&String| {
        detail.get(..begin.len()).is_some_and(|start| start.eq_ignore_ascii_case(&begin))
            && matches!(detail.as_bytes().get(begin.len()), None | Some(b' '))
    };
    plan.iter().find(is_it).cloned()
}

/// The steps of a statement's plan; it is not run.
fn plan(connection: &Connection, sql: &str, values: Option<&Values>) -> Option<Vec<String>> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).ok()?;
    // A statement that is an explanation already, or sets something, has no such columns.
    if statement.column_count() != 4 {
        return None;
    }
    match values {
        Some(Values::Positional(values)) => {
            for (at, value) in values.iter().enumerate().take(statement.parameter_count()) {
                statement.raw_bind_parameter(at + 1, Bound(value)).ok()?;
            }
        }
        Some(Values::Named(values)) => {
            for (name, value) in values {
                if let Some(at) = position(&statement, name) {
                    statement.raw_bind_parameter(at, Bound(value)).ok()?;
                }
            }
        }
        None => {}
    }
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().ok()? {
        steps.push(text(row, 3).ok()?.unwrap_or_default());
    }
    Some(steps)
}

fn position(statement: &rusqlite::Statement<'_>, name: &str) -> Option<usize> {
    let prefixed = [name.to_owned(), format!(":{name}"), format!("@{name}"), format!("${name}")];
    prefixed.iter().find_map(|name| statement.parameter_index(name).ok().flatten())
}

/// A text that a statement was called with, by the position of the placeholder and its name.
fn sample_text(statement: &Statement, position: usize, placeholder: &str) -> Option<String> {
    let plain = |name: &str| name.trim_start_matches([':', '@', '$']).to_owned();
    let value = match &statement.samples.first()?.values {
        Values::Positional(values) => {
            let numbered = placeholder.strip_prefix('?').and_then(|number| number.parse::<usize>().ok());
            values.get(numbered.map_or(Some(position), |number| number.checked_sub(1))?)
        }
        Values::Named(values) => {
            values.iter().find(|(name, _)| plain(name) == plain(placeholder)).map(|(_, value)| value)
        }
    };
    match value {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

/// A value as SQLite takes it.
struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
