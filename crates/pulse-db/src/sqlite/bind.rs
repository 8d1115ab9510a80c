//! Values of a call, bound to a statement.

use rusqlite::Statement;
use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::workload::{Value, Values};

/// A value as it is bound.
pub(super) fn bound(value: &Value) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Integer(number) => ValueRef::Integer(*number),
        Value::Real(number) => ValueRef::Real(*number),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
        Value::Blob(bytes) => ValueRef::Blob(bytes),
    })
}

/// Binds values by position; those too many are ignored, and those missing are null.
pub(super) fn bind_positional(statement: &mut Statement<'_>, values: &[Value]) -> rusqlite::Result<()> {
    for (position, value) in values.iter().enumerate().take(statement.parameter_count()) {
        statement.raw_bind_parameter(position + 1, bound(value))?;
    }
    Ok(())
}

/// Binds the values of a call.
pub(super) fn bind(statement: &mut Statement<'_>, values: &Values) -> rusqlite::Result<()> {
    for position in 1..=statement.parameter_count() {
        if let Some(value) = value_at(statement, position, values) {
            statement.raw_bind_parameter(position, bound(value))?;
        }
    }
    Ok(())
}

/// The value of the placeholder at a position from 1. A name without a prefix fits a placeholder with any.
pub(super) fn value_at<'a>(
    statement: &Statement<'_>,
    position: usize,
    values: &'a Values,
) -> Option<&'a Value> {
    match values {
        Values::Positional(values) => values.get(position.checked_sub(1)?),
        Values::Named(values) => {
            let placeholder = statement.parameter_name(position)?;
            let fits = |name: &str| name == placeholder || placeholder.get(1..) == Some(name);
            values.iter().find(|(name, _)| fits(name)).map(|(_, value)| value)
        }
    }
}
