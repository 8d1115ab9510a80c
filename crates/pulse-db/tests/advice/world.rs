//! A database and a workload for the rules, with plans from SQLite itself.

use std::sync::{Arc, Mutex};

use pulse_db::catalog::{TableName, Term};
use pulse_db::findings::{FindingsInput, findings};
use pulse_db::plan::{
    Access, Condition, Effect, EffectKind, Explained, Operator, Order, QueryPlan, Question, Step,
};
use pulse_db::workload::{Call, Skipped, Statement, Value, Values, Workload};
use pulse_db::{Catalog, Sqlite, Unwatched};
use pulse_model::Finding;
use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

/// 2 000 rows for a table: `{N} INSERT INTO t SELECT i FROM n`.
pub(crate) const N: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)";

/// Everything about a schema and statements.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) catalog: Catalog,
    pub(crate) workload: Workload,
    pub(crate) explained: Vec<Result<Explained, String>>,
    pub(crate) rewrites: Vec<pulse_db::Rewrite>,
}

impl World {
    /// Makes the database, reads it, and plans the statements.
    pub(crate) fn new(schema: &str, statements: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("world.db");
        let mut connection = Connection::open(&path).expect("a database");
        let schema = schema.replace("{N}", N);
        connection.execute_batch(&schema).unwrap_or_else(|error| panic!("{error}: {schema}"));
        let sqlite = Sqlite::open(&path).expect("a database");
        let catalog = sqlite.introspect(&mut Unwatched).expect("a catalog");
        let mut workload = Workload::default();
        for sql in statements {
            workload.statements.push(statement(sql));
        }
        let explained = workload.statements.iter().map(|it| explain(&mut connection, &catalog, it)).collect();
        let rewrites = sqlite.rewrites(&catalog, &workload, &mut Unwatched).expect("rewrites");
        Self { folder, catalog, workload, explained, rewrites }
    }

    pub(crate) fn skip(mut self, count: u64) -> Self {
        self.workload.skipped.push(Skipped { count, ..Skipped::default() });
        self
    }

    pub(crate) fn structural(mut self) -> Self {
        self.workload.is_structural = true;
        self
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        findings(&FindingsInput {
            catalog: &self.catalog,
            workload: &self.workload,
            explained: &self.explained,
            measured: &[],
            rewrites: &self.rewrites,
        })
    }
}

/// A statement; what follows `--` at its end is the value of its only placeholder.
fn statement(text: &str) -> Statement {
    let (sql, value) = text.split_once(" -- ").unwrap_or((text, ""));
    let value = if value.is_empty() { Value::Integer(7) } else { Value::Text(value.to_owned()) };
    let placeholders = sql.matches('?').count();
    let values = Values::Positional(vec![value; placeholders]);
    Statement {
        form: pulse_model::without_values(sql),
        sql: sql.to_owned(),
        calls: 10,
        samples: vec![Call { sql: None, values }],
        origin: "traps.sql:1".to_owned(),
        ..Statement::default()
    }
}

fn explain(
    connection: &mut Connection,
    catalog: &Catalog,
    statement: &Statement,
) -> Result<Explained, String> {
    let effects = effects(connection, &statement.sql)?;
    let questions = effects
        .iter()
        .filter(|effect| effect.kind == EffectKind::Read)
        .map(|effect| question(catalog, &effect.table, &statement.sql))
        .collect();
    let mut prepared = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql))
        .map_err(|error| error.to_string())?;
    let values = match &statement.samples[0].values {
        Values::Positional(values) => values.clone(),
        Values::Named(_) => Vec::new(),
    };
    for (at, value) in values.iter().enumerate() {
        match value {
            Value::Text(text) => prepared.raw_bind_parameter(at + 1, text),
            Value::Integer(number) => prepared.raw_bind_parameter(at + 1, number),
            _ => Ok(()),
        }
        .map_err(|error| error.to_string())?;
    }
    let mut rows = prepared.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().map_err(|error| error.to_string())? {
        let Ok(detail) = row.get::<_, String>(3) else { break };
        steps.push(Step { parent: None, access: access(&detail), detail });
    }
    Ok(Explained { plan: QueryPlan { steps }, cost: 0.0, questions, effects })
}

