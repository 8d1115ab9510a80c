//! A database's own file and those attached to it, and what is temporary: what every connection opens together.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

use super::quote;
use super::time_limit::TimeLimit;
use crate::error::DatabaseError;

/// Databases that can be attached to one: what SQLite allows unless it is built otherwise (`SQLITE_MAX_ATTACHED`).
pub const MAX_ATTACHED: usize = 10;
/// The schema of the database's own file.
pub(crate) const MAIN: &str = "main";
/// The schema of what is temporary.
pub(crate) const TEMP: &str = "temp";
/// Schemas that every connection has.
const OWN_SCHEMAS: [&str; 2] = [MAIN, TEMP];
/// Time for making everything that is temporary, on each connection.
const TEMPORARY_LIMIT: Duration = Duration::from_secs(2);

/// A database file that is attached to another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// The name of its schema in statements: `archive` in `SELECT * FROM archive.trades`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// A database's file with those attached to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) main: PathBuf,
    pub(crate) attached: Vec<Attached>,
    /// Statements that make temporary tables, views and triggers on each connection.
    pub(crate) temporary: Vec<String>,
}

impl Files {
    /// A file with nothing attached.
    pub(crate) fn of(main: impl Into<PathBuf>) -> Self {
        Self { main: main.into(), attached: Vec::new(), temporary: Vec::new() }
    }

    /// Schemas and their files, in the order in which SQLite looks for a table.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Path)> {
        let attached = self.attached.iter().map(|other| (other.name.as_str(), other.path.as_path()));
        std::iter::once((MAIN, self.main.as_path())).chain(attached)
    }

    /// The names of all schemas with tables of their own; what is temporary refers to the others, and comes last.
    pub(crate) fn schemas(&self) -> Vec<String> {
        let temporary = (!self.temporary.is_empty()).then_some(TEMP);
        self.all().map(|(schema, _)| schema).chain(temporary).map(str::to_owned).collect()
    }

    /// The file of a schema.
    pub(crate) fn file(&self, schema: &str) -> Option<&Path> {
        self.all().find(|(name, _)| name.eq_ignore_ascii_case(schema)).map(|(_, path)| path)
    }

    /// A connection to files that nobody else has open, each in the same mode.
    pub(crate) fn connect(&self, mode: OpenFlags) -> rusqlite::Result<Connection> {
        let mut connection = Connection::open_with_flags(&self.main, mode)?;
        self.attached.iter().try_for_each(|other| attach(&connection, &other.name, &other.path))?;
        self.make_temporary(&mut connection)?;
        Ok(connection)
    }

    /// Makes what is temporary. What cannot be made, or not in time, is missing: statements that need it say so.
    pub(crate) fn make_temporary(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        if self.temporary.is_empty() {
            return Ok(());
        }
        let limit = TimeLimit::on(connection)?;
        limit.set(TEMPORARY_LIMIT);
        for sql in &self.temporary {
            // One statement and no more, its placeholders null.
            let _ = connection.prepare(sql).and_then(|mut made| made.raw_execute());
        }
        connection.progress_handler(0, None::<fn() -> bool>)
    }

    /// Of the attached files those whose schemas are among these.
    pub(crate) fn attached_among(&self, schemas: &[&str]) -> Vec<Attached> {
        let is_among = |other: &&Attached| schemas.iter().any(|name| name.eq_ignore_ascii_case(&other.name));
        self.attached.iter().filter(is_among).cloned().collect()
    }

    /// Whether another file can be attached under a name.
    pub(crate) fn check(&self, other: &Attached) -> Result<(), DatabaseError> {
        let refused = |reason: String| {
            Err(DatabaseError::Attach { name: other.name.clone(), path: other.path.clone(), reason })
        };
        if other.name.is_empty() || other.name.contains('\0') {
            return refused("a schema needs a name".to_owned());
        }
        if OWN_SCHEMAS.iter().any(|own| own.eq_ignore_ascii_case(&other.name)) {
            return refused("every connection has a schema of this name: choose another".to_owned());
        }
        if self.file(&other.name).is_some() {
            return refused("the name is taken by another file: choose another".to_owned());
        }
        if self.attached.len() >= MAX_ATTACHED {
            return refused(format!("SQLite attaches {MAX_ATTACHED} databases at most"));
        }
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        let there = real(&other.path);
        match self.all().find(|(_, path)| there.is_some() && real(path) == there) {
            Some((schema, _)) => refused(format!("the same file is the schema {schema} already")),
            None => Ok(()),
        }
    }
}

/// Attaches a file, or whatever else SQLite opens by this name, to a connection; in the connection's own mode.
pub(crate) fn attach(connection: &Connection, schema: &str, location: &Path) -> rusqlite::Result<()> {
    let location = location.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(location.to_owned()))?;
    connection.execute(&format!("ATTACH DATABASE ?1 AS {}", quote::name(schema)), [location]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_file_are_attached_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            path
        };
        let mut files = Files::of(at("main.db"));
        files.attached.push(Attached { name: "old".to_owned(), path: at("old.db") });
        std::os::unix::fs::symlink(at("old.db"), folder.path().join("link.db")).unwrap();
        let cases = [
            ("new", "new.db", None),
            ("Main", "new.db", Some("every connection has")),
            ("temp", "new.db", Some("every connection has")),
            ("OLD", "new.db", Some("the name is taken")),
            ("", "new.db", Some("needs a name")),
            ("new", "main.db", Some("is the schema main already")),
            ("new", "link.db", Some("is the schema old already")),
        ];
        at("new.db");
        for (name, file, reason) in cases {
            let other = Attached { name: name.to_owned(), path: folder.path().join(file) };
            let said = files.check(&other).err().map(|error| error.to_string());
            match (reason, said) {
                (None, None) => {}
                (Some(reason), Some(said)) => assert!(said.contains(reason), "{said}"),
                (reason, said) => panic!("{name}={file}: {reason:?}, {said:?}"),
            }
        }
        for number in 1..MAX_ATTACHED {
            let name = format!("a{number}");
            files.attached.push(Attached { path: at(&name), name });
        }
        let one_more = Attached { name: "new".to_owned(), path: folder.path().join("new.db") };
        assert!(files.check(&one_more).unwrap_err().to_string().contains("10 databases at most"));
    }
}
