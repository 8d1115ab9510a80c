//! What the planner would like to have indexed: its own questions, asked of tables that hold nothing.
//!
//! A second copy of the schema has every table replaced by one that writes down what it is asked ([`super::asked`]). Bodies of
//! triggers cannot be attached to such tables, so a table with triggers gets a copy of its own in which it is an ordinary one
//! and all others are asked.
//!
//! Two wishes are not uttered, because tables of extensions cannot meet them: an order that says where nulls go, and the order
//! that `min` of a column with nulls wants. Such statements still tell which columns they read.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::asked::{self, Asking, Call, CallLog};
use super::quote;
use super::schema_copy::{self, Schema, SchemaItem, Shape};
use crate::catalog::{TableName, Term};
use crate::plan::{Condition, Effect, EffectKind, Operator, Order, Question};

/// Tables with triggers whose bodies are asked for.
const MAX_TRIGGERED: usize = 32;
/// Different questions that are kept of one statement.
const MAX_QUESTIONS: usize = 64;

/// Copies of the schema that are asked.
pub(super) struct Questioner {
    all: AskedCopy,
    /// For each table with triggers, the copy in which only it is real.
    triggered: Vec<(TableName, AskedCopy)>,
}

struct AskedCopy {
    connection: Connection,
    log: CallLog,
}

impl Questioner {
    /// Copies the schema.
    pub(super) fn new(items: &[SchemaItem], shapes: &[Shape], schemas: &[Schema]) -> rusqlite::Result<Self> {
        let mut triggered: Vec<(TableName, AskedCopy)> = Vec::new();
        for item in items.iter().filter(|item| item.kind == "trigger") {
            let is_known = triggered.iter().any(|(table, _)| table.is(&item.table));
            if !is_known && triggered.len() < MAX_TRIGGERED {
                let copy = AskedCopy::new(items, shapes, schemas, Some(&item.table))?;
                triggered.push((item.table.clone(), copy));
            }
        }
        Ok(Self { all: AskedCopy::new(items, shapes, schemas, None)?, triggered })
    }

    /// What the planner asks for a statement that has its values in its text. A statement that cannot be prepared on such
    /// tables (`INDEXED BY`, for one) asks nothing.
    pub(super) fn questions(&self, sql: &str, effects: &[Effect], shapes: &[Shape]) -> Vec<Question> {
        let mut calls = self.all.calls(sql);
        let written = effects.iter().filter(|effect| effect.kind != EffectKind::Read);
        let tables: Vec<_> = written.map(|effect| &effect.table).collect();
        for (table, copy) in &self.triggered {
            if tables.iter().any(|written| written.is(table)) {
                calls.extend(copy.calls(sql));
            }
        }
        questions(calls, shapes)
    }
}

impl AskedCopy {
    fn new(
        items: &[SchemaItem],
        shapes: &[Shape],
        schemas: &[Schema],
        real: Option<&TableName>,
    ) -> rusqlite::Result<Self> {
        let connection = schema_copy::in_memory(schemas)?;
        let log = CallLog::new(Mutex::new(Vec::new()));
        let declarations =
            shapes.iter().map(|shape| (shape.table.clone(), schema_copy::declaration(shape))).collect();
        asked::register(&connection, Asking { declarations, log: Arc::clone(&log) })?;
        let is_real = |table: &TableName| real.is_some_and(|real| real.is(table));
        let is_shape = |table: &TableName| shapes.iter().any(|shape| shape.table.is(table));
        let kept = items.iter().filter(|item| match item.kind.as_str() {
            "table" => !is_shape(&item.table) || is_real(&item.table),
            "view" => true,
            _ => is_real(&item.table),
        });
        // Whatever cannot be made here is missing in the statements' own copy as well, where it is told.
        schema_copy::make(&connection, &kept);
        for shape in shapes.iter().filter(|shape| !is_real(&shape.table)) {
            let table = quote::qualified(&shape.table);
            let sql = format!("CREATE VIRTUAL TABLE {table} USING {}", asked::MODULE_NAME);
            // A table that cannot be declared is not asked; its statements then have no questions.
            let _ = schema_copy::execute(&connection, &sql);
        }
        Ok(Self { connection, log })
    }

