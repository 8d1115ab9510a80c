//! How many rows a statement stops at, from its own program: the number may be a placeholder or be computed, and only the
//! program tells which of several limits is the outermost.

use rusqlite::Connection;

use super::bind;
use super::schema_copy;
use crate::workload::{Value, Values};

/// Instructions that are looked at.
const MAX_INSTRUCTIONS: usize = 20_000;

struct Instruction {
    address: i64,
    operation: String,
    p1: i64,
    p2: i64,
    p3: i64,
}

/// The outermost limit with its offset; `None` where there is none or it cannot be told.
pub(super) fn limit(connection: &Connection, sql: &str, values: &Values) -> Option<f64> {
    let mut program = schema_copy::prepare(connection, &format!("EXPLAIN {sql}")).ok()?;
    bind::bind(&mut program, values).ok()?;
    let places = 1..=program.parameter_count();
    let values: Vec<_> = places.map(|position| bind::value_at(&program, position, values).cloned()).collect();
    let mut rows = program.raw_query();
    let mut instructions = Vec::new();
    while let Ok(Some(row)) = rows.next() {
        let read = || -> rusqlite::Result<Instruction> {
            let (address, operation) = (row.get(0)?, row.get(1)?);
            Ok(Instruction { address, operation, p1: row.get(2)?, p2: row.get(3)?, p3: row.get(4)? })
        };
        instructions.push(read().ok()?);
        if instructions.len() == MAX_INSTRUCTIONS {
            break;
        }
    }
    outermost(&instructions, &values)
}

/// Only the outermost statement gives rows out; the counter that goes down right after that is its limit. Where rows are sorted,
/// the sorter keeps no more than the limit instead; with subqueries beside it nothing tells whose sorter it is.
fn outermost(program: &[Instruction], values: &[Option<Value>]) -> Option<f64> {
    let given = program.iter().rposition(|instruction| instruction.operation == "ResultRow")?;
    let counted = program.get(given + 1).filter(|instruction| instruction.operation == "DecrJumpZero");
    let has_subquery = program
        .iter()
        .any(|instruction| matches!(instruction.operation.as_str(), "InitCoroutine" | "BeginSubrtn"));
    let sorted = || program.iter().find(|instruction| instruction.operation == "IfNotZero" && !has_subquery);
    let register = counted.or_else(sorted)?.p1;
    let mut with_offset = program.iter().filter(|instruction| instruction.operation == "OffsetLimit");
    let (limit, offset) =
        match with_offset.find(|instruction| instruction.p1 == register || instruction.p2 == register) {
            Some(both) => (both.p1, number(program, both.p3, values).unwrap_or(0.0)),
            None => (register, 0.0),
        };
    let limit = number(program, limit, values)?;
    (limit >= 0.0).then_some(limit + offset.max(0.0))
}

fn number(program: &[Instruction], register: i64, values: &[Option<Value>]) -> Option<f64> {
    let set = program
        .iter()
        .filter(|instruction| instruction.p2 == register)
        .filter(|instruction| matches!(instruction.operation.as_str(), "Integer" | "Variable"))
        .min_by_key(|instruction| instruction.address)?;
    if set.operation == "Integer" {
        return Some(set.p1 as f64);
    }
    let position = usize::try_from(set.p1).ok()?.checked_sub(1)?;
    match values.get(position)?.as_ref()? {
        Value::Integer(number) => Some(*number as f64),
        Value::Real(number) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_limit_counts() {
        let connection = Connection::open_in_memory().expect("a database in memory");
        connection.execute_batch("CREATE TABLE t(a, b); CREATE TABLE u(a)").expect("tables");
        let seven = Values::Positional(vec![Value::Integer(7), Value::Integer(3)]);
        let cases = [
            ("SELECT * FROM t LIMIT 5", Some(5.0)),
            ("SELECT * FROM t ORDER BY a LIMIT ?1 OFFSET ?2", Some(10.0)),
            ("SELECT * FROM t JOIN u USING (a) LIMIT ?", Some(7.0)),
            ("SELECT (SELECT a FROM u WHERE u.a = t.b LIMIT 1) FROM t", None),
            ("SELECT (SELECT a FROM u WHERE u.a = t.b LIMIT 1) FROM t LIMIT 40", Some(40.0)),
            ("SELECT * FROM (SELECT * FROM t ORDER BY a LIMIT 9) ORDER BY b", None),
            ("SELECT * FROM t LIMIT -1", None),
            ("SELECT no_such_column", None),
            ("DELETE FROM t", None),
        ];
        for (sql, expected) in cases {
            assert_eq!(limit(&connection, sql, &seven), expected, "{sql}");
        }
    }
}
