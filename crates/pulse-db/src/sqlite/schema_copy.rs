//! A database's schema in memory, without its rows: what plans are asked of.
//!
//! A schema of an attached database is one of an attached copy, by the same name.
//!
//! What an application brings itself (functions, collations, modules) is not here. Functions and collations get stand-ins that
//! are never run; a virtual table of an unknown module is left out and named.

use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::limits::Limit;
use rusqlite::{Connection, Statement as Prepared};

use super::files::{self, MAIN, TEMP};
use super::quote;
use crate::catalog::{TableName, Unread};
use crate::tokens::tokens;

/// Stand-ins that one statement may need; more is not a statement of an application.
const MAX_STAND_INS: usize = 32;
/// Bytes of a statement that are still prepared.
const MAX_STATEMENT_BYTES: i32 = 1_000_000;

/// A schema of a database and the size of its pages.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    /// Its name.
    pub name: String,
    /// Bytes per page.
    pub page_size: i64,
}

/// The schemas of a connection: of the main database and of those attached.
pub(super) fn schemas(source: &Connection, names: &[String]) -> rusqlite::Result<Vec<Schema>> {
    let schema = |name: &String| {
        let sql = format!("PRAGMA {}.page_size", quote::name(name));
        Ok(Schema { name: name.clone(), page_size: source.query_row(&sql, [], |row| row.get(0))? })
    };
    names.iter().map(schema).collect()
}

/// A line of a database's schema.
#[derive(Clone, Debug)]
pub(super) struct SchemaItem {
    /// The schema.
    pub schema: String,
    /// `table`, `index`, `view`, `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The table that it belongs to.
    pub table: TableName,
    /// The statement that made it.
    pub sql: String,
}

impl SchemaItem {
    /// The statement that makes it in its schema.
    pub(super) fn placed_sql(&self) -> String {
        placed(&self.schema, &self.sql)
    }

    /// Whether it is a table of an extension.
    pub(super) fn is_virtual(&self) -> bool {
        let mut words = self.sql.split_ascii_whitespace();
        words.next().is_some_and(|word| word.eq_ignore_ascii_case("CREATE"))
            && words.next().is_some_and(|word| word.eq_ignore_ascii_case("VIRTUAL"))
    }
}

/// A statement that SQLite keeps of a schema, as one that makes the same there: it keeps the name without the schema, right after
/// what kind of thing it is.
pub(super) fn placed(schema: &str, sql: &str) -> String {
    const KINDS: [&str; 4] = ["TABLE", "INDEX", "VIEW", "TRIGGER"];
    if schema.eq_ignore_ascii_case(MAIN) {
        return sql.to_owned();
    }
    let words = tokens(sql);
    let kind = words.iter().position(|word| KINDS.iter().any(|kind| word.is(kind)));
    match kind.and_then(|kind| words.get(kind + 1)) {
        Some(name) => {
            let (before, after) = sql.split_at(name.start);
            format!("{before}{}.{after}", quote::name(schema))
        }
        None => sql.to_owned(),
    }
}

/// All lines of the schemas, each in the order in which they were made: the planner decides ties by it.
pub(super) fn read_schemas(source: &Connection, schemas: &[Schema]) -> rusqlite::Result<Vec<SchemaItem>> {
    let mut items = Vec::new();
    for Schema { name: schema, .. } in schemas {
        let mut lines = source.prepare(&format!(
            "SELECT type, name, tbl_name, sql FROM {}.sqlite_schema \
             WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid",
            quote::name(schema)
        ))?;
        let rows = lines.query_map([], |row| {
            let table = TableName { schema: schema.clone(), name: row.get(2)? };
            Ok(SchemaItem {
                schema: schema.clone(),
                kind: row.get(0)?,
                name: row.get(1)?,
                table,
                sql: row.get(3)?,
            })
        })?;
        // A line whose text is not valid is left out: it would fail in the copy as well.
        items.extend(rows.filter_map(Result::ok));
    }
    place_triggers(&mut items);
    Ok(items)
}

/// A temporary trigger may be one of another schema's table, which its line does not tell.
fn place_triggers(items: &mut [SchemaItem]) {
    let tables: Vec<TableName> =
        items.iter().filter(|item| item.kind == "table").map(|item| item.table.clone()).collect();
    let temporary =
        items.iter_mut().filter(|item| item.kind == "trigger" && item.schema.eq_ignore_ascii_case(TEMP));
    for trigger in temporary {
        if !tables.iter().any(|table| table.is(&trigger.table)) {
            let table = tables.iter().find(|table| table.name.eq_ignore_ascii_case(&trigger.table.name));
            trigger.table = table.unwrap_or(&trigger.table).clone();
        }
    }
}

