//! Tables, views and triggers as the schema tells them.

use std::collections::BTreeMap;

use rusqlite::Row;

use super::introspect::Look;
use super::quote;
use super::row::{count, number, text};
use crate::catalog::{Column, ForeignKey, Routine, Table, TableKind, TableName};
use crate::error::DatabaseError;

/// Tables that are read; what comes after them is named as unread.
pub(crate) const MAX_TABLES: usize = 10_000;

/// Reads a schema's tables (without indexes, sizes and rows), and its views and triggers.
pub(crate) fn read_tables(look: &mut Look<'_>) -> Result<(Vec<Table>, Vec<Routine>), DatabaseError> {
    let mut tables = kinds(look)?;
    tables.sort_by(|one, other| one.name.cmp(&other.name));
    if tables.len() > MAX_TABLES {
        look.miss("tables", format!("only the first {MAX_TABLES} of {} were read", tables.len()));
        tables.truncate(MAX_TABLES);
    }
    let routines = read_texts(look, &mut tables)?;
    let mut known = Collations::new();
    let mut unreadable = Vec::new();
    for table in &mut tables {
        match read_columns(look, table, &mut known) {
            Ok(()) => {}
            Err(source) => {
                unreadable.push(table.name.name.clone());
                look.miss(table.name.to_string(), explained(&source));
            }
        }
    }
    hide_shadows(&mut tables, &unreadable);
    for table in &mut tables {
        if table.kind != TableKind::Virtual {
            match foreign_keys(look, table) {
                Ok(keys) => table.foreign_keys = keys,
                Err(source) => look.miss(format!("foreign keys of {}", table.name), source),
            }
        }
    }
    name_parents(&mut tables);
    Ok((tables, routines))
}

/// Tables by name and kind.
fn kinds(look: &Look<'_>) -> Result<Vec<Table>, DatabaseError> {
    let read = |row: &Row<'_>| {
        let (name, kind, clustered) =
            (text(row, 0)?.unwrap_or_default(), text(row, 1)?, number(row, 2)? != 0);
        let kind = match kind.as_deref() {
            Some("table") if clustered => TableKind::Clustered,
            Some("table") => TableKind::Ordinary,
            Some("virtual") => TableKind::Virtual,
            Some("shadow") => TableKind::Shadow,
            _ => return Ok(None),
        };
        // These names are the library's own; nobody else can make such a table.
        let is_internal =
            name.len() >= 7 && name.is_char_boundary(7) && name[..7].eq_ignore_ascii_case("sqlite_");
        Ok((!is_internal).then(|| Table { name: look.table(name), kind, ..Table::default() }))
    };
    let sql = "SELECT name, type, wr FROM pragma_table_list WHERE schema = ?1 COLLATE NOCASE";
    let mut statement =
        look.connection.prepare(sql).map_err(|source| look.refused("cannot list the tables", source))?;
    let rows =
        statement.query_map([&look.schema], read).and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>);
    let rows = rows.map_err(|source| look.refused("cannot list the tables", source))?;
    Ok(rows.into_iter().flatten().collect())
}

/// Fills in the statements of tables; views and triggers are returned.
fn read_texts(look: &Look<'_>, tables: &mut [Table]) -> Result<Vec<Routine>, DatabaseError> {
    let sql = format!(
        "SELECT type, name, tbl_name, sql FROM {}.sqlite_schema WHERE type IN ('table', 'view', 'trigger') ORDER BY rowid",
        look.quoted_schema()
    );
    let failed = |source| look.refused("cannot read the schema", source);
    let mut statement = look.connection.prepare(&sql).map_err(failed)?;
    let read = |row: &Row<'_>| {
        Ok([text(row, 0)?, text(row, 1)?, text(row, 2)?, text(row, 3)?].map(Option::unwrap_or_default))
    };
    let rows = statement
        .query_map([], read)
        .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
        .map_err(failed)?;
    let mut routines = Vec::new();
    for [kind, name, table, sql] in rows {
        if kind == "table" {
            let place = tables.binary_search_by(|other| other.name.name.as_str().cmp(&name));
            if let Ok(at) = place {
                tables[at].sql = sql;
            }
        } else {
            let table = (kind == "trigger").then(|| look.table(table));
            routines.push(Routine { name: look.table(name), kind, table, sql });
        }
    }
    Ok(routines)
}

/// Names of collations, in capitals, with whether this library knows them: its list also has those that a schema names.
type Collations = BTreeMap<String, bool>;

