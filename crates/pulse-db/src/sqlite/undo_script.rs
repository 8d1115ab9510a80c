//! What takes the changes back without this program: a script for any SQLite shell, beside the database.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::files::Attached;
use super::journal::{ChangeState, RecordedChange, Run, beside, sync_folder};
use super::{quote, space};
use crate::error::DatabaseError;

/// What the script's name adds to the database's.
const SUFFIX: &str = ".pulse-undo.sql";

/// Where the undo script of a database is.
pub fn undo_script_path(database: &Path) -> PathBuf {
    beside(database, SUFFIX)
}

/// Writes the script anew, whole or not at all; without anything to take back it goes.
pub(crate) fn write(database: &Path, runs: &[Run]) -> Result<(), DatabaseError> {
    let path = undo_script_path(database);
    let failed = |source| DatabaseError::File {
        what: format!("cannot write the undo script {}", path.display()),
        source,
    };
    if !runs.iter().any(Run::has_effect) {
        return match std::fs::remove_file(&path) {
            // A script that came back after a power cut would undo what is made later.
            Ok(()) => sync_folder(&path).map_err(failed),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(failed(source)),
        };
    }
    let mut file = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(space::folder_of(&path))
        .map_err(failed)?;
    file.write_all(script(runs).as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    sync_folder(&path).map_err(failed)
}

/// Statements of all changes that are in the database or may be, last ones first.
fn script(runs: &[Run]) -> String {
    let mut lines = vec![
        "-- Takes back what `pulse db` did to this database, last things first.".to_owned(),
        "-- `pulse db undo` does the same and knows what is already gone. With SQLite's own shell:"
            .to_owned(),
        "--   sqlite3 DATABASE < THIS_FILE".to_owned(),
    ];
    for run in runs.iter().rev().filter(|run| run.has_effect()) {
        lines.push(format!("-- Run {}", run.number));
        let attach = |other: &Attached| {
            let file = quote::literal(&other.path.to_string_lossy());
            format!("ATTACH DATABASE {file} AS {};", quote::name(&other.name))
        };
        lines.extend(run.attached.iter().map(attach));
        let is_made =
            |change: &&RecordedChange| matches!(change.state, ChangeState::Started | ChangeState::Done);
        for change in run.changes.iter().rev().filter(is_made).filter(|change| !change.undo.is_empty()) {
            lines.push("BEGIN IMMEDIATE;".to_owned());
            lines.extend(change.undo.iter().map(|sql| format!("{sql};")));
            lines.push("COMMIT;".to_owned());
        }
        lines.extend(
            run.attached.iter().map(|other| format!("DETACH DATABASE {};", quote::name(&other.name))),
        );
    }
    lines.push(String::new());
    lines.join("\n")
}
