//! The command line of `cargo xtask`, as data.

use anyhow::{Context, bail};

/// What `cargo xtask` prints when it is asked for help.
pub(crate) const HELP: &str = "\
Usage: cargo xtask COMMAND

  tidy                             check the repository; one line per finding, exit code 1 if there is one
  generate                         write the generated files that tidy compares
  fuzz [--seconds N] [TARGET...]   run the fuzz targets (default: all, 60 seconds each)";

/// One run of `cargo xtask`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Tidy,
    Generate,
    Fuzz(FuzzOptions),
}

/// What to fuzz and for how long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FuzzOptions {
    /// Run time of each target; at least one second, because libFuzzer takes zero for "for ever".
    pub(crate) seconds: u32,
    /// Names as in `fuzz/Cargo.toml`; empty means all of them.
    pub(crate) targets: Vec<String>,
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Command> {
    let command = match arguments.next().as_deref() {
        None | Some("help" | "-h" | "--help") => return Ok(Command::Help),
        Some("tidy") => Command::Tidy,
        Some("generate") => Command::Generate,
        Some("fuzz") => return fuzz(arguments).map(Command::Fuzz),
        Some(other) => bail!("no command `{other}`\n\n{HELP}"),
    };
    match arguments.next() {
        Some(extra) => bail!("unexpected argument `{extra}`\n\n{HELP}"),
        None => Ok(command),
    }
}

fn fuzz(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<FuzzOptions> {
    let mut options = FuzzOptions { seconds: 60, targets: Vec::new() };
    while let Some(argument) = arguments.next() {
        if argument == "--seconds" {
            let value =
                arguments.next().context("--seconds needs a number of seconds, as in `--seconds 60`")?;
            options.seconds = value
                .parse()
                .ok()
                .filter(|seconds| *seconds > 0)
                .with_context(|| format!("--seconds needs a whole number above zero, not `{value}`"))?;
        } else if argument.starts_with('-') {
            bail!("no option `{argument}`\n\n{HELP}");
        } else {
            options.targets.push(argument);
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> anyhow::Result<Command> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    fn fuzzing(seconds: u32, targets: &[&str]) -> Command {
        Command::Fuzz(FuzzOptions {
            seconds,
            targets: targets.iter().map(|name| (*name).to_owned()).collect(),
        })
    }

    #[test]
    fn lines_become_commands() {
        let cases = [
            ("", Command::Help),
            ("--help", Command::Help),
            ("tidy", Command::Tidy),
            ("generate", Command::Generate),
            ("fuzz", fuzzing(60, &[])),
            ("fuzz --seconds 5 target", fuzzing(5, &["target"])),
            ("fuzz target response", fuzzing(60, &["target", "response"])),
        ];
        for (line, expected) in cases {
            assert_eq!(parsed(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("tydy", "tydy"),
            ("tidy now", "now"),
            ("fuzz --seconds", "--seconds needs"),
            ("fuzz --seconds soon", "soon"),
            ("fuzz --seconds 0", "above zero"),
            ("fuzz --forever", "--forever"),
        ];
        for (line, part) in cases {
            let message = parsed(line).unwrap_err().to_string();
            assert!(message.contains(part), "{line}: {message}");
        }
    }
}
