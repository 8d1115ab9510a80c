//! A table that holds nothing and writes down what the planner asks it for.
//!
//! Danger first: SQLite calls into this through raw pointers to `#[repr(C)]` structs whose first field is its own. That layout,
//! and that nothing here panics, is all that has to hold; everything else is rusqlite's safe interface.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::types::ValueRef;
use rusqlite::vtab::{
    Context, CreateVTab, Filters, IndexConstraintOp, IndexInfo, Inserts, Module, UpdateVTab, Updates, VTab,
    VTabConnection, VTabCursor, VTabKind, sqlite3_vtab, sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Error, Result};

use crate::catalog::TableName;
use crate::plan::Operator;
use crate::workload::Value;

/// The module's name in `CREATE VIRTUAL TABLE … USING`.
pub(super) const MODULE_NAME: &str = "pulse_asked";
/// Questions that are kept of one statement: a join of many tables asks each one again for every order.
const MAX_CALLS: usize = 2_048;
/// Conditions of one question that are kept.
const MAX_CONDITIONS: usize = 64;
/// Bytes of a text or blob up to which a condition's value is kept.
const MAX_VALUE_BYTES: usize = 1_024;

/// One time that the planner asked a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    /// The table.
    pub table: TableName,
    /// Conditions that it could use.
    pub conditions: Vec<CallCondition>,
    /// The wanted order: columns, −1 for the row's number, and whether the largest comes first.
    pub order: Vec<(i32, bool)>,
    /// Columns that are read, a bit each; the last bit is for all columns from 63 on.
    pub used: u64,
}

/// A condition of a [`Call`].
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CallCondition {
    /// The column, −1 for the row's number.
    pub column: i32,
    /// How it is compared.
    pub operator: Operator,
    /// How texts compare.
    pub collation: String,
    /// What it is compared with, where the planner knows that.
    pub value: Option<Value>,
    /// Whether what it is compared with is known at this time.
    pub usable: bool,
}

/// Where the tables of one connection write down what they are asked.
pub(super) type CallLog = Arc<Mutex<Vec<Call>>>;

/// What is given to every table of a connection.
pub(super) struct Asking {
    /// Each table's name and declaration.
    pub declarations: Vec<(TableName, String)>,
    /// Where it is written down.
    pub log: CallLog,
}

/// Lets a connection have such tables.
pub(super) fn register(connection: &Connection, asking: Asking) -> Result<()> {
    const MODULE: Module<'_, Asked> = Module::update_module();
    connection.create_module(MODULE_NAME, &MODULE, Some(asking))
}

#[repr(C)]
struct Asked {
    /// SQLite's part; it must be the first.
    base: sqlite3_vtab,
    table: TableName,
    log: CallLog,
}

#[repr(C)]
struct Nothing<'vtab> {
    /// SQLite's part; it must be the first.
    base: sqlite3_vtab_cursor,
    table: PhantomData<&'vtab Asked>,
}

// SAFETY: the struct is `repr(C)` and begins with `sqlite3_vtab`, as the trait demands.
#[expect(unsafe_code, reason = "the trait that tables of an extension implement is unsafe")]
unsafe impl<'vtab> VTab<'vtab> for Asked {
    type Aux = Asking;
    type Cursor = Nothing<'vtab>;

    fn connect(
        _db: &mut VTabConnection,
        aux: Option<&Asking>,
        _module_name: &[u8],
        database_name: &[u8],
        table_name: &[u8],
        _args: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let asking = aux.ok_or_else(|| Error::ModuleError("no tables are declared".to_owned()))?;
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let table = TableName { schema: text(database_name), name: text(table_name) };
        let declared = asking.declarations.iter().find(|(name, _)| name.is(&table));
        let (_, declaration) =
            declared.ok_or_else(|| Error::ModuleError(format!("no table {table} is declared")))?;
        let declaration = CString::new(declaration.as_str())?;
        let asked = Self { base: sqlite3_vtab::default(), table, log: Arc::clone(&asking.log) };
        Ok((Cow::Owned(declaration), asked))
    }

    fn best_index(&self, info: &mut IndexInfo) -> Result<bool> {
        let conditions = conditions(info);
        let order = info.order_bys().map(|term| (term.column(), term.is_order_by_desc())).collect();
        let used = info.col_used();
        // Taking every usable condition makes the planner ask again with fewer of them: that is how joins show.
        let mut taken = 0;
        for (constraint, mut usage) in info.constraints_and_usages() {
            if constraint.is_usable()
                && operator(&constraint.operator(), false).is_some_and(Operator::is_indexable)
            {
                taken += 1;
                usage.set_argv_index(taken);
            }
        }
        info.set_estimated_cost(1e6 / f64::from(1_i32 << (2 * taken).min(20)));
        info.set_estimated_rows(i64::from(1_i32 << (20 - (2 * taken).min(20))));
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() < MAX_CALLS {
            log.push(Call { table: self.table.clone(), conditions, order, used });
        }
        Ok(true)
    }

