//! A database's schema in memory, without its rows: what plans are asked of.
//!
//! What an application brings itself (functions, collations, modules) is not here. Functions and collations get stand-ins that
//! are never run; a virtual table of an unknown module is left out and named.

use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::limits::Limit;
use rusqlite::{Connection, Statement as Prepared};

use super::quote;
use crate::catalog::Unread;

/// Stand-ins that one statement may need; more is not a statement of an application.
const MAX_STAND_INS: usize = 32;
/// Bytes of a statement that are still prepared.
const MAX_STATEMENT_BYTES: i32 = 1_000_000;

/// A line of a database's schema.
#[derive(Clone, Debug)]
pub(super) struct SchemaItem {
    /// `table`, `index`, `view`, `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The table that it belongs to.
    pub table: String,
    /// The statement that made it.
    pub sql: String,
}

impl SchemaItem {
    /// Whether it is a table of an extension.
    pub(super) fn is_virtual(&self) -> bool {
        let mut words = self.sql.split_ascii_whitespace();
        words.next().is_some_and(|word| word.eq_ignore_ascii_case("CREATE"))
            && words.next().is_some_and(|word| word.eq_ignore_ascii_case("VIRTUAL"))
    }
}

/// All lines of the main schema, in the order in which they were made: the planner decides ties by it.
pub(super) fn read_schema(source: &Connection) -> rusqlite::Result<Vec<SchemaItem>> {
    let mut lines = source.prepare(
        "SELECT type, name, tbl_name, sql FROM main.sqlite_schema \
         WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid",
    )?;
    let rows = lines.query_map([], |row| {
        Ok(SchemaItem { kind: row.get(0)?, name: row.get(1)?, table: row.get(2)?, sql: row.get(3)? })
    })?;
    // A line whose text is not valid is left out: it would fail in the copy as well.
    Ok(rows.filter_map(Result::ok).collect())
}

/// An empty database in memory that plans as the given one would.
pub(super) fn in_memory(page_size: i64) -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.pragma_update(None, "page_size", page_size)?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "ignore_check_constraints", true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRIGGER_EQP, true)?;
    connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_STATEMENT_BYTES)?;
    Ok(connection)
}

/// Runs lines of a schema; what cannot be made here is told.
pub(super) fn make<'a>(
    connection: &Connection,
    items: &(impl Iterator<Item = &'a SchemaItem> + Clone),
) -> Vec<Unread> {
    let mut unread = Vec::new();
    // An extension's table brings its shadow tables along; their own lines then find them there.
    for is_virtual in [true, false] {
        for item in items.clone().filter(|item| item.is_virtual() == is_virtual) {
            if let Err(error) = execute(connection, &item.sql) {
                let reason = words(&error);
                if !reason.contains("already exists") {
                    unread.push(Unread { subject: format!("{} {}", item.kind, item.name), reason });
                }
            }
        }
    }
    unread
}

/// Runs a statement, with stand-ins for what the application brings.
pub(super) fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    with_stand_ins(connection, || connection.execute_batch(sql))
}

/// Prepares a statement, with stand-ins for what the application brings.
pub(super) fn prepare<'a>(connection: &'a Connection, sql: &str) -> rusqlite::Result<Prepared<'a>> {
    with_stand_ins(connection, || connection.prepare(sql))
}

/// An error in SQLite's own words, without the statement: that may hold values.
pub(super) fn words(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}

fn with_stand_ins<T>(
    connection: &Connection,
    mut run: impl FnMut() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let mut result = run();
    for _ in 0..MAX_STAND_INS {
        let Err(error) = &result else { break };
        if !stand_in(connection, &words(error))? {
            break;
        }
        result = run();
    }
    result
}

/// Whether a stand-in was made for what an error misses.
fn stand_in(connection: &Connection, error: &str) -> rusqlite::Result<bool> {
    let missing = |words: &str| {
        let rest = &error[error.find(words)? + words.len()..];
        Some(rest.trim_end_matches("()").to_owned())
    };
    if let Some(name) = missing("no such function: ").or_else(|| missing("unknown function: ")) {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        connection.create_scalar_function(name.as_str(), -1, flags, |_| Ok(rusqlite::types::Null))?;
        return Ok(true);
    }
    if let Some(name) = missing("no such collation sequence: ") {
        connection.create_collation(name.as_str(), str::cmp)?;
        return Ok(true);
    }
    Ok(false)
}

/// How a table is built, as far as questions and samples need it.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    /// Its name.
    pub name: String,
    /// Columns in order, hidden ones left out.
    pub columns: Vec<ShapeColumn>,
    /// The primary key's columns in its order.
    pub primary_key: Vec<String>,
    /// Whether its rows have no numbers.
    pub is_clustered: bool,
    /// The position of the column that is another name of the row's number.
    pub row_number: Option<usize>,
}

/// A column of a [`Shape`].
#[derive(Clone, Debug, Default)]
pub(super) struct ShapeColumn {
    /// Its name.
    pub name: String,
    /// The type as declared.
    pub type_name: String,
    /// How its texts compare.
    pub collation: String,
    /// Whether it is computed from others.
    pub is_generated: bool,
}

impl Shape {
    /// A name that means the row's number here; `None` when columns have taken all of them, or there is none.
    pub(super) fn row_number_name(&self) -> Option<&'static str> {
        if self.is_clustered {
            return None;
        }
        ["rowid", "_rowid_", "oid"]
            .into_iter()
            .find(|name| !self.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name)))
    }

    /// The position of a column.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }
}

