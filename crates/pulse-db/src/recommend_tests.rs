use rusqlite::Connection;

use super::*;
use crate::catalog::{Column, Index, IndexPart, Table, TableKind, TableName, Term};
use crate::sqlite::Sqlite;
use crate::workload::{Call, Statement, Value, Values};

/// What the tests need of a catalog, read without the rest of introspection.
fn catalog(connection: &Connection) -> Catalog {
    let list =
        "SELECT name, wr, type FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite%'";
    let mut tables = connection.prepare(list).unwrap();
    let tables = tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    let tables: Vec<(String, bool, String)> = tables.map(Result::unwrap).collect();
    let tables =
        tables.into_iter().map(|(name, is_clustered, kind)| table(connection, &name, is_clustered, &kind));
    Catalog { tables: tables.collect(), ..Catalog::default() }
}

fn table(connection: &Connection, name: &str, is_clustered: bool, kind: &str) -> Table {
    let mut table = Table {
        name: TableName::main(name),
        kind: match kind {
            "virtual" => TableKind::Virtual,
            "shadow" => TableKind::Shadow,
            _ if is_clustered => TableKind::Clustered,
            _ => TableKind::Ordinary,
        },
        ..Table::default()
    };
    let mut columns = connection.prepare("SELECT name, type, pk FROM pragma_table_xinfo(?1)").unwrap();
    let mut rows = columns.query([name]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (column, type_name, key): (String, String, i64) =
            (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap());
        let collation = connection.column_metadata(Some("main"), name, column.as_str()).ok();
        let collation = collation
            .and_then(|(_, collation, ..)| collation.map(|name| name.to_string_lossy().into_owned()));
        if key > 0 {
            table.primary_key.push(column.clone());
        }
        if key == 1 && type_name == "INTEGER" && !is_clustered {
            table.row_number = Some(column.clone());
        }
        table.columns.push(Column {
            name: column,
            type_name,
            collation: collation.unwrap_or_default(),
            ..Column::default()
        });
    }
    let mut indexes = connection.prepare("SELECT name FROM pragma_index_list(?1) WHERE partial = 0").unwrap();
    let indexes = indexes.query_map([name], |row| row.get::<_, String>(0)).unwrap();
    table.indexes = indexes
        .map(|index| Index { parts: parts(connection, index.as_ref().unwrap()), ..Index::default() })
        .collect();
    table
}

fn parts(connection: &Connection, index: &str) -> Vec<IndexPart> {
    let mut parts =
        connection.prepare("SELECT name, \"desc\", coll FROM pragma_index_xinfo(?1) WHERE key").unwrap();
    let parts = parts.query_map([index], |row| {
        let name: Option<String> = row.get(0)?;
        let term = name.map_or(Term::RowNumber, Term::Column);
        Ok(IndexPart { term, descending: row.get(1)?, collation: row.get(2)? })
    });
    parts.unwrap().map(Result::unwrap).collect()
}

fn statement(sql: &str, calls: u64, values: &[Value]) -> Statement {
    Statement {
        form: sql.to_owned(),
        sql: sql.to_owned(),
        calls,
        samples: vec![Call { sql: None, values: Values::Positional(values.to_vec()) }],
        ..Statement::default()
    }
}

struct Case {
    _folder: tempfile::TempDir,
    sqlite: Sqlite,
    catalog: Catalog,
}

/// 30 000 trades of 300 users in 40 symbols; 1 in 200 is open.
fn trades(more: &str) -> Case {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trades.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(&format!(
            "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, country TEXT);
             CREATE TABLE trades(id INTEGER PRIMARY KEY, user_id INT, symbol TEXT, state TEXT, price REAL, executed_at INT, doc TEXT);
             CREATE TABLE log(user_id INT, what TEXT);
             CREATE VIRTUAL TABLE notes USING fts5(body);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
             INSERT INTO trades SELECT i, i * 7919 % 300, 's' || (i * 31 % 40), iif(i % 200 = 0, 'open', 'closed'), i * 0.25,
                 i * 60, json_object('venue', 'v' || (i % 500)) FROM n;
             INSERT INTO users SELECT id, 'u' || id, 'c' || (id % 20) FROM trades WHERE id <= 300;
             INSERT INTO log SELECT user_id, 'x' FROM trades;
             {more}"
        ))
        .unwrap();
    let catalog = catalog(&connection);
    let sqlite = Sqlite::open(&path).unwrap();
    Case { _folder: folder, sqlite, catalog }
}

