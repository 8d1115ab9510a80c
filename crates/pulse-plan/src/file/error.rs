//! What is wrong with a file, and where.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

/// The most errors that are reported at once; more would scroll the first one away.
const MAX_ERRORS: usize = 20;

/// One mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The file, as it was named to the parser (or inside the scenario file).
    pub file: String,
    /// Byte range of the mistake in the file's text.
    pub span: Range<usize>,
    /// Line of the mistake, from 1.
    pub line: usize,
    /// Column of the mistake in characters, from 1.
    pub column: usize,
    /// Dotted path of the key, such as `scenario[0].step[1].timeout`; `None` for mistakes in the syntax.
    pub key: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl FileError {
    /// A mistake at a byte range of `text`; the line and column follow from it.
    pub(crate) fn at(file: &str, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end).max(start);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            file: file.to_owned(),
            span: start..end,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            key: None,
            message: message.into(),
            help: None,
        }
    }
}

/// The last character boundary at or before `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// `file:line:column: message (help)`.
impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FileError {}

/// All mistakes of a file, in the order of the text; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileErrors {
    /// The first mistakes, at most 20.
    pub errors: Vec<FileError>,
    /// How many more there are.
    pub omitted: usize,
}

/// One line per mistake.
impl fmt::Display for FileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.errors.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        match self.omitted {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more"),
        }
    }
}

impl std::error::Error for FileErrors {}

/// Collects the mistakes of one file while it is read.
#[derive(Debug)]
pub(crate) struct Diagnostics<'a> {
    /// Name of the file.
    pub(crate) file: &'a str,
    /// Its text.
    pub(crate) text: &'a str,
    found: RefCell<Vec<FileError>>,
}

impl<'a> Diagnostics<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, found: RefCell::new(Vec::new()) }
    }

    /// Notes a mistake at a byte range of the file.
    pub(crate) fn report(
        &self,
        span: Range<usize>,
        key: &str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let error = FileError::at(self.file, self.text, span, message);
        self.push(FileError { key: (!key.is_empty()).then(|| key.to_owned()), help, ..error });
    }

    /// Notes a mistake, possibly of another file. The same mistake met twice is one mistake.
    pub(crate) fn push(&self, error: FileError) {
        let mut found = self.found.borrow_mut();
        let known = found.iter().any(|known| {
            known.file == error.file && known.span == error.span && known.message == error.message
        });
        if !known {
            found.push(error);
        }
    }

    /// Whether there are no mistakes so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Mistakes so far.
    pub(crate) fn count(&self) -> usize {
        self.found.borrow().len()
    }

    /// The mistakes found, those of this file first; `Ok` when there are none.
    pub(crate) fn finish(self) -> Result<(), FileErrors> {
        let mut errors = self.found.into_inner();
        if errors.is_empty() {
            return Ok(());
        }
        errors.sort_by_key(|error| (error.file != self.file, error.span.start));
        let omitted = errors.len().saturating_sub(MAX_ERRORS);
        errors.truncate(MAX_ERRORS);
        Err(FileErrors { errors, omitted })
    }
}
