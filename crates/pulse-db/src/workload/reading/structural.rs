//! What a database is asked for certain, though nobody told: keys are looked up, views are read, triggers go off.

use super::{Call, MAX_STATEMENTS, Skipped, Statement, Workload};
use crate::catalog::{Catalog, Column, ForeignKey, Routine, Table, TableKind};
use crate::quote::{name, qualified};

/// A workload from the structure of a database, for when there is no other: of low confidence, since nothing says how often
/// anything of it happens.
///
/// It looks up the children of every foreign key, reads every view, and makes every trigger go off.
pub fn structural(catalog: &Catalog) -> Workload {
    let mut statements = Vec::new();
    for table in catalog.tables.iter().filter(|table| is_own(table)) {
        let lookups = table.foreign_keys.iter().filter_map(|key| lookup(catalog, table, key));
        statements.extend(lookups);
    }
    for routine in &catalog.routines {
        match routine.kind.as_str() {
            "view" => statements.push(read(routine)),
            "trigger" => statements.extend(triggered(catalog, routine)),
            _ => {}
        }
    }
    let mut workload = Workload { is_structural: true, ..Workload::default() };
    for statement in statements {
        // Two keys over the same columns, or two triggers of a table, ask the same.
        if workload.statements.iter().any(|known| known.sql == statement.sql) {
            continue;
        }
        if workload.statements.len() < MAX_STATEMENTS {
            workload.statements.push(statement);
        } else {
            skip(&mut workload.skipped, statement);
        }
    }
    workload
}

fn skip(skipped: &mut Vec<Skipped>, statement: Statement) {
    match skipped.last_mut() {
        Some(last) => last.count += 1,
        None => skipped.push(Skipped {
            origin: statement.origin,
            text: statement.form,
            reason: format!("more than {MAX_STATEMENTS} different statements"),
            count: 1,
        }),
    }
}

/// Whether rows of a table are its user's, not an extension's.
fn is_own(table: &Table) -> bool {
    matches!(table.kind, TableKind::Ordinary | TableKind::Clustered)
}

/// The statement; its names stay as they are, since in it only placeholders are values.
fn statement(sql: String, origin: String) -> Statement {
    Statement {
        form: sql.clone(),
        sql,
        calls: 1,
        samples: vec![Call::default()],
        origin,
        ..Statement::default()
    }
}

/// The rows that belong to a parent: what the database itself looks for when the parent is deleted or its key changes.
fn lookup(catalog: &Catalog, table: &Table, key: &ForeignKey) -> Option<Statement> {
    // A key that names columns which are not there, or a parent that is missing, is not looked up.
    let is_sound = !key.columns.is_empty()
        && key.columns.iter().all(|column| table.column(column).is_some())
        && catalog.table(&key.parent).is_some();
    if !is_sound {
        return None;
    }
    let conditions: Vec<String> = key.columns.iter().map(|column| format!("{} = ?", name(column))).collect();
    let sql = format!("SELECT 1 FROM {} WHERE {}", qualified(&table.name), conditions.join(" AND "));
    Some(statement(sql, format!("foreign key of {} to {}", table.name, key.parent)))
}

fn read(view: &Routine) -> Statement {
    statement(format!("SELECT * FROM {}", qualified(&view.name)), format!("view {}", view.name))
}