impl Case {
    fn recommended(&self, statements: &[Statement], options: &SelectionOptions) -> Recommendation {
        let workload = Workload { statements: statements.to_vec(), ..Workload::default() };
        recommend(&self.sqlite, &self.catalog, &workload, options).unwrap()
    }

    fn sql(&self, statements: &[Statement]) -> Vec<String> {
        let found = self.recommended(statements, &SelectionOptions::default());
        found.chosen.iter().map(|chosen| chosen.change.fix.sql[0].clone()).collect()
    }
}

#[test]
fn each_kind_of_statement_gets_the_index_that_serves_it() {
    let case = trades("ANALYZE;");
    let text = |text: &str| Value::Text(text.to_owned());
    let cases: [(&str, Vec<Value>, &[&str]); 10] = [
        (
            "SELECT * FROM trades WHERE user_id = ? ORDER BY executed_at DESC LIMIT 20",
            vec![Value::Integer(5)],
            &["ON \"trades\" (\"user_id\", \"executed_at\")"],
        ),
        (
            "SELECT sum(price) FROM trades WHERE symbol = ?",
            vec![text("s3")],
            &["ON \"trades\" (\"symbol\", \"price\")"],
        ),
        (
            "SELECT * FROM trades WHERE state = 'open'",
            vec![],
            &["ON \"trades\" (\"state\") WHERE \"state\" = 'open'"],
        ),
        ("SELECT max(executed_at) FROM trades", vec![], &["ON \"trades\" (\"executed_at\")"]),
        (
            "SELECT * FROM trades WHERE json_extract(doc, '$.venue') = ?",
            vec![text("v7")],
            &["ON \"trades\" ((json_extract(doc, '$.venue')))"],
        ),
        (
            "SELECT u.name, t.price FROM users u JOIN trades t ON t.user_id = u.id WHERE u.id = ?",
            vec![Value::Integer(9)],
            &["ON \"trades\" (\"user_id\""],
        ),
        (
            "SELECT * FROM trades WHERE user_id = 3 OR executed_at = 600",
            vec![],
            &["(\"executed_at\"", "(\"user_id\""],
        ),
        ("SELECT * FROM trades WHERE id = ?", vec![Value::Integer(3)], &[]),
        ("SELECT * FROM notes WHERE notes MATCH 'x'", vec![], &[]),
        ("SELECT * FROM trades WHERE symbol LIKE '%3'", vec![], &[]),
    ];
    for (sql, values, expected) in cases {
        let found = case.sql(&[statement(sql, 100, &values)]);
        assert_eq!(found.len(), expected.len(), "{sql}: {found:?}");
        for wanted in expected {
            assert!(found.iter().any(|found| found.contains(wanted)), "{sql}: {wanted} is not in {found:?}");
        }
    }
}

#[test]
fn bodies_of_triggers_count() {
    let case = trades(
        "CREATE TRIGGER after_trade AFTER INSERT ON trades BEGIN UPDATE log SET what = 'y' WHERE user_id = new.user_id; END; ANALYZE;",
    );
    let found = case.sql(&[statement("INSERT INTO trades(user_id, symbol) VALUES (1, 's1')", 1_000, &[])]);
    assert_eq!(found, ["CREATE INDEX \"main\".\"idx_log_user_id\" ON \"log\" (\"user_id\")"]);
}

#[test]
fn writes_can_cost_more_than_reads_gain() {
    let case = trades("ANALYZE;");
    let read = statement("SELECT * FROM users WHERE country = 'c3'", 1, &[]);
    let write = statement("INSERT INTO users(name, country) VALUES ('x', 'y')", 1_000_000, &[]);
    assert_eq!(case.sql(std::slice::from_ref(&read)).len(), 1);
    let found = case.recommended(&[read, write], &SelectionOptions::default());
    assert!(found.chosen.is_empty(), "{:?}", found.chosen);
    assert!(
        found.rejected.iter().any(|rejected| rejected.reason.contains("to keep")),
        "{:?}",
        found.rejected
    );
}