/// What a step means, as far as the names of these tests go: they hold no spaces.
fn access(detail: &str) -> Access {
    let words: Vec<&str> = detail.split(' ').collect();
    let table = words.get(1).copied().unwrap_or_default().to_owned();
    let covering = detail.contains(" COVERING INDEX ");
    let index = words
        .iter()
        .position(|word| *word == "INDEX")
        .and_then(|at| words.get(at + 1))
        .map(|it| (*it).to_owned());
    match words[0] {
        _ if detail.contains(" AUTOMATIC ") => Access::AutomaticIndex { table },
        "SCAN" => Access::Scan { table, index, covering },
        "SEARCH" => Access::Search { table, index, covering },
        "USE" => Access::Sort { purpose: words.last().copied().unwrap_or_default().to_owned() },
        _ => Access::Other,
    }
}

fn effects(connection: &mut Connection, sql: &str) -> Result<Vec<Effect>, String> {
    let seen: Arc<Mutex<Vec<(EffectKind, String)>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let hook = move |context: AuthContext<'_>| {
        let effect = match context.action {
            AuthAction::Read { table_name, .. } => Some((EffectKind::Read, table_name)),
            AuthAction::Insert { table_name } => Some((EffectKind::Insert, table_name)),
            AuthAction::Update { table_name, .. } => Some((EffectKind::Update, table_name)),
            AuthAction::Delete { table_name } => Some((EffectKind::Delete, table_name)),
            _ => None,
        };
        if let Some((kind, table)) = effect {
            sink.lock().expect("no panic").push((kind, table.to_owned()));
        }
        Authorization::Allow
    };
    connection.authorizer(Some(hook)).map_err(|error| error.to_string())?;
    let result = connection.prepare(sql).map(drop).map_err(|error| error.to_string());
    connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>).map_err(|error| error.to_string())?;
    result?;
    let mut found: Vec<Effect> = Vec::new();
    for (kind, table) in std::mem::take(&mut *seen.lock().expect("no panic")) {
        let table = TableName::main(table);
        if !found.iter().any(|effect| effect.kind == kind && effect.table.is(&table)) {
            found.push(Effect { table, kind, columns: Vec::new() });
        }
    }
    Ok(found)
}

/// What these tests' plain statements ask of a table: `column operator`, and the columns after `ORDER BY`.
fn question(catalog: &Catalog, table: &TableName, sql: &str) -> Question {
    let mut question = Question { table: table.clone(), ..Question::default() };
    let (conditions, order) = sql.split_once("ORDER BY").unwrap_or((sql, ""));
    let words: Vec<&str> = conditions.split([' ', '.', ';']).collect();
    let Some(table) = catalog.table(table) else { return question };
    let names = table.columns.iter().map(|column| column.name.as_str()).chain(["rowid"]);
    for name in names {
        let term = || if name == "rowid" { Term::RowNumber } else { Term::Column(name.to_owned()) };
        for (at, pair) in words.windows(2).enumerate().filter(|(_, pair)| pair[0] == name) {
            // What it is compared with is another column when it is a name.
            let joins = words
                .get(at + 2)
                .is_some_and(|word| word.starts_with(|first: char| first.is_ascii_lowercase()));
            let operator = match pair[1] {
                "=" => Operator::Equal,
                ">" | "<" | "BETWEEN" => Operator::Range,
                "IN" => Operator::In,
                "IS" => Operator::IsNull,
                _ => continue,
            };
            let collation = "BINARY".to_owned();
            question.conditions.push(Condition { term: term(), operator, collation, value: None, joins });
        }
        if order.split([' ', ',', '.']).any(|word| word == name) {
            question.order.push(Order { term: term(), descending: false, collation: "BINARY".to_owned() });
        }
    }
    question
}
