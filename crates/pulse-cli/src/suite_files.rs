//! From paths to suites: finds suite files, reads them and what they name.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pulse_plan::{
    BaseService, FileErrors, MAX_FEED_BYTES, MAX_SCENARIO_FILE_BYTES, Overrides, PlanError, Suite, SuiteFile,
};

use crate::diagnostic::file_problem;
use crate::problem::Problem;
use crate::source::{large_body, read_file, read_imports};

/// The file of a project whose `[service]` the other suites inherit.
const PROJECT_FILE: &str = "pulse.toml";
/// The folder of a project's suites.
const SUITE_FOLDER: &str = "perf";
/// Most suite files of one run.
const MAX_FILES: usize = 1000;
/// The deepest folder that is looked into.
const MAX_DEPTH: usize = 32;
/// Most files with mistakes that are shown at once.
const MAX_PROBLEMS: usize = 10;

/// The files of a project, each once and in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FoundFiles {
    /// Those that should be suites.
    pub(crate) suites: Vec<PathBuf>,
    /// Those in folders that hold scenarios and no cases.
    pub(crate) scenarios: Vec<PathBuf>,
    /// The first folder without suites that was named.
    without_suites: Option<PathBuf>,
}

/// Reads the suites in these files and folders; without any, those of the project in the current folder.
///
/// Every file is read before the first mistake is reported, so that all of them are seen at once.
pub(crate) fn read_suites(paths: &[PathBuf], overrides: &Overrides) -> Result<Vec<Suite>, Problem> {
    let found = FoundFiles::of(paths)?;
    if let Some(folder) = &found.without_suites {
        let folder = folder.display();
        return Err(Problem::usage(format!("there are no suite files (*.toml) in {folder}")));
    }
    if found.suites.is_empty() {
        return Err(Problem::usage(
            "there are no suites here: neither pulse.toml nor a file perf/**/*.toml; name a file or a folder, or write \
             one as docs/suite-files.md shows",
        ));
    }
    read_suite_files(&found.suites, overrides)
}

/// Reads these suite files.
pub(crate) fn read_suite_files(files: &[PathBuf], overrides: &Overrides) -> Result<Vec<Suite>, Problem> {
    let base = base_service()?;
    let mut suites: Vec<(&PathBuf, Suite)> = Vec::new();
    let mut problems = Vec::new();
    for file in files {
        match read_suite(file, overrides, base.as_ref()) {
            Ok(suite) => suites.push((file, suite)),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        problems.truncate(MAX_PROBLEMS);
        return Err(Problem::joined(problems));
    }
    let mut places: BTreeMap<&str, &PathBuf> = BTreeMap::new();
    for (file, suite) in &suites {
        for case in &suite.cases {
            if let Some(other) = places.insert(&case.info.id, file) {
                return Err(Problem::usage(format!(
                    "two cases have the id {}: one in {}, one in {}; give one of them another name or group",
                    case.info.id,
                    other.display(),
                    file.display()
                )));
            }
        }
    }
    Ok(suites.into_iter().map(|(_, suite)| suite).collect())
}

impl FoundFiles {
    /// The files that are meant: those that are named, those in the folders that are named, and without any those of the
    /// project in the current folder.
    pub(crate) fn of(paths: &[PathBuf]) -> Result<Self, Problem> {
        let mut found = Self::default();
        if paths.is_empty() {
            found.project(Path::new(""))?;
        }
        for path in paths {
            if !path.is_dir() {
                found.suites.push(path.clone());
                continue;
            }
            let before = found.suites.len();
            if path.join(PROJECT_FILE).is_file() || path.join(SUITE_FOLDER).is_dir() {
                found.project(path)?;
            } else {
                found.walk(path, 0)?;
            }
            if found.suites.len() == before {
                found.without_suites.get_or_insert_with(|| path.clone());
            }
        }
        let mut seen = Vec::new();
        for files in [&mut found.suites, &mut found.scenarios] {
            files.retain(|path| {
                let place = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                let is_new = !seen.contains(&place);
                seen.push(place);
                is_new
            });
        }
        Ok(found)
    }

    /// `pulse.toml` and `perf/**/*.toml` of a folder.
    fn project(&mut self, folder: &Path) -> Result<(), Problem> {
        let own = folder.join(PROJECT_FILE);
        if own.is_file() {
            self.suites.push(own);
        }
        let suites = folder.join(SUITE_FOLDER);
        if suites.is_dir() { self.walk(&suites, 0) } else { Ok(()) }
    }

    /// The files of a folder and those below it, sorted. Links to folders are not followed, so that there are no circles.
    fn walk(&mut self, folder: &Path, depth: usize) -> Result<(), Problem> {
        let failed =
            |error| Problem::usage(format!("the folder {} cannot be read: {error}", folder.display()));
        let mut entries =
            fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if !is_hidden && depth < MAX_DEPTH {
                    self.walk(&path, depth + 1)?;
                }
            } else if !is_hidden && path.extension().is_some_and(|end| end == "toml") {
                if self.suites.len() + self.scenarios.len() == MAX_FILES {
                    return Err(Problem::usage(format!(
                        "there are more than {MAX_FILES} suite files; name fewer folders"
                    )));
                }
                let files = if is_scenario(&path) { &mut self.scenarios } else { &mut self.suites };
                files.push(path);
            }
        }
        Ok(())
    }
}