#[test]
fn what_saves_hardly_anything_is_left_out() {
    let case = trades("ANALYZE;");
    let often = statement("SELECT count(*) FROM trades WHERE price > 5", 1_000_000, &[]);
    let seldom = statement("SELECT * FROM users WHERE country = 'c3'", 1, &[]);
    let found = case.recommended(&[often, seldom], &SelectionOptions::default());
    assert!(found.chosen.iter().all(|chosen| chosen.candidate.table.name == "trades"), "{:?}", found.chosen);
    assert!(
        found.rejected.iter().any(|rejected| rejected.reason.contains("of the workload's cost")),
        "{:?}",
        found.rejected
    );
}

/// Estimates of recursions can be wrong by orders of magnitude; one such statement is no reason to see nothing beside it.
#[test]
fn one_dear_estimate_does_not_hide_the_rest() {
    let case = trades("ANALYZE;");
    let tree = statement(
        "WITH RECURSIVE tree(id, depth) AS (SELECT 1, 0 UNION ALL SELECT t.user_id, depth + 1 FROM trades t JOIN tree ON \
         t.executed_at = tree.id WHERE depth < 3) SELECT max(depth) FROM tree",
        1,
        &[],
    );
    let plain = statement("SELECT * FROM users WHERE country = 'c3'", 1, &[]);
    let found = case.recommended(&[tree, plain], &SelectionOptions::default());
    assert!(found.statements[0].cost_before > 1_000.0 * found.statements[1].cost_before, "no dear estimate");
    let of_users: Vec<_> = found.chosen.iter().filter(|it| it.candidate.table.name == "users").collect();
    assert_eq!(of_users.len(), 1, "{:?} {:?}", found.chosen, found.rejected);
}

/// By itself an index on `executed_at` finds the latest trade of a user at once; beside the index that another statement wants
/// the planner has no use for it. What fills the gap then serves the statement as well.
#[test]
fn what_the_planner_refutes_is_replaced() {
    let case = trades("ANALYZE;");
    let statements = [
        statement("SELECT count(*), max(price) FROM trades WHERE user_id = ?", 5, &[Value::Integer(5)]),
        statement(
            "SELECT max(executed_at) FROM trades WHERE user_id = ? AND symbol = 's35'",
            1,
            &[Value::Integer(5)],
        ),
    ];
    let found = case.recommended(&statements, &SelectionOptions::default());
    let refuted = found.rejected.iter().filter(|it| it.reason.contains("with the other chosen indexes"));
    assert!(refuted.count() > 0, "nothing was refuted: {:?}", found.rejected);
    assert!(found.statements[1].cost_after < 100.0, "{:?}", found.statements[1]);
}

