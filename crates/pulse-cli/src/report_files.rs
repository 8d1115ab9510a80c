//! Where reports go: `--out json=report.json`.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pulse_model::Summary;
use pulse_report::{Format, Html, Markdown, NO_PAGE, PytestBenchmark, Reporter as _};
use tempfile::NamedTempFile;

use crate::picture_link::picture_link;
use crate::problem::Problem;
use crate::terminal::Stream;

/// The variable that names the file of a step's summary in GitHub Actions.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

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
        if text == Format::Github.name() {
            return Ok(Self { format: Format::Github, path: None });
        }
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
    /// Whether the report occupies standard output.
    pub(crate) fn is_standard_output(&self) -> bool {
        self.path.is_none() && self.format != Format::Github
    }

    /// What is to be written.
    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// Where; `None` is standard output.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// A report on standard output.
    pub(crate) fn standard_output(format: Format) -> Self {
        Self { format, path: None }
    }

    /// A report in a file.
    pub(crate) fn new(format: Format, path: impl Into<PathBuf>) -> Self {
        Self { format, path: Some(path.into()) }
    }
}

/// The reports of a job. Made before the job starts, so that a path that cannot be written is known at once.
#[derive(Debug)]
pub(crate) struct ReportFiles {
    files: Vec<ReportFile>,
    standard_output: Option<Format>,
    /// Annotations for GitHub: a step's output may hold them between other text.
    annotations: bool,
    commit: PytestBenchmark,
}

#[derive(Debug)]
struct ReportFile {
    format: Format,
    path: PathBuf,
    place: Place,
}

/// How a report gets to its path.
#[derive(Debug)]
pub(crate) enum Place {
    /// Written beside it and moved there when it is complete.
    Beside(NamedTempFile),
    /// Written to what is there: a device or a pipe, which must not be replaced by a file.
    There(File),
}

impl ReportFiles {
    /// Prepares the reports.
    pub(crate) fn prepare(requests: &[ReportRequest]) -> Result<Self, Problem> {
        let mut prepared = Self {
            files: Vec::new(),
            standard_output: None,
            annotations: false,
            commit: PytestBenchmark::default(),
        };
        for request in requests {
            if request.format == Format::Html && !Html::is_there() {
                return Err(Problem::usage(format!("--out html: {NO_PAGE}")));
            }
            if request.path.is_none() {
                check_standard_output(request.format)?;
            }
            match &request.path {
                None if request.format == Format::Github => prepared.annotations = true,
                None if prepared.standard_output.replace(request.format).is_some() => {
                    return Err(Problem::usage("only one report can go to standard output (-)"));
                }
                None => {}
                Some(path) if prepared.files.iter().any(|file| file.path == *path) => {
                    return Err(Problem::usage(format!("two reports cannot go to {}", path.display())));
                }
                Some(path) => {
                    let place = Place::of(path).map_err(|error| cannot_write(path, error))?;
                    prepared.files.push(ReportFile { format: request.format, path: path.clone(), place });
                }
            }
        }
        Ok(prepared)
    }

    /// The same reports; the one of pytest-benchmark names this commit and machine.
    pub(crate) fn with_commit(self, commit: PytestBenchmark) -> Self {
        Self { commit, ..self }
    }

    /// Whether a report names the commit.
    pub(crate) fn needs_commit(&self) -> bool {
        let formats = self.files.iter().map(|file| file.format).chain(self.standard_output);
        formats.into_iter().any(|format| format == Format::PytestBenchmark)
    }

    /// Where people read, given that a report may occupy standard output.
    pub(crate) fn human_stream(&self) -> Stream {
        if self.standard_output.is_some() { Stream::Err } else { Stream::Out }
    }

    /// The picture that a page in Markdown can show: the one that scales, if there are both.
    fn picture(&self) -> Option<&Path> {
        let of = |format| self.files.iter().find(|file| file.format == format);
        of(Format::Svg).or_else(|| of(Format::Png)).map(|file| file.path.as_path())
    }