/// Whether a file holds scenarios and no cases: such files lie beside the suites that name them. Whatever else is in a
/// folder of suites should be one, and is reported when it is not.
pub(crate) fn is_scenario(path: &Path) -> bool {
    let Ok(bytes) = read_file(path, MAX_SCENARIO_FILE_BYTES) else { return false };
    let text = String::from_utf8_lossy(&bytes);
    let has = |table: &str| {
        text.lines().any(|line| {
            let line: String = line.chars().filter(|c| !c.is_whitespace()).collect();
            line.strip_prefix("[[")
                .and_then(|rest| rest.strip_prefix(table))
                .is_some_and(|rest| rest.starts_with("]]") || rest.starts_with('.'))
        })
    };
    has("scenario") && !has("test")
}

/// What the current folder's `pulse.toml` says of the service.
fn base_service() -> Result<Option<BaseService>, Problem> {
    let path = Path::new(PROJECT_FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let read = Read::of(path)?;
    read.file.base_service(&read.files).map_err(|errors| file_problem(&errors, &read.texts))
}

fn read_suite(path: &Path, overrides: &Overrides, base: Option<&BaseService>) -> Result<Suite, Problem> {
    let Read { file, files, texts } = Read::of(path)?;
    file.into_suite(&files, overrides, base).map_err(|error| match error {
        PlanError::File(errors) => file_problem(&errors, &texts),
        other => Problem::usage(format!("{}: {other}", path.display())),
    })
}

/// A suite file with the contents of the files that it names, as bytes and, for messages, as text.
struct Read {
    file: SuiteFile,
    files: BTreeMap<String, Vec<u8>>,
    texts: BTreeMap<String, String>,
}

impl Read {
    fn of(path: &Path) -> Result<Self, Problem> {
        let env = |variable: &str| std::env::var(variable).ok();
        let name = path.display().to_string();
        let text = String::from_utf8(read_file(path, MAX_SCENARIO_FILE_BYTES)?)
            .map_err(|error| Problem::usage(format!("{name} is not text: {error}")))?;
        let mut texts = BTreeMap::from([(name.clone(), text.clone())]);
        let drawn = |errors: FileErrors, texts: &_| file_problem(&errors, texts);
        let file = SuiteFile::parse(&name, &text, &env).map_err(|errors| drawn(errors, &texts))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut read = Self { file, files: BTreeMap::new(), texts: BTreeMap::new() };
        read.needs(folder, &mut texts)?;
        if read.file.has_scenarios() {
            let file = read.file.with_scenarios(&read.files, &env);
            read.file = file.map_err(|errors| drawn(errors, &texts))?;
            read.needs(folder, &mut texts)?;
        }
        let Self { file, files, .. } = &mut read;
        read_imports(folder, files, &|files| file.missing_import(files))?;
        read.texts = texts;
        Ok(read)
    }

    /// Reads what is named and was not read yet.
    fn needs(&mut self, folder: &Path, texts: &mut BTreeMap<String, String>) -> Result<(), Problem> {
        for needed in self.file.needs().to_vec() {
            if self.files.contains_key(&needed) {
                continue;
            }
            let path = folder.join(&needed);
            if self.file.may_stream(&needed)
                && let Some(body) = large_body(&path.display().to_string(), &path)?
            {
                self.file.stream(&needed, body);
                continue;
            }
            let bytes = read_file(&path, MAX_FEED_BYTES)?;
            texts.insert(needed.clone(), String::from_utf8_lossy(&bytes).into_owned());
            self.files.insert(needed, bytes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_give_their_suites_in_order_without_scenarios_and_hidden_files() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("b.toml", "[[test]]"),
            ("a/z.toml", "[[ test ]]"),
            ("a/scenario.toml", "[[scenario]]\n[[scenario.step]]"),
            ("a/both.toml", "[[scenario]]\n[[test]]"),
            (".hidden/x.toml", "[[test]]"),
            ("notes.txt", ""),
            ("broken.toml", "[[tes"),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let relative = |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().display().to_string();
        let names = |paths: &[PathBuf]| -> Vec<String> {
            FoundFiles::of(paths).unwrap().suites.iter().map(relative).collect()
        };
        let all = ["a/both.toml", "a/z.toml", "b.toml", "broken.toml"];
        assert_eq!(names(&[folder.path().to_owned()]), all);
        let found = FoundFiles::of(&[folder.path().to_owned()]).unwrap();
        assert_eq!(found.scenarios.iter().map(relative).collect::<Vec<_>>(), ["a/scenario.toml"]);
        let twice = [folder.path().join("b.toml"), folder.path().join("b.toml")];
        assert_eq!(names(&twice), ["b.toml"], "a file that is named twice runs once");
        fs::create_dir_all(folder.path().join("perf")).unwrap();
        fs::write(folder.path().join("perf/api.toml"), "").unwrap();
        fs::write(folder.path().join(PROJECT_FILE), "").unwrap();
        assert_eq!(names(&[folder.path().to_owned()]), ["pulse.toml", "perf/api.toml"], "a project");
    }
}