/// Statements that make a trigger go off, so that the planner sees those of its body.
fn triggered(catalog: &Catalog, trigger: &Routine) -> Vec<Statement> {
    let Some(table) =
        trigger.table.as_ref().and_then(|table| catalog.table(table)).filter(|table| is_own(table))
    else {
        return Vec::new();
    };
    let events = events(&trigger.sql);
    let origin = format!("trigger {}", trigger.name);
    let made = |is_meant: bool, sql: Option<String>| {
        sql.filter(|_| is_meant).map(|sql| statement(sql, origin.clone()))
    };
    [
        made(events.inserts, insert(table)),
        made(events.updates, update(table)),
        made(events.deletes, Some(format!("DELETE FROM {} WHERE {}", qualified(&table.name), key(table)))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

struct Events {
    inserts: bool,
    updates: bool,
    deletes: bool,
}

/// What a trigger may go off at: the words before its `ON`. A name that is one of these words makes a statement too much, which
/// is harmless.
fn events(sql: &str) -> Events {
    let mut events = Events { inserts: false, updates: false, deletes: false };
    for word in sql.split(|c: char| !(c.is_alphanumeric() || c == '_')) {
        match word.to_ascii_lowercase().as_str() {
            "on" if events.inserts || events.updates || events.deletes => break,
            "insert" => events.inserts = true,
            "update" => events.updates = true,
            "delete" => events.deletes = true,
            _ => {}
        }
    }
    events
}

fn settable(table: &Table) -> impl Iterator<Item = &Column> {
    table.columns.iter().filter(|column| !column.generated)
}

fn insert(table: &Table) -> Option<String> {
    let columns: Vec<String> = settable(table).map(|column| name(&column.name)).collect();
    let marks = vec!["?"; columns.len()].join(", ");
    let sql = format!("INSERT INTO {} ({}) VALUES ({marks})", qualified(&table.name), columns.join(", "));
    (!columns.is_empty()).then_some(sql)
}

fn update(table: &Table) -> Option<String> {
    let is_key = |column: &&Column| {
        let mut keys = table.primary_key.iter().chain(&table.row_number);
        keys.any(|key| key.eq_ignore_ascii_case(&column.name))
    };
    let all: Vec<&Column> = settable(table).collect();
    let others: Vec<&Column> = all.iter().copied().filter(|column| !is_key(column)).collect();
    let set = if others.is_empty() { all } else { others };
    let set: Vec<String> = set.iter().map(|column| format!("{} = ?", name(&column.name))).collect();
    let sql = format!("UPDATE {} SET {} WHERE {}", qualified(&table.name), set.join(", "), key(table));
    (!set.is_empty()).then_some(sql)
}

/// One row, by the fastest way there is.
fn key(table: &Table) -> String {
    if table.primary_key.is_empty() && table.row_number.is_none() {
        return "rowid = ?".to_owned();
    }
    let columns =
        if table.primary_key.is_empty() { table.row_number.as_slice() } else { &table.primary_key[..] };
    columns.iter().map(|column| format!("{} = ?", name(column))).collect::<Vec<_>>().join(" AND ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::TableName;
    use rusqlite::Connection;

    fn column(name: &str) -> Column {
        Column { name: name.to_owned(), ..Column::default() }
    }

    fn catalog() -> Catalog {
        let key = |column: &str, parent: &str| ForeignKey {
            columns: vec![column.to_owned()],
            parent: TableName::main(parent),
            parent_columns: vec!["id".to_owned()],
        };
        let order = Table {
            name: TableName::main("order \"x\""),
            columns: vec![
                column("id"),
                column("group"),
                column("user"),
                Column { generated: true, ..column("double") },
            ],
            primary_key: vec!["id".to_owned()],
            row_number: Some("id".to_owned()),
            foreign_keys: vec![key("user", "users"), key("user", "users"), key("group", "missing")],
            ..Table::default()
        };
        let users = Table { name: TableName::main("users"), columns: vec![column("id")], ..Table::default() };
        let routine = |kind: &str, name: &str, sql: &str| Routine {
            name: TableName::main(name),
            kind: kind.to_owned(),
            table: (kind == "trigger").then(|| TableName::main("Order \"x\"")),
            sql: sql.to_owned(),
        };
        let routines = vec![
            routine("view", "v", "CREATE VIEW v AS SELECT id FROM users"),
            routine(
                "trigger",
                "t",
                "CREATE TRIGGER t AFTER UPDATE OF user ON \"order \"\"x\"\"\" BEGIN DELETE FROM users; END",
            ),
            routine(
                "trigger",
                "u",
                "CREATE TRIGGER u BEFORE INSERT ON \"order \"\"x\"\"\" BEGIN SELECT 1; END",
            ),
        ];
        Catalog { tables: vec![order, users], routines, ..Catalog::default() }
    }

    #[test]
    fn keys_views_and_triggers_are_asked() {
        let workload = structural(&catalog());
        assert!(workload.is_structural);
        let seen: Vec<(&str, &str)> = workload
            .statements
            .iter()
            .map(|statement| (statement.sql.as_str(), statement.origin.as_str()))
            .collect();
        let expected = [
            (r#"SELECT 1 FROM "main"."order ""x""" WHERE "user" = ?"#, "foreign key of order \"x\" to users"),
            (r#"SELECT * FROM "main"."v""#, "view v"),
            (r#"UPDATE "main"."order ""x""" SET "group" = ?, "user" = ? WHERE "id" = ?"#, "trigger t"),
            (r#"INSERT INTO "main"."order ""x""" ("id", "group", "user") VALUES (?, ?, ?)"#, "trigger u"),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn sqlite_understands_all_of_it() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE users (id INTEGER); CREATE VIEW v AS SELECT id FROM users;
                 CREATE TABLE \"order \"\"x\"\"\" (id INTEGER PRIMARY KEY, \"group\", user, double AS (id * 2));",
            )
            .unwrap();
        for statement in structural(&catalog()).statements {
            connection.prepare(&statement.sql).unwrap_or_else(|error| panic!("{}: {error}", statement.sql));
        }
    }

    #[test]
    fn nothing_asks_nothing() {
        assert_eq!(structural(&Catalog::default()), Workload { is_structural: true, ..Workload::default() });
    }
}