fn is_known(look: &Look<'_>, known: &mut Collations, collation: &str) -> bool {
    *known.entry(collation.to_ascii_uppercase()).or_insert_with(|| {
        let sql = format!("SELECT 'a' = 'b' COLLATE {}", quote::name(collation));
        look.connection.prepare(&sql).is_ok()
    })
}

fn read_columns(look: &mut Look<'_>, table: &mut Table, known: &mut Collations) -> rusqlite::Result<()> {
    let sql = "SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?1, ?2) ORDER BY cid";
    let mut statement = look.connection.prepare_cached(sql)?;
    let mut rows = statement.query([&table.name.name, &table.name.schema])?;
    let mut key = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, hidden) = (text(row, 0)?.unwrap_or_default(), number(row, 4)?);
        // Hidden columns of virtual tables are parameters rather than data.
        if hidden == 1 {
            continue;
        }
        if number(row, 3)? > 0 {
            key.push((count(row, 3)?, name.clone()));
        }
        let collation = look
            .connection
            .column_metadata(Some(table.name.schema.as_str()), table.name.name.as_str(), name.as_str())
            .ok()
            .and_then(|(_, collation, ..)| {
                collation.map(|collation| collation.to_string_lossy().into_owned())
            });
        table.columns.push(Column {
            name,
            type_name: text(row, 1)?.unwrap_or_default(),
            not_null: number(row, 2)? != 0,
            generated: hidden == 2 || hidden == 3,
            collation: collation.unwrap_or_else(|| "BINARY".to_owned()),
        });
    }
    drop(rows);
    key.sort();
    table.primary_key = key.into_iter().map(|(_, name)| name).collect();
    for column in &table.columns {
        if !is_known(look, known, &column.collation) {
            let subject = format!("{}.{}", table.name, column.name);
            look.miss(subject, format!("the collation {} is not in this program", column.collation));
        }
    }
    Ok(())
}

/// An extension's tables for its own purposes are known as such only with the extension. Without it they are told by their
/// names, which begin with its table's: to leave an ordinary table alone does no harm, to change one of these does.
fn hide_shadows(tables: &mut [Table], unreadable: &[String]) {
    let is_virtual =
        |name: &String| tables.iter().any(|it| it.kind == TableKind::Virtual && it.name.name == *name);
    let owners: Vec<String> = unreadable
        .iter()
        .filter(|name| is_virtual(name))
        .map(|name| format!("{name}_").to_ascii_lowercase())
        .collect();
    for table in tables {
        let name = table.name.name.to_ascii_lowercase();
        if table.kind != TableKind::Virtual && owners.iter().any(|owner| name.starts_with(owner)) {
            table.kind = TableKind::Shadow;
        }
    }
}

fn foreign_keys(look: &Look<'_>, table: &Table) -> rusqlite::Result<Vec<ForeignKey>> {
    let sql = "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1, ?2) ORDER BY id, seq";
    let mut statement = look.connection.prepare_cached(sql)?;
    let mut rows = statement.query([&table.name.name, &table.name.schema])?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    while let Some(row) = rows.next()? {
        let id = number(row, 0)?;
        if keys.last().is_none_or(|(last, _)| *last != id) {
            let parent = look.table(text(row, 1)?.unwrap_or_default());
            keys.push((id, ForeignKey { parent, ..ForeignKey::default() }));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.columns.extend(text(row, 2)?);
            key.parent_columns.extend(text(row, 3)?);
        }
    }
    Ok(keys.into_iter().map(|(_, key)| key).collect())
}

/// A key that does not name its parent's columns means the parent's primary key.
fn name_parents(tables: &mut [Table]) {
    let keys: Vec<(TableName, Vec<String>)> =
        tables.iter().map(|table| (table.name.clone(), table.primary_key.clone())).collect();
    for key in tables.iter_mut().flat_map(|table| &mut table.foreign_keys) {
        if key.parent_columns.is_empty()
            && let Some((_, columns)) = keys.iter().find(|(name, _)| name.is(&key.parent))
        {
            key.parent_columns.clone_from(columns);
        }
    }
}

/// What SQLite says, with what to do where that is known.
fn explained(source: &rusqlite::Error) -> String {
    let text = source.to_string();
    if text.contains("no such module") {
        format!("{text}: it belongs to an extension that this program does not have")
    } else {
        text
    }
}
