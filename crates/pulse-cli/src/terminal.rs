//! The program's one way to standard output and standard error.

use std::io::{self, IsTerminal as _, Write as _};

/// Where people read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error: standard output belongs to a machine-readable report.
    Err,
}

impl Stream {
    /// Whether a person sits at the other end.
    pub(crate) fn is_terminal(self) -> bool {
        match self {
            Self::Out => io::stdout().is_terminal(),
            Self::Err => io::stderr().is_terminal(),
        }
    }

    /// The stream for writing.
    pub(crate) fn writer(self) -> Box<dyn io::Write + Send> {
        match self {
            Self::Out => Box::new(io::stdout()),
            Self::Err => Box::new(io::stderr()),
        }
    }

    /// Writes text. A reader that has gone away (`| head`) is no problem of ours.
    pub(crate) fn write(self, text: &str) -> io::Result<()> {
        self.write_bytes(text.as_bytes())
    }

    /// The same for what is not text.
    pub(crate) fn write_bytes(self, bytes: &[u8]) -> io::Result<()> {
        let mut writer = self.writer();
        match writer.write_all(bytes).and_then(|()| writer.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }

    /// Columns of the terminal; 0 where there is none.
    pub(crate) fn width(self) -> u16 {
        if self.is_terminal() { crossterm::terminal::size().map_or(0, |(columns, _)| columns) } else { 0 }
    }

    /// Whether to use colours: at a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
    pub(crate) fn is_colored(self) -> bool {
        self.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }
}

/// A line for people on standard error. Where standard error is closed there is nobody to tell.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
