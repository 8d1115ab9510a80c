//! Why a command could not do its work: text for people, and the exit code that goes with it.

use std::fmt::Display;

use crate::exit::Exit;
use crate::terminal;

/// A job that did not come about.
#[derive(Debug)]
pub(crate) struct Problem {
    /// What the shell sees.
    pub(crate) exit: Exit,
    /// What people see: complete, possibly of several lines.
    text: String,
}

impl Problem {
    /// A mistake of the user, or a file that cannot be used.
    pub(crate) fn usage(text: impl Display) -> Self {
        Self { exit: Exit::Usage, text: format!("error: {text}") }
    }

    /// The service does not answer.
    pub(crate) fn unreachable(text: impl Display) -> Self {
        Self { exit: Exit::Unreachable, text: format!("error: {text}") }
    }

    /// Something that should not have happened.
    pub(crate) fn internal(text: impl Display) -> Self {
        Self { exit: Exit::Internal, text: format!("error: {text}") }
    }

    /// Several problems as one; it exits like the first.
    pub(crate) fn joined(problems: Vec<Self>) -> Self {
        let exit = problems.first().map_or(Exit::Usage, |problem| problem.exit);
        let texts: Vec<String> = problems.into_iter().map(|problem| problem.text).collect();
        Self { exit, text: texts.join("\n") }
    }

    /// Mistakes that were drawn with their surroundings already.
    pub(crate) fn drawn(text: String) -> Self {
        Self { exit: Exit::Usage, text }
    }

    /// What people see.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Tells people on standard error.
    pub(crate) fn print(&self) {
        terminal::note(&self.text);
    }
}
