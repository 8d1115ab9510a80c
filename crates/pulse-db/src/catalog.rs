//! What is in a database: tables, indexes, keys, sizes, settings. Plain data that knows no dialect.

use serde::{Deserialize, Serialize};

/// A database as it was read, at one moment and without writing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// What kind of database this is.
    pub engine: Engine,
    /// The whole of it on disk.
    pub storage: Storage,
    /// Tables: of the main schema, then of each that is attached, then temporary ones, in the order of their names.
    pub tables: Vec<Table>,
    /// Views and triggers, by their text.
    pub routines: Vec<Routine>,
    /// Settings that matter for speed or safety.
    pub settings: Vec<Setting>,
    /// What could not be read, and why.
    pub unread: Vec<Unread>,
}

impl Catalog {
    /// The table of this name; names compare without regard to ASCII case.
    pub fn table(&self, name: &TableName) -> Option<&Table> {
        self.tables.iter().find(|table| table.name.is(name))
    }

    /// The index of this name in a schema, with its table.
    pub fn index(&self, schema: &str, name: &str) -> Option<(&Table, &Index)> {
        let tables = self.tables.iter().filter(|table| table.name.schema.eq_ignore_ascii_case(schema));
        tables
            .flat_map(|table| table.indexes.iter().map(move |index| (table, index)))
            .find(|(_, index)| index.name.eq_ignore_ascii_case(name))
    }

    /// A name for a new index that nothing in its schema has yet: this one, or with a number at its end.
    pub fn free_index_name(&self, schema: &str, wanted: &str) -> String {
        let is_taken = |name: &str| {
            let mut tables =
                self.tables.iter().filter(|table| table.name.schema.eq_ignore_ascii_case(schema));
            let in_tables = tables.any(|table| {
                table.name.name.eq_ignore_ascii_case(name)
                    || table.indexes.iter().any(|index| index.name.eq_ignore_ascii_case(name))
            });
            let wanted = TableName { schema: schema.to_owned(), name: name.to_owned() };
            in_tables || self.routines.iter().any(|routine| routine.name.is(&wanted))
        };
        let mut name = wanted.to_owned();
        let mut number = 1_u64;
        while is_taken(&name) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        name
    }
}

/// What kind of database this is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// `SQLite`.
    pub name: String,
    /// Version of the library that read it.
    pub version: String,
    /// Version that wrote it last, where the file tells.
    pub writer_version: Option<String>,
    /// Encoding of texts.
    pub encoding: String,
}

/// The whole database on disk: the main file, without those attached to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// The file, as given.
    pub path: String,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// Bytes per page.
    pub page_size: u64,
    /// Pages in all.
    pub pages: u64,
    /// Pages that hold nothing.
    pub free_pages: u64,
    /// Bytes of the write-ahead log beside the file; `None` without one.
    pub wal_bytes: Option<u64>,
    /// Whether sizes of tables and indexes could be read, those of attached databases included.
    pub has_sizes: bool,
}

/// Where a table is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// `main`, `temp`, or the name of an attached database.
    pub schema: String,
    /// The table's name, unquoted.
    pub name: String,
}

impl TableName {
    /// A table of the main schema.
    pub fn main(name: impl Into<String>) -> Self {
        Self { schema: "main".to_owned(), name: name.into() }
    }

    /// Whether it is a connection's own, and gone with it.
    pub fn is_temporary(&self) -> bool {
        self.schema.eq_ignore_ascii_case("temp")
    }

    /// The name by which equal ones are found in maps: in small letters.
    pub(crate) fn folded(&self) -> Self {
        Self { schema: self.schema.to_ascii_lowercase(), name: self.name.to_ascii_lowercase() }
    }

    /// Whether both name the same table: SQL does not tell ASCII capitals from small letters.
    pub fn is(&self, other: &Self) -> bool {
        self.schema.eq_ignore_ascii_case(&other.schema) && self.name.eq_ignore_ascii_case(&other.name)
    }
}