/// An empty database in memory that plans as the given one would.
pub(super) fn in_memory(schemas: &[Schema]) -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    for Schema { name, page_size } in schemas {
        if ![MAIN, TEMP].iter().any(|own| own.eq_ignore_ascii_case(name)) {
            files::attach(&connection, name, ":memory:".as_ref())?;
        }
        connection.pragma_update(Some(name.as_str()), "page_size", page_size)?;
    }
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
            if let Err(error) = execute(connection, &item.placed_sql()) {
                let reason = words(&error);
                if !reason.contains("already exists") {
                    let name = TableName { schema: item.schema.clone(), name: item.name.clone() };
                    unread.push(Unread { subject: format!("{} {name}", item.kind), reason });
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
    pub table: TableName,
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
pub(super) fn shapes(copy: &Connection, schemas: &[Schema]) -> rusqlite::Result<Vec<Shape>> {
    let mut list = copy.prepare(
        "SELECT name, wr FROM pragma_table_list WHERE schema = ?1 COLLATE NOCASE \
         AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )?;
    let mut shapes = Vec::new();
    for schema in schemas.iter().map(|schema| &schema.name) {
        let tables = list.query_map([schema], |row| {
            Ok((TableName { schema: schema.clone(), name: row.get(0)? }, row.get::<_, bool>(1)?))
        })?;
        for table in tables {
            let (table, is_clustered) = table?;
            shapes.push(shape(copy, table, is_clustered)?);
        }
    }
    Ok(shapes)
}

fn shape(copy: &Connection, table: TableName, is_clustered: bool) -> rusqlite::Result<Shape> {
    let mut shape = Shape { is_clustered, ..Shape::default() };
    let mut key = Vec::new();
    let mut columns =
        copy.prepare("SELECT name, type, pk, hidden FROM pragma_table_xinfo(?1, ?2) ORDER BY cid")?;
    let mut rows = columns.query([&table.name, &table.schema])?;
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
            collation: collation(copy, &table, &column),
            name: column,
            type_name,
            is_generated: hidden > 1,
        });
    }
    key.sort();
    shape.primary_key = key.into_iter().map(|(_, column)| column).collect();
    if let [only] = shape.primary_key.as_slice()
        && !is_clustered
        && !has_key_index(copy, &table)?
    {
        shape.row_number = shape.position(only);
    }
    shape.table = table;
    Ok(shape)
}

/// A key with an index of its own is not the row's number, however it is declared.
fn has_key_index(copy: &Connection, table: &TableName) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) > 0 FROM pragma_index_list(?1, ?2) WHERE origin = 'pk'";
    copy.query_row(sql, [&table.name, &table.schema], |row| row.get(0))
}

fn collation(copy: &Connection, table: &TableName, column: &str) -> String {
    let found = copy.column_metadata(Some(table.schema.as_str()), table.name.as_str(), column);
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

    fn main() -> [Schema; 1] {
        [Schema { name: MAIN.to_owned(), page_size: 4096 }]
    }

    fn copied(sql: &str) -> (Connection, Vec<Unread>) {
        let copy = in_memory(&main()).expect("a database in memory");
        let source = Connection::open_in_memory().expect("a database in memory");
        source
            .create_scalar_function("twice", 1, FunctionFlags::SQLITE_DETERMINISTIC, |_| Ok(1))
            .expect("a function");
        source.create_collation("PHONE", str::cmp).expect("a collation");
        source.execute_batch(sql).expect("a schema");
        let unread = make(&copy, &read_schemas(&source, &main()).expect("lines").iter());
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
    fn what_is_attached_is_copied_into_a_schema_of_its_name() {
        let source = Connection::open_in_memory().expect("a database in memory");
        files::attach(&source, "old \"one\"", ":memory:".as_ref()).expect("attached");
        let sql = "CREATE TABLE t(a); CREATE TABLE \"old \"\"one\"\"\".t(b INTEGER PRIMARY KEY, c);
                   CREATE UNIQUE INDEX \"old \"\"one\"\"\".\"i table\" ON t(c);
                   CREATE VIEW \"old \"\"one\"\"\".v AS SELECT c FROM t;
                   CREATE TRIGGER \"old \"\"one\"\"\".g AFTER INSERT ON t BEGIN DELETE FROM t WHERE c = 1; END";
        source.execute_batch(sql).expect("two schemas");
        let names = [MAIN.to_owned(), "old \"one\"".to_owned()];
        let schemas = schemas(&source, &names).expect("schemas");
        let items = read_schemas(&source, &schemas).expect("lines");
        let copy = in_memory(&schemas).expect("a database in memory");
        assert_eq!(make(&copy, &items.iter()), []);
        let copied = read_schemas(&copy, &schemas).expect("lines");
        let text = |items: &[SchemaItem]| {
            items.iter().map(|it| (it.schema.clone(), it.sql.clone())).collect::<Vec<_>>()
        };
        assert_eq!(text(&copied), text(&items));
        let shapes = shapes(&copy, &schemas).expect("shapes");
        assert_eq!((shapes.len(), shapes[1].row_number), (2, Some(0)));
    }

    #[test]
    fn tables_of_an_extension_bring_their_own_shadows() {
        let (copy, unread) =
            copied("CREATE TABLE a(x); CREATE VIRTUAL TABLE f USING fts5(body); CREATE TABLE z(x);");
        assert_eq!(unread, []);
        let names: Vec<_> =
            shapes(&copy, &main()).expect("shapes").into_iter().map(|shape| shape.table.name).collect();
        assert_eq!(names, ["a", "z"]);
    }

    #[test]
    fn shapes_tell_row_numbers_from_keys() {
        let (copy, _) = copied(
            "CREATE TABLE a(id INTEGER PRIMARY KEY, rowid TEXT COLLATE NOCASE, g INT AS (id + 1));
             CREATE TABLE b(id INTEGER PRIMARY KEY DESC); CREATE TABLE c(x, y, PRIMARY KEY (y, x)) WITHOUT ROWID;",
        );
        let shapes = shapes(&copy, &main()).expect("shapes");
        assert_eq!(shapes[0].row_number, Some(0));
        assert_eq!(shapes[0].row_number_name(), Some("_rowid_"));
        assert_eq!(shapes[0].columns[1].collation, "NOCASE");
        assert!(shapes[0].columns[2].is_generated);
        assert_eq!(shapes[1].row_number, None);
        assert_eq!((shapes[2].is_clustered, shapes[2].primary_key.join(",")), (true, "y,x".to_owned()));
        assert_eq!(shapes[2].row_number_name(), None);
    }
}
