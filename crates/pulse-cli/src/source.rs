//! From arguments to a plan: reads the scenario file and what it names.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use pulse_plan::{
    BodyFile, FileErrors, MAX_FEED_BYTES, MAX_HELD_BODY_BYTES, MAX_PROTO_BYTES, MAX_SCENARIO_FILE_BYTES,
    Overrides, Plan, PlanError, ScenarioFile, UrlRequest,
};

use crate::diagnostic::file_problem;
use crate::problem::Problem;

/// What is to be tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A URL, or the default service.
    Url(UrlRequest),
    /// A scenario file.
    File(PathBuf),
}

impl Source {
    /// Builds the plan.
    pub(crate) fn plan(&self, overrides: &Overrides) -> Result<Plan, Problem> {
        match self {
            Self::Url(request) => {
                let mut request = request.clone();
                for path in &request.protos.files {
                    let bytes = read_file_of("--proto", Path::new(path), MAX_PROTO_BYTES)?;
                    request.proto_files.insert(path.clone(), bytes);
                }
                let protos = &request.protos;
                read_imports(Path::new(""), &mut request.proto_files, &|files| protos.missing_import(files))?;
                Plan::for_url(&request, overrides).map_err(Problem::usage)
            }
            Self::File(path) => {
                let bytes = read_file(path, MAX_SCENARIO_FILE_BYTES)?;
                let text = String::from_utf8(bytes)
                    .map_err(|error| Problem::usage(format!("{} is not text: {error}", path.display())))?;
                let base = path.parent().unwrap_or(Path::new(""));
                scenario_plan(&path.display().to_string(), &text, base, overrides)
            }
        }
    }
}

/// The plan of a scenario file's text; the files that it names are looked for beside it, in `base`.
pub(crate) fn scenario_plan(
    name: &str,
    text: &str,
    base: &Path,
    overrides: &Overrides,
) -> Result<Plan, Problem> {
    let mut texts = BTreeMap::from([(name.to_owned(), text.to_owned())]);
    let drawn = |errors: &FileErrors, texts: &BTreeMap<String, String>| file_problem(errors, texts);
    let mut file = ScenarioFile::parse(name, text, &|variable| std::env::var(variable).ok())
        .map_err(|errors| drawn(&errors, &texts))?;
    let mut files = BTreeMap::new();
    for needed in file.needs().to_vec() {
        let path = base.join(&needed);
        if file.may_stream(&needed)
            && let Some(body) = large_body(&path.display().to_string(), &path)?
        {
            file.stream(&needed, body);
            continue;
        }
        let bytes = read_file(&path, MAX_FEED_BYTES)?;
        texts.insert(needed.clone(), String::from_utf8_lossy(&bytes).into_owned());
        files.insert(needed, bytes);
    }
    read_imports(base, &mut files, &|files| file.missing_import(files))?;
    file.into_plan(&files, overrides).map_err(|error| match error {
        PlanError::File(errors) => drawn(&errors, &texts),
        other => Problem::usage(other),
    })
}

/// From the files that are known to the places of the next one that they import.
type Missing<'a> = &'a dyn Fn(&BTreeMap<String, Vec<u8>>) -> Option<Vec<String>>;

/// Reads what `.proto` files import, to `files`. `missing` gives the places of the next import; where it is in none of
/// them, the compiler of these files says so better.
pub(crate) fn read_imports(
    base: &Path,
    files: &mut BTreeMap<String, Vec<u8>>,
    missing: Missing<'_>,
) -> Result<(), Problem> {
    while let Some(places) = missing(files) {
        let Some(place) = places.into_iter().find(|place| base.join(place).is_file()) else { break };
        let bytes = read_file(&base.join(&place), MAX_PROTO_BYTES)?;
        files.insert(place, bytes);
    }
    Ok(())
}

/// A body in a file that is too large to be held in memory, open; `None` where it should be read as a whole. What is no
/// regular file can be read only once.
pub(crate) fn large_body(name: &str, path: &Path) -> Result<Option<BodyFile>, Problem> {
    let fail = |error: std::io::Error| Problem::usage(format!("{name} cannot be read: {error}"));
    if !fs::metadata(path).map_err(fail)?.is_file() {
        return Ok(None);
    }
    let file = File::open(path).map_err(fail)?;
    let length = file.metadata().map_err(fail)?.len();
    Ok((length > MAX_HELD_BODY_BYTES).then(|| BodyFile::new(name, file, length)))
}

/// The content of a file, up to a limit.
pub(crate) fn read_file(path: &Path, limit: usize) -> Result<Vec<u8>, Problem> {
    read_named(&path.display().to_string(), path, limit)
}

/// The content of the file that a flag names, up to a limit.
pub(crate) fn read_file_of(flag: &str, path: &Path, limit: usize) -> Result<Vec<u8>, Problem> {
    read_named(&format!("the file {} of {flag}", path.display()), path, limit)
}

fn read_named(name: &str, path: &Path, limit: usize) -> Result<Vec<u8>, Problem> {
    let fail = |error: std::io::Error| Problem::usage(format!("{name} cannot be read: {error}"));
    let mut bytes = Vec::new();
    File::open(path).map_err(fail)?.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() > limit {
        return Err(Problem::usage(format!("{name} is larger than {limit} bytes")));
    }
    Ok(bytes)
}