    /// Writes all reports; those that can be written are, whatever happens to the others.
    pub(crate) fn write(self, summary: &Summary) -> Result<(), Problem> {
        let mut problems = Vec::new();
        let commit = self.commit.clone();
        let stream = self.human_stream();
        let picture = self.picture().map(Path::to_path_buf);
        let rendered = |format: Format, path: Option<&Path>| {
            let mut bytes = Vec::new();
            let rendered = match format {
                Format::PytestBenchmark => commit.render(summary, &mut bytes),
                Format::Markdown => {
                    let picture = picture.as_ref().and_then(|picture| picture_link(path, picture));
                    Markdown { picture }.render(summary, &mut bytes)
                }
                format => format.reporter().render(summary, &mut bytes),
            };
            rendered.map(|()| bytes)
        };
        if self.annotations {
            // The runner reads both streams, so that another report may have standard output for itself.
            // The summary of a step is shown without the files beside it: it links to no picture.
            let page = || {
                let mut bytes = Vec::new();
                Format::Markdown.reporter().render(summary, &mut bytes).map(|()| bytes)
            };
            let written = rendered(Format::Github, None)
                .and_then(|bytes| stream.write(&String::from_utf8_lossy(&bytes)))
                .and_then(|()| page())
                .and_then(|bytes| append_to_step_summary(&bytes));
            if let Err(error) = written {
                problems.push(format!("the report for GitHub cannot be written: {error}"));
            }
        }
        if let Some(format) = self.standard_output {
            let written = rendered(format, None).and_then(|bytes| Stream::Out.write_bytes(&bytes));
            if let Err(error) = written {
                problems.push(format!("the report on standard output cannot be written: {error}"));
            }
        }
        for file in self.files {
            let written =
                rendered(file.format, Some(&file.path)).and_then(|bytes| file.place.fill(&file.path, &bytes));
            if let Err(error) = written {
                problems.push(format!("the report {} cannot be written: {error}", file.path.display()));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Problem::usage(problems.join("\nerror: "))) }
    }
}

/// Whether standard output can take the format.
pub(crate) fn check_standard_output(format: Format) -> Result<(), Problem> {
    if format == Format::Png && Stream::Out.is_terminal() {
        return Err(Problem::usage(
            "--out png=-: a terminal shows no pixels; name a file, or send standard output to one",
        ));
    }
    Ok(())
}

/// Adds text to the summary of a step of GitHub Actions; outside of them there is none.
fn append_to_step_summary(text: &[u8]) -> io::Result<()> {
    let Some(path) = std::env::var_os(STEP_SUMMARY).filter(|path| !path.is_empty()) else { return Ok(()) };
    OpenOptions::new().append(true).create(true).open(path)?.write_all(text)
}

impl Place {
    /// Prepares a path, without changing anything there.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(there) if there.is_dir() => Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")),
            Ok(there) if !there.is_file() => OpenOptions::new().write(true).open(path).map(Self::There),
            // A symbolic link stays one: what it points to is replaced.
            Ok(_) => temporary_beside(&fs::canonicalize(path)?).map(Self::Beside),
            Err(_) => temporary_beside(path).map(Self::Beside),
        }
    }

    /// Writes the content.
    pub(crate) fn fill(self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::There(mut file) => file.write_all(bytes).and_then(|()| file.flush()),
            Self::Beside(mut file) => {
                file.write_all(bytes)?;
                file.as_file().sync_all()?;
                let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
                file.persist(target).map(drop).map_err(|error| error.error)
            }
        }
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
        assert_eq!("github".parse(), Ok(ReportRequest { format: Format::Github, path: None }));
        assert_eq!("github=a.txt".parse(), Ok(ReportRequest::new(Format::Github, "a.txt")));
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
    fn a_page_shows_the_picture_that_is_written_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("pictures")).unwrap();
        let page = |pictures: &[(Format, &str)]| {
            let mut requests = vec![ReportRequest::new(Format::Markdown, path("report.md"))];
            requests.extend(pictures.iter().map(|(format, name)| ReportRequest::new(*format, path(name))));
            ReportFiles::prepare(&requests).unwrap().write(&Summary::default()).unwrap();
            std::fs::read_to_string(path("report.md")).unwrap()
        };
        let both = page(&[(Format::Png, "run.png"), (Format::Svg, "pictures/my run.svg")]);
        assert!(both.contains("![Charts of this report](pictures/my%20run.svg)\n"), "{both}");
        assert!(std::fs::read(path("pictures/my run.svg")).unwrap().starts_with(b"<svg "));
        let pixels = page(&[(Format::Png, "run.png")]);
        assert!(pixels.contains("](run.png)\n"), "{pixels}");
        assert!(std::fs::read(path("run.png")).unwrap().starts_with(b"\x89PNG"));
        assert!(!page(&[]).contains("]("), "no picture, no link");
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_devices_stay_devices() {
        let folder = tempfile::tempdir().unwrap();
        let [link, target] = ["link.json", "target.json"].map(|name| folder.path().join(name));
        std::fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let requests =
            [link.clone(), "/dev/null".into()].map(|path: PathBuf| ReportRequest::new(Format::Json, path));
        ReportFiles::prepare(&requests).unwrap().write(&Summary::default()).unwrap();
        assert!(link.is_symlink());
        assert!(std::fs::read_to_string(&target).unwrap().contains("pulse-report"));
        assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
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
