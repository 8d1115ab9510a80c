//! A command line as written in a suite, ready to be started.
//!
//! A shell costs a process and some milliseconds, and stands between Pulse and the program that it starts. So a plain
//! command line is split into words as a shell would and started directly; one that needs a shell (pipes, redirections,
//! variables, wildcards, several commands) goes to `sh -c`.

use std::process::Command;

/// Characters that mean something to a shell, outside of quotes or (the first two) in double quotes as well.
const FOR_THE_SHELL: &[char] =
    &['$', '`', '|', '&', ';', '<', '>', '(', ')', '*', '?', '[', '{', '~', '#', '!', '\n'];
/// Words of the shell itself, which are no programs.
const SHELL_WORDS: &[&str] =
    &["cd", "exec", "exit", "export", "set", "source", "ulimit", "umask", "unset", "while", "for", "if", "."];

/// Why a command line cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// There is nothing in it.
    #[error("the command is empty; write for example command = \"python job.py\"")]
    Empty,
    /// A quote is not closed.
    #[error("`{command}` cannot be split into words: a quote is not closed")]
    Quote {
        /// The command line.
        command: String,
    },
}

/// A program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    program: String,
    arguments: Vec<String>,
}

impl Invocation {
    /// Reads a command line.
    pub fn parse(command: &str) -> Result<Self, InvocationError> {
        let command = command.trim();
        let first = command.split_whitespace().next().ok_or(InvocationError::Empty)?;
        let assigns = first.split_once('=').is_some_and(|(name, _)| !name.is_empty() && !name.contains('/'));
        if command.contains(FOR_THE_SHELL) || assigns || SHELL_WORDS.contains(&first) {
            return Ok(Self {
                program: "sh".to_owned(),
                arguments: vec!["-c".to_owned(), command.to_owned()],
            });
        }
        let quote = |_| InvocationError::Quote { command: command.to_owned() };
        let mut words = shell_words::split(command).map_err(quote)?.into_iter();
        let program = words.next().filter(|word| !word.is_empty()).ok_or(InvocationError::Empty)?;
        Ok(Self { program, arguments: words.collect() })
    }

    /// The command that starts it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_only_where_it_is_needed() {
        for (command, program, arguments) in [
            ("uvicorn api_server:app", "uvicorn", vec!["api_server:app"]),
            ("  grep -c 'a b'  \"x y\" ", "grep", vec!["-c", "a b", "x y"]),
            ("ls | wc -l", "sh", vec!["-c", "ls | wc -l"]),
            ("PORT=8000 serve", "sh", vec!["-c", "PORT=8000 serve"]),
            ("cd api", "sh", vec!["-c", "cd api"]),
            ("./run --name=a=b", "./run", vec!["--name=a=b"]),
            ("echo $HOME", "sh", vec!["-c", "echo $HOME"]),
        ] {
            let arguments = arguments.into_iter().map(str::to_owned).collect();
            let expected = Invocation { program: program.to_owned(), arguments };
            assert_eq!(Invocation::parse(command).unwrap(), expected, "{command}");
        }
        assert!(matches!(Invocation::parse("  "), Err(InvocationError::Empty)));
        assert!(matches!(Invocation::parse("''"), Err(InvocationError::Empty)));
        assert!(matches!(Invocation::parse("echo 'a"), Err(InvocationError::Quote { .. })));
    }
}