/// The shapes of all ordinary tables of a copy: none of extensions, none that belong to extensions.
pub(super) fn shapes(copy: &Connection) -> rusqlite::Result<Vec<Shape>> {
    let mut list = copy.prepare(
        "SELECT name, wr FROM pragma_table_list \
         WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )?;
    let tables = list.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)))?;
    tables.map(|table| table.and_then(|(name, is_clustered)| shape(copy, name, is_clustered))).collect()
}

fn shape(copy: &Connection, name: String, is_clustered: bool) -> rusqlite::Result<Shape> {
    let mut shape = Shape { is_clustered, ..Shape::default() };
    let mut key = Vec::new();
    let mut columns =
        copy.prepare("SELECT name, type, pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid")?;
    let mut rows = columns.query([&name])?;
    while let Some(row) = rows.next()? {
        let hidden: i64 = row.get(3)?;
        if hidden == 1 {
            continue;
        }
        let column: String = row.get(0)?;
        let type_name: String = row.get::<_, Option<String>>(1)?.unwrap_or_default();
        let type_name = type_name.trim_end_matches("GENERATED ALWAYS").trim_end().to_owned();
        let place: i64 = row.get(2)?;
        if place > 0 {
            key.push((place, column.clone()));
        }
        shape.columns.push(ShapeColumn {
            collation: collation(copy, &name, &column),
            name: column,
            type_name,
            is_generated: hidden > 1,
        });
    }
    key.sort();
    shape.primary_key = key.into_iter().map(|(_, column)| column).collect();
    if let [only] = shape.primary_key.as_slice()
        && !is_clustered
        && !has_key_index(copy, &name)?
    {
        shape.row_number = shape.position(only);
    }
    shape.name = name;
    Ok(shape)
}

/// A key with an index of its own is not the row's number, however it is declared.
fn has_key_index(copy: &Connection, table: &str) -> rusqlite::Result<bool> {
    copy.query_row("SELECT count(*) > 0 FROM pragma_index_list(?1) WHERE origin = 'pk'", [table], |row| {
        row.get(0)
    })
}

fn collation(copy: &Connection, table: &str, column: &str) -> String {
    let found = copy.column_metadata(Some("main"), table, column);
    let name = found.ok().and_then(|(_, collation, ..)| collation?.to_str().ok().map(str::to_owned));
    name.unwrap_or_else(|| "BINARY".to_owned())
}

/// The statement that declares a table of this shape to SQLite, with nothing but what the planner looks at.
pub(super) fn declaration(shape: &Shape) -> String {
    let column = |column: &ShapeColumn| {
        let type_name =
            if column.type_name.is_empty() { String::new() } else { quote::name(&column.type_name) };
        format!("{} {type_name} COLLATE {}", quote::name(&column.name), quote::name(&column.collation))
    };
    let columns: Vec<_> = shape.columns.iter().map(column).collect();
    format!("CREATE TABLE asked({})", columns.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(sql: &str) -> (Connection, Vec<Unread>) {
        let copy = in_memory(4096).expect("a database in memory");
        let source = Connection::open_in_memory().expect("a database in memory");
        source
            .create_scalar_function("twice", 1, FunctionFlags::SQLITE_DETERMINISTIC, |_| Ok(1))
            .expect("a function");
        source.create_collation("PHONE", str::cmp).expect("a collation");
        source.execute_batch(sql).expect("a schema");
        let unread = make(&copy, &read_schema(&source).expect("lines").iter());
        (copy, unread)
    }

    #[test]
    fn what_an_application_brings_gets_a_stand_in() {
        let (copy, unread) = copied(
            "CREATE TABLE t(a, b TEXT COLLATE PHONE); CREATE INDEX i ON t(twice(a)); CREATE VIEW v AS SELECT twice(a) FROM t;",
        );
        assert_eq!(unread, []);
        assert!(prepare(&copy, "SELECT other(a, 1), b FROM v, t ORDER BY b").is_ok());
        assert!(prepare(&copy, "SELECT nothing FROM t").is_err());
    }

    #[test]
    fn tables_of_an_extension_bring_their_own_shadows() {
        let (copy, unread) =
            copied("CREATE TABLE a(x); CREATE VIRTUAL TABLE f USING fts5(body); CREATE TABLE z(x);");
        assert_eq!(unread, []);
        let names: Vec<_> = shapes(&copy).expect("shapes").into_iter().map(|shape| shape.name).collect();
        assert_eq!(names, ["a", "z"]);
    }

    #[test]
    fn shapes_tell_row_numbers_from_keys() {
        let (copy, _) = copied(
            "CREATE TABLE a(id INTEGER PRIMARY KEY, rowid TEXT COLLATE NOCASE, g INT AS (id + 1));
             CREATE TABLE b(id INTEGER PRIMARY KEY DESC); CREATE TABLE c(x, y, PRIMARY KEY (y, x)) WITHOUT ROWID;",
        );
        let shapes = shapes(&copy).expect("shapes");
        assert_eq!(shapes[0].row_number, Some(0));
        assert_eq!(shapes[0].row_number_name(), Some("_rowid_"));
        assert_eq!(shapes[0].columns[1].collation, "NOCASE");
        assert!(shapes[0].columns[2].is_generated);
        assert_eq!(shapes[1].row_number, None);
        assert_eq!((shapes[2].is_clustered, shapes[2].primary_key.join(",")), (true, "y,x".to_owned()));
        assert_eq!(shapes[2].row_number_name(), None);
    }
}
