//! Where reports go: `--out json=report.json`.

use std::fmt::Display;
use std::fs::Permissions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pulse_model::Summary;
use pulse_report::Format;
use tempfile::NamedTempFile;

use crate::problem::Problem;
use crate::terminal::Stream;

/// A report that was asked for: `FORMAT=PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportRequest {
    format: Format,
    /// `None` is standard output (`-`).
    path: Option<PathBuf>,
}

impl FromStr for ReportRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, path) = text
            .split_once('=')
            .ok_or("write FORMAT=PATH, for example json=report.json; the path - is standard output")?;
        let format = format.parse::<Format>().map_err(|error| error.to_string())?;
        match path {
            "" => Err("the path is missing; - is standard output".to_owned()),
            "-" => Ok(Self { format, path: None }),
            path => Ok(Self { format, path: Some(path.into()) }),
        }
    }
}

impl ReportRequest {
    /// A report in a file.
    pub(crate) fn new(format: Format, path: impl Into<PathBuf>) -> Self {
        Self { format, path: Some(path.into()) }
    }
}

/// The reports of a job. Made before the job starts, so that a path that cannot be written is known at once.
#[derive(Debug)]
pub(crate) struct ReportFiles {
    files: Vec<(Format, PathBuf, NamedTempFile)>,
    standard_output: Option<Format>,
}

impl ReportFiles {
    /// Prepares the reports: each is written beside its place and moved there when it is complete.
    pub(crate) fn prepare(requests: &[ReportRequest]) -> Result<Self, Problem> {
        let mut prepared = Self { files: Vec::new(), standard_output: None };
        for request in requests {
            match &request.path {
                None if prepared.standard_output.replace(request.format).is_some() => {
                    return Err(Problem::usage("only one report can go to standard output (-)"));
                }
                None => {}
                Some(path) => {
                    let file = temporary_beside(path).map_err(|error| cannot_write(path, error))?;
                    prepared.files.push((request.format, path.clone(), file));
                }
            }
        }
        Ok(prepared)
    }

    /// Where people read, given that a report may occupy standard output.
    pub(crate) fn human_stream(&self) -> Stream {
        if self.standard_output.is_some() { Stream::Err } else { Stream::Out }
    }

    /// Writes all reports; those that can be written are, whatever happens to the others.
    pub(crate) fn write(self, summary: &Summary) -> Result<(), Problem> {
        let mut problems = Vec::new();
        if let Some(format) = self.standard_output {
            let mut bytes = Vec::new();
            let written = format.reporter().render(summary, &mut bytes);
            if let Err(error) = written.and_then(|()| Stream::Out.write(&String::from_utf8_lossy(&bytes))) {
                problems.push(format!("standard output cannot be written: {error}"));
            }
        }
        for (format, path, mut file) in self.files {
            let written = format
                .reporter()
                .render(summary, &mut file)
                .and_then(|()| file.flush())
                .and_then(|()| file.as_file().sync_all())
                .and_then(|()| file.persist(&path).map(drop).map_err(|error| error.error));
            if let Err(error) = written {
                problems.push(format!("{} cannot be written: {error}", path.display()));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Problem::usage(problems.join("\nerror: "))) }
    }
}

pub(crate) fn cannot_write(path: &Path, error: impl Display) -> Problem {
    Problem::usage(format!(
        "{} cannot be written: {error}; choose a folder that exists and that you may write to",
        path.display()
    ))
}

/// A new file beside `path`, with the permissions that the user's umask gives to new files.
fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".pulse-");
    #[cfg(unix)]
    builder.permissions(<Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_in_the_form_of_the_flag() {
        assert_eq!("json=a=b.json".parse(), Ok(ReportRequest::new(Format::Json, "a=b.json")));
        assert_eq!("md=-".parse(), Ok(ReportRequest { format: Format::Markdown, path: None }));
        for text in ["json", "=x", "yaml=x", "json="] {
            assert!(text.parse::<ReportRequest>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_report_appears_complete_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let files = ReportFiles::prepare(&[ReportRequest::new(Format::Json, &path)]).unwrap();
        assert!(!path.exists());
        files.write(&Summary::default()).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("pulse-report"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn places_that_cannot_be_written_are_known_before_the_job() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_path_buf(), folder.path().join("missing/report.json")] {
            let problem = ReportFiles::prepare(&[ReportRequest::new(Format::Json, path)]).unwrap_err();
            assert_eq!(problem.exit, crate::exit::Exit::Usage);
        }
    }
}