    fn open(&'vtab mut self) -> Result<Nothing<'vtab>> {
        Ok(Nothing { base: sqlite3_vtab_cursor::default(), table: PhantomData })
    }
}

fn conditions(info: &IndexInfo) -> Vec<CallCondition> {
    let mut found = Vec::new();
    for (position, constraint) in info.constraints().enumerate() {
        let is_in = info.is_in_constraint(position).unwrap_or(false);
        let Some(operator) = operator(&constraint.operator(), is_in) else { continue };
        if found.len() == MAX_CONDITIONS {
            break;
        }
        let value = if is_in { None } else { info.rhs_value(position).ok().flatten() };
        found.push(CallCondition {
            column: constraint.column(),
            operator,
            collation: info.collation(position).unwrap_or("BINARY").to_owned(),
            value: value.and_then(owned),
            usable: constraint.is_usable(),
        });
    }
    found
}

fn operator(operator: &IndexConstraintOp, is_in: bool) -> Option<Operator> {
    use IndexConstraintOp as Op;
    Some(match operator {
        Op::SQLITE_INDEX_CONSTRAINT_EQ if is_in => Operator::In,
        Op::SQLITE_INDEX_CONSTRAINT_EQ | Op::SQLITE_INDEX_CONSTRAINT_IS => Operator::Equal,
        Op::SQLITE_INDEX_CONSTRAINT_GT
        | Op::SQLITE_INDEX_CONSTRAINT_LE
        | Op::SQLITE_INDEX_CONSTRAINT_LT
        | Op::SQLITE_INDEX_CONSTRAINT_GE => Operator::Range,
        Op::SQLITE_INDEX_CONSTRAINT_ISNULL => Operator::IsNull,
        Op::SQLITE_INDEX_CONSTRAINT_ISNOTNULL => Operator::IsNotNull,
        Op::SQLITE_INDEX_CONSTRAINT_NE | Op::SQLITE_INDEX_CONSTRAINT_ISNOT => Operator::NotEqual,
        Op::SQLITE_INDEX_CONSTRAINT_LIKE
        | Op::SQLITE_INDEX_CONSTRAINT_GLOB
        | Op::SQLITE_INDEX_CONSTRAINT_REGEXP
        | Op::SQLITE_INDEX_CONSTRAINT_MATCH => Operator::Pattern,
        Op::SQLITE_INDEX_CONSTRAINT_LIMIT
        | Op::SQLITE_INDEX_CONSTRAINT_OFFSET
        | Op::SQLITE_INDEX_CONSTRAINT_FUNCTION(_) => return None,
    })
}

fn owned(value: ValueRef<'_>) -> Option<Value> {
    Some(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) if text.len() <= MAX_VALUE_BYTES => {
            Value::Text(String::from_utf8(text.to_vec()).ok()?)
        }
        ValueRef::Blob(bytes) if bytes.len() <= MAX_VALUE_BYTES => Value::Blob(bytes.to_vec()),
        ValueRef::Text(_) | ValueRef::Blob(_) => return None,
    })
}

impl CreateVTab<'_> for Asked {
    const KIND: VTabKind = VTabKind::Default;
}

/// Statements that write must be prepared as well; none is ever run.
impl UpdateVTab<'_> for Asked {
    fn delete(&mut self, _arg: ValueRef<'_>) -> Result<()> {
        Err(never_run())
    }

    fn insert(&mut self, _args: &Inserts<'_>) -> Result<i64> {
        Err(never_run())
    }

    fn update(&mut self, _args: &Updates<'_>) -> Result<()> {
        Err(never_run())
    }
}

fn never_run() -> Error {
    Error::ModuleError("this table is only asked about, and never written".to_owned())
}

// SAFETY: the struct is `repr(C)` and begins with `sqlite3_vtab_cursor`, as the trait demands.
#[expect(unsafe_code, reason = "the trait that cursors of an extension implement is unsafe")]
unsafe impl VTabCursor for Nothing<'_> {
    fn filter(&mut self, _idx_num: c_int, _idx_str: Option<&str>, _args: &Filters<'_>) -> Result<()> {
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        Ok(())
    }

    fn eof(&self) -> bool {
        true
    }

    fn column(&self, ctx: &mut Context, _i: c_int) -> Result<()> {
        ctx.set_result(rusqlite::types::Null)
    }

    fn rowid(&self) -> Result<i64> {
        Ok(0)
    }
}
