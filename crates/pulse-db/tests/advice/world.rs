//! A database and a workload for the rules, with plans from SQLite itself.

use pulse_db::findings::{FindingsInput, findings};
use pulse_db::plan::Explained;
use pulse_db::workload::{Call, Skipped, Statement, Value, Values, Workload};
use pulse_db::{Catalog, Driver as _, Sqlite, Unwatched};
use pulse_model::Finding;
use rusqlite::Connection;

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
        let connection = Connection::open(&path).expect("a database");
        let schema = schema.replace("{N}", N);
        connection.execute_batch(&schema).unwrap_or_else(|error| panic!("{error}: {schema}"));
        let sqlite = Sqlite::open(&path).expect("a database");
        let catalog = sqlite.introspect(&mut Unwatched).expect("a catalog");
        let mut workload = Workload::default();
        for sql in statements {
            workload.statements.push(statement(sql));
        }
        let explained = sqlite.explain(&workload.statements, &[]).expect("plans");
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
        form: pulse_model::sqlite_form(sql),
        sql: sql.to_owned(),
        calls: 10,
        samples: vec![Call { sql: None, values }],
        origin: "traps.sql:1".to_owned(),
        ..Statement::default()
    }
}
