//! The command line of `cargo xtask`, as data.

use anyhow::{Context, bail};

/// What `cargo xtask` prints when it is asked for help.
pub(crate) const HELP: &str = "\
Usage: cargo xtask COMMAND

  tidy                             check the repository; one line per finding, exit code 1 if there is one
  generate                         write the generated files that tidy compares
  fuzz [--seconds N] [TARGET...]   run the fuzz targets (default: all, 60 seconds each)
  bench gate [--count N]           count false alarms and misses of `pulse compare` against the demo API (default: 500)
  bench db [--count N]             `pulse db` beside SQLite's .expert, its selection, and its what-if plans (default: 500 pairs)
  bench load [--count N] [--seconds N] [--write] [SECTION...]
                                   what a request costs `pulse load`, beside other tools (default: 5 rounds of 4 seconds,
                                   all sections); --write puts the tables into docs/benchmarks.md
  bench suite-gate [--count N]     the same of `pulse test --baseline`, per case, in about 15 minutes (default: 60)
  bench monitor [--count N]        what recording a request costs, beside other libraries (default: 11 rounds)
  bench pacing [--count N]         how exactly schedules are kept, seen from the server (default: 5 rounds)
  bench page [--count N]           how quickly reports open, and what viewers cost a load (default: 15 rounds)
  bench soak [--count N]           a million records per second without a reader (default: 600 seconds)
  bench validity [--count N]       whether verdicts name what disturbed a run, and false alarms (default: 12 of each fault)";

/// One run of `cargo xtask`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Tidy,
    Generate,
    Fuzz(FuzzOptions),
    Bench(BenchOptions),
}

/// A slow proof, and how large.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BenchOptions {
    pub(crate) benchmark: Benchmark,
    /// What is counted depends on the benchmark; at least one.
    pub(crate) count: u32,
    /// Of `load`: length of a run.
    pub(crate) seconds: Option<u32>,
    /// Of `load`: the sections that are run; empty means all of them.
    pub(crate) sections: Vec<String>,
    /// Of `load`: whether the document gets the tables.
    pub(crate) write: bool,
}

/// The slow proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Benchmark {
    /// False alarms and misses of comparisons; the count is that of comparisons of each kind.
    Gate,
    /// False alarms and misses of cases of suites; the count is that of comparisons of each kind and case.
    SuiteGate,
    /// Cost of a record beside other libraries; the count is that of rounds.
    Monitor,
    /// CPU cost of the load generator beside other tools; the count is that of rounds.
    Load,
    /// Advice on databases beside other advisors; the count is that of pairs of plans that are compared.
    Db,
    /// How exactly schedules are kept; the count is that of rounds.
    Pacing,
    /// Opening reports, and what viewers of a running load cost; the count is that of rounds.
    Page,
    /// Memory of a monitor that nobody reads; the count is that of seconds.
    Soak,
    /// Faults that are injected beside a load, and runs without any; the count is that of runs with each fault.
    Validity,
}

impl Benchmark {
    /// Name on the command line and default count.
    const ALL: [(&'static str, Self, u32); 9] = [
        ("db", Self::Db, 500),
        ("gate", Self::Gate, 500),
        ("suite-gate", Self::SuiteGate, 60),
        ("load", Self::Load, 5),
        ("monitor", Self::Monitor, 11),
        ("pacing", Self::Pacing, 5),
        ("page", Self::Page, 15),
        ("soak", Self::Soak, 600),
        ("validity", Self::Validity, 12),
    ];
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
        Some("bench") => return bench(arguments).map(Command::Bench),
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
            options.seconds = above_zero("--seconds", arguments.next())?;
        } else if argument.starts_with('-') {
            bail!("no option `{argument}`\n\n{HELP}");
        } else {
            options.targets.push(argument);
        }
    }
    Ok(options)
}

fn bench(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<BenchOptions> {
    let names = Benchmark::ALL.map(|(name, ..)| name).join(", ");
    let name = arguments.next().with_context(|| format!("bench needs a name: {names}"))?;
    let known = Benchmark::ALL.into_iter().find(|(known, ..)| *known == name);
    let (_, benchmark, count) =
        known.with_context(|| format!("no benchmark `{name}`; there are: {names}"))?;
    let mut options = BenchOptions { benchmark, count, seconds: None, sections: Vec::new(), write: false };
    let is_load = benchmark == Benchmark::Load;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--count" => options.count = above_zero("--count", arguments.next())?,
            "--seconds" if is_load => {
                options.seconds = Some(above_zero("--seconds", arguments.next())?);
            }
            "--write" if is_load => options.write = true,
            section if is_load && !section.starts_with('-') => options.sections.push(section.to_owned()),
            other => bail!("unexpected argument `{other}`\n\n{HELP}"),
        }
    }
    Ok(options)
}

/// The number that belongs to a flag.
fn above_zero(flag: &str, value: Option<String>) -> anyhow::Result<u32> {
    let value = value.with_context(|| format!("{flag} needs a number, as in `{flag} 60`"))?;
    value
        .parse()
        .ok()
        .filter(|number| *number > 0)
        .with_context(|| format!("{flag} needs a whole number above zero, not `{value}`"))
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

    fn counting(benchmark: Benchmark, count: u32) -> BenchOptions {
        BenchOptions { benchmark, count, seconds: None, sections: Vec::new(), write: false }
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
            ("bench gate", Command::Bench(counting(Benchmark::Gate, 500))),
            ("bench gate --count 32", Command::Bench(counting(Benchmark::Gate, 32))),
            (
                "bench load --seconds 2 http --write tls",
                Command::Bench(BenchOptions {
                    seconds: Some(2),
                    sections: vec!["http".to_owned(), "tls".to_owned()],
                    write: true,
                    ..counting(Benchmark::Load, 5)
                }),
            ),
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
            (
                "bench",
                "bench needs a name: db, gate, suite-gate, load, monitor, pacing, page, soak, validity",
            ),
            ("bench fence", "no benchmark `fence`"),
            ("bench gate --count none", "--count needs"),
            ("bench gate twice", "twice"),
            ("bench gate --write", "--write"),
            ("bench load --seconds 0", "above zero"),
        ];
        for (line, part) in cases {
            let message = parsed(line).unwrap_err().to_string();
            assert!(message.contains(part), "{line}: {message}");
        }
    }
}