impl std::fmt::Display for TableName {
    /// The name alone in the main schema; for people, not for statements.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.schema.eq_ignore_ascii_case("main") {
            out.write_str(&self.name)
        } else {
            write!(out, "{}.{}", self.schema, self.name)
        }
    }
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Where it is.
    pub name: TableName,
    /// How its rows are kept.
    pub kind: TableKind,
    /// Rows; `None` where they were not counted.
    pub rows: Option<u64>,
    /// Columns in order, generated ones included.
    pub columns: Vec<Column>,
    /// Columns of the primary key in its order.
    pub primary_key: Vec<String>,
    /// The column that is another name of the row's number (SQLite's `INTEGER PRIMARY KEY`).
    pub row_number: Option<String>,
    /// Indexes, those that enforce keys included.
    pub indexes: Vec<Index>,
    /// Foreign keys of which this table is the child.
    pub foreign_keys: Vec<ForeignKey>,
    /// What its own pages hold, without its indexes.
    pub size: Option<Size>,
    /// Rows that the planner believes there are; `None` when the table was never analyzed.
    pub analyzed_rows: Option<u64>,
    /// The statement that made it.
    pub sql: String,
}

impl Table {
    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

/// How the rows of a table are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// By a row number.
    #[default]
    Ordinary,
    /// In the order of the primary key (SQLite's `WITHOUT ROWID`).
    Clustered,
    /// By an extension.
    Virtual,
    /// By an extension, for its own purposes: nobody else may change it.
    Shadow,
}

/// A column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name, unquoted.
    pub name: String,
    /// The type as declared; may be empty.
    pub type_name: String,
    /// Whether it refuses nulls.
    pub not_null: bool,
    /// Whether it is computed from others.
    pub generated: bool,
    /// How its texts compare, in the database's words: `BINARY`, `NOCASE`.
    pub collation: String,
}

/// An index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Its name, unquoted.
    pub name: String,
    /// What it is sorted by, first things first; without what is only carried along.
    pub parts: Vec<IndexPart>,
    /// Whether it keeps two equal rows out.
    pub unique: bool,
    /// Where it comes from.
    pub origin: IndexOrigin,
    /// The condition of its rows, where it does not hold all; as written.
    pub predicate: Option<String>,
    /// The statement that made it; `None` where the table's own did.
    pub sql: Option<String>,
    /// What its pages hold.
    pub size: Option<Size>,
}

/// One thing that an index is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IndexPart {
    /// A column or an expression.
    pub term: Term,
    /// Whether the largest comes first.
    pub descending: bool,
    /// How texts compare.
    pub collation: String,
}

/// What an index is sorted by, or what a statement asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// A column, unquoted.
    Column(String),
    /// An expression, as written.
    Expression(String),
    /// The row's number.
    RowNumber,
}

/// Where an index comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexOrigin {
    /// A statement of its own: it can be dropped.
    #[default]
    Statement,
    /// A `UNIQUE` of the table.
    UniqueConstraint,
    /// The primary key.
    PrimaryKey,
}

/// A foreign key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Columns of the child.
    pub columns: Vec<String>,
    /// The parent; it may be missing.
    pub parent: TableName,
    /// Columns of the parent; its primary key when they are not named.
    pub parent_columns: Vec<String>,
}

/// What the pages of a table or an index hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Pages.
    pub pages: u64,
    /// Bytes of these pages.
    pub bytes: u64,
    /// Bytes of them that hold data.
    pub payload_bytes: u64,
    /// Bytes of them that hold nothing.
    pub unused_bytes: u64,
}

/// A view or a trigger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routine {
    /// Its schema and name.
    pub name: TableName,
    /// `view` or `trigger`.
    pub kind: String,
    /// The table that sets a trigger off.
    pub table: Option<TableName>,
    /// The statement that made it.
    pub sql: String,
}

/// A setting of the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name: `journal_mode`.
    pub name: String,
    /// Its value here.
    pub value: String,
    /// Whether the database keeps it; otherwise every connection sets its own, and this is only the default.
    pub persistent: bool,
}

/// Something that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// What: a table, a view, the sizes.
    pub subject: String,
    /// Why.
    pub reason: String,
}