    fn calls(&self, sql: &str) -> Vec<Call> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let _ = schema_copy::prepare(&self.connection, &format!("EXPLAIN QUERY PLAN {sql}"));
        std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Joins calls that differ only in what was known at the time: a condition that was not always usable joins tables.
fn questions(calls: Vec<Call>, shapes: &[Shape]) -> Vec<Question> {
    let mut merged: Vec<Call> = Vec::new();
    for call in calls {
        if let Some(known) = merged.iter_mut().find(|known| is_same_but_for_time(known, &call)) {
            for (kept, new) in known.conditions.iter_mut().zip(&call.conditions) {
                // A list of values is left out of one question on purpose, whatever it is made of.
                kept.usable = if kept.operator == Operator::In {
                    kept.usable | new.usable
                } else {
                    kept.usable & new.usable
                };
            }
        } else if merged.len() < MAX_QUESTIONS {
            merged.push(call);
        }
    }
    let shape_of = |call: &Call| shapes.iter().find(|shape| shape.table.is(&call.table));
    merged.iter().filter_map(|call| shape_of(call).map(|shape| question(call, shape))).collect()
}

fn is_same_but_for_time(a: &Call, b: &Call) -> bool {
    let same = |(a, b): (&asked::CallCondition, &asked::CallCondition)| {
        a.column == b.column && a.operator == b.operator && a.collation == b.collation && a.value == b.value
    };
    a.table == b.table
        && a.used == b.used
        && a.order == b.order
        && a.conditions.len() == b.conditions.len()
        && a.conditions.iter().zip(&b.conditions).all(same)
}

fn question(call: &Call, shape: &Shape) -> Question {
    let term = |position: i32| match usize::try_from(position) {
        Ok(position) if Some(position) == shape.row_number => Term::RowNumber,
        Ok(position) => {
            shape.columns.get(position).map_or(Term::RowNumber, |column| Term::Column(column.name.clone()))
        }
        Err(_) => Term::RowNumber,
    };
    let collation_of = |position: i32| {
        let column = usize::try_from(position).ok().and_then(|position| shape.columns.get(position));
        column.map_or_else(|| "BINARY".to_owned(), |column| column.collation.clone())
    };
    let conditions = call.conditions.iter().map(|condition| Condition {
        term: term(condition.column),
        operator: condition.operator,
        collation: condition.collation.clone(),
        value: condition.value.clone(),
        joins: !condition.usable,
    });
    let order = call.order.iter().map(|&(position, descending)| Order {
        term: term(position),
        descending,
        collation: collation_of(position),
    });
    let is_used = |position: usize| call.used & (1 << position.min(63)) != 0;
    let used = shape.columns.iter().enumerate().filter(|&(position, _)| is_used(position));
    Question {
        table: shape.table.clone(),
        conditions: conditions.collect(),
        order: order.collect(),
        used: used.map(|(_, column)| column.name.clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Value;

    const SCHEMA: &str = "
        CREATE TABLE trades(id INTEGER PRIMARY KEY, symbol TEXT, side TEXT COLLATE NOCASE, price REAL, user_id INT);
        CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE log(user_id INT, what TEXT);
        CREATE TRIGGER after_trade AFTER INSERT ON trades BEGIN
            UPDATE log SET what = 'trade' WHERE user_id = new.user_id;
        END;";

    fn ask(sql: &str) -> Vec<Question> {
        let source = Connection::open_in_memory().expect("a database in memory");
        source.execute_batch(SCHEMA).expect("a schema");
        let schemas = schema_copy::schemas(&source, &["main".to_owned()]).expect("schemas");
        let items = schema_copy::read_schemas(&source, &schemas).expect("lines");
        let shapes = schema_copy::shapes(&source, &schemas).expect("shapes");
        let effects =
            [Effect { table: TableName::main("trades"), kind: EffectKind::Insert, columns: Vec::new() }];
        Questioner::new(&items, &shapes, &schemas).expect("a questioner").questions(sql, &effects, &shapes)
    }

    fn words(question: &Question) -> String {
        let name = |term: &Term| match term {
            Term::Column(name) | Term::Expression(name) => name.clone(),
            Term::RowNumber => "#".to_owned(),
        };
        let conditions = question.conditions.iter().map(|condition| {
            let joins = if condition.joins { " joins" } else { "" };
            format!("{} {:?} {}{joins}", name(&condition.term), condition.operator, condition.collation)
        });
        let order = question
            .order
            .iter()
            .map(|order| format!("{}{}", name(&order.term), if order.descending { "↓" } else { "↑" }));
        format!(
            "{}: [{}] by [{}] reads [{}]",
            question.table,
            conditions.collect::<Vec<_>>().join(", "),
            order.collect::<Vec<_>>().join(", "),
            question.used.join(", "),
        )
    }

    #[test]
    fn conditions_order_and_columns_are_the_planners_own() {
        let cases: [(&str, &[&str]); 6] = [
            (
                "SELECT price FROM trades WHERE symbol = 'A' AND price > 5 ORDER BY id DESC",
                &["trades: [symbol Equal BINARY, price Range BINARY] by [#↓] reads [id, symbol, price]"],
            ),
            (
                "SELECT id FROM trades WHERE side = 'buy' AND user_id IN (1, 2) AND symbol IS NULL",
                &[
                    "trades: [side Equal NOCASE, user_id In BINARY, symbol IsNull BINARY] by [] reads [id, symbol, side, user_id]",
                ],
            ),
            ("SELECT max(price) FROM trades", &["trades: [] by [price↓] reads [price]"]),
            ("SELECT name FROM users WHERE id = 5", &["users: [# Equal BINARY] by [] reads [id, name]"]),
            (
                "INSERT INTO trades(user_id) VALUES (1)",
                &["log: [user_id Equal BINARY] by [] reads [user_id, what]"],
            ),
            ("SELECT * FROM trades INDEXED BY none WHERE symbol = 'A'", &[]),
        ];
        for (sql, expected) in cases {
            let found: Vec<_> = ask(sql).iter().map(words).collect();
            assert_eq!(found, expected, "{sql}");
        }
    }

    #[test]
    fn a_condition_that_needs_the_other_table_joins() {
        let found = ask("SELECT u.name FROM trades t JOIN users u ON u.id = t.user_id WHERE t.symbol = 'A'");
        let joins = |table: &str, column: &Term| {
            let of_table = found.iter().filter(|question| question.table.name == table);
            let mut conditions = of_table.flat_map(|question| &question.conditions);
            conditions.any(|condition| condition.term == *column && condition.joins)
        };
        assert!(joins("users", &Term::RowNumber), "{found:?}");
        assert!(joins("trades", &Term::Column("user_id".to_owned())), "{found:?}");
        assert!(!joins("trades", &Term::Column("symbol".to_owned())), "{found:?}");
    }

    #[test]
    fn each_branch_of_an_or_asks_for_itself() {
        let found = ask("SELECT * FROM trades WHERE symbol = 'A' OR user_id = 7");
        let alone = |column: &str| {
            found.iter().any(|question| {
                matches!(question.conditions.as_slice(), [one] if one.term == Term::Column(column.to_owned()))
            })
        };
        assert!(alone("symbol") && alone("user_id"), "{found:?}");
    }

    #[test]
    fn values_that_are_written_are_known() {
        let found = ask("SELECT 1 FROM trades WHERE symbol = 'A'");
        assert_eq!(found[0].conditions[0].value, Some(Value::Text("A".to_owned())));
    }
}