/// A table that the planner knows beside one that it guesses misleads it: both are analyzed, and the plan is as foreseen.
#[test]
fn tables_that_are_read_together_are_analyzed_together() {
    let case = trades("");
    let join = "SELECT sum(t.price) FROM trades t, users u WHERE u.id = t.user_id AND u.country = 'c3' AND u.name = 'u23'";
    let found = case.recommended(&[statement(join, 10, &[])], &SelectionOptions::default());
    let analyzed = |table: &str| {
        let sql = format!("ANALYZE \"main\".\"{table}\"");
        found.chosen.iter().all(|chosen| chosen.change.fix.sql.contains(&sql))
    };
    assert!(!found.chosen.is_empty() && analyzed("trades") && analyzed("users"), "{:?}", found.chosen);
    assert!(!analyzed("log"), "{:?}", found.chosen);
    let connection = Connection::open(case.sqlite.path()).unwrap();
    let fixes = || found.chosen.iter().map(|chosen| &chosen.change.fix);
    fixes().flat_map(|fix| &fix.sql).for_each(|sql| connection.execute_batch(sql).unwrap());
    let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {join}")).unwrap();
    let plan: Vec<String> = plan.query_map([], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
    let foreseen: Vec<_> =
        found.statements[0].plan_after.steps.iter().map(|step| step.detail.clone()).collect();
    assert_eq!(plan, foreseen);
    fixes().flat_map(|fix| &fix.undo).for_each(|sql| connection.execute_batch(sql).unwrap());
    let left: i64 = connection.query_row("SELECT count(*) FROM sqlite_stat1", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[test]
fn limits_hold_and_what_is_left_out_has_a_reason() {
    let case = trades("ANALYZE;");
    let statements = [
        statement("SELECT * FROM trades WHERE user_id = 5", 10, &[]),
        statement("SELECT * FROM trades WHERE executed_at = 600", 10, &[]),
        statement("SELECT a FROM nowhere", 10, &[]),
    ];
    let all = case.recommended(&statements, &SelectionOptions::default());
    assert_eq!(all.chosen.len(), 2);
    assert!(all.cost_after < all.cost_before / 10.0, "{} {}", all.cost_after, all.cost_before);
    assert_eq!(all.statements[2].failure.as_deref(), Some("no such table: nowhere"));
    let one = case
        .recommended(&statements, &SelectionOptions { max_indexes: Some(1), ..SelectionOptions::default() });
    assert_eq!(one.chosen.len(), 1);
    let budget = SelectionOptions { budget_bytes: Some(1_000), ..SelectionOptions::default() };
    let none = case.recommended(&statements, &budget);
    assert!(none.chosen.is_empty());
    assert!(none.rejected.iter().any(|rejected| rejected.reason.contains("budget")), "{:?}", none.rejected);
}

#[test]
fn a_recommendation_can_be_made_and_taken_back() {
    for more in ["ANALYZE;", ""] {
        let case = trades(more);
        let statements =
            [statement("SELECT * FROM trades WHERE user_id = ? AND symbol = 's1'", 10, &[Value::Integer(5)])];
        let found = case.recommended(&statements, &SelectionOptions::default());
        let connection = Connection::open(case.sqlite.path()).unwrap();
        let lines = |connection: &Connection| -> Vec<String> {
            let sql = "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%' ORDER BY name";
            connection
                .prepare(sql)
                .unwrap()
                .query_map([], |row| row.get(0))
                .unwrap()
                .map(Result::unwrap)
                .collect()
        };
        let before = lines(&connection);
        let changes: Vec<_> = found.chosen.iter().map(|chosen| &chosen.change).collect();
        assert_eq!(changes.len(), 1);
        changes
            .iter()
            .flat_map(|change| &change.fix.sql)
            .for_each(|sql| connection.execute_batch(sql).unwrap());
        let plan: String = connection
            .query_row(
                "EXPLAIN QUERY PLAN SELECT * FROM trades WHERE user_id = 5 AND symbol = 's1'",
                [],
                |row| row.get(3),
            )
            .unwrap();
        assert_eq!(
            vec![plan],
            found.statements[0].plan_after.steps.iter().map(|step| step.detail.clone()).collect::<Vec<_>>()
        );
        let bytes: f64 = connection
            .query_row("SELECT sum(pgsize) FROM dbstat WHERE name = ?1", [&found.chosen[0].name], |row| {
                row.get(0)
            })
            .unwrap();
        let ratio = found.chosen[0].size_bytes as f64 / bytes;
        assert!((0.8..1.25).contains(&ratio), "{} for {bytes}", found.chosen[0].size_bytes);
        changes
            .iter()
            .rev()
            .flat_map(|change| &change.fix.undo)
            .for_each(|sql| connection.execute_batch(sql).unwrap());
        assert_eq!(lines(&connection), before);
    }
}

#[test]
fn the_database_is_never_written() {
    let case = trades("");
    let before = std::fs::read(case.sqlite.path()).unwrap();
    let statements = [
        statement("SELECT * FROM trades WHERE user_id = 5", 10, &[]),
        statement("DELETE FROM trades", 10, &[]),
        statement("DROP TABLE trades", 10, &[]),
        statement("PRAGMA user_version = 9", 10, &[]),
        statement("ATTACH 'other.db' AS other", 10, &[]),
    ];
    let found = case.recommended(&statements, &SelectionOptions::default());
    assert!(found.statements[3].failure.is_some() && found.statements[4].failure.is_some());
    assert_eq!(std::fs::read(case.sqlite.path()).unwrap(), before);
}
