//! A baseline: the run that others are compared with, by its name in the history or from a file.
//!
//! A baseline file is JSON, `{"format":"pulse-baseline","version":1,"run":{…}}`, so that it can be kept in a repository or
//! sent as an artifact of a CI job.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::history::{History, HistoryError, check_name};
use crate::run_record::RunRecord;

const FORMAT: &str = "pulse-baseline";
const VERSION: u32 = 1;
/// Largest file that is read.
const FILE_BYTES: u64 = 256 << 20;
/// Most names that an error lists.
const MAX_NAMES: usize = 10;

/// Why there is no baseline to compare with, or none was saved.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// Neither a name nor a file.
    #[error(
        "there is no baseline `{name}`, neither in the history ({}) nor as a file; save one with `--save-baseline {name}`",
        known_names(known)
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names in the history.
        known: Vec<String>,
    },
    /// The file cannot be read.
    #[error("the baseline {} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is too large to be one.
    #[error("the baseline {} is larger than {} MiB; it is no baseline or holds too many cases", path.display(), FILE_BYTES >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error(
        "{} is not a baseline: it does not begin with {{\"format\":\"{FORMAT}\",…}}; make one with `--save-baseline FILE.json`",
        path.display()
    )]
    NotABaseline {
        /// The file.
        path: PathBuf,
    },
    /// It was written by a newer release.
    #[error(
        "the baseline {} has version {found}, this release reads versions up to {VERSION}; use a newer one, or save the baseline again",
        path.display()
    )]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// No release ever wrote this version.
    #[error("the baseline {} has version {found}, which no release has written; save it again", path.display())]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The file is a baseline but cannot be understood.
    #[error("the baseline {} is damaged: {source}; save it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        source: serde_json::Error,
    },
    /// The file cannot be written.
    #[error("the baseline {} cannot be written: {source}; name a file in a folder that exists and is writable", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The history cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
}

fn known_names(known: &[String]) -> String {
    match known.len() {
        0 => "which has no baselines".to_owned(),
        n if n <= MAX_NAMES => format!("which has {}", known.join(", ")),
        n => format!("which has {} and {} more", known[..MAX_NAMES].join(", "), n - MAX_NAMES),
    }
}

/// Whether a text means a file and not a name: it has a folder or ends in `.json`.
pub(crate) fn looks_like_a_file(text: &str) -> bool {
    text.contains(['/', '\\'])
        || Path::new(text).extension().is_some_and(|end| end.eq_ignore_ascii_case("json"))
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    version: u32,
}

#[derive(Serialize)]
struct Written<'a> {
    format: &'a str,
    version: u32,
    run: &'a RunRecord,
}

#[derive(Deserialize)]
struct Body {
    run: RunRecord,
}

/// Loads a baseline by its name in the history or from a file. What has a folder or ends in `.json` is a file; anything
/// else is a name first, and a file when there is no such name.
pub fn load_baseline(history: Option<&History>, name_or_file: &str) -> Result<RunRecord, BaselineError> {
    let path = Path::new(name_or_file);
    if looks_like_a_file(name_or_file) {
        return read_baseline(path);
    }
    if let Some(history) = history
        && let Some(run) = history.baseline(name_or_file)?
    {
        return Ok(history.load(run)?);
    }
    if path.is_file() {
        return read_baseline(path);
    }
    let known = match history {
        Some(history) => history.baselines()?.into_iter().map(|row| row.name).collect(),
        None => Vec::new(),
    };
    Err(BaselineError::Unknown { name: name_or_file.escape_debug().take(200).collect(), known })
}

/// Saves a run as a baseline: into the history under a name, or into a file. A name's former run is no longer it.
pub fn save_baseline(
    history: &mut History,
    name_or_file: &str,
    record: &RunRecord,
) -> Result<(), BaselineError> {
    if looks_like_a_file(name_or_file) {
        return write_baseline(Path::new(name_or_file), record);
    }
    check_name(name_or_file)?;
    let run = history.record(record)?;
    Ok(history.save_baseline(name_or_file, run)?)
}

/// Reads a baseline file.
pub fn read_baseline(path: &Path) -> Result<RunRecord, BaselineError> {
    let at = || path.to_owned();
    let failed = |source| BaselineError::Read { path: at(), source };
    let mut json = Vec::new();
    File::open(path).map_err(failed)?.take(FILE_BYTES + 1).read_to_end(&mut json).map_err(failed)?;
    if json.len() as u64 > FILE_BYTES {
        return Err(BaselineError::TooLarge { path: at() });
    }
    let head: Head = match serde_json::from_slice(&json) {
        Ok(head) => head,
        Err(source) if json.starts_with(b"{\"format\":\"pulse-baseline\"") => {
            return Err(BaselineError::Damaged { path: at(), source });
        }
        Err(_) => return Err(BaselineError::NotABaseline { path: at() }),
    };
    match head.version {
        _ if head.format != FORMAT => Err(BaselineError::NotABaseline { path: at() }),
        1..=VERSION => serde_json::from_slice(&json)
            .map(|body: Body| body.run)
            .map_err(|source| BaselineError::Damaged { path: at(), source }),
        found @ 0 => Err(BaselineError::UnknownVersion { path: at(), found }),
        found => Err(BaselineError::NewerVersion { path: at(), found }),
    }
}

/// Writes a baseline file. It appears as a whole or not at all: a former file stays until the new one is complete.
pub fn write_baseline(path: &Path, record: &RunRecord) -> Result<(), BaselineError> {
    let failed = |source| BaselineError::Write { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let mut writer = BufWriter::new(file);
    let written = Written { format: FORMAT, version: VERSION, run: record };
    serde_json::to_writer(&mut writer, &written).map_err(|error| failed(error.into()))?;
    writer.write_all(b"\n").map_err(failed)?;
    let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_from_names() {
        for (text, file) in [
            ("main", false),
            ("v1.2", false),
            ("main.json", true),
            ("MAIN.JSON", true),
            ("./main", true),
            ("a/b", true),
            (r"a\b", true),
            ("json", false),
        ] {
            assert_eq!(looks_like_a_file(text), file, "{text}");
        }
    }

    #[test]
    fn what_is_no_baseline_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.json");
        for (text, message) in [
            ("", "is not a baseline"),
            ("{}", "is not a baseline"),
            ("[1,2]", "is not a baseline"),
            ("{\"format\":\"pulse-run\",\"version\":1}", "is not a baseline"),
            (
                "{\"format\":\"pulse-baseline\",\"version\":0}",
                "has version 0, which no release has written; save it again",
            ),
            ("{\"format\":\"pulse-baseline\",\"version\":1}", "is damaged: missing field `run`"),
            ("{\"format\":\"pulse-baseline\",\"version\":1,\"run\":{\"sui", "is damaged: EOF"),
            (
                "{\"format\":\"pulse-baseline\",\"version\":9,\"run\":7}",
                "has version 9, this release reads versions up to 1",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = read_baseline(&path).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
        let error = read_baseline(&folder.path().join("missing.json")).unwrap_err();
        assert!(matches!(error, BaselineError::Read { .. }), "{error}");
        let error = write_baseline(&folder.path().join("no/folder.json"), &RunRecord::default()).unwrap_err();
        assert!(matches!(error, BaselineError::Write { .. }), "{error}");
    }

    #[test]
    fn without_a_history_a_name_is_unknown() {
        let error = load_baseline(None, "surely-not-a-file").unwrap_err().to_string();
        assert!(error.contains("which has no baselines"), "{error}");
    }
}
