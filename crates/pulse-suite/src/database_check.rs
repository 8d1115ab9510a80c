//! Whether the databases that cases name can be read.

use std::path::Path;

use pulse_plan::{CaseKind, Suite};
use rusqlite::{Connection, OpenFlags};

use crate::check::Check;

const NAME: &str = "databases";

/// Opens every SQLite file that a case names, read-only, and reads its schema.
pub fn check_databases(suites: &[Suite]) -> Check {
    let mut urls: Vec<&str> = Vec::new();
    for case in suites.iter().flat_map(|suite| &suite.cases) {
        if let CaseKind::Database { url, .. } = &case.kind
            && !urls.contains(&url.as_str())
        {
            urls.push(url);
        }
    }
    if urls.is_empty() {
        return Check::skipped(NAME, "no case names a database");
    }
    let (read, broken): (Vec<_>, Vec<_>) = urls.into_iter().map(read).partition(Result::is_ok);
    if broken.is_empty() {
        let read: Vec<String> = read.into_iter().flatten().collect();
        return Check::ok(NAME, read.join(", "));
    }
    let broken: Vec<String> = broken.into_iter().filter_map(Result::err).collect();
    Check::failed(NAME, broken.join("\n"), "create the database, or correct the `database` of the case")
}

/// What can be read, or why it cannot.
fn read(url: &str) -> Result<String, String> {
    let path = url.strip_prefix("sqlite:").ok_or("only SQLite databases can be read: write sqlite:PATH")?;
    if path == ":memory:" {
        return Ok("sqlite::memory:".to_owned());
    }
    if !Path::new(path).is_file() {
        return Err(format!("there is no database file {path}"));
    }
    let tables = || -> rusqlite::Result<i64> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| row.get(0))
    };
    match tables() {
        Ok(tables) => Ok(format!("{path} ({tables} tables)")),
        Err(error) => Err(format!("{path} cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_databases_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let [good, text] = ["good.db", "text.db"].map(|name| folder.path().join(name));
        Connection::open(&good).unwrap().execute_batch("CREATE TABLE trades (id INTEGER)").unwrap();
        std::fs::write(&text, "this is no database, however long the text in it may be").unwrap();
        let url = |path: &Path| format!("sqlite:{}", path.display());
        for (url, said) in [
            (url(&good), Ok("(1 tables)")),
            ("sqlite::memory:".to_owned(), Ok("memory")),
            (url(&text), Err("cannot be read")),
            (url(&folder.path().join("missing.db")), Err("no database file")),
            ("postgres://host/db".to_owned(), Err("only SQLite")),
        ] {
            match (read(&url), said) {
                (Ok(text), Ok(said)) | (Err(text), Err(said)) => assert!(text.contains(said), "{text}"),
                (found, said) => panic!("{url}: {found:?} {said:?}"),
            }
        }
        assert_eq!(check_databases(&[]).state, crate::check::CheckState::Skipped);
    }
}
